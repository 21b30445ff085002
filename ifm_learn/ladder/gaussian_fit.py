"""Maximum likelihood of Gaussians with one sparse precision and natural means linear in coordinates: convex."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ifm_ident import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STEPS = 200
_JITTER = 1e-10


@dataclass(frozen=True, eq=False)
class Moments:
    """Weighted rows by regime: counts (d,), sums (d, p), squares: the sum of x x' over all rows, shape (p, p)."""

    counts: Floats
    sums: Floats
    squares: Floats

    @classmethod
    def of(cls, x: Floats, group: Ints, weight: Floats, regimes: int) -> Moments:
        """Of rows x, shape (n, p), of regimes 0 to `regimes` - 1."""
        counts = np.bincount(group, weight, minlength=regimes)
        heavy = x * weight[:, None]
        sums = np.stack([np.bincount(group, column, minlength=regimes) for column in heavy.T], axis=1)
        return cls(counts, sums, heavy.T @ x)


@dataclass(frozen=True, eq=False)
class SparseGaussian:
    """The family: precision Omega, zero but for some pairs; Omega mean(i) = h(i), h linear in theta.

    first, second: the pairs, ascending, every (v, v) among them, shape (c,); variable: which h a coefficient is of,
    shape (q,); design: what it is multiplied by in each regime, shape (d, q).

    >>> rng = np.random.default_rng(0)
    >>> x, group = rng.normal(size=(500, 2)), np.repeat([0, 1], 250)
    >>> family = SparseGaussian(np.array([0, 1]), np.array([0, 1]), np.array([0, 1, 0]),
    ...                         np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]))
    >>> omega, theta = family.fit(Moments.of(x, group, np.ones(500), 2))
    >>> bool(np.allclose(1 / omega[1, 1], x[:, 1].var())), bool(np.isclose(theta[1] / omega[1, 1], x[:, 1].mean()))
    (True, True)
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

    def fit(
        self, moments: Moments, start: tuple[Floats, Floats] | None = None, tolerance: float = 1e-9
    ) -> tuple[Floats, Floats]:
        """Omega, shape (p, p), and theta, shape (q,): damped Newton, with the last curvature while it serves."""
        p, cells = len(moments.squares), len(self.first)
        if start is None:
            start = np.diag(moments.counts.sum() / np.diag(moments.squares)), np.zeros(len(self.variable))
        at = np.concatenate([start[0][self.first, self.second], start[1]])
        state = self._state(at, moments)
        factor, last = None, np.inf
        for _ in range(_STEPS):
            if state is None:
                break
            if factor is None:
                factor = cho_factor(self._curvature(state, moments), check_finite=False)
            step = cho_solve(factor, state.slope, check_finite=False)
            gain = float(step @ state.slope) / 2
            if gain < tolerance:
                return state.omega, at[cells:]
            length = 1.0
            while True:
                trial = self._state(at - length * step, moments)
                if trial is not None and trial.value <= state.value - 0.1 * length * gain + 1e-11 * abs(state.value):
                    break
                length /= 2
                if length < 1e-12:
                    raise InputError(f"no Gaussian of common precision fits {p} variables; leave constant ones out")
            at, state = at - length * step, trial
            if length < 1 or gain > 0.1 * last:
                factor = None
            last = gain
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
