"""Means adjusted for covariates: the average over families and tilts that rows cannot tell apart.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.ladder._adjusted_tilt import AdjustedTilt
from ifm_learn.ladder._rung_means import USED, Asked, RungMeans
from ifm_learn.ladder._selection import Scores
from ifm_learn.ladder._weights import effective
from ifm_learn.ladder.adjusted import Adjusted, Means
from ifm_learn.ladder.adjusted_families import AdjustedFamilies
from ifm_learn.ladder.adjusted_rows import AdjustedRows
from ifm_learn.ladder.average import BARE, every_factor, exponents, freedom
from ifm_learn.ladder.balancing import balanced
from ifm_learn.ladder.estimate import LadderEstimate, combined, enough_rows, flagged
from ifm_learn.ladder.ranges import Ranges

Method = Literal["ifm1", "dr", "balance"]

_MISS = 0.01
_TOGETHER = 16
_MOST = 0.8
_FEWEST = 8
"""A population of fewer is no law that rows can be weighted to."""

Mask = NDArray[np.bool_]
Law = AdjustedFamilies | AdjustedTilt
_Goal = Callable[[Floats], Floats]
"""The means of functions of covariates over a population, rows counted anew."""


@dataclass(frozen=True, eq=False)
class AdjustedAnswer:
    """One column's means over one population: the average, differences from the first regime, and sums of means.

    rests: which training regimes each mean rests on, (r, m); told: whether rows tell covariates and factors apart,
    (r,). means: of the first family that answers, if any.
    """

    table: LadderEstimate
    difference: Floats
    difference_se: Floats
    total: Floats
    total_se: Floats
    rests: Mask
    told: Mask
    means: Means | None


@dataclass(frozen=True, eq=False)
class AdjustedLadder:
    """Families and tilts fitted to the same rows, their held-out scores, and refits of the likely ones.

    laws: within two standard errors of the best, `weights` theirs; refused: why others are none. redraws: weights
    of rows, shape (replicates, n).
    """

    rows: AdjustedRows
    laws: tuple[Law, ...]
    weights: Floats
    scores: Scores | None
    refused: dict[str, str]
    redraws: Floats
    chance: Floats
    refits: dict[str, tuple[Law, ...]] = field(repr=False)

    @property
    def rungs(self) -> tuple[str, ...]:
        """The names of the laws."""
        return tuple(law.rung for law in self.laws)

    @property
    def families(self) -> tuple[AdjustedFamilies, ...]:
        """Those of the laws that are regressions."""
        return tuple(law for law in self.laws if isinstance(law, AdjustedFamilies))

    def reaches(self, regimes: Regimes) -> Mask:
        """Which regimes the factors of every variable reach, shape (r,)."""
        found: Mask = np.logical_and.reduce([one.reaches(regimes) for one in self._lines])
        return found

    @cached_property
    def _lines(self) -> tuple[Adjusted, ...]:
        """Of every variable a linear model of the factors that hold it: what its rows tell apart, a tilt can."""
        rows, model = self.rows, self.rows.model
        return tuple(
            Adjusted.fit(
                "normal", model, model.covers[model.cover_index[name]], rows.train, rows.place, rows.covariates,
                rows.samples.x[:, v], rows.samples.unit,
            )
            for v, name in enumerate(model.variables)
        )  # fmt: skip

    @property
    def _tilted(self) -> bool:
        return any(isinstance(law, AdjustedTilt) for law in self.laws)

    def _is_law(self, population: Floats) -> bool:
        """Whether enough rows are left in effect once they are weighted to the population, whatever x is."""
        size = len(self.rows)
        return len(population) >= _FEWEST and self.rows.share(population) * size >= enough_rows(size)

    @cached_property
    def _chances(self) -> list[Floats]:
        return [self.rows.chance(weight) for weight in self.redraws]

    def answers(
        self,
        wanted: Regimes,
        population: Floats,
        members: Ints | None,
        method: Method,
        alpha: float,
        number: int = 0,
        sums: Floats | None = None,
    ) -> list[AdjustedAnswer]:
        """Means in regimes over a population's covariates, shape (N, w); an answer for every column.

        members: which rows the population is, so that it is redrawn with them; None for one that is as it is.
        number: tells populations apart. sums: coefficients of one sum of the means for every regime, shape (r, r).
        """
        rows, samples = self.rows, self.rows.samples
        functions = rows.functions(population)

        def goal(weight: Floats) -> Floats:
            counted = np.ones(len(functions)) if members is None else weight[members]
            found: Floats = counted @ functions / counted.sum()
            return found

        sums = np.zeros((len(wanted), len(wanted))) if sums is None else sums
        shares = exponents(every_factor(samples.design), wanted)
        free = freedom(shares, rows.units, max(len(self.redraws), 2))
        lines = [one.means(wanted, population) for one in self._lines] if self._tilted else []
        told = np.full(len(wanted), self._tilted and self._is_law(population))
        for one in lines:
            told &= np.isfinite(one.mean)
        every = [
            self._by_weights(law, wanted, (told, [one.rests for one in lines]), goal, number, sums)
            if isinstance(law, AdjustedTilt)
            else self._by_family(law, wanted, (population, members), goal, method, sums)
            for law in self.laws
        ]
        lone = np.any((np.abs(shares) > USED) & (rows.units.counts < 2), axis=1)
        found = []
        for v in range(samples.x.shape[1]):
            asked = Asked.of(samples, rows.units, wanted, None, samples.x[:, v])
            least = np.sqrt(shares**2 @ np.where(asked.bare == 0, asked.unseen, 0.0)[:, 0] ** 2)
            bare = np.sqrt(BARE * shares**2 @ np.abs(asked.bare)[:, 0])
            mine = [parts[v].of_no_less(least, bare, asked.ranges, lone) for parts in every]
            table = combined(self.rungs, self.weights, [one.means for one in mine], asked, shares, free, alpha)
            table = flagged(table, [one.means for one in mine], asked, shares)
            away = _averaged(
                table.weights[:, :, 0], [one.difference for one in mine], [one.difference_se for one in mine]
            )
            total = _averaged(table.weights[:, :, 0], [one.total for one in mine], [one.total_se for one in mine])
            first = next((one.family for one in mine if one.family is not None), None)
            rests = np.logical_or.reduce([one.rests for one in mine])
            told = np.isfinite(table.mean[:, 0])
            if not told.all():
                told |= np.isfinite(self._lines[v].means(wanted, population).mean)
            found.append(AdjustedAnswer(table, *away, *total, rests, told, first))
        return found

    def _by_family(
        self,
        law: AdjustedFamilies,
        wanted: Regimes,
        whose: tuple[Floats, Ints | None],
        goal: _Goal,
        method: Method,
        sums: Floats,
    ) -> list[_Part]:
        population, members = whose
        found = []
        for one in law.fits:
            reached = one.reaches(wanted)
            means = spread(
                one.means(wanted.take(np.flatnonzero(reached)), population, members, sums[:, reached]), reached
            )
            total = np.where((sums[:, ~reached] != 0).any(axis=1), np.nan, means.total)
            r = len(wanted)
            table = RungMeans(
                means.mean[:, None], means.se[:, None], np.zeros((1, r, 1)), np.full(r, float(len(self.rows))),
                False, np.array([one.misses]), means.freedom,
            )  # fmt: skip
            found.append(
                _Part(table, means.difference, means.difference_se, total, means.total_se, means, means.rests)
            )
        if method == "ifm1":
            return found
        if not self._is_law(population):
            none = np.full(len(wanted), np.nan)
            return [_part(none, none[None], one.means, one.family, one.rests, sums) for one in found]
        starts: dict[int, Floats] = {}
        best = self._weighted(law, self.chance, wanted, whose, goal, method, starts)
        drawn = np.stack([
            self._weighted(refit, chance, wanted, whose, goal, method, starts)
            for refit, chance in zip(self.refits[law.rung], self._chances, strict=True)
            if isinstance(refit, AdjustedFamilies)
        ])  # fmt: skip
        return [
            _part(best[:, v], drawn[:, :, v], one.means, one.family, one.rests, sums)
            for v, one in enumerate(found)
        ]

    def _weighted(
        self,
        law: AdjustedFamilies,
        chance: Floats,
        wanted: Regimes,
        whose: tuple[Floats, Ints | None],
        goal: _Goal,
        method: Method,
        starts: dict[int, Floats],
    ) -> Floats:
        """Weighted means of rows, by `dr` the family's with the weighted residuals; shape (r, p).

        By `dr` the residuals of a regime that was run are those of its own rows, weighted to the population alone.
        """
        rows, weight, x = self.rows, law.fits[0].weight, self.rows.samples.x
        reached = np.logical_and.reduce([one.reaches(wanted) for one in law.fits])
        some = wanted.take(np.flatnonzero(reached))
        found = np.full((len(wanted), x.shape[1]), np.nan)
        balance = law.weights(some, goal(weight), chance, starts)
        if method == "balance":
            found[reached] = balance @ x
            return found
        run = some.first_equal(rows.train)
        for r in np.flatnonzero(run >= 0).tolist():
            with np.errstate(divide="ignore"):
                own = np.where(rows.place == run[r], np.log(weight), -np.inf)
            balance[r] = balanced(rows.balance, goal(weight), own)[0]
        population, members = whose
        over = np.ones(len(population)) if members is None else weight[members]
        z = rows.standard(population)
        for v, one in enumerate(law.fits):
            for start in range(0, len(some), _TOGETHER):
                part = np.arange(start, min(start + _TOGETHER, len(some)))
                regimes = some.take(part)
                mean = over @ one.family.mean(one.thetas(regimes, z)[..., None]) / over.sum()
                left = x[:, [v]] - one.family.mean(one.thetas(regimes, rows.z)[..., None])
                found[np.flatnonzero(reached)[part], v] = mean + np.einsum("rn,nr->r", balance[part], left)
        return found

    def _by_weights(
        self,
        law: AdjustedTilt,
        wanted: Regimes,
        known: tuple[Mask, list[Mask]],
        goal: _Goal,
        number: int,
        sums: Floats,
    ) -> list[_Part]:
        """known: which regimes are told, and of every variable which training regimes each rests on."""
        x, (told, rests) = self.rows.samples.x, known
        weights = law.weights(wanted, goal(law.weight), number)
        weights[~told] = np.nan
        best, rows = weights @ x, effective(weights, law.weight)
        refits = [refit for refit in self.refits[law.rung] if isinstance(refit, AdjustedTilt)]
        drawn = np.stack([refit.weights(wanted, goal(refit.weight), number) @ x for refit in refits])
        misses = self._misses(law, refits)
        found = []
        for v in range(x.shape[1]):
            empty = RungMeans(
                best[:, [v]],
                np.zeros((len(best), 1)),
                drawn[:, :, [v]],
                np.nan_to_num(rows),
                True,
                misses[[v]],
                None,
            )
            found.append(_part(best[:, v], drawn[:, :, v], empty, None, rests[v], sums))
        return found

    def _misses(self, law: AdjustedTilt, refits: Sequence[AdjustedTilt]) -> Mask:
        gap = law.gaps()
        error = np.sqrt(np.mean([np.square(refit.gaps() - gap) for refit in refits], axis=0))
        counts = self.rows.units.counts[:, None]
        bound = student.ppf(1 - _MISS / (2 * len(gap)), np.maximum(counts - 1, 1))
        off: Mask = (
            (np.abs(gap) > bound * error + 1e-8 * np.abs(self.rows.samples.x).max(axis=0)) & (counts > 1)
        ).any(axis=0)
        return off


@dataclass(frozen=True, eq=False)
class _Part:
    """What one rung says of one column: means, differences from the first, sums, the family's own answer.

    rests: which training regimes each mean rests on, shape (r, m).
    """

    means: RungMeans
    difference: Floats
    difference_se: Floats
    total: Floats
    total_se: Floats
    family: Means | None
    rests: Mask

    def of_no_less(self, least: Floats, bare: Floats, ranges: Ranges, lone: Mask) -> _Part:
        """With errors of at least `least`, and by refits what rows at an end add, infinite where a unit is alone.

        bare: what those rows add to the error of a logit or logarithm, of which no redraw tells; lone: which rest
        on one unit; all shape (r,).
        """
        se = np.maximum(self.means.se[:, 0], least)
        away = np.maximum(self.difference_se, np.where(self.difference, least, 0.0))
        if len(self.means.replicates) > 1:
            more = bare * ranges.slope(self.means.mean)[:, 0]
            se, away = np.hypot(se, more), np.hypot(away, np.where(self.difference, more, 0.0))
            se, away = np.where(lone, np.inf, se), np.where(lone, np.inf, away)
        return dataclasses.replace(self, means=dataclasses.replace(self.means, se=se[:, None]), difference_se=away)


def _deviation(off: Floats) -> Floats:
    """The root of the mean square over refits, shape (replicates, r); nan where more than a few have none."""
    known = np.isfinite(off)
    total = np.square(np.where(known, off, 0.0)).sum(axis=0)
    enough = known.mean(axis=0) >= _MOST
    return np.where(enough, np.sqrt(total / np.maximum(known.sum(axis=0), 1)), np.nan)


def _averaged(weights: Floats, values: Sequence[Floats], errors: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Means and errors, (r,), of what rungs say, by their weights, (rungs, r), with the spread between them."""
    each, error = np.stack(values), np.stack(errors)
    share = np.where(np.isfinite(each), weights, 0.0)
    share = share / np.maximum(share.sum(axis=0), 1e-300)
    each, error = np.nan_to_num(each), np.nan_to_num(error)
    mean = np.where(share.any(axis=0), (share * each).sum(axis=0), np.nan)
    return mean, np.sqrt((share * (error**2 + (each - mean) ** 2)).sum(axis=0))


def _part(best: Floats, drawn: Floats, like: RungMeans, family: Means | None, rests: Mask, sums: Floats) -> _Part:
    """From estimates, shape (r,), and those of refits, (replicates, r)."""
    away = best - best[0]
    se, error = _deviation(drawn - best), _deviation(drawn - drawn[:, [0]] - away)
    told = (sums != 0) @ np.isnan(best) == 0
    total = np.where(told, sums @ np.nan_to_num(best), np.nan)
    off = np.isnan(drawn) @ (sums != 0).T > 0
    total_se = np.where(told, _deviation(np.where(off, np.nan, np.nan_to_num(drawn - best) @ sums.T)), np.nan)
    table = RungMeans(
        best[:, None], se[:, None], drawn[:, :, None], like.effective, like.by_weights, like.misses, None
    )
    return _Part(table, away, error, total, total_se, family, rests)


def spread(means: Means, reached: Mask) -> Means:
    """Means of the regimes that are reached among all; nan for others."""
    if reached.all():
        return means

    def wide(values: Floats) -> Floats:
        found = np.full(len(reached), np.nan)
        found[reached] = values
        return found

    rests = np.zeros((len(reached), means.rests.shape[1]), dtype=bool)
    rests[reached] = means.rests
    first = bool(reached[0])
    difference = [
        wide(one) if first else np.full(len(reached), np.nan) for one in (means.difference, means.difference_se)
    ]
    wider = {"mean": wide(means.mean), "se": wide(means.se), "freedom": wide(means.freedom)}
    return dataclasses.replace(means, **wider, difference=difference[0], difference_se=difference[1], rests=rests)
