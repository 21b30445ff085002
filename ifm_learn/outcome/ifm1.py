"""IFM1: a regression of the outcome on x, averaged over the fitted density of each regime.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome._sampling_error import repeated, spread_of
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.plug_in import Draws, exact_means, means_under, redrawn_means
from ifm_learn.outcome.regressors import fit_regressor, outcome_regressor, settled


class Ifm1(IdentifiedEstimator):
    """mu(sigma) = E[m(x); sigma], m fitted to all training rows, x drawn from the fitted density.

    regressor: any scikit-learn regressor for m, by default `SmoothRegressor`. draws: Monte Carlo rows a regime.
    For standard errors m is fitted again, with its settings as chosen, in every replicate. See
    `IdentifiedEstimator` for density, replicates and the other attributes. Without an outcome the means of x come
    from the grid, without draws.

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
    ifm_ident.answer.certificate.NotIdentifiableError: A=1,B=1 is not identified in this design
    """

    method: ClassVar[str] = "ifm1"

    def __init__(
        self,
        density: Any = None,
        regressor: Any = None,
        draws: int = 10_000,
        replicates: int = 50,
        seed: int = 0,
    ) -> None:
        self.density = density
        self.regressor = regressor
        self.draws = draws
        self.replicates = replicates
        self.seed = seed

    def _learn(self, samples: Samples) -> None:
        self.draws_ = Draws(self.density_, self.draws, self.seed)
        self.regression_ = None
        self.refitted_: list[Any] = []
        if samples.y is not None:
            chosen = outcome_regressor(self.regressor, self.seed)
            self.regression_ = fit_regressor(chosen, samples.x, samples.y, groups=samples.unit)

    def _means(self, regimes: Regimes) -> Floats:
        if self.regression_ is None:
            return exact_means(self.density_, regimes)
        draws = self.draws_
        means = [draws.at(self.regression_.predict, x).mean() for x in draws.each(regimes)]
        return np.array(means, dtype=np.float64).reshape(-1, 1)

    def values(self, x: Floats) -> Floats:
        """What is averaged over draws x, shape (n, k): m(x), or x itself without an outcome."""
        if self.regression_ is None:
            return x
        return np.asarray(self.draws_.at(self.regression_.predict, x))[:, None]

    def refits(self) -> Iterator[tuple[DensityModel, Callable[[Floats], Floats]]]:
        """Density models drawn around the fit, each with the `values` of m fitted to the same redrawn rows."""
        for b, (model, rows) in enumerate(self._redraws()):
            again = None if self.regression_ is None else self._refitted(b, rows)

            def values(x: Floats, again: Any = again) -> Floats:
                return x if again is None else np.asarray(self.draws_.at(again.predict, x))[:, None]

            yield model, values

    def _entries(self) -> int:
        return max(len(self.samples_), self.draws_.entries)

    def _variances(self, regimes: Regimes) -> Floats:
        if self.regression_ is None:
            replicates = self._redraws()
            return spread_of([redrawn_means(model, self.samples_, rows, regimes) for model, rows in replicates])
        draws, found = list(self.draws_.each(regimes)), []
        for b, (model, rows) in enumerate(self._redraws()):
            values = [self.draws_.at(self._refitted(b, rows).predict, x)[:, None] for x in draws]
            found.append(means_under(model, self.density_, regimes, draws, values))
        noise = [self.draws_.at(self.regression_.predict, x).var(ddof=1) / len(x) for x in draws]
        return np.asarray(spread_of(found) + np.array(noise)[:, None])

    def _refitted(self, replicate: int, rows: Ints) -> Any:
        """m fitted to redrawn rows, once for each replicate."""
        if replicate == len(self.refitted_):
            again = self.samples_.take(repeated(rows))
            self.refitted_.append(fit_regressor(settled(self.regression_), again.x, targets_of(again)[:, 0]))
        return self.refitted_[replicate]
