"""Training regimes that could be dropped without losing a target (docs/theory/planning.md, read backwards)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.deadline import TIME_LIMIT, Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import require_seconds
from ifm_ident.planning._choice import choose
from ifm_ident.planning._spanning import Span, SystemRows, apart
from ifm_ident.planning.reduction import PlanCriterion, require_criterion
from ifm_ident.planning.search import Targets, Watch, plainly
from ifm_ident.solve.identifier import Identifier
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
    wanted = [_Wanted(system) for system in systems]
    identified = count = 0
    for chunk in watch(targets(), "reading targets"):
        held = np.logical_and.reduce([system.holds(chunk) for system in systems])
        kept = chunk.take(np.flatnonzero(held))
        for each in wanted:
            each.add(kept)
        identified += len(kept)
        count += len(chunk)
    needed = np.zeros(len(design.train), dtype=bool)
    needed[design.distinct] = np.logical_or.reduce([each.needed() for each in wanted])
    repeated = np.bincount(design.first)[design.first] > 1
    nothing = [csr_array((0, each.span.rows.shape[1]), dtype=np.int64) for each in wanted]
    blocks = [SystemRows(no, each.span.rows, each.system.rows) for no, each in zip(nothing, wanted, strict=True)]
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


class _Wanted:
    """The span of the identified targets' rows in one system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.span = Span(csr_array((0, system.rows.shape[1]), dtype=np.int64))

    def add(self, identified: Regimes) -> None:
        """Take in a batch of identified regimes."""
        if len(self.span) < self.system.rank:
            self.span.add(self.system.target_rows(identified)[0])

    def needed(self) -> NDArray[np.bool_]:
        """Which distinct training regimes no target's combination can do without.

        A row that takes part in a linear relation among training rows can be replaced. Any other has one exponent
        in every target, linear in the target's row: it is needed if it is not zero on the rows that span them.
        """
        space, count = self.system.whole_space, len(self.system.train)
        others = np.setdiff1d(np.arange(count), space.basis)
        replaceable = np.zeros(count, dtype=bool)
        replaceable[others] = True
        if len(others):
            replaceable[space.solve(csr_array(self.system.rows[others])).row] = True
        used = np.zeros(count, dtype=bool)
        if len(self.span):
            used[space.solve(self.span.rows).row] = True
        return used & ~replaceable
