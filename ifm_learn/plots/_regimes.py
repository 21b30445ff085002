"""Predicted against measured means of regimes left out of the fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.conformal.regimes import RegimeErrors, RegimeQuantile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 12


def regime_errors(
    errors: RegimeErrors,
    names: Sequence[str],
    quantile: RegimeQuantile | None = None,
    ax: Axes | None = None,
    outcome: str = "mean",
) -> Axes:
    """Each regime left out as a point, predicted against measured with the measured mean's 95% error.

    names: of the regimes left out, in the order of `errors.left_out`; written where there are at most 12.
    quantile: drawn as the band of width `quantile.error` about equality. For an outcome only. Raises InputError
    otherwise.

    >>> k = np.arange(3)
    >>> errors = RegimeErrors(k, np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 2)), k[:0])
    >>> regime_errors(errors, ["A", "B", "C"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the errors are of 2 variables; choose one: give its columns
    """
    if errors.predicted.ndim != 1:
        raise InputError(f"the errors are of {errors.predicted.shape[1]} variables; choose one: give its columns")
    if len(names) != len(errors) or not len(errors):
        raise InputError(f"{len(errors)} regimes were left out, {len(names)} are named; give one name for each")
    ax = canvas.axes(ax, 4.6, 4.0)
    both = np.concatenate([errors.predicted, errors.observed])
    margin = 0.12 * (float(np.ptp(both)) or 1.0)
    line = np.array([both.min() - margin, both.max() + margin])
    keys = [canvas.Key("equal", canvas.INK, line="-")]
    if quantile is not None:
        width = float(quantile.error)
        ax.fill_between(line, line - width, line + width, color=canvas.SKY, alpha=0.5, linewidth=0, zorder=0)
        words = f"{float(1 - quantile.alpha):.0%} of errors, {quantile.regimes} regimes"
        keys.append(canvas.Key(words, canvas.SKY, patch=True))
    ax.plot(line, line, color=canvas.INK, linewidth=1.0, zorder=1)
    bars = 1.96 * np.where(np.isfinite(errors.se), errors.se, 0.0)
    ax.errorbar(
        errors.predicted, errors.observed, yerr=bars, color=canvas.BLUE, marker="o", markersize=5,
        linestyle="none", elinewidth=1.2, capsize=2, zorder=3,
    )  # fmt: skip
    keys.append(canvas.Key("left out of the fit", canvas.BLUE, marker="o", edge=canvas.BLUE))
    if len(names) <= _NAMED:
        for turn, k in enumerate(np.argsort(errors.predicted, kind="stable").tolist()):
            _name(ax, names[k], float(errors.predicted[k]), float(errors.observed[k]), left=turn % 2 == 1)
    ax.set_xlim(*line)
    canvas.tidy(ax, "", canvas.plain(f"predicted {outcome}"), canvas.plain(f"measured {outcome}"))
    height = canvas.inches(ax)[1]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.42 / max(height, 0.5)))
    return ax


def _name(ax: Axes, name: str, x: float, y: float, left: bool) -> None:
    """A name below right of a point, or above left: neighbours take turns."""
    ax.annotate(
        canvas.plain(name, 16), (x, y), (-6, 3) if left else (6, -3), textcoords="offset points", fontsize=7,
        color=canvas.INK, ha="right" if left else "left", va="bottom" if left else "top", parse_math=False,
    )  # fmt: skip
