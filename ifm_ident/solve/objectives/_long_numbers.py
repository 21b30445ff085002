"""Formulas by an objective where int64 does not hold the rows: small dense questions in rationals.

Theory: docs/theory/choosing.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.deadline import Deadline
from ifm_ident.solve.exact._rationals import RationalSpace, Row
from ifm_ident.solve.objectives._l1 import Exponents, total

_CLOSE = 1e-9
_MARGIN = 0.01
_FINE = 2**30


class RationalSearch:
    """Training rows in rationals, and the formula of a target that an objective prefers.

    `start` is any formula of the target; `choose` gives the best formula found by the deadline and a proven lower
    bound on what any formula attains.

    >>> rows = [{0: Fraction(1)}, {0: Fraction(1), 1: Fraction(1, 3)}, {0: Fraction(1), 1: Fraction(2, 3)}]
    >>> start = {0: Fraction(-1), 1: Fraction(2)}
    >>> exponents, bound = RationalSearch(rows).choose(rows[2], start, "l1", Deadline.after(None))
    >>> exponents, bound
    ({2: Fraction(1, 1)}, Fraction(1, 1))
    """

    def __init__(self, rows: Sequence[Row], sizes: Ints | None = None) -> None:
        self._rows, self._sizes = list(rows), sizes
        columns: dict[int, dict[int, Fraction]] = {}
        for i, row in enumerate(self._rows):
            for column, value in row.items():
                columns.setdefault(column, {})[i] = value
        names = sorted(columns)
        self._columns = [names[j] for j in RationalSpace([columns[c] for c in names]).basis.tolist()]
        self._largest = [max(map(abs, columns[c].values())) for c in self._columns]
        self._floats = np.array([self._scaled(row) for row in self._rows])

    def _scaled(self, row: Row) -> list[float]:
        """A row on the independent columns, each over its largest entry."""
        pairs = zip(self._columns, self._largest, strict=True)
        return [float(row.get(column, Fraction(0)) / largest) for column, largest in pairs]

    def choose(
        self, target: Row, start: Exponents, objective: Literal["sparse", "l1", "variance"], deadline: Deadline
    ) -> tuple[Exponents, Fraction]:
        """The best formula found, and the bound, in the units of the objective."""
        if objective == "variance":
            return self._least_variance(target)
        best, bound = self._least_total(target, start, deadline)
        return (best, bound) if objective == "l1" else self._fewest(target, min(start, best, key=len), deadline)

    def _solved(self, chosen: Sequence[int], values: Sequence[Fraction]) -> dict[int, Fraction]:
        """The y on the independent columns with A_i y = value for some independent rows, as many as columns."""
        flipped = [{i: self._rows[i][c] for i in chosen if c in self._rows[i]} for c in self._columns]
        wanted = {i: value for i, value in zip(chosen, values, strict=True) if value}
        return _in_full(RationalSpace(flipped), wanted, self._columns)

    def _on(self, support: Sequence[int], target: Row) -> Exponents | None:
        """The exact formula that uses some rows only."""
        found = RationalSpace([self._rows[i] for i in support]).solve([target])
        if not found.solvable[0]:
            return None
        pairs = zip(found.numerator.tolist(), found.denominator.tolist(), strict=True)
        return {support[i]: Fraction(*pair) for i, pair in zip(found.row.tolist(), pairs, strict=True)}

    def _least_total(self, target: Row, start: Exponents, deadline: Deadline) -> tuple[Exponents, Fraction]:
        """A linear program proposes a support, whose exact dual solution is the bound."""
        best, bound, count = start, Fraction(1), len(self._rows)
        if total(best) == bound or deadline.passed:
            return best, bound
        wanted = np.array(self._scaled(target))
        equations = np.hstack([self._floats.T, -self._floats.T])
        from scipy.optimize import linprog  # slow to import, and only this objective needs it

        found = linprog(
            np.ones(2 * count), A_eq=equations, b_eq=wanted, method="highs-ds", options=deadline.option
        )
        if found.status != 0:
            return best, bound
        proposed = found.x[:count] - found.x[count:]
        exact = self._on(np.flatnonzero(np.abs(proposed) > _CLOSE).tolist(), target)
        if exact is not None and total(exact) < total(best):
            best = exact
        image = self._floats @ np.asarray(found.eqlin.marginals)
        return best, max(bound, self._bound(best, image, target))

    def _bound(self, best: Exponents, image: NDArray[np.float64], target: Row) -> Fraction:
        """b·y / max |A y| for the y with A y = sign(q) on the formula's rows, made unique by others."""
        order = [*sorted(best), *(i for i in np.argsort(-np.abs(image)).tolist() if i not in best)]
        kept = RationalSpace([self._rows[i] for i in order]).basis.tolist()
        chosen = [order[i] for i in kept]
        if len(chosen) < len(self._columns):
            return Fraction(1)
        near = {i: Fraction(round(image[i] * _FINE), _FINE) for i in chosen}
        signs = [Fraction(1 if best[i] > 0 else -1) if i in best else near[i] for i in chosen]
        y = self._solved(chosen, signs)
        largest = max(abs(_dot(row, y)) for row in self._rows)
        return _dot(target, y) / largest if largest else Fraction(1)

    def _fewest(self, target: Row, best: Exponents, deadline: Deadline) -> tuple[Exponents, Fraction]:
        """Implicit hitting sets: a support carries the target where it meets what every kernel vector sees."""
        from scipy.optimize import (
            Bounds,
            LinearConstraint,
            milp,
        )  # slow to import, and only this objective needs it

        count, sets, bound = len(self._rows), [list(range(len(self._rows)))], 1
        while bound < len(best) and not deadline.passed:
            meets = np.array([[float(i in one) for i in range(count)] for one in map(set, sets)])
            found = milp(
                np.ones(count),
                integrality=np.ones(count),
                bounds=Bounds(0, 1),
                constraints=[LinearConstraint(meets, lb=np.ones(len(sets)))],
                options=deadline.option,
            )
            if found.mip_dual_bound is not None:
                bound = max(bound, ceil(found.mip_dual_bound - _MARGIN))
            if found.status != 0:
                break
            support = np.flatnonzero(found.x > 0.5).tolist()
            exact = self._on(support, target)
            if exact is not None:
                best = min(best, exact, key=len)
                break
            for i in range(count):
                if i not in support and self._on([*support, i], target) is None:
                    support.append(i)
            _, [vector] = RationalSpace([self._rows[i] for i in support]).separate([target])
            sets.append([i for i, row in enumerate(self._rows) if _dot(row, vector)])
        return best, Fraction(min(bound, len(best)))

    def _least_variance(self, target: Row) -> tuple[Exponents, Fraction]:
        """q = N A y with A^T N A y = b, N the sample sizes; the sum of q_i^2 / n_i is b·y."""
        assert self._sizes is not None
        sizes = [int(n) for n in self._sizes]
        gram: list[dict[int, Fraction]] = []
        for c in self._columns:
            held = [(row, n * row[c]) for row, n in zip(self._rows, sizes, strict=True) if c in row]
            sums = {d: sum((part * row.get(d, 0) for row, part in held), Fraction(0)) for d in self._columns}
            gram.append({d: value for d, value in sums.items() if value})
        y = _in_full(RationalSpace(gram), {c: target[c] for c in self._columns if c in target}, self._columns)
        best = {i: n * _dot(row, y) for i, (row, n) in enumerate(zip(self._rows, sizes, strict=True))}
        best = {i: q for i, q in best.items() if q}
        return best, sum((q * q / sizes[i] for i, q in best.items()), Fraction(0))


def _in_full(space: RationalSpace, target: Row, names: Sequence[int]) -> dict[int, Fraction]:
    """The combination of the rows that gives the target, by the names of the rows."""
    found = space.solve([target])
    pairs = zip(found.numerator.tolist(), found.denominator.tolist(), strict=True)
    return {names[i]: Fraction(*pair) for i, pair in zip(found.row.tolist(), pairs, strict=True)}


def _dot(row: Mapping[int, Fraction], vector: Mapping[int, Fraction | int]) -> Fraction:
    return sum((value * vector[c] for c, value in row.items() if c in vector), Fraction(0))
