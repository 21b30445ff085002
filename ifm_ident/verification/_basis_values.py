"""Basis functions evaluated for verification, by other formulas than those that the solver uses.

Theory: docs/theory/doses.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

from ifm_ident.design.bases import Basis, key_of
from ifm_ident.design.model import Intervention


class BasisValues:
    """phi_1, ..., phi_r of the levels of one intervention, from its level as written.

    >>> BasisValues(Intervention("t", (0, 6), Basis("spline", knots=(Fraction(0), Fraction(6)), degree=2))).at(1)
    (Fraction(0, 1), Fraction(1, 1))
    """

    def __init__(self, intervention: Intervention) -> None:
        self.intervention = intervention
        self._known: dict[int, tuple[Fraction, ...]] = {}

    @cached_property
    def _basis(self) -> Basis:
        assert self.intervention.basis is not None
        return self.intervention.basis

    def at(self, level: int) -> tuple[Fraction, ...]:
        """The functions but the constant at a level index."""
        if level not in self._known:
            self._known[level] = self._values(level)
        return self._known[level]

    def _values(self, level: int) -> tuple[Fraction, ...]:
        basis, key = self._basis, key_of(self.intervention.level(level))
        if basis.kind == "table":
            return next(values for name, values in basis.rows if name == key)
        if self.intervention.coordinate:
            key = next(value for name, value in self.intervention.coordinate if name == key)
        assert isinstance(key, Fraction)
        if basis.kind == "poly":
            powers = [key]
            while len(powers) < basis.degree:
                powers.append(powers[-1] * key)
            return tuple(powers)
        if basis.kind == "hill":
            return (Fraction(0) if key == 0 else 1 / (1 + (basis.ec50 / key) ** basis.degree),)
        knots = basis.knots
        cell = next(i for i in range(len(knots) - 1) if key <= knots[i + 1])
        if basis.kind == "hat":
            share = (key - knots[cell]) / (knots[cell + 1] - knots[cell])
            return tuple(
                1 - share if j == cell else share if j == cell + 1 else Fraction(0) for j in range(1, len(knots))
            )
        return tuple(_curve(knots, basis.degree, cell, j, key) for j in range(1, len(knots) + basis.degree - 1))


def _curve(knots: tuple[Fraction, ...], degree: int, cell: int, j: int, at: Fraction) -> Fraction:
    """The spline curve whose control point j is 1 and all others 0, by de Boor's algorithm."""
    t = (knots[0],) * degree + knots + (knots[-1],) * degree
    k = cell + degree
    points = [Fraction(int(i == j)) for i in range(k - degree, k + 1)]
    for r in range(1, degree + 1):
        for i in range(degree, r - 1, -1):
            low, high = t[i + k - degree], t[i + 1 + k - r]
            share = (at - low) / (high - low)
            points[i] = (1 - share) * points[i - 1] + share * points[i]
    return points[degree]
