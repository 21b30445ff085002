"""Sums of exponentials in logs: scipy's takes ten times as long on a few hundred rows, and refits are many."""

from __future__ import annotations

import numpy as np

from ifm_ident.arrays import Floats


def log_sum_exp(values: Floats, axis: int) -> Floats:
    """log of the sum of exp(values) over an axis of a matrix; entries may be -inf, but not all of one sum.

    >>> log_sum_exp(np.array([[0.0, -np.inf], [1000.0, 1000.0]]), axis=1).round(3).tolist()
    [0.0, 1000.693]
    """
    most = values.max(axis=axis, keepdims=True)
    found: Floats = np.log(np.exp(values - most).sum(axis=axis)) + most.squeeze(axis)
    return found
