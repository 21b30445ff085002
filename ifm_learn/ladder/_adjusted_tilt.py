"""Tilts given covariates: pooled rows re-weighted to a regime and to a population of covariates at once.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.ladder._contrast import Contrast, Solution
from ifm_learn.ladder._coordinates import Coordinates
from ifm_learn.ladder._features import Features, Kind, Ridge
from ifm_learn.ladder._logs import log_sum_exp
from ifm_learn.ladder._tilt import FEWEST_ROWS, MOST_PARAMETERS
from ifm_learn.ladder.adjusted_rows import AdjustedRows
from ifm_learn.ladder.balancing import balanced

_PRODUCT = 1.0
"""Penalty of a variable times a covariate."""

_OFF = 0.02
"""Weights whose means of covariates are this far from the population's, in their units, do not reach it."""

_FLOPS = 2e9


@dataclass(frozen=True, eq=False)
class Problem:
    """Columns of the contrast of regimes: features of x, x times covariates, and functions of covariates alone.

    products: variable, column of the covariates and coordinates of each product, for factors that hold both. The
    last coefficients, of covariates alone, are each regime's own.
    """

    rows: AdjustedRows
    kind: Kind
    features: Features
    products: tuple[tuple[int, int, Coordinates], ...]

    @classmethod
    def of(cls, rows: AdjustedRows, kind: Kind) -> Problem:
        """Of rows, for tilts that are linear, quadratic or splines in x."""
        model, known = rows.model, dict[tuple[int, ...], Coordinates]()
        products = []
        for v, variable in enumerate(model.variables):
            for j, owner in enumerate(rows.covariates.owner.tolist()):
                name = rows.covariates.columns[owner].name
                held = tuple(k for k, f in enumerate(model.factors) if variable in f.x and name in f.z)
                if held and np.ptp(rows.samples.x[:, v]) > 0:
                    coordinates = known.setdefault(held, Coordinates(rows.samples.design, held))
                    if coordinates.rank:
                        products.append((v, j, coordinates))
        return cls(rows, kind, Features.of(rows.samples, kind, Ridge()), tuple(products))

    @property
    def parameters(self) -> int:
        """How many coefficients there are beside the intercepts."""
        alone = self.rows.balance.shape[1] * (len(self.rows.train) - 1)
        return int(self.features.parameters + sum(c.rank for _, _, c in self.products) + alone)

    def unfit(self) -> str | None:
        """Too few rows in most regimes, or too many coefficients, in words."""
        samples = self.rows.samples
        typical = float(np.median(samples.sizes[samples.present]))
        if typical < FEWEST_ROWS:
            return f"half of the regimes have {typical:g} rows or fewer where re-weighting needs {FEWEST_ROWS}"
        if self.parameters > MOST_PARAMETERS:
            return f"it would have {self.parameters:,} coefficients (limit {MOST_PARAMETERS:,})"
        if not self.features.parameters:
            return "no variable is moved by a factor"
        return None

    def seconds(self, refits: int, fits: int, asked: int) -> float:
        """What fits, refits and weights of so many regimes and populations take, by counted operations.

        Within a factor of three or so.
        """
        n, d, q = len(self.rows), len(self.rows.train), self.parameters
        m = (
            self.rows.balance.shape[1]
            + len(self.products)
            + len(self.features.columns(self.rows.samples.x[:1])[0])
        )
        step = (
            2.0 * n * d * m * m + 2.0 * n * (d + q) ** 2 + d * q * q + (d + q) ** 3 / 3
        ) / _FLOPS + 2e-8 * n * d
        step += (
            (3e-8 * n * (self.rows.balance.shape[1] + 1) + 2e-4) * asked * (1 + refits) / (8 * fits + 3 * refits)
        )
        return float(step * (8 * fits + 3 * refits))

    @cached_property
    def contrast(self) -> Contrast:
        """The convex problem of the rows."""
        rows, features = self.rows, self.features
        x = features.columns(rows.samples.x)
        lines = (rows.samples.x - rows.samples.x.mean(axis=0)) / np.maximum(rows.samples.x.std(axis=0), 1e-300)
        extra = [lines[:, v] * rows.z[:, j] for v, j, _ in self.products]
        columns = np.concatenate([x, *(one[:, None] for one in extra), rows.balance], axis=1)
        ranks = [c.rank for _, _, c in self.products]
        m, q = len(rows.train), rows.balance.shape[1]
        start, last = x.shape[1], x.shape[1] + len(ranks)
        owner = np.concatenate([
            features.owner, np.repeat(np.arange(start, last), ranks), np.repeat(np.arange(last, last + q), m - 1),
        ]).astype(np.int64)  # fmt: skip
        penalty = np.concatenate([
            features.penalty, np.full(sum(ranks), _PRODUCT), np.repeat(rows.penalty, m - 1),
        ])  # fmt: skip
        spread = self._spread(
            features.train() if features.blocks else np.zeros((m, 0)), rows.train, rows.contrasts
        )
        return Contrast(columns, rows.place, owner, penalty, spread)

    def spread(self, regimes: Regimes) -> Floats:
        """What every coefficient is multiplied by in regimes; 0 for those of covariates alone. Shape (r, q)."""
        return self._spread(
            self.features.of_regimes(regimes), regimes, np.zeros((len(regimes), len(self.rows.train) - 1))
        )

    def _spread(self, features: Floats, regimes: Regimes, alone: Floats) -> Floats:
        products = [c.of(regimes) for _, _, c in self.products]
        return np.concatenate([features, *products, np.tile(alone, (1, self.rows.balance.shape[1]))], axis=1)

    def fit(self) -> AdjustedTilt:
        """The fitted law, rows counted once."""
        weight = np.ones(len(self.rows))
        return AdjustedTilt(self, weight, self.contrast.solve(weight))


@dataclass(frozen=True, eq=False)
class AdjustedTilt:
    """p(x | z; sigma) on the pooled rows, rows counted `weight` times.

    starts: of weights found before, by regime and population.
    """

    problem: Problem
    weight: Floats
    solution: Solution
    starts: dict[tuple[int, int], Floats] = field(default_factory=dict, repr=False)

    @property
    def rung(self) -> str:
        """linear, quadratic or splines."""
        return self.problem.kind

    def refit(self, weight: Floats, rng: np.random.Generator | None = None) -> AdjustedTilt:
        """The same tilt with rows counted anew; with rng its ridge pulls to what it takes for likely."""
        penalty = self.problem.contrast.penalty
        centre = None if rng is None else rng.normal(size=len(penalty)) / np.sqrt(np.maximum(penalty, 0.01))
        if centre is not None:
            centre[penalty < 0.01] = 0.0
        solved = self.problem.contrast.solve(weight, self.solution, 1e-5, centre)
        return AdjustedTilt(self.problem, weight, solved, self.starts)

    @cached_property
    def _logits(self) -> Floats:
        """log n_i P(i | x, z) but for what all regimes share, shape (n, m)."""
        contrast, solution = self.problem.contrast, self.solution
        with np.errstate(divide="ignore"):
            return np.log(solution.counts) + solution.intercept + contrast.logits(solution.beta, contrast.train)

    def log_chance(self, rows: Ints) -> Floats:
        """log P(own regime | x, z) of rows, shape (len(rows),)."""
        found = self._logits[rows]
        own: Floats = found[np.arange(len(rows)), self.problem.rows.place[rows]] - log_sum_exp(found, axis=1)
        return own

    def weights(self, regimes: Regimes, goal: Floats, population: int = 0) -> Floats:
        """Weights of rows for the regimes and a population of which `functions` have the means `goal`; (r, n).

        nan where no weights have these means. population: a number to remember starts by.
        """
        contrast = self.problem.contrast
        with np.errstate(divide="ignore"):
            base = np.log(self.weight) - log_sum_exp(self._logits, axis=1)
        tilted = contrast.logits(self.solution.beta, self.problem.spread(regimes))
        found = np.empty((len(regimes), len(base)))
        for r in range(len(regimes)):
            start = self.starts.get((r, population))
            found[r], b = balanced(self.problem.rows.balance, goal, base + tilted[:, r], start)
            self.starts.setdefault((r, population), b)
            if np.abs(found[r] @ self.problem.rows.balance - goal).max(initial=0.0) > _OFF:
                found[r] = np.nan
        return found

    def gaps(self) -> Floats:
        """What the means of x of the regimes present, as fitted, are off from their rows' own, shape (m, p)."""
        rows, x = self.problem.rows, self.problem.rows.samples.x
        chance = np.exp(self._logits - log_sum_exp(self._logits, axis=1)[:, None]) * self.weight[:, None]
        own = np.zeros_like(chance)
        own[np.arange(len(x)), rows.place] = self.weight
        fitted, seen = (part.T @ x / np.maximum(part.sum(axis=0), 1e-300)[:, None] for part in (chance, own))
        found: Floats = fitted - seen
        return found
