"""Samples of a study from its data table: a file, a data frame or an AnnData (docs/reference/study-file.md)."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.design import format_regime
from ifm_ident.errors import nearest
from ifm_ident.study import DataSpec, Table, data_regimes, gene_names, table_of
from ifm_learn.checks import refuse_covariates
from ifm_learn.data._unit_columns import unit_hints, unit_ids
from ifm_learn.data.columns import numbers, numeric_columns
from ifm_learn.data.samples import Samples
from ifm_learn.data.scaling import Scale, Scaling

_NAMED = 5


def read_samples(
    study: Study,
    data: object = None,
    *,
    outcome: str | None = None,
    label: str | Sequence[str] | None = None,
    scale: Scale | None = None,
    log: str | Sequence[str] | None = None,
    unit: str | None = None,
    outcomes: Sequence[str] | Literal["all"] | None = None,
    known: Collection[str] = (),
) -> Samples:
    """The rows of the training regimes in the study's data table, or in `data` in its place.

    `data` is a path (CSV, TSV, Parquet, .h5ad), a data frame of any library that narwhals knows, or an AnnData;
    the study's `data` still says how to read it, but for what the other arguments say. Logarithms come before
    scaling; the outcome is neither. Rows of regimes outside `train` are counted in `ignored` and not looked at;
    rows that name no regime are left out, which `notes` of the result says. unit:
    the column that says which rows belong together; without one, `notes` of the result name columns that look so.
    outcomes: several columns in place of `outcome`; "all" for every numeric one (every gene of an AnnData) without
    another part. known: columns that have a part which the study does not tell.

    Raises InputError that starts with the table: an unknown column or scale, an outcome that is a variable, a training
    regime without rows, a variable without spread; RowError, with the row counted from 1: a regime that cannot be
    read, a unit that is missing, a value of x or y that is missing, no finite number, or not positive where its logarithm is taken.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["ctrl", "A"],
    ... })
    >>> samples = read_samples(study, {"A": [0, 1, 1], "x": [0.5, 2.0, 3.0], "y": [1, 2, 3]}, outcome="y")
    >>> samples.sizes.tolist(), samples.of(1).ravel().tolist()
    ([1, 2], [2.0, 3.0])
    >>> read_samples(study, {"A": [0, 0], "x": [0.5, 2.0]})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the table: the training regime A (train[1]) has no rows; measure it or leave it out of `train`
    """  # noqa: E501
    refuse_covariates(study.model, "this analysis")
    spec = study.data
    if data is None and spec is None:
        raise InputError(
            f"the study {study.name!r} has no `data`; add `data: {{file: cells.csv}}` to it, or give a table",
            argument="data",
        )
    spec = spec or DataSpec(Path())
    if outcome is not None and outcomes is not None:
        raise InputError(
            "`outcome` is one column, `outcomes` are several; give one of the two", argument="outcomes"
        )
    for argument, value in {"outcome": outcome, "scale": scale, "unit": unit}.items():
        if not (value is None or isinstance(value, str)):
            raise InputError(f"{argument} is a text, got {value!r:.60}", argument=argument)
    for argument, names in {"label": label, "log": log, "outcomes": outcomes}.items():
        if not (names is None or isinstance(names, str) or _texts(names)):
            raise InputError(
                f"{argument} is the name of a column or a list of names, got {names!r:.60}", argument=argument
            )
    if label is not None and not label:
        raise InputError("label names no column; name one, or leave it out", argument="label")
    given = outcome is not None or outcomes is not None
    spec = DataSpec(
        spec.file,
        outcome if given else spec.outcome,
        spec.label if label is None else label if isinstance(label, str) else tuple(label),
        spec.scale if scale is None else scale,
        spec.log if log is None else (log,) if isinstance(log, str) else tuple(log),
        spec.labels,
        spec.unit if unit is None else unit,
        spec.outcomes if not given else outcomes if outcomes == "all" else tuple(outcomes or ()),
        spec.x,
        spec.layer,
        spec.normalise,
    )
    source = spec.file if data is None else Path(data) if isinstance(data, (str, os.PathLike)) else data
    variables = study.model.variables
    _check_names(study, spec)
    genes = gene_names(source) if spec.outcomes == "all" else None
    several = () if spec.outcomes == "all" else spec.outcomes
    if genes is not None:
        several = without_part(study, spec, genes, known)
    wanted = (*variables, *([spec.outcome] if spec.outcome else []), *several)
    table = table_of(source, wanted, at=spec.x, layer=spec.layer, normalise=spec.normalise)
    for name in variables:
        _require_variable(table, name)
    rows = data_regimes(study.model, table, spec.label, spec.labels)
    found = rows.regimes.first_equal(study.design.train)
    kept = rows.rows[found >= 0]
    regime = found[found >= 0]
    _require_rows(study, table, spec, regime, rows.notes)
    logs = np.isin(variables, spec.log)
    x = np.empty((len(kept), len(variables)))
    for v, name in enumerate(variables):
        x[:, v] = numbers(table, name, kept, log=bool(logs[v]))
    if spec.outcomes == "all" and genes is None:
        several = tuple(numeric_columns(table, without_part(study, spec, table.data.column_names, known)))
    if spec.outcomes and not several:
        raise InputError(
            f"{table.path}: `outcomes: all` finds no numeric column without another part; name the outcomes"
        )
    y = numbers(table, spec.outcome, kept) if spec.outcome else _several(table, several, kept)
    scaling = None
    if spec.scale != "none" or logs.any():
        try:
            scaling = Scaling.of(x, regime, spec.scale, logs, variables)
        except InputError as error:
            raise InputError(f"{table.path}: {error}") from None
        x -= scaling.shift
        x /= scaling.unit
    ignored = len(found) - len(kept)
    notes = rows.notes
    if spec.unit is not None:
        ids = unit_ids(table, spec.unit, kept)
        return Samples(study.design, regime, x, y, spec.outcome, scaling, ignored, ids, notes, outcomes=several)
    known = {
        *known,
        *variables,
        *study.model.position,
        *several,
        *filter(None, (spec.outcome, *spec.label_columns)),
    }
    notes += unit_hints(table, known, kept, regime, x)
    return Samples(study.design, regime, x, y, spec.outcome, scaling, ignored, notes=notes, outcomes=several)


def _texts(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(text, str) for text in value)


def without_part(study: Study, spec: DataSpec, names: Sequence[str], known: Collection[str]) -> tuple[str, ...]:
    """The columns that are neither intervention, label, variable, unit nor known otherwise."""
    parts = {*known, *study.model.variables, *study.model.position, *spec.label_columns, spec.unit}
    parts |= {place for _, place in spec.x}
    parts |= {f"X:{name}" for name in study.model.variables} | {name.removeprefix("X:") for name in parts if name}
    return tuple(name for name in names if name not in parts)


def _several(table: Table, names: tuple[str, ...], kept: Ints) -> Floats | None:
    """The columns as one array, shape (rows kept, names); None for no names."""
    if not names:
        return None
    found = np.empty((len(kept), len(names)))
    for k, name in enumerate(names):
        found[:, k] = numbers(table, name, kept)
    return found


def _check_names(study: Study, spec: DataSpec) -> None:
    """InputError where the names in `data` contradict the model."""
    variables, where = study.model.variables, f"{study.path or study.name}: `data`"
    if spec.outcome in variables:
        raise InputError(
            f"{where}: the outcome {spec.outcome!r} is a variable too; take it out of `variables`, or name "
            "another column",
            ("data", "outcome"),
        )
    if spec.outcomes != "all":
        _check_outcomes(study, spec, where)
    label = next((name for name in spec.label_columns if name in variables), None)
    if spec.outcome in study.model.position or label is not None:
        name, what = (label, "a variable") if label is not None else (spec.outcome, "an intervention")
        role = "label column" if label is not None else "outcome"
        raise InputError(f"{where}: the {role} {name!r} is {what} too; name another column", ("data",))
    if spec.outcome is not None and spec.outcome in spec.label_columns:
        raise InputError(f"{where}: {spec.outcome!r} is the label column and the outcome; name another", ("data",))
    roles: dict[str, Collection[str | None]] = {
        "a variable": variables,
        "an intervention": study.model.position,
        "the outcome": (spec.outcome,),
        "the label column": spec.label_columns,
    }
    for what, names in roles.items():
        if spec.unit is not None and spec.unit in names:
            raise InputError(
                f"{where}: the column of units {spec.unit!r} is {what} too; name the column that says which rows "
                "belong together, or leave `unit` out",
                ("data", "unit"),
            )
    if spec.scale not in get_args(Scale):
        raise InputError(
            f"{where}: unknown scale {spec.scale!r}; {nearest(spec.scale, get_args(Scale))}", ("data", "scale")
        )
    for name in spec.log:
        if name == spec.outcome:
            raise InputError(
                f"{where}: the outcome {name!r} is estimated as it is; add a column with its logarithms and name "
                "that as the outcome",
                ("data", "log"),
            )
        if name not in variables:
            raise InputError(
                f"{where}: `log` names {name!r}, which is no variable; {nearest(name, variables)}", ("data", "log")
            )


def _check_outcomes(study: Study, spec: DataSpec, where: str) -> None:
    """InputError for an outcome among several that has another part too, or is listed twice."""
    parts: dict[str, Collection[str | None]] = {
        "a variable": study.model.variables,
        "an intervention": study.model.position,
        "the label column": spec.label_columns,
        "the column of units": (spec.unit,),
        "listed before": (),
    }
    for i, name in enumerate(spec.outcomes):
        parts["listed before"] = spec.outcomes[:i]
        for what, names in parts.items():
            if name in names:
                raise InputError(
                    f"{where}: the outcome {name!r} is {what} too; take it out of `outcomes`", ("data", "outcomes")
                )


def _require_variable(table: Table, name: str) -> None:
    try:
        table.column(name)
    except InputError as error:
        raise InputError(
            f"{error} (every variable of the model needs a column; `variables` lists them)"
            if name not in table.names
            else str(error)
        ) from None


def _require_rows(study: Study, table: Table, spec: DataSpec, regime: Ints, notes: Sequence[str]) -> None:
    """InputError, naming the regimes as the study writes them, unless every training regime has rows.

    notes: of how the table was read.
    """
    design = study.design
    empty = np.setdiff1d(design.distinct, regime)
    if not len(empty):
        return
    named = [
        f"{format_regime(study.model, design.train[int(i)], study.notation)} (train[{i}])" for i in empty[:_NAMED]
    ]
    more = f" and {len(empty) - _NAMED} more" if len(empty) > _NAMED else ""
    absent = [] if spec.label is not None else [name for name in study.model.position if name not in table.names]
    off = {study.model.interventions[p].name for i in empty.tolist() for p, _ in design.train[i]}
    hint = ", ".join(repr(name) for name in absent if name in off and len(absent) < len(study.model))
    raise InputError(
        f"{table.path}: the training regime{'s' * (len(empty) > 1)} {', '.join(named)}{more} "
        + ("has no rows; measure it or leave it" if len(empty) == 1 else "have no rows; measure or leave them")
        + " out of `train`"
        + (f" (the table has no column {hint}, so all its rows are at that baseline)" if hint else "")
        + "".join(f"; {note.removeprefix(f'{table.path}: ')}" for note in notes)
    )
