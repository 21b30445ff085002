"""Columns of labels: rows that spreadsheets leave blank, and several columns as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.errors import InputError
from ifm_ident.study.reading._table import Table

Label = str | Sequence[str] | None
"""A column of labels, several that hold one intervention each, or None to find it."""

_JOINERS = ("+", "|", ";", "&", "\x1f")


def skipped(place: Path | str, count: int) -> tuple[str, ...]:
    """The remark on rows that tell no regime; none for no rows."""
    if not count:
        return ()
    rows = "1 row was" if count == 1 else f"{count:,} rows were"
    return (f"{place}: {rows} skipped: every cell that could name an intervention is empty",)


def empty_cells(place: Path | str, count: int) -> tuple[str, ...]:
    """The remark on empty cells beside others; none for no cells."""
    if not count:
        return ()
    cells = "1 empty cell was" if count == 1 else f"{count:,} empty cells were"
    return (f"{place}: {cells} read as baseline",)


def filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which cells of a column of texts hold more than white space; a null does not."""
    return pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), False)


def blank_rows(table: Table) -> NDArray[np.bool_]:
    """The rows of a table of several columns where no cell holds anything, as spreadsheets leave at the end."""
    blank = np.full(table.row_count, len(table.names) > 1 and not table.unreadable)
    for name in table.data.column_names:
        if not blank.any():
            break
        column = table.data.column(name)
        try:
            full = filled(table.texts(name))
        except InputError:  # of a type that is no text: what is not null is there
            full = column.is_valid()
        blank &= ~full.to_numpy().astype(bool)
    return blank


def joined_labels(table: Table, names: Sequence[str], known: Iterable[str] = ()) -> tuple[pa.ChunkedArray, str]:
    """Several columns as one label a row, null where all are empty, and what joins them: in no known name."""
    columns = []
    for name in names:
        column = pc.utf8_trim_whitespace(table.texts(name))
        columns.append(pc.if_else(filled(column), column, pa.scalar(None, column.type)))
    texts = [*known, *(text for column in columns for text in column.unique().to_pylist() if text)]
    joiner = next((sign for sign in _JOINERS if not any(sign in text for text in texts)), None)
    if joiner is None:
        raise InputError(
            f"{table.path}: the columns {', '.join(map(repr, names))} hold control characters; remove them"
        )
    joined, sign = columns[0], pa.scalar(joiner, pa.large_string())
    for column in columns[1:]:
        joined = pc.coalesce(pc.binary_join_element_wise(joined, column, sign), joined, column)
    return joined, joiner
