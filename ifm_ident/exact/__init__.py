"""Exact linear algebra over the rationals for sparse integer matrices; `dense` is the only door to python-flint."""
