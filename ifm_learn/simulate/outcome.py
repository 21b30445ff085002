"""The paper's outcome: a squashed linear function of x plus noise, the same in every regime.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.simulate._simulator import Simulator


@dataclass(frozen=True, eq=False)
class TanhOutcome:
    """Y = scale tanh(weights·x - offset) + noise times a standard normal; weights: shape (p,).

    >>> outcome = TanhOutcome(np.array([1.0, -1.0]), noise=0.5)
    >>> outcome.signal(np.array([[1.0, 1.0], [30.0, 0.0]])).tolist()
    [0.0, 1.0]
    """

    weights: Floats
    noise: float
    scale: float = 1.0
    offset: float = 0.0

    @classmethod
    def random(
        cls, simulator: Simulator, rng: np.random.Generator, share: tuple[float, float] = (0.6, 0.8)
    ) -> TanhOutcome:
        """Standard normal weights of x in baseline standard deviations, offset to a mean argument of 0 there.

        Y has unit variance at baseline, of which a share, uniform in a range, is signal. Raises InputError for a
        range that is not within 0 to 1.
        """
        low, high = share
        if not 0 < low <= high <= 1:
            raise InputError(f"the signal's share of the variance is a range within 0 to 1, got {low} to {high}")
        p = len(simulator.model.variables)
        weights, part = rng.standard_normal(p), rng.uniform(low, high)
        baseline = Regimes.from_active([()], len(simulator.model))
        mean = simulator.means(baseline)[0]
        squares = [simulator.expect(np.square, one, baseline)[0] for one in np.eye(p)]
        weights = weights / np.sqrt(np.array(squares) - mean**2)
        plain = cls(weights, 0.0, 1.0, float(weights @ mean))
        variance = float(plain.variances(simulator, baseline)[0])
        return cls(weights, float(np.sqrt(1 - part)), float(np.sqrt(part / variance)), plain.offset)

    def signal(self, x: Floats) -> Floats:
        """E[Y | x], shape (n,)."""
        return self.scale * self._bent(x @ self.weights)

    def draw(self, x: Floats, rng: np.random.Generator) -> Floats:
        """One outcome for each row of x, shape (n,)."""
        return self.signal(x) + self.noise * rng.standard_normal(len(x))

    def means(self, simulator: Simulator, regimes: Regimes) -> Floats:
        """The truth: E[Y; regime], shape (r,), as exact as the simulator's `expect`."""
        return self.scale * simulator.expect(self._bent, self.weights, regimes)

    def variances(self, simulator: Simulator, regimes: Regimes) -> Floats:
        """The truth: Var[Y; regime], shape (r,)."""
        first = simulator.expect(self._bent, self.weights, regimes)
        second = simulator.expect(lambda z: self._bent(z) ** 2, self.weights, regimes)
        return self.scale**2 * (second - first**2) + self.noise**2

    def _bent(self, z: Floats) -> Floats:
        return np.tanh(z - self.offset)
