"""The poster's figures: box plots of pRMSE by method and densities of the rank correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ifm_ident.plots import canvas
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.table import NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BANDWIDTH = 0.04
"""Of the rank correlations' kernel density: the same in every panel, so that heights compare."""

STYLES: Mapping[str, tuple[str, Any]] = {
    "blackbox": (canvas.BLUE, "--"),
    "additive": (canvas.ORANGE, "--"),
    "joint-additive": (canvas.PINK, "-."),
    "dag": (canvas.GREEN, "-."),
    "ifm1": (canvas.RED, "-"),
    "ifm2": (canvas.SKY, "-"),
    "ifm3": (canvas.BLUE, "-"),
    "dr": (canvas.ORANGE, "-"),
    "oracle": (canvas.FAINT, ":"),
}
"""Colour and line of every method: solid where the fitted factors are used, hatched boxes where they are not."""

CAPTION = (
    "Above, pRMSE over the outcome problems on a logarithmic scale: boxes from the first to the third quartile "
    "with the median, whiskers to the 5th and 95th percentile, the mean as a diamond; hatched where the fitted "
    "factors are not used, grey with the true law of x. Below, kernel densities of the rank correlation, of one "
    "bandwidth everywhere."
)


def panels(results: Mapping[str, Results]) -> Figure:
    """A column for each experiment by name: pRMSE above (logarithmic), rank correlation below.

    Raises MissingExtraError without matplotlib.
    """
    figure = canvas.figure(2.0 + 3.9 * len(results), 6.6)
    grid = figure.subplots(2, len(results), squeeze=False, sharey="row")
    for column, (name, found) in enumerate(results.items()):
        box_plots(found, grid[0, column], name)
        densities(found, grid[1, column])
        if column:
            grid[0, column].set_ylabel("")
            grid[1, column].set_ylabel("")
    least = min(ax.get_xlim()[0] for ax in grid[1])
    for ax in grid[1]:
        ax.set_xlim(least, 1.0)
    methods = dict.fromkeys(method for found in results.values() for method in found.methods)
    keys = [canvas.Key(NAMES[m], STYLES[m][0], line=STYLES[m][1], width=1.6) for m in methods]
    canvas.legend(grid[1, -1], keys, columns=1, where="beside")
    return figure


def box_plots(results: Results, ax: Axes, title: str = "") -> None:
    """Box plots of pRMSE over problems; whiskers to the 5th and 95th percentile, the mean as a diamond."""
    values = [results.prmse(method) for method in results.methods]
    drawn = ax.boxplot(
        values,
        whis=(5, 95),
        widths=0.6,
        showfliers=False,
        showmeans=True,
        patch_artist=True,
        medianprops={"color": canvas.INK},
        meanprops={"marker": "D", "markerfacecolor": "white", "markeredgecolor": canvas.INK, "markersize": 4},
    )
    for patch, method in zip(drawn["boxes"], results.methods, strict=True):
        colour, line = STYLES[method]
        patch.set(
            facecolor=colour,
            edgecolor=canvas.INK,
            linewidth=0.7,
            hatch="////" if line[0] == "-" and line != "-" else "",
        )
    ax.set_yscale("log")
    canvas.labels(
        ax.xaxis, range(1, len(values) + 1), [NAMES[m] for m in results.methods], rotation=35, ha="right"
    )
    canvas.tidy(ax, title, y="pRMSE")
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)


def densities(results: Results, ax: Axes) -> None:
    """Kernel densities of the rank correlation over problems, mirrored at its ends -1 and 1."""
    at = np.linspace(-1.0, 1.0, 801)
    lowest = 1.0
    for method in results.methods:
        values = results.rank_correlation(method)
        values = values[~np.isnan(values)]
        both = np.concatenate([values, 2 - values, -2 - values])
        heights = np.exp(-0.5 * ((at[:, None] - both) / _BANDWIDTH) ** 2).sum(axis=1)
        heights /= max(len(values), 1) * _BANDWIDTH * np.sqrt(2 * np.pi)
        colour, line = STYLES[method]
        ax.plot(at, heights, color=colour, linestyle=line, linewidth=1.6)
        lowest = min(lowest, float(np.quantile(values, 0.03)) if len(values) else 1.0)
    ax.set_xlim(max(-1.0, lowest - 0.1), 1.0)
    ax.set_ylim(bottom=0.0)
    canvas.tidy(ax, x="rank correlation", y="density over problems")
