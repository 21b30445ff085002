"""Guarded int64 arithmetic on sparse matrices: a product is exact or refused, never wrapped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import row_bounds

SAFE = 2.0**61
"""Results bounded by this (in float arithmetic, so with a margin) are exact in int64."""


class WouldOverflow(ArithmeticError):
    """An int64 result could not be bounded; the caller falls back to big integers."""


def int64(matrix: csr_array) -> csr_array:
    """The matrix with int64 entries; TypeError where they are no integers or may not fit.

    >>> int64(csr_array(np.array([[2**20]], dtype=np.int32))).dtype
    dtype('int64')
    >>> int64(csr_array([[0.5]]))
    Traceback (most recent call last):
    ...
    TypeError: exact products are of integers that int64 holds, got float64
    """
    if matrix.dtype == np.int64:
        return matrix
    if not np.can_cast(matrix.dtype, np.int64):
        raise TypeError(f"exact products are of integers that int64 holds, got {matrix.dtype}")
    return csr_array(matrix, dtype=np.int64)


def row_maxima(matrix: csr_array) -> NDArray[np.float64]:
    """Largest absolute entry of every row, shape (rows,)."""
    result = np.zeros(matrix.shape[0])
    filled = np.diff(matrix.indptr) > 0
    if matrix.nnz:
        result[filled] = np.maximum.reduceat(np.abs(matrix.data.astype(np.float64)), matrix.indptr[:-1][filled])
    return result


def product(left: csr_array, right: csr_array) -> csr_array:
    """left @ right in int64, without stored zeros; raises WouldOverflow where a bound on an entry is too large.

    >>> product(csr_array([[1, 2]]), csr_array([[3], [4]])).toarray().tolist()
    [[11]]
    >>> product(csr_array([[2**40]]), csr_array([[2**30]]))
    Traceback (most recent call last):
    ...
    ifm_ident.solve.exact.products.WouldOverflow: an entry may reach 2^70
    """
    left, right = int64(left), int64(right)
    if left.nnz and right.nnz:
        size = csr_array((np.abs(left.data.astype(np.float64)), left.indices, left.indptr), shape=left.shape)
        bound = float(np.max(size @ row_maxima(right)))
        if bound >= SAFE:
            raise WouldOverflow(f"an entry may reach 2^{np.log2(bound):.0f}")
    result = csr_array(left @ right)
    result.eliminate_zeros()
    return result


def difference(left: csr_array, right: csr_array) -> csr_array:
    """left - right in int64, without stored zeros, indices sorted; raises WouldOverflow."""
    left, right = int64(left), int64(right)
    largest = sum(float(np.abs(m.data.astype(np.float64)).max(initial=0.0)) for m in (left, right))
    if largest >= SAFE:
        raise WouldOverflow(f"an entry may reach 2^{np.log2(largest):.0f}")
    result = csr_array(left - right)
    result.eliminate_zeros()
    result.sort_indices()
    return result


def scaled(matrix: csr_array, factors: NDArray[np.int64], axis: int) -> csr_array:
    """The matrix with rows (axis 0) or columns (axis 1) multiplied by `factors`; raises WouldOverflow."""
    matrix = int64(matrix)
    if not np.can_cast(factors.dtype, np.int64):
        raise TypeError(f"exact products are of integers that int64 holds, got factors of {factors.dtype}")
    factors = factors.astype(np.int64, copy=False)
    per_entry = np.repeat(factors, np.diff(matrix.indptr)) if axis == 0 else factors[matrix.indices]
    bound = np.abs(matrix.data.astype(np.float64)) * np.abs(per_entry.astype(np.float64))
    if bound.max(initial=0.0) >= SAFE:
        raise WouldOverflow("a scaled entry leaves int64")
    return csr_array((matrix.data * per_entry, matrix.indices, matrix.indptr), shape=matrix.shape)


def select_rows(matrix: csr_array, rows: NDArray[np.int64]) -> csr_array:
    """The chosen rows in place (same shape), all others zero; `rows` ascending."""
    keep = np.zeros(matrix.shape[0], dtype=bool)
    keep[rows] = True
    per_entry = np.repeat(keep, np.diff(matrix.indptr))
    counts = np.where(keep, np.diff(matrix.indptr), 0)
    indptr = row_bounds(counts).astype(matrix.indptr.dtype)
    return csr_array((matrix.data[per_entry], matrix.indices[per_entry], indptr), shape=matrix.shape)
