"""Energies fitted in continuous x: what they say of every regime that the design identifies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from ifm_ident import Identifier, InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.checks import check_regimes
from ifm_learn.data.scaling import Scaling
from ifm_learn.energies.layout import Layout

_ENTRIES = 1 << 22


@dataclass(frozen=True, eq=False)
class FittedEnergies:
    """One parameter vector for the energies of a design; `scaling` takes x to the units that they see."""

    layout: Layout
    theta: Floats
    scaling: Scaling

    @cached_property
    def _identifier(self) -> Identifier:
        return Identifier(self.layout.design)

    def choice(self, regimes: Regimes) -> Ints:
        """The cell that each regime shows of each factor, shape (r, factors).

        Raises NotIdentifiableError, with the certificate, for a regime that is neither observed nor identified.
        """
        check_regimes(self.layout.design.model, regimes)
        self._identifier.identify(regimes).require_all()
        return self.layout.cells.choice(regimes)

    def log_potentials(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) in nats up to a constant for each regime and a function of x that all share, (n, r)."""
        width = len(self.layout.design.model.variables)
        if x.ndim != 2 or x.shape[1] != width:
            raise InputError(f"x has shape {x.shape}; give one column for each of the {width} variables")
        return self.potentials(x, self.choice(regimes))

    def potentials(self, x: Floats, choice: Ints) -> Floats:
        """`log_potentials` of regimes by the cells that they show, shape (r, factors)."""
        used = np.unique(choice)
        shows = membership(choice, used)
        found = np.empty((len(x), len(choice)))
        rows = max(_ENTRIES // max(len(used), 1), 1)
        for begin in range(0, len(x), rows):
            part = self.scaling.apply(x[begin : begin + rows])
            found[begin : begin + rows] = self._cell_values(used, part) @ shows
        return found

    def _cell_values(self, cells: Ints, points: Floats) -> Floats:
        """phi of some cells, shape (n, cells)."""
        found = np.empty((len(points), len(cells)))
        for i, cell in enumerate(cells.tolist()):
            k = self.layout.cells.factor[cell]
            part = points[:, self.layout.scopes[k]]
            found[:, i] = self.layout.energies[k].value(self.layout.block(self.theta, cell), part)
        return found


def membership(choice: Ints, cells: Ints) -> csr_array:
    """Which of some cells, ascending, each regime shows, as ones, shape (cells, r); choice: shape (r, factors)."""
    place = np.searchsorted(cells, choice)
    held = (place < len(cells)) & (cells[np.minimum(place, len(cells) - 1)] == choice) if len(cells) else place < 0
    regime, _ = np.nonzero(held)
    ones = np.ones(len(regime))
    return csr_array((ones, (place[held], regime)), shape=(len(cells), len(choice)))


def standard_units(x: Floats) -> Scaling:
    """The scaling that takes the columns of x, shape (n, p), to mean 0 and standard deviation 1.

    >>> standard_units(np.array([[1.0, 5.0], [3.0, 5.0]])).apply(np.array([[2.0, 6.0]])).tolist()
    [[0.0, 1.0]]
    """
    spread = x.std(axis=0)
    return Scaling(x.mean(axis=0), np.where(spread > 0, spread, 1.0), np.zeros(x.shape[1], dtype=bool))
