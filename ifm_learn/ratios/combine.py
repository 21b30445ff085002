"""Weighted means regime by regime, and their combination across regimes (IFM2, THEORY 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import InputError
from ifm_ident.errors import nearest
from ifm_learn.ratios.balance import regime_weights

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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
        if by not in get_args(Combination):
            raise InputError(f"unknown combination {by!r}; {nearest(by, get_args(Combination))}")
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
    present = np.unique(regime)
    mean = np.empty((len(present), log_target.shape[1]))
    variance, ess = np.empty_like(mean), np.empty_like(mean)
    for place, train in enumerate(present.tolist()):
        rows = regime == train
        weights = np.exp(regime_weights(log_target[rows], log_train[rows, train]))
        mean[place] = values[rows] @ weights
        variance[place] = (weights**2 * (values[rows][:, None] - mean[place]) ** 2).sum(axis=0)
        ess[place] = 1 / (weights**2).sum(axis=0)
    return RegimeMeans(present, mean, variance, ess)
