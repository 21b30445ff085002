"""Black box: boosted trees from the regime to the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.regime_means import RegimeSums, level_columns
from ifm_learn.outcome.estimator import OutcomeEstimator, shaped, targets_of
from ifm_learn.outcome.regressors import fit_regressor


class BlackBox(OutcomeEstimator):
    """Gradient-boosted trees of the target on the regime's levels, one 0/1 column for each level off baseline.

    Squared-error trees see rows with equal columns only through their number and mean, so the default is fitted to
    the regimes' means weighted by their rows: the same model as on all rows (but for ties between splits), at a
    cost that does not grow with them. depths and trees: sizes tried, by cross-validation over rows; among depths
    whose error is within one standard error of the best, the smallest is taken (deeper trees that fit training
    alike differ only in how they extrapolate). regressor: any scikit-learn regressor instead, fitted to all rows.

    Learned by `fit`: models_, one a target; choices_, (depth, trees) of each.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> y = np.repeat([1.0, 2.0], 50) + np.tile([-0.1, 0.1], 50)
    >>> samples = Samples(design, np.repeat([0, 1], 50), np.zeros((100, 1)), y)
    >>> BlackBox().fit(samples).predict(design.train).round(3).tolist()
    [1.0, 2.0]
    """

    method: ClassVar[str] = "blackbox"

    def __init__(
        self,
        regressor: Any = None,
        depths: Sequence[int] = (1, 2, 3),
        trees: Sequence[int] = (30, 100, 300),
        rate: float = 0.3,
        folds: int = 3,
        seed: int = 0,
    ) -> None:
        self.regressor = regressor
        self.depths = depths
        self.trees = trees
        self.rate = rate
        self.folds = folds
        self.seed = seed

    def fit(self, samples: Samples) -> Self:
        """Choose sizes and fit, for every target.

        Raises InputError for no sizes, and for fewer than two folds or rows.
        """
        if not self.depths or not self.trees or self.folds < 2:
            raise InputError("boosted trees need a depth, a number of trees and two folds at least")
        if len(samples) < 2:
            raise InputError("boosted trees are fitted to two rows or more, got 1")
        self.model_ = samples.design.model
        self.has_outcome_ = samples.one_outcome
        columns = level_columns(self.model_, samples.design.train.take(samples.present)).toarray()
        values = targets_of(samples)
        if self.regressor is not None:
            rows = columns[np.searchsorted(samples.present, samples.regime)]
            self.models_ = [fit_regressor(self.regressor, rows, value) for value in values.T]
            return self
        sums = RegimeSums.of(samples, self.folds, self.seed)
        count, means = sums.means()
        if len(self.depths) == len(self.trees) == 1:
            self.choices_ = [(self.depths[0], self.trees[0])] * values.shape[1]
        else:
            errors = np.stack([self._errors(columns, sums, depth) for depth in self.depths])
            self.choices_ = [self._choose(errors[:, :, :, t]) for t in range(values.shape[1])]
        self.models_ = [
            self._trees(*choice).fit(columns, means[:, t], sample_weight=count)
            for t, choice in enumerate(self.choices_)
        ]
        return self

    def settled(self) -> Self:
        """An unfitted clone with the sizes that were chosen, where all targets have the same."""
        found = super().settled()
        if self.regressor is not None or len(set(self.choices_)) > 1:
            return found
        depth, trees = self.choices_[0]
        return found.set_params(depths=(depth,), trees=(trees,))  # type: ignore[no-any-return]

    def _trees(self, depth: int, trees: int) -> Any:
        from sklearn.ensemble import GradientBoostingRegressor

        return GradientBoostingRegressor(
            learning_rate=self.rate,
            n_estimators=trees,
            max_depth=depth,
            random_state=self.seed,
        )

    def _errors(self, columns: Floats, sums: RegimeSums, depth: int) -> Floats:
        """Mean squared errors of every fold's rows for every number of trees, shape (folds, trees, targets)."""
        found = np.full((self.folds, len(self.trees), sums.total.shape[2]), np.nan)
        for fold in range(self.folds):
            count, means = sums.means(without=fold)
            held_out = sums.count[fold].sum()
            if not held_out or not count.sum():
                continue
            seen = count > 0
            for t in range(means.shape[1]):
                model = self._trees(depth, max(self.trees))
                model.fit(columns[seen], means[seen, t], sample_weight=count[seen])
                for stage, predicted in enumerate(model.staged_predict(columns), start=1):
                    if stage in self.trees:
                        error = sums.squared_error(fold, np.broadcast_to(predicted[:, None], means.shape))[t]
                        found[fold, self.trees.index(stage), t] = error / held_out
        return found

    def _choose(self, errors: Floats) -> tuple[int, int]:
        """Depth and number of trees from errors of shape (depths, folds, trees)."""
        mean = np.nanmean(errors, axis=1)
        best = mean.argmin(axis=1)
        at_best = errors[np.arange(len(best)), :, best]
        winner = int(mean.min(axis=1).argmin())
        worse = at_best - at_best[winner]
        folds = np.maximum((~np.isnan(worse)).sum(axis=1), 2)
        spread = np.nanstd(worse, axis=1) / np.sqrt(folds - 1)
        close = np.nanmean(worse, axis=1) <= spread
        chosen = min(np.flatnonzero(close).tolist(), key=lambda d: self.depths[d])
        return self.depths[chosen], self.trees[int(best[chosen])]

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables."""
        check_regimes(self.model_, regimes)
        columns = level_columns(self.model_, regimes).toarray()
        if not len(columns):
            return shaped(self.has_outcome_, np.empty((0, len(self.models_))))
        means = np.column_stack([model.predict(columns) for model in self.models_])
        return shaped(self.has_outcome_, np.asarray(means, dtype=np.float64))
