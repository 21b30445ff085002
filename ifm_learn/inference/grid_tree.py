"""Exact inference on a grid: log-normalisers, factor marginals and samples by a junction tree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident.arrays import Floats, Ints
from ifm_ident.messages import Graph, JunctionTree, junction_tree

Key = tuple[int, ...]
Keys = list[Key]


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

    @cached_property
    def _at_home(self) -> tuple[tuple[int, ...], ...]:
        """For every clique the factors at home in it."""
        return tuple(tuple(k for k, c in enumerate(self.home) if c == i) for i in range(len(self.tree.cliques)))

    @cached_property
    def axes(self) -> tuple[tuple[int, ...], ...]:
        """The order of every clique's variables in its table: its own before the separator, for fast sums."""
        return tuple(
            (*(v for v in clique if v not in separator), *separator)
            for clique, separator in zip(self.tree.cliques, self.tree.separators, strict=True)
        )

    def _shape(self, scope: Sequence[int]) -> tuple[int, ...]:
        return tuple(self.sizes[v] for v in scope)

    def _flat(self, c: int) -> tuple[int, int]:
        """A clique's table as a matrix: rows are states of its own variables, columns those of the separator."""
        columns = math.prod(self._shape(self.tree.separators[c]))
        return self.clique_sizes[c] // columns, columns

    def collect(self, tables: Sequence[Floats], choice: Ints) -> Collected:
        """The inward pass of every regime, each message computed once for regimes that share what it depends on.

        tables: distinct log-tables, axes in the order of their factor's scope; choice: for every regime and
        factor an index into `tables`, shape (r, number of factors). Single precision stays single inside.
        """
        count = len(self.tree.cliques)
        keys: list[Keys] = [[tuple(row) for row in choice[:, inside].tolist()] for inside in self._inside]
        mass: list[dict[Key, Floats]] = [{} for _ in range(count)]
        sums: list[dict[Key, Floats]] = [{} for _ in range(count)]
        messages: list[dict[Key, Floats]] = [{} for _ in range(count)]
        for c in range(count - 1, -1, -1):
            for r, key in enumerate(keys[c]):
                if key in mass[c]:
                    continue
                total = np.zeros(self._shape(self.axes[c]), dtype=tables[0].dtype)
                for k in self._at_home[c]:
                    total += _spread(tables[choice[r, k]], self.scopes[k], self.axes[c])
                for child in self._children[c]:
                    total += _spread(messages[child][keys[child][r]], self.tree.separators[child], self.axes[c])
                rows = total.reshape(self._flat(c))
                top = rows.max(axis=0)
                top[~np.isfinite(top)] = 0.0
                rows -= top
                mass[c][key] = np.exp(rows, out=rows)
                sums[c][key] = rows.sum(axis=0, dtype=np.float64)
                with np.errstate(divide="ignore"):
                    message = np.log(sums[c][key]) + top
                messages[c][key] = message.reshape(self._shape(self.tree.separators[c]))
        return Collected(self, choice, keys, mass, sums, messages)

    def log_normalisers(self, tables: Sequence[Floats], choice: Ints) -> Floats:
        """log of the sum over all x of exp(sum of the chosen tables), in nats, shape (r,)."""
        return self.collect(tables, choice).log_normalisers


@dataclass(frozen=True, eq=False)
class Collected:
    """A junction tree after the inward pass, for r regimes; see `GridTree.collect`.

    mass: for every clique and distinct choice below it the exponential of its table, scaled so that every column
    has the maximum 1, see `GridTree.axes`; sums: that of its columns; messages: their logarithms, unscaled.
    """

    tree: GridTree
    choice: Ints
    keys: list[Keys]
    mass: list[dict[Key, Floats]]
    sums: list[dict[Key, Floats]]
    messages: list[dict[Key, Floats]]

    @cached_property
    def log_normalisers(self) -> Floats:
        """In nats, shape (r,)."""
        return np.array([float(self.messages[0][key]) for key in self.keys[0]])

    def _given(self, c: int, key: Key, outside: Floats) -> Floats:
        """A clique's belief from its separator's, shape of the clique's matrix."""
        sums = self.sums[c][key]
        mass = self.mass[c][key]
        scale = np.divide(outside.ravel(), sums, out=np.zeros_like(sums), where=sums > 0)
        belief: Floats = mass * scale.astype(mass.dtype)
        return belief

    def beliefs(self, regime: int) -> list[Floats]:
        """The marginal probabilities of every clique in one regime, in the order of `GridTree.axes`."""
        tree = self.tree
        found: list[Floats] = []
        for c, separator in enumerate(tree.tree.separators):
            parent = tree.tree.parent[c]
            outside = sum_to(found[parent], tree.axes[parent], separator) if c else np.ones(1)
            found.append(self._given(c, self.keys[c][regime], outside).reshape(tree._shape(tree.axes[c])))
        return found

    def expected(self, weights: Floats, tables: int) -> list[Floats]:
        """The sum over regimes of weight times factor marginal, for every table: what a gradient of log Z needs.

        weights: shape (r,); the result has an array for each of the `tables` numbered by the choice, None-free:
        zeros of shape () for tables that no regime of positive weight shows.
        """
        tree = self.tree
        found: list[Floats] = [np.zeros(()) for _ in range(tables)]
        outside: list[dict[int, Floats]] = [{} for _ in tree.tree.cliques]
        live = np.flatnonzero(weights).tolist()
        for r in live:
            outside[0][r] = weights[r : r + 1]
        for c in range(len(tree.tree.cliques)):
            groups: dict[Key, list[int]] = {}
            for r in live:
                groups.setdefault(self.keys[c][r], []).append(r)
            shape = tree._shape(tree.axes[c])
            for key, regimes in groups.items():
                if tree._children[c]:
                    beliefs = [self._given(c, key, outside[c][r]).reshape(shape) for r in regimes]
                    for r, belief in zip(regimes, beliefs, strict=True):
                        for child in tree._children[c]:
                            outside[child][r] = sum_to(belief, tree.axes[c], tree.tree.separators[child])
                    total = sum(beliefs[1:], start=beliefs[0])
                else:
                    total = self._given(c, key, sum(outside[c][r] for r in regimes)).reshape(shape)  # type: ignore[arg-type]
                for k in tree._at_home[c]:
                    cell = int(self.choice[regimes[0], k])
                    found[cell] = found[cell] + sum_to(total, tree.axes[c], tree.scopes[k])
        return found

    def factor_marginals(self, regime: int) -> list[Floats]:
        """The marginal probabilities of every factor's variables in one regime, axes in the order of its scope."""
        tree, beliefs = self.tree, self.beliefs(regime)
        return [sum_to(beliefs[c], tree.axes[c], scope) for c, scope in zip(tree.home, tree.scopes, strict=True)]

    def variable_marginals(self, regime: int) -> list[Floats]:
        """The marginal probabilities of every variable in one regime."""
        found: dict[int, Floats] = {}
        for belief, axes in zip(self.beliefs(regime), self.tree.axes, strict=True):
            for v in axes:
                if v not in found:
                    found[v] = sum_to(belief, axes, (v,))
        return [found[v] for v in range(len(self.tree.sizes))]

    def sample(self, regime: int, n: int, rng: np.random.Generator) -> Ints:
        """n independent draws of all variables in one regime, as value indices, shape (n, p)."""
        tree, sizes = self.tree, self.tree.sizes
        drawn = np.zeros((n, len(sizes)), dtype=np.int64)
        for c, separator in enumerate(tree.tree.separators):
            own = tree.axes[c][: len(tree.axes[c]) - len(separator)]
            given = np.zeros(n, dtype=np.int64)
            for v in separator:
                given = given * sizes[v] + drawn[:, v]
            used, row = np.unique(given, return_inverse=True)
            cumulated = np.cumsum(self.mass[c][self.keys[c][regime]].T[used], axis=1)
            cumulated /= cumulated[:, -1:]
            ladder = (cumulated + np.arange(len(used))[:, None]).ravel()
            at = np.searchsorted(ladder, row + rng.random(n), side="right")
            index = np.clip(at - row * cumulated.shape[1], 0, cumulated.shape[1] - 1)
            for v, value in zip(own, np.unravel_index(index, tree._shape(own)), strict=True):
                drawn[:, v] = value
        return drawn


def _spread(table: Floats, scope: Sequence[int], axes: Sequence[int]) -> Floats:
    """A table over `scope` as a broadcastable view over more variables in the order of `axes`."""
    order = sorted(range(len(scope)), key=lambda i: axes.index(scope[i]))
    place = {v: i for i, v in enumerate(scope)}
    shape = [table.shape[place[v]] if v in place else 1 for v in axes]
    return np.transpose(table, order).reshape(shape)


def sum_to(table: Floats, axes: Sequence[int], scope: Sequence[int]) -> Floats:
    """A table over the variables `axes` summed to some of them, axes in the order of `scope`."""
    kept = list(axes)
    while kept and kept[0] not in scope:
        table = table.sum(axis=0)
        del kept[0]
    while kept and kept[-1] not in scope:
        table = table @ np.ones(table.shape[-1], dtype=table.dtype)
        del kept[-1]
    rest = tuple(i for i, v in enumerate(kept) if v not in scope)
    if rest:
        table = table.sum(axis=rest)
        kept = [v for v in kept if v in scope]
    return np.transpose(table, [kept.index(v) for v in scope])
