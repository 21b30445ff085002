"""Whether training regimes can tell that some interventions act together, and which further ones would.

Theory: docs/theory/factors.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes
from ifm_ident.planning.candidates import FEW, Candidates
from ifm_ident.planning.planner import plan
from ifm_ident.planning.prices import OneEach
from ifm_ident.solve.basis_incidence import incidence_of
from ifm_ident.solve.exact.rowspace import RowSpace

Scope = tuple[int, ...]
"""Interventions by position, ascending: a sigma-scope."""

_CORNERS = 64


def without(scopes: Iterable[Scope], term: Scope) -> tuple[Scope, ...]:
    """The scopes less what lets all of `term` act together: the largest that are left, in order of size.

    >>> without([(0, 1), (2,)], (0, 1)), without([(0,), (0, 1)], (0,))
    (((0,), (1,), (2,)), ((1,),))
    """
    wanted = set(term)
    left: set[frozenset[int]] = {frozenset(term[:i] + term[i + 1 :]) for i in range(len(term))}
    for scope in scopes:
        parts = [frozenset(scope)] if not wanted <= set(scope) else [frozenset(scope) - {i} for i in term]
        left.update(parts)
    largest = [one for one in left if one and not any(one < other for other in left)]
    return tuple(sorted((tuple(sorted(one)) for one in largest), key=lambda one: (len(one), one)))


def incidence_rows(model: Model, scopes: Sequence[Scope], regimes: Regimes) -> csr_array:
    """Rows of regimes in the incidence system of one factor for each scope, shape (n, columns), int64.

    The wide factors' columns are the cells that `regimes` show.
    """
    made = _of_scopes(model, scopes)
    return incidence_of(made, tuple(range(len(made.factors))), regimes).rows(regimes)[0]


def dimensions_told(model: Model, scopes: Sequence[Scope], terms: Sequence[Scope], train: Regimes) -> int:
    """By how many dimensions the training rows of terms exceed those of everything else: 0, and they are not told.

    scopes: the sigma-scopes of whatever may act on the same variables; those that hold all of a term are put in
    their parts. Exact.

    >>> from ifm_ident.design.model import Intervention
    >>> model = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x",), (Factor("f", ("x",), ()),))
    >>> cross = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    >>> [dimensions_told(model, [], [(0, 1)], cross.take(slice(k))) for k in (3, 4)]
    [0, 1]
    """
    beside: tuple[Scope, ...] = tuple(scopes)
    for term in terms:
        beside = without(beside, term)
    every = RowSpace(incidence_rows(model, (*beside, *terms), train)).rank
    return every - RowSpace(incidence_rows(model, beside, train)).rank


def mixed_with(
    model: Model, present: Sequence[Scope], rivals: Sequence[Scope], term: Scope, train: Regimes
) -> tuple[Scope, ...] | None:
    """Which rivals' columns add up to those of a term that is not told; none where the present ones alone do.

    The columns of `present` scopes are taken first, then those of rivals in their order: one combination of many.
    None for a term that is told.

    >>> from ifm_ident.design.model import Intervention
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> model = Model(bits, ("x",), (Factor("f", ("x",), ()),))
    >>> train = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]))
    >>> mixed_with(model, [(0,), (1,), (2,)], [(0, 2), (1, 2)], (0, 1), train)
    ((0, 2),)
    >>> mixed_with(model, [(0,), (1,), (2,)], [], (0, 1), train) is None
    True
    """
    if dimensions_told(model, [*present, *rivals], [term], train):
        return None
    parts = [_columns(model, without(present, term), train)]
    owner = [-1] * parts[0].shape[0]
    others = [scope for scope in rivals if not set(term) <= set(scope)]
    for k, rival in enumerate(others):
        parts.append(_columns(model, [rival], train))
        owner += [k] * parts[-1].shape[0]
    solved = RowSpace(csr_array(vstack(parts))).solve(_columns(model, [term], train))
    used = sorted({owner[int(row)] for row in solved.row if owner[int(row)] >= 0})
    return tuple(others[k] for k in used)


def _columns(model: Model, scopes: Sequence[Scope], train: Regimes) -> csr_array:
    """The incidence columns as rows, shape (columns, m)."""
    return csr_array(incidence_rows(model, scopes, train).T)


@dataclass(frozen=True, eq=False)
class Telling:
    """Regimes to run so that a term is told; `least`: proven that fewer are not enough."""

    add: Regimes
    least: bool


def regimes_that_tell(model: Model, scopes: Sequence[Scope], term: Scope, train: Regimes) -> Telling:
    """Which regimes to add so that training tells a term from everything else in `scopes`.

    One regime if one is enough: of those that do, the first with fewest interventions off baseline. Otherwise the
    cheapest by `plan` that identify every combination of the term's levels with the rest at baseline, which is
    enough but may be more than needed.

    >>> from ifm_ident.design.model import Intervention
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> model = Model(bits, ("x",), (Factor("f", ("x",), ()),))
    >>> train = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]))
    >>> pairs = [(0, 1), (0, 2), (1, 2)]
    >>> found = regimes_that_tell(model, pairs, (0, 1), train)
    >>> [*found.add], found.least
    ([((0, 1), (1, 1))], True)
    >>> [*regimes_that_tell(model, [(0,), (1,)], (0, 1), train.take(slice(4))).add]
    [((0, 1), (1, 1))]
    """
    beside = without(scopes, term)
    tried = _tried(model, term, train)
    whole = _holds(model, (*beside, term), train, tried)
    partly = _holds(model, beside, train, tried)
    useful = np.flatnonzero(partly & ~whole)
    if len(useful):
        first = useful[np.argmin(tried.active_counts[useful])]
        return Telling(tried.take(np.array([first])), True)
    made = _of_scopes(model, (*beside, term))
    corners = Regimes.from_active(_corners(model, term), len(model))
    found = plan(Design(made, train), lambda: [corners], Candidates(made, OneEach(made)), time_limit=5.0)
    return Telling(found.add, False)


def _holds(model: Model, scopes: Sequence[Scope], train: Regimes, tried: Regimes) -> NDArray[np.bool_]:
    both = incidence_rows(model, scopes, Regimes.concatenate([train, tried]))
    return RowSpace(csr_array(both[: len(train)])).holds(csr_array(both[len(train) :]))


def _tried(model: Model, term: Scope, train: Regimes) -> Regimes:
    """All regimes where these are few; otherwise the term's levels over baseline and what was run."""
    space = AllRegimes(model)
    if space.count <= FEW:
        return Regimes.concatenate([*space.chunks(FEW)])
    keep = np.ones(len(model), dtype=bool)
    keep[list(term)] = False
    contexts = [(), *dict.fromkeys(tuple(one) for one in train.restrict(keep))]
    corners = _corners(model, term)
    joined = (tuple(sorted((*corner, *context))) for context in contexts for corner in corners)
    return Regimes.from_active([*dict.fromkeys(joined)][:FEW], len(model))


def _corners(model: Model, term: Scope) -> list[tuple[tuple[int, int], ...]]:
    """The combinations of the term's levels, the rest at baseline; the first of very many."""
    found: list[tuple[tuple[int, int], ...]] = [()]
    for i in term:
        levels = range(int(model.level_counts[i]))
        found = [(*one, (i, level)) if level else one for one in found for level in levels][:_CORNERS]
    return found


def _of_scopes(model: Model, scopes: Sequence[Scope]) -> Model:
    """One factor for each scope, and one without, over one variable."""
    names = [one.name for one in model.interventions]
    variable = "x"
    while variable in names:
        variable += "x"
    factors = (
        Factor(f"f{k}", (variable,), tuple(names[i] for i in scope)) for k, scope in enumerate([(), *scopes])
    )
    return Model(model.interventions, (variable,), tuple(factors))
