"""The regimes of a report, a row each: verdict, formula as MathML, reason of a refusal."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from fractions import Fraction

from ifm_ident.answer.exact_text import size_text
from ifm_ident.answer.identification import JOINT, Identification, Status
from ifm_ident.design.notation import format_regimes
from ifm_ident.plots import verdict_codes
from ifm_ident.results.header import StudyLike
from ifm_ident.show.mathml import Html, mathml
from ifm_ident.show.words import listed, refusal_words, remainders, variables_of

WHOLE = 12
"""A formula of at most this many densities stands whole in its row; of longer ones the first few."""

FIRST = 6
MOST_DENSITIES = 150_000
"""So many densities are written out on a page; formulas beyond are cut."""


@dataclass(frozen=True, slots=True)
class Formulas:
    """One formula of a row: whose it is ("" for the joint density), as it stands in the row, and whole if cut.

    `whole` is None for a formula that is not cut, and where the page holds too many densities already.
    """

    whose: str
    short: Html
    cut: bool
    whole: Html | None
    note: str


@dataclass(frozen=True, slots=True)
class Row:
    """A regime of the table: `verdict` indexes the verdicts of the pictures, `densities` counts over formulas.

    remainder: what is still determined of a refused regime, by `formulas`; "" for nothing.
    """

    number: int
    name: str
    active: int
    verdict: int
    densities: int
    words: str
    formulas: tuple[Formulas, ...] = ()
    refusal: int | None = None
    remainder: str = ""

    @property
    def quoted(self) -> str:
        """The name as a shell takes it."""
        return shlex.quote(self.name)


def table_rows(study: StudyLike, found: Identification, shown_refusals: dict[int, int]) -> list[Row]:
    """A row for every regime of `found`; `shown_refusals` numbers the kernels that the page explains.

    >>> import ifm_ident
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"]})
    >>> [(row.name, row.densities, row.words) for row in table_rows(study, study.identify(), {})][2:]
    [('10', 0, 'training regime 2'), ('11', 3, '')]
    """
    writer = _Writer(study, found)
    names = format_regimes(study.design.model, found.targets, study.notation).to_pylist()
    codes, active = verdict_codes(found).tolist(), found.targets.active_counts.tolist()
    partial, index, remainder_texts = remainders(found)
    remains = {row: remainder_texts[i] for row, i in zip(partial.tolist(), index.tolist(), strict=True)}
    rows = []
    for number, (name, code, count) in enumerate(zip(names, codes, active, strict=True)):
        status = Status(int(found.status[number]))
        formulas: tuple[Formulas, ...] = ()
        words, refusal = "", None
        if status == Status.OBSERVED:
            words = f"training regime {int(found.train[number]) + 1:,}"
        elif status == Status.IDENTIFIED:
            formulas = writer.formulas(number)
        else:
            kernel = int(found.kernel[number])
            words, refusal = writer.reason(kernel), shown_refusals.get(kernel)
            formulas = writer.formulas(number) if number in remains else ()
        size = int(found.terms.indptr[number + 1] - found.terms.indptr[number])
        densities = size if status == Status.IDENTIFIED else 0
        remainder = remains.get(number, "")
        rows.append(Row(number, name, count, code, densities, words, formulas, refusal, remainder))
    return rows


class _Writer:
    """Formulas and reasons as they stand in the table; counts the densities that are written."""

    def __init__(self, study: StudyLike, found: Identification) -> None:
        self.model, self.found = study.design.model, found
        self.names = format_regimes(self.model, study.design.train, study.notation).to_pylist()
        self.left = MOST_DENSITIES
        self._reasons: dict[int, str] = {}

    def formulas(self, row: int) -> tuple[Formulas, ...]:
        return tuple(
            self._formula("" if block == JOINT else listed(variables_of(self.model, block)), exponents)
            for block, exponents in self.found.terms.exponents(row).items()
        )

    def _formula(self, whose: str, exponents: dict[int, Fraction]) -> Formulas:
        terms = [(self.names[i], q) for i, q in exponents.items()]
        squares = sum((q * q for q in exponents.values()), Fraction(0))
        densities = "1 density" if len(terms) == 1 else f"{len(terms):,} densities"
        note = f"{densities}, sum of squared exponents "
        note += str(squares) if squares.denominator == 1 and squares < 10**12 else f"{float(squares):.6g}"
        if self.model.has_bases:
            note += f", sum|q| = {size_text(sum(map(abs, exponents.values()), Fraction(0)))}"
        if len(terms) <= WHOLE:
            self.left -= len(terms)
            return Formulas(whose, mathml(terms, self.model.given), False, None, note)
        whole = None
        if self.left >= len(terms):
            whole = mathml(terms, self.model.given)
            self.left -= len(terms)
        return Formulas(whose, mathml(terms[:FIRST], self.model.given), True, whole, note)

    def reason(self, kernel: int) -> str:
        if kernel not in self._reasons:
            self._reasons[kernel] = refusal_words(self.model, self.found.kernels[kernel])
        return self._reasons[kernel]
