"""Tests of a design's testable implications on data (docs/theory/implications.md)."""
