"""IFM3: the outcome regression refitted for each target under covariate shift, then averaged.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_ident.errors import require_known
from ifm_learn.data.samples import Samples
from ifm_learn.outcome._cross_fitted import Regression
from ifm_learn.outcome._feature_ridge import FeatureRidge
from ifm_learn.outcome._sampling_error import repeated, spread_of
from ifm_learn.outcome.identified import Potentials
from ifm_learn.outcome.plug_in import Draws, means_under
from ifm_learn.outcome.regressors import fit_regressor, outcome_regressor, settled
from ifm_learn.outcome.weighted import WeightedEstimator

Refit = Literal["ridge", "regressor"]
Function = Callable[[Floats], Floats]


class Ifm3(WeightedEstimator):
    """E[m(x); sigma] with an m for each target, fitted to training rows weighted like the target.

    refit: `ridge`, a ridge regression of what the pooled m leaves (its cross-fitted residuals) on splines of x, in
    closed form for all targets at once, so that m is shrunk towards the pooled fit; or `regressor`, the regressor
    itself fitted again for each target (it must take sample_weight; slow). regressor, draws: as for
    `Ifm1`; folds: of the cross-fit; weights are those of the balance heuristic. See `WeightedEstimator` for
    density, ratio and replicates. Without an outcome m is the value that stands for a bin of the grid.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[regime])[:, None].astype(float)
    >>> model = Ifm3().fit(Samples(design, regime, x, 3 * x[:, 0] + rng.normal(size=6000)))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1]]))).round(1).tolist()
    [2.4]
    """

    method: ClassVar[str] = "ifm3"
    needs_density: ClassVar[bool] = True

    def __init__(
        self,
        density: Any = None,
        regressor: Any = None,
        ratio: Any = None,
        refit: Refit = "ridge",
        draws: int = 10_000,
        folds: int = 5,
        replicates: int = 20,
        seed: int = 0,
    ) -> None:
        super().__init__(density, ratio, replicates, seed)
        self.regressor = regressor
        self.refit = refit
        self.draws = draws
        self.folds = folds

    def _learn(self, samples: Samples) -> None:
        require_known(self.refit, get_args(Refit), "refit")
        self.draws_ = Draws(self.density_, self.draws, self.seed)
        self.chosen_ = None
        if samples.y is not None:
            self.chosen_ = outcome_regressor(self.regressor, self.seed)
            if self.regressor is None:
                first = fit_regressor(self.chosen_, samples.x, samples.y, groups=samples.unit)
                self.chosen_ = settled(first)
        self.pooled_ = self._pooled(samples)

    def _pooled(self, samples: Samples) -> Regression:
        return Regression.fit(samples, self.density_.grid, self.chosen_, self.folds, self.seed)

    def _targeted(self, samples: Samples, pooled: Regression, weights: Floats) -> list[Function]:
        """m for each of the t columns of weights, shape (N, t), from x, shape (n, p), to shape (n, targets)."""
        if self.refit == "regressor" and samples.y is not None:
            return [_single(fit_regressor(self.chosen_, samples.x, samples.y, w)) for w in weights.T]
        ridges = [
            FeatureRidge(seed=self.seed).fit(samples.x, r, weights, samples.unit) for r in pooled.residuals.T
        ]

        def of(t: int) -> Function:
            def m(x: Floats) -> Floats:
                left = [one.features_.transform(x) @ one.coef_[t] + one.intercept_[t] for one in ridges]
                return np.asarray(pooled.predict(x) + np.stack(left, axis=1))

            return m

        return [of(t) for t in range(weights.shape[1])]

    def _row_weights(self, potentials: Potentials, regimes: Regimes) -> Floats:
        """Weights of mean 1 for every target, shape (N, r)."""
        return len(self.samples_) * np.exp(self._weights(potentials, regimes).log_weights)

    def _entries(self) -> int:
        return max(len(self.samples_), self.draws_.entries)

    def _means(self, regimes: Regimes) -> Floats:
        targeted = self._targeted(self.samples_, self.pooled_, self._row_weights(self._potentials(), regimes))
        pairs = zip(targeted, self.draws_.each(regimes), strict=True)
        found: Floats = np.stack([self.draws_.at(m, x).mean(axis=0) for m, x in pairs])
        return found

    def _variances(self, regimes: Regimes) -> Floats:
        self._refuse_ratio()
        draws, found = list(self.draws_.each(regimes)), []
        for model, counts in self._redraws():
            rows = repeated(counts)
            again = self.samples_.take(rows)
            weights = self._row_weights(model, regimes)[rows]
            targeted = self._targeted(again, self._pooled(again), weights)
            values = [self.draws_.at(m, x) for m, x in zip(targeted, draws, strict=True)]
            found.append(means_under(model, self.density_, regimes, draws, values))
        noise = np.array([values.var(axis=0, ddof=1) / len(values) for values in values])
        return np.asarray(spread_of(found) + noise)


def _single(model: Any) -> Function:
    def m(x: Floats) -> Floats:
        return np.asarray(model.predict(x), dtype=np.float64)[:, None]

    return m
