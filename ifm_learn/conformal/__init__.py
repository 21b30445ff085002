"""Conformal intervals for units and for means of regimes never run.

Theory: docs/theory/conformal.md.
"""
