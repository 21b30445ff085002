"""Counts, means and spread of columns in every regime: one pass over the rows, pieces that add up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints


@dataclass(frozen=True, eq=False)
class UnitCells:
    """Means of the rows that share a unit and a regime, unit by unit: unit u has cells starts[u] to starts[u + 1].

    regime, count: shape (cells,). mean: shape (cells, k).
    """

    starts: Ints
    regime: Ints
    count: Floats
    mean: Floats


@dataclass(frozen=True, eq=False)
class RegimeStatistics:
    """What least squares needs of n rows of k columns in m regimes.

    count: rows (or their weights), shape (m,). mean: shape (m, k). within: sums of squares about the regimes' own
    means, shape (m, k). cross: the products of columns about them, summed over regimes, shape (k, k), where asked
    for. cells: rows by unit, where units were given; such statistics cannot be added to others.

    >>> half = RegimeStatistics.of(np.array([0, 1]), np.array([[1.0], [4.0]]), 2)
    >>> both = half + RegimeStatistics.of(np.array([0]), np.array([[3.0]]), 2)
    >>> both.count.tolist(), both.mean.ravel().tolist(), both.within.ravel().tolist()
    ([2.0, 1.0], [2.0, 4.0], [2.0, 0.0])
    """

    count: Floats
    mean: Floats
    within: Floats
    cross: Floats | None = None
    cells: UnitCells | None = None

    @classmethod
    def of(
        cls,
        regime: Ints,
        values: Floats,
        regimes: int,
        *,
        weight: Floats | None = None,
        unit: Ints | None = None,
        cross: bool = False,
    ) -> RegimeStatistics:
        """From rows: regime, shape (n,), from 0 below `regimes`; values, shape (n, k); units as whole numbers."""
        if values.ndim != 2 or len(values) != len(regime):
            raise InputError(f"values have shape {values.shape} where ({len(regime)}, k) is due")
        if len(regime) and not (regime.min() >= 0 and regime.max() < regimes):
            raise InputError(f"regimes of rows run from {regime.min()} to {regime.max()}, not 0 to {regimes - 1}")
        if weight is not None and unit is not None:
            raise InputError("rows have weights or units, not both; redraw whole units by repeating their rows")
        rows = np.ones(len(regime)) if weight is None else weight
        indicator = _indicator(regime, rows, regimes)
        count = np.bincount(regime, rows, minlength=regimes).astype(np.float64)
        total = indicator @ values
        mean = np.divide(total, count[:, None], out=np.zeros_like(total), where=count[:, None] > 0)
        centred = values - mean[regime]
        products = centred.T @ (centred * rows[:, None]) if cross else None
        within = indicator @ np.square(centred, out=centred)
        cells = None if unit is None else _unit_cells(regime, values, unit, regimes)
        return cls(count, mean, within, products, cells)

    def __add__(self, other: RegimeStatistics) -> RegimeStatistics:
        """Of both sets of rows together."""
        if self.cells is not None or other.cells is not None:
            raise InputError("statistics with units cannot be added; give all rows at once")
        count = self.count + other.count
        apart = other.mean - self.mean
        safe = np.where(count > 0, count, 1.0)
        mean = self.mean + apart * (other.count / safe)[:, None]
        between = self.count * other.count / safe
        within = self.within + other.within + between[:, None] * apart**2
        cross = None
        if self.cross is not None and other.cross is not None:
            cross = self.cross + other.cross + apart.T @ (between[:, None] * apart)
        return RegimeStatistics(count, mean, within, cross)


def _indicator(regime: Ints, weight: Floats, regimes: int) -> csr_array:
    """Weights of rows by regime, shape (regimes, n)."""
    order = np.argsort(regime, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(regime, minlength=regimes))])
    return csr_array((weight[order], order, starts), shape=(regimes, len(regime)))


def _unit_cells(regime: Ints, values: Floats, unit: Ints, regimes: int) -> UnitCells:
    _, place = np.unique(unit, return_inverse=True)
    key, cell = np.unique(place * regimes + regime, return_inverse=True)
    count = np.bincount(cell).astype(np.float64)
    mean = (_indicator(cell, np.ones(len(cell)), len(key)) @ values) / count[:, None]
    starts = np.searchsorted(key // regimes, np.arange(int(place.max(initial=-1)) + 2))
    return UnitCells(starts.astype(np.int64), (key % regimes).astype(np.int64), count, mean)
