"""Regime contrast under linear constraints: P(regime | x) whose logits obey what the model claims.

Theory: docs/theory/learning.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, null_space
from scipy.special import log_softmax

from ifm_ident.arrays import Floats, Ints

_STEPS = 30
_TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Block:
    """Features whose coefficients over the m regimes lie in the span of `basis`, and the ridge penalty on them.

    columns: which features. basis: shape (m, k), orthonormal columns, each of sum 0.
    """

    columns: Ints
    basis: Floats
    ridge: float


def free_basis(m: int) -> Floats:
    """All coefficient vectors over m regimes up to a common constant: shape (m, m - 1)."""
    return np.asarray(null_space(np.ones((1, m))), dtype=np.float64)


def bound_basis(c: Floats) -> Floats:
    """Those theta with sum_i c_i theta_i = 0, up to a common constant: shape (m, m - 2); c sums to 0.

    >>> basis = bound_basis(np.array([1.0, -1.0, -1.0, 1.0]))
    >>> basis.shape, bool(np.allclose(np.array([1, -1, -1, 1]) @ basis, 0))
    ((4, 2), True)
    """
    return np.asarray(null_space(np.vstack([np.ones_like(c), c])), dtype=np.float64)


def fit(values: Floats, label: Ints, blocks: Sequence[Block], start: Floats | None = None) -> Floats:
    """Coefficients, shape (f, m), of the penalised maximum-likelihood regime contrast; logits are values @ them.

    values: features of the rows, shape (n, f). label: the regime of each row, 0 to m - 1. What is maximised is the
    log-likelihood of the labels less half the sum of ridge times squared coefficients, which is concave: damped
    Newton steps.
    """
    blocks = [block for block in blocks if len(block.columns) and block.basis.shape[1]]
    parts = [values[:, block.columns] for block in blocks]
    shapes = [(len(block.columns), block.basis.shape[1]) for block in blocks]
    ends = np.cumsum([a * b for a, b in shapes])
    ridge = np.repeat([block.ridge for block in blocks], [a * b for a, b in shapes])
    m = blocks[0].basis.shape[0]
    rows = np.arange(len(label))

    def unpack(vector: Floats) -> list[Floats]:
        return [piece.reshape(shape) for piece, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]

    def log_chances(vector: Floats) -> Floats:
        logits = np.zeros((len(label), m))
        for part, piece, block in zip(parts, unpack(vector), blocks, strict=True):
            logits += part @ (piece @ block.basis.T)
        return np.asarray(log_softmax(logits, axis=1), dtype=np.float64)

    def value(log_p: Floats, vector: Floats) -> float:
        return float(log_p[rows, label].sum() - 0.5 * np.sum(ridge * vector**2))

    beta = np.zeros(int(ends[-1]))
    if start is not None:
        beta = np.concatenate([(start[block.columns] @ block.basis).ravel() for block in blocks])
    log_p = log_chances(beta)
    best = value(log_p, beta)
    for _ in range(_STEPS):
        p = np.exp(log_p)
        residual = -p
        residual[rows, label] += 1.0
        slopes = [part.T @ (residual @ block.basis) for part, block in zip(parts, blocks, strict=True)]
        gradient = np.concatenate([slope.ravel() for slope in slopes]) - ridge * beta
        step = cho_solve(cho_factor(information(parts, blocks, p) + np.diag(ridge + 1e-8)), gradient)
        gain, size = float(gradient @ step), 1.0
        while True:
            tried = beta + size * step
            log_p = log_chances(tried)
            reached = value(log_p, tried)
            if reached >= best + 1e-4 * size * gain or size < 1e-4:
                break
            size /= 2
        beta, best = tried, reached
        if gain < _TOLERANCE * len(label):
            break
    found = np.zeros((values.shape[1], m))
    for block, piece in zip(blocks, unpack(beta), strict=True):
        found[block.columns] += piece @ block.basis.T
    return found


def information(parts: Sequence[Floats], blocks: Sequence[Block], p: Floats) -> Floats:
    """Minus the second derivative of the log-likelihood, one pair of blocks and of basis columns at a time."""
    sizes = [len(block.columns) * block.basis.shape[1] for block in blocks]
    starts = np.cumsum([0, *sizes])
    means = [p @ block.basis for block in blocks]
    total = np.empty((starts[-1], starts[-1]))
    for i, left in enumerate(blocks):
        for j, right in enumerate(blocks[: i + 1]):
            a, b = left.basis.shape[1], right.basis.shape[1]
            piece = np.empty((len(left.columns), a, len(right.columns), b))
            for k in range(a):
                for h in range(b):
                    weight = p @ (left.basis[:, k] * right.basis[:, h]) - means[i][:, k] * means[j][:, h]
                    piece[:, k, :, h] = parts[i].T @ (weight[:, None] * parts[j])
            square = piece.reshape(sizes[i], sizes[j])
            total[starts[i] : starts[i + 1], starts[j] : starts[j + 1]] = square
            total[starts[j] : starts[j + 1], starts[i] : starts[i + 1]] = square.T
    return total
