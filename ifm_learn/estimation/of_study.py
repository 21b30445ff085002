"""Estimates of a study's test regimes: means with confidence intervals, and intervals for fresh units.

What each field means: docs/reference/results.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ifm_ident import Identification, Identifier, InputError, Regimes, Status, Study
from ifm_ident.arrays import Floats
from ifm_ident.design import require_names
from ifm_ident.show import remainders
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.data.covariates import read_adjusted
from ifm_learn.data.held import CALIBRATION, Held, held_out
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.density.model import DensityModel
from ifm_learn.estimation._adjusted import AdjustedWork, check_asked
from ifm_learn.estimation._checks import density_warnings
from ifm_learn.estimation._columns import Columns
from ifm_learn.estimation._half_levels import check_half, half_levels
from ifm_learn.estimation._ladder_work import METHODS as BY_LADDER
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.estimation._populations import ALL, populations
from ifm_learn.estimation._work import Say, Work
from ifm_learn.estimation.extrapolation import extrapolation_warnings, extrapolation_words
from ifm_learn.estimation.fitted_ladder import FittedLadder
from ifm_learn.estimation.flags import unsupported
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity, baseline_means
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.shrinkage import Shrinkage, shrink_columns, shrinkage
from ifm_learn.ladder.effects import Reference
from ifm_learn.ladder.networks import answers
from ifm_learn.ladder.rungs import (
    AUTO,
    NETWORKS,
    RUNGS,
    TABLES,
    affordable,
    check_energy,
    energy_in_tables,
    energy_of,
)
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.methods import method_of
from ifm_learn.randomness import checked_seed, one_thread

_ONE_OUTCOME = ("dag", "blackbox", "average", "dr", "ifm2", "ifm3")

_BY_TABLES = ("ifm2", "ifm3")

MOST = 100_000
"""Test regimes that are estimated at once."""


@one_thread()
def estimate_study(
    study: Study,
    data: object = None,
    *,
    method: str = "ifm1",
    alpha: Alpha = "0.1",
    seed: int = 0,
    calibration: float = CALIBRATION,
    model: FittedModel | FittedLadder | None = None,
    jobs: int = 1,
    sensitivity: float | None = None,
    energy: str = AUTO,
    time_limit: float | None = None,
    effects: Reference | None = None,
    shrink: bool = False,
    outcomes: Sequence[str] | Literal["all"] | None = None,
    population: str | Path | None = None,
    by: str | None = None,
    half: str | None = None,
    say: Say | None = None,
) -> Estimates:
    """Means of the outcome (or of x, without one) in the test regimes, from the study's table or `data`.

    method: a name of `ifm_learn.outcome.methods`. alpha: miscoverage of both intervals, a decimal. calibration:
    the share of rows held out from everything that is fitted, for prediction intervals; 0 for no such intervals.
    model: one that was fitted to the same table before, with its own seed and calibration share (and energy, where
    it is a `FittedLadder`). say: told what is being done. sensitivity: also how far the means of unseen regimes
    move with an interaction left out of log-magnitude up to this (`ifm_learn.estimation.regime_sensitivity`), for
    `ifm1` only. energy: how densities are modelled, a name of `ifm_learn.ladder.rungs.ENERGIES`: `auto` averages
    the models that rows cannot tell apart; the methods ifm2 and ifm3 take a density on a grid, `grid` or `mlp`,
    the latter where neither is named. time_limit: seconds that fitting may take by forecast; models that would
    take longer are left out. effects: also differences from the baseline and synergies against this expectation
    (`ifm_learn.ladder.effects`).
    shrink: pull estimates of unseen regimes towards a simpler one, as far as it errs less at training regimes left
    out, and widen their errors by what these show (`ifm_learn.estimation.shrinkage`).
    outcomes: several columns of the table, or "all", in place of what the study's `data` says.
    population: whose covariates means are over: `all` training rows (the default), those of the baseline, `ctrl`,
    or a file of covariates. by: a covariate; a mean for each of its values.
    half: an intervention whose levels have a basis; also the level at which half of its largest effect is reached,
    for everything else in the test regimes (`ifm_learn.ladder.half_level`).

    Regimes that are not identified get no numbers from methods that need identification. Raises InputError for an
    unknown method, a bad alpha, share, seed or sensitivity, data that cannot be read, more than 100,000 test
    regimes, or nothing to leave out for shrink.

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
    asked = check_energy(energy)
    if study.covariates:
        adjusting = check_asked(method, asked, model=model, sensitivity=sensitivity, shrink=shrink)
    elif population is not None or by is not None:
        name = "by" if population is None else "population"
        raise InputError(
            f"{name} is about covariates, and the study has none; list them under `covariates`", argument=name
        )
    if sensitivity is not None and (method != "ifm1" or not 0 <= sensitivity < np.inf):
        raise InputError(
            f"sensitivity is of method 'ifm1', finite and not negative, got {sensitivity} with {method!r}"
        )
    if not chosen.needs_identification:
        require_names(study.model, f"the method {method!r}; take one of ifm1, dr and balance")
    ladder = model if isinstance(model, FittedLadder) else None
    if ladder is not None:
        asked, seed = _of_file(ladder, method, asked), ladder.seed
    tables = model if isinstance(model, FittedModel) else None
    in_tables = tables is not None or method in _BY_TABLES
    if in_tables:
        what = "model" if tables is not None else "method"
        asked = energy_in_tables(asked, what, None if tables is None else energy_of(tables.density))
    if shrink and (in_tables or not chosen.needs_identification or effects or sensitivity is not None):
        raise InputError(
            "shrink pulls means by the factors, of method ifm1, dr or balance, without model, and has neither "
            "sensitivity nor effects with joint errors; leave one out",
            argument="shrink",
        )
    if shrink:
        require_names(study.model, "shrink, which pulls towards effects of named levels")
    if half is not None:
        check_half(study.model, half)
        if in_tables or asked == NETWORKS or study.covariates or not chosen.needs_identification:
            raise InputError(
                "half needs a method of the factors, another energy than 'mlp', and no covariates", argument="half"
            )
    targets = targets_of_study(study)
    if study.covariates:
        samples, covariates = read_adjusted(study, data, outcomes)
    else:
        samples = read_samples(study, data, outcomes=outcomes)
    _check_several(samples, method, tables is not None or sensitivity is not None)
    if sensitivity is not None:
        baseline_means(samples)
    tell = say or (lambda _: None)
    if study.covariates:
        whose = populations(population or ALL, by, samples, covariates)
        how = (adjusting, seed, time_limit, len(targets) + 1)
        adjusted = AdjustedWork(study, samples, covariates, asked, float(level), tuple(whose), by, *how)
        got = _by_covariates(adjusted, targets, effects, tell)
        targets = got.found.targets
    else:
        if tables is None and chosen.needs_identification and (in_tables or asked == NETWORKS):
            check_time(samples, asked, time_limit)
            tell("fitting the density model")
            tables = FittedModel.fit(samples, seed=seed, calibration=calibration, jobs=jobs, energy=TABLES[asked])
        fitted = tables or ladder
        held = held_out(samples, calibration, seed) if fitted is None else fitted.held(samples)
        density = tables if chosen.needs_identification else None
        if method in BY_LADDER and (density is None or answers(density.density)):
            asking = (method, asked, level, seed)
            got = _by_ladder(
                study, held, targets, asking, density, time_limit, effects, shrink, tell, half, sensitivity, ladder
            )
        else:
            _check_estimator(samples, density, effects=effects is not None, shrink=shrink)
            got = _by_estimator(study, held, targets, (method, level, seed), density, sensitivity, tell)
    beside = got.beside
    if study.model.has_bases:
        beside = np.full(got.columns.mean.shape, np.nan)
    elif beside is None:
        beside = (got.additive or Additive().fit(got.held.fitted)).predict(targets)
    return Estimates(
        name=study.name,
        design=study.design,
        notation=study.notation,
        method=method,
        words=got.words,
        needs_identification=chosen.needs_identification,
        seed=seed,
        alpha=alpha_text(alpha),
        regimes=targets,
        status=got.found.status,
        outcomes=_outcomes(study, samples),
        without_outcome=samples.y is None,
        units=samples.scaling.units(study.model.variables) if samples.scaling and samples.y is None else (),
        additive=np.where(np.isnan(got.columns.mean), np.nan, beside.reshape(got.columns.mean.shape)),
        warnings=tuple(dict.fromkeys(filter(None, (*got.notes, *samples.notes, got.held.note)))),
        rows=len(got.held.fitted),
        calibration=len(got.held),
        ignored=samples.ignored,
        sensitivity=got.moved,
        tested=_tested(got.found, got.columns, samples),
        energy=got.about,
        effects=got.effects,
        reference=effects or "",
        shrunk=got.shrunk,
        remainder=_remainder(got.found),
        groups=got.groups,
        covariates=got.covariates,
        half_levels=got.halves,
        **{
            **vars(got.columns),
            "note": tuple(got.columns.note),
            "flags": tuple(map(tuple, got.columns.flags)),
            "models": tuple(map(tuple, got.columns.models)),
        },
    )


def check_time(samples: Samples, energy: str, seconds: float | None) -> None:
    """InputError where a density in tables would take longer, or more memory, than there is."""
    rung = RUNGS[energy]
    if rung.unfit(samples) is None:
        affordable([rung], samples, seconds)


def _check_estimator(samples: Samples, density: FittedModel | None, *, effects: bool, shrink: bool) -> None:
    """InputError for what takes joint errors, or one density for all outcomes; density: the method's, if any."""
    asked = {"effects": effects, "shrink": shrink, "outcomes": density is not None and bool(samples.outcomes)}
    for argument in filter(asked.get, asked):
        raise InputError(
            f"{argument} need a method of the factors, ifm1, dr or balance, and a density of exact likelihood, "
            "which knows joint errors; take another method or energy",
            argument=argument,
        )


def _of_file(model: FittedLadder, method: str, energy: str) -> str:
    """The energy of a model that is given; InputError for another, and for a method that needs tables."""
    if method in _BY_TABLES:
        raise InputError(
            f"the method {method!r} takes a density on a grid, and the model was fitted with the energy "
            f"{model.energy!r}; fit one with the energy 'grid' or 'mlp'",
            argument="model",
        )
    if energy not in (AUTO, model.energy):
        raise InputError(
            f"the model was fitted with the energy {model.energy!r}, not {energy!r}; leave out energy, or fit it "
            "again",
            argument="energy",
        )
    return model.energy


def _outcomes(study: Study, samples: Samples) -> tuple[str, ...]:
    """What means are of: variables, or the outcomes."""
    return study.model.variables if samples.y is None else samples.outcomes or (samples.outcome or "y",)


def _check_several(samples: Samples, method: str, given: bool) -> None:
    """InputError for several outcomes where each would need a regression or a fit of its own.

    given: whether a model or sensitivity is.
    """
    if not samples.outcomes:
        return
    if method in _ONE_OUTCOME:
        raise InputError(
            f"the method {method!r} takes one outcome; several share models of densities by the methods ifm1 or "
            "balance, or the methods additive, pooled, mean and control",
            argument="method",
        )
    if given:
        raise InputError(
            "a fitted model on a grid and sensitivity take one outcome; name one", argument="outcomes"
        )


@dataclass(frozen=True, eq=False)
class _Answered:
    """What one way of estimating says of the targets."""

    found: Identification
    held: Held
    columns: Columns
    notes: list[str]
    words: str
    about: dict[str, object]
    moved: tuple[RegimeSensitivity, ...] = ()
    effects: tuple[tuple[dict[str, Any], ...], ...] = ()
    additive: Additive | None = None
    shrunk: Shrinkage | None = None
    halves: tuple[dict[str, Any], ...] = ()
    beside: Floats | None = None
    groups: tuple[str, ...] = ()
    covariates: Mapping[str, Any] = field(default_factory=dict)


def _by_covariates(work: AdjustedWork, targets: Regimes, reference: Reference | None, say: Say) -> _Answered:
    """By regressions and tilts adjusted for covariates: every regime once for each population."""
    if reference not in (None, "additive"):
        raise InputError(
            f"effects against {reference!r} take no account of covariates; take 'additive'", argument="effects"
        )
    say("fitting models adjusted for covariates")
    found = Identifier(work.study.design, work.study.notation).identify(targets)
    found = found.take(np.repeat(np.arange(len(found)), len(work.populations)))
    columns, beside, made = work.columns(found, reference is not None)
    return _Answered(
        found,
        held_out(work.samples, 0.0, 0),
        columns,
        [*work.warnings()],
        work.words(),
        work.energy_about(),
        effects=tuple(made) if reference is not None else (),
        beside=beside,
        groups=tuple(one.group for one in work.populations) * len(targets) if work.by else (),
        covariates=work.about(),
    )


def _by_ladder(
    study: Study,
    held: Held,
    targets: Regimes,
    how: tuple[str, str, Fraction, int],
    model: FittedModel | None,
    time_limit: float | None,
    reference: Reference | None,
    shrink: bool,
    say: Say,
    half: str | None,
    sensitivity: float | None,
    kept: FittedLadder | None,
) -> _Answered:
    method, energy, level, seed = how
    chosen, density = None, None if model is None else model.density
    if shrink:
        say("fits without one regime each, to choose how far to shrink")
        chosen = shrinkage(held.fitted, method, energy, seed=seed, seconds=time_limit, notation=study.notation)
    if kept is None:
        work = LadderWork.fit(held, method, energy, level, seed, time_limit, say=say, density=density)
    else:
        work = kept.work(held, method, level)
    say(f"estimating by {work.words()}")
    identifier = Identifier(held.fitted.design, study.notation)
    found = identifier.identify(targets)
    columns = work.columns(found)
    halves: tuple[dict[str, Any], ...] = ()
    if half is not None:
        halves = tuple(
            half_levels(work.answer, identifier, targets, half, _outcomes(study, held.fitted), float(level))
        )
    if chosen is not None:
        shrink_columns(chosen, columns, found, held.fitted, level)
    words = f"{_does(held.fitted, method)}, modelled by {work.words()}"
    made = () if reference is None else tuple(map(tuple, work.effects(found, reference)))
    moved: tuple[RegimeSensitivity, ...] = ()
    if sensitivity is not None:
        say("sensitivity to an interaction left out")
        moved = tuple(work.sensitivities(found, sensitivity))
    notes = [*work.warnings(columns)]
    if model is not None:
        notes += [*model.notes, *density_warnings(model.density, held.fitted, found.notation)]
        notes += _extrapolated(model.density, found, columns)
    return _Answered(
        found,
        held,
        columns,
        notes,
        words,
        work.about(),
        moved,
        effects=made,
        shrunk=chosen,
        halves=halves,
    )


def _does(samples: Samples, method: str) -> str:
    """What a method does with these rows, in words."""
    if samples.outcomes:
        return "weights of rows, shared by all outcomes"
    return (
        "the fitted density of each regime" if samples.y is None and method == "ifm1" else method_of(method).words
    )


def _by_estimator(
    study: Study,
    held: Held,
    targets: Regimes,
    how: tuple[str, Fraction, int],
    model: FittedModel | None,
    sensitivity: float | None,
    say: Say,
) -> _Answered:
    """By an estimator: over a density on a grid, or without one."""
    method, level, seed = how
    chosen, density = method_of(method), None if model is None else model.density
    say(f"estimating by {method}")
    estimator = chosen.build(density, None, seed).fit(held.fitted)
    found = Identifier(held.fitted.design, study.notation).identify(targets)
    work = Work(estimator, held, density, level, seed, say)
    notes = [] if model is None else [*model.notes]
    columns = work.columns(found, notes)
    moved = () if sensitivity is None else tuple(work.sensitivities(found, sensitivity))
    notes += work.warnings(found, columns)
    if density is not None:
        notes += _extrapolated(density, found, columns)
    name = "" if density is None else energy_of(density)
    about: dict[str, object] = {"asked": name, "chosen": [name]} if name else {}
    additive = estimator if isinstance(estimator, Additive) else None
    return _Answered(found, held, columns, notes, _does(held.fitted, method), about, moved, additive=additive)


def _extrapolated(density: DensityModel, found: Identification, columns: Columns) -> list[str]:
    """Warnings, flags and notes of regimes that lie beyond a factor's rows or a variable's range."""
    asked = np.flatnonzero((found.status == Status.OBSERVED) | (found.status == Status.IDENTIFIED))
    weak = [""] * len(found)
    for row, said in zip(asked.tolist(), extrapolation_words(density, found.targets.take(asked)), strict=True):
        weak[row] = said
    columns.flag("extrapolated", [row for row, said in enumerate(weak) if said])
    columns.note = ["; ".join(filter(None, both)) for both in zip(columns.note, weak, strict=True)]
    return [*extrapolation_warnings(found.design.model, found.targets, weak, found.notation)]


def _remainder(found: Identification) -> tuple[str, ...]:
    """What is still determined of every refused regime, in words."""
    rows, index, words = remainders(found)
    texts = [""] * len(found)
    for row, i in zip(rows.tolist(), index.tolist(), strict=True):
        texts[row] = words[i]
    return tuple(texts) if len(rows) else ()


def _tested(found: Identification, columns: Columns, samples: Samples) -> tuple[bool, ...]:
    """Whether a claim with rows enough bears on every regime, flagged where none does; () if it takes long."""
    alone = unsupported(found, samples)
    if alone is None:
        return ()
    columns.flag("untested", alone & ~np.isnan(columns.mean).all(axis=1))
    return tuple((~alone).tolist())


def targets_of_study(study: Study) -> Regimes:
    """All test regimes; InputError for more than 100,000."""
    if study.target_count > MOST:
        raise InputError(
            f"{study.target_count:,} test regimes are more than {MOST:,}; name fewer by `test`", argument="test"
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
