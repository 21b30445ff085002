"""Results checked again from the definitions, in one-hot cells and plain integers."""
