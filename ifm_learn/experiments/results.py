"""What an experiment found: estimates of every method in every problem and regime, and their scores.

Scores are over the regimes never run: pRMSE, rank correlation, and who wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, rankdata

from ifm_ident import InputError
from ifm_ident.arrays import Floats

REFERENCE = "blackbox"
"""The method that the others are tested against, as in the paper."""


@dataclass(frozen=True, eq=False)
class Results:
    """Truths and estimates of the unseen regimes.

    settings: all that the numbers depend on, with digests of the data; regimes: their texts, length r; truth,
    variance: shape (problems, r); estimates: by method, shape (problems, r); notes: what the fits had to say.
    """

    settings: Mapping[str, object]
    regimes: tuple[str, ...]
    truth: Floats
    variance: Floats
    estimates: Mapping[str, Floats]
    notes: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of tables."""
        return tuple(self.estimates)

    def prmse(self, method: str) -> Floats:
        """pRMSE of every problem, shape (problems,)."""
        rows = zip(self.truth, self.variance, self.estimates[method], strict=True)
        return np.array([prmse(*row) for row in rows])

    def rank_correlation(self, method: str) -> Floats:
        """Spearman's rank correlation in every problem, shape (problems,)."""
        rows = zip(self.truth, self.estimates[method], strict=True)
        return np.array([rank_correlation(*row) for row in rows])

    def wins(self, method: str, other: str = REFERENCE) -> tuple[Wins, Wins]:
        """Against another method, by pRMSE and by rank correlation."""
        return (
            wins(self.prmse(method), self.prmse(other), lower_is_better=True),
            wins(self.rank_correlation(method), self.rank_correlation(other), lower_is_better=False),
        )


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
