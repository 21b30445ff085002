"""The approximate sampling distribution of fitted energies, without refitting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.fitting.likelihood import Counts
from ifm_learn.grid import Grid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ROWS = 20_000
"""The Fisher information is estimated from at most this many rows."""

_CHUNK = 2_000


@dataclass(frozen=True, eq=False)
class Spread:
    """Parameters of a fit with what their sampling distribution needs.

    thetas: those of every start, shape (starts, size); bins: the rows fitted to, shape (n, p); regime: their first
    training indices, shape (n,); axes: see `ExactLikelihood`.
    """

    layout: Layout
    grid: Grid
    axes: tuple[Floats, ...]
    ridge: Ridge
    thetas: Floats
    bins: Ints
    regime: Ints

    def redraws(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Floats, list[list[Floats]]]]:
        """How often each row is redrawn, shape (n,), and every start's log-tables a Newton step nearer to it.

        Rows are redrawn within regimes. The step is (Fisher information + ridge)^-1 times the change of the score:
        the sandwich covariance of a penalised maximum-likelihood estimate. All starts see the same rows, so that
        their average keeps what they have in common.
        """
        cells = self.layout.cells
        counts = Counts.of(cells, self.grid, self.bins, self.regime)
        for _ in range(count):
            weight = self._weights(rng)
            drawn = Counts.of(cells, self.grid, self.bins, self.regime, weight)
            change = [new - old for new, old in zip(drawn.tables, counts.tables, strict=True)]
            yield weight, [self._moved(s, change) for s in range(len(self.thetas))]

    def _weights(self, rng: np.random.Generator) -> Floats:
        """How often each row is redrawn, within its regime."""
        weight = np.zeros(len(self.regime))
        for train in np.unique(self.regime):
            rows = np.flatnonzero(self.regime == train)
            weight[rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)))
        return weight

    def _moved(self, start: int, change: Sequence[Floats]) -> list[Floats]:
        theta = self.thetas[start]
        slope = self.layout.tables_gradient(theta, self.axes, change)
        return self.layout.tables(theta + cho_solve(self._curvature[start], slope), self.axes)

    @cached_property
    def _curvature(self) -> list[tuple[Floats, bool]]:
        """The Cholesky factor of (Fisher information + ridge) of every start."""
        penalty = self.ridge.matrix(self.layout)
        return [cho_factor(self._fisher(theta) + penalty) for theta in self.thetas]

    def _fisher(self, theta: Floats) -> Floats:
        """The sum over regimes of rows times the covariance of the score of one row, shape (size, size)."""
        layout, cells = self.layout, self.layout.cells
        total = np.zeros((layout.size, layout.size))
        choice = cells.choice(cells.design.train.take(cells.design.distinct))
        share = min(1.0, _ROWS / len(self.regime))
        for r, train in enumerate(cells.design.distinct):
            rows = np.flatnonzero(self.regime == train)
            kept = rows[:: max(int(1 / share), 1)]
            used = np.concatenate([np.arange(layout.starts[c], layout.starts[c + 1]) for c in choice[r]])
            moment, mean = np.zeros((len(used), len(used))), np.zeros(len(used))
            for begin in range(0, len(kept), _CHUNK):
                part = self.bins[kept[begin : begin + _CHUNK]]
                points = np.stack([axis[column] for axis, column in zip(self.axes, part.T, strict=True)], axis=1)
                scores = np.concatenate(
                    [
                        layout.energies[k].jacobian(layout.block(theta, int(c)), points[:, layout.scopes[k]])
                        for k, c in enumerate(choice[r])
                    ],
                    axis=1,
                )
                moment += scores.T @ scores
                mean += scores.sum(axis=0)
            mean /= len(kept)
            total[np.ix_(used, used)] += (moment / len(kept) - np.outer(mean, mean)) * len(rows)
        return total
