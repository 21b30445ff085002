"""How far estimates of unseen regimes move with an interaction left out, from a fit of IFM1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError, Regimes, Status
from ifm_ident.arrays import Floats, Ints
from ifm_learn.conformal.ranks import Alpha, fewest_scores, read_alpha
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.estimation.sensitivity import (
    SensitivityCurve,
    TargetValues,
    Tipping,
    sensitivity_curve,
    tipping_point,
)
from ifm_learn.outcome.estimator import targets_of
from ifm_learn.outcome.ifm1 import Ifm1

_TOGETHER = 16
"""Regimes whose values under all refits are held at once."""


@dataclass(frozen=True, eq=False)
class RegimeSensitivity:
    """Bounds at every gamma and the tipping point of one regime (row) and one target (column)."""

    row: int
    column: int
    curve: SensitivityCurve
    tipping: Tipping

    def mapping(self) -> Mapping[str, Any]:
        """As JSON holds it, at the last gamma; a tipping gamma of null is infinite."""
        curve, tip = self.curve, self.tipping
        ends = None if curve.confidence is None else [float(end) for end in curve.confidence[-1]]
        return {
            "gamma": float(curve.gammas[-1]),
            "bounds": [float(curve.lower[-1]), float(curve.upper[-1])],
            "confidence": ends,
            "reference": tip.reference,
            "tipping_gamma": tip.gamma if np.isfinite(tip.gamma) else None,
            "tipping_gamma_confident": tip.confident,
        }


def regime_sensitivities(
    estimator: Ifm1,
    regimes: Regimes,
    gammas: ArrayLike,
    references: Sequence[float] | None = None,
    alpha: Alpha = "0.1",
    scope: Sequence[str] | None = None,
) -> Iterator[RegimeSensitivity]:
    """Bounds and tipping points of every regime and target; observed regimes are left out: data speak there.

    gammas: ascending. references: a value for each target, by default its measured mean in the baseline regime, so
    that a tipping point is where the sign of the effect is no longer sure. scope: the variables that the absent
    interaction may depend on, all by default. Confidence ends rest on the estimator's replicates, where there are
    enough for alpha.

    Raises InputError for an unknown variable, references of the wrong number, and a design without baseline where
    none are given; NotIdentifiableError for a regime that is not identified.

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
    >>> estimator = Ifm1(model, replicates=0).fit(samples)
    >>> (found,) = regime_sensitivities(estimator, new, [0.0, 0.5])
    >>> found.curve.lower.round(1).tolist(), found.curve.upper.round(1).tolist()
    ([0.8, 0.6], [0.8, 0.9])
    >>> round(found.tipping.reference, 1), round(found.tipping.gamma, 1)  # half the log of (0.8 / 0.2)^2
    (0.2, 1.4)
    >>> list(regime_sensitivities(estimator, new, [0.5], scope=["z"]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown variable 'z' in the scope of the interaction; legal: x
    """
    density, samples = estimator.density_, estimator.samples_
    found = density.require(regimes)
    names = samples.design.model.variables
    width = 1 if samples.y is not None else len(names)
    given = baseline_means(samples) if references is None else np.asarray(references, dtype=np.float64)
    if given.shape != (width,):
        raise InputError(f"references have shape {given.shape}; give a value for each of {width} targets")
    unknown = [name for name in scope or () if name not in names]
    if unknown:
        raise InputError(
            f"unknown variable {unknown[0]!r} in the scope of the interaction; legal: {', '.join(names)}"
        )
    columns = None if scope is None else [names.index(name) for name in scope]
    unseen = np.flatnonzero(found.status != Status.OBSERVED)
    for start in range(0, len(unseen), _TOGETHER):
        some = unseen[start : start + _TOGETHER]
        for (r, k), (target, refits) in _targets(estimator, regimes, some, columns, alpha).items():
            curve = sensitivity_curve(target, gammas, refits, alpha)
            yield RegimeSensitivity(r, k, curve, tipping_point(target, float(given[k]), refits, alpha))


def _targets(
    estimator: Ifm1, regimes: Regimes, rows: Ints, columns: Sequence[int] | None, alpha: Alpha
) -> dict[tuple[int, int], tuple[TargetValues, list[TargetValues]]]:
    """For some regimes and every target the values at draws, and those of refits where alpha allows for so few."""
    density = estimator.density_
    some = [regimes.take(slice(r, r + 1)) for r in rows.tolist()]
    draws = list(estimator.draws_.each(regimes.take(rows)))
    cells = [None if columns is None else _cells(density, x, columns) for x in draws]
    found: dict[tuple[int, int], tuple[TargetValues, list[TargetValues]]] = {}
    for r, x, cell in zip(rows.tolist(), draws, cells, strict=True):
        for k, values in enumerate(estimator.values(x).T):
            found[r, k] = (TargetValues(values, cells=cell), [])
    if density.spread is None or estimator.replicates < fewest_scores(read_alpha(alpha) / 2):
        return found
    base = [density.log_potentials(x, regime)[:, 0] for x, regime in zip(draws, some, strict=True)]
    for model, values_of in estimator.refits():
        for i, r in enumerate(rows.tolist()):
            tilt = model.log_potentials(draws[i], some[i])[:, 0] - base[i]
            for k, values in enumerate(values_of(draws[i]).T):
                found[r, k][1].append(TargetValues(values, tilt, cells[i]))
    return found


def _cells(density: DensityModel, x: Floats, columns: Sequence[int]) -> Ints:
    bins = density.grid.encode(x)[:, columns]
    _, place = np.unique(bins, axis=0, return_inverse=True)
    return np.asarray(place, dtype=np.int64).ravel()


def baseline_means(samples: Samples) -> Floats:
    """Measured means of every target in the baseline regime, shape (k,); InputError where it was not run."""
    active = samples.design.train.active_counts
    base = [i for i in samples.present.tolist() if active[i] == 0]
    if not base:
        raise InputError("the baseline regime was not measured; give reference values for the effects' signs")
    means: Floats = targets_of(samples)[samples.regime == base[0]].mean(axis=0)
    return means
