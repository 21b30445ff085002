"""A study as the text of a study file that reads back equal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regime_text import RegimeReader
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes, Space, UpToOrder
from ifm_ident.errors import InputError
from ifm_ident.study._yaml_text import block
from ifm_ident.study.reading._file_regimes import FileRegimes
from ifm_ident.study.reading._study_fields import DataSpec
from ifm_ident.study.reading.label_conventions import LabelConvention

if TYPE_CHECKING:
    from ifm_ident.study.study import Study

_MOST_LISTED = 1_000_000


def study_text(study: Study, folder: Path) -> str:
    """The study file; files that it names are relative to `folder`, but for those named by a whole path."""
    model = study.model
    plain: dict[str, Any] = {
        "name": study.name,
        "interventions": {one.name: one.written for one in model.interventions},
        "variables": model.variables,
    }
    if model.covariates:
        plain["covariates"] = model.covariates
    if model.randomised:
        plain["randomised"] = True
    plain["factors"] = [
        {"name": one.name, "x": one.x, "sigma": one.sigma, **({"z": one.z} if one.z else {})}
        for one in model.factors
    ]
    plain["train"] = _regimes(study, study.design.train)
    plain["test"] = _test(study, folder)
    if study.data is not None:
        plain["data"] = _data(study.data, folder)
    if study.samples is not None:
        plain["samples"] = study.samples.tolist()
    return "".join(f"{line}\n" for key, value in plain.items() for line in block(key, value))


def _regimes(study: Study, regimes: Regimes) -> list[object]:
    """Each regime as text in the study's notation, or as a map where the text could be read otherwise."""
    reader, found = RegimeReader(study.model), list[object]()
    texts = format_regimes(study.model, regimes, study.notation).to_pylist()
    for regime, text in zip(regimes, texts, strict=True):
        try:
            same = reader.read(text) == (regime, study.notation) or (not regime and reader.read(text)[0] == regime)
        except InputError:
            same = False
        levels = {study.model.interventions[i].name: study.model.interventions[i].level(k) for i, k in regime}
        found.append(text if same else levels)
    return found


def _test(study: Study, folder: Path) -> object:
    """`all`, an order, a file, or a list of regimes."""
    spaces: tuple[Space, ...] = study.test
    if len(spaces) == 1:
        only = spaces[0]
        if isinstance(only, AllRegimes):
            return "all"
        if isinstance(only, UpToOrder):
            return {"order": only.order}
        if isinstance(only, FileRegimes):
            named: dict[str, object] = {"file": _file(only.rows.path, folder)}
            if only.label is not None:
                named["label"] = only.label
            return named | ({"labels": _labels(only.labels)} if only.labels is not None else {})
    if study.target_count > _MOST_LISTED:
        raise InputError(
            f"{study.target_count:,} test regimes of several kinds are too many to list (limit {_MOST_LISTED:,}); "
            "save the study with one of them"
        )
    return _regimes(study, Regimes.concatenate([*study.targets()]))


def _data(spec: DataSpec, folder: Path) -> dict[str, object]:
    found: dict[str, object] = {"file": _file(spec.file, folder)}
    if spec.outcome is not None:
        found["outcome"] = spec.outcome
    if spec.outcomes:
        found["outcomes"] = spec.outcomes
    if spec.label is not None:
        found["label"] = spec.label
    if spec.labels is not None:
        found["labels"] = _labels(spec.labels)
    if spec.scale != "none":
        found["scale"] = spec.scale
    if spec.log:
        found["log"] = spec.log
    for key, value in (("unit", spec.unit), ("layer", spec.layer), ("normalise", spec.normalise)):
        if value is not None:
            found[key] = value
    if spec.x:
        found["x"] = [place for _, place in spec.x]
    return found


def _labels(convention: LabelConvention) -> dict[str, object]:
    found: dict[str, object] = {}
    if convention.separator is not None:
        found["separator"] = convention.separator
    if convention.control is not None:
        found["control"] = convention.control
    if convention.names:
        found["names"] = dict(convention.names)
    return found


def _file(path: Path, folder: Path) -> str:
    return str(path) if path.is_absolute() else os.path.relpath(path, folder)
