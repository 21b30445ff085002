"""Draws the rooms of both packages and what they import: `python docs/images/architecture.py`.

Every folder is a room, and so is every file at the root of a package. A room stands one floor above the highest
that it imports from, so that every arrow leads down; an import counts wherever it is written, in functions and for
type checkers too, and a name taken from a package's face counts as one of the room where it lives. Arrows that
others imply are left out, and so are rooms without any. What a package registers by name (views, commands) is no
import and no arrow.
"""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
STYLE = {"ifm_ident": ("#0072B2", "#E3EFF7"), "ifm_learn": ("#A84400", "#FBEBDD")}
"""The packages with the edge and the fill of their rooms, safe for colour-blind readers; each has its own half."""

Arrows = Mapping[str, set[str]]


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of both packages and its file."""
    found = {}
    for package in STYLE:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of every import of a file; no name where the module itself is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def rooms(root: Path = ROOT) -> dict[str, set[str]]:
    """Every room, and the rooms that it imports from."""
    known = modules(root)
    faces = {package: {name: module for module, name in imported(known[package])} for package in STYLE}
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, path in known.items():
        if module in STYLE:
            continue
        room = ".".join(module.split(".")[:2])
        arrows[room]  # there, even if it imports nothing
        for source, name in imported(path):
            home = faces.get(source, {}).get(name, source)
            whole = f"{home}.{name}" if f"{home}.{name}" in known else home
            if whole in known and whole not in STYLE:
                arrows[room].add(".".join(whole.split(".")[:2]))
    return {room: below - {room} for room, below in arrows.items()}


def floors(arrows: Arrows) -> dict[str, int]:
    """The floor of every room, 0 the lowest. Raises ValueError where rooms import each other in a circle."""
    found: dict[str, int] = {}
    left = dict(arrows)
    while left:
        free = [room for room, below in left.items() if below <= found.keys()]
        if not free:
            raise ValueError(f"rooms that import each other in a circle are among {', '.join(sorted(left))}")
        for room in free:
            found[room] = 1 + max((found[other] for other in left[room]), default=-1)
        for room in free:
            del left[room]
    return found


def needed(arrows: Arrows) -> dict[str, set[str]]:
    """Without the arrows that a longer way implies."""
    reach: dict[str, set[str]] = {}
    for room in sorted(arrows, key=floors(arrows).__getitem__):
        reach[room] = set(arrows[room]).union(*(reach[other] for other in arrows[room]))
    return {room: below - set().union(*(reach[other] for other in below)) for room, below in arrows.items()}


def half(package: str, arrows: Arrows) -> dict[str, set[str]]:
    """The rooms of one package and the arrows between them; without rooms that have none."""
    mine = {room for room in arrows if room.startswith(f"{package}.")}
    inside = {room: arrows[room] & mine for room in sorted(mine)}
    used = set().union(*inside.values())
    return {room: below for room, below in inside.items() if below or room in used}


def digest(root: Path = ROOT) -> str:
    """What the picture shows, in short: kept in the file, so that a picture out of date can be told."""
    arrows = rooms(root)
    shown = [
        (room, sorted(needed(half(package, arrows))[room])) for package in STYLE for room in half(package, arrows)
    ]
    return hashlib.sha256(repr(shown).encode()).hexdigest()


class Floors:
    """Places of rooms, and of the corners of arrows that pass a floor, so that few arrows cross."""

    def __init__(self, arrows: Arrows) -> None:
        self.height = floors(arrows)
        self.lines = [(room, other) for room, below in needed(arrows).items() for other in sorted(below)]
        self.rows: list[list[str]] = [[] for _ in range(max(self.height.values()) + 1)]
        self.links: list[tuple[str, str]] = []
        for room in sorted(arrows):
            self.rows[self.height[room]].append(room)
        for room, other in self.lines:
            way = [room, *self.corners(room, other), other]
            for floor, corner in zip(range(self.height[room] - 1, self.height[other], -1), way[1:-1], strict=True):
                self.rows[floor].append(corner)
            self.links += pairwise(way)
        self._order()
        self.x = self._places()

    def corners(self, room: str, other: str) -> list[str]:
        """Names of the points where an arrow passes a floor, from above."""
        return [f"{room} > {other} @ {floor}" for floor in range(self.height[room] - 1, self.height[other], -1)]

    def _near(self, up: bool) -> dict[str, list[str]]:
        near = defaultdict[str, list[str]](list)
        for above, below in self.links:
            near[below if up else above].append(above if up else below)
        return near

    def _order(self) -> None:
        """Sort every floor by the mean place of what is joined to it above, from the top, then below."""
        at = {name: i / len(row) for row in self.rows for i, name in enumerate(row)}
        for step in range(24):
            near = self._near(up=step % 2 == 0)
            for row in self.rows[::-1] if step % 2 == 0 else self.rows:
                middle = {name: sum(at[n] for n in near[name]) / len(near[name]) for name in row if near[name]}
                row.sort(key=lambda name, middle=middle: middle.get(name, at[name]))
                at |= {name: (i + 0.5) / len(row) for i, name in enumerate(row)}

    def _places(self) -> dict[str, float]:
        """Columns: neighbours keep their distance, and each moves towards the mean of what is joined to it."""
        gap = {name: 0.3 if "@" in name else 1.06 for row in self.rows for name in row}
        x = {name: float(i) for row in self.rows for i, name in enumerate(row)}
        both = [self._near(up=True), self._near(up=False)]
        for _ in range(200):
            for row in self.rows:
                wish = {}
                for name in row:
                    joined = [x[n] for near in both for n in near[name]]
                    wish[name] = sum(joined) / len(joined) if joined else x[name]
                for name in row:
                    x[name] = 0.5 * x[name] + 0.5 * wish[name]
                for _ in range(30):
                    for a, b in pairwise(row):
                        short = (gap[a] + gap[b]) / 2 - (x[b] - x[a])
                        if short > 0:
                            x[a], x[b] = x[a] - short / 2, x[b] + short / 2
        return x


def draw_half(ax: Axes, package: str, arrows: Arrows) -> None:
    """One package on its own floors."""
    edge, fill = STYLE[package]
    plan = Floors(half(package, arrows))
    for room, other in plan.lines:
        ends = [(plan.x[room], plan.height[room] - 0.26), (plan.x[other], plan.height[other] + 0.26)]
        passes = [(plan.x[corner], float(corner.rsplit(" ", 1)[1])) for corner in plan.corners(room, other)]
        (x, y), vertices, codes = ends[0], [ends[0]], [Line.MOVETO]
        for x1, y1 in [*((x1, floor + 0.26) for x1, floor in passes), ends[1]]:
            vertices += [(x, y - 0.3), (x1, y1 + 0.3), (x1, y1)]
            codes += [Line.CURVE4] * 3
            x, y = x1, y1 - 0.52
            if (x1, y1) != ends[1]:
                vertices.append((x, y))
                codes.append(Line.LINETO)
        style = {"arrowstyle": "-|>,head_width=2.2,head_length=4", "color": "#555555", "lw": 0.9, "zorder": 1}
        ax.add_patch(FancyArrowPatch(path=Line(vertices, codes), mutation_scale=1, shrinkA=0, shrinkB=0, **style))
    for room, floor in plan.height.items():
        name = room.split(".")[1]
        folder = (ROOT / package / name).is_dir()
        box = (plan.x[room] - 0.45, floor - 0.25)
        ax.add_patch(
            FancyBboxPatch(
                box,
                0.9,
                0.5,
                boxstyle="round,pad=0,rounding_size=0.08",
                ec=edge,
                fc=fill if folder else "white",
                zorder=2,
            )
        )
        words = {"ha": "center", "va": "center", "zorder": 3}
        ax.text(plan.x[room], floor, name, fontsize=9, color="black", **words)
    ax.set_title(package, color=edge, fontsize=12, fontweight="bold", loc="left")
    ax.set_xlim(min(plan.x.values()) - 0.55, max(plan.x.values()) + 0.55)
    ax.set_ylim(-0.5, len(plan.rows) - 0.5)
    ax.axis("off")


def draw(folder: Path = HERE) -> Path:
    """Writes the picture into a folder."""
    mpl.use("agg")
    arrows = rooms()
    floors(arrows)  # of both together: no circle between the packages either
    spans = []
    for package in STYLE:
        plan = Floors(half(package, arrows))
        spans.append(max(plan.x.values()) - min(plan.x.values()) + 1.1)
    figure = Figure(figsize=(1.05 * sum(spans) + 0.6, 8.2))
    axes = figure.subplots(1, 2, width_ratios=spans)
    for ax, package in zip(axes, STYLE, strict=True):
        draw_half(ax, package, arrows)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.06, top=0.95, wspace=0.05)
    figure.text(
        0.01,
        0.015,
        "filled: a folder; white: a file at the root. An arrow leads from what imports to what is imported; those "
        "that others imply are left out. ifm_learn imports ifm_ident, never the other way.",
        fontsize=8,
    )
    path = folder / "architecture.png"
    figure.savefig(path, dpi=130, facecolor="white", metadata={"Software": None, "Description": digest()})
    return path


if __name__ == "__main__":
    print(draw())
