"""All methods on training regimes left out, of those that the other training regimes identify."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from ifm_ident import Identifier, IfmError, InputError, MissingExtraError, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.design import Notation, format_regimes, require_names
from ifm_ident.tabular import Tabular
from ifm_ident.views import view
from ifm_learn.conformal.regimes import identified_when_left_out, without_regime
from ifm_learn.data.held import held_out
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.estimation._ladder_work import METHODS as BY_LADDER
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.ladder.rungs import AUTO, GRID, NETWORKS, TABLES, check_energy
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.outcome.methods import METHODS, method_of
from ifm_learn.outcome.regressors import fit_regressor, outcome_regressor, settled
from ifm_learn.randomness import checked_seed, one_thread

if TYPE_CHECKING:
    import pyarrow as pa

Watch = Callable[[Iterable[Any], int], Iterable[Any]]

_NONE = "no number for a regime left out"
_REPLICATES = 2
"""Refits of a regime's ladder: means are compared, not their errors."""

FEWEST = 3
"""With fewer regimes left out the methods are not ranked."""


@dataclass(repr=False, frozen=True, eq=False)
class Comparison(Tabular):
    """Errors of predicted means at k training regimes, each left out of the fits that predicted it.

    regimes: their names; methods: names; errors: (predicted - observed mean) in units of the outcome's spread
    within the regime, shape (methods, k), nan where a method has no number; without an outcome the root mean
    square over the variables, never negative. noise: standard error of the observed mean, same units, shape (k,).
    predicted, observed: means, shape (methods, k) and (k,), without an outcome nan. reasons: why a method has no
    number, by method. dependent: training regimes that the others do not identify. energy: how densities were
    modelled.
    """

    regimes: tuple[str, ...]
    dependent: tuple[str, ...]
    methods: tuple[str, ...]
    errors: Floats
    noise: Floats
    predicted: Floats
    observed: Floats
    reasons: dict[str, str]
    without_outcome: bool
    seed: int
    energy: str = AUTO

    @property
    def squared(self) -> Floats:
        """Mean squared error over regimes, in units of the variance, shape (methods,); nan without a number."""
        if not len(self.regimes):
            return np.full(len(self.methods), np.nan)
        found: Floats = (self.errors**2).mean(axis=1)
        return found

    def to_arrow(self) -> pa.Table:
        """One row a method and regime left out; null where there is no number."""
        return view(self, "arrow")

    @property
    def rank_correlation(self) -> Floats:
        """Spearman's correlation of predicted and observed means, shape (methods,); nan where it means nothing."""
        found = np.full(len(self.methods), np.nan)
        if len(self.regimes) < FEWEST or self.without_outcome:
            return found
        for i, row in enumerate(self.predicted):
            if not np.isnan(row).any() and np.ptp(row) > 0 and np.ptp(self.observed) > 0:
                found[i] = float(spearmanr(row, self.observed)[0])
        return found


def compare_methods(
    samples: Samples,
    methods: Sequence[str] = tuple(METHODS),
    *,
    seed: int = 0,
    jobs: int = 1,
    notation: Notation = "assignment",
    watch: Watch | None = None,
    energy: str = AUTO,
) -> Comparison:
    """Leave out, one at a time, every training regime that the others identify, and predict it by every method.

    Density and outcome model are fitted once for each regime left out. energy: how densities are modelled, a name
    of `ifm_learn.ladder.rungs.ENERGIES`; ifm2 and ifm3 have numbers with `mlp` only. jobs: processes; the result
    is the same for any number. watch: wraps the iteration over regimes, to show progress. Raises InputError for an
    unknown method or energy, a negative seed and less than one process.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... }).design
    >>> regime = np.repeat([0, 1, 2], 5)
    >>> compare_methods(Samples(design, regime, regime[:, None] + np.arange(15.0)[:, None])).regimes
    ()
    """
    design, seed, energy = samples.design, checked_seed(seed), check_energy(energy)
    require_names(design.model, "a comparison of methods, most of which know named levels only")
    if samples.outcomes:
        raise InputError(
            "a comparison ranks methods on one outcome; name it by `outcome` instead of `outcomes`",
            argument="outcomes",
        )
    for name in methods:
        method_of(name)
    if jobs < 1:
        raise InputError(f"at least one process does the work, got jobs={jobs}")
    chosen = identified_when_left_out(design)
    others = np.setdiff1d(design.distinct, chosen)
    names, rest = (
        tuple(format_regimes(design.model, design.train.take(t), notation).to_pylist()) for t in (chosen, others)
    )
    values = targets_of(samples)
    k, width = len(chosen), values.shape[1]
    predicted = np.full((len(methods), k, width), np.nan)
    reasons: dict[str, str] = {}
    steps: Iterable[Any] = _each(samples, chosen.tolist(), (tuple(methods), energy, seed), jobs)
    for place, found in enumerate(steps if watch is None else watch(steps, k)):
        for m, (mean, reason) in enumerate(found):
            predicted[m, place] = mean
            if reason:
                reasons.setdefault(methods[m], reason)
    own = [values[samples.regime == train] for train in chosen.tolist()]
    observed = np.array([rows.mean(axis=0) for rows in own]).reshape(k, width)
    spread = np.array([rows.std(axis=0, ddof=1) if len(rows) > 1 else np.ones(width) for rows in own]).reshape(
        k, width
    )
    spread = np.where(spread > 0, spread, 1.0)
    gaps = (predicted - observed) / spread
    without = samples.y is None
    return Comparison(
        names,
        rest,
        tuple(methods),
        np.sqrt((gaps**2).mean(axis=2)) if without else gaps[:, :, 0],
        _noise(samples, chosen),
        np.full((len(methods), k), np.nan) if without else predicted[:, :, 0],
        np.full(k, np.nan) if without else observed[:, 0],
        reasons,
        without,
        seed,
        energy,
    )


def _noise(samples: Samples, chosen: NDArray[np.int64]) -> Floats:
    """Standard errors of the observed means in units of the spread within their regimes, shape (k,).

    Of rows that belong together they rest on the spread of the units' sums, over targets the root mean square.
    """
    found = []
    for train in chosen.tolist():
        rows = np.flatnonzero(samples.regime == train)
        if samples.unit is None:
            found.append(1 / np.sqrt(len(rows)))
            continue
        values = targets_of(samples)[rows]
        spread = values.std(axis=0, ddof=1) if len(rows) > 1 else np.ones(values.shape[1])
        left = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        _, unit = np.unique(samples.unit[rows], return_inverse=True)
        sums = np.stack([np.bincount(unit.ravel(), column) for column in left.T])
        found.append(float(np.sqrt((sums**2).sum(axis=1).mean()) / len(rows)))
    return np.array(found)


def _each(samples: Samples, chosen: list[int], how: tuple[tuple[str, ...], str, int], jobs: int) -> Iterator[Any]:
    if jobs == 1 or len(chosen) < 2:
        yield from (_predict(samples, train, *how) for train in chosen)
        return
    try:
        joblib: Any = importlib.import_module("joblib")
    except ImportError:
        raise MissingExtraError("joblib", "learn") from None
    tasks = (joblib.delayed(_predict)(samples, train, *how) for train in chosen)
    yield from joblib.Parallel(n_jobs=jobs, return_as="generator")(tasks)


@one_thread()
def _predict(
    samples: Samples, train: int, methods: tuple[str, ...], energy: str, seed: int
) -> list[tuple[Floats, str]]:
    """The mean of one regime by every method without its rows, or nan and why."""
    rest, regime = without_regime(samples, train), samples.design.train.take(np.array([train]))
    width = targets_of(samples).shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one regime's fit among many; the estimate itself tells
        by_factors = [name for name in methods if METHODS[name].needs_identification]
        found: dict[str, tuple[Floats, str]] = {}
        if by_factors and energy != NETWORKS:
            asked = by_factors if energy != GRID else [name for name in by_factors if name in BY_LADDER]
            found = _by_ladder(rest, regime, asked, energy, seed)
        density = None
        if energy in TABLES and len(found) < len(by_factors):
            density = fit_density(rest, seed=seed, energy=TABLES[energy])
        regressor = None
        if rest.y is not None:
            regressor = settled(fit_regressor(outcome_regressor(None, seed), rest.x, rest.y, groups=rest.unit))
        for name in methods:
            if name in found:
                continue
            try:
                estimator = METHODS[name].build(density, regressor, seed).fit(rest)
                mean = estimator.predict(regime).reshape(width)
                reason = "" if np.isfinite(mean).all() else (estimator.reasons(regime)[0] or _NONE)
            except IfmError as error:
                mean, reason = np.full(width, np.nan), str(error)
            found[name] = mean, reason
    return [found[name] for name in methods]


def _by_ladder(
    rest: Samples, regime: Regimes, methods: list[str], energy: str, seed: int
) -> dict[str, tuple[Floats, str]]:
    """By every method of the factors from one fit, or why not: it needs the grid, or no rung takes the rows."""
    nothing = np.full(targets_of(rest).shape[1], np.nan)
    found = dict.fromkeys(methods, (nothing, "it needs a density on a grid, the energy 'grid' or 'mlp'"))
    possible = [name for name in methods if name in BY_LADDER]
    if not possible:
        return found
    try:
        work = LadderWork.fit(
            held_out(rest, 0, seed), possible[0], energy, Fraction(1, 10), seed, replicates=_REPLICATES
        )
        known = Identifier(rest.design).identify(regime)
        for name in possible:
            mean = replace(work, method=name).columns(known).mean[0]
            found[name] = mean, "" if np.isfinite(mean).all() else _NONE
    except IfmError as error:
        found |= {name: (nothing, str(error)) for name in possible}
    return found
