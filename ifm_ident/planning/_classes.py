"""Millions of regimes as the few classes that a plan can tell apart."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints
from ifm_ident.design.regimes import Regimes
from ifm_ident.planning._directions import Directions


class Classes:
    """Regimes that share their directions in every system, with how many there are and the cheapest of each class.

    >>> seen = Classes(systems=1, width=1)
    >>> batch = Regimes.from_codes(np.array([[1], [2], [0]]))
    >>> seen.add(batch, np.array([[5], [5], [0]]), np.array([4, 3, -1]))
    >>> seen.directions.tolist(), seen.weight.tolist(), seen.cost.tolist(), list(seen.cheapest)
    ([[5], [0]], [2, 1], [3, -1], [((0, 2),), ()])
    """

    def __init__(self, systems: int, width: int) -> None:
        self._rows = Directions(systems + 1)
        self._systems = systems
        self._weight = np.zeros(0, dtype=np.int64)
        self._cost = np.zeros(0, dtype=np.int64)
        self._place = np.zeros(0, dtype=np.int64)
        self._store = [Regimes.from_active([], width)]

    def add(self, regimes: Regimes, directions: Ints, cost: Ints) -> None:
        """Regimes with their directions, shape (n, systems), and costs, shape (n,); -1 counts as dearest."""
        if not len(regimes):
            return
        keyed = np.column_stack([np.ones(len(regimes), dtype=np.int64), directions])
        number = self._rows.number(csr_array(keyed)) - 1
        grown = len(self._rows) - 1 - len(self._weight)
        self._weight = np.concatenate([self._weight, np.zeros(grown, dtype=np.int64)])
        self._weight += np.bincount(number, minlength=len(self._weight))
        self._cost = np.concatenate([self._cost, np.full(grown, -1)])
        self._place = np.concatenate([self._place, np.full(grown, -1)])
        dearness = np.where(cost < 0, np.iinfo(np.int64).max, cost)
        order = np.lexsort((dearness, number))
        first = order[np.unique(number[order], return_index=True)[1]]
        old = self._cost[number[first]]
        better = (self._place[number[first]] < 0) | ((cost[first] >= 0) & ((old < 0) | (cost[first] < old)))
        chosen = np.sort(first[better])
        self._cost[number[chosen]] = cost[chosen]
        self._place[number[chosen]] = sum(map(len, self._store)) + np.arange(len(chosen))
        self._store.append(regimes.take(chosen))

    def __len__(self) -> int:
        return len(self._weight)

    @property
    def directions(self) -> Ints:
        """The directions of every class, shape (classes, systems)."""
        dense: Ints = self._rows.rows.toarray()[1:, 1:]
        return dense

    @property
    def weight(self) -> Ints:
        """How many regimes are in every class."""
        return self._weight

    @property
    def cost(self) -> Ints:
        """The least cost in every class, -1 where no member has one."""
        return self._cost

    @property
    def cheapest(self) -> Regimes:
        """The first cheapest regime of every class."""
        return Regimes.concatenate(self._store).take(self._place)
