"""Combinations that were really measured against every way to predict them (`ifm reproduce combinations`)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident import Identifier, IfmError, InputError, Regimes, Status
from ifm_ident.arrays import Floats
from ifm_ident.errors import require_known
from ifm_learn.data.fetch import VARIABLE
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.shrinkage import SIMPLER
from ifm_learn.experiments._combination_cases import CHOOSING, FILES, SOURCES, Beside, Case
from ifm_learn.experiments._folder import Folder
from ifm_learn.falsification.testing import falsify
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.regime_statistics import RegimeStatistics
from ifm_learn.outcome.estimator import targets_of

_QUANTILE = 1.645
_LEVEL = 0.05
_MOST_CLAIMED = 40

FACTORS = ("ladder", "shrunken", "adjusted")
METHODS = ("control", "strongest single", "mean of singles", "additive", "independence", "boosted trees", *FACTORS)
"""Ways to predict: without factors, then with."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """Means, ends of 90% intervals (nan for none) and whether a flag warns, each of shape (r, t).

    With shares, (r, groups), they are of groups, of shape (r, groups, t).
    """

    mean: Floats
    low: Floats
    high: Floats
    flagged: Floats
    shares: Floats | None = None

    @property
    def together(self) -> Predicted:
        """Of groups the means by shares; an interval is as long as those of groups are, by shares."""
        if self.shares is None:
            return self
        parts = (self.mean, self.low, self.high, (self.flagged > 0).astype(float))
        mean, low, high, flagged = (np.nansum(self.shares[:, :, None] * of, axis=1) for of in parts)
        return Predicted(mean, low, high, (flagged > 0).astype(float))

    @classmethod
    def plain(cls, mean: Floats) -> Predicted:
        """Means without intervals and flags."""
        none = np.full(mean.shape, np.nan)
        return cls(mean, none, none, none)


def predictions(case: Case, seed: int = 0) -> dict[str, Predicted]:
    """What every method says of the regimes asked about; those that do not apply are left out."""
    found = {name: Predicted.plain(mean) for name, mean in _from_singles(case).items()}
    found["boosted trees"] = Predicted.plain(_trees(case, seed))
    for name, shrink in (("ladder", False), ("shrunken", True)):
        try:
            estimates = estimate_study(
                case.study, case.table(), calibration=0, alpha="0.1", seed=seed, shrink=shrink
            )
        except InputError:
            if not shrink:
                raise
            continue  # no combinations were run to choose a strength by
        found[name] = Predicted(
            estimates.mean, estimates.confidence_low, estimates.confidence_high, _flagged(estimates)
        )
    if case.adjusted is not None:
        found["adjusted"] = _adjusted(case.adjusted, seed)
    return found


def _flagged(estimates: Estimates) -> Floats:
    return np.array([[bool(words) for words in row] for row in estimates.flags], dtype=float)


def _adjusted(asked: Beside, seed: int) -> Predicted:
    """The ladder given a covariate: means in each of its groups, in the shares of the rows that were held back."""
    estimates = estimate_study(asked.study, asked.table, calibration=0, alpha="0.1", seed=seed, by=asked.by)
    parts = (estimates.mean, estimates.confidence_low, estimates.confidence_high)
    mean, low, high = (of.reshape(asked.offset.shape) - asked.offset for of in parts)
    flagged = _flagged(estimates).reshape(asked.offset.shape)
    return Predicted(mean, low, high, flagged, asked.shares)


def _from_singles(case: Case) -> dict[str, Floats]:
    """Predictions by arithmetic on means of the baseline and of single interventions."""
    samples, asked = case.samples, case.asked
    values = targets_of(samples)
    means = {samples.design.train[r]: values[samples.regime == r].mean(axis=0) for r in samples.present.tolist()}
    shape = (len(asked), values.shape[1])
    found = {"control": np.tile(means[()], (len(asked), 1)), "strongest single": np.full(shape, np.nan)}
    for row, active in enumerate(asked):
        singles = np.array([means.get((one,), np.full(shape[1], np.nan)) for one in active])
        away = np.abs(singles - means[()])
        if not np.isnan(away).any():
            found["strongest single"][row] = np.take_along_axis(singles, away.argmax(axis=0)[None], axis=0)[0]
    for name in ("singles-mean", "additive"):
        try:
            fitted = SIMPLER[name]().fit(samples)
            found["mean of singles" if name == "singles-mean" else name] = fitted.predict(asked).reshape(shape)
        except IfmError:
            continue
    if np.isin(values, (0.0, 1.0)).all():
        # Bliss for shares of survivors: what singles leave of the baseline's share multiplies
        base = means[()]
        product = [np.prod([means[(one,)] / base for one in active], axis=0) * base for active in asked]
        found["independence"] = np.array(product)
    return found


def _trees(case: Case, seed: int) -> Floats:
    """Boosted regression trees on the levels as 0/1 columns, one fit a variable."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = case.samples.design.model
    width = np.cumsum([0, *(len(one.levels) for one in model.interventions)])

    def columns(regimes: Regimes) -> Floats:
        table = np.zeros((len(regimes), width[-1]))
        table[regimes.rows, width[regimes.position] + regimes.level] = 1.0
        return table

    rows, values = columns(case.samples.design.train)[case.samples.regime], targets_of(case.samples)
    trees = HistGradientBoostingRegressor(min_samples_leaf=3, random_state=seed)
    asked = columns(case.asked)
    return np.column_stack([trees.fit(rows, column).predict(asked) for column in values.T])


def claims_rejected(case: Case, seed: int = 0) -> dict[str, int] | None:
    """How many testable claims the runs alone reject at 5%, of how many; None where there is nothing to test.

    Of numbers that are means of rows all claims at once, by the F test of the normal model.
    """
    if case.rows is not None:
        model, rows = case.study.model, case.rows
        statistics = RegimeStatistics.of(rows.regime, targets_of(rows), len(rows.present))
        linear = LinearMeans.fit(model, tuple(range(len(model.factors))), rows.design.train, statistics)
        return {"rejected": int(linear.lack_of_fit()[1][0] < _LEVEL), "tested": 1}
    if len(case.samples.present) > _MOST_CLAIMED or case.samples.sizes[case.samples.present].min() < 2:
        return None
    try:
        found = falsify(case.samples, seed=seed, tests=["score"], pairs=False).findings
    except InputError:
        return None
    tested = [one for one in found if one.p_adjusted is not None]
    return {"rejected": sum(bool(one.rejected) for one in tested), "tested": len(tested)} if tested else None


def score(cases: Iterable[Case], seed: int = 0) -> dict[str, Any]:
    """Errors, coverage and flags of every method on one kind of data, as plain values for JSON."""
    errors: dict[str, list[Floats]] = {}
    inside: dict[str, list[Floats]] = {}
    flagged: dict[str, list[Floats]] = {}
    noise, claims, identified, count = [], [], 0, 0
    groups: dict[str, Any] = {}
    for case in cases:
        spread = _spread(case.samples)
        verdict = claims_rejected(case, seed)
        if verdict is not None:
            claims.append(verdict)
        status = Identifier(case.samples.design).identify(case.asked).status
        identified += int((status == Status.IDENTIFIED).sum())
        count += len(case.asked)
        noise.append((case.noise / spread).ravel())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = predictions(case, seed)
        for name, one in ((name, one.together) for name, one in found.items()):
            errors.setdefault(name, []).append(((one.mean - case.measured) / spread).ravel())
            inside.setdefault(name, []).append(_held(one, case.measured, case.noise).ravel())
            flagged.setdefault(name, []).append(one.flagged.ravel())
        if case.adjusted is not None:
            groups = _by_group(case.adjusted, found, spread)
    methods = {
        name: _summary(np.concatenate(errors[name]), np.concatenate(inside[name]), np.concatenate(flagged[name]))
        for name in METHODS
        if name in errors
    }
    return {
        "regimes": count,
        "identified": identified,
        "targets": len(np.concatenate(noise)),
        "noise": float(np.sqrt(np.mean(np.concatenate(noise) ** 2))),
        "claims": {key: sum(one[key] for one in claims) for key in ("rejected", "tested")} if claims else None,
        "methods": methods,
        **({"groups": groups} if groups else {}),
    }


def _held(one: Predicted, measured: Floats, noise: Floats) -> Floats:
    """Whether intervals hold measured means, nan without one.

    A measured mean errs too: half widths and its own error count in squares.
    """
    reach = np.where(measured < one.mean, one.mean - one.low, one.high - one.mean)
    held = np.abs(measured - one.mean) <= np.hypot(reach, _QUANTILE * noise)
    return np.where(np.isnan(one.low) | np.isnan(measured), np.nan, held)


def _by_group(beside: Beside, found: Mapping[str, Predicted], spread: Floats) -> dict[str, Any]:
    """Scores at the rows of one value of the covariate alone, by group and method."""
    scores: dict[str, Any] = {}
    for g, group in enumerate(beside.groups):
        measured, noise = beside.measured[:, g], beside.noise[:, g]
        methods = {}
        for name, one in found.items():
            parts = (one.mean, one.low, one.high, one.flagged)
            own = one if one.shares is None else Predicted(*(of[:, g] for of in parts))
            errors, inside = (own.mean - measured) / spread, _held(own, measured, noise)
            methods[name] = _summary(errors.ravel(), inside.ravel(), own.flagged.ravel())
        scores[group] = {"noise": float(np.sqrt(np.nanmean((noise / spread) ** 2))), "methods": methods}
    return scores


def _summary(errors: Floats, inside: Floats, flagged: Floats) -> dict[str, Any]:
    def share(values: Floats) -> float | None:
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else None

    known = ~np.isnan(errors)
    return {
        "rmse": float(np.sqrt(np.mean(errors[known] ** 2))) if known.any() else None,
        "median": float(np.median(np.abs(errors[known]))) if known.any() else None,
        "answered": share(known.astype(float)),
        "held": share(inside),
        "held_unflagged": share(np.where(flagged == 0, inside, np.nan)),
        "with_interval": share((~np.isnan(inside)).astype(float)) if not np.isnan(inside).all() else None,
        "flagged": share(flagged),
    }


def _spread(samples: Samples) -> Floats:
    """The standard deviation within regimes, shape (t,); of all rows where every regime has one."""
    values = targets_of(samples)
    left = np.concatenate(
        [values[samples.regime == r] - values[samples.regime == r].mean(axis=0) for r in samples.present]
    )
    freedom = len(values) - len(samples.present)
    found: Floats = np.sqrt((left**2).sum(axis=0) / freedom) if freedom else values.std(axis=0)
    return np.where(found > 0, found, 1.0)


def require_files(data_home: Path, names: Sequence[str] = tuple(SOURCES)) -> None:
    """Raise InputError for names of no data set and for one that is not in the folder."""
    for name in names:
        require_known(name, SOURCES, "data set")
        if not (data_home / FILES[name]).is_file():
            raise InputError(
                f"{data_home}: there is no {FILES[name]}; name the folder of public data, which holds it, by "
                f"data_home= or the environment variable {VARIABLE}"
            )


def run_combinations(
    folder: Path,
    data_home: Path,
    names: Sequence[str] = tuple(SOURCES),
    *,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, Any]]:
    """Scores of the data sets named; each is kept in `folder` when done, and a later run continues from there.

    data_home: holds sachs/, mice/, hcs/, factorials/ and gene-pairs/. Raises InputError as `require_files` does,
    and for a folder of another seed.
    """
    require_files(data_home, names)
    kept = Folder.open(folder / "combinations", {"seed": seed})
    found = {}
    for number, name in enumerate(SOURCES):
        if name not in names:
            continue
        if number in kept.finished():
            found[name] = kept.read(number)
            continue
        say(f"{name}: {(SOURCES[name].__doc__ or '').split('(')[0].split(':')[0].strip()}")
        found[name] = score(SOURCES[name](data_home), seed)
        kept.write(number, found[name])
    return found


def chosen_rule(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean log errors of ways to predict over the data that may choose one, and over the others.

    shrunken: where combinations were run by which to choose the strength, else as the ladder.
    """
    half: dict[str, list[Mapping[str, Any]]] = {"choosing": [], "reporting": []}
    for name, one in found.items():
        half["choosing" if name in CHOOSING else "reporting"].append(one["methods"])

    def mean(parts: list[Mapping[str, Any]], order: tuple[str, ...]) -> float:
        return (
            float(np.mean([np.log(next(m[k]["rmse"] for k in order if k in m)) for m in parts]))
            if parts
            else np.nan
        )

    rules = {
        "ladder": ("ladder",),
        "shrunken": ("shrunken", "ladder"),
        "mean of singles": ("mean of singles",),
        "strongest single": ("strongest single",),
        "additive": ("additive",),
        "boosted trees": ("boosted trees",),
    }
    return {rule: {where: mean(parts, order) for where, parts in half.items()} for rule, order in rules.items()}


def record(found: Mapping[str, Mapping[str, Any]], seed: int) -> str:
    """The scores as JSON, `ifm-combinations/1`."""
    results = [{"data": name, **one} for name, one in found.items()]
    return json.dumps({"schema": "ifm-combinations/1", "seed": seed, "results": results}, indent=1) + "\n"
