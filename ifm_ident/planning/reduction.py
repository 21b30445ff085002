"""Regimes modulo what training already shows: small integer rows that decide every plan.

Theory: docs/theory/planning.md.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.sparse import csr_array, vstack

from ifm_ident.answer.identification import JOINT
from ifm_ident.arrays import Ints
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, nearest
from ifm_ident.planning._directions import Directions
from ifm_ident.solve.basis_incidence import BasisIncidence, incidence_of
from ifm_ident.solve.exact.products import WouldOverflow, product, select_rows
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.incidence import BaselineSystem
from ifm_ident.solve.long_rows import LongRows

PlanCriterion = Literal["joint", "conditional"]
_SAFE_BITS = 60


def require_criterion(criterion: str) -> None:
    """Raise InputError unless a plan can be made by the criterion.

    >>> require_criterion("auto")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown criterion 'auto' for a plan; legal: joint, conditional
    """
    if criterion not in get_args(PlanCriterion):
        remedy = nearest(criterion, get_args(PlanCriterion))
        raise InputError(f"unknown criterion {criterion!r} for a plan; {remedy}")


def blocks_of(model: Model, criterion: PlanCriterion) -> list[int]:
    """The systems that a criterion asks about: the joint one, or one for each distinct K(v)."""
    return [JOINT] if criterion == "joint" else list(range(len(model.covers)))


class ReducedSystem:
    """One incidence system modulo the row space of free regimes.

    With W an integer basis of {w : A w = 0}, a target b lies in the span of A and further rows C exactly when
    b W lies in the span of C W. Where W has entries too long to keep, W is the identity and A stays as `free` rows
    that every span holds. Where int64 does not hold rows of levels with values, all rows are of limbs
    (docs/theory/doses.md). Regimes that show a cell of a wide factor outside `known` have no row.
    """

    def __init__(self, model: Model, block: int, free: Regimes, known: Regimes) -> None:
        factors = tuple(range(len(model.factors))) if block == JOINT else model.covers[block]
        incidence = incidence_of(model, factors, Regimes.concatenate([free, known]))
        self._incidence: BaselineSystem | LongRows = incidence
        try:
            rows, _ = incidence.rows(free)
            self._space = RowSpace(rows)
            if isinstance(incidence, BasisIncidence) and not self._fits(incidence):
                raise WouldOverflow("rows modulo what training shows have long entries")
        except WouldOverflow:
            assert isinstance(incidence, BasisIncidence)
            self._incidence = LongRows(incidence)
            rows = csr_array(vstack([self._incidence.carries, self._incidence.rows(free)[0]], format="csr"))
            self._space = RowSpace(rows)
        self.is_quotient = self._space.is_small and not isinstance(self._incidence, LongRows)
        width = self._space.kernel.shape[1] if self.is_quotient else rows.shape[1]
        kept = csr_array((0, width), dtype=np.int64)
        self.free = kept if self.is_quotient else csr_array(rows[self._space.basis])
        self.directions = Directions(width)

    def _fits(self, incidence: BasisIncidence) -> bool:
        """Whether int64 is sure to hold the rows of regimes, of levels known by now, and these modulo training."""
        bits = incidence.most_bits()
        if self._space.is_small and self._space.kernel.nnz:
            largest = int(np.abs(self._space.kernel.data).max())
            bits += largest.bit_length() + incidence.columns.bit_length()
        return bits < _SAFE_BITS

    def number(self, regimes: Regimes) -> Ints:
        """The direction of every regime, shape (n,): 0 when the free regimes span it, -1 when it has no row."""
        rows, unseen = self._incidence.rows(regimes)
        seen = np.flatnonzero(unseen < 0)
        if len(seen) < len(regimes):
            rows = csr_array(rows[seen])
        if self.is_quotient:
            rows = product(rows, self._space.kernel)
        else:
            rows = select_rows(rows, np.flatnonzero(~self._space.holds(rows)))
        numbers = np.full(len(regimes), -1, dtype=np.int64)
        numbers[seen] = self.directions.number(rows)
        return numbers


class Reduction:
    """All systems of a criterion modulo some free regimes.

    known: regimes that show every cell of a wide factor that targets and candidates may show.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> every = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> Reduction(model, "joint", every.take(slice(1)), every).number(every).tolist()
    [[0], [1], [2], [3]]
    """

    def __init__(self, model: Model, criterion: PlanCriterion, free: Regimes, known: Regimes) -> None:
        self.model = model
        self.systems = [ReducedSystem(model, block, free, known) for block in blocks_of(model, criterion)]

    def number(self, regimes: Regimes) -> Ints:
        """The directions of every regime, shape (n, systems)."""
        return np.stack([system.number(regimes) for system in self.systems], axis=1)
