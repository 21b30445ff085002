"""Batches of regimes, stored sparsely: only interventions off baseline are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, Ragged, owners
from ifm_ident.design.model import Level, Model, level_text
from ifm_ident.errors import InputError

Active = tuple[tuple[int, int], ...]
"""One regime: its (position, level index) pairs off baseline, positions ascending."""


@dataclass(frozen=True, eq=False)
class Regimes(Ragged, entries=("position", "level")):
    """n regimes over `width` interventions in compressed rows.

    indptr: shape (n + 1,); position, level: shape (number of active entries,), positions ascending in a
    row, level indices never 0. Everything not listed is at baseline. Entries of a row in another order are sorted.

    Raises InputError for arrays that are no whole numbers or do not fit each other, for a level 0, and where a row
    names an intervention twice.

    >>> batch = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 2]]))
    >>> len(batch), batch.active_counts.tolist(), batch[1]
    (2, [0, 2], ((0, 1), (2, 2)))
    >>> batch
    Regimes(2 over 3 interventions)
    >>> Regimes.from_codes(np.array([[0.5]]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: level indices are whole numbers, shape (n, d); got float64, shape (1, 1)
    """

    position: Ints
    level: Ints
    width: int

    def __post_init__(self) -> None:
        columns = {name: _whole(getattr(self, name), name) for name in ("indptr", "position", "level")}
        bounds, position, level = columns.values()
        if not len(bounds) or bounds[0] != 0 or (np.diff(bounds) < 0).any() or bounds[-1] != len(position):
            raise InputError(
                "indptr must begin with 0, ascend, and end with the number of entries; make regimes with "
                "Regimes.from_codes or from_active"
            )
        if len(position) != len(level):
            raise InputError(f"{len(position)} positions, {len(level)} levels; give one level for each position")
        if (level == 0).any():
            row = int(np.searchsorted(bounds, np.argmax(level == 0), "right")) - 1
            raise InputError(f"regime {row}: level 0 is the baseline; leave it out")
        rises = np.diff(position) > 0
        rises[bounds[1:-1][(bounds[1:-1] > 0) & (bounds[1:-1] < len(position))] - 1] = True
        if not rises.all():
            row_of = owners(bounds)
            order = np.lexsort((position, row_of))
            columns["position"], columns["level"] = position[order], level[order]
            twice = (np.diff(position[order]) == 0) & (np.diff(row_of) == 0)
            if twice.any():
                at = int(np.argmax(twice))
                raise InputError(
                    f"regime {row_of[at]} names intervention {position[order][at]} twice; give it one level"
                )
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        super().__post_init__()

    def __repr__(self) -> str:
        return f"Regimes({len(self):,} over {self.width:,} intervention{'s' * (self.width != 1)})"

    @classmethod
    def from_codes(cls, codes: NDArray[np.integer]) -> Regimes:
        """From level indices, shape (n, d); InputError for what are no whole numbers."""
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.dtype.kind not in "iub":
            raise InputError(
                f"level indices are whole numbers, shape (n, d); got {codes.dtype}, shape {codes.shape}"
            )
        row, position = np.nonzero(codes)
        level = codes[row, position].astype(np.int64)
        return cls.owned(row, len(codes), position.astype(np.int64), level, codes.shape[1])

    @classmethod
    def from_active(cls, regimes: Iterable[Active], width: int) -> Regimes:
        """From (position, level) pairs in any order; a level 0, the baseline, may be there or not."""
        rows = [sorted(pair for pair in regime if pair[1] != 0) for regime in regimes]
        flat = np.array([pair for row in rows for pair in row], dtype=np.int64).reshape(-1, 2)
        return cls.of([len(row) for row in rows], flat[:, 0], flat[:, 1], width)

    def __getitem__(self, row: int) -> Active:
        span = self.span(row)
        return tuple(zip(self.position[span].tolist(), self.level[span].tolist(), strict=True))

    def __iter__(self) -> Iterator[Active]:
        return (self[row] for row in range(len(self)))

    @property
    def active_counts(self) -> Ints:
        """Number of interventions off baseline in every regime, shape (n,)."""
        return self.sizes

    @property
    def rows(self) -> Ints:
        """The row of every active entry, ascending."""
        return self.owners

    def codes(self) -> NDArray[np.int64]:
        """Dense level indices, shape (n, d): for small batches."""
        dense = np.zeros((len(self), self.width), dtype=np.int64)
        dense[self.rows, self.position] = self.level
        return dense

    def restrict(self, keep: NDArray[np.bool_]) -> Regimes:
        """The same regimes with every intervention outside the mask `keep`, shape (d,), at baseline."""
        kept = keep[self.position]
        return Regimes.owned(self.rows[kept], len(self), self.position[kept], self.level[kept], self.width)

    def first_equal(self, other: Regimes) -> Ints:
        """For every regime the first index in `other` of the same regime, or -1; shape (n,).

        Regimes are found by a 64-bit fingerprint; every hit is compared entry by entry.

        >>> batch = Regimes.from_codes(np.array([[0, 1], [1, 1], [0, 1]]))
        >>> batch.first_equal(batch).tolist()
        [0, 1, 0]
        """
        if len(other) == 0 or len(self) == 0:
            return np.full(len(self), -1, dtype=np.int64)
        ours, theirs = self._fingerprints(), other._fingerprints()
        keys, first, group = np.unique(theirs, return_index=True, return_inverse=True)
        at = np.minimum(np.searchsorted(keys, ours), len(keys) - 1)
        found: Ints = np.where(keys[at] == ours, first[at], -1).astype(np.int64)
        hits = np.flatnonzero(found >= 0)
        same = self.take(hits)._equal_rows(other.take(found[hits]))
        if not (same.all() and other._equal_rows(other.take(first[group])).all()):
            index: dict[Active, int] = {}
            for i, regime in enumerate(other):
                index.setdefault(regime, i)
            return np.array([index.get(regime, -1) for regime in self], dtype=np.int64)
        return found

    def _fingerprints(self) -> NDArray[np.uint64]:
        key = (self.position.astype(np.uint64) << np.uint64(32)) + self.level.astype(np.uint64)
        key = (key + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
        total = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(key, dtype=np.uint64)])
        sums: NDArray[np.uint64] = total[self.indptr[1:]] - total[self.indptr[:-1]]
        return sums

    def _equal_rows(self, other: Regimes) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = self.active_counts == other.active_counts
        if not same.all():
            return same
        differs = (self.position != other.position) | (self.level != other.level)
        same[self.rows[differs]] = False
        return same


@dataclass(frozen=True, eq=False)
class RegimeLists(Ragged, entries=("regimes",)):
    """Lists of regimes: list i holds the regimes indptr[i] to indptr[i + 1].

    >>> few = RegimeLists.of([0, 2], Regimes.from_codes(np.array([[0, 1], [1, 1]])))
    >>> few.take([1]).regimes.codes().tolist()
    [[0, 1], [1, 1]]
    """

    regimes: Regimes


def _whole(column: NDArray[np.generic], name: str) -> Ints:
    """An array of whole numbers as int64; InputError for another."""
    array = np.asarray(column)
    if array.ndim != 1 or (array.dtype.kind not in "iub" and array.size):
        raise InputError(f"{name} holds whole numbers in one axis, got {array.dtype}, shape {array.shape}")
    return array.astype(np.int64, copy=False)


def require_legal(model: Model, regimes: Regimes) -> None:
    """Raise InputError for what are no regimes of the model: not Regimes, of another width, with unknown levels.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> require_legal(model, Regimes.from_codes(np.array([[1], [5]])))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regime 1: intervention 'A' has no level index 5; legal: 0 (0), 1 (1)
    """
    if not isinstance(regimes, Regimes):
        raise InputError(
            f"regimes are Regimes, not {type(regimes).__name__}; make them with Regimes.from_codes(level indices) "
            "or give texts to Study.with_test"
        )
    if regimes.width != len(model):
        raise InputError(f"regimes have {regimes.width:,} interventions, the model {len(model):,}")
    position, level = regimes.position, regimes.level
    outside = (position < 0) | (position >= len(model))
    if outside.any():
        at = int(np.argmax(outside))
        raise InputError(
            f"regime {regimes.rows[at]}: there is no intervention {position[at]}; they are 0 to {len(model) - 1}"
        )
    wrong = (level < 0) | (level >= model.known_counts[position])
    if wrong.any():
        at = int(np.argmax(wrong))
        one = model.interventions[int(position[at])]
        legal = [f"{i} ({level_text(value)})" for i, value in enumerate(one.levels[:8])]
        if len(one.levels) > 8:
            legal.append(f"... ({len(one.levels):,} in all)")
        raise InputError(
            f"regime {regimes.rows[at]}: intervention {one.name!r} has no level index {level[at]}; "
            f"legal: {', '.join(legal)}"
        )


def recoded(regimes: Regimes, source: Model, model: Model) -> Regimes:
    """Regimes of one model as those of an equal one, which may number levels with values otherwise."""
    if source is model or not model.has_bases:
        return regimes
    level = regimes.level.copy()
    for i in np.flatnonzero(model.valued).tolist():
        mine = regimes.position == i
        for index in np.unique(regimes.level[mine]).tolist():
            level[mine & (regimes.level == index)] = model.interventions[i].index(
                source.interventions[i].level(index)
            )
    return Regimes(regimes.indptr, regimes.position, level, regimes.width)


def regime_map(model: Model, regime: Active) -> dict[str, Level]:
    """The full map of a regime, intervention name to level, in the model's order."""
    codes = [0] * len(model)
    for position, level in regime:
        codes[position] = level
    return {i.name: i.level(code) for i, code in zip(model.interventions, codes, strict=True)}
