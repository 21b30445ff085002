"""Suggestions as a table for people, JSON (`ifm-suggestion/1`), CSV and Arrow (docs/reference/results.md)."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from ifm_ident.design import format_regimes, regime_map
from ifm_ident.results import Listing, csv_line, document
from ifm_ident.show import (
    aligned,
    code,
    counted,
    html_table,
    shortened,
    text_table,
    warning_lines,
    warnings_html,
    wrapped,
)
from ifm_learn.estimation.flags import FLAGS
from ifm_learn.estimation.text import number
from ifm_learn.suggestion.suggestions import Suggestions

SCHEMA = "ifm-suggestion/1"
COLUMNS = ("regime", "score", "mean", "low", "high", "cost", "identified", "unlocks", "flags")

_SCORES = {
    "ei": "expected improvement",
    "thompson": "P(best)",
    "quantile": "0.9 quantile",
    "mean": "mean",
    "hit": "P(hit)",
    "learn": "variance drop",
    "refute": "power",
}
_MEANING = {
    "ei": "score: how much this run is expected to improve on the best mean so far, after the runs above it",
    "thompson": "score: the probability of being best among the candidates; each is the best of a draw",
    "quantile": "score: the mean that is exceeded with probability 0.1, the other way for min",
    "mean": "score: the mean itself, however uncertain it is",
    "hit": "score: the probability that the mean reaches the threshold",
    "learn": "score: by how much this run, after those above it, lowers the mean variance over targets",
    "refute": "score: the chance that this run, after those above it, shows the factors to be wrong (test at 5%)",
}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _entries(found: Suggestions) -> Iterator[dict[str, Any]]:
    for row, regime in enumerate(found.regimes):
        low, high = _finite(found.low[row]), _finite(found.high[row])
        yield {
            "regime": regime_map(found.model, regime),
            "score": _finite(found.score[row]),
            "mean": _finite(found.mean[row]),
            "interval": None if low is None else [low, high],
            "cost": found.cost[row],
            "identified": bool(found.identified[row]),
            "unlocks": int(found.unlocks[row]),
            "flags": list(found.flags[row]),
        }


def mapping(found: Suggestions) -> dict[str, Any]:
    """The whole result as plain values."""
    return {
        "schema": SCHEMA,
        "study": found.name,
        "goal": found.goal,
        "rule": found.rule,
        "outcome": found.outcome,
        "seed": found.seed,
        "alpha": found.alpha,
        "draws": found.draws,
        "rows": found.rows,
        "ignored": found.ignored,
        "model": {
            "answers": found.answered[0],
            "why": found.answered[1],
            "parts": dict(found.models),
            "left_out": dict(found.left_out),
        },
        "candidates": dict(found.counted),
        "results": list(_entries(found)),
        "unlocking": [
            {"regime": regime_map(found.model, regime), "unlocks": count, "cost": cost}
            for regime, count, cost in zip(
                found.unlocking, found.unlocking_counts, found.unlocking_costs, strict=True
            )
        ],
        "warnings": list(found.warnings),
    }


def json_lines(found: Suggestions) -> Iterator[str]:
    """The result as JSON, one regime a line."""
    head = mapping(found)
    tail = {name: Listing(head.pop(name), "\n ]") for name in ("results", "unlocking")}
    warnings = head.pop("warnings")
    return document(head, tail | {"warnings": warnings})


def csv_lines(found: Suggestions) -> Iterator[str]:
    """One line a regime of the batch; missing numbers are empty."""
    yield csv_line(COLUMNS)
    for entry in arrow_table(found).to_pylist():
        yield csv_line(
            "true" if value is True else "false" if value is False else value for value in entry.values()
        )


def arrow_table(found: Suggestions) -> pa.Table:
    """One row a regime of the batch, under `COLUMNS`."""
    return pa.table(
        {
            "regime": pa.array(found.names(), pa.large_string()),
            **{
                name: pa.array([_finite(v) for v in getattr(found, name).tolist()], pa.float64())
                for name in ("score", "mean", "low", "high")
            },
            "cost": pa.array([float(c) for c in found.cost], pa.float64()),
            "identified": pa.array(found.identified.tolist(), pa.bool_()),
            "unlocks": pa.array(found.unlocks.tolist(), pa.int64()),
            "flags": pa.array([" ".join(words) for words in found.flags], pa.large_string()),
        }
    )


def text_lines(found: Suggestions) -> Iterator[str]:
    """The batch for people, what answered, and what other runs would identify."""
    yield from wrapped(_heading(found), "  ")
    yield ""
    rows = [_columns(found), *_rows(found)]
    yield from aligned(rows, "  ", right=range(1, len(rows[0]) - any(found.flags)))
    yield ""
    yield from wrapped(
        _MEANING[found.rule] + ("; ranked by score divided by cost." if _priced(found) else "."), ""
    )
    for word, meaning in FLAGS.items():
        if any(word in words for words in found.flags):
            yield from wrapped(f"{word}: {meaning}.", "  ")
    yield from wrapped(found.answered[1], "")
    yield from wrapped(_candidates(found), "")
    if len(found.unlocking):
        names = format_regimes(found.model, found.unlocking, found.notation).to_pylist()
        told = ", ".join(f"{name} ({n:,})" for name, n in zip(names, found.unlocking_counts, strict=True))
        yield from wrapped(f"Running one of these would identify more candidates: {told}.", "  ")
    for warning in found.warnings:
        yield from wrapped(f"warning: {warning}", "  ")


def short_text(found: Suggestions) -> str:
    """The heading, the batch and the warnings."""
    cells = ((shortened(name), *rest) for name, *rest in _rows(found))
    table = text_table(_columns(found), cells, len(found))
    return "\n".join([_heading(found), table, found.answered[1], *warning_lines(found.warnings)])


def short_html(found: Suggestions) -> str:
    """The same as an HTML table."""
    rows = ((code(name), *map(html.escape, rest)) for name, *rest in _rows(found))
    table = html_table(_heading(found), _columns(found), rows, len(found))
    return f"{table}<p>{html.escape(found.answered[1])}</p>{warnings_html(found.warnings)}"


def closing(found: Suggestions) -> str:
    """What a file holds."""
    return f"{counted(len(found), 'regime')} to run next"


def _heading(found: Suggestions) -> str:
    goal = {"max": "the largest mean", "min": "the smallest mean", "learn": "learning the targets' means"}
    goal["refute"] = "refuting the factors"
    aim = goal.get(found.goal, f"a mean of {found.goal.partition(':')[2]} or more")
    return (
        f"{' '.join(found.name.split())}: what to run next for {aim} of {found.outcome}, from "
        f"{counted(found.rows, 'row')}"
    )


def _columns(found: Suggestions) -> tuple[str, ...]:
    unlocks = ("unlocks",) if found.unlocks.any() else ()
    return (
        "regime",
        _SCORES[found.rule],
        "mean",
        "90% interval",
        *(("cost",) if _priced(found) else ()),
        *unlocks,
        *(("flags",) if any(found.flags) else ()),
    )


def _priced(found: Suggestions) -> bool:
    return any(cost != 1 for cost in found.cost)


def _rows(found: Suggestions) -> list[tuple[str, ...]]:
    rows = []
    for row, name in enumerate(found.names()):
        known = math.isfinite(found.mean[row])
        cells = (
            f"{found.score[row]:.3g}" if math.isfinite(found.score[row]) else "-",
            number(found.mean[row]) if known else "not identified",
            f"[{number(found.low[row])}, {number(found.high[row])}]" if known else "-",
            *((cost_text(found.cost[row]),) if _priced(found) else ()),
            *((f"{int(found.unlocks[row]):,}",) if found.unlocks.any() else ()),
            *((" ".join(found.flags[row]),) if any(found.flags) else ()),
        )
        rows.append((name, *cells))
    return rows


def cost_text(cost: Fraction) -> str:
    """A cost as a decimal.

    >>> cost_text(Fraction(5, 2)), cost_text(Fraction(4))
    ('2.5', '4')
    """
    return f"{Decimal(cost.numerator) / Decimal(cost.denominator):.10g}"


def _candidates(found: Suggestions) -> str:
    told = found.counted
    parts = {
        "run": "run already",
        "pending": "running",
        "not_allowed": "not allowed",
        "not_identified": "not identified",
        "screened_out": "ranked by a linear model alone",
    }
    words = ", ".join(f"{told[name]:,} {what}" for name, what in parts.items() if told[name])
    return counted(told["candidates"], "candidate") + (f": {words}." if words else ".")
