"""The re-weighted two-sample test: one regime against the others re-weighted to predict it, by energy distance.

The others alone give P(regime | x) among them and with it the predicted density's ratio; the regime's own rows
never touch it. Both samples are weighed down to where they overlap, the prediction is corrected for the
estimated ratio to first order (the one-step estimator), every row is weighted by fits that have not seen it, and
the null distribution of the energy distance is that of a weighted sum of chi-squares, from the covariance of the
corrected terms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import expit, log_softmax, logsumexp
from scipy.stats import gamma

from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.units import Units
from ifm_learn.falsification._contrast import fit, free_basis
from ifm_learn.falsification.question import Evidence, Question, contrast_blocks

LEAST_FOR_ENERGY = 20.0
"""Rows' worth of comparison below which the energy test is not made: its level would be wrong."""

_FOLDS = 5
_LANDMARKS = 200
_LANDMARKS_OF_ONE = 25
_LARGEST = 8
_SMALLEST = 1e-8
_FARTHEST = 100.0
_STEPS = 50
_RIDGE = 1e-3


def energy_test(asked: Question, rng: np.random.Generator, replicates: int) -> Evidence:
    """The energy test; `replicates` cross-fits are averaged, and more make it steadier over seeds.

    Where the regimes overlap in less than LEAST_FOR_ENERGY, or what is tested never varies, it says nothing:
    statistic 0, p-value 1, no effect.
    """
    fits = [_signed_weights(asked, rng) for _ in range(replicates if len(asked.c) > 2 else 1)]
    signed = np.mean([one for one, _ in fits], axis=0)
    overlap = np.mean([one for _, one in fits], axis=0)
    if asked.pair:
        columns = product_features(*(distance_features(asked.x[:, [v]], rng) for v in sorted(asked.tested)))
    else:
        columns = distance_features(asked.x, rng)
    worth = asked.information(signed)
    if worth < LEAST_FOR_ENERGY or not asked.bound.any():
        return Evidence(0.0, 1.0, {}, worth)
    terms = asked.by_unit(asked.without_free(columns, overlap) * signed[:, None])
    found = energy_form(terms, asked.signs)
    return Evidence(*found, asked.effects(signed, overlap), asked.known(worth, signed, overlap))


def energy_form(terms: Floats, signs: Floats | None = None) -> tuple[float, float]:
    """The squared length of the sum of mean-zero terms, shape (n, k), over its null mean, and its p-value.

    signs: shape (b, n), of 1 and -1: the p-value is then the share of such lengths with these signs that are no
    less, itself among them.

    >>> statistic, p_value = energy_form(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    >>> statistic, p_value
    (0.0, 1.0)
    """
    sums = terms.sum(axis=0)
    weights = np.linalg.eigvalsh(terms.T @ terms)
    weights = weights[weights > _SMALLEST * weights.max(initial=0.0)]
    if not len(weights):
        return 0.0, 1.0
    statistic = float(sums @ sums)
    if signs is not None:
        drawn = np.sum((signs @ terms) ** 2, axis=1)
        least = statistic * (1 - 1e-9)
        return statistic / float(weights.sum()), float((1 + np.sum(drawn >= least)) / (1 + len(drawn)))
    return statistic / float(weights.sum()), upper_tail(statistic, weights)


def upper_tail(statistic: float, weights: Floats) -> float:
    """P(sum_k w_k Z_k^2 >= statistic), Z independent standard normal, weights w not negative and not all 0.

    The gamma distribution with the same mean, variance and third moment (Hall, Buckley and Eagleson); exact where
    all weights are equal.

    >>> from scipy.stats import chi2
    >>> bool(np.isclose(upper_tail(14.0, np.full(3, 2.0)), chi2.sf(7.0, 3)))
    True
    """
    first, second, third = (float(np.sum(weights**k)) for k in (1, 2, 3))
    shape, scale = second**3 / (2 * third**2), 2 * third / second
    return float(gamma.sf(statistic - first + shape * scale, shape, scale=scale))


def distance_features(x: Floats, rng: np.random.Generator) -> Floats:
    """Features, shape (n, k), whose inner products are |x| + |x'| - |x - x'|: the kernel of the energy distance.

    Variables count in units of their standard deviations. The kernel is exact on the landmarks, all distinct rows
    where these are few, and projected on them elsewhere (Nystroem).
    """
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    landmarks = np.unique(z, axis=0)
    most = _LANDMARKS if x.shape[1] > 1 else _LANDMARKS_OF_ONE
    if len(landmarks) > most and x.shape[1] == 1:
        landmarks = np.quantile(z, (np.arange(most) + 0.5) / most, axis=0)
    elif len(landmarks) > most:
        landmarks = landmarks[rng.choice(len(landmarks), most, replace=False)]
    values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks))
    kept = values > _SMALLEST * max(float(values.max()), 1e-300)
    mapped: Floats = _kernel(z, landmarks) @ (vectors[:, kept] / np.sqrt(values[kept]))
    return mapped


def product_features(left: Floats, right: Floats) -> Floats:
    """All products of a column of each side, of its largest columns, which come last; shape (n, at most 64)."""
    left, right = left[:, -_LARGEST:], right[:, -_LARGEST:]
    products: Floats = (left[:, :, None] * right[:, None, :]).reshape(len(left), left.shape[1] * right.shape[1])
    return products


def _kernel(a: Floats, b: Floats) -> Floats:
    kernel: Floats = np.linalg.norm(a, axis=1)[:, None] + np.linalg.norm(b, axis=1) - cdist(a, b)
    return kernel


def _signed_weights(asked: Question, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The signed weight of every row in observed less predicted, and the overlap that it refers to; shapes (n,).

    With rho(x) the predicted density's ratio to the others' mixture, r a correction by the features that the claim
    leaves free, odds = rho r and tau = 1 / (1 + odds sum_i q_i^2 / P(i | x)): tau for rows of the
    combination, -tau odds q_R / P(R | x) for the others'.
    """
    others = np.flatnonzero(np.arange(len(asked.c)) != asked.combination)
    q = -asked.c[others] / asked.c[asked.combination]
    pool = asked.label != asked.combination
    label = np.minimum(np.searchsorted(others, asked.label), len(others) - 1)
    log_p = _chances_among(asked, others, label, pool, rng)
    log_rho = log_p @ q
    free = asked.features.values[:, ~asked.bound]
    log_odds = np.clip(log_rho + free @ _offset_logistic(free, ~pool, log_rho), -_FARTHEST, _FARTHEST)
    log_tau = -np.logaddexp(0.0, log_odds + logsumexp(-log_p, axis=1, b=q**2))
    correction = log_tau + log_odds - log_p[np.arange(len(label)), label]
    signed = np.where(pool, -q[label] * np.exp(correction), np.exp(log_tau))
    return signed, expit(log_odds) * np.exp(log_tau)


def _chances_among(
    asked: Question, others: Ints, label: Ints, pool: NDArray[np.bool_], rng: np.random.Generator
) -> Floats:
    """log P(regime | x) among the others, shape (n, their number), from fits that have not seen the row."""
    if len(others) == 1:
        return np.zeros((len(label), 1))
    found = asked.features
    blocks = contrast_blocks(found, np.zeros(found.values.shape[1], dtype=bool), free_basis(len(others)))
    fold = np.empty(len(label), dtype=np.int64)
    for i in range(len(others)):
        rows = np.flatnonzero(pool & (label == i))
        if asked.together is None:
            fold[rows] = rng.permutation(len(rows)) % _FOLDS
        else:
            fold[rows] = Units.of(np.zeros(len(rows), dtype=np.int64), asked.together[rows]).folds(_FOLDS, rng)
    fold[~pool] = -1
    log_p = np.zeros((len(label), len(others)))
    start = None
    for k in range(_FOLDS):
        train = pool & (fold != k)
        start = fit(found.values[train], label[train], blocks, start)
        fitted = log_softmax(found.values @ start, axis=1)
        log_p[fold == k] = fitted[fold == k]
        log_p[~pool] += fitted[~pool] / _FOLDS
    log_p[~pool] = log_softmax(log_p[~pool], axis=1)
    return log_p


def _offset_logistic(free: Floats, chosen: NDArray[np.bool_], offset: Floats) -> Floats:
    """Coefficients of the log-odds of being chosen beyond an offset, by damped Newton steps."""
    sign = np.where(chosen, 1.0, -1.0)
    ridge = np.concatenate([[0.0], np.full(free.shape[1] - 1, _RIDGE)])
    beta = np.zeros(free.shape[1])
    beta[0] = np.log(chosen.sum() / (~chosen).sum()) - np.median(offset[chosen])

    def value(at: Floats) -> float:
        return float(-np.logaddexp(0.0, -sign * (offset + free @ at)).sum() - 0.5 * np.sum(ridge * at**2))

    best = value(beta)
    for _ in range(_STEPS):
        p = expit(offset + free @ beta)
        gradient = free.T @ (chosen - p) - ridge * beta
        step = np.linalg.solve((free * (p * (1 - p))[:, None]).T @ free + np.diag(ridge + 1e-9), gradient)
        gain, size = float(gradient @ step), 1.0
        while (reached := value(beta + size * step)) < best + 1e-4 * size * gain and size > 1e-4:
            size /= 2
        beta, best = beta + size * step, reached
        if gain < 1e-8:
            break
    return beta
