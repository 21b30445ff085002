"""The formula of least sum |q_i|: a linear program proposes, exact arithmetic disposes.

Theory: docs/theory/choosing.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from ifm_ident.deadline import Deadline
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.objectives._training_rows import TrainingRows
from ifm_ident.solve.objectives.exact_columns import combine, narrowed

_DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 12, 24, 60, 840)
_CLOSE = 1e-7
_FINE = 2**30

Exponents = dict[int, Fraction]


def total(exponents: Exponents) -> Fraction:
    """sum |q_i|.

    >>> total({0: Fraction(1, 2), 3: Fraction(-1, 2)})
    Fraction(1, 1)
    """
    return sum(map(abs, exponents.values()), Fraction(0))


class LeastTotal:
    """Formulas of least sum |q_i| for the targets of one system; exponents add up to 1 (docs/theory/joint.md).

    >>> rows = TrainingRows(csr_array(np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 2, 2], [1, 1, 1]])))
    >>> target = csr_array(np.array([[1, 1, 1]]))
    >>> LeastTotal(rows).choose(target, {0: Fraction(-1), 1: Fraction(1), 2: Fraction(1)}, Deadline.after(None))
    ({4: Fraction(1, 1)}, Fraction(1, 1))
    """

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        equations = rows.reduced.T.astype(np.float64)
        self._equations = csr_array(hstack([equations, -equations], format="csr"))
        self._columns = csr_array(rows.reduced.T)

    def choose(self, target: csr_array, start: Exponents, deadline: Deadline) -> tuple[Exponents, Fraction]:
        """The best formula found for a target, shape (1, c), and a proven lower bound on the least sum |q_i|.

        `start` is any formula of the target; it is kept where no better one is found in time. The bound comes
        from rational y with |A y| <= 1: then sum |q_i| >= b·y for every formula q.
        """
        best, bound = start, Fraction(1)
        if total(best) == bound or deadline.passed:
            return best, bound
        height = self._rows.matrix.shape[0]
        wanted = csr_array(target[:, self._rows.columns]).toarray()[0]
        from scipy.optimize import linprog  # slow to import, and only this objective needs it

        found = linprog(
            np.ones(2 * height),
            A_eq=self._equations,
            b_eq=wanted.astype(np.float64),
            method="highs-ds",
            options=deadline.option,
        )
        if found.status != 0:
            return best, bound
        best = min(best, *self._formulas(found.x[:height] - found.x[height:], target), key=total)
        for multipliers in self._multipliers(np.asarray(found.eqlin.marginals)):
            bound = max(bound, self._bound(multipliers, wanted.tolist()))
            if bound == total(best):
                break
        return best, bound

    def _formulas(self, proposed: NDArray[np.float64], target: csr_array) -> Iterator[Exponents]:
        """The exact formula on the support that the program proposes, if there is one."""
        exact = self._rows.on(np.flatnonzero(np.abs(proposed) > _CLOSE), target)
        if exact is not None:
            yield exact

    def _multipliers(self, proposed: NDArray[np.float64]) -> Iterator[list[int]]:
        """Integer vectors y, up to scale, near the proposed dual solution: rounded, then solved exactly."""
        for denominator in _DENOMINATORS:
            rounded = np.rint(proposed * denominator)
            if np.abs(rounded - proposed * denominator).max() < _CLOSE:
                yield [int(y) for y in rounded]
                break
        image = self._rows.reduced @ proposed
        tight = np.flatnonzero(np.abs(image) > 1 - _CLOSE)
        meeting = csr_array(self._columns[:, tight])
        space = RowSpace(meeting)
        anchor = np.rint(proposed * _FINE).astype(np.int64)
        if space.rank:
            anchor[space.basis] = 0
        signs = np.sign(image[tight]).astype(np.int64) * _FINE - anchor @ meeting
        found = space.solve(csr_array(signs[None, :]))
        if found.solvable[0]:
            common = lcm(1, *found.denominator.tolist())
            exact = [y * common for y in anchor.tolist()]
            for column, above, below in zip(
                found.row.tolist(), found.numerator.tolist(), found.denominator.tolist(), strict=True
            ):
                exact[column] = above * (common // below)
            yield exact
        yield [round(y * _FINE) for y in proposed.tolist()]

    def _bound(self, multipliers: list[int], wanted: list[int]) -> Fraction:
        """b·y / max |A y|, in integers: a lower bound whatever y is."""
        used = np.array([j for j, y in enumerate(multipliers) if y], dtype=np.int64)
        weights = narrowed([y for y in multipliers if y])
        _, _, image = combine(np.array([0, len(used)]), used, weights, self._columns)
        reached = sum(y * b for y, b in zip(multipliers, wanted, strict=True))
        largest = max(map(abs, image.tolist()), default=0)
        return Fraction(reached, largest) if largest else Fraction(0)
