"""How much of the whole space of regimes is identified, by the number of interventions off baseline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, get_args

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import IfmError, InputError, require_known
from ifm_ident.shares._orders import Orders, draw
from ifm_ident.solve.identifier import CHUNK, CriterionName, Identifier
from ifm_ident.solve.incidence import WIDE
from ifm_ident.solve.system import System
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa

BUDGET = 200_000
"""Orders are enumerated, smallest first, up to this many regimes in all (and those of at most `sample` anyway)."""

VERDICTS = ("observed", "identified_joint", "identified_conditional", "not_identified")
"""Observed; identified by one product of densities; by full conditionals only; without a formula."""

ANSWERED = VERDICTS[:3]
CONFIDENCE = "0.95"

_ENTRIES = 25 * BUDGET
_CANDIDATES = 2**25
_DENSE = 2**23

Counts = tuple[int, int, int, int]
"""How many regimes have each of the VERDICTS."""

_NONE: Counts = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Share:
    """A share of regimes with its 95% confidence interval; all three are equal where the share is exact."""

    value: Fraction
    low: Fraction
    high: Fraction

    @property
    def exact(self) -> bool:
        """Whether it is no estimate."""
        return self.low == self.high


def binomial_interval(hits: int, size: int) -> tuple[float, float]:
    """The exact (Clopper-Pearson) 95% interval of a share, from `hits` of `size` independent draws.

    >>> [round(end, 4) for end in binomial_interval(0, 100)]
    [0.0, 0.0362]
    """
    tail = (1 - float(CONFIDENCE)) / 2
    from scipy.special import betaincinv  # slow to import, and no verdict needs it

    low = float(betaincinv(hits, size - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, size - hits, 1 - tail)) if hits < size else 1.0
    return low, high


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the space: the regimes with `active` interventions off baseline, or all of them (`active` None).

    regimes: how many there are; observed: how many of them are training regimes; known: how many have a verdict
    that is known, by looking at each or by rank, with the numbers `counted`; drawn: how many were drawn uniformly,
    with repeats, from the others, with the verdicts `hits`. spanned: every regime has an answer, by rank.

    >>> part = Part(2, 100, 4, 0, (0, 0, 0, 0), 50, (1, 20, 4, 25))
    >>> share = part.share("not_identified")
    >>> float(share.value), round(float(share.low), 3), round(float(share.high), 3)
    (0.5, 0.355, 0.645)
    >>> part.share("observed").exact
    True
    """

    active: int | None
    regimes: int
    observed: int
    known: int
    counted: Counts
    drawn: int
    hits: Counts
    spanned: bool = False

    def count(self, *verdicts: str) -> int:
        """How many of the known regimes have one of these verdicts."""
        return sum(self.counted[VERDICTS.index(verdict)] for verdict in verdicts)

    def drawn_with(self, *verdicts: str) -> int:
        """How many of the drawn regimes have one of these verdicts."""
        return sum(self.hits[VERDICTS.index(verdict)] for verdict in verdicts)

    def share(self, *verdicts: str) -> Share:
        """The share of regimes that have one of these verdicts.

        What is known counts exactly, the rest by the exact binomial interval of the draws, so that the interval
        holds the share with a probability of at least 95%.
        """
        if verdicts == ("observed",):
            return Share(*[Fraction(self.observed, self.regimes)] * 3)
        if self.spanned and verdicts in (ANSWERED, ("not_identified",)):
            return Share(*[Fraction(verdicts == ANSWERED)] * 3)
        known, rest = self.count(*verdicts), self.regimes - self.known
        if not rest:
            return Share(*[Fraction(known, self.regimes)] * 3)
        hits = self.drawn_with(*verdicts)
        ends = binomial_interval(hits, self.drawn)
        parts = (Fraction(hits, self.drawn), *map(Fraction, ends))
        return Share(*((known + rest * part) / self.regimes for part in parts))


@dataclass(repr=False, frozen=True, eq=False)
class Shares(Tabular):
    """What share of all regimes is observed, identified, not identified: by order, and in all.

    parts: the orders looked at, ascending; total: the whole space; orders: how many orders there are.
    """

    identifier: Identifier
    criterion: CriterionName
    sample: int
    seed: int
    orders: int
    parts: tuple[Part, ...]
    total: Part

    def to_arrow(self) -> pa.Table:
        """A row for each order, and one for the whole space."""
        return view(self, "arrow")

    @property
    def columns(self) -> tuple[str, ...]:
        """The verdicts that the criterion can give."""
        absent = {"joint": "identified_conditional", "conditional": "identified_joint"}.get(self.criterion)
        return tuple(verdict for verdict in VERDICTS if verdict != absent)


def shares_of(
    identifier: Identifier,
    criterion: CriterionName = "auto",
    sample: int = 2000,
    seed: int = 0,
    budget: int = BUDGET,
    watch: Callable[[Iterable[int], int], Iterable[int]] = lambda orders, total: orders,
) -> Shares:
    """How much of the whole space of regimes has an answer; verdicts only, no formula is lifted.

    The space is of the levels that are listed, also where levels have values.

    Orders are enumerated within `budget`; of each other order in `Orders.selection`, `sample` regimes are drawn
    uniformly, and as many from all that were not enumerated, for the total. watch: wraps the iteration
    over orders, to show progress. Raises InputError for an unknown criterion, a sample of 0 and a negative seed.

    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> model = Model(bits, ("x",), (Factor("f", ("x",), ("A", "B")), Factor("g", ("x",), ("C",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])))
    >>> found = shares_of(Identifier(design))
    >>> [part.counted for part in found.parts], str(found.total.share(*ANSWERED).value)
    ([(1, 0, 0, 0), (3, 0, 0, 0), (0, 2, 0, 1), (0, 0, 0, 1)], '3/4')
    >>> shares_of(Identifier(design), sample=0)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the sample is 0; draw at least one regime
    """
    require_known(criterion, get_args(CriterionName), "criterion")
    if sample < 1:
        raise InputError(f"the sample is {sample}; draw at least one regime")
    if seed < 0:
        raise InputError(f"the seed is {seed}; it is 0 or more")
    survey = _Survey(identifier, criterion)
    orders = survey.orders
    whole = range(len(orders.counts)) if survey.unseen is not None else _affordable(orders, sample, budget)
    shown = orders.selection if survey.unseen is not None else sorted({*whole, *orders.selection})
    parts = []
    for k in watch(shown, len(shown)):
        active = np.full(0 if k in whole else sample, k, dtype=np.int64)
        hits = survey.drawn(active, np.random.default_rng([seed, k]))
        counted = survey.counted(k) if k in whole else _NONE
        count = orders.counts[k]
        parts.append(Part(k, count, survey.observed[k], sum(counted), counted, len(active), hits, survey.spanned))
    rest = [0 if k in whole else count for k, count in enumerate(orders.counts)]
    rng = np.random.default_rng([seed, len(rest)])
    active = draw(rng, rest, sample) if any(rest) else np.empty(0, dtype=np.int64)
    hits = survey.drawn(active, rng)
    count, observed = sum(orders.counts), sum(survey.observed)
    counted = _sum(part.counted for part in parts)
    if survey.unseen is not None:
        counted = _only(survey.unseen, observed, count)
    total = Part(None, count, observed, sum(counted), counted, len(active), hits, survey.spanned)
    return Shares(identifier, criterion, sample, seed, len(orders.counts), tuple(parts), total)


def _affordable(orders: Orders, sample: int, budget: int) -> set[int]:
    """The orders to enumerate: the smallest, while regimes and entries off baseline stay within the budget."""
    whole: set[int] = set()
    regimes = entries = 0
    for k in sorted(range(len(orders.counts)), key=orders.counts.__getitem__):
        count = orders.counts[k]
        regimes, entries = regimes + count, entries + count * k
        if count <= sample or (regimes <= budget and entries <= _ENTRIES):
            whole.add(k)
    return whole


def _sum(counts: Iterable[Counts]) -> Counts:
    a, b, c, d = map(sum, zip(_NONE, *counts, strict=True))
    return a, b, c, d


def _spans(system: System) -> bool:
    """Whether the training rows span the rows of all regimes, by their rank; False where that is not proven."""
    full = _full_rank(system, len(system.train))
    if full is None:
        return False
    try:
        return system.rank == full
    except IfmError:
        return False


def _full_rank(system: System, most: int) -> int | None:
    """The rank of all regimes' rows, or None where it is above `most`.

    That is one for each (T, t) of docs/theory/model.md: the levels off baseline of every T inside a scope. Cells
    of a wide
    factor that no training row shows have no column; training rows have the rank that they would have with them.
    """
    incidence = system.incidence
    if incidence.model.has_bases:
        return incidence.columns if incidence.columns <= most and not incidence.wide else None
    counts: list[int] = incidence.model.level_counts.tolist()
    scopes = {tuple(sorted(incidence.model.scopes[k].tolist())) for k in incidence.factors}
    cells = max(math.prod(counts[i] for i in scope) for scope in scopes)
    if cells > most:
        return None
    if cells <= WIDE:
        return incidence.columns if incidence.columns <= most else None
    full = 0
    seen: set[tuple[int, ...]] = set()
    for scope in scopes:
        for size in range(len(scope) + 1):
            new = set(itertools.combinations(scope, size)) - seen
            full += sum(math.prod(counts[i] - 1 for i in subset) for subset in new)
            seen |= new
        if full > most:
            return None
    return full


def _only(verdict: str, observed: int, regimes: int) -> Counts:
    """So many regimes, of which all that are not observed have one verdict."""
    a, b, c, d = (regimes - observed if name == verdict else 0 for name in VERDICTS)
    return a + observed, b, c, d


class _Survey:
    """Counts verdicts, a bounded number of regimes at a time.

    unseen: the verdict that all regimes have that are not observed, where a rank tells it; spanned: whether every
    regime has an answer, for the same reason.
    """

    def __init__(self, identifier: Identifier, criterion: CriterionName) -> None:
        self.identifier, self.criterion, self.design = identifier, criterion, identifier.design
        self.orders = Orders(self.design.model)
        self.train = self.design.train.take(self.design.distinct)
        outside = self.train.level >= self.design.model.level_counts[self.train.position]
        listed = np.bincount(self.train.rows[outside], minlength=len(self.train)) == 0
        active = np.bincount(self.train.active_counts[listed], minlength=len(self.orders.counts))
        self.observed: list[int] = active.tolist()
        self.unseen, self.spanned = self._by_rank()

    def _by_rank(self) -> tuple[str | None, bool]:
        if self.criterion != "conditional" and _spans(self.identifier.joint):
            return "identified_joint", True
        if self.criterion == "joint" or self._alike:
            return None, False
        spanned = all(_spans(self.identifier.conditional(c)) for c in range(len(self.design.model.covers)))
        return ("identified_conditional" if spanned and self.criterion == "conditional" else None), spanned

    def counted(self, order: int) -> Counts:
        """The verdicts on every regime of an order."""
        if self.unseen is not None:
            return _only(self.unseen, self.observed[order], self.orders.counts[order])
        return _sum(map(self.verdicts, self.orders.regimes(order, self._rows(order))))

    def drawn(self, active: Ints, rng: np.random.Generator) -> Counts:
        """The verdicts on regimes of these orders, drawn uniformly."""
        size = self._rows(int(active.max(initial=0)))
        parts = [active[start : start + size] for start in range(0, len(active), size)]
        return _sum(self.verdicts(self.orders.sample(part, rng)) for part in parts)

    def _rows(self, order: int) -> int:
        """How many regimes of an order are looked at together."""
        return max(1, min(CHUNK, _CANDIDATES // (order + 1) ** 2, _DENSE // max(len(self.design.model), 1)))

    def verdicts(self, regimes: Regimes) -> Counts:
        """How many regimes have each of the VERDICTS (docs/theory/joint.md and docs/theory/conditional.md)."""
        unseen = np.flatnonzero(regimes.first_equal(self.train) < 0)
        left = regimes.take(unseen).restrict(self.design.model.relevant)
        joint = conditional = 0
        if self.criterion != "conditional":
            left = left.take(np.flatnonzero(~self.identifier.joint.holds(left)))
            joint = len(unseen) - len(left)
        if self.criterion != "joint" and not self._alike:
            begin = len(left)
            for cover in range(len(self.design.model.covers)):
                if len(left):
                    left = left.take(np.flatnonzero(self.identifier.conditional(cover).holds(left)))
            refused, conditional = begin - len(left), len(left)
        else:
            refused = len(left)
        return len(regimes) - len(unseen), joint, conditional, refused

    @property
    def _alike(self) -> bool:
        """Whether joint and conditional criterion agree: every factor holds every variable."""
        return self.criterion == "auto" and len(self.design.model.covers) == 1
