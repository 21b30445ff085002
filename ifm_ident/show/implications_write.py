"""Testable implications as text, JSON (`ifm-implications/1`) and LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ifm_ident.answer.formula import Formula, size_note
from ifm_ident.answer.product import density_text, latex_escape
from ifm_ident.design.model import Model
from ifm_ident.implications.testable import ClaimGroup, Implication, Implications
from ifm_ident.results.documents import Listing, document
from ifm_ident.results.header import StudyLike
from ifm_ident.show.size_words import SIZE_MEANING
from ifm_ident.show.table import density_meaning, wrapped
from ifm_ident.show.words import counted, listed

_PREDICTIONS_SHOWN = 20
_INDENT = "  "


def json_lines(found: Implications) -> Iterator[str]:
    """The result as JSON, one implication a line; interactions have `interaction`, a list, not `variable`."""
    results = Listing(map(_entry, found), "\n]")
    yield from document({"schema": "ifm-implications/1"}, {"count": len(found)}, {"results": results})


def _entry(claim: Implication) -> dict[str, object]:
    exponents = [{"train": i, "exponent": str(c)} for i, c in claim.formula]
    if claim.kind == "interaction":
        return {"interaction": list(claim.variables), "exponents": exponents}
    return {"variable": claim.variables[0] if claim.variables else None, "exponents": exponents}


def text_lines(study: StudyLike, found: Implications) -> Iterator[str]:
    """The implications for people: how many, each in words, what predicts what, or that nothing can be tested."""
    if len(found):
        meaning = f"{density_meaning(study.design.model)} in training regime R. The model claims:"
        yield from wrapped(f"{' '.join(study.name.split())}: {_tally(found)}", _INDENT)
        yield from wrapped(meaning)
        yield ""
        rows = iter(found)
        for claims in found.claims:
            own = [next(rows) for _ in range(len(claims))]
            if claims.independence:
                yield f"{_INDENT}{_independence(claims)}"
            else:
                yield from (f"{_INDENT}{sized_words(claim, study.design.model)}" for claim in own)
        yield ""
        if study.design.model.has_bases:
            yield from wrapped(SIZE_MEANING, _INDENT)
            yield ""
        yield from _predictions(found)
    yield from wrapped(_closing(found))


def _tally(found: Implications) -> str:
    parts = [f"{count:,} {kind}" for kind, count in found.counts().items() if count]
    return f"{counted(len(found), 'testable implication')} ({', '.join(parts)})"


def claim_words(claim: Implication, variables: tuple[str, ...]) -> str:
    """What is claimed of a formula."""
    if claim.kind == "interaction":
        return f"has no {'-'.join(claim.variables)} interaction in its logarithm"
    if claim.kind == "joint" or claim.variables == variables:
        return f"is constant in {listed(variables)}"
    return f"is constant in {listed(claim.variables)} given the rest"


def sized_words(claim: Implication, model: Model) -> str:
    """The product, what is claimed of it, and where levels have values its sum|q|."""
    size = size_note(claim.formula, model.has_bases)
    return f"{claim.formula} {claim_words(claim, model.variables)}{size}"


def _independence(claims: ClaimGroup) -> str:
    names = listed(claims.variables, most=len(claims.variables))
    if len(claims.variables) == 2:
        return f"{names} are independent given the rest, in every regime"
    return f"{names} have no interaction of all {len(claims.variables)} of them, in every regime"


def _predictions(found: Implications) -> Iterator[str]:
    predicted, total = found.predicted, len(found.identifier.design.distinct)
    model = found.identifier.design.model
    if not len(predicted):
        return
    share = f"{len(predicted):,} of {counted(total, 'training regime')}"
    yield f"predicted by the others: {share}"
    for train in predicted[:_PREDICTIONS_SHOWN].tolist():
        prediction = found.prediction(train)
        name = density_text(found.name(train), model.given)
        if prediction.formula is not None:
            size = size_note(prediction.formula, model.has_bases)
            yield f"{_INDENT}{name} ∝ {_product(prediction.formula)}{size}"
        else:
            parts = [
                f"{_product(f)} in {v}{size_note(f, model.has_bases)}" for v, f in prediction.conditionals.items()
            ]
            yield f"{_INDENT}{name}, by full conditionals: {'; '.join(parts)}"
    if len(predicted) > _PREDICTIONS_SHOWN:
        yield f"{_INDENT}and {len(predicted) - _PREDICTIONS_SHOWN:,} more"
    yield ""


def _product(formula: Formula) -> str:
    return str(formula) if len(formula) else "a constant"


def _closing(found: Implications) -> str:
    design, counts = found.identifier.design, found.counts()
    regimes = counted(len(design.distinct), "distinct training regime")
    if len(found):
        silent = np.setdiff1d(design.distinct, found.predicted)
        rest = f"{counted(len(silent), 'training regime')} cannot be checked against the others."
        return f"Data that contradict one of these refute the model. {rest if len(silent) else ''}".strip()
    if not found.refutable:
        return f"Nothing can be tested: any densities whatever in the {regimes} agree with this model."
    if found.criterion == "joint":
        return (
            f"No product of the densities of the {regimes} is claimed to be constant. The full conditionals or "
            "the interactions of variables may still be tested: try --criterion auto, and --interactions 2."
        )
    missing = "" if counts["interaction"] else "; what the factors say of interactions can: try --interactions 2"
    return f"No relation between the {regimes} can be tested{missing}."


def latex_lines(study: StudyLike, found: Implications) -> Iterator[str]:
    """The implications as an `align*` block, for amsmath; a comment says so when there are none."""
    if not len(found):
        yield f"% {_closing(found)}"
        return
    variables = study.design.model.variables
    yield r"% needs \usepackage{amsmath}"
    yield r"\begin{align*}"
    lines = []
    rows = iter(found)
    for claims in found.claims:
        own = [next(rows) for _ in range(len(claims))]
        if claims.independence:
            lines.append(rf"& \text{{{latex_escape(_independence(claims))}}}")
        else:
            words = [latex_escape(claim_words(claim, variables)) for claim in own]
            lines.extend(
                rf"& {claim.formula.latex()} \text{{ {text}}}" for claim, text in zip(own, words, strict=True)
            )
    yield " \\\\\n".join(lines)
    yield r"\end{align*}"
