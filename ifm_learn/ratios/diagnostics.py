"""How far importance weights can be trusted: effective sample size, largest share, Pareto k of the tail."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats

FEWEST_EFFECTIVE = 25
"""Below this effective sample size a weighted mean's standard error is above a fifth of the outcome's spread."""

_FEWEST_ROWS = 25
"""PSIS fits the largest fifth of small samples and needs five rows there."""


@dataclass(frozen=True, eq=False)
class WeightDiagnostics:
    """What importance weights are worth: for one set of n weights (fields of shape ()) or m sets (shape (m,)).

    ess: (sum w)^2 / sum w^2. ess_share: ess / n. max_share: the largest weight's share of the sum. pareto_k: shape
    of the right tail (PSIS); -inf where the largest weights are all equal (bounded, nothing to fear), nan where
    no tail can be fitted. reliable: pareto_k is at most min(1 - 1/log10 S, 0.7), S the number of positive weights
    (Vehtari et al. 2024, Pareto smoothed importance sampling, JMLR 25), and ess is at least 25. verdict: the same
    in words. It is about the spread of the weights and does not say that the ratio itself is right.
    """

    n: int
    ess: Floats
    ess_share: Floats
    max_share: Floats
    pareto_k: Floats
    reliable: NDArray[np.bool_]
    verdict: NDArray[np.str_]

    def __len__(self) -> int:
        """The number of sets of weights: 1 for a single one."""
        return int(self.ess.size)

    def __getitem__(self, column: int) -> WeightDiagnostics:
        """One set of weights out of a batch, with fields of shape ()."""
        return WeightDiagnostics(
            self.n,
            np.asarray(self.ess.ravel()[column]),
            np.asarray(self.ess_share.ravel()[column]),
            np.asarray(self.max_share.ravel()[column]),
            np.asarray(self.pareto_k.ravel()[column]),
            np.asarray(self.reliable.ravel()[column]),
            np.asarray(self.verdict.ravel()[column]),
        )

    def __str__(self) -> str:
        return "\n".join(str(verdict) for verdict in self.verdict.ravel())


def diagnose(log_weights: ArrayLike) -> WeightDiagnostics:
    """Diagnostics of log-weights, shape (n,) or one set a column (n, m); a set may be shifted by any constant.

    -inf is a weight of zero. Raises InputError for nan, +inf and a set of zeros only; MissingExtraError without
    arviz-stats, which fits the tail.

    >>> found = diagnose(np.zeros(100))
    >>> float(found.ess.round(6)), float(found.max_share.round(6)), str(found)
    (100.0, 0.01, 'reliable: 100 effective of 100 rows')
    >>> print(diagnose(np.where(np.arange(100) < 99, -np.inf, 0.0)))
    unreliable: 1 effective of 100 rows (below 25), the largest weight has a share of 100%; little overlap
    >>> diagnose(np.full(5, -np.inf))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: all 5 weights are zero: no row has density in the target regime
    """
    logs = np.asarray(log_weights, dtype=np.float64)
    if logs.ndim not in (1, 2) or logs.size == 0:
        raise InputError(f"log-weights have shape {logs.shape}; give shape (n,), or (n, m) for m sets of weights")
    shape = logs.shape[1:]
    columns = logs.reshape(len(logs), -1)
    bad = np.argwhere(np.isnan(columns) | (columns == np.inf))
    if len(bad):
        row, column = bad[0].tolist()
        got = columns[row, column]
        raise InputError(f"the log-weight of row {row + 1}, set {column + 1} is {got}; give finite values or -inf")
    positive = np.isfinite(columns).sum(axis=0)
    if not positive.all():
        where = f" of set {int(np.argmin(positive)) + 1}" if shape else ""
        raise InputError(f"all {len(logs)} weights{where} are zero: no row has density in the target regime")
    log_shares = columns - logsumexp(columns, axis=0)
    ess = np.exp(-logsumexp(2 * log_shares, axis=0))
    max_share = np.exp(log_shares.max(axis=0))
    pareto_k = np.array([_pareto_k(column[np.isfinite(column)]) for column in columns.T])
    limit = np.minimum(1 - 1 / np.log10(np.maximum(positive, 2)), 0.7)
    reliable = (np.isnan(pareto_k) | (pareto_k <= limit)) & (ess >= FEWEST_EFFECTIVE)
    words = [_words(len(logs), *each) for each in zip(ess, max_share, pareto_k, limit, strict=True)]
    return WeightDiagnostics(
        len(logs),
        ess.reshape(shape),
        ess.reshape(shape) / len(logs),
        max_share.reshape(shape),
        pareto_k.reshape(shape),
        reliable.reshape(shape),
        np.array(words, dtype=np.str_).reshape(shape),
    )


def _pareto_k(logs: Floats) -> float:
    """Pareto k of finite log-weights, shape (S,).

    The tail is PSIS's: the largest 3 sqrt(S) weights, or a fifth of 225 or fewer. -inf where they are all equal;
    nan where ties (discrete x) or too few rows leave no excess over the threshold to fit; inf where the largest
    weight dwarfs the rest of the tail beyond what floats hold.
    """
    count = len(logs)
    tail = int(3 * np.sqrt(count)) if count > 225 else count // 5
    if logs.min() == logs.max():
        return -np.inf
    if count < _FEWEST_ROWS:
        return np.nan
    ordered = np.sort(logs - logs.max())[-tail - 1 :]
    if ordered[1] == ordered[-1]:
        return -np.inf
    quartile = int(tail / 4 + 0.5)
    if ordered[quartile] == ordered[0]:
        return np.nan
    if np.exp(ordered[quartile]) - np.exp(ordered[0]) < np.finfo(np.float64).tiny:
        return np.inf
    try:
        stats: Any = importlib.import_module("arviz_stats.base").array_stats
    except ImportError:
        raise MissingExtraError("arviz-stats", "learn") from None
    with np.errstate(all="ignore"):
        # psislw takes log-likelihoods, whose negatives are the log-weights
        k = float(stats.psislw(-logs)[1])
    return np.inf if np.isnan(k) else k


def _words(n: int, ess: float, max_share: float, pareto_k: float, limit: float) -> str:
    rows = f"{ess:,.0f} effective of {n:,} rows"
    heavy = f"unreliable: the tail is too heavy (Pareto k {pareto_k:.2f}"
    if pareto_k >= 1:
        return f"{heavy}, 1 or more: the weights have no mean), {rows}; more rows do not mend it"
    if pareto_k > limit:
        return f"{heavy}, above {limit:.2f}), {rows}; a few rows decide the estimate"
    if ess < FEWEST_EFFECTIVE:
        share = f"the largest weight has a share of {max_share:.0%}"
        return f"unreliable: {rows} (below {FEWEST_EFFECTIVE}), {share}; little overlap"
    if np.isnan(pareto_k):
        return f"reliable by its effective sample size alone: {rows}; tied weights, no tail to fit"
    if pareto_k == -np.inf:
        return f"reliable: {rows}"
    return f"reliable: {rows}, Pareto k {pareto_k:.2f}"
