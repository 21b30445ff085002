"""Models of one design from simple to rich, fitted, compared and averaged (docs/theory/ladder.md)."""
