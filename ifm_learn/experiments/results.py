"""What an experiment found: estimates of every method in every problem and regime, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ifm_ident.arrays import Floats
from ifm_learn.experiments.scores import Wins, prmse, rank_correlation, wins

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
