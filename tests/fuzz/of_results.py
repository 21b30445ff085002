"""Harnesses of what reads results, altered claims and folders of parts: see `harnesses.py`."""

from __future__ import annotations

import functools
import io
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from ifm_ident.errors import InputError
from ifm_ident.messages.by_messages import identify_by_messages
from ifm_ident.parts import Asked, identify_in_parts
from ifm_ident.results.read import WRITERS
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify, verify_file
from ifm_ident.verification.parts import verify_parts
from tests.fuzz.checker import true
from tests.fuzz.choices import Choices, altered, mutated
from tests.fuzz.forms import FORMS, as_cells, as_columns, as_json

QUESTIONS = 1000
"""Results that are altered are of so many studies."""


class Question:
    """A small random study and its result, in every format; `data` is the JSON."""

    def __init__(self, choices: Choices) -> None:
        width, variables = 1 + choices.below(3), ["x", "y", "z"][: 1 + choices.below(3)]
        levels: dict[str, list[Any]] = {f"s{i}": [0, 1, 2][: 2 + (choices.below(4) == 3)] for i in range(width)}
        factors = [
            {"x": choices.subset(variables, 1), "sigma": choices.subset(list(levels))}
            for _ in range(1 + choices.below(4))
        ]
        factors.append({"x": variables, "sigma": choices.subset(list(levels))})
        regimes: list[Any] = [{}]
        regimes += [{i: choices.pick(values) for i, values in levels.items()} for _ in range(choices.below(7))]
        train = regimes[choices.below(2) if len(regimes) > 1 else 0 :]
        mapping = {"interventions": levels, "variables": variables, "factors": factors, "train": train}
        self.study = Study.from_dict(mapping)
        criterion: Any = choices.pick(("auto", "joint", "conditional", "messages"))
        if criterion == "messages":
            found = identify_by_messages(self.study.design, next(self.study.targets()))
        else:
            found = self.study.identify(criterion)
        self.written = {kind: io.BytesIO() for kind in WRITERS}
        for kind, stream in self.written.items():
            WRITERS[kind](stream, self.study, [found])
            if not verify(found).holds:
                raise AssertionError("an answer that does not hold")
        self.data = json.loads(self.written["json"].getvalue())
        if not true(self.data):
            raise AssertionError("a right answer was found false")


@functools.lru_cache(1024)
def question(number: int) -> Question:
    """One of many questions, by its number."""
    return Question(Choices(random.Random(number).randbytes(60)))


def results(choices: Choices, folder: Path) -> str:
    """A result file, byte by byte."""
    asked, kind = question(choices.below(QUESTIONS)), choices.pick(("json", "csv", "parquet"))
    path = folder / f"r.{choices.pick((kind, kind, kind, 'json', 'csv', 'parquet'))}"
    path.write_bytes(mutated(asked.written[kind].getvalue(), choices))
    study = asked.study if kind == "csv" or choices.below(2) else None
    holds = verify_file(path, study).holds
    if kind == "json" and holds and not true(json.loads(path.read_bytes())):
        raise AssertionError("what is false was said to hold")
    return "holds" if holds else "does not hold"


def claims(choices: Choices, folder: Path) -> str:
    """A result whose claims are altered, in every format: what the own checker finds false may not hold."""
    asked = question(choices.below(QUESTIONS))
    data, kind = asked.data, choices.pick(("json", "csv", "parquet"))
    changed = altered(data, choices) if kind != "csv" else {**data, "results": altered(data["results"], choices)}
    path = folder / f"r.{kind}"
    try:
        path.write_bytes(FORMS[kind](changed))
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, pa.ArrowException):
        return "cannot be written"
    holds = verify_file(path, asked.study if kind == "csv" else None).holds
    if kind == "csv":
        told = {**as_cells(changed), "targets": None}
    else:
        told = as_columns(changed) if kind == "parquet" else changed
    right = true(told)
    if holds and not right:
        raise AssertionError("what is false was said to hold")
    if json.dumps(changed) == json.dumps(data) and not holds:  # true is no 1
        raise AssertionError("a right answer was said not to hold")
    return "holds" if holds else "does not hold, though true" if right else "does not hold"


@functools.lru_cache(256)
def in_parts(number: int, kind: str) -> dict[str, bytes]:
    """The files of a result in parts of three."""
    with tempfile.TemporaryDirectory() as name:
        identify_in_parts(Asked(question(number).study), name, part_rows=3, output_format=kind)
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


def parts(choices: Choices, folder: Path) -> str:
    """A folder of parts whose files are altered, exchanged, doubled or gone: seen, and mended or refused."""
    number, kind = choices.below(QUESTIONS // 5), choices.pick(("json", "csv", "parquet"))
    study, whole = question(number).study, in_parts(number, kind)
    files = dict(whole)
    for _ in range(choices.below(4)):
        name, action = choices.pick(sorted(whole)), choices.below(6)
        data = files.get(name, b"")
        if action == 0:
            files.pop(name, None)
        elif action == 1:
            files[name] = files.get(choices.pick(sorted(whole)), b"")
        elif action == 2:
            names = ("part-000000", "part-000001", "part-000009", "manifest", "manifest-0001-of-0002")
            files[choices.pick(names) + choices.pick((f".{kind}", ".json"))] = data
        elif action == 3:
            files[name] = mutated(data, choices)
        else:
            files["manifest.json"] = as_json(altered(json.loads(whole["manifest.json"]), choices))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        here = Path(place)
        for name, data in files.items():
            (here / name).write_bytes(data)
        about, end = study if kind == "csv" or choices.below(2) else None, "refused"
        try:
            holds = verify_parts(here, about).holds
            end = "holds" if holds else "does not hold"
            told = {name: data for name, data in files.items() if name.startswith("part-")}
            if holds and told != {name: data for name, data in whole.items() if name.startswith("part-")}:
                raise AssertionError("what was changed was said to hold")
        except InputError:
            pass
        if files == whole and end != "holds":
            raise AssertionError("a right answer was said not to hold")
        identify_in_parts(Asked(study), here, part_rows=3, output_format=kind, resume=True)
        if any((here / name).read_bytes() != data for name, data in whole.items() if name != "manifest.json"):
            raise AssertionError("what was taken up is not as it was")
        return end if end != "refused" else "refused, then mended"
