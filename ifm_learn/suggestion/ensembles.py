"""Draws handed to BoTorch, for its acquisitions, where it is installed (docs/how-to/suggest.md)."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats


def ensemble_model(draws: Floats) -> Any:
    """A BoTorch `EnsembleModel` whose members are the draws of finitely many candidates.

    draws: shape (draws, candidates). A point is the number of a candidate: a tensor of shape (..., q, 1).
    Raises ImportError, naming the package, where BoTorch is not installed, and InputError for draws of another
    shape.
    """
    if np.ndim(draws) != 2 or not np.isfinite(draws).all():
        raise InputError(f"draws are finite, shape (draws, candidates); got shape {np.shape(draws)}")
    try:
        torch: Any = importlib.import_module("torch")
        ensemble: Any = importlib.import_module("botorch.models.ensemble")
    except ImportError:
        raise ImportError("this needs the package botorch: pip install botorch") from None
    values = torch.as_tensor(np.asarray(draws))

    class Draws(ensemble.EnsembleModel):  # type: ignore[misc]
        """Looks the draws up."""

        num_outputs = 1

        def forward(self, X: Any) -> Any:  # noqa: N803 (BoTorch names it so)
            """Shape (..., draws, q, 1) from numbers of candidates, shape (..., q, 1)."""
            return values[:, X[..., 0].long()].movedim(0, -2).unsqueeze(-1)

    return Draws()
