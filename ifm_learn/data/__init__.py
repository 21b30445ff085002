"""Rows with their regimes: tables in, scaling, splits, public data sets."""
