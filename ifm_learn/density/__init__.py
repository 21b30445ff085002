"""A fitted model of the factors on a grid: fitting it, asking it, keeping it in a file."""
