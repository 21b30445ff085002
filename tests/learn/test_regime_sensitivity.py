"""Sensitivity of fitted estimates: bounds around the estimate, references, scopes, what is left out."""

from __future__ import annotations

import numpy as np
import pytest

from ifm_ident import Design, Factor, InputError, Intervention, Model, NotIdentifiableError, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.estimation.regime_sensitivity import regime_sensitivities
from ifm_learn.outcome.ifm1 import Ifm1

MODEL = Model(
    (Intervention("A", (0, 1)), Intervention("B", (0, 1)), Intervention("C", (0, 1))),
    ("u", "v"),
    (Factor("f", ("u",), ("A",)), Factor("g", ("v",), ("B",)), Factor("h", ("u", "v"), ("C",))),
)
TRAIN = Regimes.from_codes(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]]))
ASKED = Regimes.from_codes(np.array([[1, 1, 0], [1, 0, 0]]))


def samples(seed: int, n: int = 1000, outcome: bool = True) -> Samples:
    """Independent bits, P(u) = 0.2 + 0.4 A, P(v) = 0.3 + 0.4 B; y = 2 u + v and noise of sd 0.1."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(TRAIN.codes(), n, axis=0)
    x = rng.binomial(1, np.column_stack([0.2 + 0.4 * codes[:, 0], 0.3 + 0.4 * codes[:, 1]])).astype(float)
    y = x @ [2.0, 1.0] + 0.1 * rng.normal(size=len(x)) if outcome else None
    return Samples(Design(MODEL, TRAIN), np.repeat(np.arange(3), n), x, y, "y" if outcome else None)


@pytest.fixture(scope="module")
def fitted() -> Ifm1:
    return Ifm1(replicates=30).fit(samples(0))


def exact(gamma: float, sign: float) -> float:
    """The bound of E[2u + v] at P(u) = 0.6, P(v) = 0.7, by trying every threshold."""
    values, chances = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.12, 0.28, 0.18, 0.42])
    ends = []
    for cut in range(5):
        g = np.exp(sign * gamma * np.where(np.arange(4) >= cut, 1.0, -1.0))
        ends.append(float(chances * g @ values / (chances @ g)))
    return max(ends) if sign > 0 else min(ends)


def test_bounds_and_tipping_point_of_an_unseen_combination(fitted: Ifm1) -> None:
    (found,) = regime_sensitivities(fitted, ASKED, [0.0, 0.5])
    curve = found.curve
    assert (found.row, found.column) == (0, 0)
    assert curve.estimate == pytest.approx(float(fitted.predict(ASKED)[0]))
    # sampling error of E[y] about 0.03, smaller than six hundredths at any gamma here
    assert curve.lower[1] == pytest.approx(exact(0.5, -1.0), abs=0.1)
    assert curve.upper[1] == pytest.approx(exact(0.5, 1.0), abs=0.1)
    assert found.tipping.reference == pytest.approx(0.7, abs=0.1)  # the baseline's mean
    # E(m - 0.7)+ = 0.084 + 0.234 + 0.966, E(m - 0.7)- = 0.084
    assert found.tipping.gamma == pytest.approx(0.5 * np.log(1.284 / 0.084), abs=0.15)
    assert curve.confidence is not None
    assert curve.confidence[1, 0] < curve.lower[1] < curve.upper[1] < curve.confidence[1, 1]
    assert found.tipping.confident is not None
    assert found.tipping.confident <= found.tipping.gamma
    entry = found.mapping()
    assert (entry["gamma"], entry["bounds"]) == (0.5, [curve.lower[1], curve.upper[1]])


def test_an_interaction_in_few_variables_does_less(fitted: Ifm1) -> None:
    (everywhere,) = regime_sensitivities(fitted, ASKED, [0.5])
    (of_v,) = regime_sensitivities(fitted, ASKED, [0.5], scope=["v"])
    (of_both,) = regime_sensitivities(fitted, ASKED, [0.5], scope=["v", "u"])
    assert everywhere.curve.lower[0] < of_v.curve.lower[0] < of_v.curve.upper[0] < everywhere.curve.upper[0]
    assert of_both.curve.upper[0] == pytest.approx(everywhere.curve.upper[0])


def test_without_an_outcome_every_variable_has_its_own_and_few_models_give_no_ends() -> None:
    estimator = Ifm1(replicates=5).fit(samples(1, outcome=False))
    found = list(regime_sensitivities(estimator, ASKED, [0.3], references=[0.0, 0.5]))
    assert [(one.row, one.column) for one in found] == [(0, 0), (0, 1)]
    assert found[0].tipping.gamma == np.inf  # no bit is below 0
    assert found[0].mapping()["tipping_gamma"] is None
    assert all(one.curve.confidence is None for one in found)


def test_refusals(fitted: Ifm1) -> None:
    with pytest.raises(InputError, match="unknown variable 'w'"):
        list(regime_sensitivities(fitted, ASKED, [0.3], scope=["w"]))
    with pytest.raises(InputError, match="a value for each of 1 targets"):
        list(regime_sensitivities(fitted, ASKED, [0.3], references=[0.1, 0.2]))
    with pytest.raises(NotIdentifiableError):
        list(regime_sensitivities(fitted, Regimes.from_codes(np.array([[0, 0, 1]])), [0.3]))
