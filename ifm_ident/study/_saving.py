"""A study as the text of a study file that reads back equal."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regime_text import Notation, RegimeReader
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes, Space, UpToOrder
from ifm_ident.errors import InputError
from ifm_ident.study._yaml_text import block
from ifm_ident.study.reading._file_regimes import FileRegimes
from ifm_ident.study.reading._study_fields import DataSpec
from ifm_ident.study.reading.label_conventions import LabelConvention

_MOST_LISTED = 1_000_000


@dataclass(frozen=True, eq=False)
class Saved:
    """What is written of a study: see `Study`."""

    name: str
    design: Design
    notation: Notation
    test: tuple[Space, ...]
    data: DataSpec | None
    samples: Ints | None


def study_text(study: Saved, folder: Path) -> str:
    """The study file; files that it names are relative to `folder`, but for those named by a whole path."""
    model = study.design.model
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


def _regimes(study: Saved, regimes: Regimes) -> list[object]:
    """Each regime as text in the study's notation, or as a map where the text could be read otherwise."""
    reader, found = RegimeReader(study.design.model), list[object]()
    texts = format_regimes(study.design.model, regimes, study.notation).to_pylist()
    for regime, text in zip(regimes, texts, strict=True):
        try:
            same = reader.read(text) == (regime, study.notation) or (not regime and reader.read(text)[0] == regime)
        except InputError:
            same = False
        levels = {
            study.design.model.interventions[i].name: study.design.model.interventions[i].level(k)
            for i, k in regime
        }
        found.append(text if same else levels)
    return found


def _test(study: Saved, folder: Path) -> object:
    """`all`, an order, a file, or a list of regimes."""
    spaces = study.test
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
    count = sum(space.count for space in spaces)
    if count > _MOST_LISTED:
        raise InputError(
            f"{count:,} test regimes of several kinds are too many to list (limit {_MOST_LISTED:,}); "
            "save the study with one of them"
        )
    return _regimes(study, Regimes.concatenate([chunk for space in spaces for chunk in space.chunks()]))


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
