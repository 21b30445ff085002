"""Rows that belong together (of one animal, plate, donor): dealt to folds, held out and redrawn as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from ifm_ident import InputError
from ifm_ident.arrays import Ints

_TRIES = 200
"""Draws of units that lie in several regimes are repeated so often until every regime has a row."""


@dataclass(frozen=True, eq=False)
class Units:
    """Which unit each of n rows is of, and among which units it is drawn.

    place: shape (n,), the unit of every row, 0 to u - 1. regime: shape (n,), 0 to m - 1. strata: the units in
    parts: those of one regime, regime by regime, then those that lie in several, by what they connect.

    >>> units = Units.of(np.array([0, 0, 0, 1, 1]), np.array([7, 7, 3, 5, 4]))
    >>> [part.tolist() for part in units.strata], units.place.tolist()
    ([[0, 3], [1, 2]], [3, 3, 0, 2, 1])
    >>> fold = units.folds(2, np.random.default_rng(0))
    >>> bool(fold[0] == fold[1]), len(set(fold[[0, 2]].tolist())), len(set(fold[[3, 4]].tolist()))
    (True, 2, 2)
    >>> Units.of(np.array([0, 0]), np.array([7, 7])).folds(2, np.random.default_rng(0))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a training regime has one unit only, and units are kept whole: rows left out \
need two or more units in each regime; measure more, or hold none out (--calibration 0)
    """

    place: Ints
    regime: Ints
    strata: tuple[Ints, ...]

    @classmethod
    def of(cls, regime: NDArray[np.integer], unit: NDArray[np.integer]) -> Units:
        """From the regime and the unit's id of every row, shape (n,), any integers."""
        m, at = np.unique(regime, return_inverse=True)
        u, place = np.unique(unit, return_inverse=True)
        at, place = at.ravel().astype(np.int64), place.ravel().astype(np.int64)
        holds = csr_array((np.ones(len(at)), (place, at)), shape=(len(u), len(m)))
        holds.sum_duplicates()
        several = np.diff(holds.indptr) > 1
        _, linked = connected_components(holds[several].T @ holds[several], directed=False)
        first = holds.indices[holds.indptr[:-1]]
        key = np.where(several, len(m) + linked[first], first)
        strata = tuple(np.flatnonzero(key == k).astype(np.int64) for k in np.unique(key))
        return cls(place, at, strata)

    def counts(self) -> Ints:
        """Units of every regime, shape (m,)."""
        u = int(self.place.max()) + 1
        found: Ints = np.bincount(np.unique(self.regime * u + self.place) // u).astype(np.int64)
        return found

    def redrawn(self, rng: np.random.Generator) -> Ints:
        """How often each row is in a sample of units drawn again, as many from each stratum, shape (n,)."""
        for _ in range(_TRIES):
            often = np.zeros(int(self.place.max()) + 1, dtype=np.int64)
            for part in self.strata:
                often[part] = rng.multinomial(len(part), np.full(len(part), 1 / len(part)))
            rows: Ints = often[self.place]
            if self._everywhere(rows > 0):
                return rows
        raise InputError(
            "some training regime is left without rows whenever units are drawn again: too few units lie in it; "
            "measure more"
        )

    def folds(self, folds: int, rng: np.random.Generator) -> Ints:
        """The fold of every row, shape (n,): whole units, every stratum spread evenly, no regime in one alone."""
        for _ in range(_TRIES):
            fold, begin = np.empty(int(self.place.max()) + 1, dtype=np.int64), 0
            for part in self.strata:
                fold[rng.permutation(part)] = (begin + np.arange(len(part))) % folds
                begin += len(part)
            rows: Ints = fold[self.place]
            if all(self._everywhere(rows != f) for f in range(folds)):
                return rows
        raise _one_unit()

    def part(self, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
        """About a share of the units of every stratum, shape (n,); rows in and out in every regime."""
        for _ in range(_TRIES):
            chosen = np.zeros(int(self.place.max()) + 1, dtype=bool)
            for part in self.strata:
                count = min(max(round(share * len(part)), 1), len(part) - 1)
                chosen[rng.permutation(part)[:count]] = True
            rows: NDArray[np.bool_] = chosen[self.place]
            if self._everywhere(rows) and self._everywhere(~rows):
                return rows
        raise _one_unit()

    def one_row_each(self, rng: np.random.Generator) -> Ints:
        """One row drawn of every unit (of every regime that it lies in), ascending."""
        order = rng.permutation(len(self.place))
        pair = self.regime * (int(self.place.max()) + 1) + self.place
        _, first = np.unique(pair[order], return_index=True)
        found: Ints = np.sort(order[first])
        return found

    def _everywhere(self, rows: NDArray[np.bool_]) -> bool:
        return bool(np.bincount(self.regime, rows).all())


def _one_unit() -> InputError:
    return InputError(
        "a training regime has one unit only, and units are kept whole: rows left out need two or more units in "
        "each regime; measure more, or hold none out (--calibration 0)"
    )
