"""The one-hot codes that verification works on: which cell a regime shows in every factor (docs/theory/model.md).

A cell is written as the factor and its levels off baseline, in order of position: a path. Equal paths get
equal numbers through a trie, level by level, so a factor over many interventions costs only what is off
baseline, and its cells are never enumerated. The cell with every level at baseline is the empty path; it has
no number, and is shown by the regimes that show no other cell of the factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, Ragged, ragged_arange
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.results.cells import Cell


@dataclass(frozen=True, eq=False)
class Paths(Ragged, entries=("symbol",), rows=("row", "factor")):
    """Nonempty paths: path g lies in factor[g], belongs to row[g] and owns symbols indptr[g] to indptr[g + 1].

    A symbol stands for one level, off baseline, of one intervention.
    """

    row: Ints
    factor: Ints
    symbol: Ints


class CellNumbers:
    """Numbers the cells of a model: `add` gives new paths the next numbers, `find` knows the added ones.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2)))
    >>> cells = CellNumbers(Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),)))
    >>> batch = Regimes.from_codes(np.array([[1, 2], [0, 0], [0, 1], [1, 2]]))
    >>> cells.add(cells.shown(batch)).tolist(), cells.find(cells.of([(0, (1, 1)), (0, (0, 1))])).tolist()
    ([1, 0, 1], [-1, 0])
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        factors = len(model.factors)
        scope = np.concatenate([np.empty(0, dtype=np.int64), *model.scopes])
        factor = np.repeat(np.arange(factors), [len(s) for s in model.scopes])
        self._holders = factor[np.argsort(scope, kind="stable")]
        self._holder_count = np.bincount(scope, minlength=len(model)).astype(np.int64)
        self._holder_start = np.cumsum(self._holder_count) - self._holder_count
        self._first_symbol = np.cumsum(model.level_counts) - model.level_counts
        self._symbols = int(model.level_counts.sum())
        # The trie: edges (parent node, symbol) in ascending order, and the nodes they lead to. The first
        # nodes are the roots, one a factor; the last edge is a sentinel. Nodes that end a path are cells.
        self._edge: Ints = np.array([np.iinfo(np.int64).max])
        self._node: Ints = np.array([-1])
        self._cell_of_node: Ints = np.full(factors, -1, dtype=np.int64)
        self.factor: Ints = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.factor)

    def holders(self, regimes: Regimes) -> Ints:
        """For every active entry of the regimes the number of factors over its intervention."""
        return self._holder_count[regimes.position]

    def shown(self, regimes: Regimes, keep: NDArray[np.bool_] | None = None) -> Paths:
        """The cells off baseline that regimes show, by row and factor; `keep` chooses factors, shape (l,)."""
        counts = self.holders(regimes)
        entry = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
        factor = self._holders[ragged_arange(self._holder_start[regimes.position], counts)]
        if keep is not None:
            entry, factor = entry[keep[factor]], factor[keep[factor]]
        group = regimes.rows[entry] * len(self.model.factors) + factor
        order = np.argsort(group, kind="stable")
        symbols = self._first_symbol[regimes.position] + regimes.level
        return self._grouped(group[order], symbols[entry[order]])

    def of(self, cells: Sequence[Cell]) -> Paths:
        """The paths of given cells, row by row; a baseline cell has none."""
        group, symbols = [], []
        for i, (factor, levels) in enumerate(cells):
            shown = sorted((int(p), j) for p, j in zip(self.model.scopes[factor], levels, strict=True) if j)
            group.extend([i * len(self.model.factors) + factor] * len(shown))
            symbols.extend([int(self._first_symbol[p]) + j for p, j in shown])
        return self._grouped(np.array(group, dtype=np.int64), np.array(symbols, dtype=np.int64))

    def _grouped(self, group: Ints, symbol: Ints) -> Paths:
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        row, factor = np.divmod(group[starts], len(self.model.factors))
        return Paths(np.append(starts, len(group)).astype(np.int64), row, factor, symbol)

    def find(self, paths: Paths) -> Ints:
        """The number of every path's cell, -1 for cells that were never added; shape (paths,)."""
        node = self._walk(paths, grow=False)
        return np.where(node >= 0, self._cell_of_node[node], -1)

    def add(self, paths: Paths) -> Ints:
        """The number of every path's cell, a new one where the cell has none; shape (paths,)."""
        node = self._walk(paths, grow=True)
        new, first = np.unique(node, return_index=True)
        fresh = self._cell_of_node[new] < 0
        self._cell_of_node[new[fresh]] = len(self) + np.arange(np.count_nonzero(fresh))
        self.factor = np.concatenate([self.factor, paths.factor[first[fresh]]])
        return self._cell_of_node[node]

    def _walk(self, paths: Paths, grow: bool) -> Ints:
        node, length = paths.factor.copy(), paths.sizes
        for depth in range(int(length.max(initial=0))):
            on = np.flatnonzero((length > depth) & (node >= 0))
            edge = node[on] * self._symbols + paths.symbol[paths.indptr[on] + depth]
            if grow:
                self._grow(np.unique(edge))
            at = np.searchsorted(self._edge, edge)
            node[on] = np.where(self._edge[at] == edge, self._node[at], -1)
        return node

    def _grow(self, edges: Ints) -> None:
        at = np.searchsorted(self._edge, edges)
        new = self._edge[at] != edges
        nodes = len(self._cell_of_node) + np.arange(np.count_nonzero(new))
        self._edge = np.insert(self._edge, at[new], edges[new])
        self._node = np.insert(self._node, at[new], nodes)
        self._cell_of_node = np.concatenate([self._cell_of_node, np.full(len(nodes), -1, dtype=np.int64)])
