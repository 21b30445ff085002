"""Answers shown to people: tables, LaTeX, explanations, witnesses."""
