"""Which runs could refute the factors: expected power of the claims that they make testable.

Theory: docs/theory/suggesting.md.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import norm

from ifm_ident import Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import Active
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.suggestion.acquisition import Batch, conditioned, first

LEVEL = 0.05
MOST_INTERACTIONS = 2_000
_MOST_ACTIVE = 12
_NOTHING = 1e-9


def denied(
    model: Model, regimes: Regimes, known: dict[Active, int] | None = None
) -> tuple[csr_array, dict[Active, int]]:
    """Which joint effects that no factor allows each regime holds, shape (r, effects), and their columns.

    An effect is of a level whose intervention is in no factor, of two levels off baseline whose interventions
    share none, or of three where each two share one and no factor holds all. With `known` columns others are
    left out.

    >>> from ifm_ident import Factor, Intervention
    >>> bits = tuple(Intervention(name, (0, 1)) for name in "ABC")
    >>> factors = (Factor("f", ("x",), ("A", "B")), Factor("g", ("x",), ("C",)))
    >>> held, names = denied(Model(bits, ("x",), factors), Regimes.from_codes(np.array([[1, 1, 1], [1, 1, 0]])))
    >>> held.toarray().tolist(), list(names)
    ([[1.0, 1.0], [0.0, 0.0]], [((0, 1), (2, 1)), ((1, 1), (2, 1))])
    """
    scopes = [frozenset(scope.tolist()) for scope in model.scopes]
    by_member: dict[int, list[frozenset[int]]] = {}
    for scope in scopes:
        for i in scope:
            by_member.setdefault(i, []).append(scope)
    shared: dict[tuple[int, ...], bool] = {}

    def allowed(positions: tuple[int, ...]) -> bool:
        if positions not in shared:
            needed = set(positions)
            shared[positions] = any(needed <= scope for scope in by_member.get(positions[0], ()))
        return shared[positions]

    columns = {} if known is None else known
    rows, places = [], []
    for row, active in enumerate(regimes):
        effects: list[Active] = [(one,) for one in active if not allowed((one[0],))]
        effects += [two for two in itertools.combinations(active, 2) if not allowed((two[0][0], two[1][0]))]
        if len(active) <= _MOST_ACTIVE:
            effects += [
                three
                for three in itertools.combinations(active, 3)
                if not allowed(tuple(i for i, _ in three))
                and all(allowed((a, b)) for a, b in itertools.combinations([i for i, _ in three], 2))
            ]
        for effect in effects:
            if known is None:
                columns.setdefault(effect, len(columns))
            if effect in columns:
                rows.append(row)
                places.append(columns[effect])
    found = csr_array((np.ones(len(rows)), (rows, places)), shape=(len(regimes), len(columns)))
    return found, columns


def power(discrepancy: Floats, noise: Floats) -> Floats:
    """The expected power of a two-sided test at 5% where what is off is normal with the variance `discrepancy`.

    >>> power(np.array([0.0, 1.0]), np.array([1.0, 1.0])).round(3).tolist()
    [0.05, 0.166]
    """
    found: Floats = 2 * norm.cdf(norm.ppf(LEVEL / 2) / np.sqrt(1 + discrepancy / np.maximum(noise, 1e-300)))
    return found


@dataclass(frozen=True, eq=False)
class Discrepancies:
    """What runs of candidates would say of denied effects, given what was run.

    loads: how an effect moves the difference between a candidate's mean and its prediction, shape (r, effects).
    inner: the covariance of the effects given the regimes run, shape (effects, effects). noise: the variance of
    that difference if the factors are right, shape (r,). left_out: effects beyond the most that are followed.
    """

    loads: Floats
    inner: Floats
    noise: Floats
    left_out: int

    @classmethod
    def of(
        cls,
        model: Model,
        linear: LinearMeans,
        train: Regimes,
        candidates: Regimes,
        spread: Floats,
        row_variance: float,
        rows: float,
        interaction: float,
    ) -> Discrepancies:
        """Of identified candidates, whose predicted means have the standard errors `spread`, shape (r,).

        Effects are normal with a standard deviation of `interaction` times that of a row, before the training
        regimes, as far as these predict each other, have said what they can.
        """
        held, columns = denied(model, candidates)
        left_out = max(len(columns) - MOST_INTERACTIONS, 0)
        if left_out:
            often = np.argsort(-np.asarray(held.sum(axis=0)).ravel(), kind="stable")[:MOST_INTERACTIONS]
            names = list(columns)
            columns = {names[i]: k for k, i in enumerate(np.sort(often).tolist())}
            held, _ = denied(model, candidates, columns)
        shown, _ = denied(model, train, columns)
        count = linear.statistics.count
        loads = held.toarray() - np.asarray(linear.weights(candidates) @ shown.toarray())
        loads[np.abs(loads) < _NOTHING] = 0.0
        own = shown.toarray() - linear.weights(train) @ shown.toarray()
        inner = np.eye(len(columns)) * interaction**2 * row_variance
        for row, n in zip(own, count, strict=True):
            if np.abs(row).max(initial=0.0) > _NOTHING:
                inner = conditioned(inner, row, row_variance / n)
        return cls(loads, inner, spread**2 + row_variance / rows, left_out)

    @property
    def variance(self) -> Floats:
        """Of what effects add to the difference of each candidate, shape (r,)."""
        found: Floats = ((self.loads @ self.inner) * self.loads).sum(axis=1)
        return found

    @property
    def bearing(self) -> NDArray[np.bool_]:
        """Which candidates rest on some denied effect, shape (r,)."""
        found: NDArray[np.bool_] = np.abs(self.loads).max(axis=1, initial=0.0) > 0
        return found

    def after(self, row: int) -> Discrepancies:
        """What is left to say once a candidate has been run."""
        inner = conditioned(self.inner, self.loads[row], float(self.noise[row]))
        return replace(self, inner=inner)

    def take(self, rows: NDArray[np.integer]) -> Discrepancies:
        """Some of the candidates."""
        return replace(self, loads=self.loads[rows], noise=self.noise[rows])

    def batch(self, count: int, cost: Floats) -> Batch:
        """One after the other the run whose test has most power, for its cost; the score is that power."""
        inner, variance = self.inner.copy(), self.variance
        taken: list[int] = []
        scores = []
        free = np.ones(len(self.noise), dtype=bool)
        for _ in range(min(count, len(free))):
            score = power(variance, self.noise)
            one = first(score, cost, variance, free)
            taken.append(one)
            scores.append(float(score[one]))
            free[one] = False
            moved, size = inner @ self.loads[one], float(variance[one] + self.noise[one])
            variance = np.maximum(variance - (self.loads @ moved) ** 2 / size, 0)
            inner -= np.outer(moved, moved) / size
        return Batch(np.array(taken, dtype=np.int64), np.array(scores), float(np.sum(scores)))
