"""Choosing regimes to add: greedy plans, lower bounds, and the exact search where it is affordable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.deadline import Deadline
from ifm_ident.planning._greedy import early_plan, greedy_plan
from ifm_ident.planning._hitting import HittingSets, OutOfTime
from ifm_ident.planning._spanning import Spanning

_SEARCH = 20_000
_MOST_CELLS = 2_000_000


@dataclass(frozen=True, eq=False)
class Choice:
    """Candidates to add, and what is proven about them.

    bound: every plan that spans the same targets costs at least this. most: no allowed plan spans targets of a
    greater total weight, or None where the plan spans all that can be spanned.
    """

    chosen: Ints
    bound: int
    most: int | None = None


def choose(
    problem: Spanning,
    whole: Callable[[], Spanning],
    bound: int,
    max_add: int | None,
    deadline: Deadline,
    every_candidate: bool,
    targets: Ints | None = None,
    known: Callable[[], Ints] | None = None,
) -> Choice:
    """The best plan for targets that are all reachable.

    problem: independent targets that stand for all; whole: every target, with its weight, asked for only where
    `max_add` is too small for all, and as many as possible are spanned. bound: a proven lower bound on the cost.
    `every_candidate` tells that no allowed regime is missing, so that the search may prove more. targets: the
    candidates that are targets themselves; known: a good plan from elsewhere, asked for only where nothing is
    proven without it. The choice is no worse than either.
    """
    if not len(problem.weight):
        return Choice(np.empty(0, dtype=np.int64), 0)
    early = [] if targets is None else [targets]
    chosen = _cheapest(problem, [greedy_plan(problem), *(early_plan(problem, some) for some in early)])
    if known is not None and (bound < problem.total(chosen) or (max_add is not None and len(chosen) > max_add)):
        early.append(known())
        chosen = _cheapest(problem, [chosen, early_plan(problem, early[-1])])
    searchable = every_candidate and problem.count <= _SEARCH
    if max_add is None or len(chosen) <= max_add:
        if searchable and bound < problem.total(chosen):
            found = HittingSets(problem, deadline).least_cost(chosen, bound, max_add)
            if found is not None:
                return Choice(found.chosen, found.bound)
        return Choice(chosen, min(bound, problem.total(chosen)))
    counting = replace(problem, cost=np.ones_like(problem.cost))
    small = _cheapest(counting, [greedy_plan(counting), *(early_plan(counting, some) for some in early)])
    fits = len(small) <= max_add
    if max(block.deficiency for block in problem.blocks) <= max_add:
        if searchable:
            try:
                found = HittingSets(problem, deadline).least_cost(small if fits else None, bound, max_add)
            except OutOfTime:
                found = None
            if found is not None:
                return Choice(found.chosen, found.bound)
        elif fits:
            return Choice(small, min(bound, problem.total(small)))
    problem = whole()
    partial = _widest(problem, small, max_add)
    fitting = [partial, *(some for some in early if len(some) <= max_add)]
    partial = max(fitting, key=lambda plan: int(problem.weight[problem.spans(plan)].sum()))
    most = int(problem.weight.sum())
    if searchable and problem.count * len(problem.weight) <= _MOST_CELLS:
        widest = HittingSets(problem, deadline).most_targets(partial, max_add)
        partial, most = widest.chosen, widest.bound
    return Choice(partial, 0, most)


def _cheapest(problem: Spanning, plans: Sequence[Ints]) -> Ints:
    """The cheapest plan, then the one of fewest candidates, then the first."""
    return min(plans, key=lambda plan: (problem.total(plan), len(plan)))


def _widest(problem: Spanning, plan: Ints, max_add: int) -> Ints:
    """At most `max_add` regimes of a plan: again and again those that finish most targets for each one."""
    sets = np.zeros((len(problem.weight), len(plan)), dtype=bool)
    place = {candidate: i for i, candidate in enumerate(plan.tolist())}
    for block in problem.blocks:
        kept = block.independent(plan)
        needs = block.needs(kept).tocoo()
        where = np.array([place[c] for c in kept.tolist()], dtype=np.int64)
        sets[needs.row, where[needs.col]] = True
    chosen = np.zeros(len(plan), dtype=bool)
    while True:
        left = np.count_nonzero(sets & ~chosen, axis=1)
        fitting = np.flatnonzero((left > 0) & (left <= max_add - np.count_nonzero(chosen)))
        if not len(fitting):
            return plan[chosen]
        missing, group = np.unique(sets[fitting] & ~chosen, axis=0, return_inverse=True)
        gain = np.bincount(group, weights=problem.weight[fitting])
        chosen |= missing[np.argmax(gain / np.count_nonzero(missing, axis=1))]
