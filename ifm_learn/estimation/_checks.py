"""What should be known beside an estimate: overlap, convergence, and whether the fit gives back its training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ifm_ident.arrays import Floats
from ifm_ident.design import Notation, format_regimes
from ifm_ident.show import counted, listed
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome.estimator import OutcomeEstimator, targets_of
from ifm_learn.outcome.plug_in import exact_means

APART = 0.1
"""A fitted mean this many standard deviations from the observed one is worth a warning."""

CHANCE = 4.0
"""Unless it is less than this many standard errors."""

FEWEST_ROWS = 200
"""With fewer rows of a training regime the errors of means, of it and of others, come with a warning."""

FEWEST_UNITS = 20
"""The same of units, where rows belong together."""

_NAMED = 3

_BLIND = ("mean", "control")
"""Methods that are not meant to give back the training regimes."""


def reproduction(
    samples: Samples, fitted: Floats, observed: Floats, names: tuple[str, ...], notation: Notation
) -> Iterator[str]:
    """Warns of training regimes whose fitted means, shape (distinct training regimes, k), miss the observed ones.

    observed: the values of all rows, shape (n, k), called `names`. Differences are in units of the spread within
    the regime.
    """
    regimes = format_regimes(
        samples.design.model, samples.design.train.take(samples.present), notation
    ).to_pylist()
    worst: list[tuple[float, str]] = []
    for place, train in enumerate(samples.present.tolist()):
        own = observed[samples.regime == train]
        spread = own.std(axis=0)
        gap = (fitted[place] - own.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        independent = len(own) if samples.units is None else int(samples.units.counts()[place])
        clear = np.maximum(APART, CHANCE / np.sqrt(independent))
        for k in np.flatnonzero(np.abs(gap) > clear).tolist():
            worst.append((abs(float(gap[k])), f"{names[k]} in {regimes[place]} ({gap[k]:+.2f} sd)"))
    if worst:
        shown = listed([text for _, text in sorted(worst, reverse=True)], _NAMED)
        yield (
            f"the fitted model does not give back its own training regimes: {shown}; estimates of other regimes "
            "are no better than that"
        )


def density_warnings(density: DensityModel, samples: Samples, notation: Notation) -> Iterator[str]:
    """What the fit says about itself, and whether its means of x are those of the training regimes."""
    yield from density.report.warnings
    if not density.report.converged:
        yield f"the fit of the density did not converge (largest slope {density.report.gradient_norm:.2g})"
    train = samples.design.train.take(samples.present)
    small = np.flatnonzero(samples.sizes[samples.present] < FEWEST_ROWS)
    if len(small):
        names = format_regimes(samples.design.model, train.take(small), notation).to_pylist()
        have = "has" if len(small) == 1 else "have"
        yield (
            f"{listed(names, _NAMED)} {have} fewer than {FEWEST_ROWS} rows to fit: intervals of means "
            "may be too narrow, in regimes that were run as in those never run; measure more"
        )
    yield from unit_warnings(samples, notation)
    means = exact_means(density, train)
    yield from reproduction(samples, means, samples.x, samples.design.model.variables, notation)


def unit_warnings(samples: Samples, notation: Notation) -> Iterator[str]:
    """Which training regimes have so few units that errors by redrawing these are too small."""
    if samples.units is None:
        return
    train = samples.design.train.take(samples.present)
    small = np.flatnonzero(samples.units.counts() < FEWEST_UNITS)
    if len(small):
        names = format_regimes(samples.design.model, train.take(small), notation).to_pylist()
        have = "has" if len(small) == 1 else "have"
        yield (
            f"{listed(names, _NAMED)} {have} fewer than {FEWEST_UNITS} units to fit: errors come from redrawing "
            "these, and of few come out too small; measure more units"
        )


def outcome_warnings(estimator: OutcomeEstimator, samples: Samples, notation: Notation) -> Iterator[str]:
    """Whether the outcome model converged, and gives back the training regimes' mean outcomes."""
    for name in ("regression_", "outcome_"):
        if not getattr(getattr(estimator, name, None), "converged_", True):
            yield "the fit of the outcome model did not converge"
    if samples.one_outcome and estimator.method not in _BLIND:
        fitted = estimator.predict(samples.design.train.take(samples.present))[:, None]
        names = (samples.outcome or "the outcome",)
        yield from reproduction(samples, fitted, targets_of(samples), names, notation)


def overlap_warnings(worst: Sequence[tuple[str, float]], poor: int, regimes: int) -> Iterator[str]:
    """Which regimes are far from the training rows: the worst by name and effective rows, how many of how many."""
    if poor:
        shown = [f"{name} ({ess:,.0f} effective rows)" for name, ess in worst[:_NAMED]]
        more = [f"{poor - len(shown):,} more"] if poor > len(shown) else []
        yield (
            f"little overlap with the training rows in {poor:,} of {counted(regimes, 'regime')}: "
            f"{listed([*shown, *more])}; estimates there rest on the fitted factors more than on rows"
        )
