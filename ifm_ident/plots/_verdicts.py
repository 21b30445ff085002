"""How every picture shows a verdict: its words, colour and mark."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.identification import Criterion, Identification, Status
from ifm_ident.plots.canvas import BLUE, GREY, ORANGE, PINK, RED, SKY


@dataclass(frozen=True, slots=True)
class Look:
    """Words, fill colour and mark (dot, plain, slash, cross, query) of one verdict."""

    words: str
    colour: str
    mark: str
    ink: str


LOOKS = (
    Look("observed", BLUE, "dot", "#ffffff"),
    Look("identified: one formula", SKY, "plain", BLUE),
    Look("identified: full conditionals", ORANGE, "slash", "#5c3a00"),
    Look("not identified", GREY, "cross", RED),
    Look("no joint formula", GREY, "cross", RED),
    Look("undecided", PINK, "query", "#3d0a26"),
)
"""Indexed by what `verdict_codes` returns."""


def verdict_codes(found: Identification) -> NDArray[np.int64]:
    """The index in `LOOKS` of every row, shape (n,).

    >>> import ifm_ident
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10"]})
    >>> [LOOKS[code].words for code in verdict_codes(study.identify())]
    ['observed', 'not identified', 'observed', 'not identified']
    """
    joint = found.criterion == Criterion.JOINT
    codes = np.zeros(len(found), dtype=np.int64)
    codes[found.status == Status.IDENTIFIED] = 2
    codes[(found.status == Status.IDENTIFIED) & joint] = 1
    codes[found.status == Status.NOT_IDENTIFIED] = 3
    codes[(found.status == Status.NOT_IDENTIFIED) & joint] = 4
    codes[found.status == Status.UNDECIDED] = 5
    return codes
