"""Intervals and bands in regimes never run, from a fitted density model (THEORY 9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes
from ifm_ident.errors import nearest
from ifm_learn.conformal.bands import Band, sup_t_band
from ifm_learn.conformal.intervals import Intervals
from ifm_learn.conformal.model_weights import ModelWeights
from ifm_learn.conformal.ranks import Alpha, read_alpha
from ifm_learn.conformal.scores import RegimeScore
from ifm_learn.conformal.split import Calibration, fresh_unit_interval, trimmed_unit_interval
from ifm_learn.data.samples import Samples
from ifm_learn.density import DensityModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 10_000
REPLICATES = 199
_SMALL_SHARE = 0.1


def model_interval(
    model: DensityModel,
    regime: Regimes,
    score: RegimeScore,
    calibration: Samples,
    rows: Ints,
    model_rows: Ints,
    alpha: Alpha,
    rng: np.random.Generator,
    *,
    variable: str | None = None,
    asymptotic: bool = False,
) -> Intervals:
    """The interval for a fresh unit of one regime, its weights from a model fitted on other rows.

    calibration: rows in the units of the model's scaling; rows, model_rows: ids of these, shape (n,), and of those
    that the model was fitted on. variable: whose value the interval is for, by default the outcome's. The unit's
    own weight is the exact supremum over the grid where that is a small part of all, decided before the rows are
    looked at; elsewhere units with the rarest x are given up (`trimmed_unit_interval`). Both are
    `estimated-ratio`; `asymptotic=True` counts the unit with a mean weight instead and says so.

    Raises InputError where rows were used to fit, for an unknown variable and samples without the outcome, and
    NotIdentifiableError for a regime that is not identified.

    >>> from ifm_ident import Study
    >>> from ifm_learn import Samples, fit_density
    >>> from ifm_learn.conformal.scores import RegimeResidual
    >>> from ifm_learn.energies.layout import Ridge
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... })
    >>> rng, rows = np.random.default_rng(0), np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[rows])[:, None].astype(float)  # odds 1/4, 1, 1
    >>> samples = Samples(study.design, rows, x)
    >>> fitted, held = np.arange(0, 6000, 2), np.arange(1, 6000, 2)
    >>> model = fit_density(samples.take(fitted), energy="saturated", ridge=Ridge(1e-3, 1e-3), starts=1)
    >>> new, score = Regimes.from_codes(np.array([[1, 1]])), RegimeResidual(0.5, fitted)
    >>> found = model_interval(model, new, score, samples.take(held), held, fitted, "0.1", rng, variable="x")
    >>> found.lower.tolist(), found.upper.tolist(), found.guarantee.tolist()
    ([0.0], [1.0], ['estimated-ratio'])
    >>> model_interval(model, new, score, samples.take(held), held, fitted + 1, "0.1", rng, variable="x")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the ratio was fitted on 3000 of 3000 calibration rows (row id 1); hold some out
    """
    level = read_alpha(alpha)
    weights = ModelWeights(model, regime, calibration.sizes)
    logs = weights.log_weights(calibration.x)
    given = Calibration(rows, _values(calibration, variable), logs, "estimated", model_rows)
    if asymptotic:
        return fresh_unit_interval(given, score, math.inf, level, asymptotic=True)
    most = weights.supremum().bound
    if most <= math.log(len(calibration) * _SMALL_SHARE * float(level)):
        return fresh_unit_interval(given, score, most, level)
    count = max(DRAWS, math.ceil(100 / level))
    drawn = weights.log_weights(model.sample(regime, count, rng)[0])
    return trimmed_unit_interval(given, score, drawn, level)


def _values(samples: Samples, variable: str | None) -> Floats:
    if variable is None:
        if samples.y is None:
            raise InputError("the samples have no outcome; name a variable")
        return samples.y
    return samples.x[:, _column(samples.design.model.variables, variable)]


def _column(names: tuple[str, ...], variable: str) -> int:
    if variable not in names:
        raise InputError(f"unknown variable {variable!r}; {nearest(variable, names)}")
    return names.index(variable)


def density_bands(
    model: DensityModel,
    regimes: Regimes,
    variable: str,
    alpha: Alpha,
    rng: np.random.Generator,
    replicates: int | Sequence[DensityModel] = REPLICATES,
) -> list[Band]:
    """The marginal density of a variable in every regime, each with a band that holds over all bins at once.

    Bins are the model's, in the units of its scaling; the outermost end where the data did. A discrete variable
    has a band of probabilities at its values instead. The band is sup-t over models drawn from the approximate
    sampling distribution of the fit (`DensityModel.draws`), or over refits on redrawn rows that are given. It
    tells of the noise of the rows; not of the grid, of a wrong factorisation, which `ifm falsify` looks for, or of
    the pull of ridge and energies towards smooth densities: at 400 rows a regime of a four-valued variable, bands
    at 0.9 covered 93% of the time with saturated energies, 75% with the default ones, which pull it too far.
    Raises InputError for an unknown variable, and NotIdentifiableError for a regime that is not identified.

    >>> from ifm_ident import Study
    >>> from ifm_learn import Samples, fit_density
    >>> from ifm_learn.energies.layout import Ridge
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x"],
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
    ... })
    >>> rng, rows = np.random.default_rng(0), np.repeat([0, 1, 2], 2000)
    >>> x = rng.binomial(1, np.array([0.2, 0.5, 0.5])[rows])[:, None].astype(float)  # odds 1/4, 1, 1
    >>> samples = Samples(study.design, rows, x)
    >>> model = fit_density(samples, energy="saturated", ridge=Ridge(1e-3, 1e-3), starts=1)
    >>> new = Regimes.from_codes(np.array([[1, 1]]))
    >>> (band,) = density_bands(model, new, "x", "0.1", rng, replicates=99)
    >>> band.at.tolist(), band.estimate.round(1).tolist(), band.covers([0.2, 0.8])
    ([0.0, 1.0], [0.2, 0.8], True)
    >>> density_bands(model, new, "y", "0.1", rng)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown variable 'y'; legal: x
    """
    v = _column(model.design.model.variables, variable)
    model.require(regimes)
    values, widths, edges = model.grid.values[v], model.grid.widths[v], model.grid.edges[v].copy()
    if np.array_equal(edges[1:-1], (values[1:] + values[:-1]) / 2) and (widths == 1).all():
        at = values
    else:
        edges[0], edges[-1] = edges[1] - widths[0], edges[-2] + widths[-1]
        at = edges
    models = model.draws(replicates, rng) if isinstance(replicates, int) else replicates
    drawn = np.stack([one.marginals(regimes)[v] for one in models], axis=1) / widths
    words = f"sup-t over {len(models)} {'draws of the fit' if isinstance(replicates, int) else 'refits'}"
    return [
        replace(sup_t_band(at, estimate, others, alpha), method=words)
        for estimate, others in zip(model.marginals(regimes)[v] / widths, drawn, strict=True)
    ]
