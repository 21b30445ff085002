"""Exact linear algebra over the rationals for sparse integer matrices; `_dense`, `_rationals` and `lattice` import flint."""
