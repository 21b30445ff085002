"""Values of one variable by regime, rows alike counted once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident.arrays import Floats, Ints


@dataclass(frozen=True, eq=False)
class Counted:
    """The values of one variable: regime, value and weight of rows, those alike in one, shape (cells,).

    total: the weight of each regime, shape (m,).
    """

    regime: Ints
    value: Floats
    weight: Floats
    total: Floats

    @classmethod
    def of(cls, regime: Ints, value: Floats, weight: Floats, regimes: int) -> Counted:
        """From rows; rows are joined where values are whole numbers that repeat.

        >>> Counted.of(np.array([0, 0, 0, 0, 1]), np.array([2.0, 2, 2, 2, 2]), np.ones(5), 2).weight.tolist()
        [4.0, 1.0]
        """
        total = np.bincount(regime, weight, minlength=regimes).astype(np.float64)
        if not (value == np.round(value)).all():
            return cls(regime, value, weight, total)
        if value.min(initial=0) >= 0 and value.max(initial=0) <= len(value):
            distinct, place = np.arange(int(value.max(initial=0)) + 1, dtype=np.float64), value.astype(np.int64)
        else:
            distinct, place = np.unique(value, return_inverse=True)
        if len(distinct) * regimes <= 4 * len(value) + 64:
            table = np.bincount(regime * len(distinct) + place, weight, minlength=regimes * len(distinct)).astype(
                float
            )
            key = np.flatnonzero(table)
            regime, value, weight = key // len(distinct), distinct[key % len(distinct)], table[key]
        return cls(regime, value, weight, total)

    def sums(self, values: Floats) -> Floats:
        """Weighted sums of values of the cells, shape (cells, d), by regime, (m, d)."""
        columns = [np.bincount(self.regime, self.weight * one, minlength=len(self.total)) for one in values.T]
        return np.stack(columns, axis=1)
