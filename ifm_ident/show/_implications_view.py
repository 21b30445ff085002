"""Testable implications in notebooks, at a prompt and as an Arrow table."""

from __future__ import annotations

import html
from itertools import islice

import pyarrow as pa

from ifm_ident.answer.exact_text import exponent_text
from ifm_ident.answer.formula import size_note
from ifm_ident.implications.testable import Implications
from ifm_ident.show._notebook import LONGEST, ROWS, TERMS, html_table, shortened, text_table
from ifm_ident.show.implications_write import claim_words
from ifm_ident.show.mathml import formula_mathml
from ifm_ident.show.words import counted

_TERM = pa.struct([("train", pa.int64()), ("exponent", pa.string())])
_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("variables", pa.list_(pa.string())),
        ("formula", pa.string()),
        ("exponents", pa.list_(_TERM)),
    ]
)


def implications_table(found: Implications) -> pa.Table:
    """One row an implication; `variables` is empty for joint ones, which concern all."""
    rows = [
        {
            "kind": claim.kind,
            "variables": list(claim.variables),
            "formula": str(claim.formula),
            "exponents": [{"train": i, "exponent": exponent_text(c)} for i, c in claim.formula],
        }
        for claim in found
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _heading(found: Implications) -> str:
    parts = [f"{count:,} {kind}" for kind, count in found.counts().items() if count]
    return counted(len(found), "testable implication") + (f": {', '.join(parts)}" if parts else "")


def implications_text(found: Implications) -> str:
    """The first implications as an aligned table."""
    variables = found.identifier.design.model.variables
    if not len(found):
        return _heading(found)
    bases = found.identifier.design.model.has_bases
    rows = (
        (
            f"{shortened(str(claim.formula))}{size_note(claim.formula, bases)}",
            shortened(claim_words(claim, variables)),
        )
        for claim in found
    )
    return f"{_heading(found)}\n{text_table(('product', 'claim'), rows, len(found))}"


def implications_html(found: Implications) -> str:
    """The first implications as an HTML table."""
    bases = found.identifier.design.model.has_bases
    variables = found.identifier.design.model.variables
    rows = (
        (
            formula_mathml(claim.formula, TERMS, LONGEST) + size_note(claim.formula, bases),
            html.escape(claim_words(claim, variables)),
        )
        for claim in islice(found, ROWS)
    )
    return html_table(_heading(found), ("product", "claim"), rows, len(found))
