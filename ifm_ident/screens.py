"""Studies of screens: the interventions, the training regimes and their sample sizes from a column of labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.errors import InputError
from ifm_ident.model import Factor, Ints
from ifm_ident.reading.frames import table_of
from ifm_ident.reading.label_conventions import LabelConvention, LabelReader
from ifm_ident.reading.screen_labels import InLabel, names_in_labels
from ifm_ident.reading.study_fields import DataSpec
from ifm_ident.reading.table_files import RowError, Table
from ifm_ident.reading.tables import LABEL_COLUMNS
from ifm_ident.regime_text import BASELINE
from ifm_ident.regimes import Regimes
from ifm_ident.study import Study

_USUAL_COLUMNS = ("perturbation", "condition", "guide_identity")

FactorLike = Factor | Mapping[str, object] | Sequence[str]
"""A factor: itself, a map as in a study file, or the interventions of its sigma-scope."""


def study_from_labels(
    source: object,
    label: str | None = None,
    *,
    separator: str | None = None,
    control: str | Sequence[str] | None = None,
    interventions: Sequence[str] | None = None,
    factors: Sequence[FactorLike] | None = None,
    variables: Sequence[str] = ("x",),
    test: object = None,
    name: str | None = None,
) -> Study:
    """The study of a screen whose cells carry labels such as `A+B`, `A_B`, `A+ctrl` or `control`.

    `source` is a path, a data frame, an AnnData or a list of labels, `label` its column. Interventions have two
    levels, 0 and 1, and are in order of name; training regimes are the distinct ones, in order of the number of
    interventions, then of these; sample sizes count the cells. Without `factors` every intervention has a factor
    of its own over all `variables`. `test` is as in a study file, without it {order: 2}.

    Without `label` the column is called label, regime, perturbation, condition or guide_identity, or is the only one.
    Without `separator` and `control` the usual ones are found. A character that names may hold (such as `_`)
    is taken as the separator only if labels fall into other labels by it, and refused where that leaves a
    doubt: then give it, or `interventions`. A screen where no label means baseline is asked about too.

    >>> study = study_from_labels(["control", "A", "A", "B", "HLA_E", "A_B", "HLA_E_A", "control"])
    >>> list(study.model.position), study.samples.tolist()
    (['A', 'B', 'HLA_E'], [2, 2, 1, 1, 1, 1])
    >>> print(study.with_test(["B+HLA_E"]).identify()[0])
    p(B+HLA_E) ∝ p(B) p(HLA_E) / p(ctrl)
    >>> study_from_labels(["ctrl", "A", "A_C"])
    Traceback (most recent call last):
    ...
    ifm_ident.reading.table_files.RowError: the labels, row 3: 'A_C' may be one intervention, or several joined by '_' as 'A' is a label too; give separator='_' if it joins, '+' if it does not, or interventions=[...]
    """  # noqa: E501
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
    study = _study(table, names, factors, variables, test, name or _name(source))
    reader = LabelReader(study.model, convention)
    read = []
    for i, text in enumerate(texts):
        try:
            read.append(reader.read(text))
        except InputError as error:
            raise RowError(table.path, int(np.argmax(codes == i)), str(error)) from None
    train = sorted(set(read), key=lambda regime: (len(regime), regime))
    place = {regime: i for i, regime in enumerate(train)}
    counts: Ints = np.bincount(np.array([place[regime] for regime in read])[codes], minlength=len(train))
    data = None
    if isinstance(source, (str, os.PathLike)):
        data = DataSpec(Path(source), label=column_name, labels=convention)
    design = dataclasses.replace(study.design, train=Regimes.from_active(train, len(study.model)))
    return dataclasses.replace(study, design=design, samples=counts.astype(np.int64), data=data, notation="label")


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


def _study(
    table: Table,
    names: Sequence[str],
    factors: Sequence[FactorLike] | None,
    variables: Sequence[str],
    test: object,
    name: str,
) -> Study:
    """The study with the baseline as its only training regime."""
    mapping = {
        "name": name,
        "interventions": {one: [0, 1] for one in names},
        "variables": list(variables),
        "factors": [{"name": one, "sigma": [one]} for one in names] if factors is None else _factors(factors),
        "train": [BASELINE],
        "test": {"order": 2} if test is None else test,
    }
    try:
        return Study.from_dict(mapping)
    except InputError as error:
        raise InputError(f"{table.path}: {error}", error.path) from None


def _factors(factors: Sequence[FactorLike]) -> list[object]:
    written: list[object] = []
    for factor in factors:
        if isinstance(factor, Factor):
            written.append({"name": factor.name, "x": factor.x, "sigma": factor.sigma})
        else:
            written.append(factor if isinstance(factor, Mapping) else {"sigma": factor})
    return written
