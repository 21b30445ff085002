"""The DAG baseline: graphs read off factors, and means of combinations where the truth is a DAG."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from ifm_ident import Design, InputError, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines._conditionals import Conditional, Noise
from ifm_learn.outcome.baselines._dag_structure import Dag
from ifm_learn.outcome.baselines.dag import DagBaseline


def design(factors: list[dict[str, Any]], variables: list[str], train: list[str]) -> Design:
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": variables,
            "factors": factors,
            "train": train,
        }
    ).design


CHAIN = design(
    [
        {"x": ["u"], "sigma": ["A"]},
        {"name": "v", "x": ["u", "v"], "sigma": ["B"]},
        {"x": ["w", "u", "v"], "sigma": ["C"]},
    ],
    ["u", "v", "w"],
    ["000", "100", "010", "001"],
)


def both(text: str) -> Regimes:
    return Regimes.from_codes(np.array([[int(c) for c in text]]))


def linear(codes: tuple[int, ...], n: int, rng: np.random.Generator) -> Floats:
    a, b, c = codes
    u = 1.0 + 2.0 * a + rng.normal(size=n)
    v = (0.5 - 1.5 * b) * u + 0.3 + 0.7 * rng.normal(size=n)
    w = u - (1.0 + c) * v - 2.0 * c + 0.5 * rng.normal(size=n)
    return np.column_stack([u, v, w])


def linear_means(codes: tuple[int, ...]) -> list[float]:
    a, b, c = codes
    u = 1.0 + 2.0 * a
    v = (0.5 - 1.5 * b) * u + 0.3
    return [u, v, u - (1.0 + c) * v - 2.0 * c]


def bent(codes: tuple[int, ...], n: int, rng: np.random.Generator) -> Floats:
    a, b, c = codes
    u = 0.8 - a + rng.normal(size=n)
    v = np.tanh(u) * (1 - 2 * b) + (0.3 + 0.3 * u**2) ** 0.5 * rng.normal(size=n)
    w = 0.5 * u * v + c * np.sin(v) + 0.5 * rng.normal(size=n)
    return np.column_stack([u, v, w])


def drawn(scm: Any, n: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    x = np.concatenate([scm(tuple(row), n, rng) for row in CHAIN.train.codes().tolist()])
    return Samples(CHAIN, np.repeat(np.arange(4), n), x)


COMBINATIONS = [(1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]


def test_linear_gaussian_truth() -> None:
    n = 4000
    model = DagBaseline().fit(drawn(linear, n, 0))
    targets = Regimes.from_codes(np.array(COMBINATIONS))
    truth = np.array([linear_means(codes) for codes in COMBINATIONS])
    # a mean of w in a combination chains three regressions, with coefficients up to 3 and shifts of 2 sd: its
    # standard error is below sd(w) sqrt(3 (1 + 2^2) / n) = 0.17; the roots' are sd / sqrt(n) = 0.016
    found = model.predict(targets)
    np.testing.assert_allclose(found, truth, atol=0.25)
    np.testing.assert_allclose(found[:, 0], truth[:, 0], atol=4 / np.sqrt(n))


def test_nonlinear_truth_with_unequal_noise_and_an_outcome() -> None:
    rng = np.random.default_rng(1)
    samples = drawn(bent, 4000, 2)
    direction = np.array([0.5, -1.0, 0.8])
    y = np.tanh(samples.x @ direction) + 0.4 * rng.normal(size=len(samples))
    targets = Regimes.from_codes(np.array(COMBINATIONS))
    draws = [bent(codes, 400_000, rng) for codes in COMBINATIONS]
    means = DagBaseline().fit(samples).predict(targets)
    outcome = DagBaseline().fit(Samples(CHAIN, samples.regime, samples.x, y)).predict(targets)
    # standard errors: about 1/sqrt(4000) = 0.016 a link, three links, plus 1/sqrt(10,000) of the draws
    np.testing.assert_allclose(means, [x.mean(axis=0) for x in draws], atol=0.12)
    np.testing.assert_allclose(outcome, [np.tanh(x @ direction).mean() for x in draws], atol=0.06)


def test_noise_depends_on_parents_and_cell() -> None:
    x = DagBaseline().fit(drawn(bent, 8000, 3)).sample(both("110"))[0]
    u, v = x[:, 0], x[:, 1]
    for low, high in [(-1.2, -0.8), (-0.2, 0.2), (0.8, 1.2)]:
        inside = (u > low) & (u < high)
        middle = (low + high) / 2
        assert v[inside].std() == pytest.approx((0.3 + 0.3 * middle**2) ** 0.5, rel=0.2)


def test_roots_keep_their_own_means_and_equal_batches_their_numbers() -> None:
    samples = drawn(linear, 1000, 0)
    model = DagBaseline(draws=500).fit(samples)
    rows = samples.regime == 1
    np.testing.assert_allclose(model.predict(both("100"))[0, 0], samples.x[rows, 0].mean())
    every = Regimes.from_codes(np.array(COMBINATIONS))
    np.testing.assert_array_equal(model.predict(every)[2:3], model.predict(both("011")))
    other = DagBaseline(draws=500, seed=1).fit(samples)
    assert not np.array_equal(other.predict(every)[:, 2], model.predict(every)[:, 2])


def test_residual_noise_keeps_the_shape_of_a_skewed_root() -> None:
    rng = np.random.default_rng(0)
    u = rng.exponential(size=8000)
    x = np.column_stack([u, rng.normal(size=8000), rng.normal(size=8000)])
    samples = Samples(CHAIN, np.repeat(np.arange(4), 2000), x, u**3)
    noises: list[tuple[Noise, float]] = [("residuals", 6.0), ("gaussian", 4.0)]
    for noise, third in noises:
        model = DagBaseline(regressor=LinearRegression(), noise=noise).fit(samples)
        drawn_u = model.sample(both("000"))[0, :, 0]
        # the third moment of an exponential is 6 (sd of u^3: 26), of a Gaussian with its mean and variance 4
        assert np.mean(drawn_u**3) == pytest.approx(third, abs=4 * 26 / np.sqrt(2000))
        assert (drawn_u.min() < 0) == (noise == "gaussian")


def test_a_perfect_intervention_is_a_constant() -> None:
    samples = drawn(linear, 500, 0)
    x = samples.x.copy()
    x[samples.regime == 2, 1] = -3.0
    found = DagBaseline().fit(Samples(CHAIN, samples.regime, x)).predict(both("110"))
    np.testing.assert_allclose(found[0, 1], -3.0)


def test_unseen_cells_get_no_number_and_a_reason() -> None:
    crossed = design(
        [{"x": ["u"], "sigma": ["A", "B"]}, {"x": ["v", "u"], "sigma": ["C"]}],
        ["u", "v"],
        ["000", "100", "010", "001"],
    )
    rng = np.random.default_rng(0)
    model = DagBaseline(draws=100).fit(Samples(crossed, np.repeat(np.arange(4), 50), rng.normal(size=(200, 2))))
    targets = Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 1]]))
    assert np.isnan(model.predict(targets)).tolist() == [[True, True], [False, False]]
    assert model.reasons(targets) == ["A=1,B=1: training never shows u with A=1,B=1", None]


def test_settings_that_make_no_sense_are_refused() -> None:
    samples = drawn(linear, 50, 0)
    with pytest.raises(InputError, match="unknown noise 'gausian'; did you mean gaussian"):
        DagBaseline(noise="gausian").fit(samples)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="one draw or more"):
        DagBaseline(draws=0).fit(samples)
    with pytest.raises(InputError, match="fitted to 1 row"):
        Conditional.fit(np.zeros((1, 0)), np.zeros(1), None, 0)


def test_graph_of_named_and_of_first_children() -> None:
    dag = Dag.of(CHAIN.model)
    assert dag.parents == {"u": (), "v": ("u",), "w": ("u", "v")}
    assert dag.sigma == {"u": ("A",), "v": ("B",), "w": ("C",)}
    assert dag.order == ("u", "v", "w")


def test_factors_of_one_child_are_merged() -> None:
    model = design(
        [{"x": ["u"], "sigma": []}, {"x": ["v"], "sigma": ["A"]}, {"x": ["v", "u"], "sigma": ["B"]}],
        ["u", "v"],
        ["000"],
    ).model
    dag = Dag.of(model)
    assert dag.parents["v"] == ("u",)
    assert dag.sigma["v"] == ("A", "B")
    assert [(f.x, f.sigma) for f in dag.model(model).factors] == [(("u",), ()), (("v", "u"), ("A", "B"))]


def test_cycles_are_named() -> None:
    model = design(
        [{"x": scope, "sigma": []} for scope in (["u", "w"], ["v", "u"], ["w", "v"], ["t"])],
        ["t", "u", "v", "w"],
        ["000"],
    ).model
    with pytest.raises(InputError, match=r"no directed acyclic graph: .*u -> v -> w") as caught:
        Dag.of(model)
    assert "t" not in str(caught.value).split(":")[1].split(";")[0].replace("->", " ").split()


def test_given_parents_place_the_interventions() -> None:
    model = design([{"x": ["u", "v"], "sigma": ["A"]}, {"x": ["v"], "sigma": ["B"]}], ["u", "v"], ["000"]).model
    dag = Dag.of(model, {"v": ["u"]})
    assert dag.parents == {"u": (), "v": ("u",)}
    assert dag.sigma == {"u": (), "v": ("A", "B")}
    with pytest.raises(
        InputError, match=r"'v' and 'u', which `parents` does not|'u' and 'v', which `parents` does not"
    ):
        Dag.of(model, {})
    with pytest.raises(InputError, match="unknown variable 'z'"):
        Dag.of(model, {"v": ["z"]})
    with pytest.raises(InputError, match=r"u -> v -> u|v -> u -> v"):
        Dag.of(model, {"v": ["u"], "u": ["v"]})


def test_a_variable_that_is_no_child_is_named() -> None:
    model = design([{"x": ["u", "v"], "sigma": ["A"]}], ["u", "v"], ["000"]).model
    with pytest.raises(InputError, match="'v' is the child of no factor"):
        Dag.of(model)
