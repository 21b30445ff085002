"""Batches of regimes, stored sparsely: only interventions off baseline are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, Ragged
from ifm_ident.design.model import Level, Model, level_text
from ifm_ident.errors import InputError

Active = tuple[tuple[int, int], ...]
"""One regime: its (position, level index) pairs off baseline, positions ascending."""


@dataclass(frozen=True, eq=False)
class Regimes(Ragged, entries=("position", "level")):
    """n regimes over `width` interventions in compressed rows.

    indptr: shape (n + 1,); position, level: shape (number of active entries,), positions ascending in a
    row, level indices at least 1. Everything not listed is at baseline.

    >>> batch = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 2]]))
    >>> len(batch), batch.active_counts.tolist(), batch[1]
    (2, [0, 2], ((0, 1), (2, 2)))
    >>> batch
    Regimes(2 over 3 interventions)
    """

    position: Ints
    level: Ints
    width: int

    def __repr__(self) -> str:
        return f"Regimes({len(self):,} over {self.width:,} intervention{'s' * (self.width != 1)})"

    @classmethod
    def from_codes(cls, codes: NDArray[np.integer]) -> Regimes:
        """From level indices, shape (n, d)."""
        codes = np.asarray(codes)
        row, position = np.nonzero(codes)
        level = codes[row, position].astype(np.int64)
        return cls.owned(row, len(codes), position.astype(np.int64), level, codes.shape[1])

    @classmethod
    def from_active(cls, regimes: Iterable[Active], width: int) -> Regimes:
        """From (position, level) pairs; pairs may be in any order."""
        rows = [sorted(regime) for regime in regimes]
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
