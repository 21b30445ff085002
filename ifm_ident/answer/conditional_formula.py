"""The joint density from formulas for full conditionals (docs/theory/conditional.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident.answer.formula import Formula
from ifm_ident.errors import InputError

LogDensity = Callable[[int, NDArray[np.generic]], NDArray[np.float64]]
"""log p(x; sigma^i) in nats: training index i and points x, shape (n, number of variables), to shape (n,)."""


@dataclass(frozen=True, slots=True)
class ConditionalFormula:
    """p(x; sigma*) put together from one formula for each variable's full conditional, by Brook's lemma.

    `formulas` pairs every variable, in the order of the columns of x, with the formula of its full
    conditional, as in `Answer.conditionals`.

    >>> f = ConditionalFormula.of({"x1": Formula.of({0: 1}), "x2": Formula.of({1: 1})})
    >>> tables = {0: np.log([[0.1, 0.2], [0.3, 0.4]]), 1: np.log([[0.4, 0.1], [0.4, 0.1]])}
    >>> np.exp(f.table(tables)).round(9).tolist()
    [[1.0, 0.25], [3.0, 0.75]]
    >>> f.table({0: tables[0]})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the formula needs the log-density table of training regime 1; tables given: 0
    """

    formulas: tuple[tuple[str, Formula], ...]

    @classmethod
    def of(cls, conditionals: Mapping[str, Formula]) -> ConditionalFormula:
        """From variable to formula, in the order of the columns of x; raises InputError when there is none."""
        if not conditionals:
            raise InputError("there is no conditional formula; only identified regimes have them")
        return cls(tuple(conditionals.items()))

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables, in the order of the columns of x."""
        return tuple(variable for variable, _ in self.formulas)

    @property
    def train(self) -> tuple[int, ...]:
        """The training regimes whose densities are needed, ascending."""
        return tuple(sorted({i for _, formula in self.formulas for i, _ in formula}))

    def __str__(self) -> str:
        return "\n".join(f"{variable} given the rest: ∝ {formula}" for variable, formula in self.formulas)

    def __call__(
        self,
        log_density: LogDensity,
        x: ArrayLike,
        reference: ArrayLike | None = None,
        order: Sequence[str] | None = None,
    ) -> NDArray[np.float64]:
        """log p(x; sigma*) - log p(reference; sigma*) in nats for points x, shape (n, variables); shape (n,).

        The reference is one point, shape (variables,), by default the first row of x; give it where values of
        several calls are compared. Any `order` of the variables gives the same values: the path from the
        reference to x changes one variable after another, and where neighbours on it share a formula its terms
        cancel exactly. Raises InputError for wrong shapes and for an order that is not one of all variables.
        """
        points = np.asarray(x)
        width = len(self.formulas)
        if points.ndim != 2 or points.shape[1] != width:
            raise InputError(
                f"x has shape {points.shape}; give one row a point and one column for each of "
                f"{', '.join(self.variables)}: shape (n, {width})"
            )
        if not len(points):
            return np.zeros(0)
        origin = points[0] if reference is None else np.asarray(reference)
        if origin.shape != (width,):
            raise InputError(f"the reference has shape {origin.shape}; it is one point, shape ({width},)")
        path = self._path(order)
        total = np.zeros(len(points))
        for step in range(width + 1):
            weights = self._weights(path, step)
            if step == 0:
                at = origin[None, :]
            else:
                at = np.array(np.broadcast_to(origin, points.shape), dtype=np.result_type(points, origin))
                at[:, path[:step]] = points[:, path[:step]]
            for i, weight in weights.items():
                total = total + float(weight) * np.asarray(log_density(i, at), dtype=np.float64)
        return total

    def table(
        self,
        log_tables: Mapping[int, ArrayLike],
        reference: Sequence[int] | None = None,
        order: Sequence[str] | None = None,
    ) -> NDArray[np.float64]:
        """The same for discrete variables: from tables of log p(x; sigma^i), one axis a variable, to such a table.

        The reference is a cell, by default the first. Raises InputError when a table is missing or misshapen.
        """
        tables: dict[int, NDArray[np.float64]] = {}
        for i in self.train:
            if i not in log_tables:
                given = ", ".join(map(str, sorted(log_tables))) or "none"
                raise InputError(
                    f"the formula needs the log-density table of training regime {i}; tables given: {given}"
                )
            tables[i] = np.asarray(log_tables[i], dtype=np.float64)
            first = tables[self.train[0]]
            if tables[i].shape != first.shape or first.ndim != len(self.formulas):
                raise InputError(
                    f"the log-density table of training regime {i} has shape {tables[i].shape}; every table has "
                    f"one axis for each of {', '.join(self.variables)}, of the same lengths"
                )
        shape = tables[self.train[0]].shape
        cells = np.array(list(product(*map(range, shape))), dtype=np.int64).reshape(-1, len(shape))
        values = self(lambda i, at: tables[i][tuple(at.astype(np.int64).T)], cells, reference, order)
        return values.reshape(shape)

    def _path(self, order: Sequence[str] | None) -> list[int]:
        if order is None:
            return list(range(len(self.formulas)))
        position = {variable: at for at, variable in enumerate(self.variables)}
        if sorted(order) != sorted(position):
            raise InputError(
                f"the order {', '.join(map(str, order)) or '(empty)'} must name each of {', '.join(position)} once"
            )
        return [position[variable] for variable in order]

    def _weights(self, path: list[int], step: int) -> dict[int, Fraction]:
        """Exponents of the densities at the point that has its first `step` variables from x.

        Theory: docs/theory/conditional.md.
        """
        arrived = self.formulas[path[step - 1]][1].exponents if step else {}
        leaving = self.formulas[path[step]][1].exponents if step < len(path) else {}
        weights = {i: arrived.get(i, Fraction(0)) - leaving.get(i, Fraction(0)) for i in {**arrived, **leaving}}
        return {i: weight for i, weight in sorted(weights.items()) if weight}
