"""The stages of a plan: targets reduced to classes, a few candidates first, all of them where that may pay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints
from ifm_ident.deadline import Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK
from ifm_ident.planning._choice import Choice, choose
from ifm_ident.planning._classes import Classes
from ifm_ident.planning._spanning import Span, Spanning, SystemRows, apart, bound_of
from ifm_ident.planning._spread import spread
from ifm_ident.planning.candidates import FEW, MANY, MANY_PARTIAL, Candidates
from ifm_ident.planning.prices import OneEach
from ifm_ident.planning.reduction import PlanCriterion, Reduction, require_criterion
from ifm_ident.solve.incidence import WIDE

Targets = Callable[[], Iterable[Regimes]]
"""The target regimes in chunks, from the start at every call."""

Watch = Callable[[Iterable[Regimes], str], Iterable[Regimes]]
"""Shows how far a pass over chunks of regimes has come."""

_DETOURS = 2**16


def plainly(chunks: Iterable[Regimes], what: str) -> Iterable[Regimes]:
    """The chunks, with nothing shown."""
    return chunks


@dataclass(frozen=True, eq=False)
class Offer:
    """Candidates looked at, by class; `complete` when no allowed regime is missing."""

    regimes: Regimes
    cost: Ints
    directions: Ints
    complete: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """A choice, the offer it was made from, and which open target classes it spans."""

    choice: Choice
    offer: Offer
    spanned: NDArray[np.bool_]

    @property
    def add(self) -> Regimes:
        """The regimes to add."""
        return self.offer.regimes.take(self.choice.chosen)

    @property
    def cost(self) -> int:
        """Their cost, in units."""
        return int(self.offer.cost[self.choice.chosen].sum())


_NO_LIMIT = Deadline(None)


class Search:
    """A design, its targets and what may be added, made ready for choosing.

    free: training regimes, then booked ones. identified_before: how many targets these identify. directions,
    weight: of every class of the other targets.
    """

    def __init__(
        self,
        design: Design,
        targets: Targets,
        candidates: Candidates,
        criterion: PlanCriterion,
        booked: Regimes,
        watch: Watch,
    ) -> None:
        require_criterion(criterion)
        self.candidates, self._watch = candidates, watch
        self._design, self._targets, self._booked = design, targets, booked
        self._joint: Regimes | None = None
        self.free = Regimes.concatenate([design.train, booked])
        distinct = self.free.take(np.unique(self.free.first_equal(self.free)))
        if design.model.has_bases:  # levels that targets name are known before rows are made
            for _ in watch(targets(), "reading levels"):
                pass
        self.reduction = Reduction(design.model, criterion, distinct, self._wide_cells(targets))
        systems, width = len(self.reduction.systems), len(design.model)
        classes, self._own = Classes(systems, width), Classes(systems, width)
        self.target_count = 0
        for chunk in watch(targets(), "reading targets"):
            directions, cost = self.reduction.number(chunk), candidates.cost(chunk)
            classes.add(chunk, directions, cost)
            allowed = np.flatnonzero(cost >= 0)
            self._own.add(chunk.take(allowed), directions[allowed], cost[allowed])
            self.target_count += len(chunk)
        self.directions, self.weight = classes.directions, classes.weight
        before = ~self.directions.any(axis=1)
        self.identified_before = int(self.weight[before].sum())
        self.directions, self.weight = self.directions[~before], self.weight[~before]

    def _wide_cells(self, targets: Targets) -> Regimes:
        """Regimes that show every cell of a wide factor that a target or a candidate may show."""
        model, candidates = self.candidates.model, self.candidates
        sizes = [int(np.prod(model.level_counts[scope].astype(object))) for scope in model.scopes]
        wide = [k for k, size in enumerate(sizes) if size > WIDE]
        known = [Regimes.from_active([], len(model))]
        if not wide:
            return known[0]
        if candidates.prices.listed is not None:
            known.append(candidates.prices.listed)
        else:
            cells = candidates.wide_cells(wide)
            known.extend([] if cells is None else [cells])
        inside = np.zeros(len(model), dtype=bool)
        inside[np.concatenate([model.scopes[k] for k in wide])] = True
        for chunk in self._watch(targets(), "reading level combinations"):
            shown = Regimes.concatenate([known[0], chunk.restrict(inside)])
            known[0] = shown.take(np.unique(shown.first_equal(shown)))
        return Regimes.concatenate(known)

    def choose(self, max_add: int | None, deadline: Deadline) -> Outcome:
        """The best choice found by the deadline."""
        if self._count <= FEW or self.candidates.prices.listed is not None:
            return self._choose(self._offer_all(), max_add, deadline)
        best = self._choose(self._offer_few(), max_add, deadline)
        if self._all_may_pay(best):
            offer = self._offer_all(deadline)
            if offer.complete:
                return self._choose(offer, max_add, deadline)
        return best

    def _all_may_pay(self, best: Outcome) -> bool:
        """Whether going through all candidates is affordable and may improve the plan or its proof."""
        if self.candidates.closure is None or self._count > (MANY if best.choice.most is None else MANY_PARTIAL):
            return False
        proven = best.choice.most is None and best.choice.bound == best.cost
        return not proven or (not best.spanned.all() and bool(self.candidates.forbidden))

    @property
    def _count(self) -> int:
        return self.candidates.count_before_forbidding

    def _choose(self, offer: Offer, max_add: int | None, deadline: Deadline) -> Outcome:
        """The best choice from an offer. What spans a basis of the targets' rows in each system spans them all."""
        every = np.arange(len(offer.cost), dtype=np.int64)
        reachable = self._spanned_by(offer, every)
        systems, blocks = [], []
        for s, system in enumerate(self.reduction.systems):
            span = Span(csr_array((0, system.free.shape[1]), dtype=np.int64))
            for rows in self._chunks(s, np.unique(self.directions[reachable, s])):
                span.add(rows)
            if len(span):
                systems.append(s)
                blocks.append(
                    SystemRows(system.free, span.rows, csr_array(system.directions.rows[offer.directions[:, s]]))
                )
        core = apart(blocks, offer.cost)
        bound = core.least_cost() if offer.complete else self._bound(core, systems)
        several = len(blocks) > 1
        choice = choose(
            core,
            lambda: self.problem(offer, reachable),
            bound,
            max_add,
            deadline,
            offer.complete,
            _places(offer, self.directions) if several else None,
            (lambda: self._places_of_joint(offer, max_add, deadline)) if several else None,
        )
        if choice.most is not None and not offer.complete and self.candidates.forbidden:
            choice = replace(choice, most=int(self.weight.sum()))
        return Outcome(choice, offer, self._spanned_by(offer, choice.chosen))

    def _places_of_joint(self, offer: Offer, max_add: int | None, deadline: Deadline) -> Ints:
        """The candidates of a joint plan: what is identified jointly is so conditionally.

        Theory: docs/theory/conditional.md.

        The joint search takes half of the time that is left.
        """
        if self._joint is None:
            joint = Search(self._design, self._targets, self.candidates, "joint", self._booked, self._watch)
            self._joint = joint.choose(max_add, Deadline.after(deadline.remaining / 2)).add
        return _places(offer, self.reduction.number(self._joint))

    def _chunks(self, system: int, numbers: Ints) -> Iterator[csr_array]:
        """The rows of some directions of a system, a chunk at a time."""
        rows = self.reduction.systems[system].directions.rows
        return (csr_array(rows[numbers[at : at + CHUNK]]) for at in range(0, len(numbers), CHUNK))

    def _spanned_by(self, offer: Offer, chosen: Ints) -> NDArray[np.bool_]:
        """Which target classes the chosen candidates span, with the free regimes, in every system."""
        spanned = np.ones(len(self.weight), dtype=bool)
        for s, system in enumerate(self.reduction.systems):
            span = Span(system.free)
            for rows in self._chunks(s, np.unique(offer.directions[chosen, s])):
                span.add(rows)
            numbers, which = np.unique(self.directions[:, s], return_inverse=True)
            held = [span.holds(rows) for rows in self._chunks(s, numbers)]
            spanned &= np.concatenate([*held, np.zeros(0, dtype=bool)])[which]
        return spanned

    def offer(self) -> Offer:
        """The candidates for single regimes: all where that is affordable."""
        affordable = self._count <= MANY and self.candidates.closure is not None
        if affordable or self.candidates.prices.listed is not None:
            return self._offer_all()
        return self._offer_few()

    def problem(self, offer: Offer, which: NDArray[np.bool_] | None = None) -> Spanning:
        """The choice among the regimes of an offer for open targets, all of them or those that a mask names."""
        kept = np.arange(len(self.weight)) if which is None else np.flatnonzero(which)
        blocks = []
        for s, system in enumerate(self.reduction.systems):
            rows = system.directions.rows
            targets, candidates = rows[self.directions[kept, s]], rows[offer.directions[:, s]]
            if targets.nnz:
                blocks.append(SystemRows(system.free, csr_array(targets), csr_array(candidates)))
        return Spanning(tuple(blocks), offer.cost, self.weight[kept])

    def _offer(self, classes: Classes, complete: bool) -> Offer:
        """The classes that add something, by cost, interventions off baseline, then by how levels are spread."""
        directions, cost, regimes = classes.directions, classes.cost, classes.cheapest
        useful = np.flatnonzero(directions.any(axis=1))
        some = regimes.take(useful)
        order = useful[np.lexsort((spread(self.candidates.model, some), some.active_counts, cost[useful]))]
        return Offer(regimes.take(order), cost[order], directions[order], complete)

    def _offer_all(self, deadline: Deadline = _NO_LIMIT) -> Offer:
        """Every regime that may be added; not complete if the deadline passes first."""
        classes = Classes(len(self.reduction.systems), len(self.candidates.model))
        for chunk in self._watch(self.candidates.every(), "reading candidates"):
            classes.add(chunk, self.reduction.number(chunk), self.candidates.cost(chunk))
            if deadline.passed:
                return self._offer(classes, complete=False)
        return self._offer(classes, complete=True)

    def _offer_few(self) -> Offer:
        """Regimes inside one scope, detours around forbidden ones, targets, and all interventions at once."""
        candidates, width = self.candidates, len(self.candidates.model)
        usable, counts = candidates.prices.usable & candidates.model.relevant, candidates.model.level_counts
        classes = Classes(len(self.reduction.systems), width)
        uniform = [
            tuple((i, min(level, counts[i] - 1)) for i in np.flatnonzero(usable)[: candidates.order].tolist())
            for level in range(1, int(counts.max()))
        ]
        parts = [
            Regimes.from_active([], width) if candidates.closure is None else candidates.closure,
            self._own_targets(),
            candidates.detours(_DETOURS),
            Regimes.from_active(uniform, width),
        ]
        for part in parts:
            part = candidates.allowed(part)
            directions = self.reduction.number(part)
            known = np.flatnonzero((directions >= 0).all(axis=1))
            classes.add(part.take(known), directions[known], candidates.cost(part.take(known)))
        return self._offer(classes, complete=False)

    def _own_targets(self) -> Regimes:
        """Targets that may be added: the cheapest of each class or, of very many, those that add to the span."""
        regimes, cost, directions = self._own.cheapest, self._own.cost, self._own.directions
        if len(regimes) <= FEW:
            return regimes
        order = np.lexsort((regimes.active_counts, cost))
        kept: list[Ints] = []
        for s, system in enumerate(self.reduction.systems):
            span = Span(system.free)
            for at in range(0, len(order), CHUNK):
                part = order[at : at + CHUNK]
                kept.append(part[span.add(csr_array(system.directions.rows[directions[part, s]]))])
        return regimes.take(np.unique(np.concatenate(kept)))

    def _bound(self, core: Spanning, systems: list[int]) -> int:
        """A lower bound over all that may be added, forbidden regimes included: `Candidates.closure` is enough."""
        closure = self.candidates.closure
        if closure is None:
            one_each = isinstance(self.candidates.prices, OneEach)
            return max((block.deficiency for block in core.blocks), default=0) if one_each else 0
        cost, numbers = self.candidates.cost(closure, forbid=False), self.reduction.number(closure)
        by_cost = np.argsort(cost, kind="stable")
        bound = 0
        for s, block in zip(systems, core.blocks, strict=True):
            rows = csr_array(self.reduction.systems[s].directions.rows[numbers[:, s]])
            bound = max(bound, bound_of(SystemRows(block.free, block.targets, rows), by_cost, cost))
        return bound


def _places(offer: Offer, directions: Ints) -> Ints:
    """The candidates of an offer that have one of some directions, ascending; by a hash, as a mere suggestion."""
    key = np.random.default_rng(0).integers(2**63, size=offer.directions.shape[1])
    return np.flatnonzero(np.isin(offer.directions @ key, directions @ key)).astype(np.int64)
