"""Fitting a density model to samples of a design's training regimes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np

from ifm_ident import InputError
from ifm_ident.errors import nearest
from ifm_learn.checks import check_counts
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import MAX_CELLS, DensityModel
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import Family, layout_of
from ifm_learn.energies.grid import BINS, Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.fit import STARTS, FitProblem, average, fit_energies
from ifm_learn.fitting.fitted_energies import standard_units
from ifm_learn.fitting.report import FitReport, FitWarning, StartReport
from ifm_learn.fitting.spread import Spread
from ifm_learn.inference.grid_tree import GridTree
from ifm_learn.randomness import checked_seed

SMOOTH = "smooth"
"""The energies for which everything that is not given is set for few rows and for places beyond them:"""

PAD = 0.5
"""a grid that goes on by half the range of the rows on either side,"""

SMOOTH_RIDGE = Ridge(0.3, 10.0, tied=True)
"""a ridge that ties the cells of a factor to each other, and one start, the likelihood being convex."""

_AGREED = 0.05
"""Starts that differ by no more than this in total variation agree, converged or not."""


def fit_density(
    samples: Samples,
    *,
    objective: Literal["auto", "exact", "pseudo"] = "auto",
    energy: str | Family = "mlp",
    bins: int = BINS,
    ridge: Ridge | None = None,
    starts: int | None = None,
    iterations: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    max_cells: int = MAX_CELLS,
    pad: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> DensityModel:
    """Fit the factors of a design to samples of its training regimes, and average the starts.

    objective: `exact` likelihood on the grid, `pseudo`-likelihood, or `auto`, the former where the junction tree
    fits `max_cells`. energy: a family's name, or a function from rows of a factor's variables to an energy. ridge:
    the penalty, by default the strongest within a standard error of the best on rows held out. progress: called
    after every iteration with the number of its start. pad: how far the grid goes on beyond rows, see `Grid.of`.
    Energies `smooth` have a ridge of their own, one start, and a pad of half the range; others 6 starts and none.
    iterations: of each start at most, by default 2,000, or 140
    where the clique tables are large: there more of them cost minutes and do not help in new regimes. Warns
    (FitWarning) where starts did not converge and disagree. Same seed, same model. Raises InputError for numbers
    out of range and names that are unknown.

    >>> from ifm_ident import Regimes, Study
    >>> from ifm_learn import Samples
    >>> from ifm_learn.energies.layout import Ridge
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... })
    >>> rng, rows = np.random.default_rng(0), np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[rows])[:, None].astype(float)  # odds 1/4, 1, 1
    >>> samples = Samples(study.design, rows, x)
    >>> model = fit_density(samples, energy="saturated", ridge=Ridge(1e-3, 1e-3), starts=1)
    >>> model.marginals(Regimes.from_codes(np.array([[1, 1]])))[0].round(1).tolist()  # odds 1 * 1 / (1/4)
    [[0.2, 0.8]]
    >>> fit_density(samples, energy="spline")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: there are no energies 'spline'; did you mean splines?
    """
    began = time.perf_counter()
    smooth = energy == SMOOTH
    starts = starts if starts is not None else 1 if smooth else STARTS
    pad = pad if pad is not None else PAD if smooth else 0.0
    ridge = SMOOTH_RIDGE if ridge is None and smooth else ridge
    check_counts(bins=bins, starts=starts, jobs=jobs, max_cells=max_cells)
    if iterations is not None:
        check_counts(iterations=iterations)
    seed = checked_seed(seed)
    if ridge is not None and not isinstance(ridge, Ridge):
        raise InputError(f"ridge is {ridge!r}; give a Ridge, such as Ridge(0.3, 0.3, tied=False)")
    grid = Grid.of(samples.x, bins, pad=pad)
    cells = FactorCells.of(samples.design)
    pseudo, notes = _use_pseudo(cells, grid, objective, max_cells)
    layout = layout_of(cells, energy, standard_units(samples.x).apply(grid.decode(grid.encode(samples.x))))
    problem = FitProblem.of(samples, grid, layout, seed, pseudo)
    fit = fit_energies(problem, ridge, starts, seed, jobs, iterations, progress)
    parts = [layout.tables(optimum.theta, problem.axes) for optimum in fit.optima]
    reports = tuple(StartReport.of(optimum) for optimum in fit.optima)
    report = FitReport(
        objective="pseudo" if pseudo else "exact",
        energy=energy if isinstance(energy, str) else "custom",
        base=fit.ridge.base,
        shift=fit.ridge.shift,
        tied=fit.ridge.tied,
        tried=fit.tried,
        starts=reports,
        disagreement=None,
        rows=tuple(int(n) for n in samples.sizes[samples.present]),
        seconds=time.perf_counter() - began,
        warnings=notes,
    )
    thetas = np.stack([optimum.theta for optimum in fit.optima])
    spread = (
        None
        if pseudo
        else Spread(
            layout, grid, problem.axes, fit.ridge, thetas, grid.encode(samples.x), samples.regime, samples.units
        )
    )
    model = DensityModel(
        samples.design, cells, grid, tuple(average(parts)), samples.scaling, report, max_cells, spread
    )
    gap = model.disagreement(parts)
    late = sum(not start.converged for start in reports)
    if late and (gap is None or starts == 1 or gap > _AGREED):
        notes = (*notes, _unconverged(late, report, gap))
    for text in notes:
        warnings.warn(text, FitWarning, stacklevel=2)
    return replace(model, report=replace(report, disagreement=gap, warnings=notes))


def _unconverged(late: int, report: FitReport, gap: float | None) -> str:
    text = f"{late} of {len(report.starts)} starts had not converged after {report.iterations} iterations together"
    if gap is not None and len(report.starts) > 1:
        text += f", and differ by up to {gap:.2f} in total variation of a variable in a new regime"
    return text + "; give more iterations, starts or rows, or a larger ridge"


def _use_pseudo(cells: FactorCells, grid: Grid, objective: str, max_cells: int) -> tuple[bool, tuple[str, ...]]:
    """Whether to fit by pseudo-likelihood, and what is to be said about it."""
    if objective not in ("auto", "exact", "pseudo"):
        raise InputError(f"there is no objective {objective!r}; {nearest(objective, ('auto', 'exact', 'pseudo'))}")
    needed = GridTree.of(cells.scopes, grid.sizes).cells
    if objective == "exact" and needed > max_cells:
        raise InputError(
            f"exact likelihood needs {needed:,} entries in clique tables, max_cells allows {max_cells:,}; use "
            "fewer bins, raise max_cells, or use objective='pseudo'"
        )
    if objective == "auto" and needed > max_cells:
        return True, (
            f"pseudo-likelihood is used, since exact likelihood would need {needed:,} entries in clique tables "
            f"(max_cells allows {max_cells:,}); estimates in new regimes depend on the start: use several and see "
            "how much they disagree",
        )
    return objective == "pseudo", ()
