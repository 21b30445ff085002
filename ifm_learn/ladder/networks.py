"""The rung of networks on a grid, and laws of densities in tables that were fitted before.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import SMOOTH, fit_density
from ifm_learn.density.model import MAX_CELLS, DensityModel
from ifm_learn.energies.cells import ON_GRIDS, FactorCells
from ifm_learn.energies.grid import Grid
from ifm_learn.fitting.fit import average
from ifm_learn.fitting.likelihood import LARGE
from ifm_learn.fitting.report import FitWarning
from ifm_learn.fitting.spread import REFITTED_CELLS
from ifm_learn.inference.grid_tree import GridTree
from ifm_learn.ladder._forecast import Size, forecast
from ifm_learn.ladder._law import Cost, Function, Law
from ifm_learn.ladder._weights import effective, pooled_weights
from ifm_learn.ladder.grid import GridLaw, means_in_tables

_DRAWS = 10_000
"""Of 1,024 a mean of products of variables errs by more than half of what the rows make it err by."""

_FIT, _REFIT = 45.0, 40.0
"""Times what passes through tables take: several ridges and starts, none convex, and curvature in refits."""

_LARGE_FIT, _LARGE_REFIT = 6.5, 0.4
"""The same of large tables, whose fits end after few iterations, and of steps in place of refits."""


@dataclass(frozen=True)
class Networks:
    """One network for each cell of each factor on a grid, by exact likelihood, averaged over starts.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 200)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[regime])[:, None].astype(float)
    >>> law = Networks().fit(Samples(design, regime, x))
    >>> law.rung, law.means(None, Regimes.from_codes(np.array([[1, 0]]))).round(1).tolist()
    ('mlp', [[0.5]])
    """

    seed: int = 0

    @property
    def name(self) -> str:
        """mlp."""
        return "mlp"

    def unfit(self, samples: Samples) -> str | None:
        """Levels with values, and cliques too wide for exact inference, without which no error is known."""
        if samples.design.model.has_bases:
            return f"not for levels with values yet: {ON_GRIDS}"
        cells = self._tree(samples).cells
        if cells > MAX_CELLS:
            return f"its clique tables would have {cells:,} entries (limit {MAX_CELLS:,})"
        return None

    def _tree(self, samples: Samples) -> GridTree:
        return GridTree.of(FactorCells.of(samples.design).scopes, Grid.of(samples.x).sizes)

    def forecast(self, samples: Samples) -> Cost:
        """Passes through the tables of all regimes from every start."""
        tree = self._tree(samples)
        size = Size(len(samples), len(tree.sizes), regimes=len(samples.present), cells=tree.cells)
        step = forecast("grid", size, tables=len(tree.tree.cliques))
        fit = _FIT if tree.cells <= LARGE else _LARGE_FIT
        refit = _REFIT if tree.cells <= REFITTED_CELLS else _LARGE_REFIT
        return Cost(fit * step.seconds, step.bytes, refit * step.refit)

    def fit(self, samples: Samples, weight: Floats | None = None) -> Law:
        """The fitted law; rows are counted once by default, otherwise by one step from there."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            law = law_of(fit_density(samples, objective="exact", energy="mlp", seed=self.seed), samples)
        return law if weight is None else law.refit(weight)


@dataclass(frozen=True)
class Kept:
    """A density in tables that was fitted to the same samples before, as a rung."""

    density: DensityModel

    @property
    def name(self) -> str:
        """grid, or mlp for all other energies."""
        return "grid" if self.density.report.energy == SMOOTH else "mlp"

    def unfit(self, _: Samples) -> str | None:
        """Nothing is: it has been fitted."""
        return None

    def forecast(self, _: Samples) -> Cost:
        """No fit is left to do."""
        return Cost(0.0, 0, 0.0)

    def fit(self, samples: Samples, weight: Floats | None = None) -> Law:
        """The density's law; rows are counted once by default."""
        law = law_of(self.density, samples)
        return law if weight is None else law.refit(weight)


def answers(density: DensityModel) -> bool:
    """Whether a density in tables has a law with errors: inference is exact, and how the fit varies is known."""
    return density.exact and density.spread is not None


def law_of(density: DensityModel, samples: Samples) -> Law:
    """The law of a density in tables that was fitted to these samples.

    InputError where inference in it is not exact or its spread is not known (`DensityModel.redraws`).
    """
    if not answers(density):
        raise InputError(
            "a density has a law with errors where it was fitted by exact likelihood, with energies that are known"
        )
    if density.report.energy == SMOOTH:
        return GridLaw.of(density, samples)
    return TablesLaw(samples, density, np.ones(len(samples)))


@dataclass(frozen=True, eq=False)
class TablesLaw:
    """p(x; sigma) as tables on a grid, the same throughout a bin.

    weight: how often each row counts, shape (n,).
    """

    samples: Samples
    model: DensityModel
    weight: Floats

    @property
    def rung(self) -> str:
        """mlp."""
        return "mlp"

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats with its constant, up to a function of x that all share, shape (n, r)."""
        return self.model.log_potentials(x, regimes) - self.model.log_normalisers(regimes)

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime], shape (r, k), by `means_in_tables`."""
        return means_in_tables(self.model, function, regimes, _DRAWS)

    def effective_rows(self, regimes: Regimes) -> Floats:
        """(sum w)^2 / sum w^2 of the pooled rows weighted by the fitted densities, shape (r,)."""
        return effective(pooled_weights(self, self.samples, self.weight, regimes), self.weight)

    def refit(self, weight: Floats) -> TablesLaw:
        """A Newton step from the fit to rows counted anew, averaged over the starts."""
        assert self.model.spread is not None
        regime, rows = self.samples.regime, self.samples.sizes
        total = np.bincount(regime, weight, minlength=len(rows))
        level = weight * (rows / np.where(total > 0, total, 1.0))[regime]
        return self._with(self.model.spread.stepped(level), weight)

    def redrawn(self, weight: Floats, rng: np.random.Generator) -> TablesLaw:
        """The same; of small networks a fit from a new start, since one start knows one of many maxima."""
        spread = self.model.spread
        assert spread is not None
        return self._with([spread.refit(weight, rng)], weight) if spread.refitted else self.refit(weight)

    def _with(self, parts: list[list[Floats]], weight: Floats) -> TablesLaw:
        return TablesLaw(self.samples, self.model.with_tables(average(parts)), weight)
