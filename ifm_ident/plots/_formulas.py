"""How long formulas are, and by how much they multiply variance."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident.answer.identification import Identification, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design.design import Design
from ifm_ident.errors import InputError
from ifm_ident.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS, _FEWEST_BARS = 40, 8


def formula_lengths(found: Identification, ax: Axes | None = None) -> Axes:
    """How many formulas have how many densities, joint formulas and full conditionals apart.

    Raises InputError when no regime has a formula.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"]})
    >>> formula_lengths(study.identify(), Figure().subplots()).get_xlabel()
    'densities in the formula'
    >>> formula_lengths(study.with_test(["00"]).identify())
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no regime has a formula: there are no lengths to draw
    """
    joint, sizes = _lengths(found)
    if not len(sizes):
        raise InputError("no regime has a formula: there are no lengths to draw")
    ax = canvas.axes(ax, 5.4, 3.2)
    longest = int(sizes.max())
    step = -(-longest // _MOST_BARS)
    edges = np.arange(1, max(longest, _FEWEST_BARS) + step + 1, step)
    counts = [np.histogram(sizes[mask], edges)[0] for mask in (joint, ~joint)]
    at = np.arange(len(edges) - 1)
    keys = [canvas.Key(f"one formula for the joint density ({joint.sum():,})", canvas.SKY, patch=True)]
    low = np.zeros(len(at))
    for count, colour, hatch in ((counts[0], canvas.SKY, ""), (counts[1], canvas.ORANGE, "///")):
        if count.any():
            here = count > 0
            ax.bar(
                at[here],
                count[here],
                0.8,
                bottom=low[here],
                color=colour,
                hatch=hatch,
                edgecolor=canvas.INK,
                linewidth=0.6,
            )
        low = low + count
    if counts[1].any():
        words = f"a formula for a full conditional ({(~joint).sum():,})"
        keys = [*keys[: bool(joint.any())], canvas.Key(words, canvas.ORANGE, hatch="///", patch=True)]
    names = [str(a) if step == 1 else f"{a} to {a + step - 1}" for a in edges[:-1].tolist()]
    every = -(-len(at) // (8 if step > 1 else 20))
    canvas.labels(ax.xaxis, at[::every], names[::every])
    ax.set_xlim(-0.6, len(at) - 0.4)
    canvas.tidy(ax, "", "densities in the formula", "formulas")
    canvas.whole_ticks(ax.yaxis)
    canvas.legend(ax, keys, columns=1, bbox_to_anchor=_UNDER)
    return ax


def variance_factors(found: Identification, samples: ArrayLike | None = None, ax: Axes | None = None) -> Axes:
    """The variance factor of every formula, ascending: sum q² / n for the sample sizes n, or sum q² without them.

    Regimes with full conditionals count with their largest. samples: a size for each training regime, shape (m,);
    those of repeats are added up. Raises InputError when no regime has a formula, or for sizes that are missing or
    not positive.

    >>> import ifm_ident
    >>> from matplotlib.figure import Figure
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"]})
    >>> ax = variance_factors(study.identify(), [100, 50, 50], Figure().subplots())
    >>> ax.lines[0].get_ydata().tolist()
    [0.05]
    """
    values = variance_values(found, samples)
    if not len(values):
        raise InputError("no regime has a formula: there is nothing to draw")
    ax = canvas.axes(ax, 5.4, 3.2)
    ordered = np.sort(values)
    at = np.arange(1, len(ordered) + 1)
    few = len(ordered) <= 60
    ax.plot(at, ordered, color=canvas.BLUE, marker="o" if few else None, markersize=4, linewidth=1.2)
    middle = float(np.median(ordered))
    ax.axhline(middle, color=canvas.RED, linestyle="--", linewidth=1)
    if ordered[-1] > 30 * ordered[0]:
        ax.set_yscale("log")
    else:
        ax.set_ylim(0, ordered[-1] * 1.1)
    ax.set_xlim(0.5, len(ordered) + 0.5)
    if len(ordered) <= 10:
        ax.set_xticks(at)
    else:
        canvas.whole_ticks(ax.xaxis)
    name = "sum q²" if samples is None else "sum q² / n"
    canvas.tidy(ax, "", "identified regimes, ascending", name)
    keys = [
        canvas.Key("regime", canvas.BLUE, marker="o" if few else "", line="-", edge=canvas.BLUE),
        canvas.Key(f"median {middle:.3g}", canvas.RED, line="--"),
    ]
    canvas.legend(ax, keys, columns=2, bbox_to_anchor=_UNDER)
    return ax


_UNDER = (0.5, -0.2)


def _lengths(found: Identification) -> tuple[np.typing.NDArray[np.bool_], Ints]:
    """Of every formula whether it is joint, and how many densities it has."""
    terms = found.terms
    rows = terms.owners
    keep = found.status[rows] == Status.IDENTIFIED
    pairs = np.stack([rows[keep], terms.block[keep]], axis=1)
    distinct, sizes = np.unique(pairs, axis=0, return_counts=True)
    return distinct[:, 1] < 0, sizes.astype(np.int64)


def variance_values(found: Identification, samples: ArrayLike | None = None) -> Floats:
    """The variance factor of every identified regime, in test order: the largest over its formulas."""
    sizes = None if samples is None else _merged(found.design, np.asarray(samples))
    values = []
    for row in found.rows_with(Status.IDENTIFIED).tolist():
        per_block = [
            sum((q * q / (1 if sizes is None else int(sizes[i])) for i, q in part.items()), Fraction(0))
            for part in found.terms.exponents(row).values()
        ]
        values.append(float(max(per_block)))
    return np.array(values, dtype=np.float64)


def _merged(design: Design, samples: Ints) -> Ints:
    """The samples of every regime at its first index, shape (m,)."""
    merged = np.zeros_like(samples)
    fits = samples.shape == (len(design.train),)
    if fits:
        np.add.at(merged, design.first, samples)
    if not fits or not (merged[design.distinct] > 0).all():
        raise InputError(
            f"give a sample size above 0 for each of the {len(design.train)} training regimes, got "
            f"{samples.tolist() if samples.size < 20 else f'shape {samples.shape}'}"
        )
    return merged
