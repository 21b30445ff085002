"""The incidence matrix of one question with the exponents of its formula, as on the poster.

Theory: docs/theory/model.md and docs/theory/joint.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.arrays import Floats
from ifm_ident.design.design import Design
from ifm_ident.design.model import require_names
from ifm_ident.design.notation import Notation, format_regime
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import require_known
from ifm_ident.plots import canvas
from ifm_ident.show.incidence_table import (
    MOST_COLUMNS,
    MOST_ROWS,
    IncidenceTable,
    full_table,
    kernel_table,
    left_out,
    levels_text,
    shown_table,
)
from ifm_ident.show.witness import short_fraction, short_integer
from ifm_ident.solve.identifier import Identifier

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.3
_GAP = 0.45


def incidence(
    design: Design,
    target: Active,
    ax: Axes | None = None,
    notation: Notation = "assignment",
    variable: str | None = None,
) -> Axes:
    """A row for each training regime with its exponent, a column for each cell of a factor, the target below.

    Without `variable` the joint formula is drawn where there is one, and otherwise the certificate: integer
    weights that every training regime cancels and the target does not. `variable` asks for its full conditional
    instead. At most 20 rows and 24 columns, those that the formula or the certificate uses. Raises InputError for
    an unknown variable.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"]})
    >>> ax = incidence(study.design, ((0, 1), (1, 1)), Figure().subplots(), "levels")
    >>> [text.get_text() for text in ax.texts][:7]
    ['f1', 'f2', '0', '1', '0', '1', '00']
    """
    model = design.model
    require_names(model, "the picture of the incidence matrix; explaining the regime shows it as text")
    if variable is not None:
        require_known(variable, model.variables, "variable")
    identifier = Identifier(design, notation)
    system = identifier.joint if variable is None else identifier.conditional(model.cover_index[variable])
    factors = range(len(model.factors)) if variable is None else model.covers[model.cover_index[variable]]
    batch = Regimes.from_active([target], len(model))
    solvable, terms = system.solve(batch)
    exponents: dict[int, Fraction] | None = None
    weights: dict[tuple[int, tuple[int, ...]], int] | None = None
    table = full_table(design, factors, target)
    if solvable[0]:
        exponents = terms.exponents(0)[system.block]
        table = table or shown_table(design, factors, sorted(exponents), target)
    else:
        kernel = system.refuse(batch)[1][0]
        weights = dict(kernel.cells)
        table = table or kernel_table(design, kernel, target)
    return _draw(ax, table, notation, exponents, weights)


def _draw(
    ax: Axes | None,
    table: IncidenceTable,
    notation: Notation,
    exponents: Mapping[int, Fraction] | None,
    weights: Mapping[tuple[int, tuple[int, ...]], int] | None,
) -> Axes:
    design, cells, rows = table.design, table.cells[:MOST_COLUMNS], table.rows[:MOST_ROWS]
    model = design.model
    names = [canvas.plain(format_regime(model, design.train[i], notation), 24) for i in rows]
    goal = canvas.plain(format_regime(model, table.target, notation), 24)
    sides = [_power(exponents.get(i, Fraction(0))) if exponents is not None else "" for i in rows]
    left = canvas.text_width([*names, goal], 9) / _CELL + 0.6
    power = (canvas.text_width([*sides, "exponent"], 9) / _CELL + 0.6) if exponents is not None else 0.0
    titles = [canvas.plain(levels_text(design, cell), 12) for cell in cells]
    upright = canvas.text_width(titles, 8) / _CELL > 0.9
    head = canvas.text_width(titles, 8) / _CELL + 0.4 if upright else 1.0
    x, starts = _columns(table, len(cells))
    notes = left_out(table)
    # without columns the sentences alone make the picture wide
    wide = float(x[-1]) + 1 if len(x) else max(1.0, canvas.text_width(notes, 7) / _CELL - left - power)
    bottom = len(rows) + 0.35
    ax = canvas.axes(
        ax,
        max((left + power + wide) * _CELL + 0.3, 4.4),
        (bottom + head + 2.6 + (weights is not None)) * _CELL + 0.7,
    )
    room = canvas.inches(ax)
    shrink = min(1.0, room[0] / ((left + power + wide) * _CELL), room[1] / ((bottom + head + 2) * _CELL))
    for start, stop in itertools.pairwise([*starts, len(cells)]):
        name = canvas.plain(model.factors[cells[start][0]].name, max(4, int((stop - start) * 4)))
        middle = float(x[start] + x[stop - 1]) / 2
        canvas.write(ax, middle, -head - 0.75, name, 9 * shrink, weight="bold")
    for place, title in zip(x, titles, strict=True):
        how = {"rotation": 90, "va": "bottom"} if upright else {}
        canvas.write(ax, float(place), -0.62 if upright else -0.9, title, 8 * shrink, **how)
    for row, (name, side) in enumerate(zip(names, sides, strict=True)):
        canvas.write(ax, -0.9, row, name, 9 * shrink, ha="right", family="monospace")
        sign = _sign(exponents, rows[row])
        canvas.write(ax, -0.9 - left, row, side, 9 * shrink, ha="right", color=_COLOURS[sign], weight="bold")
    canvas.write(ax, -0.9, bottom, goal, 9 * shrink, ha="right", family="monospace", weight="bold")
    if exponents is not None:
        canvas.write(ax, -0.9 - left, bottom, "target", 9 * shrink, ha="right", style="italic")
        canvas.write(ax, -0.9 - left, -0.9, "exponent", 8 * shrink, ha="right", style="italic")
    _marks(ax, table, x, rows, exponents, bottom, shrink)
    last = bottom
    if weights is not None:
        last += 1
        canvas.write(ax, -0.9, last, "weight", 9 * shrink, ha="right", style="italic")
        for place, cell in zip(x, cells, strict=True):
            value = weights.get(cell, 0)
            shown = short_integer(value).replace("-", "−")
            colour = _COLOURS[(value > 0) - (value < 0)]
            canvas.write(ax, float(place), last, shown, 9 * shrink, color=colour, weight="bold")
    for note in notes:
        last += 1
        canvas.write(ax, -0.9 - left - power, last, note, 7 * shrink, ha="left", style="italic")
    ax.set_xlim(-0.9 - left - power, wide - 0.3)
    ax.set_ylim(last + 0.7, -head - 1.4)
    ax.set_aspect("equal")
    canvas.bare(ax)
    unused = exponents is not None and any(i not in exponents for i in rows)
    if cells:
        _keys(ax, exponents, unused, (left + power + wide) * _CELL * shrink)
    return ax


_COLOURS = {1: canvas.BLUE, -1: canvas.RED, 0: canvas.FAINT}


def _power(exponent: Fraction) -> str:
    text = short_fraction(exponent)
    return f"−{text[1:]}" if text.startswith("-") else text if not exponent else f"+{text}"


def _sign(exponents: Mapping[int, Fraction] | None, train: int) -> int:
    value = (exponents or {}).get(train, Fraction(0))
    return (value > 0) - (value < 0)


def _columns(table: IncidenceTable, count: int) -> tuple[Floats, list[int]]:
    """Where the columns are, a gap between factors, and the first column of every factor."""
    of = np.array([cell[0] for cell in table.cells[:count]], dtype=np.int64)
    new = np.concatenate([[False], of[1:] != of[:-1]]) if count else np.zeros(0, dtype=bool)
    x: Floats = np.arange(count) + _GAP * np.cumsum(new)
    return x, [0, *np.flatnonzero(new).tolist()] if count else []


def _marks(
    ax: Axes,
    table: IncidenceTable,
    x: Floats,
    rows: tuple[int, ...],
    exponents: Mapping[int, Fraction] | None,
    bottom: float,
    shrink: float,
) -> None:
    shows = table.shows[: len(rows), : len(x)]
    at, column = np.nonzero(np.ones_like(shows))
    grid = canvas.squares(x[column], at, 0.5)
    canvas.shapes(ax, grid, "none", "#c9c9c9", 0.5)
    signs = np.array([_sign(exponents, i) for i in rows], dtype=np.int64)
    at, column = np.nonzero(shows)
    for sign in (1, -1, 0):
        here = signs[at] == sign
        there, row = x[column[here]], at[here]
        if sign == -1:
            canvas.shapes(ax, canvas.squares(there, row, 0.2), "#ffffff", canvas.RED, 1.6 * shrink, order=2)
        else:
            colour = canvas.BLUE if sign or exponents is None else "#a9a9a9"
            canvas.shapes(
                ax, canvas.discs(there, row, 0.26 if sign or exponents is None else 0.13), colour, order=2
            )
    goal = table.shows[-1, : len(x)]
    canvas.shapes(ax, canvas.squares(x, np.full(len(x), bottom), 0.5), "#fff6dd", "#c9c9c9", 0.5)
    star = canvas.squares(x[goal], np.full(int(goal.sum()), bottom), 0.3)
    diamond = np.stack([(star[:, i] + star[:, (i + 1) % 4]) / 2 for i in range(4)], axis=1) if len(star) else star
    canvas.shapes(ax, diamond, canvas.INK, order=2)


def _keys(ax: Axes, exponents: Mapping[int, Fraction] | None, unused: bool, width: float) -> None:
    goal = canvas.Key("the target has these levels", canvas.INK, marker="D", edge=canvas.INK)
    keys = [canvas.Key("the regime has these levels", canvas.BLUE, marker="o", edge=canvas.BLUE), goal]
    if exponents is not None:
        keys = [canvas.Key("exponent above 0", canvas.BLUE, marker="o", edge=canvas.BLUE)]
        if any(q < 0 for q in exponents.values()):
            keys.append(canvas.Key("exponent below 0", "#ffffff", marker="s", edge=canvas.RED, width=1.6))
        if unused:
            keys.append(canvas.Key("not used", "#a9a9a9", marker=".", edge="#a9a9a9"))
        keys.append(goal)
    canvas.legend(ax, keys, columns=max(1, min(len(keys), int(max(width, 4.2) / 1.9))))
