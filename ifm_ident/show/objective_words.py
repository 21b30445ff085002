"""What chosen formulas attain, in words: the value, and the proven bound where they are not proven best."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pyarrow as pa

from ifm_ident.answer.exact_text import encode
from ifm_ident.show.witness import short_fraction
from ifm_ident.show.words import counted
from ifm_ident.solve.objectives.choose import Chosen, Objective
from ifm_ident.solve.objectives.exact_columns import Ratios

_VALUE = {"l1": "sum |q| = {}", "variance": "sum q^2/n = {}"}
_MEANING = {
    "sparse": "the fewest densities",
    "l1": "the least sum |q| of exponents",
    "variance": "the least error for these numbers of rows, by sum q^2/n, the variance factor",
}


def attained_words(objective: Objective, value: Fraction, bound: Fraction) -> str:
    """What one formula attains, in brackets.

    >>> attained_words("sparse", Fraction(4), Fraction(4)), attained_words("l1", Fraction(7, 2), Fraction(3))
    ('[4 densities]', '[sum |q| = 7/2, not proven best: at least 3]')
    """
    if objective == "sparse":
        noun = "density" if value == 1 else "densities"
        text = f"{value} {noun}"
    else:
        text = _VALUE[objective].format(short_fraction(value))
    return f"[{text}]" if value == bound else f"[{text}, not proven best: at least {short_fraction(bound)}]"


def attained_texts(chosen: Chosen) -> pa.Array:
    """The words of every formula of `chosen`, in its order; a sentence is made once for each value and bound."""
    codes, values = [], []
    for numbers in (*_columns(chosen.value), *_columns(chosen.bound)):
        code, distinct = encode(numbers)
        codes.append(code.to_numpy().astype(np.int64))
        values.append(distinct)
    pairs, index = np.unique(np.stack(codes, axis=1), axis=0, return_inverse=True)
    words = []
    for row in pairs.tolist():
        top, bottom, bound_top, bound_bottom = (known[code] for known, code in zip(values, row, strict=True))
        words.append(attained_words(chosen.objective, Fraction(top, bottom), Fraction(bound_top, bound_bottom)))
    return pa.array(words, pa.large_string()).take(pa.array(index.reshape(-1)))


def _columns(ratios: Ratios) -> tuple[np.ndarray, np.ndarray]:
    return ratios.numerator, ratios.denominator


@dataclass(frozen=True, slots=True)
class Proofs:
    """How many formulas an objective chose, and how many of them are proven best.

    >>> print(Proofs("sparse", 3, 3).sentence)
    --objective sparse, the fewest densities: all 3 formulas are proven best.
    >>> print(Proofs("l1", 3, 1).sentence)
    --objective l1, the least sum |q| of exponents: 1 of 3 formulas is proven best.
    """

    objective: Objective
    formulas: int = 0
    proven: int = 0

    def plus(self, chosen: Chosen) -> Proofs:
        """With the formulas of a batch added."""
        proven = int(np.count_nonzero(chosen.proven))
        return Proofs(self.objective, self.formulas + len(chosen.row), self.proven + proven)

    @property
    def sentence(self) -> str:
        """All of it in one sentence of plain words."""
        verb = "is" if 1 in (self.proven, self.formulas) else "are"
        share = f"{self.proven:,} of {counted(self.formulas, 'formula')} {verb}"
        if self.proven == self.formulas:
            share = {0: "no formula is", 1: "the one formula is", 2: "both formulas are"}.get(
                self.formulas, f"all {self.formulas:,} formulas are"
            )
        return f"--objective {self.objective}, {_MEANING[self.objective]}: {share} proven best."
