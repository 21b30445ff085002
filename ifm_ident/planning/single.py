"""The single regimes that identify most: each by itself, or one after the other (docs/theory/planning.md)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.planning._directions import Directions
from ifm_ident.planning._spanning import Spanning, SystemRows
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.search import Search, Targets, Watch, plainly
from ifm_ident.solve.exact.products import product
from ifm_ident.solve.exact.rowspace import RowSpace


@dataclass(frozen=True, eq=False)
class Singles:
    """Single regimes and how many new targets each identifies.

    gains, costs: one for each regime; with `one_after_the_other` a gain counts beyond the regimes before it.
    every_candidate: no allowed regime was left out; otherwise regimes outside every factor's scope that are no
    targets were not looked at.
    """

    criterion: PlanCriterion
    regimes: Regimes
    gains: tuple[int, ...]
    costs: tuple[Fraction, ...]
    one_after_the_other: bool
    every_candidate: bool
    identified_before: int
    targets: int


def single_regimes(
    design: Design,
    targets: Targets,
    candidates: Candidates,
    criterion: PlanCriterion = "joint",
    *,
    count: int,
    one_after_the_other: bool = False,
    booked: Regimes | None = None,
    watch: Watch = plainly,
) -> Singles:
    """The `count` regimes that identify most new targets, fewer if no more identify any.

    Ties go to the cheaper regime, then to fewer interventions off baseline. Of regimes that tell the same, the
    cheapest stands for all. Raises InputError for a count below 1 and an unknown
    criterion.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.planning.prices import OneEach
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> every = Regimes.from_codes(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> offered = Candidates(model, OneEach(model))
    >>> one = single_regimes(Design(model, every.take(slice(2))), lambda: [every], offered, count=3)
    >>> list(one.regimes), one.gains
    ([((0, 1),)], (2,))
    """
    if count < 1:
        raise InputError(f"{count} regimes: ask for 1 or more")
    none = Regimes.from_active([], len(design.model))
    search = Search(design, targets, candidates, criterion, none if booked is None else booked, watch)
    offer = search.offer()
    chosen: list[int] = []
    gained: list[int] = []
    if one_after_the_other:
        problem = search.problem(offer)
        while len(chosen) < count:
            gain = gains(problem)
            if not gain.any():
                break
            best = int(np.argmax(gain))
            chosen.append(best)
            gained.append(int(gain[best]))
            problem = _with(problem, best)
    else:
        quotient = all(system.is_quotient for system in search.reduction.systems)
        gain = (
            _gains_by_number(search.directions, offer.directions, search.weight)
            if quotient
            else gains(search.problem(offer))
        )
        order = np.argsort(-gain, kind="stable")[:count]
        chosen = order[gain[order] > 0].tolist()
        gained = gain[chosen].tolist()
    return Singles(
        criterion,
        offer.regimes.take(np.array(chosen, dtype=np.int64)),
        tuple(gained),
        tuple(int(offer.cost[c]) * candidates.prices.unit for c in chosen),
        one_after_the_other,
        offer.complete,
        search.identified_before,
        search.target_count,
    )


def gains(problem: Spanning) -> Ints:
    """How many targets each candidate spans by itself, shape (c,).

    Modulo the free rows a single row spans the multiples of itself: a candidate serves a target when it has the
    target's direction in every block where the target's row is not zero.
    """
    if any(block.free.shape[0] for block in problem.blocks):
        one_by_one = (problem.spans(np.array([c], dtype=np.int64)) for c in range(problem.count))
        return np.array([int(problem.weight[spanned].sum()) for spanned in one_by_one], dtype=np.int64)
    numbers = [
        Directions(block.targets.shape[1]).number(
            csr_array(vstack([block.targets, block.candidates], format="csr"))
        )
        for block in problem.blocks
    ]
    if not numbers:
        return np.zeros(problem.count, dtype=np.int64)
    rows = np.stack(numbers, axis=1)
    return _gains_by_number(rows[: len(problem.weight)], rows[len(problem.weight) :], problem.weight)


def _gains_by_number(wanted: Ints, offered: Ints, weight: Ints) -> Ints:
    """The same from direction numbers, of targets (t, blocks) with their weights and of candidates (c, blocks)."""
    total = np.zeros(len(offered), dtype=np.int64)
    patterns, which = np.unique(wanted != 0, axis=0, return_inverse=True)
    for p, pattern in enumerate(patterns):
        members = np.flatnonzero(which == p)
        fits = np.flatnonzero((offered[:, pattern] != 0).all(axis=1))
        codes = _coded(np.concatenate([wanted[members][:, pattern], offered[fits][:, pattern]]))
        sums = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
        np.add.at(sums, codes[: len(members)], weight[members])
        total[fits] += sums[codes[len(members) :]]
    return total


def _coded(rows: Ints) -> Ints:
    """One number for every distinct row, shape (n,); entries below 2**31."""
    codes = np.zeros(len(rows), dtype=np.int64)
    for column in rows.T:
        codes = np.unique(codes * 2**31 + column, return_inverse=True)[1]
    return codes


def _with(problem: Spanning, candidate: int) -> Spanning:
    """The problem after a candidate has become free; targets that it spans are left out."""
    blocks = []
    for block in problem.blocks:
        row = csr_array(block.candidates[[candidate]])
        space = RowSpace(row)
        if block.free.shape[0] or not space.is_small:
            kept = row if row.nnz else csr_array((0, row.shape[1]), dtype=np.int64)
            blocks.append(
                SystemRows(csr_array(vstack([block.free, kept], format="csr")), block.targets, block.candidates)
            )
        else:
            rows = product(block.targets, space.kernel), product(block.candidates, space.kernel)
            blocks.append(SystemRows(csr_array((0, space.kernel.shape[1]), dtype=np.int64), *rows))
    after = Spanning(tuple(blocks), problem.cost, problem.weight)
    left: NDArray[np.bool_] = ~after.spans(np.empty(0, dtype=np.int64))
    return after.restricted(np.flatnonzero(left))
