"""Message passing on junction trees (THEORY 4)."""
