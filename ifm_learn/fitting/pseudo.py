"""Pseudo-likelihood of energies on a grid: full conditionals need no normalising constant.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.layout import Layout
from ifm_learn.fitting._contexts import CellBlock, Contexts


@dataclass(frozen=True, eq=False)
class PseudoLikelihood:
    """The sum over rows and variables of log p(x_v | x_-v; sigma) under energies on a grid.

    axes: the positions of every variable's bins in the units that the energies see; base: the log-measure of the
    bins, one array a variable. Only those entries of the factors' tables are evaluated that the rows' full
    conditionals need, each distinct conditional once. A greater pseudo-likelihood of held-out rows is no proof of
    a better density in a new regime: prefer the exact likelihood wherever its junction tree is affordable.

    >>> from ifm_ident import Study
    >>> from ifm_learn.energies.cells import FactorCells
    >>> from ifm_learn.energies._linear import Saturated
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["0", "1"],
    ... }).design
    >>> axes = (np.array([0.0, 1.0]),)
    >>> layout = Layout(FactorCells.of(design), (Saturated(axes),))
    >>> rows, regime = np.array([[0], [0], [1]]), np.array([0, 0, 1])
    >>> objective = PseudoLikelihood.of(layout, axes, (np.zeros(2),), rows, regime)
    >>> value, gradient = objective.value_and_gradient(np.zeros(4))
    >>> float(value / np.log(2)), gradient.tolist()
    (3.0, [-1.0, 1.0, 0.5, -0.5])
    """

    layout: Layout
    axes: tuple[Floats, ...]
    base: tuple[Floats, ...]
    contexts: Contexts

    @classmethod
    def of(
        cls,
        layout: Layout,
        axes: Sequence[Floats],
        base: Sequence[Floats],
        bins: NDArray[np.integer],
        regime: Ints,
        weight: Floats | None = None,
    ) -> PseudoLikelihood:
        """From rows: bins, shape (n, p); regime: first training indices, shape (n,); weight: shape (n,)."""
        contexts = Contexts.of(layout.cells, [len(axis) for axis in axes], bins, regime, weight)
        return cls(layout, tuple(axes), tuple(base), contexts)

    @property
    def rows(self) -> float:
        """The number of rows, or their weight."""
        return self.contexts.rows

    @cached_property
    def _points(self) -> tuple[tuple[Floats, ...] | None, ...]:
        """For every factor the points of each cell's entries, or None where whole tables are evaluated."""
        found: list[tuple[Floats, ...] | None] = []
        for k, held in enumerate(self.contexts.entries):
            axes = [self.axes[v] for v in self.layout.scopes[k]]
            if held.entries is None:
                found.append(None)
                continue
            places = [np.unravel_index(part, held.sizes) for part in held.entries]
            found.append(tuple(np.stack([a[i] for a, i in zip(axes, at, strict=True)], axis=1) for at in places))
        return tuple(found)

    def _cells(self, k: int) -> range:
        first = self.layout.cells.first
        return range(int(first[k]), int(first[k + 1]))

    def _values(self, theta: Floats) -> list[Floats]:
        """For every factor its energies at the entries, all cells one after the other."""
        found = []
        for k, points in enumerate(self._points):
            energy, axes = self.layout.energies[k], [self.axes[v] for v in self.layout.scopes[k]]
            parts = [
                energy.table(self.layout.block(theta, cell), axes).ravel()
                if points is None
                else energy.value(self.layout.block(theta, cell), points[i])
                for i, cell in enumerate(self._cells(k))
            ]
            found.append(np.concatenate(parts))
        return found

    def _pull(self, theta: Floats, weights: Sequence[Floats]) -> Floats:
        """The gradient of the weighted sum of `_values`, shape (size,)."""
        found = []
        for k, points in enumerate(self._points):
            energy, axes = self.layout.energies[k], [self.axes[v] for v in self.layout.scopes[k]]
            shape = [len(axis) for axis in axes]
            cells = self._cells(k)
            ends = np.cumsum([np.prod(shape) if points is None else len(points[i]) for i in range(len(cells))])
            for i, (cell, part) in enumerate(zip(cells, np.split(weights[k], ends[:-1]), strict=True)):
                theta_cell = self.layout.block(theta, cell)
                if points is None:
                    found.append(energy.table_gradient(theta_cell, axes, part.reshape(shape)))
                else:
                    found.append(energy.gradient(theta_cell, points[i], part))
        return np.concatenate(found)

    def _observed(self) -> list[Floats]:
        """How often each entry enters the log-conditionals of the rows: once for each variable of the factor."""
        return [len(held.sizes) * held.counts for held in self.contexts.entries]

    def value(self, theta: Floats) -> float:
        """Minus the log pseudo-likelihood, nats."""
        values = self._values(theta)
        total = sum(self._log_normalisers(block, values)[0] for block in self.contexts.blocks)
        return total - self._score(values)

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Minus the log pseudo-likelihood, nats, and its gradient, shape (size,)."""
        values = self._values(theta)
        weights = [-observed for observed in self._observed()]
        total = 0.0
        for block in self.contexts.blocks:
            part, mass = self._log_normalisers(block, values)
            total += part
            block.scatter(mass, weights)
        return total - self._score(values), self._pull(theta, weights)

    def _log_normalisers(self, block: CellBlock, values: Sequence[Floats]) -> tuple[float, Floats]:
        """The weighted sum of the contexts' log-normalisers, and its derivative by their logits."""
        logits = block.gather(values)
        logits += self.base[block.variable]
        top = logits.max(axis=1, keepdims=True)
        logits -= top
        mass = np.exp(logits, out=logits)
        total = mass.sum(axis=1)
        mass *= (block.weight / total)[:, None]
        return float(block.weight @ (np.log(total) + top[:, 0])), mass

    def _score(self, values: Sequence[Floats]) -> float:
        own = sum(float(seen @ part) for seen, part in zip(self._observed(), values, strict=True))
        return own + sum(float(seen @ part) for seen, part in zip(self.contexts.bins, self.base, strict=True))
