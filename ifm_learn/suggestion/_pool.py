"""The candidates: which of them may be run, which have a mean, and the few of very many to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from ifm_ident import Identifier, InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_ident.planning import Candidates

_LIKELY = (Status.OBSERVED, Status.IDENTIFIED)

Score = Callable[[Regimes, Ints], Floats]
"""How good candidates look, shape (r,), from regimes and their costs in units; nan where nothing tells."""


@dataclass(eq=False)
class Counted:
    """How many candidates there were, and what became of them."""

    candidates: int = 0
    not_allowed: int = 0
    run: int = 0
    pending: int = 0
    not_identified: int = 0
    scored: int = 0
    screened_out: int = 0

    def mapping(self) -> dict[str, int]:
        """By name."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Pool:
    """Candidates to make draws of, with costs in units and whether they are identified, each (r,)."""

    regimes: Regimes
    cost: Ints
    identified: Ints
    counted: Counted = field(default_factory=Counted)


def gather(
    chunks: Iterable[Regimes],
    allowed: Candidates,
    identifier: Identifier,
    pending: Regimes,
    score: Score,
    *,
    repeats: bool,
    identified_only: bool,
    same: Ints,
    keep: int,
    batch: int,
) -> Pool:
    """Goes through candidates in chunks and keeps the `keep` best by `score`, more only while they are few.

    repeats: whether regimes that were run stay candidates. same: interventions that a batch has at one level; each
    of their combinations keeps its share, a batch at least where that is not too many in all.
    """
    counted = Counted()
    kept = [Pool(Regimes.from_active([], pending.width), np.empty(0, np.int64), np.empty(0, np.int64))]
    held = 0
    for chunk in chunks:
        counted.candidates += len(chunk)
        cost = allowed.cost(chunk)
        may = cost >= 0
        counted.not_allowed += int((~may).sum())
        running = may & (chunk.first_equal(pending) >= 0)
        counted.pending += int(running.sum())
        may &= ~running
        at = np.flatnonzero(may)
        status = identifier.verdicts(chunk.take(at))
        if not repeats:
            fresh = status != Status.OBSERVED
            counted.run += int((~fresh).sum())
            at, status = at[fresh], status[fresh]
        known = np.isin(status, _LIKELY)
        counted.not_identified += int((~known).sum())
        if identified_only:
            at, known = at[known], known[known]
        kept.append(Pool(chunk.take(at), cost[at], known.astype(np.int64)))
        held += len(at)
        if held > 4 * keep:
            kept = [_best(_joined(kept), score, same, (keep, batch), counted)]
            held = len(kept[0].regimes)
    found = _joined(kept)
    if len(found.regimes) > keep:
        found = _best(found, score, same, (keep, batch), counted)
    counted.scored = len(found.regimes)
    return Pool(found.regimes, found.cost, found.identified, counted)


def _joined(parts: list[Pool]) -> Pool:
    regimes = Regimes.concatenate([part.regimes for part in parts])
    cost, known = (np.concatenate([getattr(part, name) for part in parts]) for name in ("cost", "identified"))
    once = np.unique(regimes.first_equal(regimes)) if len(regimes) else np.empty(0, np.int64)
    return Pool(regimes.take(once), cost[once], known[once])


def _best(pool: Pool, score: Score, same: Ints, room: tuple[int, int], counted: Counted) -> Pool:
    looks = np.nan_to_num(score(pool.regimes, pool.cost), nan=-np.inf)
    groups = group_of(pool.regimes, same)
    (keep, batch), many = room, int(groups.max(initial=0)) + 1
    share = max(keep // many, min(batch, max(4 * keep // many, 1)))
    order = np.lexsort((np.arange(len(looks)), -looks, groups))
    starts = np.searchsorted(groups[order], groups[order])
    at = np.sort(order[np.arange(len(order)) - starts < share])
    counted.screened_out += len(looks) - len(at)
    return Pool(pool.regimes.take(at), pool.cost[at], pool.identified[at])


def group_of(regimes: Regimes, same: Ints) -> Ints:
    """A number for each combination of levels of the interventions `same`, shape (r,); 0 for all without any."""
    if not len(same) or not len(regimes):
        return np.zeros(len(regimes), dtype=np.int64)
    mask = np.zeros(regimes.width, dtype=bool)
    mask[same] = True
    shown = regimes.restrict(mask)
    return np.unique(shown.first_equal(shown), return_inverse=True)[1].astype(np.int64)


def require_some(pool: Pool, unlocking: int) -> None:
    """InputError, saying what became of the candidates, where none is left to suggest."""
    if len(pool.regimes) or unlocking:
        return
    told = pool.counted
    reasons = [
        (told.not_allowed, "may not be run (forbidden, or without a cost)"),
        (told.run, "were run already"),
        (told.pending, "are running"),
        (told.not_identified, "are not identified, and no single run identifies any"),
    ]
    words = ", ".join(f"{n:,} {what}" for n, what in reasons if n)
    raise InputError(
        f"of {told.candidates:,} candidates none is left: {words or 'there are none'}; allow more of them, or "
        "take other candidates",
        argument="candidates",
    )
