"""What one rung says of the means asked about: estimates, errors by refits, and whether it gives back its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder.law import Function, Law
from ifm_learn.ladder.redraw import Units
from ifm_learn.ladder.weights import ByWeights, pooled_weights

_MISS = 0.001
_SMALL = 8


@dataclass(frozen=True, eq=False)
class Asked:
    """The question: regimes, the function of x or the values of rows, and what the rows of the regimes run say.

    trained: the regimes present. own, error: their rows' means and standard errors by units, shape (d, k); shape
    (d,) of units.counts says by how many.
    """

    samples: Samples
    units: Units
    regimes: Regimes
    function: Function | None
    values: Floats | None
    trained: Regimes
    own: Floats
    error: Floats

    @classmethod
    def of(
        cls, samples: Samples, units: Units, regimes: Regimes, function: Function | None, values: Floats | None
    ) -> Asked:
        """Checks the values' shape; one column of them may come as shape (n,)."""
        n = len(samples)
        if values is not None:
            values = np.asarray(values, dtype=float)
            values = values[:, None] if values.ndim == 1 else values
            if values.ndim != 2 or len(values) != n or not np.isfinite(values).all():
                raise InputError(f"values have shape {values.shape} where {n} rows of finite numbers are due")
            at_rows = values
        else:
            at_rows = samples.x if function is None else function(samples.x)
        trained = samples.design.train.take(samples.present)
        own, error = _own_means(at_rows, units)
        return cls(samples, units, regimes, function, values, trained, own, error)

    @cached_property
    def both(self) -> Regimes:
        """The regimes asked about, then those that were run."""
        return Regimes.concatenate([self.regimes, self.trained])


def _own_means(values: Floats, units: Units) -> tuple[Floats, Floats]:
    """Means of every regime's rows and their standard errors between units; infinite for one unit."""
    d, m = len(units.counts), units.counts
    rows = np.bincount(units.regime, minlength=d)
    own = np.stack([np.bincount(units.regime, column, minlength=d) for column in values.T], axis=1) / rows[:, None]
    left = values - own[units.regime]
    place = units.of_row * d + units.regime
    pairs, index = np.unique(place, return_inverse=True)
    sums = np.stack([np.bincount(index, column) for column in left.T], axis=1)
    squares = np.stack([np.bincount(pairs % d, column, minlength=d) for column in (sums**2).T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = squares / rows[:, None] ** 2 * np.where(m > 1, m / (m - 1), np.inf)[:, None]
    return own, np.sqrt(np.where(m[:, None] > 1, variance, np.inf))


@dataclass(frozen=True, eq=False)
class RungMeans:
    """The estimates of one rung.

    mean, se: shape (r, k); replicates: of the refits, shape (replicates, r, k); effective: pooled rows behind each
    regime, shape (r,); by_weights: whether it needs them. misses: for every function whether the rung fails to
    give back a regime that was run, shape (k,). freedom: degrees of freedom of its own where its errors are exact.
    """

    mean: Floats
    se: Floats
    replicates: Floats
    effective: Floats
    by_weights: bool
    misses: NDArray[np.bool_]
    freedom: float | None


def rung_means(law: Law, refits: Sequence[Law], redraws: Floats, asked: Asked) -> RungMeans:
    """The estimates of one law, with standard errors from its refits."""
    found = _means(law, np.ones(len(asked.samples)), asked, asked.both)
    r = len(asked.regimes)
    drawn = np.empty((len(refits), r, found.shape[1]))
    for b, (refit, weight) in enumerate(zip(refits, redraws, strict=True)):
        drawn[b] = _means(refit, weight, asked, asked.regimes)
    se = np.sqrt(np.square(drawn - found[:r]).sum(axis=0) / max(len(refits), 1))
    freedom = None
    exact = getattr(law, "exact_errors", None)
    if exact is not None and asked.function is None and asked.values is None:
        errors = exact(asked.regimes)
        if errors is not None and asked.units.counts.min() < _SMALL:
            se, freedom = np.maximum(se, errors[0]), errors[1]
    by_weights = isinstance(law, ByWeights) or asked.values is not None
    return RungMeans(
        found[:r], se, drawn, law.effective_rows(asked.regimes), by_weights, _misses(found[r:], asked), freedom
    )


def _means(law: Law, weight: Floats, asked: Asked, regimes: Regimes) -> Floats:
    if asked.values is None:
        return law.means(asked.function, regimes)
    return pooled_weights(law, asked.samples, weight, regimes) @ asked.values


def _misses(found: Floats, asked: Asked) -> NDArray[np.bool_]:
    """Whether some regime's mean is off by more than its rows' error, all regimes and functions allowed for."""
    counts = asked.units.counts
    sure = np.isfinite(asked.error) & (counts[:, None] > 1)
    tests = max(int(sure.sum()), 1)
    bound = student.ppf(1 - _MISS / (2 * tests), np.maximum(counts - 1, 1))[:, None]
    with np.errstate(invalid="ignore"):
        off = np.abs(found - asked.own) > bound * asked.error + 1e-9 * (np.abs(asked.own) + 1e-300)
    missed: NDArray[np.bool_] = (off & sure).any(axis=0)
    return missed
