"""The paper's outcome: a squashed linear function of x plus noise, the same in every regime (THEORY 8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes
from ifm_learn.simulate.simulator import Simulator

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TanhOutcome:
    """Y = scale tanh(weights·x) + noise times a standard normal; weights: shape (p,).

    >>> outcome = TanhOutcome(np.array([1.0, -1.0]), noise=0.5)
    >>> outcome.signal(np.array([[1.0, 1.0], [30.0, 0.0]])).tolist()
    [0.0, 1.0]
    """

    weights: Floats
    noise: float
    scale: float = 1.0

    @classmethod
    def random(
        cls, simulator: Simulator, rng: np.random.Generator, share: tuple[float, float] = (0.6, 0.8)
    ) -> TanhOutcome:
        """Standard normal weights; unit variance at baseline, of which a share, uniform in a range, is signal.

        Raises InputError for a range that is not within 0 to 1.
        """
        low, high = share
        if not 0 < low <= high <= 1:
            raise InputError(f"the signal's share of the variance is a range within 0 to 1, got {low} to {high}")
        weights = rng.standard_normal(len(simulator.model.variables))
        part = rng.uniform(low, high)
        baseline = Regimes.from_active([()], len(simulator.model))
        first, second = (float(simulator.expect(f, weights, baseline)[0]) for f in (np.tanh, _squared))
        return cls(weights, float(np.sqrt(1 - part)), float(np.sqrt(part / (second - first**2))))

    def signal(self, x: Floats) -> Floats:
        """E[Y | x], shape (n,)."""
        return self.scale * np.tanh(x @ self.weights)

    def draw(self, x: Floats, rng: np.random.Generator) -> Floats:
        """One outcome for each row of x, shape (n,)."""
        return self.signal(x) + self.noise * rng.standard_normal(len(x))

    def means(self, simulator: Simulator, regimes: Regimes) -> Floats:
        """The truth: E[Y; regime], shape (r,), as exact as the simulator's `expect`."""
        return self.scale * simulator.expect(np.tanh, self.weights, regimes)

    def variances(self, simulator: Simulator, regimes: Regimes) -> Floats:
        """The truth: Var[Y; regime], shape (r,)."""
        first, second = (simulator.expect(f, self.weights, regimes) for f in (np.tanh, _squared))
        return self.scale**2 * (second - first**2) + self.noise**2


def _squared(z: Floats) -> Floats:
    return np.tanh(z) ** 2
