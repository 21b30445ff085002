"""The terms of the junction-tree formula for many regimes at once (docs/theory/messages.md).

Eliminating the vertices of a chordal graph in a perfect order, with M(v) the later neighbours of v, the
formula of docs/theory/messages.md reads prod_v p(sigma*[{v} + M(v)]) / p(sigma*[M(v)]) times the baseline: what a
clique and its separator share cancels. Only the interventions a regime has off baseline count, so each regime has
its own induced sigma-graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, Ragged, ragged_arange
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Active, RegimeLists, Regimes
from ifm_ident.messages.trees import (
    JunctionTree,
    cardinality_order,
    junction_tree,
    later_neighbours,
    sigma_edges,
    sigma_graph,
)

_CHUNK_ENTRIES = 1_000_000
_CAPPED = 1 << 40


@dataclass(frozen=True, eq=False)
class SigmaGraph:
    """The sigma-graph in arrays: an elimination order, perfect if chordal, and edges compressed along it.

    rank: shape (d,); later neighbours of v: `later[indptr[v]:indptr[v + 1]]`; keys: i * d + j of every edge
    i < j, ascending.
    """

    chordal: bool
    rank: Ints
    indptr: Ints
    later: Ints
    keys: Ints

    @classmethod
    def of(cls, model: Model) -> SigmaGraph:
        """The sigma-graph of a model, by maximum cardinality search."""
        order, chordal = cardinality_order(sigma_graph(model))
        edges = sigma_edges(model)
        rank = np.zeros(len(model), dtype=np.int64)
        rank[order] = np.arange(len(order))
        indptr, later = later_neighbours(edges, rank)
        return cls(chordal, rank, indptr, later, edges[:, 0] * len(model) + edges[:, 1])

    def joined(self, one: Ints, other: Ints) -> NDArray[np.bool_]:
        """Whether there is an edge between one[i] and other[i]."""
        key = np.minimum(one, other) * len(self.rank) + np.maximum(one, other)
        at = np.searchsorted(self.keys, key)
        found: NDArray[np.bool_] = self.keys[np.minimum(at, len(self.keys) - 1)] == key
        return found

    def slices(self, active_counts: Ints) -> list[slice]:
        """Consecutive rows in portions of bounded memory, at least one row each."""
        cost = np.cumsum(1 + active_counts * (1 + len(self.later) // max(len(self.rank), 1)))
        portion = cost // _CHUNK_ENTRIES
        starts = np.flatnonzero(np.diff(portion, prepend=-1)).tolist()
        return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(cost)], strict=True)]


def relative(batch: Regimes, context: Active) -> Regimes:
    """The regimes with levels renamed so that `context` becomes the baseline; its own inverse.

    >>> batch = Regimes.from_codes(np.array([[0, 0], [2, 1]]))
    >>> relative(batch, ((0, 2),)).codes().tolist()
    [[2, 0], [0, 1]]
    """
    if not context:
        return batch
    level_there = np.zeros(batch.width, dtype=np.int64)
    chosen = np.array([position for position, _ in context], dtype=np.int64)
    level_there[chosen] = [level for _, level in context]
    shown = level_there[batch.position] > 0
    absent = np.ones((len(batch), len(chosen)), dtype=bool)
    absent[batch.rows[shown], np.searchsorted(chosen, batch.position[shown])] = False
    row, column = np.nonzero(absent)
    differs = batch.level != level_there[batch.position]
    rows = np.concatenate([batch.rows[differs], row])
    position = np.concatenate([batch.position[differs], chosen[column]])
    level = np.concatenate([batch.level[differs], level_there[chosen[column]]])
    order = np.lexsort((position, rows))
    return Regimes.owned(rows[order], len(batch), position[order], level[order], batch.width)


@dataclass(frozen=True, eq=False)
class Exponents(Ragged, entries=("train", "exponent")):
    """Whole exponents on training regimes, by row."""

    train: Ints
    exponent: Ints


@dataclass(frozen=True, eq=False)
class JoinTerms:
    """Net exponents on training regimes and missing regimes, by row.

    A row with missing regimes has no exponents. capped: rows taken as one clique; work: vertices and edges
    of the induced graphs that were triangulated. badness: shape (n,), the number of
    missing regimes, and far more where capped.
    """

    exponents: Exponents
    lacking: RegimeLists
    capped: NDArray[np.bool_]
    work: int
    badness: Ints


def join_terms(graph: SigmaGraph, goals: Regimes, train: Regimes, max_work: int) -> JoinTerms:
    """The formula of every goal with the baseline as context, equal terms cancelled, looked up in `train`.

    Goals whose induced graph is not chordal are triangulated one by one, in order, while the vertices and
    edges of those graphs stay within max_work.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> binary = tuple(Intervention(name, (0, 1)) for name in "AB")
    >>> graph = SigmaGraph.of(Model(binary, ("x",), tuple(Factor(n, ("x",), (n,)) for n in "AB")))
    >>> codes = Regimes.from_codes
    >>> found = join_terms(graph, codes(np.array([[1, 1]])), codes(np.array([[0, 0], [0, 1], [1, 0]])), 100)
    >>> found.exponents.train.tolist(), found.exponents.exponent.tolist(), len(found.lacking.regimes)
    ([0, 1, 2], [-1, 1, 1], 0)
    """
    row, position = goals.rows, goals.position
    low, high = _induced_edges(graph, goals)
    special = np.zeros(len(goals), dtype=bool)
    if not graph.chordal:
        rank = _peeled_rank(len(row), low, high, graph.rank[position])
        low, high = np.where(rank[low] < rank[high], [low, high], [high, low])
        special[row[_imperfect(graph, position, low, high, rank)]] = True
    everything = np.arange(len(row), dtype=np.int64)
    vertices, edges = everything[~special[row]], ~special[row[low]]
    extra, capped, work = _special_sets(goals, np.flatnonzero(special), low[~edges], high[~edges], max_work)
    owner = np.concatenate([vertices, low[edges], len(row) + low[edges], 2 * len(row) + extra.owner])
    member = np.concatenate([vertices, high[edges], high[edges], extra.member])
    order = np.lexsort((member, owner))
    plain = np.flatnonzero(~special)
    count, member = 2 * len(row) + len(extra.row) + len(plain), member[order]
    sets = Regimes.owned(owner, count, position[member], goals.level[member], goals.width)
    of_row = np.concatenate([row, row, extra.row, plain])
    sign = np.repeat(np.array([1, -1]), len(row))
    sign = np.concatenate([sign, extra.sign, np.ones(len(plain), dtype=np.int64)])
    used = np.concatenate([~special[of_row[: 2 * len(row)]], np.ones(len(extra.row) + len(plain), dtype=bool)])
    return _look_up(sets.take(used), of_row[used], sign[used], len(goals), train, capped, work)


def _look_up(
    sets: Regimes,
    row: Ints,
    sign: Ints,
    n: int,
    train: Regimes,
    capped: NDArray[np.bool_],
    work: int,
) -> JoinTerms:
    group = sets.first_equal(sets)
    order = np.lexsort((group, row))
    fresh = np.flatnonzero(np.diff(row[order], prepend=-1) | np.diff(group[order], prepend=-1))
    exponent = np.add.reduceat(sign[order], fresh)
    term = np.minimum.reduceat(order, fresh)
    row, exponent, term = row[term][exponent != 0], exponent[exponent != 0], term[exponent != 0]
    distinct, back = np.unique(group[term], return_inverse=True)
    found = sets.take(distinct).first_equal(train)[back]
    absent = found < 0
    lost = np.zeros(n, dtype=bool)
    lost[row[absent]] = True
    kept = np.flatnonzero(~lost[row])
    kept = kept[np.lexsort((found[kept], row[kept]))]
    gone = np.flatnonzero(absent)
    gone = gone[np.lexsort((term[gone], row[gone]))]
    badness = np.bincount(row[gone], minlength=n) + _CAPPED * capped
    return JoinTerms(
        Exponents.owned(row[kept], n, found[kept], exponent[kept]),
        RegimeLists.owned(row[gone], n, sets.take(term[gone])),
        capped,
        work,
        badness,
    )


def _induced_edges(graph: SigmaGraph, goals: Regimes) -> tuple[Ints, Ints]:
    """Edges between active entries of one row, each from its end of lower rank."""
    row, position = goals.rows, goals.position
    counts = np.diff(graph.indptr)[position]
    source = np.repeat(np.arange(len(row), dtype=np.int64), counts)
    other = graph.later[ragged_arange(graph.indptr[:-1][position], counts)]
    entries = row * goals.width + position
    wanted = row[source] * goals.width + other
    at = np.minimum(np.searchsorted(entries, wanted), len(entries) - 1)
    active = entries[at] == wanted
    return source[active], at[active]


def _peeled_rank(n: int, low: Ints, high: Ints, rank: Ints) -> Ints:
    """An elimination order: vertices with at most one neighbour left first, the others by `rank`.

    It is perfect on forests. `linked` sums the neighbours left: with one left, it is that one.
    """
    degree = np.bincount(low, minlength=n) + np.bincount(high, minlength=n)
    linked = np.zeros(n, dtype=np.int64)
    np.add.at(linked, low, high)
    np.add.at(linked, high, low)
    place = np.full(n, -1, dtype=np.int64)
    done = 0
    front = np.flatnonzero(degree <= 1)
    while len(front):
        leaving = front[degree[front] == 1]
        partner = linked[leaving]
        place[front] = done + np.arange(len(front))
        done += len(front)
        np.subtract.at(degree, partner, 1)
        np.subtract.at(linked, partner, leaving)
        front = np.unique(partner)
        front = front[(degree[front] <= 1) & (place[front] < 0)]
    return np.where(place < 0, n + rank, place)


def _imperfect(graph: SigmaGraph, position: Ints, low: Ints, high: Ints, rank: Ints) -> Ints:
    """Vertices whose first later neighbour is not joined to another of their later neighbours."""
    order = np.lexsort((rank[high], low))
    low, high = low[order], high[order]
    is_first = np.diff(low, prepend=-1) != 0
    first = high[is_first][np.cumsum(is_first) - 1]
    apart = ~is_first & ~graph.joined(position[first], position[high])
    return np.unique(low[apart])


@dataclass(frozen=True, eq=False)
class _Sets:
    owner: Ints
    member: Ints
    row: Ints
    sign: Ints


def _special_sets(
    goals: Regimes, rows: Ints, low: Ints, high: Ints, max_work: int
) -> tuple[_Sets, NDArray[np.bool_], int]:
    """Cliques and separators, as sets of entries, of the rows whose induced graph needs a triangulation."""
    owner: list[int] = []
    member: list[int] = []
    of_set: list[int] = []
    sign: list[int] = []
    capped = np.zeros(len(goals), dtype=bool)
    trees: dict[bytes, JunctionTree] = {}
    work = 0
    by_row = np.argsort(goals.rows[low], kind="stable")
    low, high = low[by_row], high[by_row]
    row_of_edge = goals.rows[low]
    begin, end = np.searchsorted(row_of_edge, rows), np.searchsorted(row_of_edge, rows, side="right")
    for row, first_edge, last_edge in zip(rows.tolist(), begin.tolist(), end.tolist(), strict=True):
        start, stop = int(goals.indptr[row]), int(goals.indptr[row + 1])
        key = goals.position[start:stop].tobytes()
        tree = trees.get(key)
        if tree is None:
            cost = stop - start + last_edge - first_edge
            if work + cost <= max_work:
                work += cost
                graph: dict[int, set[int]] = {v: set() for v in range(stop - start)}
                for a, b in zip(
                    (low[first_edge:last_edge] - start).tolist(),
                    (high[first_edge:last_edge] - start).tolist(),
                    strict=True,
                ):
                    graph[a].add(b)
                    graph[b].add(a)
                tree = trees[key] = junction_tree(graph)
            else:
                capped[row] = True
                tree = JunctionTree((tuple(range(stop - start)),), (-1,), ((),))
        for sets, value in ((tree.cliques, 1), (tree.separators[1:], -1)):
            for entries in sets:
                owner.extend([len(of_set)] * len(entries))
                member.extend(start + v for v in entries)
                of_set.append(row)
                sign.append(value)
    columns = (np.array(column, dtype=np.int64) for column in (owner, member, of_set, sign))
    return _Sets(*columns), capped, work
