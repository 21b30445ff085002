"""How far averages over the ladder move with an interaction left out, whatever the models are inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.ranks import fewest_scores
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity
from ifm_learn.estimation.sensitivity import TargetValues, sensitivity_curve, tipping_point
from ifm_learn.ladder.average import Ladder
from ifm_learn.ladder.estimate import LadderEstimate

_KNOTS = 101
_TOGETHER = 32
"""Regimes that are asked about at once."""


def ladder_sensitivities(
    ladder: Ladder,
    answer: LadderEstimate,
    value: Callable[[Floats], Floats],
    regimes: Regimes,
    gamma: float,
    references: Floats,
    level: Fraction,
) -> Iterator[RegimeSensitivity]:
    """Bounds at one gamma and tipping points of regimes that were not run, with an interval in the answer.

    value: what means are of, from rows to shape (n, k). The law of a value under a regime is had from the means of
    hat functions of it, which every model of the ladder gives: their masses stand at knots, and are moved so that
    their mean is the one that the answer has, in every refit too. references: shape (k,).
    """
    knots = _knots(value(ladder.samples.x))
    for start in range(0, len(regimes), _TOGETHER):
        some = np.arange(start, min(start + _TOGETHER, len(regimes)))
        part = regimes.take(some)
        for k in range(len(references)):
            own, drawn = _masses(ladder, answer, value, knots, k, part, some)
            for i, r in enumerate(some.tolist()):
                if not np.isfinite(answer.low[r, k]) or not own[i].any():
                    continue
                target = _placed(knots[:, k], own[i], float(answer.mean[r, k]))
                refits: list[TargetValues] = []
                means = answer.replicates[:, r, k]
                told = np.flatnonzero(np.isfinite(means) & drawn[:, i].any(axis=1))  # others have no law there
                if len(told) >= fewest_scores(level / 2):
                    refits = [_placed(knots[:, k], drawn[b, i], float(means[b])) for b in told.tolist()]
                curve = sensitivity_curve(target, [gamma], refits, level)
                yield RegimeSensitivity(r, k, curve, tipping_point(target, float(references[k]), refits, level))


def _knots(values: Floats) -> Floats:
    """Places that reach beyond the values by their range, shape (knots, k)."""
    low, high = values.min(axis=0), values.max(axis=0)
    over = np.maximum(high - low, 1e-9 * np.maximum(np.abs(low), 1e-300))
    return np.linspace(low - over, high + over, _KNOTS)


def _masses(
    ladder: Ladder,
    answer: LadderEstimate,
    value: Callable[[Floats], Floats],
    knots: Floats,
    column: int,
    regimes: Regimes,
    rows: Ints,
) -> tuple[Floats, Floats]:
    """Masses at the knots by the models' weights, shape (r, knots), and of every refit, (replicates, r, knots)."""
    at = knots[:, column]
    known: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    def hats(x: Floats) -> Floats:
        if x.shape not in known or not np.array_equal(known[x.shape][0], x):
            known[x.shape] = x, fresh(x)  # refits ask at the same rows and points
        return known[x.shape][1]

    def fresh(x: Floats) -> Floats:
        place = (value(x)[:, column] - at[0]) / (at[1] - at[0])
        away = np.abs(np.clip(place, 0, _KNOTS - 1)[:, None] - np.arange(_KNOTS))
        found: Floats = np.maximum(1 - away, 0.0)
        return found

    def averaged(laws: Sequence[Floats]) -> Floats:
        total = np.zeros((len(rows), _KNOTS))
        for weight, found in zip(answer.weights[:, rows, column], laws, strict=True):
            total += np.where(weight > 0, weight, 0.0)[:, None] * np.nan_to_num(found)
        return np.maximum(total, 0.0)

    own = averaged([ladder.laws[k].means(hats, regimes) for k in ladder.chosen])
    drawn = [averaged([law.means(hats, regimes) for law in each]) for each in zip(*ladder.refits, strict=True)]
    return own, np.stack(drawn)


def _placed(knots: Floats, masses: Floats, mean: float) -> TargetValues:
    """Masses at the knots, moved so that they have this mean."""
    there = masses > 0
    shares = masses[there] / masses.sum()
    return TargetValues(knots[there] + (mean - float(knots[there] @ shares)), np.log(shares))
