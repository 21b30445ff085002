"""What a formula costs: how many measured regimes it combines, and how many rows it asks of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident.answer.identification import Criterion, Identification, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design.notation import format_regime
from ifm_ident.errors import InputError
from ifm_ident.plots import canvas
from ifm_ident.plots._formulas import variance_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 30
"""With more marks than this none has a number inside."""

_DIGITS = 3


def formula_costs(found: Identification, samples: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """A disc for identified regimes of equal cost: the length of the formula across, its price in rows upwards.

    Without `samples`, the price is how many times the rows of a run of the unseen regime itself each measured
    regime needs, for the log-density to be known as well: the sum of squared exponents q. With them, a size for
    each training regime, shape (m,), it is how many rows of such a run the formula is worth: 1 / (sum q² / n).
    A regime with several full conditionals counts with its longest and its costliest. The costliest one is named.
    Raises InputError when no regime has a formula, or for sizes that are missing or not positive.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"]})
    >>> formula_costs(study.identify(), ax=Figure().subplots()).get_xlabel()
    'measured regimes that the formula combines'
    >>> ax = formula_costs(study.identify(), [100, 50, 50], Figure().subplots())
    >>> ax.collections[0].get_offsets().tolist()
    [[3.0, 20.0]]
    >>> formula_costs(study.with_test(["00"]).identify())
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no regime has a formula: there is nothing to draw
    """
    rows = found.rows_with(Status.IDENTIFIED)
    if not len(rows):
        raise InputError("no regime has a formula: there is nothing to draw")
    factors = variance_values(found, samples)
    price = factors if samples is None else 1 / factors
    lengths = _longest(found, rows)
    joint = found.criterion[rows] == Criterion.JOINT
    ax = canvas.axes(ax, 5.4, 3.8)
    keys, counted = [], False
    for mask, colour, edge, marker, words in (
        (joint, canvas.SKY, canvas.BLUE, "o", "one formula"),
        (~joint, canvas.ORANGE, "#8a5a00", "D", "a formula for each full conditional"),
    ):
        if mask.any():
            counted |= _discs(ax, lengths[mask], price[mask], colour, edge, marker)
            key = canvas.Key(f"regimes with {words} ({mask.sum():,})", colour, marker=marker, edge=edge)
            keys.append(key)
    ax.set_xlim(min(1.4, lengths.min() - 0.6), int(lengths.max()) + 0.8)
    canvas.whole_ticks(ax.xaxis)
    _scale(ax, price, samples is None)
    if counted:
        keys.append(canvas.Key("a number inside: so many regimes", "none"))
    if samples is None:
        ax.axhline(1, color=canvas.RED, linestyle="--", linewidth=1, zorder=1)
        keys.append(canvas.Key("as good as running the regime itself", canvas.RED, line="--"))
    if factors.max() > 1.01 * factors.min():
        keys.append(canvas.Key(_costliest(found, rows, factors, samples is None), "none"))
    canvas.legend(ax, keys, columns=1, bbox_to_anchor=(0.5, -0.16))
    return ax


def _scale(ax: Axes, price: Floats, times: bool) -> None:
    """The axis upwards with its words; logarithmic where prices are far apart."""
    if price.max() > 30 * price.min():
        ax.set_yscale("log")
        ax.set_ylim(min(float(price.min()), 1.0 if times else math.inf) / 1.6, price.max() * 1.6)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.yaxis.set_minor_formatter(lambda value, _: "")
    else:
        ax.set_ylim(0, max(float(price.max()) * 1.15, 2.0))
    up = "rows needed, times those of running it" if times else "as good as running it with so many rows"
    canvas.tidy(ax, "", "measured regimes that the formula combines", up)
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)


def _longest(found: Identification, rows: Ints) -> Ints:
    """The number of densities in the longest formula of every identified regime, in test order."""
    terms = found.terms
    pairs, sizes = np.unique(np.stack([terms.owners, terms.block], axis=1), axis=0, return_counts=True)
    longest = np.zeros(len(found), dtype=np.int64)
    np.maximum.at(longest, pairs[:, 0], sizes)
    return longest[rows]


def _discs(ax: Axes, lengths: Ints, price: Floats, colour: str, edge: str, marker: str) -> bool:
    """A mark for regimes of one length and price, larger with their number; whether that stands inside."""
    rounded = [float(f"{one:.{_DIGITS}g}") for one in price.tolist()]
    points, counts = np.unique(np.stack([lengths, rounded], axis=1), axis=0, return_counts=True)
    few = len(points) <= _FEW
    sizes = np.where(counts > 1, 170.0, 40.0) if few else np.full(len(counts), 18.0)
    ax.scatter(*points.T, s=sizes, c=colour, edgecolors=edge, marker=marker, linewidths=1, zorder=3)
    for (x, y), count in zip(points.tolist(), counts.tolist(), strict=True):
        if few and count > 1:
            canvas.write(ax, x, y, f"{count:,}", 7 if count < 1000 else 5, zorder=4)
    return few and bool((counts > 1).any())


def _costliest(found: Identification, rows: Ints, factors: Floats, times: bool) -> str:
    """Which regime asks for most, in words."""
    worst = int(np.argmax(factors))
    alike = int(np.sum(np.isclose(factors, factors[worst]))) - 1
    name = format_regime(found.design.model, found.targets[int(rows[worst])], found.notation)
    more = f" and {alike:,} more" if alike else ""
    price = f"{factors[worst]:,.4g} times the rows" if times else f"worth {_rows(1 / factors[worst])} rows"
    return f"costliest: {canvas.plain(name, 30)}{more}, {price}"


def _rows(count: float) -> str:
    return f"{count:,.0f}" if count >= 10 else f"{count:.2g}"
