"""The default outcome model m(x) = E[Y | x], and cross-fitting for any scikit-learn regressor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.units import Units
from ifm_learn.randomness import stream

try:
    from sklearn.base import BaseEstimator, RegressorMixin, clone
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError:
    raise MissingExtraError("scikit-learn", "learn") from None


_STRENGTHS = np.geomspace(1e-2, 1e5, 15)
"""Ridge penalties tried on standardised features, the best by leave-one-out error."""

_ROWS_PER_PARAMETER = 5
"""Candidates with fewer rows than this for each parameter are not tried (a linear one always is)."""

_MOST_PRODUCTS = 40
"""With more variables the products of pairs cost more than they give."""


class SmoothRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A smooth regression chosen by cross-validation: ridge on linear terms, splines and products, small networks.

    units: numbers of tanh units of the one-layer networks, tried in ascending order until two in a row do no
    better; empty for ridge regressions only. alphas: weight decays (inputs and targets are standardised, the
    penalty is alpha |w|^2 beside the sum of squares), all tried for the smallest network and for the best one.
    Networks are fitted by L-BFGS from `starts` random starts; the lowest penalised loss is kept. A small network
    is far better than the usual ten units where y depends on one or two combinations of x.

    Learned by `fit`: candidates_, the cross-validated mean squared error of every candidate; choice_, the best
    one's name; model_, it fitted to all rows; converged_, whether its optimiser finished within max_iter steps;
    residual_variance_, the best cross-validated error, in squared units of y.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(1000, 3))
    >>> y = np.tanh(x @ [1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=1000)
    >>> model = SmoothRegressor().fit(x, y)
    >>> model.choice_[:11], bool(model.residual_variance_ < 0.011), model.converged_
    ('1 tanh unit', True, True)
    """

    def __init__(
        self,
        units: Sequence[int] = (1, 2, 3, 5, 10),
        alphas: Sequence[float] = (0.01, 0.1, 1.0, 10.0),
        folds: int = 3,
        starts: int = 2,
        max_iter: int = 500,
        seed: int = 0,
    ) -> None:
        self.units = units
        self.alphas = alphas
        self.folds = folds
        self.starts = starts
        self.max_iter = max_iter
        self.seed = seed

    def fit(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, groups: Ints | None = None
    ) -> Self:
        """Choose and fit. x: (n, p); y: (n,); sample_weight: (n,), not negative, or None. n is 3 or more.

        groups: shape (n,), ids of rows that no fold separates; the ridge penalties are then chosen by these folds
        too, not by leaving out single rows.
        """
        rows, values = validate_data(self, x, y, dtype=np.float64, y_numeric=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, rows, dtype=np.float64)
        if len(rows) < 3 or self.folds < 2:
            raise InputError(
                f"{len(rows)} sample(s) in {self.folds} folds; a regression needs 3 rows and 2 folds at least"
            )
        fold = _folds(len(rows), min(self.folds, len(rows)), self.seed, groups=groups)

        def error(model: Any) -> float:
            predicted = np.empty(len(rows))
            for f in range(int(fold.max()) + 1):
                seen = fold != f
                part = None if weight is None else weight[seen]
                predicted[~seen] = fit_regressor(model, rows[seen], values[seen], part).predict(rows[~seen])
            return float(np.average((values - predicted) ** 2, weights=weight))

        tried = ridge_candidates(rows.shape[1], len(rows))
        if groups is not None:
            tried = {
                f"{name}, alpha {strength:g}": one
                for strength in _STRENGTHS[::2].tolist()
                for name, one in ridge_candidates(rows.shape[1], len(rows), [strength]).items()
            }
        self.candidates_ = {name: error(model) for name, model in tried.items()}
        if self.units and self.alphas and np.ptp(values) > 0:
            self._try_networks(tried, rows, error)
        self.choice_ = min(self.candidates_, key=lambda name: self.candidates_[name])
        self.residual_variance_ = self.candidates_[self.choice_]
        self.model_ = fit_regressor(tried[self.choice_], rows, values, weight)
        self.converged_ = bool(getattr(self.model_, "converged_", True))
        self.n_iter_ = getattr(self.model_, "n_iter_", 1)
        return self

    def _try_networks(self, tried: dict[str, Any], rows: Floats, error: Any) -> None:
        def attempt(units: int, alpha: float) -> float:
            name = f"{units} tanh unit{'s' if units > 1 else ''}, alpha {alpha:g}"
            tried[name] = TanhNetwork(units, alpha, self.starts, self.max_iter, self.seed)
            self.candidates_[name] = error(tried[name])
            return self.candidates_[name]

        room = [u for u in sorted(self.units) if _ROWS_PER_PARAMETER * u * (rows.shape[1] + 2) <= len(rows)]
        if not room:
            return
        first = {alpha: attempt(room[0], alpha) for alpha in self.alphas}
        usual = min(first, key=lambda alpha: first[alpha])
        best, chosen, worse = first[usual], room[0], 0
        for units in room[1:]:
            found = attempt(units, usual)
            worse = 0 if found < best else worse + 1
            if found < best:
                best, chosen = found, units
            if worse == 2:
                break
        if chosen != room[0]:
            for alpha in self.alphas:
                if alpha != usual:
                    attempt(chosen, alpha)

    def predict(self, x: ArrayLike) -> Floats:
        """m(x), shape (n,)."""
        check_is_fitted(self)
        rows = validate_data(self, x, dtype=np.float64, reset=False)
        return np.asarray(self.model_.predict(rows), dtype=np.float64)


class TanhNetwork(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """One layer of tanh units on standardised inputs and targets, the best of several starts of L-BFGS.

    Learned by `fit`: network_, scikit-learn's MLPRegressor; losses_, the penalised loss of every start;
    converged_.
    """

    def __init__(
        self, units: int = 10, alpha: float = 1.0, starts: int = 2, max_iter: int = 500, seed: int = 0
    ) -> None:
        self.units = units
        self.alpha = alpha
        self.starts = starts
        self.max_iter = max_iter
        self.seed = seed

    def fit(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """x: (n, p); y: (n,); sample_weight: (n,) or None."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        rows, targets = validate_data(self, x, y, dtype=np.float64, y_numeric=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, rows, dtype=np.float64)
        if weight is not None and not weight.sum():
            raise InputError("every sample weight is zero; give some rows a positive weight")
        self.x_shift_, self.x_unit_ = _standard(rows, weight)
        self.y_shift_, self.y_unit_ = _standard(targets, weight)
        scaled, values = (rows - self.x_shift_) / self.x_unit_, (targets - self.y_shift_) / self.y_unit_
        networks = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for start in range(self.starts):
                network = MLPRegressor(
                    hidden_layer_sizes=(self.units,),
                    activation="tanh",
                    solver="lbfgs",
                    alpha=self.alpha,
                    max_iter=self.max_iter,
                    random_state=self.seed + start,
                )
                networks.append(network.fit(scaled, values, sample_weight=weight))
        self.losses_ = [float(network.loss_) for network in networks]
        self.network_ = networks[int(np.argmin(self.losses_))]
        self.n_iter_ = self.network_.n_iter_
        self.converged_ = bool(self.n_iter_ < self.max_iter)
        return self

    def predict(self, x: ArrayLike) -> Floats:
        """m(x), shape (n,)."""
        check_is_fitted(self)
        rows = validate_data(self, x, dtype=np.float64, reset=False)
        scaled = self.network_.predict((rows - self.x_shift_) / self.x_unit_)
        return np.asarray(scaled * self.y_unit_ + self.y_shift_, dtype=np.float64)


def ridge_candidates(width: int, rows: int, strengths: Sequence[float] | Floats = _STRENGTHS) -> dict[str, Any]:
    """Ridge regressions on fixed features of x with `width` variables, by name, unfitted: the cheap candidates.

    The penalty is chosen among `strengths` by leave-one-out error. Only linear terms where there are few rows.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import PolynomialFeatures, SplineTransformer, StandardScaler

    def ridge(*terms: Any) -> Any:
        return make_pipeline(StandardScaler(), *terms, RidgeCV(strengths))

    found = {"linear": ridge()}
    splines = SplineTransformer(5, extrapolation="linear", include_bias=False)
    bent, products = 6 * width, width * (width - 1) // 2
    if _ROWS_PER_PARAMETER * bent <= rows:
        found["splines"] = ridge(splines, StandardScaler())
    if products > 0 and width <= _MOST_PRODUCTS and _ROWS_PER_PARAMETER * (bent + products) <= rows:
        pairs = PolynomialFeatures(2, interaction_only=True, include_bias=False)
        found["splines and products"] = ridge(make_union(splines, pairs), StandardScaler())
    return found


def outcome_regressor(given: Any, seed: int) -> Any:
    """An unfitted clone of the regressor that a user gave, or the default `SmoothRegressor` for None."""
    return SmoothRegressor(seed=seed) if given is None else clone(given)


def settled(fitted: Any) -> Any:
    """An unfitted clone of a fitted regressor that keeps what cross-validation chose: for refits on other rows."""
    return clone(fitted.model_) if isinstance(fitted, SmoothRegressor) else clone(fitted)


def fit_regressor(
    regressor: Any, x: Floats, y: Floats, sample_weight: Floats | None = None, groups: Ints | None = None
) -> Any:
    """A clone of any scikit-learn regressor or pipeline fitted to the rows.

    groups: ids of rows that belong together, for the default regressor's own folds. Raises InputError where
    weights are given to a regressor whose `fit` takes none.
    """
    from sklearn.utils.validation import has_fit_parameter

    model = clone(regressor)
    if groups is not None and isinstance(model, SmoothRegressor):
        return model.fit(x, y, sample_weight, groups)
    if sample_weight is None:
        return model.fit(x, y)
    final, prefix = (model.steps[-1][1], model.steps[-1][0] + "__") if hasattr(model, "steps") else (model, "")
    if not has_fit_parameter(final, "sample_weight"):
        raise InputError(
            f"{type(final).__name__} takes no sample_weight; give a regressor that does (Ridge, MLPRegressor, "
            "HistGradientBoostingRegressor, ...)"
        )
    return model.fit(x, y, **{f"{prefix}sample_weight": sample_weight})


@dataclass(frozen=True, eq=False)
class CrossFit:
    """A regressor fitted once for each fold on the rows outside it.

    fold: the fold of every row, shape (n,); out_of_fold: predictions of every row by the model that has not seen
    it, shape (n,); models: one for each fold.
    """

    fold: Ints
    out_of_fold: Floats
    models: tuple[Any, ...]

    def predict(self, x: Floats) -> Floats:
        """The mean of the models' predictions for new rows, shape (n,)."""
        return np.asarray(np.mean([model.predict(x) for model in self.models], axis=0), dtype=np.float64)


def cross_fit(
    regressor: Any,
    x: Floats,
    y: Floats,
    folds: int = 5,
    seed: int = 0,
    sample_weight: Floats | None = None,
    strata: Ints | None = None,
    groups: Ints | None = None,
) -> CrossFit:
    """Fit a regressor on all folds but one, for each in turn; `strata`, shape (n,), are spread over the folds.

    groups: shape (n,), ids of rows that no fold separates; there are no more folds than groups. Raises InputError
    for fewer than two folds or more folds than rows.

    >>> from sklearn.dummy import DummyRegressor
    >>> x, y = np.zeros((4, 1)), np.array([0.0, 1.0, 2.0, 3.0])
    >>> fit = cross_fit(DummyRegressor(), x, y, folds=4)
    >>> fit.out_of_fold.round(2).tolist()
    [2.0, 1.67, 1.33, 1.0]
    >>> cross_fit(DummyRegressor(), x, y, folds=5)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: 5 folds of 4 rows; give 2 folds or more, and no more than rows
    """
    fold = _folds(len(x), folds, seed, strata, groups)
    out_of_fold, models = np.empty(len(x)), []
    for f in range(int(fold.max()) + 1):
        seen = fold != f
        part = None if sample_weight is None else sample_weight[seen]
        models.append(fit_regressor(regressor, x[seen], y[seen], part))
        out_of_fold[~seen] = models[-1].predict(x[~seen])
    return CrossFit(fold, out_of_fold, tuple(models))


def _folds(rows: int, folds: int, seed: int, strata: Ints | None = None, groups: Ints | None = None) -> Ints:
    """Fold numbers, shape (rows,): sizes differ by one at most, and so do the shares of every stratum.

    Of groups it is their numbers that differ by one at most; one group alone is split as rows are.
    """
    if not 2 <= folds <= rows:
        raise InputError(f"{folds} folds of {rows} rows; give 2 folds or more, and no more than rows")
    count = 0 if groups is None else len(np.unique(groups))
    if groups is not None and count > 1:
        same = np.zeros(rows, dtype=np.int64)
        return Units.of(same, groups).folds(min(folds, count), stream(seed, "folds"))
    order = stream(seed, "folds").permutation(rows)
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(rows, dtype=np.int64)
    fold[order] = np.arange(rows) % folds
    return fold


def _standard(values: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of every column; 1 where a column is constant."""
    mean = np.average(values, axis=0, weights=weight)
    spread = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weight))
    return np.asarray(mean), np.where(spread > 0, spread, 1.0)
