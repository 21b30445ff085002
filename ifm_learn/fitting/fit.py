"""From counts to fitted energies: the ridge by held-out likelihood, several starts, their average."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_learn.data.samples import Samples
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.fitting.optimise import Optimum, minimise
from ifm_learn.grid import Grid
from ifm_learn.inference.grid_tree import GridTree

Floats = NDArray[np.float64]

RIDGES = (Ridge(0.1, 0.1), Ridge(0.3, 0.3), Ridge(1.0, 1.0), Ridge(3.0, 3.0))
"""Tried in this order, each warm-started from the one before, where the ridge is to be chosen."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples made ready for fitting: the likelihood of all rows and that of a stratified part, and the rest.

    part, held_out: for the choice of the ridge; the same as `whole` and its counts where a regime has one row.
    """

    whole: ExactLikelihood
    part: ExactLikelihood
    held_out: Counts

    @classmethod
    def of(cls, samples: Samples, grid: Grid, layout: Layout, seed: int, share: float = 0.8) -> Problem:
        """Count the rows, `share` of every regime in the part that ridges are fitted to."""
        bins = grid.encode(samples.x)
        first = split_rows(samples, share, np.random.default_rng(seed))
        whole, part, rest = (
            Counts.of(layout.cells, grid, bins[rows], samples.regime[rows])
            for rows in (np.ones(len(samples), dtype=bool), first, ~first)
        )
        axes = tuple(
            (values - column.mean()) / (column.std() or 1.0)
            for values, column in zip(grid.values, samples.x.T, strict=True)
        )
        tree = GridTree.of(layout.cells.scopes, grid.sizes)
        exact = ExactLikelihood(layout, tree, axes, grid.log_widths, whole)
        return cls(exact, dataclasses.replace(exact, counts=part), rest)


def split_rows(samples: Samples, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A random `share` of the rows of every training regime, at least one of each, shape (n,)."""
    first = np.zeros(len(samples), dtype=bool)
    for train in samples.present.tolist():
        rows = rng.permutation(np.flatnonzero(samples.regime == train))
        first[rows[: max(round(share * len(rows)), 1)]] = True
    return first


@dataclass(frozen=True, eq=False)
class Fit:
    """Energies fitted from several starts with one ridge.

    optima: one for each start; tried: (base, shift, held-out log-likelihood in nats a row) of every ridge.
    """

    ridge: Ridge
    optima: tuple[Optimum, ...]
    tried: tuple[tuple[float, float, float], ...]


def penalised(likelihood: ExactLikelihood, ridge: Ridge) -> Callable[[Floats], tuple[float, Floats]]:
    """The objective in nats a row: (minus log-likelihood + penalty) / rows, and its gradient."""
    rows = likelihood.counts.total

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood.value_and_gradient(theta)
        penalty, slope = ridge.value_and_gradient(likelihood.layout, theta)
        return (value + penalty) / rows, (gradient + slope) / rows

    return objective


def choose_ridge(
    training: ExactLikelihood, held_out: Counts, ridges: Sequence[Ridge], start: Floats, max_iterations: int
) -> tuple[Ridge, Floats, tuple[tuple[float, float, float], ...]]:
    """The ridge of the greatest held-out log-likelihood, where its fit ended, and the score of all tried."""
    tried: list[tuple[float, float, float]] = []
    ends: list[Floats] = []
    theta = start
    for ridge in ridges:
        theta = minimise(penalised(training, ridge), theta, max_iterations=max_iterations).theta
        score = training.log_likelihood(training.tables(theta), held_out) / held_out.total
        tried.append((ridge.base, ridge.shift, score))
        ends.append(theta)
    best = int(np.argmax([score for *_, score in tried]))
    return ridges[best], ends[best], tuple(tried)


def average(tables: Sequence[Sequence[Floats]]) -> list[Floats]:
    """The mean of several models' log-tables, cell by cell: the average of IFMs is an IFM of the same design."""
    return [np.asarray(np.mean(parts, axis=0)) for parts in zip(*tables, strict=True)]


def fit_energies(problem: Problem, ridge: Ridge | None, starts: int, seed: int, jobs: int = 1) -> Fit:
    """Choose the ridge where none is given, then fit all rows from several random starts."""
    layout = problem.whole.layout
    seeds = np.random.SeedSequence(seed).spawn(starts)
    begin = [layout.start(np.random.default_rng(s)) for s in seeds]
    tried: tuple[tuple[float, float, float], ...] = ()
    if ridge is None:
        ridge, begin[0], tried = choose_ridge(problem.part, problem.held_out, RIDGES, begin[0], 300)
    objective = penalised(problem.whole, ridge)
    return Fit(ridge, tuple(minimise(objective, theta) for theta in begin), tried)
