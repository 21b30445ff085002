"""The map of the regime space: every regime a cell, every verdict a colour and a mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.identification import Identification
from ifm_ident.arrays import Ints
from ifm_ident.design.model import Model, level_text
from ifm_ident.plots import canvas
from ifm_ident.plots._verdicts import LOOKS, verdict_codes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 4096
"""A space of more regimes than this, or an answer about more, is drawn as a list of its first cells."""

_ACROSS = 64
_STRIP = 0.16


@dataclass(frozen=True, eq=False)
class _Side:
    """Interventions along one side of the grid, the last one changing fastest."""

    model: Model
    positions: tuple[int, ...]

    @property
    def sizes(self) -> list[int]:
        return [int(self.model.level_counts[i]) for i in self.positions]

    @property
    def length(self) -> int:
        return int(np.prod(self.sizes, dtype=np.int64)) if self.positions else 1

    def place(self, codes: Ints) -> Ints:
        """Where regimes with these level indices, shape (n, d), are along the side, shape (n,)."""
        at = np.zeros(len(codes), dtype=np.int64)
        for position, size in zip(self.positions, self.sizes, strict=True):
            at = at * size + codes[:, position]
        return at


def regime_map(found: Identification, ax: Axes | None = None) -> Axes:
    """Every regime of the space as a cell: observed, identified, not identified, or not asked about.

    A space of up to 4,096 regimes, of levels without values, is a grid: the strips above and on the left say which
    level each intervention has, the darker the farther from baseline. Of a larger space the regimes asked about
    are drawn in test order, grouped by the number of interventions off baseline, 4,096 in all at most; the picture
    says how many it shows. In the grid training regimes are there whether asked about or not.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10"]})
    >>> ax = regime_map(study.identify(), Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['observed (2)', 'not identified (2)']
    """
    model = found.design.model
    space = int(np.prod(model.level_counts.astype(object))) if len(model) else 1
    if space <= MOST and len(model) and not model.has_bases:
        return _grid(found, ax)
    return _bands(found, ax)


def _grid(found: Identification, ax: Axes | None) -> Axes:
    model = found.design.model
    rows, columns = _sides(model)
    cell = min(0.5, max(0.085, 6.2 / max(rows.length, columns.length)))
    strip = _STRIP / cell
    left = strip * len(rows.positions)
    names = [canvas.plain(model.interventions[i].name, 18) for i in (*rows.positions, *columns.positions)]
    room = canvas.text_width(names, 8)
    ax = canvas.axes(
        ax,
        max((columns.length + left) * cell + room + 0.3, 4.4),
        (rows.length + strip * len(columns.positions)) * cell + room + 1.0,
    )
    grid = np.full((rows.length, columns.length), -1, dtype=np.int64)
    for regimes, verdicts in ((found.targets, verdict_codes(found)), (found.design.train, np.int64(0))):
        codes = regimes.codes()
        grid[rows.place(codes), columns.place(codes)] = verdicts
    ys, xs = np.nonzero(grid >= 0)
    _cells(ax, xs, ys, grid[ys, xs])
    blank = np.argwhere(grid < 0)
    canvas.shapes(ax, canvas.squares(blank[:, 1], blank[:, 0], 0.5), "none", canvas.FAINT, 0.3)
    _strips(ax, columns, strip, across=True)
    _strips(ax, rows, strip, across=False)
    ax.set_xlim(-0.5 - left, columns.length - 0.5)
    ax.set_ylim(rows.length - 0.5, -0.5 - strip * len(columns.positions))
    ax.set_aspect("equal")
    canvas.bare(ax)
    counts = np.bincount(grid[grid >= 0], minlength=len(LOOKS))
    _legend(ax, counts, len(blank), columns.length * cell + room)
    return ax


def _sides(model: Model) -> tuple[_Side, _Side]:
    """The first interventions down, the others across, about as many cells down as across and no fewer across."""
    counts = model.level_counts
    best = min(
        range(len(model) + 1),
        key=lambda k: (
            abs(np.log(float(np.prod(counts[k:]))) - np.log(float(np.prod(counts[:k])))),
            np.prod(counts[:k]) > np.prod(counts[k:]),
        ),
    )
    return _Side(model, tuple(range(best))), _Side(model, tuple(range(best, len(model))))


def _cells(ax: Axes, x: Ints, y: NDArray[Any], codes: Ints) -> None:
    """The cells with their marks, in data units, so that they fit at any size."""
    thin = len(x) > 600
    for code, look in enumerate(LOOKS):
        here = codes == code
        if not here.any():
            continue
        canvas.shapes(ax, canvas.squares(x[here], y[here], 0.5), look.colour, "#ffffff", 0.25 if thin else 0.8)
        _mark(ax, look.mark, x[here], y[here], look.ink, 0.6 if thin else 1.3)


def _mark(ax: Axes, mark: str, x: Ints, y: NDArray[Any], ink: str, width: float) -> None:
    if mark == "dot":
        canvas.shapes(ax, canvas.discs(x, y, 0.2), ink, order=2)
    elif mark == "slash":
        centre = canvas.squares(x, y, 0.3)
        canvas.strokes(ax, centre[:, [0, 2]] * [1, -1] + [0, 2] * np.asarray(y)[:, None, None], ink, width)
    elif mark == "cross":
        canvas.strokes(ax, canvas.crosses(x, y, 0.22), ink, width)
    elif mark == "query":
        canvas.shapes(ax, canvas.squares(x, y, 0.16), "none", ink, width, order=2)


def _strips(ax: Axes, side: _Side, strip: float, across: bool) -> None:
    """A strip for each intervention: its levels in grey, their texts where there is room, its name at the end."""
    repeat = side.length
    for number, (position, size) in enumerate(zip(side.positions, side.sizes, strict=True)):
        repeat //= size
        near = -0.5 - strip * (len(side.positions) - number)
        one = side.model.interventions[position]
        starts = np.arange(0, side.length, repeat)
        level = np.arange(len(starts)) % size
        for code in range(size):
            low = starts[level == code] - 0.5
            grey = canvas.GREY if code == 0 else f"{0.62 - 0.5 * (code - 1) / max(size - 1, 1):.2f}"
            box = np.stack(
                [np.stack([low + a * repeat, np.full(len(low), near + b * strip)], axis=-1) for a, b in _CORNERS],
                axis=1,
            )
            canvas.shapes(ax, box if across else box[:, :, ::-1], grey, "#ffffff", 0.4)
            text = canvas.plain(level_text(one.levels[code]), 10)
            wide = canvas.text_width([text], 7) / _STRIP * strip
            if wide < repeat * 0.95 and len(low) <= 64:
                for place in low + repeat / 2:
                    x, y = (place, near + strip / 2) if across else (near + strip / 2, place)
                    ink = "#ffffff" if float(grey if code else 1) < 0.5 else canvas.INK
                    canvas.write(ax, x, y, text, 7, color=ink, rotation=0 if across else 90)
        name = canvas.plain(one.name, 18)
        if across:
            canvas.write(ax, side.length - 0.3, near + strip / 2, name, 8, ha="left")
        else:
            canvas.write(ax, near + strip / 2, -0.5 - 0.2 * strip, name, 8, va="bottom", rotation=90)


_CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))


def _bands(found: Identification, ax: Axes | None) -> Axes:
    active = found.targets.active_counts
    verdicts = verdict_codes(found)
    groups = [np.flatnonzero(active == k) for k in np.unique(active)]
    allowed = _shares([len(group) for group in groups], MOST)
    heights = [-(-most // _ACROSS) for most in allowed]
    tall = sum(heights) + 1.6 * len(groups)
    cell = 0.1 if tall > 24 else 0.14
    ax = canvas.axes(ax, _ACROSS * cell + 0.6, tall * cell + 1.1)
    top = 0.0
    for group, most, height in zip(groups, allowed, heights, strict=True):
        count = int(active[group[0]])
        words = "baseline" if count == 0 else f"{count} off baseline"
        cut = f"the first {most:,} of {len(group):,}" if most < len(group) else f"{len(group):,}"
        canvas.write(ax, -0.5, top, f"{words}: {cut}", 8, ha="left")
        at = np.arange(most)
        _cells(ax, at % _ACROSS, top + 1.3 + at // _ACROSS, verdicts[group[:most]])
        top += height + 1.6
    ax.set_xlim(-0.7, _ACROSS - 0.3)
    ax.set_ylim(top, -0.8)
    ax.set_aspect("equal")
    canvas.bare(ax)
    _legend(ax, np.bincount(verdicts, minlength=len(LOOKS)), 0, _ACROSS * cell)
    return ax


def _shares(sizes: list[int], most: int) -> list[int]:
    """How many of each group to show: small groups whole, what is left evenly among the others."""
    shown = [0] * len(sizes)
    left = most
    for rank, group in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shown[group] = min(sizes[group], max(left // (len(sizes) - rank), 1))
        left -= shown[group]
    return shown


def _legend(ax: Axes, counts: NDArray[np.int64], blank: int, width: float) -> None:
    keys = []
    for look, count in zip(LOOKS, counts.tolist(), strict=True):
        if count:
            keys.append(
                canvas.Key(
                    f"{look.words} ({count:,})", look.colour, patch=True, marker=_MARKERS[look.mark], edge=look.ink
                )
            )
    if blank:
        keys.append(canvas.Key(f"not asked about ({blank:,})", "none", patch=True, edge=canvas.FAINT))
    longest = max(len(key.words) for key in keys) * 0.065 + 0.5
    canvas.legend(ax, keys, columns=max(1, min(len(keys), int(max(width, 4.2) // longest))))


_MARKERS: dict[str, str | tuple[int, int, int]] = {
    "dot": "o",
    "plain": "",
    "slash": (2, 2, -45),
    "cross": "x",
    "query": "s",
}
