"""Means of many columns at once, linear in the factors' coordinates: least squares from one pass over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import f as f_law
from scipy.stats import t as student

from ifm_ident import InputError, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.ladder._regime_design import Normal, RegimeDesign, gram
from ifm_learn.ladder.regime_statistics import RegimeStatistics

Errors = Literal["pooled", "regime", "unit"]


@dataclass(frozen=True, eq=False)
class LinearMeans:
    """E[column; sigma] = sum of one term for each baseline coordinate, for k columns with one factorisation.

    The weighted least-squares estimate of a regime's mean is sum_i q_i (mean of training regime i): `weights`.
    errors: "pooled", one variance a column, exact t intervals for independent normal rows of equal variance;
    "regime", residuals of each regime by themselves (HC3); "unit", whole units by leaving each out (CR3).

    >>> from ifm_ident import Factor, Intervention
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f", ("x",), ("A",)), Factor("g", ("x",), ("B",))))
    >>> train = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]]))
    >>> rows = RegimeStatistics.of(np.array([0, 0, 1, 1, 2, 2]), np.array([[0], [2], [3], [5], [1], [5.0]]), 3)
    >>> fitted = LinearMeans.fit(model, (0, 1), train, rows)
    >>> unseen = Regimes.from_codes(np.array([[1, 1]]))
    >>> fitted.means(unseen).round(6).tolist(), fitted.degrees_of_freedom(unseen).tolist()
    ([[6.0]], [[3.0]])
    >>> [end.round(2).tolist() for end in fitted.interval(unseen, 0.9)]
    [[[0.24]], [[11.76]]]
    """

    design: RegimeDesign
    statistics: RegimeStatistics
    errors: Errors
    coefficients: Floats
    normal: Normal

    @classmethod
    def fit(
        cls,
        model: Model,
        factors: tuple[int, ...],
        train: Regimes,
        statistics: RegimeStatistics,
        errors: Errors = "pooled",
    ) -> LinearMeans:
        """Least squares over the training regimes, in the order of the statistics; every one needs a row."""
        if len(train) != len(statistics.count):
            raise InputError(f"{len(train)} training regimes, but statistics of {len(statistics.count)}")
        empty = np.flatnonzero(statistics.count <= 0)
        if len(empty):
            raise InputError(f"training regime {int(empty[0])} has no rows; measure it or leave it out of `train`")
        if errors == "unit" and statistics.cells is None:
            raise InputError('errors="unit" needs the unit of each row; give `unit` to RegimeStatistics.of')
        design = RegimeDesign.of(model, factors, train)
        normal = Normal(gram(design.train, statistics.count))
        right = design.train.T @ (statistics.count[:, None] * statistics.mean)
        return cls(design, statistics, errors, normal.solve(right), normal)

    def means(self, regimes: Regimes) -> Floats:
        """The mean of every column in each regime, shape (r, k)."""
        means: Floats = self.design.rows(regimes) @ self.coefficients
        return means

    def weights(self, regimes: Regimes) -> Floats:
        """q of each regime over the training regimes, shape (r, m): means are q @ (the training means)."""
        return self._weights(self.design.rows(regimes))

    def standard_errors(self, regimes: Regimes) -> Floats:
        """Of the means, shape (r, k); infinite where no rows are left to tell."""
        return np.sqrt(self._errors(self.design.rows(regimes))[0])

    def degrees_of_freedom(self, regimes: Regimes) -> Floats:
        """Of the standard errors, shape (r, k): exact for pooled errors, Satterthwaite's otherwise."""
        return self._errors(self.design.rows(regimes))[1]

    def interval(self, regimes: Regimes, level: float, new_rows: int | None = None) -> tuple[Floats, Floats]:
        """Lower and upper ends for the means at a level such as 0.9, each of shape (r, k).

        With `new_rows` for the average of that many new rows of the regime, which has an error of its own.
        """
        extra = 0.0 if new_rows is None else self.residual_variance / new_rows
        value, half = self._ends(self.design.rows(regimes), level, extra)
        return value - half, value + half

    def combined(self, regimes: Regimes, combine: Floats, level: float) -> tuple[Floats, Floats, Floats]:
        """Value, lower and upper ends of sums of means, `combine` of shape (c, r): each (c, k).

        Effects (1, -1 for a regime and the baseline) and additive synergy need no replicates.
        """
        value, half = self._ends(csr_array(csr_array(combine) @ self.design.rows(regimes)), level, 0.0)
        return value, value - half, value + half

    def _ends(self, rows: csr_array, level: float, extra: Floats | float) -> tuple[Floats, Floats]:
        """Values of combinations of coordinates and the half-widths of their intervals, each (r, k)."""
        if not 0 < level < 1:
            raise InputError(f"the level of an interval is between 0 and 1, got {level}; write 0.9 for 90%")
        variance, freedom = self._errors(rows)
        half = student.ppf((1 + level) / 2, np.maximum(freedom, 1e-9)) * np.sqrt(variance + extra)
        return rows @ self.coefficients, np.where(freedom > 0, half, np.inf)

    def _weights(self, rows: csr_array) -> Floats:
        weights: Floats = (self.design.train @ self.normal.solve(rows.toarray().T)).T * self.statistics.count
        return weights

    def covariance(self, regimes: Regimes) -> Floats:
        """Of the means of regimes under pooled errors, shape (r, r): the same for all columns, for a residual
        variance of 1; times `residual_variance` of a column it is that column's.
        """
        rows = self.design.rows(regimes)
        covariance: Floats = rows @ self.normal.solve(rows.toarray().T)
        return covariance

    def draws(self, regimes: Regimes, count: int, rng: np.random.Generator) -> Floats:
        """Normal draws of the means with the covariance of pooled errors, (count, r, k), jointly over regimes.

        For `effects`, with t quantiles of `freedom` degrees of freedom; columns are drawn independently.
        """
        values, vectors = np.linalg.eigh(self.covariance(regimes))
        root = vectors * np.sqrt(np.maximum(values, 0))
        normal = rng.normal(size=(count, len(values), len(self.residual_variance)))
        drawn: Floats = self.means(regimes) + root @ (normal * np.sqrt(self.residual_variance))
        return drawn

    def coefficient_draws(self, count: int, rng: np.random.Generator, noise: float | None = None) -> Floats:
        """Draws of the coefficients of the first column, shape (count, rank), given the rows and a flat prior.

        They are t with `freedom` degrees of freedom; normal where `noise`, the standard deviation of a row, is
        known. `means_by` turns them into means, the same draw for all regimes. Raises InputError where neither
        rows nor `noise` tell the error.
        """
        inverse = self.normal.solve(np.eye(self.design.rank))
        root = np.linalg.cholesky((inverse + inverse.T) / 2)
        spread = np.full(count, noise if noise is not None else np.sqrt(self.residual_variance[0]))
        if not np.isfinite(spread).all():
            raise InputError(
                "no row is left over to tell how far rows scatter; run a regime twice, or give the standard "
                "deviation of a row as `noise`",
                argument="noise",
            )
        normal = rng.standard_normal((count, self.design.rank))
        if noise is None:
            spread = spread * np.sqrt(self.freedom / rng.chisquare(self.freedom, count))
        drawn: Floats = self.coefficients[:, 0] + spread[:, None] * (normal @ root.T)
        return drawn

    def means_by(self, coefficients: Floats, regimes: Regimes) -> Floats:
        """Means of regimes by draws of coefficients, shape (count, r)."""
        found: Floats = (self.design.rows(regimes) @ coefficients.T).T
        return found

    @property
    def freedom(self) -> int:
        """Rows less coordinates."""
        return round(float(self.statistics.count.sum())) - self.design.rank

    @cached_property
    def misfit(self) -> Floats:
        """The training means less the fitted ones, shape (m, k)."""
        misfit: Floats = self.statistics.mean - self.design.train @ self.coefficients
        return misfit

    @cached_property
    def residual_variance(self) -> Floats:
        """One for each column, about the fitted means, shape (k,); infinite without degrees of freedom."""
        squares = self.statistics.within.sum(axis=0) + self.statistics.count @ self.misfit**2
        return squares / self.freedom if self.freedom > 0 else np.full(len(squares), np.inf)

    def lack_of_fit(self) -> tuple[Floats, Floats]:
        """F and p-value of each column, (k,): whether the training means lie on the model (nan where they must).

        Exact for independent normal rows of equal variance.
        """
        between = len(self.statistics.count) - self.design.rank
        within = float(self.statistics.count.sum()) - len(self.statistics.count)
        if between < 1 or within < 1:
            nothing = np.full(len(self.residual_variance), np.nan)
            return nothing, nothing
        pure = self.statistics.within.sum(axis=0) / within
        statistic = (self.statistics.count @ self.misfit**2) / between / pure
        return statistic, f_law.sf(statistic, between, within)

    def left_out(self) -> Floats:
        """Training means less what the other regimes predict, (m, k); nan where they identify nothing."""
        left = 1 - self.statistics.count * self._leverage
        open_ended = left < 1e-9
        return np.where(open_ended[:, None], np.nan, self.misfit / np.where(open_ended, 1.0, left)[:, None])

    @cached_property
    def _leverage(self) -> Floats:
        """Of one row of each training regime, shape (m,)."""
        solved = self.normal.solve(self.design.train.toarray().T)
        return np.asarray(self.design.train.multiply(solved.T).sum(axis=1)).ravel()

    def _errors(self, rows: csr_array) -> tuple[Floats, Floats]:
        if self.errors == "pooled":
            form = np.asarray(rows.multiply(self.normal.solve(rows.toarray().T).T).sum(axis=1)).ravel()
            shape = (len(form), len(self.residual_variance))
            variance = form[:, None] * self.residual_variance
            return variance, np.full(shape, float(self.freedom))
        weights = self._weights(rows)
        return self._by_regime(weights) if self.errors == "regime" else self._by_unit(weights)

    def _by_regime(self, weights: Floats) -> tuple[Floats, Floats]:
        count = self.statistics.count
        left = 1 - self._leverage
        squares = self.statistics.within + count[:, None] * self.misfit**2
        with np.errstate(divide="ignore", invalid="ignore"):
            row = squares / count[:, None] / left[:, None] ** 2
        row = np.where(left[:, None] > 1e-9, row, np.inf)
        part = np.where(weights**2 > 1e-18, weights**2, 0.0) / count
        finite = np.where(np.isfinite(row), row, 0.0)
        variance = part @ finite
        fourth = (part**2 / count) @ finite**2
        share = max(self.freedom, 0) / float(count.sum())
        freedom = np.divide(variance**2 * share, fourth, out=np.zeros_like(variance), where=fourth > 0)
        open_ended = (part > 0).astype(float) @ (~np.isfinite(row)).astype(float) > 0
        return np.where(open_ended, np.inf, variance), np.where(open_ended, 0.0, np.maximum(freedom, 1.0))

    def _by_unit(self, weights: Floats) -> tuple[Floats, Floats]:
        """Leave-one-unit-out: each unit's residual sums, regime by regime, unfolded by (I - H)^-1."""
        cells = self.statistics.cells
        assert cells is not None
        train = self.design.train.toarray()
        hat = train @ self.normal.solve(train.T)
        share = weights / self.statistics.count
        variance = np.zeros((len(weights), len(self.residual_variance)))
        first, second = np.zeros(len(weights)), np.zeros(len(weights))
        for start, stop in zip(cells.starts[:-1], cells.starts[1:], strict=True):
            at, rows = cells.regime[start:stop], cells.count[start:stop]
            sums = rows[:, None] * (cells.mean[start:stop] - (train[at] @ self.coefficients))
            inner = np.eye(len(at)) - rows[:, None] * hat[np.ix_(at, at)]
            if np.linalg.svd(inner, compute_uv=False)[-1] < 1e-9:
                variance[np.abs(share[:, at]).max(axis=1) > 1e-12] = np.inf
                continue
            variance += (share[:, at] @ np.linalg.solve(inner, sums)) ** 2
            expected = (share[:, at] ** 2) @ rows**2
            first, second = first + expected, second + expected**2
        units = len(cells.starts) - 1
        left = max(units - self.design.rank, 0) / units
        freedom = np.divide(first**2 * left, second, out=np.zeros_like(first), where=second > 0)
        return variance, np.repeat(np.maximum(freedom, float(left > 0))[:, None], variance.shape[1], axis=1)
