"""The most probable point on a grid: max-product on a junction tree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ifm_ident.arrays import Floats, Ints
from ifm_learn.inference.grid_tree import GridTree


def maximise(tree: GridTree, tables: Sequence[Floats]) -> tuple[float, Ints]:
    """The largest sum of the tables over all x, and an x that has it as value indices, shape (p,).

    tables: one for every factor of the tree, axes in the order of its scope; -inf forbids.

    >>> tree = GridTree.of([(0, 1), (1, 2)], [2, 2, 2])
    >>> value, at = maximise(tree, [np.array([[0.0, 1.0], [3.0, 0.0]]), np.array([[0.0, 0.5], [4.0, 0.0]])])
    >>> value, at.tolist()
    (5.0, [0, 1, 0])
    """
    cliques, parents, separators = tree.tree.cliques, tree.tree.parent, tree.tree.separators
    totals = [np.zeros([tree.sizes[v] for v in clique]) for clique in cliques]
    for table, scope, home in zip(tables, tree.scopes, tree.home, strict=True):
        totals[home] += _spread(table, scope, cliques[home])
    for c in range(len(cliques) - 1, 0, -1):
        outer = tuple(i for i, v in enumerate(cliques[c]) if v not in separators[c])
        totals[parents[c]] += _spread(totals[c].max(axis=outer), separators[c], cliques[parents[c]])
    at = np.full(len(tree.sizes), -1, dtype=np.int64)
    for clique, total in zip(cliques, totals, strict=True):
        given = total[tuple(slice(None) if at[v] < 0 else at[v] for v in clique)]
        free = [v for v in clique if at[v] < 0]
        for v, value in zip(free, np.unravel_index(int(given.argmax()), given.shape), strict=True):
            at[v] = value
    return float(totals[0].max()), at


def _spread(table: Floats, scope: Sequence[int], clique: Sequence[int]) -> Floats:
    """A table over `scope` as a broadcastable view over the axes of `clique`."""
    order = sorted(range(len(scope)), key=lambda i: clique.index(scope[i]))
    place = {v: i for i, v in enumerate(scope)}
    return np.transpose(table, order).reshape([table.shape[place[v]] if v in place else 1 for v in clique])
