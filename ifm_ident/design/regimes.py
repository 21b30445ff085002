"""Batches of regimes, stored sparsely: only interventions off baseline are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, fixed, ragged_arange
from ifm_ident.design.model import Level, Model, level_text
from ifm_ident.errors import InputError

Active = tuple[tuple[int, int], ...]
"""One regime: its (position, level index) pairs off baseline, positions ascending."""


@dataclass(frozen=True, eq=False)
class Regimes:
    """n regimes over `width` interventions in compressed rows.

    indptr: shape (n + 1,); position, level: shape (number of active entries,), positions ascending in a
    row, level indices at least 1. Everything not listed is at baseline.

    >>> batch = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 2]]))
    >>> len(batch), batch.active_counts.tolist(), batch[1]
    (2, [0, 2], ((0, 1), (2, 2)))
    >>> batch
    Regimes(2 over 3 interventions)
    """

    indptr: Ints
    position: Ints
    level: Ints
    width: int

    def __post_init__(self) -> None:
        for name in ("indptr", "position", "level"):
            object.__setattr__(self, name, fixed(getattr(self, name)))

    def __repr__(self) -> str:
        return f"Regimes({len(self):,} over {self.width:,} intervention{'s' * (self.width != 1)})"

    @classmethod
    def from_codes(cls, codes: NDArray[np.integer]) -> Regimes:
        """From level indices, shape (n, d)."""
        codes = np.asarray(codes)
        row, position = np.nonzero(codes)
        return cls(
            np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(codes)))]).astype(np.int64),
            position.astype(np.int64),
            codes[row, position].astype(np.int64),
            codes.shape[1],
        )

    @classmethod
    def from_active(cls, regimes: Iterable[Active], width: int) -> Regimes:
        """From (position, level) pairs; pairs may be in any order."""
        rows = [sorted(regime) for regime in regimes]
        counts = np.array([len(row) for row in rows], dtype=np.int64)
        flat = np.array([pair for row in rows for pair in row], dtype=np.int64).reshape(-1, 2)
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), flat[:, 0], flat[:, 1], width)

    @classmethod
    def concatenate(cls, batches: Sequence[Regimes]) -> Regimes:
        """The batches one after the other; at least one."""
        counts = np.concatenate([batch.active_counts for batch in batches])
        return cls(
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([batch.position for batch in batches]),
            np.concatenate([batch.level for batch in batches]),
            batches[0].width,
        )

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def __getitem__(self, row: int) -> Active:
        start, stop = self.indptr[row], self.indptr[row + 1]
        return tuple(zip(self.position[start:stop].tolist(), self.level[start:stop].tolist(), strict=True))

    def __iter__(self) -> Iterator[Active]:
        return (self[row] for row in range(len(self)))

    @property
    def active_counts(self) -> Ints:
        """Number of interventions off baseline in every regime, shape (n,)."""
        return np.diff(self.indptr)

    @property
    def rows(self) -> Ints:
        """The row of every active entry, ascending."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.active_counts)

    def take(self, rows: NDArray[np.integer] | slice) -> Regimes:
        """The chosen rows, in the order given."""
        index = np.arange(len(self), dtype=np.int64)[rows]
        counts = self.active_counts[index]
        flat = ragged_arange(self.indptr[:-1][index], counts)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Regimes(indptr, self.position[flat], self.level[flat], self.width)

    def codes(self) -> NDArray[np.int64]:
        """Dense level indices, shape (n, d): for small batches."""
        dense = np.zeros((len(self), self.width), dtype=np.int64)
        dense[self.rows, self.position] = self.level
        return dense

    def restrict(self, keep: NDArray[np.bool_]) -> Regimes:
        """The same regimes with every intervention outside the mask `keep`, shape (d,), at baseline."""
        kept = keep[self.position]
        counts = np.bincount(self.rows[kept], minlength=len(self))
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Regimes(indptr, self.position[kept], self.level[kept], self.width)

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
    wrong = (level < 0) | (level >= model.level_counts[position])
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


def regime_map(model: Model, regime: Active) -> dict[str, Level]:
    """The full map of a regime, intervention name to level, in the model's order."""
    codes = [0] * len(model)
    for position, level in regime:
        codes[position] = level
    return {i.name: i.levels[code] for i, code in zip(model.interventions, codes, strict=True)}
