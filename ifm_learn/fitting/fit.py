"""From samples to fitted energies: the ridge by held-out likelihood, several starts, their average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import MissingExtraError
from ifm_learn.data.samples import Samples
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting.fitted_energies import standard_units
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.fitting.optimise import Objective, Optimum, minimise
from ifm_learn.fitting.pseudo import PseudoLikelihood
from ifm_learn.grid import Grid
from ifm_learn.inference.grid_tree import GridTree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RIDGES = (Ridge(3.0, 3.0), Ridge(1.0, 1.0), Ridge(0.3, 0.3), Ridge(0.1, 0.1))
"""Tried in this order where the ridge is to be chosen, each started where the one before ended."""

PART = 0.8
"""The share of every regime's rows that the ridges are fitted to; the others score them."""


class Likelihood(Protocol):
    """Minus a log-likelihood of rows, exact or not, as a function of the parameters of a layout."""

    @property
    def layout(self) -> Layout:
        """The energies."""

    @property
    def rows(self) -> float:
        """How many rows, or their weight."""

    def value(self, theta: Floats) -> float:
        """Nats."""

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Nats, and the gradient, shape (size,)."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples made ready for fitting: likelihoods of all rows, of a stratified part, and of the others."""

    axes: tuple[Floats, ...]
    whole: Likelihood
    part: Likelihood
    others: Likelihood

    @classmethod
    def of(cls, samples: Samples, grid: Grid, layout: Layout, seed: int, pseudo: bool = False) -> Problem:
        """Count the rows on the grid; energies see its values in standard units of the samples."""
        bins = grid.encode(samples.x)
        units = standard_units(samples.x)
        axes = tuple(
            (values - shift) / unit
            for values, shift, unit in zip(grid.values, units.shift, units.unit, strict=True)
        )
        tree = GridTree.of(layout.cells.scopes, grid.sizes)

        def likelihood(rows: NDArray[np.bool_]) -> Likelihood:
            if pseudo:
                return PseudoLikelihood.of(layout, axes, grid.log_widths, bins[rows], samples.regime[rows])
            counts = Counts.of(layout.cells, grid, bins[rows], samples.regime[rows])
            return ExactLikelihood(layout, tree, axes, grid.log_widths, counts)

        first = split_rows(samples, np.random.default_rng(seed))
        every = np.ones(len(samples), dtype=bool)
        return cls(axes, likelihood(every), likelihood(first), likelihood(~first if not first.all() else every))


def split_rows(samples: Samples, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A random part of the rows of every training regime, at least one of each, shape (n,)."""
    first = np.zeros(len(samples), dtype=bool)
    for train in samples.present.tolist():
        rows = rng.permutation(np.flatnonzero(samples.regime == train))
        first[rows[: max(round(PART * len(rows)), 1)]] = True
    return first


@dataclass(frozen=True, eq=False)
class Fit:
    """Energies fitted from several starts with one ridge.

    optima: one for each start; tried: (base, shift, held-out log-likelihood in nats a row) of every ridge.
    """

    ridge: Ridge
    optima: tuple[Optimum, ...]
    tried: tuple[tuple[float, float, float], ...]


def fit_energies(
    problem: Problem,
    ridge: Ridge | None,
    starts: int,
    seed: int,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Fit:
    """Choose the ridge where none is given, then fit all rows from several random starts."""
    layout = problem.whole.layout
    seeds = np.random.SeedSequence(seed).spawn(starts)
    begin = [layout.start(np.random.default_rng(s)) for s in seeds]
    tried: tuple[tuple[float, float, float], ...] = ()
    if ridge is None:
        ridge, begin[0], tried = choose_ridge(problem, RIDGES, begin[0])
    work = [(problem.whole, ridge, theta, i) for i, theta in enumerate(begin)]
    if jobs == 1:
        return Fit(ridge, tuple(_fit_one(*one, progress) for one in work), tried)
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise MissingExtraError("joblib", "learn") from None
    optima = Parallel(n_jobs=jobs)(delayed(_fit_one)(*one) for one in work)
    return Fit(ridge, tuple(optima), tried)


def _fit_one(
    likelihood: Likelihood, ridge: Ridge, theta: Floats, start: int, progress: Callable[[int], None] | None = None
) -> Optimum:
    step = None if progress is None else lambda _: progress(start)
    return minimise(penalised(likelihood, ridge), theta, step=step)


def penalised(likelihood: Likelihood, ridge: Ridge) -> Objective:
    """The objective in nats a row: (minus log-likelihood + penalty) / rows, and its gradient."""

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood.value_and_gradient(theta)
        penalty, slope = ridge.value_and_gradient(likelihood.layout, theta)
        return (value + penalty) / likelihood.rows, (gradient + slope) / likelihood.rows

    return objective


def choose_ridge(
    problem: Problem, ridges: Sequence[Ridge], start: Floats, max_iterations: int = 150
) -> tuple[Ridge, Floats, tuple[tuple[float, float, float], ...]]:
    """The ridge of the greatest held-out log-likelihood, where its fit ended, and the score of all tried."""
    tried: list[tuple[float, float, float]] = []
    ends: list[Floats] = []
    theta = start
    for ridge in ridges:
        theta = minimise(penalised(problem.part, ridge), theta, max_iterations=max_iterations).theta
        tried.append((ridge.base, ridge.shift, -problem.others.value(theta) / problem.others.rows))
        ends.append(theta)
    best = int(np.argmax([score for *_, score in tried]))
    return ridges[best], ends[best], tuple(tried)


def average(tables: Sequence[Sequence[Floats]]) -> list[Floats]:
    """The mean of several models' log-tables, cell by cell: the average of IFMs is an IFM of the same design.

    Its log-likelihood is at least the mean of theirs, in every regime: log-normalisers are convex.
    """
    return [np.asarray(np.mean(parts, axis=0)) for parts in zip(*tables, strict=True)]
