"""Regimes from tables (files, data frames, AnnData), with the row of whatever is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.notation import parse_labels
from ifm_ident.design.regime_text import BASELINE, Notation, RegimeReader, match_level
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, nearest
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading.label_conventions import LabelConvention, read_labels

LABEL_COLUMNS = ("label", "regime")
COUNT_COLUMN = "n"
_MOST_DIGITS = 18


@dataclass(frozen=True, eq=False)
class RegimeTable:
    """The regimes of a table, one a row, and the notation that fits how it writes them."""

    regimes: Regimes
    notation: Notation


def read_regimes(
    model: Model, source: object, label: str | None = None, labels: LabelConvention | None = None
) -> RegimeTable:
    """The regimes of a table: one column an intervention, or one column of labels (docs/reference/study-file.md).

    `source` is whatever `table_of` takes. `labels` says how labels are written; without it they are read as
    in a study file, or else in the convention that the known interventions leave no doubt about.

    With `label` that column is read and the others are ignored. Without, columns named like interventions
    are read, absent or empty meaning baseline; with no such column, the column `label` or `regime`, or the
    only column there is. Levels match by text, numbers also by value.

    Raises InputError that starts with `FILE: `, or RowError with `FILE, row N: ` (N counted from 1), for
    what cannot be read, an unknown column, level or regime, a missing label, and one that parses two ways.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("A,B\\n1,\\n0,1.0\\n")
    ...     list(read_regimes(model, path).regimes)
    [((0, 1),), ((1, 1),)]
    >>> list(read_regimes(model, ["control", "B_A", "A+ctrl"]).regimes)
    [(), ((0, 1), (1, 1)), ((0, 1),)]
    """
    table = table_of(source)
    return regimes_in(model, table, label_column(model, table, label, extra=()), labels)


def read_counts(
    model: Model, source: object, label: str | None = None, labels: LabelConvention | None = None
) -> tuple[Regimes, Ints, Ints]:
    """The regimes of a table, their sample sizes (column `n`), and their rows, counted from 1.

    Raises InputError as `read_regimes` does, and RowError for an `n` that is no positive whole number.
    """
    table = table_of(source)
    if COUNT_COLUMN not in table.names:
        raise InputError(
            f"{table.path}: there is no column {COUNT_COLUMN!r} with the sample sizes; "
            f"{nearest(COUNT_COLUMN, table.names)}"
        )
    if label is None and COUNT_COLUMN in model.position:
        raise InputError(
            f"{table.path}: the column {COUNT_COLUMN!r} is both an intervention and the sample size; "
            "rename the intervention or use a label column"
        )
    column = label_column(model, table, label, extra=(COUNT_COLUMN,))
    counts = _counts(table)
    return regimes_in(model, table, column, labels).regimes, counts, np.arange(1, len(counts) + 1, dtype=np.int64)


def read_data_regimes(
    model: Model, source: object, label: str | None = None, labels: LabelConvention | None = None
) -> Regimes:
    """The regime of every row of a data table; columns that are no interventions are ignored.

    Its place in a study: docs/reference/study-file.md. Raises InputError as `read_regimes` does, also where
    neither an intervention nor a label column is found.
    """
    table = table_of(source)
    own = any(name in model.position for name in table.names)
    kept = model.position.keys() if own else LABEL_COLUMNS
    column = label_column(model, table, label, extra=tuple(n for n in table.names if n not in kept))
    return regimes_in(model, table, column, labels).regimes


def label_column(model: Model, table: Table, label: str | None, extra: tuple[str, ...]) -> str | None:
    """The column of labels, or None for one column an intervention; unknown columns are refused."""
    if label is not None:
        table.column(label)  # InputError where it cannot be had
        return label
    names = [name for name in table.names if name not in extra]
    if not any(name in model.position for name in names):
        for name in LABEL_COLUMNS:
            if name in names:
                return name
        if len(names) == 1:
            return names[0]
        raise InputError(
            f"{table.path}: no column is an intervention ({_quoted(list(model.position))}) or called label or "
            f"regime; the columns are {_quoted(names)}; rename them, or name the label column with `label:`"
        )
    for name in names:
        if not name:
            raise InputError(
                f"{table.path}: a column has no name, as when pandas writes its index; remove the column "
                "(to_csv(..., index=False))"
            )
        if name not in model.position:
            raise InputError(
                f"{table.path}: the column {name!r} is no intervention; {nearest(name, model.position)} "
                "(remove it, or name a label column with `label:`)"
            )
    return None


def _quoted(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")


def regimes_in(
    model: Model, table: Table, label: str | None, labels: LabelConvention | None = None
) -> RegimeTable:
    """The regimes of an open table: its label column, or one column an intervention where `label` is None."""
    if label is not None:
        return _from_labels(model, table, label, labels)
    if labels is not None:
        raise InputError(
            f"{table.path}: `labels` says how labels are written, and the table has a column for each "
            "intervention; leave it out, or name the column with `label:`"
        )
    rows: list[Ints] = []
    levels: list[Ints] = []
    for name in model.position:
        level = _levels(model, table, name) if name in table.names else np.zeros(0, dtype=np.int64)
        rows.append(np.flatnonzero(level))
        levels.append(level[rows[-1]])
    counts = np.bincount(np.concatenate(rows), minlength=table.row_count)
    indptr = row_bounds(counts)
    cursor = indptr[:-1].copy()
    position_of, level_of = (np.zeros(indptr[-1], dtype=np.int64) for _ in range(2))
    for position, (row, level) in enumerate(zip(rows, levels, strict=True)):
        position_of[cursor[row]], level_of[cursor[row]] = position, level
        cursor[row] += 1
    return RegimeTable(Regimes(indptr, position_of, level_of, len(model)), "assignment")


def _from_labels(model: Model, table: Table, label: str, labels: LabelConvention | None) -> RegimeTable:
    column = table.texts(label)
    missing = pc.or_kleene(column.is_null(), pc.equal(pc.utf8_trim_whitespace(column), ""))
    first = pc.index(missing, True).as_py()
    if first >= 0:
        raise RowError(
            table.path, first, f"the regime in column {label!r} is empty; write {BASELINE!r} for baseline"
        )
    named = pc.index(pc.not_equal(column, BASELINE), True).as_py()
    if labels is None:
        try:
            regimes = parse_labels(model, column)
            return RegimeTable(
                regimes, "label" if named < 0 else RegimeReader(model).read(column[named].as_py())[1]
            )
        except InputError:
            pass  # not as a study file writes it: by the convention of the column, or refused
    try:
        return RegimeTable(read_labels(model, column, labels), "label")
    except InputError as error:
        numbers = "; the column holds numbers: read it as text" if table.holds_numbers(label) else ""
        raise RowError(table.path, None, f"{error}{numbers}") from None


def _levels(model: Model, table: Table, name: str) -> Ints:
    """The level index of every row in an intervention's column, shape (n,); empty is baseline."""
    intervention = model.interventions[model.position[name]]
    column = table.texts(name)
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    index = np.zeros(len(encoded.dictionary) + 1, dtype=np.int64)
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        if text:
            try:
                index[code] = match_level(intervention, text, by_value=table.by_value(name))
            except InputError as error:
                raise RowError(table.path, int(np.argmax(codes == code)), str(error)) from None
    level: Ints = index[codes]
    return level


def _counts(table: Table) -> Ints:
    texts = table.texts(COUNT_COLUMN).to_pylist()
    counts: NDArray[np.int64] = np.zeros(len(texts), dtype=np.int64)
    for row, text in enumerate(texts):
        whole = (text or "").strip().removesuffix(".0").lstrip("0")
        if not (whole.isascii() and whole.isdigit() and len(whole) <= _MOST_DIGITS):
            raise RowError(
                table.path,
                row,
                f"{COUNT_COLUMN} is {text!r}; a sample size is a whole number of 1 or more, of at most "
                f"{_MOST_DIGITS} digits and written as digits, such as 1000",
            )
        counts[row] = int(whole)
    return counts
