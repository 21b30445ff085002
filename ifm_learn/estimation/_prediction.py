"""Prediction intervals for a fresh unit of each regime, from rows that nothing was fitted to.

Theory: docs/theory/conformal.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Identification, Regimes, Status
from ifm_ident.answer import JOINT
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.intervals import Intervals
from ifm_learn.conformal.mixture import balance_log_weights
from ifm_learn.conformal.ranks import conformal_quantile, fewest_scores
from ifm_learn.conformal.scores import RegimeResidual
from ifm_learn.conformal.split import Calibration, fresh_unit_interval
from ifm_learn.data.held import Held
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.ratios.balance import balance_weights

_SMALL_SHARE = 0.1
"""The largest weight's part of alpha up to which it is counted in full."""

_LAST_DIGITS = 1e-9
"""Sums over factors in another order differ in the last digits."""


class Mixture(Protocol):
    """Target regimes against the mixture of training regimes in the shares of the calibration rows."""

    def log_weights(self, x: Floats, some: Ints) -> Floats:
        """log of p*(x) over the mixture's density, for some of the targets, shape (n, some)."""
        ...

    def bounds(self) -> Floats:
        """Bounds of the log-weights over all x, shape (r,); infinite where none is known."""
        ...


@dataclass(frozen=True, eq=False)
class UnitIntervals:
    """Ends, shape (r, k), effective calibration rows and guarantees ("" for none) of the same shape."""

    low: Floats
    high: Floats
    ess: Floats
    guarantee: NDArray[np.str_]

    @classmethod
    def none(cls, shape: tuple[int, int]) -> UnitIntervals:
        """No interval anywhere."""
        missing = np.full(shape, np.nan)
        return cls(missing, missing.copy(), missing.copy(), np.full(shape, "", dtype="<U15"))


def by_ratio(
    held: Held,
    rows: Samples,
    mixture: Mixture,
    identification: Identification,
    centres: Floats,
    level: Fraction,
) -> UnitIntervals:
    """Weighted split conformal intervals about the estimated means, shape (r, k).

    rows: the calibration rows of `held`. Where a training regime has the target's density and enough calibration
    rows, they are exchangeable with a fresh unit: weights are known, the guarantee exact. Elsewhere the rows of
    all regimes are weighted relative to their mixture by the fitted ratios. The unit's own weight is then at
    most the largest over the grid, where that is a small part of all (`estimated-ratio`), else mean weights
    stand in its place (`asymptotic`, see `fresh_unit_interval`). Each tail has half of alpha where the rows can
    carry that, else both tails share it about the mean; where the rows, or effective rows, cannot carry alpha
    either, the interval is infinite. Exact or not is decided by numbers of rows alone.
    """
    found, values, targets = UnitIntervals.none(centres.shape), targets_of(rows), identification.targets
    weights, bounds = mixture.log_weights(rows.x, np.arange(len(targets))), mixture.bounds()
    small = np.log(len(rows) * float(level) * _SMALL_SHARE)
    for r in range(len(centres)):
        own = np.flatnonzero(rows.regime == _twin(identification, r))
        exact = len(own) >= fewest_scores(level)
        asymptotic = not exact and bool(bounds[r] > small)
        bound = 0.0 if exact else np.inf if asymptotic else float(bounds[r])
        for k in range(centres.shape[1]):
            if exact:
                known = Calibration(held.calibration_rows[own], values[own, k], np.zeros(len(own)), "exact")
            else:
                known = Calibration(
                    held.calibration_rows, values[:, k], weights[:, r], "estimated", held.fitted_rows
                )
            centre = float(centres[r, k])
            _put(found, r, k, _widest_level(known, centre, held.fitted_rows, bound, level, asymptotic))
    return found


def _widest_level(
    known: Calibration, centre: float, fitted_rows: Ints, bound: float, level: Fraction, asymptotic: bool
) -> Intervals:
    """With separate tails where these are finite, else with one for both, which takes half as many rows."""
    for tails in (True, False):
        score = RegimeResidual(centre, fitted_rows, separate_tails=tails)
        one = fresh_unit_interval(known, score, bound, level, asymptotic)
        if np.isfinite([one.lower[0], one.upper[0]]).all():
            break
    return one


def widened(found: UnitIntervals, centres: Floats, half: Floats, samples: Samples) -> None:
    """Ends moved out by the error of the mean, in place, where other rows than the regime's own tell them.

    half: half-widths of the means' confidence intervals at the same level, shape (r, k). An end that is d from the
    mean comes to sqrt(d^2 + half^2): the spread of units and the error of where they are add up in squares, as for
    normal ones, and no finite one beyond where units of two values, or counts, end. `exact-ratio` stays: its ends
    are ranks of the unit's own regime.
    """
    moved = (found.guarantee != "exact-ratio") & np.isfinite(half)
    ranges = _ranges(samples)
    for ends, sign, last in ((found.low, -1.0, ranges.low), (found.high, 1.0, ranges.high)):
        away = np.maximum(sign * (ends - centres), 0.0)
        wide = centres + sign * np.hypot(away, np.nan_to_num(half))
        beyond = np.isfinite(wide) & (sign * wide > sign * last)
        np.copyto(ends, np.where(beyond, last, wide), where=moved & ~np.isnan(ends))


def _ranges(samples: Samples) -> Ranges:
    """Where units of two values, and counts, end."""
    values = targets_of(samples)
    if np.isnan(values).any():
        return Ranges.none(values.shape[1])
    scaling = samples.scaling if samples.y is None else None
    return Ranges.of(values, samples.regime, scaling).lumped_alone()


def without_ratio(rows: Samples, own: Floats, centres: Floats, level: Fraction) -> UnitIntervals:
    """Intervals that carry the spread about the regimes' predicted means over to the target; no guarantee.

    rows: calibration rows; own: predicted means of every distinct training regime, shape (m, k); centres: of the
    targets, shape (r, k).
    """
    found = UnitIntervals.none(centres.shape)
    place = np.searchsorted(rows.present, rows.regime)
    residuals = targets_of(rows) - own[place]
    for k, column in enumerate(residuals.T):
        known = column[~np.isnan(column)]
        if len(known):
            lower, upper = _tails(known, level)
            found.low[:, k], found.high[:, k] = centres[:, k] - lower, centres[:, k] + upper
            found.ess[:, k] = len(known)
    return found


def _tails(residuals: Floats, level: Fraction) -> tuple[float, float]:
    """How far below and above a mean units are: half of alpha on each side, or both together of few residuals."""
    if len(residuals) >= fewest_scores(level / 2):
        return float(conformal_quantile(-residuals, level / 2)), float(conformal_quantile(residuals, level / 2))
    both = float(conformal_quantile(np.abs(residuals), level))
    return both, both


def _put(found: UnitIntervals, r: int, k: int, one: Intervals) -> None:
    found.low[r, k], found.high[r, k] = one.lower[0], one.upper[0]
    found.ess[r, k], found.guarantee[r, k] = one.ess[0], str(one.guarantee[0])


def _twin(identification: Identification, row: int) -> int:
    """The training regime with the target's density, given the model: itself, or one of exponent 1; else -1."""
    first = identification.design.first
    if identification.status[row] == Status.OBSERVED:
        return int(first[identification.train[row]])
    joint = identification.terms.exponents(row).get(JOINT, {})
    if len(joint) == 1:
        return int(first[next(iter(joint))])
    return -1


@dataclass(frozen=True, eq=False)
class GridMixture:
    """Target regimes against the mixture of training regimes in the shares of the calibration rows, by the fit.

    sizes: calibration rows of every distinct training regime, shape (m,); constants: log-normalisers of these,
    then of the targets, shape (m + r,), zeros for the targets where inference is not exact.
    """

    density: DensityModel
    train: Regimes
    targets: Regimes
    sizes: Ints
    constants: Floats

    @classmethod
    def of(cls, fitted: Samples, rows: Samples, density: DensityModel, targets: Regimes) -> GridMixture:
        present = fitted.present
        train = fitted.design.train.take(present)
        if density.exact:
            constants = density.log_normalisers(Regimes.concatenate([train, targets]))
        else:
            potentials = density.log_potentials(fitted.x, train)
            known = balance_weights(potentials, potentials, fitted.sizes[present]).log_constants
            constants = np.concatenate([known, np.zeros(len(targets))])
        return cls(density, train, targets, rows.sizes[present], constants)

    def log_weights(self, x: Floats, some: Ints) -> Floats:
        """log of p*(x) over the mixture's density, for some of the targets, shape (n, some)."""
        m, targets = len(self.train), self.targets.take(some)
        both = self.density.log_potentials(x, Regimes.concatenate([self.train, targets]))
        normalised = both - self.constants[np.concatenate([np.arange(m), m + some])]
        return balance_log_weights(normalised[:, m:], normalised[:, :m], self.sizes)

    def bounds(self) -> Floats:
        """Bounds of the log-weights over the grid, shape (r,): the best of those against one training regime.

        p*/p_mix <= p*/((n_i/n) p_i), and log p*/p_i is a sum of differences of factor tables, at most the sum of
        their maxima. Infinite where inference is not exact.
        """
        found = np.full(len(self.targets), np.inf)
        if not self.density.exact:
            return found
        m, cells, tables = len(self.train), self.density.cells, self.density.tables
        offsets = self.constants[:m] - np.log(self.sizes / self.sizes.sum())
        largest: dict[tuple[int, int], float] = {}
        train = cells.choice(self.train).tolist()
        for r, ours in enumerate(cells.choice(self.targets).tolist()):
            for i, theirs in enumerate(train):
                total = float(offsets[i] - self.constants[m + r])
                for pair in zip(ours, theirs, strict=True):
                    if pair[0] != pair[1]:
                        if pair not in largest:
                            largest[pair] = float((tables[pair[0]] - tables[pair[1]]).max())
                        total += largest[pair]
                found[r] = min(found[r], total)
        return found + _LAST_DIGITS
