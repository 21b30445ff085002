"""Tests of a design's testable implications on data (THEORY 6)."""
