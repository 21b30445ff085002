"""A Gaussian model of two factors, whose log-ratios and their errors by sampling are known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples

CHAIN = Study.from_dict(
    {
        "interventions": {"s1": [0, 1], "s2": [0, 1]},
        "variables": ["x1", "x2"],
        "factors": [{"x": ["x1", "x2"], "sigma": ["s1"]}, {"x": ["x2"], "sigma": ["s2"]}],
        "train": ["00", "10", "01"],
    }
).design
TARGET = ((0, 1), (1, 1))

PRECISION_1 = np.array([[[1.2, 0.4], [0.4, 0.6]], [[1.6, -0.3], [-0.3, 0.5]]])
PRECISION_2 = np.array([[[0.0, 0.0], [0.0, 0.8]], [[0.0, 0.0], [0.0, 0.4]]])
PULL_1 = np.array([[0.0, 0.0], [0.8, 0.3]])
PULL_2 = np.array([[0.0, 0.0], [0.0, 0.6]])
"""Factor k at level s is exp(-x'Px/2 + x'h), so products and ratios of regimes are Gaussian in closed form."""


def gaussian(s1: int, s2: int) -> tuple[Floats, Floats]:
    """Mean and covariance of a regime of the two-factor Gaussian model."""
    covariance = np.linalg.inv(PRECISION_1[s1] + PRECISION_2[s2])
    return covariance @ (PULL_1[s1] + PULL_2[s2]), covariance


def chain_samples(sizes: tuple[int, int, int], rng: np.random.Generator) -> Samples:
    parts = [
        rng.multivariate_normal(*gaussian(*s), n) for s, n in zip([(0, 0), (1, 0), (0, 1)], sizes, strict=True)
    ]
    return Samples(CHAIN, np.repeat(np.arange(3), sizes), np.concatenate(parts))


def statistics(x: Floats) -> Floats:
    """The sufficient statistics x1, x2, x1^2, x1 x2, x2^2, shape (n, 5)."""
    return np.column_stack([x, x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] ** 2])


EVALUATED = np.random.default_rng(99).multivariate_normal(*gaussian(1, 1), 2_000)


def true_log_ratio(x: Floats) -> Floats:
    """log p(x; 11)/p(x; 00) up to a constant: the factors' changes, no density involved."""
    p = PRECISION_1[1] - PRECISION_1[0] + PRECISION_2[1] - PRECISION_2[0]
    h = PULL_1[1] - PULL_1[0] + PULL_2[1] - PULL_2[0]
    return np.asarray(-0.5 * np.einsum("np,pq,nq->n", x, p, x) + x @ h)


def squared_error(found: Floats, true: Floats) -> float:
    """Mean squared error up to a constant."""
    return float(np.var(found - true))


def within(errors: list[float], spectrum: NDArray[np.floating[Any]]) -> None:
    """The mean of squared errors, each a sum of lambda chi^2, is what it should be to 4 standard errors and 15%.

    The 15% are for terms of higher order in 1/n, which asymptotic variances leave out.
    """
    expected, sd = spectrum.sum(), np.sqrt(2 * (spectrum**2).sum() / len(errors))
    assert abs(np.mean(errors) - expected) < 4 * sd + 0.15 * expected
