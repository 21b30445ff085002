"""Results on disk: every estimate as Parquet, scores and settings as JSON, the table, the figure, the page."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ifm_ident import MissingExtraError
from ifm_ident.files import open_output
from ifm_learn.experiments._report import page
from ifm_learn.experiments.figures import panels
from ifm_learn.experiments.results import REFERENCE, Results
from ifm_learn.experiments.table import TITLES, markdown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METADATA_KEY = b"settings"
"""The Parquet files' metadata hold the settings of every experiment in them under this key, as JSON."""


def write_all(results: Mapping[str, Results], data: str, folder: Path, command: str) -> list[Path]:
    """results.parquet, scores.parquet, results.json, table.md, figure.png and .svg, report.html; old are replaced.

    results: by truth; command: as it can be typed again. The files, in that order; no figures without matplotlib,
    no page without Jinja. Same results, same bytes.
    """
    settings = {truth: dict(found.settings) for truth, found in results.items()}
    written = [
        _parquet(folder / "results.parquet", estimates_table(results), settings),
        _parquet(folder / "scores.parquet", scores_table(results), settings),
    ]
    written += [
        _text(folder / "results.json", json.dumps(record(results, data), indent=1) + "\n"),
        _text(folder / "table.md", tables(results, data)),
        *write_figure({f"{TITLES[data]}, {TITLES[t]}": r for t, r in results.items()}, folder),
    ]
    with contextlib.suppress(MissingExtraError):
        written.append(_text(folder / "report.html", page(results, data, command)))
    return written


def write_figure(results: Mapping[str, Results], folder: Path) -> list[Path]:
    """figure.png and figure.svg, one panel an experiment; same results, same bytes. None without matplotlib."""
    if find_spec("matplotlib") is None:
        return []
    found = []
    for kind, options in (("png", {"dpi": 160}), ("svg", {"metadata": {"Date": None}})):
        with open_output(folder / f"figure.{kind}", force=True) as out:
            out.write(drawn_bytes(panels(results), kind, options))
        found.append(folder / f"figure.{kind}")
    return found


def drawn_bytes(figure: Figure, kind: str, options: Mapping[str, Any]) -> bytes:
    """A figure as the bytes of a file, the same for the same figure."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "ifm-ident", "svg.fonttype": "none"}):
        figure.savefig(stream, format=kind, **options)
    return stream.getvalue()


def tables(results: Mapping[str, Results], data: str) -> str:
    """The Markdown tables of every truth, with what the fits had to say."""
    parts = []
    for truth, found in results.items():
        parts.append(f"{TITLES[data]}, {TITLES[truth]}: {found.settings['problems']} problems\n\n")
        parts.append(markdown(found, data, truth) + "\n")
        parts += [f"- {note}\n" for note in found.notes] + (["\n"] if found.notes else [])
    return "".join(parts).rstrip("\n") + "\n"


def estimates_table(results: Mapping[str, Results]) -> pa.Table:
    """One row for each truth, problem, regime and method."""
    parts = []
    for truth, found in results.items():
        problems, r = found.truth.shape
        for method in found.methods:
            parts.append(
                pa.table(
                    {
                        "truth": pa.array([truth] * (problems * r)),
                        "problem": np.repeat(np.arange(problems), r),
                        "regime": pa.array(list(found.regimes) * problems),
                        "method": pa.array([method] * (problems * r)),
                        "mean": found.truth.ravel(),
                        "variance": found.variance.ravel(),
                        "estimate": pa.array(found.estimates[method].ravel(), from_pandas=True),
                    }
                )
            )
    return pa.concat_tables(parts)


def scores_table(results: Mapping[str, Results]) -> pa.Table:
    """One row for each truth, problem and method."""
    parts = []
    for truth, found in results.items():
        n = len(found.truth)
        for method in found.methods:
            parts.append(
                pa.table(
                    {
                        "truth": pa.array([truth] * n),
                        "problem": np.arange(n),
                        "method": pa.array([method] * n),
                        "prmse": pa.array(found.prmse(method), from_pandas=True),
                        "rank_correlation": pa.array(found.rank_correlation(method), from_pandas=True),
                    }
                )
            )
    return pa.concat_tables(parts)


def record(results: Mapping[str, Results], data: str) -> dict[str, object]:
    """Settings and scores, for JSON."""
    return {
        "schema": "ifm-reproduction/1",
        "data": data,
        "results": [
            {
                "truth": truth,
                "settings": dict(found.settings),
                "notes": list(found.notes),
                "methods": [_scores(found, method) for method in found.methods],
            }
            for truth, found in results.items()
        ],
    }


def _scores(results: Results, method: str) -> dict[str, object]:
    error, rank = results.prmse(method), results.rank_correlation(method)
    found: dict[str, object] = {
        "method": method,
        "prmse": {"mean": _number(error.mean()), "median": _number(np.median(error))},
        "rank_correlation": {"mean": _number(rank.mean()), "median": _number(np.median(rank))},
    }
    if method != REFERENCE and REFERENCE in results.methods:
        by_error, by_rank = results.wins(method)
        found["wins"] = {
            name: {"won": one.won, "lost": one.lost, "p_value": one.p_value}
            for name, one in (("prmse", by_error), ("rank_correlation", by_rank))
        }
    return found


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _text(path: Path, content: str) -> Path:
    with open_output(path, force=True) as stream:
        stream.write(content.encode())
    return path


def _parquet(path: Path, table: pa.Table, settings: Mapping[str, object]) -> Path:
    described = table.replace_schema_metadata({METADATA_KEY: json.dumps(settings).encode()})
    with open_output(path, force=True) as stream:
        pq.write_table(described, stream, compression="zstd")
    return path
