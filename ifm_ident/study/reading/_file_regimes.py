"""Regimes of a table file too large to hold: read as they are asked for, from any row on."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ifm_ident.arrays import row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK, Listed, Space
from ifm_ident.errors import InputError
from ifm_ident.files import note_input
from ifm_ident.study.reading._label_columns import Label
from ifm_ident.study.reading._other_formats import refuse_other_formats
from ifm_ident.study.reading._table import RowError, Table, require_distinct
from ifm_ident.study.reading._table_files import (
    ANNDATA_SUFFIX,
    BOM,
    SUFFIXES,
    is_parquet,
    parse_text,
    readable,
    require_utf8,
)
from ifm_ident.study.reading._tables import read_regimes, regime_columns, regimes_in
from ifm_ident.study.reading.label_conventions import LabelConvention

LARGE_BYTES = 2**25
"""A text table of more bytes is read as it is asked for."""

LARGE_ROWS = 2**20
"""A Parquet table of more rows is read as it is asked for."""

_BLOCK_BYTES = 2**24
_BATCH_CELLS = 2**24


@dataclass(frozen=True, eq=False)
class SpaceTable:
    """The regimes of a table, and remarks on what was left out of it or taken for baseline."""

    space: Space
    notes: tuple[str, ...]


def listed_regimes(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> SpaceTable:
    """The regimes of a table in its order: held in memory, or streamed from a large CSV, TSV or Parquet file.

    Raises InputError as `read_regimes` does; a regime of a streamed file that cannot be read raises RowError when
    its chunk is asked for, not before.
    """
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if path is None or not _is_large(path):
        found = read_regimes(model, source, label, labels)
        return SpaceTable(Listed(found.regimes), found.notes)
    note_input(path)
    rows: _Rows = _ParquetRows.of(path) if is_parquet(path) else _TextRows.of(path)
    column, notes = regime_columns(model, Table(path, rows.head), label)
    return SpaceTable(FileRegimes(model, rows, column, labels), notes)


def _is_large(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or suffix == ANNDATA_SUFFIX or not path.is_file():
        return False
    if not is_parquet(path):
        return path.stat().st_size > LARGE_BYTES
    with readable(path):
        return bool(pq.read_metadata(path).num_rows > LARGE_ROWS)


class _Rows(Protocol):
    """A table file whose rows come in blocks."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def head(self) -> pa.Table:
        """Its columns, without rows."""

    @property
    def count(self) -> int:
        """The number of rows."""

    def blocks(self, start: int, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """Blocks of rows, each with the number of rows before it; `start` lies in the first."""


@dataclass(frozen=True, eq=False)
class FileRegimes:
    """The regimes of a file in its order, repeats included; `label` names the column of labels, if any."""

    model: Model
    rows: _Rows
    label: Label
    labels: LabelConvention | None

    @property
    def count(self) -> int:
        """The number of rows of the file."""
        return self.rows.count

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file and of how it is read."""
        with readable(self.rows.path), self.rows.path.open("rb") as stream:
            content = file_digest(stream, "sha256").hexdigest()
        return f"sha256:{sha256(f'{content} {self.label!r} {self.labels!r}'.encode()).hexdigest()}"

    def chunks(self, size: int = CHUNK, start: int = 0, stop: int | None = None) -> Iterator[Regimes]:
        """The regimes in order, as `Space` says; RowError for one that cannot be read."""
        return _recut(self._batches(start, self.count if stop is None else min(stop, self.count)), size)

    def _batches(self, start: int, stop: int) -> Iterator[Regimes]:
        if start >= stop:
            return
        path, untyped = self.rows.path, not is_parquet(self.rows.path)
        label = [self.label] if isinstance(self.label, str) else self.label
        columns = label or [name for name in self.rows.head.column_names if self.model.find(name) is not None]
        for first, data in self.rows.blocks(start, columns):
            if first >= stop:
                return
            skipped = max(start - first, 0)
            table = Table(path, data.slice(skipped, stop - first - skipped), untyped=untyped)
            try:
                found = regimes_in(self.model, table, self.label, self.labels)
                if len(found.rows) < table.row_count:
                    empty = int(np.argmax(np.append(found.rows, -1) != np.arange(len(found.rows) + 1)))
                    what = f"in column {self.label!r} " if isinstance(self.label, str) else ""
                    raise RowError(path, empty, f"the regime {what}is empty; write {BASELINE!r} for baseline")
            except RowError as error:
                raise error.moved(first + skipped) from None
            yield found.regimes


def _recut(batches: Iterable[Regimes], size: int) -> Iterator[Regimes]:
    """The same regimes in chunks of exactly `size`, but for the last."""
    waiting: list[Regimes] = []
    held = 0
    for batch in batches:
        at = 0
        while at < len(batch):
            waiting.append(batch.take(slice(at, at + size - held)))
            at, held = at + len(waiting[-1]), held + len(waiting[-1])
            if held == size:
                yield Regimes.concatenate(waiting)
                waiting, held = [], 0
    if waiting:
        yield Regimes.concatenate(waiting)


@dataclass(frozen=True, eq=False)
class _ParquetRows:
    """A Parquet file; `bounds` are the numbers of rows before its row groups, and all of them."""

    path: Path
    head: pa.Table
    bounds: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> _ParquetRows:
        with readable(path), pq.ParquetFile(path) as file:
            require_distinct(path, file.schema_arrow.names)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            return cls(path, file.schema_arrow.empty_table(), tuple(row_bounds(sizes).tolist()))

    @property
    def count(self) -> int:
        return self.bounds[-1]

    def blocks(self, start: int, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        group = int(np.searchsorted(self.bounds, start, side="right")) - 1
        first = self.bounds[group]
        rows = max(1, min(CHUNK, _BATCH_CELLS // max(len(columns), 1)))
        with readable(self.path), pq.ParquetFile(self.path) as file:
            groups = [*range(group, len(self.bounds) - 1)]
            for batch in file.iter_batches(rows, row_groups=groups, columns=list(columns), use_threads=False):
                if first + batch.num_rows > start:
                    yield first, pa.Table.from_batches([batch]).select(list(columns))
                first += batch.num_rows


@dataclass(frozen=True, eq=False)
class _TextRows:
    """A CSV or TSV file: `header` is the line that names the columns; blocks begin at `marks`, as (row, offset).

    `end` is where the last row ends.
    """

    path: Path
    head: pa.Table
    header: bytes
    marks: tuple[tuple[int, int], ...]
    end: int
    count: int

    @classmethod
    def of(cls, path: Path) -> _TextRows:
        """Goes through all rows once: whatever is wrong with the table, not with its labels, raises here."""
        with readable(path):
            begin, end = _trimmed(path)
            first = next(_byte_blocks(path, begin, end))
            cut = _row_end(first, first.find(b"\n")) or len(first)
            header, offset = first[:cut], begin + cut
            refuse_other_formats(path, first)
            require_utf8(path, header)
            head = parse_text(path, header)
            marks, row = [(0, offset)], 0
            for data in _byte_blocks(path, offset, end):
                row += _parsed(path, header, data, row, offset).num_rows
                offset += len(data)
                marks.append((row, offset))
        return cls(path, head, header, tuple(marks), end, row)

    def blocks(self, start: int, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        at = int(np.searchsorted([row for row, _ in self.marks], start, side="right")) - 1
        row, offset = self.marks[at]
        with readable(self.path):
            for data in _byte_blocks(self.path, offset, self.end):
                table = _parsed(self.path, self.header, data, row, offset)
                yield row, table.select(list(columns))
                row, offset = row + table.num_rows, offset + len(data)


def _parsed(path: Path, header: bytes, data: bytes, row: int, offset: int) -> pa.Table:
    """The rows of a block of bytes at `offset`, with `row` rows before them."""
    require_utf8(path, data, offset, row + 1)
    try:
        return parse_text(path, header + data)
    except RowError as error:
        raise error.moved(row) from None


def _trimmed(path: Path) -> tuple[int, int]:
    """Where the text of a file begins and ends, without a byte order mark and empty lines at either end."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(_BLOCK_BYTES)
        stream.seek(max(size - _BLOCK_BYTES, 0))
        tail = stream.read()
    text = start.removeprefix(BOM).lstrip(b"\r\n")
    if not text.strip():
        raise InputError(
            f"{path}: the file begins with {len(start):,} empty bytes; the first line names the columns"
        )
    return len(start) - len(text), size - (len(tail) - len(tail.rstrip(b"\r\n")))


def _byte_blocks(path: Path, offset: int, end: int) -> Iterator[bytes]:
    """The bytes of a file between two places, in blocks of whole rows; the last one ends with a new line too."""
    kept = b""
    with path.open("rb") as stream:
        stream.seek(offset)
        left = end - offset
        while left > 0 and (read := stream.read(min(_BLOCK_BYTES, left))):
            left -= len(read)
            data = kept + read
            cut = _row_end(data, data.rfind(b"\n"))
            kept = data[cut:]
            if cut:
                yield data[:cut]
    if kept:
        yield kept + b"\n"


def _row_end(data: bytes, newline: int) -> int:
    """Where a row ends, at this new line or the nearest one that is in no quoted cell; 0 for none.

    From the first new line on the search goes forwards, from another one backwards.
    """
    forwards = newline == data.find(b"\n")
    while newline >= 0 and data.count(b'"', 0, newline) % 2:
        newline = data.find(b"\n", newline + 1) if forwards else data.rfind(b"\n", 0, newline)
    return newline + 1
