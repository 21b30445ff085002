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

    flagged: whether something weakens it, which is drawn as a hollow diamond.
    """

    name: str
    mean: float
    confidence: tuple[float, float] | None = None
    prediction: tuple[float, float] | None = None
    truth: float | None = None
    flagged: bool = False


def intervals(estimates: Sequence[Interval], ax: Axes | None = None, name: str = "estimate") -> Axes:
    """A line for each estimate: the mean, thick its confidence interval, thin its prediction interval.

    An infinite end is drawn as an arrow at the edge, the mean of a flagged estimate as a hollow diamond. At most
    60 estimates; the picture says how many there are.
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
    ax = canvas.axes(ax, 6.0, 1.3 + 0.22 * len(shown))
    ends = [e.mean for e in shown] + [e.truth for e in shown if e.truth is not None]
    ends += [end for e in shown for pair in (e.confidence, e.prediction) if pair for end in pair]
    finite = [end for end in ends if math.isfinite(end)]
    spread = (max(finite) - min(finite)) or 1.0
    low, high = min(finite) - 0.08 * spread, max(finite) + 0.08 * spread
    for row, one in enumerate(shown):
        for pair, width, colour in ((one.prediction, 1.2, canvas.FAINT), (one.confidence, 4.5, canvas.SKY)):
            if pair is not None:
                _bar(ax, row, pair, low, high, width, colour)
        marker, size, inside = ("D", 5.5, "white") if one.flagged else ("o", 4.5, canvas.BLUE)
        (dot,) = ax.plot([one.mean], [row], marker=marker, color=canvas.BLUE, markersize=size, linestyle="none")
        dot.set(zorder=4, markerfacecolor=inside)
        if one.truth is not None:
            ax.plot([one.truth], [row], marker="x", color=canvas.RED, markersize=6, linestyle="none", zorder=5)
    canvas.labels(ax.yaxis, range(len(shown)), [canvas.plain(e.name, 28) for e in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(low, high)
    title = f"the first {len(shown)} of {len(estimates):,}" if len(shown) < len(estimates) else ""
    canvas.tidy(ax, title, canvas.plain(name))
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    keys = []
    if not all(e.flagged for e in shown):
        keys.append(canvas.Key("mean", canvas.BLUE, marker="o", edge=canvas.BLUE))
    if any(e.flagged for e in shown):
        keys.append(canvas.Key("mean, flagged", "white", marker="D", edge=canvas.BLUE))
    if any(e.confidence for e in shown):
        keys.append(canvas.Key("confidence interval", canvas.SKY, line="-", width=4.5))
    if any(e.prediction for e in shown):
        keys.append(canvas.Key("prediction interval", canvas.FAINT, line="-"))
    if any(e.truth is not None for e in shown):
        keys.append(canvas.Key("truth", canvas.RED, marker="x", edge=canvas.RED))
    height = canvas.inches(ax)[1]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


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
