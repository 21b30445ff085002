"""Estimation from identified formulas. This version holds no estimators yet: see the changelog."""
