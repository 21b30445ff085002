"""Weights of the pooled rows under a law, relative to the mixture of the regimes that were run."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._law import Law
from ifm_learn.ladder._logs import log_sum_exp


@runtime_checkable
class ByWeights(Protocol):
    """A law whose means are weighted means of the pooled rows: it needs rows where the regime lives."""

    def weights(self, regimes: Regimes) -> Floats:
        """The weights of the pooled rows, each regime's summing to 1, shape (r, n)."""
        ...


def pooled_weights(law: Law, samples: Samples, weight: Floats, regimes: Regimes) -> Floats:
    """p(x; regime) / sum_i n_i p(x; i) at the samples' rows times `weight`, each regime's summing to 1; (r, n)."""
    if isinstance(law, ByWeights):
        return law.weights(regimes)
    counts = np.bincount(samples.regime, weight, minlength=len(samples.design.train))[samples.present]
    live = counts > 0
    trained = samples.design.train.take(samples.present[live])
    both = law.log_densities(samples.x, Regimes.concatenate([trained, regimes]))
    mixture = log_sum_exp(both[:, : live.sum()] + np.log(counts[live]), axis=1)
    with np.errstate(divide="ignore"):
        found = both[:, live.sum() :] - mixture[:, None] + np.log(weight)[:, None]
    weights: Floats = np.exp(found - log_sum_exp(found, axis=0)).T
    return weights


def effective(weights: Floats, weight: Floats) -> Floats:
    """(sum w)^2 / sum w^2 of rows with weights (r, n), each of them counted `weight` times; shape (r,).

    >>> effective(np.array([[0.5, 0.5, 0.0]]), np.array([1.0, 1.0, 1.0])).tolist()
    [2.0]
    >>> effective(np.array([[1.0, 0.0]]), np.array([2.0, 0.0])).tolist()
    [2.0]
    """
    squares = np.divide(weights**2, weight, out=np.zeros_like(weights), where=weight > 0)
    found: Floats = weights.sum(axis=1) ** 2 / squares.sum(axis=1)
    return found
