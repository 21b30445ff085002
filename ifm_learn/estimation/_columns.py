"""The columns of `Estimates` that whoever estimates fills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Floats


@dataclass(eq=False)
class Columns:
    """Of r regimes and k targets; see `Estimates`. Numbers are nan until they are filled."""

    mean: Floats
    se: Floats
    confidence_low: Floats
    confidence_high: Floats
    prediction_low: Floats
    prediction_high: Floats
    ess: Floats
    support: Floats
    prediction_ess: Floats
    guarantee: NDArray[np.str_]
    note: list[str]
    flags: list[list[tuple[str, ...]]]
    models: list[list[dict[str, float]]]

    @classmethod
    def empty(cls, regimes: int, targets: int) -> Columns:
        """Nothing known."""
        shape = (regimes, targets)
        return cls(
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(regimes, np.nan),
            np.full(regimes, np.nan),
            np.full(shape, np.nan),
            np.full(shape, "", dtype="<U15"),
            [""] * regimes,
            [[()] * targets for _ in range(regimes)],
            [[{} for _ in range(targets)] for _ in range(regimes)],
        )

    def flag(self, word: str, rows: NDArray[np.bool_] | list[int]) -> None:
        """Add a word to every target of some regimes, once."""
        for row in np.arange(len(self.flags))[rows].tolist():
            self.flags[row] = [had if word in had else (*had, word) for had in self.flags[row]]
