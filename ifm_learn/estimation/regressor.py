"""Regimes in, means of an outcome out: estimates of the ladder as a scikit-learn regressor."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ifm_ident import (
    Design,
    Factor,
    Identifier,
    InputError,
    Intervention,
    MissingExtraError,
    Model,
    Regimes,
    Status,
    Study,
)
from ifm_ident.arrays import Floats
from ifm_ident.design import Basis, format_regime
from ifm_ident.study import data_regimes
from ifm_learn.data.samples import Samples
from ifm_learn.ladder.average import Ladder, fit_ladder
from ifm_learn.ladder.rungs import AUTO, affordable, check_energy, rungs_for
from ifm_learn.randomness import checked_seed, one_thread

try:
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.utils.validation import check_array, check_is_fitted, validate_data
except ImportError:
    raise MissingExtraError("scikit-learn", "learn") from None

OUTCOME = "y"
_REPLICATES = 20


class IfmRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """The mean of y in any regime that the rows identify, for pipelines and cross-validation of scikit-learn.

    X: a row a unit, with a column for each intervention of `study`, or what its label conventions read; other
    columns are ignored, and an array has the interventions in the study's order. y is the only variable: there is
    one factor for each set of interventions in the study's factors. Which regimes were run is told by the rows
    fitted to, not by `train`. study: a `Study`, or None: every column is then a number that a factor of its own
    follows along a line, as in a linear model. energy: as in `estimate_study`. unidentified: what `predict` does
    where a regime is not identified, "raise" or "nan".

    Learned by `fit`: design_, the regimes that were run; ladder_, the fitted models; models_, the weights of those
    that answer.

    >>> study = Study.from_labels(["ctrl", "A", "B"])
    >>> rng = np.random.default_rng(0)
    >>> X = np.repeat([[0, 0], [1, 0], [0, 1]], 50, axis=0)
    >>> y = X @ [1.0, 2.0] + 0.1 * rng.normal(size=150)
    >>> model = IfmRegressor(study, energy="normal").fit(X, y)
    >>> mean, error = model.predict([[1, 1]], return_std=True)
    >>> mean.round(1).tolist(), error.round(2).tolist(), model.models_
    ([3.0], [0.02], {'normal': 1.0})
    """

    def __init__(
        self,
        study: Study | None = None,
        *,
        energy: str = AUTO,
        unidentified: Literal["raise", "nan"] = "raise",
        seed: int = 0,
    ) -> None:
        self.study = study
        self.energy = energy
        self.unidentified = unidentified
        self.seed = seed

    @one_thread()
    def fit(self, X: Any, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Fit to the regimes X, shape (n, d), and their outcomes y, shape (n,).

        Raises InputError for rows that name no regime and for too few rows.
        """
        if self.unidentified not in ("raise", "nan"):
            raise InputError(f"unidentified is {self.unidentified!r}; legal: raise, nan")
        if self.study is not None and not isinstance(self.study, Study):
            raise InputError(f"study is {type(self.study).__name__}; give a Study, as from load(FILE), or None")
        energy, seed = check_energy(self.energy), checked_seed(self.seed)
        if self.study is None:
            X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)  # noqa: N806
            names = [f"x{j}" for j in range(self.n_features_in_)]
            self.model_ = Model(
                tuple(Intervention(name, (0,), Basis("poly", degree=1)) for name in names),
                (OUTCOME,),
                tuple(Factor(name, (OUTCOME,), (name,)) for name in names),
            )
        else:
            validate_data(self, X, skip_check_array=True)
            y = check_array(y, ensure_2d=False, dtype=np.float64)
            scopes = dict.fromkeys(factor.sigma for factor in self.study.model.factors)
            self.model_ = Model(
                self.study.model.interventions,
                (OUTCOME,),
                tuple(Factor(f"f{k}", (OUTCOME,), scope) for k, scope in enumerate(scopes)),
            )
        regimes, values = self._regimes(X), np.asarray(y, dtype=np.float64)
        if values.ndim != 1:
            raise InputError(f"y has shape {values.shape}; give one number a row, shape (n,)")
        if len(values) != len(regimes):
            raise ValueError(f"X has {len(regimes)} rows and y has {len(values)}")
        first = regimes.first_equal(regimes)
        run, regime = np.unique(first, return_inverse=True)
        self.design_ = Design(self.model_, regimes.take(run))
        samples = Samples(self.design_, regime.astype(np.int64), values[:, None])
        rungs = rungs_for(energy, samples)
        if energy == AUTO and all(rung.unfit(samples) for rung in rungs):
            rungs = rungs_for("normal", samples)  # few rows of few values
        rungs = tuple(affordable(rungs, samples, None)[0])
        self.ladder_: Ladder = fit_ladder(samples, rungs, seed=seed, replicates=_REPLICATES)
        self.identifier_ = Identifier(self.design_)
        weights = self.ladder_.weights
        self.models_ = {name: float(w) for name, w in zip(self.ladder_.rungs, weights, strict=True) if w > 0}
        return self

    def predict(self, X: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:  # noqa: N803
        """Means of y in the regimes X, shape (n,), and with `return_std` their standard errors, shape (n,)."""
        check_is_fitted(self)
        if self.study is None:
            X = validate_data(self, X, dtype=np.float64, reset=False)  # noqa: N806
        else:
            validate_data(self, X, reset=False, skip_check_array=True)
        regimes = self._regimes(X)
        distinct, back = np.unique(regimes.first_equal(regimes), return_inverse=True)
        asked = regimes.take(distinct)
        status = self.identifier_.identify(asked, "joint").status
        known = np.isin(status, (Status.OBSERVED, Status.IDENTIFIED))
        if not known.all() and self.unidentified == "raise":
            worst = int(np.flatnonzero(~known)[0])
            row = int(np.flatnonzero(back == worst)[0]) + 1
            notation = "assignment" if self.study is None else self.study.notation
            raise InputError(
                f"{format_regime(self.model_, asked[worst], notation)} is not identified by the "
                f"{len(self.design_.train)} "
                f'regimes fitted to (row {row} of X); leave it out, or set unidentified="nan"'
            )
        mean, error = np.full((2, len(asked)), np.nan)
        if known.any():
            found = self.ladder_.estimate(asked.take(np.flatnonzero(known)))
            mean[known], error[known] = found.mean[:, 0], found.se[:, 0]
        return (mean[back], error[back]) if return_std else mean[back]

    def _regimes(self, X: Any) -> Regimes:  # noqa: N803
        """The regime of every row."""
        names = list(self.model_.position)
        if self.study is None or not hasattr(X, "columns"):
            rows: NDArray[Any] = np.asarray(X)
            if rows.ndim != 2 or rows.shape[1] != len(names):
                raise InputError(f"X has shape {rows.shape}; it has {len(names)} columns, {', '.join(names)}")
            X = {name: rows[:, j] for j, name in enumerate(names)}  # noqa: N806
        if self.study is None:
            codes = np.column_stack(
                [_levels(self.model_.interventions[j], X[name]) for j, name in enumerate(names)]
            )
            return Regimes.from_codes(codes)
        spec = self.study.data
        read = data_regimes(self.model_, X, *(() if spec is None else (spec.label, spec.labels)))
        rows_read: Regimes = read.regimes
        return rows_read

    def __sklearn_tags__(self) -> Any:
        """With a study columns may be texts, and what is no regime of it is refused."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = self.study is not None
        return tags


def _levels(intervention: Intervention, values: Floats) -> NDArray[np.int64]:
    distinct, back = np.unique(values, return_inverse=True)
    return np.array([intervention.index(float(value)) for value in distinct], dtype=np.int64)[back]
