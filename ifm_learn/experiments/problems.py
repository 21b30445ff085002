"""Outcome problems: Y = tanh(lambda'x) + noise with random lambda, their true means, and training outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.experiments.truths import Truth

SIGNAL = (0.6, 0.8)
"""The variance of lambda'x at baseline is uniform on this range; the noise has the rest of 1."""

_DRAWS, _PROBLEM, _NOISE = 1, 2, 3
"""Random streams are named by (seed, what for, place): one problem's numbers do not depend on the others'."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One outcome: its coefficients, shape (p,), the variance of its noise, and what it is in every regime.

    mean, variance: E[Y; sigma] and Var[Y; sigma], shape (r,).
    """

    number: int
    coefficients: Floats
    noise: float
    mean: Floats
    variance: Floats

    def outcomes(self, x: Floats, seed: int) -> Floats:
        """Training values of Y for rows x, shape (n,)."""
        noise = np.random.default_rng([seed, _NOISE, self.number]).standard_normal(len(x))
        values: Floats = np.tanh(x @ self.coefficients) + np.sqrt(self.noise) * noise
        return values


def draw_problems(truth: Truth, regimes: Regimes, numbers: list[int], draws: int, seed: int) -> list[Problem]:
    """The problems with the given numbers; means by `draws` rows of the truth in every regime.

    lambda is standard normal, scaled so that lambda'x has its share of the variance in the first regime, which is
    the baseline.
    """
    coefficients: dict[int, Floats] = {}
    share: dict[int, float] = {}
    mean, variance = np.empty((2, len(numbers), len(regimes)))
    for r in range(len(regimes)):
        rng = np.random.default_rng([seed, _DRAWS, r])
        x = truth.sample(regimes.take(slice(r, r + 1)), draws, rng)[0]
        for row, number in enumerate(numbers):
            if r == 0:
                own = np.random.default_rng([seed, _PROBLEM, number])
                share[number] = float(own.uniform(*SIGNAL))
                raw = own.standard_normal(x.shape[1])
                coefficients[number] = raw * np.sqrt(share[number] / np.var(x @ raw))
            signal = np.tanh(x @ coefficients[number])
            mean[row, r], variance[row, r] = signal.mean(), signal.var() + 1 - share[number]
    return [
        Problem(number, coefficients[number], 1 - share[number], mean[row], variance[row])
        for row, number in enumerate(numbers)
    ]
