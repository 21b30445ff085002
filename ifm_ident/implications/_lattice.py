"""Integer relations among the rows of a sparse matrix: a sparse, saturated basis (docs/theory/implications.md).

A lattice is a row-compressed int64 matrix whose rows are a basis of it. Saturated: every integer vector of its
rational span is an integer combination of the basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, vstack
from scipy.sparse.csgraph import connected_components

from ifm_ident.arrays import Ints
from ifm_ident.errors import IfmError
from ifm_ident.implications._exchange import Tableau, exchange
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.lattice import reduced_split
from ifm_ident.solve.exact.products import WouldOverflow, difference, product
from ifm_ident.solve.exact.rowspace import RowSpace

_WORK_LIMIT = 1_500_000_000
_TABLEAU_LIMIT = 30_000_000
_CHUNK = 4_000_000
_LONG = 2**25


@dataclass(frozen=True, eq=False)
class Split:
    """The integer vectors of length n as a direct sum: `kernel` + `complement`, shapes (n - r, n) and (r, n).

    kernel: a basis of {u : u M = 0}, saturated; both together generate every integer vector.
    """

    kernel: csr_array
    complement: csr_array


def split(matrix: csr_array, space: RowSpace | None = None) -> Split:
    """The relations among the n rows of an int64 matrix M, and a complement; `space` is RowSpace(M) where known.

    Each dependent row minus its combination of basis rows is a relation. Where all these combinations are integer
    the relations are saturated as they stand; otherwise the basis is exchanged for one of smaller determinant, and
    what is fractional still goes through lattice reduction. Raises IfmError where that would be too large, and
    WouldOverflow where int64 does not hold the relations.

    >>> s = split(csr_array(np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]])))
    >>> s.kernel.toarray().tolist(), s.complement.shape
    ([[1, 1, 1, -2]], (3, 4))
    """
    space = RowSpace(matrix) if space is None else space
    count, basis = matrix.shape[0], np.sort(space.basis)
    dependent = np.setdiff1d(np.arange(count, dtype=np.int64), basis)
    if space.rank == count:
        return Split(csr_array((0, count), dtype=np.int64), _units(basis, count))
    found = space.solve(csr_array(matrix[dependent]))
    row = found.owners
    fraction = np.asarray(found.denominator != 1, dtype=bool)
    part = np.zeros(len(dependent), dtype=bool)
    part[row[fraction]] = True
    shared = np.unique(found.row[fraction])
    whole = ~np.isin(found.row, shared) | ~part[row]
    entries = -_int64(found.numerator[whole])
    place = (dependent[row[whole]], found.row[whole])
    simple = csr_array(_units(dependent, count) + csr_array((entries, place), shape=(count, count))[dependent])
    if not part.any():
        return Split(simple, _units(basis, count))
    mixed = np.flatnonzero(part)
    generators = csr_array(vstack([_units(shared, count), simple[mixed]], format="csr"))
    kernel, complement = _mend(_tableau(found, row, mixed, shared), generators)
    return Split(
        csr_array(vstack([simple[np.flatnonzero(~part)], kernel], format="csr")),
        csr_array(vstack([_units(np.setdiff1d(basis, shared), count), complement], format="csr")),
    )


def _units(rows: Ints, count: int) -> csr_array:
    """Unit vectors of some rows, shape (len(rows), count)."""
    ones = np.ones(len(rows), dtype=np.int64)
    return csr_array((ones, (np.arange(len(rows)), rows)), shape=(len(rows), count))


def _int64(values: NDArray[np.int64] | NDArray[np.object_]) -> Ints:
    if values.dtype == object and any(abs(int(v)) >= 2**61 for v in values):
        raise WouldOverflow("the relations of this design have very long entries")
    return values.astype(np.int64)


def _tableau(found: Solutions, row: Ints, mixed: Ints, shared: Ints) -> Tableau:
    """The combinations that hold fractions, densely: rows `mixed`, columns `shared`."""
    if len(mixed) * len(shared) > _TABLEAU_LIMIT:
        raise IfmError(
            f"{len(mixed):,} relations share fractional exponents on {len(shared):,} training regimes; "
            "ask about fewer training regimes"
        )
    chosen = np.flatnonzero(np.isin(row, mixed) & np.isin(found.row, shared))
    denominator = 1
    for d in sorted({int(d) for d in found.denominator[chosen]}):
        denominator = int(np.lcm.reduce(np.array([denominator, d], dtype=object)))
    table = np.zeros((len(mixed), len(shared)), dtype=object)
    values = [int(found.numerator[e]) * (denominator // int(found.denominator[e])) for e in chosen.tolist()]
    table[np.searchsorted(mixed, row[chosen]), np.searchsorted(shared, found.row[chosen])] = values
    basic = np.arange(len(shared), dtype=np.int64)
    return Tableau(table, denominator, basic, len(shared) + np.arange(len(mixed), dtype=np.int64))


def _mend(tableau: Tableau, generators: csr_array) -> tuple[csr_array, csr_array]:
    """Kernel and complement as vectors, from generators whose images obey the tableau."""
    best = exchange(tableau)
    rounded = (2 * best.table + best.denominator) // (2 * best.denominator)
    rest = best.table - rounded * best.denominator
    shift = csr_array(_int64(rounded.ravel()).reshape(rounded.shape))
    moved = difference(csr_array(generators[best.free]), product(shift, csr_array(generators[best.basic])))
    pattern = np.asarray(rest != 0, dtype=bool)
    whole = ~pattern.any(axis=1)
    kernels = [csr_array(moved[np.flatnonzero(whole)])]
    complements = [csr_array(generators[best.basic[~pattern.any(axis=0)]])]
    for rows, columns in _components(pattern):
        size = len(columns)
        local = rest[np.ix_(rows, columns)]
        divisor = int(np.gcd.reduce(np.append(local.ravel(), best.denominator)))
        identity = np.diag(np.array([best.denominator] * size, dtype=object))
        relations = np.vstack([identity, local]) // divisor
        vectors = csr_array(vstack([generators[best.basic[columns]], moved[rows]], format="csr"))
        support = np.unique(vectors.indices)
        dense = csr_array(vectors[:, support]).toarray()
        for found, into in zip(
            reduced_split(relations.tolist(), dense.tolist()), (kernels, complements), strict=True
        ):
            into.append(_widened(found, support, generators.shape[1]))
    return csr_array(vstack(kernels, format="csr")), csr_array(vstack(complements, format="csr"))


def _components(pattern: NDArray[np.bool_]) -> list[tuple[Ints, Ints]]:
    """Rows and columns of the connected blocks of a pattern, empty rows and columns left out, in row order."""
    row, column = np.nonzero(pattern)
    height, width = pattern.shape
    graph = coo_array((np.ones(len(row)), (row, height + column)), shape=(height + width, height + width))
    _, label = connected_components(graph, directed=False)
    return [
        (
            np.flatnonzero(label[:height] == each).astype(np.int64),
            np.flatnonzero(label[height:] == each).astype(np.int64),
        )
        for each in dict.fromkeys(label[row].tolist())
    ]


def _widened(vectors: list[list[int]], support: Ints, width: int) -> csr_array:
    dense = np.array(vectors, dtype=object).reshape(len(vectors), len(support))
    row, column = np.nonzero(dense)
    entries = _int64(dense[row, column])
    return csr_array((entries, (row, support[column])), shape=(len(vectors), width))


def complement_modulo(vectors: csr_array, image: csr_array) -> csr_array:
    """Vectors that, with {v in the lattice : v @ image = 0}, generate the lattice that `vectors` are a basis of.

    >>> complement_modulo(csr_array(np.eye(2, dtype=int)), csr_array(np.array([[1], [1]]))).toarray().tolist()
    [[1, 0]]
    """
    return product(split(product(vectors, image)).complement, vectors)


def tidy(vectors: csr_array, modulo: csr_array | None = None) -> csr_array:
    """Shorter vectors that generate the same lattice (with those of `modulo`), in canonical form and order.

    Each vector is shortened by multiples of shorter ones, and of `modulo`, as long as its square norm falls and
    the work stays within a fixed limit. Signs make the first nonzero entry positive; the order
    is by number of entries, then by size, then by position.

    >>> long = csr_array(np.array([[1, -1, -1, 1, 0, 0], [2, -1, -1, 0, -1, 1]]))
    >>> tidy(long).toarray().tolist()
    [[1, -1, -1, 1, 0, 0], [1, 0, 0, -1, -1, 1]]
    """
    fixed = csr_array((0, vectors.shape[1]), dtype=np.int64) if modulo is None else modulo
    work = 0.0
    try:
        while (work := work + _work(fixed, vectors)) <= _WORK_LIMIT:
            shorter = _shortened(vectors, fixed)
            if shorter is None:
                break
            vectors = shorter
    except WouldOverflow:
        pass
    return _canonical(vectors)


def _work(fixed: csr_array, vectors: csr_array) -> float:
    """How many products of entries a round takes."""
    counts = [np.bincount(m.indices, minlength=m.shape[1]).astype(np.float64) for m in (vectors, fixed)]
    return float(counts[0] @ (counts[0] + counts[1]))


def _norms(vectors: csr_array) -> Ints:
    squares = csr_array((vectors.data**2, vectors.indices, vectors.indptr), shape=vectors.shape)
    norms: Ints = np.asarray(squares.sum(axis=1)).ravel().astype(np.int64)
    return norms


def _shortened(vectors: csr_array, fixed: csr_array) -> csr_array | None:
    """One round: every vector minus its best multiple of one earlier vector (fixed ones first, then by norm)."""
    stack = csr_array(vstack([fixed, vectors], format="csr"))
    offset = fixed.shape[0]
    if np.abs(stack.data).max(initial=0) >= _LONG:
        raise WouldOverflow("entries are too long to compare")
    if vectors.shape[0] == 0:
        return None
    norms = _norms(stack)
    order = np.concatenate(
        [np.arange(offset), offset + np.lexsort((np.arange(len(norms) - offset), norms[offset:]))]
    )
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    changes = []
    step = max(1, _CHUNK // max(1, stack.shape[0]))
    for start in range(0, vectors.shape[0], step):
        gram = product(csr_array(vectors[start : start + step]), csr_array(stack.T)).tocoo()
        i, j = gram.row.astype(np.int64) + start, gram.col.astype(np.int64)
        times = (2 * gram.data + norms[j]) // (2 * norms[j])
        gain = times * (2 * gram.data - times * norms[j])
        good = np.flatnonzero((gain > 0) & (rank[j] < rank[i + offset]))
        good = good[np.lexsort((rank[j[good]], -gain[good], i[good]))]
        first = good[np.concatenate([[True], i[good][1:] != i[good][:-1]])] if len(good) else good
        changes.append((i[first], j[first], times[first]))
    i, j, times = (np.concatenate(parts) for parts in zip(*changes, strict=True))
    if not len(i):
        return None
    return difference(
        vectors, product(csr_array((times, (i, j)), shape=(vectors.shape[0], stack.shape[0])), stack)
    )


def _canonical(vectors: csr_array) -> csr_array:
    vectors = csr_array(vectors)
    vectors.eliminate_zeros()
    vectors.sort_indices()
    if not vectors.nnz:
        return vectors
    starts, counts = vectors.indptr[:-1], np.diff(vectors.indptr)
    sign = np.sign(vectors.data[starts])
    vectors = csr_array(
        (vectors.data * np.repeat(sign, counts), vectors.indices, vectors.indptr), shape=vectors.shape
    )
    size = np.add.reduceat(np.abs(vectors.data), starts)
    order = np.lexsort((vectors.indices[starts], vectors.indices[vectors.indptr[1:] - 1], size, counts))
    return csr_array(vectors[order])
