"""Curves of estimated means along the levels of an intervention, with their confidence bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import Listed, exact, parse_regime, plain_number
from ifm_ident.errors import require_known
from ifm_ident.plots import canvas, has_numbers
from ifm_learn.data.reading import read_samples
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.outcome.estimator import targets_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ifm_learn.conformal.ranks import Alpha

ALONG = 61
"""So many levels are estimated along a line."""


def response(
    study: Study,
    name: str,
    regime: str = "ctrl",
    data: object = None,
    *,
    outcome: str | None = None,
    levels: Sequence[object] | None = None,
    energy: str = "auto",
    alpha: Alpha = "0.1",
    seed: int = 0,
    half: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Means along the levels of an intervention, all else as in `regime`, with a band of 1 - alpha at each level.

    Dots are the means of rows of regimes that were run. Dashed and light: flagged `extrapolated`. Levels that are
    not identified leave a gap. levels: numbers to estimate at, by default 61 from the least to the largest listed
    or run. outcome: a variable or outcome, by default the first. data, energy, seed: as of `estimate_study`.
    half: also a dotted line where half of the largest effect is reached, its interval shaded, if that can be told.

    Raises InputError for an intervention whose levels are no numbers with a basis, an unknown outcome, and where
    no level is identified.

    >>> from matplotlib.figure import Figure
    >>> study = Study.from_dict({
    ...     "interventions": {"dose": {"levels": [0, 1, 2], "basis": {"poly": 1}}}, "variables": ["x"],
    ...     "factors": [{"sigma": ["dose"]}], "train": [{}, {"dose": 1}, {"dose": 2}]})
    >>> dose = np.repeat([0, 1, 2], 20)
    >>> x = dose + np.random.default_rng(0).normal(size=60)
    >>> ax = response(study, "dose", data={"dose": dose, "x": x}, energy="normal", ax=Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel(), len(ax.lines[0].get_xdata())
    ('dose', 'x', 61)
    """
    model = study.model
    require_known(name, list(model.position), "intervention")
    position = model.position[name]
    one = model.interventions[position]
    if not has_numbers(one):
        raise InputError(f"the levels of {name!r} have no numbers with a basis; give it one in the study file")
    train = study.design.train
    rest = [pair for pair in parse_regime(model, regime) if pair[0] != position]
    asked = [_number(level) for level in levels] if levels is not None else _spread(one.known_levels)
    batch = Regimes.from_active([(*rest, (position, one.index(plain_number(v)))) for v in asked], len(model))
    samples = read_samples(study, data)
    found = estimate_study(
        replace(study, test=(Listed(batch),), test_places=("levels",)),
        data, energy=energy, alpha=alpha, seed=seed, calibration=0.0, half=name if half else None,
    )  # fmt: skip
    if outcome is not None:
        require_known(outcome, found.outcomes, "outcome")
    k = 0 if outcome is None else found.outcomes.index(outcome)
    mean, low, high = found.mean[:, k], found.confidence_low[:, k], found.confidence_high[:, k]
    if np.isnan(mean).all():
        raise InputError(f"no level of {name!r} is identified, all else as in {regime}; ask `identify` why")
    x = np.array([float(value) for value in asked])
    far = np.array(["extrapolated" in flags[k] for flags in found.flags])
    ax = canvas.axes(ax, 6.5, 4.0)
    ax.plot(x, mean, color=canvas.BLUE, linewidth=1.2, linestyle="--")
    ax.plot(x, np.where(far, np.nan, mean), color=canvas.BLUE, linewidth=1.8)
    ax.fill_between(x, low, high, color=canvas.SKY, alpha=0.2, linewidth=0)
    ax.fill_between(x, np.where(far, np.nan, low), high, color=canvas.SKY, alpha=0.35, linewidth=0)
    at, own = _own_rows(train, batch, samples.regime, targets_of(samples)[:, k])
    ax.plot(x[at], own, marker="o", linestyle="none", color=canvas.INK, markersize=5)
    percent = f"{100 * (1 - float(found.alpha)):g}%"
    canvas.tidy(ax, canvas.plain(f"{name}, all else as in {regime}", 60), canvas.plain(name), found.outcomes[k])
    keys = [
        canvas.Key("mean", canvas.BLUE, line="-"),
        canvas.Key(f"{percent} of each mean", canvas.SKY, patch=True),
    ]
    reached = found.half_levels[k] if half else {}
    if "level" in reached:
        ax.axvline(reached["level"], color=canvas.INK, linewidth=1.0, linestyle=":")
        if reached["interval"]:
            ax.axvspan(*reached["interval"], color=canvas.INK, alpha=0.08, linewidth=0)
        keys.append(canvas.Key("half of the largest effect", canvas.INK, line=":"))
    if far.any():
        keys.append(canvas.Key("extrapolated", canvas.BLUE, line="--"))
    if len(at):
        keys.append(canvas.Key("rows of a regime run", canvas.INK, marker="o"))
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.45 / max(canvas.inches(ax)[1], 0.5)))
    return ax


def _number(level: object) -> Fraction:
    value = exact(level)
    if value is None:
        raise InputError(f"the level {level!r:.40} is no number; give numbers", argument="levels")
    return value


def _spread(known: Sequence[object]) -> list[Fraction]:
    """Numbers from the least to the largest, those known among them."""
    own = sorted({value for level in known if (value := exact(level)) is not None})
    step = (own[-1] - own[0]) / (ALONG - 1)
    grid = {own[0] + step * i for i in range(ALONG)}
    return sorted(grid | set(own)) if len(own) > 1 else own


def _own_rows(train: Regimes, batch: Regimes, regime: Ints, values: Floats) -> tuple[Ints, Floats]:
    """The places in the batch that were run, and the means of their rows."""
    place = batch.first_equal(train)
    at = np.flatnonzero(place >= 0)
    return at, np.array([values[regime == place[i]].mean() for i in at.tolist()])
