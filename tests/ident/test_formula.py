"""Formulas as exact sparse exponents: canonical order, algebra, numbers and views."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.answer.formula import Formula
from ifm_ident.errors import InputError

NAMES = ("000", "010", "100", "110", "001", "011")
HALF = Fraction(1, 2)
QUICK = settings(max_examples=200, deadline=None, derandomize=True)
exponents = st.dictionaries(st.integers(0, 5), st.fractions(-3, 3, max_denominator=6), max_size=6)


@given(exponents)
@QUICK
def test_canonical_order_and_no_zeros(q: dict[int, Fraction]) -> None:
    formula = Formula.of(q)
    assert formula.exponents == {i: e for i, e in q.items() if e}
    positive = [i for i, e in formula if e > 0]
    negative = [i for i, e in formula if e < 0]
    assert [i for i, _ in formula] == positive + negative
    assert positive == sorted(positive)
    assert negative == sorted(negative)
    assert formula == Formula.of(dict(reversed(q.items())), names=NAMES)
    assert hash(formula) == hash(Formula.of(q, names=NAMES))


@given(exponents, exponents, st.fractions(-3, 3, max_denominator=4))
@QUICK
def test_products_powers_and_quotients_act_on_exponents(
    p: dict[int, Fraction], q: dict[int, Fraction], power: Fraction
) -> None:
    a, b = Formula.of(p), Formula.of(q)
    total = {i: p.get(i, Fraction(0)) + q.get(i, Fraction(0)) for i in {*p, *q}}
    assert a * b == b * a == Formula.of(total)
    assert a / b == a * b**-1
    assert (a * b) ** power == a**power * b**power
    assert len(a / a) == 0


@given(exponents)
@QUICK
def test_the_value_is_the_weighted_sum_of_log_densities(q: dict[int, Fraction]) -> None:
    logs = np.random.default_rng(0).normal(size=(6, 3))
    formula = Formula.of(q)
    value = formula(logs)
    expected = sum((float(e) * logs[i] for i, e in q.items()), np.zeros(3))
    np.testing.assert_allclose(np.broadcast_to(value, (3,)), expected, atol=1e-12)
    np.testing.assert_array_equal(formula(dict(enumerate(logs))), value)


@given(exponents)
@QUICK
def test_the_sympy_view_is_the_same_product(q: dict[int, Fraction]) -> None:
    formula = Formula.of(q, NAMES)
    value = sympy.expand_log(sympy.log(formula.sympy()), force=True)
    expected = sympy.Integer(0)
    for i, e in formula:
        symbol = sympy.Symbol(f"p({NAMES[i]})", positive=True)
        expected += sympy.Rational(e.numerator, e.denominator) * sympy.log(symbol)
    assert sympy.simplify(value - expected) == 0


@pytest.mark.parametrize(
    ("q", "text", "latex"),
    [
        ({}, "1", "1"),
        ({0: 1}, "p(000)", r"p(x; \mathtt{000})"),
        (
            {3: 1, 5: 1, 1: -1},
            "p(110) p(011) / p(010)",
            r"\frac{p(x; \mathtt{110})\, p(x; \mathtt{011})}{p(x; \mathtt{010})}",
        ),
        ({1: -1, 2: -2}, "1 / (p(010) p(100)^2)", r"\frac{1}{p(x; \mathtt{010})\, p(x; \mathtt{100})^{2}}"),
        ({0: HALF, 1: -HALF}, "p(000)^(1/2) / p(010)^(1/2)", None),
    ],
)
def test_text_and_latex(q: dict[int, Fraction | int], text: str, latex: str | None) -> None:
    formula = Formula.of(q, NAMES)
    assert str(formula) == text
    if latex is not None:
        assert formula.latex() == latex
        assert formula._repr_latex_() == f"${latex}$"


def test_names_may_be_a_function_or_missing() -> None:
    assert str(Formula.of({2: 1}, names=lambda i: f"r{i}")) == "p(r2)"
    assert str(Formula.of({2: 1})) == "p(train[2])"
    assert str(Formula.of({2: 1}) * Formula.of({0: 1}, NAMES)) == "p(000) p(100)"


def test_latex_escapes_names() -> None:
    assert r"\mathtt{a\_1\&b\#\{\}}" in Formula.of({0: 1}, names=["a_1&b#{}"]).latex()


def test_a_missing_log_density_is_named() -> None:
    formula = Formula.of({3: 1, 0: -1}, NAMES)
    with pytest.raises(InputError, match=r"needs the log-density of 110 \(index 3\)"):
        formula({0: 0.0})
    with pytest.raises(InputError, match=r"needs the log-density of 110 \(index 3\)"):
        formula([0.0, 1.0])


def test_the_repr_is_the_product_and_never_long() -> None:
    assert repr(Formula.of({1: 2, 0: -1}, NAMES)) == f"Formula('p({NAMES[1]})^2 / p({NAMES[0]})')"
    assert len(repr(Formula.of({1: 2}, names=lambda train: "x" * 10_000))) < 300
    many = repr(Formula.of(dict.fromkeys(range(1000), 1)))
    assert many.endswith("... (1,000 densities)')")
    assert len(many) < 300
