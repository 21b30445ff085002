"""An exhaustive search for formulas with few densities, in arithmetic modulo a prime that is exact for them.

Rows of a smallest support are independent, so by Cramer's rule the exponents have denominators that divide a minor
of the matrix. Where the Hadamard bound on these minors is below the prime, no denominator vanishes modulo the
prime, and a support that carries the target over the rationals does so modulo the prime: none there, none at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.deadline import Deadline
from ifm_ident.solve.exact.modular import PRIME, cleared, inverses, parallel_to, unit

EFFORT = 100_000
"""A search that may meet more than about this many triples of rows is not begun."""

_TRIES = 2


class OutOfTime(Exception):
    """The deadline passed before a search was complete."""


class SupportSearch:
    """Supports with few rows of an integer matrix, shape (m, r), of full column rank.

    >>> search = SupportSearch(np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 0, 1]]))
    >>> [search.find(np.array([2, 1, 0]), size, Deadline(None)) for size in (1, 2)]
    [None, [0, 1]]
    """

    def __init__(self, matrix: Ints) -> None:
        self._matrix = matrix % PRIME
        self._largest = int(np.abs(matrix).max(initial=1))
        self._random = np.random.default_rng(0)

    def affordable(self, goal: Ints, size: int) -> bool:
        """Whether supports of `size` rows can be searched exactly and with an effort of at most EFFORT."""
        if (size * self._largest**2) ** size >= PRIME**2:
            return False
        deep = max(0, size - 3)
        if deep == 0:
            return True
        branches = len(self.missed(goal % PRIME))
        return bool(branches**deep <= EFFORT * factorial(deep))

    def missed(self, goal: Ints) -> Ints:
        """Rows of which any support of the goal has one."""
        return _blocking(self._matrix, goal % PRIME, self._random, _TRIES * 8)

    def find(self, goal: Ints, size: int, deadline: Deadline) -> list[int] | None:
        """At most `size` rows that carry the goal modulo the prime, ascending, or None when there are none.

        Raises OutOfTime. The same question has the same answer, whatever was asked before.
        """
        self._random = np.random.default_rng(0)
        found = self._find(self._matrix, np.arange(len(self._matrix)), goal % PRIME, size, deadline)
        return None if found is None else sorted(found)

    def _find(self, rows: Ints, names: Ints, goal: Ints, size: int, deadline: Deadline) -> list[int] | None:
        if deadline.passed:
            raise OutOfTime
        if not goal.any():
            return []
        live = np.flatnonzero(rows.any(axis=1))
        rows, names = rows[live], names[live]
        if size == 0 or not len(rows):
            return None
        if size == 1:
            parallel = parallel_to(rows, goal)
            return [int(names[parallel[0]])] if len(parallel) else None
        if size == 3:
            columns = np.flatnonzero(goal)
            column = columns[np.count_nonzero(rows[:, columns], axis=0).argmin()]
            return self._find_triple(rows, names, goal, np.flatnonzero(rows[:, column]))
        branches = _blocking(rows, goal, self._random, _TRIES * (size - 2))
        kept = np.ones(len(rows), dtype=bool)
        for branch in branches.tolist():
            kept[branch] = False
            smaller, target = _contract(rows, goal, branch)
            found = self._find(smaller[kept], names[kept], target, size - 1, deadline)
            if found is not None:
                return [int(names[branch]), *found]
        return None

    def _find_triple(self, rows: Ints, names: Ints, goal: Ints, branches: Ints) -> list[int] | None:
        """At most three rows, one of them in `branches`: all branches side by side.

        Modulo the branch and the goal two rows of a support are parallel. Parallel rows share the ratio of two
        random functionals; rows that share it are compared in full.
        """
        count = len(branches)
        row = rows[branches]
        at = (row != 0).argmax(axis=1)
        scale = inverses(row[np.arange(count), at])
        unit = row * scale[:, None] % PRIME
        target = (goal - goal[at][:, None] * unit) % PRIME
        spent = np.flatnonzero(~target.any(axis=1))
        if len(spent):
            return [int(names[branches[spent[0]]])]
        to = (target != 0).argmax(axis=1)
        scale = inverses(target[np.arange(count), to])
        direction = target * scale[:, None] % PRIME
        functionals = self._random.integers(1, PRIME, (rows.shape[1], 2))
        of_rows, of_unit, of_direction = (_apply(m, functionals) for m in (rows, unit, direction))
        first = rows[:, at].T
        second = (rows[:, to].T - first * unit[np.arange(count), to][:, None]) % PRIME
        above, below = (
            (of_rows[None, :, k] - first * of_unit[:, None, k] % PRIME - second * of_direction[:, None, k]) % PRIME
            for k in range(2)
        )
        key = above * inverses(below) % PRIME
        place = np.empty(len(rows), dtype=np.int64)
        place[:] = count
        place[branches] = np.arange(count)
        free = place[None, :] > np.arange(count)[:, None]
        doubtful = free & (above == 0) & (below == 0)
        for j, members in _groups(key, free & ~doubtful, doubtful):
            smaller, rest = _contract(rows, goal, int(branches[j]))
            found = _pair_among(smaller, rest, members)
            if found is None and doubtful[j, members[0]] and smaller[members[0]].any():
                found = _pair_among(smaller, rest, np.flatnonzero(free[j]))
            if found is not None:
                return [int(names[i]) for i in (int(branches[j]), *found)]
        return None


def _groups(key: Ints, sure: Ints, doubtful: Ints) -> Iterator[tuple[int, Ints]]:
    """For every branch the sets of rows that share a key, two or more, and the rows whose key says nothing."""
    for j in np.flatnonzero(doubtful.any(axis=1)).tolist():
        for i in np.flatnonzero(doubtful[j]).tolist():
            yield j, np.array([i])
    unique = np.where(sure, key, -1 - np.arange(key.shape[1])[None, :])
    order = np.argsort(unique, axis=1, kind="stable")
    ordered = np.take_along_axis(unique, order, axis=1)
    same = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    for j in np.flatnonzero(same.any(axis=1)).tolist():
        for value in np.unique(ordered[j, 1:][same[j]]).tolist():
            yield j, np.flatnonzero(unique[j] == value)


def _pair_among(rows: Ints, goal: Ints, members: Ints) -> list[int] | None:
    """One or two of some rows that carry the goal, which is not zero."""
    distinct: list[int] = []
    for i in members.tolist():
        if not rows[i].any():
            continue
        if len(parallel_to(rows[i][None, :], goal)):
            return [i]
        smaller, target = _contract(rows, goal, i)
        if any(not smaller[other].any() for other in distinct):
            continue
        for other in distinct:
            if len(parallel_to(smaller[other][None, :], target)):
                return [other, i]
        distinct.append(i)
    return None


def _blocking(rows: Ints, goal: Ints, random: np.random.Generator, tries: int) -> Ints:
    """Rows of which any support of the goal has one, a small set: those outside a large set that has none.

    The set grows in random order, row by row, while it does not carry the goal; all modulo the prime.
    """
    best = np.arange(len(rows))
    for _ in range(tries):
        work, target = rows, goal
        for i in random.permutation(len(rows)).tolist():
            if work[i].any() and not len(parallel_to(work[i][None, :], target)):
                work, target = _contract(work, target, i)
        left = np.flatnonzero(work.any(axis=1))
        if len(left) < len(best):
            best = left
    return best


def _contract(rows: Ints, goal: Ints, row: int) -> tuple[Ints, Ints]:
    """Rows and goal modulo one of the rows, in one coordinate less."""
    at = int((rows[row] != 0).argmax())
    by, keep = unit(rows[row], at), np.arange(len(goal)) != at
    return cleared(rows, by, at)[:, keep], cleared(goal, by, at)[keep]


def _apply(rows: Ints, functionals: Ints) -> Ints:
    """Values of the functionals (columns) on the rows."""
    values = [(rows * functional % PRIME).sum(axis=1) % PRIME for functional in functionals.T]
    return np.stack(values, axis=1)
