"""Gamma families in canonical parameters: one shape for all regimes, or a shape for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, gammaln, polygamma

from ifm_ident.arrays import Floats
from ifm_learn.ladder._canonical import Family, below_zero
from ifm_learn.ladder._counted import Counted


@dataclass(frozen=True)
class GammaRate(Family):
    """Positive values; theta = -1 / mean < 0, one shape for all regimes: factors tilt by x alone.

    Here p = base(x) exp(shape (theta x - A)): the dispersion is 1 / shape, and the estimate needs none of it.
    """

    shape: float = 1.0
    word = "gamma_rate"
    closed = False

    def potential(self, theta: Floats) -> Floats:
        inside = -np.log(-below_zero(theta[..., 0]))
        return np.where(np.isnan(inside), np.inf, inside)

    def mean(self, theta: Floats) -> Floats:
        return -1 / below_zero(theta[..., 0])

    def spread(self, theta: Floats) -> Floats:
        return (self.mean(theta) ** 2)[..., None, None]

    def third(self, theta: Floats) -> Floats:
        return (2 * self.mean(theta) ** 3)[..., None, None, None]

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        return np.array([-weight.sum() / (weight @ values)])

    def law(self, theta: Floats) -> Any:
        return stats.gamma(self.shape, scale=self.mean(theta) / self.shape)

    def tuned(self, counted: Counted, mean: Floats) -> GammaRate:
        ratio = counted.value / mean[counted.regime]
        target = 1 + float(counted.weight @ (np.log(ratio) - ratio)) / float(counted.weight.sum())
        return GammaRate(_shape(target))


def _shape(target: float) -> float:
    """The shape at which log(shape) - digamma(shape) = -target."""

    def score(log_shape: float) -> float:
        return float(log_shape + target - digamma(np.exp(log_shape)))

    return float(np.exp(30.0 if score(30.0) > 0 else brentq(score, -30.0, 30.0)))


@dataclass(frozen=True)
class Gamma(Family):
    """Positive values; T(x) = (x, log x), theta = (-rate, shape): factors tilt by both, rate and shape add up.

    Terms that move the shape have a normal prior about 0, its standard deviation `shift` times the shape: ten rows
    say little of a shape, and a sum of several such shapes and rates often gives no law at all.
    """

    shift: float = 0.5
    word = "gamma"
    parts = 2

    def potential(self, theta: Floats) -> Floats:
        rate, shape = below_zero(-theta[..., 1]), below_zero(theta[..., 0])
        inside = gammaln(-rate) + rate * np.log(-shape)
        return np.where(np.isnan(inside), np.inf, inside)

    def mean(self, theta: Floats) -> Floats:
        return below_zero(-theta[..., 1]) / below_zero(theta[..., 0])

    def statistics(self, values: Floats) -> Floats:
        return np.stack([values, np.log(values)], axis=1)

    def first(self, theta: Floats) -> Floats:
        return np.stack([self.mean(theta), digamma(theta[..., 1]) - np.log(-theta[..., 0])], axis=-1)

    def spread(self, theta: Floats) -> Floats:
        u, a = theta[..., 0], theta[..., 1]
        rows = [np.stack([a / u**2, -1 / u], axis=-1), np.stack([-1 / u, polygamma(1, a)], axis=-1)]
        return np.stack(rows, axis=-2)

    def third(self, theta: Floats) -> Floats:
        u, a = theta[..., 0], theta[..., 1]
        found = np.zeros((*u.shape, 2, 2, 2))
        found[..., 0, 0, 0] = -2 * a / u**3
        found[..., 0, 0, 1] = found[..., 0, 1, 0] = found[..., 1, 0, 0] = 1 / u**2
        found[..., 1, 1, 1] = polygamma(2, a)
        return found

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        mean = weight @ values / weight.sum()
        shape = min(_shape(float(weight @ np.log(values / mean) / weight.sum())), 1e6)
        return np.array([-shape / mean, shape])

    def law(self, theta: Floats) -> Any:
        return stats.gamma(-below_zero(-theta[..., 1]), scale=-1 / below_zero(theta[..., 0]))

    def each(self, counted: Counted) -> Floats:
        means = counted.sums(counted.value[:, None])[:, 0] / counted.total
        shape = np.full(len(means), min(GammaRate().tuned(counted, means).shape, 1e6))
        return np.stack([-shape / means, shape], axis=1)

    def ridge(self, counted: Counted, constant: NDArray[np.bool_]) -> Floats | None:
        if not self.shift < np.inf:
            return None
        mean = counted.sums(counted.value[:, None])[:, 0] / counted.total
        shape = GammaRate().tuned(counted, mean).shape
        precision = np.zeros((len(constant), 2))
        precision[~constant, 1] = 1 / (self.shift * min(shape, 1e6)) ** 2
        return precision
