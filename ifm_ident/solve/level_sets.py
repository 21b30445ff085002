"""At which levels of one intervention a regime is identified, exactly (docs/theory/doses.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ifm_ident.answer.identification import JOINT, Status
from ifm_ident.design.bases import Basis, Key, Piece, plain_number
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active, Regimes, recoded
from ifm_ident.errors import InputError, require_known
from ifm_ident.solve.basis_system import BasisSystem
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.objectives.choose import choose

Condition = tuple[Fraction, ...]
"""A level s meets it where its entries times 1, phi_1(s), ..., phi_r(s) sum to 0."""


@dataclass(frozen=True, slots=True)
class Root:
    """One level: its number if it is rational, else the text of an algebraic number; and its decimals."""

    exact: Fraction | None
    text: str
    near: float


@dataclass(frozen=True)
class LevelSet:
    """The identified levels of one intervention at a regime of the others, in values (coordinates where given).

    whole: all levels on which the basis is defined. intervals: closed, ascending, an end None where there is none;
    points: single levels beside these. names: the levels that coordinates or a table know by name and that are in
    the set, None for a basis of numbers. conditions: a level is in the set exactly where all of them hold.
    """

    intervention: str
    regime: Active
    criterion: CriterionName
    whole: bool
    intervals: tuple[tuple[Fraction | None, Fraction | None], ...]
    points: tuple[Root, ...]
    names: tuple[Key, ...] | None
    conditions: tuple[Condition, ...]

    def holds(self, values: Sequence[Fraction]) -> bool:
        """Whether a level with these values of phi_1, ..., phi_r is in the set."""
        return _meets(self.conditions, values)


def _meets(conditions: Iterable[Condition], values: Sequence[Fraction]) -> bool:
    return all(
        not sum((c * v for c, v in zip(one, (Fraction(1), *values), strict=True)), Fraction(0))
        for one in conditions
    )


def identified_levels(
    identifier: Identifier, name: str, regime: Active, criterion: CriterionName = "auto"
) -> LevelSet:
    """The set of levels of an intervention with a basis at which a regime is identified; its own level is ignored.

    A level s has the incidence row sum_j phi_j(s) R_j, linear in the basis values. Modulo the training rows that
    leaves at most r + 1 linear conditions on them: polynomials in s on each piece of the basis, whose common roots
    are found exactly. Under `auto` the set is that of the conditional criterion, which holds the joint one.

    Raises InputError for an unknown intervention, one without a basis, and an unknown criterion.

    >>> import numpy as np
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> dose = Intervention("dose", (0, 2), Basis("poly", degree=2))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> identifier = Identifier(Design(model, Regimes.from_codes(np.array([[0], [1]]))))
    >>> [root.text for root in identified_levels(identifier, "dose", ()).points]
    ['0', '2']
    """
    require_known(criterion, ("joint", "conditional", "auto"), "criterion")
    model = identifier.design.model
    require_known(name, list(model.position), "intervention")
    position = model.position[name]
    one = model.interventions[position]
    if one.basis is None:
        raise InputError(
            f"intervention {name!r} has no basis: its levels are names, each identified or not by itself; ask "
            "about them as test regimes"
        )
    blocks = [JOINT] if criterion == "joint" else range(len(model.covers))
    found: list[Condition] = []
    for block in blocks:
        system = identifier.joint if block == JOINT else identifier.conditional(block)
        assert isinstance(system, BasisSystem)
        found += _conditions(system, position, regime, one.basis.functions)
    conditions = tuple(_reduced(found))
    fixed = tuple(pair for pair in regime if pair[0] != position)
    if one.basis.kind == "table":
        known: tuple[Key, ...] = tuple(key for key, values in one.basis.rows if _meets(conditions, values))
        return LevelSet(name, fixed, criterion, not conditions, (), (), known, conditions)
    intervals, points = _solve(one.basis, conditions)
    names = None
    if one.coordinate:
        names = tuple(key for key, at in one.coordinate if _meets(conditions, one.basis.values(at)))
    return LevelSet(name, fixed, criterion, not conditions, intervals, points, names, conditions)


def _conditions(system: BasisSystem, position: int, regime: Active, functions: int) -> list[Condition]:
    """What a level must meet in one system, on the functions as the study has them."""
    nothing = (Fraction(0),) * functions
    width = len(system.design.model)
    if int(system.incidence.unseen(Regimes.from_active([regime], width))[0]) >= 0:
        return [(Fraction(1), *nothing)]
    rest = tuple(pair for pair in regime if pair[0] != position)
    base = system.incidence.fraction_row(rest)
    rows = [base]
    if system.incidence.holds_intervention(position):
        for m in range(1, functions + 1):
            row = dict(system.incidence.fraction_row(rest, (position, m)))
            for column, value in base.items():
                row[column] = row.get(column, Fraction(0)) - value
            rows.append(row)
    changed = _reduced(system.missed(rows))
    spelled = [[Fraction(1), *nothing]]
    if len(rows) > 1:
        spelled += [system.incidence.written_out(position, m) for m in range(1, functions + 1)]
    return [
        tuple(
            sum((c * row[j] for c, row in zip(one, spelled, strict=True)), Fraction(0))
            for j in range(functions + 1)
        )
        for one in changed
    ]


def _reduced(conditions: Iterable[Condition]) -> list[Condition]:
    """Independent conditions with the same solutions, in reduced echelon form, the last functions first."""
    kept: list[tuple[int, list[Fraction]]] = []
    for condition in conditions:
        row = list(condition)
        for pivot, other in kept:
            if row[pivot]:
                factor = row[pivot]
                row = [a - factor * b for a, b in zip(row, other, strict=True)]
        at = next((j for j in range(len(row) - 1, -1, -1) if row[j]), None)
        if at is None:
            continue
        row = [a / row[at] for a in row]
        for _, other in kept:
            if other[at]:
                factor = other[at]
                other[:] = [a - factor * b for a, b in zip(other, row, strict=True)]
        kept.append((at, row))
    return [tuple(row) for _, row in sorted(kept, reverse=True)]


def _solve(
    basis: Basis, conditions: Sequence[Condition]
) -> tuple[tuple[tuple[Fraction | None, Fraction | None], ...], tuple[Root, ...]]:
    """Where all conditions hold: closed intervals, and single points outside them."""
    intervals: list[tuple[Fraction | None, Fraction | None]] = []
    points: dict[str, Root] = {}
    for piece in basis.pieces:
        polynomials = [_combined(piece, condition) for condition in conditions]
        polynomials = [one for one in polynomials if any(one)]
        if polynomials:
            points |= {root.text: root for root in _roots(polynomials, piece)}
        elif intervals and piece.low is not None and intervals[-1][1] == piece.low:
            intervals[-1] = (intervals[-1][0], piece.high)
        else:
            intervals.append((piece.low, piece.high))
    single = [
        root
        for root in points.values()
        if root.exact is None or not any(_between(root.exact, low, high) for low, high in intervals)
    ]
    return tuple(intervals), tuple(sorted(single, key=lambda root: root.near))


def _between(value: Fraction, low: Fraction | None, high: Fraction | None) -> bool:
    return (low is None or low <= value) and (high is None or value <= high)


def _combined(piece: Piece, condition: Condition) -> list[Fraction]:
    total = [Fraction(0)] * max(map(len, piece.numerators))
    for weight, polynomial in zip(condition, piece.numerators, strict=True):
        for power, coefficient in enumerate(polynomial):
            total[power] += weight * coefficient
    return total


def _roots(polynomials: Sequence[Sequence[Fraction]], piece: Piece) -> list[Root]:
    """The common real roots within a piece, ascending: of the greatest common divisor, isolated exactly."""
    import sympy  # slow to import, and only this question needs it

    s = sympy.Symbol("s", real=True)
    common: Any = None
    for coefficients in polynomials:
        terms = [sympy.Rational(c.numerator, c.denominator) for c in reversed(coefficients)]
        one = sympy.Poly(terms, s, domain="QQ")
        common = one if common is None else sympy.gcd(common, one)
    common = sympy.Poly(common, s, domain="QQ")
    if common.degree() < 1:
        return []
    found = []
    for root in sympy.real_roots(common, multiple=False):
        value = root[0]
        ends = [
            None if end is None else sympy.Rational(end.numerator, end.denominator)
            for end in (piece.low, piece.high)
        ]
        if (ends[0] is not None and value < ends[0]) or (ends[1] is not None and value > ends[1]):
            continue
        exact = Fraction(int(value.p), int(value.q)) if value.is_Rational else None
        found.append(Root(exact, str(exact) if exact is not None else _algebraic(value), float(value.evalf(17))))
    return found


def _algebraic(value: Any) -> str:
    """An irrational root as text: radicals where they are short, else which root of which polynomial."""
    text = str(value).replace("**", "^")
    if "CRootOf" not in text and len(text) <= 60:
        return text
    import sympy

    if value.func.__name__ in ("CRootOf", "ComplexRootOf"):
        polynomial, index = value.args[0], int(value.args[1])
    else:
        polynomial, index = sympy.minimal_polynomial(value, sympy.Symbol("s")), None
    words = str(polynomial.as_expr() if hasattr(polynomial, "as_expr") else polynomial).replace("**", "^")
    which = "a root" if index is None else f"root {index + 1}"
    return f"{which} of {words.replace('x', 's')}"


def with_own_levels(design: Design) -> Design:
    """The same design on interventions of its own, for questions about many levels that nobody named."""
    model = design.model
    own = replace(model, interventions=tuple(replace(one) for one in model.interventions))
    return Design(own, recoded(design.train, model, own))


@dataclass(frozen=True, eq=False)
class Response:
    """Verdicts on some regimes and how large their formulas are.

    status: Status codes; sizes: sum|q| of each formula, the largest over variables, 1 for what was run, None for
    what is not identified. least: whether these are the least sum|q| of all formulas; otherwise those of the basis
    formula.
    """

    status: tuple[int, ...]
    sizes: tuple[Fraction | None, ...]
    least: bool


def response(
    identifier: Identifier, regimes: Regimes, criterion: CriterionName = "auto", seconds: float = 5
) -> Response:
    """The verdict on each regime with the least sum|q| found within some seconds."""
    found = identifier.identify(regimes, criterion)
    try:
        chosen = choose(identifier, found, "l1", time_limit=seconds)
        terms, least = chosen.identification.terms, chosen.all_proven
    except InputError:
        terms, least = found.terms, False
    sizes: list[Fraction | None] = []
    for row, status in enumerate(found.status.tolist()):
        formulas = terms.exponents(row).values()
        sums = [sum(map(abs, one.values()), Fraction(0)) for one in formulas]
        sizes.append(max(sums) if sums else Fraction(1) if status == Status.OBSERVED else None)
    return Response(tuple(found.status.tolist()), tuple(sizes), least)


def at_levels(identifier: Identifier, name: str, regime: Active, values: Sequence[Fraction]) -> Regimes:
    """A regime with each of some levels of an intervention in place of its own."""
    model = identifier.design.model
    position = model.position[name]
    rest = [pair for pair in regime if pair[0] != position]
    one = model.interventions[position]
    batch = [(*rest, (position, one.index(plain_number(value)))) for value in values]
    return Regimes.from_active(batch, len(model))
