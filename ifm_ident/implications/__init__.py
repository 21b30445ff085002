"""Testable implications and alias tables (THEORY 6)."""
