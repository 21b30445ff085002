"""Coverage of intervals in each regime, against what they promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.conformal.ranks import Alpha, read_alpha

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Z = 1.96
_METHODS = len(canvas.SERIES)


def coverage_by_regime(
    regimes: Sequence[str], covered: Mapping[str, ArrayLike], alpha: Alpha, ax: Axes | None = None
) -> Axes:
    """Mean coverage of every method in every regime, with its 95% error over repetitions; a line at 1 - alpha.

    covered: for each method (at most 6) the share of units covered, shape (repetitions, regimes), or (regimes,)
    without repetitions and then without errors. Raises InputError for other shapes and too many methods.

    >>> from matplotlib.figure import Figure
    >>> shares = {"oracle": [[0.9, 0.91], [0.89, 0.92]]}
    >>> ax = coverage_by_regime(["A+B", "A+C"], shares, "0.1", Figure().subplots())
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['A+B', 'A+C']
    >>> coverage_by_regime(["A+B"], {"oracle": [[0.9, 0.91]]}, "0.1")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the coverage of 'oracle' has shape (1, 2); give (repetitions, 1 regime)
    """
    level = float(1 - read_alpha(alpha))
    if not 0 < len(covered) <= _METHODS:
        raise InputError(f"there are {len(covered)} methods to draw; give 1 to {_METHODS}")
    tables = {}
    for name, values in covered.items():
        tables[name] = np.atleast_2d(np.asarray(values, dtype=np.float64))
        if tables[name].shape[1:] != (len(regimes),):
            words = f"{len(regimes)} regime{'' if len(regimes) == 1 else 's'}"
            raise InputError(
                f"the coverage of {name!r} has shape {tables[name].shape}; give (repetitions, {words})"
            )
    ax = canvas.axes(ax, max(4.5, 1.6 + 0.28 * len(regimes) * (1 + len(covered))), 3.4)
    ax.axhline(level, color=canvas.INK, linewidth=1.0, zorder=1)
    keys = []
    for k, (name, table) in enumerate(tables.items()):
        at = np.arange(len(regimes)) + (k - (len(covered) - 1) / 2) * 0.7 / len(covered)
        colour, marker = canvas.SERIES[k], canvas.MARKERS[k]
        error = _Z * table.std(axis=0, ddof=1) / np.sqrt(len(table)) if len(table) > 1 else None
        ax.errorbar(
            at, table.mean(axis=0), error, color=colour, marker=marker, markersize=5, linestyle="none",
            elinewidth=1.4, capsize=2.5, zorder=3,
        )  # fmt: skip
        keys.append(canvas.Key(canvas.plain(name), colour, marker=marker, edge=colour))
    keys.append(canvas.Key(f"promised, {level:g}", canvas.INK, line="-"))
    canvas.labels(ax.xaxis, np.arange(len(regimes)), [canvas.plain(name, 20) for name in regimes])
    ax.set_xlim(-0.6, len(regimes) - 0.4)
    canvas.tidy(ax, "", "regime", "share covered")
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    canvas.legend(ax, keys, columns=1, where="beside")
    return ax
