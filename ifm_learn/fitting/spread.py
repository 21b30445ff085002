"""The approximate sampling distribution of fitted energies, without refitting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.units import Units
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting._fisher import fisher
from ifm_learn.fitting.likelihood import Counts

_PART = 0.01
"""The share of a step over which tables are taken to be straight lines in the parameters."""


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

        Rows (whole units) are redrawn within regimes. The step is (Fisher information + ridge)^-1 times the
        change of the score: the sandwich covariance of a penalised maximum-likelihood estimate. All starts see
        the same rows, so that their average keeps what they have in common.
        """
        cells = self.layout.cells
        counts = Counts.of(cells, self.grid, self.bins, self.regime)
        for _ in range(count):
            weight = self._weights(rng)
            drawn = Counts.of(cells, self.grid, self.bins, self.regime, weight)
            change = [new - old for new, old in zip(drawn.tables, counts.tables, strict=True)]
            yield weight, [self._moved(s, change) for s in range(len(self.thetas))]

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
