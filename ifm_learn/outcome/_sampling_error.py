"""Sampling errors of estimates that rest on rows and on a density model fitted to the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.randomness import stream

_UPPER_TENTH = float(norm.isf(0.1))
_FEWEST = 10


def redraws(density: DensityModel, samples: Samples, count: int, seed: int) -> Iterator[tuple[DensityModel, Ints]]:
    """`count` density models near the fit, each with how often its redrawn rows hold each row, shape (n,).

    A model and its rows belong together where the density was fitted to these samples: what depends on both moves
    as in a bootstrap, without a refit of the density. Where it was fitted to other rows, the rows are redrawn
    by themselves. Raises InputError for fewer than two, and where the fit does not know its sampling distribution.
    """
    if count < 2:
        raise InputError(f"standard errors need two replicates or more, got replicates={count}")
    rng = stream(seed, "redraw")
    own = fitted_to(density, samples)
    for model, weight in density.redraws(count, rng):
        yield model, weight.astype(np.int64) if own else np.bincount(samples.redrawn(rng), minlength=len(samples))


def fitted_to(density: DensityModel, samples: Samples) -> bool:
    """Whether a density model was fitted to these rows, in this order."""
    spread = density.spread
    return (
        spread is not None
        and np.array_equal(spread.regime, samples.regime)
        and np.array_equal(spread.bins, density.grid.encode(samples.x))
    )


def repeated(weight: Ints) -> Ints:
    """Indices of rows, each as often as `weight` says.

    >>> repeated(np.array([2, 0, 1])).tolist()
    [0, 0, 2]
    """
    return np.repeat(np.arange(len(weight), dtype=np.int64), weight)


def tilted_means(values: Floats, log_change: Floats) -> Floats:
    """Means of draws, shape (n, k), under a density that differs by exp(log_change), shape (n,); shape (k,).

    >>> tilted_means(np.array([[0.0], [1.0]]), np.log([1.0, 3.0])).tolist()
    [0.75]
    """
    weights = np.exp(log_change - log_change.max())
    found: Floats = weights @ values / weights.sum()
    return found


def spread_of(replicates: list[Floats]) -> Floats:
    """Variances over replicates of estimates of one shape, read off their middle 80%.

    A redrawn model is one step from the fit, not refitted, and where rows pin down little a few steps are far too
    long: those must not make the error (Machado and Parente's percentile method, Econometrics Journal 8:70, 2005).
    The variance itself for fewer than ten replicates.

    >>> rng = np.random.default_rng(0)
    >>> normal = [*rng.normal(size=(10_000, 1))]
    >>> [float(spread_of(some)[0].round(1)) for some in (normal, [*normal, np.array([10_000.0])])]
    [1.0, 1.0]
    """
    values = np.array(replicates)
    if len(values) < _FEWEST:
        return np.asarray(np.var(values, axis=0, ddof=1), dtype=np.float64)
    low, high = np.quantile(values, [0.1, 0.9], axis=0, method="median_unbiased")
    return np.asarray(((high - low) / (2 * _UPPER_TENTH)) ** 2, dtype=np.float64)
