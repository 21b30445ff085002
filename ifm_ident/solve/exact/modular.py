"""Arithmetic modulo one prime below 2^31, in int64 arrays of residues: no product of two of them wraps."""

from __future__ import annotations

import numpy as np

from ifm_ident.arrays import Ints

PRIME = 2**31 - 1


def inverses(values: Ints) -> Ints:
    """Inverses modulo the prime, of any shape; 0 for 0.

    >>> (inverses(np.array([0, 1, 2, 12345])) * np.array([0, 1, 2, 12345]) % PRIME).tolist()
    [0, 1, 1, 1]
    """
    result, power = np.ones_like(values), values
    for bit in bin(PRIME - 2)[:1:-1]:
        if bit == "1":
            result = result * power % PRIME
        power = power * power % PRIME
    return result


def unit(row: Ints, at: int) -> Ints:
    """The multiple of a row that has a 1 in column `at`, where the row is not 0."""
    return row * pow(int(row[at]), -1, PRIME) % PRIME


def cleared(rows: Ints, by: Ints, at: int) -> Ints:
    """Rows, or one row, less the multiples of a unit row that make column `at` 0.

    >>> cleared(np.array([[1, 2], [0, 1]]), unit(np.array([2, 2]), 0), 0).tolist()
    [[0, 1], [0, 1]]
    """
    return (rows - rows[..., at, None] * by) % PRIME


def parallel_to(rows: Ints, goal: Ints) -> Ints:
    """Which of some nonzero rows are multiples of a goal that is not zero."""
    at = int((goal != 0).argmax())
    crossed = (rows * goal[at] - rows[:, at : at + 1] * goal) % PRIME
    return np.flatnonzero(~crossed.any(axis=1))
