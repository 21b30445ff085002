"""Redraws and folds of rows that keep units whole and every regime its share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples

_LEAST = 0.25


@dataclass(frozen=True, eq=False)
class Units:
    """Which rows belong together, and which units were seen in the same regimes.

    of_row: shape (n,), 0 to units - 1; regime: index among the regimes present of every row, shape (n,).

    >>> units = Units(np.array([0, 0, 1, 2, 3]), np.array([0, 0, 0, 1, 1]))
    >>> units.counts.tolist(), units.stratum.tolist()
    ([2, 2], [0, 0, 1, 1])
    >>> drawn = units.redraw(np.random.default_rng(0))
    >>> bool(drawn[0] == drawn[1]), round(float(drawn[3:].sum()), 9)
    (True, 2.0)
    """

    of_row: Ints
    regime: Ints

    @classmethod
    def of(cls, samples: Samples, unit: Ints | None) -> Units:
        """Of samples; every row is a unit of its own for None."""
        regime = np.searchsorted(samples.present, samples.regime).astype(np.int64)
        if unit is None:
            return cls(np.arange(len(samples), dtype=np.int64), regime)
        if np.shape(unit) != (len(samples),):
            raise InputError(f"unit has shape {np.shape(unit)} where {len(samples)} rows need one unit each")
        return cls(np.unique(unit, return_inverse=True)[1].astype(np.int64), regime)

    @cached_property
    def _seen(self) -> tuple[Ints, Ints]:
        """Distinct (unit, regime) pairs, by unit."""
        width = int(self.regime.max()) + 1
        pairs = np.unique(self.of_row * width + self.regime)
        return pairs // width, pairs % width

    @cached_property
    def counts(self) -> Ints:
        """Units seen in every regime, shape (d,)."""
        counted: Ints = np.bincount(self._seen[1]).astype(np.int64)
        return counted

    @cached_property
    def stratum(self) -> Ints:
        """Units of one stratum were seen in the same regimes; shape (units,)."""
        unit, regime = self._seen
        first = np.searchsorted(unit, np.arange(unit[-1] + 1))
        if len(first) == len(unit):
            return regime
        known: dict[tuple[int, ...], int] = {}
        parts = np.split(regime, first[1:])
        found = [known.setdefault(tuple(part.tolist()), len(known)) for part in parts]
        return np.array(found, dtype=np.int64)

    def redraw(self, rng: np.random.Generator) -> Floats:
        """A smooth bootstrap: how often each row counts, shape (n,); a stratum's units add up to their number.

        Weights are Dirichlet with (m - 2)/m of concentration each for m units, so that a mean
        varies by s^2/m over redraws, s^2 divided by m - 1, also for few (Rubin 1981 has 1 in place of (m - 2)/m).
        """
        sizes = np.bincount(self.stratum)
        shape = np.maximum((sizes - 2) / sizes, _LEAST)
        drawn = rng.standard_gamma(shape[self.stratum])
        total = np.bincount(self.stratum, drawn)
        weight = drawn * (sizes / np.maximum(total, 1e-300))[self.stratum]
        return weight[self.of_row]

    def folds(self, count: int, rng: np.random.Generator) -> Ints:
        """The fold of every row, 0 to count - 1; -1 for rows of a stratum of one unit, which stay; shape (n,)."""
        fold = np.full(len(self.stratum), -1, dtype=np.int64)
        order = rng.permutation(len(self.stratum))
        shuffled = self.stratum[order]
        ranked = order[np.argsort(shuffled, kind="stable")]
        sizes = np.bincount(self.stratum)
        starts = np.cumsum(sizes) - sizes
        rank = np.arange(len(ranked)) - starts[self.stratum[ranked]]
        offset = rng.integers(count, size=len(sizes))
        fold[ranked] = (rank + offset[self.stratum[ranked]]) % count
        fold[(sizes == 1)[self.stratum]] = -1
        return fold[self.of_row]
