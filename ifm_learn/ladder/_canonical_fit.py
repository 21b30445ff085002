"""The most likely coefficients of a canonical parameter that is linear over regimes: Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.ladder._canonical import Family, NegativeBinomial
from ifm_learn.ladder._counted import Counted

_STEPS = 500
_ROUNDS = 25

NEARLY_POISSON = 1e4
"""Sizes of a negative binomial beyond this are not told apart."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Coefficients of one variable, shape (rank, d) for d parameters."""

    family: Family
    coefficients: Floats


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # what is not finite is refused below
def fit(
    family: Family,
    counted: Counted,
    design: Floats,
    prior: float = 1.0,
    start: Floats | None = None,
    ridge: Floats | None = None,
) -> Fitted:
    """From rows of independent coordinates of the training regimes, shape (m, rank).

    `prior` times Jeffreys' prior keeps estimates finite where a regime shows zeros only or one value, and takes
    away the first-order bias (Firth 1993); 0 is plain maximum likelihood. `ridge`, shape (rank, d),
    are precisions of normal priors about 0 besides. InputError where there is no maximum.

    >>> from ifm_learn.ladder._canonical import Poisson
    >>> counted = Counted.of(np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 4.0, 4.0]), np.ones(4), 2)
    >>> found = fit(Poisson(), counted, np.array([[1.0, 0.0], [1.0, 1.0]]), prior=0.0)
    >>> np.exp(np.cumsum(found.coefficients)).round(6).tolist()
    [2.0, 4.0]
    """
    for _ in range(_ROUNDS):
        problem = _Problem(family, counted, design, prior, ridge)
        coefficients = problem.solve(start)
        mean = family.mean(design @ coefficients)
        tuned = family.tuned(counted, mean)
        if not (isinstance(tuned, NegativeBinomial) and isinstance(family, NegativeBinomial)):
            break
        settled = abs(np.log(tuned.size / family.size)) < 1e-6 or min(tuned.size, family.size) > NEARLY_POISSON
        family = tuned
        start = np.linalg.lstsq(design, -np.log1p(tuned.size / mean)[:, None], rcond=None)[0].astype(np.float64)
        if settled:
            break
    if isinstance(tuned, NegativeBinomial):
        tuned = problem.family  # the coefficients are on its scale
    return Fitted(tuned, coefficients)


def _inverse(matrix: Floats) -> Floats:
    """Of a positive definite matrix, its diagonal scaled to 1 meanwhile; nan where it is singular."""
    scale = 1 / np.sqrt(np.diag(matrix))
    try:
        inverse: Floats = np.linalg.inv(matrix * np.outer(scale, scale)) * np.outer(scale, scale)
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)
    return inverse


class _Problem:
    """Penalised likelihood of coefficients, shape (rank, d); minus infinity out of range."""

    def __init__(
        self, family: Family, counted: Counted, design: Floats, prior: float, ridge: Floats | None
    ) -> None:
        self.family, self.counted, self.design = family, counted, design
        self.prior = prior
        penalty = np.zeros((design.shape[1], family.parts)) if ridge is None else ridge
        self.ridge = np.diag(penalty.ravel())
        self.sums = counted.sums(family.statistics(counted.value))

    def information(self, coefficients: Floats) -> Floats:
        """Shape (rank d, rank d)."""
        spread = self.family.spread(self.design @ coefficients) * self.counted.total[:, None, None]
        size = coefficients.size
        blocks = [
            [self.design.T @ (self.design * one[:, None]) for one in row] for row in spread.transpose(1, 2, 0)
        ]
        return np.array(blocks).transpose(2, 0, 3, 1).reshape(size, size)

    def value(self, coefficients: Floats) -> tuple[float, Floats]:
        theta = self.design @ coefficients
        potential = self.family.potential(theta)
        if not np.isfinite(potential).all():
            return -np.inf, np.empty((0, 0))
        information = self.information(coefficients)
        sign, size = np.linalg.slogdet(information)
        if sign <= 0 or not np.isfinite(size):
            return -np.inf, information
        value = float((self.sums * theta).sum() - self.counted.total @ potential)
        value -= float(coefficients.ravel() @ self.ridge @ coefficients.ravel()) / 2
        return value + self.prior / 2 * float(size), information

    def score(self, coefficients: Floats, information: Floats) -> Floats:
        """The gradient, shape (rank, d)."""
        theta, total = self.design @ coefficients, self.counted.total
        score = self.sums - total[:, None] * self.family.first(theta)
        if self.prior:
            rank, parts = coefficients.shape
            inverse = _inverse(information).reshape(rank, parts, rank, parts)
            half = np.tensordot(self.design, inverse, axes=(1, 0))
            leverage = np.einsum("iakb,ik->iab", half, self.design) * total[:, None, None]
            score = score + self.prior / 2 * np.einsum("iab,iabc->ic", leverage, self.family.third(theta))
        gradient: Floats = self.design.T @ score
        return gradient - (self.ridge @ coefficients.ravel()).reshape(coefficients.shape)

    def solve(self, start: Floats | None) -> Floats:
        current = self._start() if start is None else start
        value, information = self.value(current)
        if not np.isfinite(value) and start is not None:
            return self.solve(None)
        for _ in range(_STEPS):
            if not np.isfinite(value):
                break
            score = self.score(current, information)
            if not np.isfinite(score).all():
                value = -np.inf
                break
            step = (_inverse(information + self.ridge) @ score.ravel()).reshape(current.shape)
            gain, size = float((step * score).sum()), 1.0
            if gain < max(1e-11, 1e-14 * abs(value)):
                break
            if not np.isfinite(gain):
                value = -np.inf
                break
            tried, held = self.value(current + step)
            while tried < value + 1e-4 * size * gain - 1e-12 * abs(value) and size > 1e-10:
                size /= 2
                tried, held = self.value(current + size * step)
            if size <= 1e-10:
                break
            current, value, information = current + size * step, tried, held
        if np.isfinite(value) and not self._at_the_end(current):
            return current
        raise InputError(
            f"the {self.family.word} family has no finite estimate here: a regime's values lie at the end of its "
            "range, or are all alike; give these regimes more rows, or take another energy"
        )

    def _at_the_end(self, coefficients: Floats) -> bool:
        """Whether some regime's law has shrunk to a point."""
        theta = self.design @ coefficients
        spread, mean = self.family.spread(theta)[..., 0, 0], np.abs(self.family.mean(theta))
        shrunk = spread < 1e-9 * mean**2
        if self.family.integers:
            shrunk |= self.counted.total * spread < 1e-7
        return bool(shrunk.any())

    def _start(self) -> Floats:
        """The nearest to every regime's own law, or else the same law in every regime."""
        each = self.family.each(self.counted)
        own: Floats = np.linalg.lstsq(self.design, each, rcond=None)[0].astype(np.float64)
        if np.isfinite(self.value(own)[0]):
            return own
        theta = self.family.parameter(self.counted.value, self.counted.weight)
        level = np.tile(theta, (len(self.design), 1))
        return np.asarray(np.linalg.lstsq(self.design, level, rcond=None)[0], dtype=np.float64)
