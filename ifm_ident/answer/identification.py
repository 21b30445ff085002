"""The answer for a batch of regimes, in columns: verdicts, exact exponents, certificates."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.certificate import KernelCertificate, NotIdentifiableError
from ifm_ident.answer.conditional_formula import ConditionalFormula
from ifm_ident.answer.formula import Formula, size_note
from ifm_ident.answer.product import density_text, latex_power
from ifm_ident.arrays import Ints, Ragged
from ifm_ident.design.design import Design
from ifm_ident.design.model import Level, Model
from ifm_ident.design.notation import Notation, format_regime
from ifm_ident.design.regimes import Active, RegimeLists, Regimes, regime_map
from ifm_ident.tabular import Tabular
from ifm_ident.views import Shown, view

if TYPE_CHECKING:
    import pyarrow as pa

JOINT = -1
"""The block of an exponent that belongs to the joint formula; others index `Model.covers`."""


class Status(IntEnum):
    """The verdict on a regime, in the words of results."""

    OBSERVED = 0
    IDENTIFIED = 1
    NOT_IDENTIFIED = 2
    UNDECIDED = 3

    @property
    def word(self) -> str:
        """The word that results use."""
        return self.name.lower()


class Criterion(IntEnum):
    """The criterion that decided a regime; NONE for observed and undecided ones."""

    NONE = -1
    JOINT = 0
    CONDITIONAL = 1

    @property
    def word(self) -> str:
        """The word that results use."""
        return self.name.lower()


@dataclass(frozen=True, eq=False)
class Terms(Ragged, entries=("block", "train", "numerator", "denominator")):
    """Exponents in compressed rows: target row t owns entries indptr[t] to indptr[t + 1].

    block, train, numerator, denominator: shape (number of terms,). A row's entries are sorted by block, then
    positive exponents before negative ones, then training index (first occurrences only). Fractions are
    reduced, denominators positive. numerator and denominator are int64, or object arrays of Python
    integers where int64 does not hold them.
    """

    block: Ints
    train: Ints
    numerator: NDArray[np.int64] | NDArray[np.object_]
    denominator: NDArray[np.int64] | NDArray[np.object_]

    @classmethod
    def empty(cls, rows: int) -> Terms:
        """No term in any of `rows` rows."""
        none = np.empty(0, dtype=np.int64)
        return cls(np.zeros(rows + 1, dtype=np.int64), none, none, none, none)

    def exponents(self, row: int) -> dict[int, dict[int, Fraction]]:
        """Block to training index to exponent, for one row."""
        found: dict[int, dict[int, Fraction]] = {}
        for e in range(int(self.indptr[row]), int(self.indptr[row + 1])):
            q = Fraction(int(self.numerator[e]), int(self.denominator[e]))
            found.setdefault(int(self.block[e]), {})[int(self.train[e])] = q
        return found


@dataclass(repr=False, frozen=True, eq=False)
class Identification(Tabular):
    """Verdicts on n target regimes of a design, with what proves each; shows its first rows as a table.

    status, criterion: Status and Criterion codes, shape (n,); train: index of the equal training regime of
    an observed target, else -1; terms: the formulas of identified targets, and of those refused by the
    conditional criterion the formulas of the full conditionals that are still determined; kernel: index into
    `kernels` of a refused target's certificate, else -1;
    lacking: for undecided targets the regimes that the route lacks, which are also given as `missing`, with
    `missing_indptr` to tell whose they are.
    """

    design: Design
    targets: Regimes
    status: NDArray[np.int8]
    criterion: NDArray[np.int8]
    train: Ints
    terms: Terms
    kernel: Ints
    kernels: tuple[KernelCertificate, ...]
    notation: Notation = "assignment"
    lacking: RegimeLists | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def missing(self) -> Regimes | None:
        """The regimes of `lacking`, one target's after the other's."""
        return None if self.lacking is None else self.lacking.regimes

    @property
    def missing_indptr(self) -> Ints | None:
        """Target t lacks the regimes missing_indptr[t] to missing_indptr[t + 1] of `missing`; shape (n + 1,)."""
        return None if self.lacking is None else self.lacking.indptr

    def rows_with(self, status: Status) -> Ints:
        """The rows with a verdict, ascending."""
        return np.flatnonzero(self.status == status)

    @property
    def partial_rows(self) -> Ints:
        """The refused rows of which something is still determined, ascending."""
        return np.flatnonzero((self.status == Status.NOT_IDENTIFIED) & (self.terms.sizes > 0))

    def counts(self) -> dict[str, int]:
        """How many targets have each verdict, in the words of results."""
        return {status.word: int(np.count_nonzero(self.status == status)) for status in Status}

    @classmethod
    def concatenate(cls, parts: Sequence[Identification]) -> Identification:
        """The parts one after the other, for one design; at least one."""
        shifts = np.cumsum([0] + [len(part.kernels) for part in parts])
        kernel = [np.where(p.kernel >= 0, p.kernel + s, -1) for p, s in zip(parts, shifts, strict=False)]
        lacking = [part.lacking for part in parts if part.lacking is not None]
        return cls(
            parts[0].design,
            Regimes.concatenate([part.targets for part in parts]),
            np.concatenate([part.status for part in parts]),
            np.concatenate([part.criterion for part in parts]),
            np.concatenate([part.train for part in parts]),
            Terms.concatenate([part.terms for part in parts]),
            np.concatenate(kernel),
            tuple(kernel for part in parts for kernel in part.kernels),
            parts[0].notation,
            RegimeLists.concatenate(lacking) if lacking else None,
        )

    def __iter__(self) -> Iterator[Answer]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: Ints | slice) -> Identification:
        """The chosen rows, in the order given, with the certificates that they need."""
        used, kernel = np.unique(self.kernel[rows], return_inverse=True)
        used_kernels = used[used >= 0]
        return replace(
            self,
            targets=self.targets.take(rows),
            status=self.status[rows],
            criterion=self.criterion[rows],
            train=self.train[rows],
            terms=self.terms.take(rows),
            kernel=kernel.reshape(-1).astype(np.int64) - (len(used) - len(used_kernels)),
            kernels=tuple(self.kernels[k] for k in used_kernels.tolist()),
            lacking=None if self.lacking is None else self.lacking.take(rows),
        )

    @overload
    def __getitem__(self, row: int) -> Answer: ...

    @overload
    def __getitem__(self, row: slice) -> Identification: ...

    def __getitem__(self, row: int | slice) -> Answer | Identification:
        """One row as an `Answer`, or a slice of them; negative rows count from the end, IndexError past it."""
        if isinstance(row, slice):
            return self.take(row)
        try:
            row = operator.index(row)
        except TypeError:
            raise TypeError(
                f"results are numbered by row, got {row!r}; for the answer on one regime ask for it alone, as in "
                "study.with_test('ctrl').identify()[0]"
            ) from None
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)} results")
        row %= len(self)
        model = self.design.model
        found = self.terms.exponents(row)
        joint, partial, conditionals = None, None, {}
        if JOINT in found:
            joint = Formula.of(found[JOINT], self.train_name, model.given)
        elif found:
            formulas = {b: Formula.of(exponents, self.train_name, model.given) for b, exponents in found.items()}
            known = (v for v in model.variables if model.cover_index[v] in formulas)
            conditionals = {v: formulas[model.cover_index[v]] for v in known}
            if self.status[row] == Status.NOT_IDENTIFIED:
                partial, conditionals = ConditionalFormula.of(conditionals, model.variables), {}
        return Answer(
            format_regime(model, self.targets[row], self.notation),
            regime_map(model, self.targets[row]),
            Status(int(self.status[row])),
            Criterion(int(self.criterion[row])),
            int(self.train[row]) if self.train[row] >= 0 else None,
            joint,
            conditionals,
            self.kernels[self.kernel[row]] if self.kernel[row] >= 0 else None,
            () if self.lacking is None else tuple(self.lacking.take(slice(row, row + 1)).regimes),
            model,
            partial,
        )

    def train_name(self, train: int) -> str:
        """How training regime `train` is written."""
        return format_regime(self.design.model, self.design.train[train], self.notation)

    def require(self, row: int) -> Answer:
        """The answer of a row that is observed or identified; raises NotIdentifiableError with the certificate."""
        answer = self[row]
        if answer.status in (Status.OBSERVED, Status.IDENTIFIED):
            return answer
        words = answer.status.word.replace("_", " ")
        raise NotIdentifiableError(f"{answer.name} is {words} in this design", answer.certificate)

    def require_all(self) -> None:
        """Raise NotIdentifiableError, with the certificate, for the first row neither observed nor identified."""
        refused = ~np.isin(self.status, (Status.OBSERVED, Status.IDENTIFIED))
        if refused.any():
            self.require(int(np.argmax(refused)))

    def to_arrow(self) -> pa.Table:
        """One row a regime, as `ifm identify --format parquet` writes it, the design in the table's metadata."""
        return view(self, "arrow")


@dataclass(repr=False, frozen=True)
class Answer(Shown):
    """The verdict on one regime, with what proves it.

    `formula` where one product gives the joint density, `conditionals` where each variable's full conditional has
    its own (docs/theory/conditional.md), `certificate` of a refusal, `missing` of an undecided one. `model` lets a
    refusal be shown in words. `partial` where something is still determined of a refused regime: the density of
    the variables `partial.identified` given the others, `partial.given`, by the formulas `partial.conditionals`.
    """

    name: str
    regime: dict[str, Level]
    status: Status
    criterion: Criterion
    train: int | None
    formula: Formula | None
    conditionals: dict[str, Formula]
    certificate: KernelCertificate | None
    missing: tuple[Active, ...]
    model: Model | None = field(default=None, compare=False)
    partial: ConditionalFormula | None = None

    @property
    def density(self) -> str:
        """The density of the regime as formulas write it, such as `p(A+B)` or `p(x | age; A+B)`."""
        return density_text(self.name, "" if self.model is None else self.model.given)

    def __str__(self) -> str:
        head = self.density
        if self.status == Status.OBSERVED:
            return f"{head} is observed"
        if self.formula is not None:
            return f"{head} ∝ {self.formula}{self.size_note(self.formula)}"
        if self.conditionals:
            return "\n".join(
                f"{head}, {v} given the rest: ∝ {f}{self.size_note(f)}" for v, f in self.conditionals.items()
            )
        text = f"{head} is {self.status.word.replace('_', ' ')}"
        if self.partial is None:
            return text
        lines = (f"{v} given the rest: ∝ {f}{self.size_note(f)}" for v, f in self.partial.formulas)
        return "\n".join([f"{text}; {self.partial.words}:", *lines])

    def size_note(self, formula: Formula) -> str:
        """What follows a formula of this regime: sum|q| where levels have values, nothing elsewhere."""
        return size_note(formula, self.model is not None and self.model.has_bases)

    def _repr_latex_(self) -> str | None:
        """The formula where there is one for the joint density."""
        if self.formula is None:
            return None
        head = latex_power(self.name, Fraction(1), self.formula.given)
        return rf"${head} \propto {self.formula._repr_latex_()[1:]}"
