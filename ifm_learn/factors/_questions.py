"""What each candidate asks of which training regimes, decided exactly before any row is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import qr

from ifm_ident import Design, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_ident.planning import dimensions_told, incidence_rows, mixed_with, regimes_that_tell, without
from ifm_learn.data.samples import Samples
from ifm_learn.factors.candidates import Candidate, acting
from ifm_learn.falsification.term import Rung, Term

Scope = tuple[int, ...]

MOST_REGIMES = 16
"""A candidate is asked about in so many regimes where that is enough to tell it: those nearest to it."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """That none of some candidates on the same variables acts; of several, training tells the sum alone.

    regimes: indices among the distinct training regimes. base, more: columns over these, as of `Term`.
    """

    members: tuple[Candidate, ...]
    regimes: Ints
    base: Floats
    more: Floats

    def term(self, samples: Samples, rung: Rung, base: Floats | None = None) -> Term:
        """The same asked of rows; `base`: of another model for all else."""
        model = samples.design.model
        group = np.searchsorted(samples.present, samples.regime)
        place = np.full(len(samples.present), -1, dtype=np.int64)
        place[self.regimes] = np.arange(len(self.regimes))
        rows = np.flatnonzero(place[group] >= 0)
        return Term(
            samples.x[rows],
            place[group[rows]],
            self.base if base is None else base,
            self.more,
            frozenset(model.variables.index(v) for v in self.members[0].x),
            model.variables,
            None if samples.unit is None else samples.unit[rows],
            rung,
        )


@dataclass(frozen=True)
class Untold:
    """Why training does not tell a candidate, and which regimes would; least: proven that fewer do not."""

    mixed: tuple[str, ...]
    regimes: Regimes
    least: bool


@dataclass(frozen=True, eq=False)
class Exact:
    """What exact ranks say of candidates: hypotheses that can be asked, and candidates that cannot be told."""

    hypotheses: tuple[Hypothesis, ...]
    untold: dict[Candidate, Untold]


def scopes_on(model: Model, variables: Iterable[str], extra: Iterable[Candidate] = ()) -> tuple[Scope, ...]:
    """The sigma-scopes, as positions, of all that may act on some of the variables: the model's and of `extra`."""
    wanted = set(variables)
    found = [one for v in model.variables if v in wanted for one in acting(model, v)]
    found += [frozenset(one.sigma) for one in extra if wanted & set(one.x)]
    return tuple(dict.fromkeys(tuple(sorted(model.position[name] for name in one)) for one in found if one))


def position_of(model: Model, candidate: Candidate) -> Scope:
    """The interventions of a candidate by position, ascending."""
    return tuple(sorted(model.position[name] for name in candidate.sigma))


def decide(design: Design, candidates: Sequence[Candidate]) -> Exact:
    """Which candidates training tells from all else that is asked about, by exact ranks."""
    model, train = design.model, design.train.take(design.distinct)
    asked = [one for one in candidates if not one.present]
    hypotheses: list[Hypothesis] = []
    untold: dict[Candidate, Untold] = {}
    groups: dict[tuple[str, ...], list[set[Candidate]]] = {}
    for candidate in candidates:
        term = position_of(model, candidate)
        rivals = [one for one in asked if one.sigma != candidate.sigma]
        scopes = scopes_on(model, candidate.x, rivals)
        found = hypothesis(model, train, [candidate], scopes)
        if found is not None:
            hypotheses.append(found)
            continue
        own = scopes_on(model, candidate.x)
        others = [one for one in scopes_on(model, candidate.x, rivals) if one not in own]
        mixed = mixed_with(model, own, others, term, train) or ()
        telling = regimes_that_tell(model, scopes, term, train)
        names = tuple("+".join(model.interventions[i].name for i in one) for one in mixed)
        untold[candidate] = Untold(names, telling.add, telling.least)
        if mixed and not candidate.present:
            partners = {one for one in asked if one.x == candidate.x and position_of(model, one) in mixed}
            _join(groups.setdefault(candidate.x, []), {candidate, *partners})
    for sets in groups.values():
        for members in sets:
            ordered = [one for one in asked if one in members and one in untold]
            beside = scopes_on(model, ordered[0].x, [one for one in asked if one not in members])
            found = hypothesis(model, train, ordered, beside) if len(ordered) > 1 else None
            if found is not None:
                hypotheses.append(found)
    return Exact(tuple(hypotheses), untold)


def _join(sets: list[set[Candidate]], new: set[Candidate]) -> None:
    """Adds a set to disjoint ones, those that it meets becoming one."""
    met = [one for one in sets if one & new]
    for one in met:
        sets.remove(one)
    sets.append(new.union(*met))


def hypothesis(
    model: Model, train: Regimes, members: Sequence[Candidate], scopes: Sequence[Scope]
) -> Hypothesis | None:
    """None where the training regimes, all of them, do not tell the terms from the scopes; exact."""
    terms = [position_of(model, one) for one in members]
    beside: tuple[Scope, ...] = tuple(scopes)
    for term in terms:
        beside = without(beside, term)
    for some in _nearest(train, terms):
        part = train.take(some)
        told = dimensions_told(model, beside, terms, part)
        if told:
            base = _floats(model, beside, part)
            return Hypothesis(tuple(members), some, base, _independent(base, _tops(part, terms), told))
    return None


def _nearest(train: Regimes, terms: Sequence[Scope]) -> list[Ints]:
    """Training regimes to try, in steps of how many interventions outside the terms they have, then all.

    Where there are few regimes, these all at once: they tell more exactly.
    """
    every = np.arange(len(train), dtype=np.int64)
    if len(train) <= MOST_REGIMES:
        return [every]
    inside = sorted({i for term in terms for i in term})
    outside = train.active_counts - (train.codes()[:, inside] != 0).sum(axis=1)
    steps = [np.flatnonzero(outside <= k) for k in np.unique(outside)]
    return [*(one for one in steps if 1 < len(one) < len(train)), every]


def _floats(model: Model, scopes: Sequence[Scope], regimes: Regimes) -> Floats:
    found: Floats = incidence_rows(model, scopes, regimes).toarray().astype(float)
    return found


def base_of(model: Model, train: Regimes, asked: Hypothesis, scopes: Sequence[Scope]) -> Floats:
    """The columns of some scopes, without the members' terms, over the regimes of a hypothesis."""
    beside: tuple[Scope, ...] = tuple(scopes)
    for one in asked.members:
        beside = without(beside, position_of(model, one))
    return _floats(model, beside, train.take(asked.regimes))


def _tops(regimes: Regimes, terms: Sequence[Scope]) -> Floats:
    """Indicators of each combination of levels, none at baseline, of the interventions of each term: (m, k)."""
    codes, columns = regimes.codes(), []
    for term in terms:
        part = codes[:, list(term)]
        shown = np.unique(part[(part != 0).all(axis=1)], axis=0)
        columns += [(part == one).all(axis=1).astype(float) for one in shown]
    return np.stack(columns, axis=1) if columns else np.zeros((len(codes), 0))


def _independent(base: Floats, columns: Floats, count: int) -> Floats:
    """The `count` of the columns that add most to the span of `base`."""
    residual = columns - base @ np.linalg.lstsq(base, columns, rcond=None)[0]
    _, _, order = qr(residual, mode="economic", pivoting=True)
    return columns[:, np.sort(order[:count])]
