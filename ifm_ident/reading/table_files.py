"""CSV, TSV and Parquet files as columns of text: the only reader of table files for regimes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifm_ident.errors import InputError

SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
_BLOCK_BYTES = 2**24


class RowError(InputError):
    """A row of a table is wrong; the message starts with `FILE, row N: `, N counted from 1.

    `row` counts from 0; None means that the message names the row itself.
    """

    def __init__(self, path: Path, row: int | None, message: str) -> None:
        super().__init__(f"{path}, {message}" if row is None else f"{path}, row {row + 1}: {message}")


@dataclass(frozen=True, eq=False)
class Table:
    """A table that was read from `path`."""

    path: Path
    data: pa.Table

    @property
    def names(self) -> list[str]:
        """The column names, distinct."""
        names: list[str] = self.data.column_names
        return names

    @property
    def row_count(self) -> int:
        """The number of data rows."""
        count: int = self.data.num_rows
        return count

    def by_value(self, name: str) -> bool:
        """Whether the column may match levels by value: numbers, and texts of files that hold only text."""
        kind = _value_type(self.data.column(name).type)
        return self.path.suffix.lower() not in (".parquet", ".pq") or not _is_text(kind)

    def texts(self, name: str) -> pa.ChunkedArray:
        """A column as text, nulls kept.

        Raises InputError, naming the column and its type, for booleans, dates, nested values and the like.
        """
        column = self.data.column(name)
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


def open_table(path: Path) -> Table:
    """The table of a CSV, TSV or Parquet file, told apart by the suffix; cells of CSV and TSV stay text.

    Raises InputError for a missing, unreadable, empty or corrupt file, an unknown suffix, duplicate column
    names, and RowError for rows with too few or too many fields or not in UTF-8.

    >>> open_table(Path("regimes.xlsx"))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regimes.xlsx: tables end in .csv, .tsv, .txt, .parquet, .pq; save it as one of these
    """  # noqa: E501
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: tables end in {', '.join(SUFFIXES)}; save it as one of these")
    if path.is_dir():
        raise InputError(f"{path}: this is a directory, not a table")
    try:
        data = _read_parquet(path) if suffix in (".parquet", ".pq") else _read_text(path, suffix)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the table cannot be read ({reason})") from None
    return Table(path, data)


def _require_distinct(path: Path, names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{path}: the column {name!r} is there twice; column names must be distinct")
        seen.add(name)


def _read_parquet(path: Path) -> pa.Table:
    with path.open("rb") as source:
        _require_distinct(path, pq.read_schema(source).names)
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
    _require_distinct(path, names)
    return cells.slice(1).rename_columns(names)


def _header_width(path: Path, data: bytes, tabs: bool) -> int:
    """The number of columns; arrow needs it beforehand to keep every cell as text."""
    lines = io.StringIO(data[:_BLOCK_BYTES].decode(errors="ignore"), newline="")
    try:
        return len(next(csv.reader(lines, delimiter="\t" if tabs else ",")))
    except csv.Error as error:
        raise InputError(f"{path}: the first line does not name the columns ({error})") from None
