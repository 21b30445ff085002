"""One energy for every factor and level cell, with all parameters in one vector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import Design, InputError
from ifm_ident.arrays import Floats, Ints, row_bounds
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.energy import Energy


@dataclass(frozen=True, eq=False)
class Layout:
    """The energies of a design: one family for each factor, one parameter block for each of its cells.

    energies: shape (number of factors,), of the widths of the x-scopes.
    """

    cells: FactorCells
    energies: tuple[Energy, ...]

    @property
    def scopes(self) -> tuple[tuple[int, ...], ...]:
        """The positions of every factor's variables."""
        return self.cells.scopes

    @property
    def design(self) -> Design:
        """The design whose factors these are."""
        return self.cells.design

    @cached_property
    def starts(self) -> Ints:
        """Where each cell's parameters begin, and their number at the end, shape (cells + 1,)."""
        sizes = [self.energies[k].size for k in self.cells.factor]
        return row_bounds(sizes)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return int(self.starts[-1])

    def block(self, theta: Floats, cell: int) -> Floats:
        """One cell's parameters."""
        return theta[self.starts[cell] : self.starts[cell + 1]]

    def start(self, rng: np.random.Generator) -> Floats:
        """Parameters to start from, drawn for every cell by itself."""
        return np.concatenate([self.energies[k].start(rng) for k in self.cells.factor])

    def tables(self, theta: Floats, axes: Sequence[Floats]) -> list[Floats]:
        """The table of every cell on the grid."""
        return [
            self.energies[k].table(self.block(theta, cell), [axes[v] for v in self.scopes[k]])
            for cell, k in enumerate(self.cells.factor)
        ]

    def tables_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Sequence[Floats]) -> Floats:
        """The gradient of the sum over cells of sum(weights * table), shape (size,)."""
        return np.concatenate(
            [
                self.energies[k].table_gradient(
                    self.block(theta, cell), [axes[v] for v in self.scopes[k]], weights[cell]
                )
                for cell, k in enumerate(self.cells.factor)
            ]
        )

    def potential(self, theta: Floats, choice: Ints, x: Floats) -> Floats:
        """sum_k phi_k(x) for one choice of cells, shape (n,)."""
        total = np.zeros(len(x))
        for k, cell in enumerate(choice):
            total += self.energies[k].value(self.block(theta, int(cell)), x[:, self.scopes[k]])
        return total


@dataclass(frozen=True)
class Ridge:
    """A quadratic penalty on each factor's first cell, and on how the other cells differ.

    Half of `base` times |theta of a factor's first cell|^2 plus half of `shift` times |theta - anchor|^2 for its
    other cells, both weighted by each energy's own `penalty`.

    tied: whether the anchor is theta of the first cell, from which cells with few rows then borrow, or zero, which
    leaves every cell to itself. Tied suits energies that are linear in their parameters; in networks, where many
    parameters mean the same function, it makes the starts err alike, and their average worse.
    """

    base: float = 0.3
    shift: float = 0.3
    tied: bool = True

    def __post_init__(self) -> None:
        for name, value in (("base", self.base), ("shift", self.shift)):
            if not 0 <= value < math.inf:
                raise InputError(f"the ridge's {name} is {value}; give a finite number from 0")

    def value_and_gradient(self, layout: Layout, theta: Floats) -> tuple[float, Floats]:
        """The penalty, and its gradient, shape (size,)."""
        gradient = np.zeros_like(theta)
        total = 0.0
        for k, energy in enumerate(layout.energies):
            start, stop = layout.starts[layout.cells.first[k]], layout.starts[layout.cells.first[k + 1]]
            blocks = theta[start:stop].reshape(-1, energy.size)
            slopes = gradient[start:stop].reshape(-1, energy.size)
            slopes[0] = self.base * energy.penalty * blocks[0]
            total += 0.5 * float(slopes[0] @ blocks[0])
            moved = blocks[1:] - blocks[0] if self.tied else blocks[1:]
            pull = self.shift * energy.penalty * moved
            total += 0.5 * float((pull * moved).sum())
            slopes[1:] = pull
            if self.tied:
                slopes[0] -= pull.sum(axis=0)
        return total, gradient

    def matrix(self, layout: Layout) -> Floats:
        """The second derivatives of the penalty, shape (size, size)."""
        found = np.zeros((layout.size, layout.size))
        for k, energy in enumerate(layout.energies):
            cells, own = layout.cells, np.arange(energy.size)
            first, last = (int(cells.first[k + i]) for i in (0, 1))
            base = layout.starts[first] + own
            found[base, base] += self.base * energy.penalty
            for cell in range(first + 1, last):
                mine, pull = layout.starts[cell] + own, self.shift * energy.penalty
                found[mine, mine] += pull
                if self.tied:
                    found[base, base] += pull
                    found[mine, base] -= pull
                    found[base, mine] -= pull
        return found
