"""The choice behind every plan: few cheap rows whose span holds given rows, in one or several systems at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ifm_ident.exact.factorisation import Solutions
from ifm_ident.exact.rowspace import RowSpace
from ifm_ident.model import Ints


@dataclass(frozen=True, eq=False)
class Block:
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
        target = np.repeat(self.wanted, np.diff(found.indptr))
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

    blocks: tuple[Block, ...]
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

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """Which targets all candidates together span; shape (t,)."""
        return self.spans(np.arange(self.count, dtype=np.int64))

    def restricted(self, targets: Ints) -> Spanning:
        """The same choice for some of the targets."""
        blocks = tuple(Block(b.free, csr_array(b.targets[targets]), b.candidates) for b in self.blocks)
        return Spanning(blocks, self.cost, self.weight[targets])

    def total(self, chosen: Ints) -> int:
        """The cost of some candidates."""
        return int(self.cost[chosen].sum())

    def least_cost(self) -> int:
        """A proven lower bound: the cheapest independent candidates, as many as a block's deficiency."""
        return max((bound_of(block, self.by_cost, self.cost) for block in self.blocks), default=0)


def bound_of(block: Block, by_cost: Ints, cost: Ints, candidates: csr_array | None = None) -> int:
    """Cost of the cheapest independent rows, as many as the block's deficiency.

    Every plan holds an independent set of that size, and the greedy choice is the cheapest (a truncated matroid).
    `candidates` replaces the block's own rows, for a set known to hold a cheapest independent one.
    """
    rows = block if candidates is None else Block(block.free, block.targets, candidates)
    return int(cost[rows.independent(by_cost)[: block.deficiency]].sum())


def _stacked(*parts: csr_array) -> csr_array:
    return csr_array(vstack(parts, format="csr", dtype=np.int64))


def spanning_of(
    rows: Sequence[tuple[csr_array, csr_array]],
    target_directions: Ints,
    candidate_directions: Ints,
    cost: Ints,
    weight: Ints,
) -> Spanning:
    """The choice for targets and candidates that are given by direction numbers, shape (n, systems).

    rows: for every system its free rows and the row of every direction. Systems where every target is spanned
    already are left out.
    """
    blocks = []
    for s, (free, directions) in enumerate(rows):
        block = Block(
            free, csr_array(directions[target_directions[:, s]]), csr_array(directions[candidate_directions[:, s]])
        )
        if len(block.wanted):
            blocks.append(block)
    return Spanning(tuple(blocks), cost, weight)
