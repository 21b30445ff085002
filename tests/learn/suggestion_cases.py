"""A small design with rows, and a reference for what is chosen, that the tests of suggestions share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ifm_ident import Study

LEVELS = {"A": [0, 1], "B": [0, 1], "C": [0, 1], "D": [0, 1]}
EFFECTS = np.array([1.0, 0.5, -0.7, 0.2])


def study(train: list[str] | None = None, **more: Any) -> Study:
    """Four interventions, each in a factor of its own, one variable y."""
    return Study.from_dict(
        {
            "name": "four",
            "interventions": LEVELS,
            "variables": ["y"],
            "factors": [{"sigma": [name]} for name in LEVELS],
            "train": train or ["0000", "1000", "0100", "0010", "0001"],
            **more,
        }
    )


def rows(codes: list[str], n: int = 3, seed: int = 0, noise: float = 0.1) -> dict[str, list[Any]]:
    """n rows of each regime, means adding up."""
    rng = np.random.default_rng(seed)
    levels = np.repeat([[int(c) for c in code] for code in codes], n, axis=0)
    y = levels @ EFFECTS + noise * rng.normal(size=len(levels))
    return {**{name: levels[:, i].tolist() for i, name in enumerate(LEVELS)}, "y": y.tolist()}


SINGLES = ["0000", "1000", "0100", "0010", "0001"]
