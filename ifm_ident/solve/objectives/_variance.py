"""The formula of least variance: exact weighted least squares, factored once for all targets.

Theory: docs/theory/choosing.md.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, owners
from ifm_ident.errors import IfmError
from ifm_ident.solve.exact._dense import solve_left
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.products import product, scaled
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.objectives._training_rows import TrainingRows
from ifm_ident.solve.objectives.exact_columns import (
    Integers,
    Ratios,
    WideRows,
    combine,
    from_maps,
    group_sums,
    times,
    to_common,
)

KERNEL_SIDE = 128
"""Up to this many free dimensions the normal equations may be those of the kernel."""

_CHUNK = 2_000_000
_BATCH = 64


def least_variance(
    rows: TrainingRows, targets: csr_array, start: Solutions, sizes: Ints
) -> tuple[Solutions, Ratios]:
    """For every target the q with q A = b that has the least sum q_i^2 / sizes[i], which is unique; and that sum.

    targets: shape (n, c), all in the row space; start: any solution of each; sizes: positive, shape (m,).
    The optimality condition, q_i / sizes[i] orthogonal to the left kernel, holds by construction.

    >>> rows = TrainingRows(csr_array(np.array([[1, 0], [1, 1], [1, 1]])))
    >>> target = csr_array(np.array([[1, 1]]))
    >>> start = RowSpace(rows.matrix).solve(target)
    >>> found, least = least_variance(rows, target, start, np.array([10, 10, 30]))
    >>> found.row.tolist(), found.numerator.tolist(), found.denominator.tolist(), least[0]
    ([1, 2], [1, 3], [4, 4], Fraction(1, 40))
    """
    weighted = csr_array(scaled(rows.reduced, sizes, 0).T)
    gram = product(weighted, rows.reduced)
    freedom = rows.matrix.shape[0] - rows.rank
    if rows.kernel is not None and freedom <= min(rows.rank, KERNEL_SIDE):
        slopes = _slopes(rows.kernel, sizes)
        inner = _dense(combine(slopes.indptr, slopes.indices, slopes.data, rows.kernel), (freedom, freedom))
        if _bits(inner.diagonal()) <= _bits(gram.diagonal()):
            found = _by_kernel(rows.kernel, slopes, inner, start)
            return found, variances(found, sizes)
    return _by_rows(weighted, gram, csr_array(targets[:, rows.columns]))


def _bits(diagonal: Integers) -> int:
    """How long the determinant of a positive definite matrix may be (Hadamard)."""
    return sum(int(value).bit_length() for value in diagonal.tolist())


def _by_rows(weighted: csr_array, gram: csr_array, targets: csr_array) -> tuple[Solutions, Ratios]:
    """q = diag(sizes) A y with A^T diag(sizes) A y = b, and sum q_i^2 / sizes[i] = b·y."""
    multipliers = _solve_gram(gram, targets)
    numerator, common = to_common(multipliers.indptr, multipliers.numerator, multipliers.denominator)
    group, row, value = combine(multipliers.indptr, multipliers.row, numerator, weighted)
    wanted = np.asarray(targets.toarray()[multipliers.owners, multipliers.row])
    least = Ratios.reduced(group_sums(multipliers.indptr, times(numerator, wanted)), common)
    return _solutions(group, row, value, common, targets.shape[0]), least


def _solve_gram(gram: csr_array, targets: csr_array) -> Solutions:
    """Solutions of the normal equations: from a table where the inverse is small, else lifted."""
    space = RowSpace(gram)
    if space.is_small:
        return space.solve(targets)
    dense, answers = gram.toarray(), []
    for first in range(0, targets.shape[0], _BATCH):
        answers += solve_left(dense, csr_array(targets[first : first + _BATCH]).toarray().tolist())
    return from_maps([{j: Fraction(y, below) for j, y in enumerate(above)} for above, below in answers])


def _slopes(kernel: csr_array, sizes: Ints) -> WideRows:
    """Rows diag(1 / sizes) K_j of the kernel's columns, each times the least integer that makes it whole."""
    flipped = csr_array(kernel.T)
    flipped.sort_indices()
    indptr, row = flipped.indptr.astype(np.int64), flipped.indices.astype(np.int64)
    ones = np.ones(len(row), dtype=np.int64)
    whole, _ = to_common(indptr, ones, sizes[row])
    return WideRows(indptr, row, times(flipped.data, whole), flipped.shape)


def _by_kernel(kernel: csr_array, slopes: WideRows, inner: NDArray[np.object_], start: Solutions) -> Solutions:
    """q = q0 - K z with slopes·(q0 - K z) = 0."""
    numerator, common = to_common(start.indptr, start.numerator, start.denominator)
    falls = combine(start.indptr, start.row, numerator, slopes.transposed())
    moved = np.unique(falls[0])
    inverse, determinant = _adjugate(inner)
    freedom = kernel.shape[1]
    parts = [_only(start.indptr, start.row, numerator, np.setdiff1d(np.arange(len(common)), moved))]
    by_column = kernel.tocoo()
    step = max(1, _CHUNK // kernel.shape[0])
    for first in range(0, len(moved), step):
        chosen = moved[first : first + step]
        low, high = np.searchsorted(falls[0], [chosen[0], chosen[-1] + 1])
        at = np.searchsorted(chosen, falls[0][low:high])
        fall = _dense((at, falls[1][low:high], falls[2][low:high]), (len(chosen), freedom))
        shift = fall @ inverse.T
        group, row, value = _only(start.indptr, start.row, numerator, chosen)
        place = np.searchsorted(chosen, group)
        dense = _dense((place, row, value * determinant), (len(chosen), kernel.shape[0]))
        for i, j, k in zip(by_column.row.tolist(), by_column.col.tolist(), by_column.data.tolist(), strict=True):
            dense[:, i] -= k * shift[:, j]
        at, row = np.nonzero(dense)
        parts.append((chosen[at], row.astype(np.int64), dense[at, row]))
    scale = np.ones(len(common), dtype=object)
    scale[moved] = determinant
    group, row, value = (np.concatenate(piece) for piece in zip(*parts, strict=True))
    order = np.argsort(group, kind="stable")
    found = _solutions(group[order], row[order], value[order], times(common, scale), len(common))
    numerator, _ = to_common(found.indptr, found.numerator, found.denominator)
    if len(combine(found.indptr, found.row, numerator, slopes.transposed())[0]):
        raise IfmError("a formula chosen for its variance misses the least one; please report this design")
    return found


def _dense(entries: tuple[Ints, Ints, Integers], shape: tuple[int, int]) -> NDArray[np.object_]:
    """A dense matrix of Python integers from rows, columns and values."""
    matrix = np.zeros(shape, dtype=object)
    matrix[entries[0], entries[1]] = entries[2]
    return matrix


def _adjugate(matrix: NDArray[np.object_]) -> tuple[NDArray[np.object_], int]:
    """(N, d) with matrix N = d I, d > 0, by fraction-free elimination (Bareiss).

    For a positive definite matrix, its rows scaled by positive integers: no leading minor is zero.

    >>> _adjugate(np.array([[2, 1], [1, 2]], dtype=object))
    (array([[2, -1],
           [-1, 2]], dtype=object), 3)
    """
    size = len(matrix)
    work = np.zeros((size, 2 * size), dtype=object)
    work[:, :size] = matrix
    work[np.arange(size), size + np.arange(size)] = 1
    previous = 1
    for k in range(size):
        pivot, row = work[k, k], work[k].copy()
        work = (work * pivot - np.outer(work[:, k], row)) // previous
        work[k] = row
        previous = pivot
    return work[:, size:], previous


def _only(
    indptr: Ints, row: Ints, value: NDArray[np.object_], kept: Ints
) -> tuple[Ints, Ints, NDArray[np.object_]]:
    """Group, row and value of the entries of some groups, ascending."""
    owner = owners(indptr)
    mask = np.isin(owner, kept)
    return owner[mask], row[mask], value[mask].astype(object)


def _solutions(
    group: Ints, row: Ints, value: NDArray[np.object_], common: NDArray[np.object_], count: int
) -> Solutions:
    ratios = Ratios.reduced(value, common[group])
    return Solutions.owned(group, count, np.ones(count, dtype=bool), row, ratios.numerator, ratios.denominator)


def variances(found: Solutions, sizes: Ints) -> Ratios:
    """sum q_i^2 / sizes[i] of every solution, exact."""
    square = times(found.numerator, found.numerator)
    below = times(times(found.denominator, found.denominator), sizes[found.row])
    numerator, common = to_common(found.indptr, square, below)
    return Ratios.reduced(group_sums(found.indptr, numerator), common)
