"""One conditional of a directed model: a smooth mean and a log-linear spread of Gaussian noise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.outcome.regressors import SmoothRegressor, cross_fit, fit_regressor

Noise = Literal["gaussian", "residuals"]

_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Penalties of the spread tried on standardised features; a constant spread is tried too."""

_FEWEST = 50
"""With fewer rows the spread is taken as constant."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """x_v given its parents in one level cell: mean g(parents) + exp(h(parents)) times standard noise.

    mean: a fitted regressor, or None for a constant; scale: a fitted regression of the variance, or None; shift
    and unit: the constant mean and standard deviation; residuals: standardised to mean 0 and variance 1, shape
    (n,).
    """

    mean: Any
    scale: Any
    shift: float
    unit: float
    residuals: Floats

    @classmethod
    def fit(
        cls, parents: Floats, values: Floats, regressor: Any, seed: int, groups: Ints | None = None
    ) -> Conditional:
        """From rows of one cell: parents, shape (n, number of parents), and values, shape (n,).

        groups: shape (n,), ids of rows that no fold separates.

        regressor: any scikit-learn regressor, or None for ridge on linear terms, splines or splines and products,
        by cross-validation. The spread is fitted by Gaussian likelihood to residuals of a cross-fitted mean.
        """
        if len(values) < 2:
            raise InputError(f"a conditional is fitted to {len(values)} row(s); it needs 2 or more")
        shift, unit = float(values.mean()), float(values.std(ddof=1))
        if parents.shape[1] == 0 or len(values) < 10 or unit == 0.0:
            residuals = (values - shift) / (unit if unit > 0 else 1.0)
            return cls(None, None, shift, unit, residuals)
        if regressor is None:
            mean = SmoothRegressor(units=(), seed=seed).fit(parents, values, groups=groups).model_
        else:
            mean = fit_regressor(regressor, parents, values)
        left = values - cross_fit(mean, parents, values, folds=5, seed=seed, groups=groups).out_of_fold
        unit = float(np.sqrt(np.mean(left**2)))
        scale = None
        if unit > 0:
            scale = _spread(parents, left**2 / unit**2, seed, groups) if len(values) >= _FEWEST else None
        found = cls(mean, scale, shift, unit, left)
        spread = found.spread(parents)
        standard = left / np.where(spread > 0, spread, 1.0)
        standard = standard - standard.mean()
        size = float(standard.std())
        return cls(mean, scale, shift, unit, standard / (size if size > 0 else 1.0))

    def centre(self, parents: Floats) -> Floats:
        """g(parents), shape (n,)."""
        if self.mean is None:
            return np.full(len(parents), self.shift)
        return np.asarray(self.mean.predict(parents), dtype=np.float64)

    def spread(self, parents: Floats) -> Floats:
        """exp(h(parents)), the standard deviation of the noise, shape (n,)."""
        if self.scale is None:
            return np.full(len(parents), self.unit)
        return np.asarray(self.unit * np.sqrt(self.scale.predict(parents)), dtype=np.float64)

    def noise(self, standard: Floats, uniform: Floats, kind: Noise) -> Floats:
        """Standard noise, shape (n,): Gaussian draws as given, or residuals picked by uniform draws."""
        if kind == "gaussian":
            return standard
        rows = np.minimum((uniform * len(self.residuals)).astype(np.int64), len(self.residuals) - 1)
        return self.residuals[rows]


def _spread(parents: Floats, squares: Floats, seed: int, groups: Ints | None = None) -> Any:
    """A regression of squared residuals with log link, by cross-validated Gaussian likelihood; None for constant.

    Gamma regression with log link has the same estimating equations as the Gaussian likelihood of the variance.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import GammaRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    values = np.maximum(squares, 1e-12)
    splines = SplineTransformer(4, degree=2, extrapolation="constant", include_bias=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        best, chosen = _score(np.full(len(values), values.mean()), values), None
        for alpha in _STRENGTHS:
            model = make_pipeline(
                StandardScaler(), splines, StandardScaler(), GammaRegressor(alpha=alpha, solver="newton-cholesky")
            )
            held_out = cross_fit(model, parents, values, folds=3, seed=seed, groups=groups).out_of_fold
            error = _score(held_out, values)
            if error < best:
                best, chosen = error, model
        return None if chosen is None else fit_regressor(chosen, parents, values)


def _score(variance: Floats, squares: Floats) -> float:
    """Mean negative Gaussian log-likelihood of squared residuals, up to a constant."""
    return float(np.mean(np.log(variance) + squares / variance))
