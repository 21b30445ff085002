"""Formulas as MathML, which browsers show without any script."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape
from itertools import islice

from ifm_ident.answer.exact_text import integer_text
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.product import halves

WIDEST = 34
"""A formula whose densities are named in more characters than this is a product of powers, which may break."""


class Html(str):
    """Text that is HTML already: templates take it as it is.

    >>> Html("<b>").__html__()
    '<b>'
    """

    __slots__ = ()

    def __html__(self) -> Html:
        return self


def formula_mathml(formula: Formula, most: int | None = None, longest: int = 1000) -> Html:
    """A formula as MathML for an HTML page: one fraction, or when long one `math` element a power.

    Exponents are exact, names are escaped and cut after `longest` characters; of more than `most` densities the
    number of the others is said.

    >>> formula_mathml(Formula.of({0: 2, 1: -1}, names=("A<B", "C")))[:104]
    '<math displaystyle="true"><mfrac><msup><mrow><mi>p</mi><mo>(</mo><mtext>A&lt;B</mtext><mo>)</mo></mrow><'
    >>> formula_mathml(Formula.of({0: 1, 1: 1, 2: -1}), most=1).rpartition("</math>")[2]
    ' and 2 more densities'
    """
    terms = [(_cut(formula.name(i), longest), q) for i, q in islice(formula, most)]
    left = len(formula) - len(terms)
    return (
        Html(f"{mathml(terms, formula.given)} and {left:,} more {'density' if left == 1 else 'densities'}")
        if left
        else mathml(terms, formula.given)
    )


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[:longest]}…"


def mathml(terms: Sequence[tuple[str, Fraction]], given: str = "") -> Html:
    """The product of p(name)^q over pairs (name, q), positive exponents first, as `formula_mathml` writes it.

    given: the covariates that are given, as in `Model.given`.

    >>> mathml([("A", Fraction(1))])
    '<math><mrow><mi>p</mi><mo>(</mo><mtext>A</mtext><mo>)</mo></mrow></math>'
    >>> mathml([])
    '<math><mn>1</mn></math>'
    """
    extra = len(given) + 5 if given else 2
    if sum(len(name) + extra for name, _ in terms) > WIDEST:
        return Html(" ".join(f"<math>{_power(name, q, given)}</math>" for name, q in terms))
    above, below = halves(terms, lambda name, q: _power(name, q, given))
    above = above or ["<mn>1</mn>"]
    if not below:
        return Html(f"<math>{''.join(above)}</math>")
    return Html(f'<math displaystyle="true"><mfrac>{_row(above)}{_row(below)}</mfrac></math>')


def _row(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _power(name: str, q: Fraction, given: str) -> str:
    under = f"<mi>x</mi><mo>|</mo><mtext>{escape(given)}</mtext><mo>;</mo>" if given else ""
    density = f"<mrow><mi>p</mi><mo>(</mo>{under}<mtext>{escape(name)}</mtext><mo>)</mo></mrow>"
    return density if q == 1 else f"<msup>{density}{_number(q)}</msup>"


def _number(q: Fraction) -> str:
    """An exact exponent: a whole number, or a slashed fraction."""
    sign = "<mo>−</mo>" if q < 0 else ""
    whole = f"<mn>{integer_text(abs(q.numerator))}</mn>"
    if q.denominator != 1:
        whole += f"<mo>/</mo><mn>{integer_text(q.denominator)}</mn>"
    return f"<mrow>{sign}{whole}</mrow>" if sign or q.denominator != 1 else whole
