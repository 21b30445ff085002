"""Inputs that nobody wrote: one table of harnesses, run by pytest, by a script for long, and by atheris."""
