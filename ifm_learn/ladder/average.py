"""The average over the rungs that rows cannot tell apart, with intervals that hold the spread between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from ifm_ident import Design, InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._coordinates import Coordinates
from ifm_learn.ladder._law import Function, Law, ParametricLaw, Rung
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder._rung_means import USED, Asked, law_means, rung_means
from ifm_learn.ladder._selection import FOLDS, REPEATS, RefitError, Scores, compare
from ifm_learn.ladder.estimate import MOST, NORMAL, LadderEstimate, combined, flagged, interval
from ifm_learn.randomness import stream

REPLICATES = 40

FAR = 2.0
"""Errors by which the linear tilt is far from a normal law."""

BARE = 2.0
"""The variance of the logarithm of a rate of which no event was seen, 1 / (0 + 1/2) (Haldane 1956)."""

REDRAWS = "ladder redraws"
"""The purpose of the random numbers that redraw units, the first of their stream."""

MANY, FEWER = 200_000, 20
"""Of more rows than this there are fewer refits; t quantiles know how many."""


def refits_of(rows: int, replicates: int = REPLICATES) -> int:
    """How many refits there are of so many rows."""
    return min(replicates, FEWER) if rows > MANY else replicates


@runtime_checkable
class Redrawn(Protocol):
    """A law whose refits for intervals differ from others: they vary what its ridge hides as well."""

    def redrawn(self, weight: Floats, rng: np.random.Generator) -> Law:
        """The law with each row counted `weight` times, shape (n,)."""
        ...


@runtime_checkable
class Falsifiable(Protocol):
    """A rung that claims what the contrast of regimes does not try, and rows may show wrong."""

    def rejected(self, samples: Samples, units: Units) -> str | None:
        """Why rows speak against it, in words; None where they do not."""
        ...


def _redrawn(law: Law, weight: Floats, rng: np.random.Generator) -> Law:
    return law.redrawn(weight, rng) if isinstance(law, Redrawn) else law.refit(weight)


@dataclass(frozen=True, eq=False)
class Ladder:
    """Rungs fitted to the same rows, their held-out scores, and refits of the likely ones on the same redraws.

    laws: of every rung that could be fitted; refused: why others could not. chosen: indices into `laws` of those
    within two standard errors of the best, `weights` theirs. redraws: weights of rows, shape (replicates, n);
    refits: of the chosen laws, one list each.
    """

    samples: Samples
    units: Units
    laws: tuple[Law, ...]
    refused: dict[str, str]
    scores: Scores | None
    chosen: tuple[int, ...]
    weights: Floats
    redraws: Floats
    refits: tuple[tuple[Law, ...], ...] = field(repr=False)

    @property
    def rungs(self) -> tuple[str, ...]:
        """The chosen rungs' names."""
        return tuple(self.laws[k].rung for k in self.chosen)

    def exponents(self, regimes: Regimes) -> Floats:
        """How much of every regime present an estimate rests on, shape (r, d): by shortest exponents."""
        return exponents(self._joint, regimes)

    @cached_property
    def _joint(self) -> Coordinates:
        return every_factor(self.samples.design)

    def freedom(self, regimes: Regimes) -> Floats:
        """Degrees of freedom of a standard error, shape (r,): see `freedom`."""
        return freedom(self.exponents(regimes), self.units, len(self.redraws))

    def estimate(
        self,
        regimes: Regimes,
        function: Function | None = None,
        values: Floats | None = None,
        alpha: float = 0.1,
        linear: bool = False,
        ranged: bool = True,
    ) -> LadderEstimate:
        """Means of functions of x, or of values of the rows (n, k), in identified regimes: averages over rungs.

        linear: whether rungs that are linear models take the means of the values for linear too (`Asked`).
        ranged: whether intervals stay inside the range that the numbers have, of shares, counts, positive ones.
        Intervals hold the mean with probability 1 - alpha, about. Raises InputError where one is not identified.
        """
        if not 0 < alpha < 1:
            raise InputError(f"alpha lies between 0 and 1, got {alpha}")
        if function is not None and values is not None:
            raise InputError("give a function of x or values of the rows, not both")
        asked = Asked.of(self.samples, self.units, regimes, function, values, linear, ranged)
        exponents = self.exponents(regimes)
        lone = np.any((np.abs(exponents) > USED) & (self.units.counts < 2), axis=1)
        least = np.sqrt(exponents**2 @ np.where(asked.bare == 0, asked.unseen, 0.0) ** 2)
        relative = np.sqrt(BARE * exponents**2 @ np.abs(asked.bare))
        means = [
            rung_means(self.laws[k], refits, self.redraws, asked, lone, least, relative)
            for k, refits in zip(self.chosen, self.refits, strict=True)
        ]
        table = combined(self.rungs, self.weights, means, asked, exponents, self.freedom(regimes), alpha)
        return flagged(table, means, asked, exponents, self._doubted(table, asked))

    def _doubted(self, table: LadderEstimate, asked: Asked) -> NDArray[np.bool_]:
        """Where a normal law by likelihood answers nearly alone and the linear tilt is far off, shape (r, k).

        The two contrast regimes alike, by which they are chosen; what means become in a regime never run the first
        law has from its base being normal, the tilt from the rows.
        """
        laws = {law.rung: law for law in self.laws}
        normal, linear = laws.get(NORMAL), laws.get("linear")
        never = np.zeros(table.mean.shape, dtype=bool)
        if NORMAL not in table.rungs or linear is None or not isinstance(normal, ParametricLaw):
            return never
        alone = (table.weights[table.rungs.index(NORMAL)] > MOST) & ~asked.run[:, None]
        if not alone.any() or not len(normal.parameters):  # by least squares means need no normal law
            return never
        apart = np.abs(law_means(linear, np.ones(len(asked.samples)), asked, asked.regimes) - table.mean)
        found: NDArray[np.bool_] = alone & (apart > FAR * table.se)
        return found

    def of_rows(self, values: Floats, alpha: float) -> tuple[Regimes, Floats, Floats]:
        """Regimes of two units or more, means of their rows' values, (r, k), and draws, (2 replicates, r, k).

        No model takes part. Draws spread so that normal intervals of 1 - alpha reach as far as t intervals do.
        """
        told = self.units.counts > 1
        asked = Asked.of(self.samples, self.units, self.samples.design.train, None, values)
        away = np.stack([asked.redrawn_own(weight) for weight in self.redraws]) - asked.own
        stretch = student.ppf(1 - alpha / 2, self.units.counts[told] - 1) / norm.ppf(1 - alpha / 2)
        error = np.maximum(asked.error, asked.unseen)[told] * stretch[:, None]
        away = away[:, told] * (error / np.maximum(np.sqrt((away**2).mean(axis=0)), 1e-300)[told])
        own = asked.own[told]
        return asked.trained.take(np.flatnonzero(told)), own, np.concatenate([own + away, own - away])

    def interval(
        self, regimes: Regimes, values: Floats, mean: Floats, se: Floats, freedom: Floats, alpha: float
    ) -> tuple[Floats, Floats, Floats]:
        """Means of the values of rows, (n, k), that were found another way, moved into their range, and ends."""
        asked = Asked.of(self.samples, self.units, regimes, None, values)
        low, high = interval(asked, self.exponents(regimes), mean, se, freedom, alpha)
        return asked.ranges.nearest(mean), low, high


def every_factor(design: Design) -> Coordinates:
    """The coordinates of all factors together."""
    return Coordinates(design, tuple(range(len(design.model.factors))))


def exponents(joint: Coordinates, regimes: Regimes) -> Floats:
    """How much of every regime present an estimate rests on, shape (r, d): by shortest exponents.

    joint: of all factors. Where no joint formula is, the root of the mean of squares over the formulas of full
    conditionals.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> exponents(every_factor(design), Regimes.from_codes(np.array([[1, 1]]))).round(9).tolist()
    [[-1.0, 1.0, 1.0]]
    """
    design = joint.design
    try:
        return joint.formula(regimes)
    except InputError:
        parts = [Coordinates(design, factors).formula(regimes) for factors in design.model.covers]
        found: Floats = np.sqrt(np.mean(np.square(parts), axis=0))
        return found


def freedom(shares: Floats, units: Units, replicates: int) -> Floats:
    """Degrees of freedom of a standard error, shape (r,): units less one of the regimes it rests on.

    They are averaged by the regimes' shares, exponents of shape (r, d), in the variance. Satterthwaite's are more,
    several variances being estimated apart, and were measured to be too many for ten rows a regime.

    >>> freedom(np.array([[1.0, 1.0]]), Units(np.arange(6), np.repeat([0, 1], 3)), 41).round(2).tolist()
    [1.9]
    """
    share = shares**2 / units.counts
    rows = (share @ np.maximum(units.counts - 1, 0.5)) / share.sum(axis=1)
    found: Floats = 1 / (1 / rows + 1 / max(replicates - 1, 1))
    return found


def fit_ladder(
    samples: Samples,
    rungs: Sequence[Rung],
    *,
    seed: int,
    unit: NDArray[np.int64] | None = None,
    replicates: int = REPLICATES,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> Ladder:
    """Fits rungs, compares them on held-out units and refits the likely ones on redrawn units.

    unit: which rows belong together, shape (n,); every row is its own unit by default. Raises InputError where no
    rung can be fitted.

    >>> from ifm_ident import Study
    >>> from ifm_learn.ladder.normal import Normal
    >>> from ifm_learn.ladder._tilt import Tilt
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 60)
    >>> x = rng.normal(np.array([0.0, 1.0, -1.0])[regime])[:, None]
    >>> ladder = fit_ladder(Samples(design, regime, x), [Normal(), Tilt("linear")], seed=0)
    >>> found = ladder.estimate(Regimes.from_codes(np.array([[1, 1]])))
    >>> bool(found.low[0, 0] < 0 < found.high[0, 0]), found.words(0, 0)
    (True, [])
    """
    refused = {rung.name: why for rung in rungs if (why := rung.unfit(samples)) is not None}
    fitted = [rung for rung in rungs if rung.name not in refused]
    if not fitted and samples.sizes.max() < 2:
        raise InputError(
            "no model can be fitted: no regime was run twice, and the factors leave no regime over that would "
            "tell the noise of a row; run some regimes again"
        )
    if not fitted:
        raise InputError("no model can be fitted: " + "; ".join(f"{k}: {why}" for k, why in refused.items()))
    units = Units.of(samples, unit)
    if len(fitted) > 1:
        found = ((rung, rung.rejected(samples, units)) for rung in fitted if isinstance(rung, Falsifiable))
        refused |= {rung.name: why for rung, why in found if why is not None}
        fitted = [rung for rung in fitted if rung.name not in refused]
    laws = tuple(_fits(fitted, samples, refused))
    if not laws:
        raise InputError("no model can be fitted: " + "; ".join(f"{k}: {why}" for k, why in refused.items()))
    scores, weights = None, np.ones(1)
    while len(laws) > 1 and scores is None:
        try:
            scores = compare(laws, samples, units, stream(seed, "ladder folds"), folds=folds, repeats=repeats)
            weights = scores.weights()
        except RefitError as error:
            refused[laws[error.law].rung] = str(error)
            laws = (*laws[: error.law], *laws[error.law + 1 :])
    chosen = tuple(np.flatnonzero(weights).tolist())
    rng = stream(seed, REDRAWS)
    redraws = np.stack([units.redraw(rng) for _ in range(refits_of(len(samples), replicates))])
    refits: dict[int, tuple[Law, ...]] = {}
    for k in chosen:
        try:
            refits[k] = tuple(_redrawn(laws[k], weight, rng) for weight in redraws)
        except InputError as error:
            refused[laws[k].rung] = f"its errors are not known: {error}"
    if not refits:
        raise InputError("no model can be refitted: " + "; ".join(f"{k}: {why}" for k, why in refused.items()))
    kept = np.array(list(refits))
    return Ladder(
        samples, units, laws, refused, scores, tuple(refits), weights[kept] / weights[kept].sum(), redraws,
        tuple(refits.values()),
    )  # fmt: skip


def _fits(rungs: Sequence[Rung], samples: Samples, refused: dict[str, str]) -> Iterator[Law]:
    """The fits that succeed; why the others did not goes into `refused`."""
    for rung in rungs:
        try:
            yield rung.fit(samples)
        except InputError as error:
            refused[rung.name] = str(error)
