"""Weights of calibration rows relative to the mixture of training regimes.

Theory: docs/theory/learning.md and docs/theory/conformal.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from ifm_ident import InputError
from ifm_ident.arrays import Floats


def balance_log_weights(log_target: ArrayLike, log_train: ArrayLike, sizes: ArrayLike) -> Floats:
    """log w(x) in nats, w(x) = p*(x) / sum_i (n_i/n) p_i(x), at any points: calibration rows or new units.

    log_target: log p*(x) up to a constant, shape (n,) or (n, t) for t targets; log_train: log p_i(x), shape (n,
    m), every regime normalised; both may share one function of x, which cancels. sizes: calibration rows of each
    regime, shape (m,), 0 where it has none. The result has the shape of log_target. Densities known only up to a
    constant for each regime (logits hold log n_i, energies log Z_i) must be normalised first: the wrong
    constants give the wrong mixture. `ifm_learn.ratios.balance` estimates them.

    >>> balance_log_weights([0.0], [[0.0, 0.0]], [10, 30]).tolist()
    [0.0]
    >>> balance_log_weights([0.0], [[0.0, 0.0]], [10])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: log-densities have shape (1, 2), sizes (1,), target (1,); give (n, m), (m,), (n,)
    """
    target, train = np.asarray(log_target, dtype=np.float64), np.asarray(log_train, dtype=np.float64)
    counts = np.asarray(sizes, dtype=np.float64)
    if train.ndim != 2 or counts.shape != train.shape[1:] or target.shape[:1] != train.shape[:1]:
        raise InputError(
            f"log-densities have shape {train.shape}, sizes {counts.shape}, target {target.shape}; "
            "give (n, m), (m,), (n,)"
        )
    if not (np.isfinite(counts).all() and (counts >= 0).all() and counts.sum() > 0):
        raise InputError(f"the sizes of the regimes are {counts.tolist()}; give counts, one at least above 0")
    mixture = logsumexp(train, axis=1, b=counts / counts.sum())
    if not np.isfinite(mixture).all():
        row = int(np.argmax(~np.isfinite(mixture)))
        raise InputError(f"the mixture's log-density is {mixture[row]} at row {row + 1}; no weight exists there")
    found: Floats = target - (mixture if target.ndim == 1 else mixture[:, None])
    return found


def sup_log_weight_of_formula(exponents: Mapping[int, Fraction], sizes: ArrayLike) -> float:
    """A bound of the log-weight over the whole support for p* = prod_i p_i^{q_i}, not normalised.

    Theory: docs/theory/joint.md.

    exponents: training index to q_i, adding up to 1; sizes: calibration rows of each regime, shape (m,). With q_i
    >= 0 the product is at most sum_i q_i p_i, so that w <= max_i q_i n / n_i whatever the densities are. With a
    negative exponent no such bound exists and the result is inf: a bound then needs more than the formula.

    >>> round(math.exp(sup_log_weight_of_formula({0: Fraction(1, 2), 2: Fraction(1, 2)}, [10, 10, 20])), 3)
    2.0
    >>> sup_log_weight_of_formula({0: Fraction(1), 1: Fraction(1), 2: Fraction(-1)}, [1, 1, 1])
    inf
    """
    counts = np.asarray(sizes, dtype=np.float64)
    if sum(exponents.values()) != 1:
        raise InputError(f"the exponents add up to {sum(exponents.values())}; those of a formula add up to 1")
    if any(q < 0 or (q > 0 and counts[i] == 0) for i, q in exponents.items()):
        return math.inf
    return max(math.log(q * float(counts.sum()) / counts[i]) for i, q in exponents.items() if q > 0)
