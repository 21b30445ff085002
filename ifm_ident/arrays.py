"""The arrays that everything is made of: their types, and rows of unequal length in compressed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_Entry = TypeVar("_Entry", bound=np.generic)


def fixed(array: NDArray[_Entry]) -> NDArray[_Entry]:
    """The array, not to be written into by who is handed it; a view, so that the caller's own stays as it is.

    >>> fixed(np.array([1, 2])).flags.writeable
    False
    """
    view = array.view()
    view.flags.writeable = False
    return view


def ragged_arange(starts: Ints, counts: Ints) -> Ints:
    """Concatenated ranges starts[i], ..., starts[i] + counts[i] - 1.

    >>> ragged_arange(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    offsets = np.cumsum(counts) - counts
    ranges: Ints = np.repeat(starts - offsets, counts)
    ranges += np.arange(len(ranges), dtype=np.int64)
    return ranges


def row_bounds(counts: NDArray[np.integer] | Sequence[int]) -> Ints:
    """Where rows of so many entries begin and end: row i owns entries b[i] to b[i + 1] of the result b.

    >>> row_bounds([2, 0, 1]).tolist()
    [0, 2, 2, 3]
    """
    ends = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(np.asarray(counts, dtype=np.int64), out=ends[1:])
    return ends


def owners(indptr: NDArray[np.integer]) -> Ints:
    """The row of every entry, ascending.

    >>> owners(np.array([0, 2, 2, 3])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(indptr) - 1, dtype=np.int64), np.diff(indptr))


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of unequal length: row i owns the entries indptr[i] to indptr[i + 1] of every column.

    A subclass names its columns, `entries` with a value for each entry and `rows` with one for each row; its other
    fields are common to all rows. A column is an array, made read-only, or ragged itself.

    >>> @dataclass(frozen=True, eq=False)
    ... class Words(Ragged, entries=("letter",)):
    ...     letter: NDArray[np.str_]
    >>> words = Words.of([2, 0, 3], np.array(list("hiyou")))
    >>> len(words), words.sizes.tolist(), words.owners.tolist()
    (3, [2, 0, 3], [0, 0, 2, 2, 2])
    >>> words.take([2, 0]).letter.tolist(), Words.concatenate([words, words]).indptr.tolist()
    (['y', 'o', 'u', 'h', 'i'], [0, 2, 2, 5, 7, 7, 10])
    """

    indptr: Ints
    _of_entries: ClassVar[tuple[str, ...]] = ()
    _of_rows: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, entries: tuple[str, ...] = (), rows: tuple[str, ...] = ()) -> None:
        cls._of_entries, cls._of_rows = (*cls._of_entries, *entries), (*cls._of_rows, *rows)

    def __post_init__(self) -> None:
        for name in ("indptr", *self._of_rows, *self._of_entries):
            column = getattr(self, name)
            if isinstance(column, np.ndarray):
                object.__setattr__(self, name, fixed(column))

    @classmethod
    def of(cls, sizes: NDArray[np.integer] | Sequence[int], *fields: Any) -> Self:
        """From the number of entries of every row, and the other fields in their order."""
        return cls(row_bounds(sizes), *fields)

    @classmethod
    def owned(cls, owner: NDArray[np.integer], rows: int, *fields: Any) -> Self:
        """From the row of every entry, ascending, the number of rows, and the other fields in their order."""
        return cls.of(np.bincount(owner, minlength=rows), *fields)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """The parts one after the other; at least one."""
        if len(parts) == 1:
            return parts[0]
        joined = {name: _joined([getattr(p, name) for p in parts]) for name in (*cls._of_rows, *cls._of_entries)}
        return parts[0]._with(indptr=row_bounds(np.concatenate([part.sizes for part in parts])), **joined)

    def _with(self, **columns: Any) -> Self:
        """The same with other columns, of rows that were checked when they were first made."""
        made = object.__new__(type(self))
        for field in fields(self):
            object.__setattr__(made, field.name, columns.get(field.name, getattr(self, field.name)))
        Ragged.__post_init__(made)
        return made

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def sizes(self) -> Ints:
        """The number of entries of every row, shape (n,)."""
        return np.diff(self.indptr)

    @property
    def owners(self) -> Ints:
        """The row of every entry, ascending."""
        return owners(self.indptr)

    def span(self, row: int) -> slice:
        """The entries of one row."""
        return slice(int(self.indptr[row]), int(self.indptr[row + 1]))

    def take(self, rows: NDArray[Any] | Sequence[int] | slice) -> Self:
        """The chosen rows, in the order given; for a slice without step they share their memory with these."""
        entries: Ints | slice
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            ends = self.indptr[start : max(start, stop) + 1]
            entries, indptr = slice(int(ends[0]), int(ends[-1])), ends - ends[0]
        else:
            sizes = self.sizes[rows]
            entries, indptr = ragged_arange(self.indptr[:-1][rows], sizes), row_bounds(sizes)
        columns = {name: _chosen(getattr(self, name), rows) for name in self._of_rows}
        columns |= {name: _chosen(getattr(self, name), entries) for name in self._of_entries}
        return self._with(indptr=indptr, **columns)


def _chosen(column: Any, index: Any) -> Any:
    return column.take(index) if isinstance(column, Ragged) else column[index]


def _joined(columns: Sequence[Any]) -> Any:
    first = columns[0]
    return type(first).concatenate(columns) if isinstance(first, Ragged) else np.concatenate(columns)
