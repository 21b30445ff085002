"""Findings in notebooks, at a prompt and as an Arrow table."""

from __future__ import annotations

import html
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from ifm_ident.show import (
    LONGEST,
    ROWS,
    TERMS,
    formula_mathml,
    html_table,
    shortened,
    text_table,
    warning_lines,
    warnings_html,
)
from ifm_learn.falsification.write import claim_words, effect_words, p_words, verdict

if TYPE_CHECKING:
    from ifm_learn.falsification.testing import Falsification, Finding

_COLUMNS = ("product", "claim", "test", "adjusted p", "verdict", "departure")
_EFFECT = pa.struct([("variable", pa.string()), ("effect", pa.float64())])
_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("variables", pa.list_(pa.string())),
        ("formula", pa.string()),
        ("test", pa.string()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        ("rejected", pa.bool_()),
        ("combination", pa.string()),
        ("effects", pa.list_(_EFFECT)),
    ]
)


def findings_table(found: Falsification) -> pa.Table:
    """One row a finding; effects in baseline standard deviations, none where the test was not made."""
    rows = [
        {
            "kind": finding.claim.kind,
            "variables": list(finding.claim.variables),
            "formula": str(finding.claim.formula),
            "test": finding.test,
            "statistic": finding.evidence.statistic,
            "p_value": finding.evidence.p_value,
            "p_adjusted": finding.p_adjusted,
            "rejected": finding.rejected,
            "combination": found.implications.name(finding.combination),
            "effects": [{"variable": v, "effect": size} for v, size in finding.evidence.effect.items()],
        }
        for finding in found.findings
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def findings_text(found: Falsification) -> str:
    """The verdict and the first findings as an aligned table."""
    if not found.findings:
        return "\n".join([verdict(found), *warning_lines(found.warnings)])
    rows = ((shortened(str(f.claim.formula)), *map(shortened, _cells(found, f))) for f in found.findings)
    table = text_table(_COLUMNS, rows, len(found.findings))
    return "\n".join([verdict(found), table, *warning_lines(found.warnings)])


def findings_html(found: Falsification) -> str:
    """The verdict and the first findings as an HTML table."""

    def rows() -> Iterator[tuple[str, ...]]:
        for finding in islice(found.findings, ROWS):
            product = formula_mathml(finding.claim.formula, TERMS, LONGEST)
            yield product, *map(html.escape, _cells(found, finding))

    return html_table(verdict(found), _COLUMNS, rows(), len(found.findings)) + warnings_html(found.warnings)


def _cells(found: Falsification, finding: Finding) -> tuple[str, ...]:
    variables = found.implications.identifier.design.model.variables
    made = bool(finding.evidence.effect)
    return (
        claim_words(finding.claim, variables),
        finding.test,
        p_words(finding.p_adjusted) if made else "",
        ("REJECTED" if finding.rejected else "not rejected") if made else "not made",
        effect_words(found, finding),
    )
