"""Cost tables: the price of every regime, or of every intervention (`ifm plan --cost`)."""

from __future__ import annotations

import dataclasses
import re
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from ifm_ident.design.model import Model
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.errors import InputError, nearest
from ifm_ident.planning.prices import AddedUp, Listed, Prices
from ifm_ident.study.reading._label_columns import blank_rows
from ifm_ident.study.reading._sources import open_table
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading._tables import label_column, regimes_in

COST_COLUMN = "cost"
INTERVENTION_COLUMN = "intervention"
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_LONGEST = 1000


def read_prices(model: Model, path: Path) -> Prices:
    """The prices of a table with a column `cost`, decimals read as text.

    With a column `intervention`: the price of each intervention off baseline, added up; one that is not listed
    stays at baseline. Otherwise: a regime a row, as in any table of regimes; one that is not listed is forbidden.

    Raises InputError that starts with `FILE: `, or RowError with `FILE, row N: `.

    >>> import tempfile
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "cost.csv"
    ...     _ = path.write_text("A,B,cost\\n1,0,2.5\\n1,1,4\\n")
    ...     prices = read_prices(model, path)
    >>> list(prices.listed), prices.of(prices.listed).tolist(), prices.unit
    ([((0, 1),), ((0, 1), (1, 1))], [5, 8], Fraction(1, 2))
    """
    table = open_table(path)
    last = int(np.max(np.flatnonzero(~blank_rows(table)), initial=-1))
    table = dataclasses.replace(table, data=table.data.slice(0, last + 1))  # spreadsheets leave blank rows there
    if COST_COLUMN not in table.names:
        raise InputError(
            f"{path}: there is no column {COST_COLUMN!r}; {nearest(COST_COLUMN, table.names)} (the table has a "
            "regime's columns or label, or `intervention`, and `cost`)"
        )
    for name in (COST_COLUMN, INTERVENTION_COLUMN):
        if name in model.position and name in table.names:
            raise InputError(f"{path}: the column {name!r} is an intervention too; rename the intervention")
    if table.row_count == 0:
        raise InputError(f"{path}: the table has no rows; list at least one cost")
    costs = _costs(table)
    try:
        if INTERVENTION_COLUMN in table.names:
            return AddedUp.of_prices(_by_intervention(model, table, costs))
        return _by_regime(model, table, costs)
    except RowError:
        raise
    except InputError as error:
        text = str(error)
        raise InputError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _costs(table: Table) -> list[Fraction]:
    costs = []
    for row, text in enumerate(pc.utf8_trim_whitespace(table.texts(COST_COLUMN)).to_pylist()):
        if text is None or not _DECIMAL.fullmatch(text):
            raise RowError(table.path, row, f"the cost {text or ''!r} is no decimal number; write one such as 2.5")
        if len(text) > _LONGEST:
            raise RowError(table.path, row, f"the cost has {len(text)} characters; round it to fewer digits")
        cost = Fraction(text)
        if cost < 0:
            raise RowError(table.path, row, f"the cost {text} is negative; a cost is 0 or more")
        costs.append(cost)
    return costs


def _by_intervention(model: Model, table: Table, costs: list[Fraction]) -> list[Fraction | None]:
    for name in table.names:
        if name not in (COST_COLUMN, INTERVENTION_COLUMN):
            raise InputError(
                f"{table.path}: unknown column {name!r}; a table of intervention costs has the columns "
                "intervention and cost alone"
            )
    prices: dict[str, Fraction] = {}
    for row, name in enumerate(table.texts(INTERVENTION_COLUMN).to_pylist()):
        name = (name or "").strip()
        if name not in model.position:
            raise RowError(table.path, row, f"unknown intervention {name!r}; {nearest(name, model.position)}")
        if name in prices:
            raise RowError(table.path, row, f"intervention {name!r} is listed twice; give one cost for each")
        prices[name] = costs[row]
    return [prices.get(one.name) for one in model.interventions]


def _by_regime(model: Model, table: Table, costs: list[Fraction]) -> Listed:
    column = label_column(model, table, None, extra=(COST_COLUMN,))
    if isinstance(column, str) and get_close_matches(column.casefold(), [INTERVENTION_COLUMN], cutoff=0.9):
        raise InputError(
            f"{table.path}: unknown column {column!r}; write {INTERVENTION_COLUMN!r} for the price of each "
            "intervention, or 'label' for that of each regime"
        )
    found = regimes_in(model, table, column)
    rows, regimes = found.rows.tolist(), found.regimes
    for row in sorted({*range(len(costs))}.difference(rows))[:1]:
        raise RowError(
            table.path,
            row,
            f"a cost and no regime; write one ({BASELINE!r} for baseline), or remove the row",
        )
    first = regimes.first_equal(regimes)
    for row, before in enumerate(first.tolist()):
        if before < row and costs[before] != costs[row]:
            raise RowError(
                table.path, row, f"the regime of row {before + 1} again, at another cost; give one cost for each"
            )
    return Listed.of_prices(regimes, costs)
