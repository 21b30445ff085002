"""Regimes of a table file too large to hold: read as they are asked for, from any row on."""

from __future__ import annotations

import dataclasses
import itertools
import os
from bisect import bisect_right
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
from ifm_ident.design.notation import parse_labels
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK, Listed, Space
from ifm_ident.errors import InputError
from ifm_ident.files import note_input
from ifm_ident.study.reading._label_columns import Label, empty_cells, filled, skipped
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
    surely_small,
    text_checked,
    unfolded,
)
from ifm_ident.study.reading._tables import columns_of, read_regimes, regime_columns, regimes_in, told
from ifm_ident.study.reading.label_conventions import LabelConvention, has_doubtful_names

LARGE_BYTES = 2**25
"""A text table of more bytes is read as it is asked for."""

LARGE_ROWS = 2**20
"""A Parquet table of more rows is read as it is asked for."""

_BLOCK_BYTES = 2**24
_BATCH_CELLS = 2**24
_PLAIN_ROWS = 2**12
"""Rows at a time of texts that cannot be measured before they are written out."""


@dataclass(frozen=True, eq=False)
class SpaceTable:
    """The regimes of a table, and remarks on what was left out of it or taken for baseline."""

    space: Space
    notes: tuple[str, ...]


def listed_regimes(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> SpaceTable:
    """The regimes of a table in its order: held in memory, or streamed from a large CSV, TSV or Parquet file.

    A large file is gone through once, so that rows that tell no regime are left out and labels are read as of a
    small one. Raises InputError as `read_regimes` does; a regime of a streamed file that cannot be read raises
    RowError when its chunk is asked for, not before.
    """
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if path is None or not _is_large(path):
        found = read_regimes(model, source, label, labels)
        return SpaceTable(Listed(found.regimes), found.notes)
    note_input(path)
    rows: _Rows = _ParquetRows.of(path) if is_parquet(path) else _TextRows.of(path)
    column, notes = regime_columns(model, Table(path, rows.head), label)
    if labels is None and isinstance(column, str) and has_doubtful_names(model):
        labels = _convention(model, rows, column)
    space, told = _scanned(model, rows, column, labels)
    return SpaceTable(space, (*told, *notes))


def _is_large(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES or suffix == ANNDATA_SUFFIX or not path.is_file():
        return False
    if not is_parquet(path):
        return path.stat().st_size > LARGE_BYTES
    with readable(path):
        return bool(pq.read_metadata(path).num_rows > LARGE_ROWS)


@dataclass(frozen=True)
class _Block:
    """Where a block of a file begins: rows before it, its offset in bytes (of a text), and regimes before it."""

    row: int = 0
    offset: int = 0
    regimes: int = 0


class _Rows(Protocol):
    """A table file whose rows come in blocks."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def head(self) -> pa.Table:
        """Its columns, without rows."""

    @property
    def first(self) -> _Block:
        """Where its rows begin."""

    def blocks(self, columns: Sequence[str], start: _Block) -> Iterator[tuple[_Block, pa.Table]]:
        """Blocks of rows from where one began; regimes before them are not counted."""


def _convention(model: Model, rows: _Rows, label: str) -> LabelConvention | None:
    """How the labels of a file are written, which all of them tell: None if as in a study file."""
    for _, data in rows.blocks([label], rows.first):
        texts = Table(rows.path, data).texts(label)
        try:
            parse_labels(model, texts.filter(filled(texts)))
        except InputError:
            return LabelConvention()
    return None


def _scanned(
    model: Model, rows: _Rows, label: Label, labels: LabelConvention | None
) -> tuple[FileRegimes, tuple[str, ...]]:
    """The regimes of a file, and remarks on its cells; every row is looked at, and its regime not yet read."""
    flat = [field.name for field in rows.head.schema if not pa.types.is_nested(field.type)]
    names = [label] if isinstance(label, str) else label or [*columns_of(model, flat, rows.path).values()]
    whole = isinstance(label, str) and 1 < len(flat) == len(rows.head.column_names)
    for columns in (names, flat) if whole else (names,):
        blocks: list[_Block] = []
        count = empty = total = 0
        for at, data in rows.blocks(columns, rows.first):
            blocks.append(dataclasses.replace(at, regimes=count))
            kept, cells = told(model, Table(rows.path, data, untyped=not is_parquet(rows.path)), label)
            count, empty, total = count + int(kept.sum()), empty + cells, total + len(kept)
        if columns == flat or not empty:  # where a label is empty, it depends on the other cells of the row
            break
    space = FileRegimes(model, rows, label, labels, tuple(columns), tuple(blocks), count)
    return space, (*skipped(rows.path, total - count), *(empty_cells(rows.path, empty) if label is None else ()))


@dataclass(frozen=True, eq=False)
class FileRegimes:
    """The regimes of a file in its order, repeats included; `label` names the column or columns of labels, if any.

    columns: those to read. starts: where the blocks of the file begin. count: the number of its regimes.
    """

    model: Model
    rows: _Rows
    label: Label
    labels: LabelConvention | None
    columns: tuple[str, ...]
    starts: tuple[_Block, ...]
    count: int

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
        begin = self.starts[bisect_right(self.starts, start, key=lambda block: block.regimes) - 1]
        before = begin.regimes
        for at, data in self.rows.blocks(self.columns, begin):
            kept = np.flatnonzero(told(self.model, Table(path, data, untyped=untyped), self.label)[0])
            asked = kept[max(start - before, 0) : stop - before]
            before += len(kept)
            if len(asked):
                part = data.slice(asked[0], asked[-1] + 1 - asked[0])
                try:
                    yield regimes_in(
                        self.model, Table(path, part, untyped=untyped), self.label, self.labels
                    ).regimes
                except RowError as error:
                    raise error.moved(at.row + int(asked[0])) from None
            if before >= stop:
                return


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
    first: _Block = _Block()

    @classmethod
    def of(cls, path: Path) -> _ParquetRows:
        with readable(path), pq.ParquetFile(path) as file:
            require_distinct(path, file.schema_arrow.names)
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            return cls(path, file.schema_arrow.empty_table(), tuple(row_bounds(sizes).tolist()))

    def blocks(self, columns: Sequence[str], start: _Block) -> Iterator[tuple[_Block, pa.Table]]:
        group = int(np.searchsorted(self.bounds, start.row, side="right")) - 1
        first = self.bounds[group]
        rows = max(1, min(CHUNK, _BATCH_CELLS // max(len(columns), 1)))
        with readable(self.path):
            for batch in self._batches([*range(group, len(self.bounds) - 1)], list(columns), rows):
                skip = min(max(start.row - first, 0), batch.num_rows)
                if skip < batch.num_rows:
                    yield _Block(first + skip), batch.slice(skip).select(list(columns))
                first += batch.num_rows

    def _batches(self, groups: list[int], columns: list[str], rows: int) -> Iterator[pa.Table]:
        """Rows of some row groups; a long text that many rows share is measured before it is written out."""
        schema = self.head.schema
        texts = [name for name in columns if pa.types.is_string(schema.field(name).type)]
        with pq.ParquetFile(self.path, read_dictionary=texts) as file:
            batches = file.iter_batches(rows, row_groups=groups, columns=columns, use_threads=False)
            try:
                small = surely_small(file, groups, texts, rows)
                first = [*itertools.islice(batches, not small)]
            except OSError:  # an encoding that arrow cannot keep as a dictionary
                small, rows = True, min(rows, _PLAIN_ROWS)
            if not small:
                for batch in itertools.chain(first, batches):
                    yield unfolded(self.path, pa.Table.from_batches([batch]), schema, texts)
                return
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(rows, row_groups=groups, columns=columns, use_threads=False):
                yield text_checked(self.path, pa.Table.from_batches([batch]))


@dataclass(frozen=True, eq=False)
class _TextRows:
    """A CSV or TSV file: `header` is the line that names the columns, `end` is where the last row ends."""

    path: Path
    head: pa.Table
    header: bytes
    first: _Block
    end: int

    @classmethod
    def of(cls, path: Path) -> _TextRows:
        with readable(path):
            begin, end = _trimmed(path)
            first = next(_byte_blocks(path, begin, end))
            cut = _row_end(first, first.find(b"\n")) or len(first)
            refuse_other_formats(path, first)
            require_utf8(path, first[:cut])
            return cls(path, parse_text(path, first[:cut]), first[:cut], _Block(offset=begin + cut), end)

    def blocks(self, columns: Sequence[str], start: _Block) -> Iterator[tuple[_Block, pa.Table]]:
        """The blocks; whatever is wrong with the table, not with its labels, raises InputError."""
        row, offset = start.row, start.offset
        with readable(self.path):
            for data in _byte_blocks(self.path, offset, self.end):
                table = _parsed(self.path, self.header, data, row, offset)
                yield _Block(row, offset), table.select(list(columns))
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
