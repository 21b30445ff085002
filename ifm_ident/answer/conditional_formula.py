"""The joint density from formulas for full conditionals (docs/theory/conditional.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident.answer.formula import Formula
from ifm_ident.errors import InputError, require_known

LogDensity = Callable[[int, NDArray[np.generic]], NDArray[np.float64]]
"""log p(x; sigma^i) in nats: training index i and points x, shape (n, number of variables), to shape (n,)."""

_NAMED = 4


def conditional_words(identified: Sequence[str], given: Sequence[str]) -> str:
    """Which conditional density is meant; of many variables the first few are named.

    >>> conditional_words(["x2", "x3"], ["x1"]), conditional_words(["y"], [f"x{i}" for i in range(1, 10)])
    ('x2, x3 given x1', 'y given x1, x2, x3, x4 and 5 more')
    """
    return f"{_few(identified)} given {_few(given)}"


def _few(names: Sequence[str]) -> str:
    if len(names) <= _NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED:,} more"


@dataclass(frozen=True, slots=True)
class ConditionalFormula:
    """p(x; sigma*) put together from one formula for each variable's full conditional, by Brook's lemma.

    `formulas` pairs variables, in the order of the columns of x, with the formula of their full conditional, as
    in `Answer.conditionals`. `variables` names all columns of x; those without a formula are `given`, and held
    where they are: what is put together is then p(x_I | x_given; sigma*), I the variables with a formula, as in
    `Answer.partial`.

    >>> f = ConditionalFormula.of({"x1": Formula.of({0: 1}), "x2": Formula.of({1: 1})})
    >>> tables = {0: np.log([[0.1, 0.2], [0.3, 0.4]]), 1: np.log([[0.4, 0.1], [0.4, 0.1]])}
    >>> np.exp(f.table(tables)).round(9).tolist()
    [[1.0, 0.25], [3.0, 0.75]]
    >>> f.table({0: tables[0]})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the formula needs the log-density table of training regime 1; tables given: 0
    >>> partial = ConditionalFormula.of({"x2": Formula.of({1: 1})}, ("x1", "x2"))
    >>> print(partial.words, "|", np.exp(partial.table(tables)).round(9).tolist())
    x2 given x1 | [[1.0, 0.25], [1.0, 0.25]]
    """

    formulas: tuple[tuple[str, Formula], ...]
    variables: tuple[str, ...]

    @classmethod
    def of(cls, conditionals: Mapping[str, Formula], variables: Sequence[str] = ()) -> ConditionalFormula:
        """From variable to formula and the columns of x, by default the variables that have a formula.

        Raises InputError when there is none, and for one of a variable that is no column.
        """
        if not conditionals:
            raise InputError("there is no conditional formula; only identified regimes have them")
        columns = tuple(variables) or tuple(conditionals)
        for variable in conditionals:
            require_known(variable, columns, "variable")
        return cls(tuple((v, conditionals[v]) for v in columns if v in conditionals), columns)

    @property
    def conditionals(self) -> dict[str, Formula]:
        """The formula of each variable that has one."""
        return dict(self.formulas)

    @property
    def identified(self) -> tuple[str, ...]:
        """The variables that have a formula, in the order of the columns of x."""
        return tuple(variable for variable, _ in self.formulas)

    @property
    def given(self) -> tuple[str, ...]:
        """The variables that have none, in the order of the columns of x."""
        return tuple(variable for variable in self.variables if variable not in self.conditionals)

    @property
    def words(self) -> str:
        """Which conditional density this is, such as `x2, x3 given x1`."""
        return conditional_words(self.identified, self.given)

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
        several calls are compared. Where some variables are given, each point is compared with the reference
        that has these of the point: log p(x_I | x_given; sigma*) up to a function of x_given. Any `order` of the
        variables with a formula gives the same values: the path from the reference to x changes one after another,
        and where neighbours on it share a formula its terms cancel exactly. Raises InputError for wrong shapes and
        for an order that is not one of all variables with a formula.
        """
        points = np.asarray(x)
        width = len(self.variables)
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
        column = {variable: at for at, variable in enumerate(self.variables)}
        held = [column[variable] for variable in self.given]
        total = np.zeros(len(points))
        for step in range(len(path) + 1):
            weights = self._weights(path, step)
            moved = held + [column[self.formulas[k][0]] for k in path[:step]]
            if not moved:
                at = origin[None, :]
            else:
                at = np.array(np.broadcast_to(origin, points.shape), dtype=np.result_type(points, origin))
                at[:, moved] = points[:, moved]
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

        The reference is a cell, by default the first; where some variables are given, values are up to a function
        of these: normalise over the axes of the others. Raises InputError when a table is missing or misshapen.
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
            if tables[i].shape != first.shape or first.ndim != len(self.variables):
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
        position = {variable: at for at, (variable, _) in enumerate(self.formulas)}
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
