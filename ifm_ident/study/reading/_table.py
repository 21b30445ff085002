"""A table that was read: cells as Arrow columns, and as text where asked; errors that name a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.errors import InputError, nearest
from ifm_ident.limits import require_within


class RowError(InputError):
    """A row of a table is wrong; the message starts with `FILE, row N: `, N counted from 1.

    For a table that is no file, `path` says in words what it is, such as `the pandas table`.

    `row` counts from 0; None means that the message names the row itself.
    """

    def __init__(self, path: Path | str, row: int | None, message: str) -> None:
        super().__init__(f"{path}, {message}" if row is None else f"{path}, row {row + 1}: {message}")

    def moved(self, rows: int) -> RowError:
        """The same error of a table that has so many rows before these.

        >>> print(RowError("t.csv", 4, "no such regime").moved(1000))
        t.csv, row 1005: no such regime
        """
        head, row, tail = re.split(r"(?<=, row )(\d+)", str(self), maxsplit=1)
        path, _, _ = head.rpartition(", row ")
        return RowError(path, int(row) - 1 + rows, tail.removeprefix(": "))


@dataclass(frozen=True, eq=False)
class Table:
    """A table that was read from the file `path`, or that `path` says in words where it came from.

    untyped: its cells are text only because the file has no types (CSV, TSV). unreadable: columns beside those of
    `data` that are neither text nor numbers, each with the reason. elsewhere: for names that a user may take for
    columns, what to do about them.
    """

    path: Path | str
    data: pa.Table
    untyped: bool = False
    unreadable: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The column names, distinct."""
        return [*self.data.column_names, *self.unreadable]

    @property
    def row_count(self) -> int:
        """The number of data rows."""
        count: int = self.data.num_rows
        return count

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as it is; InputError, with the nearest name or the reason, where it cannot be had."""
        if name in self.unreadable:
            raise InputError(f"{self.path}: the column {name!r} {self.unreadable[name]}")
        if name not in self.data.column_names:
            remedy = self.elsewhere.get(name) or nearest(name, self.names)
            raise InputError(f"{self.path}: there is no column {name!r}; {remedy}")
        return self.data.column(name)

    def by_value(self, name: str) -> bool:
        """Whether the column may match levels by value: numbers, and texts of files that hold only text."""
        return self.untyped or not _is_text(_value_type(self.column(name).type))

    def holds_numbers(self, name: str) -> bool:
        """Whether the column has a type of numbers."""
        return _is_number(_value_type(self.column(name).type))

    def texts(self, name: str) -> pa.ChunkedArray:
        """A column as text, nulls kept.

        Raises InputError, naming the column and its type, for booleans, dates, nested values and the like, and for
        a cell longer than the limit `label`.
        """
        column = self.column(name)
        kind = _value_type(column.type)
        if pa.types.is_boolean(kind):
            remedy = "write its levels as the study does, as text or as the numbers 0 and 1"
        elif _is_text(kind) or pa.types.is_null(kind) or _is_number(kind):
            if pa.types.is_dictionary(column.type) and _is_text(kind):  # measured before it is written out
                for chunk in column.chunks:
                    self._require_short(name, chunk.dictionary)
            texts = column.cast(pa.large_string())
            self._require_short(name, texts)
            return texts
        elif pa.types.is_temporal(kind):
            remedy = "write its levels as text"
        else:
            remedy = "levels and labels are text or numbers"
        raise InputError(f"{self.path}: the column {name!r} holds values of type {kind}; {remedy}")

    def _require_short(self, name: str, texts: pa.Array | pa.ChunkedArray) -> None:
        longest = pc.max(pc.utf8_length(texts)).as_py() or 0
        require_within("label", longest, f"{self.path}: a cell of the column {name!r}")


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def require_distinct(path: Path | str, names: list[str]) -> None:
    """Raise InputError for a column name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}: the column {name!r} is there twice; column names must be distinct")
        seen.add(name)
