"""Plans: which regimes to add, at least cost, so that targets become identified (docs/theory/planning.md)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ifm_ident.deadline import Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import IfmError, require_seconds, require_whole
from ifm_ident.planning._check import check
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.samples import allocate
from ifm_ident.planning.search import TIME_LIMIT, Search, Targets, Watch, plainly
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(repr=False, frozen=True, eq=False)
class Plan(Tabular):
    """Regimes to add to a design and what they achieve, checked on the augmented design.

    design: the model and its training regimes, then `booked` ones; add, costs: the regimes to add and what each
    costs. gap: 0 when proven best, otherwise the share of the cost above the proven lower bound; where `max_add`
    leaves reachable targets out, the share of the proven upper bound on newly identified targets not attained.
    optimal: proven best, and every target identified. identified_before counts the booked regimes as run.
    limited: some targets are left out only because of `max_add`. unreachable: the targets that the plan does not
    identify, in their order. samples: one number for each added regime, then for each booked one; None without a
    budget. squares: for the same regimes the sum over identified targets of their squared exponents. notation: how
    regimes are written when the plan is shown.
    """

    design: Design
    criterion: PlanCriterion
    booked: Regimes
    add: Regimes
    costs: tuple[Fraction, ...]
    gap: Fraction
    limited: bool
    optimal: bool
    identified_before: int
    identified_after: int
    targets: int
    unreachable: Regimes
    samples: tuple[int, ...] | None
    squares: tuple[Fraction, ...]
    notation: Notation = "assignment"

    def to_arrow(self) -> pa.Table:
        """One row a regime to add, then one a booked regime: regime, booked, cost (0 if booked) and samples."""
        return view(self, "arrow")

    @property
    def cost(self) -> Fraction:
        """What the added regimes cost together."""
        return sum(self.costs, Fraction(0))

    @property
    def bound(self) -> Fraction:
        """The proven lower bound on the cost of a plan for the same targets."""
        return self.cost if self.limited else self.cost * (1 - self.gap)

    @property
    def augmented(self) -> Design:
        """The design with the booked and the added regimes."""
        return Design(self.design.model, Regimes.concatenate([self.design.train, self.booked, self.add]))


def plan(
    design: Design,
    targets: Targets,
    candidates: Candidates,
    criterion: PlanCriterion = "joint",
    *,
    booked: Regimes | None = None,
    max_add: int | None = None,
    budget: int | None = None,
    time_limit: float = TIME_LIMIT,
    watch: Watch = plainly,
) -> Plan:
    """Least-cost regimes to add to a design so that the targets become identified.

    Exact where the matroid bound or the search proves it, otherwise with a proven gap. `time_limit` in seconds
    bounds the search; the greedy plan always comes out. Raises InputError for a budget too small for the plan, an
    unknown criterion, and limits that are no whole numbers or negative.

    >>> import numpy as np
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.planning.prices import OneEach
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> every = Regimes.from_codes(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> best = plan(Design(model, every.take(slice(2))), lambda: [every], Candidates(model, OneEach(model)))
    >>> list(best.add), best.cost, best.optimal, best.identified_before, best.identified_after
    ([((0, 1),), ((0, 1), (1, 1))], Fraction(2, 1), True, 2, 4)
    """
    require_seconds(time_limit)
    if max_add is not None:
        require_whole(max_add, "max_add")
    if budget is not None:
        require_whole(budget, "budget", 1)
    none = Regimes.from_active([], len(design.model))
    booked = none if booked is None else booked
    search = Search(design, targets, candidates, criterion, booked, watch)
    best = search.choose(max_add, Deadline.after(time_limit))
    augmented = Design(design.model, Regimes.concatenate([search.free, best.add]))
    found = check(augmented, watch(targets(), "checking the plan"), criterion, len(design.train))
    reached = int(search.weight[best.spanned].sum())
    if found.identified != search.identified_before + reached:
        expected = search.identified_before + reached
        raise IfmError(f"the plan identifies {found.identified} targets where {expected} were expected")
    if best.choice.most is None:
        gap = _share(best.cost - best.choice.bound, best.cost)
    else:
        gap = _share(best.choice.most - reached, best.choice.most)
    squares = (*found.squares[len(booked) :], *found.squares[: len(booked)])
    return Plan(
        design,
        criterion,
        booked,
        best.add,
        tuple(int(u) * candidates.prices.unit for u in best.offer.cost[best.choice.chosen]),
        gap,
        best.choice.most is not None,
        gap == 0 and found.identified == search.target_count,
        search.identified_before,
        found.identified,
        search.target_count,
        found.refused,
        None if budget is None else allocate(squares, budget),
        squares,
    )


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)
