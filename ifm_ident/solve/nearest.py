"""The identified regimes nearest to a refused one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ifm_ident.answer.identification import Status
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.solve.identifier import CriterionName, Identifier

MAX_CANDIDATES = 50_000
"""At most this many regimes around a target are looked at."""

MOST = 5
"""At most this many regimes are given."""

_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Nearest:
    """Regimes that are observed or identified, `changes` interventions away from the target, and which of the two.

    exact: nothing nearer is identified. Otherwise the search was bounded: every regime less than
    `looked_through + 1` changes away was looked at and none is identified, and these are training regimes.
    more: there are others just as near.
    """

    changes: int
    regimes: tuple[Active, ...]
    status: tuple[Status, ...]
    exact: bool
    looked_through: int
    more: bool


def nearest_identified(
    identifier: Identifier,
    target: Active,
    criterion: CriterionName = "auto",
    max_candidates: int = MAX_CANDIDATES,
) -> Nearest:
    """The regimes with fewest interventions changed that are observed or identified under the criterion.

    Looks at all regimes 1 change away, then 2, and so on, in lexicographic order, at most `max_candidates` in
    all; interventions in no factor stay as they are. Up to five regimes are given. A training regime ends the
    search at the latest.

    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> identifier = Identifier(Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0]]))))
    >>> found = nearest_identified(identifier, ((0, 1), (1, 1)))
    >>> found.changes, found.regimes, found.exact
    (1, (((0, 1),),), True)
    >>> nearest_identified(identifier, ((0, 1), (1, 1)), max_candidates=0).exact
    False
    """
    model = identifier.design.model
    positions = np.flatnonzero(model.relevant).tolist()
    counts = model.level_counts.tolist()
    distances = _distances(identifier.design.train.restrict(model.relevant), target, model.relevant)
    least = int(distances.min())
    left = max_candidates
    for changes in range(1, least + 1):
        total = _ways([counts[position] - 1 for position in positions], changes)
        if total > left:
            return _training(identifier, distances, changes - 1)
        left -= total
        found: list[Active] = []
        status: list[Status] = []
        candidates = _changed(target, positions, counts, changes)
        while len(found) <= MOST and (batch := list(itertools.islice(candidates, _BATCH))):
            verdicts = identifier.verdicts(Regimes.from_active(batch, len(model)), criterion)
            for row in np.flatnonzero(verdicts <= Status.IDENTIFIED).tolist():
                found.append(batch[row])
                status.append(Status(int(verdicts[row])))
        if found:
            return Nearest(
                changes, tuple(found[:MOST]), tuple(status[:MOST]), True, changes - 1, len(found) > MOST
            )
    return _training(identifier, distances, least - 1)


def _distances(
    train: Regimes, target: Active, relevant: np.typing.NDArray[np.bool_]
) -> np.typing.NDArray[np.int64]:
    """In how many relevant interventions each training regime differs from the target, shape (m,)."""
    level = np.zeros(len(relevant), dtype=np.int64)
    for position, index in target:
        level[position] = index
    active = int(np.count_nonzero(level[relevant]))
    there = level[train.position]
    # an active entry adds a difference where the target is at baseline, removes one where they are equal
    change = np.where(there == 0, 1, np.where(there == train.level, -1, 0))
    return active + np.bincount(train.rows, weights=change, minlength=len(train)).astype(np.int64)


def _ways(other_levels: list[int], changes: int) -> int:
    """How many regimes differ in exactly so many interventions."""
    ways = [1] + [0] * changes
    for others in other_levels:
        for k in range(changes, 0, -1):
            ways[k] += ways[k - 1] * others
    return ways[changes]


def _changed(target: Active, positions: list[int], counts: list[int], changes: int) -> Iterator[Active]:
    levels = dict(target)
    for chosen in itertools.combinations(positions, changes):
        others = [[j for j in range(counts[i]) if j != levels.get(i, 0)] for i in chosen]
        for new in itertools.product(*others):
            changed = {**levels, **dict(zip(chosen, new, strict=True))}
            yield tuple(sorted((i, j) for i, j in changed.items() if j))


def _training(identifier: Identifier, distances: np.typing.NDArray[np.int64], looked_through: int) -> Nearest:
    distinct = identifier.design.distinct
    nearest = distinct[distances[distinct] == distances.min()]
    regimes = tuple(identifier.design.train[int(i)] for i in nearest[:MOST])
    return Nearest(
        int(distances.min()),
        regimes,
        (Status.OBSERVED,) * len(regimes),
        False,
        looked_through,
        len(nearest) > MOST,
    )
