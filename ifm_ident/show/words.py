"""Answers in plain words: counts, lists, refusals, the closing sentence."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.conditional_formula import conditional_words
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.arrays import Ints
from ifm_ident.design.model import Model, level_text
from ifm_ident.design.regime_text import BASELINE, Notation
from ifm_ident.results.cells import Cell, cell_text

_NAMED = 4


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "regime"), counted(2000, "regime")
    ('1 regime', '2,000 regimes')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def four_digits(value: float) -> str:
    """A number to four significant digits, and all digits before the point up to a billion.

    >>> four_digits(0.123456), four_digits(-1234567.8), four_digits(1e12)
    ('0.1235', '-1234568', '1e+12')
    """
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def listed(names: Sequence[str], most: int = _NAMED, noun: str = "") -> str:
    """Names in a row, the first few when there are many.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(list("abcdefg"), noun="factors")
    ('a', 'a, b and c', 'a, b, c, d and 3 more factors')
    """
    if len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more {noun}".rstrip()
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def variables_of(model: Model, block: int) -> list[str]:
    """The variables whose full conditional a block of factors serves; all of them for the joint block."""
    if block == JOINT:
        return list(model.variables)
    return [variable for variable in model.variables if model.cover_index[variable] == block]


def function_words(model: Model, cell: Cell) -> str:
    """The product of basis functions, and of indicators of named levels, that a cell stands for.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = Intervention("A", (0, 1)), Intervention("dose", (0, 1), Basis("poly", degree=2))
    >>> function_words(Model(pair, ("x",), (Factor("f", ("x",), ("A", "dose")),)), (0, (1, 2)))
    '[A=1] dose^2'
    """
    parts = []
    for i, index in zip(model.scopes[cell[0]].tolist(), cell[1], strict=True):
        one = model.interventions[i]
        if one.basis is None:
            parts.append(f"[{one.name}={level_text(one.levels[index])}]")
        elif index:
            parts.append(one.basis.names(one.name)[index])
    return " ".join(parts) or "1"


def refusal_words(model: Model, certificate: KernelCertificate) -> str:
    """Why a regime is refused, in one line.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",))))
    >>> refusal_words(model, KernelCertificate(JOINT, (((0, (1,)), 1),)))
    'factor f is never seen at A=1'
    >>> refusal_words(model, KernelCertificate(0, (((0, (1,)), 1), ((1, (1,)), -1))))
    'training leaves the product of f and g open'
    """
    factors = sorted({k for (k, _), _ in certificate.cells})
    if len(certificate.cells) == 1:
        cell = certificate.cells[0][0]
        if model.valued[model.scopes[cell[0]]].any():
            name = model.factors[cell[0]].name
            return f"in training {function_words(model, cell)} of factor {name} is always 0"
        return f"factor {model.factors[cell[0]].name} is never seen at {cell_text(model, cell)}"
    names = [model.factors[k].name for k in factors]
    product = f"the product of {listed(names, noun='factors')}" if len(names) > 1 else f"factor {names[0]}"
    variables = variables_of(model, certificate.block)
    where = f" in {listed(variables)} | rest" if len(variables) < len(model.variables) else ""
    return f"training leaves {product} open{where}"


def remainders(found: Identification) -> tuple[Ints, Ints, list[str]]:
    """What is still determined of refused regimes: their rows, for each an index, and the words it indexes."""
    model, rows = found.design.model, found.partial_rows
    terms = found.terms.take(rows)
    known = np.zeros((len(rows), len(model.covers)), dtype=bool)
    known[terms.owners, terms.block] = True
    _, first, index = np.unique(np.packbits(known, axis=1), axis=0, return_index=True, return_inverse=True)
    words = [remainder_words(model, np.flatnonzero(known[row]).tolist()) for row in first.tolist()]
    return rows, index.reshape(-1).astype(np.int64), words


def remainder_words(model: Model, blocks: Collection[int]) -> str:
    """What full conditionals of some blocks of factors determine, such as `x2, x3 given x1`."""
    parts: tuple[list[str], list[str]] = [], []
    for variable in model.variables:
        parts[model.cover_index[variable] not in blocks].append(variable)
    return conditional_words(*parts)


def reason_words(model: Model, certificate: KernelCertificate) -> str:
    """Which variables are not determined, and why, where others are."""
    return f"not {listed(variables_of(model, certificate.block))}: {refusal_words(model, certificate)}"


def regime_words(model: Model, notation: Notation) -> str:
    """How the regimes of a study are written, in words."""
    names = [intervention.name for intervention in model.interventions]
    if notation == "levels":
        of = listed(names) if len(names) <= 6 else f"the {len(names):,} interventions"
        return f"the levels of {of} in order" if len(names) > 1 else f"the level of {of}"
    if notation == "label":
        return f"the interventions off baseline, joined by +; {BASELINE} is the baseline"
    return f"the interventions off baseline with their levels; {BASELINE} is the baseline"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many regimes were asked about, by verdict.

    >>> print(Tally(observed=6, joint=2).sentence)
    2 of 2 unseen regimes are identified.
    >>> print(Tally(observed=1).sentence)
    The regime asked about is observed: there is nothing to identify.
    """

    observed: int = 0
    joint: int = 0
    conditional: int = 0
    refused: int = 0
    no_joint: int = 0
    undecided: int = 0

    def plus(self, found: Identification) -> Tally:
        """With the verdicts of a batch added."""
        joint = found.criterion == Criterion.JOINT
        identified, refused = found.status == Status.IDENTIFIED, found.status == Status.NOT_IDENTIFIED
        masks = (
            found.status == Status.OBSERVED,
            identified & joint,
            identified & ~joint,
            refused & ~joint,
            refused & joint,
            found.status == Status.UNDECIDED,
        )
        before = (self.observed, self.joint, self.conditional, self.refused, self.no_joint, self.undecided)
        return Tally(*(b + int(np.count_nonzero(mask)) for b, mask in zip(before, masks, strict=True)))

    @property
    def identified(self) -> int:
        """How many have a formula."""
        return self.joint + self.conditional

    @property
    def unseen(self) -> int:
        """How many are not training regimes."""
        return self.identified + self.open

    @property
    def open(self) -> int:
        """How many are neither observed nor identified."""
        return self.refused + self.no_joint + self.undecided

    @property
    def sentence(self) -> str:
        """All of it in one sentence of plain words."""
        if not self.unseen:
            if self.observed == 0:
                return "No regime was asked about."
            who = "The regime" if self.observed == 1 else f"All {self.observed:,} regimes"
            return f"{who} asked about {_is(self.observed)} observed: there is nothing to identify."
        text = f"{self.identified:,} of {counted(self.unseen, 'unseen regime')} {_is(self.identified)} identified"
        if self.unseen == 1:
            text = f"The one unseen regime is{'' if self.identified else ' not'} identified"
            if self.no_joint or self.undecided:
                text = "The one unseen regime"
        if self.conditional:
            only = "" if self.joint else "all " if self.conditional > 1 else ""
            count = "" if not self.joint else f"{self.conditional:,} of them "
            text += f", {count or only}by full conditionals only"
        rest = []
        if self.refused and (self.unseen > 1):
            rest.append(f"{self.refused:,} {_is(self.refused)} not")
        if self.no_joint:
            rest.append(f"{self._of(self.no_joint)}{'has' if self.no_joint == 1 else 'have'} no joint formula")
        if self.undecided:
            rest.append(f"{self._of(self.undecided)}{_is(self.undecided)} undecided")
        separator = " " if self.unseen == 1 else "; "
        return separator.join([text, *rest]) + "."

    def _of(self, count: int) -> str:
        return "" if self.unseen == 1 else f"{count:,} "


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
