"""Which regimes are identified, by the joint and the conditional criterion.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status, Terms
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.notation import Notation
from ifm_ident.design.regimes import Regimes, require_legal
from ifm_ident.errors import require_known
from ifm_ident.solve.basis_system import system_of
from ifm_ident.solve.system import System

CriterionName = Literal["joint", "conditional", "auto"]
CHUNK = 65_536


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
        return system_of(self.design, JOINT)

    def conditional(self, cover: int) -> System:
        """The system of the factors K(v) with index `cover` in `Model.covers`."""
        return system_of(self.design, cover)

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
                self.joint.require_rank()
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
