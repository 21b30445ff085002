"""Results as Parquet: one row a regime, the study in the file's metadata (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifm_ident.answer.exact_text import exponent_texts
from ifm_ident.answer.identification import Identification
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.design import Design
from ifm_ident.design.notation import format_regimes, parse_labels
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import RegimeLists
from ifm_ident.errors import InputError
from ifm_ident.limits import require_within
from ifm_ident.parquet_sizes import row_group_sizes
from ifm_ident.results._columns import (
    CRITERION_WORDS,
    STATUS_WORDS,
    Place,
    check_train,
    first_line,
    index_of,
    kernel_cells,
    no_nulls,
    read_cells,
    read_exponents,
    read_kernels,
    texts_at,
)
from ifm_ident.results._json_read import load_json
from ifm_ident.results.claims import READ_BLOCK, Claims, VariableTerms
from ifm_ident.results.documents import document
from ifm_ident.results.header import (
    COVARIATE_KEYS,
    HEADER_KEYS,
    TARGETS,
    Heading,
    StudyLike,
    header_fields,
    parse_header,
    record,
)

METADATA_KEY = b"study"
"""File metadata under this key hold the JSON result without `results`."""

_FULL_MAPS = 1_000_000
"""Metadata are small by nature: training lists of more entries name only what is off baseline."""

_WIDE = pa.large_string()
_TEXT = pa.dictionary(pa.int32(), pa.string())
_TERM = [("variable", _TEXT), ("train", pa.int64()), ("exponent", _TEXT)]
_CELL = [("variable", _TEXT), ("factor", _TEXT), ("levels", _TEXT), ("weight", pa.string())]
_COLUMNS = [
    ("regime", pa.large_string()),
    ("status", _TEXT),
    ("criterion", _TEXT),
    ("train", pa.int64()),
    ("terms", pa.list_(pa.struct(_TERM))),
    ("kernel", pa.list_(pa.struct(_CELL))),
]
_MISSING = ("missing", pa.list_(pa.large_string()))


def write_parquet(stream: BinaryIO, study: StudyLike, chunks: Iterable[Identification]) -> None:
    """Writes a result as Parquet, a row group a block of rows; no Python work a regime.

    The next of the chunks is asked for in a thread while one is put into columns, and compressed in another.
    The file has a `missing` column (the texts of missing regimes) only when the chunks, all or none, have one.
    """
    _metadata(study, 0)  # what no file can hold is refused before anything is written
    writer, count, written = None, 0, None
    try:
        with ThreadPoolExecutor(1) as thread:
            for chunk in _ahead(iter(chunks)):
                for claims in Claims.blocks_of(chunk):
                    table = _table(claims, study.notation)
                    writer = writer or _writer(stream, table.schema)
                    if written is not None:
                        written.result()
                    written = thread.submit(writer.write_table, table)
                    count += len(claims)
            if written is not None:
                written.result()
        writer = writer or _writer(stream, pa.schema(_COLUMNS))
        writer.add_key_value_metadata(_metadata(study, count))
    finally:
        if writer is not None:
            writer.close()


def _ahead(chunks: Iterator[Identification]) -> Iterator[Identification]:
    """The chunks; each is made while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next, chunks, None)
        while (chunk := following.result()) is not None:
            following = thread.submit(next, chunks, None)
            yield chunk


def _metadata(study: StudyLike, targets: int) -> dict[bytes, bytes]:
    [header] = document({**header_fields(study, _FULL_MAPS), TARGETS: targets})
    return {METADATA_KEY: header.encode()}


def _writer(stream: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    # without the Arrow schema, dictionary-encoded texts are plain texts to whoever reads the file
    return pq.ParquetWriter(
        stream,
        schema,
        compression="zstd",
        store_schema=False,
        write_statistics=False,
        write_page_checksum=True,
    )


def _table(claims: Claims, notation: Notation) -> pa.Table:
    model, terms = claims.design.model, claims.terms
    term = pa.StructArray.from_arrays(
        [
            texts_at(model.variables, terms.variable),
            pa.array(terms.train),
            exponent_texts(terms.numerator, terms.denominator),
        ],
        fields=[pa.field(*field) for field in _TERM],
    )
    columns = [
        format_regimes(model, claims.targets, notation).cast(pa.large_string()),
        texts_at(STATUS_WORDS, claims.status),
        texts_at(CRITERION_WORDS, claims.criterion),
        pa.array(claims.train, mask=claims.train < 0),
        _lists(terms.indptr, term),
        _kernel_lists(claims),
    ]
    names = [name for name, _ in _COLUMNS]
    if claims.lacking is not None:
        missing = format_regimes(model, claims.lacking.regimes, notation).cast(pa.large_string())
        columns.append(_lists(claims.lacking.indptr, missing))
        names.append(_MISSING[0])
    return pa.table(columns, names=names)


def _lists(indptr: Ints, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(indptr.astype(np.int32)), values)


def _kernel_lists(claims: Claims) -> pa.ListArray:
    model, cells = claims.design.model, kernel_cells(claims)
    entries = pa.StructArray.from_arrays(
        [
            texts_at(model.variables, cells.variable),
            texts_at([factor.name for factor in model.factors], cells.factor),
            texts_at(cells.cells, cells.cell),
            pa.array(cells.weights, type=pa.string()),
        ],
        fields=[pa.field(*field) for field in _CELL],
    )
    lists = _lists(np.append(cells.indptr, cells.indptr[-1]), entries)  # the last list is empty
    return lists.take(pa.array(np.where(claims.kernel < 0, len(claims.kernels), claims.kernel)))


def read_parquet(path: Path) -> tuple[Heading, Iterator[Claims]]:
    """The study and the claims of a Parquet result, read block by block.

    Raises InputError, without the file's name, for everything that is no such result.
    """
    try:
        file = pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"no Parquet: {first_line(error)}") from None
    metadata = file.metadata.metadata or {}
    if METADATA_KEY not in metadata:
        raise InputError("the file metadata lack the key `study`; `ifm identify --format parquet` writes it")
    heading = parse_header(
        record(load_json(metadata[METADATA_KEY]), HEADER_KEYS, "the metadata `study`", TARGETS, *COVARIATE_KEYS),
        sparse=True,
    )
    names = [name for name, _ in _COLUMNS]
    for g, (values, size) in enumerate(row_group_sizes(path)):
        require_within("cells", values, f"row group {g}")
        require_within("file", size, f"row group {g}, decompressed")
    have = file.schema_arrow.names
    if have not in (names, [*names, _MISSING[0]]):
        raise InputError(f"the columns are {', '.join(have)}; a result has {', '.join(names)}")
    return heading, _blocks(heading.design, file)


def _blocks(design: Design, file: pq.ParquetFile) -> Iterator[Claims]:
    before = 0
    groups = range(file.num_row_groups)
    batches = chain.from_iterable(file.iter_batches(READ_BLOCK, row_groups=[g]) for g in groups)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
            columns = {
                name: batch.column(name).cast(_plain(kind))
                for name, kind in [*_COLUMNS, _MISSING]
                if name in batch.schema.names
            }
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"after row {before}: {first_line(error)}") from None
        yield _claims(design, columns, before)
        before += batch.num_rows


def _plain(kind: pa.DataType, wide: pa.DataType = _WIDE) -> pa.DataType:
    """The type with texts for dictionaries of texts, and `wide` for large texts."""
    if pa.types.is_list(kind):
        return pa.list_(pa.field("element", _plain(kind.value_type, wide)))
    if pa.types.is_struct(kind):
        fields = (kind.field(i) for i in range(kind.num_fields))
        return pa.struct([(field.name, _plain(field.type, wide)) for field in fields])
    return pa.string() if pa.types.is_dictionary(kind) else wide if kind == _WIDE else kind


def _claims(design: Design, columns: dict[str, pa.Array], before: int) -> Claims:
    model = design.model

    def row(i: int) -> str:
        return f"row {before + i + 1}"

    regimes = no_nulls(columns["regime"], "regime", row)
    try:
        targets = parse_labels(model, pa.chunked_array([regimes]))
    except InputError as error:
        raise InputError(f"after row {before}: {error}" if before else str(error)) from None
    status = index_of(no_nulls(columns["status"], "status", row), STATUS_WORDS, "status", row)
    criterion = index_of(columns["criterion"], CRITERION_WORDS, "criterion", row)
    train = pc.fill_null(columns["train"], -1).to_numpy(zero_copy_only=False).astype(np.int64)
    given = np.flatnonzero(columns["train"].is_valid().to_numpy(zero_copy_only=False))
    check_train(train[given], len(design.train), lambda i: row(int(given[i])))
    indptr, entries, place = _flat(columns["terms"], row)
    variable, index, exponent = entries.flatten()
    numerator, denominator = read_exponents(no_nulls(exponent, "exponent", place), place)
    index = no_nulls(index, "training index", place).to_numpy(zero_copy_only=False).astype(np.int64)
    terms = VariableTerms(
        indptr,
        index_of(variable, model.variables, "variable", place),
        check_train(index, len(design.train), place),
        numerator,
        denominator,
    )
    indptr, entries, place = _flat(columns["kernel"], row)
    variable, factor, levels, weight = entries.flatten()
    about = index_of(variable, model.variables, "variable", place)
    read = read_cells(model, about, factor, levels, weight, place)
    kernel, kernels, kernel_variable = read_kernels(read, indptr, place)
    lacking = None
    if "missing" in columns:
        indptr, entries, place = _flat(columns["missing"], row)
        regimes = parse_labels(model, pa.chunked_array([no_nulls(entries, "missing regime", place)]))
        lacking = RegimeLists(indptr, regimes)
    return Claims(
        design,
        targets,
        status.astype(np.int8),
        criterion.astype(np.int8),
        train,
        terms,
        kernel,
        kernels,
        kernel_variable,
        lacking,
    )


def _flat(lists: pa.ListArray, row: Place) -> tuple[Ints, pa.Array, Place]:
    """Row bounds, the entries of all rows and the place of an entry; a null list is an empty one."""
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    indptr = row_bounds(counts)

    def place(entry: int) -> str:
        at = int(np.searchsorted(indptr, entry, side="right")) - 1
        return f"{row(at)}, entry {entry - int(indptr[at])}"

    return indptr, no_nulls(lists.flatten(), "entry", place), place


def identification_table(found: Identification) -> pa.Table:
    """What `write_parquet` writes, as it is read: one row a regime, the design in its metadata."""
    table = _table(Claims.of(found), found.notation)
    kinds = [(field.name, _plain(field.type, pa.string())) for field in table.schema]
    metadata = _metadata(Heading("identification", found.design, found.notation), len(found))
    return table.cast(pa.schema(kinds)).replace_schema_metadata(metadata)
