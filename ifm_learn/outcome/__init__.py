"""Means of an outcome, or of the x-variables, in regimes: estimators, outcome regressions and baselines."""
