"""Density ratios between regimes: by formula, balance weights, and how far to trust them."""
