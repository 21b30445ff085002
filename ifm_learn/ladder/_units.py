"""Rows that belong together (cells of one animal): whole units in folds and redraws, and whether they matter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_law

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints

_TRIES = 1000


@dataclass(frozen=True)
class Likeness:
    """How alike rows of one unit are within a regime.

    icc: the share of the variance within regimes that lies between units (analysis of variance; below 0 where
    units differ less than chance makes them). statistic, p_value: the F-test of no such share. units: units by
    regime. rows: the mean size of one, as the analysis of variance weighs it.
    """

    icc: float
    statistic: float
    p_value: float
    units: int
    rows: float


@dataclass(frozen=True)
class Candidate:
    """A column that may name units, or its texts up to the last `before`; the x-column that shows it most.

    p_value: the least over the x-columns, times the number of tests.
    """

    column: str
    before: str | None
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

    columns: texts or whole numbers, shape (n,) each; x: the measured columns. A column qualifies where some regime
    has two ids, ids repeat, and the F-test of `likeness` for some x-column is below alpha after Bonferroni.
    Columns of fractions are measurements, not ids, and are passed over; ids such as 309_1 and 309_2 are also read
    as 309.

    >>> mouse = np.repeat(["m1", "m2", "m3", "m4"], 5)
    >>> x = np.repeat([0.0, 3.0, 0.0, 3.0], 5) + np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 4)
    >>> unit_columns({"mouse": mouse, "row": np.arange(20)}, {"x": x}, np.repeat([0, 1], 10))[0].column
    'mouse'
    """
    readings = [reading for name, values in columns.items() for reading in _readings(name, values)]
    tests = max(len(readings) * len(x), 1)
    found = []
    for name, before, unit in readings:
        tried = [(variable, likeness(column, regime, unit)) for variable, column in x.items()]
        known = [(variable, one) for variable, one in tried if one is not None]
        if not known:
            continue
        variable, best = min(known, key=lambda pair: (pair[1].p_value, -pair[1].icc))
        if best.icc > 0 and best.p_value * tests < alpha:
            found.append(Candidate(name, before, variable, best.icc, best.p_value * tests, best.units))
    return sorted(found, key=lambda one: (one.p_value, -one.icc, one.units))


def _readings(name: str, values: NDArray[Any]) -> list[tuple[str, str | None, Ints]]:
    """A column as ids from 0; where all texts differ also what stands before the last _, - or : in them."""
    if values.dtype.kind == "f" and not (values == np.round(values)).all():
        return []
    distinct, ids = np.unique(values, return_inverse=True)
    read: list[tuple[str, str | None, Ints]] = [(name, None, ids.astype(np.int64))]
    if len(distinct) == len(values) and values.dtype.kind in "OUT":
        for mark in "_-:":
            heads = [str(value).rpartition(mark)[0] for value in values]
            if all(heads) and len(set(heads)) < len(heads):
                read.append((name, mark, np.unique(heads, return_inverse=True)[1].astype(np.int64)))
    return read


def redrawn_units(regime: Ints, unit: Ints, rng: np.random.Generator) -> Floats:
    """How often each row is counted when whole units are drawn with replacement, shape (n,): weights for `refit`.

    Units are drawn within strata: those that show the same set of regimes, units with a set of their own in one
    stratum together. Nested units are so drawn within their regime, and units that cross all regimes take their
    rows of each along. Draws that leave a regime empty are drawn again. InputError where a regime has one unit
    only: its error cannot be told.

    >>> redrawn_units(np.repeat([0, 1], 4), np.repeat([0, 1, 2, 3], 2), np.random.default_rng(0)).tolist()
    [0.0, 0.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]
    """
    one, stratum, pairs = _strata(regime, unit)
    per_regime = np.bincount(pairs[:, 1])
    if per_regime.min() < 2:
        alone = int(pairs[pairs[:, 1] == per_regime.argmin(), 0][0])
        row = int(np.flatnonzero(np.unique(regime, return_inverse=True)[1] == per_regime.argmin())[0])
        raise InputError(
            f"regime {regime[row]} has one unit only ({unit[np.flatnonzero(one == alone)[0]]}), so its error "
            "cannot be told; measure a second unit there, or leave `unit` out"
        )
    small = np.bincount(stratum)[stratum] < 2
    stratum = np.where(small, stratum.max() + 1, stratum)
    groups = [np.flatnonzero(stratum == s) for s in np.unique(stratum)]
    for _ in range(_TRIES):
        drawn = np.concatenate([rng.choice(members, len(members)) for members in groups])
        times = np.bincount(drawn, minlength=len(stratum)).astype(np.float64)
        if (np.bincount(pairs[:, 1], times[pairs[:, 0]]) > 0).all():
            return times[one]
    raise InputError(
        f"units drawn anew leave a regime without rows {_TRIES} times over; too few units show the same regimes: "
        "measure more, or leave `unit` out"
    )


def unit_folds(regime: Ints, unit: Ints, folds: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """For each fold the rows held out, shape (n,): whole units, spread evenly over the folds within strata.

    Every regime keeps a unit in training. InputError where a regime has one unit only.

    >>> held = list(unit_folds(np.repeat([0, 1], 4), np.repeat([0, 1, 2, 3], 2), 2, np.random.default_rng(0)))
    >>> [int(mask.sum()) for mask in held]
    [4, 4]
    """
    one, stratum, _ = _strata(regime, unit)
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
                f"holding out whole units leaves regime {name} without rows; measure more units there, "
                "use more folds, or leave `unit` out"
            )
        yield mask


def _strata(regime: Ints, unit: Ints) -> tuple[Ints, Ints, Ints]:
    """Each row's unit from 0, each unit's stratum by the regimes it shows, and the (unit, regime) pairs."""
    _, place = np.unique(regime, return_inverse=True)
    units, one = np.unique(unit, return_inverse=True)
    pairs = np.unique(np.stack([one, place], axis=1), axis=0)
    sets: dict[tuple[int, ...], int] = {}
    stratum = np.empty(len(units), dtype=np.int64)
    starts = np.searchsorted(pairs[:, 0], np.arange(len(units) + 1))
    for u in range(len(units)):
        shown = tuple(pairs[starts[u] : starts[u + 1], 1].tolist())
        stratum[u] = sets.setdefault(shown, len(sets))
    return one.astype(np.int64), stratum, pairs.astype(np.int64)
