"""Which formula: choose again among all formulas of identified regimes, by an objective (docs/theory/choosing.md).

    chosen = choose(identifier, identification, "l1")
    chosen.identification       the same verdicts, with the formulas that the objective prefers
    chosen.attained(row)        for each system that row has a formula in: value, proven bound, gap
    chosen.all_proven           whether every formula is proven best

`basis` keeps every formula as it is and attains nothing. `sparse` counts densities, `l1` adds up |q_i|, `variance`
adds up q_i^2 / n_i. A joint formula is chosen in the joint system; conditional ones each in the system of their
cover. Repeats of a training regime are one regime, with their sample sizes added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.answer.identification import JOINT, Identification, Terms
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.deadline import Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.notation import format_regime
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, require_known
from ifm_ident.solve.basis_incidence import BasisIncidence, unscaled
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.objectives._l1 import Exponents, LeastTotal
from ifm_ident.solve.objectives._long_numbers import RationalSearch
from ifm_ident.solve.objectives._sparse import FewestDensities
from ifm_ident.solve.objectives._training_rows import TrainingRows
from ifm_ident.solve.objectives._variance import least_variance, variances
from ifm_ident.solve.objectives.exact_columns import (
    Ratios,
    from_maps,
    group_sums,
    require_solutions,
    require_sum,
    times,
    to_common,
)
from ifm_ident.solve.system import System

Objective = Literal["basis", "sparse", "l1", "variance"]


@dataclass(frozen=True, slots=True)
class Attained:
    """What one formula attains, and a proven lower bound on what any formula can."""

    value: Fraction
    bound: Fraction

    @property
    def proven(self) -> bool:
        """Whether the formula is proven best."""
        return self.value == self.bound

    @property
    def gap(self) -> Fraction:
        """(value - bound) / value: 0 where the formula is proven best."""
        return (self.value - self.bound) / self.value


@dataclass(frozen=True, eq=False)
class Chosen:
    """Formulas chosen by an objective, one for each target row and system that has one.

    Formula e is that of target row[e] in the system block[e] (JOINT, or an index of `Model.covers`), rows and then
    blocks ascending; it attains value[e], and none goes below bound[e]. Arrays of shape (formulas,).
    """

    identification: Identification
    objective: Objective
    row: Ints
    block: Ints
    value: Ratios
    bound: Ratios

    @property
    def proven(self) -> NDArray[np.bool_]:
        """Which formulas are proven best, shape (formulas,)."""
        same = (self.value.numerator == self.bound.numerator) & (self.value.denominator == self.bound.denominator)
        return np.asarray(same, dtype=bool)

    @property
    def all_proven(self) -> bool:
        """Whether every formula is proven best."""
        return bool(self.proven.all())

    def attained(self, row: int) -> dict[int, Attained]:
        """Block to what the formula of a target attains there; empty where nothing was chosen."""
        low, high = np.searchsorted(self.row, [row, row + 1]).tolist()
        return {int(self.block[e]): Attained(self.value[e], self.bound[e]) for e in range(low, high)}


def choose(
    identifier: Identifier,
    identification: Identification,
    objective: Objective,
    samples: Sequence[int] | Ints | None = None,
    time_limit: float | None = None,
) -> Chosen:
    """The same verdicts with the formulas that an objective prefers, each checked in integers.

    samples: sample size of every training regime as written, shape (m,), for `variance`. time_limit: seconds for
    all targets together; formulas not settled by then keep their gap (`variance` always finishes). Raises
    InputError for an unknown objective, for sample sizes that are missing, misshapen or not positive, and for an
    identification of another design than the identifier's.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.design.regimes import Regimes
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> model = Model(bits, ("x",), tuple(Factor(f"f{name}", ("x",), (name,)) for name in "ABC"))
    >>> codes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])
    >>> identifier = Identifier(Design(model, Regimes.from_codes(codes)), "levels")
    >>> found = identifier.identify(Regimes.from_codes(np.array([[1, 1, 1]])))
    >>> chosen = choose(identifier, found, "sparse")
    >>> print(found[0].formula, "or", chosen.identification[0].formula)
    p(100) p(010) p(001) / p(000)^2 or p(001) p(110) / p(000)
    >>> chosen.attained(0)
    {-1: Attained(value=Fraction(3, 1), bound=Fraction(3, 1))}
    >>> choose(identifier, found, "variance")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the objective variance needs sample sizes; give `samples` or `data` in the study
    """
    require_known(objective, get_args(Objective), "objective")
    if identification.design is not identifier.design:
        raise InputError("the identification is about another design than the identifier; use the same identifier")
    deadline = Deadline.after(time_limit)
    sizes = _merged_sizes(identifier, samples) if objective == "variance" else None
    none = np.empty(0, dtype=np.int64)
    if objective == "basis":
        return Chosen(identification, objective, none, none, Ratios.of([]), Ratios.of([]))
    terms = identification.terms
    owner = terms.owners
    rows: list[Ints] = []
    blocks: list[Ints] = []
    parts: list[Terms] = []
    values: list[Ratios] = []
    bounds: list[Ratios] = []
    for block in np.unique(terms.block).tolist():
        entries = np.flatnonzero(terms.block == block)
        own = np.unique(owner[entries])
        start = _part(terms, owner, entries, own)
        system = identifier.joint if block == JOINT else identifier.conditional(block)
        found, value, bound = _choose_in(system, identification, own, start, objective, sizes, deadline)
        rows.append(own)
        blocks.append(np.full(len(own), block, dtype=np.int64))
        parts.append(found)
        values.append(value)
        bounds.append(bound)
    row, kind = np.concatenate([none, *rows]), np.concatenate([none, *blocks])
    order = np.lexsort((kind, row))
    merged = Terms.concatenate([Terms.empty(0), *parts]).take(order)
    counts = np.zeros(len(identification), dtype=np.int64)
    np.add.at(counts, row[order], merged.sizes)
    merged = replace(merged, indptr=row_bounds(counts))
    return Chosen(
        replace(identification, terms=merged),
        objective,
        row[order],
        kind[order],
        Ratios.concatenate(values).take(order),
        Ratios.concatenate(bounds).take(order),
    )


def _merged_sizes(identifier: Identifier, samples: Sequence[int] | Ints | None) -> Ints:
    """Sample sizes of the distinct training regimes, repeats added up."""
    design = identifier.design
    if samples is None:
        raise InputError("the objective variance needs sample sizes; give `samples` or `data` in the study")
    given = np.asarray(samples)
    if given.shape != (len(design.train),) or given.dtype.kind not in "iu":
        raise InputError(
            f"sample sizes are whole numbers, one for each of {len(design.train)} training regimes as written; "
            f"got {given.dtype} of shape {given.shape}"
        )
    whole = np.zeros(len(design.train), dtype=np.int64)
    np.add.at(whole, design.first, given.astype(np.int64))
    merged: Ints = whole[design.distinct]
    if np.any(given < 0) or np.any(merged <= 0):
        at = int(np.flatnonzero(given < 0)[0]) if np.any(given < 0) else int(design.distinct[merged <= 0][0])
        name = format_regime(design.model, design.train[at], identifier.notation)
        raise InputError(
            f"training regime {name} (index {at}) has {int(given[at])} samples; a variance needs at least one of "
            "each regime: give its size, or leave the regime out of `train`"
        )
    return merged


def _part(terms: Terms, owner: Ints, entries: Ints, own: Ints) -> Terms:
    """The entries of one block, in compressed rows over the targets `own` that have it."""
    return Terms.owned(
        np.searchsorted(own, owner[entries]),
        len(own),
        terms.block[entries],
        terms.train[entries],
        terms.numerator[entries],
        terms.denominator[entries],
    )


def _choose_in(
    system: System,
    identification: Identification,
    own: Ints,
    start: Terms,
    objective: Objective,
    sizes: Ints | None,
    deadline: Deadline,
) -> tuple[Terms, Ratios, Ratios]:
    """Formulas of one system for the targets `own`, what they attain, and proven bounds; alike targets once."""
    design = system.design
    if system.freedom == 0:
        value = _values(_solutions(start, design), objective, sizes)
        return start, value, value
    targets = identification.targets.take(own).restrict(system.depends_on)
    first, same = np.unique(targets.first_equal(targets), return_inverse=True)
    begin = _solutions(start.take(first), design)
    try:
        wanted, scale = system.target_rows(targets.take(first))
        rows = TrainingRows(system.rows)
    except WouldOverflow:
        found, bound = _in_rationals(system, targets.take(first), begin, objective, sizes, deadline)
        value = _values(found, objective, sizes)
        return system.terms_of(found).take(same), value.take(same), bound.take(same)
    begin = _times(begin, scale)
    if objective == "variance":
        assert sizes is not None
        found, value = least_variance(rows, wanted, begin, sizes)
        bound = value
    else:
        found, bound = _one_by_one(rows, wanted, begin, objective, deadline)
        value = _values(found, objective, sizes)
    require_solutions(system.rows, found, wanted)
    if scale is not None:
        found = unscaled(found, np.ones(len(design.distinct), dtype=np.int64), scale)
        value = _values(found, objective, sizes)
        if objective == "variance":
            bound = value
        elif objective == "l1":
            bound = Ratios.of([max(Fraction(1), bound[t] / int(e)) for t, e in enumerate(scale)])
    return system.terms_of(found).take(same), value.take(same), bound.take(same)


def _in_rationals(
    system: System,
    targets: Regimes,
    begin: Solutions,
    objective: Objective,
    sizes: Ints | None,
    deadline: Deadline,
) -> tuple[Solutions, Ratios]:
    """The same for rows that int64 does not hold, each formula checked in fractions."""
    assert isinstance(system.incidence, BasisIncidence)
    assert objective != "basis"
    rows = system.incidence.fraction_rows(system.train)
    method = RationalSearch(rows, sizes)
    best: list[Exponents] = []
    bounds: list[Fraction] = []
    for t, target in enumerate(system.incidence.fraction_rows(targets)):
        exponents, bound = method.choose(target, _start(begin, t), objective, deadline)
        require_sum(rows, exponents, target)
        best.append(exponents)
        bounds.append(bound)
    return from_maps(best), Ratios.of(bounds)


def _start(begin: Solutions, t: int) -> Exponents:
    span = begin.span(t)
    pairs = zip(begin.numerator[span].tolist(), begin.denominator[span].tolist(), strict=True)
    return {i: Fraction(*pair) for i, pair in zip(begin.row[span].tolist(), pairs, strict=True)}


def _times(solutions: Solutions, scale: Ints | None) -> Solutions:
    """The solutions of targets whose rows are multiplied by whole numbers."""
    if scale is None:
        return solutions
    numerator = times(solutions.numerator, scale[solutions.owners])
    divisor = np.gcd(numerator, solutions.denominator)
    return replace(solutions, numerator=numerator // divisor, denominator=solutions.denominator // divisor)


def _solutions(terms: Terms, design: Design) -> Solutions:
    """Terms of one block as solutions over the distinct training regimes."""
    row = np.searchsorted(design.distinct, design.first[terms.train])
    return Solutions(terms.indptr, np.ones(len(terms), dtype=bool), row, terms.numerator, terms.denominator)


def _one_by_one(
    rows: TrainingRows, wanted: csr_array, begin: Solutions, objective: Objective, deadline: Deadline
) -> tuple[Solutions, Ratios]:
    method = LeastTotal(rows) if objective == "l1" else FewestDensities(rows)
    best: list[Exponents] = []
    bounds: list[Fraction | int] = []
    for t in range(wanted.shape[0]):
        exponents, bound = method.choose(csr_array(wanted[[t]]), _start(begin, t), deadline)
        best.append(exponents)
        bounds.append(bound)
    return from_maps(best), Ratios.of(bounds)


def _values(found: Solutions, objective: Objective, sizes: Ints | None) -> Ratios:
    """What the objective gives for every formula, exact."""
    if objective == "sparse":
        return Ratios(found.sizes, np.ones_like(found.sizes))
    if objective == "l1":
        numerator, common = to_common(found.indptr, np.abs(found.numerator), found.denominator)
        return Ratios.reduced(group_sums(found.indptr, numerator), common)
    assert sizes is not None
    return variances(found, sizes)
