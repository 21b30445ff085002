"""Testable implications and alias tables (docs/theory/implications.md)."""

from ifm_ident.implications.bearing import untested
from ifm_ident.implications.testable import Implication, Implications, implications

__all__ = [
    "Implication",
    "Implications",
    "implications",
    "untested",
]
