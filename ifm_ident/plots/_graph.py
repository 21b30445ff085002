"""The sigma-graph of a model beside its junction tree (docs/theory/messages.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.design.model import Model
from ifm_ident.messages.trees import Graph, JunctionTree, junction_tree
from ifm_ident.messages.trees import sigma_graph as graph_of
from ifm_ident.plots import canvas
from ifm_ident.plots._layout import graph_places
from ifm_ident.plots._tree import CLIQUE, SEPARATOR, SIZE, TreePicture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VERTICES = 300
MOST_NAMES = 60

_GAP = 0.35
_HEAD = 0.5
_WIDEST = 11.0
_MOST_ADDED = 200


def sigma_graph(model: Model, ax: Axes | None = None) -> Axes:
    """The interventions, joined where some factor holds both, and beside or below them the cliques as a tree.

    Dashed edges are those that make the graph chordal. More than 60 interventions lose their names, more than
    300 and more than 24 cliques are not all drawn; the picture says so.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> from matplotlib.figure import Figure
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> chain = Factor("f", ("x",), ("A", "B")), Factor("g", ("x",), ("B", "C"))
    >>> ax = sigma_graph(Model(bits, ("x",), chain), Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['A', 'B', 'C', 'sigma-graph', 'A B', 'B C', 'B', 'junction tree']
    """
    graph = graph_of(model)
    tree = junction_tree(graph)
    names = {i: canvas.plain(model.interventions[i].name, 14) for i in graph}
    kept = sorted(graph)[:MOST_VERTICES]
    graph = {v: {u for u in graph[v] if u in set(kept)} for v in kept}
    named = len(graph) <= MOST_NAMES
    unit = max(canvas.text_width(names.values(), SIZE) + 0.4, 0.75) if named else 0.5
    places = {v: (x * unit, y * unit) for v, (x, y) in graph_places(graph).items()}
    more = int(model.relevant.sum()) - len(graph)
    title = "sigma-graph" + (f", the first {len(graph):,} of {len(graph) + more:,}" if more else "")
    title += "" if named else " (names left out)"
    own = (
        max(max((x for x, _ in places.values()), default=0.0) + unit, canvas.text_width([title], 10.5)),
        max((y for _, y in places.values()), default=0.0) + unit,
    )
    room = (_WIDEST, _WIDEST) if ax is None else canvas.inches(ax)
    trees, beside, (width, height) = _arranged(tree, names, own, room)
    shrink = min(1.0, room[0] / width, room[1] / height)
    if ax is None:
        ax = canvas.axes(None, max(width * shrink, 4.2), height * shrink + 0.75)
    size = SIZE * shrink
    base = (height - _HEAD - own[1]) / 2 if beside else height - _HEAD - own[1]
    spots = {v: (x + unit / 2, y + base + unit / 2) for v, (x, y) in places.items()}
    _vertices(ax, graph, tree, spots, names if named else {}, size)
    canvas.write(ax, 0, height - 0.2, title, size + 1, ha="left", weight="bold")
    left, top = (own[0] + _GAP, height) if beside else (0.0, trees.size[1] + _HEAD)
    trees.draw(ax, left, (top - _HEAD + trees.size[1]) / 2, size)
    canvas.write(ax, left, top - 0.2, trees.title, size + 1, ha="left", weight="bold")
    ax.set_xlim(-0.05, width)
    ax.set_ylim(-0.1, height)
    ax.set_aspect("equal")
    canvas.bare(ax)
    keys = [
        canvas.Key("intervention", "#ffffff", marker="o", edge=canvas.BLUE),
        canvas.Key("in one factor", canvas.INK, line="-"),
        canvas.Key("added to triangulate", canvas.RED, line="--"),
        canvas.Key("clique (rounded)", CLIQUE, patch=True),
        canvas.Key("separator (square)", SEPARATOR, patch=True),
    ]
    filled = any(a in graph and b in graph for a, b in _added(tree))
    there = (bool(graph), any(graph.values()), filled, bool(graph), any(tree.separators))
    keys = [key for key, is_there in zip(keys, there, strict=True) if is_there]
    if not keys:
        canvas.write(ax, width / 2, height / 4, "No factor holds an intervention.", SIZE)
        return ax
    canvas.legend(ax, keys, columns=min(len(keys), max(2, int(max(width * shrink, 4.2) / 1.6))))
    return ax


def _arranged(
    tree: JunctionTree, names: dict[int, str], own: tuple[float, float], room: tuple[float, float]
) -> tuple[TreePicture, bool, tuple[float, float]]:
    """The tree, whether it stands beside the graph of this size, and the size of both: the first way that fits."""
    ways = []
    for beside in (True, False):
        for down in (False, True):
            trees = TreePicture(tree, names, down)
            wide, tall = trees.size
            size = (
                (own[0] + _GAP + wide, max(own[1], tall) + _HEAD)
                if beside
                else (max(own[0], wide), own[1] + tall + 2 * _HEAD)
            )
            ways.append((max(1.0, size[0] / room[0], size[1] / room[1]), trees, beside, size))
    return min(ways, key=lambda way: way[0])[1:]


def _vertices(
    ax: Axes,
    graph: Graph,
    tree: JunctionTree,
    spots: dict[int, tuple[float, float]],
    names: dict[int, str],
    size: float,
) -> None:
    pairs = [(a, b) for a in graph for b in sorted(graph[a]) if a < b]
    dense = 1.0 if names and len(pairs) <= 4 * len(graph) else 0.5
    canvas.strokes(
        ax, np.array([[spots[a], spots[b]] for a, b in pairs]).reshape(-1, 2, 2), canvas.FAINT, dense, order=1
    )
    fill = [(spots[a], spots[b]) for a, b in _added(tree) if a in spots and b in spots]
    canvas.strokes(ax, np.array(fill).reshape(-1, 2, 2), canvas.RED, dense, (0, (4, 3)), order=1)
    if not spots:
        return
    if not names:
        x, y = np.array(list(spots.values())).T
        canvas.shapes(ax, canvas.discs(x, y, 0.05), "#ffffff", canvas.BLUE, 0.8, order=3)
        return
    box = {"boxstyle": "round,pad=0.35,rounding_size=0.6", "facecolor": "#ffffff", "edgecolor": canvas.BLUE}
    for vertex, (x, y) in spots.items():
        canvas.write(ax, x, y, names[vertex], size, bbox={**box, "linewidth": 1.1}, zorder=4, color=canvas.INK)


def _added(tree: JunctionTree) -> Sequence[tuple[int, int]]:
    """The edges that make the graph chordal, where they are few enough to be told apart."""
    return tree.fill if len(tree.fill) <= _MOST_ADDED else ()
