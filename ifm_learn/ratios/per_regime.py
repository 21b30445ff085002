"""One density estimate for each training regime, to be put into formulas (docs/theory/learning.md, LEARNING 6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.ratios._regime_classifiers import sklearn


@dataclass(frozen=True, eq=False)
class GaussianDensities:
    """A Gaussian for each training regime: mean, shape (m, p), and covariance, shape (m, p, p).

    >>> one = GaussianDensities(np.zeros((1, 2)), np.eye(2)[None])
    >>> one.log_densities(np.zeros((1, 2))).round(4).tolist()
    [[-1.8379]]
    """

    mean: Floats
    covariance: Floats

    @classmethod
    def fit(cls, samples: Samples) -> GaussianDensities:
        """Means and covariances by regime, shrunk after Ledoit and Wolf (2004) in units of the pooled spread.

        The shrinkage falls with the number of rows, so that the estimate is consistent. Raises InputError for a
        regime with fewer than two rows, or without any spread; MissingExtraError without scikit-learn.
        """
        ledoit_wolf = sklearn("covariance").ledoit_wolf
        unit = _unit(samples)
        mean = np.empty((len(samples.present), len(unit)))
        covariance = np.empty((*mean.shape, len(unit)))
        for row, train in enumerate(samples.present.tolist()):
            x = _rows(samples, train, 2)
            mean[row] = x.mean(axis=0)
            covariance[row] = ledoit_wolf(x / unit)[0] * np.outer(unit, unit)
            if not np.linalg.eigvalsh(covariance[row] / np.outer(unit, unit))[0] > 0:
                raise InputError(f"the rows of training regime {train} are all alike; a density needs some spread")
        columns = _columns(samples)
        return cls(mean[columns], covariance[columns])

    @property
    def precision(self) -> Floats:
        """Inverse covariances, shape (m, p, p)."""
        return np.asarray(np.linalg.inv(self.covariance), dtype=np.float64)

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats, shape (n, m)."""
        found = np.empty((len(x), len(self.mean)))
        for i, (mean, lower) in enumerate(zip(self.mean, np.linalg.cholesky(self.covariance), strict=True)):
            scaled = np.linalg.solve(lower, (x - mean).T)
            constant = np.log(np.diag(lower)).sum() + 0.5 * x.shape[1] * np.log(2 * np.pi)
            found[:, i] = -0.5 * (scaled**2).sum(axis=0) - constant
        return found


@dataclass(frozen=True, eq=False)
class MixtureDensities:
    """A Gaussian mixture for each training regime, its number of components by BIC.

    `models` are fitted `sklearn.mixture.GaussianMixture`, one a training regime as written. Products with negative
    exponents may have no finite integral (nothing checks it here): watch the diagnostics of the weights.
    """

    models: tuple[Any, ...]

    @classmethod
    def fit(cls, samples: Samples, rng: np.random.Generator, max_components: int = 5) -> MixtureDensities:
        """The best of 1 to max_components components by BIC for each regime, at most one for ten rows.

        Raises InputError for a regime with fewer than two rows; MissingExtraError without scikit-learn.
        """
        mixture = sklearn("mixture").GaussianMixture
        seed = int(rng.integers(2**31))
        unit = _unit(samples)

        def best(x: Floats) -> _Scaled:
            counts = range(1, max(1, min(max_components, len(x) // 10)) + 1)
            tried = [mixture(k, n_init=3 if k > 1 else 1, max_iter=500, random_state=seed) for k in counts]
            fitted = [model.fit(x / unit) for model in tried]
            return _Scaled(min(fitted, key=lambda model: model.bic(x / unit)), unit)

        return cls(_each(samples, best))

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats, shape (n, m)."""
        return np.stack([model.score_samples(x) for model in self.models], axis=1)


@dataclass(frozen=True, eq=False)
class KernelDensities:
    """A kernel density estimate with Gaussian kernels for each training regime: for few variables (up to about 4).

    Far from the rows every ratio of such estimates is ruled by the kernels' tails, not by data.
    """

    models: tuple[Any, ...]

    @classmethod
    def fit(cls, samples: Samples) -> KernelDensities:
        """Bandwidths by Scott's rule n_i^(-1/(p + 4)), in units of each variable's spread in the regime.

        Raises InputError for a regime with fewer than two rows or without spread; MissingExtraError without
        scikit-learn.
        """
        kernel = sklearn("neighbors").KernelDensity

        def smoothed(x: Floats) -> _Scaled:
            unit = x.std(axis=0)
            if not (unit > 0).all():
                raise InputError(f"variable {int(np.argmin(unit)) + 1} is constant in a regime; it has no density")
            width = len(x) ** (-1 / (x.shape[1] + 4))
            return _Scaled(kernel(bandwidth=width).fit(x / unit), unit)

        return cls(_each(samples, smoothed))

    def log_densities(self, x: Floats) -> Floats:
        """log p(x; sigma^i) in nats, shape (n, m)."""
        return np.stack([model.score_samples(x) for model in self.models], axis=1)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A density estimate of x / unit, as one of x."""

    model: Any
    unit: Floats

    def score_samples(self, x: Floats) -> Floats:
        values = np.asarray(self.model.score_samples(x / self.unit), dtype=np.float64)
        return values - float(np.log(self.unit).sum())


def _rows(samples: Samples, train: int, fewest: int) -> Floats:
    x = samples.of(train)
    if len(x) < fewest:
        raise InputError(f"training regime {train} has {len(x)} row(s); a density estimate needs {fewest} or more")
    return x


def _unit(samples: Samples) -> Floats:
    unit = np.asarray(samples.x.std(axis=0), dtype=np.float64)
    if not (unit > 0).all():
        name = samples.design.model.variables[int(np.argmin(unit))]
        raise InputError(f"the variable {name} is constant over all rows; leave it out of the model")
    return unit


def _columns(samples: Samples) -> Ints:
    """For every training regime as written its place among the distinct ones, shape (m,)."""
    columns: Ints = np.searchsorted(samples.present, samples.design.first)
    return columns


def _each(samples: Samples, fit: Callable[[Floats], _Scaled]) -> tuple[_Scaled, ...]:
    models = [fit(_rows(samples, train, 2)) for train in samples.present.tolist()]
    return tuple(models[column] for column in _columns(samples).tolist())
