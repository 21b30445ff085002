"""Answers shown to people: tables, LaTeX, explanations, witnesses."""

from ifm_ident.show._aligned import aligned
from ifm_ident.show._notebook import (
    LONGEST,
    ROWS,
    TERMS,
    code,
    html_table,
    shortened,
    text_table,
    warning_lines,
    warnings_html,
)
from ifm_ident.show.demonstration import example
from ifm_ident.show.explanation import explain
from ifm_ident.show.mathml import formula_mathml
from ifm_ident.show.size_words import LARGE
from ifm_ident.show.table import wrapped
from ifm_ident.show.words import counted, four_digits, listed, remainders

__all__ = [
    "LARGE",
    "LONGEST",
    "ROWS",
    "TERMS",
    "aligned",
    "code",
    "counted",
    "example",
    "explain",
    "formula_mathml",
    "four_digits",
    "html_table",
    "listed",
    "remainders",
    "shortened",
    "text_table",
    "warning_lines",
    "warnings_html",
    "wrapped",
]
