"""Additive: the baseline's mean plus the sum of single-intervention effects."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import pinv

from ifm_ident import Design, Factor, Identifier, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import format_regime
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.regime_means import LinearInMeans, level_columns


class Additive(LinearInMeans):
    """mu(baseline) + sum over the regime's interventions of their effects on the mean: no interactions.

    Where the baseline and every single intervention of a regime were observed, an effect is the difference of
    those two means. Elsewhere baseline and effects are fitted by least squares to all training regimes' means,
    each counted alike. A regime whose effects the training regimes do not determine gets NaN and a reason; that
    verdict is exact.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "factors": [{"sigma": ["A", "B", "C"]}],
    ...     "train": ["000", "100", "010"],
    ... }).design
    >>> y = np.array([1.0, 3.0, 0.5])
    >>> model = Additive().fit(Samples(design, np.arange(3), np.zeros((3, 1)), y))
    >>> regimes = Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 1]]))
    >>> model.predict(regimes).round(9).tolist(), model.reasons(regimes)[1]
    ([2.5, nan], 'A=1,C=1: the training regimes do not determine the sum of its main effects')
    """

    method: ClassVar[str] = "additive"

    def _prepare(self, samples: Samples) -> None:
        m, active = len(self.train_), self.train_.active_counts
        rows = level_columns(self.model_, self.train_)
        design = np.column_stack([np.ones(m), rows.toarray()])
        self.least_squares_ = pinv(design)
        self.single_ = np.zeros_like(self.least_squares_)
        self.known_ = np.zeros(rows.shape[1], dtype=bool)
        baseline = np.flatnonzero(active == 0)
        if len(baseline):
            singles = np.flatnonzero(active == 1)
            columns = rows[singles].indices
            self.known_[columns] = True
            self.single_[1 + columns, singles] = 1.0
            self.single_[0, baseline[0]] = 1.0
            self.single_[1 + columns, baseline[0]] = -1.0
        self.has_baseline_ = len(baseline) > 0
        self.identifier_ = Identifier(Design(_main_effects(self.model_), self.train_))

    def weights(self, regimes: Regimes) -> Floats:
        """The combination of means that gives each estimate, shape (r, m); NaN rows where none does."""
        rows = level_columns(self.model_, regimes)
        fitted = rows @ self.least_squares_[1:] + self.least_squares_[0]
        direct = rows @ self.single_[1:] + self.single_[0]
        simple = (rows @ (~self.known_).astype(np.float64) == 0) & self.has_baseline_
        found: Floats = np.where(simple[:, None], direct, fitted)
        found[~self._estimable(regimes)] = np.nan
        return found

    def _estimable(self, regimes: Regimes) -> NDArray[np.bool_]:
        return self.identifier_.joint.holds(regimes)

    def reasons(self, regimes: Regimes) -> list[str | None]:
        """Why a regime has no additive estimate; None where it has one."""
        return [
            None
            if fine
            else f"{format_regime(self.model_, regimes[i], 'assignment')}: the training regimes do not determine "
            "the sum of its main effects"
            for i, fine in enumerate(self._estimable(regimes).tolist())
        ]


def _main_effects(model: Model) -> Model:
    """A model of the mean, one factor for each intervention: its joint formulas are the combinations wanted."""
    mean = ("the mean",)
    effects = (Factor(f"effect of {i.name}", mean, (i.name,)) for i in model.interventions)
    return Model(model.interventions, mean, (Factor("baseline", mean, ()), *effects))
