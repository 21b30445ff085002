"""Weighted conformal quantiles whose comparisons are made in integers.

Theory: docs/theory/conformal.md (Tibshirani et al. 2019).

No kept library does this for regression: MAPIE 1.6 and crepes 0.9 have no weights for covariate shift, puncc 0.9
takes one weight vector for all test points, torchcp 1.2 has it for classification only, conditionalconformal 0.0.5
guards a class of shifts by linear programmes and takes no ratio, and crepes-weighted 0.1.3, the only one with a
weight for each test point, compares floats and is one rank too wide already with equal weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.conformal.ranks import Alpha, read_alpha

_BITS = 62
_MARGIN = 2.0**-46
"""Above the relative error of exp(difference) in floats, for every difference that matters (above -43)."""

_as_integers = np.frompyfunc(int, 1, 1)


@dataclass(frozen=True, eq=False)
class WeightedSplit:
    """The weighted conformal quantile of n calibration scores, sorted and cumulated once for many test points.

    scores, log_weights: shape (n,); weights w are known up to one factor, -inf is a weight of zero. alpha: see
    `read_alpha`. The quantile for a test point of weight w* is the smallest score s with sum(w_i, s_i <= s) >= (1
    - alpha)(sum(w) + w*), inf where there is none: its own weight sits at infinity. Weights are rounded to
    integers, fine enough that n of them fit 61 bits, and always against the interval: a comparison can only err
    towards a larger score, and only where the sums agree to a share of 2^-46 + n^2 2^-60 of each other's size.
    Equal weights are not rounded and give exactly the rank ceil((1 - alpha)(n + 1)). Raises InputError for nan and
    weights of +inf.

    >>> split = WeightedSplit(np.arange(1.0, 10.0), np.zeros(9), "0.1")
    >>> split.quantile([0.0, 1.0, -np.inf]).tolist()
    [9.0, inf, 9.0]
    >>> WeightedSplit(np.zeros(2), np.array([0.0, np.inf]), "0.1")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the log-weight of calibration row 2 is inf; give finite values or -inf
    """

    scores: Floats
    log_weights: Floats
    alpha: Alpha

    def __post_init__(self) -> None:
        read_alpha(self.alpha)
        if self.scores.ndim != 1 or self.scores.shape != self.log_weights.shape:
            raise InputError(
                f"scores have shape {self.scores.shape}, log-weights {self.log_weights.shape}; give (n,) for both"
            )
        bad = np.flatnonzero(np.isnan(self.log_weights) | (self.log_weights == np.inf))
        if len(bad):
            got = self.log_weights[bad[0]]
            raise InputError(
                f"the log-weight of calibration row {bad[0] + 1} is {got}; give finite values or -inf"
            )
        if np.isnan(self.scores).any():
            row = int(np.argmax(np.isnan(self.scores))) + 1
            raise InputError(f"the score of calibration row {row} is nan; give a number, or inf")

    @cached_property
    def ess(self) -> float:
        """Effective sample size (sum w)^2 / sum w^2 of the calibration rows; 0 where all weights are zero."""
        if not len(self.scores) or self._top == -np.inf:
            return 0.0
        weights = np.exp(self.log_weights - self._top)
        return float(weights.sum() ** 2 / (weights**2).sum())

    @cached_property
    def mean_log_weight(self) -> float:
        """log of sum w^2 / sum w, the mean weight of a unit of the target; -inf where all weights are zero.

        A test point of this weight puts 1/(ess + 1) of all mass at infinity, as one more row would.
        """
        if not len(self.scores) or self._top == -np.inf:
            return -np.inf
        weights = np.exp(self.log_weights - self._top)
        return float(self._top + np.log((weights**2).sum() / weights.sum()))

    @cached_property
    def tail_log_weight(self) -> float:
        """log of sum w^2 / sum w over the rows at and above the quantile without a test point: one more row there.

        How finely rows lie where the quantile is decides what one more would change; with equal weights it is
        `mean_log_weight`.
        """
        if not len(self.scores) or self._top == -np.inf:
            return -np.inf
        weights = np.exp(self.log_weights - self._top)
        beyond = weights[self.scores >= float(self.quantile(-np.inf))]
        if not beyond.any():
            return self.mean_log_weight
        return float(self._top + np.log((beyond**2).sum() / beyond.sum()))

    def quantile(self, log_weight: ArrayLike) -> Floats:
        """The quantile for test points of these log-weights (same factor as the rows'), in their shape.

        +inf stands for a weight without a bound and gives inf; -inf leaves the mass at infinity out. Raises
        InputError for nan.
        """
        tests = np.asarray(log_weight, dtype=np.float64)
        if np.isnan(tests).any():
            raise InputError("the log-weight of a test point is nan; give a number, inf for one without a bound")
        if not len(self.scores) or self._top == -np.inf:
            return np.full(tests.shape, np.inf)
        found = np.full(tests.size, np.inf)
        finite = np.flatnonzero(tests.ravel() - self._top < _BITS * 10)
        _, above = self._bounds(tests.ravel()[finite])
        alpha = read_alpha(self.alpha)
        ordered, surplus = self._surplus
        needed = _as_integers(above) * (alpha.denominator - alpha.numerator)
        place = np.searchsorted(surplus, needed)
        found[finite] = np.append(ordered, np.inf)[place]
        return found.reshape(tests.shape)

    def atom(self, log_weight: ArrayLike) -> Floats:
        """The share of all mass that test points of these log-weights put at infinity, in their shape."""
        tests = np.asarray(log_weight, dtype=np.float64)
        if not len(self.scores) or self._top == -np.inf:
            return np.ones(tests.shape)
        total = np.log(np.exp(self.log_weights - self._top).sum()) + self._top
        share: Floats = np.exp(-np.logaddexp(0.0, total - tests))
        return share

    @cached_property
    def _top(self) -> float:
        return float(self.log_weights.max()) if len(self.log_weights) else -np.inf

    def _bounds(self, log_weights: Floats) -> tuple[Floats, Floats]:
        """Whole numbers below and above the weights, in a unit that is a power of two times the largest row's."""
        scale = 2.0 ** (_BITS - 1 - len(self.scores).bit_length())
        difference = log_weights - self._top
        scaled = np.exp(difference) * scale
        margin = np.where(difference == 0, 0.0, _MARGIN)
        return np.floor(scaled * (1 - margin)), np.ceil(scaled * (1 + margin))

    @cached_property
    def _surplus(self) -> tuple[Floats, NDArray[Any]]:
        """Scores in order, and alpha sum(w_i, s_i <= s) - (1 - alpha) sum(w_i, s_i > s) times alpha's denominator.

        The test point's quantile is the first score where it is at least (1 - alpha) w*, times the denominator.
        """
        alpha: Fraction = read_alpha(self.alpha)
        order = np.argsort(self.scores, kind="stable")
        below, above = (part[order].astype(np.int64) for part in self._bounds(self.log_weights))
        inside, outside = np.cumsum(below), above.sum() - np.cumsum(above)
        keep, drop = alpha.numerator, alpha.denominator - alpha.numerator
        return self.scores[order], keep * inside.astype(object) - drop * outside.astype(object)
