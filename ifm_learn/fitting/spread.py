"""The approximate sampling distribution of fitted energies: steps from the fit, refits of small networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.units import Units
from ifm_learn.energies.energy import LinearEnergy
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting._fisher import fisher
from ifm_learn.fitting.fit import penalised
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.fitting.optimise import minimise_curved
from ifm_learn.inference.grid_tree import GridTree

_PART = 0.01
"""The share of a step over which tables are taken to be straight lines in the parameters."""

REFITTED_CELLS, _MOST_PARAMETERS = 2_000, 600
"""Networks are refitted where all clique tables together have no more entries, and there are no more parameters: a
refit then takes a tenth of a second."""

_ITERATIONS = 300


@dataclass(frozen=True, eq=False)
class Spread:
    """Parameters of a fit with what their sampling distribution needs.

    thetas: those of every start, shape (starts, size); bins: the rows fitted to, shape (n, p); regime: their first
    training indices, shape (n,); axes: see `ExactLikelihood`; units: which rows belong together, None for none.
    """

    layout: Layout
    grid: Grid
    axes: tuple[Floats, ...]
    ridge: Ridge
    thetas: Floats
    bins: Ints
    regime: Ints
    units: Units | None = None

    def redraws(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Floats, list[list[Floats]]]]:
        """How often each row is redrawn, shape (n,), and every start's log-tables a Newton step nearer to it.

        Of small networks (`refitted`) they are the log-tables of one fit to the redrawn rows from a new start:
        their likelihood has many maxima, and a step tells of one only. Rows (whole units) are redrawn within
        regimes. The step is (Fisher information + ridge)^-1 times the change of the score: the sandwich covariance
        of a penalised maximum-likelihood estimate. All starts see the same rows, so that their average keeps what
        they have in common.
        """
        for _ in range(count):
            weight = self._weights(rng)
            yield weight, [self.refit(weight, rng)] if self.refitted else self.stepped(weight)

    def stepped(self, weight: Floats) -> list[list[Floats]]:
        """Every start's log-tables a step nearer to rows counted `weight` times, shape (n,), no more a regime."""
        drawn = Counts.of(self.layout.cells, self.grid, self.bins, self.regime, weight)
        change = [new - old for new, old in zip(drawn.tables, self._counts.tables, strict=True)]
        return [self._moved(s, change) for s in range(len(self.thetas))]

    @cached_property
    def _counts(self) -> Counts:
        return Counts.of(self.layout.cells, self.grid, self.bins, self.regime)

    @cached_property
    def refitted(self) -> bool:
        """Whether redraws are refits: of networks that are small enough."""
        linear = all(isinstance(one, LinearEnergy) for one in self.layout.energies)
        return not linear and self._tree.cells <= REFITTED_CELLS and self.layout.size <= _MOST_PARAMETERS

    @cached_property
    def _tree(self) -> GridTree:
        return GridTree.of(self.layout.scopes, self.grid.sizes)

    def refit(self, weight: Floats, rng: np.random.Generator) -> list[Floats]:
        """The log-tables of a fit from a start of its own, rows counted `weight` times."""
        layout, rows = self.layout, len(self.regime)
        counts = Counts.of(layout.cells, self.grid, self.bins, self.regime, weight)
        likelihood = ExactLikelihood(layout, self._tree, self.axes, self.grid.log_widths, counts)
        penalty = self.ridge.matrix(layout) / rows + 1e-9 * np.eye(layout.size)

        def curvature(theta: Floats) -> Floats:
            return fisher(layout, self.axes, self.bins, self.regime, theta) / rows + penalty

        begin = layout.start(rng)
        found = minimise_curved(penalised(likelihood, self.ridge), curvature, begin, max_iterations=_ITERATIONS)
        return layout.tables(found.theta, self.axes)

    def _weights(self, rng: np.random.Generator) -> Floats:
        """How often each row is redrawn, within its regime, with its unit."""
        if self.units is not None:
            return self.units.redrawn(rng).astype(np.float64)
        weight = np.zeros(len(self.regime))
        for train in np.unique(self.regime):
            rows = np.flatnonzero(self.regime == train)
            weight[rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
        return weight

    def _moved(self, start: int, change: Sequence[Floats]) -> list[Floats]:
        """The tables to first order in the step: where rows pin down little it is long, and the tables bend."""
        theta = self.thetas[start]
        step = cho_solve(self._curvature[start], self.layout.tables_gradient(theta, self.axes, change))
        near = self.layout.tables(theta + _PART * step, self.axes)
        return [table + (other - table) / _PART for table, other in zip(self._tables[start], near, strict=True)]

    @cached_property
    def _tables(self) -> list[list[Floats]]:
        return [self.layout.tables(theta, self.axes) for theta in self.thetas]

    def curvature(self, start: int, rows: Ints | slice = slice(None)) -> Floats:
        """Fisher information of all rows, or of some, + ridge at one start's parameters, shape (size, size)."""
        found = fisher(self.layout, self.axes, self.bins[rows], self.regime[rows], self.thetas[start])
        return found + self.ridge.matrix(self.layout)

    @cached_property
    def _curvature(self) -> list[tuple[Floats, bool]]:
        """The Cholesky factor of every start's curvature."""
        return [cho_factor(self.curvature(start)) for start in range(len(self.thetas))]
