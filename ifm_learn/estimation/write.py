"""Estimates as JSON (`ifm-estimate/1`), CSV, Parquet and Arrow (docs/reference/results.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ifm_ident.design import regime_map
from ifm_ident.results import Listing, csv_line, document, quoted
from ifm_learn.estimation.result import Estimates

SCHEMA = "ifm-estimate/1"
COLUMNS = (
    "regime", "outcome", "status", "mean", "se", "confidence_low", "confidence_high", "prediction_low",
    "prediction_high", "ess", "guarantee", "additive", "note", "prediction_ess", "unit", "flags", "support",
    "models",
)  # fmt: skip


def mapping(found: Estimates) -> dict[str, Any]:
    """The whole result as plain values."""
    units = {outcome: found.unit(k) for k, outcome in enumerate(found.outcomes) if found.unit(k)}
    return {
        "schema": SCHEMA,
        "study": found.name,
        "method": found.method,
        "seed": found.seed,
        "alpha": found.alpha,
        "rows": found.rows,
        "calibration": found.calibration,
        "ignored": found.ignored,
        **({"units": units} if units else {}),
        **({"energy": dict(found.energy)} if found.energy else {}),
        **({"covariates": dict(found.covariates)} if found.covariates else {}),
        **({"reference": found.reference} if found.effects else {}),
        **({} if found.shrunk is None else {"shrunk": found.shrunk.mapping()}),
        **({"half_levels": [dict(one) for one in found.half_levels]} if found.half_levels else {}),
        "results": list(_entries(found)),
        "warnings": list(found.warnings),
    }


def json_lines(found: Estimates) -> Iterator[str]:
    """The result as JSON, one regime and target a line."""
    head = mapping(found)
    results, warnings = Listing(head.pop("results"), "\n ]"), head.pop("warnings")
    return document(head, {"results": results, "warnings": warnings})


def _entries(found: Estimates) -> Iterator[dict[str, Any]]:
    moved = {(one.row, one.column): one for one in found.sensitivity}
    for row in range(len(found)):
        head: dict[str, Any] = {"regime": regime_map(found.design.model, found.regimes[row])}
        if found.groups:
            head["group"] = {str(found.covariates["by"]): found.groups[row]}
        for k, outcome in enumerate(found.outcomes):
            entry = head | ({"outcome": outcome} if found.named else {}) | {"status": found.words_of(row)}
            if not np.isnan(found.mean[row, k]):
                entry |= _numbers(found, row, k) | _trust(found, row, k)
            if (row, k) in moved:
                entry["sensitivity"] = moved[row, k].mapping()
            if found.note[row]:
                entry["note"] = found.note[row]
            yield entry


def _numbers(found: Estimates, row: int, k: int) -> dict[str, Any]:
    return {
        "mean": float(found.mean[row, k]),
        "se": _finite(found.se[row, k]),
        "confidence": _pair(found.confidence_low[row, k], found.confidence_high[row, k]),
        "prediction": _pair(found.prediction_low[row, k], found.prediction_high[row, k]),
        "ess": _finite(found.ess[row]),
        "guarantee": str(found.guarantee[row, k]) or None,
        "prediction_ess": _finite(found.prediction_ess[row, k]),
        "additive": _finite(found.additive[row, k]),
    }


def _trust(found: Estimates, row: int, k: int) -> dict[str, Any]:
    """What answered, and what weakens it."""
    entry: dict[str, Any] = {}
    if found.models and found.models[row][k]:
        entry["models"] = dict(found.models[row][k])
    if found.flags:
        entry["flags"] = list(found.flags[row][k])
    if found.support is not None and math.isfinite(found.support[row]):
        entry["support"] = round(float(found.support[row]), 6)
    if found.tested:
        entry["tested"] = found.tested[row]
    if found.effects and found.effects[row][k]:
        entry["effect"] = dict(found.effects[row][k])
    return entry


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(low: float, high: float) -> list[float | None] | None:
    return None if math.isnan(low) else [_finite(low), _finite(high)]


def csv_lines(found: Estimates) -> Iterator[str]:
    """One line a regime and target; infinite ends are inf, missing numbers empty."""
    yield csv_line((*COLUMNS, *_group_columns(found)))
    for entry in arrow_table(found).to_pylist():
        yield csv_line(entry.values())


def arrow_table(found: Estimates) -> pa.Table:
    """One row a regime and target, under `COLUMNS`, and `group` where there are groups."""
    k = len(found.outcomes)
    status = [found.words_of(row) for row in range(len(found))]
    columns: list[Any] = [
        pa.array(np.repeat(np.array(found.names(), dtype=object), k).tolist(), pa.large_string()),
        pa.array(list(found.outcomes) * len(found), pa.large_string()),
        pa.array([word for word in status for _ in range(k)], pa.large_string()),
        *(
            _floats(values)
            for values in (
                found.mean,
                found.se,
                found.confidence_low,
                found.confidence_high,
                found.prediction_low,
                found.prediction_high,
            )
        ),
        _floats(np.repeat(found.ess[:, None], k, axis=1)),
        pa.array([word or None for word in found.guarantee.ravel().tolist()], pa.large_string()),
        _floats(found.additive),
        pa.array([reason or None for reason in found.note for _ in range(k)], pa.large_string()),
        _floats(found.prediction_ess),
        pa.array([found.unit(i) for i in range(k)] * len(found), pa.large_string()),
        pa.array([" ".join(words) for words in _each(found.flags, found, ())], pa.large_string()),
        _floats(
            np.repeat(
                (np.full(len(found), np.nan) if found.support is None else found.support)[:, None], k, axis=1
            )
        ),
        pa.array(
            [
                " ".join(f"{name}={share:g}" for name, share in dict(one).items())
                for one in _each(found.models, found, {})
            ],
            pa.large_string(),
        ),
    ]
    if found.groups:
        columns.append(pa.array([text for text in found.groups for _ in range(k)], pa.large_string()))
    return pa.table(columns, names=[*COLUMNS, *_group_columns(found)])


def _group_columns(found: Estimates) -> tuple[str, ...]:
    return ("group",) if found.groups else ()


def _each(columns: Sequence[Sequence[Any]], found: Estimates, missing: object) -> list[Any]:
    """One value a regime and target, row-major."""
    return [value for row in columns for value in row] or [missing] * (len(found) * len(found.outcomes))


def _floats(values: Any) -> pa.Array:
    flat = np.asarray(values, dtype=np.float64).ravel()
    return pa.array(flat, pa.float64(), mask=np.isnan(flat))


def write_parquet(stream: BinaryIO, found: Estimates) -> None:
    """The table of `arrow_table`; study, method, seed, alpha and warnings as JSON in the file's metadata."""
    about = {key: value for key, value in mapping(found).items() if key != "results"}
    table = arrow_table(found)
    table = table.replace_schema_metadata({"ifm": quoted(about)})
    pq.write_table(table, stream, compression="zstd", store_schema=False)
