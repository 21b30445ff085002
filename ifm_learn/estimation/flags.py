"""The words that weaken an estimate, each with one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Identification, Identifier
from ifm_ident.implications import implications, untested
from ifm_learn.data.samples import Samples
from ifm_learn.falsification.testing import testable

MOST_CLAIMED = 64
"""Of more training regimes, or variables that differ in factors, it takes too long to say what is untested."""

FLAGS = {
    "few_rows": "a training regime that the estimate rests on has fewer than 20 rows, or units, to fit (more, "
    "where one factor joins variables and a normal law answers: 50 for four), or one or two rows that make most "
    "of its spread",
    "extrapolated": "the mean lies where hardly any row is, or far from the levels run: the form of the model "
    "decides there, not rows",
    "little_overlap": "few rows, re-weighted, are like rows of this regime",
    "misses_training": "no model gives back the means of the regimes that were run: no interval is printed",
    "outcome_shifts": "given x, the outcome differs between training regimes: put it among the variables",
    "untested": "no claim that these rows are enough to test bears on this regime: nothing in them could "
    "contradict its estimate",
    "models_disagree": "models that rows cannot tell apart differ here by more than their own errors",
}
"""Every flag of a result, in the order in which they are explained."""


GUARANTEES = {
    "exact-ratio": (
        "proven",
        "held-out rows of the regime itself set the ends: with any number of rows, units fall inside at least as "
        "often as the level says",
    ),
    "estimated-ratio": (
        "if fit is right",
        "held-out rows of other regimes set the ends, weighted by the fitted ratio of densities: fewer units fall "
        "inside as far as that ratio is off",
    ),
    "asymptotic": (
        "for many rows",
        "too few rows were held out, or too few are like the regime, for a promise: the level holds as such rows "
        "grow, if the fit is right; more rows or a larger --calibration may change that",
    ),
}
"""For every word of `guarantee` in a result: what people read in its place, and what that promises."""


def promise(word: str) -> str:
    """What people read for a word of `guarantee`; a word that is not known stays.

    >>> promise("exact-ratio"), promise("")
    ('proven', '')
    """
    return GUARANTEES[word][0] if word in GUARANTEES else word


def promises(given: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The promises that occur, each with what it means and the word that stands in results."""
    seen = set(given)
    for word, (plain, meaning) in GUARANTEES.items():
        if word in seen:
            yield plain, f"{meaning} (`{word}` in results)"


def unsupported(found: Identification, samples: Samples) -> NDArray[np.bool_] | None:
    """Which identified regimes no claim bears on that has enough rows, shape (r,); None where that takes long."""
    design = found.design
    if design.model.has_bases or len(design.distinct) > MOST_CLAIMED or len(design.model.covers) > MOST_CLAIMED:
        return None
    return untested(design, testable(samples, implications(Identifier(design))), found)
