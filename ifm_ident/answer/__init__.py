"""What is answered: formulas, certificates, verdicts in columns, and numbers as exact text."""

from ifm_ident.answer.exact_text import parse_exponent
from ifm_ident.answer.formula import size_note
from ifm_ident.answer.identification import JOINT
from ifm_ident.answer.tabulated import TabulatedModel

__all__ = [
    "JOINT",
    "TabulatedModel",
    "parse_exponent",
    "size_note",
]
