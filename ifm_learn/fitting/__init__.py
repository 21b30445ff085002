"""Objectives and their optimisation: from samples to energies."""
