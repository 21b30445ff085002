"""Where to draw the vertices of a graph and the nodes of a tree."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from ifm_ident.arrays import Floats
from ifm_ident.messages.trees import Graph

_ROUNDS = 500
_ALONE = 12


def graph_places(graph: Graph) -> dict[int, tuple[float, float]]:
    """A place for every vertex such that neighbours are about 1 apart; parts of the graph stand side by side.

    Stress majorisation from a circle (Gansner, Koren and North 2004): the same graph, the same places.

    >>> places = graph_places({0: {1}, 1: {0, 2}, 2: {1}})
    >>> [round(places[b][0] - places[a][0], 1) for a, b in ((0, 1), (1, 2))]
    [1.0, 1.0]
    """
    parts = sorted(_components(graph), key=lambda part: (-len(part), part))
    single = [part[0] for part in parts if len(part) == 1]
    boxes: list[tuple[Sequence[int], Floats]] = [
        (part, _upright(_relaxed(graph, part))) for part in parts if len(part) > 1
    ]
    if single:
        across = min(_ALONE, max(2, int(np.ceil(np.sqrt(2 * len(single))))))
        at = np.arange(len(single))
        boxes.append((single, np.stack([at % across, -(at // across)], axis=1).astype(np.float64)))
    area = sum((np.ptp(box[:, 0]) + 1) * (np.ptp(box[:, 1]) + 1) for _, box in boxes)
    widest = max(float(np.sqrt(1.8 * area)), max((np.ptp(box[:, 0]) + 1 for _, box in boxes), default=1.0))
    places: dict[int, tuple[float, float]] = {}
    x = y = tall = 0.0
    for vertices, box in boxes:
        wide, high = np.ptp(box, axis=0) + 1
        if x and x + wide > widest + 1e-9:
            x, y, tall = 0.0, y + tall, 0.0
        for vertex, (a, b) in zip(vertices, box - box.min(axis=0), strict=True):
            places[vertex] = (x + float(a), y + float(b))
        x, tall = x + wide, max(tall, high)
    return places


def _components(graph: Graph) -> list[list[int]]:
    found, seen = [], set()
    for start in sorted(graph):
        if start not in seen:
            part = sorted(_distances(graph, start))
            seen.update(part)
            found.append(part)
    return found


def _distances(graph: Graph, start: int) -> dict[int, int]:
    far, queue = {start: 0}, deque([start])
    while queue:
        vertex = queue.popleft()
        for other in sorted(graph[vertex]):
            if other not in far:
                far[other] = far[vertex] + 1
                queue.append(other)
    return far


def _relaxed(graph: Graph, part: Sequence[int]) -> Floats:
    n = len(part)
    ends = [vertex for vertex in part if len(graph[vertex]) == 1]
    if len(ends) == 2 and all(len(graph[vertex]) <= 2 for vertex in part):
        far = _distances(graph, ends[0])
        return np.array([[far[vertex], 0.0] for vertex in part])
    want = np.zeros((n, n))
    for i, vertex in enumerate(part):
        far = _distances(graph, vertex)
        want[i] = [far[other] for other in part]
    angle = 2 * np.pi * np.arange(n) / n
    place = n / (2 * np.pi) * np.stack([np.cos(angle), 0.7 * np.sin(angle)], axis=1)
    weight = np.divide(1.0, want**2, out=np.zeros_like(want), where=want > 0)
    laplacian = np.diag(weight.sum(axis=1)) - weight
    solve = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        difference = place[:, None, :] - place[None, :, :]
        length = np.sqrt((difference**2).sum(axis=-1))
        ratio = np.divide(weight * want, length, out=np.zeros_like(want), where=length > 1e-9)
        moved = solve @ ((ratio.sum(axis=1))[:, None] * place - ratio @ place)
        if np.abs(moved - place).max() < 1e-5:
            break
        place = moved
    return place


def _upright(place: Floats) -> Floats:
    """Turned so that the part is widest from left to right, its first vertex on the left."""
    centred = place - place.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned: Floats = centred @ axes[:, ::-1]
    signs = np.where(turned[0] > 1e-9, -1.0, 1.0)
    return turned * signs


def tree_places(parent: Sequence[int]) -> list[tuple[int, float]]:
    """Depth and row of every node of trees, parents before children, -1 for a root: leaves on rows of their own.

    >>> tree_places([-1, 0, 0, 1, -1])
    [(0, 0.5), (1, 0.0), (1, 1.0), (2, 0.0), (0, 2.0)]
    """
    children: list[list[int]] = [[] for _ in parent]
    depth = [0] * len(parent)
    for node, above in enumerate(parent):
        if above >= 0:
            children[above].append(node)
            depth[node] = depth[above] + 1
    row = [0.0] * len(parent)
    free = 0.0
    stack = [(node, False) for node, above in reversed(list(enumerate(parent))) if above < 0]
    while stack:
        node, done = stack.pop()
        if not children[node]:
            row[node], free = free, free + 1
        elif done:
            row[node] = (row[children[node][0]] + row[children[node][-1]]) / 2
        else:
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(children[node]))
    return list(zip(depth, row, strict=True))
