"""Whose covariates means are over, and whether covariates differ between regimes that were assigned at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import f as f_law

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.covariates import Covariates, read_population
from ifm_learn.data.samples import Samples
from ifm_learn.falsification.testing import adjust

ALL = "all"
CONTROL = "ctrl"

_SHIFTED = 0.01


@dataclass(frozen=True, eq=False)
class Population:
    """Whose covariates means are over: `values`, shape (N, w).

    rows: which rows of the data they are, shape (N,), None for others; group: its value, "" for all.
    """

    name: str
    values: Floats
    rows: Ints | None
    group: str = ""


def populations(name: str | Path, by: str | None, samples: Samples, covariates: Covariates) -> list[Population]:
    """The population of that name, in groups where `by` names a covariate; InputError where there are no rows."""
    word = str(name)
    rows: Ints | None = np.arange(len(samples), dtype=np.int64)
    if word == CONTROL:
        active = samples.design.train.take(samples.regime).active_counts
        rows = np.flatnonzero(active == 0)
        if not len(rows):
            raise InputError(
                "no row is at the baseline, so there is no population ctrl; take all, or a file of covariates",
                argument="population",
            )
        covariates = covariates.take(rows)
    elif word != ALL:
        rows, covariates = None, read_population(Path(name), covariates.columns)
    if by is None:
        return [Population(word, covariates.values, rows)]
    return [
        Population(word, covariates.values[part], None if rows is None else rows[part], text)
        for text, part in covariates.groups(by)
    ]


def moved_words(samples: Samples, covariates: Covariates) -> Iterator[str]:
    """A sentence for every covariate whose means differ between regimes, at 1% for all together (Holm).

    By Fisher's F; of units one value a regime.
    """
    values, place = covariates.values, np.searchsorted(samples.present, samples.regime)
    if samples.unit is not None:
        _, first = np.unique(np.stack([samples.unit, place]), axis=1, return_index=True)
        values, place = values[first], place[first]
    n, m = len(values), len(samples.present)
    if not (m > 1 and n > m):
        return
    counts = np.bincount(place, minlength=m)
    tested: list[float] = []
    for column in values.T:
        away = column - column.mean()
        means = np.bincount(place, away, minlength=m) / np.maximum(counts, 1)
        between = float(counts @ means**2)
        within = max(float(away @ away) - between, 1e-300)
        tested.append(
            float(f_law.sf(between / (m - 1) / (within / (n - m)), m - 1, n - m)) if between > 0 else 1.0
        )
    for label, p in zip(covariates.labels, adjust(tested, "holm"), strict=True):
        if p < _SHIFTED:
            yield (
                f"{label} differs between regimes (p = {p:.1g}, all covariates allowed for), though the study "
                "says `randomised: true`: leave that out if treatment was not assigned at random; if it was, "
                "treatment moved it, and what treatment moves is a variable, not a covariate"
            )
