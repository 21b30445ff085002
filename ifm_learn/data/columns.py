"""Columns of numbers from tables, with the file, row and value of whatever is none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import code_points, look
from ifm_ident.study import RowError, Table

LARGEST = 1e100
"""Magnitudes beyond this are refused: their squares and cubes leave no room for sums."""


def numbers(table: Table, name: str, kept: Ints, log: bool = False) -> Floats:
    """The values of a column in the rows `kept` (ascending, from 0), shape (len(kept),); logarithms with `log`.

    Texts that write numbers will do. Other rows are not looked at. Raises InputError for an unknown column and one
    of booleans, dates or the like, or of values that are all below 1 / `LARGEST`; RowError for a cell that is
    missing, no finite number, beyond `LARGEST` or, with `log`, not positive.

    >>> table = Table("t.csv", pa.table({"x": ["1", " 2.5", "", "3"]}))
    >>> numbers(table, "x", np.array([0, 1, 3])).tolist()
    [1.0, 2.5, 3.0]
    >>> numbers(table, "x", np.arange(4))
    Traceback (most recent call last):
    ...
    ifm_ident.study.reading._table.RowError: t.csv, row 3: x is missing; fill it in or remove the row
    """
    column = table.column(name)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_boolean(kind):
        raise InputError(f"{table.path}: the column {name!r} holds values of type bool; write the numbers 0 and 1")
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if not (text or pa.types.is_null(kind) or table.holds_numbers(name)):
        raise InputError(f"{table.path}: the column {name!r} holds values of type {kind}; write numbers")
    if len(kept) < table.row_count:
        mask = np.zeros(table.row_count, dtype=bool)
        mask[kept] = True
        column = column.filter(pa.array(mask))
    column = column.cast(pa.large_string()) if text else column
    cast = _from_texts(column) if text else column.cast(pa.float64(), safe=False)
    bad = 0 if cast is None else _first(pc.invert(pc.fill_null(pc.is_finite(cast), False)))
    if cast is None or bad is not None:
        at = _first_no_number(column) if cast is None else bad
        assert at is not None
        raise RowError(table.path, int(kept[at]), f"{name} is {_complaint(column[at].as_py())}")
    values: Floats = cast.to_numpy().astype(np.float64)
    large = np.flatnonzero(np.abs(values) > LARGEST)
    if len(large):
        raise RowError(
            table.path,
            int(kept[large[0]]),
            f"{name} is {values[large[0]]:g}, beyond {LARGEST:g}; give it in a larger unit, or correct it",
        )
    largest = np.abs(values).max(initial=0.0)
    if 0 < largest < 1 / LARGEST and not log:
        raise InputError(
            f"{table.path}: {name} is nowhere larger than {largest:g}, whose square is as good as 0; give it in a "
            "smaller unit"
        )
    if log:
        low = np.flatnonzero(values <= 0)
        if len(low):
            at, value = int(kept[low[0]]), column[int(low[0])].as_py()
            raise RowError(
                table.path,
                at,
                f"{name} is {value}, which has no logarithm; correct it, or leave {name} out of `log`",
            )
        return np.log(values)
    return values


def numeric_columns(table: Table, names: Sequence[str]) -> list[str]:
    """Those of the columns that hold numbers, or texts of which the first that is not blank writes a number.

    >>> table = Table("t.csv", pa.table({"y": ["", "2"], "note": ["a", "1"], "z": [1, 2], "ok": [True, False]}))
    >>> numeric_columns(table, table.names)
    ['y', 'z']
    """
    return [name for name in names if name in table.data.column_names and _writes_numbers(table, name)]


def _writes_numbers(table: Table, name: str) -> bool:
    if table.holds_numbers(name):
        return True
    try:
        texts = table.texts(name)
    except InputError:  # booleans, dates and the like
        return False
    for chunk in texts.iterchunks():
        filled = pc.utf8_trim_whitespace(chunk)
        first = int(pc.index(pc.fill_null(pc.not_equal(filled, ""), False), True).as_py())
        if first >= 0:
            return _from_texts(pa.chunked_array([chunk.slice(first, 1)])) is not None
    return False


def _from_texts(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The numbers that the texts write, None where one writes none."""
    try:
        return column.cast(pa.float64())
    except pa.ArrowInvalid:
        pass  # perhaps white space around a number
    try:
        return pc.utf8_trim_whitespace(column).cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def _first(flags: pa.ChunkedArray) -> int | None:
    at = int(pc.index(flags, True).as_py())
    return at if at >= 0 else None


def _first_no_number(column: pa.ChunkedArray) -> int:
    """The first row that is no number, found by halving: some row is."""
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        part = _from_texts(column.slice(low, middle - low))
        if part is None or part.null_count:
            high = middle
        else:
            low = middle
    return low


def _complaint(value: object) -> str:
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:
        return "missing; fill it in or remove the row"
    text = str(value).strip()
    remedy = ""
    if re.fullmatch(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text):
        remedy = "write it without commas, as 1500 (or, if a comma is its decimal point, as 1.5), or "
    elif re.fullmatch(r"[-+]?[0-9]*,[0-9]+", text):
        remedy = "write a decimal point, or "
    elif look(text) != text and re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", look(text)):
        remedy = f"write it as {look(text)} (it holds {code_points(text, look(text))}), or "
    return f"{value!r}, no finite number; {remedy}correct it or remove the row"
