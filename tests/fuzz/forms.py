"""A result as JSON, CSV and Parquet, written by nothing of the package, and what each of them can tell."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def as_cells(data: dict[str, Any]) -> dict[str, Any]:
    """A result as cells of text tell it: a number however it is written, "0"; what has no formula is not there."""
    levels = data.get("interventions")
    known = {
        name: {str(level): level for level in own}
        for name, own in (levels.items() if isinstance(levels, dict) else ())
        if isinstance(own, list)
    }

    def cell(entry: Any) -> Any:
        if not isinstance(entry, dict):
            return entry
        entry = _with_formulas(entry)
        at, regime = entry.get("train"), entry.get("regime")
        if isinstance(at, str) and re.fullmatch("[0-9]+", at):
            entry = {**entry, "train": int(at)}
        if isinstance(regime, dict):
            entry = {**entry, "regime": {k: known.get(k, {}).get(str(v), v) for k, v in regime.items()}}
        return entry

    found = data["results"]
    return {**data, "results": [cell(entry) for entry in found] if isinstance(found, list) else found}


def as_columns(data: dict[str, Any]) -> dict[str, Any]:
    """A result as Parquet tells it: a level that is not named is the baseline, a formula of nothing is none."""
    levels, train = data.get("interventions"), data.get("train")
    if isinstance(levels, dict) and isinstance(train, list):
        first = {name: own[0] for name, own in levels.items() if isinstance(own, list) and own}
        data = {**data, "train": [{**first, **one} if isinstance(one, dict) else one for one in train]}

    found = data["results"]
    return {**data, "results": [_with_formulas(one) for one in found] if isinstance(found, list) else found}


def _with_formulas(one: Any) -> Any:
    """An entry without a `partial` that names no formula, or one of nothing."""
    partial = one.get("partial") if isinstance(one, dict) else None
    formulas = partial.get("conditionals", {"": None}) if isinstance(partial, dict) else None
    if not isinstance(formulas, dict) or all(formulas.values()):
        return one
    return {key: value for key, value in one.items() if key != "partial"}


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
