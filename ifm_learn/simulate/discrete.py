"""Discrete models: small enough to enumerate, so every probability of every regime is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import Model, Regimes
from ifm_ident.answer import TabulatedModel
from ifm_ident.arrays import Floats, Ints
from ifm_learn.simulate._simulator import Function, Simulator


@dataclass(frozen=True, eq=False)
class DiscreteIFM(Simulator):
    """Positive tables for factors; every variable takes the values 0, 1, ..., `tables.values` - 1.

    >>> from ifm_ident import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> truth = DiscreteIFM(TabulatedModel(model, 2, (np.array([[1.0, 1.0], [1.0, 3.0]]),)))
    >>> truth.means(Regimes.from_codes(np.array([[0], [1]]))).ravel().tolist()
    [0.5, 0.75]
    """

    tables: TabulatedModel

    @classmethod
    def random(cls, model: Model, rng: np.random.Generator, values: int = 3) -> DiscreteIFM:
        """Every entry of every table log-normal; InputError where p(x) is too large to enumerate."""
        return cls(TabulatedModel.draw(model, values, rng))

    @property
    def model(self) -> Model:  # type: ignore[override]
        """The interventional factor model."""
        return self.tables.model

    def probabilities(self, regimes: Regimes) -> Floats:
        """p(x; regime): the regime's axis, then one axis for each variable."""
        return np.stack([self.tables.density(regime) for regime in regimes])

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) of rows of values, shape (n, r)."""
        at = tuple(np.asarray(x, dtype=np.int64).T)
        return np.log(self.probabilities(regimes)[(slice(None), *at)].T)

    def means(self, regimes: Regimes) -> Floats:
        """E[x; regime], shape (r, p)."""
        return self._flat(regimes) @ self._support()

    def draw(self, regimes: Regimes, which: Ints, rng: np.random.Generator) -> Floats:
        """Independent rows, row i in regimes[which[i]], shape (n, p)."""
        support = self._support()
        x = np.empty((len(which), support.shape[1]))
        for i in np.unique(which).tolist():
            rows = np.flatnonzero(which == i)
            mass = self._flat(regimes.take(slice(i, i + 1)))[0]
            x[rows] = support[rng.choice(len(support), len(rows), p=mass)]
        return x

    def expect(self, function: Function, weights: Floats, regimes: Regimes) -> Floats:
        """E[function(weights·x); regime], shape (r,), enumerated."""
        return self._flat(regimes) @ function(self._support() @ weights)

    def _flat(self, regimes: Regimes) -> Floats:
        return self.probabilities(regimes).reshape(len(regimes), -1)

    def _support(self) -> Floats:
        """Every x, shape (values^p, p), in the order of the flattened probabilities."""
        shape = (self.tables.values,) * len(self.model.variables)
        return np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1).astype(np.float64)
