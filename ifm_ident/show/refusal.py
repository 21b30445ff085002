"""What to say of a refused regime: its witness, the nearest regimes that have an answer, and what would help."""

from __future__ import annotations

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import JOINT
from ifm_ident.design.notation import format_regime
from ifm_ident.design.regimes import Active
from ifm_ident.results.cells import cell_text
from ifm_ident.show.table import wrapped
from ifm_ident.show.witness import witness
from ifm_ident.show.words import counted, listed
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.nearest import Nearest, nearest_identified


def refusal_lines(
    identifier: Identifier, target: Active, certificate: KernelCertificate, criterion: CriterionName = "auto"
) -> list[str]:
    """The proof by example, the nearest identified regimes and advice, as text.

    >>> import numpy as np
    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.design.regimes import Regimes
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> unseen = KernelCertificate(0, (((0, (1, 1)), 1),))
    >>> print(*refusal_lines(Identifier(design, "levels"), ((0, 1), (1, 1)), unseen)[-4:], sep="\\n")
    <BLANKLINE>
    Nearest regimes with an answer, 1 intervention changed: 01 (observed) and 10
      (observed).
    A new training regime with A=1,B=1 is needed; 11 itself is one.
    """
    notation = identifier.notation
    name = format_regime(identifier.design.model, target, notation)
    lines = ["", "Proof by example"]
    lines += [f"  {line}" for line in witness(identifier.design, target, certificate).lines(notation)]
    found = nearest_identified(identifier, target, criterion)
    return [
        *lines,
        "",
        *wrapped(_nearest_words(identifier, found), "  "),
        *wrapped(_advice(identifier, name, certificate), "  "),
    ]


def _nearest_words(identifier: Identifier, found: Nearest) -> str:
    names = [format_regime(identifier.design.model, regime, identifier.notation) for regime in found.regimes]
    known = [f"{name} ({status.word})" for name, status in zip(names, found.status, strict=True)]
    changed = f"{counted(found.changes, 'intervention')} changed"
    what = "Nearest regimes with an answer" if found.exact else "Nearest training regimes"
    text = f"{what}, {changed}: {listed(known, len(known))}" + (" among others." if found.more else ".")
    if found.exact:
        return text
    if found.looked_through == 0:
        return f"{text} There are too many nearer ones to look whether any is identified."
    return (
        f"{text} With at most {found.looked_through} changed none is identified; beyond that there are too many."
    )


def _advice(identifier: Identifier, name: str, certificate: KernelCertificate) -> str:
    advice = f"Running {name} itself would answer the question."
    model = identifier.design.model
    if len(certificate.cells) == 1 and not model.valued[model.scopes[certificate.cells[0][0][0]]].any():
        text = cell_text(identifier.design.model, certificate.cells[0][0])
        advice = f"A new training regime with {text} is needed; {name} itself is one."
    if certificate.block == JOINT:
        return f"The full conditionals may still have formulas: try `--criterion conditional`. {advice}"
    return advice
