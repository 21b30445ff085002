"""Weighted means regime by regime, and their combination across regimes (IFM2, docs/theory/learning.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_ident.errors import require_known
from ifm_learn.ratios.balance import regime_weights

Combination = Literal["ess", "variance"]


@dataclass(frozen=True, eq=False)
class RegimeMeans:
    """Self-normalised weighted means of r regimes for t targets, each regime by itself.

    train: the training indices, shape (r,). mean, variance (of the mean, sum w^2 (y - mean)^2), ess: shape (r, t).
    """

    train: Ints
    mean: Floats
    variance: Floats
    ess: Floats

    def combine(self, by: Combination = "ess") -> tuple[Floats, Floats, Floats]:
        """Means over the regimes, their standard errors, both shape (t,), and the regimes' shares, shape (r, t).

        ess: shares in proportion to the effective sample sizes, that is inverse variance where y spreads alike in
        all regimes. variance: by the regimes' own estimated variances; beware that one which rests on a single
        row has an estimate near zero and takes the whole share. Standard errors take weights as known.

        >>> two = RegimeMeans(np.array([0, 1]), np.array([[1.0], [4.0]]), np.array([[0.5], [1.0]]),
        ...     np.array([[20.0], [10.0]]))
        >>> two.combine()[0].tolist(), two.combine("variance")[2].round(3).tolist()
        ([2.0], [[0.667], [0.333]])
        """
        require_known(by, get_args(Combination), "combination")
        precision = self.ess if by == "ess" else 1 / np.maximum(self.variance, np.finfo(np.float64).tiny)
        shares = precision / precision.sum(axis=0)
        return (shares * self.mean).sum(axis=0), np.sqrt((shares**2 * self.variance).sum(axis=0)), shares


def regime_means(y: ArrayLike, regime: Ints, log_target: Floats, log_train: Floats) -> RegimeMeans:
    """Means of y in every target by the rows of each regime alone, weighted by p*(x)/p_i(x).

    y: shape (N,); regime: training index of every row, shape (N,); log_target: shape (N, t) and log_train: shape
    (N, m), log-densities in nats up to constants and a shared function of x. A regime whose rows all have
    weight zero in a target is refused: see `regime_weights`.

    >>> found = regime_means([1.0, 3.0, 5.0], np.array([0, 0, 1]), np.zeros((3, 1)), np.zeros((3, 2)))
    >>> found.mean.tolist(), found.ess.round(6).tolist()
    ([[2.0], [5.0]], [[2.0], [1.0]])
    """
    values = np.asarray(y, dtype=np.float64)
    if values.shape != regime.shape or len(log_target) != len(values) or len(log_train) != len(values):
        raise InputError(
            f"y has shape {values.shape}, regimes {regime.shape}, log-densities {log_target.shape} and "
            f"{log_train.shape}; give one row each"
        )
    present, place = np.unique(regime, return_inverse=True)
    weights = np.exp(weights_by_regime(regime, log_target, log_train))
    mean, variance, ess = (np.zeros((len(present), weights.shape[1])) for _ in range(3))
    np.add.at(mean, place, weights * values[:, None])
    np.add.at(variance, place, weights**2 * (values[:, None] - mean[place]) ** 2)
    np.add.at(ess, place, weights**2)
    return RegimeMeans(present, mean, variance, 1 / ess)


def weights_by_regime(regime: Ints, log_target: Floats, log_train: Floats) -> Floats:
    """log p*(x)/p_i(x) of every row in its own regime i, normalised to sum 1 in each regime and target.

    Shapes as for `regime_means`; the result has shape (N, t).
    """
    found = np.empty(log_target.shape)
    for train in np.unique(regime).tolist():
        rows = regime == train
        found[rows] = regime_weights(log_target[rows], log_train[rows, train])
    return found


@dataclass(frozen=True, eq=False)
class CombinedWeights:
    """Weights of N rows for t targets that make their sums the means of IFM2, regimes shared by `ess`.

    log_weights: share of the row's regime times its weight in it, sum 1 in each target, shape (N, t); place: the
    regime of every row, counted from 0, shape (N,).

    >>> found = CombinedWeights.of(np.array([0, 0, 1]), np.zeros((3, 1)), np.zeros((3, 2)))
    >>> found.mean([1.0, 3.0, 5.0]).round(6).tolist()  # two rows against one
    [3.0]
    """

    log_weights: Floats
    place: Ints

    @classmethod
    def of(cls, regime: Ints, log_target: Floats, log_train: Floats) -> CombinedWeights:
        """Arguments as for `weights_by_regime`."""
        logs = weights_by_regime(regime, log_target, log_train)
        present, place = np.unique(regime, return_inverse=True)
        squares = np.zeros((len(present), logs.shape[1]))
        np.add.at(squares, place, np.exp(2 * logs))
        ess = 1 / squares
        return cls(logs + np.log(ess / ess.sum(axis=0))[place], place)

    def mean(self, values: ArrayLike) -> Floats:
        """Weighted means of values, shape (N,), in every target, shape (t,)."""
        found: Floats = np.asarray(values, dtype=np.float64) @ np.exp(self.log_weights)
        return found

    def influence(self, values: ArrayLike) -> Floats:
        """How much each row moves the means, to first order and with the shares held fixed, shape (N, t)."""
        y, weights = np.asarray(values, dtype=np.float64), np.exp(self.log_weights)
        total, mass = (np.zeros((int(self.place.max()) + 1, weights.shape[1])) for _ in range(2))
        np.add.at(total, self.place, weights * y[:, None])
        np.add.at(mass, self.place, weights)
        found: Floats = weights * (y[:, None] - (total / mass)[self.place])
        return found
