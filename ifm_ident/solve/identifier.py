"""Which regimes are identified, by the joint and the conditional criterion.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status, Terms
from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.design import Design
from ifm_ident.design.notation import Notation
from ifm_ident.design.regimes import Regimes, require_legal
from ifm_ident.errors import require_known
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.incidence import BaselineSystem

CriterionName = Literal["joint", "conditional", "auto"]
CHUNK = 65_536
_NUMBERED = 60
"""Regimes are told apart by number where there are at most 2^60; running sums may wrap, their differences not."""


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

    @classmethod
    def of(cls, design: Design, block: int) -> System:
        """The system that the design keeps, factored on first use."""
        known: dict[int, System] = design.systems
        if block not in known:
            known[block] = cls(design, block)
        return known[block]

    @property
    def rank(self) -> int:
        """The exact rank of the incidence matrix."""
        return self.space.rank

    @property
    def freedom(self) -> int:
        """Dimension of the set of formulas of an identified regime: distinct training regimes minus rank."""
        return len(self.train) - self.rank

    def holds(self, targets: Regimes) -> NDArray[np.bool_]:
        """Which targets have a formula in this system, exact; nothing is lifted. Shape (n,)."""
        rows, unseen = self.incidence.rows(targets)
        inside = unseen < 0
        inside[inside] = self.space.holds(_take_rows(rows, inside))
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
        counts = np.where(self.depends_on, self.design.model.level_counts, 1)
        if np.log2(counts).sum() > _NUMBERED:
            return self.solve(targets)
        unit = np.where(self.depends_on, np.cumprod(counts) // counts, 0)
        number = np.append(0, np.cumsum(targets.level * unit[targets.position]))[targets.indptr]
        _, first, same = np.unique(np.diff(number), return_index=True, return_inverse=True)
        solvable, terms = self.solve(targets.take(first))
        return solvable[same], terms.take(same)

    def solve(self, targets: Regimes) -> tuple[NDArray[np.bool_], Terms]:
        """Which targets have a formula, shape (n,), and the basis formulas (training indices as written)."""
        rows, unseen = self.incidence.rows(targets)
        seen = unseen < 0
        found = self.space.solve(rows if seen.all() else _take_rows(rows, seen))
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
        rows, unseen = self.incidence.rows(targets)
        index = np.empty(len(targets), dtype=np.int64)
        found: dict[KernelCertificate, int] = {}
        for t in np.flatnonzero(unseen >= 0).tolist():
            k, shown = int(unseen[t]), dict(targets[t])
            cell = (k, tuple(shown.get(i, 0) for i in self.design.model.scopes[k].tolist()))
            index[t] = found.setdefault(KernelCertificate(self.block, ((cell, 1),)), len(found))
        seen = unseen < 0
        if seen.any():
            which, vectors = self.space.separate(_take_rows(rows, seen))
            place = [
                found.setdefault(
                    KernelCertificate(self.block, tuple(self.incidence.to_cells(vector).items())), len(found)
                )
                for vector in vectors
            ]
            index[seen] = np.array(place, dtype=np.int64)[which]
        return index, list(found)

    def terms_of(self, found: Solutions) -> Terms:
        """Solutions as terms: training indices as written, positive exponents before negative ones in a row."""
        counts, row = found.sizes, found.owners
        negative = np.asarray(found.numerator < 0, dtype=bool)
        before = row_bounds(negative)
        negatives_before = before[:-1] - before[found.indptr[:-1]][row]
        within = np.arange(len(row)) - found.indptr[:-1][row]
        positives = counts - np.diff(before[found.indptr])
        place = found.indptr[:-1][row] + np.where(
            negative, positives[row] + negatives_before, within - negatives_before
        )
        order = np.empty(len(row), dtype=np.int64)
        order[place] = np.arange(len(row))
        return Terms(
            found.indptr,
            np.full(len(row), self.block, dtype=np.int64),
            self.design.distinct[found.row[order]],
            found.numerator[order],
            found.denominator[order],
        )


def _take_rows(matrix: csr_array, mask: NDArray[np.bool_]) -> csr_array:
    return csr_array(matrix[np.flatnonzero(mask)])


class Identifier:
    """A design made ready for questions: every system of a design is factored once, on first use.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> answer = Identifier(design).identify(Regimes.from_codes(np.array([[1, 1], [0, 0]])))
    >>> [Status(s).word for s in answer.status], answer.terms.exponents(0)[JOINT]
    (['identified', 'observed'], {1: Fraction(1, 1), 2: Fraction(1, 1), 0: Fraction(-1, 1)})
    """

    def __init__(self, design: Design, notation: Notation = "assignment") -> None:
        self.design, self.notation = design, notation

    @property
    def joint(self) -> System:
        """The system of all factors."""
        return System.of(self.design, JOINT)

    def conditional(self, cover: int) -> System:
        """The system of the factors K(v) with index `cover` in `Model.covers`."""
        return System.of(self.design, cover)

    def identify(self, targets: Regimes, criterion: CriterionName = "auto") -> Identification:
        """Verdict, formula or certificate for every target, by `joint`, `conditional`, or joint then conditional.

        Under `auto` a refusal is conditional, hence final; under `joint` it says that no single product exists. A
        conditional refusal keeps the formulas of the variables whose systems are solvable: what is still
        determined (docs/theory/conditional.md).

        Raises InputError for an unknown criterion, and for targets that are no regimes of the model.
        """
        require_known(criterion, get_args(CriterionName), "criterion")
        require_legal(self.design.model, targets)
        n, design = len(targets), self.design
        status = np.full(n, Status.OBSERVED, dtype=np.int8)
        decided_by = np.full(n, Criterion.NONE, dtype=np.int8)
        kernel = np.full(n, -1, dtype=np.int64)
        kernels: list[KernelCertificate] = []
        train = targets.first_equal(design.train)
        relevant = design.model.relevant
        open_rows = np.flatnonzero(train < 0)
        parts: list[tuple[Ints, Terms]] = []
        if not relevant.all() and len(open_rows):
            shown = targets.take(open_rows).restrict(relevant)
            alike = shown.first_equal(design.train.restrict(relevant))
            twins = alike >= 0
            blocks = [JOINT] if criterion != "conditional" else list(range(len(design.model.covers)))
            for block in blocks:
                parts.append((open_rows[twins], _single_terms(alike[twins], block)))
            status[open_rows[twins]] = Status.IDENTIFIED
            decided_by[open_rows[twins]] = Criterion.CONDITIONAL if criterion == "conditional" else Criterion.JOINT
            open_rows = open_rows[~twins]
        if criterion != "conditional" and len(open_rows):
            solvable, terms = self.joint.solve(targets.take(open_rows))
            parts.append((open_rows, terms))
            status[open_rows[solvable]] = Status.IDENTIFIED
            decided_by[open_rows[solvable]] = Criterion.JOINT
            open_rows = open_rows[~solvable]
            if criterion == "joint" and len(open_rows):
                self._refuse(self.joint, targets, open_rows, kernel, kernels)
                status[open_rows], decided_by[open_rows] = Status.NOT_IDENTIFIED, Criterion.JOINT
                open_rows = open_rows[:0]
        if len(open_rows):
            decided_by[open_rows] = Criterion.CONDITIONAL
            held = np.ones(len(open_rows), dtype=bool)
            asked = targets.take(open_rows)
            for cover in range(len(design.model.covers)):
                system = self.conditional(cover)
                solvable, terms = system.solve_alike(asked)
                parts.append((open_rows, terms))
                first_failure = held & ~solvable
                if first_failure.any():
                    self._refuse(system, targets, open_rows[first_failure], kernel, kernels)
                held &= solvable
            status[open_rows] = np.where(held, Status.IDENTIFIED, Status.NOT_IDENTIFIED)
            if criterion == "auto" and held.any():
                self.joint.space.require_rank()
        return Identification(
            design, targets, status, decided_by, train, _merge(parts, n), kernel, tuple(kernels), self.notation
        )

    def verdicts(self, targets: Regimes, criterion: CriterionName = "auto") -> NDArray[np.int8]:
        """The Status codes that `identify` gives, shape (n,), with no formula or certificate lifted.

        Raises InputError as `identify` does.
        """
        require_known(criterion, get_args(CriterionName), "criterion")
        require_legal(self.design.model, targets)
        design, relevant = self.design, self.design.model.relevant
        status = np.full(len(targets), Status.NOT_IDENTIFIED, dtype=np.int8)
        status[targets.first_equal(design.train) >= 0] = Status.OBSERVED
        left = np.flatnonzero(status == Status.NOT_IDENTIFIED)
        shown = targets.take(left).restrict(relevant)
        twins = shown.first_equal(design.train.restrict(relevant)) >= 0
        status[left[twins]] = Status.IDENTIFIED
        left = left[~twins]
        if criterion != "conditional" and len(left):
            held = self.joint.holds(targets.take(left))
            status[left[held]] = Status.IDENTIFIED
            # the system of a variable that is in every factor is the joint one, which has refused what is left
            final = any(len(factors) == len(design.model.factors) for factors in design.model.covers)
            left = left[:0] if criterion == "joint" or final else left[~held]
        for cover in range(len(design.model.covers)):
            if len(left):
                left = left[self.conditional(cover).holds(targets.take(left))]
        status[left] = Status.IDENTIFIED
        return status

    def _refuse(
        self, system: System, targets: Regimes, rows: Ints, kernel: Ints, kernels: list[KernelCertificate]
    ) -> None:
        index, found = system.refuse(targets.take(rows))
        kernel[rows] = index + len(kernels)
        kernels.extend(found)


def _single_terms(train: Ints, block: int) -> Terms:
    """One term with exponent 1 in every row."""
    ones = np.ones(len(train), dtype=np.int64)
    return Terms(np.arange(len(train) + 1, dtype=np.int64), ones * block, train, ones, ones)


def _merge(parts: list[tuple[Ints, Terms]], n: int) -> Terms:
    """Terms of n rows from parts that own some rows each; a row may own terms in several parts, in block order."""
    parts = [(rows, terms) for rows, terms in parts if len(rows)]
    if not parts:
        return Terms.empty(n)
    if len(parts) == 1 and len(parts[0][0]) == n:
        return parts[0][1]
    owner = np.concatenate([rows[terms.owners] for rows, terms in parts])
    order = np.argsort(owner, kind="stable")
    columns = Terms.concatenate([terms for _, terms in parts])
    return Terms.owned(
        owner,
        n,
        columns.block[order],
        columns.train[order],
        columns.numerator[order],
        columns.denominator[order],
    )


def identify(
    design: Design,
    targets: Regimes,
    criterion: CriterionName = "auto",
    notation: Notation = "assignment",
) -> Identification:
    """Verdict, formula or certificate for every target regime of a design; see `Identifier.identify`.

    >>> from ifm_ident.study.study import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B", "C"]}], "train": ["ctrl", "A", "B"],
    ... }).design
    >>> found = identify(design, Regimes.from_codes(np.array([[1, 1, 0], [0, 1, 1]])), notation="label")
    >>> print(found[0])
    p(A+B) ∝ p(A) p(B) / p(ctrl)
    >>> found[1].status.word, found[1].certificate is None
    ('not_identified', False)
    >>> identify(design, design.train, "jiont")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown criterion 'jiont'; did you mean joint?
    """
    require_legal(design.model, targets)
    identifier = Identifier(design, notation)
    chunks = [
        identifier.identify(targets.take(slice(start, start + CHUNK)), criterion)
        for start in range(0, max(len(targets), 1), CHUNK)
    ]
    return Identification.concatenate(chunks)
