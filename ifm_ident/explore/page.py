"""A study as one page that needs nothing else: scripts, style and the study in one text of HTML."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import json
import string
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np

from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes, UpToOrder
from ifm_ident.errors import InputError
from ifm_ident.inert import json_escaped, visible
from ifm_ident.solve.incidence import BaselineSystem
from ifm_ident.study.study import Study

MOST_UNKNOWNS = 500
"""A page answers designs of up to so many unknowns, the joint system's columns that training shows."""

MOST_TRAINING = 1_500
"""And of up to so many different training regimes; both are those of `algebra.js`."""

_MOST_TESTS = 5_000
_SCRIPTS = ("algebra.js", "graphs.js", "reading.js", "study.js", "drawing.js", "cards.js", "page.js")


def explore_page(study: Study) -> str:
    """One page of HTML, self-contained, on which the study is changed by hand and its answers follow.

    The same study gives the same text. Interventions whose levels have values are beyond the page: it says so and
    answers once another study is opened. Raises InputError for a design of more than `MOST_UNKNOWNS` unknowns or
    `MOST_TRAINING` training regimes.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["ctrl", "A", "B"],
    ... })
    >>> text = explore_page(study)
    >>> text.startswith("<!DOCTYPE html>"), len(text) < 200_000
    (True, True)
    >>> wide = Study.from_labels(["ctrl", *(f"g{i}" for i in range(600))])
    >>> explore_page(wide)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the design has 601 unknowns, and a page answers up to 500 as one types; `ifm identify` and `ifm report` take designs of any size
    """  # noqa: E501
    _require_small(study)
    script = "\n".join(_source(name) for name in _SCRIPTS)
    embedded = json_escaped(json.dumps(_plain(study), ensure_ascii=False))
    return string.Template(_source("page.html")).substitute(
        hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=html.escape(version("ifm-ident")),
        title=html.escape(visible(" ".join(study.name.split()))),
        style=_source("page.css"),
        study=embedded.replace("<", "\\u003c"),
        script=script,
    )


def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _require_small(study: Study) -> None:
    design, model = study.design, study.model
    remedy = "`ifm identify` and `ifm report` take designs of any size"
    if len(design.distinct) > MOST_TRAINING:
        raise InputError(
            f"the design has {len(design.distinct):,} training regimes, and a page answers up to "
            f"{MOST_TRAINING:,} as one types; {remedy}"
        )
    if model.has_bases:
        return
    incidence = BaselineSystem(model, tuple(range(len(model.factors))), design.train)
    unknowns = len(np.unique(incidence.rows(design.train)[0].indices))
    if unknowns > MOST_UNKNOWNS:
        raise InputError(
            f"the design has {unknowns:,} unknowns, and a page answers up to {MOST_UNKNOWNS} as one types; "
            f"{remedy}"
        )


def _plain(study: Study) -> dict[str, object]:
    """The study as a study file of JSON holds it, regimes as texts."""
    model = study.model
    found: dict[str, object] = {
        "name": study.name,
        "interventions": {one.name: one.written for one in model.interventions},
        "variables": list(model.variables),
    }
    if model.covariates:
        found |= {"covariates": list(model.covariates), "randomised": model.randomised}
    found["factors"] = [
        {"name": one.name, "x": list(one.x), "sigma": list(one.sigma), **({"z": list(one.z)} if one.z else {})}
        for one in model.factors
    ]
    found["train"] = _texts(study, study.design.train)
    found["test"] = _test(study)
    if study.data is not None:
        found["data"] = _data(study)
    if study.samples is not None:
        found["samples"] = "left out"
    return found


def _texts(study: Study, regimes: Regimes) -> list[str]:
    texts: list[str] = format_regimes(study.model, regimes, study.notation).to_pylist()
    return texts


def _test(study: Study) -> object:
    if len(study.test) == 1:
        (space,) = study.test
        if isinstance(space, AllRegimes):
            return "all"
        if isinstance(space, UpToOrder):
            return {"order": space.order}
    if study.target_count > _MOST_TESTS:
        return "all"
    return [text for chunk in study.targets() for text in _texts(study, chunk)]


def _data(study: Study) -> dict[str, object]:
    """Where the data are, relative to the study file; nothing of this machine's folders goes into a page."""
    assert study.data is not None
    spec = study.data
    folder = study.path.parent if study.path is not None else Path()
    file = spec.file.relative_to(folder) if spec.file.is_relative_to(folder) else Path(spec.file.name)
    found: dict[str, object] = {"file": file.as_posix()}
    for one in dataclasses.fields(spec):
        value = getattr(spec, one.name)
        if one.name not in ("file", "labels") and value and value != one.default:
            found[one.name] = list(value) if isinstance(value, tuple) else value
    if spec.labels is not None:
        said = spec.labels
        parts = {"separator": said.separator, "control": list(said.control or ()), "names": dict(said.names)}
        found["labels"] = {key: value for key, value in parts.items() if value}
    return found
