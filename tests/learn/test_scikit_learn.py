"""The regressors of the package keep scikit-learn's conventions, by its own checks; what IfmRegressor says."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

from ifm_ident import InputError, Study
from ifm_learn import IfmRegressor
from ifm_learn.outcome._feature_ridge import FeatureRidge
from ifm_learn.outcome.regressors import SmoothRegressor, TanhNetwork

FOLDS_ARE_ROWS = {"check_sample_weight_equivalence_on_dense_data": "folds and starts are of rows, not of weights"}
SEVERAL_WEIGHTINGS = {"check_sample_weights_shape": "weights of shape (n, t) are t weightings"}


@pytest.mark.parametrize(
    ("model", "cannot", "least"),
    [
        (IfmRegressor(energy="normal"), {}, 50),
        (SmoothRegressor(units=(1,), alphas=(1.0,), starts=1), FOLDS_ARE_ROWS, 57),
        (TanhNetwork(), FOLDS_ARE_ROWS, 57),
        (FeatureRidge(), FOLDS_ARE_ROWS | SEVERAL_WEIGHTINGS, 56),
    ],
)
def test_checks_of_scikit_learn(model: Any, cannot: dict[str, str], least: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        found = check_estimator(model, expected_failed_checks=cannot, on_fail=None)
    failed = {one["check_name"]: str(one["exception"]) for one in found if one["status"] == "failed"}
    assert not failed
    assert {one["check_name"] for one in found if one["status"] == "xfail"} == set(cannot)
    skipped = {one["check_name"] for one in found if one["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert sum(one["status"] == "passed" for one in found) >= least


def table(rng: np.random.Generator, rows: int = 40) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    regimes = pd.DataFrame({"A": [0, 1, 0], "B": [0, 0, 1]}).loc[np.repeat([0, 1, 2], rows)].reset_index(drop=True)
    return regimes, np.asarray(regimes @ [1.0, -2.0] + 0.3 * rng.normal(size=len(regimes)))


def test_means_are_those_of_least_squares_and_read_by_name() -> None:
    study = Study.from_labels(["ctrl", "A", "B"])
    regimes, y = table(np.random.default_rng(0))
    model = IfmRegressor(study, energy="normal").fit(regimes, y)
    both = pd.DataFrame({"A": [1, 0], "B": [1, 1]})
    line = LinearRegression().fit(regimes, y)
    assert model.predict(both) == pytest.approx(line.predict(both), abs=1e-9)
    by_place = IfmRegressor(study, energy="normal").fit(regimes.to_numpy(), y)
    assert by_place.predict(np.array([[1, 1]])) == pytest.approx(line.predict(both)[:1])
    design = np.column_stack([np.ones(len(y)), regimes])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    row = np.array([1.0, 1.0, 1.0])
    wanted = np.sqrt(left @ left / (len(y) - 3) * row @ np.linalg.inv(design.T @ design) @ row)
    _, error = model.predict(both, return_std=True)
    assert error[0] == pytest.approx(wanted, rel=0.1)  # or that of regimes with variances of their own
    assert (
        cross_val_score(
            IfmRegressor(study, energy="normal"), regimes, y, cv=KFold(3, shuffle=True, random_state=0)
        ).mean()
        > 0.8
    )


def test_labels_and_texts_of_a_study() -> None:
    study = Study.from_labels(["ctrl", "A", "B", "A+B"])
    rng = np.random.default_rng(1)
    label = np.repeat(["ctrl", "A", "B"], 30)
    y = np.select([label == "A", label == "B"], [1.0, 2.0], 0.0) + 0.1 * rng.normal(size=90)
    model = IfmRegressor(study, energy="normal").fit(pd.DataFrame({"label": label}), y)
    assert model.predict(pd.DataFrame({"label": ["A+B"]})) == pytest.approx(
        [y[30:60].mean() + y[60:].mean() - y[:30].mean()]
    )


def test_what_is_not_identified_is_refused_or_nan() -> None:
    study = Study.from_labels(["ctrl", "A", "B"])
    regimes, y = table(np.random.default_rng(2))
    only = regimes["B"] == 0
    model = IfmRegressor(study, energy="normal").fit(regimes[only], y[only])
    with pytest.raises(InputError, match=r"B is not identified by the 2 regimes fitted to \(row 2 of X\)"):
        model.predict(regimes.iloc[[40, 80]])
    model.set_params(unidentified="nan")
    found = model.predict(regimes.iloc[[40, 80]])
    assert np.isfinite(found).tolist() == [True, False]
    for changed, said in (
        ({"unidentified": "zero"}, "legal: raise, nan"),
        ({"energy": "magic"}, "magic"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(InputError, match=said):
            IfmRegressor(study, **changed).fit(regimes, y)
    with pytest.raises(InputError, match="it has 2 columns, A, B"):
        IfmRegressor(study).fit(np.zeros((6, 3)), np.zeros(6))
    with pytest.raises(ValueError, match="120 rows and y has 3"):
        IfmRegressor(study).fit(regimes, y[:3])
