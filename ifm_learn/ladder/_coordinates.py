"""How coefficients depend on the regime: orthonormal coordinates of incidence systems (docs/theory/model.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import Design, InputError, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.solve import BaselineSystem, float_rows, incidence_of

_RANK = 1e-9
_OUTSIDE = 1e-7
_REMEMBERED = 4


def holders(model: Model, variables: Sequence[str]) -> tuple[int, ...]:
    """K(U): the factors whose x-scope holds all of the variables, ascending.

    >>> from ifm_ident import Factor, Intervention
    >>> factors = (Factor("f", ("x",), ("A",)), Factor("g", ("x", "z"), ()))
    >>> model = Model((Intervention("A", (0, 1)),), ("x", "z"), factors)
    >>> holders(model, ["x"]), holders(model, ["x", "z"])
    ((0, 1), (1,))
    """
    wanted = set(variables)
    return tuple(k for k, factor in enumerate(model.factors) if wanted <= set(factor.x))


@dataclass(frozen=True, eq=False)
class Coordinates:
    """What some factors can tell regimes apart by: a coefficient that they rule is linear in these.

    Over the distinct training regimes the columns are orthonormal and sum to 0, so that the sum of squares of
    coefficients does not depend on which level is called the baseline.

    train: shape (distinct training regimes, rank), rows in the order of `design.distinct`.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> both = Coordinates(design, (0, 1))
    >>> both.rank, bool(np.allclose(both.train.T @ both.train, np.eye(2)))
    (2, True)
    >>> q = both.formula(Regimes.from_codes(np.array([[1, 1]])))
    >>> q.round(9).tolist()
    [[-1.0, 1.0, 1.0]]
    >>> Coordinates(design, (0,)).of(Regimes.from_codes(np.array([[1, 1]]))).shape
    (1, 1)
    """

    design: Design
    factors: tuple[int, ...]

    @cached_property
    def _system(self) -> BaselineSystem:
        return incidence_of(self.design.model, self.factors, self._regimes, spread=True)

    @cached_property
    def _regimes(self) -> Regimes:
        return self.design.train.take(self.design.distinct)

    @cached_property
    def _decomposed(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Centre of the rows, their left vectors, singular values and right vectors."""
        count = len(self._regimes)
        if not self.factors:
            return np.zeros(0), np.zeros((count, 0)), np.zeros(0), np.zeros((0, 0))
        rows = float_rows(self._system, self._regimes)[0].toarray()
        centre = rows.mean(axis=0)
        left, values, right = np.linalg.svd(rows - centre, full_matrices=False)
        kept = values > _RANK * max(float(values[0]) if len(values) else 0.0, 1.0)
        return centre, left[:, kept], values[kept], right[kept]

    @property
    def train(self) -> Floats:
        """The coordinates of the distinct training regimes, shape (d, rank)."""
        return self._decomposed[1]

    @property
    def rank(self) -> int:
        """How many numbers a coefficient has beside the one that all regimes share."""
        return int(self._decomposed[1].shape[1])

    def of(self, regimes: Regimes) -> Floats:
        """The coordinates of regimes, shape (r, rank); InputError where training does not identify them."""
        # the same batch is asked about by every refit
        for batch, known in self._recent:
            if batch is regimes:
                return known
        found = self._placed(regimes)
        self._recent[:] = [(regimes, found), *self._recent[: _REMEMBERED - 1]]
        return found

    @cached_property
    def _recent(self) -> list[tuple[Regimes, Floats]]:
        return []

    def _placed(self, regimes: Regimes) -> Floats:
        centre, _, values, right = self._decomposed
        if not self.factors:
            return np.zeros((len(regimes), 0))
        rows, unseen = float_rows(self._system, regimes)
        moved = rows.toarray() - centre
        found = moved @ right.T
        least = _OUTSIDE * np.maximum(np.abs(moved).max(axis=1, initial=0.0), 1.0)
        wrong = (np.abs(moved - found @ right).max(axis=1, initial=0.0) > least) | (unseen >= 0)
        if wrong.any():
            names = ", ".join(self.design.model.factors[k].name for k in self.factors)
            raise InputError(
                f"regime {int(np.flatnonzero(wrong)[0])} of those asked about is not identified by the factors "
                f"{names}; ask only about regimes that `identify` answers with yes"
            )
        placed: Floats = found / values
        return placed

    def formula(self, regimes: Regimes) -> Floats:
        """The shortest exponents over the distinct training regimes, shape (r, d); each row sums to 1."""
        return self.of(regimes) @ self.train.T + 1 / len(self._regimes)
