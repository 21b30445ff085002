"""Exact linear algebra over the rationals for sparse integer matrices; only `dense` and `lattice` import flint."""
