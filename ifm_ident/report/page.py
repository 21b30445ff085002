"""The page: what is asked of the engine, and how it is put together."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, BinaryIO

import numpy as np

from ifm_ident.answer.formula import size_note
from ifm_ident.answer.identification import Identification
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.implications.aliases import aliases
from ifm_ident.implications.testable import implications
from ifm_ident.planning.planner import Plan
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.plots import LOOKS
from ifm_ident.report._design_words import factor_part, intervention_part, training_part
from ifm_ident.report._gallery import gallery, interval_picture
from ifm_ident.report._refusals import refusals, shown_kernels
from ifm_ident.report._rows import table_rows
from ifm_ident.report._templating import environment, source
from ifm_ident.report.part import Part
from ifm_ident.shares.shares import ANSWERED, Shares, shares_of
from ifm_ident.show.aliases_write import alias_lines
from ifm_ident.show.implications_write import claim_words
from ifm_ident.show.mathml import Html, formula_mathml
from ifm_ident.show.planning_write import cost_text, plan_text
from ifm_ident.show.shares_write import percent, share_text, short_count
from ifm_ident.show.table import meaning_words, size_words
from ifm_ident.show.words import Tally, counted
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study

MOST_ROWS = 10_000
"""At most this many regimes are in the table; the counts are of all."""

MOST_IMPLICATIONS = 200
MOST_ALIASED = 24
"""Of more interventions no alias table is made."""

GROUP = 50
"""Regimes that a browser lays out together."""

_SYMBOLS = ("●", "✓", "◐", "✕", "✕", "?")


@dataclass(frozen=True)
class Asked:
    """What a report is to say.

    command: the command line that makes it; rows: the most regimes in the table; time_limit: seconds for the
    search for a plan; parts: what data say; note: what to say where there are none.
    """

    criterion: CriterionName = "auto"
    command: str = ""
    study_path: str = "STUDY"
    rows: int = MOST_ROWS
    time_limit: float = 10.0
    parts: tuple[Part, ...] = ()
    note: str = ""


def write_report(stream: BinaryIO, study: Study, asked: Asked, chunks: Iterable[Identification]) -> Tally:
    """Writes the page about a study, whose test regimes `chunks` answers in order; returns the tally of verdicts.

    The same study gives the same bytes, as long as the search for a plan ends within its time limit. Raises
    MissingExtraError without Jinja or matplotlib.
    """
    made = environment()
    script, style = source(made, "page.js"), source(made, "page.css")
    tally, kept = _kept(chunks, asked.rows)
    facts = _facts(study, asked, tally, kept)
    page = made.get_template("page.html").render(
        facts,
        script=script,
        style=style,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    stream.write(page.encode())
    return tally


def _kept(chunks: Iterable[Identification], most: int) -> tuple[Tally, Identification]:
    """The tally of all answers, and the first `most` of them."""
    tally, left = Tally(), most
    parts: list[Identification] = []
    for chunk in chunks:
        tally = tally.plus(chunk)
        if left or not parts:
            parts.append(_first(chunk, left))
            left -= len(parts[-1])
    return tally, Identification.concatenate(parts)


def _first(found: Identification, most: int) -> Identification:
    if len(found) <= most:
        return found
    rows = np.arange(most, dtype=np.int64)
    return Identification(
        found.design,
        found.targets.take(rows),
        found.status[rows],
        found.criterion[rows],
        found.train[rows],
        found.terms.take(rows),
        found.kernel[rows],
        found.kernels,
        found.notation,
    )


def _facts(study: Study, asked: Asked, tally: Tally, kept: Identification) -> dict[str, Any]:
    """Everything that the template says."""
    identifier = Identifier(study.design, study.notation)
    rows = table_rows(study, kept, shown_kernels(kept))
    reasons = refusals(identifier, kept, asked.criterion)
    total = study.target_count
    counts = np.bincount([row.verdict for row in rows], minlength=len(LOOKS)).tolist()
    verdicts = [
        {"code": i, "words": look.words, "symbol": _SYMBOLS[i], "count": counts[i], "total": all_of}
        for i, (look, all_of) in enumerate(zip(LOOKS, _totals(tally), strict=True))
    ]
    samples = study.sample_sizes()
    return {
        "name": " ".join(study.name.split()),
        "size": size_words(study),
        "meaning": meaning_words(study),
        "sentence": tally.sentence,
        "verdicts": verdicts,
        "interventions": intervention_part(study.design),
        "factors": factor_part(study.design),
        "training": training_part(study.design, study.notation, samples),
        "has_samples": samples is not None,
        "pictures": gallery(study, kept, total),
        "shares": _shares(shares_of(identifier, asked.criterion)),
        "rows": rows,
        "groups": [rows[i : i + GROUP] for i in range(0, len(rows), GROUP)],
        "total": total,
        "refusals": reasons,
        "refusal_total": len(np.unique(kept.kernel[kept.kernel >= 0])),
        "refused": tally.refused + tally.no_joint,
        "implications": _implications(identifier, asked.criterion),
        "aliases": _alias_lines(study),
        "plan": _plan(study, asked, tally),
        "asked": asked,
        "parts": asked.parts,
        "interval_picture": interval_picture,
        "counted": counted,
        "version": version("ifm-ident"),
    }


def _totals(tally: Tally) -> tuple[int, ...]:
    return (tally.observed, tally.joint, tally.conditional, tally.refused, tally.no_joint, tally.undecided)


def _shares(found: Shares) -> dict[str, Any]:
    titles = [{"identified_joint": "one formula", "identified_conditional": "full conditionals"}.get(v, v)
              for v in found.columns]  # fmt: skip
    rows = []
    for part in (*found.parts, found.total):
        cells = []
        for verdict in found.columns:
            share = part.share(verdict)
            exact = share.value * part.regimes
            cells.append(short_count(int(exact)) if share.exact else f"~{percent(share.value)}")
        active = "all" if part.active is None else str(part.active)
        rows.append((active, short_count(part.regimes), *cells, share_text(part.share(*ANSWERED))))
    return {
        "titles": [title.replace("_", " ") for title in titles],
        "rows": rows,
        "estimated": not all(part.share(verdict).exact for part in found.parts for verdict in found.columns),
    }


def _implications(identifier: Identifier, criterion: CriterionName) -> dict[str, Any]:
    found = implications(identifier, criterion)
    variables = identifier.design.model.variables
    shown: list[tuple[Html, str]] = []
    for claim in found:
        if len(shown) == MOST_IMPLICATIONS:
            break
        size = size_note(claim.formula, identifier.design.model.has_bases)
        shown.append((formula_mathml(claim.formula), f"{claim_words(claim, variables)}{size}"))
    return {"rows": shown, "total": len(found), "predicted": len(found.predicted), "refutable": found.refutable}


def _alias_lines(study: Study) -> list[str]:
    """The alias table of two-level interventions, where effects are confounded; [] for others and for many."""
    model = study.model
    if model.has_bases or len(model) > MOST_ALIASED or any(len(one.levels) != 2 for one in model.interventions):
        return []
    try:
        found = aliases(study.design)
    except InputError:  # wide factors: more effects than the table holds
        return []
    mixed = found.partial or any(len(group) > 1 for group in found.groups)
    return list(alias_lines(study.name, found)) if mixed else []


def _plan(study: Study, asked: Asked, tally: Tally) -> dict[str, Any] | None:
    """The plan for what is open; None where nothing is."""
    if not tally.open:
        return None
    criterion: PlanCriterion = "conditional"
    covers = study.model.covers
    if asked.criterion == "joint" or (len(covers) == 1 and len(covers[0]) == len(study.model.factors)):
        criterion = "joint"
    found: Plan = study.plan(criterion=criterion, time_limit=asked.time_limit)
    names = format_regimes(study.model, _few(found.add), study.notation).to_pylist()
    costs = [cost_text(cost) for cost in found.costs]
    lines = list(plan_text(study, found))
    last = len(lines) - 1 - lines[::-1].index("") if "" in lines else -1
    return {
        "criterion": criterion,
        "rows": list(zip(names, costs, strict=False)),
        "total": len(found.add),
        "words": " ".join(line.strip() for line in lines[last + 1 :]),
    }


def _few(regimes: Regimes) -> Regimes:
    return regimes.take(slice(MOST_IMPLICATIONS))
