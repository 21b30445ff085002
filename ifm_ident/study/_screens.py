"""Studies of screens: the interventions, the training regimes and their sample sizes from a column of labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Factor, Model, legal_name
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.study.reading._label_columns import blank_rows, joined_labels, skipped
from ifm_ident.study.reading._screen_labels import InLabel, names_in_labels
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._study_fields import DataSpec
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading._tables import LABEL_COLUMNS
from ifm_ident.study.reading.label_conventions import LabelConvention, LabelReader

_SHOWN = 5
_USUAL_COLUMNS = ("perturbation", "condition", "guide_identity")

FactorLike = Factor | Mapping[str, object] | Sequence[str]
"""A factor: itself, a map as in a study file, or the interventions of its sigma-scope."""


@dataclass(frozen=True, eq=False)
class Screen:
    """What columns of labels say: interventions by name, and the regime of every row that has a label.

    place: the table in words or its path; names: interventions, in order; read by `convention`, `texts` are the
    distinct labels, `codes` the label of each of the `rows` of the table, shape (n,); data: where the rows are,
    None for no file; notes: what was left out or written differently.
    """

    place: Path | str
    name: str
    names: tuple[str, ...]
    convention: LabelConvention
    texts: tuple[str, ...]
    codes: Ints
    rows: Ints
    data: DataSpec | None
    notes: tuple[str, ...]

    def training(self, model: Model) -> tuple[Regimes, Ints]:
        """The distinct regimes, by the number of interventions and then by these, with how many rows each has."""
        try:
            reader = LabelReader(model, self.convention)
        except InputError as error:
            raise InputError(f"{self.place}: {error}") from None
        read = []
        for i, text in enumerate(self.texts):
            try:
                read.append(reader.read(text))
            except InputError as error:
                raise RowError(self.place, int(self.rows[np.argmax(self.codes == i)]), str(error)) from None
        train = sorted(set(read), key=lambda regime: (len(regime), regime))
        place = {regime: i for i, regime in enumerate(train)}
        counted = np.array([place[regime] for regime in read])[self.codes]
        return Regimes.from_active(train, len(model)), np.bincount(counted, minlength=len(train)).astype(np.int64)


def read_screen(
    source: object,
    label: str | Sequence[str] | None,
    *,
    separator: str | None,
    control: str | Sequence[str] | None,
    names: Mapping[str, str] | None,
    interventions: Sequence[str] | None,
) -> Screen:
    """The interventions and rows of a path, a frame, an AnnData or a list of labels; see `Study.from_labels`."""
    if not (label is None or isinstance(label, str) or (_texts(label) and len(label) > 0)):
        raise InputError(f"label is the name of a column, or a list of names, got {label!r:.60}")
    if not (interventions is None or _texts(interventions)):
        raise InputError(f"interventions is a list of names, such as ['A', 'B'], got {interventions!r:.60}")
    table = table_of(source)
    columns = _label_column(table, label)
    given = LabelConvention.of({"separator": separator, "control": control, "names": names})
    assert given is not None
    column, convention = _column(table, columns, given)
    skip = ~column.is_valid().to_numpy() if not isinstance(columns, str) else blank_rows(table)
    rows = np.flatnonzero(~skip)
    if len(rows) < len(column):
        column = column.take(pa.array(rows))
    if column.null_count:
        row = int(rows[pc.index(column.is_null(), True).as_py()])
        raise RowError(
            table.path,
            row,
            f"the label in {columns!r} is missing; remove the row, or write {BASELINE!r} for baseline",
        )
    texts, codes = _distinct(column)
    if not texts:
        raise InputError(f"{table.path}: there are no rows; a screen needs at least one label")
    notes = skipped(table.path, table.row_count - len(rows))
    if not isinstance(columns, str) and interventions is None:
        convention, renamed = _renamed(table, texts, convention)
        given = dataclasses.replace(given, names=convention.names)
        notes += renamed
    try:
        found, convention = names_in_labels(texts, convention, interventions)
    except InLabel as error:
        raise RowError(table.path, int(rows[np.argmax(codes == error.index)]), str(error)) from None
    except InputError as error:
        raise InputError(f"{table.path}: {error}") from None
    if not found:
        raise InputError(f"{table.path}: every label means baseline; a screen needs an intervention")
    data = None
    if isinstance(source, (str, os.PathLike)):
        # the cells of several columns are joined anew by whoever reads them
        data = DataSpec(Path(source), label=columns, labels=convention if isinstance(columns, str) else given)
    notes += _in_case_only(table, found)
    return Screen(
        table.path, _name(source), tuple(found), convention, tuple(texts), codes, rows, data, tuple(notes)
    )


def _in_case_only(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """A remark on names that differ in nothing but case, the first of them."""
    first: dict[str, str] = {}
    for name in names:
        before = first.setdefault(name.casefold(), name)
        if before != name:
            return (
                f"{table.path}: {before!r} and {name!r} differ in case only and are two interventions; if they "
                f"are one, give names={{{name!r}: {before!r}}}",
            )
    return ()


def _texts(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)


def _column(
    table: Table, columns: str | tuple[str, ...], given: LabelConvention
) -> tuple[pa.ChunkedArray, LabelConvention]:
    """The labels, without characters that nobody sees, and how they are written."""
    if isinstance(columns, str):
        return table.texts(columns), given
    if given.separator is not None:
        raise InputError(
            f"{table.path}: each of the label columns {', '.join(map(repr, columns))} holds one intervention: "
            "leave the separator out"
        )
    column, joiner = joined_labels(table, columns)
    return column, dataclasses.replace(given, separator=joiner)


def _renamed(
    table: Table, texts: Sequence[str], convention: LabelConvention
) -> tuple[LabelConvention, tuple[str, ...]]:
    """The convention with a legal name for each cell that is none, as a cell is one intervention for certain."""
    named = dict(convention.names)
    assert convention.separator is not None
    cells = dict.fromkeys(cell for text in texts for cell in text.split(convention.separator))
    own = {cell for cell in cells if legal_name(cell) == cell}
    added: dict[str, str] = {}
    for cell in cells:
        if cell not in own and cell not in named and not convention.is_control(cell):
            name = legal_name(cell)
            if name in own or name in added.values() or name in named.values():
                raise InputError(
                    f"{table.path}: {cell!r} would be called {name!r}, which is there too; give "
                    f"names={{{cell!r}: ...}}"
                )
            added[cell] = name
    if not added:
        return convention, ()
    shown = ", ".join(f"{cell!r} is called {name}" for cell, name in list(added.items())[:_SHOWN])
    more = f" and {len(added) - _SHOWN:,} more" if len(added) > _SHOWN else ""
    note = f"{table.path}: names hold none of + , = : or white space: {shown}{more}"
    return dataclasses.replace(convention, names=(*convention.names, *added.items())), (note,)


def _name(source: object) -> str:
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else "screen"


def _label_column(table: Table, label: str | Sequence[str] | None) -> str | tuple[str, ...]:
    if label is not None:
        return label if isinstance(label, str) else tuple(label) if len(label) > 1 else label[0]
    for name in LABEL_COLUMNS:
        if name in table.names:
            return name
    usual = [name for name in _USUAL_COLUMNS if name in table.names]
    if len(usual) == 1:
        return usual[0]
    for name, remedy in table.elsewhere.items():
        raise InputError(f"{table.path}: which column holds the labels? name it with label=; {name!r}: {remedy}")
    if len(table.names) == 1:
        return table.names[0]
    shown = ", ".join(map(repr, table.names[:8]))
    raise InputError(f"{table.path}: which column holds the labels? name it with label=; there are {shown}")


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def factor_maps(names: Sequence[str], factors: Sequence[FactorLike] | None) -> list[object]:
    """The factors as a study file writes them; without any, one for each intervention."""
    if isinstance(factors, str) or not (factors is None or isinstance(factors, Sequence)):
        raise InputError(f"factors is a list, such as [['A', 'B'], ['C']], got {factors!r:.60}")
    if factors is None:
        return [{"name": one, "sigma": [one]} for one in names]
    written: list[object] = []
    for factor in factors:
        if isinstance(factor, Factor):
            written.append(
                {
                    "name": factor.name,
                    "x": factor.x,
                    "sigma": factor.sigma,
                    **({"z": factor.z} if factor.z else {}),
                }
            )
        else:
            written.append(factor if isinstance(factor, Mapping) else {"sigma": factor})
    return written
