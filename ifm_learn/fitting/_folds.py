"""Ridge penalties chosen by what they predict of rows left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Ints
from ifm_learn.data.samples import Samples


@dataclass(frozen=True)
class Tried:
    """A penalty and its held-out loss a row: the mean over folds and the standard error of that mean."""

    ridge: float
    loss: float
    error: float


def fold_of_rows(samples: Samples, folds: int, rng: np.random.Generator) -> Ints:
    """The fold of every row, shape (n,): each training regime is spread evenly over the folds, units kept whole.

    InputError where a regime has one row (unit), since no fold could both learn and be scored on it.
    """
    if folds < 2:
        raise InputError(f"cross-validation needs 2 folds or more, got {folds}")
    if samples.units is not None:
        return samples.units.folds(folds, rng)
    fold = np.empty(len(samples), dtype=np.int64)
    for train in samples.present.tolist():
        rows = np.flatnonzero(samples.regime == train)
        if len(rows) < 2:
            raise InputError(
                f"training regime {train} has one row; the ridge is chosen by rows left out: give `ridge`, or "
                "measure two or more"
            )
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


def choose(
    ridges: Sequence[float], losses: Callable[[float], Sequence[float]], patience: int
) -> tuple[Tried, ...]:
    """Penalties from strong to weak with their held-out losses, until `patience` ones in a row are no better.

    losses: from a penalty to the loss a row of every fold.

    >>> tried = choose([8.0, 4.0, 2.0, 1.0, 0.5], lambda r: [(r - 4) ** 2], patience=2)
    >>> [one.ridge for one in tried], best(tried).ridge
    ([8.0, 4.0, 2.0, 1.0], 4.0)
    """
    tried: list[Tried] = []
    for ridge in sorted(ridges, reverse=True):
        found = np.asarray(losses(ridge))
        error = float(found.std() / np.sqrt(max(len(found) - 1, 1)))
        tried.append(Tried(float(ridge), float(found.mean()), error))
        since = len(tried) - 1 - int(np.argmin([one.loss for one in tried]))
        if since >= patience:
            break
    return tuple(tried)


def best(tried: Sequence[Tried]) -> Tried:
    """The one of least loss."""
    return min(tried, key=lambda one: one.loss)
