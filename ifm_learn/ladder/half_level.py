"""The level at which half of a curve's largest effect is reached, with an interval (docs/theory/doses.md)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident.arrays import Floats

_TURN = 0.02
"""A curve that turns back by less than this share of its largest effect is taken for monotone."""


@dataclass(frozen=True)
class HalfLevel:
    """Where half of the largest effect is reached along a curve: level, low, high; why it is not told, or "".

    effect: the largest difference from the baseline, at the level `at`; last: whether that is where the curve
    ends, so that a larger one may lie beyond. What is not told is nan.
    """

    effect: float
    at: float
    last: bool
    level: float = np.nan
    low: float = np.nan
    high: float = np.nan
    why: str = ""


def half_level(levels: Floats, means: Floats, draws: Floats, baseline: int, limit: float) -> HalfLevel:
    """Of one curve: levels, shape (n,), ascending; its means, shape (n,), and joint draws of them, shape (B, n).

    baseline: the index of the level that effects are differences from. limit: the quantile that an interval is
    told by. The interval holds the levels s at which the mean less the half-way value is within `limit` standard
    errors of 0 (Fieller 1954), so it need not be symmetric. Not told where the largest effect is not clear of zero
    by as much, and where the curve turns back before it.

    >>> s = np.linspace(0, 4, 81)
    >>> rng = np.random.default_rng(0)
    >>> draws = (1 + 0.02 * rng.normal(size=(200, 1))) * (s / (1 + s)) + 0.01 * rng.normal(size=(200, 1))
    >>> found = half_level(s, s / (1 + s), draws, 0, 1.7)
    >>> round(found.level, 2), found.at, found.last  # s / (1 + s) is 0.8 at 4, and 0.4 at 2/3
    (0.67, 4.0, True)
    >>> half_level(s, s / (1 + s), 99 * draws, 0, 1.7).why
    'the largest effect, 0.8 at 4, is not clear of zero'
    """
    differences = means - means[baseline]
    top = int(np.argmax(np.abs(differences)))
    effect, at = float(differences[top]), float(levels[top])
    found = HalfLevel(effect, at, top in (0, len(levels) - 1))
    spread = _spread(draws[:, top] - draws[:, baseline])
    if top == baseline or not abs(effect) > limit * spread:
        return _not(found, f"the largest effect, {effect:.3g} at {at:.4g}, is not clear of zero")
    step = 1 if top > baseline else -1
    way = np.arange(baseline, top + step, step)
    rise = differences[way] / effect
    fall = np.maximum.accumulate(rise) - rise
    if fall.max() > _TURN:
        turn = levels[way[np.argmax(rise[: int(np.argmax(fall)) + 1])]]
        return _not(
            found,
            f"the curve turns back at {turn:.4g}, before its largest effect, so that half of it may be reached "
            "more than once",
        )
    gap = (means[way] - (means[baseline] + means[top]) / 2) / effect
    errors = draws[:, way] - (draws[:, [baseline]] + draws[:, [top]]) / 2
    reach = limit * np.sqrt(np.mean((errors - errors.mean(axis=0)) ** 2, axis=0)) / abs(effect)
    place = levels[way]
    ends = (_crossing(place, gap), _crossing(place, gap + reach), _crossing(place, gap - reach))
    return HalfLevel(effect, at, found.last, ends[0], min(ends[1:]), max(ends[1:]))


def _crossing(levels: Floats, values: Floats) -> float:
    """Where values, negative first and positive last, change sign for the first time, by straight lines."""
    after = int(np.argmax(values >= 0))
    one, two = values[after - 1], values[after]
    return float(levels[after - 1] + (levels[after] - levels[after - 1]) * one / (one - two))


def _spread(values: Floats) -> float:
    return float(values.std(ddof=1))


def _not(found: HalfLevel, why: str) -> HalfLevel:
    return HalfLevel(found.effect, found.at, found.last, why=why)
