"""The row space of a dense rational matrix: for numbers that int64 does not hold (docs/theory/doses.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from math import gcd, lcm

import flint
import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.errors import InputError
from ifm_ident.solve.exact.factorisation import Solutions

AREA_LIMIT = 1_000_000
"""Dense rational elimination is slow: larger matrices are refused."""

Row = Mapping[int, Fraction]
"""Column to nonzero entry."""


def primitive(vector: Row) -> dict[int, int]:
    """The positive multiple of a vector in whole numbers without common divisor, columns ascending.

    >>> primitive({2: Fraction(1, 2), 0: Fraction(-3)})
    {0: -6, 2: 1}
    """
    common = lcm(1, *(value.denominator for value in vector.values()))
    whole = {column: int(value * common) for column, value in sorted(vector.items()) if value}
    divisor = gcd(*whole.values()) or 1
    return {column: value // divisor for column, value in whole.items()}


class RationalSpace:
    """Row space of m rational rows; solutions use the lexicographically first independent rows, as `RowSpace`.

    Raises InputError for more than AREA_LIMIT entries.

    >>> half = Fraction(1, 2)
    >>> space = RationalSpace([{0: Fraction(1)}, {0: Fraction(1), 1: half}])
    >>> found = space.solve([{0: Fraction(1), 1: Fraction(1)}, {2: Fraction(1)}])
    >>> found.solvable.tolist(), found.row.tolist(), found.numerator.tolist()
    ([True, False], [0, 1], [-1, 2])
    >>> space.separate([{2: Fraction(3)}])[1]
    [{2: 1}]
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.columns = sorted({column for row in rows for column in row})
        self._place = {column: i for i, column in enumerate(self.columns)}
        if len(rows) * len(self.columns) > AREA_LIMIT:
            raise InputError(
                f"not for levels with values yet: {len(rows):,} training regimes whose numbers are too long for "
                "64 bits; write levels with fewer digits"
            )
        dense = self._dense(rows)
        height, width = len(rows), len(self.columns)
        by_row, rank = dense.transpose().rref() if width else (dense, 0)
        self.basis: Ints = np.array(_pivots(by_row, rank, height), dtype=np.int64)
        chosen = self._dense([rows[i] for i in self.basis.tolist()])
        self._reduced, _ = chosen.rref() if rank else (chosen, 0)
        self._pivots = _pivots(self._reduced, rank, width)
        pivots = set(self._pivots)
        self._free = [j for j in range(width) if j not in pivots]
        square = [[chosen[i, j] for j in self._pivots] for i in range(rank)]
        flat = [x for row in square for x in row]
        self._inverse: flint.fmpq_mat = flint.fmpq_mat(rank, rank, flat).inv() if rank else dense

    @property
    def rank(self) -> int:
        """The rank over the rationals."""
        return len(self.basis)

    def _dense(self, rows: Sequence[Row]) -> flint.fmpq_mat:
        dense = flint.fmpq_mat(len(rows), len(self.columns))
        for i, row in enumerate(rows):
            for column, value in row.items():
                dense[i, self._place[column]] = flint.fmpq(value.numerator, value.denominator)
        return dense

    @cached_property
    def kernel(self) -> list[dict[int, int]]:
        """Whole primitive basis of {w : A w = 0} within the columns that the rows have, column to weight."""
        return [self._vector(j) for j in range(len(self._free))]

    def _vector(self, j: int) -> dict[int, int]:
        free = self._free[j]
        vector = {self.columns[free]: Fraction(1)}
        for i, pivot in enumerate(self._pivots):
            vector[self.columns[pivot]] = -_fraction(self._reduced[i, free])
        return primitive(vector)

    def _missed(self, target: Row) -> int | None:
        """Where a target misses: -1 - column for a column outside, else a free one; None if it holds."""
        outside = [column for column in sorted(target) if column not in self._place]
        if outside:
            return -1 - outside[0]
        for j, free in enumerate(self._free):
            value = target.get(self.columns[free], Fraction(0))
            for i, pivot in enumerate(self._pivots):
                entry = target.get(self.columns[pivot])
                if entry:
                    value -= entry * _fraction(self._reduced[i, free])
            if value:
                return j
        return None

    def holds(self, targets: Sequence[Row]) -> NDArray[np.bool_]:
        """Which targets lie in the row space, shape (n,)."""
        return np.array([self._missed(target) is None for target in targets], dtype=bool)

    def solve(self, targets: Sequence[Row]) -> Solutions:
        """The solution on the basis rows for every target that has one."""
        solvable = self.holds(targets)
        sizes: list[int] = []
        terms: list[tuple[int, Fraction]] = []
        for target, inside in zip(targets, solvable.tolist(), strict=True):
            found = self._solution(target) if inside else []
            sizes.append(len(found))
            terms += found
        above = np.array([q.numerator for _, q in terms], dtype=object)
        below = np.array([q.denominator for _, q in terms], dtype=object)
        return Solutions.of(sizes, solvable, np.array([i for i, _ in terms], dtype=np.int64), above, below)

    def _solution(self, target: Row) -> list[tuple[int, Fraction]]:
        sums = [Fraction(0)] * self.rank
        for i, pivot in enumerate(self._pivots):
            entry = target.get(self.columns[pivot])
            if entry:
                for k in range(self.rank):
                    sums[k] += entry * _fraction(self._inverse[i, k])
        return [(int(self.basis[k]), q) for k, q in enumerate(sums) if q]

    def separate(self, targets: Sequence[Row]) -> tuple[Ints, list[dict[int, int]]]:
        """Kernel vectors that refuse targets: each target's index, and the vectors; ValueError if one holds."""
        found: dict[int, int] = {}
        index = []
        for target in targets:
            missed = self._missed(target)
            if missed is None:
                raise ValueError("a target lies in the row space: nothing separates it")
            index.append(found.setdefault(missed, len(found)))
        vectors = [{-1 - missed: 1} if missed < 0 else self._vector(missed) for missed in found]
        return np.array(index, dtype=np.int64), vectors


def _fraction(value: flint.fmpq) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _pivots(reduced: flint.fmpq_mat, rank: int, width: int) -> list[int]:
    found: list[int] = []
    column = 0
    for row in range(rank):
        while column < width and reduced[row, column] == 0:
            column += 1
        found.append(column)
        column += 1
    return found
