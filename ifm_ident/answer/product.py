"""A product of powers p(name)^q as text and as LaTeX: what is above the line, and what is below."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeVar

from ifm_ident.answer.exact_text import exponent_text
from ifm_ident.inert import visible

_Part = TypeVar("_Part")


def density_text(name: str, given: str = "") -> str:
    """A density as text, from the regime's text and the covariates that are given (`Model.given`).

    >>> density_text("A+B"), density_text("A+B", "age")
    ('p(A+B)', 'p(x | age; A+B)')
    """
    return f"p(x | {given}; {name})" if given else f"p({name})"


def halves(
    terms: Iterable[tuple[str, Fraction]], power: Callable[[str, Fraction], _Part]
) -> tuple[list[_Part], list[_Part]]:
    """The powers with positive exponents, and those with negative ones; `power` is given no signs."""
    above: list[_Part] = []
    below: list[_Part] = []
    for name, q in terms:
        (above if q > 0 else below).append(power(name, abs(q)))
    return above, below


def raised(text: str) -> str:
    """The end of a power as plain text, from its exponent as text; empty for 1.

    >>> raised("2"), raised("1/2"), raised("1")
    ('^2', '^(1/2)', '')
    """
    return "" if text == "1" else f"^{text}" if text.isdigit() else f"^({text})"


def product_text(terms: Iterable[tuple[str, Fraction]], given: str = "") -> str:
    """As plain text; `given` as in `density_text`.

    >>> product_text([("A", Fraction(1, 2)), ("B", Fraction(-1)), ("C", Fraction(-2))])
    'p(A)^(1/2) / (p(B) p(C)^2)'
    """
    above, below = halves(terms, lambda name, q: density_text(name, given) + raised(exponent_text(q)))
    divided = below[0] if len(below) == 1 else f"({' '.join(below)})"
    return (" ".join(above) or "1") + (f" / {divided}" if below else "")


def latex_power(name: str, q: Fraction, given: str = "") -> str:
    r"""One power as LaTeX; names are escaped.

    >>> print(latex_power("A", Fraction(-1), "age"))
    p(x \mid \mathtt{age}; \mathtt{A})^{-1}
    """
    under = rf" \mid \mathtt{{{latex_escape(given)}}}" if given else ""
    base = rf"p(x{under}; \mathtt{{{latex_escape(name)}}})"
    return base if q == 1 else f"{base}^{{{exponent_text(q)}}}"


def product_latex(terms: Iterable[tuple[str, Fraction]], given: str = "") -> str:
    r"""As one fraction in LaTeX; names are escaped.

    >>> print(product_latex([("A_1", Fraction(2)), ("B", Fraction(-1, 2))]))
    \frac{p(x; \mathtt{A\_1})^{2}}{p(x; \mathtt{B})^{1/2}}
    """
    above, below = (r"\, ".join(part) for part in halves(terms, lambda name, q: latex_power(name, q, given)))
    return rf"\frac{{{above or '1'}}}{{{below}}}" if below else above or "1"


def latex_escape(text: str) -> str:
    r"""Text made safe inside a LaTeX group; what a terminal obeys is shown as escapes.

    >>> print(latex_escape("A_1 & B"))
    A\_1 \& B
    """
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c) or ("\\" + c if c in "#$%&_{}" else c) for c in visible(text))
