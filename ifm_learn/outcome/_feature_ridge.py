"""Ridge regression on fixed features, solved in closed form for many weightings of the same rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats
from ifm_learn.randomness import stream

try:
    from sklearn.base import BaseEstimator, RegressorMixin, clone
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise MissingExtraError("scikit-learn", "learn") from None


ALPHAS = tuple(float(a) for a in np.geomspace(1e-6, 1e2, 17))
"""Penalties tried by default, relative to the sum of the weights."""


class FeatureRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Minimises sum_i w_i (y_i - b0 - b.phi(x_i))^2 / sum_i w_i + alpha |b|^2 for t weightings w at once.

    features: a scikit-learn transformer, fitted to x alone, so that it is the same for every weighting; by default
    standardised splines of every variable. alphas: penalties; of several, each weighting gets the one with the
    least weighted cross-validated error. Rows enter only through weighted second moments: cost is linear in rows.
    To shrink towards a known function m (IFM3 towards the pooled fit) give y - m(x) and add m afterwards.

    Learned by `fit`: coef_, shape (t, features), intercept_, alpha_ and error_ (cross-validated mean squared
    error; NaN for a single penalty), shape (t,); features_.

    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> weights = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]])
    >>> line = FeatureRidge("passthrough", alphas=[0.0]).fit(x, np.array([0.0, 1.0, 5.0]), weights)
    >>> line.predict(np.array([[3.0]])).round(6).tolist()
    [[3.0, 7.0]]
    """

    def __init__(
        self, features: Any = None, alphas: Sequence[float] = ALPHAS, folds: int = 5, seed: int = 0
    ) -> None:
        self.features = features
        self.alphas = alphas
        self.folds = folds
        self.seed = seed

    def fit(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: Any = None) -> Self:
        """x: (n, p); y: (n,); sample_weight: (n,) or (n, t), not negative, or None for equal weights.

        groups: shape (n,), ids of rows that no fold separates, or None.

        Raises InputError for other shapes, negative weights, and a weighting without any weight.
        """
        rows, values = validate_data(self, x, y, dtype=np.float64, y_numeric=True)
        weight = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        self.single_ = weight.ndim == 1
        weight = weight[:, None] if self.single_ else weight
        if weight.ndim != 2 or len(weight) != len(rows):
            raise InputError(f"x has {len(rows)} rows, y has shape {values.shape}, weights {weight.shape}")
        if not (weight >= 0).all() or not (weight.sum(axis=0) > 0).all():
            raise InputError("weights are zero or more, and each weighting has some that are positive")
        self.features_ = self._transformer().fit(rows)
        columns = np.column_stack([np.ones(len(rows)), self.features_.transform(rows), values])
        alphas = np.array(self.alphas, dtype=np.float64)
        self.error_ = np.full(weight.shape[1], np.nan)
        if len(alphas) > 1:
            fold = stream(self.seed, "folds").permutation(len(rows)) % self.folds
            if groups is not None:
                _, place = np.unique(groups, return_inverse=True)
                fold = fold[place.ravel()]
            parts = np.stack([_moments(columns[fold == f], weight[fold == f]) for f in range(self.folds)])
            moments = parts.sum(axis=0)
            errors = _held_out_errors(parts, moments, alphas)
            best = errors.argmin(axis=1)
            self.alpha_, self.error_ = alphas[best], errors[np.arange(len(best)), best]
        else:
            moments = _moments(columns, weight)
            self.alpha_ = np.repeat(alphas, weight.shape[1])
        found = _solve(moments, self.alpha_[:, None])[:, 0]
        self.intercept_, self.coef_ = found[:, 0], found[:, 1:]
        return self

    def _transformer(self) -> Any:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer, SplineTransformer, StandardScaler

        if isinstance(self.features, str) and self.features == "passthrough":
            return FunctionTransformer()
        if self.features is not None:
            return clone(self.features)
        splines = SplineTransformer(5, extrapolation="linear", include_bias=False)
        return make_pipeline(StandardScaler(), splines, StandardScaler())

    def predict(self, x: ArrayLike) -> Floats:
        """Fitted values, shape (n,) for one weighting given as (n,), else (n, t)."""
        check_is_fitted(self)
        features = self.features_.transform(validate_data(self, x, dtype=np.float64, reset=False))
        found: Floats = features @ self.coef_.T + self.intercept_
        return found[:, 0] if self.single_ else found


def _moments(columns: Floats, weight: Floats) -> Floats:
    """Weighted second moments of the columns, shape (t, columns, columns)."""
    return np.stack([(columns * w[:, None]).T @ columns for w in weight.T])


def _solve(moments: Floats, alphas: Floats) -> Floats:
    """Intercepts and coefficients, shape (t, a, k + 1), for penalties (t, a) from moments of [1, features, y]."""
    mass = moments[:, 0, 0]
    mean = moments[:, 0, 1:] / mass[:, None]
    centred = moments[:, 1:, 1:] / mass[:, None, None] - mean[:, :, None] * mean[:, None, :]
    values, vectors = np.linalg.eigh(centred[:, :-1, :-1])
    values = np.maximum(values, 0.0)
    along = np.einsum("tkj,tk->tj", vectors, centred[:, :-1, -1])
    damped = values[:, None, :] + alphas[:, :, None]
    tiny = np.finfo(np.float64).eps * len(values[0]) * values.max(axis=1, initial=0.0)
    kept = damped > tiny[:, None, None]
    scaled = np.where(kept, along[:, None, :] / np.where(kept, damped, 1.0), 0.0)
    coef = np.einsum("tkj,taj->tak", vectors, scaled)
    intercept = mean[:, None, -1:] - np.einsum("tak,tk->ta", coef, mean[:, :-1])[:, :, None]
    return np.concatenate([intercept, coef], axis=2)


def _held_out_errors(parts: Floats, moments: Floats, alphas: Floats) -> Floats:
    """Weighted mean squared errors of every fold's rows by the fit to the others, summed, shape (t, a).

    A fold that holds all the weight of a weighting cannot be predicted and is left out of its mean.
    """
    total, mass = np.zeros((len(moments), len(alphas))), np.zeros(len(moments))
    grid = np.broadcast_to(alphas, (len(moments), len(alphas)))
    for part in parts:
        rest = moments - part
        usable = rest[:, 0, 0] > 1e-12 * moments[:, 0, 0]
        found = _solve(np.where(usable[:, None, None], rest, moments), grid)
        residual = np.concatenate([-found, np.ones((*grid.shape, 1))], axis=2)
        squares = np.einsum("tak,tkl,tal->ta", residual, part, residual, optimize=True)
        total += np.where(usable[:, None], squares, 0.0)
        mass += np.where(usable, part[:, 0, 0], 0.0)
    result: Floats = total / np.where(mass > 0, mass, 1.0)[:, None]
    return result
