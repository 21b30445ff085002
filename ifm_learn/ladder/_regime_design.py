"""The columns of a linear predictor over regimes: baseline coordinates that training tells apart.

Theory: docs/theory/model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, lapack
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.solve import BaselineSystem, float_rows, incidence_of

DENSE = 1500
"""Normal matrices of more columns than this are factored as sparse ones."""

LARGEST_CORE = 8000
_TOLERANCE = 1e-8


@dataclass(frozen=True, eq=False)
class RegimeDesign:
    """Independent baseline coordinates of some factors, and the others as sums of them.

    kept: the chosen columns of `system`, ascending, shape (rank,). train: the rows of the training regimes, shape
    (m, rank), of full column rank. lost: columns that training shows but cannot tell apart from kept ones;
    `mixing`, shape (rank, lost), says which of these each equals on the training regimes.

    >>> from ifm_ident import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",))))
    >>> design = RegimeDesign.of(model, (0, 1), Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> design.rank, design.rows(Regimes.from_codes(np.array([[1, 1]]))).toarray().tolist()
    (3, [[1.0, 1.0, 1.0]])
    >>> short = RegimeDesign.of(model, (0, 1), Regimes.from_codes(np.array([[0, 0], [1, 1]])))
    >>> short.rows(Regimes.from_codes(np.array([[1, 0]])))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regime 0 is not identified by the training regimes (its coordinates are no \
combination of theirs); ask `ifm identify` first
    """

    system: BaselineSystem
    kept: Ints
    lost: Ints
    mixing: csr_array
    train: csr_array

    @classmethod
    def of(cls, model: Model, factors: tuple[int, ...], train: Regimes) -> RegimeDesign:
        """The coordinates of the factors (indices into `model.factors`) at the training regimes."""
        system = incidence_of(model, factors, train, spread=True)
        every = csc_array(float_rows(system, train)[0])
        shown = np.flatnonzero(np.diff(every.indptr)).astype(np.int64)
        used = csr_array(every[:, shown])
        peeled, open_rows = _peel(used)
        core = np.flatnonzero(~peeled)
        chosen, mixing = _independent(used[open_rows][:, core])
        keep = np.sort(np.concatenate([np.flatnonzero(peeled), core[chosen]])).astype(np.int64)
        lost = np.setdiff1d(core, core[chosen]).astype(np.int64)
        place = np.searchsorted(keep, core[chosen])
        entry = csr_array(mixing)
        coo = entry.tocoo()
        wide = csr_array((coo.data, (place[coo.row], coo.col)), shape=(len(keep), len(lost)))
        return cls(system, shown[keep], shown[lost], wide, csr_array(used[:, keep]))

    @property
    def rank(self) -> int:
        """How many coordinates training determines."""
        return len(self.kept)

    def rows(self, regimes: Regimes) -> csr_array:
        """The kept coordinates of regimes, shape (r, rank); InputError names a regime that is not identified."""
        every, unseen = float_rows(self.system, regimes)
        columns = csc_array(every)
        rows = csr_array(columns[:, self.kept])
        known = np.zeros(self.system.columns, dtype=bool)
        known[self.kept] = known[self.lost] = True
        never = np.asarray(abs(columns[:, np.flatnonzero(~known)]).sum(axis=1)).ravel()
        apart = np.asarray(abs(rows @ self.mixing - columns[:, self.lost]).sum(axis=1)).ravel()
        size = np.maximum(np.asarray(abs(columns).max(axis=1).todense()).ravel(), 1.0)
        wrong = np.flatnonzero((unseen >= 0) | (never > 0) | (apart > 1e-6 * size))
        if len(wrong):
            raise InputError(
                f"regime {int(wrong[0])} is not identified by the training regimes (its coordinates are no "
                "combination of theirs); ask `ifm identify` first"
            )
        return rows


@dataclass(frozen=True, eq=False)
class Normal:
    """A positive definite matrix, factored once: dense up to `DENSE` columns, sparse beyond.

    >>> Normal(csr_array(np.diag([2.0, 4.0]))).solve(np.array([[2.0], [2.0]])).ravel().round(9).tolist()
    [1.0, 0.5]
    """

    matrix: csr_array

    @cached_property
    def _factor(self) -> Any:
        if self.matrix.shape[0] <= DENSE:
            return cho_factor(self.matrix.toarray())
        return splu(csc_array(self.matrix), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})

    def solve(self, right: Floats) -> Floats:
        """matrix^-1 right, shape (rank, k)."""
        if self.matrix.shape[0] <= DENSE:
            solved: Floats = cho_solve(self._factor, right)
        else:
            solved = self._factor.solve(np.ascontiguousarray(right))
        return solved


def gram(rows: csr_array, weight: Floats) -> csr_array:
    """rows' diag(weight) rows, shape (rank, rank).

    >>> gram(csr_array(np.array([[1.0, 0.0], [1.0, 1.0]])), np.array([2.0, 3.0])).toarray().tolist()
    [[5.0, 3.0], [3.0, 3.0]]
    """
    scaled = rows.copy()
    scaled.data = scaled.data * np.repeat(weight, np.diff(rows.indptr))
    return csr_array(rows.T @ scaled)


def _peel(matrix: csr_array) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Columns that are independent because some row, in turn, shows them alone; and the rows not used for it.

    A row is used up by the one column that earlier rows left in it, so used rows are zero in all other columns.
    """
    by_column = csc_array(matrix)
    left = np.diff(matrix.indptr).astype(np.int64)
    done = np.zeros(matrix.shape[1], dtype=bool)
    open_rows = np.ones(matrix.shape[0], dtype=bool)
    queue = np.flatnonzero(left == 1).tolist()
    while queue:
        row = queue.pop()
        if left[row] != 1 or not open_rows[row]:
            continue
        held = matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]
        column = int(held[~done[held]][0])
        done[column], open_rows[row] = True, False
        touched = by_column.indices[by_column.indptr[column] : by_column.indptr[column + 1]]
        left[touched] -= 1
        queue.extend(touched[left[touched] == 1].tolist())
    return done, open_rows


def _independent(core: csr_array) -> tuple[Ints, Floats]:
    """A largest set of independent columns, ascending, and the other columns as sums of them, (chosen, others)."""
    columns = core.shape[1]
    if columns > LARGEST_CORE:
        raise InputError(
            f"{columns:,} coordinates of the factors hang together (limit {LARGEST_CORE:,}); use smaller factors, "
            "or add the training regimes with one intervention each, which tell them apart"
        )
    if not columns:
        return np.empty(0, dtype=np.int64), np.empty((0, 0))
    product = (core.T @ core).toarray()
    _, pivots, rank, _ = lapack.dpstrf(product, tol=_TOLERANCE * max(float(product.max()), 1.0))
    order = (pivots - 1).astype(np.int64)
    chosen, others = np.sort(order[:rank]), np.sort(order[rank:])
    if not rank:
        return chosen, np.zeros((0, len(others)))
    mixing = cho_solve(cho_factor(product[np.ix_(chosen, chosen)]), product[np.ix_(chosen, others)])
    return chosen, np.where(np.abs(mixing) < _TOLERANCE, 0.0, mixing)
