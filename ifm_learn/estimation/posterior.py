"""Draws of the means of identified regimes, the same draw for all of them (docs/theory/suggesting.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.special import chdtri, stdtr

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

_STILL = 1e-9
"""Refits whose spread is this part of the error or less do not move a mean."""

_ROUNDING = 1e-16


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
    their weights. They are t draws by the degrees of freedom of the rung's errors: `tail[b]`, the chance of a
    larger chi-square, is one for all regimes. Where a mean is linear in what the factors tell, and a regime has
    few units, the normal rung is drawn from its exact t law. Draws come in pairs on either side of the mean, so
    that their mean is the rungs'. linear: that linear model of the column; coefficients: draws of it, shape
    (draws, rank). mix: shape (draws, refits); level, tail: shape (draws,). work: None where the linear model
    answers by itself.
    """

    samples: Samples
    work: LadderWork | None
    column: int
    linear: LinearMeans
    coefficients: Floats
    mix: Floats
    level: Floats
    tail: Floats

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
            half = -(-draws // 2)
            mix = _mirrored(rng.standard_normal((half, refits)) / np.sqrt(refits), draws)
            level, tail = (np.tile((rng.permutation(half) + rng.random(half)) / half, 2)[:draws] for _ in "lt")
        return cls(samples, work, column, linear, coefficients, mix, level, tail)

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
    def draws(self, regimes: Regimes, *, tails: bool = True) -> Floats:
        """Draws of the means of identified regimes, shape (draws, r); nan where no rung has a number.

        tails: whether they are t draws of refits; normal ones, of finite variance, serve for covariances. Draw b
        of one call and of another belong together. Raises InputError where a regime is not identified.
        """
        found = np.empty((len(self.level), len(regimes)))
        if self.work is None:
            return self.linear.means_by(self.coefficients, regimes)
        for which, table in self._tables(regimes):
            found[:, which] = self._mixture(table, regimes.take(which), tails)
        return found

    @one_thread()
    def means(self, regimes: Regimes) -> Floats:
        """What draws scatter about, the ladder's means of identified regimes, shape (r,)."""
        if self.work is None:
            return self.linear.means(regimes)[:, 0]
        found = np.empty(len(regimes))
        for which, table in self._tables(regimes):
            found[which] = table.mean[:, self._column(table)]
        return found

    def _tables(self, regimes: Regimes) -> Iterator[tuple[Ints, LadderEstimate]]:
        """Places of regimes, some at a time, and their estimates."""
        assert self.work is not None
        for start in range(0, len(regimes), _TOGETHER):
            some = np.arange(start, min(start + _TOGETHER, len(regimes)))
            if self.work.wider is None:
                yield some, self.work.estimate(regimes.take(some))
                continue
            verdicts = Identifier(self.samples.design).verdicts(regimes.take(some), "joint")
            joint = np.isin(verdicts, (Status.OBSERVED, Status.IDENTIFIED))
            for which, ask in ((some[joint], self.work.by_wider), (some[~joint], self.work.estimate)):
                if len(which):
                    yield which, ask(regimes.take(which))

    def _column(self, table: LadderEstimate) -> int:
        return self.column if table.mean.shape[1] > 1 else 0

    def _mixture(self, table: LadderEstimate, regimes: Regimes, tails: bool) -> Floats:
        column = self._column(table)
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
            found[mine] = self._of_rung(table, k, regimes, tails, exact)[mine]
            taken |= mine
        found[:, np.isnan(table.mean[:, column])] = np.nan
        return found

    @cached_property
    def _ranges(self) -> Ranges:
        """Where means can lie: a share between its two values, a count from 0."""
        scaling = self.samples.scaling if self.samples.y is None else None
        return Ranges.of(targets_of(self.samples), self.samples.regime, scaling)

    def flags(self, regimes: Regimes) -> list[tuple[str, ...]]:
        """What weakens the mean of each identified regime, in the words of `ifm estimate`."""
        found = Identifier(self.samples.design).identify(regimes)
        alone = unsupported(found, self.samples)
        if self.work is None:
            used = np.abs(self.linear.weights(regimes)) > _USED
            few = np.any(used & (self.linear.statistics.count < FEW_ROWS), axis=1)
            words: list[tuple[str, ...]] = [("few_rows",) if one else () for one in few.tolist()]
        else:
            columns = self.work.columns(found)
            words = [row[self.column if len(row) > 1 else 0] for row in columns.flags]
        if alone is None:
            return words
        return [(*one, "untested") if none else one for one, none in zip(words, alone.tolist(), strict=True)]

    def _of_rung(self, table: LadderEstimate, k: int, regimes: Regimes, tails: bool, exact: bool) -> Floats:
        """Draws about a rung's means by its refits, errors and their freedom, in its range, shape (draws, r)."""
        column = self._column(table)
        mean, freedom = table.rung_means[k][:, column], table.rung_freedom[k]
        away = table.rung_replicates[k][:, :, column] - mean
        size, error = np.sqrt(np.mean(away**2, axis=0)), table.rung_errors[k][:, column]
        error = np.where(np.isfinite(error), error, size)
        if exact:
            drawn = self.linear.means_by(self.coefficients, regimes)
        else:
            standard = self.mix @ (away / np.where(size > 0, size, 1.0))
            for row in np.flatnonzero((size <= _STILL * error) & (error > 0)).tolist():
                standard[:, row] = self._alone(regimes[row])
            drawn = mean + error * (standard * self._stretch(freedom) if tails else standard)
        ranges = self._ranges
        if not ranges.sure[self.column]:
            return drawn
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = stdtr(freedom, np.nan_to_num((drawn - mean) / error))
        return ranges.drawn(self.column, mean, error, freedom, np.clip(chance, _ROUNDING, 1 - _ROUNDING))

    def _stretch(self, freedom: Floats) -> Floats:
        """What makes normal draws t draws: roots of freedom over a chi-square, shape (draws, r)."""
        known, place = np.unique(np.round(freedom, 3), return_inverse=True)
        found: Floats = np.sqrt(known / chdtri(known, self.tail[:, None]))[:, place]
        return found

    def _alone(self, regime: tuple[object, ...]) -> Floats:
        """Normal numbers of a regime whose mean no refit moves, independent of those of others, shape (draws,)."""
        draws = len(self.level)
        return _mirrored(stream(0, f"alone {regime}").standard_normal(-(-draws // 2)), draws)

    @property
    def _exact(self) -> bool:
        """Whether the normal rung is the linear model of this column, of so few units that its t law is drawn."""
        assert self.work is not None
        ladder = self.work.ladder
        if self.samples.y is not None:
            return False
        law = next((law for law in ladder.laws if law.rung == "normal"), None)
        return getattr(law, "exact", None) is not None and bool(ladder.units.counts.min() < _FEW)


def _mirrored(half: Floats, draws: int) -> Floats:
    """The numbers, and then with their signs changed, so many in all."""
    return np.concatenate([half, -half])[:draws]
