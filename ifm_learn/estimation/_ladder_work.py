"""The ladder of models asked about regimes: averages over rungs, intervals of units, and flags in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import t as student

from ifm_ident import Criterion, Identification, Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.show import listed
from ifm_learn.conformal.mixture import balance_log_weights
from ifm_learn.data.held import Held
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._ladder_sensitivity import ladder_sensitivities
from ifm_learn.estimation._outcomes import Regressed, among_variables, regressed
from ifm_learn.estimation._prediction import by_ratio, widened
from ifm_learn.estimation._several import SeveralOutcomes
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity, baseline_means
from ifm_learn.ladder.average import REPLICATES, Ladder, fit_ladder
from ifm_learn.ladder.effects import Effects, Reference, effects, needed
from ifm_learn.ladder.estimate import LadderEstimate
from ifm_learn.ladder.kept import KeptLadder
from ifm_learn.ladder.networks import Kept
from ifm_learn.ladder.rungs import AUTO, affordable, cost_of, rungs_for
from ifm_learn.outcome.estimator import targets_of

Say = Callable[[str], None]

METHODS = ("ifm1", "dr", "balance")
"""Methods that the ladder answers; the others need the grid."""

_TOGETHER = 500
"""Regimes that are asked about at once."""

_NUMBERS = 200_000
"""Means that are asked about at once, of regimes and outcomes: each has 40 refits."""

_MOST_INTERVALS, _MOST_SORTED = 20_000, 50_000_000
"""So many intervals of units, and calibration rows sorted for them, are as many as are found."""

_NAMED = 5


@dataclass(frozen=True, eq=False)
class LadderWork:
    """Rungs fitted to the held samples, and how the method asks them about the outcome.

    regression: of an outcome on x; wider: the ladder of x and y together, where y depends on the regime beyond x;
    several: outcomes that share the ladder's weights, without regressions.
    """

    ladder: Ladder
    held: Held
    method: str
    energy: str
    level: Fraction
    regression: Regressed | None
    wider: Ladder | None
    several: SeveralOutcomes | None
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
        kept: Sequence[KeptLadder] = (),
        dropped: Mapping[str, str] = MappingProxyType({}),
        say: Say | None = None,
        density: DensityModel | None = None,
    ) -> LadderWork:
        """Fit what the energy asks for; InputError for a method the ladder has not, or rows it cannot take.

        kept: ladders fitted to these rows before, of x, then of x and y where that is asked for, and what was
        dropped then: these are not fitted again. say: told what is fitted, and what it takes by forecast.
        density: in tables, fitted to these rows before; it answers alone.
        """
        if method not in METHODS:
            raise InputError(
                f"the method {method!r} needs a density on a grid; take the energy 'grid' or 'mlp', or one of "
                f"the methods {', '.join(METHODS)}",
                argument="energy",
            )
        samples = held.fitted
        if samples.outcomes and method == "dr":
            raise InputError(
                "the method 'dr' regresses one outcome on x; take ifm1 or balance for several",
                argument="method",
            )
        if density is not None:
            ladder = fit_ladder(samples, [Kept(density)], seed=seed, unit=samples.unit, replicates=replicates)
            left: dict[str, str] = {}
        elif kept:
            ladder, left = kept[0].ladder(samples, seed), dict(dropped)
        else:
            ladder, left = _ladder(samples, energy, seed, seconds, replicates, say or _silent)
        if samples.outcomes:
            several = SeveralOutcomes.of(samples, seed, widened=energy in (AUTO, "normal") and method == "ifm1")
            return cls(ladder, held, method, energy, level, None, None, several, left)
        regression = None if samples.y is None else regressed(samples, seed)
        wider = None
        if regression is not None and regression.shifts and energy == AUTO:
            if kept:
                wider = kept[1].ladder(among_variables(samples), seed)
            else:
                wider, more = _ladder(among_variables(samples), energy, seed, seconds, replicates, say or _silent)
                left |= more
        return cls(ladder, held, method, energy, level, regression, wider, None, left)

    @property
    def samples(self) -> Samples:
        """The rows fitted to."""
        return self.held.fitted

    def columns(self, found: Identification) -> Columns:
        """All numbers; nan for regimes that are not identified."""
        asked = np.flatnonzero((found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED))
        k = targets_of(self.samples).shape[1]
        columns = Columns.empty(len(found), k)
        together = max(1, min(_TOGETHER, _NUMBERS // k))
        for start in range(0, len(asked), together):
            some = asked[start : start + together]
            part = found.take(some)
            shifted = np.full(k, self.regression is not None and self.regression.shifts)
            joint = np.isin(part.criterion, (Criterion.JOINT, Criterion.NONE))
            if self.several is not None:
                mine = self._of_several(part.targets, np.flatnonzero(joint))
                self._fill(columns, some, mine, self.several.shifts)
                continue
            alone = np.arange(len(some))
            if self.wider is not None and joint.any():
                alone = np.flatnonzero(~joint)
                chosen = np.flatnonzero(joint)
                self._fill(columns, some[chosen], self.by_wider(part.targets.take(chosen)), shifted)
            if len(alone):
                self._fill(columns, some[alone], self.estimate(part.targets.take(alone)), shifted)
        if len(asked):
            self._fill_units(columns, found.take(asked), asked)
        return columns

    def _of_several(self, regimes: Regimes, joint: Ints) -> LadderEstimate:
        """Means of all outcomes; joint: the regimes where a joint formula lets shifts be followed.

        By `balance` from weights alone, else the linear model takes means for linear in the factors' coordinates.
        """
        assert self.several is not None
        alpha, linear = float(self.level), self.method != "balance"
        found = self.ladder.estimate(regimes, values=self.samples.y, alpha=alpha, linear=linear)
        return self.several.replaced(found, regimes, joint, alpha)

    def estimate(self, regimes: Regimes) -> LadderEstimate:
        """Means of x, or of the outcome by the method, in identified regimes."""
        alpha = float(self.level)
        if self.samples.y is None:
            values = self.samples.x if self.method == "balance" else None
            return self.ladder.estimate(regimes, values=values, alpha=alpha)
        if self.method == "balance" or self.regression is None:
            return self.ladder.estimate(regimes, values=self.samples.y, alpha=alpha)
        plain = self.ladder.estimate(regimes, self.regression.predict, alpha=alpha, ranged=False)
        some = len(self.regression.rows) < len(self.samples)
        left = self.ladder.estimate(regimes, values=self._left, alpha=alpha, linear=some, ranged=False)
        return self._together(plain, left, regimes, augmented=some or self.method == "dr")

    def _together(
        self, plain: LadderEstimate, left: LadderEstimate, regimes: Regimes, *, augmented: bool
    ) -> LadderEstimate:
        """The mean of m, with the weighted residuals added or (for its error) not; their variances add up.

        What a regression errs by at a regime has at most the variance of its residuals weighted to it.
        """
        y, alpha = self.samples.y, float(self.level)
        assert y is not None
        mean = plain.mean + left.mean if augmented else plain.mean
        limit = student.ppf(1 - alpha / 2, plain.freedom)
        down, up = (
            np.hypot(reach / limit, left.se) for reach in (plain.mean - plain.low, plain.high - plain.mean)
        )
        inside, low, _ = self.ladder.interval(regimes, y[:, None], mean, down, plain.freedom, alpha)
        high = self.ladder.interval(regimes, y[:, None], mean, up, plain.freedom, alpha)[2]
        known = ~np.isnan(left.low)
        flags = {word: where | left.flags.get(word, np.zeros_like(where)) for word, where in plain.flags.items()}
        means = plain.rung_means + left.rung_means if augmented else plain.rung_means
        centre = 0.0 if augmented else left.rung_means
        return dataclasses.replace(
            plain,
            mean=inside,
            rung_means=means,
            rung_errors=np.hypot(plain.rung_errors, left.rung_errors),
            se=np.hypot(plain.se, left.se),
            low=np.where(known, low, np.nan),
            high=np.where(known, high, np.nan),
            replicates=plain.replicates + left.replicates,
            rung_replicates=tuple(
                a + b - c
                for a, b, c in zip(
                    plain.rung_replicates,
                    left.rung_replicates,
                    np.broadcast_to(centre, left.rung_means.shape),
                    strict=True,
                )
            ),
            flags=flags,
        )

    @cached_property
    def _left(self) -> Floats:
        """What the regression leaves at the rows; of a regression on some rows it corrects what all rows say."""
        assert self.regression is not None
        if len(self.regression.rows) == len(self.samples):
            return self.regression.residuals
        return self.regression.left_everywhere(self.samples)

    def answer(self, found: Identification) -> LadderEstimate:
        """Means of regimes that are all identified, of every target, by the way that answers the study."""
        joint = np.isin(found.criterion, (Criterion.JOINT, Criterion.NONE))
        if self.several is not None:
            return self._of_several(found.targets, np.flatnonzero(joint))
        if self.wider is not None and joint.all():
            return self.by_wider(found.targets)
        return self.estimate(found.targets)

    def effects(self, found: Identification, reference: Reference) -> list[list[dict[str, Any]]]:
        """Differences from the baseline and synergies, for every regime and target, with intervals."""
        wanted = needed(found.design.model, found.targets, reference)
        known = Identifier(found.design).identify(wanted)
        told = np.flatnonzero(np.isin(known.status, (Status.OBSERVED, Status.IDENTIFIED)))
        if self.several is not None:
            joint = np.isin(known.criterion[told], (Criterion.JOINT, Criterion.NONE))
            part = self._of_several(wanted.take(told), np.flatnonzero(joint))
        else:
            part = self.estimate(wanted.take(told)) if self.wider is None else self.by_wider(wanted.take(told))
        k = part.mean.shape[1]
        draws = part.draws(float(self.level))
        means, drawn = np.full((len(wanted), k), np.nan), np.full((len(draws), len(wanted), k), np.nan)
        means[told], drawn[:, told] = part.mean, draws
        got = effects(
            found.design.model, found.targets, wanted, means, drawn, reference=reference,
            level=float(1 - self.level), freedom=float(np.min(part.freedom)), logged=self._logged,
        )  # fmt: skip
        made = [[_effect(got, row, column) for column in range(k)] for row in range(len(found))]
        return self._by_rows(made, found, reference)

    def _by_rows(
        self, made: list[list[dict[str, Any]]], found: Identification, reference: Reference
    ) -> list[list[dict[str, Any]]]:
        """Synergies of regimes that were run, as everything was that they are compared with: of their own rows.

        The factors may leave an interaction out, which estimates of the model then do not have.
        """
        model, (trained, own, drawn) = (
            found.design.model,
            self.ladder.of_rows(targets_of(self.samples), float(self.level)),
        )
        run = [
            i for i in np.flatnonzero(found.targets.first_equal(trained) >= 0).tolist()
            if np.all(needed(model, found.targets.take(np.array([i])), reference).first_equal(trained) >= 0)
        ]  # fmt: skip
        if not run:
            return made
        got = effects(
            model, found.targets.take(np.array(run)), trained, own, drawn,
            reference=reference, level=float(1 - self.level), logged=self._logged,
        )  # fmt: skip
        for place, row in enumerate(run):
            for column, entry in enumerate(made[row]):
                mine = _effect(got, place, column)
                if "synergy" in mine:
                    entry |= {name: mine[name] for name in mine if "synergy" in name or name == "expected"}
                    entry["synergy_of"] = "rows"
        return made

    def sensitivities(self, found: Identification, gamma: float) -> Iterator[RegimeSensitivity]:
        """Of identified regimes that were not run, against the baseline's mean: with an interaction left out."""
        references = baseline_means(self.samples)
        asked = np.flatnonzero(found.status == Status.IDENTIFIED)
        joint = np.isin(found.criterion[asked], (Criterion.JOINT, Criterion.NONE))
        wide = joint if self.wider is not None else np.zeros(len(asked), dtype=bool)
        last = self.samples.x.shape[1]
        for rows, ladder in ((asked[wide], self.wider), (asked[~wide], self.ladder)):
            if not len(rows) or ladder is None:
                continue
            regimes = found.targets.take(rows)
            if ladder is self.wider:
                answer, value = self.by_wider(regimes), lambda x: x[:, last:]
            else:
                answer, value = self.estimate(regimes), self._value
            for one in ladder_sensitivities(ladder, answer, value, regimes, gamma, references, self.level):
                yield dataclasses.replace(one, row=int(rows[one.row]))

    def _value(self, x: Floats) -> Floats:
        """What means are of, shape (n, k): x, or the outcome's regression on it."""
        if self.samples.y is None:
            return x
        assert self.regression is not None
        return self.regression.predict(x).reshape(len(x), 1)

    @property
    def _logged(self) -> bool:
        scaling = self.samples.scaling
        return self.samples.y is None and scaling is not None and bool(scaling.log.all())

    def by_wider(self, regimes: Regimes) -> LadderEstimate:
        """Means of the outcome as a variable of every factor, in regimes with a joint formula."""
        assert self.wider is not None
        last = self.samples.x.shape[1]
        return self.wider.estimate(regimes, lambda x: x[:, last : last + 1], alpha=float(self.level))

    def _fill(self, columns: Columns, rows: Ints, found: LadderEstimate, shifted: NDArray[np.bool_]) -> None:
        told = np.isfinite(found.se)
        columns.mean[rows], columns.se[rows] = found.mean, np.where(told, found.se, np.nan)
        columns.confidence_low[rows] = np.where(told, found.low, np.nan)
        columns.confidence_high[rows] = np.where(told, found.high, np.nan)
        weight = found.weights.mean(axis=2)
        whole = weight.sum(axis=0)
        columns.ess[rows] = (weight * found.effective).sum(axis=0) / np.where(whole > 0, whole, np.nan)
        least = min(len(self.samples), 2 * int(self.samples.sizes[self.samples.present].min()))
        columns.support[rows] = np.minimum(columns.ess[rows] / least, 1.0)
        for place, row in enumerate(rows.tolist()):
            for k in range(found.mean.shape[1]):
                words = found.words(place, k) + (["outcome_shifts"] if shifted[k] else [])
                columns.flags[row][k] = tuple(words)
                shares = dict(zip(found.rungs, found.weights[:, place, k].tolist(), strict=True))
                columns.models[row][k] = {name: round(share, 6) for name, share in shares.items() if share > 0}

    def _has_room(self, regimes: int, targets: int) -> bool:
        """Whether intervals of units are few enough to be found, each from a sort of the calibration rows."""
        numbers = regimes * targets
        return numbers <= _MOST_INTERVALS and numbers * len(self.held) <= _MOST_SORTED

    def _fill_units(self, columns: Columns, found: Identification, asked: Ints) -> None:
        rows = self.held.calibration
        if rows is None or not self._has_room(len(asked), columns.mean.shape[1]):
            return
        mean = columns.mean[asked]
        mixture = LadderMixture.of(self.ladder, self.samples, rows, found.targets)
        some = by_ratio(self.held, rows, mixture, found, mean, self.level)
        half = (columns.confidence_high[asked] - columns.confidence_low[asked]) / 2
        widened(some, mean, half, self.samples)
        sound = ~np.isnan(columns.confidence_low[asked])
        columns.prediction_low[asked] = np.where(sound, some.low, np.nan)
        columns.prediction_high[asked] = np.where(sound, some.high, np.nan)
        columns.prediction_ess[asked] = some.ess
        columns.guarantee[asked] = np.where(sound, some.guarantee, "")

    def warnings(self, columns: Columns) -> Iterator[str]:
        """What to know beside the numbers, about the fit as a whole."""
        given = int((~np.isnan(columns.mean[:, 0])).sum())
        if self.held.calibration is not None and not self._has_room(given, columns.mean.shape[1]):
            yield (
                f"intervals of units are left out: {given * columns.mean.shape[1]:,}, from {len(self.held):,} "
                "rows each, would take too long; ask about fewer regimes or outcomes"
            )
        for why in self.dropped.values():
            yield f"left out: {why}"
        if self.samples.one_row is not None and np.any(np.isnan(columns.se) & ~np.isnan(columns.mean)):
            yield (
                f"standard errors are missing in some regimes: {self.samples.one_row_words}, which tells nothing "
                "of their spread"
            )
        if self.regression is not None and self.regression.shifts:
            name = self.samples.outcome or "the outcome"
            done = (
                "it was estimated as a variable of every factor, where a joint formula allows that"
                if self.wider is not None
                else f"put {name} among the variables, in the factors that move it"
            )
            yield f"E[{name} | x] differs between training regimes (p = {self.regression.p_value:.2g}): {done}"

        if self.several is not None:
            yield from self._of_shifts(self.several)

    def _of_shifts(self, several: SeveralOutcomes) -> Iterator[str]:
        if self.method != "balance":
            yield (
                "several outcomes share the weights of rows that the models give: none is regressed on x, and the "
                "normal model takes their means for linear in what the factors tell"
            )
        shifted = [self.samples.outcomes[k] for k in np.flatnonzero(several.shifts).tolist()]
        if shifted:
            done = (
                "they were estimated by least squares as variables of every factor, where a joint formula is"
                if several.wider is not None
                else "put them among the variables, in the factors that move them"
            )
            yield (
                f"E[y | x] differs between training regimes for {len(shifted):,} of "
                f"{len(several.shifts):,} outcomes, {listed(shifted, _NAMED)}: {done}"
            )

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
            if name in ("difference", "synergy") and np.isfinite(one.high[row, column] - one.low[row, column]):
                entry[f"{name}_interval"] = [float(one.low[row, column]), float(one.high[row, column])]
    why = found.why[row]
    return entry | ({"why": why} if why else {})


def _ladder(
    samples: Samples, energy: str, seed: int, seconds: float | None, replicates: int, say: Say
) -> tuple[Ladder, dict[str, str]]:
    rungs, dropped = affordable(rungs_for(energy, samples, seed), samples, seconds)
    possible = [rung.name for rung in rungs if rung.unfit(samples) is None]
    say(f"fitting {listed(possible)}: {cost_of(rungs, samples)}")
    return fit_ladder(samples, rungs, seed=seed, unit=samples.unit, replicates=replicates), dropped


def _silent(_: str) -> None:
    """Says nothing."""


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
        """log of p*(x) over the mixture's density, for some of the targets, shape (n, some).

        By the laws that have one: a family's parameter may leave its range at a target, and a row the family's.
        -inf where none has.
        """
        m, both = len(self.train), Regimes.concatenate([self.train, self.targets.take(some)])
        found = []
        for k in self.ladder.chosen:
            logs = self.ladder.laws[k].log_densities(x, both)
            live = np.asarray(np.isfinite(logs[:, :m][:, self.sizes > 0]).any(axis=1))
            train = np.where(live[:, None], logs[:, :m], 0.0)
            weights = balance_log_weights(logs[:, m:], train, self.sizes)
            found.append(np.where(live[:, None], weights, np.nan))
        parts = np.stack(found)
        known = ~np.isnan(parts).any(axis=1, keepdims=True)
        averaged: Floats = logsumexp(np.where(known, parts, -np.inf), axis=0) - np.log(np.maximum(known.sum(0), 1))
        return averaged

    def bounds(self) -> Floats:
        """No bound is known: infinite, shape (r,)."""
        return np.full(len(self.targets), np.inf)
