"""Estimators that re-weight training rows, by a density model or by ratios from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ifm_ident import Identifier, InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome._sampling_error import spread_of
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.outcome.identified import IdentifiedEstimator, Potentials, density_of
from ifm_learn.ratios.formula import FormulaRatio, LogDensities


@dataclass(frozen=True, eq=False)
class ByFormula:
    """The log-potentials that exact formulas make of estimated training densities."""

    ratio: FormulaRatio

    def require(self, regimes: Regimes) -> None:
        """NotIdentifiableError with the certificate unless every regime is observed or identified."""
        Identifier(self.ratio.design).identify(regimes).require_all()

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """In nats, shape (n, r); NotIdentifiableError, with the certificate, for a regime without a formula."""
        return self.ratio.log_potentials(regimes, x)


class WeightedEstimator(IdentifiedEstimator):
    """An estimator whose means are weighted sums of values of the training rows, perhaps beside a plug-in part.

    ratio: estimated training densities (`LogDensities`) such as `fit_contrast` makes, or something with
    `fit(samples)` that becomes one, put into the exact formulas; by default the ratios of the density model.

    Learned by `fit`: ratio_, None where the density model gives the ratios; values_, what is summed over the rows,
    shape (N, targets).
    """

    needs_density: ClassVar[bool] = False

    def __init__(self, density: Any = None, ratio: Any = None, replicates: int = 100, seed: int = 0) -> None:
        self.density = density
        self.ratio = ratio
        self.replicates = replicates
        self.seed = seed

    def fit(self, samples: Samples) -> Self:
        """Fit or take the density model or the ratios, then learn what the method needs besides."""
        self._take(samples)
        self.ratio_ = ratio_of(self.ratio, samples)
        if self.ratio_ is None or self.needs_density:
            self.density_ = density_of(self.density, samples, self.seed)
        self._learn(samples)
        return self

    def _require(self, regimes: Regimes) -> None:
        check_regimes(self.model_, regimes)
        if self.ratio_ is None:
            self.density_.require(regimes)
        else:
            self.ratio_.require(regimes)

    def _potentials(self) -> Potentials:
        return self.density_ if self.ratio_ is None else self.ratio_

    def _learn(self, samples: Samples) -> None:
        self.values_ = targets_of(samples)

    def _plug_in(self, regimes: Regimes) -> Floats | float:
        return 0.0

    def _plug_in_under(self, model: DensityModel, regimes: Regimes) -> Floats | float:
        """The plug-in part under another density model."""
        return 0.0

    def _plug_in_variance(self, regimes: Regimes) -> Floats | float:
        """Variance of the plug-in part over its draws."""
        return 0.0

    def _means(self, regimes: Regimes) -> Floats:
        weights = np.exp(self._weights(self._potentials(), regimes).log_weights)
        return weights.T @ self.values_ + self._plug_in(regimes)

    def _refuse_ratio(self) -> None:
        if self.ratio_ is not None:
            raise InputError(
                "the sampling distribution of ratios from elsewhere is not known: use bootstrap_errors (slow)"
            )

    def _variances(self, regimes: Regimes) -> Floats:
        self._refuse_ratio()
        weights = self._weights(self.density_, regimes)
        influence = np.stack([weights.influence(column) for column in self.values_.T], axis=2)
        found = []
        for model, rows in self._redraws():
            moved = np.exp(self._weights(model, regimes).log_weights).T @ self.values_
            found.append(
                moved + self._plug_in_under(model, regimes) + np.einsum("j,jtk->tk", rows - 1.0, influence)
            )
        return spread_of(found) + self._plug_in_variance(regimes)


def ratio_of(given: Any, samples: Samples) -> ByFormula | None:
    """Formulas on the training densities that a user gave; on a median row as the reference of Brook's lemma."""
    if given is None:
        return None
    if hasattr(given, "fit"):
        from sklearn.base import clone

        given = clone(given, safe=False).fit(samples)
    densities: LogDensities = given
    return ByFormula(FormulaRatio(samples.design, densities, np.median(samples.x, axis=0)))
