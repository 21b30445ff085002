"""Exchanging a row basis for one of smaller determinant, by exact pivots on a dense tableau."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints

_SAFE = 2**30


@dataclass(frozen=True, eq=False)
class Tableau:
    """free[i] = sum_j table[i, j] / denominator * basic[j], for vectors named by numbers.

    table: Python integers or int64, shape (len(free), len(basic)).
    """

    table: NDArray[np.object_] | NDArray[np.int64]
    denominator: int
    basic: Ints
    free: Ints


def exchange(tableau: Tableau) -> Tableau:
    """The same relations on a basis where no coefficient lies strictly between -1 and 1 but zero.

    A pivot on such a coefficient multiplies the determinant of the basis by it, so this ends. The smallest
    coefficient goes first, then the first one.

    >>> table = np.array([[1, 1], [-1, 1]])
    >>> done = exchange(Tableau(table, 2, np.array([0, 1]), np.array([2, 3])))
    >>> done.table.tolist(), done.denominator, done.basic.tolist(), done.free.tolist()
    ([[2, -1], [-1, 1]], 1, [2, 1], [0, 3])
    """
    table, denominator = tableau.table, tableau.denominator
    basic, free = tableau.basic.copy(), tableau.free.copy()
    while True:
        table = _narrowed(table, denominator)
        size = np.abs(table)
        proper = np.flatnonzero((size != 0) & (size < denominator))
        if not len(proper):
            return Tableau(table, denominator, basic, free)
        i, j = divmod(int(proper[np.argmin(size.ravel()[proper])]), table.shape[1])
        table, denominator = _pivoted(table, denominator, i, j)
        basic[j], free[i] = free[i], basic[j]


def _narrowed(
    table: NDArray[np.object_] | NDArray[np.int64], denominator: int
) -> NDArray[np.object_] | NDArray[np.int64]:
    """As int64 while the next pivot cannot overflow, else as Python integers."""
    largest = max(denominator, int(np.abs(table).max(initial=0)))
    return table.astype(np.int64 if largest < _SAFE else object)


def _pivoted(
    table: NDArray[np.object_] | NDArray[np.int64], denominator: int, i: int, j: int
) -> tuple[NDArray[np.object_] | NDArray[np.int64], int]:
    """free[i] enters the basis in place of basic[j]."""
    pivot = int(table[i, j])
    result = table * pivot - np.outer(table[:, j], table[i])
    result[:, j] = table[:, j] * denominator
    result[i] = -table[i] * denominator
    result[i, j] = denominator * denominator
    common = denominator * pivot
    if common < 0:
        result, common = -result, -common
    divisor = gcd(common, int(np.gcd.reduce(result.ravel())))
    return result // divisor, common // divisor
