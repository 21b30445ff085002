"""Which formula: sparse, l1 and variance, proposed in floats and proven exactly (THEORY 5)."""
