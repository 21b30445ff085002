"""Scores of estimated means over the regimes never run: pRMSE, rank correlation, and who wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, rankdata

from ifm_ident import InputError
from ifm_ident.arrays import Floats


def prmse(truth: Floats, variance: Floats, estimate: Floats) -> float:
    """Mean over regimes of the squared error divided by the variance of the outcome in the regime.

    The paper's name; no root is taken. All of shape (regimes,). NaN where an estimate is NaN.

    >>> prmse(np.array([0.0, 1.0]), np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    1.0
    """
    return float(np.mean((estimate - truth) ** 2 / variance))


def rank_correlation(truth: Floats, estimate: Floats) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 for estimates that are all alike and rank nothing.

    >>> truth = np.array([1.0, 2.0, 3.0, 4.0])
    >>> rank_correlation(truth, np.array([1.0, 2.0, 4.0, 3.0])), rank_correlation(truth, np.ones(4))
    (0.8, 0.0)
    """
    if np.isnan(estimate).any():
        return float("nan")
    a, b = rankdata(truth), rankdata(estimate)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return round(float(a @ b) / norm, 12) if norm > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Wins:
    """In how many problems a method beats another; p_value: one-sided, for a chance of one half, ties left out."""

    won: int
    lost: int
    p_value: float


def wins(scores: Floats, others: Floats, lower_is_better: bool) -> Wins:
    """The one-sided binomial test of the paper; scores and others of shape (problems,).

    A method without a number loses to one with a number. Raises InputError for different lengths.

    >>> wins(np.array([0.1, 0.1, 0.1, 0.5]), np.array([0.2, 0.2, 0.2, 0.4]), lower_is_better=True)
    Wins(won=3, lost=1, p_value=0.3125)
    """
    if scores.shape != others.shape:
        raise InputError(f"scores of {len(scores)} and {len(others)} problems; give the same problems")
    worst = np.inf if lower_is_better else -np.inf
    a, b = np.where(np.isnan(scores), worst, scores), np.where(np.isnan(others), worst, others)
    better = a < b if lower_is_better else a > b
    worse = a > b if lower_is_better else a < b
    won, lost = int(better.sum()), int(worse.sum())
    p_value = 1.0 if won + lost == 0 else float(binomtest(won, won + lost, alternative="greater").pvalue)
    return Wins(won, lost, p_value)
