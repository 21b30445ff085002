"""The joint density from formulas for full conditionals, and questions about some variables only (THEORY 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident.design import Design
from ifm_ident.errors import InputError, nearest
from ifm_ident.formula import Formula
from ifm_ident.identification import Identification
from ifm_ident.identify import CriterionName, Identifier
from ifm_ident.model import Model
from ifm_ident.regimes import Regimes

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
        """Exponents of the densities at the point that has its first `step` variables from x (THEORY 3)."""
        arrived = self.formulas[path[step - 1]][1].exponents if step else {}
        leaving = self.formulas[path[step]][1].exponents if step < len(path) else {}
        weights = {i: arrived.get(i, Fraction(0)) - leaving.get(i, Fraction(0)) for i in {**arrived, **leaving}}
        return {i: weight for i, weight in sorted(weights.items()) if weight}


def needed_variables(model: Model, of: Iterable[str]) -> tuple[str, ...]:
    """The variables connected to those named through factors, in the model's order (THEORY 3, last line).

    Raises InputError for an unknown variable, and when none is named.

    >>> from ifm_ident.model import Factor, Intervention
    >>> factors = Factor("f1", ("x1", "x2"), ("A",)), Factor("f2", ("x2", "x3"), ()), Factor("f3", ("x4",), ("A",))
    >>> model = Model((Intervention("A", (0, 1)),), ("x1", "x2", "x3", "x4"), factors)
    >>> needed_variables(model, ["x3"]), needed_variables(model, ["x4"])
    (('x1', 'x2', 'x3'), ('x4',))
    >>> needed_variables(model, ["x5"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown variable 'x5'; legal: x1, x2, x3, x4
    """
    reached: set[str] = set()
    for variable in of:
        if variable not in model.cover_index:
            raise InputError(f"unknown variable {variable!r}; {nearest(variable, model.variables)}")
        reached.add(variable)
    if not reached:
        raise InputError(f"no variable is named; {nearest('', model.variables)}")
    waiting = list(reached)
    while waiting:
        for k in model.covers[model.cover_index[waiting.pop()]]:
            new = set(model.factors[k].x) - reached
            reached |= new
            waiting.extend(new)
    return tuple(variable for variable in model.variables if variable in reached)


def identifier_of(identifier: Identifier, of: Iterable[str]) -> Identifier:
    """An identifier for the density of some variables: of the design that keeps only what is connected to them.

    The kept variables and factors are an interventional factor model of their own, because no factor joins them
    to the rest; interventions and training regimes stay as they are, so training indices keep their meaning.
    """
    design = identifier.design
    kept = set(needed_variables(design.model, of))
    if len(kept) == len(design.model.variables):
        return identifier
    model = Model(
        design.model.interventions,
        tuple(variable for variable in design.model.variables if variable in kept),
        tuple(factor for factor in design.model.factors if factor.x[0] in kept),
    )
    return Identifier(Design(model, design.train), identifier.notation)


def identify_of(
    identifier: Identifier, targets: Regimes, of: Iterable[str], criterion: CriterionName = "auto"
) -> Identification:
    """Verdicts on the density of some variables: only the systems of variables connected to them count.

    The result is about the design of `identifier_of`. Raises InputError for an unknown variable.

    >>> from ifm_ident.model import Factor, Intervention
    >>> levels = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model(levels, ("x", "y"), (Factor("f1", ("x",), ("A",)), Factor("f2", ("y",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0]])))
    >>> target = Regimes.from_codes(np.array([[1, 1]]))
    >>> for of in ("x", "y"):
    ...     print(of, identify_of(Identifier(design), target, [of]).counts()["identified"])
    x 1
    y 0
    """
    return identifier_of(identifier, of).identify(targets, criterion)
