"""Upper tails of weighted sums of chi-squares, the null distribution of quadratic forms."""

from __future__ import annotations

import numpy as np
from scipy.stats import gamma

from ifm_ident.arrays import Floats


def upper_tail(statistic: float, weights: Floats) -> float:
    """P(sum_k w_k Z_k^2 >= statistic), Z independent standard normal, weights w not negative and not all 0.

    The gamma distribution with the same mean, variance and third moment (Hall, Buckley and Eagleson); exact where
    all weights are equal.

    >>> from scipy.stats import chi2
    >>> bool(np.isclose(upper_tail(14.0, np.full(3, 2.0)), chi2.sf(7.0, 3)))
    True
    """
    first, second, third = (float(np.sum(weights**k)) for k in (1, 2, 3))
    shape, scale = second**3 / (2 * third**2), 2 * third / second
    return float(gamma.sf(statistic - first + shape * scale, shape, scale=scale))
