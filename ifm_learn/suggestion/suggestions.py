"""A batch of regimes to run next, with what is believed of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import Notation, format_regimes
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(repr=False, frozen=True, eq=False)
class Suggestions(Tabular):
    """The batch, in the order chosen, with what would become identified by other runs.

    regimes: the batch. score: by the rule, in its own units, shape (r,); mean, low, high: of the outcome, by
    draws; all nan where a regime is not identified and has none. cost: exact. identified: shape (r,); unlocks:
    how many candidates would become identified if the regime were run, shape (r,). flags: what weakens each
    mean, in the words of `ifm estimate`. unlocking: regimes that are not identified and unlock most, with
    `unlocking_counts` and `unlocking_costs`. rule: the acquisition, or the goal. answered: which model answered,
    in a word and in words; models: its parts with weights; left_out: errors at regimes left out. counted: what
    became of the candidates. draws: how many there were.
    """

    name: str
    model: Model
    notation: Notation
    goal: str
    rule: str
    outcome: str
    seed: int
    alpha: str
    draws: int
    rows: int
    ignored: int
    regimes: Regimes
    score: Floats
    mean: Floats
    low: Floats
    high: Floats
    cost: tuple[Fraction, ...]
    identified: NDArray[np.bool_]
    unlocks: NDArray[np.int64]
    flags: tuple[tuple[str, ...], ...]
    unlocking: Regimes
    unlocking_counts: tuple[int, ...]
    unlocking_costs: tuple[Fraction, ...]
    answered: tuple[str, str]
    models: Mapping[str, float]
    left_out: Mapping[str, float]
    counted: Mapping[str, int]
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.regimes)

    def names(self) -> list[str]:
        """The regimes as the study writes them."""
        texts: list[str] = format_regimes(self.model, self.regimes, self.notation).to_pylist()
        return texts

    def to_arrow(self) -> pa.Table:
        """One row a regime of the batch."""
        return view(self, "arrow")
