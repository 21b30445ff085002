"""Certificates and their checks, in plain integers; nothing here is shared with the solver."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active
from ifm_ident.errors import IfmError


@dataclass(frozen=True, slots=True)
class KernelCertificate:
    """Integer weights w on (factor, levels) cells with A w = 0 and b·w != 0; on basis functions where levels have values.

    Theory: docs/theory/joint.md and docs/theory/conditional.md.

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
            return self._valued(design, levels)
        weight = dict(self.cells)
        total = 0
        for k in sorted({factor for (factor, _), _ in self.cells}):
            shown = tuple(levels.get(int(i), 0) for i in design.model.scopes[k])
            total += weight.get((k, shown), 0)
        return total


    def _valued(self, design: Design, levels: dict[int, int]) -> Fraction:
        """The same where some cells name basis functions (docs/theory/doses.md)."""
        total = Fraction(0)
        for (k, chosen), weight in self.cells:
            value = Fraction(weight)
            for i, index in zip(design.model.scopes[k].tolist(), chosen, strict=True):
                one, level = design.model.interventions[i], levels.get(i, 0)
                if one.basis is None:
                    value *= int(level == index)
                elif index:
                    value *= one.values(level)[index - 1]
            total += value
        return total


class NotIdentifiableError(IfmError):
    """Raised by `require()` for a regime that is not identified; `certificate` proves it."""

    exit_status = 2

    def __init__(self, message: str, certificate: KernelCertificate | None) -> None:
        super().__init__(message)
        self.certificate = certificate
