"""Means adjusted for covariates: generalized linear models, averaged over a population.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.covariates import Covariates
from ifm_learn.ladder._canonical import Family
from ifm_learn.ladder._dependence import DependentPair, dependent_pair
from ifm_learn.ladder._regime_design import RegimeDesign
from ifm_learn.ladder.glm import FAMILIES, Energy, Solved, require_range, solve

MOST_ENTRIES = 400_000_000
_TOLERANCE = 1e-9
_UNTOLD = 1e-6
_TINY = 1e-12
_EXACT = 2_000
_MISS = 0.01
_DIGITS = 16 * np.finfo(float).eps


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
    about. rests: on which training regimes each mean rests, shape (r, m). total, total_se: sums of means, (t,).
    """

    mean: Floats
    se: Floats
    freedom: Floats
    difference: Floats
    difference_se: Floats
    rests: NDArray[np.bool_]
    total: Floats
    total_se: Floats


@dataclass(frozen=True, eq=False)
class Adjusted:
    """One variable's generalized linear model with canonical link, fitted by maximum likelihood.

    place: of every row its regime among `train`, shape (n,); z: standard covariates, (n, w); unit: which rows
    belong together, (n,), 0 to units - 1; weight: how often each counts, (n,).

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
    weight: Floats
    solved: Solved
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
        require_range(energy, y)
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
        weight = np.ones(len(y))
        solved = solve(FAMILIES[energy], x, y, weight)
        mean = _mean(solved.family, x @ solved.coefficients)
        units = np.arange(len(y)) if unit is None else np.unique(unit, return_inverse=True)[1].ravel()
        return cls(energy, design, train, place, z, y, units, weight, solved, mean)

    def refit(self, weight: Floats) -> Adjusted:
        """The same terms with rows counted anew; what all rows share beside them is kept."""
        solved = solve(self.family, self._x, self.y, weight, tune=self.energy == "gamma")
        mean = _mean(solved.family, self._x @ solved.coefficients)
        found = dataclasses.replace(self, weight=weight, solved=solved, fitted=mean)
        found.__dict__["_x"] = self._x
        return found

    @property
    def family(self) -> Family:
        """The exponential family, with what all rows share."""
        return self.solved.family

    @property
    def null(self) -> Floats:
        """A basis of what the rows do not tell, (terms, rest)."""
        return self.solved.null

    def thetas(self, regimes: Regimes, z: Floats) -> Floats:
        """Canonical parameters at standard covariates z, shape (n, w), in every regime: (n, r)."""
        parts, share = self.design.parts(regimes), self._shares
        found: Floats = np.tile(parts[0] @ share[0], (len(z), 1))
        for j, (part, b) in enumerate(zip(parts[1:], share[1:], strict=True)):
            found += np.outer(z[:, j], part @ b)
        return found

    @cached_property
    def _shares(self) -> list[Floats]:
        ranks = [self.design.base.rank, *(1 if one is None else one.rank for one in self.design.slopes)]
        return np.split(self.solved.coefficients, np.cumsum(ranks)[:-1])

    @cached_property
    def _x(self) -> Floats:
        return self.design.rows(self.design.parts(self.train), self.place, self.z)

    @cached_property
    def _left(self) -> Floats:
        """Residuals times (1 - own share in their prediction)^(-1/2), by units; NaN where nothing else tells.

        With these the variances are unbiased where those of rows are as the energy says, and consistent where
        they are not (HC2; of units CR2, Bell and McCaffrey 2002).
        """
        x, left = self._x, self.y - self.fitted
        weight = self._spread_of_rows
        if len(left) == self.units:
            sure = self._leverage < 1 - _TOLERANCE
            return np.where(sure, left / np.sqrt(np.where(sure, 1 - self._leverage, 1.0)), np.nan)
        values, vectors = np.linalg.eigh(self.solved.inverse)
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
    def _leverage(self) -> Floats:
        """The share of each row in its own prediction, shape (n,)."""
        found: Floats = self._spread_of_rows * np.einsum("ij,ij->i", self._scaled, self._x)
        return found

    @cached_property
    def _spread_of_rows(self) -> Floats:
        """Variances of the rows by the family, shape (n,)."""
        return _slope(self.family, self._x @ self.solved.coefficients)

    @cached_property
    def units(self) -> int:
        """How many units there are."""
        return int(self.unit.max()) + 1

    @cached_property
    def _scaled(self) -> Floats:
        return self._x @ self.solved.inverse

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

    def means(
        self, regimes: Regimes, population: Floats, rows: Ints | None = None, sums: Floats | None = None
    ) -> Means:
        """E of the variable over a population's covariates, shape (N, w), in every regime.

        rows: which rows of the data the population is, shape (N,), so that its own draw counts in the errors; None
        for a population that is as it is. sums: coefficients of sums of the means, shape (t, r). InputError for a
        regime that the factors' coordinates do not reach.
        """
        parts = self.design.parts(regimes)
        z = self.design.standard(population)
        share = self._shares
        constant, r = parts[0] @ share[0], len(regimes)
        slopes = np.array([p @ b for p, b in zip(parts[1:], share[1:], strict=True)]).reshape(-1, r)
        numbers, rests = np.full((5, r), np.nan), np.zeros((r, len(self.train)), dtype=bool)
        sums = np.empty((0, r)) if sums is None else sums
        moves = np.zeros((r if len(sums) else 0, self.units))
        first = None
        for i in range(r):
            each = _mean(self.family, constant[i] + z @ slopes[:, i])
            if not np.isfinite(each).all():  # beyond the parameters of the family
                continue
            slope = _slope(self.family, constant[i] + z @ slopes[:, i])
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
            least = float(weight @ (self._spread_of_rows * weight)) if self.solved.penalised else 0.0
            if len(sums):
                moves[i] = influence
            if first is None and i == 0:
                first = (each.mean(), influence)
            numbers[:3, i] = each.mean(), np.sqrt(max(np.square(influence).sum(), least)), self._freedom(weight)
            if first is not None:
                numbers[3:, i] = each.mean() - first[0], np.sqrt(np.square(influence - first[1]).sum())
            weighed = np.bincount(self.place, np.abs(weight), minlength=len(self.train))
            rests[i] = weighed > _UNTOLD * weighed.max()
        mean, se, freedom, effect, effect_se = numbers
        told = (sums != 0) @ np.isnan(mean) == 0
        total = np.where(told, sums @ np.nan_to_num(mean), np.nan)
        total_se = np.sqrt(np.square(sums @ moves).sum(axis=1)) if len(sums) else np.empty(0)
        return Means(mean, se, freedom, effect, effect_se, rests, total, np.where(told, total_se, np.nan))

    def _freedom(self, weight: Floats) -> float:
        """Satterthwaite's, for units of equal variance: of few normal rows HC2's (Bell and McCaffrey 2002),
        else less the share of units that the coefficients took.
        """
        left = 1 - self._leverage
        if self.energy == "normal" and len(left) == self.units <= _EXACT and (left > _TOLERANCE).all():
            squares = np.square(weight) / left  # the variance is e' M diag(squares) M e, M = 1 - H
            crossed = self._spread_of_rows[0] * (self._x.T @ (squares[:, None] * self._x)) @ self.solved.inverse
            second = float(np.square(squares) @ (1 - 2 * self._leverage)) + float(np.sum(crossed * crossed.T))
            return max(1.0, float(np.square(weight).sum()) ** 2 / second) if second > 0 else 1.0
        size = np.bincount(self.unit, np.square(weight), minlength=self.units)
        total = float(np.square(size).sum())
        left = max(self.units - np.linalg.matrix_rank(self.solved.inverse), 0) / self.units
        return max(1.0, float(size.sum() ** 2 / total) * left) if total > 0 else 1.0

    @cached_property
    def misses(self) -> bool:
        """Whether the mean of some regime that was run differs from its rows' by more than sampling error."""
        m, weight = len(self.train), self._spread_of_rows
        counts = np.bincount(self.place, minlength=m)
        gap = np.bincount(self.place, self.y - self.fitted, minlength=m) / counts
        for r in range(m):
            own = self.place == r
            carried = (weight[own, None] * self._x[own]).sum(axis=0) / counts[r]
            moved = (own / counts[r] - self._scaled @ carried) * self._left
            error = float(np.sqrt(np.square(np.bincount(self.unit, moved, minlength=self.units)).sum()))
            if self.solved.penalised:  # one value alone shows no spread
                error = max(error, float(np.sqrt(weight[own].sum()) / counts[r]))
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


def _mean(family: Family, theta: Floats) -> Floats:
    return family.mean(theta[..., None])


def _slope(family: Family, theta: Floats) -> Floats:
    """The derivative of the mean by the canonical parameter."""
    found: Floats = family.spread(theta[..., None])[..., 0, 0]
    return found
