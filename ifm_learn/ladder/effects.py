"""Effects of combinations: differences from the baseline, and synergy against what singles lead to expect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import require_names
from ifm_learn.ladder._loewe import loewe

Pair = tuple[int, int]
Reference = Literal["additive", "bliss", "hsa", "loewe"]

_DOSES = 3
ALONE = "synergy is of two interventions or more"
_ERRORS, _MOST_FRACTION = 3.0, 1.2


@dataclass(frozen=True, eq=False)
class Estimates:
    """A value and its interval for each regime and column, each (r, k); nan where there is none."""

    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, eq=False)
class Effects:
    """What regimes do, on the scale said.

    difference: from the baseline regime. expected: the mean that the reference expects from the singles. synergy:
    the mean less that. strongest_single and mean_of_singles: two plain predictions of the mean. why: for each
    regime why its expectation is missing, or None.
    """

    reference: Reference
    scale: str
    difference: Estimates
    expected: Estimates
    synergy: Estimates
    strongest_single: Estimates
    mean_of_singles: Estimates
    why: tuple[str | None, ...]


def needed(model: Model, asked: Regimes, reference: Reference = "additive") -> Regimes:
    """The regimes whose means `effects` needs: baseline, the asked ones, their singles (for loewe at all doses).

    >>> from ifm_ident import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> needed(model, Regimes.from_codes(np.array([[1, 1]]))).codes().tolist()
    [[0, 0], [1, 1], [1, 0], [0, 1]]
    """
    _require_reference(reference)
    every = [(), *asked]
    pairs = dict.fromkeys(pair for regime in asked for pair in regime)
    if reference == "loewe":
        require_names(model, "the reference loewe; take additive, bliss or hsa")
        positions = dict.fromkeys(position for position, _ in pairs)
        pairs.update(dict.fromkeys((i, s) for i in positions for s in range(1, int(model.level_counts[i]))))
    every += [(pair,) for pair in pairs]
    return Regimes.from_active(dict.fromkeys(every), asked.width)


def effects(
    model: Model,
    asked: Regimes,
    regimes: Regimes,
    means: Floats,
    replicates: Floats,
    *,
    reference: Reference = "additive",
    level: float = 0.9,
    freedom: float | None = None,
    logged: bool = False,
    better: Literal["low", "high"] | None = None,
) -> Effects:
    """Effects of the asked regimes from means, shape (r, k), of `regimes` and joint replicates of them, (B, r, k).

    References: additive, baseline + sum of the singles' differences; bliss, baseline x product of the singles'
    fractions of it, for means on 0 to 1; hsa, the best single in the direction `better`, else the strongest;
    loewe, the effect whose single-drug doses the parts of the combination add up to, for numeric levels and
    singles at three doses or more. `logged`: means are of logarithms; bliss is then additive, fractions being of
    geometric means. Intervals reach down and up by t, `freedom` degrees of freedom, times the spread of the
    replicates below and above the value: the root mean square, those on the other side counted as none, times the
    root of 2. `regimes` that are missing, or nan, leave nan.

    >>> from ifm_ident import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> asked = Regimes.from_codes(np.array([[1, 1]]))
    >>> means = np.array([[1.0], [0.2], [0.5], [0.6]])
    >>> same = np.tile(means, (5, 1, 1))
    >>> found = effects(model, asked, needed(model, asked), means, same, reference="bliss")
    >>> found.expected.value.round(3).tolist(), found.synergy.value.round(3).tolist()
    ([[0.3]], [[-0.1]])
    >>> effects(model, asked, needed(model, asked), 5 * means, same, reference="bliss")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: bliss needs means between 0 and 1 (fractions that survive, say), got 5; divide \
by the largest possible value, or use the reference additive or hsa
    """
    _check(reference, level, regimes, means, replicates)
    stacked = np.concatenate([means[None], replicates])
    if reference == "bliss" and not logged:
        _require_fractions(means, replicates)
    quantile = norm.ppf((1 + level) / 2) if freedom is None else student.ppf((1 + level) / 2, freedom)
    table = _Table(model, regimes, stacked)
    baseline, own = table.of(()), [table.of(regime) for regime in asked]
    expected, why = [], []
    for regime in asked:
        value, reason = _expected(table, regime, reference, logged, better)
        expected.append(value)
        why.append(reason)
    found = np.stack(own, axis=1)
    strongest = np.stack([_strongest(table, regime) for regime in asked], axis=1)
    average = np.stack([_average(table, regime) for regime in asked], axis=1)
    awaited = np.stack(expected, axis=1)
    scale = "differences of mean logarithms (logs of ratios)" if logged else "differences of means"

    def estimates(values: Floats) -> Estimates:
        away = values[1:] - values[0]
        down, up = (np.sqrt(2 * (np.maximum(side, 0) ** 2).mean(axis=0)) for side in (-away, away))
        return Estimates(values[0], values[0] - quantile * down, values[0] + quantile * up)

    return Effects(
        reference,
        scale,
        difference=estimates(found - baseline[:, None]),
        expected=estimates(awaited),
        synergy=estimates(found - awaited),
        strongest_single=estimates(strongest),
        mean_of_singles=estimates(average),
        why=tuple(why),
    )


class _Table:
    """Means and replicates, stacked (B + 1, r, k), by regime."""

    def __init__(self, model: Model, regimes: Regimes, stacked: Floats) -> None:
        self.model, self.stacked = model, stacked
        self._place = {regime: i for i, regime in reversed(list(enumerate(regimes)))}

    def of(self, regime: tuple[Pair, ...]) -> Floats:
        """Shape (B + 1, k); nan where the regime has no mean."""
        at = self._place.get(regime)
        if at is None:
            return np.full((len(self.stacked), self.stacked.shape[2]), np.nan)
        return self.stacked[:, at]

    def singles(self, regime: tuple[Pair, ...]) -> Floats:
        """Of each intervention by itself at its level, shape (active, B + 1, k)."""
        return np.stack([self.of((pair,)) for pair in regime])

    def name(self, pair: Pair) -> str:
        one = self.model.interventions[pair[0]]
        return f"{one.name}={one.level(pair[1])}"

    def missing(self, regimes: Iterator[tuple[Pair, ...]]) -> str | None:
        """Which regime has no mean, in words."""
        for regime in regimes:
            if np.isnan(self.of(regime)[0]).all():
                return (
                    f"{self.name(regime[0]) + ' by itself' if regime else 'the baseline regime'} has no estimate"
                )
        return None


def _expected(
    table: _Table, regime: tuple[Pair, ...], reference: Reference, logged: bool, better: str | None
) -> tuple[Floats, str | None]:
    nothing = np.full_like(table.of(()), np.nan)
    if len(regime) < 2:
        return nothing, ALONE
    reason = table.missing(iter([(), *((pair,) for pair in regime)]))
    if reason is not None:
        return nothing, reason
    baseline, singles = table.of(()), table.singles(regime)
    if reference == "hsa":
        if better is None:
            return _strongest(table, regime), None
        return singles.min(axis=0) if better == "low" else singles.max(axis=0), None
    if reference == "loewe":
        return _loewe(table, regime)
    if reference == "bliss" and not logged:
        with np.errstate(divide="ignore", invalid="ignore"):
            product: Floats = baseline * np.prod(singles / baseline, axis=0)
        beyond = product[0] > _MOST_FRACTION
        why = (
            f"bliss expects {np.nanmax(product[0], initial=0.0):.3g}, which no fraction is: it is of fractions "
            "that survive, largest at the baseline; of those affected give 1 less"
        )
        return np.where(beyond, np.nan, product), why if beyond.any() else None
    additive: Floats = baseline + (singles - baseline).sum(axis=0)
    return additive, None


def _loewe(table: _Table, regime: tuple[Pair, ...]) -> tuple[Floats, str | None]:
    nothing = np.full_like(table.of(()), np.nan)
    doses, curves, amounts = [], [], []
    for position, own in regime:
        levels = table.model.interventions[position].levels
        if not all(isinstance(level, (int, float)) and level >= 0 for level in levels) or levels[0] != 0:
            name = table.model.interventions[position].name
            raise InputError(
                f"loewe needs levels that are doses, 0 first; those of {name} are {', '.join(map(str, levels))}; "
                "write numbers, or use the reference additive, bliss or hsa"
            )
        order = sorted(range(1, len(levels)), key=lambda i: float(levels[i]))
        kept = [i for i in order if not np.isnan(table.of(((position, i),))[0]).any()]
        if len(kept) < _DOSES:
            return nothing, f"loewe needs {_DOSES} doses of {table.model.interventions[position].name} by itself"
        doses.append(np.array([0.0, *(float(levels[i]) for i in kept)]))
        curves.append(np.stack([table.of(()), *(table.of(((position, i),)) for i in kept)], axis=-1))
        amounts.append(float(levels[own]))
    value = loewe(doses, curves, amounts)
    if np.isnan(value[0]).all():
        return value, "no dose of a single that was given reaches what loewe expects, or the singles pull apart"
    return value, None


def _strongest(table: _Table, regime: tuple[Pair, ...]) -> Floats:
    """The single farthest from the baseline, replicate by replicate, shape (B + 1, k)."""
    if not regime:
        return table.of(())
    singles = table.singles(regime)
    distance = np.where(np.isnan(singles), -1.0, np.abs(singles - table.of(())))
    chosen: Floats = np.take_along_axis(singles, distance.argmax(axis=0)[None], axis=0)[0]
    return chosen


def _average(table: _Table, regime: tuple[Pair, ...]) -> Floats:
    average: Floats = table.singles(regime).mean(axis=0) if regime else table.of(())
    return average


def _require_reference(reference: str) -> None:
    if reference not in get_args(Reference):
        raise InputError(f"unknown reference {reference!r}; legal: {', '.join(get_args(Reference))}")


def _check(reference: str, level: float, regimes: Regimes, means: Floats, replicates: Floats) -> None:
    _require_reference(reference)
    if not 0 < level < 1:
        raise InputError(f"the level of an interval is between 0 and 1, got {level}; write 0.9 for 90%")
    if means.ndim != 2 or len(means) != len(regimes):
        raise InputError(f"means have shape {means.shape} where ({len(regimes)}, k) is due")
    if replicates.ndim != 3 or replicates.shape[1:] != means.shape or len(replicates) < 2:
        raise InputError(f"replicates have shape {replicates.shape} where (2 or more, *{means.shape}) is due")


def _require_fractions(means: Floats, replicates: Floats) -> None:
    """InputError for means that lie outside 0 to 1 by more than their errors, as normalised ones may by chance."""
    slack = np.minimum(_ERRORS * np.nan_to_num(replicates.std(axis=0)), _MOST_FRACTION - 1)
    with np.errstate(invalid="ignore"):
        wrong = means[(means < -slack) | (means > 1 + slack)]
    if len(wrong):
        raise InputError(
            f"bliss needs means between 0 and 1 (fractions that survive, say), got {wrong[0]:g}; divide by the "
            "largest possible value, or use the reference additive or hsa"
        )
