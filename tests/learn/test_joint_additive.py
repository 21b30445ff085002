"""The competitor by Kekić et al. where its assumptions hold: confounded actions, one acting on another."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from ifm_ident import Factor, InputError, Intervention, Model, Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.joint_additive import JointAdditive

DESIGN = Study.from_dict({
    "interventions": {"do1": [0, 1], "do2": [0, 1]},
    "variables": ["a1", "a2"],
    "factors": [{"x": ["a1"], "sigma": ["do1"]}, {"x": ["a2", "a1"], "sigma": ["do2"]}],
    "train": ["ctrl", "do1", "do2"],
}).design  # fmt: skip
BOTH = Regimes.from_codes(np.array([[1, 1]]))


def world(n: int, do1: bool, do2: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Hidden c1, c2 confound each action with the outcome; a1 acts on a2 unless a2 is set."""
    c1, c2 = rng.normal(size=(2, n))
    a1 = rng.normal(1, 0.7, n) if do1 else c1 + 0.5 * rng.normal(size=n)
    a2 = rng.normal(1, 0.5, n) if do2 else 0.8 * a1 + c2 + 0.5 * rng.normal(size=n)
    y = a1 - 0.5 * a1**2 + 1.5 * c1 + a2 + 0.5 * a2**2 - 2 * c2 + 0.3 * rng.normal(size=n)
    return np.column_stack([a1, a2]), y


def samples(n: int = 5_000) -> Samples:
    rng = np.random.default_rng(0)
    parts = [world(n, False, False, rng), world(n, True, False, rng), world(n, False, True, rng)]
    return Samples(
        DESIGN, np.repeat(np.arange(3), n), np.vstack([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    )


def test_the_joint_effect_is_found_where_adding_means_is_wrong() -> None:
    """Truth: E[a1 - a1^2/2 + a2 + a2^2/2] = 1 - (1 + 0.49)/2 + 1 + (1 + 0.25)/2 = 1.88.

    Means of 5,000 rows of spread 2 have standard errors of 0.03, three of them are added: 5 of these are 0.25.
    Adding means counts the effect of do1 on a2 too, though do2 cuts it: 0.8 for the shift, and
    (0.64 - 0.64 (1.25 - 0.49)) / 2 = 0.08 for the square.
    """
    truth, found = 1.88, JointAdditive().fit(samples())
    assert found.predict(BOTH)[0] == pytest.approx(truth, abs=0.25)
    assert Additive().fit(samples()).predict(BOTH)[0] > truth + 0.5
    x, y = world(200_000, True, True, np.random.default_rng(1))
    assert y.mean() == pytest.approx(truth, abs=0.05)
    observational = found.models_[()].predict(x).mean()
    assert abs(observational - truth) > 0.5  # confounding: m_0 alone is wrong


def test_observed_regimes_keep_their_means() -> None:
    data = samples()
    assert data.y is not None
    found = JointAdditive().fit(data).predict(DESIGN.train)
    means = [data.y[data.regime == i].mean() for i in range(3)]
    np.testing.assert_allclose(found, means, atol=0.1)  # exact but for rows moved by mean and spread only


def test_rows_are_moved_as_the_docstring_says() -> None:
    x = np.array([[0.0, 0.0], [2.0, 2.0], [1.0, 5.0], [5.0, 6.0], [0.0, 3.0], [2.0, 9.0]])
    data = Samples(DESIGN, np.repeat(np.arange(3), 2), x, np.arange(6.0))
    model = JointAdditive(regressor=LinearRegression()).fit(data)
    both = ((0, 1), (1, 1))
    np.testing.assert_allclose(model._rows(both), [[1, 3], [5, 9]])  # a1 as under do1, a2 as under do2
    np.testing.assert_allclose(
        JointAdditive(acts_on={"do1": ["a1"]}, regressor=LinearRegression()).fit(data)._rows(both),
        [[1, 9], [5, 12]],  # nobody sets a2: 1 + 4.5 + 5, give or take 1 times 0.5 times 3
    )


def test_refusals_and_conventions() -> None:
    data = samples(50)
    model = JointAdditive(degree=1, alphas=[1.0])
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(InputError, match="need an outcome"):
        model.fit(Samples(DESIGN, data.regime, data.x))
    with pytest.raises(InputError, match="unknown variable 'a3'; legal: a1, a2"):
        JointAdditive(acts_on={"do1": ["a3"]}).fit(data)
    with pytest.raises(InputError, match=r"unknown intervention 'do'"):
        JointAdditive(acts_on={"do": ["a1"]}).fit(data)
    dose = Model((Intervention("dose", (0, 1, 2)),), ("a1", "a2"), (Factor("f", ("a1", "a2"), ("dose",)),))
    design = type(DESIGN)(dose, Regimes.from_codes(np.array([[0], [1]])))
    half = data.regime < 2
    assert data.y is not None
    found = JointAdditive().fit(Samples(design, data.regime[half], data.x[half], data.y[half]))
    every = Regimes.from_codes(np.array([[0], [1], [2]]))
    assert np.isnan(found.predict(every)).tolist() == [False, False, True]
    assert found.reasons(every) == [None, None, "dose=2: the single intervention dose=2 is not in training"]
    away = type(DESIGN)(dose, Regimes.from_codes(np.array([[1], [2]])))
    with pytest.raises(InputError, match="baseline regime is not in training"):
        JointAdditive().fit(Samples(away, data.regime[half], data.x[half], data.y[half]))
