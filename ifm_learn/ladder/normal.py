"""The lowest rung: Gaussian with one precision for all regimes, means that add up over factors.

Theory: docs/theory/ladder.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import qmc

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._coordinates import Coordinates, holders
from ifm_learn.ladder._dependence import least_normal
from ifm_learn.ladder._gaussian_fit import Fit, Moments, SparseGaussian
from ifm_learn.ladder._law import Cost, Function, require_parameters
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder._weights import effective, pooled_weights

MOST_COEFFICIENTS = 4_000
_FLOPS = 2e9
_CALLS = 2e-3
_DRAWS = 1_024
_TOGETHER = 16
_FLOOR = 1e-10


@dataclass(frozen=True)
class Normal:
    """x ~ N(Omega^-1 h(sigma), Omega^-1), h_v linear in what the factors that hold v tell, Omega between variables
    that some factor holds together.

    Where every factor holds all variables this is the multivariate linear model: means add up over factors, with
    exact t intervals. Otherwise it is fitted by maximum likelihood.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> x = np.array([0.0, 0.2, 1.0, 1.2, -1.0, -0.8])[:, None]
    >>> law = Normal().fit(Samples(design, np.array([0, 0, 1, 1, 2, 2]), x))
    >>> both = Regimes.from_codes(np.array([[1, 1]]))
    >>> law.means(None, both).round(9).tolist(), law.exact_errors(both)[1]
    ([[0.1]], 3.0)
    """

    @property
    def name(self) -> str:
        """normal."""
        return "normal"

    def unfit(self, samples: Samples) -> str | None:
        """No row beyond those that means take; for a likelihood, a constant variable or many coefficients."""
        form = Form.of(samples)
        constant = np.flatnonzero(np.ptp(samples.x, axis=0) == 0)
        if not form.full and len(constant):
            return (
                f"{samples.design.model.variables[int(constant[0])]} does not vary; leave it out of the variables"
            )
        if len(samples) <= form.rank + 1:
            return (
                f"{len(samples)} rows leave nothing to tell a variance by, once {form.rank + 1} means are fitted"
            )
        if not form.full and form.coefficients > MOST_COEFFICIENTS:
            return f"it would have {form.coefficients:,} coefficients (limit {MOST_COEFFICIENTS:,})"
        return None

    def rejected(self, samples: Samples, units: Units) -> str | None:
        """By likelihood a variable that is not normal about its regimes' means, of rows or of units' means.

        What means become in a regime never run follows from that law, which the contrast of regimes does not try.
        """
        if Form.of(samples).full:
            return None
        width = len(units.counts)
        pair = units.of_row * width + units.regime
        pairs, place, rows = np.unique(pair, return_inverse=True, return_counts=True)
        means = np.stack([np.bincount(place, column) for column in samples.x.T], axis=1) / rows[:, None]
        found = least_normal(means, pairs % width)
        if found is None:
            return None
        name = samples.design.model.variables[found[0]]
        return f"within regimes {name} is not normal (skewness and kurtosis, p = {found[1]:.2g})"

    def forecast(self, samples: Samples) -> Cost:
        """Counted operations, at two thousand million a second."""
        form = Form.of(samples)
        n, p, d, q = len(samples), samples.x.shape[1], len(samples.present), form.coefficients
        moments = (2.0 * n * p * p + 10.0 * n * p) / _FLOPS + _CALLS
        if form.full:
            solve = 4.0 * d * form.rank**2 / _FLOPS
            return Cost(moments + solve, 8 * (n * p + 3 * d * d), moments + solve)
        if len(form.pairs) == p * (p - 1) // 2:  # by turns
            v = sum(one.rank + 1 for one in form.coordinates)
            turns = 30 * (v**3 / 3 + 2.0 * d * v * v + 20.0 * p**3) / _FLOPS
            return Cost(moments + turns, 8 * (n * p + 4 * (v * v + p * p)), moments + turns / 3)
        newton = (20.0 * q * q + q**3 / 3 + 2.0 * d * q * q) / _FLOPS
        return Cost(moments + 12 * newton, 8 * (n * p + 12 * q * q), moments + newton)

    def fit(self, samples: Samples, weight: Floats | None = None) -> NormalLaw:
        """The fitted law; rows are counted once by default."""
        counted = np.ones(len(samples)) if weight is None else weight
        return _fitted(samples, Form.of(samples), counted, None)

    def restored(self, samples: Samples, weights: Floats, parameters: Floats) -> tuple[NormalLaw, ...]:
        """Linear models by least squares anew, which takes no parameters; others from precision and h."""
        form, p = Form.of(samples), samples.x.shape[1]
        require_parameters(parameters, 0 if form.full else p * p + form.family.design.shape[1])
        if form.full:
            return tuple(_fitted(samples, form, weight, None) for weight in weights)
        fits = [Fit(found[: p * p].reshape(p, p), found[p * p :], None) for found in parameters]
        for one in fits:
            np.linalg.cholesky(one.precision)  # LinAlgError, a ValueError, where it is not positive definite
        return tuple(_likely(samples, form, *pair) for pair in zip(weights, fits, strict=True))


@dataclass(frozen=True, eq=False)
class Form:
    """What the factors ask of a Gaussian: coordinates of each variable's h, and the pairs of its precision."""

    coordinates: tuple[Coordinates, ...]
    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, samples: Samples) -> Form:
        """The form of a design."""
        model = samples.design.model
        known: dict[tuple[int, ...], Coordinates] = {}
        systems = []
        for name in model.variables:
            factors = tuple(k for k in holders(model, [name]) if model.factors[k].sigma)
            systems.append(known.setdefault(factors, Coordinates(samples.design, factors)))
        held = {
            pair
            for factor in model.factors
            for pair in itertools.combinations(sorted(model.variables.index(name) for name in factor.x), 2)
        }
        return cls(tuple(systems), tuple(sorted(held)))

    @property
    def full(self) -> bool:
        """Whether every variable follows the same factors and all pairs are free: the linear model."""
        p = len(self.coordinates)
        return len({id(one) for one in self.coordinates}) == 1 and len(self.pairs) == p * (p - 1) // 2

    @property
    def rank(self) -> int:
        """The largest number of coordinates that a variable has."""
        return max(one.rank for one in self.coordinates)

    @property
    def coefficients(self) -> int:
        """Entries of the precision and coefficients of h."""
        return len(self.pairs) + sum(one.rank + 2 for one in self.coordinates)

    @cached_property
    def family(self) -> SparseGaussian:
        """The family to fit by likelihood."""
        p = len(self.coordinates)
        cells = np.array([*((v, v) for v in range(p)), *self.pairs], dtype=np.int64).reshape(-1, 2)
        owners = np.repeat(np.arange(p), [one.rank + 1 for one in self.coordinates])
        return SparseGaussian(cells[:, 0], cells[:, 1], owners, self._stacked([c.train for c in self.coordinates]))

    def design(self, regimes: Regimes) -> Floats:
        """What every coefficient of h is multiplied by, shape (r, q)."""
        known = {id(one): one for one in self.coordinates}
        placed = {key: one.of(regimes) for key, one in known.items()}
        return self._stacked([placed[id(one)] for one in self.coordinates])

    def _stacked(self, placed: Sequence[Floats]) -> Floats:
        ones = np.ones((len(placed[0]), 1))
        return np.concatenate([part for z in placed for part in (ones, z)], axis=1)


def _fitted(samples: Samples, form: Form, weight: Floats, start: Fit | None) -> NormalLaw:
    group = np.searchsorted(samples.present, samples.regime).astype(np.int64)
    centre, unit = _units(samples)
    moments = Moments.of((samples.x - centre) / unit, group, weight, len(samples.present))
    if form.full:
        return _least_squares(samples, form, weight, moments, centre, unit)
    within = _within(moments)
    # one row's worth of prior belief in independent variables keeps the likelihood bounded
    padded = Moments(moments.counts, moments.sums, moments.squares + np.diag(np.maximum(np.diag(within), _FLOOR)))
    return _likely(samples, form, weight, form.family.fit(padded, start, 1e-9 if start is None else 1e-5))


def _units(samples: Samples) -> tuple[Floats, Floats]:
    return samples.x.mean(axis=0), np.maximum(samples.x.std(axis=0), 1e-300)


def _likely(samples: Samples, form: Form, weight: Floats, fit: Fit) -> NormalLaw:
    covariance: Floats = np.linalg.inv(fit.precision).astype(float)
    return NormalLaw(samples, form, weight, *_units(samples), covariance, fit.theta, fit.precision, None, fit)


def _least_squares(
    samples: Samples, form: Form, weight: Floats, moments: Moments, centre: Floats, unit: Floats
) -> NormalLaw:
    train = form.coordinates[0].train
    design = np.concatenate([np.ones((len(train), 1)), train], axis=1)
    root = np.sqrt(moments.counts)
    live = root > 0
    means = moments.sums[live] / moments.counts[live][:, None]
    spread = np.linalg.pinv(design[live] * root[live][:, None])
    theta = spread @ (means * root[live][:, None])
    fit = design @ theta
    left = moments.squares - fit.T @ moments.sums
    left = (left + left.T) / 2
    rank = int(np.linalg.matrix_rank(design[live]))
    freedom = max(float(weight.sum()) - rank, 1.0)
    covariance = left / freedom
    values, vectors = np.linalg.eigh(covariance)
    floor = max(_FLOOR, 1e-6 * float(values[-1]))
    sound = (vectors * np.maximum(values, floor)) @ vectors.T
    exact = Exact(spread @ spread.T, np.maximum(np.diag(covariance), 0.0) * unit**2, freedom)
    return NormalLaw(
        samples, form, weight, centre, unit, sound, theta, np.linalg.inv(sound).astype(float), exact, None
    )


def _within(moments: Moments) -> Floats:
    live = moments.counts > 0
    means = moments.sums[live] / moments.counts[live][:, None]
    spread: Floats = (moments.squares - means.T @ moments.sums[live]) / moments.counts.sum()
    return spread


@dataclass(frozen=True, eq=False)
class Exact:
    """The linear model's sampling error: (X'X)^-1, variances of the variables, degrees of freedom."""

    inverse: Floats
    variance: Floats
    freedom: float


@dataclass(frozen=True, eq=False)
class NormalLaw:
    """A fitted Gaussian with one precision.

    centre, unit: of the scaled variables; covariance, precision: in these units, shape (p, p). theta: coefficients
    of the mean, shape (rank + 1, p), where `exact` is there, else of h, shape (q,). likely: the fit by likelihood.
    """

    samples: Samples
    form: Form
    weight: Floats
    centre: Floats
    unit: Floats
    covariance: Floats
    theta: Floats
    precision: Floats
    exact: Exact | None
    likely: Fit | None

    @property
    def rung(self) -> str:
        """normal."""
        return "normal"

    def _scaled_means(self, regimes: Regimes) -> Floats:
        if self.exact is not None:
            return self._rows(regimes) @ self.theta
        p = len(self.centre)
        height = self.form.family.heights(self.theta, self.form.design(regimes), p)
        found: Floats = height @ self.covariance
        return found

    def _rows(self, regimes: Regimes) -> Floats:
        return np.concatenate([np.ones((len(regimes), 1)), self.form.coordinates[0].of(regimes)], axis=1)

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        """log p(x; regime) less what is quadratic in x, the same in all regimes; shape (n, r)."""
        means = self._scaled_means(regimes)
        height = means @ self.precision
        found: Floats = ((x - self.centre) / self.unit) @ height.T - 0.5 * (means * height).sum(axis=1)
        return found

    def means(self, function: Function | None, regimes: Regimes) -> Floats:
        """E[function(x); regime], over Gaussian points laid out evenly where a function is given; shape (r, k)."""
        means = self._scaled_means(regimes)
        if function is None:
            return self.centre + self.unit * means
        lower = np.linalg.cholesky(self.covariance)
        points = qmc.MultivariateNormalQMC(np.zeros(len(self.centre)), rng=np.random.default_rng(0)).random(_DRAWS)
        moved = points @ lower.T
        found = []
        for start in range(0, len(means), _TOGETHER):
            some = means[start : start + _TOGETHER]
            rows = self.centre + self.unit * (some[:, None, :] + moved)
            values = function(rows.reshape(-1, rows.shape[2]))
            found.append(values.reshape(len(some), _DRAWS, -1).mean(axis=1))
        return np.concatenate(found)

    def exact_errors(self, regimes: Regimes) -> tuple[Floats, float] | None:
        """Standard errors of the means, shape (r, p), and degrees of freedom; None where they are not exact."""
        if self.exact is None:
            return None
        rows = self._rows(regimes)
        leverage = ((rows @ self.exact.inverse) * rows).sum(axis=1)
        return np.sqrt(np.outer(leverage, self.exact.variance)), self.exact.freedom

    def shares(self, regimes: Regimes) -> Floats | None:
        """q of each regime over those present, shape (r, d), for columns with means linear in the coordinates: by
        least squares these are q @ (the weighted means of the rows of these). None for the model by likelihood.
        """
        if self.exact is None:
            return None
        group = np.searchsorted(self.samples.present, self.samples.regime)
        counts = np.bincount(group, self.weight, minlength=len(self.samples.present))
        train = self.form.coordinates[0].train
        design = np.concatenate([np.ones((len(train), 1)), train], axis=1)
        found: Floats = self._rows(regimes) @ self.exact.inverse @ (design.T * counts)
        return found

    def effective_rows(self, regimes: Regimes) -> Floats:
        """(sum w)^2 / sum w^2 of the pooled rows weighted by the fitted densities, shape (r,)."""
        return effective(pooled_weights(self, self.samples, self.weight, regimes), self.weight)

    @property
    def parameters(self) -> Floats:
        """Of a likelihood precision and coefficients of h; of least squares, which need no search, none."""
        if self.likely is None:
            return np.empty(0)
        return np.concatenate([self.precision.ravel(), self.theta])

    def refit(self, weight: Floats) -> NormalLaw:
        """The same family with rows counted anew."""
        return _fitted(self.samples, self.form, weight, self.likely)
