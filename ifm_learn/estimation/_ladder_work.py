"""The ladder of models asked about regimes: averages over rungs, intervals of units, and flags in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.special import logsumexp
from scipy.stats import t as student

from ifm_ident import Criterion, Identification, Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.show import listed
from ifm_learn.conformal.mixture import balance_log_weights
from ifm_learn.data.held import Held
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._outcomes import Regressed, among_variables, regressed
from ifm_learn.estimation._prediction import by_ratio, widened
from ifm_learn.ladder.average import REPLICATES, Ladder, fit_ladder
from ifm_learn.ladder.effects import Effects, Reference, effects, needed
from ifm_learn.ladder.estimate import LadderEstimate
from ifm_learn.ladder.rungs import AUTO, affordable, rungs_for
from ifm_learn.outcome.estimator import one_row

METHODS = ("ifm1", "dr", "balance")
"""Methods that the ladder answers; the others need the grid."""

_TOGETHER = 500
"""Regimes that are asked about at once."""


@dataclass(frozen=True, eq=False)
class LadderWork:
    """Rungs fitted to the held samples, and how the method asks them about the outcome.

    regression: of an outcome on x; wider: the ladder of x and y together, where y depends on the regime beyond x.
    """

    ladder: Ladder
    held: Held
    method: str
    energy: str
    level: Fraction
    regression: Regressed | None
    wider: Ladder | None
    dropped: dict[str, str]

    @classmethod
    def fit(
        cls,
        held: Held,
        method: str,
        energy: str,
        level: Fraction,
        seed: int,
        seconds: float | None = None,
        replicates: int = REPLICATES,
    ) -> LadderWork:
        """Fit what the energy asks for; InputError for a method the ladder has not, or rows it cannot take."""
        if method not in METHODS:
            raise InputError(
                f"the method {method!r} needs networks on a grid; take the energy 'mlp', or one of the methods "
                f"{', '.join(METHODS)}",
                argument="energy",
            )
        samples = held.fitted
        ladder, dropped = _ladder(samples, energy, seed, seconds, replicates)
        regression = None if samples.y is None else regressed(samples, seed)
        wider = None
        if regression is not None and regression.shifts and energy == AUTO:
            wider, more = _ladder(among_variables(samples), energy, seed, seconds, replicates)
            dropped |= more
        return cls(ladder, held, method, energy, level, regression, wider, dropped)

    @property
    def samples(self) -> Samples:
        """The rows fitted to."""
        return self.held.fitted

    def columns(self, found: Identification) -> Columns:
        """All numbers; nan for regimes that are not identified."""
        asked = np.flatnonzero((found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED))
        k = 1 if self.samples.y is not None else self.samples.x.shape[1]
        columns = Columns.empty(len(found), k)
        for start in range(0, len(asked), _TOGETHER):
            some = asked[start : start + _TOGETHER]
            part = found.take(some)
            shifted = self.regression is not None and self.regression.shifts
            joint = np.isin(part.criterion, (Criterion.JOINT, Criterion.NONE))
            alone = np.arange(len(some))
            if self.wider is not None and joint.any():
                alone = np.flatnonzero(~joint)
                chosen = np.flatnonzero(joint)
                self._fill(columns, some[chosen], self._by_wider(part.targets.take(chosen)), shifted)
            if len(alone):
                self._fill(columns, some[alone], self.estimate(part.targets.take(alone)), shifted)
        if len(asked):
            self._fill_units(columns, found.take(asked), asked)
        return columns

    def estimate(self, regimes: Regimes) -> LadderEstimate:
        """Means of x, or of the outcome by the method, in identified regimes."""
        alpha = float(self.level)
        if self.samples.y is None:
            values = self.samples.x if self.method == "balance" else None
            return self.ladder.estimate(regimes, values=values, alpha=alpha)
        if self.method == "balance" or self.regression is None or len(self.regression.rows) < len(self.samples):
            return self.ladder.estimate(regimes, values=self.samples.y, alpha=alpha)
        plain = self.ladder.estimate(regimes, self.regression.predict, alpha=alpha)
        left = self.ladder.estimate(regimes, values=self.regression.residuals, alpha=alpha)
        return _together(plain, left, alpha, augmented=self.method == "dr")

    def effects(self, found: Identification, reference: Reference) -> list[list[dict[str, Any]]]:
        """Differences from the baseline and synergies, for every regime and target, with intervals."""
        wanted = needed(found.design.model, found.targets, reference)
        known = Identifier(found.design).identify(wanted)
        told = np.flatnonzero(np.isin(known.status, (Status.OBSERVED, Status.IDENTIFIED)))
        part = self.estimate(wanted.take(told)) if self.wider is None else self._by_wider(wanted.take(told))
        k = part.mean.shape[1]
        means, drawn = np.full((len(wanted), k), np.nan), np.full((len(part.replicates), len(wanted), k), np.nan)
        means[told], drawn[:, told] = part.mean, part.replicates
        got = effects(
            found.design.model, found.targets, wanted, means, drawn, reference=reference,
            level=float(1 - self.level), freedom=float(np.min(part.freedom)), logged=self._logged,
        )  # fmt: skip
        return [[_effect(got, row, column) for column in range(k)] for row in range(len(found))]

    @property
    def _logged(self) -> bool:
        scaling = self.samples.scaling
        return self.samples.y is None and scaling is not None and bool(scaling.log.all())

    def _by_wider(self, regimes: Regimes) -> LadderEstimate:
        assert self.wider is not None
        last = self.samples.x.shape[1]
        return self.wider.estimate(regimes, lambda x: x[:, last : last + 1], alpha=float(self.level))

    def _fill(self, columns: Columns, rows: Ints, found: LadderEstimate, shifted: bool) -> None:
        columns.mean[rows], columns.se[rows] = found.mean, found.se
        columns.confidence_low[rows], columns.confidence_high[rows] = found.low, found.high
        weight = found.weights.mean(axis=2)
        columns.ess[rows] = (weight * found.effective).sum(axis=0) / weight.sum(axis=0)
        least = min(len(self.samples), 2 * int(self.samples.sizes[self.samples.present].min()))
        columns.support[rows] = np.minimum(columns.ess[rows] / least, 1.0)
        for place, row in enumerate(rows.tolist()):
            for k in range(found.mean.shape[1]):
                words = found.words(place, k) + (["outcome_shifts"] if shifted else [])
                columns.flags[row][k] = tuple(words)
                shares = dict(zip(found.rungs, found.weights[:, place, k].tolist(), strict=True))
                columns.models[row][k] = {name: round(share, 6) for name, share in shares.items() if share > 0}

    def _fill_units(self, columns: Columns, found: Identification, asked: Ints) -> None:
        rows = self.held.calibration
        if rows is None:
            return
        mean = columns.mean[asked]
        mixture = LadderMixture.of(self.ladder, self.samples, rows, found.targets)
        some = by_ratio(self.held, rows, mixture, found, mean, self.level)
        half = (columns.confidence_high[asked] - columns.confidence_low[asked]) / 2
        widened(some, mean, half)
        sound = ~np.isnan(columns.confidence_low[asked])
        columns.prediction_low[asked] = np.where(sound, some.low, np.nan)
        columns.prediction_high[asked] = np.where(sound, some.high, np.nan)
        columns.prediction_ess[asked] = some.ess
        columns.guarantee[asked] = np.where(sound, some.guarantee, "")

    def warnings(self) -> Iterator[str]:
        """What to know beside the numbers, about the fit as a whole."""
        for why in self.dropped.values():
            yield f"left out: {why}"
        single = one_row(self.samples)
        if single is not None:
            what = "row" if self.samples.unit is None else "unit"
            yield f"train[{single}] has one {what}, which tells no spread: what rests on it has no error"
        if self.regression is not None and self.regression.shifts:
            name = self.samples.outcome or "the outcome"
            done = (
                "it was estimated as a variable of every factor, where a joint formula allows that"
                if self.wider is not None
                else f"put {name} among the variables, in the factors that move it"
            )
            yield f"E[{name} | x] differs between training regimes (p = {self.regression.p_value:.2g}): {done}"

    def about(self) -> dict[str, object]:
        """The rungs averaged, how far each is behind in held-out nats a unit, and why others were not fitted."""
        ladder = self.ladder
        found: dict[str, object] = {"asked": self.energy, "chosen": list(ladder.rungs)}
        if ladder.scores is not None:
            gap, error = ladder.scores.behind()
            found["behind"] = {
                name: [float(g), float(e)] for name, g, e in zip(ladder.scores.rungs, gap, error, strict=True)
            }
        if ladder.refused or self.dropped:
            found["left_out"] = {**ladder.refused, **self.dropped}
        return found

    def words(self) -> str:
        """What answered, in a few words."""
        names = listed(list((self.wider or self.ladder).rungs))
        return f"an average over {names}" if len((self.wider or self.ladder).rungs) > 1 else names


def _effect(found: Effects, row: int, column: int) -> dict[str, Any]:
    """One regime's effects as JSON holds them; what is missing is left out."""
    entry: dict[str, Any] = {"scale": found.scale}
    for name in ("difference", "expected", "synergy", "strongest_single", "mean_of_singles"):
        one = getattr(found, name)
        if np.isfinite(one.value[row, column]):
            entry[name] = float(one.value[row, column])
            if name in ("difference", "synergy"):
                entry[f"{name}_interval"] = [float(one.low[row, column]), float(one.high[row, column])]
    why = found.why[row]
    return entry | ({"why": why} if why else {})


def _ladder(
    samples: Samples, energy: str, seed: int, seconds: float | None, replicates: int
) -> tuple[Ladder, dict[str, str]]:
    rungs, dropped = affordable(rungs_for(energy, samples), samples, seconds)
    return fit_ladder(samples, rungs, seed=seed, unit=samples.unit, replicates=replicates), dropped


def _together(plain: LadderEstimate, left: LadderEstimate, alpha: float, *, augmented: bool) -> LadderEstimate:
    """The mean of m, with the weighted residuals added or (for its error) not; their variances add up.

    What a regression errs by at a regime has at most the variance of its residuals weighted to it.
    """
    mean = plain.mean + left.mean if augmented else plain.mean
    se, limit = np.hypot(plain.se, left.se), student.ppf(1 - alpha / 2, plain.freedom)
    with np.errstate(invalid="ignore"):  # where an error is not known there is no interval
        low = mean - np.hypot(plain.mean - plain.low, limit * left.se) + 0 * left.low
        high = mean + np.hypot(plain.high - plain.mean, limit * left.se) + 0 * left.high
    flags = {word: where | left.flags.get(word, np.zeros_like(where)) for word, where in plain.flags.items()}
    return dataclasses.replace(
        plain,
        mean=mean,
        se=se,
        low=low,
        high=high,
        replicates=plain.replicates + left.replicates,
        flags=flags,
    )


@dataclass(frozen=True, eq=False)
class LadderMixture:
    """Target regimes against the mixture of training regimes: the mean over the chosen rungs of their ratios."""

    ladder: Ladder
    targets: Regimes
    train: Regimes
    sizes: Ints

    @classmethod
    def of(cls, ladder: Ladder, fitted: Samples, rows: Samples, targets: Regimes) -> LadderMixture:
        """Of the targets, in the shares that the calibration rows have of the training regimes."""
        return cls(ladder, targets, fitted.design.train.take(fitted.present), rows.sizes[fitted.present])

    def log_weights(self, x: Floats, some: Ints) -> Floats:
        """log of p*(x) over the mixture's density, for some of the targets, shape (n, some)."""
        m, both = len(self.train), Regimes.concatenate([self.train, self.targets.take(some)])
        found = []
        for k in self.ladder.chosen:
            logs = self.ladder.laws[k].log_densities(x, both)
            found.append(balance_log_weights(logs[:, m:], logs[:, :m], self.sizes))
        averaged: Floats = logsumexp(np.stack(found), axis=0) - np.log(len(found))
        return averaged

    def bounds(self) -> Floats:
        """No bound is known: infinite, shape (r,)."""
        return np.full(len(self.targets), np.inf)
