"""The row space of a sparse integer matrix: factor once, answer many questions exactly (docs/theory/joint.md).

Where inverse and kernel have small entries they are kept as two sparse integer matrices, and every answer is a
sparse product; where they have not (random pooled designs), answers are lifted one by one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, eye_array

from ifm_ident.arrays import Ints, owners
from ifm_ident.errors import IfmError
from ifm_ident.solve.exact._elimination import DENSE_AREA
from ifm_ident.solve.exact._lifting import UNLUCKY, LiftedAnswers
from ifm_ident.solve.exact.factorisation import Factorisation, Solutions, row_entries
from ifm_ident.solve.exact.products import WouldOverflow, difference, product, scaled, select_rows

_FILL_LIMIT = 200_000_000
_TALL = 4


class TableAnswers:
    """Answers by sparse products with an inverse table N / d and a kernel table W, all entries int64.

    q = b N / d for b in the row space, and b lies in it exactly when b W = 0. Raises WouldOverflow when the tables
    would not fit.
    """

    def __init__(self, factorisation: Factorisation) -> None:
        if factorisation.core.inverse is None:
            raise WouldOverflow("the inverse of the core has long entries")
        self._matrix = factorisation.matrix
        self._inverse, self._denominator = _inverse_table(factorisation)
        self.kernel = _kernel_table(factorisation)

    def holds(self, targets: csr_array) -> NDArray[np.bool_]:
        """Which targets, shape (n, c), lie in the row space; shape (n,)."""
        inside: NDArray[np.bool_] = np.diff(product(targets, self.kernel).indptr) == 0
        return inside

    def solve(self, targets: csr_array) -> Solutions:
        """The solution on the basis rows for every target, checked in integers against A."""
        denominator = self._denominator
        numerators = product(targets, self._inverse)
        wanted = scaled(targets, np.full(targets.shape[0], denominator, dtype=np.int64), 0)
        missed = difference(product(numerators, self._matrix), wanted)
        solvable = np.diff(missed.indptr) == 0
        if not solvable.all():
            numerators = select_rows(numerators, np.flatnonzero(solvable))
        numerators.sort_indices()
        above, below = numerators.data, np.full(numerators.nnz, denominator, dtype=np.int64)
        if denominator != 1:
            divisor = np.gcd(above, below)
            above, below = above // divisor, below // divisor
        return Solutions(
            numerators.indptr.astype(np.int64), solvable, numerators.indices.astype(np.int64), above, below
        )

    def separate(self, targets: csr_array) -> tuple[Ints, list[dict[int, int]]]:
        """Each target's shortest kernel vector (index, shape (n,)) and the vectors, column to weight."""
        value = product(targets, self.kernel)
        if np.any(np.diff(value.indptr) == 0):
            raise ValueError("a target lies in the row space: nothing separates it")
        by_column = csc_array(self.kernel)
        length = np.diff(by_column.indptr)[value.indices].astype(np.int64)
        order = np.lexsort((value.indices, length, owners(value.indptr)))
        shortest = value.indices[order[value.indptr[:-1]]]
        columns, index = np.unique(shortest, return_inverse=True)
        return index.astype(np.int64), [row_entries(by_column, int(j)) for j in columns]


def _inverse_table(factored: Factorisation) -> tuple[csr_array, int]:
    """N, shape (c, m) on the basis rows, and d: the solution of every unit row b, where it has one."""
    assert factored.core.inverse is not None
    numerators, denominator = factored.core.inverse
    height, width = factored.matrix.shape
    forward, rest = factored.reduce(csr_array(eye_array(width, dtype=np.int64, format="csr")))
    rows = factored.core_rows[factored.core.rows]
    columns = factored.core_columns[factored.core.columns]
    place = np.repeat(columns, len(rows)), np.tile(rows, len(columns))
    scatter = csr_array((numerators.ravel(), place), shape=(width, height))
    scatter.eliminate_zeros()
    inverse = product(rest, scatter)
    for step, multipliers in zip(reversed(factored.rounds), reversed(forward), strict=True):
        whole = scaled(multipliers, np.full(width, denominator, dtype=np.int64), 0)
        own = difference(whole, product(inverse, step.lower))
        count = len(step.rows)
        ones = np.ones(count, dtype=np.int64)
        inverse = csr_array(
            inverse + csr_array(own @ csr_array((ones, (np.arange(count), step.rows)), shape=(count, height)))
        )
        if inverse.nnz > _FILL_LIMIT:
            raise WouldOverflow("the inverse is too dense to keep")
    inverse.sort_indices()
    return inverse, denominator


def _kernel_table(factored: Factorisation) -> csr_array:
    """Primitive integer kernel vectors as columns, shape (c, c - rank), ordered by free column."""
    width = factored.matrix.shape[1]
    core_kernel = factored.core.small_kernel()
    if core_kernel.size and max(abs(int(core_kernel.min())), abs(int(core_kernel.max()))) >= 2**61:
        raise WouldOverflow("a kernel entry leaves int64")
    pivots = np.concatenate([*(r.columns for r in factored.rounds), factored.core_columns])
    untouched = np.setdiff1d(np.arange(width), pivots)
    free = np.concatenate([factored.core_columns[factored.core.free], untouched])
    place = np.argsort(np.argsort(free))
    at, which = np.nonzero(core_kernel)
    entries = np.concatenate([core_kernel[at, which].astype(np.int64), np.ones(len(untouched), dtype=np.int64)])
    rows = np.concatenate([factored.core_columns[at], untouched])
    columns = np.concatenate([place[which], place[len(free) - len(untouched) :]])
    kernel = csr_array((entries, (rows, columns)), shape=(width, len(free)))
    for step in reversed(factored.rounds):
        kernel = difference(kernel, product(step.pivot_columns, product(step.upper, kernel)))
        if kernel.nnz > _FILL_LIMIT:
            raise WouldOverflow("the kernel is too dense to keep")
    by_column = csc_array(kernel)
    if by_column.nnz:
        divisor = np.gcd.reduceat(by_column.data, by_column.indptr[:-1])
        by_column.data //= np.repeat(divisor, np.diff(by_column.indptr))
    return csr_array(by_column)


class RowSpace:
    """Row space of an int64 matrix A, shape (m, c).

    `basis` holds the lexicographically first independent rows: solutions use these and no others, so they depend
    on the order of the rows alone.

    >>> space = RowSpace(csr_array(np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1]])))
    >>> space.rank, space.basis.tolist()
    (3, [0, 1, 2])
    >>> answer = space.solve(csr_array(np.array([[1, 1, 1], [0, 1, 0]])))
    >>> answer.row.tolist(), answer.numerator.tolist()
    ([0, 1, 2, 0, 1], [-1, 1, 1, -1, 1])
    """

    def __init__(self, matrix: csr_array, dense_area: int = DENSE_AREA) -> None:
        height, width = matrix.shape
        chosen = np.arange(height)
        if height > _TALL * width:
            chosen = _spanning_rows(csr_array(matrix), dense_area)
        factored = Factorisation.of(csr_array(matrix[chosen]) if len(chosen) < height else matrix, dense_area)
        self._chosen = chosen
        self._matrix = factored.matrix
        self._core = factored.core
        self.basis: Ints = chosen[factored.basis]
        self._answers: TableAnswers | LiftedAnswers
        try:
            self._answers = TableAnswers(factored)
        except WouldOverflow:
            self._answers = LiftedAnswers(factored)

    @cached_property
    def _dense_answers(self) -> LiftedAnswers:
        """For questions whose sparse arithmetic would leave int64: everything in the dense core's big integers."""
        whole = self._matrix.shape[0] * self._matrix.shape[1]
        return LiftedAnswers(Factorisation.of(self._matrix, whole, self._core.prime))

    @property
    def is_small(self) -> bool:
        """Whether answers are sparse products; otherwise they are lifted one by one."""
        return isinstance(self._answers, TableAnswers)

    @cached_property
    def rank(self) -> int:
        """The rank of A over the rationals, proven."""
        self.require_rank()
        return len(self.basis)

    def require_rank(self) -> None:
        """Prove the rank: that a target has no solution rests on it until a kernel vector is lifted."""
        if not self._core.rank_is_proven:
            raise IfmError(UNLUCKY)

    @property
    def kernel(self) -> csr_array:
        """Primitive integer basis of {w : A w = 0} as columns, shape (c, c - rank); small entries only."""
        if isinstance(self._answers, TableAnswers):
            return self._answers.kernel
        raise IfmError("the kernel of this design has very long entries; ask for single vectors with separate()")

    def holds(self, targets: csr_array) -> NDArray[np.bool_]:
        """Which targets b, shape (n, c), lie in the row space; exact, shape (n,). No solution is lifted."""
        try:
            return self._answers.holds(targets)
        except WouldOverflow:
            return self._dense_answers.holds(targets)

    def solve(self, targets: csr_array) -> Solutions:
        """The solution on `basis` for every target that has one, checked in integers against A."""
        try:
            found = self._answers.solve(targets)
        except WouldOverflow:
            found = self._dense_answers.solve(targets)
        return replace(found, row=self._chosen[found.row])

    def separate(self, targets: csr_array) -> tuple[Ints, list[dict[int, int]]]:
        """Integer kernel vectors that refuse targets outside the row space.

        Returns the index of each target's vector, shape (n,), and the vectors (column to weight): A w = 0 and
        b·w != 0. Raises ValueError when a target lies in the row space.
        """
        try:
            return self._answers.separate(targets)
        except WouldOverflow:
            return self._dense_answers.separate(targets)


def _spanning_rows(matrix: csr_array, dense_area: int) -> Ints:
    """Rows of a tall matrix that hold its first row basis: blocks of rows, then only those not yet spanned."""
    height, width = matrix.shape
    chosen, start = np.empty(0, dtype=np.int64), 0
    outside = np.arange(height, dtype=np.int64)
    while len(outside):
        chosen = np.concatenate([chosen, outside[: 2 * width + 64]])
        start = int(chosen[-1]) + 1
        factored = Factorisation.of(csr_array(matrix[chosen]), dense_area)
        if factored.core.inverse is None:
            return np.arange(height, dtype=np.int64)
        chosen = chosen[factored.basis]
        later = np.arange(start, height)
        try:
            outside = later[np.diff(product(csr_array(matrix[later]), _kernel_table(factored)).indptr) > 0]
        except WouldOverflow:
            return np.arange(height, dtype=np.int64)
    return chosen
