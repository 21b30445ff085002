"""Models given by tables of positive numbers: small enough to enumerate, so that formulas can be tried on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.conditional_formula import ConditionalFormula
from ifm_ident.answer.identification import Answer
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Active
from ifm_ident.errors import InputError

MOST_CELLS = 1_000_000
"""The largest table of p(x) that is enumerated."""


@dataclass(frozen=True, eq=False)
class TabulatedModel:
    """A model with discrete variables of `values` values each and one positive table for each factor.

    tables[k] has an axis for each variable of factor k's x-scope, then one for each intervention of its
    sigma-scope, both in the order written; for an intervention with a basis the axis is of functions, the constant
    first, and the factor is the product of the tables to the power of the functions' values.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> TabulatedModel(model, 2, (np.array([[1.0, 1.0], [1.0, 3.0]]),)).density(((0, 1),)).tolist()
    [0.25, 0.75]
    """

    model: Model
    values: int
    tables: tuple[NDArray[np.float64], ...]

    @classmethod
    def draw(cls, model: Model, values: int, rng: np.random.Generator) -> TabulatedModel:
        """Every entry of every table log-normal; InputError where p(x) is too large to enumerate."""
        if values ** len(model.variables) > MOST_CELLS:
            raise InputError(
                f"{len(model.variables)} variables of {values} values have more than {MOST_CELLS:,} cells; "
                "draw fewer values or a smaller model"
            )
        counts = [len(one.levels) if one.basis is None else one.basis.functions + 1 for one in model.interventions]
        shapes = [
            [values] * len(factor.x) + [counts[i] for i in scope.tolist()]
            for factor, scope in zip(model.factors, model.scopes, strict=True)
        ]
        return cls(model, values, tuple(np.exp(rng.standard_normal(shape)) for shape in shapes))

    def density(self, regime: Active) -> NDArray[np.float64]:
        """p(x; regime) enumerated, one axis for each variable of the model (docs/theory/model.md)."""
        levels = dict(regime)
        place = {variable: axis for axis, variable in enumerate(self.model.variables)}
        total = np.zeros((self.values,) * len(self.model.variables))
        for factor, scope, table in zip(self.model.factors, self.model.scopes, self.tables, strict=True):
            axes = [place[variable] for variable in factor.x]
            shown = np.transpose(np.log(self._shown(table, scope.tolist(), levels)), np.argsort(axes))
            others = tuple(axis for axis in range(total.ndim) if axis not in axes)
            total = total + np.expand_dims(shown, others)
        return _normalised(total)

    def _shown(self, table: NDArray[np.float64], scope: list[int], levels: dict[int, int]) -> NDArray[np.float64]:
        """A factor over its x-scope at some levels; where these have values, a product of powers of its tables."""
        one = [self.model.interventions[i] for i in scope]
        for each, i in reversed([*zip(one, scope, strict=True)]):
            level = levels.get(i, 0)
            if each.basis is None:
                table = table[..., level]
            else:
                table = np.exp(np.log(table) @ np.array([1.0, *map(float, each.values(level))]))
        return table


def predicted(answer: Answer, densities: Mapping[int, NDArray[np.float64]]) -> NDArray[np.float64]:
    """p(x; target) by an answer's formula, from tables of training densities; InputError without a formula."""
    logs = {i: np.log(table) for i, table in densities.items()}
    if answer.formula is not None:
        return _normalised(answer.formula(logs))
    if answer.conditionals:
        return _normalised(ConditionalFormula.of(answer.conditionals).table(logs))
    raise InputError(f"{answer.name} has no formula: it is {answer.status.word.replace('_', ' ')}")


def largest_error(drawn: TabulatedModel, design: Design, target: Active, answer: Answer) -> float:
    """The largest difference, over all x, between p(x; target) enumerated and given by the formula."""
    densities = {int(i): drawn.density(design.train[int(i)]) for i in design.distinct}
    return float(np.abs(predicted(answer, densities) - drawn.density(target)).max())


def _normalised(log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return weights
