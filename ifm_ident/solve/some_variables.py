"""Questions about some variables only: the design of these and of what factors connect to them.

Theory: docs/theory/conditional.md.
"""

from __future__ import annotations

from collections.abc import Iterable

from ifm_ident.answer.identification import Identification
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, nearest, require_known
from ifm_ident.solve.identifier import CriterionName, Identifier


def needed_variables(model: Model, of: Iterable[str]) -> tuple[str, ...]:
    """The variables connected to those named through factors, in the model's order.

    Theory: docs/theory/conditional.md.

    Raises InputError for an unknown variable, and when none is named.

    >>> from ifm_ident.design.model import Factor, Intervention
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
        require_known(variable, model.variables, "variable")
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
        design.model.covariates,
        design.model.randomised,
    )
    return Identifier(Design(model, design.train), identifier.notation)


def identify_of(
    identifier: Identifier, targets: Regimes, of: Iterable[str], criterion: CriterionName = "auto"
) -> Identification:
    """Verdicts on the density of some variables: only the systems of variables connected to them count.

    The result is about the design of `identifier_of`. Raises InputError for an unknown variable.

    >>> import numpy as np
    >>> from ifm_ident.design.model import Factor, Intervention
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
