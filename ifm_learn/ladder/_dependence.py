"""What rows say of variables within regimes, tested: which pair is most correlated, which one is no normal law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import normaltest
from scipy.stats import t as student

from ifm_ident.arrays import Floats, Ints

_ROUNDING = 1e-9
_FEWEST = 20
"""Rows from which the test of skewness and kurtosis keeps its level."""


@dataclass(frozen=True)
class DependentPair:
    """Two columns, their correlation about the regimes' means, and its p-value times the number of pairs."""

    columns: tuple[int, int]
    correlation: float
    p_value: float


def dependent_pair(x: Floats, regime: Ints, alpha: float = 0.01) -> DependentPair | None:
    """The pair of columns of x, shape (n, p), most correlated within regimes; None where that may be chance.

    A t-test of the pooled correlation (of ranks within regimes), p-values times the number of pairs (Bonferroni).

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> dependent_pair(x, np.arange(200) % 4) is None
    True
    >>> dependent_pair(x + x[:, ::-1] * 0.5, np.arange(200) % 4).columns
    (0, 1)
    """
    n, p = x.shape
    groups, place = np.unique(regime, return_inverse=True)
    freedom = n - len(groups) - 1
    if p < 2 or freedom < 1:
        return None
    centred = _about_means(_ranks(x, place), regime)
    norm = np.sqrt((centred**2).sum(axis=0))
    safe = np.where(norm > 0, norm, 1.0)
    correlation = (centred.T @ centred) / np.outer(safe, safe)
    rows, columns = np.triu_indices(p, 1)
    best = int(np.argmax(np.abs(correlation[rows, columns])))
    found = float(np.clip(correlation[rows[best], columns[best]], -1 + 1e-15, 1 - 1e-15))
    p_value = 2 * float(student.sf(abs(found) * np.sqrt(freedom / (1 - found**2)), freedom)) * len(rows)
    if p_value >= alpha:
        return None
    return DependentPair((int(rows[best]), int(columns[best])), found, p_value)


def least_normal(x: Floats, regime: Ints, alpha: float = 0.01) -> tuple[int, float] | None:
    """The column of x, shape (n, p), that is least like a normal law about its regimes' means, and its p-value.

    By skewness and kurtosis (D'Agostino and Pearson 1973), p-values times the number of columns (Bonferroni); None
    where they may be chance. Of few normal rows up to 3% are taken for another law at the level of 1%.

    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> least_normal(x, np.arange(200) % 4) is None
    True
    >>> least_normal(np.exp(x[:, :1]), np.arange(200) % 4)[0]
    0
    """
    left = _about_means(x, regime)
    varies = np.flatnonzero((left**2).sum(axis=0) > _ROUNDING**2 * (x**2).sum(axis=0))
    if len(x) < _FEWEST or not len(varies):
        return None
    p_values = normaltest(left[:, varies], axis=0).pvalue * len(varies)
    worst = int(np.argmin(p_values))
    return None if p_values[worst] >= alpha else (int(varies[worst]), float(p_values[worst]))


def _about_means(x: Floats, regime: Ints) -> Floats:
    """Rows less the means of their regimes, shape (n, p)."""
    _, place = np.unique(regime, return_inverse=True)
    sizes = np.bincount(place)
    left: Floats = x - np.stack([np.bincount(place, column) / sizes for column in x.T], axis=1)[place]
    return left


def condition(x: Floats, regime: Ints) -> float:
    """How collinear columns of x, shape (n, p), are within regimes: the condition number of their correlations.

    Divided by what chance alone makes of independent columns, ((1 + r) / (1 - r))^2 with r^2 = p over the degrees
    of freedom (Marchenko and Pastur 1967); 1 where rows are too few to tell. Constant columns are left out.

    >>> rng = np.random.default_rng(0)
    >>> x, regime = rng.normal(size=(300, 2)), np.arange(300) % 3
    >>> round(condition(x, regime)), round(condition(x @ [[1.0, 0.99], [0.0, 0.14]], regime), -2)
    (1, 200.0)
    """
    left = _about_means(x, regime)
    norm = np.sqrt((left**2).sum(axis=0))
    varies = norm > _ROUNDING * np.sqrt((x**2).sum(axis=0))
    p, freedom = int(varies.sum()), len(x) - len(np.unique(regime))
    if p < 2 or freedom <= p:
        return 1.0
    values = np.linalg.svd(left[:, varies] / norm[varies], compute_uv=False)
    r = np.sqrt(p / freedom)
    chance = (1 + r) / (1 - r)
    return float((values[0] / max(values[-1], _ROUNDING) / chance) ** 2)


def _ranks(x: Floats, place: Ints) -> Floats:
    """Ranks of each column within groups, ties in the middle, divided by the group's size; shape (n, p)."""
    sizes = np.bincount(place)
    starts = np.cumsum(sizes) - sizes
    out = np.empty_like(x)
    for v in range(x.shape[1]):
        order = np.lexsort((x[:, v], place))
        value, group = x[order, v], place[order]
        new = np.r_[True, (np.diff(value) != 0) | (np.diff(group) != 0)]
        first = np.flatnonzero(new)
        last = np.r_[first[1:], len(value)] - 1
        middle = ((first + last) / 2)[np.cumsum(new) - 1]
        out[order, v] = (middle - starts[group] + 0.5) / sizes[group]
    return out
