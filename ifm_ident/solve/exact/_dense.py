"""The only door to python-flint: dense exact arithmetic on the core that sparse elimination leaves.

Ranks and profiles come from elimination modulo word-size primes; whatever a prime suggests is proven in
integers, or modulo so many primes that a Hadamard bound leaves no doubt (docs/theory/joint.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from math import gcd

import flint
import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.errors import IfmError

AREA_LIMIT = 60_000_000
_SMALL = 2**28
_FEW = 32
_PROBES = 16
"""Columns of an inverse that are solved for before all of it is: most long inverses show in them."""

_SECOND = 1_843_385_330_434_065_113
"""A prime (61 bits, drawn at random once) that a deficient rank is compared with: the first ones are guessable."""


class CoreTooLarge(IfmError):
    """The part of a design that needs dense arithmetic does not fit in memory."""


def primes() -> Iterator[int]:
    """Primes below 2^63, descending: always the same ones."""
    candidate = 2**63 - 25
    while True:
        if flint.fmpz(candidate).is_probable_prime():
            yield candidate
        candidate -= 2


def _modular(matrix: NDArray[np.int64], prime: int) -> flint.nmod_mat:
    height, width = matrix.shape
    return flint.nmod_mat(height, width, matrix.ravel().tolist(), prime)


def _pivots(reduced: flint.nmod_mat, rank: int) -> Ints:
    found, column = [], 0
    for row in range(rank):
        while int(reduced[row, column]) == 0:
            column += 1
        found.append(column)
        column += 1
    return np.array(found, dtype=np.int64)


def profiles(matrix: NDArray[np.int64], prime: int, least: int = 0) -> tuple[Ints, Ints] | None:
    """Lexicographically first independent rows modulo `prime`, and first independent columns of those rows.

    None where the rank is less than `least`, a rank that another prime saw: then this prime is unlucky.

    >>> rows, columns = profiles(np.array([[1, 1], [2, 2], [0, 3]]), 101)
    >>> rows.tolist(), columns.tolist()
    ([0, 2], [0, 1])
    >>> profiles(np.array([[1, 1], [2, 2], [0, 3]]), 3, least=2)
    """
    reduced, rank = _modular(np.ascontiguousarray(matrix.T), prime).rref()
    if rank < least:
        return None
    rows = _pivots(reduced, rank)
    if rank == matrix.shape[1]:
        return rows, np.arange(rank, dtype=np.int64)
    reduced, rank = _modular(matrix[rows], prime).rref()
    return rows, _pivots(reduced, rank)


def rank_modulo(matrix: NDArray[np.int64], prime: int) -> int:
    """Rank modulo a prime: never more than the rank over the rationals."""
    return int(_modular(matrix, prime).rank())


def null_space_modulo(matrix: NDArray[np.int64], prime: int) -> flint.nmod_mat:
    """Basis of {w : matrix w = 0} modulo a prime, one basis vector a column, shape (c, c - rank)."""
    basis, nullity = _modular(matrix, prime).nullspace()
    entries = [[int(basis[i, j]) for j in range(nullity)] for i in range(matrix.shape[1])]
    return flint.nmod_mat(matrix.shape[1], nullity, [x for row in entries for x in row], prime)


def small_inverse(matrix: NDArray[np.int64], prime: int) -> tuple[NDArray[np.int64], int] | None:
    """(N, d) in small integers with matrix @ N = d I, proven exactly; None where the entries are not small.

    >>> small_inverse(np.array([[2, 0], [0, 1]]), next(primes()))
    (array([[1, 0],
           [0, 2]]), 2)
    """
    size = len(matrix)
    if not size:
        return np.zeros((0, 0), dtype=np.int64), 1
    modular = _modular(matrix, prime)
    probed = np.zeros((size, min(size, _PROBES)), dtype=np.int64)
    probed[np.linspace(0, size - 1, probed.shape[1]).astype(np.int64), np.arange(probed.shape[1])] = 1
    probe = modular.solve(_modular(probed, prime))
    denominator = _common_denominator([int(x) for x in probe.entries()], prime, 1)
    if denominator is None:
        return None
    entries = [int(x) for x in modular.inv().entries()]
    denominator = _common_denominator(entries, prime, denominator)
    if denominator is None:
        return None
    scaled = [_symmetric(x * denominator % prime, prime) for x in entries]
    numerators = flint.fmpz_mat(size, size, scaled)
    if flint.fmpz_mat(size, size, matrix.ravel().tolist()) * numerators != denominator * _identity(size):
        return None
    return np.array(scaled, dtype=np.int64).reshape(size, size), denominator


def _identity(size: int) -> flint.fmpz_mat:
    return flint.fmpz_mat(size, size, [int(i == j) for i in range(size) for j in range(size)])


def _symmetric(residue: int, prime: int) -> int:
    return residue - prime if residue > prime // 2 else residue


def _common_denominator(residues: Sequence[int], prime: int, denominator: int) -> int | None:
    """The least d <= 2^28 (a multiple of `denominator`) that makes every residue * d small, or None."""
    for residue in residues:
        if abs(_symmetric(residue * denominator % prime, prime)) < _SMALL:
            continue
        low, high, step, previous = residue * denominator % prime, prime, 1, 0
        while low >= _SMALL:
            quotient = high // low
            high, low = low, high - quotient * low
            previous, step = step, previous - quotient * step
        denominator *= abs(step)
        if step == 0 or denominator > _SMALL:
            return None
    return denominator


def solve_left(matrix: NDArray[np.int64], targets: Sequence[Sequence[int]]) -> list[tuple[list[int], int]]:
    """For every target b the numerators y and denominator d > 0 with y matrix = d b; matrix square, regular.

    >>> solve_left(np.array([[2, 0], [0, 1]]), [[1, 1]])
    [([1, 2], 2)]
    """
    size = len(matrix)
    system = flint.fmpz_mat(size, size, np.ascontiguousarray(matrix.T).ravel().tolist())
    flat = [int(target[i]) for i in range(size) for target in targets]
    solution = system.solve(flint.fmpz_mat(size, len(targets), flat))
    answers = []
    for t in range(len(targets)):
        column = [solution[i, t] for i in range(size)]
        common = 1
        for value in column:
            q = int(value.q)
            common = common // gcd(common, q) * q
        answers.append(([int(value.p) * (common // int(value.q)) for value in column], common))
    return answers


class DenseCore:
    """A dense integer matrix with its profiles; `inverse` is there when its entries are small.

    prime: what is tried before the first of `primes`: one that served for another core of the same design.
    rows, columns: the lexicographically first row basis and the pivot columns chosen for it.
    """

    def __init__(self, matrix: NDArray[np.int64], prime: int | None = None) -> None:
        if matrix.size > AREA_LIMIT:
            raise CoreTooLarge(
                f"after sparse elimination a dense core of {matrix.shape[0]:,} x {matrix.shape[1]:,} remains, "
                f"over the limit of {AREA_LIMIT:,} entries; ask about fewer factors or training regimes"
            )
        self.matrix = matrix
        least = 0
        for trial in primes() if prime is None else chain([prime], primes()):
            found = profiles(matrix, trial, least)
            if found is None:
                continue
            self.prime = trial
            self.rows, self.columns = found
            self.free = np.setdiff1d(np.arange(matrix.shape[1]), self.columns)
            self.square = np.ascontiguousarray(matrix[self.rows][:, self.columns])
            self.inverse = small_inverse(self.square, self.prime)
            if self._small_kernel_holds() if self.inverse is not None else self._rank_is_likely():
                return
            least = self._second_rank

    def small_kernel(self) -> NDArray[np.object_]:
        """Integer kernel vectors as columns, shape (c, c - rank); only where the inverse is small."""
        if self.inverse is None:
            raise ValueError("the inverse of this core is not small")
        numerators, denominator = self.inverse
        kernel = np.zeros((self.matrix.shape[1], len(self.free)), dtype=object)
        kernel[self.free, np.arange(len(self.free))] = denominator
        block = self.matrix[self.rows][:, self.free]
        bound = float(np.abs(numerators).max(initial=0)) * float(np.abs(block).max(initial=0)) * max(len(block), 1)
        exact = np.int64 if bound < 2**61 else object
        kernel[self.columns] = -(numerators.astype(exact) @ block.astype(exact))
        return kernel

    def _rank_is_likely(self) -> bool:
        """Whether another prime sees no larger rank; `rank_is_proven` leaves no doubt, at a price."""
        rank = len(self.rows)
        return rank == min(self.matrix.shape) or self._second_rank <= rank

    @cached_property
    def _second_rank(self) -> int:
        return rank_modulo(self.matrix, _SECOND)

    def _small_kernel_holds(self) -> bool:
        """Whether the kernel suggested by the prime is one in integers: then the rank is proven."""
        others = np.setdiff1d(np.arange(self.matrix.shape[0]), self.rows)
        if not len(others) or not len(self.free):
            return True
        kernel = self.small_kernel()
        bound = float(max(abs(int(kernel.min())), abs(int(kernel.max()))))
        bound *= float(np.abs(self.matrix[others]).max(initial=0)) * self.matrix.shape[1]
        exact = np.int64 if bound < 2**61 else object
        return not (self.matrix[others].astype(exact) @ kernel.astype(exact) != 0).any()

    @cached_property
    def screen(self) -> list[int]:
        """One random combination of the kernel modulo `prime`, shape (c,): nonzero on a target proves a refusal.

        It proves so given the rank, which `rank_is_proven` settles.
        """
        square = _modular(np.ascontiguousarray(self.square), self.prime)
        weights = [int(x) for x in np.random.default_rng(0).integers(1, 2**62, len(self.free))]
        block = _modular(np.ascontiguousarray(self.matrix[self.rows][:, self.free]), self.prime)
        inner = square.solve(block * flint.nmod_mat(len(self.free), 1, weights, self.prime))
        vector = [0] * self.matrix.shape[1]
        for column, weight in zip(self.free.tolist(), weights, strict=True):
            vector[column] = weight % self.prime
        for i, column in enumerate(self.columns.tolist()):
            vector[column] = -int(inner[i, 0]) % self.prime
        return vector

    def hadamard_primes(self, matrix: NDArray[np.int64], minor: int) -> Iterator[int]:
        """Primes whose product exceeds every nonzero `minor`-sized minor of `matrix` (Hadamard by rows)."""
        norms = sorted((sum(int(x) ** 2 for x in row if x) for row in matrix.tolist()), reverse=True)
        square = 1
        for norm in norms[:minor]:
            square *= max(norm, 1)
        proven = 1
        for prime in primes():
            yield prime
            proven *= prime
            if proven * proven > square:
                return

    @cached_property
    def rank_is_proven(self) -> bool:
        """Whether the rank modulo `prime` is the rank over the rationals (multi-modular, exact)."""
        rank = len(self.rows)
        if self.inverse is not None or rank == min(self.matrix.shape) or self.long_kernel is not None:
            return True
        return all(
            rank_modulo(self.matrix, prime) <= rank for prime in self.hadamard_primes(self.matrix, rank + 1)
        )

    def holds(self, targets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which targets, shape (n, c), lie in the row space: exact, and no solution is lifted.

        Against a kernel that is small enough to lift, otherwise modulo so many primes that no doubt is left.
        """
        inside = np.ones(len(targets), dtype=bool)
        if not len(self.free) or not len(targets):
            return inside
        if self.long_kernel is not None:
            outside = np.asarray(targets.astype(object) @ self.long_kernel != 0, dtype=bool)
            return np.logical_not(outside.any(axis=1))
        basis = self.matrix[self.rows]
        bound = np.vstack([basis, targets[np.argmax((targets.astype(object) ** 2).sum(axis=1))]])
        for prime in self.hadamard_primes(bound, len(self.rows) + 1):
            kernel = null_space_modulo(basis, prime)
            left = np.flatnonzero(inside)
            if kernel.ncols() != len(self.free):
                continue  # the prime divides every maximal minor of the basis rows: true of every target
            image = _modular(np.ascontiguousarray(targets[left]), prime) * kernel
            entries = np.array([int(x) != 0 for x in image.entries()], dtype=bool).reshape(len(left), -1)
            inside[left[entries.any(axis=1)]] = False
            if not inside.any():
                break
        return inside

    def separating_free_column(self, target: NDArray[np.int64]) -> int | None:
        """The first free column whose kernel vector is nonzero on the target modulo `prime`, or None."""
        square = _modular(np.ascontiguousarray(self.square.T), self.prime)
        wanted = flint.nmod_mat(len(self.columns), 1, target[self.columns].tolist(), self.prime)
        solution = square.solve(wanted)
        block = _modular(np.ascontiguousarray(self.matrix[self.rows][:, self.free].T), self.prime)
        reached = block * solution
        for i, column in enumerate(self.free.tolist()):
            if int(reached[i, 0]) != int(target[column]) % self.prime:
                return int(column)
        return None

    def lift_solutions(self, targets: Sequence[Sequence[int]]) -> list[tuple[list[int], int]]:
        """Numerators on `rows` and denominator for targets given on `columns`."""
        return solve_left(self.square, targets)

    def lift_kernel(self, free: Sequence[int]) -> list[list[int]]:
        """The integer kernel vectors, shape (c,), of some free columns."""
        targets = [self.matrix[self.rows, column].tolist() for column in free]
        vectors = []
        lifted = solve_left(np.ascontiguousarray(self.square.T), targets) if targets else []
        for column, (numerators, denominator) in zip(free, lifted, strict=True):
            vector = [0] * self.matrix.shape[1]
            vector[column] = denominator
            for value, at in zip(numerators, self.columns.tolist(), strict=True):
                vector[at] = -value
            vectors.append(vector)
        return vectors

    @cached_property
    def long_kernel(self) -> NDArray[np.object_] | None:
        """The kernel in Python integers, shape (c, c - rank), checked on every row; None where it is large.

        c - (modular rank) independent kernel vectors prove that the modular rank is the rational one.
        """
        if len(self.free) > _FEW:
            return None
        kernel = np.array(self.lift_kernel(self.free.tolist()), dtype=object).reshape(len(self.free), -1).T
        return None if (self.matrix.astype(object) @ kernel != 0).any() else kernel
