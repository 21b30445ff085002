"""Estimates of a study's test regimes: intervals, checks, tables and files."""
