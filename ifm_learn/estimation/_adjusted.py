"""Means adjusted for covariates, over a population or by groups: numbers, overlap, and what adjustment gained.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ifm_ident import Design, Factor, Identification, Identifier, InputError, Model, Regimes, Status, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regimes
from ifm_ident.show import listed
from ifm_learn.data.covariates import Covariates
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._populations import ALL, CONTROL, Population, moved_words
from ifm_learn.ladder.adjusted import Adjusted
from ifm_learn.ladder.adjusted_average import AdjustedAnswer, AdjustedLadder, Method
from ifm_learn.ladder.adjusted_families import AdjustedFamilies, factors_of
from ifm_learn.ladder.adjusted_fit import TILTS, fit_adjusted
from ifm_learn.ladder.adjusted_rows import AdjustedRows
from ifm_learn.ladder.balancing import effective_share
from ifm_learn.ladder.estimate import EDGE, FEW_ROWS
from ifm_learn.ladder.glm import ENERGIES, Energy
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.rungs import AUTO
from ifm_learn.outcome.estimator import targets_of

LITTLE, ENOUGH = 0.25, 30
"""Of a training regime's rows, the share, or the number, that must be left in effect once they are weighted to the
population."""

Bools = NDArray[np.bool_]

_NAMED = 4

METHODS: tuple[Method, ...] = ("ifm1", "dr", "balance")


def check_asked(method: str, energy: str, **others: object) -> Method:
    """The method; InputError for what takes no account of covariates; others: must be None or False."""
    remedy = (
        f"covariates are adjusted for by the methods {', '.join(METHODS)} with the energies "
        f"{', '.join((*ENERGIES, *TILTS))}"
    )
    chosen = next((one for one in METHODS if one == method), None)
    if chosen is None:
        raise InputError(f"the method {method!r} takes no account of covariates; {remedy}", argument="method")
    if energy not in (AUTO, *ENERGIES, *TILTS):
        raise InputError(f"the energy {energy!r} takes no account of covariates; {remedy}", argument="energy")
    for name, value in others.items():
        if value is not None and value is not False:
            raise InputError(f"{name} takes no account of covariates; {remedy}, without {name}", argument=name)
    return chosen


@dataclass(frozen=True, eq=False)
class AdjustedWork:
    """Regressions and tilts of every variable or outcome, averaged, asked about regimes and populations.

    study: with its covariates; samples: of the same study without them. seconds: as in `fit_adjusted`; asked: how
    many regimes will be.
    """

    study: Study
    samples: Samples
    covariates: Covariates
    energy: str
    level: float
    populations: tuple[Population, ...]
    by: str | None = None
    method: Method = "ifm1"
    seed: int = 0
    seconds: float | None = None
    asked: int = 1
    gains: list[tuple[float, float]] = field(default_factory=list)

    @cached_property
    def values(self) -> Floats:
        """The columns whose means are asked for, shape (n, k)."""
        return targets_of(self.samples)

    @cached_property
    def energies(self) -> tuple[Energy, ...]:
        """The family of what stands beside the average, by column: as asked, or of 0 and 1 or numbers."""
        asked = next((one for one in ENERGIES if one == self.energy), None)
        if asked is not None:
            return (asked,) * int(self.values.shape[1])
        kinds: list[Energy] = ["bernoulli" if np.isin(c, (0.0, 1.0)).all() else "normal" for c in self.values.T]
        return tuple(kinds)

    @cached_property
    def place(self) -> Ints:
        """The regime of every row among those present, shape (n,)."""
        return np.searchsorted(self.samples.present, self.samples.regime).astype(np.int64)

    @cached_property
    def train(self) -> Regimes:
        """The training regimes present."""
        return self.samples.design.train.take(self.samples.present)

    def _rows(self) -> list[AdjustedRows]:
        """The rows of all variables together, or of each outcome as a variable of every factor."""
        if self.samples.y is None:
            return [AdjustedRows(self.study.model, self.samples, self.covariates)]
        model = self.study.model
        factors = tuple(Factor(one.name, ("y",), one.sigma, one.z) for one in model.factors)
        wide = Model(model.interventions, ("y",), factors, model.covariates, model.randomised)
        plain = Model(model.interventions, ("y",), tuple(Factor(f.name, f.x, f.sigma) for f in factors))
        alone = dataclasses.replace(
            self.samples, design=Design(plain, self.samples.design.train), y=None, outcome=None, outcomes=(),
            scaling=None, x=self.values[:, [0]],
        )  # fmt: skip
        each = (dataclasses.replace(alone, x=column[:, None]) for column in self.values.T)
        return [AdjustedRows(wide, one, self.covariates) for one in each]

    @cached_property
    def ladders(self) -> tuple[AdjustedLadder, ...]:
        """One of all variables, or one of each outcome."""
        rows = self._rows()
        return tuple(
            fit_adjusted(
                one, self.energy, seed=self.seed, method=self.method, seconds=self.seconds, share=len(rows),
                asked=self.asked * len(self.populations),
            )
            for one in rows
        )  # fmt: skip

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
        asked = np.flatnonzero(known[::g]) * g
        reached = self.ladders[0].reaches(found.targets.take(asked)) if len(asked) else np.ones(0, dtype=bool)
        for row in asked[~reached].tolist():
            for i in range(g):
                columns.note[row + i] = (
                    "identified by full conditionals only; an outcome beside covariates takes a joint formula"
                )
        asked = asked[reached]
        if not len(asked):
            return columns, additive, [tuple(row) for row in made]
        baseline = Regimes.from_active([()], found.targets.width)
        base = bool(self.ladders[0].reaches(baseline)[0])
        wanted = found.targets.take(asked)
        wanted = Regimes.concatenate([baseline, wanted]) if base else wanted
        sums = None
        if base and effects:
            wanted, sums = self._with_singles(wanted)
        for number, ladder in enumerate(self.ladders):
            for i, population in enumerate(self.populations):
                answers = ladder.answers(
                    wanted, population.values, population.rows, self.method, float(self.level), i, sums
                )
                for v, answer in enumerate(answers):
                    column = number + v  # either number or v is 0
                    self._fill(columns, asked + i, column, ladder, v, answer, int(base))
                    if base and effects:
                        self._effects(made, asked + i, column, answer)
                    self._flags(columns, asked + i, column, answer, i, int(base))
                    self._gain(column, ladder, v, wanted.take(np.arange(int(base) + len(asked))), answer)
        for column in range(k):
            main = self._main_effects(column)
            singles = np.zeros(len(asked), dtype=bool) if main is None else main.reaches(found.targets.take(asked))
            for i, population in enumerate(self.populations):
                if main is not None and singles.any():
                    beside = main.means(found.targets.take(asked[singles]), population.values)
                    additive[asked[singles] + i, column] = beside.mean
        return columns, additive, [tuple(row) for row in made]

    def _with_singles(self, regimes: Regimes) -> tuple[Regimes, Floats]:
        """Regimes, the baseline first, with singles behind; coefficients of each one's synergy, nan for unknown.

        That is its mean less that of the baseline and what each of its interventions adds by itself.
        """
        singles = dict.fromkeys((pair,) for regime in regimes for pair in regime)
        more = [one for one in singles if one not in set(regimes)]
        asked = Regimes.from_active(more, regimes.width)
        known = Identifier(self.samples.design).identify(asked).status
        told = np.isin(known, (Status.OBSERVED, Status.IDENTIFIED))
        if told.any():
            told[told] = self.ladders[0].reaches(asked.take(np.flatnonzero(told)))
        every = Regimes.concatenate([regimes, asked.take(np.flatnonzero(told))]) if told.any() else regimes
        place = {regime: i for i, regime in enumerate(every)}
        sums = np.zeros((len(every), len(every)))
        for i, regime in enumerate(regimes):
            parts = [place.get((pair,)) for pair in regime]
            sums[i, i] += 1.0
            sums[i, 0] += len(parts) - 1.0
            for at in parts:
                if at is None:
                    sums[i] = np.nan
                else:
                    sums[i, at] -= 1.0
        return every, sums

    def _fill(
        self, columns: Columns, rows: Ints, column: int, ladder: AdjustedLadder, v: int, answer: AdjustedAnswer,
        skip: int,
    ) -> None:  # fmt: skip
        table, at = answer.table, slice(skip, skip + len(rows))
        told = np.isfinite(table.se[at, 0])
        columns.mean[rows, column] = table.mean[at, 0]
        columns.se[rows, column] = np.where(told, table.se[at, 0], np.nan)
        columns.confidence_low[rows, column] = np.where(told, table.low[at, 0], np.nan)
        columns.confidence_high[rows, column] = np.where(told, table.high[at, 0], np.nan)
        names = [law.energies[v] if isinstance(law, AdjustedFamilies) else law.rung for law in ladder.laws]
        for place, row in enumerate(rows.tolist()):
            if not np.isfinite(columns.mean[row, column]):
                columns.se[row, column] = np.nan
                columns.note[row] = columns.note[row] or self._why(answer, place + skip)
                continue
            shares: dict[str, float] = {}
            for name, share in zip(names, table.weights[:, place + skip, 0].tolist(), strict=True):
                if share > 0:
                    shares[name] = round(shares.get(name, 0.0) + share, 6)
            columns.models[row][column] = shares

    def _why(self, answer: AdjustedAnswer, place: int) -> str:
        """Why a regime has no mean."""
        names = listed([one.name for one in self.covariates.columns])
        if not answer.told[place]:
            return f"rows do not tell {names} and the factors apart here: some value occurs in some regimes only"
        if answer.means is None or self.method != "ifm1":
            return f"no weights of many rows give {names} the population's means; a regression may answer"
        if self.energy in ("gamma", "negbin"):
            return f"the parameter of the {self.energy} law leaves its range here for some {names}"
        return "identified by full conditionals only; the energy 'normal' takes a joint formula, tilts do not"

    def _effects(self, made: list[list[dict[str, Any]]], rows: Ints, column: int, answer: AdjustedAnswer) -> None:
        """Differences from the baseline: as far as the intervals of both means with their correlation.

        Of means without a range these are t intervals (Zou 2007 for others).
        """
        table, error = answer.table, answer.difference_se
        below = above = student.ppf(1 - self.level / 2, np.fmax(table.freedom[:, 0], 1.0)) * error
        sound = np.isfinite(table.low[:, 0])
        if Ranges.of(self.values[:, [column]], self.place).lumped[0]:
            mean, se = table.mean[:, 0], table.se[:, 0]
            down, up = mean - table.low[:, 0], table.high[:, 0] - mean
            squares = se**2 + se[0] ** 2 - error**2
            shared = np.clip(np.nan_to_num(squares / np.maximum(2 * se * se[0], 1e-300)), -1.0, 1.0)
            below, above = (
                np.where(error > 0, np.sqrt(np.maximum(own**2 + base**2 - 2 * shared * own * base, 0.0)), 0.0)
                for own, base in ((down, up[0]), (up, down[0]))
            )
        half = student.ppf(1 - self.level / 2, np.fmax(table.freedom[:, 0], 1.0)) * answer.total_se
        last = len(rows) + 1
        ends = zip(below[1:last].tolist(), above[1:last].tolist(), strict=True)
        for place, (row, (under, over)) in enumerate(zip(rows.tolist(), ends, strict=True), start=1):
            value = float(answer.difference[place])
            if np.isfinite(value):
                made[row][column] = {"scale": "differences of means", "difference": value}
                if sound[place] and np.isfinite(under + over):
                    made[row][column]["difference_interval"] = [value - under, value + over]
                synergy, width = float(answer.total[place]), float(half[place])
                if np.isfinite(synergy):
                    made[row][column] |= {"expected": float(table.mean[place, 0]) - synergy, "synergy": synergy}
                    if sound[place] and np.isfinite(width):
                        made[row][column]["synergy_interval"] = [synergy - width, synergy + width]

    def _flags(
        self, columns: Columns, rows: Ints, column: int, answer: AdjustedAnswer, population: int, skip: int
    ) -> None:
        at = slice(skip, skip + len(rows))
        rests, share = answer.rests[at], self._overlap[population]
        least = np.where(rests, share, np.inf).min(axis=1, initial=np.inf)
        columns.support[rows] = np.fmin(columns.support[rows], np.where(np.isfinite(least), least, np.nan))
        counts = np.array([len(np.unique(self._unit[self.place == r])) for r in range(len(self.train))])
        low, high = np.quantile(self.values[:, column], [EDGE, 1 - EDGE])
        mean, own = columns.mean[rows, column], answer.table.flags
        far = self.study.model.has_bases & own["extrapolated"][at, 0]
        where = {
            "few_rows": (rests & (counts < FEW_ROWS)).any(axis=1),
            "extrapolated": (mean < low) | (mean > high) | far,
            "little_overlap": (rests & self._poor[population]).any(axis=1) | own["little_overlap"][at, 0],
            "misses_training": own["misses_training"][at, 0],
            "models_disagree": own["models_disagree"][at, 0],
        }
        for place, row in enumerate(rows.tolist()):
            if np.isfinite(mean[place]):
                columns.flags[row][column] = tuple(word for word, held in where.items() if held[place])

    @cached_property
    def _unit(self) -> Ints:
        return np.arange(len(self.samples)) if self.samples.unit is None else self.samples.unit

    def _main_effects(self, column: int) -> Adjusted | None:
        """The additive baseline, adjusted alike: a factor for each intervention; None where it has no estimate."""
        model = self.study.model
        factors = (
            Factor("baseline", ("the mean",), ()),
            *(Factor(i.name, ("the mean",), (i.name,)) for i in model.interventions),
        )
        additive = Model(model.interventions, ("the mean",), factors, model.covariates)
        try:
            return self._fit(column, additive, tuple(range(len(factors))), self.covariates, self.energies[column])
        except InputError:
            return None

    def _fit(
        self, column: int, model: Model, factors: tuple[int, ...], covariates: Covariates, energy: Energy
    ) -> Adjusted:
        y = self.values[:, column]
        return Adjusted.fit(energy, model, factors, self.train, self.place, covariates, y, self.samples.unit)

    def _gain(self, column: int, ladder: AdjustedLadder, v: int, regimes: Regimes, answer: AdjustedAnswer) -> None:
        """The variances of means, and of differences, over those without adjustment, where that is right too.

        That is over the rows' own covariates, if treatment was randomised.
        """
        others = any(population.rows is None for population in self.populations)
        if not self.study.model.randomised or self.by is not None or others or answer.means is None:
            return
        rows, alone = ladder.rows, Covariates((), np.empty((len(self.samples), 0)))
        one = next(law.fits[v] for law in ladder.families)
        factors = factors_of(rows, v, one.energy)
        try:
            plain = self._fit(column, rows.samples.design.model, factors, alone, one.energy)
        except InputError:
            return
        reached = np.flatnonzero(plain.reaches(regimes))
        without = plain.means(regimes.take(reached), np.empty((1, 0)))
        with np.errstate(invalid="ignore", divide="ignore"):
            pairs = [
                (answer.means.se[reached], without.se),
                (answer.means.difference_se[reached], without.difference_se),
            ]
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
            yield "the outcome is taken for a variable of every factor; the variables of the study are not used"
        if any(fit.solved.penalised for one in self.ladders for law in one.families for fit in law.fits):
            yield (
                "some values tell rows of 0 (or of 1) apart without error, so no likelihood has a maximum: "
                "estimates are by Jeffreys' prior, which keeps them finite (Firth 1993)"
            )
        if self.study.model.randomised:
            yield from moved_words(self.samples, self.covariates)
        poor = np.argwhere(self._poor)
        if len(poor):
            regimes = format_regimes(self.study.model, self.train, self.study.notation).to_pylist()
            told = dict.fromkeys(regimes[r] for _, r in poor.tolist())
            yield (
                f"in {listed(list(told), _NAMED)} hardly any rows have {names} as the population has: there "
                "the form "
                "of the model decides, not rows"
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
        used = list(dict.fromkeys(name for ladder in self.ladders for name in self._names(ladder)))
        name = self.populations[0].name
        over = {ALL: "all rows", CONTROL: "the baseline's rows"}.get(name, f"the rows of {name}")
        covariates = listed([one.name for one in self.covariates.columns])
        by = f" by {self.by}" if self.by else ""
        what = f"an average over {listed(used)}" if len(used) > 1 else used[0]
        how = {"dr": ", with weighted residuals", "balance": ", by weights"}.get(self.method, "")
        return f"{what}{how}, adjusted for {covariates}, over {over}{by}"

    @staticmethod
    def _names(ladder: AdjustedLadder) -> list[str]:
        """What the laws of a ladder are, without repetition."""
        each = (law.energies if isinstance(law, AdjustedFamilies) else (law.rung,) for law in ladder.laws)
        return list(dict.fromkeys(name for names in each for name in names))

    def energy_about(self) -> dict[str, object]:
        """The models averaged, how far each is behind in held-out nats a unit, and why others are left out."""
        used = list(dict.fromkeys(name for ladder in self.ladders for name in self._names(ladder)))
        found: dict[str, object] = {"asked": self.energy, "chosen": used}
        ladder = self.ladders[0]
        if len(self.ladders) == 1 and ladder.scores is not None:
            gap, error = ladder.scores.behind()
            found["behind"] = {
                name: [float(g), float(e)] for name, g, e in zip(ladder.scores.rungs, gap, error, strict=True)
            }
        refused = {name: why for one in self.ladders for name, why in one.refused.items()}
        return found | ({"left_out": refused} if refused else {})


def _rounded(value: float) -> float:
    return round(value, 6)
