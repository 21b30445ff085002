"""The pictures of a page, each with its caption and what a reader who cannot see it should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from ifm_ident.answer.identification import JOINT, Identification, Status
from ifm_ident.design.notation import format_regime
from ifm_ident.plots import (
    MOST,
    Interval,
    formula_costs,
    has_numbers,
    incidence,
    intervals,
    level_line,
    regime_map,
    sigma_graph,
)
from ifm_ident.report._pictures import Drawing, drawing
from ifm_ident.study.study import Study

_FEW = 12
_LINES = 3


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture under its title, above its caption."""

    title: str
    drawing: Drawing
    caption: str


def gallery(study: Study, kept: Identification, total: int) -> list[Picture]:
    """The pictures of a study, of whose `total` test regimes `kept` answers the first."""
    model = study.model
    part = f" Drawn from the first {len(kept):,} of {total:,} regimes." if len(kept) < total else ""
    counts = ", ".join(f"{n:,} {word.replace('_', ' ')}" for word, n in kept.counts().items() if n)
    small = int(np.prod(model.level_counts.astype(object))) <= MOST and not model.has_bases
    arranged = (
        "the strips above and on the left say the level of each intervention, light for the baseline"
        if small
        else "regimes are grouped by the number of interventions off baseline"
    )
    pictures = [
        Picture(
            "Which interventions act together",
            drawing(lambda: sigma_graph(model), "g-", "sigma-graph and junction tree"),
            "The interventions, joined where some factor holds both, and the cliques of that graph, joined where "
            "they share interventions.",
        ),
        Picture(
            "Map of the regimes",
            drawing(lambda: regime_map(kept), "m-", f"map of the regimes: {counts}"),
            f"Each square is a regime; {arranged}.{part}",
        ),
    ]
    for one in [one for one in model.interventions if has_numbers(one)][:_LINES]:
        pictures.append(
            Picture(
                f"Along the levels of {one.name}",
                drawing(partial(level_line, study, one.name), f"r{len(pictures)}-", f"levels of {one.name}"),
                "All other interventions at baseline. Above, what was run and what is identified; beneath, "
                "sum|q|: by how much a formula magnifies the errors of what goes into it.",
            )
        )
    if (row := _example(kept)) is not None and not model.has_bases:
        target = kept.targets[row]
        pictures.append(
            Picture(
                f"How the formula of {format_regime(model, target, study.notation)} comes about",
                drawing(
                    lambda: incidence(study.design, target, notation=study.notation), "i-", "incidence matrix"
                ),
                "A row for each training regime, a column for each combination of levels of a factor's "
                "interventions. In every column the exponents add up to 1 where the target shows the combination, "
                "and to 0 where it does not.",
            )
        )
    if len(kept.rows_with(Status.IDENTIFIED)):
        sizes = study.sample_sizes()
        if sizes is not None and not (sizes[study.design.distinct] > 0).all():
            sizes = None
        price = (
            "so many times the rows are needed in each of these regimes to know the unseen density as well as by "
            "running it (the sum of squared exponents, or variance factor)"
            if sizes is None
            else "with the rows that there are, the formula is as good as running the regime with so many rows "
            "(one over the variance factor, the sum of squared exponents, each divided by its sample size)"
        )
        pictures.append(
            Picture(
                "What the formulas cost",
                drawing(lambda: formula_costs(kept, sizes), "l-", "what the formulas cost, by their length"),
                f"To the right, how many measured regimes a formula combines; upwards, its price: {price}. This "
                f"compares formulas before any model is fitted; it is not an error bar.{part}",
            )
        )
    return pictures


def interval_picture(drawn: Sequence[Interval]) -> Drawing:
    """Estimates, at least one, with their intervals."""
    return drawing(lambda: intervals(drawn), "e-", "estimates with their intervals")


def _example(kept: Identification) -> int | None:
    """The regime with most interventions off baseline whose joint formula is short enough to be drawn well."""
    sizes = np.diff(kept.terms.indptr)
    joint = np.zeros(len(kept), dtype=bool)
    joint[np.repeat(np.arange(len(kept)), sizes)[kept.terms.block == JOINT]] = True
    rows = np.flatnonzero(joint & (kept.status == Status.IDENTIFIED))
    if not len(rows):
        return None
    rank = np.where(sizes[rows] <= _FEW, kept.targets.active_counts[rows], -sizes[rows])
    return int(rows[np.argmax(rank)])
