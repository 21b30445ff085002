"""Comparisons of methods as a table for people, as JSON (`ifm-comparison/1`) and as CSV."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ifm_ident.results import Listing, csv_line, document
from ifm_ident.show import aligned, counted, html_table, listed, wrapped
from ifm_learn.estimation.comparison import FEWEST, Comparison
from ifm_learn.ladder.rungs import AUTO, GRID, NETWORKS

SCHEMA = "ifm-comparison/1"
COLUMNS = ("method", "regime", "error", "predicted", "observed", "noise")
_WORDS = {
    AUTO: "an average over models from simple to rich",
    GRID: "tied splines on a grid",
    NETWORKS: "networks on a grid",
}
_HEADS = ("method", "error", "rank", "worst")


def comparison_lines(name: str, found: Comparison) -> Iterator[str]:
    """One line a method, best first, and how far such few regimes can be trusted."""
    k = len(found.regimes)
    yield from wrapped(
        f"{' '.join(name.split())}: methods on {counted(k, 'training regime')} left out, of those that the others "
        f"identify; densities by {_WORDS.get(found.energy, found.energy)}",
        "  ",
    )
    if not k:
        yield from wrapped(
            "Too few: no training regime stays identified without its own rows, so nothing can be held out. "
            "`ifm plan` finds regimes to add."
        )
        return
    yield ""
    ranked = not np.isnan(found.rank_correlation).all()
    rows = [_HEADS, *_rows(found)]
    yield from aligned(rows if ranked else [(method, error, worst) for method, error, _, worst in rows], "  ")
    yield ""
    unit = "a variable's" if found.without_outcome else "the outcome's"
    noise = float(np.sqrt((found.noise**2).mean()))
    yield from wrapped(f"Left out, one at a time: {listed(found.regimes, 8)}.", "  ")
    if found.dependent:
        yield from wrapped(f"Needed by the others, so never left out: {listed(found.dependent, 8)}.", "  ")
    yield from wrapped(
        f"error: root mean squared error of the predicted means of regimes left out, in {unit} standard deviations"
        f"{', by which the methods are ranked, the least first' if k > 1 else ''}; the observed means have "
        f"an error of {noise:.3f} themselves."
        + (" rank: Spearman's correlation over the regimes." if ranked else "")
        + (" Other regimes, and differences within the observed means' error, are not ranked." if k > 1 else ""),
        "  ",
    )
    for method, reason in found.reasons.items():
        yield from wrapped(f"{method}: {reason}.", "  ")
    if k == 1:
        yield from wrapped(
            "One regime left out ranks nothing: its errors are one draw; methods are in their usual order."
        )
    elif k < FEWEST:
        yield from wrapped(f"Too few regimes ({k}) to rank methods by.")


def _rows(found: Comparison) -> Iterator[tuple[str, str, str, str]]:
    squared, ranks = found.squared, found.rank_correlation
    order = np.argsort(np.where(np.isnan(squared), np.inf, squared), kind="stable")
    for i in (order if len(found.regimes) > 1 else np.arange(len(order))).tolist():
        if math.isnan(squared[i]):
            yield found.methods[i], "none", "", ""
            continue
        worst = int(np.argmax(np.abs(found.errors[i])))
        rank = "" if math.isnan(ranks[i]) else f"{ranks[i]:.2f}"
        yield (
            found.methods[i],
            f"{math.sqrt(squared[i]):.3f}",
            rank,
            f"{found.errors[i, worst]:+.3f} {found.regimes[worst]}",
        )


def comparison_json(name: str, found: Comparison) -> Iterator[str]:
    """The comparison as JSON, one method a line."""
    head = {
        "schema": SCHEMA,
        "study": name,
        "seed": found.seed,
        "energy": found.energy,
        "left_out": found.regimes,
        "needed": found.dependent,
        "ranked_by": "squared_error" if len(found.regimes) > 1 else None,
    }
    ranks, squared = found.rank_correlation, found.squared
    entries = (
        {
            "method": method,
            "squared_error": _plain(squared[i]),
            "rank_correlation": _plain(ranks[i]),
            "errors": [_plain(value) for value in found.errors[i]],
            "reason": found.reasons.get(method),
        }
        for i, method in enumerate(found.methods)
    )
    return document(head, {"results": Listing(entries, "\n ]")})


def comparison_csv(name: str, found: Comparison) -> Iterator[str]:
    """One line a method and regime left out."""
    yield csv_line(COLUMNS)
    for entry in comparison_table(found).to_pylist():
        yield csv_line(entry.values())


def comparison_table(found: Comparison) -> pa.Table:
    """One row a method and regime left out, under `COLUMNS`; null where there is no number."""
    m, k = len(found.methods), len(found.regimes)
    numbers = (found.errors, found.predicted, np.tile(found.observed, (m, 1)), np.tile(found.noise, (m, 1)))
    columns: list[Any] = [
        pa.array([method for method in found.methods for _ in range(k)], pa.large_string()),
        pa.array(list(found.regimes) * m, pa.large_string()),
        *(pa.array(values.ravel(), pa.float64(), mask=np.isnan(values.ravel())) for values in numbers),
    ]
    return pa.table(columns, names=list(COLUMNS))


def comparison_text(found: Comparison) -> str:
    """What a prompt shows."""
    return "\n".join(comparison_lines("comparison", found))


def comparison_html(found: Comparison) -> str:
    """The methods as an HTML table, best first."""
    heading = f"Methods on {counted(len(found.regimes), 'training regime')} left out"
    rows = (tuple(map(html.escape, row)) for row in _rows(found) if len(found.regimes))
    return html_table(heading, _HEADS, rows, len(found.methods) if len(found.regimes) else 0)


def _plain(value: Any) -> float | None:
    return None if math.isnan(value) else float(value)
