"""Ground truths fitted to real data: a directed model, or an interventional factor model on a grid."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np

from ifm_ident import Design, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.experiments.protocol import Protocol
from ifm_learn.experiments.published_fit import fit_published
from ifm_learn.outcome.baselines.dag import DagBaseline
from ifm_learn.outcome.regressors import TanhNetwork

_UNITS = 10
"""Hidden units of the means of the directed truth: another family than the splines of the DAG baseline."""

_TRAINING = 0
"""Its random stream; see `problems`."""


Kept = Callable[[Callable[[], DensityModel]], DensityModel]
"""Gives a density model: by a fit, or one kept from an earlier one."""


class Truth(Interface):
    """A law of x in every regime that can be sampled."""

    def sample(self, regimes: Regimes, n: int, rng: np.random.Generator) -> Floats:
        """Independent rows, shape (r, n, p)."""


@dataclass(frozen=True, eq=False)
class DagTruth:
    """Every variable given its parents: a small network for the mean, log-linear splines for the spread."""

    fitted: DagBaseline

    @classmethod
    def fit(cls, samples: Samples, seed: int) -> DagTruth:
        """Regime-specific heteroscedastic Gaussian conditionals in the structure of the factors."""
        conditional = TanhNetwork(units=_UNITS, alpha=1.0, seed=seed)
        return cls(DagBaseline(conditional=conditional, seed=seed).fit(samples))

    def sample(self, regimes: Regimes, n: int, rng: np.random.Generator) -> Floats:
        """Independent rows in topological order, shape (r, n, p); the same random numbers in every regime."""
        drawing = copy.copy(self.fitted)
        drawing.set_params(draws=n, seed=int(rng.integers(2**31)))
        return drawing.sample(regimes)


def fit_truth(samples: Samples, protocol: Protocol, kept: Kept = lambda fit: fit()) -> Truth:
    """The ground truth that a protocol names, fitted to real rows.

    ifm: fitted as in the paper's code, see `fit_published`. dag: conditionals in the structure of the factors,
    which must give one (InputError).
    """
    if protocol.truth == "dag":
        return DagTruth.fit(samples, protocol.seed)
    return kept(lambda: fit_published(samples, protocol.bins, protocol.seed))


def draw_training(truth: Truth, design: Design, protocol: Protocol) -> Samples:
    """Training rows of the truth in every training regime; baseline gets `baseline_rows`."""
    rows, regime = [], []
    for train in design.distinct.tolist():
        one = design.train.take(slice(train, train + 1))
        n = protocol.rows if one.active_counts[0] else protocol.baseline_rows
        rng = np.random.default_rng([protocol.seed, _TRAINING, train])
        rows.append(truth.sample(one, n, rng)[0])
        regime.append(np.full(n, train))
    return Samples(design, np.concatenate(regime), np.concatenate(rows))
