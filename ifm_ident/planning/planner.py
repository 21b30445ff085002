"""Plans: which regimes to add, at least cost, so that targets become identified (docs/theory/planning.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.answer.identification import Identification, Status
from ifm_ident.arrays import Ints
from ifm_ident.deadline import TIME_LIMIT, Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import IfmError, require_seconds, require_whole
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.samples import allocate
from ifm_ident.planning.search import Search, Targets, Watch, plainly
from ifm_ident.solve.identifier import Identifier
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa

_EXACT = 2**20


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
    regimes are written when the plan is shown. notes: what a reader should know of how targets, forbidden and
    booked regimes were read from tables.
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
    notes: tuple[str, ...] = ()

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
    found = _check(augmented, watch(targets(), "checking the plan"), criterion, len(design.train))
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


@dataclass(frozen=True, eq=False)
class _Check:
    """What a plan gives, counted again from the design it makes.

    identified: how many targets are; refused: those that are not; squares: for every training regime from
    `first_new` on, the sum over identified targets and variables of its squared exponent.
    """

    identified: int
    refused: Regimes
    squares: tuple[Fraction, ...]


def _check(design: Design, chunks: Iterable[Regimes], criterion: PlanCriterion, first_new: int) -> _Check:
    """Identify every target by the criterion; a joint formula counts once, a conditional one once a variable."""
    identifier = Identifier(design)
    identified = 0
    refused = [Regimes.from_active([], len(design.model))]
    sums = _Squares(design, criterion, first_new)
    for chunk in chunks:
        answer = identifier.identify(chunk, criterion)
        no = answer.rows_with(Status.NOT_IDENTIFIED)
        identified += len(chunk) - len(no)
        refused.append(chunk.take(no))
        sums.add(answer)
    return _Check(identified, Regimes.concatenate(refused), tuple(sums.total))


class _Squares:
    """Sums of squared exponents of the new regimes."""

    def __init__(self, design: Design, criterion: PlanCriterion, first_new: int) -> None:
        self.first_new = first_new
        self.total = [Fraction(0)] * (len(design.train) - first_new)
        covers = list(design.model.cover_index.values())
        self._variables = np.bincount(covers) if criterion == "conditional" else np.ones(1, dtype=np.int64)

    def add(self, answer: Identification) -> None:
        """Add the exponents of a batch; an observed regime is its own formula, with exponent 1."""
        observed = answer.train[answer.train >= self.first_new]
        for i, count in zip(*np.unique(observed, return_counts=True), strict=True):
            self.total[int(i) - self.first_new] += int(count) * int(self._variables.sum())
        terms = answer.terms
        counts = answer.status[terms.owners] == Status.IDENTIFIED
        new = np.flatnonzero(counts & (terms.train >= self.first_new))
        train, numerator, denominator = terms.train[new], terms.numerator[new], terms.denominator[new]
        variables = self._variables[np.maximum(terms.block[new], 0)]
        key = [train, variables, np.abs(numerator), denominator]
        if all(k.dtype == np.int64 and k.max(initial=0) < _EXACT for k in key):
            rows, counts = _distinct(np.column_stack(key))
            key = [*rows.T, counts]
        else:
            key.append(np.ones(len(new), dtype=np.int64))
        for i, share, top, bottom, count in zip(*(k.tolist() for k in key), strict=True):
            self.total[i - self.first_new] += count * share * Fraction(top, bottom) ** 2


def _distinct(rows: Ints) -> tuple[Ints, Ints]:
    """The distinct rows and how often each occurs."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)]))
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    return ordered[starts], np.diff(np.append(starts, len(rows)))
