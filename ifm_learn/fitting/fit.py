"""From samples to fitted energies: the ridge by rows held out, several starts, their average."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ifm_ident import MissingExtraError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting._fisher import fisher
from ifm_learn.fitting.fitted_energies import standard_units
from ifm_learn.fitting.likelihood import LARGE, Counts, ExactLikelihood
from ifm_learn.fitting.optimise import Objective, Optimum, minimise, minimise_curved
from ifm_learn.fitting.pseudo import PseudoLikelihood
from ifm_learn.inference.grid_tree import GridTree

T = TypeVar("T")

RIDGES = (0.1, 0.3, 1.0)
"""Strengths tried on rows held out, of every cell by itself; the last within a standard error of the best is used.

Rows held out are of regimes that were fitted; new ones, where factors are combined that no rows show together,
ask for more. Stronger ones than these flatten energies altogether.
"""

_GROUPS = 20
"""Parts of the rows held out, by whose scores the standard error is had."""

ITERATIONS = 2_000
"""Of each start, at most."""

ITERATIONS_LARGE = 140
"""Where clique tables are large: more raise the likelihood of the rows, not that of rows of new regimes."""

STARTS = 6
"""Averaged, since in new regimes single starts differ (`FitReport.disagreement`)."""

_WARM = 120
"""Iterations with one strength before the strengths are told apart."""

_EACH = 40
"""Iterations with each strength after that."""

_PLAIN = 80
"""Iterations before curvature is worth measuring."""

_LARGEST = 4_000
"""With more parameters than this curvature is not measured."""

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
class FitProblem:
    """Samples made ready for fitting: likelihoods of all rows, of a stratified part, of the others in groups."""

    axes: tuple[Floats, ...]
    bins: Ints
    regime: Ints
    whole: Likelihood
    part: Likelihood
    others: tuple[Likelihood, ...]
    large: bool

    @classmethod
    def of(cls, samples: Samples, grid: Grid, layout: Layout, seed: int, pseudo: bool = False) -> FitProblem:
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

        rng = np.random.default_rng(seed)
        first = split_rows(samples, rng)
        every = np.ones(len(samples), dtype=bool)
        out = ~first if not first.all() else every
        drawn = rng.integers(_GROUPS, size=len(samples))
        if samples.units is not None:
            drawn = drawn[samples.units.place]
        group = np.where(out, drawn, -1)
        others = tuple(likelihood(group == g) for g in np.unique(group[group >= 0]))
        return cls(axes, bins, samples.regime, likelihood(every), likelihood(first), others, tree.cells > LARGE)

    def minimise(
        self,
        likelihood: Likelihood,
        ridge: Ridge,
        theta: Floats,
        iterations: int,
        plain: int = _PLAIN,
        step: Callable[[int], None] | None = None,
    ) -> Optimum:
        """The penalised maximum of one of the likelihoods that is found from theta."""
        objective, layout = penalised(likelihood, ridge), likelihood.layout
        if layout.size > _LARGEST or isinstance(likelihood, PseudoLikelihood):
            return minimise(objective, theta, max_iterations=iterations, step=step)
        penalty = ridge.matrix(layout) / likelihood.rows + 1e-9 * np.eye(layout.size)

        def curvature(theta: Floats) -> Floats:
            return fisher(layout, self.axes, self.bins, self.regime, theta) / len(self.bins) + penalty

        return minimise_curved(objective, curvature, theta, plain=plain, max_iterations=iterations, step=step)


def split_rows(samples: Samples, rng: np.random.Generator) -> NDArray[np.bool_]:
    """A random part of the rows (whole units) of every training regime, at least one of each, shape (n,)."""
    if samples.units is not None and samples.units.counts().min() > 1:
        return samples.units.part(PART, rng)
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
    problem: FitProblem,
    ridge: Ridge | None,
    starts: int,
    seed: int,
    jobs: int = 1,
    iterations: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fit:
    """Choose the ridge where none is given, then fit all rows from several random starts, `jobs` at once."""
    layout = problem.whole.layout
    if iterations is None:
        iterations = ITERATIONS_LARGE if problem.large else ITERATIONS
    begin = [layout.start(np.random.default_rng(s)) for s in np.random.SeedSequence(seed).spawn(starts)]
    tried: tuple[tuple[float, float, float], ...] = ()
    if ridge is None:
        ridge, tried = choose_ridge(problem, begin[0], jobs, iterations)
    work = [(problem, ridge, theta, iterations, i) for i, theta in enumerate(begin)]
    return Fit(ridge, tuple(_side_by_side(_fit_one, work, jobs, progress)), tried)


def _side_by_side(do: Callable[..., T], work: Sequence[tuple[Any, ...]], jobs: int, *more: Any) -> list[T]:
    """`do` of every piece of work, in `jobs` processes; with one, in this one and with `more` arguments."""
    if jobs == 1 or len(work) == 1:
        return [do(*one, *more) for one in work]
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise MissingExtraError("joblib", "learn") from None
    found: list[T] = Parallel(n_jobs=jobs)(delayed(do)(*one) for one in work)
    return found


def _fit_one(
    problem: FitProblem,
    ridge: Ridge,
    theta: Floats,
    iterations: int,
    start: int,
    progress: Callable[[int], None] | None = None,
) -> Optimum:
    step = None if progress is None else lambda _: progress(start)
    return problem.minimise(problem.whole, ridge, theta, iterations, step=step)


def penalised(likelihood: Likelihood, ridge: Ridge, centre: Floats | float = 0.0) -> Objective:
    """The objective in nats a row: (minus log-likelihood + penalty) / rows, and its gradient.

    centre: what the ridge pulls parameters to, shape (size,).
    """

    def objective(theta: Floats) -> tuple[float, Floats]:
        value, gradient = likelihood.value_and_gradient(theta)
        penalty, slope = ridge.value_and_gradient(likelihood.layout, theta - centre)
        return (value + penalty) / likelihood.rows, (gradient + slope) / likelihood.rows

    return objective


def choose_ridge(
    problem: FitProblem, start: Floats, jobs: int, iterations: int
) -> tuple[Ridge, tuple[tuple[float, float, float], ...]]:
    """The strongest ridge within a standard error of the best on rows held out, and what was tried.

    That is (base, shift, nats a row) of every strength; all start from one fit of the middle one and get equally
    many iterations. The rule of one standard error is that of Breiman, Friedman, Olshen and Stone (1984).
    """
    ridges = [Ridge(strength, strength, tied=False) for strength in RIDGES]
    theta = problem.minimise(problem.part, ridges[1], start, min(_WARM, iterations)).theta
    work = [(problem, ridge, theta, min(_EACH, iterations)) for ridge in ridges]
    found = _side_by_side(_score, work, jobs)
    tried = tuple((ridge.base, ridge.shift, score) for ridge, (score, _) in zip(ridges, found, strict=True))
    best, error = max(found)
    return [ridge for ridge, (score, _) in zip(ridges, found, strict=True) if score >= best - error][-1], tried


def _score(problem: FitProblem, ridge: Ridge, theta: Floats, iterations: int) -> tuple[float, float]:
    """The log-likelihood of the rows held out, nats a row, and its standard error."""
    end = problem.minimise(problem.part, ridge, theta, iterations, plain=0).theta
    rows = np.array([group.rows for group in problem.others])
    values = -np.array([group.value(end) for group in problem.others])
    score, groups = float(values.sum() / rows.sum()), len(rows)
    if groups == 1:
        return score, np.inf
    noise = ((values - score * rows) ** 2).sum() * groups / (groups - 1)
    return score, float(np.sqrt(noise) / rows.sum())


def average(tables: Sequence[Sequence[Floats]]) -> list[Floats]:
    """The mean of several models' log-tables, cell by cell: the average of IFMs is an IFM of the same design.

    Its log-likelihood is at least the mean of theirs, in every regime: log-normalisers are convex.
    """
    return [np.asarray(np.mean(parts, axis=0)) for parts in zip(*tables, strict=True)]
