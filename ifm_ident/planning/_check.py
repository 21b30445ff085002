"""A plan checked: the targets identified anew on the augmented design."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ifm_ident.answer.identification import Identification, Status
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.solve.identifier import Identifier

_EXACT = 2**20


@dataclass(frozen=True, eq=False)
class Check:
    """What a plan gives, counted again from the design it makes.

    identified: how many targets are; refused: those that are not; squares: for every training regime from
    `first_new` on, the sum over identified targets and variables of its squared exponent.
    """

    identified: int
    refused: Regimes
    squares: tuple[Fraction, ...]


def check(design: Design, chunks: Iterable[Regimes], criterion: PlanCriterion, first_new: int) -> Check:
    """Identify every target by the criterion; a joint formula counts once, a conditional one once a variable."""
    identifier = Identifier(design)
    identified = 0
    refused = [Regimes.from_active([], len(design.model))]
    sums = _Squares(design, criterion, first_new)
    for chunk in chunks:
        answer = identifier.identify(chunk, criterion)
        no = answer.rows_with(Status.NOT_IDENTIFIED)
        identified += len(chunk) - len(no)
        refused.append(chunk.take(no))
        sums.add(answer)
    return Check(identified, Regimes.concatenate(refused), tuple(sums.total))


class _Squares:
    """Sums of squared exponents of the new regimes."""

    def __init__(self, design: Design, criterion: PlanCriterion, first_new: int) -> None:
        self.first_new = first_new
        self.total = [Fraction(0)] * (len(design.train) - first_new)
        covers = list(design.model.cover_index.values())
        self._variables = np.bincount(covers) if criterion == "conditional" else np.ones(1, dtype=np.int64)

    def add(self, answer: Identification) -> None:
        """Add the exponents of a batch; an observed regime is its own formula, with exponent 1."""
        observed = answer.train[answer.train >= self.first_new]
        for i, count in zip(*np.unique(observed, return_counts=True), strict=True):
            self.total[int(i) - self.first_new] += int(count) * int(self._variables.sum())
        terms = answer.terms
        counts = answer.status[terms.owners] == Status.IDENTIFIED
        new = np.flatnonzero(counts & (terms.train >= self.first_new))
        train, numerator, denominator = terms.train[new], terms.numerator[new], terms.denominator[new]
        variables = self._variables[np.maximum(terms.block[new], 0)]
        key = [train, variables, np.abs(numerator), denominator]
        if all(k.dtype == np.int64 and k.max(initial=0) < _EXACT for k in key):
            rows, counts = _distinct(np.column_stack(key))
            key = [*rows.T, counts]
        else:
            key.append(np.ones(len(new), dtype=np.int64))
        for i, share, top, bottom, count in zip(*(k.tolist() for k in key), strict=True):
            self.total[i - self.first_new] += count * share * Fraction(top, bottom) ** 2


def _distinct(rows: Ints) -> tuple[Ints, Ints]:
    """The distinct rows and how often each occurs."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)]))
    if not len(rows):
        return rows, np.zeros(0, dtype=np.int64)
    return ordered[starts], np.diff(np.append(starts, len(rows)))
