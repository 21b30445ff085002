"""First-order variances of estimates that rest on rows and on a density model fitted to the same rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def joint_variance(influence: Floats, regime: Ints, shifts: Floats, rows: Floats) -> Floats:
    """Variances of t means of k targets, shape (t, k), when the fit of the density moves with the same rows.

    influence: of every row with the density held fixed, shape (N, t, k); regime: of every row, shape (N,); shifts:
    how the means move under B models drawn around the fit, shape (B, t, k); rows: how the rows' log-densities in
    their own regimes move, shape (B, N), up to a constant of each regime.

    A fit of maximum likelihood has theta^ - theta = V sum_j s_j with V its covariance and s_j the scores, so the
    whole influence of a row is u_j + g' V s_j, g the derivative of the mean. With a = sum_j u_j s_j the sum of
    squares is (sum_j u_j^2 - a' V a) + (g + a)' V (g + a): what the scores do not explain of the rows' influence,
    and the variance over draws of a shift plus its first-order change in sum_j u_j log p_j. Both are never
    negative. Rows count with their influence less its mean in their regime, since the regimes' sizes are fixed.

    >>> u = np.array([1.0, -1.0, 0.5, -0.5])[:, None, None]
    >>> none = np.zeros((2, 1, 1))
    >>> joint_variance(u, np.array([0, 0, 1, 1]), none, np.zeros((2, 4))).tolist()  # 2/(2 - 1) times squares
    [[5.0]]
    """
    counts = np.bincount(regime).astype(np.float64)
    total = np.zeros((len(counts), *influence.shape[1:]))
    np.add.at(total, regime, influence)
    centred = influence - (total / np.maximum(counts, 1)[:, None, None])[regime]
    spread = np.where(counts > 1, counts / np.maximum(counts - 1, 1), 1.0)[regime]
    own = np.einsum("j,jtk->tk", spread, centred**2)
    change = np.einsum("bj,jtk->btk", rows, centred)
    explained = change.var(axis=0, ddof=1)
    found: Floats = np.maximum(own - explained, 0.0) + (shifts + change).var(axis=0, ddof=1)
    return found


def tilted_means(values: Floats, log_change: Floats) -> Floats:
    """Means of draws, shape (n, k), under a density that differs by exp(log_change), shape (n,); shape (k,).

    >>> tilted_means(np.array([[0.0], [1.0]]), np.log([1.0, 3.0])).tolist()
    [0.75]
    """
    weights = np.exp(log_change - log_change.max())
    found: Floats = weights @ values / weights.sum()
    return found
