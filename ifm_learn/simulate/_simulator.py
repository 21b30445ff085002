"""What every simulator is: rows in any regime of its model, and the truth to compare estimates with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, InputError, Model, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import require_names
from ifm_learn.data.samples import Samples

Function = Callable[[Floats], Floats]


class Outcome(Protocol):
    """An outcome that can be drawn at rows of x, shape (n, p): shape (n,)."""

    def draw(self, x: Floats, rng: np.random.Generator) -> Floats:
        """One value a row."""
        ...


class Simulator(ABC):
    """Draws rows of x in any regime of `model`, and knows the truth about them."""

    model: Model

    @abstractmethod
    def draw(self, regimes: Regimes, which: Ints, rng: np.random.Generator) -> Floats:
        """Independent rows, row i in regimes[which[i]]; which: shape (n,), the result (n, p)."""

    @abstractmethod
    def means(self, regimes: Regimes) -> Floats:
        """E[x; regime], shape (r, p)."""

    @abstractmethod
    def expect(self, function: Function, weights: Floats, regimes: Regimes) -> Floats:
        """E[function(weights·x); regime], shape (r,), for a function that works element by element."""

    def sample(
        self,
        source: Design | Study,
        sizes: int | Sequence[int],
        rng: np.random.Generator,
        outcome: Outcome | None = None,
    ) -> Samples:
        """Rows of the training regimes of a design or study of this model, with outcomes where one is given.

        sizes: the rows of each training regime as written, or one number for each distinct one. Raises InputError
        for another model, and for a number of sizes that is not the number of training regimes.
        """
        design = source.design if isinstance(source, Study) else source
        if design.model != self.model:
            raise InputError("the design is of another model than the simulator; simulate with its own model")
        require_names(design.model, "simulations")
        counts = np.zeros(len(design.train), dtype=np.int64)
        if isinstance(sizes, int):
            counts[design.distinct] = sizes
        elif len(sizes) != len(counts):
            raise InputError(f"{len(sizes)} sizes for {len(counts)} training regimes; give one for each")
        else:
            counts[:] = sizes
        if counts.min() < 0:
            raise InputError(f"a size is {counts.min()}; sizes are 0 or more")
        regime = np.repeat(design.first, counts)
        x = self.draw(design.train, regime, rng)
        y = None if outcome is None else outcome.draw(x, rng)
        return Samples(design, regime, x, y, None if outcome is None else "y")


def check_shapes(
    model: Model, what: str, tables: Sequence[NDArray[np.float64]], inner: Sequence[tuple[int, ...]]
) -> None:
    """InputError unless tables[k] has an axis for each intervention of factor k's sigma-scope, then inner[k]."""
    if len(tables) != len(model.factors):
        raise InputError(f"{len(tables)} {what} for {len(model.factors)} factors; give one for each")
    for factor, scope, table, rest in zip(model.factors, model.scopes, tables, inner, strict=True):
        due = (*model.level_counts[scope].tolist(), *rest)
        if table.shape != due:
            raise InputError(f"factor {factor.name!r}: its {what} have shape {table.shape} where {due} is due")


def cells_of(regimes: Regimes, scope: Ints) -> tuple[Ints, ...]:
    """The level cell that each regime shows of one factor: an index into its table, one array an axis."""
    codes = np.zeros((len(scope), len(regimes)), dtype=np.int64)
    for row, position in zip(codes, scope.tolist(), strict=True):
        active = regimes.position == position
        row[regimes.rows[active]] = regimes.level[active]
    return tuple(codes)


def x_scopes(model: Model) -> tuple[Ints, ...]:
    """The positions of every factor's variables, in the order written."""
    place = {variable: i for i, variable in enumerate(model.variables)}
    return tuple(np.array([place[v] for v in factor.x], dtype=np.int64) for factor in model.factors)
