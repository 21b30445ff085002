"""The predicted marginal density of a variable, its band, and what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.conformal.bands import Band, weighted_histogram

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def density(
    band: Band, observed: ArrayLike | None = None, ax: Axes | None = None, name: str = "x", title: str = ""
) -> Axes:
    """A band's estimate as a line with the band about it, and the density of measured values on the same cells.

    band: on cells (edges) or at points. observed: values of the variable in that regime, shape (n,), where it was
    measured after all; they take cells. Where the band says nothing (`resolved` is false) it has a gap.

    >>> from matplotlib.figure import Figure
    >>> from ifm_learn.conformal.bands import histogram_band
    >>> rng = np.random.default_rng(0)
    >>> band = histogram_band(rng.normal(size=500), np.linspace(-3, 3, 13), "0.1", rng, replicates=99)
    >>> ax = density(band, rng.normal(size=200), Figure().subplots(), "Plcg", "A+B")
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('Plcg', ['predicted', '90% simultaneous band', 'measured, 200 values'])
    """
    cells = len(band.at) == len(band.estimate) + 1
    if observed is not None and not cells:
        raise InputError("measured values need the edges of cells, this band is at points; leave `observed` out")
    ax = canvas.axes(ax, 4.6, 3.2)
    keys = [
        canvas.Key("predicted", canvas.BLUE, line="-", width=1.8),
        canvas.Key(f"{float(1 - band.alpha):.0%} simultaneous band", canvas.SKY, patch=True),
    ]
    if cells:
        ax.fill_between(
            band.at,
            _to_end(band.lower),
            _to_end(band.upper),
            step="post",
            color=canvas.SKY,
            alpha=0.7,
            linewidth=0,
        )
        ax.step(band.at, _to_end(band.estimate), where="post", color=canvas.BLUE, linewidth=1.8, zorder=3)
    else:
        ax.fill_between(band.at, band.lower, band.upper, color=canvas.SKY, alpha=0.7, linewidth=0)
        ax.plot(band.at, band.estimate, color=canvas.BLUE, linewidth=1.8, zorder=3)
    if observed is not None:
        values = np.asarray(observed, dtype=np.float64)
        heights = weighted_histogram(values, band.at)
        middle = (band.at[1:] + band.at[:-1]) / 2
        ax.plot(middle, heights, "o", color=canvas.RED, markersize=4, zorder=4)
        keys.append(canvas.Key(f"measured, {len(values):,} values", canvas.RED, marker="o", edge=canvas.RED))
    ax.set_ylim(bottom=0)
    canvas.tidy(ax, canvas.plain(title), canvas.plain(name), "density")
    height = canvas.inches(ax)[1]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


def _to_end(values: ArrayLike) -> NDArray[np.float64]:
    """The last cell's value again, so that its step has a width."""
    found = np.asarray(values, dtype=np.float64)
    return np.append(found, found[-1:])
