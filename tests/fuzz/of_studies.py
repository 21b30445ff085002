"""Harnesses of what reads studies, tables and regimes: see `harnesses.py`."""

from __future__ import annotations

import functools
import io
import json
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa

import ifm_ident
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regime_text import RegimeReader
from ifm_ident.limits import limits_of
from ifm_ident.study import open_table
from ifm_ident.study.cost_tables import read_prices
from ifm_ident.study.rewriting import listed_factors, written_with_factors
from ifm_ident.study.study import Study, load
from ifm_learn.data.reading import read_samples
from ifm_learn.factors.candidates import given_candidates
from tests.fuzz.choices import ODD, Choices, altered, mutated
from tests.fuzz.hdf5 import h5ad, remade
from tests.fuzz.seeds import EXAMPLES, TABLES, WHOLE, answered


def study_text(choices: Choices, folder: Path) -> str:
    """A study file, YAML or JSON, with tables beside it."""
    seeds = [*(data for name, data in EXAMPLES.items() if name.endswith(".yaml")), json.dumps(WHOLE).encode()]
    path = folder / choices.pick(("s.yaml", "s.json"))
    path.write_bytes(mutated(choices.pick(seeds), choices))
    (folder / "t.csv").write_bytes(TABLES[0])
    return answered(load(path))


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


def candidates(choices: Choices, folder: Path) -> str:
    """A list of candidates for the factors of a study."""
    seed = b"candidates:\n  - {sigma: [A, B], x: [x]}\n  - sigma: [dose]\n    x: [x, y]\n"
    path = folder / "c.yaml"
    path.write_bytes(mutated(seed, choices))
    model = Study.from_dict({k: v for k, v in WHOLE.items() if k not in ("data", "samples")}).model
    return "asked" if given_candidates(model, listed_factors(path)).searched else "nothing"


def study_map(choices: Choices, folder: Path) -> str:
    """A study as maps and lists."""
    (folder / "t.csv").write_bytes(TABLES[0])
    return answered(Study.from_dict(altered(WHOLE, choices), folder))


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
