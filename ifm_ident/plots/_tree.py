"""The junction tree as boxes: cliques rounded, separators square between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.messages.trees import JunctionTree
from ifm_ident.plots import canvas
from ifm_ident.plots._layout import tree_places

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLIQUES = 24
SIZE = 8.0
"""Font size in points at full scale."""

CLIQUE, SEPARATOR = "#e3eef8", "#fbe7bd"

_MEMBERS = 4
_ROUNDED = {"boxstyle": "round,pad=0.3", "facecolor": CLIQUE, "edgecolor": canvas.INK, "linewidth": 0.8}
_SQUARE = {"boxstyle": "square,pad=0.22", "facecolor": SEPARATOR, "edgecolor": canvas.INK, "linewidth": 0.6}


@dataclass(frozen=True, eq=False)
class TreePicture:
    """Cliques and separators of at most 24 cliques, roots on the left or, with `down`, on top; sizes in inches.

    Empty separators join nothing.
    """

    tree: JunctionTree
    names: dict[int, str]
    down: bool

    @property
    def _shown(self) -> range:
        return range(min(len(self.tree.cliques), MOST_CLIQUES))

    @property
    def title(self) -> str:
        """What stands above."""
        total, shown = len(self.tree.cliques), len(self._shown)
        return "junction tree" + (f", the first {shown} of {total:,} cliques" if total > shown else "")

    @cached_property
    def _parent(self) -> list[int]:
        return [self.tree.parent[i] if self.tree.separators[i] else -1 for i in self._shown]

    @cached_property
    def _places(self) -> list[tuple[int, float]]:
        return tree_places(self._parent)

    @cached_property
    def _cliques(self) -> list[str]:
        return [_members(self.tree.cliques[i], self.names) for i in self._shown]

    @cached_property
    def _separators(self) -> list[str]:
        return [_members(self.tree.separators[i], self.names) for i in self._shown]

    @cached_property
    def _layers(self) -> list[tuple[float, float, float]]:
        """Of every depth where its cliques start, how far they reach, and how far its separators do."""
        layers: list[tuple[float, float, float]] = []
        stop = 0.0
        for depth in range(max(depth for depth, _ in self._places) + 1):
            here = [i for i, (d, _) in enumerate(self._places) if d == depth]
            clique = self._reach([self._cliques[i] for i in here]) + 0.25
            separator = self._reach([self._separators[i] for i in here]) + 0.2
            start = stop + separator + (0.3 if self.down else 0.5) if depth else 0.0
            layers.append((start, clique, separator))
            stop = start + clique
        return layers

    def _reach(self, texts: Sequence[str]) -> float:
        if self.down:
            return 0.13 * max(text.count("\n") + 1 for text in texts)
        return canvas.text_width([line for text in texts for line in text.split("\n")], SIZE)

    @cached_property
    def _step(self) -> float:
        """How far apart siblings are."""
        texts = self._cliques + self._separators
        if self.down:
            return canvas.text_width([line for text in texts for line in text.split("\n")], SIZE) + 0.45
        return 0.28 + 0.15 * max(text.count("\n") + 1 for text in texts)

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        along = sum(self._layers[-1][:2])
        across = (max(row for _, row in self._places) + 1) * self._step
        wide, tall = (across, along) if self.down else (along, across)
        return max(wide, canvas.text_width([self.title], SIZE + 2.5)), tall

    def draw(self, ax: Axes, left: float, top: float, size: float) -> None:
        """Draws the tree below and right of a place, with a font of `size` points."""

        def spot(along: float, row: float) -> tuple[float, float]:
            across = (row + 0.5) * self._step
            return (left + across, top - along) if self.down else (left + along, top - across)

        lines = []
        for i, (depth, row) in enumerate(self._places):
            start, clique, separator = self._layers[depth]
            x, y = spot(start + clique / 2, row)
            canvas.write(
                ax, x, y, self._cliques[i], size, bbox=_ROUNDED, zorder=4, color=canvas.INK, linespacing=1.25
            )
            if self._parent[i] < 0:
                continue
            above, beside = self._places[self._parent[i]]
            middle = start - 0.15 - separator / 2
            turn = spot(middle - separator / 2, row)
            lines += [[spot(self._layers[above][0] + self._layers[above][1] / 2, beside), turn], [turn, (x, y)]]
            canvas.write(
                ax, *spot(middle, row), self._separators[i], size - 1, bbox=_SQUARE, zorder=5, color=canvas.INK
            )
        canvas.strokes(ax, np.array(lines).reshape(-1, 2, 2), canvas.FAINT, 1.0, order=1)


def _members(vertices: Sequence[int], names: dict[int, str]) -> str:
    """The names of a clique, a few on a line."""
    shown = [names[v] for v in vertices[:12]]
    if len(vertices) > 12:
        shown = [*shown[:11], f"and {len(vertices) - 11:,} more"]
    lines = [" ".join(shown[i : i + _MEMBERS]) for i in range(0, len(shown), _MEMBERS)]
    return "\n".join(lines)
