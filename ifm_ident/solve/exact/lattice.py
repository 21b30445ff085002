"""Lattice reduction (LLL) of integer vectors; with `dense` the only place that calls python-flint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flint

from ifm_ident.errors import IfmError

SIZE_LIMIT = 320
"""More vectors than this are not reduced together."""

_SCALE = 2**20


def reduced_split(
    relations: Sequence[Sequence[int]], vectors: Sequence[Sequence[int]]
) -> tuple[list[list[int]], list[list[int]]]:
    """Short vectors of the same lattice, parted: combinations that cancel the relations, and a complement.

    relations: n integer rows of rank k, shape (n, k); vectors: n independent integer rows, shape (n, c). The
    n - k vectors of the first list are a basis of {u V : u R = 0}, and with the k of the second of {u V}, u
    integer. Raises IfmError for more than SIZE_LIMIT rows, ValueError when the rank is not k.

    >>> reduced_split([[2], [1], [1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    ([[0, -1, 1], [1, -1, -1]], [[0, 1, 0]])
    >>> reduced_split([[1, 1], [2, 2]], [[1, 0], [0, 1]])
    Traceback (most recent call last):
    ...
    ValueError: the relations have rank 1, not 2
    """
    count, width = len(relations), len(relations[0])
    if count > SIZE_LIMIT:
        raise IfmError(
            f"a lattice of dimension {count:,} would have to be reduced (limit {SIZE_LIMIT:,}): this design's "
            "formulas share fractional exponents; ask about fewer factors or training regimes"
        )
    rank = flint.fmpz_mat(count, width, [int(x) for row in relations for x in row]).rank()
    if rank != width:
        raise ValueError(f"the relations have rank {rank}, not {width}")
    scale = _SCALE
    while True:
        flat = [
            x
            for r, v in zip(relations, vectors, strict=True)
            for x in (*(scale * int(y) for y in r), *map(int, v))
        ]
        reduced = [[int(x) for x in row] for row in flint.fmpz_mat(count, len(flat) // count, flat).lll().tolist()]
        kernel = [row[width:] for row in reduced if not any(row[:width])]
        if len(kernel) == count - width:  # a larger scale always gets there (LLL's bound on the first vectors)
            return kernel, [row[width:] for row in reduced if any(row[:width])]
        scale *= scale


def relations(rows: Sequence[Mapping[int, int]]) -> list[list[int]]:
    """A short saturated basis of {c : c R = 0} for whole rows R of any size, each column to nonzero entry.

    Raises IfmError for more than SIZE_LIMIT rows.

    >>> relations([{0: 1}, {0: 1, 1: 2**70}, {0: 1, 1: 2**71}])
    [[1, -2, 1]]
    """
    count = len(rows)
    columns = sorted({column for row in rows for column in row})
    independent = _independent_columns([[row.get(column, 0) for column in columns] for row in rows])
    unit = [[int(i == j) for j in range(count)] for i in range(count)]
    if not independent[0]:
        return unit
    return [] if len(independent[0]) == count else reduced_split(independent, unit)[0]


def beyond(vectors: Sequence[Sequence[int]], known: Sequence[Sequence[int]]) -> list[list[int]]:
    """Vectors that, with those of the span of `known`, generate the lattice that `vectors` are a basis of.

    >>> beyond([[1, -1, 0], [0, 1, -1]], [[1, 0, -1]])
    [[1, -1, 0]]
    """
    if not vectors or not known:
        return [list(vector) for vector in vectors]
    width = len(known[0])
    null, free = flint.fmpz_mat(len(known), width, [x for row in known for x in row]).nullspace()
    image = flint.fmpz_mat(len(vectors), width, [x for row in vectors for x in row]) * null
    rows = [[int(image[i, j]) for j in range(free)] for i in range(len(vectors))]
    independent = _independent_columns(rows)
    return reduced_split(independent, vectors)[1] if independent[0] else []


def _independent_columns(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """The rows on the first independent columns."""
    width = len(rows[0]) if rows else 0
    if not width:
        return [[] for _ in rows]
    reduced, _, rank = flint.fmpz_mat(len(rows), width, [x for row in rows for x in row]).rref()
    pivots: list[int] = []
    for i in range(rank):
        start = pivots[-1] + 1 if pivots else 0
        pivots.append(next(j for j in range(start, width) if reduced[i, j] != 0))
    return [[row[j] for j in pivots] for row in rows]
