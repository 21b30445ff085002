"""The incidence table of one question, drawn as on the poster, and its check in words.

Theory: docs/theory/model.md and docs/theory/joint.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.product import density_text
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import level_text
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.results.cells import Cell
from ifm_ident.show.witness import short_fraction, short_integer
from ifm_ident.show.words import counted

MOST_ROWS = 20
MOST_COLUMNS = 24
MARK = "*"
_WIDEST = 110
_LONGEST_NAME = 30

RegimeText = Callable[[Active], str]


@dataclass(frozen=True, eq=False)
class IncidenceTable:
    """Which factor cells some training regimes and the target show.

    rows: training indices; cells: the columns; shows: shape (rows + 1, cells), the last row is the target's.
    alike[j]: how many more cells have the same column and are not listed. cells_left_out, rows_left_out: how
    many columns and training regimes of the full table are not there, those in `alike` included.
    """

    design: Design
    target: Active
    rows: tuple[int, ...]
    cells: tuple[Cell, ...]
    shows: np.typing.NDArray[np.bool_]
    alike: tuple[int, ...]
    rows_left_out: int
    cells_left_out: int


def full_table(design: Design, factors: Sequence[int], target: Active) -> IncidenceTable | None:
    """All distinct training regimes and all cells of the factors; None when that is too large to read.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> design = Design(model, Regimes.from_codes(np.array([[0], [1]])))
    >>> full_table(design, [0], ((0, 1),)).shows.astype(int).tolist()
    [[1, 0], [0, 1], [0, 1]]
    """
    model = design.model
    sizes = [int(np.prod(model.level_counts[model.scopes[k]].astype(object))) for k in factors]
    if sum(sizes) > MOST_COLUMNS or len(design.distinct) > MOST_ROWS:
        return None
    cells = [
        (k, levels)
        for k in factors
        for levels in itertools.product(*(range(int(model.level_counts[i])) for i in model.scopes[k]))
    ]
    rows = tuple(design.distinct.tolist())
    table = IncidenceTable(
        design, target, rows, tuple(cells), _shows(design, rows, target, cells), (0,) * len(cells), 0, 0
    )
    return table if max(map(len, table_lines(table, lambda _: "", None))) <= _WIDEST else None


def _shows(
    design: Design, rows: Sequence[int], target: Active, cells: Sequence[Cell]
) -> np.typing.NDArray[np.bool_]:
    shown = [dict(design.train[i]) for i in rows] + [dict(target)]
    scopes = {k: design.model.scopes[k].tolist() for k, _ in cells}
    return np.array(
        [[all(row.get(i, 0) == j for i, j in zip(scopes[k], levels, strict=True)) for k, levels in cells]
         for row in shown],
        dtype=bool,
    ).reshape(len(shown), len(cells))  # fmt: skip


def shown_table(design: Design, factors: Sequence[int], rows: Sequence[int], target: Active) -> IncidenceTable:
    """The cells that some training regimes and the target show, but for factors at which all show one cell.

    Cells with the same column are listed once: `alike` counts the others. A formula holds exactly when its
    exponents sum, over each of these columns, to the target's entry, and to 1 in all. There is no column where
    one training regime shows all that the target shows.
    """
    model = design.model
    batch = Regimes.concatenate(
        [design.train.take(np.array(rows, dtype=np.int64)), Regimes.from_active([target], len(model))]
    )
    touched = np.unique(batch.position)
    place = {position: j for j, position in enumerate(touched.tolist())}
    codes = np.zeros((len(batch), len(touched)), dtype=np.int64)
    codes[batch.rows, np.searchsorted(touched, batch.position)] = batch.level
    found: dict[bytes, int] = {}
    cells: list[Cell] = []
    columns: list[np.typing.NDArray[np.bool_]] = []
    alike: list[int] = []
    for k in factors:
        scope = model.scopes[k].tolist()
        inside = [j for j, position in enumerate(scope) if position in place]
        part = codes[:, [place[scope[j]] for j in inside]]
        distinct, which = (
            np.unique(part, axis=0, return_inverse=True) if inside else (part[:1], np.zeros(len(part)))
        )
        if len(distinct) == 1:
            continue
        for c, shown in enumerate(distinct.tolist()):
            column = np.asarray(which).reshape(-1) == c
            key = column.tobytes()
            if key in found:
                alike[found[key]] += 1
                continue
            found[key] = len(cells)
            levels = [0] * len(scope)
            for j, level in zip(inside, shown, strict=True):
                levels[j] = level
            cells.append((k, tuple(levels)))
            columns.append(column)
            alike.append(0)
    shows = np.stack(columns, axis=1) if columns else np.zeros((len(batch), 0), dtype=bool)
    return IncidenceTable(
        design,
        target,
        tuple(rows),
        tuple(cells),
        shows,
        tuple(alike),
        len(design.distinct) - len(set(rows)),
        _cell_count(design, factors) - len(cells),
    )


def kernel_table(design: Design, certificate: KernelCertificate, target: Active) -> IncidenceTable:
    """The cells that a certificate weighs, and the first training regimes that show any of them."""
    cells = [cell for cell, _ in certificate.cells]
    wanted = set(cells)
    scopes = {k: design.model.scopes[k].tolist() for k, _ in cells}
    rows: list[int] = []
    for i in design.distinct.tolist():
        levels = dict(design.train[i])
        if any((k, tuple(levels.get(p, 0) for p in scope)) in wanted for k, scope in scopes.items()):
            rows.append(i)
            if len(rows) == MOST_ROWS:
                break
    kept = cells[:MOST_COLUMNS]
    factors = range(len(design.model.factors))
    return IncidenceTable(
        design,
        target,
        tuple(rows),
        tuple(kept),
        _shows(design, rows, target, kept),
        (0,) * len(kept),
        len(design.distinct) - len(rows),
        _cell_count(design, factors) - len(kept),
    )


def _cell_count(design: Design, factors: Sequence[int]) -> int:
    counts = design.model.level_counts
    return sum(int(np.prod(counts[design.model.scopes[k]].astype(object))) for k in factors)


def levels_text(design: Design, cell: Cell) -> str:
    """The levels of a cell, run together where each is one character: 01, or low,high."""
    k, levels = cell
    interventions = [design.model.interventions[i] for i in design.model.scopes[k]]
    texts = [level_text(one.levels[j]) for one, j in zip(interventions, levels, strict=True)]
    return ("" if all(len(text) == 1 for text in texts) else ",").join(texts) or "-"


def cell_name(design: Design, cell: Cell) -> str:
    """A cell as on the poster: f1^01."""
    return f"{design.model.factors[cell[0]].name}^{levels_text(design, cell)}"


def table_lines(
    table: IncidenceTable,
    regime_text: RegimeText,
    exponents: Mapping[int, Fraction] | None,
    weights: Mapping[Cell, int] | None = None,
) -> list[str]:
    """The table as text: a row q_i for each training regime with its exponent, the target's row of 0 and 1 below.

    `weights`: a kernel vector, in a last row w. A table without columns has no heads.
    """
    design, cells = table.design, table.cells[:MOST_COLUMNS]
    rows = table.rows[:MOST_ROWS]
    sides = []
    for number, i in enumerate(rows, start=1):
        value = f" = {short_fraction(exponents.get(i, Fraction(0)))}" if exponents is not None else ""
        sides.append((f"q{number}{value}", _short(regime_text(design.train[i]))))
    sides.append(("p*", _short(regime_text(table.target))))
    body = [[MARK if mark else "" for mark in row[: len(cells)]] for row in table.shows[: len(rows)].tolist()]
    body.append([str(int(mark)) for mark in table.shows[-1, : len(cells)].tolist()])
    if weights is not None:
        sides.append(("w", ""))
        body.append([short_integer(weights.get(cell, 0)) for cell in cells])
    left = max(len(name) for name, _ in sides)
    right = max(len(text) for _, text in sides)
    titles = [levels_text(design, cell) for cell in cells]
    widths = [max(len(title), *(len(row[j]) for row in body)) for j, title in enumerate(titles)]
    # every factor's name stands over its first column, which is made wide enough to keep names apart
    heads, starts = [], [j for j in range(len(cells)) if j == 0 or cells[j][0] != cells[j - 1][0]]
    for start, stop in itertools.pairwise([*starts, len(cells)]):
        head = f"{design.model.factors[cells[start][0]].name}^"
        room = sum(widths[start:stop]) + (stop - start - 1)
        widths[stop - 1] += max(0, len(head) - room)
        heads.append(head.ljust(sum(widths[start:stop]) + (stop - start - 1)))

    def line(name: str, text: str, entries: Sequence[str]) -> str:
        parts = [f"{name.ljust(left)}  {text.ljust(right)} "]
        for j, entry in enumerate(entries):
            parts.append(("  " if j in starts else " ") + entry.rjust(widths[j]))
        return "".join(parts).rstrip()

    lines = [line(*side, row) for side, row in zip(sides, body, strict=True)]
    if not cells:
        return lines
    top = f"{''.ljust(left)}  {''.ljust(right)} " + "".join("  " + head for head in heads)
    return [top.rstrip(), line("", "", titles), *lines]


def _short(text: str) -> str:
    """A regime's text in a table, cut where it is long."""
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 3] + "..."


def left_out(table: IncidenceTable) -> list[str]:
    """What of the full table is not drawn, and why no column is, in a sentence each; empty when all of it is."""
    notes = []
    if not table.cells:
        notes.append("No column: training regime and target have the same levels in these factors.")
    rows = table.rows_left_out + max(0, len(table.rows) - MOST_ROWS)
    cells = table.cells_left_out + max(0, len(table.cells) - MOST_COLUMNS)
    if rows or cells:
        alike = sum(table.alike[:MOST_COLUMNS])
        text = f"Not drawn: {counted(rows, 'other training regime')} and {counted(cells, 'other column')}"
        notes.append(text + (f", {alike:,} of them like one that is." if alike else "."))
    return notes


def check_lines(
    table: IncidenceTable, regime_text: RegimeText, exponents: Mapping[int, Fraction], most: int = 30
) -> list[str]:
    """For every cell in the table: which exponents it collects, their sum, and what the target asks for.

    Raises ValueError when a sum is not what the target asks for.
    """
    rows = np.array(table.rows, dtype=np.int64)
    named, lines = regime_text(table.target), []
    named = named if len(named) <= 12 else "the target"
    width = max((len(cell_name(table.design, cell)) for cell in table.cells[:most]), default=0)
    for j, cell in enumerate(table.cells):
        there: Ints = rows[table.shows[:-1, j]]
        terms = [(int(i), exponents[int(i)]) for i in there if exponents.get(int(i))]
        total, wanted = sum((q for _, q in terms), Fraction(0)), bool(table.shows[-1, j])
        if total != int(wanted):
            raise ValueError(f"the exponents at {cell_name(table.design, cell)} sum to {total}, not {int(wanted)}")
        if j >= most or not (terms or wanted):
            continue
        parts = [
            f"{'+' if q > 0 else '-'}{short_fraction(abs(q))} "
            f"{density_text(_short(regime_text(table.design.train[i])), table.design.model.given)}"
            for i, q in terms[:6]
        ]
        if len(terms) > 6:
            parts.append(f"and {len(terms) - 6} more")
        more = f", and at {counted(table.alike[j], 'combination')} like it" if table.alike[j] else ""
        verb = "shows it" if wanted else "does not show it"
        lines.append(
            f"{cell_name(table.design, cell).ljust(width)}  {', '.join(parts)}: sum {total}, {named} {verb}{more}"
        )
    if len(table.cells) > most:
        lines.append(f"and {len(table.cells) - most:,} more columns, all checked")
    return lines
