"""What to measure so that a design makes a claim that data can refute."""

from __future__ import annotations

from ifm_ident import Design, Identifier, Status
from ifm_ident.design import Notation, UpToOrder, format_regime

_ORDER = 3
_LOOKED_AT = 10_000


def nothing_to_test(design: Design, notation: Notation) -> str:
    """Why nothing was tested, and a regime to add: one that is identified already, so that it can contradict.

    >>> from ifm_ident import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["ctrl", "A", "B"],
    ... })
    >>> print(nothing_to_test(study.design, study.notation))
    the design makes no claim that data could refute; measure A+B as well: it is predicted by p(A) p(B) / p(ctrl)
    """
    identifier, looked = Identifier(design, notation), 0
    said = "the design makes no claim that data could refute"
    for chunk in UpToOrder(design.model, min(_ORDER, len(design.model))).chunks(_LOOKED_AT):
        found = identifier.identify(chunk)
        rows = found.rows_with(Status.IDENTIFIED)
        if len(rows):
            row = int(rows[0])
            regime = format_regime(design.model, chunk[row], notation)
            formula = found[row].formula
            by = f"it is predicted by {formula}" if formula is not None else "its full conditionals are predicted"
            return f"{said}; measure {regime} as well: {by}"
        looked += len(chunk)
        if looked >= _LOOKED_AT:
            break
    return (
        f"{said}, and no unseen regime of up to {_ORDER} interventions is predicted; smaller scopes claim more; "
        "`ifm plan` shows which regimes make others identified"
    )
