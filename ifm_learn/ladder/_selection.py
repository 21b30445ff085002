"""Rungs compared in one currency: log P(regime | x) of rows held out, paired row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, InputError, Model
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._coordinates import Coordinates
from ifm_learn.ladder._dependence import condition
from ifm_learn.ladder._law import Law
from ifm_learn.ladder._logs import log_sum_exp
from ifm_learn.ladder._redraw import Units

FOLDS, REPEATS = 5, 3
MOST_LEFT_OUT = 12
ERRORS = 2.0
COLLINEAR = 20.0
"""The condition number of joined variables beyond which full conditionals say little of a regime left out."""
_TOLD = 0.8


class RefitError(InputError):
    """A law fitted to all rows cannot be fitted to some of them; `law` is its place among those compared."""

    def __init__(self, law: int, message: str) -> None:
        super().__init__(message)
        self.law = law


@dataclass(frozen=True, eq=False)
class Scores:
    """Held-out scores of rungs: log P(regime | x) summed over each unit's rows, in nats, shape (rungs, units)."""

    rungs: tuple[str, ...]
    units: Floats

    @property
    def total(self) -> Floats:
        """The mean score of a unit, shape (rungs,)."""
        mean: Floats = self.units.mean(axis=1)
        return mean

    def behind(self) -> tuple[Floats, Floats]:
        """How far every rung's mean is behind the best one's, and the standard error of that; shape (rungs,)."""
        best = int(np.argmax(self.total))
        gap = self.units[best] - self.units
        return gap.mean(axis=1), gap.std(axis=1, ddof=1) / np.sqrt(gap.shape[1])

    def weights(self) -> Floats:
        """How much every rung counts, shape (rungs,), adding up to 1: the more, the fewer errors it is behind.

        From the best one down, weights fall straight to 0 at two standard errors.

        >>> Scores(("a", "b"), np.array([[-1.0, -1.0, -1.0], [-2.0, -2.1, -1.9]])).weights().tolist()
        [1.0, 0.0]
        """
        gap, error = self.behind()
        behind = np.divide(gap, error, out=np.where(gap > 0, np.inf, 0.0), where=error > 0)
        found: Floats = np.maximum(1 - behind / ERRORS, 0.0)
        found /= found.sum()
        return found


def compare(
    laws: Sequence[Law],
    samples: Samples,
    units: Units,
    rng: np.random.Generator,
    *,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> Scores:
    """The scores of laws fitted to all rows, each refitted without every fold, `repeats` divisions into folds.

    Raises RefitError where a law cannot be refitted.
    """
    if folds < 2 or repeats < 1:
        raise InputError(f"two folds and one division are the least, got {folds} and {repeats}")
    trained = samples.design.train.take(samples.present)
    total = np.zeros((len(laws), len(samples)))
    for _ in range(repeats):
        fold = units.folds(folds, rng)
        for f in range(folds):
            held = np.flatnonzero(fold == f)
            if len(held):
                weight = (fold != f).astype(float)
                for k, law in enumerate(laws):
                    try:
                        refit = law.refit(weight)
                    except InputError as error:
                        raise RefitError(k, f"without some of its rows: {error}") from None
                    found = refit.log_densities(samples.x[held], trained)
                    total[k, held] += _own(
                        found, units.regime[held], np.bincount(units.regime, weight).astype(float)
                    )
    _leave_regimes_out(laws, samples, units, total, repeats, rng)
    seen = np.unique(units.of_row)
    return Scores(
        tuple(law.rung for law in laws),
        np.stack([np.bincount(units.of_row, row, minlength=len(seen)) for row in total / repeats]),
    )


def _own(log_densities: Floats, regime: NDArray[np.int64], counts: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        found = log_densities + np.log(counts)
    own: Floats = found[np.arange(len(found)), regime] - log_sum_exp(found, axis=1)
    return own


def _leave_regimes_out(
    laws: Sequence[Law],
    samples: Samples,
    units: Units,
    total: Floats,
    repeats: int,
    rng: np.random.Generator,
) -> None:
    """Adds the scores of rows of regimes that stay identified without their own rows, predicted without them."""
    candidates = np.array(spare_regimes(samples), dtype=np.int64)
    if len(candidates) > MOST_LEFT_OUT:
        candidates = np.sort(rng.choice(candidates, MOST_LEFT_OUT, replace=False))
    trained = samples.design.train.take(samples.present)
    counts = np.bincount(units.regime).astype(float)
    for i in candidates.tolist():
        weight = (units.regime != i).astype(float)
        rows = units.regime == i
        try:
            refits = [law.refit(weight) for law in laws]
        except InputError:  # a family that needs rows of every regime: nobody is scored on this one
            continue
        for k, refit in enumerate(refits):
            found = refit.log_densities(samples.x[rows], trained)
            total[k, rows] += repeats * _own(found, units.regime[rows], counts)


def spare_regimes(samples: Samples) -> list[int]:
    """Regimes present, by index among them, whose laws the other regimes identify.

    They are those whose row, in the system of every variable, the other rows span: of leverage h below 1. Of
    levels with values only those that the others tell well, the sum of their squared exponents, h / (1 - h), being
    4 at most: how a model extrapolates to the outermost level says little of what lies between the levels.

    Of variables that factors join and that are strongly collinear (`COLLINEAR`) they are those that one formula of
    all their factors gives. Where full conditionals alone do, hardly anything of such a variable is free given the
    others: one poor fit would be counted on every row of the regime, as if rows were so many experiments.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01", "11"]}).design
    >>> spare_regimes(Samples(design, np.arange(4), np.zeros((4, 1))))
    [0, 1, 2, 3]
    """
    model = samples.design.model
    spare = np.ones(len(samples.present), dtype=bool)
    for factors, covers in _parts(model).items():
        told = np.all([_told(samples.design, cover) for cover in covers], axis=0)
        if len(covers) > 1 and told.any():
            jointly = told & _told(samples.design, factors)
            mine = [v for v, name in enumerate(model.variables) if model.covers[model.cover_index[name]] in covers]
            if (told != jointly).any() and condition(samples.x[:, mine], samples.regime) > COLLINEAR:
                told = jointly
        spare &= told
    return np.flatnonzero(spare).tolist()


def _told(design: Design, factors: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which distinct training regimes the others give, in the system of these factors; shape (d,)."""
    z = Coordinates(design, factors).train
    found: NDArray[np.bool_] = (z**2).sum(axis=1) + 1 / len(z) < (_TOLD if design.model.has_bases else 1 - 1e-9)
    return found


def _parts(model: Model) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """The factors of every part that no factor joins to the rest, with the systems of its variables."""
    parts: list[set[int]] = []
    for cover in model.covers:
        met = [part for part in parts if not part.isdisjoint(cover)]
        parts = [part for part in parts if part.isdisjoint(cover)] + [set(cover).union(*met)]
    return {
        tuple(sorted(part)): [one for one in model.covers if part & {*one} or part == {*one}] for part in parts
    }
