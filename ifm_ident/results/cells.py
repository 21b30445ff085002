"""Cells of factors as text (docs/reference/results.md)."""

from __future__ import annotations

import re
from collections import Counter

from ifm_ident.design.model import Model, level_text
from ifm_ident.design.regime_text import quoted_level
from ifm_ident.errors import InputError

_LEVEL = re.compile(r'"(?:[^"\\]|\\.)*"|[^,"]*', re.DOTALL)

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


class CellReader:
    """Reads cells of a model from text; what a level is written as is found once for each intervention."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._known: dict[int, dict[str, int]] = {}

    def read(self, factor: int, text: str) -> Cell:
        """The cell that `cell_text` wrote.

        >>> from ifm_ident.design.model import Factor, Intervention
        >>> model = Model((Intervention("A", (0, 1)), Intervention("B", ("no", "x y"))), ("x",),
        ...     (Factor("f", ("x",), ("B", "A")),))
        >>> CellReader(model).read(0, 'B="x y",A=0')
        (0, (1, 0))
        >>> CellReader(model).read(0, "A=0")
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: 'A=0' is no level combination (cell) of factor 'f'; write it as B=no,A=0
        """
        model, levels, at = self._model, list[int](), 0
        scope = model.scopes[factor].tolist()
        for j, position in enumerate(scope):
            name, basis = model.interventions[position].name, model.interventions[position].basis
            prefix = f"{',' if j else ''}{name}{'=' if basis is None else ':'}"
            found = _LEVEL.match(text, at + len(prefix)) if text.startswith(prefix, at) else None
            level = self._texts(position).get(found[0]) if found else None
            if found is None or level is None:
                break
            levels.append(level)
            at = found.end()
        if len(levels) < len(scope) or at != len(text):
            example = cell_text(model, (factor, (0,) * len(scope)))
            raise InputError(
                f"{_shortened(repr(text))} is no level combination (cell) of factor "
                f"{model.factors[factor].name!r}; "
                + (f"write it as {_shortened(example)}" if example else "its sigma-scope is empty")
            )
        return factor, tuple(levels)

    def _texts(self, position: int) -> dict[str, int]:
        """What stands for each level, or each function of a basis; what stands for two is left out."""
        if position not in self._known:
            one = self._model.interventions[position]
            texts = [str(i) for i in range(one.basis.functions + 1)] if one.basis is not None else []
            texts = texts or [quoted_level(level_text(level)) for level in one.levels]
            count = Counter(texts)
            self._known[position] = {text: i for i, text in enumerate(texts) if count[text] == 1}
        return self._known[position]


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
