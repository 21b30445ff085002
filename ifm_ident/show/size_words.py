"""sum|q| in words: by how much a formula magnifies the errors of what goes into it (docs/theory/doses.md)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from ifm_ident.answer.exact_text import size_text
from ifm_ident.answer.identification import Identification, Terms
from ifm_ident.design.design import Design
from ifm_ident.show.words import counted
from ifm_ident.solve.objectives.exact_columns import group_sums, to_common

_MOST_NOTES = 5
SIZE_MEANING = (
    "sum|q|: if every log-density that a formula uses is off by at most e, the formula is off by at most sum|q| "
    "times e."
)
LARGE = 10
"""Above this a formula is warned of: as sure as running the regime itself, it takes LARGE^2 times the rows."""


def sizes_of(terms: Terms) -> list[Fraction]:
    """sum|q| of every formula, rows ascending, blocks within."""
    rows, count = terms.owners, len(terms.train)
    starts = np.ones(count, dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]) | (terms.block[1:] != terms.block[:-1])
    bounds = np.append(np.flatnonzero(starts), count).astype(np.int64)
    above, below = to_common(bounds, np.abs(terms.numerator), terms.denominator)
    pairs = zip(group_sums(bounds, above).tolist(), below.tolist(), strict=True)
    return [Fraction(int(a), int(b)) for a, b in pairs]


def size_texts(sizes: Iterable[Fraction]) -> pa.Array:
    """The sizes as they follow formulas in a table."""
    return pa.array([f"sum|q| = {size_text(size)}" for size in sizes], pa.large_string())


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many formulas were shown, the largest sum|q| of them, and how many are above LARGE.

    >>> Sizes(2, Fraction(27), 1).warning
    'Warning: 1 formula has a sum|q| above 10, the largest 27: to be as sure as running the regime itself with n rows, it needs 10^2 n or more. `--objective l1` gives the least. A large one extrapolates, or the runs are close together.'
    """  # noqa: E501

    formulas: int = 0
    largest: Fraction = Fraction(0)
    large: int = 0

    def plus(self, found: Identification) -> Sizes:
        """With the formulas of a batch added; only where levels have values."""
        if not found.design.model.has_bases:
            return self
        sizes = sizes_of(found.terms)
        return Sizes(
            self.formulas + len(sizes),
            max([self.largest, *sizes]),
            self.large + sum(size > LARGE for size in sizes),
        )

    @property
    def meaning(self) -> str:
        """What the number is, in one sentence."""
        return (
            f"{SIZE_MEANING.removesuffix('.')}; with n rows a regime, well divided, its standard error is sum|q| "
            "times that of one regime with all these rows."
        )

    @property
    def warning(self) -> str:
        """Words on formulas with a large sum|q|, empty where there is none."""
        if not self.large:
            return ""
        have, it = ("has", "it needs") if self.large == 1 else ("have", "they need")
        return (
            f"Warning: {counted(self.large, 'formula')} {have} a sum|q| above {LARGE}, the largest "
            f"{size_text(self.largest)}: to be as sure as running the regime itself with n rows, {it} {LARGE}^2 n "
            "or more. `--objective l1` gives the least. A large one extrapolates, or the runs are close together."
        )


def basis_notes(design: Design) -> list[str]:
    """A sentence on each intervention, of the first few, whose basis has more functions than levels were run.

    >>> from ifm_ident.study.study import Study
    >>> study = Study.from_dict({"interventions": {"dose": {"levels": [0, 2], "basis": {"poly": 2}}},
    ...     "factors": [{"sigma": ["dose"]}], "train": [{"dose": 0}, {"dose": 2}]})
    >>> basis_notes(study.design)
    ['dose: its basis has 3 functions and 2 levels were run: not all levels can be identified.']
    """
    notes = []
    model, train = design.model, design.train
    for i in np.flatnonzero(model.valued & model.relevant).tolist():
        basis = model.interventions[i].basis
        run = train.level[train.position == i]
        count = len(np.unique(run)) + (len(run) < len(train))
        if basis is not None and count <= basis.functions:
            notes.append(
                f"{model.interventions[i].name}: its basis has {basis.functions + 1} functions and "
                f"{counted(count, 'level')} {'was' if count == 1 else 'were'} run: not all levels can be "
                "identified."
            )
    return notes[:_MOST_NOTES]
