"""Incidence rows whose numbers int64 does not hold, in rows of limbs that it does (docs/theory/doses.md).

A whole number is the sum of its limbs times powers of 2^BITS. Column j becomes one column for each limb, and rows
e_(j,d) 2^BITS - e_(j,d+1) say that a limb is worth 2^BITS of the one below: modulo these `carries` the rows of
limbs are the rows themselves, and a span that holds the carries answers questions of rank and span as they would.
"""

from __future__ import annotations

from math import lcm

import numpy as np
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve.basis_incidence import BasisIncidence

BITS = 30
MOST_COLUMNS = 4096
"""Rows of more limbs than this are refused: eliminations would take hours."""


class LongRows:
    """Rows of limbs, and the carries among them, for all levels that the model knows by now.

    Raises InputError where that takes more than MOST_COLUMNS columns.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> dose = Intervention("dose", (0, 1, "1234567890123/7"), Basis("poly", degree=1))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> train = Regimes.from_codes(np.array([[0], [1], [2]]))
    >>> long = LongRows(BasisIncidence(model, (0,), train))
    >>> long.rows(train)[0].toarray().tolist()
    [[1, 0, 0, 0], [1, 0, 1, 0], [7, 0, 838534347, 1149]]
    >>> long.carries.toarray().tolist()
    [[1073741824, -1, 0, 0], [0, 0, 1073741824, -1]]
    """

    def __init__(self, incidence: BasisIncidence) -> None:
        self._incidence = incidence
        self._limbs = -(-(incidence.most_bits() + 1) // BITS)
        columns = incidence.columns * self._limbs
        if columns > MOST_COLUMNS:
            raise InputError(
                f"not for numbers this long: a question about {incidence.columns:,} products of basis functions "
                f"with values of up to {incidence.most_bits():,} bits; write levels with fewer digits"
            )
        at = np.arange(columns, dtype=np.int64).reshape(incidence.columns, self._limbs)
        pairs = np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()], axis=1)
        values = np.tile(np.array([2**BITS, -1], dtype=np.int64), len(pairs))
        bounds = row_bounds(np.full(len(pairs), 2))
        self.carries = csr_array((values, pairs.ravel(), bounds), shape=(len(pairs), columns))

    def rows(self, regimes: Regimes) -> tuple[csr_array, Ints]:
        """Rows of limbs, each regime's times the least number that makes it whole, and `unseen` as of `rows`."""
        sizes: list[int] = []
        columns: list[int] = []
        entries: list[int] = []
        for row in self._incidence.fraction_rows(regimes):
            common = lcm(1, *(value.denominator for value in row.values()))
            before = len(columns)
            for column, value in sorted(row.items()):
                whole = int(value * common)
                sign, left = (-1 if whole < 0 else 1), abs(whole)
                for limb in range(self._limbs):
                    left, digit = divmod(left, 2**BITS)
                    if digit:
                        columns.append(column * self._limbs + limb)
                        entries.append(sign * digit)
                assert not left  # every level was known when limbs were counted
            sizes.append(len(columns) - before)
        indices = np.array(columns, dtype=np.int64)
        shape = (len(sizes), self._incidence.columns * self._limbs)
        rows = csr_array((np.array(entries, dtype=np.int64), indices, row_bounds(sizes)), shape=shape)
        return rows, self._incidence.unseen(regimes)
