"""Balance-heuristic weights against known normalisers and means, and their variance against repeated studies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.ratios.balance import BalanceWeights, balance_weights, regime_weights

SIZES = np.array([5000, 500, 500, 500])
MEAN = np.array([0.0, 1.0, -1.0, 2.0])
SD = np.array([1.0, 1.2, 0.8, 0.7])
SHIFT = np.array([0.0, 40.0, -7.0, 300.0])
"""Arbitrary constants of the potentials: log Z_i = SHIFT_i + log SD_i, relative to the first."""


def potentials(x: Floats) -> Floats:
    return np.asarray(-0.5 * ((x[:, None] - MEAN) / SD) ** 2 + SHIFT)


def draw(rng: np.random.Generator) -> Floats:
    regime = np.repeat(np.arange(4), SIZES)
    return rng.normal(MEAN[regime], SD[regime])


def targets(x: Floats) -> Floats:
    """N(0.7, 1), N(2.5, 1) and the second training regime, unnormalised."""
    return np.column_stack([-0.5 * (x - 0.7) ** 2, -0.5 * (x - 2.5) ** 2 + 9.0, potentials(x)[:, 1]])


def fit(seed: int) -> tuple[Floats, BalanceWeights]:
    x = draw(np.random.default_rng(seed))
    return x, balance_weights(potentials(x), targets(x), SIZES)


def test_constants_are_the_true_log_normalisers() -> None:
    _, found = fit(1)
    assert found.converged
    assert found.warning == ""
    error = found.log_constants - (SHIFT + np.log(SD))
    assert error[0] == 0
    sd = np.sqrt(np.diag(found.covariance))
    assert (np.abs(error[1:]) < 4 * sd[1:]).all()
    assert (sd[1:] < 0.1).all()
    target_error = found.log_target_constants - np.array([0.0, 9.0, SHIFT[1] + np.log(SD[1])])
    assert (np.abs(target_error) < [0.1, 0.3, 0.1]).all()


def test_shares_add_up_to_the_sizes_and_weights_to_one() -> None:
    _, found = fit(2)
    np.testing.assert_allclose(found.shares.sum(axis=0), SIZES, rtol=1e-8)
    np.testing.assert_allclose(np.exp(found.log_weights).sum(axis=0), 1)


def test_newtons_method_does_not_stall_at_the_rounding_of_its_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows of six regimes far from 0, where a step's gain is lost in the last digit of the objective."""
    calls: list[int] = []

    def counting(*given: Any, **options: Any) -> Any:
        calls.append(1)
        return logsumexp(*given, **options)

    monkeypatch.setattr("ifm_learn.ratios.balance.logsumexp", counting)
    centres, most = np.array([0.0, 1.0, 0.5, 0.2, 1.5, -0.7]), 0
    for seed in range(60):
        x = np.random.default_rng(seed).normal(np.repeat(centres, 32), 1.0)
        u = -0.5 * (x[:, None] - centres) ** 2 + np.array([0.0, 40.0, -7.0, 300.0, 5.0, 2.0])
        calls.clear()
        found = balance_weights(u, u, [32] * 6)
        most = max(most, len(calls))
        assert found.converged
        np.testing.assert_allclose(found.shares.sum(axis=0), 32, rtol=1e-9)
    # the start, a few steps of Newton's method and five sums outside it
    assert most < 20


def test_weights_with_the_true_constants_are_the_balance_heuristic() -> None:
    x, found = fit(3)
    mixture = (SIZES * norm.pdf(x[:, None], MEAN, SD)).sum(axis=1)
    true = norm.pdf(x, 0.7, 1.0) / mixture
    ratio = np.exp(found.log_weights[:, 0]) / (true / true.sum())
    # the constants' errors, at most about 0.1 (first test), are all that differs
    assert np.abs(np.log(ratio)).max() < 0.3


def test_weights_of_a_target_inside_the_mixture_are_bounded() -> None:
    _, found = fit(4)
    # p_i/(sum_j n_j p_j) <= 1/n_i: as normalised here the weight relative to 1/N is at most N/n_i
    assert np.exp(found.log_weights[:, 2]).max() <= 1 / SIZES[1] * (1 + 1e-8)


def test_standard_errors_are_those_of_repeated_studies() -> None:
    studies = 300
    means, errors, constants, variances = [], [], [], []
    for seed in range(studies):
        x, found = fit(1000 + seed)
        mean, error = found.mean(x)
        means.append(mean)
        errors.append(error)
        constants.append(found.log_constants)
        variances.append(np.diag(found.covariance))
    # a standard deviation from 300 draws has a relative error of 1/sqrt(600) = 0.041; four of them
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(means, axis=0), rtol=0.17)
    np.testing.assert_allclose(np.sqrt(np.mean(variances, axis=0))[1:], np.std(constants, axis=0)[1:], rtol=0.17)
    standard = np.std(means, axis=0) / np.sqrt(studies)
    # self-normalised means have a bias of the order of the variance, small beside 4 standard errors and 0.01
    assert (np.abs(np.mean(means, axis=0) - [0.7, 2.5, 1.0]) < 4 * standard + 0.01).all()


def test_the_gradient_is_that_of_the_convex_objective() -> None:
    x, found = fit(5)
    u = potentials(x)

    def objective(log_z: Floats) -> float:
        return float(np.logaddexp.reduce(u - log_z + np.log(SIZES), axis=1).sum() + SIZES @ log_z)

    at = objective(found.log_constants)
    for i in range(1, 4):
        for step in (-1e-3, 1e-3):
            moved = found.log_constants.copy()
            moved[i] += step
            assert objective(moved) > at


def test_a_shared_function_of_x_changes_nothing() -> None:
    x, found = fit(6)
    shared = 50 * np.sin(x)[:, None]
    again = balance_weights(potentials(x) + shared, targets(x) + shared, SIZES)
    np.testing.assert_allclose(again.log_weights, found.log_weights, atol=1e-7)
    np.testing.assert_allclose(again.log_constants, found.log_constants, atol=1e-7)


def test_a_regime_without_rows_gets_its_constant_and_no_share() -> None:
    x = draw(np.random.default_rng(7))
    without = np.column_stack([potentials(x), -0.5 * (x - 0.5) ** 2 + 3.0])
    found = balance_weights(without, targets(x), [*SIZES, 0])
    assert abs(found.log_constants[4] - 3.0) < 0.1
    assert (found.shares[:, 4] == 0).all()
    np.testing.assert_allclose(found.log_weights, fit(7)[1].log_weights, atol=1e-9)


def test_regimes_with_no_row_in_common_are_reported() -> None:
    x = np.repeat([0.0, 1.0], 50) + np.linspace(0, 0.5, 100)
    inside = np.where((x[:, None] >= 0.75) == np.array([False, True]), 0.0, -np.inf)
    found = balance_weights(inside, np.zeros((100, 1)), [50, 50])
    assert found.overlap == 0
    assert "hardly overlap" in found.warning
    assert np.isinf(found.mean(x)[1]).all()


def test_one_regime_alone_gives_importance_weights() -> None:
    x = np.random.default_rng(8).normal(size=100)
    found = balance_weights(-0.5 * x[:, None] ** 2, -0.5 * (x[:, None] - 1) ** 2, [100])
    np.testing.assert_allclose(found.log_weights, regime_weights(x[:, None], np.zeros(100)), atol=1e-12)


def test_regime_weights_are_the_normalised_ratio() -> None:
    logs = regime_weights(np.log([[0.2, 1.0], [0.6, 0.0 + 1e-300]]), np.log([0.4, 0.4]))
    np.testing.assert_allclose(np.exp(logs), [[0.25, 1.0], [0.75, 0.0]], atol=1e-12)


@pytest.mark.parametrize(
    ("train", "target", "sizes", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), [1, 1], "add up to 2 where there are 3 rows"),
        (np.zeros((3, 2)), np.zeros((2, 1)), [1, 2], "shapes"),
        (np.full((3, 2), -np.inf), np.zeros((3, 1)), [1, 2], "row 1 has no density.*; leave such rows out"),
        (np.array([[0.0, np.nan]]), np.zeros((1, 1)), [1, 0], "row 1 in training regime 1 is nan"),
        (np.zeros((2, 1)), np.full((2, 1), -np.inf), [2], "target 1 has no density"),
    ],
)
def test_refusals(train: Floats, target: Floats, sizes: list[int], words: str) -> None:
    with pytest.raises(InputError, match=words):
        balance_weights(train, target, sizes)


def test_regime_weights_refuse_rows_without_density() -> None:
    with pytest.raises(InputError, match="row 2 has the log-density -inf"):
        regime_weights(np.zeros((2, 1)), np.array([0.0, -np.inf]))
    with pytest.raises(InputError, match="target 1"):
        regime_weights(np.full((2, 1), -np.inf), np.zeros(2))
