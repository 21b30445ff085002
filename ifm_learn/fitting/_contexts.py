"""What pseudo-likelihood needs of rows on a grid: distinct contexts of each variable, and entries they touch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import flat_index

_WHOLE = 8
"""Tables are evaluated as a whole where that is at most this many times the entries that are needed."""

_BLOCK = 1 << 15
"""Contexts that are taken at once."""


@dataclass(frozen=True, eq=False)
class Entries:
    """The entries of one factor's tables that some context of some row needs.

    entries: for each cell of the factor the flat indices of its entries, ascending, or None for whole tables;
    counts: how many rows lie at each entry, all cells one after the other, shape (t,).
    """

    sizes: tuple[int, ...]
    entries: tuple[Ints, ...] | None
    counts: Floats


@dataclass(frozen=True, eq=False)
class CellBlock:
    """Some contexts of one variable: distinct combinations of its factors' cells and its neighbours' bins.

    weight: how many rows have each context, shape (u,). factors: those that hold the variable; for each, `lines`:
    the entries of the lines along the variable that these contexts need, shape (l, bins), and `place`: the line of
    every context, shape (u,).
    """

    variable: int
    weight: Floats
    factors: tuple[int, ...]
    lines: tuple[NDArray[np.int32], ...]
    place: tuple[Ints, ...]

    def gather(self, values: Sequence[Floats]) -> Floats:
        """The sum over factors of the values on every context's line, shape (u, bins)."""
        total: Floats = np.zeros((len(self.weight), self.lines[0].shape[1]))
        for k, lines, place in zip(self.factors, self.lines, self.place, strict=True):
            total += values[k][lines][place]
        return total

    def scatter(self, weights: Floats, into: Sequence[Floats]) -> None:
        """Add weights of the contexts' bins, shape (u, bins), to the entries that they were gathered from."""
        for k, lines, place in zip(self.factors, self.lines, self.place, strict=True):
            u = len(place)
            sums = csc_array((np.ones(u), place, np.arange(u + 1)), shape=(len(lines), u)) @ weights
            into[k][lines] += sums  # an entry lies on one line along the variable only


@dataclass(frozen=True, eq=False)
class Contexts:
    """The sufficient statistics of rows on a grid for pseudo-likelihood.

    entries: for each factor; blocks: of all variables; rows: how many were counted, or their weight; bins: for
    each variable the rows in each of its bins.
    """

    entries: tuple[Entries, ...]
    blocks: tuple[CellBlock, ...]
    rows: float
    bins: tuple[Floats, ...]

    @classmethod
    def of(
        cls,
        cells: FactorCells,
        sizes: Sequence[int],
        bins: NDArray[np.integer],
        regime: Ints,
        weight: Floats | None = None,
    ) -> Contexts:
        """Read rows: bins, shape (n, p); regime: first training indices, shape (n,); weight: shape (n,).

        Time and memory are linear in rows, variables and factors, and in the bins of what is touched. Raises
        InputError for a factor whose table has more entries than can be numbered.
        """
        design = cells.design
        bins = np.asfortranarray(bins)  # columns are read one at a time
        choice = cells.choice(design.train.take(design.distinct)) - cells.first[:-1]
        for factor, scope, count in zip(design.model.factors, cells.scopes, cells.counts, strict=True):
            if math.prod(sizes[v] for v in scope) * int(count) >= 2**62:
                raise InputError(
                    f"factor {factor.name!r} has {len(scope)} variables: too large a table for pseudo-likelihood; "
                    "use fewer bins, smaller factors or regime contrast"
                )
        shown = np.searchsorted(design.distinct, regime)
        holders: list[list[int]] = [[] for _ in sizes]
        for k, scope in enumerate(cells.scopes):
            for v in scope:
                holders[v].append(k)
        raw = [_Raw.of(cells, sizes, bins, choice, shown, v, holders[v], weight) for v in range(len(sizes))]
        entries, lines = [], []
        for k, scope in enumerate(cells.scopes):
            table = math.prod(sizes[v] for v in scope)
            starts = [raw[v].starts[raw[v].factors.index(k)] for v in scope]
            strides = [math.prod(sizes[w] for w in scope[d + 1 :]) for d in range(len(scope))]
            known = [
                (np.unique(start)[:, None] + stride * np.arange(sizes[v])).ravel()
                for v, start, stride in zip(scope, starts, strides, strict=True)
            ]
            touched = np.unique(np.concatenate(known))
            total = table * int(cells.counts[k])
            here = choice[shown, k] * table + flat_index(bins, scope, sizes)
            if total <= _WHOLE * len(touched):
                touched, parts = np.arange(total), None
            else:
                ends = np.searchsorted(touched, table * np.arange(1, cells.counts[k]))
                parts = tuple(part % table for part in np.split(touched, ends))
            at = here if parts is None else np.searchsorted(touched, here)
            counts = np.bincount(at, weights=weight, minlength=len(touched)).astype(np.float64)
            entries.append(Entries(tuple(sizes[v] for v in scope), parts, counts))
            lines.append((touched, parts is None, dict(zip(scope, strides, strict=True))))
        blocks = []
        for v, one in enumerate(raw):
            for begin in range(0, len(one.weight), _BLOCK):
                part = slice(begin, begin + _BLOCK)
                found, places = [], []
                for k, start in zip(one.factors, one.starts, strict=True):
                    touched, whole, stride = lines[k]
                    used, place = np.unique(start[part], return_inverse=True)
                    flat = used[:, None] + stride[v] * np.arange(sizes[v])
                    found.append((flat if whole else np.searchsorted(touched, flat)).astype(np.int32))
                    places.append(place)
                blocks.append(CellBlock(v, one.weight[part], one.factors, tuple(found), tuple(places)))
        columns = [np.bincount(bins[:, v], weights=weight, minlength=size) for v, size in enumerate(sizes)]
        total_rows = float(len(bins)) if weight is None else float(weight.sum())
        return cls(tuple(entries), tuple(blocks), total_rows, tuple(c.astype(np.float64) for c in columns))


@dataclass(frozen=True, eq=False)
class _Raw:
    """The contexts of one variable: their weights and, for each factor, the flat index where their line starts."""

    weight: Floats
    factors: tuple[int, ...]
    starts: tuple[Ints, ...]

    @classmethod
    def of(
        cls,
        cells: FactorCells,
        sizes: Sequence[int],
        bins: NDArray[np.integer],
        choice: Ints,
        shown: Ints,
        variable: int,
        factors: Sequence[int],
        weight: Floats | None,
    ) -> _Raw:
        patterns, pattern = np.unique(choice[:, factors], axis=0, return_inverse=True)
        pattern = pattern.ravel()
        others = sorted({w for k in factors for w in cells.scopes[k]} - {variable})
        columns = [pattern[shown], *(bins[:, w] for w in others)]
        first, context = distinct_rows(columns, [len(patterns), *(sizes[w] for w in others)])
        cell = patterns[pattern[shown[first]]]
        at = {w: bins[first, w] for w in others} | {variable: np.zeros(len(first), dtype=np.int64)}
        starts = []
        for i, k in enumerate(factors):
            start = cell[:, i]
            for w in cells.scopes[k]:
                start = start * sizes[w] + at[w]
            starts.append(start)
        counts = np.bincount(context, weights=weight, minlength=len(first)).astype(np.float64)
        return cls(counts, tuple(factors), tuple(starts))


def distinct_rows(columns: Sequence[NDArray[np.integer]], sizes: Sequence[int]) -> tuple[Ints, Ints]:
    """One row of every distinct combination of columns, and the combination of every row, shape (n,).

    columns: integers from 0 to size - 1. In time linear in the rows where the combinations are not many more.

    >>> [part.tolist() for part in distinct_rows([np.array([1, 0, 1]), np.array([2, 2, 2])], [2, 3])]
    [[1, 0], [1, 0, 1]]
    """
    n = len(columns[0])
    key, span = np.zeros(n, dtype=np.int64), 1
    for column, size in zip(columns, sizes, strict=True):
        if span * size >= 2**62:
            key = np.unique(key, return_inverse=True)[1]
            span = n
        key = key * size + column
        span *= size
    if span > 4 * n + 1000:
        _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
        return first, inverse
    seen = np.zeros(span, dtype=bool)
    seen[key] = True
    used = np.flatnonzero(seen)
    place = np.zeros(span, dtype=np.int64)
    place[used] = np.arange(len(used))
    inverse = place[key]
    first = np.zeros(len(used), dtype=np.int64)
    first[inverse[::-1]] = np.arange(n)[::-1]
    return first, inverse
