"""Estimates of a study's test regimes: means with confidence intervals, and intervals for fresh units (SPEC)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ifm_ident import Identification, Identifier, InputError, Regimes, Status, Study
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density import DensityModel
from ifm_learn.estimation.checks import density_warnings, outcome_warnings, overlap_warnings
from ifm_learn.estimation.extrapolation import extrapolation_warnings, extrapolation_words
from ifm_learn.estimation.held import CALIBRATION, Held, held_out
from ifm_learn.estimation.prediction import UnitIntervals, by_ratio, without_ratio
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.sensitivity import RegimeSensitivity, baseline_means, regime_sensitivities
from ifm_learn.fitted import FittedModel
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.estimator import OutcomeEstimator, bootstrap_errors, one_row
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.methods import method_of
from ifm_learn.randomness import checked_seed, one_thread, stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Say = Callable[[str], None]

MOST = 100_000
"""Test regimes that are estimated at once."""

_REPLICATES = 30
"""Bootstrap refits for methods without a closed form of the error."""


@one_thread()
def estimate_study(
    study: Study,
    data: object = None,
    *,
    method: str = "ifm1",
    alpha: Alpha = "0.1",
    seed: int = 0,
    calibration: float = CALIBRATION,
    model: FittedModel | None = None,
    jobs: int = 1,
    sensitivity: float | None = None,
    say: Say | None = None,
) -> Estimates:
    """Means of the outcome (or of x, without one) in the test regimes, from the study's table or `data`.

    method: a name of `ifm_learn.outcome.methods`. alpha: miscoverage of both intervals, a decimal. calibration:
    the share of rows held out from everything that is fitted, for prediction intervals; 0 for no such intervals.
    model: one that was fitted to the same table before, with its own seed and calibration share. say: told what is
    being done. sensitivity: also how far the means of unseen regimes move with an interaction left out of
    log-magnitude up to this (`ifm_learn.sensitivity`), for `ifm1` only.

    Regimes that are not identified get no numbers from methods that need identification. Raises InputError for an
    unknown method, a bad alpha, share, seed or sensitivity, data that cannot be read, or more than 100,000 test
    regimes.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}], "train": ["000", "100", "010"],
    ...     "test": ["110", "001"],
    ... })
    >>> rng = np.random.default_rng(0)
    >>> a, b = np.repeat([[0, 0], [1, 0], [0, 1]], 1000, axis=0).T
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[a + 2 * b]).astype(float)
    >>> found = estimate_study(study, {"A": a, "B": b, "x": x}, method="balance")
    >>> [found.words_of(r) for r in range(2)], found.mean.round(1).tolist()  # odds 1 * 1 / (1/4): 4/5
    (['identified', 'not_identified'], [[0.8], [nan]])
    """
    chosen, level, seed = method_of(method), read_alpha(alpha), checked_seed(seed)
    if sensitivity is not None and (method != "ifm1" or not sensitivity >= 0):
        raise InputError(f"sensitivity is of method 'ifm1' and not negative, got {sensitivity} with {method!r}")
    targets = targets_of_study(study)
    samples = read_samples(study, data)
    if sensitivity is not None:
        baseline_means(samples)
    tell = say or (lambda _: None)
    if model is not None:
        held = model.held(samples)
    elif chosen.needs_identification:
        tell("fitting the density model")
        model = FittedModel.fit(samples, seed=seed, calibration=calibration, jobs=jobs)
        held = model.held(samples)
    else:
        held = held_out(samples, calibration, seed)
    density = model.density if model is not None and chosen.needs_identification else None
    tell(f"estimating by {method}")
    estimator = chosen.build(density, None, seed).fit(held.fitted)
    found = Identifier(study.design, study.notation).identify(targets)
    work = _Work(estimator, held, density, level, seed, tell)
    notes = list(model.notes) if model is not None and density is not None else []
    columns = work.columns(found, notes)
    moved = () if sensitivity is None else tuple(work.sensitivities(found, sensitivity))
    notes += work.warnings(found, columns)
    weak = work.extrapolation(found)
    notes += extrapolation_warnings(study.model, targets, weak, study.notation)
    columns.reasons = tuple("; ".join(filter(None, both)) for both in zip(columns.reasons, weak, strict=True))
    beside = Additive().fit(held.fitted).predict(targets)
    return Estimates(
        name=study.name,
        design=study.design,
        notation=study.notation,
        method=method,
        words=chosen.words,
        needs_identification=chosen.needs_identification,
        seed=seed,
        alpha=alpha_text(alpha),
        regimes=targets,
        status=found.status,
        outcomes=study.model.variables if samples.y is None else (samples.outcome or "y",),
        without_outcome=samples.y is None,
        additive=np.where(np.isnan(columns.mean), np.nan, beside.reshape(columns.mean.shape)),
        warnings=tuple(dict.fromkeys(notes)),
        rows=len(held.fitted),
        calibration=len(held),
        ignored=samples.ignored,
        sensitivity=moved,
        **vars(columns),
    )


def targets_of_study(study: Study) -> Regimes:
    """All test regimes; InputError for more than 100,000."""
    if study.target_count > MOST:
        raise InputError(
            f"{study.target_count:,} test regimes are more than {MOST:,}; name fewer by `test` or --test"
        )
    return Regimes.concatenate([*study.targets()])


def alpha_text(alpha: Alpha) -> str:
    """alpha as it was written; a number as the shortest decimal.

    >>> alpha_text("0.10"), alpha_text(0.1)
    ('0.10', '0.1')
    """
    if isinstance(alpha, Fraction):
        return str(Decimal(alpha.numerator) / Decimal(alpha.denominator))
    return float.__repr__(alpha) if isinstance(alpha, float) else str(alpha)


@dataclass(eq=False)
class _Columns:
    """The columns of `Estimates` that the estimator fills."""

    mean: Floats
    se: Floats
    low: Floats
    high: Floats
    unit_low: Floats
    unit_high: Floats
    ess: Floats
    unit_ess: Floats
    guarantee: NDArray[np.str_]
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Work:
    """A fitted estimator with what its intervals and checks need."""

    estimator: OutcomeEstimator
    held: Held
    density: DensityModel | None
    level: Fraction
    seed: int
    say: Say

    @property
    def samples(self) -> Samples:
        """The rows fitted to."""
        return self.held.fitted

    def columns(self, found: Identification, notes: list[str]) -> _Columns:
        """All numbers; nan for regimes that the method refuses."""
        asked = self._asked(found)
        k = 1 if self.samples.y is not None else self.samples.x.shape[1]
        empty = np.full((len(found), k), np.nan)
        units = UnitIntervals.none(empty.shape)
        reasons = [word or "" for word in self.estimator.reasons(found.targets)]
        columns = _Columns(
            empty, empty.copy(), empty.copy(), empty.copy(), units.low, units.high, np.full(len(found), np.nan),
            units.ess, units.guarantee, (),
        )  # fmt: skip
        if len(asked):
            wanted = found.targets.take(asked)
            mean = self.estimator.predict(wanted).reshape(len(asked), k)
            self.say("standard errors")
            se = self._errors(wanted, notes).reshape(len(asked), k)
            half = float(t.isf(float(self.level / 2), self._freedom())) * se
            columns.mean[asked], columns.se[asked] = mean, se
            columns.low[asked], columns.high[asked] = mean - half, mean + half
            self._fill_units(columns, wanted, asked, mean)
            if isinstance(self.estimator, IdentifiedEstimator):
                overlap = self.estimator.diagnostics(wanted)
                columns.ess[asked] = overlap.ess
                for row, fine, words in zip(asked.tolist(), overlap.reliable, overlap.verdict, strict=True):
                    reasons[row] = "" if fine else str(words)
        return replace(columns, reasons=tuple(reasons))

    def extrapolation(self, found: Identification) -> list[str]:
        """For every regime how much of it lies beyond what rows tell, "" for little."""
        words = [""] * len(found)
        if self.density is not None:
            asked = self._asked(found)
            said = extrapolation_words(self.density, found.targets.take(asked))
            for row, word in zip(asked.tolist(), said, strict=True):
                words[row] = word
        return words

    def sensitivities(self, found: Identification, gamma: float) -> Iterator[RegimeSensitivity]:
        """Of the regimes that have numbers and were not observed, against the baseline's mean."""
        assert isinstance(self.estimator, Ifm1)
        self.say("sensitivity to an interaction left out")
        asked = self._asked(found)
        wanted = found.targets.take(asked)
        for one in regime_sensitivities(self.estimator, wanted, [gamma], alpha=self.level):
            yield replace(one, row=int(asked[one.row]))

    def _asked(self, found: Identification) -> Ints:
        if self.density is None:
            return np.arange(len(found))
        return np.flatnonzero((found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED))

    def _freedom(self) -> float:
        """Degrees of freedom of the errors: replicates less one, no limit for a closed form."""
        if isinstance(self.estimator, IdentifiedEstimator):
            return self.estimator.replicates - 1
        return np.inf if hasattr(self.estimator, "standard_errors") else _REPLICATES - 1

    def _errors(self, wanted: Regimes, notes: list[str]) -> Floats:
        """Standard errors; nan, and why among the notes, where rows or density do not tell."""
        closed = getattr(self.estimator, "standard_errors", None)
        if closed is not None and self.density is not None and self.density.spread is None:
            notes.append("no standard errors: the density was not fitted by exact likelihood")
            return np.full(self.estimator.predict(wanted).shape, np.nan)
        if closed is not None:
            found = np.asarray(closed(wanted), dtype=np.float64)
        else:
            rng = stream(self.seed, "bootstrap")
            found = bootstrap_errors(self.estimator.settled(), self.samples, wanted, rng, _REPLICATES)
        single = one_row(self.samples)
        if single is not None and np.isnan(found).any():
            notes.append(
                f"standard errors are missing: train[{single}] has one row, which tells nothing of their spread"
            )
        return found

    def _fill_units(self, columns: _Columns, wanted: Regimes, asked: Ints, mean: Floats) -> None:
        rows = self.held.calibration
        if rows is None:
            return
        if self.density is not None:
            identification = Identifier(self.samples.design).identify(wanted)
            some = by_ratio(self.held, rows, self.density, identification, mean, self.level)
        else:
            train = self.samples.design.train.take(self.samples.present)
            own = self.estimator.predict(train).reshape(len(train), -1)
            some = without_ratio(rows, own, mean, self.level)
        columns.unit_low[asked], columns.unit_high[asked] = some.low, some.high
        columns.unit_ess[asked], columns.guarantee[asked] = some.ess, some.guarantee

    def warnings(self, found: Identification, columns: _Columns) -> Iterator[str]:
        """What to know beside the numbers."""
        if self.density is not None:
            asked = self._asked(found)
            poor = [row for row in asked.tolist() if columns.reasons[row]]
            worst = sorted(poor, key=lambda row: float(columns.ess[row]))[:4]
            named = [(found[row].name, float(columns.ess[row])) for row in worst]
            yield from overlap_warnings(named, len(poor), len(asked))
            yield from density_warnings(self.density, self.samples, found.notation)
        yield from outcome_warnings(self.estimator, self.samples, found.notation)
