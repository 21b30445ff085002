"""Rows with covariates: what regimes tell of covariates alone, and functions of these that weights balance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.covariates import Covariates
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._contrast import Contrast
from ifm_learn.ladder._logs import log_sum_exp
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder.balancing import effective_share

LINE, SQUARE = 0.01, 1.0
"""Penalties of lines and squares of covariates in the odds of regimes, where treatment was randomised; else lines
are free. They stay where it was, since the constants of tilted laws depend on covariates in every case.
"""

_FREE = 1e-6
_ROWS_A_SQUARE = 40


@dataclass(frozen=True, eq=False)
class AdjustedRows:
    """n rows of p columns with covariates.

    model: with its covariates, the columns its variables; samples: of the same model without them.
    """

    model: Model
    samples: Samples
    covariates: Covariates

    def __len__(self) -> int:
        return len(self.samples)

    @cached_property
    def units(self) -> Units:
        """Which rows belong together."""
        return Units.of(self.samples, self.samples.unit)

    @property
    def place(self) -> Ints:
        """The regime of every row among those present, shape (n,)."""
        return self.units.regime

    @cached_property
    def train(self) -> Regimes:
        """The training regimes present."""
        return self.samples.design.train.take(self.samples.present)

    @cached_property
    def _law(self) -> tuple[Floats, Floats]:
        spread = self.covariates.values.std(axis=0)
        return self.covariates.values.mean(axis=0), np.where(spread > 0, spread, 1.0)

    @cached_property
    def _several(self) -> Ints:
        """Columns of the covariates of more than two values."""
        values = self.covariates.values
        several = [len(np.unique(column[:1000])) > 2 or len(np.unique(column)) > 2 for column in values.T]
        return np.flatnonzero(several)

    @property
    def _squared(self) -> Ints:
        """Those of them whose squares count, where rows are many enough."""
        many = len(self) >= _ROWS_A_SQUARE * len(self.train) * self.covariates.values.shape[1]
        return self._several if many else self._several[:0]

    def share(self, values: Floats) -> float:
        """What share of rows is left in effect if they are weighted to covariates, (N, w), and their squares.

        That is little for a population that is no law: of two units, or all of one age.
        """
        parts = [np.concatenate([z, z[:, self._several] ** 2], axis=1) for z in (self.z, self.standard(values))]
        return effective_share(parts[0], parts[1].mean(axis=0))

    def standard(self, values: Floats) -> Floats:
        """Covariates in units of their standard deviations about their means, shape (n, w)."""
        centre, unit = self._law
        return (values - centre) / unit

    def functions(self, values: Floats) -> Floats:
        """What weights balance, of covariates as they are: lines, squares where rows are many; shape (n, q)."""
        z = self.standard(values)
        return np.concatenate([z, (z[:, self._squared] ** 2 - 1) / np.sqrt(2)], axis=1)

    @cached_property
    def z(self) -> Floats:
        """The rows' standard covariates, shape (n, w)."""
        return self.standard(self.covariates.values)

    @cached_property
    def balance(self) -> Floats:
        """`functions` of the rows."""
        return self.functions(self.covariates.values)

    @property
    def penalty(self) -> Floats:
        """Of every function of covariates in the odds of regimes, shape (q,)."""
        line = LINE if self.model.randomised else _FREE
        return np.concatenate([np.full(self.z.shape[1], line), np.full(len(self._squared), SQUARE)])

    @cached_property
    def contrasts(self) -> Floats:
        """Orthonormal columns over the regimes that add up to 0, shape (m, m - 1)."""
        m = len(self.train)
        return np.linalg.svd(np.eye(m) - 1 / m)[0][:, : m - 1]

    def chance(self, weight: Floats, fitted: bool = False) -> Floats:
        """log P(regime | z) at all rows, from rows counted `weight` times, shape (n, m).

        Where treatment was randomised these are the regimes' shares, unless they are to be `fitted` all the same.
        """
        m, q = len(self.train), self.balance.shape[1]
        counts = np.bincount(self.place, weight, minlength=m)
        if (self.model.randomised and not fitted) or not q or m < 2:
            with np.errstate(divide="ignore"):
                return np.tile(np.log(counts / counts.sum()), (len(self), 1))
        owner = np.repeat(np.arange(q), m - 1)
        spread = np.tile(self.contrasts, (1, q))
        problem = Contrast(self.balance, self.place, owner, np.repeat(self.penalty, m - 1), spread)
        solved = problem.solve(weight)
        with np.errstate(divide="ignore"):
            found = np.log(solved.counts) + solved.intercept + problem.logits(solved.beta, spread)
        return found - log_sum_exp(found, axis=1)[:, None]
