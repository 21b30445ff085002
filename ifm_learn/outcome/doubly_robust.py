"""Doubly robust: the plug-in mean of IFM1 plus the re-weighted residuals of training rows.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome._cross_fitted import Regression
from ifm_learn.outcome.plug_in import Draws, exact_means, means_under
from ifm_learn.outcome.weighted import WeightedEstimator


class DoublyRobust(WeightedEstimator):
    """E[m(x); sigma] under the fitted density plus weighted means of y - m(x), m cross-fitted.

    Errors of m only count where the weights, those of the balance heuristic, err too; an error of the density in
    the first part stays, since nobody has rows of the target regime. regressor, draws: as for `Ifm1`; folds: parts
    of the rows, each predicted by a fit to the others. See `WeightedEstimator` for density, ratio and replicates.
    Without an outcome m is the value that stands for a bin of the grid.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> rng = np.random.default_rng(0)
    >>> regime = np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[regime])[:, None].astype(float)
    >>> y = 3 * x[:, 0] + rng.normal(size=6000)
    >>> model = DoublyRobust().fit(Samples(design, regime, x, y))
    >>> model.predict(Regimes.from_codes(np.array([[1, 1]]))).round(1).tolist()
    [2.4]
    """

    method: ClassVar[str] = "dr"
    needs_density: ClassVar[bool] = True

    def __init__(
        self,
        density: Any = None,
        regressor: Any = None,
        ratio: Any = None,
        draws: int = 10_000,
        folds: int = 5,
        replicates: int = 100,
        seed: int = 0,
    ) -> None:
        super().__init__(density, ratio, replicates, seed)
        self.regressor = regressor
        self.draws = draws
        self.folds = folds

    def _learn(self, samples: Samples) -> None:
        self.draws_ = Draws(self.density_, self.draws, self.seed)
        self.regression_ = Regression.fit(samples, self.density_.grid, self.regressor, self.folds, self.seed)
        self.values_ = self.regression_.residuals

    def _entries(self) -> int:
        return max(len(self.samples_), self.draws_.entries)

    def _at_draws(self, regimes: Regimes) -> list[Floats]:
        """m at the draws of every regime, shape (draws, 1) each."""
        return [self.draws_.at(self.regression_.predict, x) for x in self.draws_.each(regimes)]

    def _plug_in(self, regimes: Regimes) -> Floats:
        if self.regression_.folds is None:
            return exact_means(self.density_, regimes)
        return np.array([values.mean(axis=0) for values in self._at_draws(regimes)]).reshape(-1, 1)

    def _plug_in_under(self, model: DensityModel, regimes: Regimes) -> Floats:
        if self.regression_.folds is None:
            return exact_means(model, regimes)
        return means_under(model, self.density_, regimes, self.draws_.each(regimes), self._at_draws(regimes))

    def _plug_in_variance(self, regimes: Regimes) -> Floats | float:
        if self.regression_.folds is None:
            return 0.0
        return np.array([values.var(axis=0, ddof=1) / len(values) for values in self._at_draws(regimes)])
