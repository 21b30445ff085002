"""What reads inputs, each as a function of choices and an empty folder that says in a word how it ended.

Allowed are an answer and an InputError; every other exception, a warning, and a wait of more than `PATIENCE` are
faults. `outcome` runs a harness by name; drivers are `test_harnesses.py`, `benchmarks/fuzz.py` and `guided.py`.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import random
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import ifm_ident
from ifm_ident.commands.group import group
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regime_text import RegimeReader
from ifm_ident.errors import IfmError, InputError
from ifm_ident.limits import limits_of
from ifm_ident.messages.by_messages import identify_by_messages
from ifm_ident.parts import Asked, identify_in_parts
from ifm_ident.report._result_files import load_result
from ifm_ident.results.read import WRITERS
from ifm_ident.study import open_table
from ifm_ident.study.cost_tables import read_prices
from ifm_ident.study.rewriting import listed_factors, written_with_factors
from ifm_ident.study.study import Study, load
from ifm_ident.verification.checking import verify, verify_file
from ifm_ident.verification.parts import verify_parts
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.fitted import FittedModel
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.on_page import part as estimates_part
from ifm_learn.factors.candidates import given_candidates
from ifm_learn.falsification.on_page import part as findings_part
from tests.fuzz.checker import true
from tests.fuzz.choices import ODD, Choices, altered, mutated
from tests.fuzz.hdf5 import h5ad, remade

PATIENCE = 10.0
"""Seconds that an input may take."""

Harness = Callable[[Choices, Path], str]

HARNESSES: dict[str, Harness] = {}
"""The table: what is given strange inputs, by name."""

EXAMPLES = {path.name: path.read_bytes() for path in (Path(ifm_ident.__file__).parent / "examples").iterdir()}
QUESTIONS = 1000
"""Results that are altered are of so many studies."""

SMALL = 64
"""Studies that ask about more regimes are read only, not answered."""

WHOLE: dict[str, Any] = {
    "name": "two drugs and a dose",
    "interventions": {"A": [0, 1], "B": [0, 1], "dose": ["none", "low", "very high"]},
    "variables": ["x", "y"],
    "factors": [{"name": "f", "x": ["x", "y"], "sigma": ["A", "B"]}, {"x": ["y"], "sigma": ["dose"]}],
    "train": [{}, {"A": 1}, "B", "dose=low", 'A=1,dose="very high"'],
    "test": {"order": 2},
    "data": {"file": "t.csv", "outcome": "z", "scale": "standard", "log": ["x"], "unit": "u"},
    "samples": {"file": "t.csv"},
}
TABLES = (
    b"label,n,x,y,z,u,cost\nctrl,9,1,2,0.5,m1,1\nA,3,2,1,1,m1,2.5\nB,4,3,1,2,m2,3\nA+B,1,0.5,3,0,m2,1e2\n"
    b'dose=low,2,1,1,1,m3,1\n"A=1,dose=""very high""",2,2,1,1,m3,1\n',
    b"A\tB\tdose\tn\tx\n0\t0\tnone\t4\t1\n1\t0\t\t5\t2\n0\t1\tlow\t6\t3\n",
    b'A,B,dose,x,y,z\n0,0,none,1,1,1\n1,0,"very high",2,1,1\n,,,,,\n',
    b"intervention,cost\nA,1\nB,2.5\n",
    b"sep=;\nlabel;n\nctrl;1\nA;2,5\n",
)


def harness(function: Harness) -> Harness:
    """Enters a function in the table."""
    HARNESSES[function.__name__] = function
    return function


def outcome(name: str, data: bytes, folder: Path) -> str:
    """How a harness ends on bytes: its word, or "refused"; everything that is not allowed is raised."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return HARNESSES[name](Choices(data), folder)
        except InputError as error:
            if not str(error).strip():
                raise AssertionError("an error without words") from error
            return "refused"


def answered(study: Study) -> str:
    """Answers a small study, and checks the answers."""
    if study.target_count > SMALL or len(study.design.train) > SMALL:
        return "read"
    found = study.identify()
    for one in found:
        str(one)
    if not verify(found).holds:
        raise AssertionError("an answer that does not hold")
    return "answered"


@harness
def study_text(choices: Choices, folder: Path) -> str:
    """A study file, YAML or JSON, with tables beside it."""
    seeds = [*(data for name, data in EXAMPLES.items() if name.endswith(".yaml")), json.dumps(WHOLE).encode()]
    path = folder / choices.pick(("s.yaml", "s.json"))
    path.write_bytes(mutated(choices.pick(seeds), choices))
    (folder / "t.csv").write_bytes(TABLES[0])
    return answered(load(path))


@harness
def rewritten(choices: Choices, folder: Path) -> str:
    """A study file written anew with a factor less or more: it reads back as that, or is refused."""
    seeds = [*(data for name, data in EXAMPLES.items() if name.endswith(".yaml")), json.dumps(WHOLE).encode()]
    path = folder / choices.pick(("s.yaml", "s.json"))
    path.write_bytes(mutated(choices.pick(seeds), choices))
    (folder / "t.csv").write_bytes(TABLES[0])
    study = load(path)
    factors = [*study.model.factors]
    if choices.below(2):
        names = [one.name for one in study.model.interventions]
        factors.append(Factor("new", study.model.variables, tuple(names[:2])))
    elif len(factors) > 1:
        del factors[choices.below(len(factors))]
    Model(study.model.interventions, study.model.variables, tuple(factors), study.model.covariates)
    text = written_with_factors(study, factors, folder / "o.yaml")
    path.write_bytes(text.encode())
    assert load(path).model.factors == tuple(factors)
    return "written"


@harness
def candidates(choices: Choices, folder: Path) -> str:
    """A list of candidates for the factors of a study."""
    seed = b"candidates:\n  - {sigma: [A, B], x: [x]}\n  - sigma: [dose]\n    x: [x, y]\n"
    path = folder / "c.yaml"
    path.write_bytes(mutated(seed, choices))
    model = Study.from_dict({k: v for k, v in WHOLE.items() if k not in ("data", "samples")}).model
    return "asked" if given_candidates(model, listed_factors(path)).searched else "nothing"


@harness
def study_map(choices: Choices, folder: Path) -> str:
    """A study as maps and lists."""
    (folder / "t.csv").write_bytes(TABLES[0])
    return answered(Study.from_dict(altered(WHOLE, choices), folder))


@harness
def labels(choices: Choices, folder: Path) -> str:
    """Labels of a screen, and how they are said to be written."""
    words = (
        "A",
        "B",
        "HLA_E",
        "ctrl",
        "NT_001",
        "control",
        "",
        "NA",
        "a ",
        "1",
        "-1",
        "(+)-3",
        "\uff21",
        "µM",
        "\u200bA",
    )
    names: list[Any] = ["ctrl", "A"]
    for _ in range(choices.below(7)):
        joined = choices.pick(("+", "_", ",", " + ", "", ":", "|", " ")).join(choices.some(words, 1, 3))
        names.append(choices.pick((joined, joined, joined, joined, choices.pick(ODD))))
    options: dict[str, Any] = {
        "separator": choices.pick((None, None, "_", "+", ",", choices.pick(ODD))),
        "control": choices.pick((None, None, "NT_001", ["A", "ctrl"], choices.pick(ODD))),
        "names": choices.pick(
            (None, None, None, {"(+)-3": "g1"}, {"A_B": choices.pick(words)}, choices.pick(ODD))
        ),
        "interventions": choices.pick((None, None, None, ["A", "B"], list(words[:3]), choices.pick(ODD))),
        "test": choices.pick((None, None, ["A+B"], "all", {"order": 3}, choices.pick(ODD))),
    }
    source = choices.pick((names, names, {"label": names}, {"label": names[:2], "other": names[:2]}))
    return answered(Study.from_labels(source, **{k: v for k, v in options.items() if v is not None}))


@harness
def tables(choices: Choices, folder: Path) -> str:
    """A table of regimes, of sample sizes or of costs, as CSV, TSV or Parquet."""
    name = choices.pick(("t.csv", "t.csv", "t.tsv", "t.txt", "t.parquet"))
    data = choices.pick((*(t for t in TABLES if (b"\t" in t) == (name in ("t.tsv", "t.txt"))), TABLES[0]))
    if name == "t.parquet":
        data = parquet(choices.pick((0, 1, 3)))
    (folder / name).write_bytes(mutated(data, choices))
    use = choices.below(4)
    table: Any = {"file": name}
    if choices.below(2):
        table["label"] = choices.pick(("label", "label", ["A", "B"], "x"))
    study = {**WHOLE, "test": ["ctrl"]}
    del study["data"], study["samples"]
    if use == 0:
        read_prices(Study.from_dict(study).model, folder / name)
        return "read"
    study |= {"train": table} if use == 1 else {"test": table} if use == 2 else {"samples": table}
    return answered(Study.from_dict(study, folder))


@functools.cache
def parquet(which: int) -> bytes:
    """A table as Parquet."""
    text = TABLES[which]
    stream = io.BytesIO()
    pd.read_csv(io.BytesIO(text), sep="\t" if b"\t" in text else ",").to_parquet(stream)
    return stream.getvalue()


@harness
def frames(choices: Choices, folder: Path) -> str:
    """A data frame, or a map of columns, of any values."""
    columns: dict[str, Any] = {"label": ["ctrl", "A", "B"], "n": [1, 2, 3], "A": [0, 1, 0], "B": ["0", "0", "1"]}
    columns = altered(columns, choices)
    kind = choices.below(4)
    source: Any = columns
    try:
        if kind == 1:
            source = pd.DataFrame(columns)
        elif kind == 2:
            source = pa.table(columns)
        elif kind == 3:
            source = {name: np.array(values) for name, values in columns.items()}
    except (TypeError, ValueError, AttributeError, OverflowError, pa.ArrowException):  # no frame at all
        return "no frame"
    study = {**WHOLE, "train": {"file": source, **choices.pick(({}, {"label": "label"}))}, "test": ["ctrl"]}
    del study["data"], study["samples"]
    return answered(Study.from_dict(study))


@harness
def rows(choices: Choices, folder: Path) -> str:
    """The rows that learning reads."""
    name = choices.pick(("t.csv", "t.tsv"))
    data = choices.pick((TABLES[0], TABLES[2], EXAMPLES["cells.csv"][:900]))
    (folder / name).write_bytes(mutated(data.replace(b",", b"\t") if name == "t.tsv" else data, choices))
    given = altered({"label": "label", "outcome": "z", "scale": "standard"}, choices, 1)
    study = {**WHOLE, "data": {"file": name}}
    del study["samples"]
    if not isinstance(given, dict) or not set(given) <= {"label", "outcome", "scale"}:
        return "no arguments"
    read_samples(Study.from_dict(study, folder), folder / name, **given)
    return "read"


@harness
def cells(choices: Choices, folder: Path) -> str:
    """An .h5ad file: its bytes, or what it is made of."""
    path, kind = folder / "c.h5ad", choices.pick(("csr", "csc", "dense"))
    changed = choices.below(4)
    path.write_bytes(mutated(h5ad(kind), choices) if changed == 1 else h5ad(kind))
    if changed > 1:
        with h5py.File(path, "r+") as file:
            for _ in range(1 + choices.below(3)):
                try:
                    remade(file, choices)
                except (OSError, KeyError, TypeError, ValueError, RuntimeError):  # no such change can be made
                    return "cannot be written"
    columns = choices.some(("x", "y", "n", "obs:text", "X:z", "guide", "none"), 0, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if choices.below(2):
            found = open_table(path, columns)
            if not changed and "y" in columns and found.data["y"].to_pylist() != [1, 0, 3, 2, 1, 0]:
                raise AssertionError(f"column y of {kind} is {found.data['y']}")
            return "read"
        return answered(Study.from_labels(path, choices.pick(("guide", "text"))))


@functools.cache
def readers() -> tuple[RegimeReader, ...]:
    """Models that read texts differently."""
    factors = (Factor("f", ("x",), ()),)
    models: tuple[dict[str, Any], ...] = (
        {"A": (0, 1), "B": (0, 1)},
        {"A": ("0", "1"), "b": ("-1", "0", "1"), "0": (0, 1)},
        {"dose": ("none", 'a "b"', "x, y=+:"), "µ": (0, 0.5, "é")},
    )
    return tuple(
        RegimeReader(Model(tuple(Intervention(n, tuple(levels)) for n, levels in one.items()), ("x",), factors))
        for one in models
    )


@harness
def regime_texts(choices: Choices, folder: Path) -> str:
    """A regime as text or map, and the names of limits; what is read is written and read again."""
    reader = choices.pick(readers())
    seeds = (b"A+B", b"01", b"A=1,B=0", b'dose="a \\"b\\""', b"ctrl", b"dose=none,\xc2\xb5=0.5")
    text = mutated(choices.pick(seeds), choices).decode("utf-8", choices.pick(("replace", "surrogateescape")))
    kind = choices.below(4)
    if kind == 0:
        limits_of((text.replace("A", "rows"),))
    elif kind == 1:
        levels = altered({"A": 1, "B": "0"}, choices)
        reader.read_map(levels if isinstance(levels, dict) else {})
    else:
        regime, notation = reader.read(text)
        again = ifm_ident.design.format_regime(reader.model, regime, notation)
        if reader.read(again)[0] != regime:
            raise AssertionError(f"{text!r} is {regime}, written {again!r}")
    return "read"


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


@harness
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


def as_cells(data: dict[str, Any]) -> dict[str, Any]:
    """A result as cells of text tell it: a training index is a number however it is written, 00 or "0"."""

    def cell(entry: Any) -> Any:
        at = entry.get("train") if isinstance(entry, dict) else None
        return {**entry, "train": int(at)} if isinstance(at, str) and re.fullmatch("[0-9]+", at) else entry

    found = data["results"]
    return {**data, "results": [cell(entry) for entry in found] if isinstance(found, list) else found}


def as_columns(data: dict[str, Any]) -> dict[str, Any]:
    """A result as Parquet tells it: a level that is not named is the baseline, a formula of nothing is none."""
    levels, train = data.get("interventions"), data.get("train")
    if isinstance(levels, dict) and isinstance(train, list):
        first = {name: own[0] for name, own in levels.items() if isinstance(own, list) and own}
        data = {**data, "train": [{**first, **one} if isinstance(one, dict) else one for one in train]}

    def entry(one: Any) -> Any:
        partial = one.get("partial") if isinstance(one, dict) else None
        formulas = partial.get("conditionals") if isinstance(partial, dict) else None
        if not isinstance(formulas, dict) or all(formulas.values()):
            return one
        return {key: value for key, value in one.items() if key != "partial"}

    found = data["results"]
    return {**data, "results": [entry(one) for one in found] if isinstance(found, list) else found}


@harness
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
    if changed == data and not holds:
        raise AssertionError("a right answer was said not to hold")
    return "holds" if holds else "does not hold, though true" if right else "does not hold"


@functools.lru_cache(256)
def in_parts(number: int, kind: str) -> dict[str, bytes]:
    """The files of a result in parts of three."""
    with tempfile.TemporaryDirectory() as name:
        identify_in_parts(Asked(question(number).study), name, part_rows=3, output_format=kind)
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir())}


@harness
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


def as_json(data: Any) -> bytes:
    """The document as JSON."""
    return json.dumps(data).encode()


def _entries(row: Mapping[str, Any]) -> tuple[list[tuple[Any, Any]], list[tuple[Any, Any]]]:
    """Terms and kernel cells of a row, each with its variable."""
    given = {**row.get("conditionals", {}), **row.get("partial", {}).get("conditionals", {})}
    terms = [(None, term) for term in row.get("exponents", [])]
    terms += [(v, term) for v, formula in given.items() for term in formula]
    proof = row.get("certificate", {"kernel": []})
    return terms, [(proof.get("variable"), cell) for cell in proof["kernel"]]


def _assigned(data: Mapping[str, Any], levels: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={levels[name]}" for name in data["interventions"])


def _cell(data: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    scope = {f["name"]: f["sigma"] for f in data["factors"]}[cell["factor"]]
    if set(scope) != set(cell["levels"]):
        raise ValueError("a cell that the text would make whole")
    return ",".join(f"{name}={cell['levels'][name]}" for name in scope)


def as_parquet(data: Any) -> bytes:
    """The document as Parquet, written by nothing of the package."""
    found = []
    for row in data["results"]:
        terms, cells = _entries(row)
        found.append(
            {
                "regime": _assigned(data, row["regime"]),
                "status": row["status"],
                "criterion": row.get("criterion"),
                "train": row.get("train"),
                "terms": [{"variable": v, "train": t["train"], "exponent": t["exponent"]} for v, t in terms],
                "kernel": [
                    {"variable": v, "factor": c["factor"], "levels": _cell(data, c), "weight": str(c["weight"])}
                    for v, c in cells
                ],
                "missing": [_assigned(data, one) for one in row.get("missing", [])],
            }
        )
    text = pa.string()
    term = pa.struct([("variable", text), ("train", pa.int64()), ("exponent", text)])
    cell = pa.struct([("variable", text), ("factor", text), ("levels", text), ("weight", text)])
    columns = [("regime", text), ("status", text), ("criterion", text), ("train", pa.int64())]
    columns += [("terms", pa.list_(term)), ("kernel", pa.list_(cell))]
    if any(row["missing"] for row in found):
        columns.append(("missing", pa.list_(text)))
    table = pa.Table.from_pylist(found, pa.schema(columns))
    about = {key: value for key, value in data.items() if key != "results"}
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"study": json.dumps(about)}), stream)
    return stream.getvalue()


def as_csv(data: Any) -> bytes:
    """The document as CSV; ValueError where two results would read as one, or one as two."""
    missing = any(row.get("missing") for row in data["results"])
    stream = io.StringIO()
    write = csv.writer(stream, lineterminator="\n").writerow
    names = "regime,status,criterion,variable,kind,train,factor,levels,numerator,denominator"
    write([*names.split(","), *(["missing"] if missing else [])])
    last = None
    for row in data["results"]:
        terms, cells = _entries(row)
        head = [_assigned(data, row["regime"]), row["status"], row.get("criterion")]
        distinct = {str((v, e.get("train"), e.get("factor"), e.get("levels"))) for v, e in terms + cells}
        if head == last or len(distinct) < len(terms) + len(cells):
            raise ValueError("ambiguous")
        last, tail = head, [""] if missing else []
        for v, term in terms:
            upper, _, lower = term["exponent"].partition("/")
            write([*head, v, "exponent", term["train"], "", "", upper, lower or "1", *tail])
        for v, cell in cells:
            write([*head, v, "kernel", "", cell["factor"], _cell(data, cell), cell["weight"], "1", *tail])
        if not terms and not cells:
            left = [json.dumps([_assigned(data, one) for one in row.get("missing", [])])] if missing else []
            write([*head, "", "none", row.get("train"), "", "", "", "", *left])
    return stream.getvalue().encode()


FORMS: dict[str, Callable[[Any], bytes]] = {"json": as_json, "csv": as_csv, "parquet": as_parquet}


@functools.cache
def fitted() -> bytes:
    """A fitted model, as the file that `save` writes."""
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x", "y"],
            "factors": [{"x": ["x"], "sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01"],
        }
    )
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 40)
    samples = Samples(study.design, regime, rng.normal(size=(120, 2)) + regime[:, None])
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        density = fit_density(samples, energy="quadratic", ridge=Ridge(0.1, 0.1), starts=1, bins=4)
        FittedModel(density, 0, 0.2, "0" * 64, ()).save(Path(folder) / "m.npz")
        return (Path(folder) / "m.npz").read_bytes()


@harness
def models(choices: Choices, folder: Path) -> str:
    """A saved model: bytes, its header, or the numbers of its arrays; a model that is read gives probabilities."""
    data, path = fitted(), folder / "m.npz"
    kind = choices.below(4)
    if kind == 0:
        data = mutated(data, choices)
    else:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != "rows.json"}
        if kind == 1:
            arrays["header"] = np.array(json.dumps(altered(json.loads(str(arrays["header"])), choices)))
        else:
            name = choices.pick(sorted(arrays))
            arrays[name] = _spoilt(arrays[name], choices)
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **arrays)
        data = stream.getvalue()
    path.write_bytes(data)
    model = DensityModel.load(path)
    for marginal in model.marginals(model.design.train):
        if not (np.isfinite(marginal).all() and (marginal >= 0).all() and np.allclose(marginal.sum(axis=-1), 1)):
            raise AssertionError("a model that was read gives no probabilities")
    return "read"


def _spoilt(array: Any, choices: Choices) -> Any:
    kind = choices.below(7)
    if kind == 0:
        return array[..., None]
    if kind == 1:
        return array[:-1] if array.ndim else array[None]
    if kind == 2 or not array.size or array.dtype.kind not in "fiu":
        return np.array(choices.pick(("", "x", "{}")))
    if kind == 3:
        with np.errstate(invalid="ignore", over="ignore"):
            return array.astype(choices.pick(("int8", "float16", "complex128", "str", "float32", "bool")))
    flat = array.astype(float).ravel().copy()
    flat[choices.below(len(flat))] = choices.pick(
        (-1.0, 0.0, 7.5, 200.0, *([np.nan, np.inf, -np.inf, 1e308, 1e-308] * (kind < 6)))
    )
    return (flat if kind == 4 else flat.reshape(array.shape)).astype(array.dtype if kind == 6 else float)


@harness
def estimates(choices: Choices, folder: Path) -> str:
    """A result of `ifm estimate` or `ifm falsify`, as the page of a report reads it."""
    study = Study.from_dict({"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"]})
    path, which = folder / "e.json", choices.below(2)
    row = {"regime": {"A": 1}, "status": "observed", "mean": 0.4, "se": 0.1, "confidence": [0, 1], "flags": []}
    row |= {
        "prediction": [None, 1.5],
        "ess": 3.5,
        "guarantee": "exact-ratio",
        "support": 0.5,
        "note": "n",
        "of": "x",
    }
    claim = {
        "kind": "equality",
        "terms": [{"train": 0, "exponent": "1"}],
        "p": 0.2,
        "rejected": False,
        "ess": [3, 4],
    }
    data = (
        {"schema": "ifm-estimate/1", "method": "ifm1", "alpha": "0.1", "outcome": "x", "results": [row]},
        {"schema": "ifm-falsify/1", "alpha": "0.05", "results": [claim], "untested": [{"regime": {"A": 1}}]},
    )[which]
    text = json.dumps(altered(data, choices)).encode()
    path.write_bytes(mutated(text, choices) if choices.below(2) else text)
    found = load_result(path)
    part = (estimates_part, findings_part)[which](study, found, str(path))
    str(part)
    return "read"


@harness
def commands(choices: Choices, folder: Path) -> str:
    """The command line, with arguments of every kind."""
    for name in ("poster.yaml", "conditional.yaml", "three-cycle.yaml"):
        (folder / name).write_bytes(EXAMPLES[name])
    (folder / "t.csv").write_bytes(TABLES[choices.below(len(TABLES))])
    name = choices.pick(("identify", "explain", "implications", "plan"))
    command = group.get_command(click.Context(group), name)
    assert command is not None
    line = [name, str(folder / choices.pick(("poster.yaml", "conditional.yaml", "three-cycle.yaml", "no.yaml")))]
    if name == "plan":
        line += ["--time-limit", "1"]
    options = [
        one for one in command.params if isinstance(one, click.Option) and one.name not in ("output", "time_limit")
    ]
    for option in choices.some(options, 0, 3):
        line.append(option.opts[0])
        if not option.is_flag:
            legal = option.type.choices if isinstance(option.type, click.Choice) else ()
            words = (
                "2",
                "all",
                "order:2",
                f"file:{folder}/t.csv",
                "111",
                "sigma1+sigma2",
                "rows=3",
                "x1,x2",
                "1e400",
            )
            word = choices.pick((*legal, *legal, *words, *map(str, ODD[7:30])))
            line.append(mutated(word.encode("utf-8", "surrogatepass"), choices).decode("utf-8", "replace"))
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            group.main(line, standalone_mode=False)
    except (click.ClickException, IfmError):
        return "refused"
    except (click.exceptions.Exit, SystemExit):
        return "ended"
    return "answered"


def random_bytes(rng: random.Random) -> bytes:
    """The bytes of an input, of any length up to 120."""
    return rng.randbytes(rng.randint(0, 120))
