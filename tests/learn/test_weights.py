"""Diagnostics of weights against known tails, and means combined across regimes."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from scipy.stats import genpareto

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats
from ifm_learn.ratios.combine import regime_means
from ifm_learn.ratios.diagnostics import diagnose


def generalised_pareto(k: float, n: int, seed: int) -> Floats:
    """log-weights whose weights are generalised Pareto with shape k."""
    return np.asarray(np.log(genpareto.rvs(k, size=n, random_state=np.random.default_rng(seed))))


@pytest.mark.parametrize("k", [0.1, 0.5, 0.9, 1.3])
def test_pareto_k_of_generalised_pareto_weights(k: float) -> None:
    n = 90_000
    found = float(diagnose(generalised_pareto(k, n, 3)).pareto_k)
    tail = 900  # 3 sqrt(n)
    # posterior mean with a prior of 10 rows at 0.5; the estimate's standard deviation is (1 + k)/sqrt(tail)
    expected = (tail * k + 10 * 0.5) / (tail + 10)
    assert abs(found - expected) < 4 * (1 + k) / np.sqrt(tail)


def test_pareto_k_agrees_with_maximum_likelihood_on_the_tail() -> None:
    logs = generalised_pareto(0.6, 10_000, 5)
    ordered = np.sort(np.exp(logs))
    fitted, _, _ = genpareto.fit(ordered[-300:] - ordered[-301], floc=0)
    assert abs(float(diagnose(logs).pareto_k) - fitted) < 0.05


def test_pareto_k_is_that_of_arviz() -> None:
    stats: Any = importlib.import_module("arviz_stats.base").array_stats
    logs = np.random.default_rng(7).normal(0, [0.3, 1.5, 4.0], size=(2_000, 3))
    expected = [float(stats.psislw(-column)[1]) for column in logs.T]
    found = diagnose(logs)
    np.testing.assert_array_equal(found.pareto_k, expected)
    assert found.pareto_k[0] < found.pareto_k[1] < found.pareto_k[2]


def test_effective_sample_size_and_largest_share_in_plain_numbers() -> None:
    weights = np.array([1.0, 2.0, 0.0, 5.0])
    with np.errstate(divide="ignore"):
        found = diagnose(np.log(weights) + 800)
    assert float(found.ess) == pytest.approx(64 / 30)
    assert float(found.ess_share) == pytest.approx(16 / 30)
    assert float(found.max_share) == pytest.approx(5 / 8)
    assert not found.reliable
    assert np.isnan(found.pareto_k)


def test_verdicts_follow_the_thresholds() -> None:
    # at 1,000 rows the limit is min(1 - 1/3, 0.7) = 0.667
    rng = np.random.default_rng(0)
    good = diagnose(rng.normal(0, 0.2, 1_000))
    assert good.reliable
    assert str(good).startswith("reliable: ")
    heavy = diagnose(generalised_pareto(0.85, 1_000, 4))
    assert 0.667 < heavy.pareto_k < 1
    assert not heavy.reliable
    assert "the tail is too heavy" in str(heavy)
    assert "above 0.67" in str(heavy)
    worse = diagnose(generalised_pareto(1.6, 1_000, 2))
    assert "no mean" in str(worse)


def test_constant_tied_and_extreme_weights() -> None:
    assert np.isneginf(diagnose(np.full(500, 3.0)).pareto_k)
    discrete = np.log(np.random.default_rng(1).choice([0.5, 1.0, 1.5], 1_000))
    tied = diagnose(discrete)
    assert np.isneginf(tied.pareto_k)
    assert tied.reliable
    partly = np.concatenate([np.zeros(990), np.linspace(0.1, 0.2, 10)])
    assert np.isnan(diagnose(partly).pareto_k)
    assert "tied weights" in str(diagnose(partly))
    assert np.isposinf(diagnose(np.linspace(0, 1, 1_000) * 1e6).pareto_k)


def test_zero_weights_count_as_rows_but_have_no_tail() -> None:
    logs = generalised_pareto(0.3, 1_000, 6)
    padded = np.concatenate([logs, np.full(9_000, -np.inf)])
    assert float(diagnose(padded).ess) == pytest.approx(float(diagnose(logs).ess))
    assert float(diagnose(padded).pareto_k) == float(diagnose(logs).pareto_k)
    assert diagnose(padded).n == 10_000


def test_a_batch_is_its_columns() -> None:
    logs = np.random.default_rng(2).normal(size=(300, 4))
    batch = diagnose(logs)
    assert len(batch) == 4
    for j in range(4):
        one = diagnose(logs[:, j])
        assert float(one.ess) == pytest.approx(batch.ess[j])
        assert (float(one.pareto_k), str(one)) == (batch.pareto_k[j], str(batch[j]))
        assert len(one) == 1


@pytest.mark.parametrize(
    ("logs", "words"),
    [
        (np.full((3, 2), [0.0, -np.inf]), "all 3 weights of set 2 are zero"),
        (np.array([0.0, np.nan]), "row 2, set 1 is nan"),
        (np.array([0.0, np.inf]), "row 2, set 1 is inf"),
        (np.empty(0), "shape"),
        (np.zeros((2, 2, 2)), "shape"),
    ],
)
def test_refused_weights(logs: Floats, words: str) -> None:
    with pytest.raises(InputError, match=words):
        diagnose(logs)


def test_without_arviz_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"ifm-ident\[learn\]"):
        diagnose(np.linspace(0, 1, 100))


def test_regime_means_against_plain_sums() -> None:
    rng = np.random.default_rng(3)
    regime = np.array([2, 0, 2, 0, 2])
    y, target, train = rng.normal(size=5), rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    found = regime_means(y, regime, target, train)
    assert found.train.tolist() == [0, 2]
    for place, i in enumerate((0, 2)):
        for t in range(2):
            w = np.array([np.exp(target[r, t] - train[r, i]) for r in range(5) if regime[r] == i])
            mean = (w * y[regime == i]).sum() / w.sum()
            assert found.mean[place, t] == pytest.approx(mean)
            assert found.ess[place, t] == pytest.approx(w.sum() ** 2 / (w**2).sum())
            expected = ((w / w.sum()) ** 2 * (y[regime == i] - mean) ** 2).sum()
            assert found.variance[place, t] == pytest.approx(expected)
    mean, error, shares = found.combine()
    np.testing.assert_allclose(shares, found.ess / found.ess.sum(axis=0))
    np.testing.assert_allclose(mean, (shares * found.mean).sum(axis=0))
    np.testing.assert_allclose(error**2, (shares**2 * found.variance).sum(axis=0))


def test_combining_by_effective_sample_size_is_not_taken_over_by_one_row() -> None:
    """A regime that rests on one row has no variance to see; by effective size it counts as one row."""
    rng = np.random.default_rng(4)
    y = np.concatenate([rng.normal(size=200), [50.0], np.zeros(199)])
    regime = np.repeat([0, 1], 200)
    target = np.zeros((400, 1))
    target[200] = 40.0
    found = regime_means(y, regime, target, np.zeros((400, 2)))
    assert found.combine("variance")[0][0] == pytest.approx(50.0)
    assert abs(found.combine("ess")[0][0]) < 1


def test_an_unknown_combination_is_refused() -> None:
    found = regime_means([1.0, 2.0], np.array([0, 1]), np.zeros((2, 1)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="legal: ess, variance"):
        found.combine("best")  # type: ignore[arg-type]
