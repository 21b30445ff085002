"""Features of x for regime contrast and its tests: linear terms, splines, indicators, pairwise products."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats

FEW_VALUES = 6
"""Variables with at most this many distinct values get an indicator for each value."""

_CLIP = 3.0
_KNOTS = (0.05, 0.27, 0.5, 0.73, 0.95)
_FINE_KNOTS = (0.02, 0.12, 0.25, 0.38, 0.5, 0.62, 0.75, 0.88, 0.98)
"""Of terms that a claim about a pair leaves free: what they cannot follow is taken for an interaction."""


@dataclass(frozen=True, eq=False)
class Features:
    """Columns of functions of x; the first one is the constant.

    values: shape (n, f), all but the constant of mean 0 and standard deviation 1. variables: the variables
    (column indices of x) that each one depends on. linear: which are linear terms or products of linear terms.
    """

    values: Floats
    variables: tuple[frozenset[int], ...]
    linear: NDArray[np.bool_]

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """How many variables each one depends on, shape (f,)."""
        return np.array([len(held) for held in self.variables], dtype=np.int64)

    def touching(self, wanted: frozenset[int]) -> NDArray[np.bool_]:
        """Which depend on one of the variables at least, shape (f,)."""
        return np.array([bool(held & wanted) for held in self.variables])

    def holding(self, wanted: frozenset[int]) -> NDArray[np.bool_]:
        """Which depend on all of the variables, shape (f,)."""
        return np.array([held >= wanted for held in self.variables])


def features(x: Floats, budget: int, pair: frozenset[int] = frozenset()) -> Features:
    """Features of the rows x, shape (n, p): at most `budget` of them where leaving out the finer ones can do it.

    Every variable gives a linear term (bent beyond three standard deviations) and curved ones (a natural cubic
    spline on the quantiles; indicators where it has at most FEW_VALUES values); every pair of variables gives the
    products of these. For a `pair` every variable has further curved terms of its own, a finer spline, without
    products. Beyond the budget go first these, then the products of curved terms, then all products, then the
    curved terms; the products of `pair` stay. A constant column of x gives none.

    >>> x = np.random.default_rng(0).normal(size=(50, 2))
    >>> found = features(x, budget=12)
    >>> found.values.shape, int(found.linear.sum()), found.order.tolist()
    ((50, 10), 3, [0, 1, 1, 1, 1, 1, 1, 1, 1, 2])
    """
    own = [_columns(x[:, v]) for v in range(x.shape[1])]
    pairs = list(itertools.combinations([v for v, block in enumerate(own) if block.shape[1]], 2))
    singles = 1 + sum(block.shape[1] for block in own)
    full = sum(own[a].shape[1] * own[b].shape[1] for a, b in pairs)
    if singles > budget:
        own = [block[:, :1] if v not in pair else block for v, block in enumerate(own)]
    finer = [_finer(x[:, v]) for v in range(x.shape[1])] if pair else []
    extra = sum(block.shape[1] for block in finer)
    if singles + extra > budget:
        finer, extra = [], 0
    singles += extra
    width = None if singles + full <= budget else 1 if singles + len(pairs) <= budget else 0
    parts = [(block, frozenset([v]), True) for v, block in enumerate(own)]
    parts += [(block, frozenset([v]), False) for v, block in enumerate(finer)]
    for a, b in pairs:
        keep = None if pair == {a, b} else width
        parts.append((_products(own[a][:, :keep], own[b][:, :keep]), frozenset([a, b]), True))
    return Features(
        np.hstack([np.ones((len(x), 1)), *(block for block, _, _ in parts)]),
        (frozenset(), *(held for block, held, _ in parts for _ in range(block.shape[1]))),
        np.array([False, *(leads and k == 0 for block, _, leads in parts for k in range(block.shape[1]))]),
    )


def _columns(values: Floats) -> Floats:
    """Linear term first, then curved ones; shape (n, k), k = 0 for a constant."""
    distinct = np.unique(values)
    if len(distinct) < 2:
        return np.empty((len(values), 0))
    z = _standard(values[:, None])
    if len(distinct) <= FEW_VALUES:
        inner = values[:, None] == distinct[1:-1]
        return np.hstack([z, _standard(inner.astype(np.float64))])
    return np.hstack([_standard(np.clip(z, -_CLIP, _CLIP)), _standard(_natural_spline(z[:, 0], _KNOTS))])


def _finer(values: Floats) -> Floats:
    """Further curved columns; none where indicators say it all. Shape (n, k)."""
    if len(np.unique(values)) <= FEW_VALUES:
        return np.empty((len(values), 0))
    return _standard(_natural_spline(_standard(values[:, None])[:, 0], _FINE_KNOTS))


def _natural_spline(z: Floats, at: Sequence[float]) -> Floats:
    """Curved columns of a natural cubic spline, knots at quantiles (Hastie, Tibshirani and Friedman, eq. 5.4)."""
    knots = np.unique(np.quantile(z, at))
    if len(knots) < 3:
        return np.empty((len(z), 0))
    cubes = np.maximum(z[:, None] - knots, 0.0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
    curved: Floats = slopes[:, :-1] - slopes[:, -1:]
    return curved


def _products(left: Floats, right: Floats) -> Floats:
    return _standard((left[:, :, None] * right[:, None, :]).reshape(len(left), left.shape[1] * right.shape[1]))


def _standard(columns: Floats) -> Floats:
    """Mean 0 and standard deviation 1; constant columns are dropped."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    kept = spread > 1e-9 * np.maximum(np.abs(columns).max(axis=0, initial=0.0), 1e-300)
    scaled: Floats = centred[:, kept] / spread[kept]
    return scaled
