"""A directed acyclic graph read off the factors: parents and interventions of every variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ifm_ident import Factor, InputError, Model
from ifm_ident.errors import nearest


@dataclass(frozen=True)
class Dag:
    """Parents and intervention scopes of every variable; `order` lists parents before children.

    parents, sigma: by variable, in the model's order of variables.
    """

    order: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    sigma: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, model: Model, parents: Mapping[str, Sequence[str]] | None = None) -> Dag:
        """The graph of a model whose factors are conditionals, or of `parents`, child to parents.

        Without `parents`, a factor's child is the variable it is named after, where that is in its x-scope, else
        the first of its x-scope; the rest of the scope are parents. With `parents` (variables left out are roots),
        a factor's child is the variable of its scope that comes last, and the scope's other variables must be its
        parents. Factors of one child are merged. Raises InputError for a cycle, which it names, for a variable
        that is no factor's child, and for factors that do not fit `parents`.

        >>> from ifm_ident import Intervention
        >>> a = Intervention("A", (0, 1))
        >>> model = Model((a,), ("x", "y"), (Factor("x", ("x",), ()), Factor("y", ("x", "y"), ("A",))))
        >>> Dag.of(model).parents, Dag.of(model).sigma
        ({'x': (), 'y': ('x',)}, {'x': (), 'y': ('A',)})
        >>> Dag.of(Model((a,), ("x", "y"), (Factor("x", ("x", "y"), ()), Factor("y", ("x", "y"), ("A",)))))
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: the factors give no directed acyclic graph: x -> y -> x; give `parents`...
        """
        if parents is None:
            child = {factor.name: first_child(factor) for factor in model.factors}
            found = _collect(model, child)
            missing = [v for v in model.variables if v not in set(child.values())]
            if missing:
                raise InputError(
                    f"{missing[0]!r} is the child of no factor, which `dag` needs: put it first in a factor's "
                    "`x`, name a factor after it, or in Python give `parents`"
                )
            return cls(_order(found), found, _scopes(model, child))
        given = _checked(model, parents)
        order = _order(given)
        rank = {variable: i for i, variable in enumerate(order)}
        child = {factor.name: max(factor.x, key=lambda v: rank[v]) for factor in model.factors}
        for factor in model.factors:
            last = child[factor.name]
            strangers = [v for v in factor.x if v != last and v not in given[last]]
            if strangers:
                raise InputError(
                    f"factor {factor.name!r} joins {last!r} and {strangers[0]!r}, which `parents` does not; add "
                    f"{strangers[0]!r} to the parents of {last!r}"
                )
        return cls(order, given, _scopes(model, child))

    def model(self, model: Model) -> Model:
        """The same interventions and variables with one factor for each variable, child first."""
        factors = (Factor(v, (v, *self.parents[v]), self.sigma[v]) for v in model.variables)
        return Model(model.interventions, model.variables, tuple(factors))


def first_child(factor: Factor) -> str:
    """The variable that a factor is about: the one it is named after, else the first of its x-scope."""
    return factor.name if factor.name in factor.x else factor.x[0]


def _collect(model: Model, child: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    joined: dict[str, set[str]] = {variable: set() for variable in model.variables}
    for factor in model.factors:
        joined[child[factor.name]].update(factor.x)
    return {v: tuple(u for u in model.variables if u in joined[v] and u != v) for v in model.variables}


def _scopes(model: Model, child: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    joined: dict[str, set[str]] = {variable: set() for variable in model.variables}
    for factor in model.factors:
        joined[child[factor.name]].update(factor.sigma)
    return {v: tuple(i.name for i in model.interventions if i.name in joined[v]) for v in model.variables}


def _checked(model: Model, parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    for name in [*parents, *(u for listed in parents.values() for u in listed)]:
        if name not in model.variables:
            raise InputError(f"`parents` names the unknown variable {name!r}; {nearest(name, model.variables)}")
    return {v: tuple(u for u in model.variables if u in set(parents.get(v, ()))) for v in model.variables}


def _order(parents: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    try:
        return tuple(TopologicalSorter(parents).static_order())
    except CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise InputError(
            f"the factors give no directed acyclic graph: {cycle}; give `parents`, or name factors after their "
            "children"
        ) from None
