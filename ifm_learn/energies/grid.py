"""Grids: every variable cut into bins, so that a fitted model can be summed, compared and sampled exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints

BINS = 20


@dataclass(frozen=True, eq=False)
class Grid:
    """The bins of p variables: `values[v]` their representative values, ascending, shape (b_v,).

    edges[v]: shape (b_v + 1,), the outer ones infinite; widths[v]: shape (b_v,), the lengths of the bins inside
    the range of the data. A variable with at most as many distinct values as bins has one bin for each and
    widths 1: it is discrete.

    >>> grid = Grid.of(np.array([[0.0, 0.1], [1.0, 0.2], [1.0, 0.4], [0.0, 0.9]]), bins=2)
    >>> [v.round(3).tolist() for v in grid.values], grid.encode(np.array([[1.0, 0.3], [0.0, 7.0]])).tolist()
    ([[0.0, 1.0], [0.15, 0.65]], [[1, 0], [0, 1]])
    """

    values: tuple[Floats, ...]
    edges: tuple[Floats, ...]
    widths: tuple[Floats, ...]

    @classmethod
    def of(
        cls,
        x: Floats,
        bins: int = BINS,
        spacing: Literal["mixed", "uniform", "quantile"] = "mixed",
        pad: float = 0.0,
    ) -> Grid:
        """The grid of a table of values, shape (n, p), at most `bins` bins a variable.

        uniform: bins of equal width between the least and the largest value. quantile: of equal counts. mixed:
        edges at equal steps of the average of the two, so that outliers drag few bins away and none is very thin.
        pad: how far continuous variables go on beyond their least and largest value, as a part of the range
        between, in bins of the mean width; not across 0 where no value is below it. Widths there count the less
        the farther out they are, as a normal density of the values' spread does: no straight tail fills the room.

        >>> grid = Grid.of(np.array([[1.0], [2.0], [3.0], [5.0]]), 2, "uniform", pad=0.5)
        >>> grid.edges[0].round(9).tolist(), grid.widths[0].round(2).tolist()
        ([-inf, 1.0, 3.0, 5.0, inf], [0.94, 2.0, 2.0, 1.59])
        """
        if bins < 2:
            raise InputError(f"a grid needs at least 2 bins a variable, got {bins}")
        if not 0 <= pad < np.inf:
            raise InputError(f"pad is a part of the range, 0 or more, got {pad}")
        parts = [_axis(column, bins, spacing, pad) for column in x.T]
        return cls(*(tuple(part[i] for part in parts) for i in range(3)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of bins of every variable."""
        return tuple(len(v) for v in self.values)

    def continuous(self, v: int) -> bool:
        """Whether the bins of a variable are intervals, not one value each."""
        return bool((self.widths[v] != 1).any())

    def encode(self, x: Floats) -> Ints:
        """The bin of every value, shape (n, p); values outside the range go to the outermost bins."""
        columns = [
            np.searchsorted(e[1:-1], column, side="right") for e, column in zip(self.edges, x.T, strict=True)
        ]
        bins: Ints = np.stack(columns).astype(np.int64, copy=False).T  # columns are read one at a time
        return bins

    def decode(self, bins: Ints) -> Floats:
        """The representative value of every bin, shape (n, p)."""
        return np.stack([v[column] for v, column in zip(self.values, bins.T, strict=True)], axis=1)

    @property
    def log_widths(self) -> tuple[Floats, ...]:
        """log of the width of every bin; a variable's log-density on the grid is log-mass minus this."""
        return tuple(np.log(w) for w in self.widths)


def _axis(column: Floats, bins: int, spacing: str, pad: float) -> tuple[Floats, Floats, Floats]:
    distinct = np.unique(column)
    if len(distinct) <= bins:
        middle = (distinct[1:] + distinct[:-1]) / 2
        return distinct, np.concatenate([[-np.inf], middle, [np.inf]]), np.ones(len(distinct))
    low, high = distinct[0], distinct[-1]
    even = np.linspace(low, high, bins + 1)
    if spacing == "uniform":
        edges = even
    else:
        at = np.linspace(0, 1, bins + 1)
        edges = np.quantile(column, at)
        if spacing == "mixed":
            # steps of equal (share of rows + share of range) / 2: the mean of two distribution functions, inverted
            support = np.concatenate([distinct, even])
            support.sort()
            level = (
                np.searchsorted(np.sort(column), support, side="right") / len(column)
                + (support - low) / (high - low)
            ) / 2
            level[0] = 0.0
            edges = np.interp(at, level, support)
        edges = np.unique(edges)
    if pad:
        edges = _padded(edges, pad)
    values = _means(column, edges)
    inner = edges.copy()
    inner[0], inner[-1] = -np.inf, np.inf
    away = np.maximum(np.maximum(low - values, values - high), 0.0) / column.std()
    return values, inner, np.diff(edges) * np.exp(-(away**2) / 2)


def _padded(edges: Floats, pad: float) -> Floats:
    """Edges that go on to both sides by a part of their range, in steps near their mean one."""
    low, high, step = edges[0], edges[-1], (edges[-1] - edges[0]) / (len(edges) - 1)
    far = pad * (high - low)
    below = min(far, low) if low >= 0 else far
    before = np.linspace(low - below, low, max(round(below / step), 1 if below > 0 else 0), endpoint=False)
    after = np.linspace(high, high + far, max(round(far / step), 1) + 1)[1:]
    # the largest value belongs to the last bin of the rows
    return np.concatenate([before, edges[:-1], [np.nextafter(high, np.inf)], after])


def _means(column: Floats, edges: Floats) -> Floats:
    """The mean of the rows in every bin; the middle of a bin that has none."""
    which = np.searchsorted(edges[1:-1], column, side="right")
    counts = np.bincount(which, minlength=len(edges) - 1)
    sums = np.bincount(which, weights=column, minlength=len(edges) - 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return np.where(counts > 0, sums / np.maximum(counts, 1), middle)


def flat_index(bins: NDArray[np.integer], scope: Sequence[int], sizes: Sequence[int]) -> Ints:
    """The position of every row in the flattened table over `scope`, shape (n,)."""
    index = np.zeros(len(bins), dtype=np.int64)
    for v in scope:
        index = index * sizes[v] + bins[:, v]
    return index
