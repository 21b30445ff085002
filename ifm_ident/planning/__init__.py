"""Which experiments to add, which to drop, and how many samples each (THEORY 7)."""
