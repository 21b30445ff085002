"""Studies of screens: the interventions, the training regimes and their sample sizes from a column of labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Factor, Model
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.study.reading._screen_labels import InLabel, names_in_labels
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._study_fields import DataSpec
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading._tables import LABEL_COLUMNS
from ifm_ident.study.reading.label_conventions import LabelConvention, LabelReader

_USUAL_COLUMNS = ("perturbation", "condition", "guide_identity")

FactorLike = Factor | Mapping[str, object] | Sequence[str]
"""A factor: itself, a map as in a study file, or the interventions of its sigma-scope."""


@dataclass(frozen=True, eq=False)
class Screen:
    """What a column of labels says: interventions by name, and the regime of every row.

    place: the table in words or its path; names: interventions, in order; read by `convention`, `texts` are the
    distinct labels and `codes` the label of every row, shape (n,); data: where the rows are, None for no file.
    """

    place: Path | str
    name: str
    names: tuple[str, ...]
    convention: LabelConvention
    texts: tuple[str, ...]
    codes: Ints
    data: DataSpec | None

    def training(self, model: Model) -> tuple[Regimes, Ints]:
        """The distinct regimes, by the number of interventions and then by these, with how many rows each has."""
        reader = LabelReader(model, self.convention)
        read = []
        for i, text in enumerate(self.texts):
            try:
                read.append(reader.read(text))
            except InputError as error:
                raise RowError(self.place, int(np.argmax(self.codes == i)), str(error)) from None
        train = sorted(set(read), key=lambda regime: (len(regime), regime))
        place = {regime: i for i, regime in enumerate(train)}
        rows = np.array([place[regime] for regime in read])[self.codes]
        return Regimes.from_active(train, len(model)), np.bincount(rows, minlength=len(train)).astype(np.int64)


def read_screen(
    source: object,
    label: str | None,
    *,
    separator: str | None,
    control: str | Sequence[str] | None,
    interventions: Sequence[str] | None,
) -> Screen:
    """The interventions and rows of a path, a frame, an AnnData or a list of labels; see `Study.from_labels`."""
    table = table_of(source)
    column_name = _label_column(table, label)
    column = table.texts(column_name)
    if column.null_count:
        row = int(pc.index(column.is_null(), True).as_py())
        raise RowError(table.path, row, f"the label in {column_name!r} is missing; {BASELINE!r} is baseline")
    texts, codes = _distinct(column)
    if not texts:
        raise InputError(f"{table.path}: there are no rows; a screen needs at least one label")
    convention = LabelConvention.of({"separator": separator, "control": _listed(control)})
    assert convention is not None
    try:
        names, convention = names_in_labels(texts, convention, interventions)
    except InLabel as error:
        raise RowError(table.path, int(np.argmax(codes == error.index)), str(error)) from None
    except InputError as error:
        raise InputError(f"{table.path}: {error}") from None
    if not names:
        raise InputError(f"{table.path}: every label means baseline; a screen needs an intervention")
    data = None
    if isinstance(source, (str, os.PathLike)):
        data = DataSpec(Path(source), label=column_name, labels=convention)
    return Screen(table.path, _name(source), tuple(names), convention, tuple(texts), codes, data)


def _listed(control: str | Sequence[str] | None) -> list[str] | None:
    return None if control is None else [control] if isinstance(control, str) else list(control)


def _name(source: object) -> str:
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else "screen"


def _label_column(table: Table, label: str | None) -> str:
    if label is not None:
        return label
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
    if factors is None:
        return [{"name": one, "sigma": [one]} for one in names]
    written: list[object] = []
    for factor in factors:
        if isinstance(factor, Factor):
            written.append({"name": factor.name, "x": factor.x, "sigma": factor.sigma})
        else:
            written.append(factor if isinstance(factor, Mapping) else {"sigma": factor})
    return written
