"""Rounds of unit pivots on a sparse integer matrix, in guarded int64 arithmetic.

Every round eliminates a whole set of +-1 pivots whose pivot block is diagonal, by sparse products. A pivot row
is always the first remaining row of its column, so the rows chosen are the lexicographically first row basis:
formulas depend on the order of the training regimes and on nothing else. What no unit pivot can reduce cheaply is
left as a core for dense exact arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array, csr_array

from ifm_ident.arrays import Ints
from ifm_ident.solve.exact.products import WouldOverflow, difference, product, select_rows

DENSE_AREA = 4_096
"""A core with no more entries than this goes straight to dense arithmetic."""

_DENSITY = 0.25


@dataclass(frozen=True, eq=False)
class Round:
    """Pivots eliminated together: S[rows, columns] = diag(sign) for the Schur complement S, shape (m, c).

    pivot_columns: shape (c, p), entry sign at (columns[i], i); upper = S[rows], shape (p, c);
    lower = S[:, columns] * sign without the pivot rows, shape (m, p).
    """

    rows: Ints
    columns: Ints
    sign: Ints
    pivot_columns: csr_array
    upper: csr_array
    lower: csr_array

    def forward(self, batch: csr_array) -> tuple[csr_array, csr_array]:
        """Multipliers of the pivot rows, shape (n, p), and the batch with the pivot columns cleared."""
        multipliers = product(batch, self.pivot_columns)
        return multipliers, difference(batch, product(multipliers, self.upper))


@dataclass(frozen=True, eq=False)
class Elimination:
    """The rounds, and the core that remains: a Schur complement in the shape of the original matrix."""

    rounds: tuple[Round, ...]
    core: csr_array


def eliminate(matrix: csr_array, dense_area: int = DENSE_AREA) -> Elimination:
    """Eliminate unit pivots of an int64 matrix (m, c) until none is left or the core is small or dense.

    >>> done = eliminate(csr_array(np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]])), dense_area=0)
    >>> sum(len(r.rows) for r in done.rounds), done.core.nnz
    (3, 0)
    """
    schur = csr_array(matrix, dtype=np.int64)
    schur.eliminate_zeros()
    schur.sort_indices()
    rounds: list[Round] = []
    while schur.nnz and not _is_core(schur, dense_area):
        pivots = _independent_pivots(schur)
        if pivots is None:
            break
        try:
            step = _make_round(schur, *pivots)
            schur = step.forward(schur)[1]
        except WouldOverflow:
            break
        rounds.append(step)
    return Elimination(tuple(rounds), schur)


def _is_core(schur: csr_array, dense_area: int) -> bool:
    area = int(np.count_nonzero(np.diff(schur.indptr))) * len(np.unique(schur.indices))
    return area <= dense_area or (area > DENSE_AREA and schur.nnz > _DENSITY * area)


def _make_round(schur: csr_array, rows: Ints, columns: Ints, sign: Ints) -> Round:
    count = len(rows)
    pivot_columns = csr_array((sign, (columns, np.arange(count))), shape=(schur.shape[1], count))
    others = np.ones(schur.shape[0], dtype=bool)
    others[rows] = False
    lower = select_rows(product(schur, pivot_columns), np.flatnonzero(others))
    return Round(rows, columns, sign, pivot_columns, csr_array(schur[rows]), lower)


def _independent_pivots(schur: csr_array) -> tuple[Ints, Ints, Ints] | None:
    """Unit pivots of least fill that do not touch one another: rows, columns, signs; None if there is none."""
    by_column = csc_array(schur)
    by_column.sort_indices()
    row_count, column_count = np.diff(schur.indptr), np.diff(by_column.indptr)
    column = np.flatnonzero(column_count)
    first = by_column.indptr[:-1][column]
    row, value = by_column.indices[first], by_column.data[first]
    unit = np.abs(value) == 1
    column, row, value = column[unit], row[unit], value[unit]
    if not len(column):
        return None
    cost = (row_count[row].astype(np.int64) - 1) * (column_count[column] - 1)
    cheap = cost <= 2 * cost.min() + 1
    column, row, value, cost = column[cheap], row[cheap], value[cheap], cost[cheap]
    order = np.lexsort((column, cost, row))
    best = order[np.concatenate([[True], row[order][1:] != row[order][:-1]])]
    column, row, value, cost = column[best], row[best], value[best], cost[best]
    chosen = _maximal_independent(csr_array(csr_array(schur[row])[:, column]), cost)
    return row[chosen].astype(np.int64), column[chosen].astype(np.int64), value[chosen].astype(np.int64)


def _maximal_independent(block: csr_array, cost: Ints) -> Ints:
    """Indices of a maximal set without off-diagonal entries among them, cheap ones first (Luby's rounds)."""
    count = block.shape[0]
    pattern = csr_array((np.ones(block.nnz, dtype=np.int8), block.indices, block.indptr), shape=block.shape)
    both = csr_array(pattern + pattern.T)
    left, right = np.repeat(np.arange(count), np.diff(both.indptr)), both.indices
    apart = left != right
    left, right = left[apart], right[apart]
    rank = np.empty(count, dtype=np.int64)
    rank[np.lexsort((np.random.default_rng(0).permutation(count), cost))] = np.arange(count)
    undecided, chosen = np.ones(count, dtype=bool), np.zeros(count, dtype=bool)
    while undecided.any():
        live = undecided[left] & undecided[right]
        left, right = left[live], right[live]
        beaten = np.zeros(count, dtype=bool)
        beaten[left[rank[right] < rank[left]]] = True
        winners = undecided & ~beaten
        chosen |= winners
        undecided &= ~winners
        undecided[left[winners[right]]] = False
    return np.flatnonzero(chosen).astype(np.int64)
