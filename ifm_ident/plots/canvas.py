"""The door to matplotlib: axes, legends, many small shapes as one, texts taken as they are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident.arrays import Floats
from ifm_ident.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INK = "#1b1b1b"
"""Lines and text."""

FAINT = "#6f6f6f"
BLUE, SKY, ORANGE, GREEN, RED, PINK, GREY = (
    "#0b4f86",
    "#8cc5ea",
    "#e69f00",
    "#009e73",
    "#a33b00",
    "#cc79a7",
    "#e4e4e4",
)
"""Okabe and Ito's palette, blue and vermillion darkened so that lightness alone tells the colours apart."""

SERIES = (BLUE, ORANGE, GREEN, RED, PINK, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: a patch (with `hatch` or `marker` on it), a line, or a marker, with its words."""

    words: str
    colour: str
    marker: str | tuple[int, int, int] = ""
    line: str | tuple[int, tuple[int, ...]] = ""
    hatch: str = ""
    patch: bool = False
    edge: str = INK
    width: float = 1.2


def figure(width: float, height: float) -> Figure:
    """A figure of its own, width and height in inches, that no window system knows of.

    Raises MissingExtraError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    return Figure(figsize=(width, height), layout="constrained")


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes given, or new ones in a new pyplot figure of this size in inches."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    made: Axes = pyplot.subplots(figsize=(width, height), layout="constrained")[1]
    return made


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    box = ax.get_position()
    figure: Any = ax.figure
    width, height = figure.get_size_inches()
    return float(box.width * width), float(box.height * height)


def plain(text: str, most: int = _LONGEST) -> str:
    """A user's text fit for a picture: no control characters, no line breaks, cut where it is long.

    >>> plain("a\\tb\\x00c"), plain("x" * 50, 10)
    ('a b�c', 'xxxxxxxxx…')
    """
    safe = "".join(
        " " if c.isspace() else "\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in text
    )
    return safe if len(safe) <= most else safe[: most - 1] + "…"


def write(ax: Axes, x: float, y: float, text: str, size: float, **how: Any) -> Any:
    """Text at a place in data units; `$` means nothing special."""
    how.setdefault("color", INK)
    how.setdefault("ha", "center")
    how.setdefault("va", "center")
    return ax.text(x, y, text, fontsize=size, parse_math=False, **how)


def labels(axis: Any, places: ArrayLike, names: Sequence[str], **how: Any) -> None:
    """Tick labels of an axis, `$` meaning nothing special."""
    axis.set_ticks(np.asarray(places), names, **how)
    for label in axis.get_ticklabels():
        label.set_parse_math(False)


def whole_ticks(axis: Any) -> None:
    """Ticks of an axis at whole numbers only."""
    axis.get_major_locator().set_params(integer=True)


def legend(ax: Axes, keys: Sequence[Key], columns: int = 0, where: str = "below", **how: Any) -> None:
    """A legend of exactly these entries, below the axes or to the right of them."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    for key in keys:
        if key.patch:
            box = Patch(facecolor=key.colour, edgecolor=FAINT, hatch=key.hatch, linewidth=0.6)
            dot = Line2D([], [], color=key.edge, linestyle="none", marker=key.marker or "none", markersize=5)
            handles.append((box, dot))
        else:
            line = key.line or "none"
            handles.append(
                Line2D([], [], color=key.colour, linestyle=line, marker=key.marker or "none", linewidth=key.width)
            )
            handles[-1].set_markeredgecolor(key.edge)
            handles[-1].set_markerfacecolor(key.colour)
    places: dict[str, dict[str, Any]] = {
        "below": {"loc": "upper center", "bbox_to_anchor": (0.5, -0.02)},
        "beside": {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)},
        "inside": {"loc": "best"},
    }
    made = ax.legend(
        handles,
        ["-"] * len(keys),
        ncols=columns or len(keys),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
        handlelength=2.2,
        **{**places[where], **how},
    )
    for text, key in zip(made.get_texts(), keys, strict=True):
        text.set_parse_math(False)
        text.set_text(key.words)


def shapes(
    ax: Axes,
    polygons: Floats,
    fill: str,
    edge: str = "none",
    width: float = 0.0,
    hatch: str = "",
    order: float = 1,
) -> None:
    """Polygons, shape (n, corners, 2), as one path: small files, and no seams in the hatch."""
    if not len(polygons):
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    count, corners, _ = polygons.shape
    points = np.concatenate([polygons, polygons[:, :1]], axis=1).reshape(-1, 2)
    codes = np.tile([Path.MOVETO, *[Path.LINETO] * (corners - 1), Path.CLOSEPOLY], count)
    patch = PathPatch(
        Path(points, codes), facecolor=fill, edgecolor=edge, linewidth=width, hatch=hatch or None, zorder=order
    )
    ax.add_patch(patch)


def strokes(ax: Axes, lines: Floats, colour: str, width: float, style: Any = "-", order: float = 2) -> None:
    """Straight lines, shape (n, 2, 2), as one path."""
    if not len(lines):
        return
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    codes = np.tile([Path.MOVETO, Path.LINETO], len(lines))
    path = Path(lines.reshape(-1, 2), codes)
    ax.add_patch(
        PathPatch(path, facecolor="none", edgecolor=colour, linewidth=width, linestyle=style, zorder=order)
    )


def squares(x: ArrayLike, y: ArrayLike, half: float) -> Floats:
    """Axis-parallel squares around points, shape (n, 4, 2)."""
    centre = np.stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)], axis=-1)[:, None, :]
    return centre + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=float)


def discs(x: ArrayLike, y: ArrayLike, radius: float) -> Floats:
    """Discs around points as polygons, of fewer corners where there are many; shape (n, corners, 2)."""
    angle = np.linspace(0, 2 * np.pi, 32 if np.size(x) < 300 else 10, endpoint=False)
    centre = np.stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)], axis=-1)[:, None, :]
    return centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def crosses(x: ArrayLike, y: ArrayLike, half: float) -> Floats:
    """Both strokes of a cross around every point, shape (2 n, 2, 2)."""
    box = squares(x, y, half)
    return np.concatenate([box[:, [0, 2]], box[:, [1, 3]]])


def bare(ax: Axes) -> None:
    """No ticks, no frame."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


def tidy(ax: Axes, title: str = "", x: str = "", y: str = "", *, above: float | None = None) -> None:
    """Title, `above` so many points, and axis names in ink, the frame open above and on the right."""
    if title:
        ax.set_title(title, fontsize=10, color=INK, loc="left", pad=above, parse_math=False)
    for name, setter in ((x, ax.set_xlabel), (y, ax.set_ylabel)):
        if name:
            setter(name, fontsize=9, color=INK, parse_math=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        ax.spines[side].set_color(FAINT)
    ax.tick_params(colors=INK, labelsize=8)


def text_width(texts: Iterable[str], size: float) -> float:
    """About how wide the widest text is, in inches, at a font size in points."""
    return max((len(text) for text in texts), default=0) * size * 0.62 / 72
