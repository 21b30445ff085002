"""Formulas: p(x; sigma*) as a product of powers of training densities, with exact rational exponents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident.answer.exact_text import size_text
from ifm_ident.answer.product import density_text, product_latex, product_text
from ifm_ident.errors import InputError

if TYPE_CHECKING:
    import sympy

RegimeText = Callable[[int], str]
"""Names a training regime by its index."""


_SHOWN = 40
_LONGEST = 200


def size_note(formula: Formula, shown: bool) -> str:
    """sum|q| as it follows a formula in a line of text, where it is shown.

    >>> size_note(Formula.of({0: 3, 1: -2}), shown=True), size_note(Formula.of({0: 3, 1: -2}), shown=False)
    ('  sum|q| = 5', '')
    """
    return f"  sum|q| = {size_text(formula.size)}" if shown else ""


def _default_name(train: int) -> str:
    return f"train[{train}]"


@dataclass(frozen=True, slots=True)
class Formula:
    """prod_i p(x; sigma^i)^{q_i}: a sparse map from training index to a nonzero exact exponent.

    Equality, products and powers act on the exponents (docs/theory/joint.md). `names` tells how training regimes
    are written, `given` which covariates are given in them (`Model.given`); neither takes part in equality. Terms
    come in canonical order: positive exponents first, then negative ones, each by training index.

    >>> f = Formula.of({3: 1, 5: 1, 1: -1}, names=("000", "010", "100", "110", "001", "011"))
    >>> print(f)
    p(110) p(011) / p(010)
    >>> print(f ** Fraction(1, 2))
    p(110)^(1/2) p(011)^(1/2) / p(010)^(1/2)
    >>> print(f / f)
    1
    >>> f == Formula.of({1: -1, 5: 1, 3: 1})
    True
    """

    terms: tuple[tuple[int, Fraction], ...]
    names: Sequence[str] | RegimeText | None = field(default=None, repr=False)
    given: str = field(default="", repr=False)

    @classmethod
    def of(
        cls,
        exponents: Mapping[int, int | Fraction],
        names: Sequence[str] | RegimeText | None = None,
        given: str = "",
    ) -> Formula:
        """From a map of training index to exponent; zeros are dropped, the order is made canonical."""
        kept = [(int(i), Fraction(q)) for i, q in exponents.items() if q != 0]
        return cls(tuple(sorted(kept, key=lambda term: (term[1] < 0, term[0]))), names, given)

    def __eq__(self, other: object) -> bool:
        return self.terms == other.terms if isinstance(other, Formula) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __iter__(self) -> Iterator[tuple[int, Fraction]]:
        return iter(self.terms)

    @property
    def exponents(self) -> dict[int, Fraction]:
        """Training index to exponent, in canonical order."""
        return dict(self.terms)

    @property
    def size(self) -> Fraction:
        """sum|q|, by how much the formula magnifies errors of the log-densities in it (docs/theory/doses.md).

        >>> Formula.of({0: Fraction(3, 2), 1: Fraction(-1, 2)}).size
        Fraction(2, 1)
        """
        return sum((abs(q) for _, q in self.terms), Fraction(0))

    def __mul__(self, other: Formula) -> Formula:
        total = self.exponents
        for i, q in other.terms:
            total[i] = total.get(i, Fraction(0)) + q
        return Formula.of(total, self.names if self.names is not None else other.names, self.given or other.given)

    def __truediv__(self, other: Formula) -> Formula:
        return self * other**-1

    def __pow__(self, power: int | Fraction) -> Formula:
        return Formula.of({i: q * Fraction(power) for i, q in self.terms}, self.names, self.given)

    def __call__(self, log_densities: Mapping[int, ArrayLike] | ArrayLike) -> NDArray[np.float64]:
        """log p(x; sigma*) in nats up to a constant: sum_i q_i log p(x; sigma^i).

        `log_densities` holds log p(x; sigma^i) for every training index i of the formula: a mapping, or an
        array whose first axis is the training index. Raises InputError when one is missing.

        >>> Formula.of({0: 2, 1: -1})([[1.0, 0.0], [0.5, 0.5]]).tolist()
        [1.5, -0.5]
        """
        total: NDArray[np.float64] | float = 0.0
        for i, q in self.terms:
            try:
                values = log_densities[i]  # type: ignore[index]
            except (KeyError, IndexError):
                raise InputError(f"the formula needs the log-density of {self.name(i)} (index {i})") from None
            total = total + float(q) * np.asarray(values, dtype=np.float64)
        return np.asarray(total, dtype=np.float64)

    def name(self, train: int) -> str:
        """How training regime `train` is written."""
        if self.names is None:
            return _default_name(train)
        return self.names(train) if callable(self.names) else self.names[train]

    def __str__(self) -> str:
        return product_text(self._named(), self.given)

    def _named(self) -> Iterator[tuple[str, Fraction]]:
        return ((self.name(i), q) for i, q in self.terms)

    def latex(self) -> str:
        r"""As LaTeX.

        >>> print(Formula.of({0: 1, 1: 1, 2: -1}, names=("10", "01", "00")).latex())
        \frac{p(x; \mathtt{10})\, p(x; \mathtt{01})}{p(x; \mathtt{00})}
        """
        return product_latex(self._named(), self.given)

    def __repr__(self) -> str:
        """The product as text, cut where it is long.

        >>> Formula.of({1: 1, 0: -2}, names=("00", "10"))
        Formula('p(10) / p(00)^2')
        """
        few = Formula(self.terms[:_SHOWN], self.names, self.given)
        text = str(few)
        if len(text) > _LONGEST or len(few) < len(self):
            text = f"{text[:_LONGEST]} ... ({len(self):,} densities)"
        return f"Formula({text!r})"

    def _repr_latex_(self) -> str:
        if len(self) <= _SHOWN:
            return f"${self.latex()}$"
        few = Formula(self.terms[:_SHOWN], self.names, self.given).latex()
        return rf"${few} \cdots \text{{ ({len(self):,} densities in all)}}$"

    def sympy(self) -> sympy.Expr:
        """As a sympy product of powers of positive symbols p(...), one for each training regime.

        >>> Formula.of({0: 1, 1: -1}, names=("10", "00")).sympy()
        p(10)/p(00)
        """
        import sympy

        factors = [
            sympy.Symbol(density_text(self.name(i), self.given), positive=True)
            ** sympy.Rational(q.numerator, q.denominator)
            for i, q in self.terms
        ]
        return sympy.Mul(*factors)
