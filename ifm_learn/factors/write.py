"""Chosen factors as text, JSON (`ifm-factors/1`) and CSV."""

from __future__ import annotations

import html
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ifm_ident import Factor
from ifm_ident.results import Listing, csv_line, document
from ifm_ident.show import aligned, counted, html_table, listed, text_table, warning_lines, warnings_html, wrapped
from ifm_learn.factors.choosing import ChosenFactors, Finding

SCHEMA = "ifm-factors/1"
COLUMNS = (
    "sigma", "x", "present", "verdict", "chosen", "gain", "se", "p_value", "p_adjusted", "stability", "shift",
    "why",
    "mixed_with", "regimes", "least", "variable", "effect", "effect_se",
)  # fmt: skip

_HEAD = ("together", "on", "verdict", "gain", "se", "p", "adjusted", "stability")
_INDENT = "  "
_ROWS = 60
_WORDS = {
    "linear": "linear tilts",
    "quadratic": "quadratic tilts",
    "splines": "spline tilts",
}
"""How logits depend on x."""


def json_lines(found: ChosenFactors) -> Iterator[str]:
    """The result as JSON, one candidate a line."""
    yield from document(
        {"schema": SCHEMA, "study": found.study.name, "level": str(float(found.level)), "seed": found.seed},
        {"rung": found.rung, "rows": found.rows, "units": found.units, "changed": found.changed},
        {"factors": [_factor(one) for one in found.factors]},
        {"results": Listing(map(_entry, found.findings), "\n ]")},
        {"searched": list(found.searched), "warnings": list(found.warnings)},
    )


def _factor(one: Factor) -> dict[str, object]:
    return {"name": one.name, "x": list(one.x), "sigma": list(one.sigma)}


def _entry(one: Finding) -> dict[str, object]:
    own = one.candidate
    return {
        "sigma": list(own.sigma), "x": list(own.x), "present": own.present, "verdict": one.verdict,
        "chosen": one.chosen, "gain": one.gain, "se": one.error, "p_value": one.p_value,
        "p_adjusted": one.p_adjusted, "stability": one.stability,
        "effect": {v: {"shift": one.effect[v], "se": one.effect_error[v]} for v in one.effect},
        "shift": one.shift, "why": one.why or None, "mixed_with": list(one.mixed), "regimes": list(one.regimes),
        "least": one.least if one.regimes else None,
    }  # fmt: skip


def csv_lines(found: ChosenFactors) -> Iterator[str]:
    """One line for each candidate and variable with an effect; one for a candidate without."""
    yield csv_line(COLUMNS)
    for one in found.findings:
        own = one.candidate
        common = (
            " ".join(own.sigma), " ".join(own.x), _flag(own.present), one.verdict, _flag(one.chosen), one.gain,
            one.error, one.p_value, one.p_adjusted, one.stability, one.shift, one.why, " ".join(one.mixed),
            " ".join(one.regimes), _flag(one.least if one.regimes else None),
        )  # fmt: skip
        for variable in one.effect or [""]:
            yield csv_line((*common, variable, one.effect.get(variable), one.effect_error.get(variable)))


def _flag(value: bool | None) -> str:
    return "" if value is None else str(value).lower()


def text_lines(found: ChosenFactors) -> Iterator[str]:
    """The findings for people: a table, what cannot be told and which regimes would tell, and the verdict."""
    units = f" of {counted(found.units, 'unit')}" if found.units is not None else ""
    yield from wrapped(
        f"{' '.join(found.study.name.split())}: {counted(len(found), 'candidate')} on {counted(found.rows, 'row')}"
        f"{units}, by {_WORDS[found.rung]}",
        _INDENT,
    )
    yield ""
    told = [one for one in found.findings if one.verdict != "not told"]
    shown = told[:_ROWS]
    if shown:
        yield from aligned([_HEAD, *map(_cells, shown)], _INDENT)
    if len(told) > len(shown):
        yield f"{_INDENT}... {len(told) - len(shown):,} more: --format csv has all of them"
    yield ""
    for one in found.findings:
        if one.verdict == "added":
            yield from wrapped(_effects(one), _INDENT)
    yield from _untold_lines(found)
    for one in found.findings:
        if one.why and not one.regimes and not one.why.startswith("not tested"):
            yield from wrapped(f"{one.candidate.words}: {one.verdict}, {one.why}", _INDENT)
    yield from wrapped("Looked for: " + "; ".join(found.searched) + ".", _INDENT)
    yield ""
    yield from wrapped(verdict(found))


def _cells(one: Finding) -> tuple[str, ...]:
    own = one.candidate
    return (
        " and ".join(own.sigma), ", ".join(own.x), one.verdict, _number(one.gain, "{:+.4f}"),
        _number(one.error, "{:.4f}"), _number(one.p_value, "{:.2g}"), _number(one.p_adjusted, "{:.2g}"),
        _number(one.stability, "{:.0%}"),
    )  # fmt: skip


def _number(value: float | None, pattern: str) -> str:
    return "" if value is None else pattern.format(value)


def _effects(one: Finding) -> str:
    shifts = (f"{one.effect[v]:+.2f} sd in {v} (se {one.effect_error[v]:.2f})" for v in one.effect)
    return f"{one.candidate.words}: {', '.join(shifts)} beside what the parts give, other variables held"


def _untold_lines(found: ChosenFactors) -> Iterator[str]:
    """What cannot be told, one paragraph for candidates of the same interventions, reason and regimes."""
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for one in found.findings:
        if one.regimes:
            groups.setdefault((one.candidate.sigma, one.why, one.regimes, one.least, one.p_value), []).append(one)
    for some in groups.values():
        one = some[0]
        fewest = "" if one.least else ", which is enough and may be more than needed"
        more = f" That none of these act: p {one.p_value:.2g}." if one.p_value is not None else ""
        where = "; ".join(", ".join(other.candidate.x) for other in some)
        yield from wrapped(
            f"{' and '.join(one.candidate.sigma)} on {where}: {one.why}.{more} Measure "
            f"{' and '.join(one.regimes)} to tell{fewest}",
            _INDENT,
        )
    few: dict[str, list[str]] = {}
    for one in found.findings:
        if one.why.startswith("not tested"):
            few.setdefault(one.why, []).append(one.candidate.words)
    for why, names in few.items():
        yield from wrapped(f"{listed(names, 6)}: {why}", _INDENT)


def verdict(found: ChosenFactors) -> str:
    """What was chosen, in one or two sentences."""
    by = {word: [f for f in found.findings if f.verdict == word] for word in ("added", "dropped", "not told")}
    kept = [one for one in found.findings if one.verdict == "kept"]
    asked = [one for one in found.findings if not one.candidate.present]
    if not any(one.p_value is not None for one in found.findings):
        return "Nothing was chosen: no candidate could be told from these rows. The factors are as they were."
    told = [one for one in asked if one.verdict != "not told"]
    rate = f"a false discovery rate of {float(found.level):g}"
    said = f"{len(by['added']):,} of {counted(len(told), 'candidate')} that could be told found, at {rate}."
    if by["dropped"]:
        said += f" {counted(len(by['dropped']), 'term')} of the study dropped, {len(kept):,} kept."
    if by["not told"]:
        said += f" {counted(len(by['not told']), 'candidate')} cannot be told, which is no evidence against them."
    said += " That nothing was found does not prove that there is nothing." if not by["added"] else ""
    if found.changed:
        said += (
            " Estimates with these factors from the same rows are optimistic: hold units out for them "
            "(docs/how-to/factors.md)."
        )
    return said


def table(found: ChosenFactors) -> pa.Table:
    """One row a candidate."""
    rows: list[dict[str, Any]] = [
        _entry(one)
        | {"effect": [{"variable": v, "shift": one.effect[v], "se": one.effect_error[v]} for v in one.effect]}
        for one in found.findings
    ]
    effect = pa.list_(pa.struct([("variable", pa.string()), ("shift", pa.float64()), ("se", pa.float64())]))
    texts, number = pa.list_(pa.string()), pa.float64()
    schema = pa.schema(
        [
            ("sigma", texts), ("x", texts), ("present", pa.bool_()), ("verdict", pa.string()),
            ("chosen", pa.bool_()),
            ("gain", number), ("se", number), ("p_value", number), ("p_adjusted", number), ("stability", number),
            ("effect", effect), ("shift", number), ("why", pa.string()), ("mixed_with", texts), ("regimes", texts),
            ("least", pa.bool_()),
        ]
    )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema)


def short_text(found: ChosenFactors) -> str:
    """The verdict and the first candidates as an aligned table."""
    body = text_table(_HEAD, map(_cells, found.findings), len(found))
    return "\n".join([verdict(found), body, *warning_lines(found.warnings)])


def short_html(found: ChosenFactors) -> str:
    """The verdict and the first candidates as an HTML table."""
    rows = (tuple(map(html.escape, _cells(one))) for one in found.findings)
    return html_table(verdict(found), _HEAD, rows, len(found)) + warnings_html(found.warnings)
