"""The reader of CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from ifm_ident.errors import InputError
from ifm_ident.limits import current, read_bytes, require_within
from ifm_ident.study.reading._other_formats import other_separator, refuse_other_formats
from ifm_ident.study.reading._table import RowError, Table, require_distinct
from ifm_ident.study.reading.missing_files import missing_file

ANNDATA_SUFFIX = ".h5ad"
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ANNDATA_SUFFIX)
BOM = b"\xef\xbb\xbf"
_BLOCK_BYTES = 2**24
_BATCH_ROWS = 2**14


def read_table_file(path: Path) -> Table:
    """The table of a CSV, TSV or Parquet file, told apart by the suffix; cells of CSV and TSV stay text."""
    parquet = is_parquet(path)
    nested: dict[str, str] = {}
    with readable(path):
        data = _read_parquet(path, nested) if parquet else _read_text(path)
    return Table(path, data, untyped=not parquet, unreadable=nested)


def is_parquet(path: Path) -> bool:
    """Whether the suffix says Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What reading a table raises, as InputError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise missing_file(path, SUFFIXES) from None
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: the table cannot be read ({reason})") from None


def _read_parquet(path: Path, nested: dict[str, str]) -> pa.Table:
    """The columns that hold one value a row; `nested` gets the others, which are not read, and why."""
    with path.open("rb") as source:
        schema = pq.read_schema(source)
        require_distinct(path, schema.names)
        nested |= {
            field.name: f"holds values of type {field.type}; levels and labels are text or numbers"
            for field in schema
            if pa.types.is_nested(field.type)
        }
        names = [name for name in schema.names if name not in nested]
        texts = [field.name for field in schema if pa.types.is_string(field.type)]
        source.seek(0)
        file = pq.ParquetFile(source, read_dictionary=texts)
        _require_small(path, file.metadata, len(names))
        try:
            if surely_small(file, range(file.num_row_groups), texts, file.metadata.num_rows):
                source.seek(0)
                return text_checked(path, pq.ParquetFile(source).read(names, use_threads=False))
            return unfolded(path, file.read(names, use_threads=False), schema, texts)
        except (OSError, pa.ArrowNotImplementedError):  # an encoding that arrow cannot keep as a dictionary
            source.seek(0)
            return _in_batches(path, pq.ParquetFile(source), names)


def _in_batches(path: Path, file: pq.ParquetFile, names: list[str]) -> pa.Table:
    """The columns, as long as what has been read is within the limit."""
    batches, size = [], 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
        size += batch.nbytes
        require_within("file", size, f"{path}, decompressed")
        batches.append(batch)
    found = pa.Table.from_batches(batches) if batches else file.schema_arrow.empty_table().select(names)
    return text_checked(path, found)


def _require_small(path: Path, metadata: pq.FileMetaData, columns: int) -> None:
    """Raise InputError for a file that says it unfolds to more than the limits; nothing of it is read yet."""
    require_within("rows", metadata.num_rows, path)
    require_within("columns", metadata.num_columns, path)
    require_within("cells", metadata.num_rows * columns, path)
    size = sum(metadata.row_group(g).total_byte_size for g in range(metadata.num_row_groups))
    require_within("file", size, f"{path}, decompressed")


def surely_small(file: pq.ParquetFile, groups: Sequence[int], texts: list[str], rows: int) -> bool:
    """Whether so many rows of the texts of some row groups are within the limit, however often each is there.

    The file keeps these columns as dictionaries; a text outside its dictionary is written out in the file already.
    """
    longest = 0
    for group in groups if texts else ():
        for batch in itertools.islice(file.iter_batches(1, row_groups=[group], columns=texts), 1):
            lengths = [pc.max(pc.binary_length(column.dictionary)).as_py() for column in batch.columns]
            longest = max(longest, *(length or 0 for length in lengths))
    return longest * rows * len(texts) <= current().file


def unfolded(path: Path, table: pa.Table, schema: pa.Schema, texts: list[str]) -> pa.Table:
    """The table with its texts written out, where they are within the limit: a long text is stored once."""
    size = 0
    for name in texts:
        for chunk in table.column(name).chunks:
            lengths = pc.binary_length(chunk.dictionary).to_numpy(zero_copy_only=False)
            used = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
            size += int(lengths[used].sum()) if len(used) else 0
    require_within("file", size, f"{path}, decompressed")
    for place, field in enumerate(table.schema):
        if field.name in texts:
            table = table.set_column(place, field.name, table.column(place).cast(schema.field(field.name).type))
    return text_checked(path, table)


def text_checked(path: Path, table: pa.Table) -> pa.Table:
    """The table; InputError for texts that are not UTF-8, which a Parquet file may hold under that name."""
    for field in table.schema:
        listed = pa.types.is_dictionary(field.type)
        kind = field.type.value_type if listed else field.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            for chunk in table.column(field.name).chunks:
                try:
                    (chunk.dictionary if listed else chunk).validate(full=True)
                except pa.ArrowInvalid:
                    raise InputError(
                        f"{path}: column {field.name!r} holds text that is not UTF-8; write it as UTF-8"
                    ) from None
    return table


def _read_text(path: Path) -> pa.Table:
    data = read_bytes(path)
    refuse_other_formats(path, data)
    if not data.removeprefix(BOM).strip():
        raise InputError(f"{path}: the file is empty; the first line names the columns")
    require_utf8(path, data)
    return parse_text(path, data.removeprefix(BOM).strip(b"\r\n") + b"\n")


def require_utf8(path: Path, data: bytes, offset: int = 0, row: int = 0) -> None:
    """Raise InputError for bytes that are no UTF-8: those of a file from `offset` on, where line `row` begins."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        row += data.count(b"\n", 0, error.start)
        what = (
            f"byte offset {offset + error.start} is 0x{data[error.start]:02x}, not UTF-8; save the table as UTF-8"
        )
        raise (RowError(path, row - 1, what) if row else InputError(f"{path}: {what}")) from None


def parse_text(path: Path, data: bytes) -> pa.Table:
    """The table of the bytes of a text file: a line that names the columns, then rows; every cell stays text."""
    suffix = path.suffix.lower()
    tabs = suffix == ".tsv" or (suffix == ".txt" and b"\t" in data.split(b"\n", 1)[0])
    width = _header_width(path, data, tabs)
    if width == 1:
        other_separator(path, data, "\t" if tabs else ",")
    rows = data.count(b"\n") - 1  # a line more for every line end inside quotes
    for name, value in (("columns", width), ("rows", rows), ("cells", rows * width)):
        require_within(name, value, path)
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
