"""Means adjusted for covariates, over a population or by groups: numbers, overlap, and what adjustment gained.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_law
from scipy.stats import t as student

from ifm_ident import Factor, Identification, InputError, Model, Regimes, Status, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regimes
from ifm_ident.show import listed
from ifm_learn.data.covariates import Covariates, read_population
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._columns import Columns
from ifm_learn.ladder.adjusted import ENERGIES, Adjusted, Energy, Means, dependent_residuals
from ifm_learn.ladder.estimate import EDGE, FEW_ROWS
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.rungs import AUTO
from ifm_learn.outcome.estimator import targets_of

ALL = "all"
CONTROL = "ctrl"

LITTLE, ENOUGH = 0.25, 30
"""Of a training regime's rows, the share, or the number, that must be left in effect once they are weighted to the
population."""

Bools = NDArray[np.bool_]

_SHIFTED = 1e-3
_NAMED = 4
_STEPS = 60


def check_asked(method: str, energy: str, **others: object) -> None:
    """InputError for what takes no account of covariates; others: arguments that must be None or False."""
    remedy = f"covariates are adjusted for by the method 'ifm1' with the energies {', '.join(ENERGIES)}"
    if method != "ifm1":
        raise InputError(f"the method {method!r} takes no account of covariates; {remedy}", argument="method")
    if energy not in (AUTO, *ENERGIES):
        raise InputError(f"the energy {energy!r} takes no account of covariates; {remedy}", argument="energy")
    for name, value in others.items():
        if value is not None and value is not False:
            raise InputError(f"{name} takes no account of covariates; {remedy}, without {name}", argument=name)


@dataclass(frozen=True, eq=False)
class Population:
    """Whose covariates means are over: `values`, shape (N, w).

    rows: which rows of the data they are, shape (N,), None for others; group: its value, "" for all.
    """

    name: str
    values: Floats
    rows: Ints | None
    group: str = ""


def populations(name: str | Path, by: str | None, samples: Samples, covariates: Covariates) -> list[Population]:
    """The population of that name, in groups where `by` names a covariate; InputError where there are no rows."""
    word = str(name)
    rows: Ints | None = np.arange(len(samples), dtype=np.int64)
    if word == CONTROL:
        active = samples.design.train.take(samples.regime).active_counts
        rows = np.flatnonzero(active == 0)
        if not len(rows):
            raise InputError(
                "no row is at the baseline, so there is no population ctrl; take all, or a file of covariates",
                argument="population",
            )
        covariates = covariates.take(rows)
    elif word != ALL:
        rows, covariates = None, read_population(Path(name), covariates.columns)
    if by is None:
        return [Population(word, covariates.values, rows)]
    return [
        Population(word, covariates.values[part], None if rows is None else rows[part], text)
        for text, part in covariates.groups(by)
    ]


@dataclass(frozen=True, eq=False)
class AdjustedWork:
    """One regression for every variable or outcome, asked about regimes and populations.

    study: with its covariates; samples: of the same study without them.
    """

    study: Study
    samples: Samples
    covariates: Covariates
    energy: str
    level: float
    populations: tuple[Population, ...]
    by: str | None = None
    gains: list[tuple[float, float]] = field(default_factory=list)

    @cached_property
    def values(self) -> Floats:
        """The columns whose means are asked for, shape (n, k)."""
        return targets_of(self.samples)

    @cached_property
    def energies(self) -> tuple[Energy, ...]:
        """How every column is modelled: as asked, or `bernoulli` for values of 0 and 1 alone and else `normal`."""
        k = int(self.values.shape[1])
        asked = next((one for one in ENERGIES if one == self.energy), None)
        if asked is not None:
            return (asked,) * k
        binary = [bool(np.isin(column, (0.0, 1.0)).all()) for column in self.values.T]
        kinds: list[Energy] = ["bernoulli" if two else "normal" for two in binary]
        return tuple(kinds)

    @cached_property
    def place(self) -> Ints:
        """The regime of every row among those present, shape (n,)."""
        return np.searchsorted(self.samples.present, self.samples.regime).astype(np.int64)

    @cached_property
    def train(self) -> Regimes:
        """The training regimes present."""
        return self.samples.design.train.take(self.samples.present)

    def factors(self, column: int) -> tuple[int, ...]:
        """Whose coordinates a column's predictor is linear in: all, or all that a variable hangs on."""
        model = self.study.model
        every = tuple(range(len(model.factors)))
        if self.samples.y is not None:
            return every
        if self.energies[column] != "normal":
            return model.covers[model.cover_index[model.variables[column]]]
        reached, waiting = {model.variables[column]}, [model.variables[column]]
        while waiting:
            for k in model.covers[model.cover_index[waiting.pop()]]:
                new = set(model.factors[k].x) - reached
                reached |= new
                waiting.extend(new)
        return tuple(k for k in every if model.factors[k].x[0] in reached)

    def _fit(self, column: int, model: Model, factors: tuple[int, ...], covariates: Covariates) -> Adjusted:
        y, energy = self.values[:, column], self.energies[column]
        return Adjusted.fit(energy, model, factors, self.train, self.place, covariates, y, self.samples.unit)

    @cached_property
    def fits(self) -> tuple[Adjusted, ...]:
        """One for every column; InputError where an energy that takes variables for independent finds them not."""
        found = tuple(
            self._fit(k, self.study.model, self.factors(k), self.covariates) for k in range(self.values.shape[1])
        )
        if self.samples.y is None and any(one != "normal" for one in self.energies):
            pair = dependent_residuals(found) if len(self.study.model.covers) > 1 else None
            if pair is not None:
                names = [self.study.model.variables[k] for k in pair.columns]
                raise InputError(
                    f"the energies bernoulli and poisson take variables in different factors to be "
                    "independent within "
                    f"a regime, given covariates; {names[0]} and {names[1]} are not (correlation "
                    f"{pair.correlation:.2f}, p = {pair.p_value:.1g}); take the energy 'normal'",
                    argument="energy",
                )
        return found

    def columns(
        self, found: Identification, effects: bool
    ) -> tuple[Columns, Floats, list[tuple[dict[str, Any], ...]]]:
        """Numbers of every regime of `found` and population; the additive ones, and effects, beside.

        `found` repeats every regime once for each population.
        """
        g, k = len(self.populations), self.values.shape[1]
        columns = Columns.empty(len(found), k)
        additive = np.full((len(found), k), np.nan)
        made: list[list[dict[str, Any]]] = [[{} for _ in range(k)] for _ in range(len(found))]
        known = (found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED)
        regimes = np.arange(0, len(found), g)
        baseline = Regimes.from_active([()], found.targets.width)
        shares = self._overlap
        for column, one in enumerate(self.fits):
            asked = regimes[known[regimes]]
            reached = one.reaches(found.targets.take(asked))
            for row in asked[~reached].tolist():
                for i in range(g):
                    columns.note[row + i] = (
                        "identified by full conditionals only; adjusting for covariates takes a joint formula"
                    )
            asked = asked[reached]
            if not len(asked):
                continue
            base = bool(one.reaches(baseline)[0])
            wanted = found.targets.take(asked)
            wanted = Regimes.concatenate([baseline, wanted]) if base else wanted
            main = self._main_effects(column)
            singles = main.reaches(found.targets.take(asked))
            for i, population in enumerate(self.populations):
                rows = asked + i
                means = one.means(wanted, population.values, population.rows)
                self._fill(columns, rows, column, means, int(base))
                if base and effects:
                    self._effects(made, rows, column, means)
                if singles.any():
                    beside = main.means(found.targets.take(asked[singles]), population.values)
                    additive[rows[singles], column] = beside.mean
                self._gain(column, wanted, means)
                rests = means.rests[int(base) :]
                least = np.where(rests, shares[i], np.inf).min(axis=1, initial=np.inf)
                poor = (rests & self._poor[i]).any(axis=1)
                columns.support[rows] = np.fmin(columns.support[rows], np.where(np.isfinite(least), least, np.nan))
                self._flags(columns, rows, column, rests, poor)
            if one.misses:
                every = [row + i for row in asked.tolist() for i in range(g)]
                _flag(columns, every, column, "misses_training")
                columns.confidence_low[every, column] = columns.confidence_high[every, column] = np.nan
        return columns, additive, [tuple(row) for row in made]

    def _fill(self, columns: Columns, rows: Ints, column: int, means: Means, skip: int) -> None:
        mean, se, freedom = means.mean[skip:], means.se[skip:], means.freedom[skip:]
        columns.mean[rows, column], columns.se[rows, column] = mean, se
        low, high = self._ends(column, mean, se, freedom)
        columns.confidence_low[rows, column], columns.confidence_high[rows, column] = low, high
        for row, value in zip(rows.tolist(), mean.tolist(), strict=True):
            columns.models[row][column] = {self.energies[column]: 1.0} if np.isfinite(value) else {}
            if not np.isfinite(value) and not columns.note[row]:
                columns.note[row] = (
                    f"rows do not tell {listed([one.name for one in self.covariates.columns])} and the "
                    "factors apart "
                    "here: some value occurs in some regimes only"
                )

    def _ends(self, column: int, mean: Floats, se: Floats, freedom: Floats) -> tuple[Floats, Floats]:
        """Of intervals of means, each (r,), inside the range of shares and counts."""
        ranges = Ranges.of(self.values[:, [column]], self.place).lumped_alone()
        freedom = np.where(np.isnan(freedom), 1.0, freedom)
        low, high = ranges.interval(mean[:, None], se[:, None], freedom[:, None], self.level)
        return low[:, 0], high[:, 0]

    def _effects(self, made: list[list[dict[str, Any]]], rows: Ints, column: int, means: Means) -> None:
        """Differences from the baseline: as far as the intervals of both means with their correlation.

        Of means without a range these are t intervals (Zou 2007 for others).
        """
        below = above = student.ppf(1 - self.level / 2, np.fmax(means.freedom, 1.0)) * means.difference_se
        if Ranges.of(self.values[:, [column]], self.place).lumped[0]:
            low, high = self._ends(column, means.mean, means.se, means.freedom)
            down, up = means.mean - low, high - means.mean
            squares = means.se**2 + means.se[0] ** 2 - means.difference_se**2
            shared = np.clip(np.nan_to_num(squares / np.maximum(2 * means.se * means.se[0], 1e-300)), -1.0, 1.0)
            below, above = (
                np.sqrt(np.maximum(own**2 + base**2 - 2 * shared * own * base, 0.0))
                for own, base in ((down, up[0]), (up, down[0]))
            )
        for row, value, under, over in zip(
            rows.tolist(), means.difference[1:].tolist(), below[1:].tolist(), above[1:].tolist(), strict=True
        ):
            if np.isfinite(value) and np.isfinite(under + over):
                made[row][column] = {
                    "scale": "differences of means",
                    "difference": value,
                    "difference_interval": [value - under, value + over],
                }

    def _flags(self, columns: Columns, rows: Ints, column: int, rests: Bools, poor: Bools) -> None:
        counts = np.array([len(np.unique(self._unit[self.place == r])) for r in range(len(self.train))])
        few = (rests & (counts < FEW_ROWS)).any(axis=1)
        low, high = np.quantile(self.values[:, column], [EDGE, 1 - EDGE])
        mean = columns.mean[rows, column]
        _flag(columns, rows[few & np.isfinite(mean)].tolist(), column, "few_rows")
        _flag(columns, rows[(mean < low) | (mean > high)].tolist(), column, "extrapolated")
        _flag(columns, rows[poor & np.isfinite(mean)].tolist(), column, "little_overlap")

    @cached_property
    def _unit(self) -> Ints:
        return np.arange(len(self.samples)) if self.samples.unit is None else self.samples.unit

    def _main_effects(self, column: int) -> Adjusted:
        """The additive baseline, adjusted alike: one factor for each intervention."""
        model = self.study.model
        factors = (
            Factor("baseline", ("the mean",), ()),
            *(Factor(i.name, ("the mean",), (i.name,)) for i in model.interventions),
        )
        additive = Model(model.interventions, ("the mean",), factors, model.covariates)
        return self._fit(column, additive, tuple(range(len(factors))), self.covariates)

    def _gain(self, column: int, regimes: Regimes, means: Means) -> None:
        """The variances of means, and of differences, over those without adjustment, where that is right too."""
        if not self.study.model.randomised or self.by is not None:
            return
        alone = Covariates((), np.empty((len(self.samples), 0)))
        plain = self._fit(column, self.samples.design.model, self.factors(column), alone)
        without = plain.means(regimes, np.empty((1, 0)))
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = [(means.se, without.se), (means.difference_se, without.difference_se)]
            ratios = [np.square(one / other) for one, other in pairs]
        self.gains.extend(zip(*(ratio.tolist() for ratio in ratios), strict=True))

    @cached_property
    def gain(self) -> tuple[float, float]:
        """The median of those ratios, of means and of differences from the first regime; NaN where not known."""
        found = np.array(self.gains, dtype=np.float64).reshape(-1, 2)
        each = (column[np.isfinite(column)] for column in found.T)
        means, differences = (float(np.median(column)) if len(column) else np.nan for column in each)
        return means, differences

    @cached_property
    def _overlap(self) -> Floats:
        """Of every population and training regime, the share of its rows left in effect, shape (g, m)."""
        spread = self.covariates.values.std(axis=0)
        unit = np.where(spread > 0, spread, 1.0)
        parts = [self.covariates.values[self.place == r] / unit for r in range(len(self.train))]
        return np.array(
            [
                [effective_share(part, (one.values / unit).mean(axis=0)) for part in parts]
                for one in self.populations
            ]
        ).reshape(len(self.populations), len(self.train))

    @cached_property
    def _poor(self) -> Bools:
        """Where that share, and the rows in effect, are little, shape (g, m)."""
        few: Bools = self._overlap * np.bincount(self.place, minlength=len(self.train)) < ENOUGH
        return few & (self._overlap < LITTLE)

    def warnings(self) -> Iterator[str]:
        """What to know beside the numbers."""
        names = listed([one.name for one in self.covariates.columns])
        if self.samples.y is not None:
            yield "the outcome is taken for a variable of every factor, and the variables of the study are "
            "not used"
        if self.study.model.randomised:
            yield from self._moved()
        poor = np.argwhere(self._poor)
        if len(poor):
            regimes = format_regimes(self.study.model, self.train, self.study.notation).to_pylist()
            told = dict.fromkeys(regimes[r] for _, r in poor.tolist())
            yield (
                f"in {listed(list(told), _NAMED)} hardly any rows have {names} as the population has: there "
                "the form "
                "of the model decides, not rows"
            )

    def _moved(self) -> Iterator[str]:
        """Covariates whose means differ between regimes though they are said to be randomised."""
        labels, tests = self.covariates.labels, max(1, len(self.covariates.labels))
        values, place = self.covariates.values, self.place
        if self.samples.unit is not None:  # one value a unit and regime
            _, first = np.unique(np.stack([self._unit, place]), axis=1, return_index=True)
            values, place = values[first], place[first]
        n, m = len(values), len(self.train)
        if not (m > 1 and n > m):
            return
        counts = np.bincount(place, minlength=m)
        for j, label in enumerate(labels):
            column = values[:, j] - values[:, j].mean()
            means = np.bincount(place, column, minlength=m) / np.maximum(counts, 1)
            between = float(counts @ means**2)
            within = float(column @ column) - between
            p = (
                float(f_law.sf(between / (m - 1) / max(within / (n - m), 1e-300), m - 1, n - m))
                if between > 0
                else 1
            )
            if p * tests < _SHIFTED:
                yield (
                    f"{label} differs between regimes (p = {p:.1g}), though the study says `randomised: "
                    "true`: leave "
                    "that out if treatment was not assigned at random; if it was, treatment moved it, and what "
                    "treatment moves is a variable, not a covariate"
                )

    def about(self) -> dict[str, Any]:
        """The covariates, the population, the overlap and the gain, as JSON holds them."""
        regimes = format_regimes(self.study.model, self.train, self.study.notation).to_pylist()
        overlap = [
            {**({"group": one.group} if self.by else {}), **dict(zip(regimes, map(_rounded, row), strict=True))}
            for one, row in zip(self.populations, self._overlap.tolist(), strict=True)
        ]
        return {
            "columns": self.covariates.labels,
            "population": self.populations[0].name,
            "randomised": self.study.model.randomised,
            **({"by": self.by} if self.by else {}),
            "overlap": overlap,
            **({"variance_ratio": self.gain[0]} if np.isfinite(self.gain[0]) else {}),
            **({"effect_variance_ratio": self.gain[1]} if np.isfinite(self.gain[1]) else {}),
        }

    def words(self) -> str:
        """What answered, in a few words."""
        name = self.populations[0].name
        over = {ALL: "all rows", CONTROL: "the baseline's rows"}.get(name, f"the rows of {name}")
        covariates = listed([one.name for one in self.covariates.columns])
        by = f" by {self.by}" if self.by else ""
        return f"{listed(list(dict.fromkeys(self.energies)))}, adjusted for {covariates}, over {over}{by}"


def _rounded(value: float) -> float:
    return round(value, 6)


def _flag(columns: Columns, rows: list[int], column: int, word: str) -> None:
    for row in rows:
        had = columns.flags[row][column]
        columns.flags[row][column] = had if word in had else (*had, word)


def effective_share(values: Floats, goal: Floats) -> float:
    """What share of rows is left in effect when weights exp(values @ b) give them the mean `goal`; 0 to 1.

    Their effective number over the number of rows (entropy balancing, Hainmueller 2012), next to 0 where no such
    weights exist. values: shape (n, w), columns of spread about 1.

    >>> z = np.random.default_rng(0).normal(size=(500, 1))
    >>> [round(effective_share(z, np.array([goal])), 1) for goal in (0.0, 1.0, 10.0)]
    [1.0, 0.4, 0.0]
    """
    centred = values - goal
    b, w = np.zeros(centred.shape[1]), centred.shape[1]
    weight = np.full(len(values), 1 / len(values))
    if not w:
        return 1.0

    def loss(at: Floats) -> float:
        score = centred @ at
        return float(score.max() + np.log(np.exp(score - score.max()).mean())) + _PULL * float(at @ at) / 2

    for _ in range(_STEPS):
        score = centred @ b
        weight = np.exp(score - score.max())
        weight /= weight.sum()
        slope = weight @ centred + _PULL * b
        mean = weight @ centred
        bend = (centred * weight[:, None]).T @ centred - np.outer(mean, mean) + _PULL * np.eye(w)
        step = np.linalg.solve(bend, slope)
        size, before = 1.0, loss(b)
        while loss(b - size * step) > before and size > 1e-8:
            size /= 2
        b = b - size * step
        if float(slope @ step) < 1e-10:
            break
    return float(1 / np.square(weight).sum() / len(values))


_PULL = 1e-4
