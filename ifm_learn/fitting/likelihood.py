"""The exact likelihood of energies on a grid: counts in, value and gradient out (docs/theory/learning.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import Grid, flat_index
from ifm_learn.energies.layout import Layout
from ifm_learn.inference.grid_tree import GridTree

LARGE = 100_000
"""Entries of all clique tables beyond which gradients are in single precision and err by 1e-6 of their size."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The sufficient statistics of rows on a grid: how many rows each factor cell saw at each of its bins.

    tables: one array for each cell of `cells`, axes in the order of its factor's variables; rows: the number of
    rows of each distinct training regime, shape (r,), weighted where weights were given; choice: the cell that
    each of these regimes shows of each factor, shape (r, factors).
    """

    tables: tuple[Floats, ...]
    rows: Floats
    choice: Ints

    @classmethod
    def of(cls, cells: FactorCells, grid: Grid, bins: Ints, regime: Ints, weight: Floats | None = None) -> Counts:
        """Count rows; bins: shape (n, p); regime: first training indices, shape (n,); weight: shape (n,)."""
        design = cells.design
        choice = cells.choice(design.train.take(design.distinct))
        place = np.searchsorted(design.distinct, regime)
        rows = np.bincount(place, weights=weight, minlength=len(choice)).astype(np.float64)
        tables: list[Floats] = []
        for k, scope in enumerate(cells.scopes):
            size = [grid.sizes[v] for v in scope]
            entries, held = math.prod(size), int(cells.counts[k])
            index = (choice[place, k] - cells.first[k]) * entries + flat_index(bins, scope, grid.sizes)
            counts = np.bincount(index, weights=weight, minlength=held * entries).astype(np.float64)
            tables.extend(counts.reshape(held, *size))
        return cls(tuple(tables), rows, choice)


@dataclass(frozen=True, eq=False)
class ExactLikelihood:
    """log p of counted rows under energies on a grid, by the junction tree: cost does not grow with the rows.

    axes: the positions of every variable's bins in the units that the energies see; base: the log-measure of the
    bins, one array a variable, which no parameter changes.
    """

    layout: Layout
    tree: GridTree
    axes: tuple[Floats, ...]
    base: tuple[Floats, ...]
    counts: Counts

    def tables(self, theta: Floats) -> list[Floats]:
        """The log-table of every cell, without the measure of the bins."""
        return self.layout.tables(theta, self.axes)

    def with_base(self, tables: Sequence[Floats]) -> list[Floats]:
        """The tables with the measure of every variable's bins added in one factor that holds it."""
        return add_base(self.layout.cells, tables, self.base)

    @property
    def rows(self) -> float:
        """How many rows were counted, or their weight."""
        return float(self.counts.rows.sum())

    def value(self, theta: Floats) -> float:
        """Minus the log-likelihood, nats."""
        seen, tables = self.counts, self.with_base(self.tables(theta))
        held = sum(float(np.vdot(c, t)) for c, t in zip(seen.tables, tables, strict=True))
        return float(seen.rows @ self.tree.log_normalisers(tables, seen.choice)) - held

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Minus the log-likelihood, nats, and its gradient, shape (size,)."""
        tables = self.with_base(self.tables(theta))
        seen = self.counts
        precision = np.float32 if self.tree.cells > LARGE else np.float64
        collected = self.tree.collect([table.astype(precision) for table in tables], seen.choice)
        expected = collected.expected(seen.rows, len(tables))
        weights = [e - c for e, c in zip(expected, seen.tables, strict=True)]
        value = float(seen.rows @ collected.log_normalisers)
        value -= sum(float(np.vdot(c, t)) for c, t in zip(seen.tables, tables, strict=True))
        return value, self.layout.tables_gradient(theta, self.axes, weights)


def add_base(cells: FactorCells, tables: Sequence[Floats], base: Sequence[Floats]) -> list[Floats]:
    """Tables with the log-measure of every variable added to all cells of the first factor that holds it."""
    found, done = list(tables), set[int]()
    for k, scope in enumerate(cells.scopes):
        for axis, v in enumerate(scope):
            if v in done:
                continue
            done.add(v)
            if base[v].any():
                shape = [-1 if i == axis else 1 for i in range(len(scope))]
                for cell in range(cells.first[k], cells.first[k + 1]):
                    found[cell] = found[cell] + base[v].reshape(shape)
    return found
