"""Numeric witnesses of refusals: two models, equal in training and different in the target.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.answer.certificate import KernelCertificate, cell_value
from ifm_ident.answer.exact_text import integer_text
from ifm_ident.answer.identification import JOINT
from ifm_ident.design.design import Design
from ifm_ident.design.notation import Notation, format_regime
from ifm_ident.design.regimes import Active
from ifm_ident.errors import InputError
from ifm_ident.results.cells import Cell, cell_text
from ifm_ident.show._aligned import aligned
from ifm_ident.show.words import function_words

PLAIN_WEIGHT = 20
"""Weights up to this size stay exponents of 2 as they are; with larger ones all are divided by b·w."""

_LISTED = 12
_LONG_NUMBER = 20

Pair = tuple[Fraction, Fraction]
"""A number in model 1 and the same in model 2."""


@dataclass(frozen=True, eq=False)
class Witness:
    """Two positive models with binary variables that agree in every training regime and not in `target`.

    In model 1 factor k at the levels s is 2^e where `variable` is 1, in model 2 it is 2^-e, for the exponents
    e = `exponents[k, s]`; every other factor value is 1. at_target: p(variable = 1; target) in both models;
    at_train: the same for every training regime as written. scaled: the kernel's weights were divided by b·w.
    respects_scopes: every factor that is not 1 holds `variable` in the study, so that both models are models
    of the study; otherwise they treat factors as functions of the whole x (docs/theory/joint.md).
    """

    design: Design
    target: Active
    certificate: KernelCertificate
    variable: str
    exponents: tuple[tuple[Cell, Fraction], ...]
    scaled: bool
    respects_scopes: bool
    at_target: Pair
    at_train: tuple[Pair, ...]

    def check(self) -> bool:
        """Whether it holds, computed anew from the factor tables in exact fractions.

        Both models must give `variable` the same distribution in each training regime and another in the
        target, with the numbers that are claimed; a conditional witness must respect the x-scopes.
        """
        table = table_of(self.design, dict(self.exponents))
        if tuple(map(table.pair, self.design.train)) != self.at_train:
            return False
        if table.pair(self.target) != self.at_target:
            return False
        agree = all(one == other for one, other in self.at_train)
        return agree and self.at_target[0] != self.at_target[1] and self._scopes_are_as_claimed()

    def _scopes_are_as_claimed(self) -> bool:
        factors = {k for (k, _), _ in self.exponents}
        respects = all(self.variable in self.design.model.factors[k].x for k in factors)
        return respects == self.respects_scopes and (respects or self.certificate.block == JOINT)

    def lines(self, notation: Notation = "assignment") -> list[str]:
        """The witness in words and numbers, for people."""
        model, name = self.design.model, self.variable
        target = format_regime(model, self.target, notation)
        count = len(self.design.train)
        training = f"all {count:,} training regimes" if count > 1 else "the training regime"
        whatever = (
            f", whatever {model.given} {'is' if len(model.covariates) == 1 else 'are'}" if model.given else ""
        )
        few = self.exponents[:_LISTED]
        rows = [("factor", "at", "model 1", "model 2")]
        rows += [(model.factors[cell[0]].name, cell_text(model, cell), _power(e), _power(-e)) for cell, e in few]
        if model.has_bases:
            rows = [("factor", "function", "in model 1 times", "in model 2 times")]
            rows += [
                (model.factors[cell[0]].name, function_words(model, cell), short_fraction(e), short_fraction(-e))
                for cell, e in few
            ]
        what = "but 2 to the power of these sums where" if model.has_bases else "except where"
        lines = [
            f"Two models that agree in {training} and differ in {target}:",
            f"every variable is binary; every factor is 1, {what} {name} = 1{whatever}:",
            *aligned(rows, "  "),
        ]
        if len(self.exponents) > _LISTED:
            lines.append(f"  and {len(self.exponents) - _LISTED} more")
        if self.scaled:
            lines.append("  (the kernel's weights are divided by their sum in the target, to keep numbers short)")
        pairs = sorted(set(self.at_train))
        result = [("regime", f"p({name} = 1), model 1", "model 2")]
        result += [(training, str(one), str(other)) for one, other in pairs]
        result.append((target, str(self.at_target[0]), str(self.at_target[1])))
        lines += aligned(result)
        if not self.respects_scopes:
            lines += [
                f"These models let every factor depend on {name}, which not all do in the study: they",
                "show that no single product of training densities works, not that no method can.",
            ]
        return lines


def witness(design: Design, target: Active, certificate: KernelCertificate) -> Witness:
    """The numeric witness of a refusal, from its kernel certificate.

    A conditional certificate moves the first variable of its K(v), which all its factors hold; a joint one
    moves a variable that all its factors hold, or else the first variable, and then says that x-scopes are
    ignored. Raises InputError when the certificate does not separate the target from training.

    >>> import numpy as np
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.design.regimes import Regimes
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> unseen = KernelCertificate(JOINT, (((0, (1, 1)), 1),))
    >>> found = witness(design, ((0, 1), (1, 1)), unseen)
    >>> found.check(), [str(p) for p in found.at_target], [str(p) for p in found.at_train[0]]
    (True, ['2/3', '1/3'], ['1/2', '1/2'])
    >>> witness(design, ((0, 1),), unseen)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the certificate has the value 0 in A=1: it refuses another regime
    """
    model = design.model
    value = Fraction(certificate.value(design, target))
    if value == 0:
        text = format_regime(model, target, "assignment")
        raise InputError(f"the certificate has the value 0 in {text}: it refuses another regime")
    if certificate.block == JOINT:
        held = [set(model.factors[k].x) for k in sorted({k for (k, _), _ in certificate.cells})]
        common = set.intersection(*held)
        variable = next((v for v in model.variables if v in common), model.variables[0])
        respects = variable in common
    else:
        variable = next(v for v in model.variables if model.cover_index[v] == certificate.block)
        outside = next((k for (k, _), _ in certificate.cells if variable not in model.factors[k].x), None)
        if outside is not None:
            raise InputError(
                f"the certificate is about {variable} but weighs factor {model.factors[outside].name}, "
                "which does not hold it"
            )
        respects = True
    scaled = (
        model.has_bases
        or max(abs(value), *(Fraction(abs(weight)) for _, weight in certificate.cells)) > PLAIN_WEIGHT
    )
    exponents = tuple(
        (cell, Fraction(weight, value) if scaled else Fraction(weight)) for cell, weight in certificate.cells
    )
    table = table_of(design, dict(exponents))
    at_train = tuple(map(table.pair, design.train))
    seen = next((i for i, (one, other) in enumerate(at_train) if one != other), None)
    if seen is not None:
        text = format_regime(model, design.train[seen], "assignment")
        raise InputError(f"the certificate does not vanish in training regime {text}: it refuses nothing")
    return Witness(
        design, target, certificate, variable, exponents, scaled, respects, table.pair(target), at_train
    )


class _Table:
    """Model 1's factor table, ready to be summed over the factors of a regime.

    Only factors that are not 1 throughout count, and of those only the ones that an active intervention
    touches are looked up; the rest are as at baseline.
    """

    def __init__(self, design: Design, exponents: dict[Cell, Fraction]) -> None:
        self.exponents = exponents
        factors = sorted({k for k, _ in exponents})
        self.scopes = {k: design.model.scopes[k].tolist() for k in factors}
        self.baseline = {k: exponents.get((k, (0,) * len(self.scopes[k])), Fraction(0)) for k in factors}
        self.at_baseline = sum(self.baseline.values(), Fraction(0))
        self.touching: dict[int, list[int]] = {}
        for k in factors:
            for position in self.scopes[k]:
                self.touching.setdefault(position, []).append(k)

    def total(self, regime: Active) -> Fraction:
        """log2 of the product of all factors at variable = 1 in model 1."""
        levels = dict(regime)
        total = self.at_baseline
        for k in sorted({k for position in levels for k in self.touching.get(position, ())}):
            shown = tuple(levels.get(i, 0) for i in self.scopes[k])
            total += self.exponents.get((k, shown), Fraction(0)) - self.baseline[k]
        return total

    def pair(self, regime: Active) -> Pair:
        """p(variable = 1; regime) in both models: the other variables are independent of it, hence summed out."""
        total = self.total(regime)
        if total.denominator != 1:
            raise InputError("the factors of a regime multiply to an irrational number: no exact witness")
        weights = Fraction(2) ** total.numerator, Fraction(2) ** -total.numerator
        return weights[0] / (1 + weights[0]), weights[1] / (1 + weights[1])


class _ValuedTable(_Table):
    """The same where levels have values: a factor is 2 to the power of a sum of basis functions."""

    def __init__(self, design: Design, exponents: dict[Cell, Fraction]) -> None:
        super().__init__(design, exponents)
        self.model = design.model

    def total(self, regime: Active) -> Fraction:
        """log2 of the product of all factors at variable = 1 in model 1."""
        levels = dict(regime)
        return sum((e * cell_value(self.model, cell, levels) for cell, e in self.exponents.items()), Fraction(0))


def table_of(design: Design, exponents: dict[Cell, Fraction]) -> _Table:
    """Model 1's factor table."""
    return (_ValuedTable if design.model.has_bases else _Table)(design, exponents)


def _power(exponent: Fraction) -> str:
    if exponent.denominator == 1 and abs(exponent) <= PLAIN_WEIGHT:
        return str(Fraction(2) ** exponent.numerator)
    return f"2^({short_fraction(exponent)})"


def short_integer(value: int) -> str:
    """The digits of an integer, or how many there are when there are more than 20.

    >>> short_integer(-12), short_integer(10**40)
    ('-12', '[41 digits]')
    """
    if abs(value) < 10**_LONG_NUMBER:
        return str(value)
    digits = len(integer_text(abs(value)))
    return f"{'-' if value < 0 else ''}[{digits} digits]"


def short_fraction(value: Fraction) -> str:
    """A fraction with `short_integer` above and below.

    >>> short_fraction(Fraction(-1, 3)), short_fraction(Fraction(10**40, 3))
    ('-1/3', '[41 digits]/3')
    """
    above = short_integer(value.numerator)
    return above if value.denominator == 1 else f"{above}/{short_integer(value.denominator)}"
