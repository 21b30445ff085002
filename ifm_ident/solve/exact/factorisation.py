"""An exact factorisation of a sparse integer matrix: rounds of unit pivots, then a dense core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, Ragged
from ifm_ident.solve.exact._dense import DenseCore
from ifm_ident.solve.exact._elimination import DENSE_AREA, Round, eliminate


@dataclass(frozen=True, eq=False)
class Solutions(Ragged, entries=("row", "numerator", "denominator"), rows=("solvable",)):
    """Exact solutions of q A = b for n targets, in compressed rows; rows without a solution are empty.

    solvable: shape (n,); indptr, row, numerator, denominator: `row` indexes the rows of A, ascending within a
    target; fractions are reduced, denominators positive; int64, or object arrays of Python integers.
    """

    solvable: NDArray[np.bool_]
    row: Ints
    numerator: NDArray[np.int64] | NDArray[np.object_]
    denominator: NDArray[np.int64] | NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Factorisation:
    """matrix: int64, shape (m, c); rounds of unit pivots; the core on core_rows and core_columns.

    basis: the lexicographically first independent rows, ascending.
    """

    matrix: csr_array
    rounds: tuple[Round, ...]
    core: DenseCore
    core_rows: Ints
    core_columns: Ints
    basis: Ints

    @classmethod
    def of(cls, matrix: csr_array, dense_area: int = DENSE_AREA, prime: int | None = None) -> Factorisation:
        """Factor a matrix; `dense_area` is the size below which a core goes straight to dense arithmetic.

        prime: what the core tries first, see `DenseCore`.
        """
        matrix = csr_array(matrix, dtype=np.int64)
        matrix.sort_indices()
        done = eliminate(matrix, dense_area)
        rows = np.flatnonzero(np.diff(done.core.indptr)).astype(np.int64)
        columns = np.unique(done.core.indices).astype(np.int64)
        core = DenseCore(block(done.core, rows, columns), prime)
        basis = np.sort(np.concatenate([*(r.rows for r in done.rounds), rows[core.rows]])).astype(np.int64)
        return cls(matrix, done.rounds, core, rows, columns, basis)

    def reduce(self, batch: csr_array) -> tuple[list[csr_array], csr_array]:
        """Every round's multipliers for a batch of rows (n, c), and what is left of the batch."""
        forward = []
        for step in self.rounds:
            multipliers, batch = step.forward(batch)
            forward.append(multipliers)
        return forward, batch


def block(matrix: csr_array, rows: Ints, columns: Ints) -> NDArray[np.int64]:
    """The dense submatrix on some rows and columns."""
    dense: NDArray[np.int64] = csr_array(csr_array(matrix[rows])[:, columns]).toarray()
    return dense


def row_entries(matrix: csr_array, row: int) -> dict[int, int]:
    """Column to entry, in Python integers, of one row of a row-compressed matrix (or column of the other kind)."""
    start, stop = matrix.indptr[row], matrix.indptr[row + 1]
    return dict(zip(matrix.indices[start:stop].tolist(), matrix.data[start:stop].tolist(), strict=True))
