"""Estimates with their confidence and prediction intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifm_ident.errors import InputError
from ifm_ident.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 60
"""More estimates than this are not all drawn."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its intervals; None where there is none, infinite ends as `math.inf`.

    flagged: whether something weakens it, drawn hollow. seen: whether the regime was run, a circle, or not, a
    diamond. expected: what a sober baseline says instead, such as the additive one.
    """

    name: str
    mean: float
    confidence: tuple[float, float] | None = None
    prediction: tuple[float, float] | None = None
    truth: float | None = None
    flagged: bool = False
    seen: bool = True
    expected: float | None = None


def intervals(estimates: Sequence[Interval], ax: Axes | None = None, name: str = "estimate") -> Axes:
    """A line for each estimate: the mean, thick its confidence interval, thin its prediction interval.

    Regimes that were run have blue circles, others orange diamonds; the mark of a flagged estimate is hollow. An
    upright stroke is what was expected, an arrow at the edge an infinite end. At most 60 estimates; the picture
    says how many there are.
    Raises InputError when there is none.

    >>> from matplotlib.figure import Figure
    >>> ax = intervals([Interval("A+B", 0.4, (0.3, 0.5), (-1.0, math.inf))], Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['A+B']
    >>> intervals([])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: there is no estimate to draw
    """
    if not estimates:
        raise InputError("there is no estimate to draw")
    shown = estimates[:MOST]
    ax = canvas.axes(ax, 5.4, 1.6 + 0.22 * len(shown))
    ends = [end for e in shown for end in (e.mean, e.truth, e.expected) if end is not None]
    ends += [end for e in shown for pair in (e.confidence, e.prediction) if pair for end in pair]
    finite = [end for end in ends if math.isfinite(end)]
    spread = (max(finite) - min(finite)) or 1.0
    low, high = min(finite) - 0.08 * spread, max(finite) + 0.08 * spread
    for row, one in enumerate(shown):
        look = _SEEN if one.seen else _UNSEEN
        for pair, width, colour in ((one.prediction, 1.2, canvas.FAINT), (one.confidence, 5.0, look.band)):
            if pair is not None:
                _bar(ax, row, pair, low, high, width, colour)
        if one.expected is not None:
            ax.plot([one.expected] * 2, [row - 0.36, row + 0.36], color=canvas.INK, linewidth=1.6, zorder=4)
        inside = "white" if one.flagged else look.colour
        (dot,) = ax.plot([one.mean], [row], marker=look.marker, color=look.edge, markersize=6, linestyle="none")
        dot.set(zorder=5, markerfacecolor=inside, markeredgewidth=1.2)
        if one.truth is not None:
            ax.plot([one.truth], [row], marker="x", color=canvas.RED, markersize=6, linestyle="none", zorder=6)
    canvas.labels(ax.yaxis, range(len(shown)), [canvas.plain(e.name, 28) for e in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(low, high)
    title = f"the first {len(shown)} of {len(estimates):,}" if len(shown) < len(estimates) else ""
    canvas.tidy(ax, title, canvas.plain(name))
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    height = canvas.inches(ax)[1]
    canvas.legend(ax, _keys(shown), columns=2, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


@dataclass(frozen=True, slots=True)
class _Look:
    """Colour and mark of a mean, and the colour of its confidence interval."""

    words: str
    colour: str
    edge: str
    band: str
    marker: str


_SEEN = _Look("mean of a regime that was run", canvas.BLUE, canvas.BLUE, canvas.SKY, "o")
_UNSEEN = _Look("mean of a regime never run", canvas.ORANGE, "#8a5a00", "#f5cf86", "D")


def _keys(shown: Sequence[Interval]) -> list[canvas.Key]:
    """The legend of what occurs, in words."""
    keys = []
    for look, here in ((_SEEN, [e for e in shown if e.seen]), (_UNSEEN, [e for e in shown if not e.seen])):
        if here:
            keys.append(canvas.Key(look.words, look.colour, marker=look.marker, edge=look.edge))
            if any(e.confidence for e in here):
                keys.append(canvas.Key("its confidence interval", look.band, line="-", width=5.0))
    if any(e.flagged for e in shown):
        hollow = _SEEN if all(e.seen for e in shown if e.flagged) else _UNSEEN
        keys.append(canvas.Key("hollow: flagged", "white", marker=hollow.marker, edge=hollow.edge))
    if any(e.prediction for e in shown):
        keys.append(canvas.Key("where a fresh unit falls", canvas.FAINT, line="-"))
    if any(e.expected is not None for e in shown):
        keys.append(canvas.Key("what single effects add up to", canvas.INK, marker="|", width=0))
    if any(e.truth is not None for e in shown):
        keys.append(canvas.Key("truth", canvas.RED, marker="x", edge=canvas.RED))
    return keys


def _bar(
    ax: Axes, row: int, pair: tuple[float, float], low: float, high: float, width: float, colour: str
) -> None:
    ends = [min(max(end, low), high) for end in pair]
    ax.plot(ends, [row, row], color=colour, linewidth=width, solid_capstyle="butt", zorder=2 if width < 2 else 3)
    for end, edge, marker in ((pair[0], low, "<"), (pair[1], high, ">")):
        if not math.isfinite(end):
            ax.plot([edge], [row], marker=marker, color=colour, markersize=6, clip_on=False, zorder=3)
        elif width < 2:
            ax.plot([end], [row], marker="|", color=colour, markersize=6, zorder=2)
