"""Checks of formulas and refusals where levels have values, straight from the definition, in rationals.

A regime's row holds, factor by factor, the products of basis functions at its levels (docs/theory/doses.md).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ifm_ident.answer.identification import JOINT, Criterion
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Active
from ifm_ident.results.cells import Weights
from ifm_ident.results.claims import Claims
from ifm_ident.verification._basis_values import BasisValues
from ifm_ident.verification._formulas import Failures, check_variables
from ifm_ident.verification._kernels import unsound

Product = tuple[tuple[int, int], ...]
"""A product of functions: (position, function from 1) pairs; what is not named is the constant."""


class BasisRows:
    """The rows of regimes over products of functions, less the values at the baseline of each function."""

    def __init__(self, design: Design) -> None:
        self.design, self.model = design, design.model
        self.values = {
            i: BasisValues(self.model.interventions[i]) for i in np.flatnonzero(self.model.valued).tolist()
        }
        self.touching: dict[int, list[int]] = {}
        for k, scope in enumerate(self.model.scopes):
            for position in scope.tolist():
                self.touching.setdefault(position, []).append(k)
        self._parts: dict[tuple[int, Active], list[tuple[Product, Fraction]]] = {}

    def _functions(self, position: int, level: int) -> list[tuple[int, Fraction]]:
        if position not in self.values:
            return [(level, Fraction(1))]
        here, base = self.values[position].at(level), self.values[position].at(0)
        return [(j, a - b) for j, (a, b) in enumerate(zip(here, base, strict=True), 1) if a != b]

    def part(self, factor: int, shown: Active) -> list[tuple[Product, Fraction]]:
        """The entries of one factor that are not the constant, for the levels off baseline that it is shown."""
        key = factor, shown
        if key not in self._parts:
            choices = [[(0, Fraction(1)), *self._functions(i, level)] for i, level in shown]
            found = []
            for choice in itertools.product(*choices):
                value = Fraction(1)
                for _, factor_value in choice:
                    value *= factor_value
                product = tuple((i, m) for (i, _), (m, _) in zip(shown, choice, strict=True) if m)
                if product:
                    found.append((product, value))
            self._parts[key] = found
        return self._parts[key]

    def row(self, regime: Active, inside: frozenset[int]) -> Iterator[tuple[int, Product, Fraction]]:
        """The entries of some factors: factor, product, value; the constant, which is 1 in all, left out."""
        shown: dict[int, list[tuple[int, int]]] = {}
        for position, level in regime:
            for k in self.touching.get(position, ()):
                if k in inside:
                    shown.setdefault(k, []).append((position, level))
        for k, active in shown.items():
            for product, value in self.part(k, tuple(active)):
                yield k, product, value

    def weigh(self, cells: Weights, regime: Active) -> Fraction:
        """What a regime collects from weights on products of the functions as the study has them."""
        levels = dict(regime)
        total = Fraction(0)
        for (k, chosen), weight in cells:
            value = Fraction(weight)
            for position, index in zip(self.model.scopes[k].tolist(), chosen, strict=True):
                level = levels.get(position, 0)
                if position not in self.values:
                    value *= int(level == index)
                elif index:
                    value *= self.values[position].at(level)[index - 1]
                if not value:
                    break
            total += value
        return total


def _inside(model: Model, variable: int) -> frozenset[int]:
    if variable == JOINT:
        return frozenset(range(len(model.factors)))
    return frozenset(model.covers[model.cover_index[model.variables[variable]]])


def check_basis_formulas(rows_of: BasisRows, claims: Claims, rows: Ints) -> Failures:
    """The rows, among `rows`, whose formula does not give the target, and where it goes wrong.

    In every system the exponents add up to 1, and for every factor and product of functions the exponents times
    the values of the training regimes add up to the target's value.
    """
    if not len(rows):
        return
    yield from check_variables(claims, rows)
    model, terms = claims.design.model, claims.terms
    systems = {v: _inside(model, v) for v in (JOINT, *range(len(model.variables)))}
    for row in rows.tolist():
        target = claims.targets[row]
        formulas: dict[int, list[tuple[int, Fraction]]] = {}
        for e in range(int(terms.indptr[row]), int(terms.indptr[row + 1])):
            q = Fraction(int(terms.numerator[e]), int(terms.denominator[e]))
            formulas.setdefault(int(terms.variable[e]), []).append((int(terms.train[e]), q))
        done: dict[tuple[frozenset[int], tuple[tuple[int, Fraction], ...]], str | None] = {}
        for variable, exponents in formulas.items():
            key = systems[variable], tuple(exponents)
            if key not in done:
                done[key] = _difference(rows_of, *key, target)
            if done[key] is not None:
                about = "" if variable == JOINT else f" of {model.variables[variable]}"
                yield row, f"the exponents{about} {done[key]}"


def _difference(
    rows_of: BasisRows, inside: frozenset[int], exponents: tuple[tuple[int, Fraction], ...], target: Active
) -> str | None:
    """Where a formula misses its target, in words; None where it does not."""
    if sum((q for _, q in exponents), Fraction(0)) != 1:
        return "do not add up to 1"
    sums: dict[tuple[int, Product], Fraction] = {}
    for k, product, value in rows_of.row(target, inside):
        sums[k, product] = -value
    for train, q in exponents:
        for k, product, value in rows_of.row(rows_of.design.train[train], inside):
            sums[k, product] = sums.get((k, product), Fraction(0)) + q * value
    wrong = next((k for (k, _), value in sums.items() if value), None)
    return (
        None
        if wrong is None
        else f"do not give the target's functions of factor {rows_of.model.factors[wrong].name!r}"
    )


def check_basis_kernels(rows_of: BasisRows, claims: Claims, rows: Ints) -> Failures:
    """The rows, among `rows`, whose kernel does not prove the refusal, and why."""
    model, design = claims.design.model, claims.design
    bad: dict[int, str | None] = {}
    for row in rows.tolist():
        j = int(claims.kernel[row])
        variable, cells = int(claims.kernel_variable[j]), claims.kernels[j]
        wanted = Criterion.JOINT if variable == JOINT else Criterion.CONDITIONAL
        if claims.criterion[row] != wanted:
            about = "no variable" if variable == JOINT else f"variable {model.variables[variable]!r}"
            yield row, f"a {Criterion(claims.criterion[row]).word} refusal cannot rest on a kernel about {about}"
            continue
        if j not in bad:
            bad[j] = unsound(model, cells, variable, _inside(model, variable)) or _seen(rows_of, cells, design)
        why = bad[j]
        if why is not None:
            yield row, why
        elif rows_of.weigh(cells, claims.targets[row]) == 0:
            yield row, "the kernel gives the target 0, so it proves nothing"


def _seen(rows_of: BasisRows, cells: Weights, design: Design) -> str | None:
    """The first training regime that collects something, in words; regimes that look alike count once."""
    used = sorted({i for (k, _), _ in cells for i in design.model.scopes[k].tolist()})
    known: dict[Active, Fraction] = {}
    for i, regime in enumerate(design.train):
        shown = tuple(pair for pair in regime if pair[0] in used)
        if shown not in known:
            known[shown] = rows_of.weigh(cells, shown)
        if known[shown]:
            return f"the kernel does not vanish on training regime {i}"
    return None
