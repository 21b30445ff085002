"""Certificates and their checks, in plain integers; nothing here is shared with the solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Active
from ifm_ident.errors import IfmError


@dataclass(frozen=True, slots=True)
class KernelCertificate:
    """Integer weights w on (factor, levels) cells with A w = 0 and b·w != 0.

    Theory: docs/theory/joint.md and docs/theory/conditional.md.

    Where levels have values, a cell names a basis function in place of a level (docs/theory/doses.md).

    cells: (factor index, level indices of its sigma-scope in order) and nonzero weight, sorted. `block`
    indexes `Model.covers` for a conditional certificate (all its factors then hold the variables of that
    cover), and is -1 for a joint one.
    """

    block: int
    cells: tuple[tuple[tuple[int, tuple[int, ...]], int], ...]

    def value(self, design: Design, regime: Active) -> int | Fraction:
        """The weight that a regime collects: its incidence row times w; a fraction where levels have values."""
        levels = dict(regime)
        if design.model.has_bases:
            return sum((w * cell_value(design.model, cell, levels) for cell, w in self.cells), Fraction(0))
        weight = dict(self.cells)
        total = 0
        for k in sorted({factor for (factor, _), _ in self.cells}):
            shown = tuple(levels.get(int(i), 0) for i in design.model.scopes[k])
            total += weight.get((k, shown), 0)
        return total


def cell_value(model: Model, cell: tuple[int, tuple[int, ...]], levels: Mapping[int, int]) -> Fraction:
    """What a regime, position to level, shows of a cell: 1 or 0, or a product of basis functions' values.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> dose = Intervention("dose", (0, 3), Basis("poly", degree=2))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> cell_value(model, (0, (2,)), {0: 1})
    Fraction(9, 1)
    """
    value = Fraction(1)
    k, chosen = cell
    for i, index in zip(model.scopes[k].tolist(), chosen, strict=True):
        one, level = model.interventions[i], levels.get(i, 0)
        if one.basis is None:
            value *= int(level == index)
        elif index:
            value *= one.values(level)[index - 1]
    return value


class NotIdentifiableError(IfmError):
    """Raised by `require()` for a regime that is not identified; `certificate` proves it."""

    exit_status = 2

    def __init__(self, message: str, certificate: KernelCertificate | None) -> None:
        super().__init__(message)
        self.certificate = certificate
