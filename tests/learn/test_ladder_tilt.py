"""Tilts against scikit-learn, enumeration and the rows themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ifm_ident import Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._features import Kind, Ridge
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.normal import Normal
from tests.learn.ladder_cases import CROSS, cross, shifted

KINDS: tuple[Kind, ...] = ("linear", "quadratic", "splines")
FREE = Ridge(1e-9, 1e-9, 1e-9)


def test_two_regimes_are_the_logistic_regression_of_scikit_learn() -> None:
    design = Study.from_dict(
        {
            "interventions": {"A": [0, 1]},
            "variables": ["x", "z"],
            "factors": [{"sigma": ["A"]}],
            "train": ["0", "1"],
        }
    ).design
    rng, regime = np.random.default_rng(0), np.repeat([0, 1], [120, 60])
    x = rng.normal(size=(180, 2)) + 0.8 * regime[:, None]
    law = Tilt("linear", Ridge(line=2.0)).fit(Samples(design, regime, x))
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    # a coordinate is -1/sqrt(2) and 1/sqrt(2), so that a difference of logits is sqrt(2) coefficients
    sk = LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(scaled, regime)
    found = law.log_densities(x, Regimes.from_codes(np.array([[0], [1]])))
    ours = found[:, 1] - found[:, 0] + np.log(60 / 120)
    np.testing.assert_allclose(
        ours - ours.mean(), (theirs := sk.decision_function(scaled)) - theirs.mean(), atol=1e-4
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_binary_variable_is_counted() -> None:
    regime = np.repeat([0, 1, 2], [50, 40, 60])
    x = np.concatenate([np.repeat([0.0, 1.0], pair) for pair in ((30, 20), (10, 30), (45, 15))])
    samples = Samples(cross(), regime, x[:, None])
    odds = np.array([20 / 30, 30 / 10, 15 / 45])
    both = odds[1] * odds[2] / odds[0]
    for kind in KINDS:
        law = Tilt(kind, FREE).fit(samples)
        np.testing.assert_allclose(law.means(None, CROSS).ravel(), [0.4, 0.75, 0.25, both / (1 + both)], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_regimes_that_were_run_get_their_rows_back(kind: Kind) -> None:
    samples = shifted(40, variables=2)
    law = Tilt(kind).fit(samples)
    own = np.stack([samples.of(i).mean(axis=0) for i in range(3)])
    error = np.stack([samples.of(i).std(axis=0) / np.sqrt(40) for i in range(3)])
    assert (np.abs(law.means(None, CROSS)[:3] - own) < 0.1 * error).all()


@pytest.mark.parametrize("kind", KINDS)
def test_order_of_rows_and_names_of_levels_change_nothing(kind: Kind) -> None:
    samples = shifted(30, variables=2)
    law = Tilt(kind).fit(samples)
    order = np.random.default_rng(1).permutation(90)
    mixed = Tilt(kind).fit(samples.take(order))
    np.testing.assert_allclose(law.means(None, CROSS), mixed.means(None, CROSS), atol=1e-4)
    # level 1 of A becomes its baseline: the regimes keep their rows under other codes
    renamed = cross(2, train=("10", "00", "11"))
    other = Tilt(kind).fit(Samples(renamed, samples.regime, samples.x))
    swapped = Regimes.from_codes(np.array([[1, 0], [0, 0], [1, 1], [0, 1]]))
    np.testing.assert_allclose(law.means(None, CROSS), other.means(None, swapped), atol=1e-4)


def test_weights_and_the_normal_rung_agree_on_gaussian_rows() -> None:
    samples = shifted(3_000)
    by_rows, by_law = (rung.fit(samples).means(None, CROSS) for rung in (Tilt("linear"), Normal()))
    np.testing.assert_allclose(by_rows, by_law, atol=0.05)


def test_counting_rows_twice_is_repeating_them() -> None:
    samples = shifted(25)
    weight = np.random.default_rng(2).integers(1, 3, size=75).astype(float)
    refit = Tilt("quadratic").fit(samples).refit(weight)
    rows = np.repeat(np.arange(75), weight.astype(int))
    # the units of features are those of the rows that are there, so only the answer without a ridge is the same
    free = Tilt("quadratic", FREE)
    np.testing.assert_allclose(
        free.fit(samples).refit(weight).means(None, CROSS),
        free.fit(samples.take(rows)).means(None, CROSS),
        atol=1e-3,
    )
    assert refit.effective_rows(CROSS).max() <= weight.sum()


def test_a_regime_without_weight_is_predicted_from_the_others() -> None:
    design = cross(train=("00", "10", "01", "11"))
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2, 3], 400)
    x = rng.normal(np.array([0.0, 1.0, -1.0, 0.0])[regime])[:, None]
    samples = Samples(design, regime, x)
    without = Tilt("linear").fit(samples).refit((regime < 3).astype(float))
    three = Tilt("linear", FREE).fit(Samples(cross(), regime[:1200], x[:1200]))
    np.testing.assert_allclose(without.means(None, CROSS), three.means(None, CROSS), atol=0.01)


def test_too_many_coefficients_are_refused() -> None:
    samples = shifted(30, variables=60)
    assert "coefficients" in (Tilt("quadratic").unfit(samples) or "")
    assert Tilt("linear").unfit(samples) is None
