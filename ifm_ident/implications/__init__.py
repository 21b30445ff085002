"""Testable implications and alias tables (THEORY 6)."""

from ifm_ident.implications.testable import Implication, Implications, implications

__all__ = [
    "Implication",
    "Implications",
    "implications",
]
