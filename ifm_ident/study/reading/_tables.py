"""Regimes from tables (files, data frames, AnnData), with the row of whatever is wrong."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model, legal_name
from ifm_ident.design.notation import parse_labels
from ifm_ident.design.regime_text import BASELINE, Notation, RegimeReader, match_level
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.texts import is_missing, look_alike_words
from ifm_ident.errors import InputError, nearest
from ifm_ident.study.reading._label_columns import Label, blank_rows, empty_cells, filled, joined_labels, skipped
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading.label_conventions import LabelConvention, read_labels

LABEL_COLUMNS = ("label", "regime")
COUNT_COLUMN = "n"
_MOST_DIGITS = 18


@dataclass(frozen=True, eq=False)
class RegimeTable:
    """The regimes of a table, one a row, and the notation that fits how it writes them.

    rows: the row of each regime, from 0, ascending: rows that tell no regime are left out. notes: what was left
    out or taken for baseline, in words.
    """

    regimes: Regimes
    notation: Notation
    rows: Ints
    notes: tuple[str, ...] = ()


def read_regimes(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> RegimeTable:
    """The regimes of a table: one column an intervention, or columns of labels (docs/reference/study-file.md).

    `source` is whatever `table_of` takes. `labels` says how labels are written; without it they are read as
    in a study file, or else in the convention that the known interventions leave no doubt about.

    With `label` that column is read and the others are ignored; several hold one intervention each. Without,
    columns named like interventions are read, absent or empty meaning baseline; with no such column, the column
    `label` or `regime`, or the only column there is. Levels match by text, numbers also by value. A row whose
    cells are all empty is no regime and left out; other columns are ignored where every intervention has its own.

    Raises InputError that starts with `FILE: `, or RowError with `FILE, row N: ` (N counted from 1), for
    what cannot be read, an unknown column, level or regime, a missing label, and one that parses two ways.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "t.csv"
    ...     _ = path.write_text("A,B\\n1,\\n0,1.0\\n,\\n")
    ...     list(read_regimes(model, path).regimes)
    [((0, 1),), ((1, 1),)]
    >>> list(read_regimes(model, ["control", "B_A", "A+ctrl"]).regimes)
    [(), ((0, 1), (1, 1)), ((0, 1),)]
    """
    table = table_of(source)
    column, notes = regime_columns(model, table, label)
    found = regimes_in(model, table, column, labels)
    return dataclasses.replace(found, notes=(*found.notes, *notes))


def regime_columns(model: Model, table: Table, label: Label) -> tuple[Label, tuple[str, ...]]:
    """The label columns of a table of regimes, as `label_column` finds them, and remarks on columns not read."""
    others = _responses(model, table, ()) if label is None else ()
    return label_column(model, table, label, extra=others), _ignored(table, others)


def read_counts(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> tuple[RegimeTable, Ints]:
    """The regimes of a table, and their sample sizes (column `n`).

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
    found = regimes_in(model, table, column, labels)
    return found, _counts(table, found.rows)


def read_data_regimes(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> Regimes:
    """The regimes of a data table, as `data_regimes` has them, without their rows."""
    return data_regimes(model, source, label, labels).regimes


def data_regimes(
    model: Model, source: object, label: Label = None, labels: LabelConvention | None = None
) -> RegimeTable:
    """The regimes of the rows of a data table; columns that are no interventions are ignored.

    Its place in a study: docs/reference/study-file.md. Raises InputError as `read_regimes` does, also where
    neither an intervention nor a label column is found.
    """
    table = table_of(source)
    own = set(columns_of(model, table.names, table.path).values()) if label is None else set()
    extra = tuple(name for name in table.names if (name not in own if own else name not in LABEL_COLUMNS))
    return regimes_in(model, table, label_column(model, table, label, extra), labels)


def label_column(model: Model, table: Table, label: Label, extra: tuple[str, ...]) -> Label:
    """The column or columns of labels, or None for one column an intervention; unknown columns are refused."""
    if label is not None:
        for name in (label,) if isinstance(label, str) else label:
            table.column(name)  # InputError where it cannot be had
        return label
    names = [name for name in table.names if name not in extra]
    own = set(columns_of(model, names, table.path).values())
    if not own:
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
        if name not in own:
            raise InputError(
                f"{table.path}: the column {name!r} is no intervention; {nearest(name, model.position)} "
                "(remove it, or name a label column with `label:`)"
            )
    return None


def _responses(model: Model, table: Table, roles: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that are no interventions, where every intervention has its own: no name is misspelt then."""
    of = columns_of(model, table.names, table.path)
    if len(of) < len(model):
        return ()
    others = tuple(name for name in table.names if name not in (*of.values(), *roles))
    for name in others:
        if re.sub(r"[._][0-9]+$", "", name) in of and name not in of:
            raise InputError(
                f"{table.path}: the column {name!r} looks like a second {re.sub(r'[._][0-9]+$', '', name)!r}, as "
                "programs rename columns that are there twice; remove one"
            )
    return others


def _ignored(table: Table, others: Sequence[str]) -> tuple[str, ...]:
    if not others:
        return ()
    return (f"{table.path}: the column{'s' * (len(others) > 1)} {_quoted(list(others))} ignored: no intervention",)


def columns_of(model: Model, names: Sequence[str], place: Path | str) -> dict[str, str]:
    """The column of each intervention that has one; two columns for one are refused.

    A column whose name no intervention can have, such as `drug A`, is the one of `drug_A` where no column is
    called so.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("drug_A", (0, 1)),), ("x",), (Factor("f", ("x",), ("drug_A",)),))
    >>> columns_of(model, ["drug A", "dose"], "t.csv"), columns_of(model, ["drug A", "drug_A"], "t.csv")
    ({'drug_A': 'drug A'}, {'drug_A': 'drug_A'})
    """
    found: dict[str, str] = {}
    for legal in (False, True):
        before = set(found)
        for name in names:
            changed = legal_name(name)
            if legal and changed == name:
                continue
            position = model.find(changed if legal else name)
            if position is not None:
                own = model.interventions[position].name
                if own in found and not (legal and own in before):
                    raise InputError(f"{place}: the columns {look_alike_words(found[own], name)}")
                found.setdefault(own, name)
    return found


def _quoted(names: list[str]) -> str:
    return ", ".join(map(repr, names[:8])) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")


def regimes_in(model: Model, table: Table, label: Label, labels: LabelConvention | None = None) -> RegimeTable:
    """The regimes of an open table: its label columns, or one column an intervention where `label` is None."""
    if label is not None:
        return _from_labels(model, table, label, labels)
    if labels is not None:
        raise InputError(
            f"{table.path}: `labels` says how labels are written, and the table has a column for each "
            "intervention; leave it out, or name the column with `label:`"
        )
    columns = columns_of(model, table.names, table.path)
    read = {name: _levels(model, table, name, column) for name, column in columns.items()}
    given = np.zeros(table.row_count, dtype=np.int64)
    for level in read.values():
        given += level >= 0
    kept = np.flatnonzero(given)
    rows: list[Ints] = []
    levels: list[Ints] = []
    for name in model.position:
        level = read[name][kept] if name in read else np.zeros(0, dtype=np.int64)
        rows.append(np.flatnonzero(level > 0))
        levels.append(level[rows[-1]])
    counts = np.bincount(np.concatenate(rows), minlength=len(kept))
    indptr = row_bounds(counts)
    cursor = indptr[:-1].copy()
    position_of, level_of = (np.zeros(indptr[-1], dtype=np.int64) for _ in range(2))
    for position, (row, level) in enumerate(zip(rows, levels, strict=True)):
        position_of[cursor[row]], level_of[cursor[row]] = position, level
        cursor[row] += 1
    notes = skipped(table.path, table.row_count - len(kept))
    notes += empty_cells(table.path, len(columns) * len(kept) - int(given.sum()))
    return RegimeTable(Regimes(indptr, position_of, level_of, len(model)), "assignment", kept, notes)


def told(model: Model, table: Table, label: Label) -> tuple[NDArray[np.bool_], int]:
    """Which rows `regimes_in` keeps, shape (n,), and how many cells are empty: in them, or of the label column."""
    if isinstance(label, str):
        return ~blank_rows(table), table.row_count - int(pc.sum(filled(table.texts(label))).as_py() or 0)
    if label is not None:
        return np.logical_or.reduce([filled(table.texts(name)).to_numpy() for name in label]), 0
    columns = columns_of(model, table.names, table.path)
    given = np.zeros(table.row_count, dtype=np.int64)
    for name, column in columns.items():
        texts = table.texts(column)
        levels = [
            level for level in map(str, model.interventions[model.position[name]].levels) if not level.strip()
        ]
        given += pc.or_(filled(texts), pc.is_in(texts, pa.array(levels, texts.type))).to_numpy().astype(bool)
    kept: NDArray[np.bool_] = given > 0
    return kept, len(columns) * int(kept.sum()) - int(given.sum())


def _from_labels(model: Model, table: Table, label: Label, labels: LabelConvention | None) -> RegimeTable:
    several = not isinstance(label, str)
    if several:
        assert label is not None
        column, joiner = joined_labels(table, label, model.position)
        if labels is not None and labels.separator is not None:
            raise InputError(
                f"{table.path}: each of the label columns {_quoted(list(label))} holds one intervention: leave "
                "the separator out"
            )
        labels = dataclasses.replace(labels or LabelConvention(), separator=joiner)
        what = f"columns {_quoted(list(label))}"
        kept = np.flatnonzero(column.is_valid().to_numpy())
    else:
        column = table.texts(str(label))
        what = f"column {label!r}"
        kept = np.flatnonzero(~blank_rows(table))
    notes = skipped(table.path, table.row_count - len(kept))
    if len(kept) < len(column):
        column = column.take(pa.array(kept))
    missing = pc.fill_null(pc.equal(pc.utf8_trim_whitespace(column), ""), True)
    first = pc.index(missing, True).as_py()
    if first >= 0:
        raise RowError(
            table.path, int(kept[first]), f"the regime in {what} is empty; write {BASELINE!r} for baseline"
        )
    if labels is None:
        try:
            regimes = parse_labels(model, column)
            named = pc.index(pc.not_equal(column, BASELINE), True).as_py()
            notation = "label" if named < 0 else RegimeReader(model).read(column[named].as_py())[1]
            return RegimeTable(regimes, notation, kept, notes)
        except InputError:
            pass  # not as a study file writes it: by the convention of the column, or refused
    try:
        return RegimeTable(read_labels(model, column, labels, kept), "label", kept, notes)
    except InputError as error:
        numbers = "; the column holds numbers: read it as text" if _numeric(table, label) else ""
        raise RowError(table.path, None, f"{error}{numbers}") from None


def _numeric(table: Table, label: Label) -> bool:
    return isinstance(label, str) and table.holds_numbers(label)


def _levels(model: Model, table: Table, name: str, column_name: str) -> Ints:
    """The level index of every row in an intervention's column, shape (n,); -1 where the cell is empty."""
    intervention = model.interventions[model.position[name]]
    column = table.texts(column_name)
    encoded = column.combine_chunks().dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    index = np.full(len(encoded.dictionary) + 1, -1, dtype=np.int64)
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            index[code] = match_level(intervention, text, by_value=table.by_value(column_name))
        except InputError as error:
            if not text.strip():
                continue
            said = str(error)
            if is_missing(text):
                legal = ", ".join(map(str, intervention.levels[:8]))
                said = (
                    f"{text!r} in column {column_name!r} reads as a missing value and is no level of {name!r} "
                    f"({legal}); write its level, or remove the row"
                )
            raise RowError(table.path, int(np.argmax(codes == code)), said) from None
    level: Ints = index[codes]
    return level


def _counts(table: Table, rows: Ints) -> Ints:
    texts = table.texts(COUNT_COLUMN).to_pylist()
    counts: NDArray[np.int64] = np.zeros(len(rows), dtype=np.int64)
    for i, row in enumerate(rows.tolist()):
        text = texts[row]
        whole = (text or "").strip().removesuffix(".0").lstrip("0")
        if not (whole.isascii() and whole.isdigit() and len(whole) <= _MOST_DIGITS):
            raise RowError(
                table.path,
                row,
                f"{COUNT_COLUMN} is {text!r}; a sample size is a whole number of 1 or more, of at most "
                f"{_MOST_DIGITS} digits and written as digits, such as 1000",
            )
        counts[i] = int(whole)
    return counts
