"""Means adjusted for covariates: generalized linear models, averaged over a population.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.covariates import Covariates
from ifm_learn.ladder._dependence import DependentPair, dependent_pair
from ifm_learn.ladder._regime_design import RegimeDesign

Energy = Literal["normal", "bernoulli", "poisson"]
ENERGIES: tuple[Energy, ...] = ("normal", "bernoulli", "poisson")

MOST_ENTRIES = 400_000_000
_TOLERANCE = 1e-9
_UNTOLD = 1e-6
_TINY = 1e-12
_MISS = 0.01
_DIGITS = 16 * np.finfo(float).eps
_STEPS = 100
_LARGEST = 30.0
"""A linear predictor beyond this means that the maximum lies at infinity."""


@dataclass(frozen=True, eq=False)
class AdjustedDesign:
    """The terms of a linear predictor: coordinates of factors, and of some times a covariate.

    base: of all factors of the variable. slopes: for every column of the covariates the coordinates that its slope
    is linear in, None for one slope in all regimes. centre, unit: the columns are used as (z - centre) / unit.
    """

    base: RegimeDesign
    slopes: tuple[RegimeDesign | None, ...]
    centre: Floats
    unit: Floats

    @classmethod
    def of(cls, model: Model, factors: tuple[int, ...], train: Regimes, covariates: Covariates) -> AdjustedDesign:
        """Of factors, indices into `model.factors`, whose `z` tells which effects depend on which covariate."""
        known: dict[tuple[int, ...], RegimeDesign | None] = {(): None}
        for name in (one.name for one in covariates.columns):
            held = tuple(k for k in factors if name in model.factors[k].z)
            if held not in known:
                known[held] = RegimeDesign.of(model, held, train)
        slopes = []
        for k in covariates.owner.tolist():
            name = covariates.columns[k].name
            slopes.append(known[tuple(f for f in factors if name in model.factors[f].z)])
        spread = covariates.values.std(axis=0)
        return cls(
            RegimeDesign.of(model, factors, train),
            tuple(slopes),
            covariates.values.mean(axis=0),
            np.where(spread > 0, spread, 1.0),
        )

    def standard(self, values: Floats) -> Floats:
        """Covariates in the units of the design, shape (n, w)."""
        return (values - self.centre) / self.unit

    def parts(self, regimes: Regimes) -> list[Floats]:
        """Of every regime the base's coordinates and those of each slope, each (r, its rank)."""
        one = np.ones((len(regimes), 1))
        return [
            self.base.rows(regimes).toarray(),
            *(one if part is None else part.rows(regimes).toarray() for part in self.slopes),
        ]

    def rows(self, parts: list[Floats], place: Ints, z: Floats) -> Floats:
        """The terms of rows: of the regime parts[..][place], at the standard covariates z; shape (n, terms)."""
        return np.concatenate([parts[0][place], *(p[place] * z[:, [j]] for j, p in enumerate(parts[1:]))], axis=1)


@dataclass(frozen=True, eq=False)
class Means:
    """Means of one variable in r regimes over one population, all shape (r,); NaN where the rows do not tell.

    freedom: degrees of freedom of the errors. difference, difference_se: from the first of the regimes asked
    about. rests: on which training regimes each mean rests, shape (r, m).
    """

    mean: Floats
    se: Floats
    freedom: Floats
    difference: Floats
    difference_se: Floats
    rests: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Adjusted:
    """One variable's generalized linear model with canonical link, fitted by maximum likelihood.

    place: of every row its regime among `train`, shape (n,); z: standard covariates, (n, w); unit: which rows
    belong together, (n,), 0 to units - 1.

    >>> from ifm_ident import Factor, Intervention
    >>> from ifm_learn.data.covariates import Column
    >>> factor = Factor("f", ("y",), ("A",))
    >>> model = Model((Intervention("A", (0, 1)),), ("y",), (factor,))
    >>> place, age = np.array([0, 0, 0, 1, 1, 1]), np.array([[0.0], [1], [2], [2], [3], [5]])
    >>> y = 1 + 2 * age[:, 0] + 10 * place
    >>> train = Regimes.from_codes(np.array([[0], [1]]))
    >>> fitted = Adjusted.fit("normal", model, (0,), train, place, Covariates((Column("age"),), age), y)
    >>> old = Covariates((Column("age"),), np.array([[4.0], [6.0]]))
    >>> fitted.means(train, old.values).mean.round(9).tolist()  # 1 + 2 * 5, and 10 more
    [11.0, 21.0]
    """

    energy: Energy
    design: AdjustedDesign
    train: Regimes
    place: Ints
    z: Floats
    y: Floats
    unit: Ints
    coefficients: Floats
    inverse: Floats
    null: Floats
    fitted: Floats

    @classmethod
    def fit(
        cls,
        energy: Energy,
        model: Model,
        factors: tuple[int, ...],
        train: Regimes,
        place: Ints,
        covariates: Covariates,
        y: Floats,
        unit: Ints | None = None,
    ) -> Adjusted:
        """InputError where y is out of the energy's range, or no finite estimate exists."""
        _require_range(energy, y)
        design = AdjustedDesign.of(model, factors, train, covariates)
        z = design.standard(covariates.values)
        parts = design.parts(train)
        terms = sum(part.shape[1] for part in parts)
        if terms * len(y) > MOST_ENTRIES:
            raise InputError(
                f"{len(y):,} rows and {terms:,} terms of factors and covariates are too many to adjust for at "
                "once; "
                "name fewer covariates, or fewer under `z`"
            )
        x = design.rows(parts, place, z)
        coefficients, inverse, null = _solve(energy, x, y)
        mean = _mean(energy, x @ coefficients)
        units = np.arange(len(y)) if unit is None else np.unique(unit, return_inverse=True)[1].ravel()
        return cls(energy, design, train, place, z, y, units, coefficients, inverse, null, mean)

    @cached_property
    def _x(self) -> Floats:
        return self.design.rows(self.design.parts(self.train), self.place, self.z)

    @cached_property
    def _left(self) -> Floats:
        """Residuals times (1 - own share in their prediction)^(-1/2), by units; NaN where nothing else tells.

        With these the variances are unbiased where those of rows are as the energy says, and consistent where
        they are not (HC2; of units CR2, Bell and McCaffrey 2002).
        """
        x, weight, left = self._x, _slope(self.energy, self.fitted), self.y - self.fitted
        if len(left) == self.units:
            leverage = weight * np.einsum("ij,ij->i", self._scaled, x)
            sure = leverage < 1 - _TOLERANCE
            return np.where(sure, left / np.sqrt(np.where(sure, 1 - leverage, 1.0)), np.nan)
        values, vectors = np.linalg.eigh(self.inverse)
        held = values > _TOLERANCE * values.max()
        root = np.sqrt(np.maximum(weight, 1e-300))
        u = (x @ (vectors[:, held] * np.sqrt(values[held]))) * root[:, None]  # u'u = 1
        order = np.argsort(self.unit, kind="stable")
        found = np.empty(len(left))
        for rows in np.split(order, np.flatnonzero(np.diff(self.unit[order])) + 1):
            own, scaled = u[rows], left[rows] / root[rows]
            share, axes = np.linalg.eigh(own.T @ own)
            if share[-1] > 1 - _TOLERANCE:
                found[rows] = np.nan
                continue
            more = (1 / np.sqrt(1 - share) - 1) / np.where(share > _TINY, share, np.inf)
            found[rows] = (scaled + own @ (axes @ (more * (axes.T @ (own.T @ scaled))))) * root[rows]
        return found

    @cached_property
    def units(self) -> int:
        """How many units there are."""
        return int(self.unit.max()) + 1

    @cached_property
    def _scaled(self) -> Floats:
        return self._x @ self.inverse

    def reaches(self, regimes: Regimes) -> NDArray[np.bool_]:
        """Which regimes the coordinates of the factors reach, shape (r,)."""
        try:
            self.design.parts(regimes)
        except InputError:
            if len(regimes) == 1:
                return np.zeros(1, dtype=bool)
            half = np.array_split(np.arange(len(regimes)), 2)
            return np.concatenate([self.reaches(regimes.take(rows)) for rows in half])
        return np.ones(len(regimes), dtype=bool)

    def means(self, regimes: Regimes, population: Floats, rows: Ints | None = None) -> Means:
        """E of the variable over a population's covariates, shape (N, w), in every regime.

        rows: which rows of the data the population is, shape (N,), so that its own draw counts in the errors; None
        for a population that is as it is. InputError for a regime that the factors' coordinates do not reach.
        """
        parts = self.design.parts(regimes)
        z = self.design.standard(population)
        ends = np.cumsum([0, *(part.shape[1] for part in parts)])
        share = [self.coefficients[a:b] for a, b in itertools.pairwise(ends.tolist())]
        constant, r = parts[0] @ share[0], len(regimes)
        slopes = np.array([p @ b for p, b in zip(parts[1:], share[1:], strict=True)]).reshape(-1, r)
        numbers, rests = np.full((5, r), np.nan), np.zeros((r, len(self.train)), dtype=bool)
        first = None
        for i in range(r):
            each = _mean(self.energy, constant[i] + z @ slopes[:, i])
            slope = _slope(self.energy, each)
            tilted = slope @ z / len(z)
            gradient = np.concatenate(
                [parts[0][i] * slope.mean(), *(p[i] * tilted[j] for j, p in enumerate(parts[1:]))]
            )
            if np.abs(gradient @ self.null).max(initial=0.0) > _UNTOLD * np.abs(gradient).max():
                continue
            weight = self._scaled @ gradient
            moved = np.where(np.abs(weight) > _TINY * np.abs(weight).max(), weight * self._left, 0.0)
            if rows is not None:
                moved = moved + np.bincount(rows, (each - each.mean()) / len(z), minlength=len(moved))
            influence = np.bincount(self.unit, moved, minlength=self.units)
            if first is None and i == 0:
                first = (each.mean(), influence)
            numbers[:3, i] = each.mean(), np.sqrt(np.square(influence).sum()), self._freedom(weight)
            if first is not None:
                numbers[3:, i] = each.mean() - first[0], np.sqrt(np.square(influence - first[1]).sum())
            total = np.bincount(self.place, np.abs(weight), minlength=len(self.train))
            rests[i] = total > _UNTOLD * total.max()
        mean, se, freedom, effect, effect_se = numbers
        return Means(mean, se, freedom, effect, effect_se, rests)

    def _freedom(self, weight: Floats) -> float:
        """Satterthwaite's, for units of equal variance, less what the coefficients took."""
        size = np.bincount(self.unit, np.square(weight), minlength=self.units)
        total = float(np.square(size).sum())
        left = max(self.units - np.linalg.matrix_rank(self.inverse), 0) / self.units
        return max(1.0, float(size.sum() ** 2 / total) * left) if total > 0 else 1.0

    @cached_property
    def misses(self) -> bool:
        """Whether the mean of some regime that was run differs from its rows' by more than sampling error."""
        m, weight = len(self.train), _slope(self.energy, self.fitted)
        counts = np.bincount(self.place, minlength=m)
        gap = np.bincount(self.place, self.y - self.fitted, minlength=m) / counts
        for r in range(m):
            own = self.place == r
            carried = (weight[own, None] * self._x[own]).sum(axis=0) / counts[r]
            moved = (own / counts[r] - self._scaled @ carried) * self._left
            error = float(np.sqrt(np.square(np.bincount(self.unit, moved, minlength=self.units)).sum()))
            known = len(np.unique(self.unit[own]))
            if known > 1 and np.isfinite(error):
                bound = float(student.ppf(1 - _MISS / (2 * m), known - 1))
                if abs(gap[r]) > bound * error + 1e-8 * float(np.ptp(self.y)) + _DIGITS * float(
                    np.abs(self.y).max()
                ):
                    return True
        return False


def dependent_residuals(fits: Sequence[Adjusted]) -> DependentPair | None:
    """The two variables whose residuals hang together most within regimes; None where that may be chance."""
    return dependent_pair(np.stack([one.y - one.fitted for one in fits], axis=1), fits[0].place)


def _mean(energy: Energy, theta: Floats) -> Floats:
    if energy == "normal":
        return theta
    found: Floats = expit(theta) if energy == "bernoulli" else np.exp(np.minimum(theta, 700.0))
    return found


def _slope(energy: Energy, mean: Floats) -> Floats:
    """The derivative of the mean by the canonical parameter."""
    if energy == "normal":
        return np.ones_like(mean)
    return mean * (1 - mean) if energy == "bernoulli" else mean


def _require_range(energy: Energy, y: Floats) -> None:
    wrong = np.zeros(len(y), dtype=bool)
    if energy == "bernoulli":
        wrong = (y != 0) & (y != 1)
    elif energy == "poisson":
        wrong = (y < 0) | (y != np.round(y))
    if wrong.any():
        legal = "0 or 1" if energy == "bernoulli" else "whole numbers of 0 or more"
        raise InputError(
            f"the energy {energy!r} takes values that are {legal}; there is {y[wrong][0]:g}; take 'normal'",
            argument="energy",
        )


def _solve(energy: Energy, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, the inverse of the information, and a basis of what rows do not tell, (terms, rest)."""
    kept, null = _split(x)
    b = np.zeros(kept.shape[1])
    u = x @ kept
    if energy == "normal":
        first = np.linalg.solve(u.T @ u, u.T @ y)
        polished = first + np.linalg.solve(u.T @ u, u.T @ (y - u @ first))
        return kept @ polished, kept @ np.linalg.inv(u.T @ u) @ kept.T, null
    start = np.log(max(y.mean(), 1e-9)) if energy == "poisson" else 0.0
    b = np.linalg.lstsq(u, np.full(len(y), start), rcond=None)[0]
    for _ in range(_STEPS):
        mean = _mean(energy, u @ b)
        weight = np.maximum(_slope(energy, mean), 1e-300)
        step = np.linalg.lstsq(u * np.sqrt(weight)[:, None], (y - mean) / np.sqrt(weight), rcond=None)[0]
        size, before = 1.0, _log_likelihood(energy, u @ b, y)
        while _log_likelihood(energy, u @ (b + size * step), y) < before - 1e-10 * abs(before) and size > 1e-8:
            size /= 2
        b = b + size * step
        if np.abs(u @ step).max() < 1e-10:
            break
    theta = u @ b
    weight = _slope(energy, _mean(energy, theta))
    if np.abs(theta).max() > _LARGEST or not np.isfinite(theta).all():
        raise InputError(
            f"the energy {energy!r} has no finite estimate: factors or covariates tell some rows of 0 apart "
            "without "
            "error; name fewer covariates, give rare categories more rows, or take the energy 'normal'",
            argument="energy",
        )
    return kept @ b, kept @ np.linalg.inv((u * weight[:, None]).T @ u) @ kept.T, null


def _split(x: Floats) -> tuple[Floats, Floats]:
    """Bases of what the rows tell and what they do not, of scaled terms: (terms, rank), (terms, rest)."""
    size = np.sqrt(np.square(x).mean(axis=0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh((x / size).T @ (x / size) / len(x))
    small = values < _TOLERANCE * max(float(values.max(initial=0.0)), 1e-300)
    return vectors[:, ~small] / size[:, None], vectors[:, small] / size[:, None]


def _log_likelihood(energy: Energy, theta: Floats, y: Floats) -> float:
    potential = np.logaddexp(0.0, theta) if energy == "bernoulli" else np.exp(np.minimum(theta, 700.0))
    return float(y @ theta - potential.sum())
