"""Findings as text, JSON (`ifm-falsification/1`) and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from ifm_ident.answer import size_note
from ifm_ident.design import format_regimes, regime_map
from ifm_ident.implications import Implication
from ifm_ident.results import Listing, csv_line, document
from ifm_ident.show import counted, listed, wrapped
from ifm_learn.falsification.repair import Suggestion
from ifm_learn.falsification.testing import Falsification, Finding

SCHEMA = "ifm-falsification/1"
COLUMNS = (
    "claim", "kind", "variables", "formula", "test", "statistic", "p_value", "p_adjusted", "rejected",
    "combination", "variable", "effect",
)  # fmt: skip

_INDENT = "  "
_EFFECTS_SHOWN = 4
_NAMED = 8
_EXTRAPOLATED = 1e-6


def json_lines(found: Falsification, suggested: Sequence[Suggestion]) -> Iterator[str]:
    """The result as JSON, one finding a line; interactions of a pair have `interaction` and `variable` null."""
    repairs = [{"factor": s.factor, "add": s.intervention, "gain": s.gain, "se": s.error} for s in suggested]
    results = Listing(map(_entry, found.findings), "\n ]")
    about: dict[str, object] = {}
    if found.untested is not None:
        model = found.implications.identifier.design.model
        about["untested"] = [regime_map(model, regime) for regime in found.untested]
    head, *rest = document(
        {"schema": SCHEMA, "alpha": _decimal(found), "seed": found.seed},
        {"correction": found.correction, "results": results, "warnings": found.warnings},
        about | {"suggestions": repairs},
    )
    yield from (f"{head} ", *rest)


def _decimal(found: Falsification) -> str:
    """alpha as it was written, shortest."""
    return str(float(found.alpha))


def _entry(finding: Finding) -> dict[str, object]:
    claim, evidence = finding.claim, finding.evidence
    pair = claim.kind == "interaction"
    about: dict[str, object] = {"variable": claim.variables[0] if claim.variables and not pair else None}
    if pair:
        about["interaction"] = list(claim.variables)
    return about | {
        "exponents": [{"train": i, "exponent": str(c)} for i, c in claim.formula],
        "test": finding.test,
        "statistic": evidence.statistic,
        "p_value": evidence.p_value,
        "p_adjusted": finding.p_adjusted,
        "rejected": finding.rejected,
        "effect": evidence.effect,
    }


def csv_lines(found: Falsification) -> Iterator[str]:
    """One line for every finding and variable that its effect names; `claim` counts claims from 0.

    A test that was not made has one line, without variable and effect.
    """
    yield csv_line(COLUMNS)
    place: dict[Implication, int] = {}
    for finding in found.findings:
        claim, evidence = finding.claim, finding.evidence
        common = (
            place.setdefault(claim, len(place)), claim.kind, " ".join(claim.variables), str(claim.formula),
            finding.test, evidence.statistic, evidence.p_value, finding.p_adjusted, str(finding.rejected).lower(),
            found.implications.name(finding.combination),
        )  # fmt: skip
        for variable, effect in evidence.effect.items() or [("", "")]:
            yield csv_line((*common, variable, effect))


def text_lines(name: str, found: Falsification, suggested: Sequence[Suggestion], rows: int) -> Iterator[str]:
    """The findings for people: each claim with its tests, the verdict, and what would repair the model."""
    claims = len(found.implications)
    yield from wrapped(
        f"{' '.join(name.split())}: {counted(claims, 'claim')} tested on {counted(rows, 'row')}", _INDENT
    )
    model = found.implications.identifier.design.model
    for claim, group in groupby(found.findings, key=lambda finding: finding.claim):
        yield ""
        size = size_note(claim.formula, model.has_bases)
        yield from wrapped(f"{claim.formula} {claim_words(claim, model.variables)}{size}", _INDENT)
        for finding in group:
            yield f"{_INDENT}{finding.test.ljust(6)}  {_numbers(finding)}"
            yield from (f"{_INDENT}        {line}" for line in wrapped(effect_words(found, finding)))
    yield ""
    yield from wrapped(verdict(found))
    if suggested:
        yield from wrapped("What would repair it, by the change in the held-out score of the regime contrast:")
    for one in suggested:
        noise = "" if abs(one.gain) > 2 * one.error else ", within noise"
        yield (
            f"{_INDENT}let {one.factor} depend on {one.intervention}: {one.gain:+.4f} nats a row "
            f"(standard error {one.error:.4f}{noise})"
        )
    if any(finding.claim.kind == "interaction" for finding in found.rejected):
        yield from wrapped(
            "A rejected claim about two variables is repaired by a factor that holds both.", _INDENT
        )


def claim_words(claim: Implication, variables: Sequence[str]) -> str:
    """What is claimed of a product of training densities."""
    if claim.kind == "interaction":
        if len(claim.formula) == 1:
            return f"has {listed(claim.variables)} independent given the rest"
        return f"has no {'-'.join(claim.variables)} interaction in its logarithm"
    if claim.kind == "joint" or claim.variables == variables:
        return f"is constant in {listed(variables)}"
    return f"is constant in {listed(claim.variables)} given the rest"


def _numbers(finding: Finding) -> str:
    evidence = finding.evidence
    if not evidence.effect:
        return f"not made: {evidence.few or 'the regimes hardly overlap'}"
    word = "REJECTED" if finding.rejected else "not rejected"
    p = f"p {p_words(evidence.p_value)}, adjusted {p_words(finding.p_adjusted)}"
    return f"{word}  {p}  ({evidence.statistic:.2f} times what chance gives)"


def p_words(value: float) -> str:
    """A p-value in two digits; the far tail of an approximation has none."""
    return f"{value:.2g}" if value >= _EXTRAPOLATED else f"below {_EXTRAPOLATED:g}"


def effect_words(found: Falsification, finding: Finding) -> str:
    """The largest departures in words: "A+B differs from its prediction by +0.9 sd in Mek"."""
    where, effect = found.implications.name(finding.combination), finding.evidence.effect
    error = max(finding.evidence.information, 1e-4) ** -0.5
    if not effect:
        return ""
    if finding.claim.kind == "interaction":
        size = next(iter(effect.values()))
        if len(finding.claim.formula) == 1:
            return f"partial correlation {size:+.2f} in {where}"
        return f"{where} differs from its prediction by {size:+.2f} in their covariance, in baseline sds"
    largest = sorted(effect, key=lambda v: -abs(effect[v]))[:_EFFECTS_SHOWN]
    departures = ", ".join(f"{effect[v]:+.2f} sd in {v}" for v in largest)
    return f"{where} differs from its prediction by {departures} (standard error about {error:.2f})"


def verdict(found: Falsification) -> str:
    """How many of the claims that could be tested the data contradict, at what error rate; how many could not."""
    if not found.findings:
        return f"Nothing was tested: the design makes no claim that data could refute.{untested_words(found)}"
    rate = "a family-wise error" if found.correction == "holm" else "a false discovery rate"
    wrong = len({finding.claim for finding in found.rejected})
    tested = len({finding.claim for finding in found.findings if finding.evidence.effect})
    left = len({finding.claim for finding in found.findings}) - tested
    total, others = counted(tested, "claim"), _why_not(found)
    if not tested:
        which = "the claim" if left == 1 else f"any of {left:,} claims"
        return f"Nothing was tested: {others} for {which}.{untested_words(found)}"
    more = f" Another {counted(left, 'claim')} could not be tested: {others}." if left else ""
    if not wrong and tested == 1:
        text = f"The data do not contradict the claim (at {rate} of {_decimal(found)}). That does not prove it."
    elif not wrong:
        text = (
            f"The data contradict none of the {total} (at {rate} of {_decimal(found)}). That does not prove them."
        )
    else:
        which = f"{wrong:,} of the {total}" if wrong < tested else f"the {total}" if tested > 1 else "the claim"
        text = f"The data contradict {which}, and so the model, at {rate} of {_decimal(found)}."
    return text + more + untested_words(found)


def _why_not(found: Falsification) -> str:
    """Why claims could not be tested."""
    left = [f.evidence.few for f in found.findings if not f.evidence.effect]
    reasons = [
        f"there are too few {few.rsplit(' ', 1)[1]}" if few else "the regimes hardly overlap" for few in left
    ]
    return " or ".join(sorted(set(reasons), reverse=True))


def untested_words(found: Falsification) -> str:
    """Which regimes that were asked about rest on interactions that nothing tests; "" for none."""
    if found.untested is None or found.targets is None or not len(found.untested):
        return ""
    design, notation = found.implications.identifier.design, found.implications.identifier.notation
    names = format_regimes(design.model, found.untested, notation).to_pylist()
    which = f"{len(names):,} of the {len(found.targets):,} unseen regimes asked about"
    which = "any unseen regime asked about" if len(names) == len(found.targets) > 1 else which
    which = "the one unseen regime asked about" if len(found.targets) == 1 else which
    return f" No tested claim bears on {which}: {listed(names, _NAMED)} (untested)."
