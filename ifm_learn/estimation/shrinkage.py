"""How far to trust the factors: estimates pulled towards a simpler one, by a strength chosen at regimes left out.

A combination that was run and stays identified without its own rows is predicted like an unseen one, by the
formula f and by simple estimates t. The strength minimises the squared error of (1 - strength) f + strength t
there, in units of the spread within regimes; with caution it is the least within a standard error of that.
What these errors exceed sampling by widens the errors of unseen regimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from ifm_ident import Identification, Identifier, IfmError, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Notation, format_regimes
from ifm_ident.show import counted, listed
from ifm_learn.conformal.regimes import identified_when_left_out, without_regime
from ifm_learn.data.held import held_out
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.rungs import AUTO
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.mean import MeanOfTraining
from ifm_learn.outcome.baselines.regime_means import LinearInMeans
from ifm_learn.outcome.baselines.singles import Nearest, SinglesMean
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.randomness import stream

SIMPLER: dict[str, type[LinearInMeans]] = {
    "additive": Additive,
    "nearest": Nearest,
    "singles-mean": SinglesMean,
}
"""What estimates may be pulled towards, by the name of the method."""

WORDS = {
    "additive": "the additive baseline",
    "nearest": "the largest part of them that was run",
    "singles-mean": "the mean of the singles",
}

FEWEST = 2
"""With fewer combinations left out no strength is chosen."""

MOST = 12
"""Of more combinations so many are drawn to be left out: each takes a fit."""

STEPS = 20
"""Strengths that are tried: multiples of one over this."""

_REPLICATES = 20
_OF_MODELS = ("extrapolated", "little_overlap", "misses_training", "models_disagree", "outcome_shifts")


@dataclass(frozen=True, eq=False)
class Record:
    """Predictions of k combinations, each by fits without its rows, for t targets, in units of the spread.

    formula and its error formula_se, observed and its error noise: shape (k, t). simpler: predictions by name, and
    their errors. spread: within regimes, of each target, shape (t,).
    """

    regimes: tuple[str, ...]
    formula: Floats
    formula_se: Floats
    observed: Floats
    noise: Floats
    simpler: Mapping[str, tuple[Floats, Floats]]
    spread: Floats

    def losses(self, name: str) -> Floats:
        """Mean squared errors over targets at every strength from 0 to 1, shape (STEPS + 1, k)."""
        strength = np.linspace(0, 1, STEPS + 1)[:, None, None]
        towards = self.simpler[name][0]
        found: Floats = (((1 - strength) * self.formula + strength * towards - self.observed) ** 2).mean(axis=2)
        return found


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """Estimates of unseen regimes are (1 - strength) x formula + strength x a simpler estimate.

    towards: its name in `SIMPLER`, "" at strength 0. excess: variance of errors at the regimes left out beyond
    sampling, in units of the squared spread; spread: of each target, shape (t,). regimes: those left out.
    before, after: root mean squared error there, in units of the spread, without and with the strength.
    """

    towards: str
    strength: float
    excess: float
    spread: Floats
    regimes: tuple[str, ...]
    before: float
    after: float

    def mapping(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "towards": self.towards or None,
            "strength": self.strength,
            "excess": round(float(np.sqrt(self.excess)), 6),
            "error": {"formula": round(self.before, 6), "shrunk": round(self.after, 6)},
            "left_out": list(self.regimes),
        }

    def words(self) -> str:
        """One sentence."""
        there = f"at {counted(len(self.regimes), 'combination')} left out ({listed(self.regimes, 4)})"
        held = f"errors of unseen regimes hold {np.sqrt(self.excess):.3f} sd for what these exceed sampling by"
        if not self.strength:
            return (
                f"shrunk by 0: {there} the formula errs by {self.before:.3f} sd, no simpler estimate by clearly "
                f"less; {held}"
            )
        return (
            f"shrunk by {self.strength:.2f}: means of unseen regimes are pulled so far towards "
            f"{WORDS[self.towards]}; {there} this errs by {self.after:.3f} sd, the formula by {self.before:.3f}; "
            f"{held}"
        )


def shrinkage(
    samples: Samples,
    method: str = "ifm1",
    energy: str = AUTO,
    *,
    seed: int = 0,
    seconds: float | None = None,
    notation: Notation = "assignment",
) -> Shrinkage:
    """The strength that errs least at combinations left out, and towards what.

    seconds: for all fits together, by forecast. Raises InputError where fewer than two combinations of
    interventions that were run stay identified without their own rows.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01", "11"]}).design
    >>> shrinkage(Samples(design, np.repeat(np.arange(4), 9), np.zeros((36, 1))))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: shrink is chosen at combinations that were run and stay identified without their \
own rows; it takes 2, these training regimes have 1: `ifm plan` finds regimes to add
    """
    return chosen(record(samples, method, energy, seed=seed, seconds=seconds, notation=notation))


def record(
    samples: Samples,
    method: str,
    energy: str,
    *,
    seed: int,
    seconds: float | None = None,
    notation: Notation = "assignment",
) -> Record:
    """Leave out combinations one at a time and predict each by the formula and by simpler estimates."""
    design = samples.design
    possible = identified_when_left_out(design)
    possible = possible[design.train.take(possible).active_counts > 1]
    if len(possible) < FEWEST:
        raise InputError(
            "shrink is chosen at combinations that were run and stay identified without their own rows; it takes "
            f"{FEWEST}, these training regimes have {len(possible)}: `ifm plan` finds regimes to add",
            argument="shrink",
        )
    if len(possible) > MOST:
        possible = np.sort(stream(seed, "left out").choice(possible, MOST, replace=False))
    each = None if seconds is None else seconds / (len(possible) + 1)
    own = MeanOfTraining().fit(samples)
    at = np.searchsorted(samples.present, possible)
    spread = _spread(samples)
    shape = (len(possible), len(spread))
    formula, error = np.full(shape, np.nan), np.full(shape, np.nan)
    simpler = {name: (np.full(shape, np.nan), np.full(shape, np.nan)) for name in SIMPLER}
    for row, train in enumerate(possible.tolist()):
        rest, regime = without_regime(samples, train), design.train.take(np.array([train]))
        work = LadderWork.fit(
            held_out(rest, 0, seed), method, energy, Fraction(1, 10), seed, each, replicates=_REPLICATES
        )
        columns = work.columns(Identifier(rest.design).identify(regime))
        formula[row], error[row] = columns.mean[0], columns.se[0]
        for name, (mean, se) in simpler.items():
            found = _simple(name, rest, regime)
            mean[row], se[row] = found[0][0], found[1][0]
    return Record(
        tuple(format_regimes(design.model, design.train.take(possible), notation).to_pylist()),
        formula / spread,
        np.nan_to_num(error / spread),
        own.means_[at] / spread,
        np.sqrt(np.nan_to_num(own.variances_of_means()[at])) / spread,
        {
            name: (mean / spread, np.nan_to_num(se / spread))
            for name, (mean, se) in simpler.items()
            if not np.isnan(mean).any()
        },
        spread,
    )


def chosen(found: Record, *, cautious: bool = True) -> Shrinkage:
    """The target and strength of least squared error; if cautious, the least strength within its standard error.

    >>> truth = np.array([[1.0], [2.0], [3.0]])
    >>> zero = np.zeros((3, 1))
    >>> record = Record(("a", "b", "c"), 2 * truth, zero, truth, zero, {"additive": (0 * truth, zero)}, np.ones(1))
    >>> shrunk = chosen(record, cautious=False)
    >>> shrunk.towards, shrunk.strength, shrunk.after
    ('additive', 0.5, 0.0)
    """
    k = len(found.regimes)
    best: tuple[float, str, int] | None = None
    for name in found.simpler:
        mean = found.losses(name).mean(axis=1)
        step = int(mean.argmin())
        if best is None or mean[step] < best[0]:
            best = float(mean[step]), name, step
    before = ((found.formula - found.observed) ** 2).mean(axis=1)
    name, step = ("", 0) if best is None else best[1:]
    if name and cautious:
        behind = found.losses(name) - found.losses(name)[step]
        fine = behind.mean(axis=1) <= behind.std(axis=1, ddof=1) / np.sqrt(k)
        step = int(np.flatnonzero(fine)[0])
    strength = step / STEPS
    towards, error = found.simpler[name] if strength else (found.formula, found.formula_se)
    left = (1 - strength) * found.formula + strength * towards - found.observed
    sampling = ((1 - strength) * found.formula_se + strength * error) ** 2 + found.noise**2
    # the strength was chosen on these regimes: one of k is spent
    spent = k / (k - 1) if k > 1 and name else 1.0
    excess = max(0.0, float((spent * left**2 - sampling).mean()))
    return Shrinkage(
        name if strength else "", strength, excess, found.spread, found.regimes,
        float(np.sqrt(before.mean())), float(np.sqrt((left**2).mean())),
    )  # fmt: skip


def shrink_columns(
    how: Shrinkage, columns: Columns, found: Identification, samples: Samples, level: Fraction
) -> None:
    """Pull the means of unseen regimes and widen their errors, in place; regimes that were run stay as they are.

    Errors of the parts are added, as if they erred together. Intervals of units move along, without a promise. At
    strength 1 no model has a share, so that what models miss neither flags a row nor takes its interval.
    """
    asked: Ints = np.flatnonzero((found.status == Status.IDENTIFIED) & ~np.isnan(columns.mean).all(axis=1))
    if not len(asked):
        return
    old, low, high = columns.mean[asked], columns.confidence_low[asked], columns.confidence_high[asked]
    share = np.full(old.shape, how.strength)
    towards, error = old, np.zeros_like(old)
    if how.strength:
        towards, error = _simple(how.towards, samples, found.targets.take(asked))
        share = np.where(np.isnan(towards), 0.0, share)
        towards, error = np.nan_to_num(towards), np.nan_to_num(error)
    mean = (1 - share) * old + share * towards
    more = np.sqrt(how.excess) * how.spread
    columns.mean[asked] = mean
    columns.se[asked] = np.hypot(_mixed(share, columns.se[asked], error), more)
    tail = 1 - float(level) / 2
    normal = float(norm.ppf(tail))
    beyond = student.ppf(tail, len(how.regimes)) * more
    columns.confidence_low[asked] = mean - np.hypot(_mixed(share, old - low, normal * error), beyond)
    columns.confidence_high[asked] = mean + np.hypot(_mixed(share, high - old, normal * error), beyond)
    scaling = samples.scaling if samples.y is None else None
    ranges = Ranges.of(targets_of(samples), samples.regime, scaling).lumped_alone()
    columns.confidence_low[asked] = np.maximum(columns.confidence_low[asked], ranges.low)
    columns.confidence_high[asked] = np.minimum(columns.confidence_high[asked], ranges.high)
    columns.prediction_low[asked] = np.fmin(
        columns.prediction_low[asked] + mean - old, columns.confidence_low[asked]
    )
    columns.prediction_high[asked] = np.fmax(
        columns.prediction_high[asked] + mean - old, columns.confidence_high[asked]
    )
    promised: NDArray[np.bool_] = columns.guarantee[asked] != ""
    none = np.where(promised, 0.0, np.nan)
    columns.prediction_low[asked] += none
    columns.prediction_high[asked] += none
    columns.guarantee[asked] = np.where(promised, "asymptotic", "")
    for row, alone in zip(asked.tolist(), (share == 1).tolist(), strict=True):
        columns.flags[row] = [
            tuple(word for word in words if word not in _OF_MODELS) if simple else words
            for words, simple in zip(columns.flags[row], alone, strict=True)
        ]


def _mixed(share: Floats, of_formula: Floats, of_simple: Floats) -> Floats:
    """Both parts by their shares; one without a share need not be known."""
    found: Floats = np.where(share == 1, of_simple, (1 - share) * of_formula + share * of_simple)
    return found


def _simple(name: str, samples: Samples, regimes: Regimes) -> tuple[Floats, Floats]:
    """Means and standard errors of a simple estimate, shape (r, t); nan where it has none."""
    shape = (len(regimes), targets_of(samples).shape[1])
    try:
        fitted = SIMPLER[name]().fit(samples)
    except IfmError:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    return fitted.predict(regimes).reshape(shape), fitted.standard_errors(regimes).reshape(shape)


def _spread(samples: Samples) -> Floats:
    """Standard deviation within regimes, all together, shape (t,); of all rows where every regime has one."""
    values, at = targets_of(samples), np.searchsorted(samples.present, samples.regime)
    n, m = len(values), len(samples.present)
    means = np.stack([np.bincount(at, column, m) / np.bincount(at, minlength=m) for column in values.T], axis=1)
    found = np.sqrt(((values - means[at]) ** 2).sum(axis=0) / max(n - m, 1))
    found = np.where(found > 0, found, values.std(axis=0))
    spread: Floats = np.where(found > 0, found, 1.0)
    return spread
