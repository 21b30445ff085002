"""Why regimes are refused: one entry for each certificate, with its witness in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident.answer.identification import Identification
from ifm_ident.design.notation import format_regimes
from ifm_ident.show.refusal import refusal_lines
from ifm_ident.show.words import refusal_words
from ifm_ident.solve.identifier import CriterionName, Identifier

MOST = 30
"""At most this many certificates are explained on a page."""

_NAMED = 12


@dataclass(frozen=True, slots=True)
class Refusal:
    """A certificate: why in words, the regimes it refuses (a few by name), and its witness for the first."""

    number: int
    words: str
    example: str
    regimes: tuple[str, ...]
    count: int
    lines: tuple[str, ...]


def refusals(identifier: Identifier, found: Identification, criterion: CriterionName) -> list[Refusal]:
    """The certificates that refuse most regimes, at most 30, in the order of the first regime of each.

    >>> import ifm_ident
    >>> study = ifm_ident.Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10"]})
    >>> found = study.identify()
    >>> [(r.words, r.regimes) for r in refusals(ifm_ident.Identifier(study.design, "levels"), found, "auto")]
    [('factor f2 is never seen at B=1', ('01', '11'))]
    """
    model = identifier.design.model
    chosen = shown_kernels(found)
    entries = []
    for kernel, number in chosen.items():
        rows = np.flatnonzero(found.kernel == kernel)
        names = format_regimes(model, found.targets.take(rows[:_NAMED]), identifier.notation).to_pylist()
        certificate = found.kernels[kernel]
        lines = refusal_lines(identifier, found.targets[int(rows[0])], certificate, criterion)
        entries.append(
            Refusal(number, refusal_words(model, certificate), names[0], tuple(names), len(rows), tuple(lines[1:]))
        )
    return entries


def shown_kernels(found: Identification) -> dict[int, int]:
    """The kernels that are explained, numbered from 1 in the order of their first regime."""
    kernels, first, count = np.unique(found.kernel, return_index=True, return_counts=True)
    known = kernels >= 0
    kernels, first, count = kernels[known], first[known], count[known]
    most = np.argsort(-count, kind="stable")[:MOST]
    ordered = most[np.argsort(first[most])]
    return {int(kernels[i]): number for number, i in enumerate(ordered, start=1)}
