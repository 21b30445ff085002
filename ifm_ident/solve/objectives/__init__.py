"""Which formula: sparse, l1 and variance, proposed in floats and proven exactly (docs/theory/choosing.md)."""
