"""Functions of one variable from which linear energies are made."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.interpolate import BSpline
from scipy.linalg import eigh

from ifm_ident import InputError
from ifm_ident.arrays import Floats

_DEGREE = 3
_SINGULAR = 1e-10


class Basis(Protocol):
    """Functions of one variable, smoothest first, none of them constant."""

    @property
    def size(self) -> int:
        """The number of functions."""

    @property
    def penalty(self) -> Floats:
        """How rough each one is, shape (size,); the first has 1."""

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """The functions or their first or second derivatives at x, shape (n,); shape (n, size)."""


@dataclass(frozen=True)
class Powers:
    """z and (z^2 - 1)/sqrt(2), z = (x - centre)/unit: uncorrelated and of unit variance where x is Gaussian.

    degree: how many of the two there are.

    >>> Powers.of(np.array([1.0, 2.0, 2.0, 3.0])).columns(np.array([2.0])).round(3).tolist()
    [[0.0, -0.707]]
    >>> Powers.of(np.array([0.0, 1.0])).columns(np.array([1.0])).tolist()
    [[1.0]]
    """

    centre: float = 0.0
    unit: float = 1.0
    degree: int = 2

    @classmethod
    def of(cls, x: Floats) -> Powers:
        """In units of the mean and the standard deviation of values; the line alone where they are but two."""
        distinct = len(np.unique(x))
        return cls(float(x.mean()), float(x.std()) if distinct > 1 else 1.0, min(distinct - 1, 2))

    @property
    def size(self) -> int:
        """The degree."""
        return self.degree

    @property
    def penalty(self) -> Floats:
        """All alike."""
        return np.ones(self.degree)

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """The powers or their derivatives, shape (n, degree)."""
        z, one = (x - self.centre) / self.unit, np.ones(len(x))
        line = (z, one / self.unit, 0.0 * one)[derivative]
        square = ((z**2 - 1) / 2, z / self.unit, one / self.unit**2)[derivative] * np.sqrt(2)
        return np.stack([line, square], axis=1)[:, : self.degree]


def smooth_basis(x: Floats, knots: int = 5) -> Basis:
    """Splines of the values x, shape (n,); powers, which say as much, where fewer than four are distinct."""
    return Spline.of(x, knots) if len(np.unique(x)) > _DEGREE else Powers.of(x)


@dataclass(frozen=True, eq=False)
class Spline:
    """Cubic splines on quantiles of the data, straight beyond their range, sorted from smooth to rough.

    Over the data they were made from the functions have mean 0 and variance 1 and are uncorrelated; the integrals
    of products of their second derivatives vanish too, so that a diagonal ridge is a roughness penalty (P-splines
    in the basis of Demmler and Reinsch). The first one is a straight line.

    knots: distinct, ascending, shape (k,); rotation: shape (k + 2, size), from B-splines to functions;
    shift: shape (size,), taken off; penalty: 1 + roughness over the least positive one, shape (size,).

    >>> x = np.random.default_rng(0).normal(size=400)
    >>> spline = Spline.of(x, knots=5)
    >>> spline.size, np.abs(np.cov(spline.columns(x).T, bias=True) - np.eye(6)).max() < 1e-9
    (6, np.True_)
    >>> Spline.of(np.array([0.0, 1.0, 1.0, 0.0]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a spline needs 4 distinct values or more, got 2; use powers
    """

    knots: Floats
    rotation: Floats
    shift: Floats
    penalty: Floats

    @classmethod
    def of(cls, x: Floats, knots: int = 5) -> Spline:
        """Splines with `knots` knots at quantiles of x, shape (n,), its least and largest value among them."""
        if knots < 2:
            raise InputError(f"a spline needs 2 knots or more, got {knots}")
        distinct = len(np.unique(x))
        if distinct < _DEGREE + 1:
            raise InputError(f"a spline needs {_DEGREE + 1} distinct values or more, got {distinct}; use powers")
        places = np.unique(np.quantile(x, np.linspace(0, 1, min(knots, distinct - _DEGREE + 1))))
        count = len(places) + _DEGREE - 1
        raw = cls(places, np.eye(count), np.zeros(count), np.ones(count))
        rows = raw.columns(x)
        mean = rows.mean(axis=0)
        held, directions = eigh((rows - mean).T @ (rows - mean) / len(rows))
        # B-splines add up to 1, so that one direction is constant; others are where gaps hold several knots
        kept = held > _SINGULAR * held[-1]
        if kept.sum() < count - 1 and len(places) > 2:
            return cls.of(x, len(places) - 1)
        white = directions[:, kept] / np.sqrt(held[kept])
        at, weight = _quadrature(places)
        bends = raw.columns(at, 2) @ white
        rough, turn = eigh((bends * weight[:, None]).T @ bends)
        rotation = white @ turn
        rotation *= np.where(rotation[-1] - rotation[0] < 0, -1.0, 1.0)
        rough = np.maximum(rough, 0.0)
        rough[0] = 0.0
        return cls(places, rotation, mean @ rotation, 1 + rough / rough[1])

    @property
    def size(self) -> int:
        """The number of functions."""
        return int(self.rotation.shape[1])

    @cached_property
    def _pieces(self) -> tuple[BSpline, ...]:
        low, high = self.knots[0], self.knots[-1]
        ends = np.concatenate([np.full(_DEGREE, low), self.knots, np.full(_DEGREE, high)])
        spline = BSpline(ends, np.eye(len(self.knots) + _DEGREE - 1), _DEGREE)
        return spline, spline.derivative(1), spline.derivative(2)

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """The functions or their derivatives, shape (n, size); second ones are 0 beyond the knots."""
        low, high = self.knots[0], self.knots[-1]
        inside = np.clip(x, low, high)
        beyond = (x - inside)[:, None]
        found = self._pieces[derivative](inside)
        if derivative == 0 and beyond.any():
            found = found + beyond * self._pieces[1](inside)
        elif derivative == 2:
            found = np.where(beyond == 0, found, 0.0)
        turned: Floats = found @ self.rotation
        return turned - self.shift if derivative == 0 else turned


@dataclass(frozen=True, eq=False)
class Level:
    """Another basis between two ends, each function keeping its value at them beyond.

    >>> Level(Powers(), -1.0, 1.0).columns(np.array([0.5, 1.0, 7.0]))[:, 0].tolist()
    [0.5, 1.0, 1.0]
    """

    basis: Basis
    low: float
    high: float

    @property
    def size(self) -> int:
        """That of the basis."""
        return self.basis.size

    @property
    def penalty(self) -> Floats:
        """That of the basis."""
        return self.basis.penalty

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """The functions or their derivatives, shape (n, size); derivatives are 0 beyond the ends."""
        inside = np.clip(x, self.low, self.high)
        found = self.basis.columns(inside, derivative)
        return found if derivative == 0 else np.where((inside == x)[:, None], found, 0.0)


def _quadrature(knots: Floats) -> tuple[Floats, Floats]:
    """Points and weights that integrate the squares of piecewise straight lines exactly."""
    points, weights = np.polynomial.legendre.leggauss(2)
    half = np.diff(knots)[:, None] / 2
    middle = (knots[1:] + knots[:-1])[:, None] / 2
    return (middle + half * points).ravel(), (half * weights).ravel()
