"""Where predictions extrapolate: the share of every regime that lies where a factor's rows are rare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.inference.support import MOST_UNSUPPORTED, FactorSupport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_WRITTEN = 400
_DARK = 0.6


def support(found: FactorSupport, regimes: Sequence[str], factors: Sequence[str], ax: Axes | None = None) -> Axes:
    """A square for every regime and factor: how much of the regime lies where the factor saw hardly any row.

    regimes, factors: names, in the order of the rows and columns of `found.unsupported`. Shares are written where
    there are at most 400 squares; those above a half, which make a prediction an extrapolation, have a frame.
    Raises InputError where names and shares differ in number, or there are none.

    >>> from matplotlib.figure import Figure
    >>> ax = support(FactorSupport(np.array([[0.02, 0.8]])), ["A+B"], ["push", "pull"], Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['2%', '80%']
    >>> support(FactorSupport(np.array([[0.02, 0.8]])), ["A+B"], ["push"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the shares have shape (1, 2); give 1 name of a regime and 2 of factors
    """
    shares = found.unsupported
    rows, columns = shares.shape
    if (len(regimes), len(factors)) != (rows, columns):
        names = f"{rows} name{'' if rows == 1 else 's'} of {'a regime' if rows == 1 else 'regimes'}"
        raise InputError(f"the shares have shape {shares.shape}; give {names} and {columns} of factors")
    if not shares.size:
        raise InputError("there is no regime or no factor to draw; ask for one regime or more")
    wide = 1.2 + canvas.text_width([canvas.plain(name) for name in regimes], 8)
    ax = canvas.axes(ax, wide + max(2.0, 0.5 * columns), 1.3 + max(0.8, 0.3 * rows))
    from matplotlib.colors import LinearSegmentedColormap

    shade = LinearSegmentedColormap.from_list("rare", ["white", canvas.RED])
    image = ax.pcolormesh(shares, cmap=shade, vmin=0.0, vmax=1.0, edgecolors=canvas.GREY, linewidth=0.6)
    framed = np.argwhere(shares > MOST_UNSUPPORTED) + 0.5
    canvas.shapes(ax, canvas.squares(framed[:, 1], framed[:, 0], 0.47), "none", canvas.INK, 1.4, order=3)
    if shares.size <= _MOST_WRITTEN:
        for (r, k), share in np.ndenumerate(shares):
            ink = "white" if share > _DARK else canvas.INK
            canvas.write(ax, k + 0.5, r + 0.5, f"{share:.0%}", 7, color=ink)
    canvas.labels(ax.yaxis, np.arange(rows) + 0.5, [canvas.plain(name) for name in regimes])
    below = [canvas.plain(name, 24) for name in factors]
    turned = 90 if canvas.text_width(below, 8) > 0.5 else 0
    canvas.labels(ax.xaxis, np.arange(columns) + 0.5, below, rotation=turned)
    ax.invert_yaxis()
    canvas.tidy(ax, "", "where the factor saw hardly any row")
    ax.tick_params(length=0)
    bar = ax.figure.colorbar(image, ax=ax, format="{x:.0%}", shrink=0.8, aspect=15)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("share of the regime", fontsize=8, color=canvas.INK)
    return ax
