"""The formula with the fewest densities, by implicit hitting sets (docs/theory/choosing.md)."""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.deadline import Deadline
from ifm_ident.solve.exact.modular import PRIME, cleared, parallel_to, unit
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.objectives._l1 import Exponents, LeastTotal
from ifm_ident.solve.objectives._support_search import OutOfTime, SupportSearch
from ifm_ident.solve.objectives._training_rows import TrainingRows
from ifm_ident.solve.objectives.exact_columns import combine, narrowed

_MARGIN = 0.01
_ORDERS = 4


class FewestDensities:
    """Formulas with the fewest terms for the targets of one system.

    A support carries a formula of b exactly when it meets {i : (A w)_i != 0} for every w with b·w != 0. The sets
    that targets have shown to be needed are kept, with their integer w, for the targets that follow.

    >>> rows = TrainingRows(csr_array(np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 2, 2]])))
    >>> target = csr_array(np.array([[1, 1, 1]]))
    >>> FewestDensities(rows).choose(target, {0: -1, 1: 1, 2: 1}, Deadline.after(None))
    ({0: Fraction(1, 2), 3: Fraction(1, 2)}, 2)
    """

    def __init__(self, rows: TrainingRows) -> None:
        self._rows = rows
        self._totals = LeastTotal(rows)
        self._columns = csr_array(rows.reduced.T)
        self._modular = rows.reduced.toarray() % PRIME
        self._search = SupportSearch(rows.reduced.toarray())
        self._random = np.random.default_rng(0)
        self._pool: dict[tuple[tuple[int, int], ...], tuple[int, ...]] = {}
        for column in range(self._columns.shape[0]):
            self._add({column: 1})

    def choose(self, target: csr_array, start: Exponents, deadline: Deadline) -> tuple[Exponents, int]:
        """The best formula found for a target, shape (1, c), and a proven lower bound on the number of terms.

        `start` is any formula of the target. Without a deadline the bound is attained.
        """
        best, bound = start, 1
        self._random = np.random.default_rng(0)
        wanted = csr_array(target[:, self._rows.columns]).toarray()[0]
        if len(best) > bound and not deadline.passed:
            best = min(best, self._totals.choose(target, start, deadline)[0], key=len)
        while bound < len(best) and not deadline.passed and self._search.affordable(wanted, bound):
            try:
                support = self._search.find(wanted, bound, deadline)
            except OutOfTime:
                break
            if support is None:
                bound += 1
                continue
            exact = self._rows.on(np.array(support), target)
            if exact is None:
                break
            best = min(best, exact, key=len)
        while bound < len(best) and not deadline.passed:
            proposed, proven = self._hitting_set(wanted, len(best) - 1, deadline)
            bound = max(bound, proven)
            if proposed is None:
                break
            for _ in range(_ORDERS - 1):
                self._separate(proposed, wanted)
            best = min(best, self._grow(proposed, wanted, target), key=len)
        return best, min(bound, len(best))

    def _add(self, vector: dict[int, int]) -> Ints:
        """Keep an integer vector w, column to weight; returns the rows i with (A w)_i != 0, found in integers."""
        used = np.array(list(vector), dtype=np.int64)
        _, hit, _ = combine(np.array([0, len(used)]), used, narrowed(list(vector.values())), self._columns)
        self._pool[tuple(sorted(vector.items()))] = tuple(hit.tolist())
        return hit

    def _hitting_set(self, wanted: Ints, most: int, deadline: Deadline) -> tuple[Ints | None, int]:
        """A smallest set of at most `most` rows that meets all known sets, or None; and a lower bound on its size.

        The bound is most + 1 where there is no such set. The solver's own bound is rounded up with a margin.
        """
        target = wanted.tolist()
        sets = list(dict.fromkeys(h for w, h in self._pool.items() if sum(v * target[j] for j, v in w)))
        height = self._rows.matrix.shape[0]
        columns = np.array([i for h in sets for i in h], dtype=np.int64)
        meets = csr_array(
            (np.ones(len(columns)), columns, row_bounds([len(h) for h in sets])), shape=(len(sets), height)
        )
        from scipy.optimize import (  # slow to import, and only this objective needs it
            Bounds,
            LinearConstraint,
            milp,
        )

        found = milp(
            np.ones(height),
            integrality=np.ones(height),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(meets, lb=np.ones(len(sets))),
                LinearConstraint(np.ones((1, height)), ub=[most]),
            ],
            options=deadline.option,
        )
        if found.status == 2:
            return None, most + 1
        proven = 1 if found.mip_dual_bound is None else max(1, ceil(found.mip_dual_bound - _MARGIN))
        if found.status != 0:
            return None, proven
        return np.flatnonzero(found.x > 0.5), proven

    def _grow(self, support: Ints, wanted: Ints, target: csr_array) -> Exponents:
        """A formula on the support and a row of each set that it misses, sets kept on the way."""
        missed: list[Ints] = []
        while True:
            hit = self._separate(support, wanted)
            if hit is None:
                hit = self._exact_set(support, wanted)
            if hit is None:
                return self._rows.on(support, target) or {}
            missed.append(hit)
            often = np.bincount(np.concatenate(missed), minlength=self._rows.matrix.shape[0])[hit]
            likely = hit[often == often.max()]
            support = np.union1d(support, [self._random.choice(likely)])

    def _separate(self, support: Ints, wanted: Ints) -> Ints | None:
        """A minimal set {i : (A w)_i != 0} that the support misses, w exact; None if it carries b modulo a prime.

        The support is first enlarged, modulo the prime and in random order, while it does not carry b.
        """
        rows, goal = self._modular, wanted % PRIME
        work = rows.copy()
        order = np.concatenate([support, self._random.permutation(np.setdiff1d(np.arange(len(rows)), support))])
        for step, i in enumerate(order.tolist()):
            row = work[i]
            filled = np.flatnonzero(row)
            if not len(filled):
                continue
            if step >= len(support) and len(parallel_to(row[None], goal)):
                continue
            pivot = int(filled[0])
            by = unit(row, pivot)
            goal = cleared(goal, by, pivot)
            if not goal.any():
                return None
            work = cleared(work, by, pivot)
        return self._exact_set(np.flatnonzero(~work.any(axis=1)), wanted)

    def _exact_set(self, support: Ints, wanted: Ints) -> Ints | None:
        """A set that the support misses, from an exact kernel vector of its rows; None if it carries b."""
        inside, target = RowSpace(csr_array(self._rows.reduced[support])), csr_array(wanted[None, :])
        return None if inside.holds(target)[0] else self._add(inside.separate(target)[1][0])
