"""Generalized linear models with canonical link, by rows: maximum likelihood, else Jeffreys' prior.

Theory: docs/theory/covariates.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import stats

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.ladder._canonical import Bernoulli, Family, NegativeBinomial, Poisson
from ifm_learn.ladder._canonical_fit import NEARLY_POISSON
from ifm_learn.ladder._counted import Counted
from ifm_learn.ladder._gammas import GammaRate

Energy = Literal["normal", "bernoulli", "poisson", "negbin", "gamma"]
ENERGIES: tuple[Energy, ...] = ("normal", "bernoulli", "poisson", "negbin", "gamma")

_TOLERANCE = 1e-9
_STEPS, _ROUNDS = 100, 25
_LARGEST = 30.0
"""A linear predictor beyond this means that the maximum lies at infinity."""


class Line(Family):
    """A normal law of unit variance; theta is its mean."""

    word = "normal"
    closed = False

    def potential(self, theta: Floats) -> Floats:
        return theta[..., 0] ** 2 / 2

    def mean(self, theta: Floats) -> Floats:
        mean: Floats = theta[..., 0]
        return mean

    def spread(self, theta: Floats) -> Floats:
        return np.ones((*theta.shape, 1))

    def third(self, theta: Floats) -> Floats:
        return np.zeros((*theta.shape, 1, 1))

    def parameter(self, values: Floats, weight: Floats) -> Floats:
        return np.array([weight @ values / weight.sum()])

    def law(self, theta: Floats) -> Any:
        return stats.norm(theta[..., 0])


FAMILIES: dict[Energy, Family] = {
    "normal": Line(),
    "bernoulli": Bernoulli(),
    "poisson": Poisson(),
    "negbin": NegativeBinomial(),
    "gamma": GammaRate(),
}
RANGES: dict[Energy, str] = {
    "bernoulli": "0 or 1",
    "poisson": "whole numbers of 0 or more",
    "negbin": "whole numbers of 0 or more",
    "gamma": "positive",
}


def outside(energy: Energy, y: Floats) -> Floats:
    """The values that an energy does not take.

    >>> outside("negbin", np.array([0.0, 1.5, -1.0, 2.0])).tolist(), outside("normal", np.array([-1.0])).tolist()
    ([1.5, -1.0], [])
    """
    wrong = np.zeros(len(y), dtype=bool)
    if energy == "gamma":
        wrong = y <= 0
    elif energy == "bernoulli":
        wrong = (y != 0) & (y != 1)
    elif energy in ("poisson", "negbin"):
        wrong = (y < 0) | (y != np.round(y))
    found: Floats = y[wrong]
    return found


def require_range(energy: Energy, y: Floats) -> None:
    """InputError for values that an energy does not take."""
    wrong = outside(energy, y)
    if len(wrong):
        raise InputError(
            f"the energy {energy!r} takes values that are {RANGES[energy]}; there is {wrong[0]:g}; take 'normal'",
            argument="energy",
        )


@dataclass(frozen=True, eq=False)
class Solved:
    """coefficients, shape (terms,); inverse: of the information, (terms, terms); null: a basis of what the rows do
    not tell, (terms, rest); penalised: whether by Jeffreys' prior, no likelihood having a maximum.
    """

    family: Family
    coefficients: Floats
    inverse: Floats
    null: Floats
    penalised: bool = False


def solve(family: Family, x: Floats, y: Floats, weight: Floats, *, tune: bool = True) -> Solved:
    """The most likely coefficients of theta = x @ coefficients, rows counted `weight` times, shape (n,).

    tune: whether what all rows share (the size of a negative binomial) is fitted too. InputError where no finite
    estimate exists.

    >>> x = np.array([[1.0, 0], [1, 0], [1, 1], [1, 1]])
    >>> found = solve(Poisson(), x, np.array([1.0, 3, 4, 4]), np.ones(4))
    >>> np.exp(np.cumsum(found.coefficients)).round(6).tolist()
    [2.0, 4.0]
    >>> apart = solve(Bernoulli(), x, np.array([0.0, 0, 1, 1]), np.ones(4))  # Firth's: half an event more, of both
    >>> apart.penalised, (1 / (1 + np.exp(-np.cumsum(apart.coefficients)))).round(6).tolist()
    (True, [0.166667, 0.833333])
    """
    live = weight > 0
    x, y, weight = x[live], y[live], weight[live]
    kept, null = split(x)
    u = x @ kept
    if isinstance(family, Line):
        normal = (u * weight[:, None]).T @ u
        first = np.linalg.solve(normal, u.T @ (weight * y))
        polished = first + np.linalg.solve(normal, u.T @ (weight * (y - u @ first)))
        return Solved(family, kept @ polished, kept @ np.linalg.inv(normal) @ kept.T, null)
    problem = _Rows(family, u, y, weight, 0.0)
    b, penalised = problem.solve(None), False
    if problem.is_far(b):
        problem = _Rows(family, u, y, weight, 1.0)
        b, penalised = problem.solve(None), True
    for _ in range(_ROUNDS if tune else 0):
        mean = problem.mean(b)
        tuned = problem.family.tuned(Counted(np.arange(len(y)), y, weight, weight), mean)
        if not (isinstance(tuned, NegativeBinomial) and isinstance(problem.family, NegativeBinomial)):
            problem = _Rows(tuned, u, y, weight, problem.prior)
            break
        old = problem.family.size
        if abs(np.log(tuned.size / old)) < 1e-6 or min(tuned.size, old) > NEARLY_POISSON:
            break
        problem = _Rows(tuned, u, y, weight, problem.prior)
        start: Floats = np.linalg.lstsq(u, -np.log1p(tuned.size / mean), rcond=None)[0].astype(np.float64)
        b = problem.solve(start)
    information = problem.information(b)
    if not np.isfinite(information).all() or not np.isfinite(b).all() or (not penalised and problem.is_far(b)):
        raise InputError(
            f"the energy {family.word!r} has no finite estimate: factors or covariates tell some rows of 0 apart "
            "without error; name fewer covariates, give rare categories more rows, or take the energy 'normal'",
            argument="energy",
        )
    return Solved(problem.family, kept @ b, kept @ np.linalg.inv(information) @ kept.T, null, penalised)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The likelihood of rows of independent terms u, shape (n, rank), and `prior` times Jeffreys' prior."""

    family: Family
    u: Floats
    y: Floats
    weight: Floats
    prior: float

    def mean(self, b: Floats) -> Floats:
        return self.family.mean((self.u @ b)[:, None])

    def is_far(self, b: Floats) -> bool:
        theta = self.u @ b
        return not np.isfinite(theta).all() or (self.family.closed and float(np.abs(theta).max()) > _LARGEST)

    def _spread(self, b: Floats) -> Floats:
        found: Floats = self.family.spread((self.u @ b)[:, None])[:, 0, 0]
        return found

    def information(self, b: Floats) -> Floats:
        found: Floats = (self.u * (self.weight * self._spread(b))[:, None]).T @ self.u
        return found

    def value(self, b: Floats) -> float:
        theta = self.u @ b
        found = float(self.weight @ (theta * self.y - self.family.potential(theta[:, None])))
        if self.prior and np.isfinite(found):
            sign, size = np.linalg.slogdet(self.information(b))
            found = found + self.prior * float(size) / 2 if sign > 0 else -np.inf
        return found if np.isfinite(found) else -np.inf

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is not finite is refused in `solve`
    def solve(self, start: Floats | None) -> Floats:
        """By scoring, each step halved until the objective does not fall."""
        share = self.weight / self.weight.sum()
        theta = self.family.parameter(self.y, self.weight)[0]
        level = np.linalg.lstsq(self.u, np.full(len(self.y), theta), rcond=None)[0]
        b = level if start is None or self.value(start) == -np.inf else start
        value = self.value(b)
        for _ in range(_STEPS):
            spread = self._spread(b)
            excess = self.weight * (self.y - self.mean(b))
            weight = np.maximum(self.weight * spread, 1e-300 * share)
            root = np.sqrt(weight)
            if self.prior:
                basis = np.linalg.qr(self.u * root[:, None])[0]
                leverage = np.square(basis).sum(axis=1)
                third = self.family.third((self.u @ b)[:, None])[:, 0, 0, 0]
                excess = excess + self.prior * leverage * third / (2 * np.maximum(spread, 1e-300))
            try:
                step = np.linalg.solve(self.information(b), self.u.T @ excess)
            except np.linalg.LinAlgError:
                step = np.linalg.lstsq(self.u * root[:, None], excess / root, rcond=None)[0]
            size, new = 1.0, self.value(b + step)
            while new < value - 1e-10 * abs(value) and size > 1e-8:
                size /= 2
                new = self.value(b + size * step)
            b, value = b + size * step, new
            if np.abs(self.u @ step).max() < 1e-10 or (not self.prior and self.is_far(b)):
                break
        return b


def split(x: Floats) -> tuple[Floats, Floats]:
    """Bases of what the rows tell and what they do not, of scaled terms: (terms, rank), (terms, rest)."""
    size = np.sqrt(np.square(x).mean(axis=0))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh((x / size).T @ (x / size) / len(x))
    small = values < _TOLERANCE * max(float(values.max(initial=0.0)), 1e-300)
    return vectors[:, ~small] / size[:, None], vectors[:, small] / size[:, None]
