"""Plans in notebooks, at a prompt and as an Arrow table."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes
from ifm_ident.planning.planner import Plan
from ifm_ident.results.documents import number
from ifm_ident.show._notebook import code, html_table, shortened, text_table
from ifm_ident.show.planning_write import cost_text
from ifm_ident.show.words import counted


def plan_table(plan: Plan) -> pa.Table:
    """One row a regime to add, then one a booked regime; costs as nearest floats, samples null if no budget."""
    regimes = Regimes.concatenate([plan.add, plan.booked])
    runs = len(regimes)
    return pa.table(
        {
            "regime": format_regimes(plan.design.model, regimes, plan.notation).cast(pa.large_string()),
            "booked": pa.array([i >= len(plan.add) for i in range(runs)], pa.bool_()),
            "cost": pa.array([*map(float, map(number, plan.costs)), *[0.0] * len(plan.booked)], pa.float64()),
            "samples": pa.array(plan.samples or [None] * runs, pa.int64()),
        }
    )


def _heading(plan: Plan) -> str:
    added = f"{counted(len(plan.add), 'regime')} to add at cost {cost_text(plan.cost)}" if len(plan.add) else ""
    reached = f"{plan.identified_after:,} of {counted(plan.targets, 'target')} identified"
    before = f" ({plan.identified_before:,} before)" if len(plan.add) else ""
    proof = "" if not len(plan.add) else "; proven best" if not plan.gap else f"; gap {float(plan.gap):.2%}"
    return f"{added or 'nothing to add'}: {reached}{before}{proof}"


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    for row in plan_table(plan).slice(0, 50).to_pylist():
        cost = "booked" if row["booked"] else f"{row['cost']:g}"
        cells = (row["regime"], cost)
        yield cells if plan.samples is None else (*cells, f"{row['samples']:,}")


def _columns(plan: Plan) -> tuple[str, ...]:
    return ("regime", "cost") if plan.samples is None else ("regime", "cost", "samples")


def plan_text(plan: Plan) -> str:
    """What to run, as an aligned table."""
    total = len(plan.add) + len(plan.booked)
    notes = "".join(f"\nnote: {note}" for note in plan.notes)
    if not total:
        return _heading(plan) + notes
    rows = ((shortened(name), *rest) for name, *rest in _rows(plan))
    return f"{_heading(plan)}\n{text_table(_columns(plan), rows, total)}{notes}"


def plan_html(plan: Plan) -> str:
    """What to run, as an HTML table."""
    rows = ((code(name), *rest) for name, *rest in _rows(plan))
    heading = "; ".join([_heading(plan), *(f"note: {note}" for note in plan.notes)])
    return html_table(heading, _columns(plan), rows, len(plan.add) + len(plan.booked))
