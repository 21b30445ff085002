"""IFM1: a regression of the outcome on x, averaged over the fitted density of each regime (THEORY 8)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.plug_in import Draws, bin_variances, exact_means, moved_means
from ifm_learn.outcome.regressors import fit_regressor, outcome_regressor, settled

Floats = NDArray[np.float64]


class Ifm1(IdentifiedEstimator):
    """mu(sigma) = E[m(x); sigma], m fitted to all training rows, x drawn from the fitted density.

    regressor: any scikit-learn regressor for m, by default `SmoothRegressor`. draws: Monte Carlo rows a regime.
    refits: bootstrap fits of m, with its settings as chosen, for standard errors. For density, models and the
    other attributes see `IdentifiedEstimator`. Without an outcome the means of x come from the grid, without
    draws.

    Learned by `fit`, besides the density: regression_, the fitted m, or None.

    >>> from ifm_ident import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["u", "v"],
    ...     "factors": [{"x": ["u"], "sigma": ["A"]}, {"x": ["v"], "sigma": ["B"]}],
    ...     "train": ["00", "10"], "test": ["10"],
    ... })
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1], 2000)
    >>> x = rng.binomial(1, np.column_stack([0.2 + 0.5 * regime, np.full(4000, 0.5)])).astype(float)
    >>> y = x @ [2.0, 1.0] + 0.1 * rng.normal(size=4000)
    >>> model = Ifm1().fit(Samples(study.design, regime, x, y))
    >>> model.predict(study.design.train).round(1).tolist()
    [0.9, 1.9]
    >>> model.predict(Regimes.from_codes(np.array([[1, 1]])))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.NotIdentifiableError: A=1,B=1 is not identified in this design
    """

    method: ClassVar[str] = "ifm1"

    def __init__(
        self,
        density: Any = None,
        regressor: Any = None,
        draws: int = 10_000,
        models: int = 100,
        refits: int = 30,
        seed: int = 0,
    ) -> None:
        self.density = density
        self.regressor = regressor
        self.draws = draws
        self.models = models
        self.refits = refits
        self.seed = seed

    def _learn(self, samples: Samples) -> None:
        self.draws_ = Draws(self.density_, self.draws, self.seed)
        self.regression_ = None
        self.refitted_: list[Any] | None = None
        if samples.y is not None:
            self.regression_ = fit_regressor(outcome_regressor(self.regressor, self.seed), samples.x, samples.y)

    def _means(self, regimes: Regimes) -> Floats:
        if self.regression_ is None:
            return exact_means(self.density_, regimes)
        draws = self.draws_
        means = [draws.at(self.regression_.predict, x).mean() for x in draws.each(regimes)]
        return np.array(means, dtype=np.float64).reshape(-1, 1)

    def _refit(self) -> list[Any]:
        """m fitted to rows drawn again within every training regime."""
        if self.refits < 2:
            raise InputError(f"the error of m needs two refits or more, got refits={self.refits}")
        rng, found = np.random.default_rng(self.seed), []
        for _ in range(self.refits):
            again = self.samples_.bootstrap(rng)
            found.append(fit_regressor(settled(self.regression_), again.x, targets_of(again)[:, 0]))
        return found

    def _variances(self, regimes: Regimes) -> Floats:
        if self.regression_ is None:
            moved = np.stack([exact_means(model, regimes) for model in self._drawn()])
            of_bins = bin_variances(self.density_, self.samples_, regimes)
            return np.asarray(moved.var(axis=0, ddof=1) + of_bins)
        if self.refitted_ is None:
            self.refitted_ = self._refit()
        found: Floats = np.empty((len(regimes), 1))
        models, draws = list(self._drawn()), self.draws_
        for r, x in enumerate(draws.each(regimes)):
            values = draws.at(self.regression_.predict, x)[:, None]
            again = [draws.at(model.predict, x).mean() for model in self.refitted_]
            moved = moved_means(self.density_, models, x, values, regimes.take(slice(r, r + 1)))
            found[r] = moved.var(axis=0, ddof=1) + np.var(again, ddof=1) + values.var(axis=0, ddof=1) / len(x)
        return found
