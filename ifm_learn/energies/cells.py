"""The level cells of every factor that training shows, and where their parameters are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import Design, Regimes
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design import require_names

ON_GRIDS = "densities with a table for each level, on a grid or by networks"
"""What levels with values have not."""


@dataclass(frozen=True, eq=False)
class FactorCells:
    """The (factor, level cell) pairs of the training regimes, numbered factor by factor.

    factor: shape (c,), the factor of every cell; first: shape (number of factors + 1,), where each factor's cells
    begin. A factor's cells ascend by level, so its first one is the baseline's where that is observed.

    >>> from ifm_ident import Factor, Intervention, Model
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",))))
    >>> cells = FactorCells.of(Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0]]))))
    >>> cells.factor.tolist(), cells.choice(Regimes.from_codes(np.array([[1, 0], [1, 1]]))).tolist()
    ([0, 0, 1], [[1, 2], [1, -1]])
    """

    design: Design
    levels: tuple[Ints, ...]

    @classmethod
    def of(cls, design: Design) -> FactorCells:
        """The cells of a design's training regimes; InputError for levels with values."""
        require_names(design.model, f"{ON_GRIDS}; take another energy")
        codes = design.train.take(design.distinct).codes()
        return cls(design, tuple(np.unique(codes[:, scope], axis=0) for scope in design.model.scopes))

    @cached_property
    def scopes(self) -> tuple[tuple[int, ...], ...]:
        """The positions of every factor's variables."""
        model = self.design.model
        place = {variable: i for i, variable in enumerate(model.variables)}
        return tuple(tuple(place[v] for v in factor.x) for factor in model.factors)

    @cached_property
    def counts(self) -> Ints:
        """How many cells each factor has."""
        return np.array([len(part) for part in self.levels], dtype=np.int64)

    @cached_property
    def first(self) -> Ints:
        """Where each factor's cells begin, and their number at the end."""
        return row_bounds(self.counts)

    @cached_property
    def factor(self) -> Ints:
        """The factor of every cell, shape (c,)."""
        return np.repeat(np.arange(len(self.counts), dtype=np.int64), self.counts)

    def __len__(self) -> int:
        return int(self.first[-1])

    def choice(self, regimes: Regimes) -> Ints:
        """The cell that each regime shows of each factor, shape (r, factors); -1 where training never did."""
        codes = regimes.codes()
        found = np.empty((len(codes), len(self.levels)), dtype=np.int64)
        for k, (scope, known) in enumerate(zip(self.design.model.scopes, self.levels, strict=True)):
            both = np.concatenate([known, codes[:, scope]])
            _, index = np.unique(both, axis=0, return_inverse=True)
            index = index.ravel()
            place = np.full(int(index.max(initial=0)) + 1, -1, dtype=np.int64)
            place[index[: len(known)]] = np.arange(len(known)) + self.first[k]
            found[:, k] = place[index[len(known) :]]
        return found
