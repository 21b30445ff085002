"""Tables from data frames: the only door to pandas, polars, pyarrow and others, by narwhals."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from ifm_ident.errors import InputError
from ifm_ident.lazy import see_pandas
from ifm_ident.study.reading._table import Table, require_distinct

LABELS = "label"
"""The column of a table that is made of labels alone."""

_MISSING = ("NAType", "NaTType", "NoneType")


def is_series(value: object) -> bool:
    """Whether a value is a column of a data frame."""
    return hasattr(value, "to_frame") and hasattr(value, "dtype")


def is_lazy(value: object) -> bool:
    """Whether a value is a frame that has not been computed."""
    return hasattr(type(value), "collect") and hasattr(type(value), "columns")


def columns_table(name: str, columns: Iterable[tuple[object, Any]]) -> Table:
    """The table of named columns, each with `to_arrow()` or a sequence of values."""
    data: dict[str, pa.ChunkedArray] = {}
    unreadable: dict[str, str] = {}
    for key, values in columns:
        if not _is_text(column := str(key)):
            raise InputError(f"{name}: the column {column!r} holds half of a character; rename it")
        try:
            data[column] = _arrow(values)
        except _ValueRefused as refused:
            unreadable[column] = str(refused)
    lengths = {key: len(column) for key, column in data.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key!r} {n:,}" for key, n in lengths.items())
        raise InputError(f"{name}: the columns are of unequal length ({shown[:200]})")
    return Table(name, pa.table(data), unreadable=unreadable)


def _is_text(text: str) -> bool:
    """Whether UTF-8 can hold it: half of a surrogate pair it cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _ValueRefused(Exception):
    """A column holds something that is neither text nor a number."""


def _arrow(values: Any) -> pa.ChunkedArray:
    try:
        array = values.to_arrow() if hasattr(values, "to_arrow") else pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        array = _mixed(values.to_list() if hasattr(values, "to_list") else list(values))
    if pa.types.is_fixed_size_binary(array.type):  # polars' columns of Python objects come as pointers
        raise _ValueRefused("holds Python objects; make it text or numbers")
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _mixed(values: Iterable[Any]) -> pa.Array:
    """Text and numbers of one column as text: whole numbers without a point."""
    texts: list[str | None] = []
    for row, value in enumerate(values):
        if isinstance(value, str):
            if not _is_text(value):
                raise _ValueRefused(
                    f"holds {repr(value)[:40]} in row {row + 1}, half of a character; mend the text"
                )
            texts.append(str(value))
        elif type(value).__name__ in _MISSING or (isinstance(value, float) and math.isnan(value)):
            texts.append(None)
        elif isinstance(value, numbers.Integral) and not isinstance(value, bool):
            texts.append(str(int(value)))
        elif isinstance(value, numbers.Real) and not isinstance(value, bool):
            number = float(value)
            texts.append(str(int(number)) if number.is_integer() else repr(number))
        else:
            kind = type(value).__name__
            raise _ValueRefused(
                f"holds {repr(value)[:40]} in row {row + 1}, a {kind}; levels and labels are text or numbers"
            )
    return pa.array(texts, pa.large_string())


def frame_table(source: object) -> Table:
    """The table of a data frame of any library that narwhals knows, or of one column of it."""
    import narwhals.stable.v2 as nw

    see_pandas()
    if is_lazy(source):
        raise InputError("a lazy frame has no rows yet; give frame.collect()")
    source = pa.table(source) if isinstance(source, pa.RecordBatch) else source
    source = pa.chunked_array([source]) if isinstance(source, pa.Array) else source
    if isinstance(source, pa.Table):
        require_distinct("the pyarrow table", source.column_names)
        return Table("the pyarrow table", source)
    try:
        if not is_series(source):
            require_distinct("the table", [str(column) for column in getattr(source, "columns", ())])
        frame: Any = nw.from_native(source, eager_only=True, allow_series=True)
        name = f"the {frame.implementation.name.lower()} table"
        if isinstance(frame, nw.Series):
            return columns_table(name, [(frame.name or LABELS, frame)])
        found = columns_table(name, ((column, frame.get_column(column)) for column in frame.columns))
    except TypeError:
        kind = type(source).__name__
        raise InputError(
            f"a table is a path, a data frame, an AnnData, or a list of labels, got a {kind}"
        ) from None
    return Table(found.path, found.data, unreadable=found.unreadable, elsewhere=_index_hints(source, found.names))


def _index_hints(source: object, names: Sequence[str]) -> dict[str, str]:
    """What to do about the named levels of a pandas index."""
    index = getattr(getattr(source, "index", None), "names", None) or []
    return {
        str(level): "it is the index of the frame: make it a column with reset_index()"
        for level in index
        if level is not None and str(level) not in names
    }
