"""The incidence system of a design, built by array look-ups (docs/theory/model.md).

`BaselineSystem` holds the small coordinates used for solving, `OneHotSystem` the full system used for showing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, ragged_arange, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError

WIDE = 256
"""A factor with more cells than this gets one column for each cell seen in training, not its closure."""

_TABLE_ENTRIES = 2**25
_CANDIDATES = 2**22
ONE_HOT_LIMIT = 2**24

Cells = dict[tuple[int, tuple[int, ...]], int]
"""Integer weights on (factor index, level indices of its sigma-scope)."""


@dataclass(frozen=True, eq=False)
class _SubsetTrie:
    """The downward closure of some sigma-scopes, as a trie over ascending positions.

    Node 0 is the empty set. `first_column[node]` is the column of the node's first tuple of non-baseline levels.
    """

    width: int
    subsets: tuple[tuple[int, ...], ...]
    edge_key: Ints
    edge_child: Ints
    first_column: Ints
    columns: int

    @classmethod
    def build(cls, scopes: list[Ints], level_counts: Ints, width: int) -> _SubsetTrie:
        subsets: list[tuple[int, ...]] = [()]
        keys, children = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        by_size: dict[int, list[Ints]] = {}
        for scope in scopes:
            by_size.setdefault(len(scope), []).append(np.sort(scope))
        for size in range(1, max(by_size, default=0) + 1):
            blocks = []
            for scope_size, group in by_size.items():
                if scope_size >= size:
                    choice = np.array(list(itertools.combinations(range(scope_size), size)), dtype=np.int64)
                    blocks.append(np.stack(group)[:, choice].reshape(-1, size))
            sets = np.concatenate(blocks)
            parent = np.zeros(len(sets), dtype=np.int64)
            for depth in range(size - 1):
                parent = children[np.searchsorted(keys, parent * width + sets[:, depth])]
            new_keys, at = np.unique(parent * width + sets[:, -1], return_index=True)
            new_children = len(subsets) + np.arange(len(new_keys), dtype=np.int64)
            subsets.extend(map(tuple, sets[at].tolist()))
            keys, children = np.concatenate([keys, new_keys]), np.concatenate([children, new_children])
        sizes = np.array(
            [int(np.prod(level_counts[list(subset)] - 1)) if subset else 1 for subset in subsets],
            dtype=np.int64,
        )
        first = np.cumsum(sizes) - sizes
        return cls(width, tuple(subsets), keys, children, first, int(sizes.sum()))

    @cached_property
    def has_children(self) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.subsets), dtype=bool)
        mask[self.edge_key // max(self.width, 1)] = True
        return mask

    @cached_property
    def _table(self) -> NDArray[np.int32] | None:
        inner = int(self.edge_key[-1]) // self.width + 1 if len(self.edge_key) else 0
        if inner * self.width > _TABLE_ENTRIES:
            return None
        table = np.full(inner * self.width, -1, dtype=np.int32)
        table[self.edge_key] = self.edge_child
        return table

    def child(self, key: Ints) -> NDArray[np.integer]:
        """The node of subset ∪ {position}, or -1; key: node * width + position, of nodes that have children."""
        if self._table is not None:
            return self._table[key]
        at = np.minimum(np.searchsorted(self.edge_key, key), len(self.edge_key) - 1)
        found: Ints = np.where(self.edge_key[at] == key, self.edge_child[at], -1)
        return found

    def grown(self, node: Ints, following: Ints, ends: Ints, positions: Ints) -> tuple[Ints, Ints, Ints]:
        """Every node with one more of the entries `following` to `ends` of `positions`, where that is a subset.

        Returns the index of the node that grew, the entry and the node it became, one each.
        """
        counts = ends - following
        at = ragged_arange(following, counts)
        key = np.repeat(node * self.width, counts)
        key += positions[at]
        child = self.child(key)
        kept = np.flatnonzero(child >= 0)
        grew = np.repeat(np.arange(len(node), dtype=np.int64), counts)[kept]
        return grew, at[kept], child[kept].astype(np.int64)


class BaselineSystem:
    """Baseline coordinates of some factors of a model: one column for each (T, t) of docs/theory/model.md.

    `factors` are the factors that count: all for the joint criterion, K(v) for a conditional one. Wide factors
    contribute one column for each of their cells seen in `train`; a regime that shows a wide cell never seen
    lies outside every row space and is reported by `rows`.
    """

    def __init__(self, model: Model, factors: tuple[int, ...], train: Regimes) -> None:
        self.model = model
        self.factors = factors
        self._counts = self._function_counts(model)
        cells = [int(np.prod(self._counts[model.scopes[k]].astype(object))) for k in factors]
        wide = [self._is_wide(k, count) for k, count in zip(factors, cells, strict=True)]
        self._narrow = tuple(k for k, is_wide in zip(factors, wide, strict=True) if not is_wide)
        self._wide = tuple(k for k, is_wide in zip(factors, wide, strict=True) if is_wide)
        self._trie = _SubsetTrie.build([model.scopes[k] for k in self._narrow], self._counts, len(model))
        self._wide_cells: list[tuple[int, Regimes, int]] = []
        self._closure_columns = columns = self._trie.columns if self._narrow else 0
        for k in self._wide:
            shown = train.restrict(self._mask(k))
            distinct = shown.take(np.unique(shown.first_equal(shown)))
            self._wide_cells.append((k, distinct, columns))
            columns += len(distinct)
        self.columns = columns

    def _function_counts(self, model: Model) -> Ints:
        """How many columns each intervention has in a factor of its own, shape (d,)."""
        return model.level_counts

    def _is_wide(self, k: int, cells: int) -> bool:
        return cells > WIDE

    @property
    def wide(self) -> tuple[int, ...]:
        """The factors with one column for each cell seen in training."""
        return self._wide

    def _mask(self, k: int) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.model), dtype=bool)
        mask[self.model.scopes[k]] = True
        return mask

    def rows(self, regimes: Regimes) -> tuple[csr_array, Ints]:
        """Incidence rows, shape (n, columns), int64, and each row's first wide factor with a cell never trained.

        The second array, shape (n,), is -1 where there is no such factor.

        >>> from ifm_ident.design.model import Factor, Intervention
        >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
        >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))
        >>> regimes = Regimes.from_codes(np.array([[0, 0], [1, 0], [1, 1]]))
        >>> BaselineSystem(model, (0,), regimes).rows(regimes)[0].toarray().tolist()
        [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
        """
        pieces = self._closure_entries(regimes)
        unseen = np.full(len(regimes), -1, dtype=np.int64)
        for k, distinct, offset in self._wide_cells:
            at = regimes.restrict(self._mask(k)).first_equal(distinct)
            unseen[(at < 0) & (unseen < 0)] = k
            seen = np.flatnonzero(at >= 0)
            pieces.append((seen, offset + at[seen]))
        return _stack_entries(pieces, len(regimes), self.columns), unseen

    def _closure_entries(self, regimes: Regimes) -> list[tuple[Ints, Ints]]:
        """(row, column) of every closure entry, one pair of arrays for each depth, rows ascending."""
        n = len(regimes)
        every = np.arange(n, dtype=np.int64)
        pieces = [(every, np.zeros(n, dtype=np.int64))] if self._narrow else []
        if not len(self._trie.edge_key):
            return pieces
        counts = regimes.active_counts
        weight = np.cumsum(counts * (counts + 1) // 2)
        cuts = np.searchsorted(weight, np.arange(_CANDIDATES, int(weight[-1]) if n else 0, _CANDIDATES))
        bounds = np.unique(np.concatenate([[0], cuts + 1, [n]])) if n else np.array([0])
        parts = [
            self._extend(regimes, int(start), int(stop)) for start, stop in itertools.pairwise(bounds.tolist())
        ]
        depth = max((len(part) for part in parts), default=0)
        for level in range(depth):
            found = [part[level] for part in parts if len(part) > level]
            pieces.append((np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])))
        return pieces

    def _extend(self, regimes: Regimes, start: int, stop: int) -> list[tuple[Ints, Ints]]:
        """Closure entries of rows start to stop, by depth, each subset grown by later active positions."""
        trie, radix = self._trie, self._counts - 1
        ends = regimes.indptr[1:]
        row = np.arange(start, stop, dtype=np.int64)
        node, code = np.zeros(stop - start, dtype=np.int64), np.zeros(stop - start, dtype=np.int64)
        following = regimes.indptr[start:stop]
        found = []
        while len(row):
            grew, at, child = trie.grown(node, following, ends[row], regimes.position)
            row, code = row[grew], code[grew] * radix[regimes.position[at]] + regimes.level[at] - 1
            if len(row):
                found.append((row, trie.first_column[child] + code))
            grows = np.flatnonzero(trie.has_children[child])
            row, node, code, following = row[grows], child[grows], code[grows], at[grows] + 1
        return found

    def to_cells(self, weights: dict[int, int]) -> Cells:
        """Column weights as weights on (factor, levels) cells, with the same value on every regime.

        Theory: docs/theory/model.md.

        Column (T, t) is the sum of the cells that agree with t on T, in any one factor whose scope holds T.
        """
        total: Cells = {}
        scopes = {k: tuple(self.model.scopes[k].tolist()) for k in self.factors}
        counts = self.model.level_counts.tolist()
        for column, weight in weights.items():
            if column >= self._closure_columns:
                k, distinct, offset = next(w for w in reversed(self._wide_cells) if w[2] <= column)
                shown = dict(distinct[column - offset])
                cell = (k, tuple(shown.get(i, 0) for i in scopes[k]))
                total[cell] = total.get(cell, 0) + weight
                continue
            fixed = dict(self._column_levels(column))
            k = self._smallest_holder(tuple(fixed))
            free = [range(counts[i]) if i not in fixed else (fixed[i],) for i in scopes[k]]
            for levels in itertools.product(*free):
                total[k, levels] = total.get((k, levels), 0) + weight
        return {cell: total[cell] for cell in sorted(total) if total[cell]}

    def _column_levels(self, column: int) -> Active:
        node = int(np.searchsorted(self._trie.first_column, column, side="right")) - 1
        code = column - int(self._trie.first_column[node])
        levels: list[tuple[int, int]] = []
        for position in reversed(self._trie.subsets[node]):
            code, digit = divmod(code, int(self._counts[position]) - 1)
            levels.append((position, digit + 1))
        return tuple(reversed(levels))

    def _smallest_holder(self, subset: tuple[int, ...]) -> int:
        holders = self._holders[subset[0]] if subset else self._narrow
        fits = [k for k in holders if set(subset) <= set(self.model.scopes[k].tolist())]
        return min(fits, key=lambda k: (len(self.model.scopes[k]), k))

    @cached_property
    def _holders(self) -> dict[int, list[int]]:
        holders: dict[int, list[int]] = {}
        for k in self._narrow:
            for position in self.model.scopes[k].tolist():
                holders.setdefault(position, []).append(k)
        return holders


def _stack_entries(pieces: list[tuple[Ints, Ints]], n: int, columns: int) -> csr_array:
    """One 0/1 row-compressed matrix from (row, column) pieces whose rows ascend; piece order is column order."""
    counts = [np.bincount(row, minlength=n) for row, _ in pieces]
    indptr = row_bounds(np.sum([np.zeros(n, dtype=np.int64), *counts], axis=0))
    indices = np.empty(int(indptr[-1]), dtype=np.int64)
    filled = indptr[:-1].copy()
    for (row, column), count in zip(pieces, counts, strict=True):
        within = np.arange(len(row), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
        indices[filled[row] + within] = column
        filled += count
    return csr_array((np.ones(len(indices), dtype=np.int64), indices, indptr), shape=(n, columns))


class OneHotSystem:
    """The full incidence system: one column for each factor and each assignment of its sigma-scope.

    Theory: docs/theory/model.md.

    Columns go by factor, then by levels with the last scope position fastest. Raises InputError when there
    would be more than ONE_HOT_LIMIT columns.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.sizes = [int(np.prod(model.level_counts[scope].astype(object))) for scope in model.scopes]
        if sum(self.sizes) > ONE_HOT_LIMIT:
            raise InputError(
                f"the full incidence matrix would have {sum(self.sizes):,} columns (limit {ONE_HOT_LIMIT:,})"
            )
        self.offsets = np.cumsum([0, *self.sizes])

    def cells(self) -> list[tuple[int, tuple[int, ...]]]:
        """(factor, levels) of every column."""
        counts = self.model.level_counts
        return [
            (k, levels)
            for k, scope in enumerate(self.model.scopes)
            for levels in itertools.product(*(range(int(counts[i])) for i in scope))
        ]

    def rows(self, regimes: Regimes) -> csr_array:
        """Incidence rows, shape (n, columns), int64: one 1 in every factor's block."""
        n, factors = len(regimes), len(self.model.factors)
        indices = np.tile(self.offsets[:-1], (n, 1))
        position = np.concatenate([*self.model.scopes, np.empty(0, dtype=np.int64)])
        owner = np.repeat(np.arange(factors), [len(scope) for scope in self.model.scopes])
        stride = np.concatenate([*map(self._strides, self.model.scopes), np.empty(0, dtype=np.int64)])
        order = np.argsort(position, kind="stable")
        starts = np.searchsorted(position[order], regimes.position)
        counts = np.searchsorted(position[order], regimes.position, side="right") - starts
        at = order[ragged_arange(starts, counts)]
        entry = np.repeat(np.arange(len(regimes.position)), counts)
        np.add.at(indices, (regimes.rows[entry], owner[at]), regimes.level[entry] * stride[at])
        indptr = np.arange(n + 1, dtype=np.int64) * factors
        return csr_array(
            (np.ones(n * factors, dtype=np.int64), indices.ravel(), indptr), shape=(n, self.offsets[-1])
        )

    def _strides(self, scope: Ints) -> Ints:
        counts = self.model.level_counts[scope]
        return np.array([int(np.prod(counts[i + 1 :])) for i in range(len(scope))], dtype=np.int64)
