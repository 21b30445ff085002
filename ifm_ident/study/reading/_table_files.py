"""The reader of CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifm_ident.errors import InputError
from ifm_ident.study.reading._other_formats import other_separator, refuse_other_formats
from ifm_ident.study.reading._table import RowError, Table, require_distinct
from ifm_ident.study.reading.missing_files import missing_file

ANNDATA_SUFFIX = ".h5ad"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ANNDATA_SUFFIX)
_BLOCK_BYTES = 2**24


def read_table_file(path: Path) -> Table:
    """The table of a CSV, TSV or Parquet file, told apart by the suffix; cells of CSV and TSV stay text."""
    suffix = path.suffix.lower()
    parquet = suffix in (".parquet", ".pq")
    try:
        data = _read_parquet(path) if parquet else _read_text(path, suffix)
    except FileNotFoundError:
        raise missing_file(path, SUFFIXES) from None
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the table cannot be read ({reason})") from None
    return Table(path, data, untyped=not parquet)


def _read_parquet(path: Path) -> pa.Table:
    with path.open("rb") as source:
        require_distinct(path, pq.read_schema(source).names)
        source.seek(0)
        return pq.read_table(source)


def _read_text(path: Path, suffix: str) -> pa.Table:
    data = path.read_bytes()
    refuse_other_formats(path, data)
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
    if width == 1:
        other_separator(path, data, "\t" if tabs else ",")
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
    return cells.slice(1).rename_columns(names)


def _header_width(path: Path, data: bytes, tabs: bool) -> int:
    """The number of columns; arrow needs it beforehand to keep every cell as text."""
    lines = io.StringIO(data[:_BLOCK_BYTES].decode(errors="ignore"), newline="")
    try:
        return len(next(csv.reader(lines, delimiter="\t" if tabs else ",")))
    except csv.Error as error:
        raise InputError(f"{path}: the first line does not name the columns ({error})") from None
