"""Averages over rungs as numbers: means, intervals, the rungs' own figures and the words that warn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import exact
from ifm_ident.show import LARGE
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._rung_means import USED, Asked, RungMeans, rounding

Flags = dict[str, NDArray[np.bool_]]

ENOUGH_ROWS = 30
ENOUGH_SHARE = 0.4
FEW_ROWS = 20
ROWS_TO_TELL = 5
"""Rows for every entry of a covariance matrix, to see that it is not the same in all regimes."""
EDGE = 0.025
NORMAL, MOST = "normal", 0.5
_ROUNDING = 1e-9
_LEVEL = 1e-13


@dataclass(frozen=True, eq=False)
class LadderEstimate:
    """mean, se, low, high, freedom: shape (r, k), NaN limits where no rung gives back the regimes that were run.

    rungs: names; rung_means, rung_errors, weights: shape (rungs, r, k); rung_freedom: of these errors, and
    effective: pooled rows behind each regime, shape (rungs, r). replicates: averages over refits on the same
    redraws, shape (replicates, r, k); rung_replicates: each rung's own, of that shape. flags: for every word where
    it applies, shape (r, k).
    """

    mean: Floats
    se: Floats
    low: Floats
    high: Floats
    freedom: Floats
    rungs: tuple[str, ...]
    rung_means: Floats
    rung_errors: Floats
    rung_freedom: Floats
    weights: Floats
    effective: Floats
    replicates: Floats
    rung_replicates: tuple[Floats, ...] = ()
    flags: Flags = field(default_factory=dict)

    def draws(self, alpha: float) -> Floats:
        """Means drawn about those found, shape (draws, r, k), that reach as far as the intervals of 1 - alpha.

        The replicates and their mirror images, stretched below and above the mean to what an interval is longer
        than by t times their spread: models that disagree, rows at an end of the range. nan without an interval.
        """
        away = self.replicates - self.replicates.mean(axis=0)
        size = np.sqrt((away**2).mean(axis=0))
        # of means that no replicate moves the interval is independent of the others
        still = size <= _ROUNDING * self.se
        alone = np.random.default_rng(len(away)).normal(size=away.shape)
        away = np.where(still, alone / np.sqrt((alone**2).mean(axis=0)), away / np.where(still, 1.0, size))
        limit = student.ppf(1 - alpha / 2, self.freedom)
        both = np.concatenate([away, -away])
        with np.errstate(invalid="ignore"):
            reach = np.where(both < 0, self.mean - self.low, self.high - self.mean) / limit
            drawn: Floats = self.mean + both * reach
        return np.where(np.isfinite(reach), drawn, np.nan)

    def words(self, row: int, column: int) -> list[str]:
        """The flags of one regime and function, in a fixed order."""
        return [word for word, where in self.flags.items() if where[row, column]]


def enough_rows(rows: int) -> float:
    """Effective rows below which a target is not held by weights: 30, or fewer where there are few rows in all."""
    return min(ENOUGH_ROWS, ENOUGH_SHARE * rows)


def clear_rows(samples: Samples) -> float:
    """Effective rows from which overlap is no matter: as many as a typical regime has, and enough for weights."""
    return max(enough_rows(len(samples)), float(np.median(samples.sizes[samples.present])))


def beyond_levels(samples: Samples, regimes: Regimes) -> NDArray[np.bool_]:
    """Which regimes have a level with a value outside the range of those that were run, shape (r,)."""
    model, train = samples.design.model, samples.design.train.take(samples.present)
    found = np.zeros(len(regimes), dtype=bool)
    for i in np.flatnonzero(model.valued & model.relevant).tolist():
        run, asked = np.zeros((2, max(len(train), len(regimes))), dtype=np.int64)
        for levels, of in ((run, train), (asked, regimes)):
            mine = of.position == i
            levels[of.rows[mine]] = of.level[mine]
        number = [exact(level) for level in model.interventions[i].known_levels]
        known = [value for j in set(run[: len(train)].tolist()) if (value := number[j]) is not None]
        if not known:
            continue
        low, high = min(known), max(known)
        outside = np.array([value is not None and not low <= value <= high for value in number])
        found |= outside[asked[: len(regimes)]]
    return found


def interval(
    asked: Asked, exponents: Floats, mean: Floats, se: Floats, freedom: Floats, alpha: float
) -> tuple[Floats, Floats]:
    """Ends for means (r, k) inside the range of what was asked for, as far as its rows at an end leave open."""
    low, high = asked.ranges.interval(mean, se, freedom, alpha, asked.events(exponents))
    # rows at an end alone do not tell how near to it the mean is
    low = np.where(asked.rests(exponents, -1.0) & ~np.isnan(low), asked.ranges.low, low)
    return low, np.where(asked.rests(exponents, 1.0) & ~np.isnan(high), asked.ranges.high, high)


def combined(
    rungs: tuple[str, ...],
    prior: Floats,
    found: Sequence[RungMeans],
    asked: Asked,
    exponents: Floats,
    freedom: Floats,
    alpha: float,
) -> LadderEstimate:
    """The average by the weights `prior`, shape (rungs,), over rungs that give back what was run.

    A rung is left out where its mean lies outside what shares or counts can have, unless none is left.
    """
    means, errors = np.stack([one.mean for one in found]), np.stack([one.se for one in found])
    effective = np.stack([one.effective for one in found])
    known = np.isfinite(means)
    sound = np.stack([~one.misses for one in found])[:, None, :] & known
    possible = sound & asked.ranges.inside(means)
    sound = np.where(possible.any(axis=0), possible, sound)
    by_weights = np.array([one.by_weights for one in found])[:, None, None]
    reached = (effective >= enough_rows(len(asked.samples)))[:, :, None] & sound
    # where rows reach for one of the rungs by weights, those for which they do not are left out
    held = (reached & by_weights).any(axis=0)
    kept = sound & (~by_weights | reached | ~held)
    sure = np.isfinite(errors)
    kept = kept & (sure | ~(kept & sure).any(axis=0))
    none_left = ~kept.any(axis=0)
    weights = prior[:, None, None] * np.where(none_left, known, kept)
    weights /= np.maximum(weights.sum(axis=0), 1e-300)
    means = np.where(known, means, 0.0)
    mean = np.where(known.any(axis=0), (weights * means).sum(axis=0), np.nan)
    counted = np.where(weights > 0, errors**2, 0.0)
    se = np.sqrt((weights * (counted + (means - mean) ** 2)).sum(axis=0))
    own = np.stack([freedom if one.freedom is None else np.full_like(freedom, one.freedom) for one in found])
    nu = 1 / np.maximum((weights / own[:, :, None]).sum(axis=0), 1e-12)
    # positive numbers have no lower end where a model that answers goes below it
    free = ~asked.ranges.sure & ((weights > 0) & (means < asked.ranges.low)).any(axis=0)

    def ends(of: Floats, error: Floats) -> tuple[Floats, Floats]:
        low, high = interval(asked, exponents, of, error, nu, alpha)
        half = student.ppf(1 - alpha / 2, nu) * error
        return np.where(free, of - half, low), np.where(free, of + half, high)

    low, high = ends(mean, se)
    # where they hardly reach for any, nothing tells which rung to trust: the interval holds the intervals of all
    clear = (effective >= clear_rows(asked.samples))[:, :, None] | asked.run[:, None]
    alone = (clear & by_weights & (weights > 0)).any(axis=0) | ~by_weights.any()
    for one, error, weight in zip(means, errors, weights, strict=True):
        if not alone.all():
            farther = ends(one, error)
            low = np.where(alone | (weight == 0), low, np.minimum(low, farther[0]))
            high = np.where(alone | (weight == 0), high, np.maximum(high, farther[1]))
    low[none_left], high[none_left] = np.nan, np.nan
    mean = asked.ranges.nearest(mean)
    drawn: Floats = sum(w * np.where(w > 0, one.replicates, 0.0) for w, one in zip(weights, found, strict=True))
    each = tuple(one.replicates for one in found)
    return LadderEstimate(mean, se, low, high, nu, rungs, means, errors, own, weights, effective, drawn, each)


def flagged(
    table: LadderEstimate,
    found: Sequence[RungMeans],
    asked: Asked,
    exponents: Floats,
    doubted: NDArray[np.bool_] | bool = False,
) -> LadderEstimate:
    """The table with its warnings, by the words of `ifm estimate`; doubted: by a model that does not answer."""
    shape = table.mean.shape
    counts = asked.units.counts
    rests = np.abs(exponents) > USED
    few = np.any(rests & (counts < FEW_ROWS), axis=1, keepdims=True) | (rests @ asked.few_make_spread)
    joined = max(len(one.x) for one in asked.samples.design.model.factors)
    unseen = np.any(rests & (counts < ROWS_TO_TELL * joined * (joined + 1) / 2), axis=1, keepdims=True)
    if NORMAL in table.rungs:  # it takes covariances to be equal, which so few rows cannot show to be wrong
        few = few | (unseen & (table.weights[table.rungs.index(NORMAL)] > MOST))
    used = table.weights > 0
    thin = np.where(used, table.effective[:, :, None], 0.0).max(axis=0) < clear_rows(asked.samples)
    outside = np.zeros(shape, dtype=bool)
    if asked.values is None:
        rows = asked.samples.x if asked.function is None else asked.function(asked.samples.x)
        below, above = np.quantile(rows, [EDGE, 1 - EDGE], axis=0)
        low, high = asked.ranges.reach(below, above, asked.size)
        digits = _ROUNDING * (high - low) + rounding(rows)
        outside = (table.mean < low - digits) | (table.mean > high + digits)
    far = np.zeros(len(exponents), dtype=bool)
    if asked.samples.design.model.has_bases:
        far = beyond_levels(asked.samples, asked.regimes) | (np.abs(exponents).sum(axis=1) > LARGE)
    between = (table.weights * (table.rung_means - table.mean) ** 2).sum(axis=0)
    within = np.where(used, table.weights * np.where(used, table.rung_errors, 0.0) ** 2, 0.0).sum(axis=0)
    flags = {
        "few_rows": np.broadcast_to(few, shape),
        "extrapolated": (outside | far[:, None]) & ~asked.run[:, None],
        "little_overlap": thin & ~asked.run[:, None],
        "misses_training": np.isnan(table.low),
        "models_disagree": doubted | (between > np.maximum(within, (_LEVEL * np.abs(table.mean)) ** 2)),
    }
    return dataclasses.replace(table, flags=flags)
