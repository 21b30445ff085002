"""The sigma-graph of a model and its junction tree (docs/theory/messages.md)."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model

Graph = dict[int, set[int]]
"""An undirected graph without loops: vertex to neighbours."""

MAX_WIDTH = 32
"""A triangulation that needs a vertex with more later neighbours than this completes the rest instead."""


@dataclass(frozen=True)
class JunctionTree:
    """Maximal cliques of a chordal graph, joined so that every vertex holds a connected part of the tree.

    cliques: ascending vertex tuples; parent: index of the clique that each is joined to, always an earlier
    one, -1 for clique 0; separators: what a clique shares with its parent, () for clique 0. Components are
    joined by empty separators; a graph without vertices has the one clique (). `chordal` says whether the
    graph itself was; if not, `fill` lists the edges that triangulate it, ascending, and `capped` says that
    the graph is too entangled (MAX_WIDTH): one clique per such component was completed, edges not listed.
    Source: docs/theory/messages.md.

    >>> junction_tree({0: {1}, 1: {0, 2}, 2: {1}})
    JunctionTree(cliques=((0, 1), (1, 2)), parent=(-1, 0), separators=((), (1,)), chordal=True, fill=(), \
capped=False)
    >>> JunctionTree(((0, 1), (2,), (1, 2)), (-1, 0, 1), ((), (), (2,))).check()
    Traceback (most recent call last):
    ...
    ValueError: no junction tree: the cliques that hold vertex 1 are in 2 separate parts of the tree
    """

    cliques: tuple[tuple[int, ...], ...]
    parent: tuple[int, ...]
    separators: tuple[tuple[int, ...], ...]
    chordal: bool = True
    fill: tuple[tuple[int, int], ...] = ()
    capped: bool = False

    def check(self) -> None:
        """Raise ValueError unless this is a tree with the running intersection property; linear time."""
        if not len(self.cliques) == len(self.parent) == len(self.separators) >= 1:
            raise ValueError(
                f"no junction tree: {len(self.cliques)} cliques, {len(self.parent)} parents and "
                f"{len(self.separators)} separators; give as many of each, at least one"
            )
        parts: dict[int, int] = {}
        members = [frozenset(clique) for clique in self.cliques]
        for i, (clique, parent, separator) in enumerate(
            zip(self.cliques, self.parent, self.separators, strict=True)
        ):
            if any(a >= b for a, b in pairwise(clique)):
                raise ValueError(f"no junction tree: clique {i} is {clique}; its vertices must ascend")
            if not (parent == -1 if i == 0 else 0 <= parent < i):
                raise ValueError(
                    f"no junction tree: clique {i} has the parent {parent}; clique 0 has -1, others an earlier one"
                )
            shared = tuple(v for v in clique if v in members[parent]) if i else ()
            if separator != shared:
                raise ValueError(f"no junction tree: separator {i} is {separator}, the cliques share {shared}")
            for vertex in clique:
                parts[vertex] = parts.get(vertex, 0) + 1
            for vertex in separator:
                parts[vertex] -= 1
        for vertex, count in parts.items():
            if count != 1:
                raise ValueError(
                    f"no junction tree: the cliques that hold vertex {vertex} are in {count} separate parts "
                    "of the tree"
                )


def sigma_edges(model: Model) -> Ints:
    """The edges of the sigma-graph: pairs i < j of interventions in one sigma-scope, ascending, shape (n, 2).

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> binary = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> sigma_edges(Model(binary, ("x",), (Factor("f", ("x",), ("C", "A")),))).tolist()
    [[0, 2]]
    """
    by_size: dict[int, list[Ints]] = {}
    for scope in model.scopes:
        by_size.setdefault(len(scope), []).append(np.sort(scope))
    keys: list[Ints] = [np.zeros(0, dtype=np.int64)]
    for size, scopes in by_size.items():
        low, high = np.triu_indices(size, 1)
        stacked = np.stack(scopes)
        keys.append(np.unique(stacked[:, low] * len(model) + stacked[:, high]))
    return np.stack(np.divmod(np.unique(np.concatenate(keys)), max(len(model), 1)), axis=1)


def sigma_graph(model: Model) -> Graph:
    """The sigma-graph: relevant interventions by position, joined when some sigma-scope holds both.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> binary = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> sigma_graph(Model(binary, ("x",), (Factor("f", ("x",), ("C", "A")),)))
    {0: {2}, 2: {0}}
    """
    graph: Graph = {v: set() for v in np.flatnonzero(model.relevant).tolist()}
    for i, j in sigma_edges(model).tolist():
        graph[i].add(j)
        graph[j].add(i)
    return graph


def induced(graph: Graph, vertices: Collection[int]) -> Graph:
    """The graph on the chosen vertices, in the order given."""
    kept = set(vertices)
    return {v: graph[v] & kept for v in vertices}


def cardinality_order(graph: Graph) -> tuple[list[int], bool]:
    """An elimination order by maximum cardinality search, and whether it is perfect: the graph is chordal.

    Linear time (Tarjan and Yannakakis 1984).

    >>> cardinality_order({0: {1}, 1: {0, 2}, 2: {1}})
    ([2, 1, 0], True)
    >>> cardinality_order({0: {1, 3}, 1: {0, 2}, 2: {1, 3}, 3: {0, 2}})[1]
    False
    """
    buckets: list[list[int]] = [sorted(graph, reverse=True)]
    weight = dict.fromkeys(graph, 0)
    visited: dict[int, int] = {}
    while buckets:
        if not buckets[-1]:
            buckets.pop()
            continue
        vertex = buckets[-1].pop()
        if vertex in visited or weight[vertex] != len(buckets) - 1:
            continue
        visited[vertex] = len(visited)
        for other in sorted(graph[vertex], reverse=True):
            if other not in visited:
                weight[other] += 1
                if weight[other] == len(buckets):
                    buckets.append([])
                buckets[weight[other]].append(other)
    order = list(reversed(visited))
    for vertex in order:
        later = [other for other in graph[vertex] if visited[other] < visited[vertex]]
        if later:
            first = max(later, key=visited.__getitem__)
            if any(other != first and other not in graph[first] for other in later):
                return order, False
    return order, True


def _fill_count(graph: Graph, vertex: int) -> int:
    neighbours = graph[vertex]
    present = sum(len(graph[other] & neighbours) for other in neighbours)
    return (len(neighbours) * (len(neighbours) - 1) - present) // 2


def _triangulate(graph: Graph, max_width: int) -> tuple[list[int], Graph, list[tuple[int, int]], bool]:
    """Eliminate the vertex with the least fill again and again; ties by degree, then position.

    Returns the order, the later neighbours of each vertex, the fill edges and whether the rest of a
    component was completed because every vertex left in the graph has more than max_width neighbours.
    """
    graph = {v: set(neighbours) for v, neighbours in graph.items()}
    order: list[int] = []
    later: Graph = {}
    fill: list[tuple[int, int]] = []
    score = {v: (_fill_count(graph, v), len(n), v) for v, n in graph.items() if len(n) <= max_width}
    heap = sorted(score.values())
    while heap:
        entry = heapq.heappop(heap)
        vertex = entry[2]
        if score.get(vertex) != entry:
            continue
        del score[vertex]
        neighbours = graph.pop(vertex)
        order.append(vertex)
        later[vertex] = neighbours
        affected = set(neighbours)
        for other in neighbours:
            graph[other].discard(vertex)
        if entry[0]:
            ordered = sorted(neighbours)
            for i, a in enumerate(ordered):
                for b in ordered[i + 1 :]:
                    if b not in graph[a]:
                        fill.append((a, b))
                        affected |= graph[a] & graph[b]
                        graph[a].add(b)
                        graph[b].add(a)
        for other in affected:
            if len(graph[other]) > max_width:
                score.pop(other, None)
            elif score.get(other, (1,))[0] or other in neighbours:
                score[other] = (_fill_count(graph, other), len(graph[other]), other)
                heapq.heappush(heap, score[other])
    capped = bool(graph)
    for component in _components(graph):
        for i, vertex in enumerate(component):
            order.append(vertex)
            later[vertex] = set(component[i + 1 :])
    return order, later, sorted(fill), capped


def _components(graph: Graph) -> list[list[int]]:
    seen: set[int] = set()
    components = []
    for start in graph:
        if start in seen:
            continue
        seen.add(start)
        component = [start]
        for vertex in component:
            fresh = graph[vertex] - seen
            seen |= fresh
            component.extend(fresh)
        components.append(sorted(component))
    return components


def junction_tree(graph: Graph, max_width: int = MAX_WIDTH) -> JunctionTree:
    """The junction tree of a graph, triangulated by least fill where it is not chordal.

    Linear time for a chordal graph. Deterministic: the same graph has the same tree.

    >>> square = {0: {1, 3}, 1: {0, 2}, 2: {1, 3}, 3: {0, 2}}
    >>> tree = junction_tree(square)
    >>> tree.cliques, tree.separators, tree.chordal, tree.fill
    (((1, 2, 3), (0, 1, 3)), ((), (1, 3)), False, ((1, 3),))
    """
    order, chordal = cardinality_order(graph)
    fill: list[tuple[int, int]] = []
    capped = False
    rank = {vertex: i for i, vertex in enumerate(order)}
    if chordal:
        later = {v: {u for u in graph[v] if rank[u] > rank[v]} for v in order}
    else:
        order, later, fill, capped = _triangulate(graph, max_width)
        rank = {vertex: i for i, vertex in enumerate(order)}
    cliques: list[list[int]] = []
    parent: list[int] = []
    separators: list[tuple[int, ...]] = []
    home: dict[int, int] = {}
    for vertex in reversed(order):
        neighbours = later[vertex]
        joined = home[min(neighbours, key=rank.__getitem__)] if neighbours else min(len(cliques), 1) - 1
        if neighbours and len(neighbours) == len(cliques[joined]):
            cliques[joined].append(vertex)
            home[vertex] = joined
        else:
            home[vertex] = len(cliques)
            cliques.append([*neighbours, vertex])
            parent.append(joined)
            separators.append(tuple(sorted(neighbours)))
    if not cliques:
        return JunctionTree(((),), (-1,), ((),))
    return JunctionTree(
        tuple(tuple(sorted(clique)) for clique in cliques),
        tuple(parent),
        tuple(separators),
        chordal,
        tuple(fill),
        capped,
    )


def later_neighbours(edges: Ints, rank: Ints) -> tuple[Ints, Ints]:
    """Every edge at its end of lower rank, compressed by vertex: indptr, shape (d + 1,), and neighbours.

    edges: shape (n, 2); rank: the place of each vertex in an elimination order, shape (d,).

    >>> [part.tolist() for part in later_neighbours(np.array([[0, 1], [1, 2]]), np.array([2, 1, 0]))]
    [[0, 0, 1, 2], [0, 1]]
    """
    swapped: NDArray[np.bool_] = rank[edges[:, 0]] > rank[edges[:, 1]]
    low = np.where(swapped, edges[:, 1], edges[:, 0])
    high = np.where(swapped, edges[:, 0], edges[:, 1])
    order = np.lexsort((high, low))
    return row_bounds(np.bincount(low, minlength=len(rank))), high[order]
