"""The rung on a grid: splines for every cell of every factor, tied to each other, by exact likelihood.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.data.scaling import Scaling
from ifm_learn.density.fit import PAD, SMOOTH, SMOOTH_RIDGE, fit_density
from ifm_learn.density.model import MAX_CELLS, DensityModel
from ifm_learn.energies.cells import ON_GRIDS, FactorCells
from ifm_learn.energies.families import layout_of
from ifm_learn.energies.grid import BINS, Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.fit import penalised
from ifm_learn.fitting.fitted_energies import FittedEnergies, standard_units
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.fitting.optimise import minimise
from ifm_learn.fitting.report import FitReport, FitWarning
from ifm_learn.fitting.spread import Spread
from ifm_learn.inference.grid_tree import GridTree
from ifm_learn.ladder._forecast import Size, forecast
from ifm_learn.ladder._law import Cost, Function, require_parameters
from ifm_learn.ladder._weights import effective, pooled_weights

MOST_CELLS = 400_000
"""Entries of all clique tables together."""

MOST_PARAMETERS = 2_000
FEWEST_ROWS = 8
_DRAWS = 1_024
_JOINT = 4_096
_STEPS = 60
_FLOPS = 2e9


@dataclass(frozen=True)
class GridRung:
    """Tied splines on a grid that goes on beyond the rows; each variable straight where no row is.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 200)
    >>> x = rng.normal(np.array([0.0, 1.0, -1.0])[regime])[:, None]
    >>> law = GridRung().fit(Samples(design, regime, x))
    >>> both = Regimes.from_codes(np.array([[0, 0], [1, 0], [1, 1]]))
    >>> law.means(None, both).round(1).ravel().tolist()
    [0.0, 0.9, -0.1]
    >>> print(GridRung().unfit(Samples(design, np.array([0, 1, 2]), np.zeros((3, 1)))))
    half of the regimes have 1 rows or fewer where a grid needs 8
    """

    bins: int = BINS
    pad: float = PAD
    ridge: Ridge = SMOOTH_RIDGE

    @property
    def name(self) -> str:
        """grid."""
        return "grid"

    def unfit(self, samples: Samples) -> str | None:
        """Too few rows in most regimes, cliques too wide for exact inference, or too many coefficients."""
        if samples.design.model.has_bases:
            return f"not for levels with values yet: {ON_GRIDS}"
        typical = float(np.median(samples.sizes[samples.present]))
        if typical < FEWEST_ROWS:
            return f"half of the regimes have {typical:g} rows or fewer where a grid needs {FEWEST_ROWS}"
        constant = np.flatnonzero(np.ptp(samples.x, axis=0) == 0)
        if len(constant):
            return (
                f"{samples.design.model.variables[int(constant[0])]} does not vary; leave it out of the variables"
            )
        cells = self._tree(samples).cells
        if cells > MOST_CELLS:
            return f"its clique tables would have {cells:,} entries (limit {MOST_CELLS:,})"
        count = _parameters(samples)
        if count > MOST_PARAMETERS:
            return f"it would have {count:,} coefficients (limit {MOST_PARAMETERS:,})"
        return None

    def _tree(self, samples: Samples) -> GridTree:
        grid = Grid.of(samples.x, self.bins, pad=self.pad)
        return GridTree.of(FactorCells.of(samples.design).scopes, grid.sizes)

    def forecast(self, samples: Samples) -> Cost:
        """Passes through the tables of all regimes, and one measurement of the curvature."""
        tree, count = self._tree(samples), _parameters(samples)
        size = Size(len(samples), len(tree.sizes), regimes=len(samples.present), cells=tree.cells)
        step = forecast("grid", size, tables=len(tree.tree.cliques))
        curve = (2.0 * len(samples) * count**2 + count**3) / _FLOPS
        held = 8 * count * (len(samples) + 2 * count)
        return Cost(step.seconds + curve, step.bytes + held, step.refit)

    def fit(self, samples: Samples, weight: Floats | None = None) -> GridLaw:
        """The fitted law; rows are counted once by default."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            model = fit_density(
                samples, objective="exact", energy=SMOOTH, bins=self.bins, pad=self.pad, ridge=self.ridge
            )
        return GridLaw.of(model, samples, weight)

    def restored(self, samples: Samples, weights: Floats, parameters: Floats) -> tuple[GridLaw, ...]:
        """Fits from the parameters of the first one to all rows, and their own."""
        grid, cells = Grid.of(samples.x, self.bins, pad=self.pad), FactorCells.of(samples.design)
        bins, units = grid.encode(samples.x), standard_units(samples.x)
        layout = layout_of(cells, SMOOTH, units.apply(grid.decode(bins)))
        require_parameters(parameters, 2 * layout.size)
        axes = tuple(
            (v - shift) / unit for v, shift, unit in zip(grid.values, units.shift, units.unit, strict=True)
        )
        first, found = parameters[:1, : layout.size], parameters[:, layout.size :]
        spread = Spread(layout, grid, axes, self.ridge, first, bins, samples.regime, samples.units)
        rows = tuple(samples.sizes[samples.present].tolist())
        ridge = (self.ridge.base, self.ridge.shift, self.ridge.tied)
        report = FitReport("exact", SMOOTH, *ridge, (), (), None, rows, 0.0, ())
        tables = tuple(layout.tables(first[0], axes))
        model = DensityModel(samples.design, cells, grid, tables, samples.scaling, report, MAX_CELLS, spread)
        law = GridLaw(_Base(samples, spread, model.tree, units), model, weights[0], first[0])
        return tuple(law.at(theta, weight) for theta, weight in zip(found, weights, strict=True))


def _parameters(samples: Samples) -> int:
    """About how many coefficients there are: of every cell eight a variable, and one a pair of them."""
    cells = FactorCells.of(samples.design)
    sizes = [8 * len(scope) + math.comb(len(scope), 2) for scope in cells.scopes]
    return int(np.asarray(sizes) @ cells.counts)


@dataclass(frozen=True, eq=False)
class _Base:
    """What a fit and its refits share: rows on the grid, energies, tree, units, and the curvature at the fit."""

    samples: Samples
    spread: Spread
    tree: GridTree
    units: Scaling

    @cached_property
    def _root(self) -> Floats:
        """The Cholesky root of the curvature at the fit to all rows: in its units refits are near."""
        found: Floats = cholesky(self.spread.curvature(0), lower=True)
        return found

    def root(self, weight: Floats) -> Floats:
        """The same, measured anew where a regime has no weight left: the ridge alone may tell its factors."""
        rows = np.flatnonzero(weight)
        if len(np.unique(self.spread.regime[rows])) == len(self.samples.present):
            return self._root
        found: Floats = cholesky(self.spread.curvature(0, rows), lower=True)
        return found

    def solve(self, weight: Floats, centre: Floats) -> Floats:
        """The parameters, rows counted `weight` times, shape (n,), the ridge pulling to `centre`, (size,)."""
        s, root, rows = self.spread, self.root(weight), float(weight.sum())
        counts = Counts.of(s.layout.cells, s.grid, s.bins, s.regime, weight)
        objective = penalised(
            ExactLikelihood(s.layout, self.tree, s.axes, s.grid.log_widths, counts), s.ridge, centre
        )

        def turned(z: Floats) -> tuple[float, Floats]:
            value, gradient = objective(solve_triangular(root, z, lower=True, trans="T"))
            return rows * value, solve_triangular(root, rows * gradient, lower=True)

        found = minimise(turned, root.T @ s.thetas[0], tolerance=1e-9, slope=1e-2, max_iterations=_STEPS)
        theta: Floats = solve_triangular(root, found.theta, lower=True, trans="T")
        if not np.isfinite(theta).all():
            raise InputError("the fit on a grid did not converge; take fewer bins")
        return theta

    def centre(self, rng: np.random.Generator) -> Floats:
        """Parameters drawn from what the ridge takes for likely, shape (size,)."""
        layout, ridge = self.spread.layout, self.spread.ridge
        found = np.empty(layout.size)
        for k, energy in enumerate(layout.energies):
            begin, end = layout.starts[layout.cells.first[k]], layout.starts[layout.cells.first[k + 1]]
            blocks = found[begin:end].reshape(-1, energy.size)
            blocks[:] = rng.normal(size=blocks.shape) / np.sqrt(ridge.shift * energy.penalty)
            blocks[0] *= np.sqrt(ridge.shift / ridge.base)
            blocks[1:] += blocks[0]
        return found


@dataclass(frozen=True, eq=False)
class GridLaw:
    """p(x; sigma) as tables on the grid, and as splines between its bins.

    weight: how often each row counts, shape (n,); theta: the parameters of all cells, shape (size,).
    """

    base: _Base
    model: DensityModel
    weight: Floats
    theta: Floats

    @classmethod
    def of(cls, model: DensityModel, samples: Samples, weight: Floats | None = None) -> GridLaw:
        """From a density of one start that was fitted to the samples by exact likelihood."""
        spread = model.spread
        assert spread is not None
        base = _Base(samples, spread, model.tree, standard_units(samples.x))
        counted = np.ones(len(samples)) if weight is None else weight
        return cls(base, model, counted, spread.thetas[0]).refit(counted)

    @property
    def rung(self) -> str:
        """grid."""
        return "grid"

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats with its constant, up to a function of x that all share, shape (n, r)."""
        energies = FittedEnergies(self.base.spread.layout, self.theta, self.base.units)
        return energies.potentials(x, self.model.choice(regimes)) - self.model.log_normalisers(regimes)

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime], shape (r, k), by `means_in_tables`."""
        return means_in_tables(self.model, function, regimes)

    def effective_rows(self, regimes: Regimes) -> Floats:
        """(sum w)^2 / sum w^2 of the pooled rows weighted by the fitted densities, shape (r,)."""
        return effective(pooled_weights(self, self.base.samples, self.weight, regimes), self.weight)

    @property
    def parameters(self) -> Floats:
        """Of the first fit to all rows, which refits start from, and of this one."""
        return np.concatenate([self.base.spread.thetas[0], self.theta])

    def refit(self, weight: Floats) -> GridLaw:
        """The same energies on the same grid with rows counted anew."""
        return self._refitted(weight, np.zeros(len(self.theta)))

    def redrawn(self, weight: Floats, rng: np.random.Generator) -> GridLaw:
        """A refit whose ridge pulls to parameters drawn from what it takes for likely, as `TiltLaw.redrawn`."""
        return self._refitted(weight, self.base.centre(rng))

    def _refitted(self, weight: Floats, centre: Floats) -> GridLaw:
        return self.at(self.base.solve(weight, centre), weight)

    def at(self, theta: Floats, weight: Floats) -> GridLaw:
        """The law of these parameters, shape (size,), as of rows counted `weight` times."""
        tables = self.base.spread.layout.tables(theta, self.base.spread.axes)
        return GridLaw(self.base, self.model.with_tables(tables), weight, theta)


def means_in_tables(
    model: DensityModel, function: Function | None, regimes: Regimes, draws: int = _DRAWS
) -> Floats:
    """E[function(x); regime], shape (r, k): sums over the grid, or draws where it has many points.

    What draws err by in the line nearest to the function is taken off, since the means of x are known.
    """
    pairs = zip(model.marginals(regimes), model.grid.values, strict=True)
    exact = np.stack([marginal @ values for marginal, values in pairs], axis=1)
    if function is None:
        return exact
    if math.prod(model.grid.sizes) <= _JOINT and len(model.tree.clique_sizes) == 1:
        points = np.array(list(itertools.product(*(model.grid.values[v] for v in model.tree.axes[0]))))
        values = function(points[:, np.argsort(model.tree.axes[0])])
        found: Floats = np.stack([belief.ravel() for belief in model.joints(regimes)]) @ values
        return found
    lines = []
    for x, mean in zip(model.sample(regimes, draws, np.random.default_rng(0)), exact, strict=True):
        values, centre = function(x), x.mean(axis=0)
        slope = np.linalg.lstsq(x - centre, values - values.mean(axis=0), rcond=None)[0]
        lines.append(values.mean(axis=0) + (mean - centre) @ slope)
    return np.stack(lines)
