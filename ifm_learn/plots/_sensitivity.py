"""How far an estimate moves with the size of an interaction left out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.plots import canvas
from ifm_learn.estimation.sensitivity import SensitivityCurve, Tipping

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def sensitivity(
    curve: SensitivityCurve, tipping: Tipping | None = None, ax: Axes | None = None, name: str = "mean"
) -> Axes:
    """The bounds of a mean against gamma, their confidence ends dashed, and where a conclusion changes.

    A second axis above says gamma as the factor exp(gamma) by which densities may change.

    >>> from matplotlib.figure import Figure
    >>> from ifm_learn.estimation.sensitivity import TargetValues, sensitivity_curve, tipping_point
    >>> draws = TargetValues(np.array([1.0, 2.0, 6.0]))
    >>> curve = sensitivity_curve(draws, np.linspace(0, 1, 5))
    >>> ax = sensitivity(curve, tipping_point(draws, 2.0), Figure().subplots())
    >>> ax.get_xlabel()
    'log-magnitude gamma of an interaction left out'
    """
    ax = canvas.axes(ax, 5.2, 3.6)
    order = np.argsort(curve.gammas, kind="stable")
    at, lower, upper = curve.gammas[order], curve.lower[order], curve.upper[order]
    ax.fill_between(at, lower, upper, color=canvas.SKY, alpha=0.6, linewidth=0, zorder=1)
    for end in (lower, upper):
        ax.plot(at, end, color=canvas.BLUE, linewidth=1.6, zorder=3)
    ax.plot(at, np.full(len(at), curve.estimate), color=canvas.BLUE, linewidth=1.0, linestyle=":", zorder=2)
    keys = [
        canvas.Key("estimate", canvas.BLUE, line=":"),
        canvas.Key("sharp bounds", canvas.SKY, patch=True),
    ]
    if curve.confidence is not None and curve.alpha is not None:
        for end in curve.confidence[order].T:
            ax.plot(at, end, color=canvas.FAINT, linewidth=1.2, linestyle="--", zorder=2)
        keys.append(canvas.Key(f"{float(1 - curve.alpha):.0%} confidence", canvas.FAINT, line="--"))
    if tipping is not None:
        ax.axhline(tipping.reference, color=canvas.RED, linewidth=1.2, linestyle="-.", zorder=2)
        keys.append(canvas.Key("reference", canvas.RED, line="-."))
        if math.isfinite(tipping.gamma) and tipping.gamma <= at.max(initial=0.0):
            ax.plot([tipping.gamma], [tipping.reference], "D", color=canvas.RED, markersize=6, zorder=4)
            words = f"reached at {tipping.gamma:.2f}"
            keys.append(canvas.Key(words, canvas.RED, marker="D", edge=canvas.RED))
    ax.set_xlim(float(at.min(initial=0.0)), float(at.max(initial=0.0)) or 1.0)
    canvas.tidy(ax, "", "log-magnitude gamma of an interaction left out", canvas.plain(name))
    factor = ax.secondary_xaxis("top")
    ticks = ax.get_xticks()
    factor.set_xticks(ticks, [f"{math.exp(tick):.3g}" for tick in ticks])
    factor.tick_params(colors=canvas.INK, labelsize=8)
    factor.spines["top"].set_color(canvas.FAINT)
    factor.set_xlabel("factor exp(gamma) on densities", fontsize=9, color=canvas.INK)
    canvas.legend(ax, keys, columns=1, where="beside")
    return ax
