"""The training rows of one incidence system, made ready for choosing among the formulas of a target.

Theory: docs/theory/choosing.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

from scipy.sparse import csr_array

from ifm_ident.arrays import Ints
from ifm_ident.solve.exact.rowspace import RowSpace


class TrainingRows:
    """Incidence rows of the distinct training regimes, int64, shape (m, c), with exact questions about them.

    >>> import numpy as np
    >>> rows = TrainingRows(csr_array(np.array([[1, 0, 0], [1, 0, 1], [1, 0, 1]])))
    >>> rows.rank, rows.columns.tolist(), rows.kernel.toarray().ravel().tolist()
    (2, [0, 2], [0, -1, 1])
    >>> target = csr_array(np.array([[1, 0, 2]]))
    >>> rows.on(np.array([0, 2]), target)
    {0: Fraction(-1, 1), 2: Fraction(2, 1)}
    >>> rows.on(np.array([0]), target) is None
    True
    """

    def __init__(self, matrix: csr_array) -> None:
        self.matrix = csr_array(matrix)

    @cached_property
    def _transposed(self) -> RowSpace:
        return RowSpace(csr_array(self.matrix.T))

    @property
    def rank(self) -> int:
        """The exact rank."""
        return self._transposed.rank

    @property
    def columns(self) -> Ints:
        """Independent columns that span all columns; the others say nothing new about targets in the row space."""
        return self._transposed.basis

    @cached_property
    def reduced(self) -> csr_array:
        """The rows on the independent columns, shape (m, rank)."""
        return csr_array(self.matrix[:, self.columns])

    @cached_property
    def kernel(self) -> csr_array | None:
        """Integer basis of the differences between two formulas, as columns, shape (m, m - rank); None if long."""
        return self._transposed.kernel if self._transposed.is_small else None

    def on(self, support: Ints, target: csr_array) -> dict[int, Fraction] | None:
        """Exact exponents of one target, shape (1, c), that use rows of `support` only, or None if none do."""
        found = RowSpace(csr_array(self.matrix[support])).solve(target)
        if not found.solvable[0]:
            return None
        rows = support[found.row].tolist()
        pairs = zip(found.numerator.tolist(), found.denominator.tolist(), strict=True)
        return {row: Fraction(*pair) for row, pair in zip(rows, pairs, strict=True)}
