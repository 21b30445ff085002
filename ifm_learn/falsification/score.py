"""The score test of a missing interaction in regime contrast, with overlap weights and a sandwich covariance.

Under a claim sum_i c_i log p(x; sigma^i) = (free part), the efficient score for a departure h(x) is
h(x) u(x, regime), u = lambda(x) c_R / P(R | x), lambda(x) = 1 / sum_i c_i^2 / P(i | x). |u| is at most 1/|c_R|
whatever the overlap, and the mean does not change to first order when the fitted P(regime | x), which obeys the
claim, is slightly wrong (Neyman orthogonality): estimated weights do not distort the null. Where some regime is
rare the errors are not slight, and x there is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import chi2

from ifm_ident.arrays import Floats
from ifm_learn.falsification._contrast import fit
from ifm_learn.falsification.question import Evidence, Question

Mask = NDArray[np.bool_]

LEAST_FOR_SCORE = 5.0
"""Rows' worth of comparison below which the score test is not made."""

RAREST = 0.1
"""Left out is x where some regime is rarer than this times its share of all rows."""

_LEADING_SHARE = 0.8
_TOLERANCE = 1e-6


class _Form(NamedTuple):
    """Chi-squares over their degrees of freedom, and their p-values, shape (b,)."""

    ratio: Floats
    p_value: Floats
    degrees: int


def score_test(asked: Question) -> Evidence:
    """The score test; deterministic.

    Where the regimes overlap in less than LEAST_FOR_SCORE it says nothing: statistic 0, p-value 1, no effect.
    """
    log_p = log_softmax(asked.features.values @ fit(asked.features.values, asked.label, asked.blocks), axis=1)
    rows = np.arange(len(asked.label))
    share = np.bincount(asked.label, minlength=len(asked.c)) / len(rows)
    common = (np.exp(log_p) >= RAREST * share).all(axis=1)
    overlap = common / (np.exp(-log_p) @ asked.c**2)
    signed = overlap * asked.c[asked.label] * np.exp(-log_p[rows, asked.label])
    worth = asked.information(signed)
    if worth < LEAST_FOR_SCORE:
        return Evidence(0.0, 1.0, {}, worth)
    departures = asked.without_free(asked.features.values[:, asked.bound], overlap)
    terms = asked.by_unit(departures * signed[:, None])
    found = two_forms(terms, asked.leading[asked.bound], asked.signs)
    return Evidence(*found, asked.effects(signed, overlap), asked.known(worth, signed, overlap))


def two_forms(
    terms: Floats, leading: Mask, signs: Floats | None = None, inflate: float = 1.0, sums: Floats | None = None
) -> tuple[float, float]:
    """The decisive one of two quadratic forms of sums of mean-zero terms over its null mean, and a p-value.

    terms: shape (n, k). leading: shape (k,). One form is of the leading sums, the other of the rest cleared of the
    leading ones, so that they are independent chi-squares. Four fifths of the level go to the leading ones:
    p = 1 - (1 - 0.8 t) (1 - 0.2 t), t the lesser of p_1 / 0.8 and p_2 / 0.2. A shift of a mean keeps its power
    among many finer departures, and those are not lost. signs: shape (b, n), of 1 and -1: the p-value is then the
    share of p among those of terms with these signs, itself among them. inflate: by how much the variance of sums
    exceeds that of terms, which are residuals of a fit; 1 where the fit took little. sums: where `terms` are
    centred and tell the spread alone.
    """
    sums, covariance = terms.sum(axis=0) if sums is None else sums, terms.T @ terms * inflate
    spread = np.sqrt(np.diag(covariance))
    alive = spread > 0
    if not alive.any():
        return 0.0, 1.0
    sums, leading = sums[alive] / spread[alive], leading[alive]
    covariance = covariance[np.ix_(alive, alive)] / np.outer(spread[alive], spread[alive])
    first, second = np.flatnonzero(leading), np.flatnonzero(~leading)
    inner = np.linalg.pinv(covariance[np.ix_(first, first)], rcond=_TOLERANCE, hermitian=True)
    across = covariance[np.ix_(second, first)] @ inner
    drawn = None if signs is None else signs @ (terms[:, alive] / spread[alive]) * np.sqrt(inflate)
    every = sums[None] if drawn is None else np.vstack([sums, drawn])
    rest = covariance[np.ix_(second, second)] - across @ covariance[np.ix_(first, second)]
    forms = [
        _chi_square(every[:, first], covariance[np.ix_(first, first)]),
        _chi_square(every[:, second] - every[:, first] @ across.T, rest),
    ]
    held = [form for form in forms if form.degrees]
    if not held:
        return 0.0, 1.0
    p_value = held[0].p_value
    leads = 0
    if len(held) == 2:
        lesser = np.array([held[0].p_value / _LEADING_SHARE, held[1].p_value / (1 - _LEADING_SHARE)])
        leads = int(np.argmin(lesser[:, 0]))
        a, b = (np.minimum(1.0, lesser.min(axis=0) * share) for share in (_LEADING_SHARE, 1 - _LEADING_SHARE))
        p_value = a + b - a * b
    found = float(p_value[0]) if signs is None else float(np.mean(p_value <= p_value[0] * (1 + 1e-9)))
    return float(held[leads].ratio[0]), found


def _chi_square(sums: Floats, covariance: Floats) -> _Form:
    """The form sums' covariance^-1 sums of each row; its degrees of freedom are the covariance's rank."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > _TOLERANCE
    rank = int(kept.sum())
    if rank == 0:
        return _Form(np.zeros(len(sums)), np.ones(len(sums)), 0)
    statistic = np.sum((sums @ vectors[:, kept]) ** 2 / values[kept], axis=1)
    return _Form(statistic / rank, chi2.sf(statistic, rank), rank)
