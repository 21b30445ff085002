"""Answers with long entries: verdicts modulo primes, solutions and kernel vectors lifted on request.

Theory: docs/theory/joint.md.
"""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, owners
from ifm_ident.errors import IfmError
from ifm_ident.solve.exact.factorisation import Factorisation, Solutions, block, row_entries

_BATCH = 64
UNLUCKY = "a word-size prime was unlucky for this design: its rank is not the rational one"


class LiftedAnswers:
    """Answers by modular elimination and Dixon lifting, each checked in Python integers before it is given."""

    def __init__(self, factorisation: Factorisation) -> None:
        self._factored = factorisation

    def holds(self, targets: csr_array) -> NDArray[np.bool_]:
        """Which targets, shape (n, c), lie in the row space: exact, and nothing is lifted."""
        core = self._factored.core
        if not core.rank_is_proven:
            raise IfmError(UNLUCKY)
        _, _, left, dense = self._candidates(targets)
        inside = np.zeros(targets.shape[0], dtype=bool)
        inside[left] = core.holds(dense)
        return inside

    def solve(self, targets: csr_array) -> Solutions:
        """The solution on the basis rows, lifted target by target."""
        forward, _, left, dense = self._candidates(targets)
        core = self._factored.core
        answers: dict[int, tuple[dict[int, int], int]] = {}
        for start in range(0, len(left), _BATCH):
            chosen = dense[start : start + _BATCH][:, core.columns].tolist()
            for t, (numerators, denominator) in zip(
                left[start : start + _BATCH].tolist(), core.lift_solutions(chosen), strict=True
            ):
                rows = self._factored.core_rows[core.rows].tolist()
                solution = {r: q for r, q in zip(rows, numerators, strict=True) if q}
                self._substitute_back(solution, denominator, t, forward)
                if self._is_solution(solution, denominator, row_entries(targets, t)):
                    answers[t] = solution, denominator
        return _pack(targets.shape[0], answers)

    def separate(self, targets: csr_array) -> tuple[Ints, list[dict[int, int]]]:
        """Each target's kernel vector (index, shape (n,)) and the vectors, column to weight."""
        reduced = self._factored.reduce(targets)[1]
        choice = [self._separating_column(reduced, t) for t in range(targets.shape[0])]
        columns = sorted(set(choice))
        index = {column: i for i, column in enumerate(columns)}
        return np.array([index[c] for c in choice], dtype=np.int64), [self._lift_kernel(c) for c in columns]

    def _candidates(self, targets: csr_array) -> tuple[list[csr_array], csr_array, Ints, NDArray[np.int64]]:
        """Targets that the prime does not refuse, and their core parts."""
        forward, reduced = self._factored.reduce(targets)
        left = np.flatnonzero(_only_in(reduced, self._factored.core_columns)).astype(np.int64)
        dense = block(reduced, left, self._factored.core_columns)
        core = self._factored.core
        if len(core.free):
            values = dense.astype(object) @ np.array(core.screen, dtype=object)
            kept = np.array([int(v) % core.prime == 0 for v in values], dtype=bool)
            left, dense = left[kept], dense[kept]
        return forward, reduced, left, dense

    def _substitute_back(
        self, solution: dict[int, int], denominator: int, target: int, forward: list[csr_array]
    ) -> None:
        for step, multipliers in zip(reversed(self._factored.rounds), reversed(forward), strict=True):
            own = {i: denominator * w for i, w in row_entries(multipliers, target).items()}
            for r, q in solution.items():
                for i, w in row_entries(step.lower, r).items():
                    own[i] = own.get(i, 0) - q * w
            solution.update({int(step.rows[i]): q for i, q in own.items() if q})

    def _is_solution(self, solution: dict[int, int], denominator: int, target: dict[int, int]) -> bool:
        reached: dict[int, int] = {}
        for r, q in solution.items():
            for c, w in row_entries(self._factored.matrix, r).items():
                reached[c] = reached.get(c, 0) + q * w
        return {c: w for c, w in reached.items() if w} == {c: denominator * w for c, w in target.items()}

    def _separating_column(self, reduced: csr_array, target: int) -> int:
        """A free column whose kernel vector refuses the target: outside the core, or found modulo the prime."""
        outside = np.setdiff1d(list(row_entries(reduced, target)), self._factored.core_columns)
        if len(outside):
            return int(outside[0])
        dense = block(reduced, np.array([target]), self._factored.core_columns)
        found = self._factored.core.separating_free_column(dense[0])
        if found is None:
            raise ValueError("a target lies in the row space: nothing separates it")
        return int(self._factored.core_columns[found])

    def _lift_kernel(self, column: int) -> dict[int, int]:
        vector = {column: 1}
        at = np.flatnonzero(self._factored.core_columns == column)
        if len(at):
            [lifted] = self._factored.core.lift_kernel([int(at[0])])
            vector = dict(zip(self._factored.core_columns.tolist(), lifted, strict=True))
        for step in reversed(self._factored.rounds):
            for i in range(len(step.rows)):
                value = sum(w * vector.get(c, 0) for c, w in row_entries(step.upper, i).items())
                c = int(step.columns[i])
                vector[c] = vector.get(c, 0) - int(step.sign[i]) * value
        divisor = gcd(*vector.values())
        primitive = {c: w // divisor for c, w in sorted(vector.items()) if w}
        if not self._is_kernel_vector(primitive):
            raise IfmError(UNLUCKY)
        return primitive

    def _is_kernel_vector(self, vector: dict[int, int]) -> bool:
        matrix = self._factored.matrix
        weights = np.zeros(matrix.shape[1], dtype=object)
        weights[list(vector)] = list(vector.values())
        terms = matrix.data.astype(object) * weights[matrix.indices]
        filled = np.flatnonzero(np.diff(matrix.indptr))
        return not (len(filled) and np.any(np.add.reduceat(terms, matrix.indptr[filled])))


def _only_in(matrix: csr_array, columns: Ints) -> NDArray[np.bool_]:
    """Rows whose entries all lie in some columns, shape (n,)."""
    inside = np.zeros(matrix.shape[1], dtype=bool)
    inside[columns] = True
    result = np.ones(matrix.shape[0], dtype=bool)
    result[owners(matrix.indptr)[~inside[matrix.indices]]] = False
    return result


def _pack(count: int, answers: dict[int, tuple[dict[int, int], int]]) -> Solutions:
    sizes = np.zeros(count, dtype=np.int64)
    entries: list[tuple[int, int, int]] = []
    for t, (solution, denominator) in sorted(answers.items()):
        sizes[t] = len(solution)
        for r in sorted(solution):
            divisor = gcd(solution[r], denominator)
            entries.append((r, solution[r] // divisor, denominator // divisor))
    solvable = np.zeros(count, dtype=bool)
    solvable[list(answers)] = True
    return Solutions.of(
        sizes,
        solvable,
        np.array([e[0] for e in entries], dtype=np.int64),
        np.array([e[1] for e in entries], dtype=object),
        np.array([e[2] for e in entries], dtype=object),
    )
