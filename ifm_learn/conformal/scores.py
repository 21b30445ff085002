"""Conformity scores: for a unit whose x is known, and for a fresh unit of a regime (docs/theory/conformal.md).

Every score carries the ids of the rows that its models were fitted on; calibration refuses an overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints

Function = Callable[[Floats], Floats]
"""Of x, shape (n, p), to shape (n,)."""


class Score(Protocol):
    """A score of units whose x is known; large is strange."""

    @property
    def fitted_rows(self) -> Ints:
        """Ids of the rows that the score's models were fitted on."""
        ...

    def of(self, x: Floats, y: Floats) -> Floats:
        """Scores of rows, shape (n,)."""
        ...

    def interval(self, x: Floats, bound: Floats) -> tuple[Floats, Floats]:
        """Ends of the y whose score is at most `bound`, shape (n,) each."""
        ...


class RegimeScore(Protocol):
    """A score in y and the regime only, for a fresh unit whose x nobody knows; large is strange."""

    @property
    def fitted_rows(self) -> Ints:
        """Ids of the rows that the score's models were fitted on."""
        ...

    def of(self, y: Floats) -> Floats:
        """Scores of rows, shape (n, k): with k columns each has its share alpha/k of the miscoverage."""
        ...

    def interval(self, bound: Floats) -> tuple[float, float]:
        """Ends of the y whose scores are at most `bound`, shape (k,)."""
        ...


@dataclass(frozen=True, eq=False)
class AbsoluteResidual:
    """|y - m(x)|: intervals of one width, m(x) plus and minus the bound.

    predict: m, of x of shape (n, p) to shape (n,); fitted_rows: ids of the rows that it was fitted on, which may
    not be among those of the calibration.

    >>> score = AbsoluteResidual(lambda x: 2 * x[:, 0], np.arange(3))
    >>> score.of(np.array([[1.0]]), np.array([5.0])).tolist()
    [3.0]
    """

    predict: Function
    fitted_rows: Ints

    def of(self, x: Floats, y: Floats) -> Floats:
        """Scores, shape (n,)."""
        return np.abs(y - self.predict(x))

    def interval(self, x: Floats, bound: Floats) -> tuple[Floats, Floats]:
        """Ends, shape (n,) each."""
        centre = self.predict(x)
        return centre - bound, centre + bound


@dataclass(frozen=True, eq=False)
class NormalisedResidual:
    """|y - m(x)| / s(x), s a fitted scale: intervals as wide as the noise is said to be. s must be positive.

    >>> score = NormalisedResidual(lambda x: 0 * x[:, 0], lambda x: x[:, 0], np.arange(3))
    >>> score.of(np.array([[2.0]]), np.array([3.0])).tolist()
    [1.5]
    >>> score.of(np.array([[0.0]]), np.array([3.0]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the fitted scale is 0.0 at row 1; give one that is positive everywhere
    """

    predict: Function
    scale: Function
    fitted_rows: Ints

    def of(self, x: Floats, y: Floats) -> Floats:
        """Scores, shape (n,)."""
        found: Floats = np.abs(y - self.predict(x)) / self._positive(x)
        return found

    def interval(self, x: Floats, bound: Floats) -> tuple[Floats, Floats]:
        """Ends, shape (n,) each."""
        centre, radius = self.predict(x), bound * self._positive(x)
        return centre - radius, centre + radius

    def _positive(self, x: Floats) -> Floats:
        scale = self.scale(x)
        bad = np.flatnonzero(~(scale > 0))
        if len(bad):
            raise InputError(
                f"the fitted scale is {scale[bad[0]]} at row {bad[0] + 1}; give one that is positive everywhere"
            )
        return scale


@dataclass(frozen=True, eq=False)
class QuantileResidual:
    """max(low(x) - y, y - high(x)) for fitted quantiles low and high (CQR, Romano et al. 2019).

    The bound may be negative and narrow the band; where nothing is left of it, the interval is its middle point.
    """

    low: Function
    high: Function
    fitted_rows: Ints

    def of(self, x: Floats, y: Floats) -> Floats:
        """Scores, shape (n,)."""
        return np.maximum(self.low(x) - y, y - self.high(x))

    def interval(self, x: Floats, bound: Floats) -> tuple[Floats, Floats]:
        """Ends, shape (n,) each."""
        low, high = self.low(x), self.high(x)
        middle = (low + high) / 2
        lower, upper = low - bound, high + bound
        return np.where(lower > upper, middle, lower), np.where(lower > upper, middle, upper)


@dataclass(frozen=True, eq=False)
class RegimeResidual:
    """|y - centre| with the target regime's centre, such as its predicted mean, for the rows of all regimes.

    separate_tails: bound y - centre above and below separately, each at alpha/2, for outcomes that are not
    symmetric.

    >>> RegimeResidual(1.0, np.arange(0), separate_tails=True).of(np.array([3.0])).tolist()
    [[-2.0, 2.0]]
    """

    centre: float
    fitted_rows: Ints
    separate_tails: bool = False

    def of(self, y: Floats) -> Floats:
        """Scores, shape (n, 1), or (n, 2) with separate tails."""
        residual = y - self.centre
        return np.stack([-residual, residual], axis=1) if self.separate_tails else np.abs(residual)[:, None]

    def interval(self, bound: Floats) -> tuple[float, float]:
        """Ends; tails that cross leave the centre between them."""
        lower, upper = self.centre - float(bound[0]), self.centre + float(bound[-1])
        return min(lower, upper), max(lower, upper)


@dataclass(frozen=True, eq=False)
class RegimeQuantiles:
    """max(low - y, y - high) for fitted quantiles of y in the target regime; `RegimeResidual` with a width."""

    low: float
    high: float
    fitted_rows: Ints

    def of(self, y: Floats) -> Floats:
        """Scores, shape (n, 1)."""
        return np.maximum(self.low - y, y - self.high)[:, None]

    def interval(self, bound: Floats) -> tuple[float, float]:
        """Ends; where nothing is left of the range, its middle point twice."""
        lower, upper = self.low - float(bound[0]), self.high + float(bound[0])
        if lower > upper:
            lower = upper = (self.low + self.high) / 2
        return lower, upper
