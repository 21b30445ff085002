"""Exact linear algebra over the rationals; only `_dense`, `_rationals` and `lattice` import flint."""
