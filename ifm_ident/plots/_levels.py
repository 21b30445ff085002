"""What is identified along the levels of one intervention, or two, and how large the formulas are there."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ifm_ident.answer.identification import Status
from ifm_ident.design.bases import exact, plain_number
from ifm_ident.design.model import Intervention
from ifm_ident.design.notation import parse_regime
from ifm_ident.design.regimes import Active, Regimes, recoded
from ifm_ident.errors import InputError, require_known
from ifm_ident.plots import canvas
from ifm_ident.results.header import StudyLike
from ifm_ident.show.size_words import LARGE
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.level_sets import LevelSet, at_levels, identified_levels, response, with_own_levels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ALONG = 121
"""So many levels are looked at along a line."""

ACROSS = 41
"""So many levels are looked at on each side of a surface."""

_STRIP, _CLEAR = 1.06, 20
"""Where the response line runs, of the height of the axes, and the points that the title leaves it."""


def has_numbers(one: Intervention) -> bool:
    """Whether the levels of an intervention are numbers by themselves, with a basis, so that they make a line."""
    return one.basis is not None and one.basis.kind != "table" and not one.coordinate


def level_line(
    study: StudyLike,
    name: str,
    regime: str = "ctrl",
    criterion: CriterionName = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Along the levels of an intervention: what was run, identified, not identified; sum|q| beneath.

    The strip above is exact: thick where every level is identified, diamonds at single ones. The curve is the
    least sum|q|, or that of one formula where the least takes too long. Raises InputError as `identified_levels`,
    and for levels that are no numbers.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"dose": {"levels": [0, 2], "basis": {"poly": 1}}},
    ...     "factors": [{"sigma": ["dose"]}], "train": [{"dose": 0}, {"dose": 2}]})
    >>> ax = level_line(study, "dose", ax=Figure().subplots())
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('dose', ['run', 'identified'])
    """
    own, target = _own(study, regime)
    found = identified_levels(own, name, target, criterion)
    one = _numbered(own, name)
    low, high, run = _range(own, one)
    values = sorted({*_grid(low, high, ALONG), *run, *(r.exact for r in found.points if r.exact is not None)})
    values = [value for value in values if low <= value <= high]
    answers = response(own, at_levels(own, name, target, values), criterion)
    ax = canvas.axes(ax, 6.5, 4.0)
    x = np.array([float(value) for value in values])
    y = np.array([np.nan if size is None else float(size) for size in answers.sizes])
    top = max(2.0, float(np.nanmax(y)) if np.isfinite(y).any() else 2.0)
    if found.intervals:
        ax.plot(x, y, color=canvas.BLUE, linewidth=1.6)
    single = [i for i, value in enumerate(values) if any(root.exact == value for root in found.points)]
    ax.plot(x[single], y[single], marker="D", linestyle="none", color=canvas.BLUE, markersize=5)
    if top > LARGE:
        ax.axhline(LARGE, color=canvas.FAINT, linewidth=0.8, linestyle=":")
    _strip(ax, found, float(low), float(high), values, answers.status)
    ax.set_ylim(0, top / 0.95)
    ax.set_xlim(float(low), float(high))
    kind = "least sum|q|" if answers.least else "sum|q|"
    canvas.tidy(ax, canvas.plain(f"{name}, all else as in {regime}", 60), canvas.plain(name), kind, above=_CLEAR)
    keys = [canvas.Key("run", canvas.INK, marker="o", edge=canvas.INK)]
    if found.intervals:
        keys.append(canvas.Key("identified", canvas.BLUE, line="-", width=4.5))
    if found.points:
        keys.append(canvas.Key("identified there alone", canvas.BLUE, marker="D", edge=canvas.BLUE))
    if not found.whole:
        keys.append(canvas.Key("not identified", canvas.RED, line=":"))
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.45 / max(canvas.inches(ax)[1], 0.5)))
    return ax


def _strip(
    ax: Axes, found: LevelSet, low: float, high: float, values: list[Fraction], status: tuple[int, ...]
) -> None:
    """The response line, above the axes: it is no value of theirs."""
    above: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "clip_on": False}
    if not found.whole:
        ax.plot([low, high], [_STRIP] * 2, color=canvas.RED, linewidth=1.2, linestyle=":", **above)
    for begin, end in found.intervals:
        ends = [low if begin is None else max(low, float(begin)), high if end is None else min(high, float(end))]
        ax.plot(ends, [_STRIP] * 2, color=canvas.BLUE, linewidth=4.5, solid_capstyle="butt", **above)
    near = [root.near for root in found.points]
    ax.plot(near, [_STRIP] * len(near), marker="D", linestyle="none", color=canvas.BLUE, **above)
    run = [float(v) for v, s in zip(values, status, strict=True) if s == Status.OBSERVED]
    ax.plot(run, [_STRIP] * len(run), marker="o", linestyle="none", color=canvas.INK, markersize=6, **above)


def level_surface(
    study: StudyLike,
    names: tuple[str, str],
    regime: str = "ctrl",
    criterion: CriterionName = "auto",
    ax: Axes | None = None,
) -> Axes:
    """Over the levels of two interventions: sum|q| where identified, empty where not, dots where run.

    Verdicts are exact at the levels looked at, 41 by 41 and those that were run. Raises InputError as
    `level_line`.
    """
    own, target = _own(study, regime)
    if names[0] == names[1]:
        raise InputError(f"the surface is over two interventions, got {names[0]!r} twice")
    sides = []
    for name in names:
        one = _numbered(own, name)
        low, high, run = _range(own, one)
        sides.append(sorted({*_grid(low, high, ACROSS), *(level for level in run if low <= level <= high)}))
    places = [own.design.model.position[name] for name in names]
    rest = [pair for pair in target if pair[0] not in places]
    columns = [_indices(own, name, side) for name, side in zip(names, sides, strict=True)]
    batch = Regimes.from_active(
        [(*rest, (places[0], a), (places[1], b)) for b in columns[1] for a in columns[0]], len(own.design.model)
    )
    answers = response(own, batch, criterion)
    shape = len(sides[1]), len(sides[0])
    sizes = np.array([np.nan if s is None else float(s) for s in answers.sizes]).reshape(shape)
    observed = np.array(answers.status).reshape(shape) == Status.OBSERVED
    x, y = (np.array([float(value) for value in side]) for side in sides)
    ax = canvas.axes(ax, 6.5, 4.5)
    ax.set_facecolor(canvas.GREY)
    if np.isfinite(sizes).any():
        mesh = ax.pcolormesh(x, y, np.log10(sizes), shading="nearest", cmap="viridis")
        bar = ax.figure.colorbar(mesh, ax=ax)
        bar.set_label("log10 sum|q|")
    rows, across = np.nonzero(observed)
    ax.plot(x[across], y[rows], marker="o", linestyle="none", color="white", markeredgecolor=canvas.INK)
    canvas.tidy(ax, canvas.plain(f"all else as in {regime}; grey: not identified", 60), *map(canvas.plain, names))
    return ax


def _own(study: StudyLike, regime: str) -> tuple[Identifier, Active]:
    """The study's design on interventions of its own, and the regime there."""
    model = study.design.model
    target = parse_regime(model, regime)
    own = with_own_levels(study.design)
    moved = recoded(Regimes.from_active([target], len(model)), model, own.model)
    return Identifier(own, study.notation), moved[0]


def _numbered(own: Identifier, name: str) -> Intervention:
    model = own.design.model
    require_known(name, list(model.position), "intervention")
    one = model.interventions[model.position[name]]
    if not has_numbers(one):
        raise InputError(
            f"the levels of {name!r} are known by name, in a table or by coordinates: a picture needs numbers"
        )
    return one


def _range(own: Identifier, one: Intervention) -> tuple[Fraction, Fraction, list[Fraction]]:
    """From below the least to above the largest level listed or run, within the basis; and the levels run."""
    position = own.design.model.position[one.name]
    train = own.design.train
    used = {0, *train.level[train.position == position].tolist()}
    run = [value for level in sorted(used) if (value := exact(one.level(level))) is not None]
    every = [*run, *(value for level in one.levels if (value := exact(level)) is not None)]
    low, high = min(every), max(every)
    edge = (high - low) / 5 or Fraction(1)
    low, high = low - edge, high + edge
    assert one.basis is not None
    if one.basis.knots:
        low, high = max(low, one.basis.knots[0]), min(high, one.basis.knots[-1])
    if one.basis.kind == "hill":
        low = max(low, Fraction(0))
    return low, high, run


def _grid(low: Fraction, high: Fraction, count: int) -> list[Fraction]:
    """Evenly spread numbers with short denominators."""
    step = (high - low) / (count - 1)
    return [low + step * i for i in range(count)]


def _indices(own: Identifier, name: str, side: list[Fraction]) -> list[int]:
    one = own.design.model.interventions[own.design.model.position[name]]
    return [one.index(plain_number(value)) for value in side]
