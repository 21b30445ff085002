"""The runs that tell one regime best: the c-optimal design over candidate regimes (docs/theory/doses.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.answer.identification import JOINT
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError, require_seconds, require_whole
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.samples import allocate
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.objectives.choose import choose

MOST_CANDIDATES = 20_000
"""More candidate regimes than this are refused: a linear program has a column for each."""

TIME_LIMIT = 60.0


@dataclass(frozen=True, eq=False)
class OptimalRuns:
    """Regimes to run, the share of the samples each gets, and the exponents of the formula that they are for.

    size: sum|q|; the variance of the formula's log is proportional to size^2 / N with N samples in all. bound: no
    design over the candidates has a smaller size. samples: whole numbers for a budget, or None. candidates: how
    many regimes were to choose from.
    """

    design: Design
    target: Active
    runs: Regimes
    exponents: tuple[Fraction, ...]
    size: Fraction
    bound: Fraction
    samples: tuple[int, ...] | None
    candidates: int

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """Which share of all samples each regime gets."""
        return tuple(abs(q) / self.size for q in self.exponents)


def c_optimal(
    design: Design,
    target: Active,
    candidates: Candidates,
    budget: int | None = None,
    time_limit: float = TIME_LIMIT,
) -> OptimalRuns:
    """The candidates and shares of samples with the least variance of one regime's log density (Elfving 1952).

    Among all formulas over the candidates the one of least sum|q|; the training regimes of the design do not
    count. Raises InputError for a target that all candidates together do not identify by one product, for too many
    candidates, and for a budget too small.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.planning.prices import OneEach
    >>> dose = Intervention("dose", (0, 1, 2), Basis("poly", degree=1))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> design = Design(model, Regimes.from_active([()], 1))
    >>> found = c_optimal(design, ((0, dose.index(3)),), Candidates(model, OneEach(model)), budget=100)
    >>> list(found.runs), [str(q) for q in found.exponents], found.size == found.bound, found.samples
    ([(), ((0, 2),)], ['-1/2', '3/2'], True, (25, 75))
    """
    require_seconds(time_limit)
    if budget is not None:
        require_whole(budget, "budget", 1)
    if candidates.count_before_forbidding > MOST_CANDIDATES:
        raise InputError(
            f"{candidates.count_before_forbidding:,} candidate regimes are more than {MOST_CANDIDATES:,}; list "
            "fewer levels, or the candidates in a table of costs"
        )
    offered = _together(candidates.every(), len(design.model))
    if not len(offered):
        raise InputError("no regime may be run; allow at least one candidate")
    identifier = Identifier(Design(design.model, offered))
    targets = Regimes.from_active([target], len(design.model))
    at = int(targets.first_equal(offered)[0])
    if at >= 0:
        exponents, bound = {at: Fraction(1)}, Fraction(1)
    else:
        found = identifier.identify(targets, "joint")
        if not len(found.terms.train):
            raise InputError("no single product over all candidates gives this regime; add candidates")
        chosen = choose(identifier, found, "l1", time_limit=time_limit)
        exponents = chosen.identification.terms.exponents(0)[JOINT]
        bound = chosen.bound[0] if len(chosen.bound) else Fraction(1)
    order = sorted(exponents)
    values = tuple(exponents[i] for i in order)
    samples = None if budget is None else allocate([q * q for q in values], budget)
    size = sum(map(abs, values), Fraction(0))
    return OptimalRuns(design, target, offered.take(order), values, size, bound, samples, len(offered))


def _together(chunks: Iterable[Regimes], width: int) -> Regimes:
    every = Regimes.concatenate([Regimes.from_active([], width), *chunks])
    first = every.first_equal(every)
    return every.take([i for i, j in enumerate(first.tolist()) if i == j])
