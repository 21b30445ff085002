"""Training regimes that could be dropped without losing a target (docs/theory/planning.md, read backwards)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ifm_ident.deadline import TIME_LIMIT, Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import require_seconds
from ifm_ident.planning._choice import choose
from ifm_ident.planning._spanning import Span, SystemRows, apart
from ifm_ident.planning.reduction import PlanCriterion, require_criterion
from ifm_ident.planning.search import Targets, Watch, plainly
from ifm_ident.solve.basis_incidence import BasisIncidence
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.long_rows import LongRows
from ifm_ident.solve.system import System


@dataclass(frozen=True, eq=False)
class Droppable:
    """Training indices, as written, that no identified target needs.

    each: those that could be dropped by themselves. together: as many as could be found that can all be dropped at
    once. gap: 0 when no larger set can be, else the share of the regimes kept that is not proven necessary.
    """

    criterion: PlanCriterion
    each: tuple[int, ...]
    together: tuple[int, ...]
    gap: Fraction
    identified: int
    targets: int


def droppable(
    design: Design,
    targets: Targets,
    criterion: PlanCriterion = "joint",
    *,
    time_limit: float = TIME_LIMIT,
    watch: Watch = plainly,
) -> Droppable:
    """Which training regimes could go while every target that is identified now stays so.

    Raises InputError for an unknown criterion and a negative `time_limit`, in seconds.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> every = Regimes.from_codes(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> spare = droppable(Design(model, every), lambda: [every])
    >>> spare.each, spare.together, spare.gap
    ((0, 1, 2, 3), (3,), Fraction(0, 1))
    """
    require_criterion(criterion)
    require_seconds(time_limit)
    identifier = Identifier(design)
    systems = [identifier.joint]
    if criterion == "conditional":
        systems = [identifier.conditional(cover) for cover in range(len(design.model.covers))]
    try:
        wanted, identified, count = _read(systems, targets, watch, long=False)
    except WouldOverflow:
        wanted, identified, count = _read(systems, targets, watch, long=True)
    needed = np.zeros(len(design.train), dtype=bool)
    needed[design.distinct] = np.logical_or.reduce([each.needed() for each in wanted])
    repeated = np.bincount(design.first)[design.first] > 1
    blocks = [SystemRows(each.carries, each.targets, each.rows) for each in wanted]
    ones = np.ones(len(design.distinct), dtype=np.int64)
    problem = apart([block for block in blocks if block.targets.nnz], ones)
    deadline = Deadline.after(time_limit)
    choice = choose(problem, lambda: problem, problem.least_cost(), None, deadline, True)
    kept_count = len(choice.chosen)
    return Droppable(
        criterion,
        tuple(np.flatnonzero(repeated | ~needed).tolist()),
        tuple(np.setdiff1d(np.arange(len(design.train)), design.distinct[choice.chosen]).tolist()),
        Fraction(kept_count - choice.bound, kept_count) if kept_count else Fraction(0),
        identified,
        count,
    )


def _read(systems: list[System], targets: Targets, watch: Watch, long: bool) -> tuple[list[_Wanted], int, int]:
    """What the identified targets ask of each system, how many they are, and how many targets there are."""
    if long:  # levels that targets name are known before limbs are counted
        for _ in watch(targets(), "reading levels"):
            pass
    wanted = [_Wanted(system, long) for system in systems]
    identified = count = 0
    for chunk in watch(targets(), "reading targets"):
        held = np.logical_and.reduce([system.holds(chunk) for system in systems])
        kept = chunk.take(np.flatnonzero(held))
        for each in wanted:
            each.add(kept)
        identified += len(kept)
        count += len(chunk)
    return wanted, identified, count


class _Wanted:
    """The span of the identified targets' rows in one system, over `rows` of training.

    carries: rows that every span holds, of limbs where `long` says that int64 does not hold the rows.
    """

    def __init__(self, system: System, long: bool) -> None:
        self.system = system
        self._long: LongRows | None = None
        if long and isinstance(system.incidence, BasisIncidence):
            self._long = LongRows(system.incidence)
            self.rows, self.carries = self._long.rows(system.train)[0], self._long.carries
        else:
            self.rows = system.rows
            self.carries = csr_array((0, self.rows.shape[1]), dtype=np.int64)
        self._span = Span(self.carries)

    @property
    def targets(self) -> csr_array:
        """Rows that, with the carries, span those of the targets."""
        return csr_array(self._span.rows[self.carries.shape[0] :])

    def add(self, identified: Regimes) -> None:
        """Take in a batch of identified regimes."""
        if len(self._span) < self.carries.shape[0] + self.system.rank:
            rows = self.system.target_rows(identified) if self._long is None else self._long.rows(identified)
            self._span.add(rows[0])

    def needed(self) -> NDArray[np.bool_]:
        """Which distinct training regimes no target's combination can do without.

        A row that takes part in a linear relation among training rows can be replaced. Any other has one exponent
        in every target, linear in the target's row: it is needed if it is not zero on the rows that span them.
        """
        first, count = self.carries.shape[0], len(self.system.train)
        if self._long is None:
            space = self.system.whole_space
        else:
            space = RowSpace(csr_array(vstack([self.carries, self.rows], format="csr")))
        basis = space.basis[space.basis >= first] - first
        others = np.setdiff1d(np.arange(count), basis)
        replaceable, used = np.zeros((2, first + count), dtype=bool)
        replaceable[first + others] = True
        if len(others):
            replaceable[space.solve(csr_array(self.rows[others])).row] = True
        if self.targets.shape[0]:
            used[space.solve(self.targets).row] = True
        return (used & ~replaceable)[first:]
