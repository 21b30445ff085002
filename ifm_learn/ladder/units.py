"""Rows that belong together (cells of one animal): whole units in folds and redraws, and whether they matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_law

from ifm_ident import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Likeness:
    """How alike rows of one unit are within a regime.

    icc: the share of the variance within regimes that lies between units (analysis of variance; below 0 where units
    are more alike than chance makes them). statistic, p_value: the F-test of no such share. units: units by regime.
    rows: the mean size of one, as the analysis of variance weighs it.
    """

    icc: float
    statistic: float
    p_value: float
    units: int
    rows: float


@dataclass(frozen=True)
class Candidate:
    """A column that may name units: its least p-value over the x-columns times all tests made, the ICC there."""

    column: str
    variable: str
    icc: float
    p_value: float
    units: int


def likeness(x: Floats, regime: Ints, unit: Ints) -> Likeness | None:
    """Of one column x, shape (n,), by unit within regimes; None where no regime has two units or no unit two rows.

    A unit that is in several regimes counts once in each.

    >>> x = np.array([1.0, 1.1, 2.0, 2.1, 5.0, 5.1, 6.0, 6.1])
    >>> found = likeness(x, np.repeat([0, 1], 4), np.repeat([0, 1, 2, 3], 2))
    >>> round(found.icc, 3), found.p_value < 0.001
    (0.99, True)
    """
    _, place = np.unique(regime, return_inverse=True)
    _, one = np.unique(unit, return_inverse=True)
    key, cell = np.unique(place * (int(one.max(initial=0)) + 1) + one, return_inverse=True)
    of_regime = key // (int(one.max(initial=0)) + 1)
    n, cells, regimes = len(x), len(key), int(place.max(initial=-1)) + 1
    between_freedom, within_freedom = cells - regimes, n - cells
    if between_freedom < 1 or within_freedom < 1:
        return None
    count = np.bincount(cell)
    centred = x - (np.bincount(place, x) / np.bincount(place))[place]
    mean = np.bincount(cell, centred) / count
    between = float(count @ mean**2) / between_freedom
    within = float(((centred - mean[cell]) ** 2).sum()) / within_freedom
    squares = np.bincount(of_regime, count.astype(float) ** 2) / np.bincount(of_regime, count)
    rows = (n - float(squares.sum())) / between_freedom
    if within == 0:
        return Likeness(1.0 if between > 0 else 0.0, np.inf, float(between == 0), cells, rows)
    statistic = between / within
    icc = (between - within) / (between + (rows - 1) * within)
    return Likeness(icc, statistic, float(f_law.sf(statistic, between_freedom, within_freedom)), cells, rows)


def unit_columns(
    columns: Mapping[str, NDArray[Any]], x: Mapping[str, Floats], regime: Ints, alpha: float = 0.001
) -> list[Candidate]:
    """Columns of a table that may name units, most telling first: ids that repeat within regimes, with x alike.

    columns: texts or whole numbers, shape (n,) each; x: the measured columns. A column qualifies where some regime has
    two ids, ids repeat, and the F-test of `likeness` for some x-column is below alpha after Bonferroni. Columns of
    fractions are measurements, not ids, and are passed over.

    >>> mouse = np.repeat(["m1", "m2", "m3", "m4"], 5)
    >>> x = np.repeat([0.0, 3.0, 0.0, 3.0], 5) + np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 4)
    >>> unit_columns({"mouse": mouse, "row": np.arange(20)}, {"x": x}, np.repeat([0, 1], 10))[0].column
    'mouse'
    """
    tests = max(len(columns) * len(x), 1)
    found = []
    for name, values in columns.items():
        if values.dtype.kind == "f" and not (values == np.round(values)).all():
            continue
        unit = np.unique(values, return_inverse=True)[1].astype(np.int64)
        tried = [(variable, likeness(column, regime, unit)) for variable, column in x.items()]
        known = [(variable, one) for variable, one in tried if one is not None]
        if not known:
            continue
        variable, best = min(known, key=lambda pair: (pair[1].p_value, -pair[1].icc))
        if best.icc > 0 and best.p_value * tests < alpha:
            found.append(Candidate(name, variable, best.icc, best.p_value * tests, best.units))
    return sorted(found, key=lambda one: (one.p_value, -one.icc, one.units))


def redrawn_units(regime: Ints, unit: Ints, rng: np.random.Generator) -> Floats:
    """How often each row is counted when whole units are drawn with replacement, shape (n,): weights for `refit`.

    Units are drawn within strata: those that show the same set of regimes. Nested units are so drawn within their
    regime, and units that cross all regimes take their rows of each along. No stratum is ever empty. InputError where
    a stratum holds one unit only: its error cannot be told.

    >>> redrawn_units(np.repeat([0, 1], 4), np.repeat([0, 1, 2, 3], 2), np.random.default_rng(0)).tolist()
    [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0]
    """
    one, stratum = _strata(regime, unit)
    counts = np.bincount(stratum)
    if counts.min() < 2:
        alone = int(np.flatnonzero(np.isin(one, np.flatnonzero(counts[stratum] < 2)))[0])
        raise InputError(
            f"unit {unit[alone]} is the only one in its regimes (regime {regime[alone]} among them); its error cannot "
            "be told: measure a second unit there, or leave `unit` out"
        )
    times = np.zeros(len(stratum))
    for s in range(len(counts)):
        members = np.flatnonzero(stratum == s)
        times += np.bincount(rng.choice(members, len(members)), minlength=len(stratum))
    return times[one]


def unit_folds(regime: Ints, unit: Ints, folds: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """For each fold the rows held out, shape (n,): whole units, spread evenly over the folds within strata.

    Every regime keeps a unit in training. InputError where a regime has one unit only.

    >>> held = list(unit_folds(np.repeat([0, 1], 4), np.repeat([0, 1, 2, 3], 2), 2, np.random.default_rng(0)))
    >>> [int(mask.sum()) for mask in held]
    [4, 4]
    """
    one, stratum = _strata(regime, unit)
    if folds < 2:
        raise InputError(f"{folds} folds; two at least are needed")
    _, place = np.unique(regime, return_inverse=True)
    order = np.lexsort((rng.permutation(len(stratum)), stratum))
    fold = np.empty(len(stratum), dtype=np.int64)
    fold[order] = np.arange(len(stratum)) % folds
    offset = rng.permutation(folds)
    for held in offset.tolist():
        mask: NDArray[np.bool_] = (fold == held)[one]
        emptied = np.setdiff1d(place[mask], place[~mask])
        if len(emptied):
            name = int(regime[place == emptied[0]][0])
            raise InputError(
                f"holding out whole units leaves regime {name} without rows; measure more units there, use more folds, "
                "or leave `unit` out"
            )
        yield mask


def _strata(regime: Ints, unit: Ints) -> tuple[Ints, Ints]:
    """Each row's unit from 0, shape (n,), and each unit's stratum, by the set of regimes that it shows."""
    _, place = np.unique(regime, return_inverse=True)
    units, one = np.unique(unit, return_inverse=True)
    pairs = np.unique(np.stack([one, place], axis=1), axis=0)
    sets: dict[tuple[int, ...], int] = {}
    stratum = np.empty(len(units), dtype=np.int64)
    starts = np.searchsorted(pairs[:, 0], np.arange(len(units) + 1))
    for u in range(len(units)):
        shown = tuple(pairs[starts[u] : starts[u + 1], 1].tolist())
        stratum[u] = sets.setdefault(shown, len(sets))
    return one.astype(np.int64), stratum
