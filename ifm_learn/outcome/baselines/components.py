"""Variance components: main effects and interactions as random, each order as large as the regimes run show."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import require_names
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.blackbox import BlackBox
from ifm_learn.outcome.baselines.regime_means import LinearInMeans
from ifm_learn.outcome.estimator import OutcomeEstimator

MOST_REGIMES = 1_000
ORDERS, OWN = 3, 8
"""Interactions of so many interventions at most; up to so many of these have a size of their own."""

_FLAT, _PULL, _CENTRE = 4.0, 0.02, -1.5
_ENDS = (-9.0, 4.0)


class Components(LinearInMeans):
    """The best linear prediction of a regime's mean where effects are drawn at random, order by order.

    Main effects, interactions of two and of three interventions each have a variance, and every one of up to OWN
    interventions a size; both are those of greatest likelihood (with a weak prior) for the training regimes'
    means, all targets together in their own units. Interactions that rows do not show are pulled to nothing, those
    that they show are kept. Standard errors are of sampling, as of every baseline: that effects of what was not
    run may differ from those that were is not in them.

    Learned by `fit`: log_sizes_, of the orders and then of interventions.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "factors": [{"sigma": ["A", "B", "C"]}],
    ...     "train": ["000", "100", "010", "001", "110", "101"],
    ... }).design
    >>> y = np.repeat([0.0, 2, 1, 1, 3, 3], 2) + np.tile([-0.1, 0.1], 6)  # additive
    >>> model = Components().fit(Samples(design, np.repeat(np.arange(6), 2), np.zeros((12, 1)), y))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1, 1]]))).round(1).tolist()
    [4.0]
    """

    method: ClassVar[str] = "components"

    def _prepare(self, samples: Samples) -> None:
        require_names(self.model_, "the method 'components', of named levels")
        m = len(self.train_)
        if m > MOST_REGIMES:
            raise InputError(f"{m:,} training regimes are more than {MOST_REGIMES:,}; take the method 'blackbox'")
        centre = self.means_.mean(axis=0)
        self.unit_ = np.where(np.ptp(self.means_, axis=0) > 0, self.means_.std(axis=0), 1.0)
        freedom = max(float((self.sizes_ - 1).sum()), 1.0)
        within = np.nansum(self.variances_ * (self.sizes_ - 1)[:, None], axis=0) / freedom
        self.noise_ = float(np.mean(within / self.unit_**2)) / self.sizes_ + 1e-6
        target = (self.means_ - centre) / self.unit_
        own = len(self.model_) if len(self.model_) <= OWN else 0
        start, alike = np.full(ORDERS + own, _CENTRE), _alike(self.model_, self.train_, self.train_)

        def lost(log_sizes: Floats) -> float:
            matrix = _kernel(alike, log_sizes) + np.diag(self.noise_)
            factor = cho_factor(matrix, lower=True)
            fit = float(np.sum(target * cho_solve(factor, target))) / 2
            size = target.shape[1] * float(np.log(np.diag(factor[0])).sum())
            pulled: float = _PULL * float(np.square(log_sizes - _CENTRE).sum())
            return fit + float(size) + pulled

        self.log_sizes_ = minimize(lost, start, method="L-BFGS-B", bounds=[_ENDS] * len(start)).x
        self.factor_ = cho_factor(_kernel(alike, self.log_sizes_) + np.diag(self.noise_), lower=True)

    def weights(self, regimes: Regimes) -> Floats:
        """The weight of each training regime's mean in each estimate, shape (r, m); rows add up to 1."""
        across = _kernel(_alike(self.model_, regimes, self.train_), self.log_sizes_)
        found: Floats = cho_solve(self.factor_, across.T).T
        found += (1 - found.sum(axis=1, keepdims=True)) / len(self.train_)
        return found


def _alike(model: Model, regimes: Regimes, others: Regimes) -> list[Floats]:
    """For every intervention how alike regimes are in it: 1 where equal, levels add up to 0; shapes (r, s)."""
    left, right = regimes.codes(), others.codes()
    counts = model.level_counts.tolist()
    return [(count * (left[:, [j]] == right[:, j]) - 1.0) / max(count - 1, 1) for j, count in enumerate(counts)]


def _kernel(alike: list[Floats], log_sizes: Floats) -> Floats:
    """Covariances of means: a constant, and of each order the sum over sets of interventions of products."""
    orders, own = np.exp(log_sizes[:ORDERS]), log_sizes[ORDERS:]
    size = np.exp(own - own.mean()) if len(own) else np.ones(len(alike))
    sums = [np.ones_like(alike[0]), *(np.zeros_like(alike[0]) for _ in range(ORDERS))]
    for one, each in zip(alike, size, strict=True):
        for k in range(ORDERS, 0, -1):  # elementary symmetric sums, one intervention after the other
            sums[k] = sums[k] + each * one * sums[k - 1]
    found: Floats = _FLAT + sum(v * part for v, part in zip(orders, sums[1:], strict=True))
    return found


class Average(OutcomeEstimator):
    """The plain mean of variance components and boosted trees, which err differently.

    The trees are of scikit-learn's own sizes (100 of depth 3, rate 0.1), fitted as `BlackBox` fits them.

    Learned by `fit`: components_ and trees_, the two.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> y = np.repeat([1.0, 2.0], 50) + np.tile([-0.1, 0.1], 50)
    >>> samples = Samples(design, np.repeat([0, 1], 50), np.zeros((100, 1)), y)
    >>> Average().fit(samples).predict(design.train).round(1).tolist()
    [1.0, 2.0]
    """

    method: ClassVar[str] = "average"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, samples: Samples) -> Self:
        """Fit both."""
        self.components_ = Components().fit(samples)
        self.trees_ = BlackBox(depths=(3,), trees=(100,), rate=0.1, seed=self.seed).fit(samples)
        return self

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables."""
        found: Floats = (self.components_.predict(regimes) + self.trees_.predict(regimes)) / 2
        return found
