"""Weights of rows that give their covariates the moments of a population: entropy balancing."""

from __future__ import annotations

import numpy as np

from ifm_ident.arrays import Floats
from ifm_learn.ladder._logs import log_sum_exp

_STEPS = 60
_PULL = 1e-4


def balanced(
    values: Floats, goal: Floats, log_weight: Floats, start: Floats | None = None
) -> tuple[Floats, Floats]:
    """The weights proportional to exp(log_weight + values @ b), adding up to 1, whose mean of `values` is `goal`.

    values: shape (n, q), columns of spread about 1; goal: shape (q,); log_weight: (n,), -inf for none. Also b,
    (q,), a start for the next. A slight pull keeps b finite, so that where no such weights exist the mean is off
    (Hainmueller 2012).

    >>> z = np.random.default_rng(0).normal(size=(500, 1))
    >>> weight, b = balanced(z, np.array([0.5]), np.zeros(500))
    >>> (weight @ z).round(3).tolist(), b.round(1).tolist()
    ([0.5], [0.5])
    """
    live = log_weight > -np.inf
    centred, base = values[live] - goal, log_weight[live]
    q = centred.shape[1]
    b = np.zeros(q) if start is None else start
    found = np.zeros(len(values))
    if not q:
        found[live] = np.exp(base - log_sum_exp(base[:, None], axis=0)[0])
        return found, b

    def loss(at: Floats) -> float:
        return float(log_sum_exp((base + centred @ at)[:, None], axis=0)[0]) + _PULL * float(at @ at) / 2

    value = loss(b)
    for _ in range(_STEPS):
        score = base + centred @ b
        weight = np.exp(score - score.max())
        weight /= weight.sum()
        mean = weight @ centred
        slope = mean + _PULL * b
        bend = (centred * weight[:, None]).T @ centred - np.outer(mean, mean) + _PULL * np.eye(q)
        step = np.linalg.solve(bend, slope)
        if float(slope @ step) < 1e-12:
            break
        size, new = 1.0, loss(b - step)
        while new > value and size > 1e-8:
            size /= 2
            new = loss(b - size * step)
        b, value = b - size * step, new
    found[live] = weight
    return found, b


def effective_share(values: Floats, goal: Floats) -> float:
    """What share of rows is left in effect when weights exp(values @ b) give them the mean `goal`; 0 to 1.

    Their effective number over the number of rows, next to 0 where no such weights exist. values: shape (n, w),
    columns of spread about 1.

    >>> z = np.random.default_rng(0).normal(size=(500, 1))
    >>> [round(effective_share(z, np.array([goal])), 1) for goal in (0.0, 1.0, 10.0)]
    [1.0, 0.4, 0.0]
    """
    weight = balanced(values, goal, np.zeros(len(values)))[0]
    return float(1 / np.square(weight).sum() / len(values))
