"""The sigma-graph of a model beside its junction tree (THEORY 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.messages.junction_tree import Graph, JunctionTree, junction_tree
from ifm_ident.messages.junction_tree import sigma_graph as graph_of
from ifm_ident.model import Model
from ifm_ident.plots import canvas
from ifm_ident.plots.layout import graph_places, tree_places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_VERTICES = 300
MOST_NAMES = 60
MOST_CLIQUES = 24

_SIZE = 8.0
_MEMBERS = 4
_GAP = 0.35
_HEAD = 0.5
_WIDEST = 11.0
_MOST_ADDED = 200
_CLIQUE, _SEPARATOR = "#e3eef8", "#fbe7bd"


def sigma_graph(model: Model, ax: Axes | None = None) -> Axes:
    """On the left the interventions, joined where some factor holds both; on the right the cliques as a tree.

    Dashed edges are those that make the graph chordal. More than 60 interventions lose their names, more than
    300 and more than 24 cliques are not all drawn; the picture says so.

    >>> from ifm_ident.model import Factor, Intervention
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
    unit = max(canvas.text_width(names.values(), _SIZE) + 0.4, 0.75) if named else 0.22
    places = {v: (x * unit, y * unit) for v, (x, y) in graph_places(graph).items()}
    more = int(model.relevant.sum()) - len(graph)
    title = "sigma-graph" + (f", the first {len(graph):,} of {len(graph) + more:,}" if more else "")
    title += "" if named else " (names left out)"
    trees = _Tree(tree, names)
    wide = max(max((x for x, _ in places.values()), default=0.0) + unit, canvas.text_width([title], 10.5))
    tall = max((y for _, y in places.values()), default=0.0) + unit
    beside = wide + _GAP + trees.wide <= _WIDEST
    width = wide + _GAP + trees.wide if beside else max(wide, trees.wide)
    height = max(tall, trees.tall) + _HEAD if beside else tall + trees.tall + 2 * _HEAD
    if ax is None:
        shrink = min(1.0, _WIDEST / width, _WIDEST / height)
        ax = canvas.axes(None, max(width * shrink, 4.2), height * shrink + 0.75)
    else:
        across, up = canvas.inches(ax)
        shrink = min(1.0, across / width, up / height)
    size = _SIZE * shrink
    base = (height - _HEAD - tall) / 2 if beside else height - _HEAD - tall
    spots = {v: (x + unit / 2, y + base + unit / 2) for v, (x, y) in places.items()}
    _vertices(ax, graph, tree, spots, names if named else {}, size)
    canvas.write(ax, 0, height - 0.2, title, size + 1, ha="left", weight="bold")
    left, top = (wide + _GAP, height) if beside else (0.0, trees.tall + _HEAD)
    trees.draw(ax, left, (top - _HEAD) / 2, size)
    canvas.write(ax, left, top - 0.2, trees.title, size + 1, ha="left", weight="bold")
    ax.set_xlim(-0.05, width)
    ax.set_ylim(-0.1, height)
    ax.set_aspect("equal")
    canvas.bare(ax)
    keys = [
        canvas.Key("intervention", "#ffffff", marker="o", edge=canvas.BLUE),
        canvas.Key("in one factor", canvas.INK, line="-"),
        canvas.Key("added to triangulate", canvas.RED, line="--"),
        canvas.Key("clique (rounded)", _CLIQUE, patch=True),
        canvas.Key("separator (square)", _SEPARATOR, patch=True),
    ]
    there = (bool(graph), any(graph.values()), bool(tree.fill), bool(graph), any(tree.separators))
    keys = [key for key, is_there in zip(keys, there, strict=True) if is_there]
    if not keys:
        canvas.write(ax, width / 2, height / 4, "No factor holds an intervention.", _SIZE)
        return ax
    canvas.legend(ax, keys, columns=min(len(keys), max(2, int(max(width * shrink, 4.2) / 1.6))))
    return ax


def _vertices(
    ax: Axes,
    graph: Graph,
    tree: JunctionTree,
    spots: dict[int, tuple[float, float]],
    names: dict[int, str],
    size: float,
) -> None:
    pairs = [(a, b) for a in graph for b in sorted(graph[a]) if a < b]
    dense = 0.5 if len(pairs) > 4 * len(graph) else 1.0
    canvas.strokes(
        ax, np.array([[spots[a], spots[b]] for a, b in pairs]).reshape(-1, 2, 2), canvas.FAINT, dense, order=1
    )
    added = tree.fill if len(tree.fill) <= _MOST_ADDED else ()
    fill = [(spots[a], spots[b]) for a, b in added if a in spots and b in spots]
    canvas.strokes(ax, np.array(fill).reshape(-1, 2, 2), canvas.RED, dense, (0, (4, 3)), order=1)
    if not spots:
        return
    if not names:
        x, y = np.array(list(spots.values())).T
        canvas.shapes(ax, canvas.discs(x, y, 0.05), "#ffffff", canvas.BLUE, 0.8, order=3)
        return
    box = {"boxstyle": "round,pad=0.35,rounding_size=0.6", "facecolor": "#ffffff", "edgecolor": canvas.BLUE}
    for vertex, (x, y) in spots.items():
        canvas.write(ax, x, y, names[vertex], size, bbox={**box, "linewidth": 1.1}, zorder=4, color="#1b1b1c")


class _Tree:
    """The junction tree as boxes, roots on the left, in inches; empty separators join nothing."""

    def __init__(self, tree: JunctionTree, names: dict[int, str]) -> None:
        total = len(tree.cliques)
        shown = range(min(total, MOST_CLIQUES))
        self.title = "junction tree" + (
            f", the first {len(shown)} of {total:,} cliques" if total > len(shown) else ""
        )
        self.parent = [tree.parent[i] if tree.separators[i] else -1 for i in shown]
        self.cliques = [_members(tree.cliques[i], names) for i in shown]
        self.separators = [_members(tree.separators[i], names) for i in shown]
        self.places = tree_places(self.parent)
        depths = range(max(depth for depth, _ in self.places) + 1)
        self.clique_width = [self._widest(self.cliques, d) + 0.25 for d in depths]
        self.separator_width = [self._widest(self.separators, d) + 0.2 for d in depths]
        self.left = [0.0]
        for d in depths[1:]:
            self.left.append(self.left[-1] + self.clique_width[d - 1] + self.separator_width[d] + 0.5)
        lines = max(text.count("\n") + 1 for text in self.cliques + self.separators)
        self.step = 0.28 + 0.15 * lines
        self.rows = max(row for _, row in self.places) + 1
        self.tall = self.rows * self.step
        self.wide = max(self.left[-1] + self.clique_width[-1], canvas.text_width([self.title], 10.5))

    def _widest(self, texts: Sequence[str], depth: int) -> float:
        here = [line for text, place in zip(texts, self.places, strict=True) if place[0] == depth
                for line in text.split("\n")]  # fmt: skip
        return canvas.text_width(here, _SIZE)

    def draw(self, ax: Axes, left: float, middle: float, size: float) -> None:
        clique = {"boxstyle": "round,pad=0.3", "facecolor": _CLIQUE, "edgecolor": canvas.INK, "linewidth": 0.8}
        between = {
            "boxstyle": "square,pad=0.22",
            "facecolor": _SEPARATOR,
            "edgecolor": canvas.INK,
            "linewidth": 0.6,
        }
        spots = [
            (
                left + self.left[depth] + self.clique_width[depth] / 2,
                middle + ((self.rows - 1) / 2 - row) * self.step,
            )
            for depth, row in self.places
        ]
        lines = []
        for i, (x, y) in enumerate(spots):
            canvas.write(ax, x, y, self.cliques[i], size, bbox=clique, zorder=4, color="#1b1b1c", linespacing=1.25)
            if self.parent[i] < 0:
                continue
            depth, (a, b) = self.places[i][0], spots[self.parent[i]]
            near = left + self.left[depth] - 0.15
            far = near - self.separator_width[depth]
            lines += [[(a, b), (far, y)], [(far, y), (x, y)]]
            canvas.write(
                ax, (near + far) / 2, y, self.separators[i], size - 1, bbox=between, zorder=5, color="#1b1b1c"
            )
        canvas.strokes(ax, np.array(lines).reshape(-1, 2, 2), canvas.FAINT, 1.0, order=1)


def _members(vertices: Sequence[int], names: dict[int, str]) -> str:
    """The names of a clique, a few on a line."""
    shown = [names[v] for v in vertices[:12]]
    if len(vertices) > 12:
        shown = [*shown[:11], f"and {len(vertices) - 11:,} more"]
    lines = [" ".join(shown[i : i + _MEMBERS]) for i in range(0, len(shown), _MEMBERS)]
    return "\n".join(lines)
