"""Cells of factors as text (docs/reference/results.md)."""

from __future__ import annotations

import re

from ifm_ident.design.model import Model, level_text
from ifm_ident.design.regime_text import quoted_level
from ifm_ident.errors import InputError

Cell = tuple[int, tuple[int, ...]]
"""A factor's index and, for its sigma-scope in order, level indices, or numbers of basis functions."""

Weights = tuple[tuple[Cell, int], ...]
"""A kernel vector: cells and their integer weights."""


def cell_parts(model: Model, factor: int) -> dict[str, list[int]]:
    """The positions of a sigma-scope by what a cell says of them: `levels`, or functions of their `basis`."""
    scope = model.scopes[factor].tolist()
    valued = [i for i in scope if model.valued[i]]
    if not valued:
        return {"levels": scope}
    named = [i for i in scope if not model.valued[i]]
    return {"levels": named, "basis": valued} if named else {"basis": valued}


def cell_text(model: Model, cell: Cell) -> str:
    """A cell as text: the levels of the factor's whole sigma-scope as an assignment, `dose:2` for function 2.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)), Intervention("B", ("no", "x y"))), ("x",),
    ...     (Factor("f", ("x",), ("B", "A")),))
    >>> cell_text(model, (0, (1, 0)))
    'B="x y",A=0'
    """
    factor, levels = cell
    interventions = [model.interventions[i] for i in model.scopes[factor]]
    return ",".join(
        f"{one.name}={quoted_level(level_text(one.levels[j]))}" if one.basis is None else f"{one.name}:{j}"
        for one, j in zip(interventions, levels, strict=True)
    )


def parse_cell(model: Model, factor: int, text: str) -> Cell:
    """The cell that `cell_text` wrote.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)), Intervention("B", ("no", "x y"))), ("x",),
    ...     (Factor("f", ("x",), ("B", "A")),))
    >>> parse_cell(model, 0, 'B="x y",A=0')
    (0, (1, 0))
    >>> parse_cell(model, 0, "A=0")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: 'A=0' is no cell of factor 'f'; write its levels as B=no,A=0
    """
    levels, at = [], 0
    for j, position in enumerate(model.scopes[factor]):
        one = model.interventions[position]
        if one.basis is not None:
            found = re.compile(f"{',' if j else ''}{re.escape(one.name)}:([0-9]{{1,4}})(?=,|$)").match(text, at)
            if found is None or int(found[1]) > one.basis.functions:
                at = len(text) + 1
                break
            levels.append(int(found[1]))
            at = found.end()
            continue
        at += len(prefix) if text.startswith(prefix := f"{',' if j else ''}{one.name}=", at) else len(text) + 1
        ends = {i: at + len(quoted_level(level_text(level))) for i, level in enumerate(one.levels)}
        fitting = [
            i
            for i, level in enumerate(one.levels)
            if text.startswith(quoted_level(level_text(level)), at) and text[ends[i] : ends[i] + 1] in ("", ",")
        ]
        if len(fitting) != 1:
            at = len(text) + 1
            break
        levels.append(fitting[0])
        at = ends[fitting[0]]
    if at != len(text):
        example = cell_text(model, (factor, (0,) * len(model.scopes[factor])))
        raise InputError(
            f"{_shortened(repr(text))} is no cell of factor {model.factors[factor].name!r}; "
            + (f"write its levels as {_shortened(example)}" if example else "its sigma-scope is empty")
        )
    return factor, tuple(levels)


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
