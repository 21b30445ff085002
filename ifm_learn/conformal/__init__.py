"""Conformal intervals for units and for means of regimes never run, and bands for their densities.

Theory: docs/theory/conformal.md.
"""
