"""Least cost by implicit hitting sets: exact where time allows, else a proven bound.

Theory: docs/theory/choosing.md and docs/theory/planning.md.

A plan spans a target exactly when it meets {candidates c : c·w != 0} for every w that the free rows do not see and
the target does. The cheapest set that meets all the sets found so far bounds every plan from below; when it spans
the targets itself it is a cheapest plan. The mixed-integer solver is asked for a gap of zero; its bound, rounded
up to the next whole unit of cost, is trusted to a relative 1e-7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array, eye_array, hstack, vstack

from ifm_ident.arrays import Ints
from ifm_ident.deadline import Deadline
from ifm_ident.planning._greedy import complete, prune
from ifm_ident.planning._spanning import Spanning, SystemRows
from ifm_ident.solve.exact.rowspace import RowSpace

_TARGETS_A_ROUND = 12


class OutOfTime(Exception):
    """The solver gave up before it knew."""


@dataclass(frozen=True)
class Best:
    """The best plan found: candidates, and the lower bound on the cost (or upper bound on what it covers)."""

    chosen: Ints
    bound: int


@dataclass(eq=False)
class HittingSets:
    """The sets found so far for one problem, and how to find more.

    cuts[i]: which candidates meet set i, shape (c,); cut_targets[i]: the targets that need it met, shape (t,).
    """

    problem: Spanning
    deadline: Deadline
    cuts: list[NDArray[np.bool_]] = field(default_factory=list)
    cut_targets: list[NDArray[np.bool_]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(0)

    def least_cost(self, best: Ints | None, bound: int, max_add: int | None = None) -> Best | None:
        """A cheapest plan of at most `max_add` candidates, or the best by the deadline with a proven bound.

        `best`: a plan known to be allowed, or None. Returns None when no plan is small enough; raises OutOfTime
        when that is still open at the deadline and no plan is known.
        """
        problem = self.problem
        while best is None or bound < problem.total(best):
            chosen, low = self._cheapest_hit(max_add)
            if low is None:
                return None
            bound = max(bound, low)
            if chosen is None:
                break
            missed = np.flatnonzero(~problem.spans(chosen))
            full = chosen
            if len(missed):
                self._separate(chosen, missed)
                full = prune(problem, complete(problem, chosen, problem.by_cost))
            small = max_add is None or len(full) <= max_add
            if small and (best is None or problem.total(full) < problem.total(best)):
                best = full
            if not len(missed) or self.deadline.passed:
                break
        if best is None:
            raise OutOfTime
        return Best(best, min(bound, problem.total(best)))

    def most_targets(self, best: Ints, max_add: int) -> Best:
        """At most `max_add` candidates that span targets of the greatest total weight, then of least cost.

        The bound is on the weight; where it is reached, the plan is proven best.
        """
        problem = self.problem
        reached = int(problem.weight[problem.spans(best)].sum())
        bound = int(problem.weight.sum())
        while reached < bound:
            found = self._widest_hit(max_add)
            if found is None:
                return Best(best, bound)
            chosen, claimed, high = found
            bound = min(bound, high)
            spanned = problem.spans(chosen)
            value = int(problem.weight[spanned].sum())
            if value > reached:
                best, reached = chosen, value
            missed = np.flatnonzero(claimed & ~spanned)
            if len(missed) and reached < bound:
                self._separate(chosen, missed)
            if self.deadline.passed:
                break
        return Best(self._cheapest_with(best, reached, max_add) if reached == bound else best, max(bound, reached))

    def _cheapest_with(self, best: Ints, value: int, max_add: int) -> Ints:
        """A plan of least cost among those that reach the weight `value`; `best` if time runs out."""
        problem = self.problem
        while not self.deadline.passed:
            answer = self._solve_cover(problem.cost, np.zeros_like(problem.weight), max_add, value)
            if answer.x is None or answer.status != 0:
                return best
            chosen, claimed = self._split(answer.x)
            if problem.total(chosen) >= problem.total(best):
                return best
            spanned = problem.spans(chosen)
            if int(problem.weight[spanned].sum()) >= value:
                return chosen
            self._separate(chosen, np.flatnonzero(claimed & ~spanned))
        return best

    def _cheapest_hit(self, max_add: int | None) -> tuple[Ints | None, int | None]:
        """The cheapest set that meets all so far, and a lower bound; (None, None) if none is small enough."""
        count = self.problem.count
        if not self.cuts:
            return np.empty(0, dtype=np.int64), 0
        rows = csr_array(np.stack(self.cuts).astype(float))
        constraints = [LinearConstraint(rows, lb=1)]
        if max_add is not None:
            constraints.append(LinearConstraint(np.ones((1, count)), ub=max_add))
        answer = milp(
            self.problem.cost.astype(float),
            integrality=np.ones(count),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options=self._options,
        )
        if answer.status == 2:
            return None, None
        low = _safely_up(answer.mip_dual_bound, 0)
        return (None if answer.x is None else np.flatnonzero(answer.x > 0.5).astype(np.int64)), low

    def _widest_hit(self, max_add: int) -> tuple[Ints, NDArray[np.bool_], int] | None:
        answer = self._solve_cover(np.zeros_like(self.problem.cost), -self.problem.weight, max_add, 0)
        if answer.x is None:
            return None
        lowest = -int(self.problem.weight.sum())
        return *self._split(answer.x), -_safely_up(answer.mip_dual_bound, lowest)

    def _split(self, x: NDArray[np.float64]) -> tuple[Ints, NDArray[np.bool_]]:
        count = self.problem.count
        return np.flatnonzero(x[:count] > 0.5).astype(np.int64), x[count:] > 0.5

    def _solve_cover(self, cost: Ints, gain: Ints, max_add: int, value: int) -> OptimizeResult:
        """Candidates x and targets y: y_t needs every set of t met, sum x <= max_add, weight·y >= value."""
        problem = self.problem
        count, targets = problem.count, len(problem.weight)
        constraints = [
            LinearConstraint(np.concatenate([np.ones(count), np.zeros(targets)])[None], ub=max_add),
            LinearConstraint(np.concatenate([np.zeros(count), problem.weight.astype(float)])[None], lb=value),
        ]
        if self.cuts:
            parts = []
            for cut, needs in zip(self.cuts, self.cut_targets, strict=True):
                who = np.flatnonzero(needs)
                met = csr_array(np.tile(cut.astype(float), (len(who), 1)))
                parts.append(hstack([met, -csr_array(eye_array(targets, format="csr"))[who]]))
            constraints.append(LinearConstraint(csr_array(vstack(parts)), lb=0))
        return milp(
            np.concatenate([cost, gain]).astype(float),
            integrality=np.ones(count + targets),
            bounds=Bounds(0, 1),
            constraints=constraints,
            options=self._options,
        )

    @property
    def _options(self) -> dict[str, float]:
        return {"mip_rel_gap": 0.0, "time_limit": max(self.deadline.remaining, 0.1)}

    def _separate(self, chosen: Ints, missed: Ints) -> None:
        """Add minimal sets that `chosen` misses: each the complement of a hyperplane that holds `chosen`."""
        for block in self.problem.blocks:
            here = missed[~block.holds(chosen)[missed]]
            if len(here) > _TARGETS_A_ROUND:
                here = here[self._random.choice(len(here), _TARGETS_A_ROUND, replace=False)]
            for target in here.tolist():
                rest = np.setdiff1d(self.problem.by_cost, chosen, assume_unique=True)
                for order in (
                    rest[np.argsort(self.problem.cost[rest], kind="stable")],
                    self._random.permutation(rest),
                ):
                    met, needs = _hyperplane(block, target, chosen, order)
                    if not any((met == cut).all() for cut in self.cuts):
                        self.cuts.append(met)
                        self.cut_targets.append(needs)
                if self.deadline.passed:
                    return


def _hyperplane(
    block: SystemRows, target: int, chosen: Ints, order: Ints
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Candidates, and targets, outside a hyperplane that holds free rows and `chosen` but not the target.

    The greedy choice along (chosen, target, order) is a basis; without the target it spans the hyperplane.
    """
    one = csr_array(block.targets[[target]])
    joined = SystemRows(block.free, block.targets, csr_array(vstack([block.candidates, one], format="csr")))
    line = np.concatenate([chosen, [block.candidates.shape[0]], order])
    basis = joined.independent(line)
    hyperplane = RowSpace(joined.stack(basis[basis < block.candidates.shape[0]]))
    normal = hyperplane.separate(one)[1][0]
    return _sees(block.candidates, normal), _sees(block.targets, normal)


def _sees(rows: csr_array, normal: dict[int, int]) -> NDArray[np.bool_]:
    """Which rows have a nonzero product with an integer vector; exact."""
    dense = np.zeros(rows.shape[1], dtype=object)
    dense[list(normal)] = list(normal.values())
    if sum(map(abs, normal.values())) * int(np.abs(rows.data).max(initial=0)) < 2**62:
        seen: NDArray[np.bool_] = rows @ dense.astype(np.int64) != 0
        return seen
    values = rows.data.astype(object) * dense[rows.indices]
    spans = zip(rows.indptr[:-1].tolist(), rows.indptr[1:].tolist(), strict=True)
    return np.array([sum(values[a:b]) != 0 for a, b in spans], dtype=bool)


def _safely_up(bound: float | None, lowest: int) -> int:
    """The least whole number no smaller than a bound of the solver, less its tolerance, or `lowest`."""
    if bound is None or not math.isfinite(bound):
        return lowest
    return math.ceil(bound - 1e-7 * max(10.0, abs(bound)))
