"""The normal rung against statsmodels, closed forms and a general optimiser."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ifm_ident import InputError, Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._gaussian_fit import Moments
from ifm_learn.ladder.normal import Form, Normal
from tests.learn.ladder_cases import CROSS, cross, shifted


def test_full_scopes_are_the_linear_model_of_statsmodels() -> None:
    sm = pytest.importorskip("statsmodels.api")
    samples = shifted(7, variables=2)
    law = Normal().fit(samples)
    codes = np.array([[0, 0], [1, 0], [0, 1]])[samples.regime]
    design = sm.add_constant(codes.astype(float))
    asked = np.concatenate([np.ones((4, 1)), CROSS.codes()], axis=1)
    exact = law.exact_errors(CROSS)
    assert exact is not None
    errors, freedom = exact
    for v in range(2):
        found = sm.OLS(samples.x[:, v], design).fit().get_prediction(asked)
        np.testing.assert_allclose(law.means(None, CROSS)[:, v], found.predicted_mean, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(errors[:, v], found.se_mean, rtol=1e-8)
        assert freedom == found.df


def test_weights_are_those_of_weighted_least_squares() -> None:
    sm = pytest.importorskip("statsmodels.api")
    samples = shifted(20)
    weight = np.random.default_rng(1).exponential(size=60)
    codes = np.array([[0, 0], [1, 0], [0, 1]])[samples.regime]
    found = sm.WLS(samples.x[:, 0], sm.add_constant(codes.astype(float)), weights=weight).fit()
    law = Normal().fit(samples).refit(weight)
    np.testing.assert_allclose(law.means(None, CROSS)[3, 0], found.params.sum(), rtol=1e-8)


@pytest.mark.parametrize("scopes", [(["x0", "x1"], ["x1", "x2"]), (["x0"], ["x2"])])
def test_proper_scopes_reach_the_likelihood_of_a_general_optimiser(scopes: tuple[list[str], ...]) -> None:
    chain = {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "variables": ["x0", "x1", "x2"],
        "train": ["00", "10", "01"],
    }
    factors = [{"x": list(scope), "sigma": [name]} for scope, name in zip(scopes, "AB", strict=True)]
    joined = [{"x": ["x0", "x1"], "sigma": []}, {"x": ["x1", "x2"], "sigma": []}]
    design = Study.from_dict(chain | {"factors": factors + joined}).design
    rng, regime = np.random.default_rng(3), np.repeat([0, 1, 2], 40)
    x = rng.normal(size=(120, 3)) @ np.array([[1, 0.6, 0], [0, 1, 0.4], [0, 0, 1]])
    x += 0.7 * np.eye(3)[[0, 0, 2]][regime]
    samples = Samples(design, regime, x)
    family, law = Form.of(samples).family, Normal().fit(samples)
    scaled = (x - law.centre) / law.unit
    moments = Moments.of(scaled, regime, np.ones(120), 3)
    means = moments.sums / moments.counts[:, None]
    padded = moments.squares + np.diag(np.diag(moments.squares - means.T @ moments.sums) / 120)
    cells = len(family.first)

    def loss(at: np.ndarray) -> float:
        omega = np.zeros((3, 3))
        omega[family.first, family.second] = omega[family.second, family.first] = at[:cells]
        if np.linalg.eigvalsh(omega)[0] <= 0:
            return np.inf
        height = family.heights(at[cells:], family.design, 3)
        mean = height @ np.linalg.inv(omega)
        quadratic = (omega * padded).sum() + (moments.counts[:, None] * height * mean).sum()
        return float(-60 * np.linalg.slogdet(omega)[1] + quadratic / 2 - (height * moments.sums).sum())

    best = np.concatenate([law.precision[family.first, family.second], law.theta])
    rough = minimize(loss, best * 0.9, method="Nelder-Mead", options={"maxiter": 20_000, "maxfev": 20_000})
    assert loss(best) <= rough.fun + 1e-7
    for move in np.random.default_rng(0).normal(size=(20, len(best))) * 1e-3:
        assert loss(best) < loss(best + move)


def test_turns_and_newton_agree() -> None:
    samples = shifted(60, variables=3)
    narrow = Samples(cross(3, scopes=(["x0", "x1"], ["x0", "x2"])), samples.regime, samples.x)
    law = Normal().fit(narrow)
    family = law.form.family
    moments = Moments.of((narrow.x - law.centre) / law.unit, narrow.regime, np.ones(180), 3)
    turns = family.fit(moments, None, 1e-12)
    at = np.concatenate([turns.precision[family.first, family.second], turns.theta])
    state = family._state(at, moments)
    assert state is not None
    assert np.abs(state.slope).max() < 1e-4


def test_given_the_truth_ratios_are_those_of_gaussians() -> None:
    law = Normal().fit(shifted(20_000))
    found = law.log_densities(np.array([[0.0], [1.0], [2.0]]), CROSS)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], [-0.5, 0.5, 1.5], atol=0.06)


def test_functions_are_averaged_over_the_law() -> None:
    law = Normal().fit(shifted(200))
    mean, variance = law.means(None, CROSS), law.covariance[0, 0] * law.unit[0] ** 2
    square = law.means(lambda x: x**2, CROSS)
    np.testing.assert_allclose(square, mean**2 + variance, rtol=0.01, atol=0.01)


def test_refusals() -> None:
    one = Samples(cross(), np.array([0, 1, 2]), np.array([[0.0], [1.0], [2.0]]))
    assert "leave nothing to tell a variance by" in (Normal().unfit(one) or "")
    law = Normal().fit(shifted(5))
    design = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "factors": [{"sigma": ["A", "B"]}],
            "train": ["00", "10", "01"],
        }
    ).design
    joint = Normal().fit(Samples(design, law.samples.regime, law.samples.x))
    with pytest.raises(InputError, match="not identified"):
        joint.means(None, Regimes.from_codes(np.array([[1, 1]])))
