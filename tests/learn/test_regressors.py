"""Outcome regressions: what cross-validation chooses, weights against replicated rows, closed forms, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn import IfmRegressor
from ifm_learn.outcome._feature_ridge import FeatureRidge
from ifm_learn.outcome.regressors import (
    SmoothRegressor,
    TanhNetwork,
    cross_fit,
    fit_regressor,
    outcome_regressor,
)
from ifm_learn.randomness import stream


def rows(n: int, p: int, seed: int) -> Floats:
    """Correlated, heavy-tailed, skewed rows."""
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(n, p)) @ (np.eye(p) + 0.4 * rng.normal(size=(p, p)) / np.sqrt(p))
    x: Floats = np.where(np.arange(p) % 2 == 0, np.sinh(0.8 * normal), normal + 0.4 * normal**2)
    return x


def test_single_index_outcome_is_learned_far_better_than_by_ten_units() -> None:
    x, new = rows(4000, 11, 0), rows(4000, 11, 1)
    rng = np.random.default_rng(2)
    direction = rng.normal(size=11)
    y = np.tanh(x @ direction) + 0.6 * rng.normal(size=4000)
    truth = np.tanh(new @ direction)
    model = SmoothRegressor().fit(x, y)
    small = np.mean((model.predict(new) - truth) ** 2)
    usual = np.mean((TanhNetwork(10, alpha=1.0).fit(x, y).predict(new) - truth) ** 2)
    assert model.choice_.startswith("1 tanh unit")
    assert model.converged_
    assert small < 0.36 * 4 * 13 / 4000  # noise variance x parameters / rows, four times over
    assert small < usual / 3
    assert model.residual_variance_ == pytest.approx(0.36, abs=4 * 0.36 * np.sqrt(2 / 4000))


def test_linear_and_bent_outcomes_get_their_own_features() -> None:
    x = rows(2000, 4, 0)
    noise = 0.3 * np.random.default_rng(1).normal(size=2000)
    assert SmoothRegressor().fit(x, x @ [1.0, -1.0, 0.5, 2.0] + noise).choice_ == "linear"
    assert SmoothRegressor(units=()).fit(x, x[:, 1] * x[:, 3] + noise).choice_ == "splines and products"
    assert SmoothRegressor(units=()).fit(x, np.abs(x[:, 1]) + noise).choice_.startswith("splines")


def test_few_rows_constants_and_constant_columns() -> None:
    x = rows(60, 3, 0)
    x[:, 1] = 2.0
    assert SmoothRegressor().fit(x, np.full(60, 7.0)).predict(x[:2]) == pytest.approx(7.0)
    assert list(SmoothRegressor().fit(x[:3], x[:3, 0]).candidates_) == ["linear"]
    model = SmoothRegressor().fit(x, x[:, 0])
    assert np.isfinite(model.predict(x)).all()
    with pytest.raises(InputError, match=r"2 sample\(s\) in 3 folds"):
        SmoothRegressor().fit(x[:2], x[:2, 0])


def test_unfinished_optimisers_are_recorded_not_warned_about() -> None:
    x = rows(500, 3, 0)
    y = np.tanh(x @ [1.0, 2.0, -1.0])
    assert not TanhNetwork(5, max_iter=2).fit(x, y).converged_
    assert TanhNetwork(1, alpha=1.0).fit(x, y).converged_


def test_same_seed_same_bytes_and_parameters_survive_a_clone() -> None:
    x = rows(500, 3, 0)
    y = np.tanh(x @ [1.0, 2.0, -1.0])
    model = SmoothRegressor(units=(1, 3), seed=4)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert model.fit(x, y).predict(x).tobytes() == copy.fit(x, y).predict(x).tobytes()


def test_more_starts_never_raise_the_penalised_loss() -> None:
    x = rows(800, 4, 0)
    y = np.tanh(x[:, 0] * x[:, 1])
    many = TanhNetwork(3, starts=4).fit(x, y)
    assert len(many.losses_) == 4
    assert many.network_.loss_ == min(many.losses_)
    assert many.losses_[0] == TanhNetwork(3, starts=1).fit(x, y).losses_[0]


def test_integer_weights_are_replicated_rows() -> None:
    x, rng = rows(300, 3, 0), np.random.default_rng(1)
    y = np.tanh(x @ [1.0, 2.0, -1.0]) + 0.1 * rng.normal(size=300)
    weight = rng.integers(0, 4, size=300)
    again = np.repeat(np.arange(300), weight)
    for model in (TanhNetwork(1, starts=1), FeatureRidge("passthrough", alphas=[0.1])):
        weighted = clone(model).fit(x, y, weight.astype(float)).predict(x)
        np.testing.assert_allclose(weighted, clone(model).fit(x[again], y[again]).predict(x), atol=2e-3)


def test_weights_reach_the_choice_and_the_fit() -> None:
    x, rng = rows(2000, 2, 0), np.random.default_rng(1)
    sign = np.where(rng.random(2000) < 0.5, 1.0, -1.0)
    y = sign * x[:, 0]
    for kept in (1.0, -1.0):
        model = SmoothRegressor(units=()).fit(x, y, np.where(sign == kept, 1.0, 0.0))
        np.testing.assert_allclose(model.predict(x), kept * x[:, 0], atol=1e-2)
        assert model.residual_variance_ < 1e-3


def test_regressors_without_weights_are_refused_and_pipelines_get_them() -> None:
    x = rows(50, 2, 0)
    weight = np.arange(50.0)
    with pytest.raises(InputError, match="KNeighborsRegressor takes no sample_weight"):
        fit_regressor(KNeighborsRegressor(), x, x[:, 0], weight)
    y = x[:, 0] ** 2
    piped = fit_regressor(make_pipeline(StandardScaler(), LinearRegression()), x, y, weight)
    np.testing.assert_allclose(piped.predict(x), LinearRegression().fit(x, y, weight).predict(x))


def test_any_regressor_can_be_given_and_is_not_touched() -> None:
    given = Ridge(alpha=2.0)
    copy = outcome_regressor(given, seed=3)
    assert copy is not given
    assert copy.alpha == 2.0
    assert outcome_regressor(None, seed=3).seed == 3


def test_cross_fitting_never_predicts_a_row_it_has_seen() -> None:
    x = rows(40, 2, 0)
    nearest = KNeighborsRegressor(n_neighbors=1)
    y = np.arange(40.0)
    fit = cross_fit(nearest, x, y, folds=4, seed=1)
    assert (fit.out_of_fold != y).all()
    for f, model in enumerate(fit.models):
        own = fit.fold == f
        np.testing.assert_array_equal(model.predict(x[own]), fit.out_of_fold[own])
        np.testing.assert_array_equal(model.predict(x[~own]), y[~own])
    np.testing.assert_allclose(fit.predict(x[:3]), np.mean([m.predict(x[:3]) for m in fit.models], axis=0))


def test_folds_spread_every_stratum() -> None:
    strata = np.repeat([0, 1, 2], [31, 7, 12])
    fit = cross_fit(LinearRegression(), rows(50, 1, 0), np.zeros(50), folds=5, strata=strata)
    counts = np.array([[np.sum((fit.fold == f) & (strata == s)) for s in range(3)] for f in range(5)])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 1).all()
    assert np.bincount(fit.fold).tolist() == [10] * 5


def test_feature_ridge_is_ridge_for_every_weighting() -> None:
    x, rng = rows(200, 4, 0), np.random.default_rng(1)
    y, weights = x[:, 0] - x[:, 2] + rng.normal(size=200), rng.exponential(size=(200, 3))
    model = FeatureRidge("passthrough", alphas=[0.3]).fit(x, y, weights)
    for t in range(3):
        alone = Ridge(alpha=0.3 * weights[:, t].sum()).fit(x, y, weights[:, t])
        np.testing.assert_allclose(model.coef_[t], alone.coef_, rtol=1e-8)
        np.testing.assert_allclose(model.predict(x)[:, t], alone.predict(x), rtol=1e-8, atol=1e-10)
    scaled = FeatureRidge("passthrough", alphas=[0.3]).fit(x, y, 7 * weights)
    np.testing.assert_allclose(scaled.coef_, model.coef_, rtol=1e-10)


def test_feature_ridge_cross_validates_by_held_out_rows() -> None:
    x, rng = rows(120, 3, 0), np.random.default_rng(1)
    y, weight = x[:, 0] + 3 * rng.normal(size=120), rng.exponential(size=120)
    alphas = [1e-3, 0.1, 10.0]
    model = FeatureRidge("passthrough", alphas=alphas, folds=4, seed=5).fit(x, y, weight)
    fold = stream(5, "folds").permutation(120) % 4
    errors = []
    for alpha in alphas:
        out = np.empty(120)
        for f in range(4):
            seen = fold != f
            ridge = Ridge(alpha=alpha * weight[seen].sum()).fit(x[seen], y[seen], weight[seen])
            out[~seen] = ridge.predict(x[~seen])
        errors.append(np.average((y - out) ** 2, weights=weight))
    assert model.alpha_.tolist() == [alphas[int(np.argmin(errors))]]
    assert model.error_[0] == pytest.approx(min(errors), rel=1e-8)


def test_feature_ridge_without_penalty_takes_the_least_solution_of_a_deficient_system() -> None:
    x = np.repeat(rows(50, 1, 0), 2, axis=1)
    model = FeatureRidge("passthrough", alphas=[0.0]).fit(x, 3 * x[:, 0] + 1)
    np.testing.assert_allclose(model.coef_, [[1.5, 1.5]])
    np.testing.assert_allclose(model.intercept_, [1.0])


def test_feature_ridge_default_features_bend_and_one_row_can_hold_all_weight() -> None:
    x = rows(400, 2, 0)
    y = np.abs(x[:, 0])
    straight = FeatureRidge("passthrough").fit(x, y)
    assert FeatureRidge().fit(x, y).error_[0] < 0.5 * straight.error_[0]
    single = np.zeros(400)
    single[3] = 1.0
    assert FeatureRidge().fit(x, y, single).predict(x) == pytest.approx(np.full(400, y[3]))


@pytest.mark.parametrize(
    ("weight", "words"),
    [(np.ones(3), "weights"), (np.full(4, -1.0), "zero or more"), (np.zeros((4, 2)), "some that are positive")],
)
def test_feature_ridge_refuses_bad_weights(weight: Floats, words: str) -> None:
    with pytest.raises(InputError, match=words):
        FeatureRidge().fit(rows(4, 1, 0), np.zeros(4), weight)


def test_what_is_no_study_and_no_column_of_numbers_is_refused() -> None:
    levels, y = np.repeat([[0, 0], [1, 0], [0, 1]], 5, axis=0), np.arange(15.0)
    with pytest.raises(InputError, match="study is str; give a Study"):
        IfmRegressor("study.yaml").fit(levels, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="y has shape"):
        IfmRegressor(Study.from_labels(["ctrl", "A", "B"])).fit(levels, np.c_[y, y])
