"""The incidence table of one question where levels have values: products of basis functions and their values.

Theory: docs/theory/doses.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.answer.certificate import KernelCertificate, cell_value
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active
from ifm_ident.results.cells import Cell
from ifm_ident.show._aligned import aligned
from ifm_ident.show.witness import short_fraction, short_integer
from ifm_ident.show.words import counted, function_words

MOST_ROWS = 20
MOST_COLUMNS = 14
_MOST_CELLS = 5000
_LONGEST = 30

RegimeText = Callable[[Active], str]


@dataclass(frozen=True, eq=False)
class BasisTable:
    """Values of products of functions in some training regimes and the target, the last row.

    names: one for each column, factor and product; left_out: how many columns are not drawn.
    """

    design: Design
    target: Active
    rows: tuple[int, ...]
    names: tuple[str, ...]
    values: tuple[tuple[Fraction, ...], ...]
    left_out: int

    def lines(
        self, text: RegimeText, exponents: Mapping[int, Fraction] | None, weights: Sequence[int] = ()
    ) -> list[str]:
        """The table as text, with a row q for each exponent, or a last row w of weights."""
        table = [("", "", *self.names)]
        for number, (i, values) in enumerate(zip(self.rows, self.values[:-1], strict=True), 1):
            value = f" = {short_fraction(exponents.get(i, Fraction(0)))}" if exponents is not None else ""
            table.append((f"q{number}{value}", _short(text(self.design.train[i])), *map(short_fraction, values)))
        table.append(("p*", _short(text(self.target)), *map(short_fraction, self.values[-1])))
        if weights:
            table.append(("w", "", *(short_integer(w) for w in weights[: len(self.names)])))
        lines = [line.rstrip() for line in aligned(table, "")]
        if self.left_out:
            lines.append(f"Not drawn: {counted(self.left_out, 'other column')}.")
        return lines


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def column_name(design: Design, cell: Cell) -> str:
    """A product of functions in its factor: f1: dose^2."""
    return f"{design.model.factors[cell[0]].name}: {function_words(design.model, cell)}"


def solution_table(
    design: Design, factors: Sequence[int], exponents: Mapping[int, Fraction], target: Active
) -> BasisTable:
    """The products that are not alike in all regimes of a formula and the target; each distinct column once.

    Raises ValueError where the exponents times the values do not give the target's value in some column.
    """
    model = design.model
    rows = sorted(exponents)
    shown = [dict(design.train[i]) for i in rows] + [dict(target)]
    kept: dict[tuple[Fraction, ...], str] = {}
    looked = 0
    for k in factors:
        scope = model.scopes[k].tolist()
        varies = [len({row.get(i, 0) for row in shown}) > 1 for i in scope]
        if not any(varies):
            continue
        choices = []
        for i, moving in zip(scope, varies, strict=True):
            basis = model.interventions[i].basis
            if basis is not None:
                choices.append(list(range(basis.functions + 1)))
            else:
                choices.append(sorted({row.get(i, 0) for row in shown}) if moving else [shown[-1].get(i, 0)])
        for chosen in itertools.product(*choices):
            looked += 1
            if looked > _MOST_CELLS:
                break
            column = tuple(cell_value(model, (k, chosen), row) for row in shown)
            if len(set(column)) > 1:
                kept.setdefault(column, column_name(design, (k, chosen)))
    for column, name in kept.items():
        total = sum((exponents[i] * value for i, value in zip(rows, column, strict=False)), Fraction(0))
        if total != column[-1]:
            raise ValueError(f"the exponents at {name} sum to {total}, not {column[-1]}")
    few = dict(itertools.islice(kept.items(), MOST_COLUMNS))
    drawn = min(len(rows), MOST_ROWS)
    values = [tuple(column[r] for column in few) for r in (*range(drawn), len(rows))]
    return BasisTable(
        design, target, tuple(rows[:drawn]), tuple(few.values()), tuple(values), len(kept) - len(few)
    )


def kernel_basis_table(design: Design, certificate: KernelCertificate, target: Active) -> BasisTable:
    """The products that a certificate weighs, and the first training regimes that have a value there."""
    model = design.model
    cells = [cell for cell, _ in certificate.cells][:MOST_COLUMNS]
    rows: list[int] = []
    values: list[tuple[Fraction, ...]] = []
    for i in design.distinct.tolist():
        found = tuple(cell_value(model, cell, dict(design.train[i])) for cell in cells)
        if any(found) and found not in values and len(rows) < MOST_ROWS:
            rows.append(i)
            values.append(found)
    values.append(tuple(cell_value(model, cell, dict(target)) for cell in cells))
    names = tuple(column_name(design, cell) for cell in cells)
    return BasisTable(design, target, tuple(rows), names, tuple(values), len(certificate.cells) - len(cells))
