"""Checks every claim of a result again, from the definitions alone; shares nothing with the solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.notation import format_regime, format_regimes
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import Regimes, recoded
from ifm_ident.errors import InputError, argument_of
from ifm_ident.results.claims import Claims
from ifm_ident.results.header import StudyLike
from ifm_ident.results.read import ResultFile, read_result
from ifm_ident.verification._basis_checks import BasisRows, check_basis_formulas, check_basis_kernels
from ifm_ident.verification._formulas import Failures, Training, check_formulas
from ifm_ident.verification._kernels import check_kernels

_SHOWN = 50
_Rows = TypeVar("_Rows")


@dataclass(frozen=True, slots=True)
class Failure:
    """One result that does not hold: its row, counted from 0, its regime, the reason, and the file of its part."""

    row: int
    regime: str
    reason: str
    part: str = ""

    def __str__(self) -> str:
        return f"{self.part}{': ' * bool(self.part)}result {self.row} ({self.regime}): {self.reason}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a check: how many results were checked, and those that do not hold.

    against: the study file or name that the result was compared with, if any; difference: the first thing
    in which the result is not about that study. unreadable: the first claim that cannot even be read, with its
    place; what comes after it was not checked. targets: how many results the file says that it has, None where it
    does not say so (a CSV never does). broken: of a result in parts, what is not as its manifest says.
    """

    checked: int
    failures: tuple[Failure, ...]
    against: str | None = None
    difference: str | None = None
    unreadable: str | None = None
    targets: int | None = None
    broken: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether there are as many results as the file says."""
        return self.targets is None or self.targets == self.checked

    @property
    def holds(self) -> bool:
        """Whether all of it holds, and nothing was removed."""
        return not (self.failures or self.broken or self.difference or self.unreadable) and self.complete

    def __str__(self) -> str:
        noun = "result" if self.checked == 1 else "results"
        where = f" against {self.against}" if self.against else ""
        head = f"{self.checked} {noun} checked{where}"
        if self.holds:
            return f"{head}: all hold"
        lines = [f"{head}: {len(self.failures)} of them do not hold" if self.failures else head]
        if self.difference is not None:
            lines.append(f"the result is not about this study: {self.difference}")
        if self.unreadable is None and not self.complete:
            lines.append(f"the file says that it has {self.targets}: some were removed or added")
        if self.unreadable is not None:
            lines.append(f"a claim cannot be read, and nothing after it was checked: {self.unreadable}")
        lines.extend(self.broken)
        lines.extend(str(failure) for failure in self.failures[:_SHOWN])
        if len(self.failures) > _SHOWN:
            lines.append(f"and {len(self.failures) - _SHOWN} more")
        return "\n".join(lines)


def verify(
    result: Identification | Claims | ResultFile, study: StudyLike | None = None, against: str | None = None
) -> Verification:
    """Checks every claim in exact integers, from the definitions, never by solving.

    Theory: docs/theory/joint.md and docs/theory/conditional.md.

    observed: the target is that training regime. identified: for every factor (of K(v), for every variable v,
    under the conditional criterion) and every cell of its sigma-scope, the exponents of the training regimes
    that show the cell add up to 1 if the target shows it, else to 0. not_identified: the kernel w has
    A w = 0 and b·w != 0, within K(variable); the formulas of what is still determined, each of a variable, are
    checked as conditional ones. That the given variables have none is claimed, and proven, of `variable` (and of
    those with the same factors) alone. undecided: the regimes listed are missing indeed. With a study,
    also that the result is about its interventions, variables, factors and training regimes.

    >>> from ifm_ident.answer.identification import Terms
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    >>> design = Design(model, Regimes.from_active([(), ((0, 1),)], 1))
    >>> def observed(index):
    ...     return Identification(design, Regimes.from_active([((0, 1),)], 1), np.array([Status.OBSERVED]),
    ...         np.array([Criterion.NONE]), np.array([index]), Terms.empty(1), np.array([-1]), ())
    >>> print(verify(observed(1)))
    1 result checked: all hold
    >>> print(verify(observed(0)))
    1 result checked: 1 of them do not hold
    result 0 (A): it is not equal to training regime 0
    """
    difference = None
    told: Design | None
    targets = None
    if isinstance(result, Identification):
        blocks, told = Claims.blocks_of(result), result.design
    elif isinstance(result, Claims):
        blocks, told = iter([result]), result.design
    else:
        blocks = result.blocks
        told = result.heading.design if result.heading is not None else None
        targets = result.heading.targets if result.heading is not None else None
    if study is not None:
        against = against if against is not None else f"the study {study.name}"
        if told is not None:
            difference = first_difference(told, study.design)
    notation: Notation = study.notation if study is not None and difference is None else "label"
    training: Training | None = None
    valued: BasisRows | None = None
    checked, failures, unreadable = 0, [], None
    while True:
        try:
            claims = next(blocks)
        except StopIteration:
            break
        except InputError as error:
            if argument_of(error) == "limit":
                raise
            unreadable = str(error)
            break
        reasons: dict[int, str] = {}
        if claims.design.model.has_bases:
            valued = valued or BasisRows(claims.design)
            found = _check(claims, check_basis_formulas, check_basis_kernels, valued)
        else:
            training = training or Training.of(claims.design)
            found = _check(claims, check_formulas, check_kernels, training)
        for row, reason in found:
            reasons.setdefault(row, reason)
        rows = np.array(sorted(reasons), dtype=np.int64)
        for row, text in zip(rows.tolist(), _regime_texts(claims, rows, notation), strict=True):
            failures.append(Failure(checked + row, text, reasons[row]))
        checked += len(claims)
    nothing = isinstance(result, ResultFile) and targets is None and not checked and unreadable is None
    broken = ("the file has no results, and does not say that it has none: nothing was checked",) * nothing
    return Verification(checked, tuple(failures), against, difference, unreadable, targets, broken)


def verify_file(
    path: str | Path, study: StudyLike | None = None, study_path: str | Path | None = None
) -> Verification:
    """Checks a result file; `study`, read from `study_path`, is what it should be about, and what a CSV is about.

    Raises InputError for a file that is no result at all, and for what is beyond a limit; a single claim that
    cannot be read does not hold, nor does a file with fewer results than it says.

    >>> import tempfile
    >>> from ifm_ident.results._json_write import write_json
    >>> from ifm_ident.study.study import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["ctrl", "A", "B"],
    ... })
    >>> path = Path(tempfile.mkdtemp()) / "answers.json"
    >>> with path.open("wb") as stream:
    ...     write_json(stream, study, [study.identify()])
    >>> print(verify_file(path))
    4 results checked: all hold
    >>> _ = path.write_text(path.read_text().replace('"exponent": "-1"', '"exponent": "1"'))
    >>> verify_file(path).holds
    False
    """
    return verify(read_result(path, study), study, f"the study file {study_path}" if study_path else None)


def _regime_texts(claims: Claims, rows: Ints, notation: Notation) -> list[str]:
    """The regimes of rows as text; those that the model lacks as pairs of indices."""
    regimes = claims.targets.take(rows)
    legal = np.ones(len(rows), dtype=bool)
    legal[regimes.rows[_illegal(claims.design, regimes)]] = False
    texts = [str(regime) if not good else "" for regime, good in zip(regimes, legal.tolist(), strict=True)]
    written = format_regimes(claims.design.model, regimes.take(legal), notation).to_pylist()
    for i, text in zip(np.flatnonzero(legal).tolist(), written, strict=True):
        texts[i] = text
    return texts


def first_difference(told: Design, wanted: Design) -> str | None:
    """The first thing in which a result's design is not the study's, in words; None when they agree."""
    ours, theirs = told.model, wanted.model
    for kind, mine, other in (
        (
            "interventions",
            [(i.name, i.written) for i in ours.interventions],
            [(i.name, i.written) for i in theirs.interventions],
        ),
        ("variables", list(ours.variables), list(theirs.variables)),
        (
            "factors",
            [(f.name, f.x, f.sigma, f.z) if f.z else (f.name, f.x, f.sigma) for f in ours.factors],
            [(f.name, f.x, f.sigma, f.z) if f.z else (f.name, f.x, f.sigma) for f in theirs.factors],
        ),
        ("covariates", list(ours.covariates), list(theirs.covariates)),
    ):
        if len(mine) != len(other):
            return f"it has {len(mine)} {kind}, the study {len(other)}"
        for i, (one, another) in enumerate(zip(mine, other, strict=True)):
            if one != another:
                return f"{kind}, entry {i}: the result has {_words(one)}, the study {_words(another)}"
    if ours.randomised != theirs.randomised:
        return f"its covariates are {_law(ours)}, the study's are {_law(theirs)}"
    if len(told.train) != len(wanted.train):
        return f"it has {len(told.train)} training regimes, the study {len(wanted.train)}"
    train = recoded(wanted.train, theirs, ours)
    different = np.flatnonzero(~equal_rows(told.train, train))
    if len(different):
        row = int(different[0])
        mine_text, other_text = (format_regime(ours, t[row], "label") for t in (told.train, train))
        return f"training regime {row} is {mine_text} in the result, {other_text} in the study"
    return None


def _law(model: Model) -> str:
    return "randomised" if model.randomised else "not randomised"


def _words(value: object) -> str:
    if isinstance(value, tuple):
        return "(" + ", ".join(_words(item) for item in value) + ")"
    return str(value)


def equal_rows(one: Regimes, other: Regimes) -> NDArray[np.bool_]:
    """Which regimes of two batches of one length are equal, shape (n,)."""
    same: NDArray[np.bool_] = one.active_counts == other.active_counts
    rows = np.flatnonzero(same)
    one, other = one.take(rows), other.take(rows)
    same[rows[one.rows[(one.position != other.position) | (one.level != other.level)]]] = False
    return same


def _check(
    claims: Claims,
    formulas: Callable[[_Rows, Claims, Ints], Failures],
    kernels: Callable[[_Rows, Claims, Ints], Failures],
    rows: _Rows,
) -> Failures:
    """Rows and reasons; the first reason of a row counts. The checks of formulas and kernels get `rows`."""
    broken = np.zeros(len(claims), dtype=bool)
    for row, reason in _check_shape(claims):
        broken[row] = True
        yield row, reason

    def rows_with(status: Status) -> Ints:
        return np.flatnonzero((claims.status == status) & ~broken)

    design, observed = claims.design, rows_with(Status.OBSERVED)
    equal = equal_rows(claims.targets.take(observed), design.train.take(claims.train[observed]))
    for row in observed[~equal].tolist():
        yield row, f"it is not equal to training regime {int(claims.train[row])}"
    others = np.flatnonzero((claims.status != Status.OBSERVED) & ~broken)
    index = claims.targets.take(others).first_equal(design.train)
    for row, i in zip(others[index >= 0].tolist(), index[index >= 0].tolist(), strict=True):
        yield row, f"it is equal to training regime {i}, so its status is observed"
    yield from formulas(rows, claims, rows_with(Status.IDENTIFIED))
    refused = rows_with(Status.NOT_IDENTIFIED)
    yield from kernels(rows, claims, refused)
    yield from formulas(rows, claims, refused[claims.terms.sizes[refused] > 0])
    yield from _check_undecided(claims, rows_with(Status.UNDECIDED))


def _check_shape(claims: Claims) -> Iterator[tuple[int, str]]:
    """Rows whose columns do not fit their status, or hold an index of nothing."""
    model, terms = claims.design.model, claims.terms
    illegal = np.zeros(len(claims), dtype=bool)
    illegal[claims.targets.rows[_illegal(claims.design, claims.targets)]] = True
    wrong_term = (terms.train < 0) | (terms.train >= len(claims.design.train))
    wrong_term |= (terms.variable < JOINT) | (terms.variable >= len(model.variables))
    wrong_term |= (terms.denominator <= 0).astype(bool)
    bad_term = np.zeros(len(claims), dtype=bool)
    bad_term[terms.owners[wrong_term]] = True
    has_terms, has_kernel, has_train = terms.sizes > 0, claims.kernel >= 0, claims.train >= 0
    missing = np.zeros(len(claims), dtype=np.int64) if claims.lacking is None else claims.lacking.sizes
    decided = np.isin(claims.status, (Status.IDENTIFIED, Status.NOT_IDENTIFIED))
    bad_criterion = np.where(
        decided,
        ~np.isin(claims.criterion, (Criterion.JOINT, Criterion.CONDITIONAL)),
        claims.criterion != Criterion.NONE,
    )
    may_have_terms = (claims.status == Status.NOT_IDENTIFIED) & (claims.criterion == Criterion.CONDITIONAL)
    checks = (
        (illegal, "it holds an intervention or a level that the model lacks"),
        (~np.isin(claims.status, list(Status)), "its status is unknown"),
        (bad_criterion, "its criterion does not fit its status"),
        (bad_term, "a term names a training regime or a variable that is not there, or divides by 0"),
        (
            np.where(may_have_terms, False, has_terms != (claims.status == Status.IDENTIFIED)),
            "exponents go with identified regimes, and with what is still determined of conditional refusals",
        ),
        (
            has_kernel != (claims.status == Status.NOT_IDENTIFIED),
            "a kernel goes with regimes that are not identified, only with those",
        ),
        (claims.kernel >= len(claims.kernels), "its kernel is not there"),
        (
            has_train != (claims.status == Status.OBSERVED),
            "a training index goes with observed regimes, only with those",
        ),
        (claims.train >= len(claims.design.train), "its training regime is not there"),
        (
            (missing > 0) != (claims.status == Status.UNDECIDED),
            "missing regimes go with undecided regimes, only with those",
        ),
    )
    for mask, reason in checks:
        for row in np.flatnonzero(mask).tolist():
            yield row, reason


def _illegal(design: Design, regimes: Regimes) -> NDArray[np.bool_]:
    """Which active entries name an intervention or level that the model lacks."""
    counts = design.model.known_counts
    outside = (regimes.position < 0) | (regimes.position >= len(counts))
    last = counts[np.where(outside, 0, regimes.position)] if len(counts) else np.zeros(0, dtype=np.int64)
    return outside | (regimes.level < 1) | (regimes.level >= last)


def _check_undecided(claims: Claims, rows: Ints) -> Failures:
    """Rows whose missing regimes are illegal, or are not missing: matched by incidence row.

    Theory: docs/theory/messages.md.
    """
    if claims.lacking is None:
        return
    design, missing, owner = claims.design, claims.lacking.regimes, claims.lacking.owners
    illegal = np.zeros(len(missing), dtype=bool)
    illegal[missing.rows[_illegal(design, missing)]] = True
    of_interest = np.isin(owner, rows)
    for row in np.unique(owner[illegal & of_interest]).tolist():
        yield row, "a missing regime holds an intervention or a level that the model lacks"
    legal = np.flatnonzero(of_interest & ~illegal)
    relevant = design.model.relevant
    there = missing.take(legal).restrict(relevant).first_equal(design.train.restrict(relevant))
    for j, i in zip(legal[there >= 0].tolist(), there[there >= 0].tolist(), strict=True):
        yield (
            int(owner[j]),
            f"a regime listed as missing has the same levels in every factor as training regime {i}",
        )
