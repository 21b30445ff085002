"""Several outcomes at once: a test of each, and means of those that move by themselves."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Factor, Model, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._outcomes import SHIFT, mean_shifts, terms_of
from ifm_learn.ladder.average import Ladder, fit_ladder
from ifm_learn.ladder.estimate import LadderEstimate
from ifm_learn.ladder.normal import Normal

_CELLS = 10_000_000
"""Entries of the arrays of residuals that are held at once."""


@dataclass(frozen=True, eq=False)
class SeveralOutcomes:
    """Outcomes y, shape (n, k), and which of them depend on the regime beyond x, shape (k,).

    p_values: of no difference between the training regimes' mean residuals, one for each outcome. wider: the
    linear model whose coordinates are those of all factors, as if all held the outcomes; None where none shifts.
    """

    y: Floats
    p_values: Floats
    shifts: NDArray[np.bool_]
    wider: Ladder | None

    @classmethod
    def of(cls, samples: Samples, seed: int, *, widened: bool) -> SeveralOutcomes:
        """Tests every outcome, Holm's way over all; widened: whether shifting ones may be taken for variables.

        >>> from ifm_ident import Study
        >>> design = Study.from_dict({
        ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0", "1"]}).design
        >>> rng, regime = np.random.default_rng(0), np.repeat([0, 1], 200)
        >>> x = rng.normal(size=(400, 1)) + regime[:, None]
        >>> y = x + rng.normal(size=(400, 3)) + regime[:, None] * [0, 1, 0]
        >>> samples = Samples(design, regime, x, y, outcomes=("a", "b", "c"))
        >>> SeveralOutcomes.of(samples, 0, widened=False).shifts.tolist()
        [False, True, False]
        """
        assert samples.y is not None
        p_values = shift_p_values(samples)
        shifts = _holm(p_values)
        wider = _linear(samples, seed) if widened and shifts.any() else None
        return cls(samples.y, p_values, shifts, wider)

    def replaced(self, found: LadderEstimate, regimes: Regimes, rows: Ints, alpha: float) -> LadderEstimate:
        """The estimate, of outcomes that shift by the wider model, in some rows: jointly identified regimes."""
        columns = np.flatnonzero(self.shifts)
        if self.wider is None or not len(rows):
            return found
        linear = self.wider.estimate(regimes.take(rows), values=self.y[:, columns], alpha=alpha, linear=True)
        at = np.ix_(rows, columns)
        changed = {}
        for name in ("mean", "se", "low", "high", "freedom"):
            changed[name] = np.array(np.broadcast_to(getattr(found, name), found.mean.shape))
            changed[name][at] = np.broadcast_to(getattr(linear, name), linear.mean.shape)
        replicates = found.replicates.copy()
        replicates[:, rows[:, None], columns] = linear.replicates
        flags = {word: np.array(where) for word, where in found.flags.items()}
        for word, where in flags.items():
            # least squares needs no rows where the regime lives
            where[at] = False if word == "little_overlap" else linear.flags[word]
        name = Normal().name
        rungs = found.rungs if name in found.rungs else (*found.rungs, name)
        extra = len(rungs) - len(found.rungs)
        weights, means, errors = (
            np.concatenate([part, np.zeros((extra, *found.mean.shape))])
            for part in (found.weights, found.rung_means, found.rung_errors)
        )
        effective = np.concatenate([found.effective, np.repeat(found.effective[:1], extra, axis=0)])
        weights[:, rows[:, None], columns] = 0.0
        place = rungs.index(name)
        weights[place, rows[:, None], columns] = 1.0
        means[place, rows[:, None], columns] = linear.mean
        errors[place, rows[:, None], columns] = linear.se
        return dataclasses.replace(
            found,
            **changed,
            rungs=rungs,
            rung_means=means,
            rung_errors=errors,
            weights=weights,
            effective=effective,
            replicates=replicates,
            rung_replicates=(),
            flags=flags,
        )


def shift_p_values(samples: Samples) -> Floats:
    """Of no difference between training regimes in E[y | x], a polynomial of degree two at most; shape (k,).

    One factorisation serves all outcomes. Units of rows are kept whole.
    """
    assert samples.y is not None
    terms = terms_of(samples.x)
    k, step = samples.y.shape[1], max(1, _CELLS // len(samples))
    found = np.ones(k)
    for start in range(0, k, step):
        y = samples.y[:, start : start + step] - samples.y[:, start : start + step].mean(axis=0)
        left = y - terms @ (terms.T @ y)
        found[start : start + step] = mean_shifts(left, terms, samples.regime, samples.unit)
    return found


def _holm(p_values: Floats) -> NDArray[np.bool_]:
    """Those below `SHIFT` with all allowed for, by Holm's step-down."""
    order = np.argsort(p_values, kind="stable")
    below = p_values[order] < SHIFT / (len(order) - np.arange(len(order)))
    found = np.zeros(len(order), dtype=bool)
    found[order[: len(order) if below.all() else int(np.argmin(below))]] = True
    return found


def _linear(samples: Samples, seed: int) -> Ladder:
    """The linear model of one column that every factor moves, on the same redraws; its shares serve any column."""
    assert samples.y is not None
    model = samples.design.model
    factors = tuple(Factor(one.name, ("y",), one.sigma) for one in model.factors)
    alone = dataclasses.replace(
        samples,
        design=Design(Model(model.interventions, ("y",), factors), samples.design.train),
        x=samples.y[:, :1],
        y=None,
        outcomes=(),
        scaling=None,
    )
    return fit_ladder(alone, [Normal()], seed=seed, unit=samples.unit)
