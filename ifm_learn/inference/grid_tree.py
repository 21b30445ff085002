"""Exact inference on a grid: log-normalisers, factor marginals and samples by a junction tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.messages.junction_tree import Graph, JunctionTree, junction_tree

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Keys = list[tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class GridTree:
    """The junction tree of some factors over variables with finitely many values each.

    scopes: for each factor its variables, as positions; sizes: how many values each variable has, shape (p,).
    The cost of one regime is proportional to `cells`, the entries of all clique tables together.

    >>> tree = GridTree.of([(0, 1), (1, 2)], [2, 3, 2])
    >>> tree.cells, tree.largest
    (12, 6)
    >>> tables = [np.zeros((2, 3)), np.log(np.arange(1.0, 7.0)).reshape(3, 2)]
    >>> float(np.exp(tree.log_normalisers(tables, np.array([[0, 1]]))[0]).round(9))
    42.0
    """

    scopes: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    tree: JunctionTree

    @classmethod
    def of(cls, scopes: Sequence[Sequence[int]], sizes: Sequence[int]) -> GridTree:
        """The tree of least-fill cliques of the graph that joins variables in one scope."""
        graph: Graph = {v: set() for v in range(len(sizes))}
        for scope in scopes:
            for v in scope:
                graph[v].update(u for u in scope if u != v)
        plain = tuple(tuple(int(v) for v in scope) for scope in scopes)
        return cls(plain, tuple(int(s) for s in sizes), junction_tree(graph))

    @cached_property
    def clique_sizes(self) -> tuple[int, ...]:
        """The number of entries of every clique table."""
        return tuple(math.prod(self.sizes[v] for v in clique) for clique in self.tree.cliques)

    @property
    def cells(self) -> int:
        """Entries of all clique tables together: what one regime costs in time."""
        return sum(self.clique_sizes)

    @property
    def largest(self) -> int:
        """Entries of the largest clique table: what inference costs in memory."""
        return max(self.clique_sizes)

    @cached_property
    def home(self) -> tuple[int, ...]:
        """For every factor the smallest clique that holds its scope."""
        found = []
        members = [frozenset(clique) for clique in self.tree.cliques]
        of_variable: dict[int, list[int]] = {}
        for c, clique in enumerate(self.tree.cliques):
            for v in clique:
                of_variable.setdefault(v, []).append(c)
        for scope in self.scopes:
            wanted = frozenset(scope)
            holders = [c for c in of_variable[scope[0]] if wanted <= members[c]]
            found.append(min(holders, key=lambda c: (self.clique_sizes[c], c)))
        return tuple(found)

    @cached_property
    def _children(self) -> tuple[tuple[int, ...], ...]:
        children: list[list[int]] = [[] for _ in self.tree.cliques]
        for c, parent in enumerate(self.tree.parent):
            if parent >= 0:
                children[parent].append(c)
        return tuple(map(tuple, children))

    @cached_property
    def _inside(self) -> tuple[Ints, ...]:
        """For every clique the factors at home in it or below it."""
        own: list[set[int]] = [set() for _ in self.tree.cliques]
        for k, c in enumerate(self.home):
            own[c].add(k)
        for c in range(len(own) - 1, 0, -1):
            own[self.tree.parent[c]] |= own[c]
        return tuple(np.array(sorted(part), dtype=np.int64) for part in own)

    def _spread(self, table: Floats, scope: Sequence[int], clique: Sequence[int]) -> Floats:
        """A table over `scope` as a broadcastable view over the axes of `clique`."""
        order = sorted(range(len(scope)), key=lambda i: clique.index(scope[i]))
        place = {v: i for i, v in enumerate(scope)}
        shape = [table.shape[place[v]] if v in place else 1 for v in clique]
        return np.transpose(table, order).reshape(shape)

    def _outer_axes(self, c: int) -> tuple[int, ...]:
        separator = self.tree.separators[c]
        return tuple(i for i, v in enumerate(self.tree.cliques[c]) if v not in separator)

    def collect(self, tables: Sequence[Floats], choice: Ints) -> Collected:
        """The inward messages of every regime, each computed once for regimes that share what it depends on.

        tables: distinct log-tables, axes in the order of their factor's scope; choice: for every regime and
        factor an index into `tables`, shape (r, number of factors).
        """
        cliques = self.tree.cliques
        inward: list[dict[tuple[int, ...], Floats]] = [{} for _ in cliques]
        messages: list[dict[tuple[int, ...], Floats]] = [{} for _ in cliques]
        keys: list[Keys] = [[tuple(row) for row in choice[:, inside].tolist()] for inside in self._inside]
        homes: list[list[int]] = [[] for _ in cliques]
        for k, c in enumerate(self.home):
            homes[c].append(k)
        for c in range(len(cliques) - 1, -1, -1):
            shape = tuple(self.sizes[v] for v in cliques[c])
            outer = self._outer_axes(c)
            for r, key in enumerate(keys[c]):
                if key in inward[c]:
                    continue
                total = np.zeros(shape)
                for k in homes[c]:
                    total += self._spread(tables[choice[r, k]], self.scopes[k], cliques[c])
                for child in self._children[c]:
                    total += self._spread(messages[child][keys[child][r]], self.tree.separators[child], cliques[c])
                inward[c][key] = total
                messages[c][key] = log_sum_exp(total, outer)
        return Collected(self, keys, inward, messages)

    def log_normalisers(self, tables: Sequence[Floats], choice: Ints) -> Floats:
        """log of the sum over all x of exp(sum of the chosen tables), in nats, shape (r,)."""
        return self.collect(tables, choice).log_normalisers


@dataclass(frozen=True, eq=False)
class Collected:
    """A junction tree after the inward pass, for r regimes; see `GridTree.collect`."""

    tree: GridTree
    keys: list[Keys]
    inward: list[dict[tuple[int, ...], Floats]]
    messages: list[dict[tuple[int, ...], Floats]]

    @cached_property
    def log_normalisers(self) -> Floats:
        """In nats, shape (r,)."""
        return np.array([float(self.messages[0][key]) for key in self.keys[0]])

    def beliefs(self, regime: int) -> list[Floats]:
        """The marginal probabilities of every clique in one regime, axes in the order of the clique."""
        tree = self.tree.tree
        found: list[Floats] = []
        for c, clique in enumerate(tree.cliques):
            total = self.inward[c][self.keys[c][regime]]
            if c == 0:
                found.append(np.exp(total - self.messages[0][self.keys[0][regime]]))
                continue
            parent = tree.parent[c]
            axes = tuple(i for i, v in enumerate(tree.cliques[parent]) if v not in tree.separators[c])
            with np.errstate(divide="ignore"):
                outside = np.log(found[parent].sum(axis=axes))
            outside -= self.messages[c][self.keys[c][regime]]
            found.append(np.exp(total + self.tree._spread(outside, tree.separators[c], clique)))
        return found

    def factor_marginal(self, beliefs: Sequence[Floats], factor: int) -> Floats:
        """The marginal of one factor's variables, axes in the order of its scope."""
        return self.marginal(beliefs[self.tree.home[factor]], self.tree.home[factor], self.tree.scopes[factor])

    def marginal(self, belief: Floats, clique: int, scope: Sequence[int]) -> Floats:
        """A clique's belief summed to some of its variables, axes in the order of `scope`."""
        members = self.tree.tree.cliques[clique]
        axes = tuple(i for i, v in enumerate(members) if v not in scope)
        kept = [v for v in members if v in scope]
        return np.transpose(belief.sum(axis=axes), [kept.index(v) for v in scope])

    def variable_marginals(self, regime: int) -> list[Floats]:
        """The marginal probabilities of every variable in one regime."""
        beliefs = self.beliefs(regime)
        found: dict[int, Floats] = {}
        for c, clique in enumerate(self.tree.tree.cliques):
            for v in clique:
                if v not in found:
                    found[v] = self.marginal(beliefs[c], c, (v,))
        return [found[v] for v in range(len(self.tree.sizes))]

    def sample(self, regime: int, n: int, rng: np.random.Generator) -> Ints:
        """n independent draws of all variables in one regime, as value indices, shape (n, p)."""
        tree, sizes = self.tree.tree, self.tree.sizes
        drawn = np.zeros((n, len(sizes)), dtype=np.int64)
        for c, clique in enumerate(tree.cliques):
            separator = tree.separators[c]
            rest = [v for v in clique if v not in separator]
            order = [clique.index(v) for v in (*separator, *rest)]
            shape = [sizes[v] for v in rest]
            total = np.transpose(self.inward[c][self.keys[c][regime]], order)
            rows = total.reshape(-1, math.prod(shape))
            given = np.zeros(n, dtype=np.int64)
            for v in separator:
                given = given * sizes[v] + drawn[:, v]
            used, row = np.unique(given, return_inverse=True)
            mass = np.exp(rows[used] - rows[used].max(axis=1, keepdims=True))
            cumulated = np.cumsum(mass, axis=1)
            cumulated /= cumulated[:, -1:]
            ladder = (cumulated + np.arange(len(used))[:, None]).ravel()
            at = np.searchsorted(ladder, row + rng.random(n), side="right")
            index = np.clip(at - row * rows.shape[1], 0, rows.shape[1] - 1)
            for v, value in zip(rest, np.unravel_index(index, shape), strict=True):
                drawn[:, v] = value
        return drawn


def log_sum_exp(table: Floats, axes: tuple[int, ...]) -> Floats:
    """log of the sum of exp over some axes; maxima are taken out first."""
    if not axes:
        return table
    top = table.max(axis=axes, keepdims=True)
    top[~np.isfinite(top)] = 0.0
    shifted = np.subtract(table, top)
    np.exp(shifted, out=shifted)
    with np.errstate(divide="ignore"):
        found: Floats = np.log(shifted.sum(axis=axes)) + top.squeeze(axis=axes)
    return found
