"""What one rung says of the means asked about: estimates, errors by refits, and whether it gives back its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import t as student

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._law import Function, Law
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder._weights import ByWeights, pooled_weights
from ifm_learn.ladder.ranges import Ranges

_MISS = 0.02
_LIGHT = 2e8
_DENSER = 4
_ROUNDING = 1e-9
_SMALL = 8
_LAST_DIGITS = 1e-12
_DIGITS = 16 * np.finfo(float).eps
_ALIKE = 1.8
"""Of 3/m units, by a t quantile of 1.7."""
_CELLS = 10_000_000

_SPREAD = 2.5
"""So many rows at least make the spread of rows that tells an error (of normal rows a third of all do)."""

USED = 1e-6
"""Exponents below this are rounding."""


@runtime_checkable
class ByMeans(Protocol):
    """A law whose means are linear in the factors' coordinates."""

    def shares(self, regimes: Regimes) -> Floats | None:
        """Weights of the means of the regimes present, shape (r, d); None where the fitted model is another."""
        ...


@dataclass(frozen=True, eq=False)
class Asked:
    """The question: regimes, the function of x or the values of rows, and what the rows of the regimes run say.

    trained: the regimes present. own, error: their rows' means and standard errors by units, shape (d, k); shape
    (d,) of units.counts says by how many. linear: whether a law whose means are linear in the factors' coordinates
    takes the means of the values for linear too, which is least squares, and no weights. unseen: the error of a
    mean whose rows are all equal, of which no redraw tells, shape (d, k); 0 for others. ranges: of the columns;
    bare: where all rows are at an end, shape (d, k), as `Ranges.at_end`; size: how far a row is that is not, (k,).
    """

    samples: Samples
    units: Units
    regimes: Regimes
    function: Function | None
    values: Floats | None
    trained: Regimes
    own: Floats
    error: Floats
    unseen: Floats
    ranges: Ranges
    bare: Floats
    size: Floats
    linear: bool = False

    @classmethod
    def of(
        cls,
        samples: Samples,
        units: Units,
        regimes: Regimes,
        function: Function | None,
        values: Floats | None,
        linear: bool = False,
        ranged: bool = True,
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
        centre = at_rows.mean(axis=0)  # numbers may be far from 0, and near to each other
        own, error = _own_means(at_rows - centre, units)
        own = own + centre
        ranges = Ranges.none(at_rows.shape[1])
        if ranged:
            scaling = samples.scaling if values is None and function is None else None
            ranges = Ranges.of(at_rows, units.regime, scaling)
        bare, size = ranges.at_end(own), ranges.size(at_rows)
        unseen = _unseen(at_rows, own, error, units.counts, np.where(np.isfinite(ranges.high), size, 0.0))
        return cls(
            samples, units, regimes, function, values, trained, own, error, unseen, ranges, bare, size, linear
        )

    def redrawn_own(self, weight: Floats) -> Floats:
        """The means of every regime's rows, each counted `weight` times, shape (d, k)."""
        values = self._of_rows if self.values is None else self.values
        counted = csr_array(
            (weight, (self.units.regime, np.arange(len(weight)))), shape=(len(self.own), len(weight))
        )
        total = np.maximum(counted.sum(axis=1), 1e-300)[:, None]
        found: Floats = counted @ values / total
        return found

    @cached_property
    def _of_rows(self) -> Floats:
        return self.samples.x if self.function is None else self.function(self.samples.x)

    @cached_property
    def run(self) -> NDArray[np.bool_]:
        """Which of the regimes asked about were run, shape (r,)."""
        found: NDArray[np.bool_] = self.regimes.first_equal(self.trained) >= 0
        return found

    def rests(self, exponents: Floats, end: float) -> NDArray[np.bool_]:
        """Which means grow with that of a regime that has all its rows at this end, shape (r, k)."""
        found: NDArray[np.bool_] = (exponents > USED).astype(float) @ (self.bare == end) > 0
        return found

    def events(self, exponents: Floats) -> Floats:
        """What one row off the end of the regimes that have all rows there would move means by, shape (r, k).

        That row's share in the rows of a regime that was run; elsewhere as in the product by the exponents of the
        rates, half a row being added to each (Haldane 1956), for variables, and for other columns as in a mean of
        as many rows as such a product's error is that of.
        """
        used = (np.abs(exponents) > USED).astype(float) @ np.abs(self.bare) > 0
        found = np.zeros((len(exponents), len(self.size)))
        if not used.any():
            return found
        rows = 1 / np.maximum(exponents**2 @ (1 / self.units.counts), 1e-300)
        found = np.where(used, self.size / rows[:, None], 0.0)
        if self.values is None and self.function is None:
            found = np.where(self.run[:, None], found, np.minimum(found, self._product(exponents) * used))
        return found

    def _product(self, exponents: Floats) -> Floats:
        """By how much one row more moves a product of the regimes' rates by the exponents, shape (r, k)."""
        m = self.units.counts[:, None]
        with np.errstate(invalid="ignore", over="ignore"):
            over = (self.own - self.ranges.low) / self.size
            rate = (m * over + 0.5) / (m + 1)
            two = np.isfinite(self.ranges.high)
            odds = np.where(two, rate / np.maximum(1 - rate, 1e-300), rate)
            product = np.exp(exponents @ np.log(np.maximum(odds, 1e-300)))
            product = np.where(two, product / (1 + product), product)
            known = 1 / ((m + 1) * rate) + np.where(two, 1 / ((m + 1) * (1 - rate)), 0.0)
        # what the other regimes' rates err by, in logarithms, adds to it
        others = exponents**2 @ np.where(self.bare == 0, known, 0.0)
        found: Floats = np.nan_to_num(2.0 * product * (1 + others) * self.size, nan=np.inf)
        return found

    @cached_property
    def few_make_spread(self) -> NDArray[np.bool_]:
        """Whether one or two rows of a regime make most of its spread, shape (d, k).

        The number of rows that make it is (sum d^2)^2 / sum d^4, d the distances from their mean. Shares and
        counts have intervals that know their law, and are not looked at.
        """
        values = self._of_rows if self.values is None else self.values
        regime, found = self.units.regime, np.zeros(self.own.shape, dtype=bool)
        for k in np.flatnonzero(~self.ranges.lumped).tolist():
            left = values[:, k] - self.own[regime, k]
            squares = (left / max(float(np.abs(left).max()), 1e-300)) ** 2
            second, fourth = (np.bincount(regime, part, minlength=len(found)) for part in (squares, squares**2))
            found[:, k] = (second**2 < _SPREAD * fourth) & (self.unseen[:, k] == 0)
        return found

    @cached_property
    def both(self) -> Regimes:
        """The regimes asked about, then those that were run."""
        return Regimes.concatenate([self.regimes, self.trained])


def _own_means(values: Floats, units: Units) -> tuple[Floats, Floats]:
    """Means of every regime's rows and their standard errors between units; infinite for one unit."""
    step = max(1, _CELLS // len(values))
    if values.shape[1] > step:
        parts = [_own_means(values[:, at : at + step], units) for at in range(0, values.shape[1], step)]
        return np.hstack([own for own, _ in parts]), np.hstack([error for _, error in parts])
    d, m = len(units.counts), units.counts
    rows = np.bincount(units.regime, minlength=d)
    own = np.stack([np.bincount(units.regime, column, minlength=d) for column in values.T], axis=1) / rows[:, None]
    left = values - own[units.regime]
    place = units.of_row * d + units.regime
    pairs, index = np.unique(place, return_inverse=True)
    sums = np.stack([np.bincount(index, column) for column in left.T], axis=1)
    squares = np.stack([np.bincount(pairs % d, column, minlength=d) for column in (sums**2).T], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance: Floats = squares / rows[:, None] ** 2 * np.where(m > 1, m / (m - 1), np.inf)[:, None]
    return own, np.sqrt(np.where(m[:, None] > 1, variance, np.inf))


def rounding(values: Floats) -> Floats:
    """What a mean of columns may be off by for the digits that numbers have, shape (k,)."""
    found: Floats = _DIGITS * np.abs(values).max(axis=0, initial=0.0)
    return found


def _unseen(values: Floats, own: Floats, error: Floats, counts: Ints, size: Floats) -> Floats:
    """Errors of means whose rows are all equal where others' are not, shape (d, k).

    Of m units all alike up to 3/m may be others (95%), as far off as rows of other values are in quadratic mean,
    or by `size`, shape (k,), where there are none.
    """
    found = np.zeros_like(own)
    digits = _LAST_DIGITS * np.ptp(values, axis=0) + rounding(values)
    for i, k in np.argwhere((error <= digits) & (error < np.inf)).tolist():
        away = np.square(values[:, k] - own[i, k])
        others = away > digits[k] ** 2
        off = np.sqrt(away[others].mean()) if others.any() else size[k]
        found[i, k] = _ALIKE / counts[i] * off
    return found


@dataclass(frozen=True, eq=False)
class RungMeans:
    """The estimates of one rung.

    mean, se: shape (r, k); replicates: of the refits, shape (replicates, r, k); effective: pooled rows behind each
    regime, shape (r,); by_weights: whether it needs them. misses: for every function whether the rung fails to
    give back a regime that was run, shape (k,). freedom: degrees of freedom of its own where its errors are exact,
    one for all regimes or shape (r,).
    """

    mean: Floats
    se: Floats
    replicates: Floats
    effective: Floats
    by_weights: bool
    misses: NDArray[np.bool_]
    freedom: float | Floats | None


def rung_means(
    law: Law,
    refits: Sequence[Law],
    redraws: Floats,
    asked: Asked,
    lone: NDArray[np.bool_],
    least: Floats | float = 0.0,
    relative: Floats | float = 0.0,
) -> RungMeans:
    """The estimates of one law, with standard errors from its refits.

    lone: which regimes asked about rest on one that has a single unit, shape (r,): refits cannot tell their
    errors, which are infinite unless the law has exact ones. least: what an error is at least, shape (r, k).
    relative: what regimes with all rows at an end add to that of a logit or logarithm, of which no redraw tells.
    """
    found = law_means(law, np.ones(len(asked.samples)), asked, asked.both)
    r, linear = len(asked.regimes), asked.linear and _shares(law, asked.trained) is not None
    summed = len(asked.trained) // _DENSER if linear else len(asked.samples)
    light = summed * len(asked.trained) * found.shape[1] < _LIGHT
    regimes = asked.both if light else asked.regimes
    drawn = np.empty((len(refits), r, found.shape[1]))
    squares, apart = np.zeros_like(found[:r]), np.zeros_like(asked.own)
    for b, (refit, weight) in enumerate(zip(refits, redraws, strict=True)):
        one = law_means(refit, weight, asked, regimes)
        squares += np.square(one[:r] - found[:r])
        drawn[b] = one[:r]
        if light:
            apart += np.square(one[r:] - asked.redrawn_own(weight) - (found[r:] - asked.own))
    se = np.maximum(np.sqrt(squares / max(len(refits), 1)), least)
    se = np.hypot(se, relative * asked.ranges.slope(found[:r]))
    se[lone] = np.inf
    freedom = None
    exact = getattr(law, "exact_errors", None)
    rows_apart = asked.units.counts.sum() == len(asked.samples)
    if exact is not None and asked.function is None and asked.values is None and rows_apart:
        errors = exact(asked.regimes)
        if errors is not None and asked.units.counts.min() < _SMALL:
            se, freedom = np.maximum(np.where(lone[:, None], 0.0, se), errors[0]), errors[1]
    by_weights = isinstance(law, ByWeights) or (asked.values is not None and not linear)
    misses = _misses(found[r:], np.sqrt(apart / max(len(refits), 1)) if light else None, asked)
    return RungMeans(found[:r], se, drawn, law.effective_rows(asked.regimes), by_weights, misses, freedom)


def _shares(law: Law, regimes: Regimes) -> Floats | None:
    return law.shares(regimes) if isinstance(law, ByMeans) else None


def law_means(law: Law, weight: Floats, asked: Asked, regimes: Regimes) -> Floats:
    """What is asked for in regimes, shape (r, k), by a law of rows counted `weight` times, shape (n,)."""
    if asked.values is None:
        return law.means(asked.function, regimes)
    shares = _shares(law, regimes) if asked.linear else None
    if shares is not None:
        n, group = len(weight), asked.units.regime
        sums = csr_array((weight, (group, np.arange(n))), shape=(len(asked.trained), n)) @ asked.values
        counts = np.bincount(group, weight, minlength=len(sums))
        found: Floats = shares @ np.divide(sums, counts[:, None], out=sums, where=counts[:, None] > 0)
        return found
    return pooled_weights(law, asked.samples, weight, regimes) @ asked.values


def _misses(found: Floats, apart: Floats | None, asked: Asked) -> NDArray[np.bool_]:
    """Whether some regime's mean is off by more than sampling error, all regimes and functions allowed for.

    apart: the error of the law's mean less the rows' own, shape (d, k), over the same redraws; half the error of
    the rows' own mean is the least, and what is taken where it is not known is all of it. Rows that are all equal
    have the error of what they may not have shown, and shares and counts that of the law's mean, where it is the
    greater.
    """
    counts = asked.units.counts
    at_law, at_rows = asked.ranges.slope(found), asked.ranges.slope(asked.own)
    more = np.divide(at_law, at_rows, out=np.ones_like(found), where=at_rows > 0)
    own = np.where(asked.unseen > 0, asked.unseen, asked.error * np.sqrt(np.maximum(more, 1.0)))
    gap = own if apart is None else np.maximum(apart, own / 2)
    gap = np.where(asked.unseen > 0, own, gap)
    sure = np.isfinite(asked.error) & (counts[:, None] > 1)
    tests = max(int(sure.sum()), 1)
    bound = student.ppf(1 - _MISS / (2 * tests), np.maximum(counts - 1, 1))[:, None]
    with np.errstate(invalid="ignore"):
        slack = _ROUNDING * np.ptp(asked.own, axis=0) + rounding(asked.own)
        off = np.abs(found - asked.own) > bound * gap + slack
    missed: NDArray[np.bool_] = (off & sure).any(axis=0)
    return missed
