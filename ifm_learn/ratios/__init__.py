"""Density ratios between regimes: by formula and by classifier, balance weights, and how far to trust them."""
