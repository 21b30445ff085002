"""One incidence system of a design, factored once: verdicts, formulas and certificates of any regimes.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import JOINT, Terms
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.incidence import BaselineSystem

_NUMBERED = 60
"""Regimes are told apart by number where there are at most 2^60; running sums may wrap, their differences not."""

_BLOCK = 16_384
"""Targets answered at a time by sparse products: what they need stays near the processor and is used again."""

Witnesses = tuple[Ints, Ints, list[dict[int, int]]]
"""Some targets, the index of the vector that refuses each, and the vectors, column to weight."""


class System:
    """The incidence system of some factors on a design's distinct training regimes, factored once.

    `block` is JOINT for all factors, or the index in `Model.covers` of the set K(v) that counts; `factors` may be
    any others that count instead.
    """

    def __init__(self, design: Design, block: int, factors: tuple[int, ...] | None = None) -> None:
        self.design, self.block = design, block
        if factors is None:
            factors = tuple(range(len(design.model.factors))) if block == JOINT else design.model.covers[block]
        self.train = design.train.take(design.distinct)
        self.incidence = BaselineSystem(design.model, factors, self.train)
        self.rows, _ = self.incidence.rows(self.train)
        self.space = RowSpace(self.rows)

    def target_rows(self, targets: Regimes) -> tuple[csr_array, Ints | None]:
        """Rows of targets on the columns of `rows`, and by what each was multiplied, None for 1; shape (n,)."""
        return self.incidence.rows(targets)[0], None

    @property
    def whole_space(self) -> RowSpace:
        """The row space of `rows`."""
        return self.space

    @property
    def rank(self) -> int:
        """The exact rank of the incidence matrix."""
        return self.space.rank

    def require_rank(self) -> None:
        """Prove the rank: that a target has no solution rests on it until a kernel vector is lifted."""
        self.space.require_rank()

    @property
    def freedom(self) -> int:
        """Dimension of the set of formulas of an identified regime: distinct training regimes minus rank."""
        return len(self.train) - self.rank

    def holds(self, targets: Regimes) -> NDArray[np.bool_]:
        """Which targets have a formula in this system, exact; nothing is lifted. Shape (n,)."""
        rows, unseen = self.incidence.rows(targets)
        inside = unseen < 0
        inside[inside] = self.space.holds(take_rows(rows, inside))
        return inside

    @cached_property
    def depends_on(self) -> NDArray[np.bool_]:
        """Which interventions the system's factors depend on, shape (d,)."""
        mask = np.zeros(len(self.design.model), dtype=bool)
        for k in self.incidence.factors:
            mask[self.design.model.scopes[k]] = True
        return mask

    def solve_alike(self, targets: Regimes) -> tuple[NDArray[np.bool_], Terms]:
        """As `solve`, where many targets are alike in what the system depends on: these are solved once."""
        counts = np.where(self.depends_on, self.design.model.known_counts, 1)
        if np.log2(counts).sum() > _NUMBERED:
            return self.solve(targets)
        unit = np.where(self.depends_on, np.cumprod(counts) // counts, 0)
        number = np.append(0, np.cumsum(targets.level * unit[targets.position]))[targets.indptr]
        _, first, same = np.unique(np.diff(number), return_index=True, return_inverse=True)
        solvable, terms = self.solve(targets.take(first))
        return solvable[same], terms.take(same)

    def solve(self, targets: Regimes) -> tuple[NDArray[np.bool_], Terms]:
        """Which targets have a formula, shape (n,), and the basis formulas (training indices as written)."""
        step = _BLOCK if self.space.is_small else max(len(targets), 1)
        starts = range(0, max(len(targets), 1), step)
        blocks = [self._solve(targets.take(slice(start, start + step))) for start in starts]
        return np.concatenate([held for held, _ in blocks]), Terms.concatenate([terms for _, terms in blocks])

    def _solve(self, targets: Regimes) -> tuple[NDArray[np.bool_], Terms]:
        rows, unseen = self.incidence.rows(targets)
        seen = unseen < 0
        found = self.space.solve(rows if seen.all() else take_rows(rows, seen))
        terms = self.terms_of(found)
        if seen.all():
            return found.solvable, terms
        counts = np.zeros(len(targets), dtype=np.int64)
        counts[seen] = terms.sizes
        solvable = np.zeros(len(targets), dtype=bool)
        solvable[seen] = found.solvable
        return solvable, replace(terms, indptr=row_bounds(counts))

    def refuse(self, targets: Regimes) -> tuple[Ints, list[KernelCertificate]]:
        """Certificates for targets that have no formula: each target's index, shape (n,), and the list."""
        unseen, parts = self._witnesses(targets)
        index = np.empty(len(targets), dtype=np.int64)
        found: dict[KernelCertificate, int] = {}
        for t in np.flatnonzero(unseen >= 0).tolist():
            k, shown = int(unseen[t]), dict(targets[t])
            cell = (k, tuple(shown.get(i, 0) for i in self.design.model.scopes[k].tolist()))
            index[t] = found.setdefault(KernelCertificate(self.block, ((cell, 1),)), len(found))
        for rows, which, vectors in parts:
            place = [
                found.setdefault(
                    KernelCertificate(self.block, tuple(self.incidence.to_cells(vector).items())), len(found)
                )
                for vector in vectors
            ]
            index[rows] = np.array(place, dtype=np.int64)[which]
        return index, list(found)

    def _witnesses(self, targets: Regimes) -> tuple[Ints, list[Witnesses]]:
        """For every target the factor of a cell that training lacks, or -1; of the others vectors that tell."""
        rows, unseen = self.incidence.rows(targets)
        seen = np.asarray(unseen < 0)
        if not seen.any():
            return unseen, []
        return unseen, [(np.flatnonzero(seen), *self.space.separate(take_rows(rows, seen)))]

    def terms_of(self, found: Solutions) -> Terms:
        """Solutions as terms: training indices as written, positive exponents before negative ones in a row."""
        counts, entry = found.sizes, np.arange(len(found.row), dtype=np.int64)
        negative = np.asarray(found.numerator < 0, dtype=bool)
        before = row_bounds(negative)  # how many are negative before each entry
        first, at_start = found.indptr[:-1], before[found.indptr]
        positives = counts - np.diff(at_start)
        shift = np.repeat(first + positives - at_start[:-1], counts)
        place = np.where(negative, shift + before[:-1], entry - before[:-1] + np.repeat(at_start[:-1], counts))
        order = np.empty(len(entry), dtype=np.int64)
        order[place] = entry
        return Terms(
            found.indptr,
            np.full(len(entry), self.block, dtype=np.int64),
            self.design.distinct[found.row[order]],
            found.numerator[order],
            found.denominator[order],
        )


def take_rows(matrix: csr_array, mask: NDArray[np.bool_]) -> csr_array:
    """The rows of a mask."""
    return csr_array(matrix[np.flatnonzero(mask)])
