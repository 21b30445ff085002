"""The sigma-graph, triangulation and junction trees against networkx and the definition."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.messages.trees import (
    JunctionTree,
    cardinality_order,
    induced,
    junction_tree,
    later_neighbours,
    sigma_edges,
    sigma_graph,
)


def model_of(scopes: list[tuple[int, ...]], width: int) -> Model:
    binary = tuple(Intervention(f"s{i}", (0, 1)) for i in range(width))
    return Model(
        binary,
        ("x",),
        tuple(Factor(f"f{k}", ("x",), tuple(f"s{i}" for i in scope)) for k, scope in enumerate(scopes)),
    )


def graph_of(edges: list[tuple[int, int]], width: int) -> dict[int, set[int]]:
    graph: dict[int, set[int]] = {v: set() for v in range(width)}
    for a, b in edges:
        if a != b:
            graph[a].add(b)
            graph[b].add(a)
    return graph


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, set[int]]:
    width = draw(st.integers(0, 9))
    pairs = [(a, b) for a in range(width) for b in range(a)]
    return graph_of(draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else [], width)


def as_networkx(graph: dict[int, set[int]]) -> nx.Graph:
    return nx.Graph({v: sorted(neighbours) for v, neighbours in graph.items()})


def assert_is_junction_tree(tree: JunctionTree, chordal: nx.Graph) -> None:
    """The definition, checked directly: maximal cliques once each, joined with running intersection."""
    if len(chordal):
        assert sorted(tree.cliques) == sorted(tuple(sorted(c)) for c in nx.find_cliques(chordal))
    else:
        assert tree.cliques == ((),)
    joined = nx.Graph()
    joined.add_nodes_from(range(len(tree.cliques)))
    joined.add_edges_from((i, p) for i, p in enumerate(tree.parent) if p >= 0)
    assert nx.is_tree(joined)
    for i, parent in enumerate(tree.parent):
        shared = set(tree.cliques[i]) & set(tree.cliques[parent]) if parent >= 0 else set()
        assert tree.separators[i] == tuple(sorted(shared))
    for vertex in chordal:
        holders = [i for i, clique in enumerate(tree.cliques) if vertex in clique]
        assert nx.is_connected(joined.subgraph(holders))


@given(graphs())
@settings(deadline=None, max_examples=300)
def test_tree_of_any_graph(graph: dict[int, set[int]]) -> None:
    before = {v: set(n) for v, n in graph.items()}
    tree = junction_tree(graph)
    assert graph == before
    plain = as_networkx(graph)
    assert tree.chordal == (len(graph) == 0 or nx.is_chordal(plain))
    assert bool(tree.fill) == (not tree.chordal)
    assert not any(plain.has_edge(*edge) for edge in tree.fill)
    assert list(tree.fill) == sorted(set(tree.fill))
    plain.add_edges_from(tree.fill)
    assert len(plain) == 0 or nx.is_chordal(plain)
    assert_is_junction_tree(tree, plain)
    tree.check()


@given(graphs())
@settings(deadline=None, max_examples=200)
@example(graph_of([(1, 0), (2, 1), (3, 1), (4, 2), (5, 0), (5, 3), (5, 4)], 6))
def test_triangulation_is_greedy_least_fill(graph: dict[int, set[int]]) -> None:
    """The same greedy rule, with every score computed afresh at every step."""
    tree = junction_tree(graph)
    left = {v: set(n) for v, n in graph.items()}
    fill = []

    def lacking(v: int) -> list[tuple[int, int]]:
        return [(a, b) for a in sorted(left[v]) for b in sorted(left[v]) if a < b and b not in left[a]]

    while left:
        vertex = min(left, key=lambda v: (len(lacking(v)), len(left[v]), v))
        for a, b in lacking(vertex):
            fill.append((a, b))
            left[a].add(b)
            left[b].add(a)
        for other in left.pop(vertex):
            left[other].discard(vertex)
    assert list(tree.fill) == sorted(fill)


@given(graphs(), st.integers(0, 3))
@settings(deadline=None)
def test_capped_trees_cover_the_graph_and_stay_junction_trees(graph: dict[int, set[int]], width: int) -> None:
    tree = junction_tree(graph, max_width=width)
    tree.check()
    for vertex, neighbours in graph.items():
        for other in neighbours:
            assert any(vertex in clique and other in clique for clique in tree.cliques)
    if tree.capped:
        assert not tree.chordal
        assert max(len(clique) for clique in tree.cliques) > width
    filled = nx.Graph()
    filled.add_nodes_from(graph)
    filled.add_edges_from((a, b) for clique in tree.cliques for a in clique for b in clique if a < b)
    assert_is_junction_tree(tree, filled)


@given(graphs())
@settings(deadline=None)
def test_cardinality_order_eliminates_chordal_graphs_without_fill(graph: dict[int, set[int]]) -> None:
    order, chordal = cardinality_order(graph)
    assert sorted(order) == sorted(graph)
    gone: set[int] = set()
    without_fill = True
    for vertex in order:
        gone.add(vertex)
        rest = graph[vertex] - gone
        without_fill &= all(b in graph[a] for a in rest for b in rest if a != b)
    assert without_fill == chordal


@given(st.lists(st.lists(st.integers(0, 5), unique=True, max_size=4), min_size=1, max_size=5))
def test_sigma_graph_joins_what_shares_a_scope(scopes: list[list[int]]) -> None:
    model = model_of([tuple(scope) for scope in scopes], 6)
    expected = sorted({(a, b) for scope in scopes for a in scope for b in scope if a < b})
    assert [tuple(edge) for edge in sigma_edges(model).tolist()] == expected
    graph = sigma_graph(model)
    assert sorted(graph) == sorted({v for scope in scopes for v in scope})
    assert sorted((a, b) for a, n in graph.items() for b in n if a < b) == expected


def test_the_poster_s_graph_is_a_path() -> None:
    tree = junction_tree(sigma_graph(model_of([(0, 1), (1, 2)], 3)))
    assert tree == JunctionTree(((0, 1), (1, 2)), (-1, 0), ((), (1,)))


def test_components_are_joined_by_empty_separators() -> None:
    tree = junction_tree(graph_of([(0, 1), (2, 3)], 5))
    assert sorted(tree.cliques) == [(0, 1), (2, 3), (4,)]
    assert tree.separators == ((), (), ())
    assert tree.parent == (-1, 0, 0)


def test_chordal_parts_get_no_fill_beside_a_cycle() -> None:
    two_cliques = [(a, b) for part in (range(4), range(5, 9)) for a in part for b in part]
    bridge = [(3, 4), (4, 5)]
    cycle = [(8, 9), (9, 10), (10, 11), (11, 8)]
    tree = junction_tree(graph_of([*two_cliques, *bridge, *cycle], 12))
    assert len(tree.fill) == 1
    assert set(tree.fill[0]) <= {8, 9, 10, 11}
    assert (3, 4) in tree.cliques


def test_induced_keeps_only_chosen_vertices() -> None:
    assert induced(graph_of([(0, 1), (1, 2), (0, 2)], 3), [2, 0]) == {2: {0}, 0: {2}}


def test_long_chains_and_cycles() -> None:
    size = 5000
    chain = junction_tree(graph_of([(i, i + 1) for i in range(size - 1)], size))
    chain.check()
    assert chain.cliques == tuple((i, i + 1) for i in range(size - 1))
    cycle = junction_tree(graph_of([(i, (i + 1) % size) for i in range(size)], size))
    cycle.check()
    assert len(cycle.fill) == size - 3
    assert {len(clique) for clique in cycle.cliques} == {3}


def test_a_dense_random_graph_is_capped() -> None:
    edges = np.random.default_rng(0).integers(0, 120, (700, 2)).tolist()
    tree = junction_tree(graph_of(edges, 120))
    tree.check()
    assert tree.capped
    assert not junction_tree(graph_of(edges, 120), max_width=120).capped


def test_later_neighbours_hold_every_edge_once() -> None:
    rank = np.array([3, 0, 2, 1])
    indptr, later = later_neighbours(np.array([[0, 1], [0, 2], [1, 3]]), rank)
    found = [(v, u) for v in range(4) for u in later[indptr[v] : indptr[v + 1]].tolist()]
    assert found == [(1, 0), (1, 3), (2, 0)]


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (JunctionTree(((0, 1), (2,), (1, 2)), (-1, 0, 1), ((), (), (2,))), "vertex 1 are in 2 separate"),
        (JunctionTree(((1, 0),), (-1,), ((),)), "clique 0 is .* must ascend"),
        (JunctionTree(((0,), (1,)), (-1, 1), ((), ())), "clique 1 has the parent 1"),
        (JunctionTree(((0,), (1,)), (-1, -1), ((), ())), "clique 1 has the parent -1"),
        (JunctionTree(((0, 1), (1, 2)), (-1, 0), ((), ())), "separator 1 is .* share \\(1,\\)"),
        (JunctionTree(((0,),), (-1,), ()), "1 cliques, 1 parents and 0 separators"),
        (JunctionTree((), (), ()), "at least one"),
    ],
)
def test_check_refuses(tree: JunctionTree, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        tree.check()
