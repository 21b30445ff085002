"""Draws of the means of identified regimes, the same draw for all of them (docs/theory/suggesting.md)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from ifm_ident import Identifier, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.held import held_out
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.estimation.flags import unsupported
from ifm_learn.ladder.average import REPLICATES
from ifm_learn.ladder.estimate import FEW_ROWS, LadderEstimate
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.regime_statistics import RegimeStatistics
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.randomness import one_thread, stream

DRAWS = 400
_USED = 1e-9
_FEW = 8
"""With fewer units in a regime redraws do not tell the spread of its mean, and a linear model's t law does."""

_TOGETHER = 500


def independent(samples: Samples, column: int) -> tuple[Ints, Floats]:
    """Numbers that scatter by themselves, and the place of each one's regime among those present, each (n,).

    They are the rows; where rows come in units, the means of every unit's rows in every regime.
    """
    group = np.searchsorted(samples.present, samples.regime).astype(np.int64)
    values = targets_of(samples)[:, column]
    if samples.unit is None:
        return group, values
    pairs, place = np.unique(np.stack([group, samples.unit]), axis=1, return_inverse=True)
    return pairs[0], np.bincount(place.ravel(), values) / np.bincount(place.ravel())


@dataclass(frozen=True, eq=False)
class Posterior:
    """Draws of one column's means (the outcome, or an x-variable) over any identified regimes.

    Draw b takes one normal combination of the refits on redrawn units and, for every regime, the rung of the
    ladder that the share `level[b]` falls to, so that draws hold what rungs disagree about, in proportion to
    their weights. Where a mean is linear in what the factors tell, and a regime has few units, the normal rung
    is drawn from its exact t law. linear: that linear model of the column; coefficients: draws of it, shape
    (draws, rank). mix: shape (draws, refits); level: shape (draws,). work: None where the linear model answers
    by itself.
    """

    samples: Samples
    work: LadderWork | None
    column: int
    linear: LinearMeans
    coefficients: Floats
    mix: Floats
    level: Floats

    @classmethod
    def fit(
        cls,
        samples: Samples,
        *,
        column: int = 0,
        energy: str = "auto",
        noise: float | None = None,
        draws: int = DRAWS,
        redraws: int = REPLICATES,
        seconds: float | None = None,
        seed: int = 0,
    ) -> Posterior:
        """Fits the ladder's rungs and refits them on redrawn units; `draws` of a column's means can then be asked.

        column: of the outcome, or of x without one. noise: the standard deviation of a row where it is known;
        means are then linear in what the factors tell, and errors need no replicates. Raises InputError where
        nothing can be fitted, or nothing tells an error.

        >>> from ifm_ident import Study
        >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
        ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
        >>> regime = np.repeat([0, 1, 2], 4)
        >>> x = np.random.default_rng(0).normal(np.array([0.0, 1.0, 2.0])[regime], 0.1)[:, None]
        >>> posterior = Posterior.fit(Samples(design, regime, x))
        >>> drawn = posterior.draws(Regimes.from_codes(np.array([[1, 1], [1, 0]])))
        >>> drawn.shape, drawn.mean(axis=0).round(1).tolist()
        ((400, 2), [3.0, 1.1])
        >>> bool(np.corrcoef(drawn.T)[0, 1] > 0.3)  # both rest on A
        True
        """
        group, values = independent(samples, column)
        train, model = samples.design.train.take(samples.present), samples.design.model
        with one_thread():
            linear = LinearMeans.fit(
                model,
                tuple(range(len(model.factors))),
                train,
                RegimeStatistics.of(group, values[:, None], len(train)),
            )
            rng = stream(seed, "suggestion draws")
            lone = linear.statistics.count.min() < 2
            coefficients = linear.coefficient_draws(draws, rng, noise)
            work = None
            if noise is None and not (lone and samples.y is not None):
                work = LadderWork.fit(
                    held_out(samples, 0.0, seed), "ifm1", energy, Fraction(1, 10), seed, seconds, redraws
                )
            refits = 1 if work is None else len(work.ladder.redraws)
            mix = rng.standard_normal((draws, refits)) / np.sqrt(refits)
            level = (rng.permutation(draws) + rng.random(draws)) / draws
        return cls(samples, work, column, linear, coefficients, mix, level)

    @property
    def rungs(self) -> dict[str, float]:
        """What answers, with weights."""
        if self.work is None:
            return {"linear": 1.0}
        ladder = (self.work.wider or self.work.ladder) if self.work.several is None else self.work.ladder
        return dict(zip(ladder.rungs, ladder.weights.round(6).tolist(), strict=True))

    @property
    def row_variance(self) -> float:
        """The variance of a row (of a unit's mean, where rows come in units) within its regime.

        About the linear model where each regime has one.
        """
        statistics = self.linear.statistics
        within = float(statistics.count.sum()) - len(statistics.count)
        if within > 0:
            return float(statistics.within[:, 0].sum() / within)
        return float(self.linear.residual_variance[0])

    @one_thread()
    def draws(self, regimes: Regimes) -> Floats:
        """Draws of the means of identified regimes, shape (draws, r); nan where no rung has a number.

        Draw b of one call and of another belong together. Raises InputError where a regime is not identified.
        """
        parts = [
            self._some(regimes.take(slice(start, start + _TOGETHER)))
            for start in range(0, len(regimes), _TOGETHER)
        ]
        return np.concatenate([np.empty((len(self.level), 0)), *parts], axis=1)

    def _some(self, regimes: Regimes) -> Floats:
        if self.work is None:
            return self.linear.means_by(self.coefficients, regimes)
        if self.work.wider is None:
            return self._mixture(self.work.estimate(regimes), regimes)
        found = np.empty((len(self.level), len(regimes)))
        verdicts = Identifier(self.samples.design).verdicts(regimes, "joint")
        joint = np.isin(verdicts, (Status.OBSERVED, Status.IDENTIFIED))
        for which, ask in ((joint, self.work.by_wider), (~joint, self.work.estimate)):
            if which.any():
                some = regimes.take(np.flatnonzero(which))
                found[:, which] = self._mixture(ask(some), some)
        return found

    def _mixture(self, table: LadderEstimate, regimes: Regimes) -> Floats:
        column = self.column if table.mean.shape[1] > 1 else 0
        last = np.cumsum(table.weights[:, :, column], axis=0)
        found = np.full((len(self.level), len(regimes)), np.nan)
        taken = np.zeros_like(found, dtype=bool)
        for k, name in enumerate(table.rungs):
            mine = ~taken & (self.level[:, None] < last[k])
            if k == len(table.rungs) - 1:
                mine = ~taken
            if not mine.any():
                continue
            exact = name == "normal" and self._exact
            drawn = self._normal(table, k, column)
            if exact:
                drawn = self.linear.means_by(self.coefficients, regimes)
            found[mine] = drawn[mine]
            taken |= mine
        found[:, np.isnan(table.mean[:, column])] = np.nan
        ranges = self._ranges
        if ranges.sure[self.column]:
            found = np.clip(found, ranges.low[self.column], ranges.high[self.column])
        return found

    @cached_property
    def _ranges(self) -> Ranges:
        """Where means can lie: a share between its two values, a count from 0."""
        scaling = self.samples.scaling if self.samples.y is None else None
        return Ranges.of(targets_of(self.samples), self.samples.regime, scaling)

    def flags(self, regimes: Regimes) -> list[tuple[str, ...]]:
        """What weakens the mean of each identified regime, in the words of `ifm estimate`."""
        found = Identifier(self.samples.design).identify(regimes)
        alone = unsupported(found)
        if self.work is None:
            thin = self.linear.statistics.count < FEW_ROWS
            few = ((np.abs(self.linear.weights(regimes)) > _USED) & thin).sum(axis=1)
            words: list[tuple[str, ...]] = [("few_rows",) if one else () for one in few.tolist()]
        else:
            columns = self.work.columns(found)
            words = [row[self.column if len(row) > 1 else 0] for row in columns.flags]
        if alone is None:
            return words
        return [(*one, "untested") if none else one for one, none in zip(words, alone.tolist(), strict=True)]

    def _normal(self, table: LadderEstimate, k: int, column: int) -> Floats:
        """Draws about a rung's means with the covariance of its refits and its errors, shape (draws, r)."""
        away = table.rung_replicates[k][:, :, column] - table.rung_means[k][:, column]
        size, error = np.sqrt(np.mean(away**2, axis=0)), table.rung_errors[k][:, column]
        scale = np.where(np.isfinite(error) & (size > 0), error / np.maximum(size, 1e-300), 1.0)
        found: Floats = table.rung_means[k][:, column] + (self.mix @ away) * scale
        return found

    @property
    def _exact(self) -> bool:
        """Whether the normal rung is the linear model of this column, of so few units that its t law is drawn."""
        assert self.work is not None
        ladder = self.work.ladder
        if self.samples.y is not None:
            return False
        law = next((law for law in ladder.laws if law.rung == "normal"), None)
        return getattr(law, "exact", None) is not None and bool(ladder.units.counts.min() < _FEW)
