"""Exponential families of one variable in canonical parameters, as far as fitting needs them.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import expit, gammaln, logit, xlogy

from ifm_ident.arrays import Floats
from ifm_learn.ladder._counted import Counted

LARGEST_SIZE = 1e6
"""A negative binomial of larger size is a Poisson."""


class Family(ABC):
    """p(x; theta) = base(x) exp(theta T(x) - A(theta)), with d parameters; theta has shape (..., d)."""

    word: str
    parts = 1
    integers = False
    closed = True
    """Whether some samples have no finite estimate, so that a prior is needed."""

    @abstractmethod
    def potential(self, theta: Floats) -> Floats:
        """A(theta), shape (...); infinite where theta gives no law."""

    @abstractmethod
    def mean(self, theta: Floats) -> Floats:
        """The mean of x, shape (...); nan where theta gives no law."""

    @abstractmethod
    def parameter(self, values: Floats, weight: Floats) -> Floats:
        """theta of one regime that holds all the rows, shape (d,), inside the range."""

    def each(self, counted: Counted) -> Floats:
        """theta of each regime from its own mean, shape (m, d)."""
        means = counted.sums(counted.value[:, None])[:, 0] / counted.total
        pairs = zip(means[:, None], counted.total[:, None], strict=True)
        return np.stack([self.parameter(mean, weight) for mean, weight in pairs])

    @abstractmethod
    def law(self, theta: Floats) -> Any:
        """The scipy.stats law at theta."""

    def statistics(self, values: Floats) -> Floats:
        """T(x), shape (n, d)."""
        return values[:, None]

    def first(self, theta: Floats) -> Floats:
        """A', the mean of T, shape (..., d)."""
        return self.mean(theta)[..., None]

    @abstractmethod
    def spread(self, theta: Floats) -> Floats:
        """A'', shape (..., d, d)."""

    @abstractmethod
    def third(self, theta: Floats) -> Floats:
        """A''', shape (..., d, d, d)."""

    def ridge(self, counted: Counted, constant: NDArray[np.bool_]) -> Floats | None:
        """Precisions of normal priors on coefficients, (rank, d), but for the `constant` one; None without."""
        return None

    def tuned(self, counted: Counted, mean: Floats) -> Family:
        """The family with what all regimes share fitted, the means of the regimes held."""
        return self


@dataclass(frozen=True)
class Bernoulli(Family):
    """0 or 1; theta is the logit."""

    word = "bernoulli"
    integers = True

    def potential(self, theta: Floats) -> Floats:
        return np.logaddexp(0.0, theta[..., 0])

    def mean(self, theta: Floats) -> Floats:
        mean: Floats = expit(theta[..., 0])
        return mean

    def spread(self, theta: Floats) -> Floats:
        mean = self.mean(theta)
        return (mean * (1 - mean))[..., None, None]

    def third(self, theta: Floats) -> Floats:
        mean = self.mean(theta)
        return (mean * (1 - mean) * (1 - 2 * mean))[..., None, None, None]

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        theta: Floats = logit(np.array([(weight @ values + 0.5) / (weight.sum() + 1)]))
        return theta

    def law(self, theta: Floats) -> Any:
        return stats.bernoulli(self.mean(theta))


@dataclass(frozen=True)
class Poisson(Family):
    """Counts; theta is the logarithm of the mean."""

    word = "poisson"
    integers = True

    def potential(self, theta: Floats) -> Floats:
        return self.mean(theta)

    def mean(self, theta: Floats) -> Floats:
        return np.exp(np.minimum(theta[..., 0], 700.0))

    def spread(self, theta: Floats) -> Floats:
        return self.mean(theta)[..., None, None]

    def third(self, theta: Floats) -> Floats:
        return self.mean(theta)[..., None, None, None]

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        return np.asarray(np.log([max(weight @ values, 0.5) / weight.sum()]), dtype=np.float64)

    def law(self, theta: Floats) -> Any:
        return stats.poisson(self.mean(theta))


def below_zero(theta: Floats) -> Floats:
    """theta where it is below 0, nan elsewhere."""
    return np.where(theta < 0, theta, np.nan)


@dataclass(frozen=True)
class NegativeBinomial(Family):
    """Counts of variance mean + mean^2 / size; theta = log(mean / (mean + size)) < 0, one size for all regimes.

    The log link is no factor model: only on this scale are products of powers of such laws such laws again.
    """

    size: float = 1.0
    word = "negbin"
    integers = True

    def potential(self, theta: Floats) -> Floats:
        inside = -self.size * np.log(-np.expm1(below_zero(theta[..., 0])))
        return np.where(np.isnan(inside), np.inf, inside)

    def mean(self, theta: Floats) -> Floats:
        mean: Floats = self.size / np.expm1(-below_zero(theta[..., 0]))
        return mean

    def spread(self, theta: Floats) -> Floats:
        mean = self.mean(theta)
        return (mean + mean**2 / self.size)[..., None, None]

    def third(self, theta: Floats) -> Floats:
        mean = self.mean(theta)
        return ((mean + mean**2 / self.size) * (1 + 2 * mean / self.size))[..., None, None, None]

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        return -np.log1p(self.size * np.array([weight.sum() / max(weight @ values, 0.5)]))

    def law(self, theta: Floats) -> Any:
        return stats.nbinom(self.size, -np.expm1(below_zero(theta[..., 0])))

    def tuned(self, counted: Counted, mean: Floats) -> NegativeBinomial:
        at = np.maximum(mean[counted.regime], 1e-12)

        def loss(log_size: float) -> float:
            size = float(np.exp(log_size))
            terms = gammaln(counted.value + size) - gammaln(size) - size * np.log1p(at / size)
            return -float(counted.weight @ (terms + xlogy(counted.value, at / (size + at))))

        bounds = (-7.0, float(np.log(LARGEST_SIZE)))
        found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
        return NegativeBinomial(float(np.exp(found.x)))
