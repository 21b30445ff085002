"""Directions: integer rows up to a nonzero multiple, each distinct one with a number of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.solve.exact.products import difference

_NO_FINGERPRINTS = np.empty(0, dtype=np.uint64)


class Directions:
    """Numbers the distinct directions of rows with `columns` entries; number 0 is the zero row.

    `rows` holds the primitive row of every number (gcd 1, first entry positive), shape (numbers, columns).

    >>> seen = Directions(2)
    >>> seen.number(csr_array(np.array([[2, -4], [0, 0], [-1, 2], [0, 3]]))).tolist()
    [1, 0, 1, 2]
    >>> seen.rows.toarray().tolist()
    [[0, 0], [1, -2], [0, 1]]
    """

    def __init__(self, columns: int) -> None:
        self._parts = [csr_array((1, columns), dtype=np.int64)]
        self._salt = 0
        self._count = 1
        self._sorted, self._place = _NO_FINGERPRINTS, np.empty(0, dtype=np.int64)
        self._number_rows(self.rows)

    @property
    def rows(self) -> csr_array:
        """The primitive row of every number."""
        if len(self._parts) > 1:
            self._parts = [_stack(self._parts)]
        return self._parts[0]

    def __len__(self) -> int:
        return self._count

    def number(self, rows: csr_array) -> Ints:
        """The number of every row's direction, shape (n,); new directions get the next numbers, in row order."""
        rows = primitive(rows)
        while True:
            numbers = self._try(rows)
            if numbers is not None:
                return numbers
            self._salt += 1
            self._number_rows(self.rows)

    def _number_rows(self, rows: csr_array) -> None:
        prints = _fingerprints(rows, self._salt)
        self._place = np.argsort(prints, kind="stable").astype(np.int64)
        self._sorted = prints[self._place]

    def _try(self, rows: csr_array) -> Ints | None:
        """Numbers by fingerprint, every one compared entry by entry; None if two rows share a fingerprint."""
        prints, first, group = np.unique(_fingerprints(rows, self._salt), return_index=True, return_inverse=True)
        if len(first) < rows.shape[0] and difference(rows, csr_array(rows[first[group]])).nnz:
            return None
        at = np.minimum(np.searchsorted(self._sorted, prints), len(self._sorted) - 1)
        known = self._sorted[at] == prints
        numbers = np.where(known, self._place[at], -1)
        distinct = csr_array(rows[first])
        if difference(csr_array(distinct[known]), csr_array(self.rows[numbers[known]])).nnz:
            return None
        fresh = np.flatnonzero(~known)
        fresh = fresh[np.argsort(first[fresh], kind="stable")]
        numbers[fresh] = self._count + np.arange(len(fresh))
        if len(fresh):
            self._parts.append(csr_array(distinct[fresh]))
            self._count += len(fresh)
            prints = np.concatenate([self._sorted, prints[fresh]])
            place = np.concatenate([self._place, numbers[fresh]])
            order = np.argsort(prints, kind="stable")
            self._sorted, self._place = prints[order], place[order]
        result: Ints = numbers[group].astype(np.int64)
        return result


def primitive(rows: csr_array) -> csr_array:
    """The rows divided by the gcd of their entries, the first entry of each made positive; no stored zeros."""
    rows = csr_array(rows, dtype=np.int64, copy=True)
    rows.eliminate_zeros()
    rows.sort_indices()
    starts = rows.indptr[:-1][np.diff(rows.indptr) > 0]
    if rows.nnz:
        divisor = np.gcd.reduceat(np.abs(rows.data), starts) * np.sign(rows.data[starts])
        rows.data //= np.repeat(divisor, np.diff(np.append(starts, rows.nnz)))
    return rows


def _fingerprints(rows: csr_array, salt: int) -> NDArray[np.uint64]:
    key = (rows.indices.astype(np.uint64) + np.uint64(salt << 40) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key = (key ^ (key >> np.uint64(31))) * rows.data.astype(np.uint64)
    total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(key, dtype=np.uint64)])
    prints: NDArray[np.uint64] = total[rows.indptr[1:]] - total[rows.indptr[:-1]]
    return prints


def _stack(parts: list[csr_array]) -> csr_array:
    indptr = row_bounds(np.concatenate([np.diff(p.indptr) for p in parts]))
    return csr_array(
        (np.concatenate([p.data for p in parts]), np.concatenate([p.indices for p in parts]), indptr),
        shape=(len(indptr) - 1, parts[0].shape[1]),
    )
