"""Formulas as MathML, which browsers show without any script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from html import escape

from ifm_ident.exact_text import integer_text
from ifm_ident.formula import Formula

WIDEST = 34
"""A formula whose densities are named in more characters than this is a product of powers, which may break."""


def formula_mathml(formula: Formula) -> str:
    """A formula as MathML for an HTML page: one fraction, or when long one `math` element a power.

    Exponents are exact, names are escaped.

    >>> formula_mathml(Formula.of({0: 2, 1: -1}, names=("A<B", "C")))[:84]
    '<math><mfrac><msup><mrow><mi>p</mi><mo>(</mo><mtext>A&lt;B</mtext><mo>)</mo></mrow><'
    """
    names = formula.names
    if names is None:
        return mathml([(f"train[{i}]", q) for i, q in formula])
    return mathml([(names(i) if callable(names) else names[i], q) for i, q in formula])


def mathml(terms: Sequence[tuple[str, Fraction]]) -> str:
    """The product of p(name)^q over pairs (name, q), positive exponents first, as `formula_mathml` writes it.

    >>> mathml([("A", Fraction(1))])
    '<math><mrow><mi>p</mi><mo>(</mo><mtext>A</mtext><mo>)</mo></mrow></math>'
    >>> mathml([])
    '<math><mn>1</mn></math>'
    """
    if sum(len(name) + 2 for name, _ in terms) > WIDEST:
        return " ".join(f"<math>{part}</math>" for part in _powers(terms))
    above = list(_powers([(name, q) for name, q in terms if q > 0])) or ["<mn>1</mn>"]
    below = list(_powers([(name, -q) for name, q in terms if q < 0]))
    if not below:
        return f"<math>{''.join(above)}</math>"
    return f"<math><mfrac>{_row(above)}{_row(below)}</mfrac></math>"


def _row(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _powers(terms: Sequence[tuple[str, Fraction]]) -> Iterator[str]:
    for name, q in terms:
        density = f"<mrow><mi>p</mi><mo>(</mo><mtext>{escape(name)}</mtext><mo>)</mo></mrow>"
        yield density if q == 1 else f"<msup>{density}{_number(q)}</msup>"


def _number(q: Fraction) -> str:
    """An exact exponent: a whole number, or a slashed fraction."""
    sign = "<mo>−</mo>" if q < 0 else ""
    whole = f"<mn>{integer_text(abs(q.numerator))}</mn>"
    if q.denominator != 1:
        whole += f"<mo>/</mo><mn>{integer_text(q.denominator)}</mn>"
    return f"<mrow>{sign}{whole}</mrow>" if sign or q.denominator != 1 else whole
