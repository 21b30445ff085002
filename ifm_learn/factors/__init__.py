"""Which factors data support (docs/theory/factors.md)."""
