"""Good plans fast: matroid choices, pruned, and choices by gain for the cost where systems share regimes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.planning._spanning import Spanning, SystemRows
from ifm_ident.solve.exact.modular import PRIME, cleared, unit

_DENSE = 2**25
_PRUNE = 400


def greedy_plan(problem: Spanning) -> Ints:
    """Candidates that span every target, all of which must be reachable: the cheapest of several greedy choices.

    With one block the result is minimal. It is the optimum when the targets use all of the cheapest basis, as the
    set of all regimes does (a matroid, docs/theory/planning.md); `Spanning.least_cost` proves it then.
    """
    best: Ints | None = None
    for order in _orders(problem):
        chosen = prune(problem, complete(problem, np.empty(0, dtype=np.int64), order))
        if best is None or (problem.total(chosen), len(chosen)) < (problem.total(best), len(best)):
            best = chosen
    assert best is not None
    return best


def early_plan(problem: Spanning, early: Ints) -> Ints:
    """The greedy choice that looks at some candidates before all others.

    Where these span every target by themselves, the plan is a part of them.
    """
    order = problem.by_cost[np.argsort(~np.isin(problem.by_cost, early), kind="stable")]
    return prune(problem, complete(problem, np.empty(0, dtype=np.int64), order))


def complete(problem: Spanning, start: Ints, order: Ints) -> Ints:
    """`start` and what the greedy choice along `order` adds, block by block, of what the targets use."""
    chosen = start
    for block in problem.blocks:
        if block.holds(chosen).all():
            continue
        kept = block.independent(chosen) if len(chosen) else chosen
        added = block.independent(order, kept)
        used = block.used(np.concatenate([kept, added]))
        chosen = np.concatenate([chosen, np.setdiff1d(used, chosen)])
    return np.sort(chosen)


def prune(problem: Spanning, chosen: Ints) -> Ints:
    """A minimal part of a plan that still spans every target, dear candidates dropped first.

    Independent candidates have one combination for each target: what none uses is dropped at once. With more
    blocks, candidates are tried one by one; plans beyond 400 candidates stay as they are.
    """
    if len(problem.blocks) == 1:
        block = problem.blocks[0]
        return np.sort(block.used(block.independent(chosen[np.argsort(problem.cost[chosen], kind="stable")])))
    if len(chosen) > _PRUNE:
        return chosen
    for candidate in chosen[np.lexsort((-chosen, -problem.cost[chosen]))].tolist():
        rest = chosen[chosen != candidate]
        if all(block.holds(rest).all() for block in problem.blocks if block.offered[candidate]):
            chosen = rest
    return chosen


def _orders(problem: Spanning) -> Iterator[Ints]:
    """Orders to try: by cost; inside the targets' span first; by cost for each block served; by adaptive gain."""
    by_cost = problem.by_cost
    yield by_cost
    inside = np.stack([_inside(block) for block in problem.blocks])
    outside = np.count_nonzero(~inside, axis=0)
    yield by_cost[np.argsort(outside[by_cost], kind="stable")]
    if len(problem.blocks) > 1:
        served = np.count_nonzero(np.stack([block.offered for block in problem.blocks]), axis=0)
        yield np.argsort(problem.cost / np.maximum(served, 0.5), kind="stable").astype(np.int64)
        if problem.count * sum(block.targets.shape[1] for block in problem.blocks) <= _DENSE:
            first = _by_gain(problem, inside)
            yield np.concatenate([first, by_cost[~np.isin(by_cost, first)]])


def _inside(block: SystemRows) -> NDArray[np.bool_]:
    """Which candidates lie in the span of the targets and the free rows."""
    swapped = SystemRows(block.free, block.candidates, block.targets)
    return swapped.holds(np.arange(block.targets.shape[0], dtype=np.int64))


def _by_gain(problem: Spanning, inside: NDArray[np.bool_]) -> Ints:
    """Candidates one after the other, each the one that raises the most unfinished blocks for its cost.

    Works modulo a prime: this proposes an order, exact arithmetic decides what it is worth.
    """
    rest: list[Ints] = []
    goal: list[Ints] = []
    for block in problem.blocks:
        rows, wanted = block.candidates.toarray() % PRIME, block.targets[block.wanted].toarray() % PRIME
        for free in block.free.toarray() % PRIME:
            if free.any():
                rows, wanted = _modulo(free, rows, wanted)
        rest.append(rows)
        goal.append(wanted)
    order: list[int] = []
    price = problem.cost + 1e-9
    while True:
        gain = np.zeros(problem.count)
        for s, rows in enumerate(rest):
            if goal[s].any():
                gain += rows.any(axis=1) * np.where(inside[s], 1.0, 1e-3)
        gain[order] = 0.0
        if not gain.any():
            return np.array(order, dtype=np.int64)
        pick = int(np.argmax(gain / price))
        order.append(pick)
        for s, rows in enumerate(rest):
            if rows[pick].any():
                rest[s], goal[s] = _modulo(rows[pick], rows, goal[s])


def _modulo(row: Ints, *parts: Ints) -> tuple[Ints, ...]:
    """Sets of rows modulo one more row, which is not zero, and modulo the prime."""
    at = int((row != 0).argmax())
    by, left = unit(row, at), []
    for part in parts:
        rows, touched = part.copy(), np.flatnonzero(part[:, at])
        rows[touched] = cleared(part[touched], by, at)
        left.append(rows)
    return tuple(left)
