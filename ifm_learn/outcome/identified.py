"""What estimators of identified regimes share: a density model, ratios, refusals, and weights of training rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.checks import check_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome._sampling_error import redraws
from ifm_learn.outcome.estimator import OutcomeEstimator, shaped
from ifm_learn.ratios.balance import balance_weights
from ifm_learn.ratios.diagnostics import WeightDiagnostics, diagnose

_CELLS = 8_000_000
"""Entries of the arrays of weights that are held at once."""


class Potentials(Protocol):
    """log p(x; regime) of many regimes: a `DensityModel`, or a formula on estimated densities of training."""

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """In nats, up to a constant of each regime and a function of x that all regimes share, shape (n, r)."""
        ...


class RowWeights(Protocol):
    """Weights of N rows for t targets: `BalanceWeights` or `CombinedWeights`."""

    @property
    def log_weights(self) -> Floats:
        """Sum 1 in each target, shape (N, t)."""
        ...

    def influence(self, values: Floats) -> Floats:
        """How much each row moves the weighted means of values, shape (N,), to first order, shape (N, t)."""
        ...


class IdentifiedEstimator(OutcomeEstimator):
    """An estimator that refuses what the model does not identify.

    density: a fitted `DensityModel` of the same design; settings of `fit_density`; or None for its defaults. Give
    settings, no fitted model, where `bootstrap_errors` is to refit it. replicates: how many density models are
    drawn from its sampling distribution for standard errors, each with the rows that it belongs to.

    Learned by `fit`: density_, samples_, model_, has_outcome_.
    """

    needs_identification: ClassVar[bool] = True
    density: Any
    seed: int
    replicates: int

    def fit(self, samples: Samples) -> Self:
        """Fit or take the density model, then learn what the method needs besides."""
        self._take(samples)
        self.density_ = density_of(self.density, samples, self.seed)
        self._learn(samples)
        return self

    def _take(self, samples: Samples) -> None:
        self.model_ = samples.design.model
        self.samples_ = samples
        self.has_outcome_ = samples.one_outcome
        self.refits_: list[tuple[DensityModel, Ints]] | None = None

    def _learn(self, samples: Samples) -> None:
        """What a method learns besides the density."""

    def _potentials(self) -> Potentials:
        """Where the weights of rows come from."""
        return self.density_

    def predict(self, regimes: Regimes) -> Floats:
        """Means of the target: shape (r,) for an outcome, (r, p) for the x-variables; NotIdentifiableError."""
        self._require(regimes)
        return shaped(self.has_outcome_, self._in_parts(self._means, regimes))

    def standard_errors(self, regimes: Regimes) -> Floats:
        """Standard errors of `predict`, of its shape: rows, density model, outcome model and Monte Carlo draws.

        A bootstrap whose density models are one Newton step from the fit, or refits of small networks
        (`Spread.redraws`). Biases (of smoothing, of a wrong factorisation) are not in it. NaN where a training
        regime has one row. InputError for a density that does not know its own sampling distribution
        (`DensityModel.redraws`): `bootstrap_errors` refits it.
        """
        self._require(regimes)
        if self.samples_.one_row is not None:
            return np.full(self.predict(regimes).shape, np.nan)
        return shaped(self.has_outcome_, np.sqrt(self._in_parts(self._variances, regimes)))

    @abstractmethod
    def _means(self, regimes: Regimes) -> Floats:
        """Shape (r, targets)."""

    @abstractmethod
    def _variances(self, regimes: Regimes) -> Floats:
        """Shape (r, targets)."""

    def _require(self, regimes: Regimes) -> None:
        check_regimes(self.model_, regimes)
        self.density_.require(regimes)

    def _in_parts(self, compute: Callable[[Regimes], Floats], regimes: Regimes) -> Floats:
        """Shape (r, targets), a few regimes at a time so that memory stays bounded."""
        none = np.empty((0, 1 if self.has_outcome_ else len(self.model_.variables)))
        return np.concatenate([none, *(compute(part) for part in self._parts(regimes))])

    def _parts(self, regimes: Regimes) -> Iterator[Regimes]:
        step = max(1, _CELLS // self._entries())
        for start in range(0, len(regimes), step):
            yield regimes.take(slice(start, start + step))

    def _entries(self) -> int:
        """Numbers that are held at once for each regime."""
        return len(self.samples_)

    def diagnostics(self, regimes: Regimes) -> WeightDiagnostics:
        """Effective sample size and tail of the weights that turn the training rows into each regime.

        Methods that do not use weights show by it how far a regime is from the rows. NotIdentifiableError.
        """
        self._require(regimes)
        if not len(regimes):
            raise InputError("diagnostics are of weights for a regime; there is none")
        parts = [self._weights(self._potentials(), part).log_weights for part in self._parts(regimes)]
        return diagnose(np.concatenate(parts, axis=1))

    def _train(self) -> Regimes:
        return self.samples_.design.train.take(self.samples_.present)

    def _place(self) -> Ints:
        found: Ints = np.searchsorted(self.samples_.present, self.samples_.regime)
        return found

    def _weights(self, potentials: Potentials, regimes: Regimes) -> RowWeights:
        """Weights of the training rows; by the balance heuristic unless a method has its own."""
        x, train = self.samples_.x, self._train()
        both = potentials.log_potentials(x, Regimes.concatenate([train, regimes]))
        sizes = self.samples_.sizes[self.samples_.present]
        return balance_weights(both[:, : len(train)], both[:, len(train) :], sizes)

    def _redraws(self) -> Iterator[tuple[DensityModel, Ints]]:
        """The same replicates at every call; see `redraws`. Refits are kept."""
        spread = self.density_.spread
        if spread is None or not spread.refitted:
            return redraws(self.density_, self.samples_, self.replicates, self.seed)
        if self.refits_ is None:
            self.refits_ = [*redraws(self.density_, self.samples_, self.replicates, self.seed)]
        return iter(self.refits_)


def density_of(given: Any, samples: Samples, seed: int) -> DensityModel:
    """The density model that an estimator was given, or a fit by settings or defaults.

    Raises InputError for a fitted model of another design.
    """
    if given is None or isinstance(given, Mapping):
        return fit_density(samples, **{"seed": seed, **(given or {})})
    if not given.design.equals(samples.design):
        raise InputError(
            "the density model is about another design: other factors, variables or training regimes; fit one to "
            "these samples with fit_density, or give None"
        )
    model: DensityModel = given
    return model
