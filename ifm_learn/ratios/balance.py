"""Balance-heuristic weights over the pooled sample, with normalising constants estimated jointly (MBAR).

Multiple importance sampling: Veach and Guibas 1995; constants and their variance: Kong et al. 2003, Shirts and
Chodera 2008 (MBAR), Vardi 1985. docs/theory/learning.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from ifm_ident import InputError
from ifm_ident.arrays import Floats

_STEPS = 200
_TOLERANCE = 1e-10
_SHORTEST = 1e-8
_LITTLE_OVERLAP = 0.01
_APART = 1e-12


@dataclass(frozen=True, eq=False)
class BalanceWeights:
    """Weights of N pooled rows for t target regimes, and what was estimated on the way.

    log_weights: log of p*(x)/(sum_i n_i p_i(x)), normalised to sum 1 in each target, shape (N, t). log_constants:
    log normalisers log Z_i of the training potentials up to one constant for all: the first sampled regime has 0;
    shape (m,). log_target_constants: those of the targets in the same gauge, shape (t,). covariance: of
    log_constants, asymptotic, shape (m, m), inf where they cannot be compared. shares: n_i p_i(x)/sum_j n_j p_j,
    shape (N, m). converged: whether shares add up to n_i in every regime. overlap: between 0, where regimes fall
    into groups with no row in common and their constants cannot be compared, and 1, where all regimes are alike.
    """

    log_weights: Floats
    log_constants: Floats
    log_target_constants: Floats
    covariance: Floats
    shares: Floats
    sizes: Floats
    converged: bool
    overlap: float

    @property
    def warning(self) -> str:
        """What is wrong with the constants in words, or empty; `diagnose(log_weights)` tells about the weights."""
        if not self.converged:
            return "the normalising constants did not converge: some training regimes hardly overlap"
        if self.overlap < _LITTLE_OVERLAP:
            return (
                f"training regimes fall into groups that hardly overlap (overlap {self.overlap:.2g}, below "
                f"{_LITTLE_OVERLAP}): weights across the groups rest on very few rows"
            )
        return ""

    def mean(self, values: ArrayLike) -> tuple[Floats, Floats]:
        """Weighted means of values, shape (N,) or (N, t), in every target, and their standard errors, shape (t,).

        The errors are asymptotic, with the constants' own error in them and the sizes held fixed; the potentials
        are taken as known, so the error of a fitted density model comes on top.
        """
        y, means = self._means(values)
        influence = self.influence(y)
        variances = np.diag(_covariance(influence, self.shares, self.sizes))
        return means, np.sqrt(np.maximum(variances, 0.0)) if self.overlap > _APART else np.full(len(means), np.inf)

    def influence(self, values: ArrayLike) -> Floats:
        """How much each row moves the weighted means, through the constants too, shape (N, t).

        values: shape (N,) or (N, t). To first order a mean less its limit is the sum of a column less, for every
        regime, its expectation.
        """
        y, means = self._means(values)
        own = np.exp(self.log_weights) * (y - means)
        found: Floats = own + self.shares @ _solve(self.shares, self.shares.T @ own)
        return found

    def _means(self, values: ArrayLike) -> tuple[Floats, Floats]:
        y = np.asarray(values, dtype=np.float64)
        y = y[:, None] if y.ndim == 1 else y
        if len(y) != len(self.log_weights) or y.shape[1] not in (1, self.log_weights.shape[1]):
            raise InputError(f"values have shape {y.shape}; the weights are for shape {self.log_weights.shape}")
        return y, (np.exp(self.log_weights) * y).sum(axis=0)


def balance_weights(
    log_potential_train: ArrayLike, log_potential_target: ArrayLike, sizes: ArrayLike
) -> BalanceWeights:
    """Weights of the pooled rows for every target, from log-densities known up to a constant each.

    log_potential_train: shape (N, m), log p(x; sigma^i) in nats of every pooled row in every training regime, each
    regime up to its own constant and all up to a shared function of x; log_potential_target: shape (N, t), alike;
    sizes: rows of each regime, shape (m,), sum N, 0 where a regime has none. The constants minimise
    sum_rows log sum_i n_i exp(u_i - log Z_i) + sum_i n_i log Z_i, a convex problem, by Newton's method.
    Raises InputError for wrong shapes, nan or +inf, and rows that no sampled regime can have produced.

    >>> x = np.random.default_rng(0).normal(size=(2000, 1)) + np.repeat([0.0, 1.0], 1000)[:, None]
    >>> train = -0.5 * (x - np.array([0.0, 1.0])) ** 2 + np.array([0.0, 3.0])
    >>> found = balance_weights(train, train, [1000, 1000])
    >>> found.converged, found.log_constants.round(1).tolist()
    (True, [0.0, 3.0])
    >>> bool(found.log_weights.max() <= np.log(1 / 1000) + 1e-6)  # a target inside the mixture: at most 1/n_i
    True
    """
    train, target, counts = _checked(log_potential_train, log_potential_target, sizes)
    sampled = np.flatnonzero(counts > 0)
    log_z, converged = _constants(train[:, sampled], counts[sampled])
    log_mixture = logsumexp(train[:, sampled] - log_z + np.log(counts[sampled]), axis=1)
    log_constants = logsumexp(train - log_mixture[:, None], axis=0)
    if np.isneginf(log_constants).any():
        raise InputError(f"training regime {int(np.argmin(log_constants))} has no density at any row")
    log_constants -= log_constants[sampled[0]]
    with np.errstate(divide="ignore"):
        shares = np.exp(train - log_constants + np.log(counts) - log_mixture[:, None])
    shares /= shares.sum(axis=1, keepdims=True)
    weights = target - log_mixture[:, None]
    log_target_constants = logsumexp(weights, axis=0)
    empty = np.flatnonzero(np.isneginf(log_target_constants))
    if len(empty):
        raise InputError(f"target {int(empty[0]) + 1} has no density at any row; no estimate exists")
    unit = np.exp(train - log_mixture[:, None] - log_constants)
    influence = unit + shares @ _solve(shares, shares.T @ unit)
    influence -= influence[:, [sampled[0]]]
    kernel = shares[:, sampled].T @ shares[:, sampled] / np.sqrt(np.outer(counts[sampled], counts[sampled]))
    gaps = np.linalg.eigvalsh(kernel)
    overlap = float(np.clip(1 - gaps[-2], 0, 1)) if len(gaps) > 1 else 1.0
    covariance = _covariance(influence, shares, counts)
    return BalanceWeights(
        weights - log_target_constants,
        log_constants,
        log_target_constants,
        covariance if overlap > _APART else np.full_like(covariance, np.inf),
        shares,
        counts,
        converged,
        overlap,
    )


def regime_weights(log_target: ArrayLike, log_train: ArrayLike) -> Floats:
    """Log-weights p*(x)/p_i(x) of the rows of one regime, normalised to sum 1 in each target.

    log_target: shape (n, t); log_train: shape (n,), the rows in their own regime. Shape (n, t).

    >>> np.exp(regime_weights([[0.0], [np.log(3.0)]], [0.0, 0.0])).ravel().round(3).tolist()
    [0.25, 0.75]
    """
    target, own = np.asarray(log_target, dtype=np.float64), np.asarray(log_train, dtype=np.float64)
    if target.ndim != 2 or own.shape != target.shape[:1]:
        raise InputError(f"the target has shape {target.shape}, the rows' own {own.shape}; give (n, t) and (n,)")
    if not np.isfinite(own).all():
        row = int(np.argmax(~np.isfinite(own)))
        raise InputError(f"row {row + 1} has the log-density {own[row]} in its own regime; it must be finite")
    logs = target - own[:, None]
    total = logsumexp(logs, axis=0)
    if not np.isfinite(total).all():
        bad = int(np.argmax(~np.isfinite(total)))
        raise InputError(f"target {bad + 1} has no finite positive density at these rows; no estimate exists")
    found: Floats = logs - total
    return found


def _checked(train: ArrayLike, target: ArrayLike, sizes: ArrayLike) -> tuple[Floats, Floats, Floats]:
    u, v, n = (np.asarray(values, dtype=np.float64) for values in (train, target, sizes))
    if u.ndim != 2 or v.ndim != 2 or len(u) != len(v) or n.shape != u.shape[1:]:
        raise InputError(
            f"potentials have shapes {u.shape} (training) and {v.shape} (targets), sizes {n.shape}; give (N, m), "
            "(N, t) and (m,)"
        )
    if (n < 0).any() or n.sum() != len(u):
        raise InputError(
            f"sizes add up to {n.sum():g} where there are {len(u)} rows; give the rows of each regime"
        )
    for name, values in (("training regime", u), ("target", v)):
        bad = np.argwhere(np.isnan(values) | (values == np.inf))
        if len(bad):
            row, column = bad[0].tolist()
            raise InputError(f"the log-potential of row {row + 1} in {name} {column} is {values[row, column]}")
    impossible = np.isneginf(u[:, n > 0]).all(axis=1)
    if impossible.any():
        raise InputError(
            f"row {int(np.argmax(impossible)) + 1} has no density in any sampled training regime; leave such rows "
            "out, or use densities with full support"
        )
    return u, v, n


def _constants(u: Floats, n: Floats) -> tuple[Floats, bool]:
    """log Z of sampled regimes, the first 0, shape (m,), and whether the shares add up to the sizes.

    Newton's method in c = -log Z with backtracking on the convex objective; gradient and Hessian are
    sum_rows P - n and sum_rows (diag P - P P'). It ends with a full step where the objective would fall by less
    than its own rounding, and where no shorter step lowers it.
    """
    log_n = np.log(n)
    c = -logsumexp(u - u.max(axis=0), axis=0) - u.max(axis=0) + log_n
    c -= c[0]

    def objective(c: Floats) -> tuple[float, Floats, float]:
        logits = u + (c + log_n)
        total = logsumexp(logits, axis=1)
        rounding = np.finfo(np.float64).eps * (np.abs(total).sum() + n @ np.abs(c))
        return float(total.sum() - n @ c), np.exp(logits - total[:, None]), float(rounding)

    value, shares, rounding = objective(c)
    for _ in range(_STEPS):
        gradient = shares.sum(axis=0) - n
        if np.abs(gradient).max() <= _TOLERANCE * len(u):
            return -c, True
        hessian = np.diag(shares.sum(axis=0)) - shares.T @ shares
        step = np.zeros_like(c)
        step[1:] = np.linalg.lstsq(hessian[1:, 1:], -gradient[1:], rcond=None)[0]
        length, slope = 1.0, float(gradient @ step)
        tried = objective(c + step)
        while not tried[0] <= value + 1e-4 * length * slope + rounding and length > _SHORTEST:
            length /= 2
            tried = objective(c + length * step)
        if length <= _SHORTEST:
            break
        settled = -slope <= rounding
        c, (value, shares, rounding) = c + length * step, tried
        if settled:
            break
    return -c, bool(np.abs(shares.sum(axis=0) - n).max() <= 1e-6 * len(u))


def _solve(shares: Floats, right: Floats) -> Floats:
    """H^+ right for the Hessian H = diag(sum of shares) - shares' shares of the convex problem."""
    hessian = np.diag(shares.sum(axis=0)) - shares.T @ shares
    return np.asarray(np.linalg.lstsq(hessian, right, rcond=1e-13)[0], dtype=np.float64)


def _covariance(influence: Floats, shares: Floats, n: Floats) -> Floats:
    """Covariance of sums of influences over rows whose regimes have fixed sizes, shape (t, t).

    Each regime's mean influence is its MBAR mean sum_rows shares_i influence / n_i.
    """
    means = shares.T @ influence / np.where(n > 0, n, 1.0)[:, None]
    return influence.T @ influence - (means.T * n) @ means
