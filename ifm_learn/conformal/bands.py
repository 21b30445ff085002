"""Marginal densities and distribution functions in a new regime, with simultaneous bands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.conformal.ranks import Alpha, conformal_rank, fewest_scores, read_alpha

_ROWS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Band:
    """An estimate and a band that covers the truth at all cells at once with probability 1 - alpha.

    at: grid points, shape (c,), or edges of cells, shape (c + 1,); estimate, lower, upper: shape (c,), nan in the
    band where the replicates do not vary (`resolved` is false): no statement is made there. critical: the sup-t
    constant, or half the width of a distribution function's band. method: what the band rests on, in words.
    """

    at: Floats
    estimate: Floats
    lower: Floats
    upper: Floats
    alpha: Fraction
    critical: float
    method: str

    @property
    def resolved(self) -> NDArray[np.bool_]:
        """The cells that the band speaks about, shape (c,)."""
        return ~np.isnan(self.lower)

    def covers(self, truth: ArrayLike) -> bool:
        """Whether the truth, shape (c,), lies inside at all resolved cells."""
        values, known = np.asarray(truth, dtype=np.float64), self.resolved
        return bool(((values >= self.lower) & (values <= self.upper))[known].all())


def sup_t_band(
    at: ArrayLike,
    estimate: ArrayLike,
    replicates: ArrayLike,
    alpha: Alpha,
    scale: Literal["root", "linear"] = "root",
) -> Band:
    """A simultaneous band from bootstrap replicates of the whole estimate (Montiel Olea, Plagborg-Møller 2019).

    estimate: shape (c,); replicates: shape (B, c), each made by the same steps as the estimate, refits included,
    from resampled rows. Half-widths are t times each cell's bootstrap standard deviation, t the exact rank ceil((1
    - alpha)(B + 1)) of the largest studentised deviation of a replicate. scale: "root" works on square roots, for
    densities and probabilities (steadier variance; the band stays non-negative); "linear" as they are. Asymptotic:
    it holds as far as the replicates spread about the estimate as the estimate does about the truth, which
    smoothing bias is no part of. Raises InputError for wrong shapes, negative roots and B + 1 < 1/alpha.

    >>> rng = np.random.default_rng(0)
    >>> band = sup_t_band([0.0, 1.0], [4.0, 9.0], rng.normal([4.0, 9.0], 0.1, size=(199, 2)), "0.1", "linear")
    >>> band.covers([4.0, 9.0]), bool(1.645 < band.critical < 2.5)
    (True, True)
    >>> sup_t_band([0.0], [1.0], np.ones((5, 1)), "0.1")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: alpha = 1/10 takes 9 replicates or more, got 5
    """
    level = read_alpha(alpha)
    points, centre = np.asarray(at, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    draws = np.asarray(replicates, dtype=np.float64)
    if (
        centre.ndim != 1
        or draws.ndim != 2
        or draws.shape[1:] != centre.shape
        or len(points) - len(centre) not in (0, 1)
    ):
        raise InputError(
            f"the estimate has shape {centre.shape}, the replicates {draws.shape}, the grid {points.shape}; give "
            "(c,), (B, c), and (c,) points or (c + 1,) edges"
        )
    if not (np.isfinite(centre).all() and np.isfinite(draws).all()):
        raise InputError("the estimate or a replicate is not finite; leave such cells or replicates out")
    rank = conformal_rank(len(draws), level)
    if rank is None:
        raise InputError(f"alpha = {level} takes {fewest_scores(level)} replicates or more, got {len(draws)}")
    if scale == "root":
        if (centre < 0).any() or (draws < 0).any():
            raise InputError("densities are not negative, but one given is; use scale='linear' for other things")
        root, roots = np.sqrt(centre), np.sqrt(draws)
    else:
        root, roots = centre, draws
    spread = roots.std(axis=0, ddof=1)
    known = spread > 1e-12 * np.maximum(np.abs(root), np.finfo(np.float64).tiny)
    critical = 0.0
    if known.any():
        largest = (np.abs(roots - root)[:, known] / spread[known]).max(axis=1)
        critical = float(np.partition(largest, rank - 1)[rank - 1])
    half = np.where(known, critical * spread, np.nan)
    lower, upper = root - half, root + half
    if scale == "root":
        lower, upper = np.maximum(lower, 0) ** 2, upper**2
    return Band(points, centre, lower, upper, level, critical, f"sup-t over {len(draws)} bootstrap replicates")


def weighted_histogram(values: ArrayLike, edges: ArrayLike, log_weights: ArrayLike | None = None) -> Floats:
    """Density of weighted draws on cells, shape (c,); mass outside the edges counts in the whole alone.

    values: shape (n,); edges: ascending, shape (c + 1,); log_weights: shape (n,), up to a constant, equal by
    default.

    >>> weighted_histogram([0.5, 1.5, 9.0], [0, 1, 2], np.log([1, 3, 4])).tolist()
    [0.125, 0.375]
    """
    x, cells, weights = _weighted(values, edges, log_weights)
    mass = np.histogram(x, cells, weights=weights)[0]
    found: Floats = mass / weights.sum() / np.diff(cells)
    return found


def histogram_band(
    values: ArrayLike,
    edges: ArrayLike,
    alpha: Alpha,
    rng: np.random.Generator,
    log_weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    replicates: int = 999,
) -> Band:
    """The density of one variable in a new regime, as a histogram of weighted rows with a sup-t band.

    values, log_weights, strata: shape (n,); strata: the training regime of each row, by default one for all: rows
    are drawn again within it. The weights are taken as known: for estimated ones the band is too narrow; there,
    refit on resampled rows, apply `weighted_histogram` to each refit and give the lot to `sup_t_band`. Cells that
    few effective rows fall into are covered less often; make them wider.

    >>> rng = np.random.default_rng(1)
    >>> band = histogram_band(rng.uniform(size=4000), np.linspace(0, 1, 6), "0.05", rng, replicates=199)
    >>> band.covers(np.ones(5))
    True
    """
    x, cells, weights = _weighted(values, edges, log_weights)
    inside = (x >= cells[0]) & (x <= cells[-1])
    column = np.where(
        inside, np.clip(np.searchsorted(cells, x, side="right") - 1, 0, len(cells) - 2), len(cells) - 1
    )
    parts = _resampled(column, len(cells), weights, strata, replicates, rng)
    mass = np.concatenate([part for _, part in parts])
    draws = mass[:, :-1] / mass.sum(axis=1, keepdims=True) / np.diff(cells)
    return sup_t_band(cells, weighted_histogram(x, cells, log_weights), draws, alpha)


def distribution_band(
    values: ArrayLike,
    alpha: Alpha,
    log_weights: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
    replicates: int = 999,
) -> Band:
    """A band of one width for a variable's distribution function in a new regime, at every value that was seen.

    Without weights: Dvoretzky, Kiefer and Wolfowitz with Massart's constant, valid for every n. With weights,
    shape (n,): half the width is the exact rank ceil((1 - alpha)(B + 1)) of the largest deviation of B bootstrap
    replicates, rows drawn again within strata, shape (n,): asymptotic, weights taken as known, `rng` needed.
    Between values the estimate and the band stay as they are at the value before.

    >>> band = distribution_band(np.arange(100.0), "0.05")
    >>> round(band.critical, 4), band.method
    (0.1358, 'Dvoretzky-Kiefer-Wolfowitz-Massart, every n')
    >>> distribution_band(np.arange(100.0), "0.05", log_weights=np.zeros(100))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: weighted rows take the bootstrap; give a numpy Generator as `rng`
    """
    level = read_alpha(alpha)
    x, _, weights = _weighted(values, None, log_weights)
    points, column = np.unique(x, return_inverse=True)
    estimate = np.cumsum(np.bincount(column, weights=weights)) / weights.sum()
    if log_weights is None:
        half = math.sqrt(math.log(2 / level) / (2 * len(x)))
        method = "Dvoretzky-Kiefer-Wolfowitz-Massart, every n"
    else:
        if rng is None:
            raise InputError("weighted rows take the bootstrap; give a numpy Generator as `rng`")
        rank = conformal_rank(replicates, level)
        if rank is None:
            raise InputError(f"alpha = {level} takes {fewest_scores(level)} replicates or more, got {replicates}")
        deviation = np.empty(replicates)
        for start, mass in _resampled(column, len(points), weights, strata, replicates, rng):
            replicate = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
            deviation[start : start + len(mass)] = np.abs(replicate - estimate).max(axis=1)
        half = float(np.sort(deviation)[rank - 1])
        method = f"largest deviation of {replicates} bootstrap replicates"
    lower, upper = np.maximum(estimate - half, 0), np.minimum(estimate + half, 1)
    return Band(points, estimate, lower, upper, level, half, method)


def _weighted(
    values: ArrayLike, edges: ArrayLike | None, log_weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    x = np.asarray(values, dtype=np.float64)
    logs = np.zeros(x.shape) if log_weights is None else np.asarray(log_weights, dtype=np.float64)
    cells = np.empty(0) if edges is None else np.asarray(edges, dtype=np.float64)
    if x.ndim != 1 or not len(x) or logs.shape != x.shape:
        raise InputError(f"values have shape {x.shape}, log-weights {logs.shape}; give (n,) for both")
    if edges is not None and (cells.ndim != 1 or len(cells) < 2 or not (np.diff(cells) > 0).all()):
        raise InputError("edges of cells are two or more ascending numbers")
    if not np.isfinite(x).all() or np.isnan(logs).any() or not np.isfinite(logs.max()):
        raise InputError("values must be finite, and log-weights finite or -inf, not all of them -inf")
    return x, cells, np.exp(logs - logs.max())


def _resampled(
    column: NDArray[np.integer],
    columns: int,
    weights: Floats,
    strata: ArrayLike | None,
    replicates: int,
    rng: np.random.Generator,
) -> Iterator[tuple[int, Floats]]:
    """Weight that falls into each column when rows are drawn again within strata, a few replicates at a time.

    Yields the number of the first replicate and masses of shape (some, columns).
    """
    groups = np.zeros(len(column), dtype=np.int64) if strata is None else np.asarray(strata)
    if groups.shape != column.shape:
        raise InputError(f"strata have shape {groups.shape}; give one a row, shape {column.shape}")
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    order = np.argsort(column, kind="stable")
    present, starts = np.unique(column[order], return_index=True)
    step = max(1, _ROWS_AT_ONCE // len(column))
    for start in range(0, replicates, step):
        some = min(step, replicates - start)
        counts = np.empty((some, len(column)))
        for rows in members:
            counts[:, rows] = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=some)
        mass = np.zeros((some, columns))
        mass[:, present] = np.add.reduceat((counts * weights)[:, order], starts, axis=1)
        yield start, mass
