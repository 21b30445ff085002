"""A design: an interventional factor model together with the training regimes that were observed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ifm_ident.arrays import Ints, fixed
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes, recoded, require_legal
from ifm_ident.errors import InputError


@dataclass(frozen=True, eq=False)
class Design:
    """A model and its training regimes, in the order written; repeats are legal.

    Raises InputError when there is no training regime or a level index does not exist.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> Design(model, Regimes.from_active([()], 1))
    Design(interventions: A; variables: x; factors: f; 1 training regime)
    """

    model: Model
    train: Regimes

    def __post_init__(self) -> None:
        if len(self.train) == 0:
            raise InputError("there is no training regime; list at least one under `train`", ("train",))
        try:
            require_legal(self.model, self.train)
        except InputError as error:
            raise InputError(f"training {error}", ("train",)) from None

    def __repr__(self) -> str:
        return f"Design({self.model.words}; {self.training_words})"

    @property
    def training_words(self) -> str:
        """How many regimes were run, and in how many rows where some are there twice.

        >>> from ifm_ident.design.model import Factor, Intervention
        >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
        >>> Design(model, Regimes.from_active([(), ((0, 1),), ()], 1)).training_words
        '2 training regimes (3 rows)'
        """
        rows, count = len(self.train), len(self.distinct)
        return f"{count:,} training regime{'s' * (count != 1)}" + (f" ({rows:,} rows)" if rows > count else "")

    @cached_property
    def first(self) -> Ints:
        """For every training regime the index of its first occurrence, shape (m,)."""
        return fixed(self.train.first_equal(self.train))

    @cached_property
    def distinct(self) -> Ints:
        """Indices of the first occurrences, ascending: the rows that rank and formulas use."""
        return fixed(np.unique(self.first))

    @cached_property
    def systems(self) -> dict[int, Any]:
        """Its incidence systems by block, factored: `solve` keeps them here, so that all who ask share them."""
        return {}

    def __getstate__(self) -> dict[str, object]:
        return {"model": self.model, "train": self.train}  # what is worked out from them does not travel

    def equals(self, other: Design) -> bool:
        """Whether two designs have equal models and training regimes, in order."""
        if self.model != other.model:
            return False
        one, two = self.train, recoded(other.train, other.model, self.model)
        return all(
            np.array_equal(getattr(one, name), getattr(two, name)) for name in ("indptr", "position", "level")
        )
