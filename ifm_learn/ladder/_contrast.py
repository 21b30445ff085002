"""P(regime | x) by ridge-penalised multinomial regression with shared coefficients, fitted by Newton steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.ladder._logs import log_sum_exp

_STEPS = 100
_JITTER = 1e-9
_SLOW = 0.2


@dataclass(frozen=True, eq=False)
class Contrast:
    """The convex problem: logits of regime i at a row are log n_i + a_i + sum_j beta_j z_ij h_owner(j).

    columns: h, shape (n, m); group: the regime of every row, 0 to d - 1, shape (n,); owner and penalty: of every
    parameter, shape (q,); train: z, shape (d, q).
    """

    columns: Floats
    group: Ints
    owner: Ints
    penalty: Floats
    train: Floats

    def logits(self, beta: Floats, spread: Floats) -> Floats:
        """sum_j beta_j spread_ij h_owner(j) of rows under regimes with coordinates `spread`, shape (n, r)."""
        return logits(self.columns, self.owner, beta, spread)

    def counts(self, weight: Floats) -> Floats:
        """The weight of the rows of every regime, shape (d,)."""
        found: Floats = np.bincount(self.group, weight, minlength=len(self.train)).astype(float)
        return found

    def solve(
        self,
        weight: Floats,
        start: Solution | None = None,
        tolerance: float = 1e-7,
        centre: Floats | None = None,
    ) -> Solution:
        """The minimum, rows counted `weight` times, shape (n,); regimes without weight have no class.

        tolerance: the distance to the minimum of the objective, in nats, at which steps end. centre: what the
        ridge pulls the coefficients to, shape (q,); 0 by default.
        """
        counts = self.counts(weight)
        live = counts > 0
        problem = _Pull(self, weight, counts, np.zeros(len(self.penalty)) if centre is None else centre)
        theta = (
            np.zeros(len(self.train) + len(self.penalty))
            if start is None
            else np.concatenate([start.intercept, start.beta])
        )
        theta[: len(live)][~live] = 0.0
        state = problem.state(theta)
        factor, last = (None if start is None else start.factor), np.inf
        for _ in range(_STEPS):
            if factor is None:
                factor = cho_factor(self._curvature(state[2], weight, live), check_finite=False)
            step = cho_solve(factor, state[1], check_finite=False)
            gain = float(step @ state[1]) / 2
            if gain < tolerance:
                return Solution(theta[: len(live)], theta[len(live) :], counts, factor)
            theta, state, whole = problem.walk(theta, state, step, gain)
            # an old curvature will do as long as it brings the minimum some times nearer in each step
            if not whole or gain > _SLOW * last:
                factor = None
            last = gain
        raise InputError("the contrast of regimes did not converge; give the ridge a larger `line`")

    def _curvature(self, chance: Floats, weight: Floats, live: NDArray[np.bool_]) -> Floats:
        regimes, q = self.train.shape
        curve = np.zeros((regimes + q, regimes + q))
        for i in np.flatnonzero(live).tolist():
            mass = weight * chance[:, i]
            scaled = self.columns * mass[:, None]
            inner = scaled.T @ self.columns
            z = self.train[i]
            curve[regimes:, regimes:] += inner[np.ix_(self.owner, self.owner)] * np.outer(z, z)
            curve[i, regimes:] = scaled.sum(axis=0)[self.owner] * z
            curve[i, i] = mass.sum()
        curve[regimes:, :regimes] = curve[:regimes, regimes:].T
        shared = np.concatenate([chance, self.columns[:, self.owner] * (chance @ self.train)], axis=1)
        curve -= (shared * weight[:, None]).T @ shared
        # one intercept is free: all of them moved alike change nothing
        curve[:regimes, :regimes] += weight.sum() / regimes**2
        curve[np.arange(regimes)[~live], np.arange(regimes)[~live]] += 1.0
        extra = np.concatenate([np.full(regimes, _JITTER * weight.sum()), self.penalty + _JITTER])
        curve[np.diag_indices(regimes + q)] += extra
        return curve


@dataclass(frozen=True, eq=False)
class _Pull:
    """One problem: rows counted `weight` times, regimes `counts`, the ridge pulling to `centre`."""

    contrast: Contrast
    weight: Floats
    counts: Floats
    centre: Floats

    def walk(
        self, theta: Floats, state: tuple[float, Floats, Floats], step: Floats, gain: float
    ) -> tuple[Floats, tuple[float, Floats, Floats], bool]:
        """Down the step, halved until the objective falls; whether it was whole."""
        length = 1.0
        while True:
            at = theta - length * step
            found = self.state(at)
            if found[0] <= state[0] - 0.1 * length * gain + 1e-12 * abs(state[0]) or length < 1e-8:
                return at, found, length == 1.0
            length /= 2

    def state(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Objective, gradient and probabilities, shape (n, d)."""
        problem, weight, regimes = self.contrast, self.weight, len(self.counts)
        beta, rows = theta[regimes:], np.arange(len(self.weight))
        with np.errstate(divide="ignore"):
            found = np.log(self.counts) + theta[:regimes] + problem.logits(beta, problem.train)
        total = log_sum_exp(found, axis=1)
        own = found[rows, problem.group]
        heavy, away = weight > 0, beta - self.centre
        value = float(weight[heavy] @ (total - own)[heavy]) + 0.5 * float(problem.penalty @ away**2)
        chance = np.exp(found - total[:, None])
        excess = chance * weight[:, None]
        excess[rows, problem.group] -= weight
        inner = (problem.columns.T @ excess)[problem.owner]
        slope = (inner * problem.train.T).sum(axis=1) + problem.penalty * away
        return value, np.concatenate([excess.sum(axis=0), slope]), chance


@dataclass(frozen=True, eq=False)
class Solution:
    """intercept a, shape (d,); beta, shape (q,); counts: weight of the rows of every regime, shape (d,).

    factor: of the last curvature, where a refit may begin.
    """

    intercept: Floats
    beta: Floats
    counts: Floats
    factor: Any = field(repr=False)


def logits(columns: Floats, owner: Ints, beta: Floats, spread: Floats) -> Floats:
    """sum_j beta_j spread_ij columns_owner(j), shape (n, r)."""
    slopes = np.zeros((columns.shape[1], len(spread)))
    np.add.at(slopes, owner, (beta * spread).T)
    found: Floats = columns @ slopes
    return found
