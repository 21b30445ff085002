"""How far an estimate moves if an interaction that the model leaves out had log-magnitude up to gamma.

The fitted density p^(x; sigma*) of a target is replaced by p(x) ∝ p^(x) exp(gamma h(x)), h any function with
|h| <= 1: an interaction of the target's interventions that no training regime shows, so that no data speak against
it. The outcome model m(x) stays. With g = exp(gamma h), the mean E^[m g] / E^[g] is a ratio of two linear
functionals of g over the box [e^-gamma, e^gamma], so its largest value u is attained at a corner; it is the one
root t of

    e^gamma E^[(m - t)+] = e^-gamma E^[(m - t)-],

reached by h = 1 where m > u and -1 elsewhere; the smallest likewise with the signs changed. These bounds are
sharp: the marginal sensitivity model of Tan (2006) and Zhao, Small and Bhattacharya (2019) with Lambda = e^gamma,
for a density instead of a propensity. Setting t to a reference value r, the bounds first reach r at

    gamma = 1/2 |log E^[(m - r)+] - log E^[(m - r)-]|.

Where the interaction may depend on some variables only, m is replaced by its mean given them, which loses nothing.
Several absent interactions add up their gammas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.conformal.ranks import Alpha, conformal_quantile, conformal_rank, fewest_scores, read_alpha

_LARGEST_WRITTEN = 300 * math.log(10)
"""e to this is 1e300."""


@dataclass(frozen=True, eq=False)
class TargetValues:
    """Values m(x) at draws of x from a target's fitted density: what its mean, and its sensitivity, rest on.

    values: shape (n,). log_weights: shape (n,), up to a constant, where the draws are from another density; equal
    by default. cells: shape (n,), equal labels for draws that agree on the variables that the absent interaction
    may depend on; by default it may depend on everything. Raises InputError for wrong shapes, no draw and values
    that are not finite.

    >>> target = TargetValues(np.array([0.0, 1.0, 2.0]))
    >>> target.mean, [round(end, 6) for end in target.bounds(np.inf)]
    (1.0, [0.0, 2.0])
    >>> round(target.tipping(0.5), 4)  # 1/2 log((0.5 + 1.5) / 0.5)
    0.6931
    >>> TargetValues(np.array([0.0, np.nan]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: value 2 of the draws is nan; give finite numbers
    """

    values: Floats
    log_weights: Floats | None = None
    cells: NDArray[np.integer] | None = None

    def __post_init__(self) -> None:
        n = len(self.values)
        for name, given in (("log-weights", self.log_weights), ("cells", self.cells)):
            if given is not None and given.shape != (n,):
                raise InputError(f"{n} values with {name} of shape {given.shape}; give one for each")
        if self.values.shape != (n,) or not n:
            raise InputError(f"values have shape {self.values.shape}; give one for each of at least one draw")
        bad = np.flatnonzero(~np.isfinite(self.values))
        if len(bad):
            raise InputError(f"value {bad[0] + 1} of the draws is {self.values[bad[0]]}; give finite numbers")
        logs = self.log_weights
        if logs is not None and (np.isnan(logs).any() or not np.isfinite(logs.max())):
            raise InputError("log-weights must be finite or -inf, and not all of them -inf")

    @cached_property
    def _ordered(self) -> tuple[Floats, Floats]:
        """Distinct cells' mean values, ascending, and their shares of the mass, which add up to 1."""
        logs = self.log_weights
        weights = np.ones(len(self.values)) if logs is None else np.exp(logs - logs.max())
        values = self.values
        if self.cells is not None:
            _, place = np.unique(self.cells, return_inverse=True)
            mass = np.bincount(place, weights)
            sums = np.bincount(place, weights * values)
            weights, values = mass[mass > 0], sums[mass > 0] / mass[mass > 0]
        order = np.argsort(values, kind="stable")
        return values[order], weights[order] / weights.sum()

    @property
    def mean(self) -> float:
        """The estimate itself, gamma 0."""
        values, shares = self._ordered
        return float(values @ shares)

    def bounds(self, gamma: float) -> tuple[float, float]:
        """The least and the largest mean that an interaction of log-magnitude up to gamma allows."""
        if not gamma >= 0:
            raise InputError(f"gamma {gamma} is no magnitude; give a number that is not negative")
        values, shares = self._ordered
        shrink = float(np.exp(-2 * gamma))
        return -_largest(-values[::-1], shares[::-1], shrink), _largest(values, shares, shrink)

    def tipping(self, reference: float) -> float:
        """The smallest gamma at which the bounds reach a reference value; inf where no draw lies beyond it."""
        return abs(self._signed_tipping(reference))

    def _signed_tipping(self, reference: float) -> float:
        """1/2 log of E[(m - r)+] over E[(m - r)-]: negative where the mean is below the reference."""
        values, shares = self._ordered
        above, below = np.maximum(values - reference, 0) @ shares, np.maximum(reference - values, 0) @ shares
        if above == below:
            return 0.0
        with np.errstate(divide="ignore"):
            return float(np.log(above) - np.log(below)) / 2


def _largest(values: Floats, shares: Floats, shrink: float) -> float:
    """The best of all thresholds: the upper values count fully, the lower ones `shrink` times."""
    mass, sums = np.cumsum(shares[::-1]), np.cumsum((shares * values)[::-1])
    return float(((sums + shrink * (sums[-1] - sums)) / (mass + shrink * (mass[-1] - mass))).max())


@dataclass(frozen=True, eq=False)
class SensitivityCurve:
    """Sharp bounds of a mean over a range of gammas, shape (g,) each, with their sampling error where it is known.

    confidence: ends that cover the whole range between the true bounds with probability about 1 - alpha
    (percentile intervals over `replicates` fits, Zhao, Small and Bhattacharya 2019), shape (g, 2), or None.
    """

    gammas: Floats
    estimate: float
    lower: Floats
    upper: Floats
    confidence: Floats | None = None
    alpha: Fraction | None = None
    replicates: int = 0


def sensitivity_curve(
    target: TargetValues, gammas: ArrayLike, replicates: Sequence[TargetValues] = (), alpha: Alpha = "0.1"
) -> SensitivityCurve:
    """Bounds of the mean at every gamma, shape (g,).

    replicates: draws of refits (bootstrap, or `DensityModel.draws`) for the error of the ends. Raises InputError
    for a negative gamma and too few replicates for alpha/2 in each tail.

    >>> curve = sensitivity_curve(TargetValues(np.array([0.0, 1.0])), [0.0, 1.0])
    >>> curve.lower.round(3).tolist(), curve.upper.round(3).tolist()
    ([0.5, 0.119], [0.5, 0.881])
    >>> sensitivity_curve(TargetValues(np.zeros(3)), [0.1], [TargetValues(np.zeros(3))] * 5)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: alpha = 1/10 in two tails takes 19 replicates or more, got 5
    """
    at = np.asarray(gammas, dtype=np.float64).ravel()
    ends = np.array([target.bounds(gamma) for gamma in at.tolist()]).reshape(len(at), 2)
    if not replicates:
        return SensitivityCurve(at, target.mean, ends[:, 0], ends[:, 1])
    level = _two_tails(alpha, len(replicates))
    others = np.array([[one.bounds(gamma) for gamma in at.tolist()] for one in replicates])
    low, high = -conformal_quantile(-others[:, :, 0], level / 2), conformal_quantile(others[:, :, 1], level / 2)
    confidence = np.stack([np.minimum(low, ends[:, 0]), np.maximum(high, ends[:, 1])], axis=1)
    return SensitivityCurve(at, target.mean, ends[:, 0], ends[:, 1], confidence, level, len(replicates))


@dataclass(frozen=True)
class Tipping:
    """How large an absent interaction must be to change a conclusion.

    gamma: the smallest one at which the bounds reach the reference value, inf where none does. confident: the
    smallest one at which the confidence ends do, 0 where they hold it without any; None without replicates.
    """

    reference: float
    estimate: float
    gamma: float
    confident: float | None = None

    def __str__(self) -> str:
        side = "above" if self.estimate > self.reference else "below"
        said = f"the estimate {self.estimate:.4g} stays {side} {self.reference:.4g} "
        if np.isinf(self.gamma):
            return said + "whatever interaction was left out"
        most = f"unless an absent interaction changes densities by a factor of {factor_words(self.gamma)} or more"
        return f"{said}{most} (log-magnitude {self.gamma:.3g})"


def tipping_point(
    target: TargetValues, reference: float, replicates: Sequence[TargetValues] = (), alpha: Alpha = "0.1"
) -> Tipping:
    """The smallest gamma that makes the mean's side of a reference value uncertain: that changes an effect's sign.

    reference: such as the measured mean of the baseline regime. Raises InputError like `sensitivity_curve`.

    >>> print(tipping_point(TargetValues(np.array([1.0, 2.0, 6.0])), 2.0))
    the estimate 3 stays above 2 unless an absent interaction changes densities by a factor of 2 or more \
(log-magnitude 0.693)
    >>> tipping_point(TargetValues(np.array([1.0, 2.0, 6.0])), 0.0).gamma
    inf
    """
    gamma, confident = target.tipping(reference), None
    if replicates:
        level = _two_tails(alpha, len(replicates))
        side = 1.0 if target.mean >= reference else -1.0
        reached = np.array([side * one._signed_tipping(reference) for one in replicates])
        # the lower ends' quantile is at most the reference exactly where this quantile of the gammas is reached
        confident = min(max(-float(conformal_quantile(-reached, level / 2)), 0.0), gamma)
    return Tipping(reference, target.mean, gamma, confident)


def factor_words(gamma: float) -> str:
    """The factor e^gamma in three digits, which no float holds where gamma is above 709.

    >>> factor_words(0.4), factor_words(1000.0)
    ('1.49', 'more than 1e+300')
    """
    return f"{math.exp(gamma):.3g}" if gamma <= _LARGEST_WRITTEN else "more than 1e+300"


def _two_tails(alpha: Alpha, replicates: int) -> Fraction:
    level = read_alpha(alpha)
    if conformal_rank(replicates, level / 2) is None:
        raise InputError(
            f"alpha = {level} in two tails takes {fewest_scores(level / 2)} replicates or more, got {replicates}"
        )
    return level
