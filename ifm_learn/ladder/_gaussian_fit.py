"""Maximum likelihood of Gaussians with one sparse precision and natural means linear in coordinates: convex."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints

_STEPS = 200
_TURNS = 2_000
_JITTER = 1e-10
_SLOW = 0.2


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted rows by regime: counts (d,), sums (d, p), squares: the sum of x x' over all rows, shape (p, p)."""

    counts: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def of(cls, x: Floats, group: Ints, weight: Floats, regimes: int) -> Moments:
        """Of rows x, shape (n, p), of regimes 0 to `regimes` - 1."""
        counts = np.bincount(group, weight, minlength=regimes).astype(float)
        heavy = x * weight[:, None]
        sums = np.stack([np.bincount(group, column, minlength=regimes) for column in heavy.T], axis=1).astype(
            float
        )
        return cls(counts, sums, heavy.T @ x)


@dataclass(frozen=True, eq=False)
class Fit:
    """precision, shape (p, p); theta, shape (q,); factor: of the last curvature, where a refit may begin."""

    precision: Floats
    theta: Floats
    factor: Any = field(repr=False)


@dataclass(frozen=True, eq=False)
class SparseGaussian:
    """The family: precision Omega, zero but for some pairs; Omega mean(i) = h(i), h linear in theta.

    first, second: the pairs, ascending, every (v, v) among them, shape (c,); variable: which h a coefficient
    is of, shape (q,); design: what it is multiplied by in each regime, shape (d, q).

    >>> rng = np.random.default_rng(0)
    >>> x, group = rng.normal(size=(500, 2)), np.repeat([0, 1], 250)
    >>> family = SparseGaussian(np.array([0, 1]), np.array([0, 1]), np.array([0, 1, 0]),
    ...                         np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    >>> fit = family.fit(Moments.of(x, group, np.ones(500), 2))
    >>> bool(np.allclose(1 / fit.precision[1, 1], x[:, 1].var()))
    True
    """

    first: Ints
    second: Ints
    variable: Ints
    design: Floats

    def heights(self, theta: Floats, design: Floats, p: int) -> Floats:
        """h of regimes with these rows of coordinates, shape (r, p)."""
        found = np.zeros((p, len(design)))
        np.add.at(found, self.variable, (design * theta).T)
        return found.T

    def fit(self, moments: Moments, start: Fit | None = None, tolerance: float = 1e-9) -> Fit:
        """The most likely member: by turns where all pairs are free, else by damped Newton steps."""
        p, cells = len(moments.squares), len(self.first)
        if start is None:
            start = Fit(
                np.diag(moments.counts.sum() / np.diag(moments.squares)), np.zeros(len(self.variable)), None
            )
        if cells == p * (p + 1) // 2:
            return self._by_turns(moments, start, tolerance)
        at = np.concatenate([start.precision[self.first, self.second], start.theta])
        state = self._state(at, moments)
        factor, last = start.factor, np.inf
        for _ in range(_STEPS):
            if state is None:
                break
            if factor is None:
                factor = cho_factor(self._curvature(state, moments), check_finite=False)
            step = cho_solve(factor, state.slope, check_finite=False)
            gain = float(step @ state.slope) / 2
            if gain < tolerance:
                return Fit(state.omega, at[cells:], factor)
            length = 1.0
            while True:
                trial = self._state(at - length * step, moments)
                if trial is not None and trial.value <= state.value - 0.1 * length * gain + 1e-11 * abs(
                    state.value
                ):
                    break
                length /= 2
                if length < 1e-12:
                    raise InputError(
                        f"no Gaussian of common precision fits {p} variables; leave constant ones out"
                    )
            at, state = at - length * step, trial
            if length < 1 or gain > _SLOW * last:
                factor = None
            last = gain
        raise InputError(f"the Gaussian of common precision over {p} variables did not converge; rescale them")

    def _by_turns(self, moments: Moments, start: Fit, tolerance: float) -> Fit:
        """h given Omega, a linear system, and Omega given h, a quadratic equation of matrices, until both stay."""
        p, n, v = len(moments.squares), float(moments.counts.sum()), self.variable
        lower = np.linalg.cholesky(moments.squares)
        heavy = moments.counts[:, None] * self.design
        gram, target = heavy.T @ self.design, (self.design * moments.sums[:, v]).sum(axis=0)
        covariance, last = np.linalg.inv(start.precision), np.inf
        for _ in range(_TURNS):
            curve = gram * covariance[np.ix_(v, v)]
            curve[np.diag_indices(len(v))] *= 1 + _JITTER
            theta = cho_solve(cho_factor(curve, check_finite=False), target, check_finite=False)
            root = np.sqrt(moments.counts)[:, None] * self.heights(theta, self.design, p) @ lower
            # n Sigma + Sigma H Sigma = S, in coordinates that make S the identity and H diagonal
            values, vectors = np.linalg.eigh(root.T @ root)
            scale = 2 / (n + np.sqrt(n**2 + 4 * np.maximum(values, 0.0)))
            turned = lower @ vectors
            covariance = (turned * scale) @ turned.T
            bound = n * np.log(scale) + 1 / scale + np.maximum(values, 0.0) * scale
            value = 0.5 * float(bound.sum()) - float(target @ theta)
            if abs(last - value) < tolerance:
                return Fit(np.linalg.inv(covariance), theta, None)
            last = value
        raise InputError(f"the Gaussian of common precision over {p} variables did not converge; rescale them")

    def _state(self, at: Floats, moments: Moments) -> _State | None:
        """Where the minimiser stands; None where the precision is not positive definite."""
        p, cells = len(moments.squares), len(self.first)
        omega = np.zeros((p, p))
        omega[self.first, self.second] = omega[self.second, self.first] = at[:cells]
        try:
            lower = np.linalg.cholesky(omega)
        except np.linalg.LinAlgError:
            return None
        covariance = cho_solve((lower, True), np.eye(p))
        height = self.heights(at[cells:], self.design, p)
        mean = height @ covariance
        n = moments.counts.sum()
        heavy = moments.counts[:, None] * mean
        outer = mean.T @ heavy
        value = (
            -n * np.log(np.diag(lower)).sum()
            + 0.5 * float((omega * moments.squares).sum())
            + 0.5 * float((height * heavy).sum())
            - float((height * moments.sums).sum())
        )
        slope = 0.5 * (moments.squares - n * covariance - outer)
        double = np.where(self.first == self.second, 1.0, 2.0)
        away = heavy - moments.sums
        return _State(
            value,
            np.concatenate(
                [double * slope[self.first, self.second], (self.design * away[:, self.variable]).sum(axis=0)]
            ),
            omega,
            covariance,
            mean,
            outer,
        )

    def _curvature(self, state: _State, moments: Moments) -> Floats:
        cells, q = len(self.first), len(self.variable)
        a, b = self.first, self.second
        sigma, mixed = state.covariance, 0.5 * moments.counts.sum() * state.covariance + state.outer
        once = np.where(a == b, 0.5, 1.0)
        rows = (sigma[b][:, a] * mixed[a][:, b], sigma[a][:, a] * mixed[b][:, b])
        others = (sigma[b][:, b] * mixed[a][:, a], sigma[a][:, b] * mixed[b][:, a])
        curve = np.empty((cells + q, cells + q))
        curve[:cells, :cells] = (rows[0] + rows[1] + others[0] + others[1]) * np.outer(once, once)
        heavy = moments.counts[:, None] * self.design
        moved = heavy.T @ state.mean
        v = self.variable
        cross = -(sigma[v][:, a] * moved[:, b] + sigma[v][:, b] * moved[:, a]) * once
        curve[cells:, :cells] = cross
        curve[:cells, cells:] = cross.T
        curve[cells:, cells:] = (heavy.T @ self.design) * sigma[np.ix_(v, v)]
        curve[np.diag_indices(cells + q)] *= 1 + _JITTER
        return curve


@dataclass(frozen=True, eq=False)
class _State:
    value: float
    slope: Floats
    omega: Floats
    covariance: Floats
    mean: Floats
    outer: Floats
