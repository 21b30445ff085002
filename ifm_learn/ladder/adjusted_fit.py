"""Families and tilts given covariates: which are fitted to rows, how held-out rows compare them, and refits.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident import InputError
from ifm_learn.ladder._adjusted_tilt import AdjustedTilt, Problem
from ifm_learn.ladder._features import Kind
from ifm_learn.ladder._forecast import duration
from ifm_learn.ladder._selection import FOLDS, REPEATS, Scores
from ifm_learn.ladder.adjusted_average import AdjustedLadder, Law, Method
from ifm_learn.ladder.adjusted_families import AdjustedFamilies, energies_for
from ifm_learn.ladder.adjusted_rows import AdjustedRows
from ifm_learn.ladder.average import FEWER, MANY, REPLICATES
from ifm_learn.ladder.glm import ENERGIES, Energy
from ifm_learn.randomness import stream

TILTS: tuple[Kind, ...] = ("linear", "quadratic", "splines")
AUTO = "auto"

PATIENCE = 20.0
"""Seconds beyond which a tilt is no part of an average that was given no limit."""

_ONE_DIVISION = 20_000
"""With more rows than this there is one division into folds."""


def fit_adjusted(
    rows: AdjustedRows,
    energy: str,
    *,
    seed: int,
    method: Method = "ifm1",
    seconds: float | None = None,
    share: int = 1,
    asked: int = 1,
    replicates: int = REPLICATES,
) -> AdjustedLadder:
    """Fits what `energy` asks for: one family or tilt, or for `auto` all that such rows may come from.

    seconds: how long tilts may take by forecast, `PATIENCE` for `auto` by default; share: among how many ladders
    that is; asked: how many means a column will be asked for. InputError where the one named, or every one, cannot
    be fitted.

    >>> from ifm_ident import Design, Factor, Intervention, Model, Regimes
    >>> from ifm_learn.data.covariates import Column, Covariates
    >>> from ifm_learn.data.samples import Samples
    >>> factor, a = Factor("f", ("y",), ("A",)), Intervention("A", (0, 1))
    >>> train = Regimes.from_codes(np.array([[0], [1]]))
    >>> rng, place = np.random.default_rng(0), np.repeat([0, 1], 100)
    >>> age = rng.normal(size=200) + place
    >>> y = 2 * age + place + rng.normal(size=200)
    >>> samples = Samples(Design(Model((a,), ("y",), (factor,)), train), place, y[:, None])
    >>> model = Model((a,), ("y",), (factor,), ("age",))
    >>> rows = AdjustedRows(model, samples, Covariates((Column("age"),), age[:, None]))
    >>> ladder = fit_adjusted(rows, "auto", seed=0)
    >>> found = ladder.answers(train, age[:, None], np.arange(200), "ifm1", 0.1)[0]
    >>> bool(abs(found.difference[1] - 1) < 0.3), ladder.rungs[0]
    (True, 'normal')
    """
    refused: dict[str, str] = {}
    laws: list[Law] = []
    x = rows.samples.x
    count = min(replicates, FEWER) if len(rows) > MANY else replicates
    repeats = 1 if len(rows) > _ONE_DIVISION else REPEATS
    for name in ENERGIES:
        energies: tuple[Energy, ...] | None = (name,) * x.shape[1] if energy == name else None
        if energy == AUTO:
            energies = energies_for(name, x)
        if energies is not None:
            try:
                laws.append(AdjustedFamilies.fit(name, rows, energies))
            except InputError as error:
                if energy == name:
                    raise
                refused[name] = str(error)
    left = (PATIENCE if seconds is None else seconds) / share
    two_valued = all(len(np.unique(column)) <= 2 for column in x.T)
    for kind in TILTS:
        if energy not in (AUTO, kind) or (energy == AUTO and two_valued and kind != "linear"):
            continue
        problem = Problem.of(rows, kind)
        why, cost = problem.unfit(), 0.0
        if why is None and (energy == AUTO or seconds is not None):
            cost = problem.seconds(count, 1 + FOLDS * repeats, asked)
            if cost > left:
                why = f"{kind} would take about {duration(cost)} with {count} refits, {duration(left)} are left"
        if why is None:
            try:
                laws.append(problem.fit())
                left -= cost
            except InputError as error:
                why = str(error)
        if why is not None:
            refused[kind] = why
    if not laws:
        raise InputError("no model can be fitted: " + "; ".join(f"{k}: {why}" for k, why in refused.items()))
    rng = stream(seed, "ladder folds")
    scores, weights = None, np.ones(1)
    while len(laws) > 1 and scores is None:
        scores, failed = _compare(laws, rows, rng, repeats)
        for k in sorted(failed, reverse=True):
            refused[laws[k].rung] = failed[k]
            del laws[k]
    if scores is not None:
        weights = scores.weights()
    chosen = np.flatnonzero(weights).tolist()
    rng = stream(seed, "ladder redraws")
    redraws = np.stack([rows.units.redraw(rng) for _ in range(count)])
    refits: dict[str, tuple[Law, ...]] = {}
    for k in chosen:
        law = laws[k]
        try:
            if isinstance(law, AdjustedTilt):
                refits[law.rung] = tuple(law.refit(weight, rng) for weight in redraws)
            elif method != "ifm1":
                refits[law.rung] = tuple(law.refit(weight) for weight in redraws)
            else:
                refits[law.rung] = ()
        except InputError as error:
            refused[law.rung] = f"its errors are not known: {error}"
    kept = [k for k in chosen if laws[k].rung in refits]
    if not kept:
        raise InputError("no model can be refitted: " + "; ".join(f"{k}: {why}" for k, why in refused.items()))
    chance = rows.chance(np.ones(len(rows))) if method != "ifm1" else np.empty((0, 0))
    return AdjustedLadder(
        rows,
        tuple(laws[k] for k in kept),
        weights[kept] / weights[kept].sum(),
        scores,
        refused,
        redraws,
        chance,
        refits,
    )


def _compare(
    laws: Sequence[Law], rows: AdjustedRows, rng: np.random.Generator, repeats: int
) -> tuple[Scores | None, dict[int, str]]:
    """Held-out log P(regime | x, z) of all laws; or which cannot be refitted without some rows, and why.

    Tilts fit what regimes tell of z anew, so families are given it as fitted too, also where it is known.
    """
    total, failed = np.zeros((len(laws), len(rows))), dict[int, str]()
    tilted = any(isinstance(law, AdjustedTilt) for law in laws)
    chance = np.empty((0, 0)) if tilted else rows.chance(np.ones(len(rows)))
    for _ in range(repeats):
        fold = rows.units.folds(FOLDS, rng)
        for f in range(FOLDS):
            held = np.flatnonzero(fold == f)
            if not len(held):
                continue
            weight = (fold != f).astype(float)
            chance = rows.chance(weight, fitted=True) if tilted else chance
            for k, law in enumerate(laws):
                try:
                    refit = law.refit(weight)
                    if isinstance(refit, AdjustedTilt):
                        total[k, held] += refit.log_chance(held)
                    else:
                        total[k, held] += refit.log_chance(held, chance)
                except InputError as error:
                    failed[k] = f"without some of its rows: {error}"
            if failed:
                return None, failed
    seen = rows.units.of_row
    return Scores(
        tuple(law.rung for law in laws), np.stack([np.bincount(seen, row) for row in total / repeats])
    ), failed
