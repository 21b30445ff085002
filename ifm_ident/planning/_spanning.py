"""The choice behind every plan: few cheap rows whose span holds given rows, in one or several systems at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ifm_ident.arrays import Ints
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.rowspace import RowSpace


@dataclass(frozen=True, eq=False)
class SystemRows:
    """One system: rows that are free, rows of every target (t, k), rows of every candidate (c, k)."""

    free: csr_array
    targets: csr_array
    candidates: csr_array

    def stack(self, chosen: Ints) -> csr_array:
        """The free rows, then the chosen candidates' rows."""
        return _stacked(self.free, csr_array(self.candidates[chosen]))

    @cached_property
    def wanted(self) -> Ints:
        """Targets with a nonzero row, ascending; the free rows span the others."""
        return np.flatnonzero(np.diff(self.targets.indptr)).astype(np.int64)

    @cached_property
    def offered(self) -> NDArray[np.bool_]:
        """Which candidates have a nonzero row."""
        nonzero: NDArray[np.bool_] = np.diff(self.candidates.indptr) > 0
        return nonzero

    def holds(self, chosen: Ints) -> NDArray[np.bool_]:
        """Which targets the free rows and the chosen candidates span; exact, shape (t,)."""
        held = np.ones(self.targets.shape[0], dtype=bool)
        chosen = chosen[self.offered[chosen]]
        if len(self.wanted):
            held[self.wanted] = RowSpace(self.stack(chosen)).holds(csr_array(self.targets[self.wanted]))
        return held

    def independent(self, order: Ints, before: Ints | None = None) -> Ints:
        """The greedy choice: candidates of `order` not spanned by free rows, `before` and earlier ones."""
        order = order[self.offered[order]]
        given = self.free if before is None else self.stack(before)
        basis = RowSpace(_stacked(given, csr_array(self.candidates[order]))).basis
        first: Ints = order[basis[basis >= given.shape[0]] - given.shape[0]]
        return first

    def needs(self, chosen: Ints) -> csr_array:
        """What each target's combination of `chosen`, independent modulo the free rows, uses: (t, chosen), 0/1."""
        found: Solutions = RowSpace(self.stack(chosen)).solve(csr_array(self.targets[self.wanted]))
        target = self.wanted[found.owners]
        at = found.row - self.free.shape[0]
        kept = at >= 0
        ones = np.ones(np.count_nonzero(kept), dtype=np.int64)
        return csr_array((ones, (target[kept], at[kept])), shape=(self.targets.shape[0], len(chosen)))

    def used(self, chosen: Ints) -> Ints:
        """Those of `chosen`, independent modulo the free rows, that some target's combination uses."""
        kept: Ints = chosen[np.unique(self.needs(chosen).indices)]
        return kept

    @cached_property
    def deficiency(self) -> int:
        """Rank of the targets' rows modulo the free rows: every plan adds at least as many regimes."""
        rows = csr_array(self.targets[self.wanted])
        if not self.free.shape[0]:
            return RowSpace(rows).rank if rows.shape[0] else 0
        return RowSpace(_stacked(self.free, rows)).rank - int(self.free.shape[0])


@dataclass(frozen=True, eq=False)
class Spanning:
    """Which candidates span every target in every block at least cost.

    cost: of every candidate, whole and 0 or more, shape (c,); weight: how many regimes share each target's rows,
    shape (t,). Free rows are independent.
    """

    blocks: tuple[SystemRows, ...]
    cost: Ints
    weight: Ints

    @property
    def count(self) -> int:
        """The number of candidates."""
        return len(self.cost)

    @cached_property
    def by_cost(self) -> Ints:
        """The candidates, cheapest first, in the order given where costs are equal."""
        return np.argsort(self.cost, kind="stable").astype(np.int64)

    def spans(self, chosen: Ints) -> NDArray[np.bool_]:
        """Which targets the chosen candidates span in every block; shape (t,)."""
        held = np.ones(len(self.weight), dtype=bool)
        for block in self.blocks:
            held &= block.holds(chosen)
        return held

    def restricted(self, targets: Ints) -> Spanning:
        """The same choice for some of the targets."""
        blocks = tuple(SystemRows(b.free, csr_array(b.targets[targets]), b.candidates) for b in self.blocks)
        return Spanning(blocks, self.cost, self.weight[targets])

    def total(self, chosen: Ints) -> int:
        """The cost of some candidates."""
        return int(self.cost[chosen].sum())

    def least_cost(self) -> int:
        """A proven lower bound: the cheapest independent candidates, as many as a block's deficiency."""
        return max((bound_of(block, self.by_cost, self.cost) for block in self.blocks), default=0)


def bound_of(block: SystemRows, by_cost: Ints, cost: Ints) -> int:
    """Cost of the cheapest independent candidates, as many as the block's deficiency.

    Every plan holds an independent set of that size, and the greedy choice is the cheapest (a truncated matroid).
    """
    return int(cost[block.independent(by_cost)[: block.deficiency]].sum())


def _stacked(*parts: csr_array) -> csr_array:
    return csr_array(vstack(parts, format="csr", dtype=np.int64))


def apart(blocks: Sequence[SystemRows], cost: Ints) -> Spanning:
    """The choice where every block has targets of its own: none of them asks anything of the other blocks."""
    starts = np.cumsum([0, *(block.targets.shape[0] for block in blocks)])
    total = int(starts[-1])
    padded = []
    for block, start in zip(blocks, starts[:-1].tolist(), strict=True):
        rows = block.targets
        after = np.full(total - start - rows.shape[0], rows.nnz)
        indptr = np.concatenate([np.zeros(start, dtype=np.int64), rows.indptr, after])
        alone = csr_array((rows.data, rows.indices, indptr), shape=(total, rows.shape[1]))
        padded.append(SystemRows(block.free, alone, block.candidates))
    return Spanning(tuple(padded), cost, np.ones(total, dtype=np.int64))


class Span:
    """The span of rows that come in batches; only independent ones are kept.

    >>> span = Span(csr_array((0, 2), dtype=np.int64))
    >>> span.add(csr_array(np.array([[1, 1], [2, 2], [0, 1]]))).tolist(), len(span)
    ([0, 2], 2)
    """

    def __init__(self, rows: csr_array) -> None:
        self.rows = rows
        self._space: RowSpace | None = None

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def add(self, rows: csr_array) -> Ints:
        """Take in rows; returns which of them are not spanned by all before them, ascending."""
        new = np.flatnonzero(~self.holds(rows)).astype(np.int64)
        if len(new):
            together = _stacked(self.rows, csr_array(rows[new]))
            basis = RowSpace(together).basis
            new = new[basis[basis >= len(self)] - len(self)]
            self.rows, self._space = csr_array(together[basis]), None
        return new

    def holds(self, rows: csr_array) -> NDArray[np.bool_]:
        """Which rows lie in the span; exact, shape (n,)."""
        if not len(self):
            empty: NDArray[np.bool_] = np.diff(rows.indptr) == 0
            return empty
        if self._space is None:
            self._space = RowSpace(self.rows)
        return self._space.holds(rows)
