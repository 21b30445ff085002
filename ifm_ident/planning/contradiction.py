"""Regimes whose runs would put to a test what identified regimes rely on (docs/theory/implications.md)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ifm_ident.answer.identification import Status
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError, require_whole
from ifm_ident.implications.bearing import untested
from ifm_ident.implications.testable import implications
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.reduction import PlanCriterion, require_criterion
from ifm_ident.planning.search import Targets, Watch, plainly
from ifm_ident.solve.identifier import Identifier

MOST_CANDIDATES, MOST_TARGETS = 2_000, 20_000
"""More candidates that are identified, or targets, are refused: each candidate makes a design of its own."""


@dataclass(frozen=True, eq=False)
class Refuting:
    """Regimes to run by themselves, and what each puts to a test.

    regimes: identified and not run. tests: how many identified targets that no claim bears on now, other than the
    regime itself, some claim would bear on; claims: how many more testable implications there would be. untested:
    how many identified targets no claim bears on now, of `targets`; claims_before: the implications there are now.
    """

    criterion: PlanCriterion
    regimes: Regimes
    tests: tuple[int, ...]
    claims: tuple[int, ...]
    costs: tuple[Fraction, ...]
    claims_before: int
    untested: int
    targets: int


def refuting(
    design: Design,
    targets: Targets,
    candidates: Candidates,
    criterion: PlanCriterion = "joint",
    *,
    count: int,
    watch: Watch = plainly,
) -> Refuting:
    """The `count` regimes that put most untested targets to a test, then add most implications, then cost least.

    A run of an identified regime can contradict its formula, and so the factors; one that is not identified tells
    something new and tests nothing by itself. Raises InputError for a count below 1, an unknown criterion, and for
    more targets or candidates than can be tried.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.planning.prices import OneEach
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> every = Regimes.from_codes(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> singles = Design(model, every.take([0, 1, 2]))
    >>> found = refuting(singles, lambda: [every], Candidates(model, OneEach(model)), count=3)
    >>> list(found.regimes), found.tests, found.claims, found.untested
    ([((0, 1), (1, 1))], (0,), (1,), 1)
    """
    require_criterion(criterion)
    require_whole(count, "count", 1)
    asked = _all(targets, len(design.model), MOST_TARGETS, "target regimes")
    offered = _offered(design, candidates, criterion)
    identifier = Identifier(design)
    now = list(implications(identifier))
    identified = identifier.identify(asked, criterion)
    before = untested(design, now, identified)
    tests, claims = [], []
    for one in watch((offered.take(np.array([row])) for row in range(len(offered))), "trying regimes"):
        grown = Design(design.model, Regimes.concatenate([design.train, one]))
        then = list(implications(Identifier(grown)))
        after = untested(grown, then, identified)
        itself = asked.first_equal(one) >= 0
        tests.append(int((before & ~after & ~itself).sum()))
        claims.append(len(then) - len(now))
    cost = candidates.cost(offered)
    best = np.lexsort((offered.active_counts, cost, -np.array(claims, int), -np.array(tests, int)))[:count]
    return Refuting(
        criterion,
        offered.take(best),
        tuple(tests[i] for i in best.tolist()),
        tuple(claims[i] for i in best.tolist()),
        tuple(int(cost[i]) * candidates.prices.unit for i in best.tolist()),
        len(now),
        int(before.sum()),
        len(asked),
    )


def _offered(design: Design, candidates: Candidates, criterion: PlanCriterion) -> Regimes:
    """The candidates that are identified and not run."""
    identifier, found, count = Identifier(design), [Regimes.from_active([], len(design.model))], 0
    for chunk in candidates.every():
        status = identifier.identify(chunk, criterion).status
        found.append(chunk.take(np.flatnonzero(status == Status.IDENTIFIED)))
        count += len(found[-1])
        if count > MOST_CANDIDATES:
            raise InputError(
                f"more than {MOST_CANDIDATES:,} regimes are identified and might be run; each is tried by itself: "
                "allow fewer interventions off baseline, forbid some, or list costs of those to choose from"
            )
    return Regimes.concatenate(found)


def _all(targets: Targets, width: int, most: int, what: str) -> Regimes:
    found, count = [Regimes.from_active([], width)], 0
    for chunk in targets():
        found.append(chunk)
        count += len(chunk)
        if count > most:
            raise InputError(f"more than {most:,} {what}; name fewer")
    return Regimes.concatenate(found)
