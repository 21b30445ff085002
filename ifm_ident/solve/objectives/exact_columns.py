"""Exact rationals in columns: group by group sums and the integer check that a combination of rows is right.

Arithmetic is int64 where a bound says that it fits, Python integers in object arrays where it may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, Ragged, owners, ragged_arange
from ifm_ident.errors import IfmError
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.products import WouldOverflow, product

Integers = NDArray[Any]
"""Exact integers: int64, or object arrays of Python integers."""

_SAFE = 2.0**61


@dataclass(frozen=True, eq=False)
class Ratios:
    """n exact rationals: numerators and positive denominators, shape (n,), reduced.

    >>> half = Ratios.of([Fraction(1, 2), Fraction(3)])
    >>> half[0], len(half), half.denominator.tolist()
    (Fraction(1, 2), 2, [2, 1])
    """

    numerator: Integers
    denominator: Integers

    @classmethod
    def of(cls, values: Sequence[Fraction | int]) -> Ratios:
        """From a sequence of rationals."""
        return cls(
            narrowed([Fraction(v).numerator for v in values]), narrowed([Fraction(v).denominator for v in values])
        )

    @classmethod
    def reduced(cls, numerator: Integers, denominator: Integers) -> Ratios:
        """From numerators and positive denominators that may have common divisors."""
        divisor = np.gcd(numerator, denominator)
        return cls(numerator // divisor, denominator // divisor)

    def __len__(self) -> int:
        return len(self.numerator)

    def __getitem__(self, at: int) -> Fraction:
        return Fraction(int(self.numerator[at]), int(self.denominator[at]))

    def take(self, index: Ints) -> Ratios:
        """The chosen entries, in the order given."""
        return Ratios(self.numerator[index], self.denominator[index])

    @classmethod
    def concatenate(cls, parts: Sequence[Ratios]) -> Ratios:
        """The parts one after the other."""
        none = np.empty(0, dtype=np.int64)
        return cls(
            np.concatenate([none, *(part.numerator for part in parts)]),
            np.concatenate([none, *(part.denominator for part in parts)]),
        )


def narrowed(values: Sequence[int]) -> Integers:
    """Python integers as int64 where they fit, else as an object array; shape (n,)."""
    if max(map(abs, values), default=0) < 2**62:
        return np.array(values, dtype=np.int64)
    wide = np.empty(len(values), dtype=object)
    wide[:] = values
    return wide


def _magnitude(values: Integers) -> float:
    if not len(values):
        return 0.0
    largest = max(abs(int(values.max())), abs(int(values.min())))
    return float(largest) if largest < 2**1000 else float("inf")


def times(left: Integers, right: Integers) -> Integers:
    """Elementwise product, exact."""
    if left.dtype == right.dtype == np.int64 and _magnitude(left) * _magnitude(right) < _SAFE:
        return left * right
    product_: Integers = left.astype(object) * right.astype(object)
    return product_


def group_sums(indptr: Ints, values: Integers) -> Integers:
    """Exact sums over the groups indptr[t] to indptr[t + 1]; an empty group gives 0.

    >>> group_sums(np.array([0, 2, 2, 3]), np.array([1, 2, 2**62])).tolist()
    [3, 0, 4611686018427387904]
    """
    if values.dtype == np.int64 and _magnitude(values) * float(np.diff(indptr).max(initial=0)) >= _SAFE:
        values = values.astype(object)
    sums = np.zeros(len(indptr) - 1, dtype=values.dtype)
    filled = np.diff(indptr) > 0
    if filled.any():
        sums[filled] = np.add.reduceat(values, indptr[:-1][filled])
    return sums


def to_common(indptr: Ints, numerator: Integers, denominator: Integers) -> tuple[Integers, Integers]:
    """Numerators over each group's least common denominator, and these denominators, shape (groups,).

    >>> to_common(np.array([0, 2, 3]), np.array([1, -1, 5]), np.array([2, 3, 7]))
    (array([ 3, -2,  5]), array([6, 7]))
    """
    if lcm(1, *map(int, set(denominator.tolist()))) >= 2**61:
        denominator = denominator.astype(object)
    common = np.ones(len(indptr) - 1, dtype=denominator.dtype)
    filled = np.diff(indptr) > 0
    if filled.any():
        common[filled] = np.lcm.reduceat(denominator, indptr[:-1][filled])
    return times(numerator, common[owners(indptr)] // denominator), common


@dataclass(frozen=True, eq=False)
class WideRows(Ragged, entries=("indices", "data")):
    """A row-compressed sparse matrix whose entries may be Python integers."""

    indices: Ints
    data: Integers
    shape: tuple[int, int]

    def transposed(self) -> WideRows:
        """The transpose."""
        order = np.argsort(self.indices, kind="stable")
        columns, shape = self.indices[order], self.shape[::-1]
        return WideRows.owned(columns, shape[0], self.owners[order], self.data[order], shape)


def combine(
    indptr: Ints, row: Ints, numerator: Integers, matrix: csr_array | WideRows
) -> tuple[Ints, Ints, Integers]:
    """The nonzero entries of (combinations of rows) = numerator · matrix: group, column and value, sorted.

    Group t combines the rows row[e] of `matrix`, shape (m, c), with integer weights numerator[e].
    """
    groups, width = len(indptr) - 1, matrix.shape[1]
    if numerator.dtype == np.int64 and not isinstance(matrix, WideRows):
        left = csr_array((numerator, row, indptr), shape=(groups, matrix.shape[0]))
        try:
            found = product(left, matrix)
        except WouldOverflow:
            pass
        else:
            found.sort_indices()
            return owners(found.indptr), found.indices.astype(np.int64), found.data
    counts = np.diff(matrix.indptr)[row].astype(np.int64)
    at = ragged_arange(matrix.indptr[:-1][row].astype(np.int64), counts)
    entry = np.repeat(np.arange(len(row)), counts)
    key = owners(indptr)[entry] * width + matrix.indices[at]
    order = np.argsort(key, kind="stable")
    keys, starts = np.unique(key[order], return_index=True)
    values = numerator.astype(object)[entry] * matrix.data.astype(object)[at]
    sums = group_sums(np.append(starts, len(key)), values[order])
    kept = sums != 0
    return keys[kept] // width, keys[kept] % width, sums[kept]


def require_solutions(matrix: csr_array, found: Solutions, targets: csr_array) -> None:
    """Check in integers that every solution q has q · matrix = its target; raises IfmError for one that has not.

    >>> unit = csr_array(np.array([[1, 0], [1, 1]]))
    >>> q = Solutions(np.array([0, 1]), np.array([True]), np.array([1]), np.array([1]), np.array([1]))
    >>> require_solutions(unit, q, csr_array(np.array([[1, 1]])))
    >>> require_solutions(unit, q, csr_array(np.array([[1, 0]])))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.IfmError: the formula chosen for target 0 is wrong; please report this design
    """
    numerator, common = to_common(found.indptr, found.numerator, found.denominator)
    group, column, value = combine(found.indptr, found.row, numerator, matrix)
    wanted = owners(targets.indptr)
    key = np.concatenate([group, wanted]) * targets.shape[1] + np.concatenate([column, targets.indices])
    missed = np.concatenate([value, -times(targets.data, common[wanted])])
    order = np.argsort(key, kind="stable")
    keys, starts = np.unique(key[order], return_index=True)
    sums = group_sums(np.append(starts, len(key)), missed[order])
    wrong = keys[sums != 0] // targets.shape[1]
    if len(wrong):
        raise IfmError(f"the formula chosen for target {wrong[0]} is wrong; please report this design")


def require_sum(
    rows: Sequence[Mapping[int, Fraction]], exponents: Mapping[int, Fraction], target: Mapping[int, Fraction]
) -> None:
    """The same check of one combination of rows in fractions.

    >>> require_sum([{0: Fraction(1, 3)}], {0: Fraction(3)}, {0: Fraction(1)})
    """
    missed = dict(target)
    for row, q in exponents.items():
        for column, value in rows[row].items():
            missed[column] = missed.get(column, Fraction(0)) - q * value
    if any(missed.values()):
        raise IfmError("the formula chosen for a target is wrong; please report this design")


def from_maps(maps: Sequence[dict[int, Fraction]]) -> Solutions:
    """Solutions in columns from row index to exponent, one map a target."""
    kept = [sorted((row, q) for row, q in found.items() if q) for found in maps]
    flat = [term for terms in kept for term in terms]
    return Solutions.of(
        [len(terms) for terms in kept],
        np.ones(len(kept), dtype=bool),
        np.array([row for row, _ in flat], dtype=np.int64),
        narrowed([q.numerator for _, q in flat]),
        narrowed([q.denominator for _, q in flat]),
    )
