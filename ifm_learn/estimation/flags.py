"""The words that weaken an estimate, each with one plain sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Identification, Identifier
from ifm_ident.implications import implications, untested

MOST_CLAIMED = 64
"""Of more training regimes, or variables that differ in factors, it takes too long to say what is untested."""

FLAGS = {
    "few_rows": "a training regime that the estimate rests on has fewer than 20 rows, or units, to fit, or one or "
    "two rows that make most of its spread",
    "extrapolated": "the mean lies where hardly any row is, or far from the levels run: the form of the model "
    "decides there, not rows",
    "little_overlap": "few rows, re-weighted, are like rows of this regime",
    "misses_training": "no model gives back the means of the regimes that were run: no interval is printed",
    "outcome_shifts": "given x, the outcome differs between training regimes: put it among the variables",
    "untested": "no testable claim bears on this regime: nothing in these data could contradict its estimate",
    "models_disagree": "models that rows cannot tell apart differ here by more than their own errors",
}
"""Every flag of a result, in the order in which they are explained."""


def unsupported(found: Identification) -> NDArray[np.bool_] | None:
    """Which identified regimes no testable claim bears on, shape (r,); None where that takes too long."""
    design = found.design
    if design.model.has_bases or len(design.distinct) > MOST_CLAIMED or len(design.model.covers) > MOST_CLAIMED:
        return None
    return untested(design, implications(Identifier(design)), found)
