"""Estimates of a simulated study beside the truth that the simulation knows: the last part of `ifm demo`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ifm_ident import Study
from ifm_ident.show import aligned, wrapped
from ifm_ident.study import read_regimes, table_of
from ifm_learn.data.columns import numbers
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.text import number, text_lines


def estimated(study: Study, seed: int) -> Estimates:
    """What `ifm estimate` finds in the study's data."""
    return estimate_study(study, seed=seed)


def estimate_lines(found: Estimates) -> Iterator[str]:
    """What `ifm estimate` prints."""
    return text_lines(found)


def truth_lines(study: Study, found: Estimates, truth: Path) -> Iterator[str]:
    """Every unseen identified regime: estimate, true mean, and by how much estimate and additive baseline miss it.

    truth: a table with the study's label column and one column named like the outcome.
    """
    table = table_of(truth)
    label = None if study.data is None else study.data.label
    read = read_regimes(study.model, table, label)
    true = numbers(table, found.outcomes[0], read.rows)[found.regimes.first_equal(read.regimes)]
    unseen = np.flatnonzero((found.status == 1) & ~np.isnan(found.mean[:, 0]))
    names = found.names()
    rows = [("regime", "true mean", "estimate", "confidence", "misses by", "additive misses by")]
    for row in unseen.tolist():
        mean, low, high = found.mean[row, 0], found.confidence_low[row, 0], found.confidence_high[row, 0]
        rows.append(
            (
                names[row],
                number(true[row]),
                number(mean),
                f"[{number(low)}, {number(high)}]",
                f"{mean - true[row]:+.3f}",
                f"{found.additive[row, 0] - true[row]:+.3f}",
            )
        )
    yield from aligned(rows, "  ")
    inside = int(
        (
            (found.confidence_low[unseen, 0] <= true[unseen]) & (true[unseen] <= found.confidence_high[unseen, 0])
        ).sum()
    )
    ours, theirs = (
        float(np.sqrt(((values[unseen, 0] - true[unseen]) ** 2).mean())) for values in (found.mean, found.additive)
    )
    yield ""
    yield from wrapped(
        f"{inside} of {len(unseen)} confidence intervals hold the true mean. Root mean squared error {ours:.3f}, "
        f"of the additive baseline {theirs:.3f}."
    )
