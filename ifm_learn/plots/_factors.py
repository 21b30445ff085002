"""What `ifm factors` found: what candidates add to held-out rows, and how often halves of the rows find them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifm_ident import InputError
from ifm_ident.plots import canvas
from ifm_learn.factors.choosing import ChosenFactors, Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40
"""More candidates than this are not all drawn: those of the largest gains come first."""

_LOOKS = {
    "added": (canvas.BLUE, "o", True),
    "not added": (canvas.BLUE, "o", False),
    "kept": (canvas.ORANGE, "s", True),
    "dropped": (canvas.ORANGE, "s", False),
}


def factors(found: ChosenFactors, ax: Axes | None = None) -> Axes:
    """A row for each candidate that could be told: its held-out gain with one standard error, and its stability.

    Filled marks are among the chosen factors, hollow ones are not; discs are candidates, squares the study's own
    terms. At the right, the share of halves of the rows that find it. Raises InputError where no candidate has a
    gain.

    >>> from matplotlib.figure import Figure
    >>> import numpy as np
    >>> from ifm_ident import Study
    >>> from ifm_learn import Samples, choose_factors
    >>> study = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01", "11"]})
    >>> regime = np.repeat(np.arange(4), 100)
    >>> x = np.random.default_rng(0).normal(size=(400, 1)) + np.array([0.0, 0.5, 1.0, 3.0])[regime][:, None]
    >>> ax = factors(choose_factors(study, Samples(study.design, regime, x), resamples=2), Figure().subplots())
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['A and B on x', 'B on x', 'A on x']
    """
    drawn = [one for one in found.findings if one.gain is not None and one.verdict in _LOOKS]
    if not drawn:
        raise InputError("no candidate could be told, so there is nothing to draw")
    order = sorted(range(len(drawn)), key=lambda k: (drawn[k].candidate.present, -(drawn[k].gain or 0.0)))
    shown = [drawn[k] for k in order][:MOST]
    ax = canvas.axes(ax, 6.8, 1.6 + 0.28 * len(shown))
    for row, one in enumerate(shown):
        colour, marker, filled = _LOOKS[one.verdict]
        ax.errorbar(
            [one.gain], [row], xerr=[one.error or 0.0], color=colour, marker=marker, markersize=6, elinewidth=1.3,
            capsize=2.5, markerfacecolor=colour if filled else "white", zorder=3,
        )  # fmt: skip
        if one.stability is not None:
            ax.annotate(
                f"{one.stability:.0%}", (1.01, row), xycoords=("axes fraction", "data"), fontsize=8,
                va="center", color=canvas.INK, annotation_clip=False,
            )  # fmt: skip
    ax.axvline(0.0, color=canvas.INK, linewidth=1.0, zorder=1)
    canvas.labels(ax.yaxis, range(len(shown)), [canvas.plain(_words(one), 44) for one in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    title = f"{len(shown)} of {len(drawn):,} candidates" if len(shown) < len(drawn) else ""
    canvas.tidy(ax, title, "gain of log P(regime | x) on held-out rows, nats a row (one standard error)")
    if any(one.stability is not None for one in shown):
        ax.annotate(
            "found by\nhalves", (1.01, -0.6), xycoords=("axes fraction", "data"), fontsize=7, va="bottom",
            color=canvas.FAINT, annotation_clip=False,
        )  # fmt: skip
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    used = [word for word in _LOOKS if any(one.verdict == word for one in shown)]
    keys = [
        canvas.Key(
            word, _LOOKS[word][0] if _LOOKS[word][2] else "white", marker=_LOOKS[word][1], edge=_LOOKS[word][0]
        )
        for word in used
    ]
    canvas.legend(ax, keys, bbox_to_anchor=(0.5, -0.46 / max(canvas.inches(ax)[1], 0.5)))
    return ax


def _words(one: Finding) -> str:
    return one.candidate.words
