"""Tables, and the reader of CSV, TSV and Parquet files: cells as Arrow columns, and as text where asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifm_ident.errors import InputError, nearest
from ifm_ident.reading.missing_files import missing_file

ANNDATA_SUFFIX = ".h5ad"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ANNDATA_SUFFIX)
_BLOCK_BYTES = 2**24


class RowError(InputError):
    """A row of a table is wrong; the message starts with `FILE, row N: `, N counted from 1.

    For a table that is no file, `path` says in words what it is, such as `the pandas table`.

    `row` counts from 0; None means that the message names the row itself.
    """

    def __init__(self, path: Path | str, row: int | None, message: str) -> None:
        super().__init__(f"{path}, {message}" if row is None else f"{path}, row {row + 1}: {message}")


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

        Raises InputError, naming the column and its type, for booleans, dates, nested values and the like.
        """
        column = self.column(name)
        kind = _value_type(column.type)
        if pa.types.is_boolean(kind):
            remedy = "write its levels as the study does, as text or as the numbers 0 and 1"
        elif _is_text(kind) or pa.types.is_null(kind) or _is_number(kind):
            return column.cast(pa.large_string())
        elif pa.types.is_temporal(kind):
            remedy = "write its levels as text"
        else:
            remedy = "levels and labels are text or numbers"
        raise InputError(f"{self.path}: the column {name!r} holds values of type {kind}; {remedy}")


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def open_table(path: Path, columns: Sequence[str] = ()) -> Table:
    """The table of a CSV, TSV, Parquet or .h5ad file, told apart by the suffix; cells of CSV and TSV stay text.

    `columns` are wanted from X of an .h5ad file beside those of obs (`anndata_table`); other files give all.
    Raises InputError for a missing, unreadable, empty or corrupt file, an unknown suffix, duplicate column
    names, and RowError for rows with too few or too many fields or not in UTF-8.

    >>> open_table(Path("regimes.xlsx"))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regimes.xlsx: tables end in .csv, .tsv, .txt, .parquet, .pq, .h5ad; save it as one
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: tables end in {', '.join(SUFFIXES)}; save it as one")
    if path.is_dir():
        raise InputError(f"{path}: this is a directory, not a table")
    if suffix == ANNDATA_SUFFIX:
        from ifm_ident.reading.anndata_files import anndata_table

        return anndata_table(path, columns)
    parquet = suffix in (".parquet", ".pq")
    try:
        data = _read_parquet(path) if parquet else _read_text(path, suffix)
    except FileNotFoundError:
        raise missing_file(path, SUFFIXES) from None
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the table cannot be read ({reason})") from None
    return Table(path, data, untyped=not parquet)


def require_distinct(path: Path | str, names: list[str]) -> None:
    """Raise InputError for a column name that is there twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}: the column {name!r} is there twice; column names must be distinct")
        seen.add(name)


def _read_parquet(path: Path) -> pa.Table:
    with path.open("rb") as source:
        require_distinct(path, pq.read_schema(source).names)
        source.seek(0)
        return pq.read_table(source)


def _read_text(path: Path, suffix: str) -> pa.Table:
    data = path.read_bytes()
    if not data.removeprefix(b"\xef\xbb\xbf").strip():
        raise InputError(f"{path}: the file is empty; the first line names the columns")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start)
        what = f"byte offset {error.start} is 0x{data[error.start]:02x}, not UTF-8; save the table as UTF-8"
        raise (RowError(path, row - 1, what) if row else InputError(f"{path}: {what}")) from None
    data = data.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n") + b"\n"
    tabs = suffix == ".tsv" or (suffix == ".txt" and b"\t" in data.split(b"\n", 1)[0])
    width = _header_width(path, data, tabs)
    bad: list[pacsv.InvalidRow] = []

    def refuse(row: pacsv.InvalidRow) -> str:
        bad.append(row)
        return "error"

    try:
        cells = pacsv.read_csv(
            pa.BufferReader(data),
            read_options=pacsv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, autogenerate_column_names=True
            ),
            parse_options=pacsv.ParseOptions(
                delimiter="\t" if tabs else ",",
                newlines_in_values=True,
                ignore_empty_lines=width > 1,
                invalid_row_handler=refuse,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={f"f{i}": pa.string() for i in range(width)}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        if not bad:
            raise
        row = bad[0]  # arrow counts rows from 1, the header among them
        raise RowError(
            path,
            row.number - 2,
            f"{row.actual_columns} field(s) where the header has {row.expected_columns}: {row.text[:80]!r}",
        ) from None
    names = [column[0].as_py() for column in cells.columns]
    require_distinct(path, names)
    other = next((sign for sign in ";\t|" if len(names) == 1 and sign in names[0]), None)
    if other is not None:
        raise InputError(
            f"{path}: the first line names one column, {names[0][:60]!r}; if {other!r} stands between columns, "
            "save the table with commas as .csv or with tabs as .tsv"
        )
    return cells.slice(1).rename_columns(names)


def _header_width(path: Path, data: bytes, tabs: bool) -> int:
    """The number of columns; arrow needs it beforehand to keep every cell as text."""
    lines = io.StringIO(data[:_BLOCK_BYTES].decode(errors="ignore"), newline="")
    try:
        return len(next(csv.reader(lines, delimiter="\t" if tabs else ",")))
    except csv.Error as error:
        raise InputError(f"{path}: the first line does not name the columns ({error})") from None
