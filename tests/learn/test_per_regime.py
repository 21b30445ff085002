"""Densities fitted to each regime by itself: the error of their log-ratios, normalisation, units, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from ifm_ident import Design, InputError, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.ratios.formula import FormulaRatio, LogDensities
from ifm_learn.ratios.per_regime import GaussianDensities, KernelDensities, MixtureDensities
from tests.learn.gaussian_chain import (
    CHAIN,
    EVALUATED,
    TARGET,
    chain_samples,
    gaussian,
    squared_error,
    statistics,
    true_log_ratio,
    within,
)
from tests.learn.gaussian_pair import PAIR


@pytest.mark.parametrize("n", [1_000, 4_000, 16_000])
def test_gaussian_log_ratio_error_falls_as_the_root_of_n(n: int) -> None:
    """Error of log p_11/p_00 = l_10 + l_01 - 2 l_00, whose natural parameters have the covariances Cov(T)^-1/n."""
    spread = np.cov(statistics(EVALUATED).T)
    large = np.random.default_rng(0)
    total = np.zeros((5, 5))
    for s, weight in (((0, 0), 4), ((1, 0), 1), ((0, 1), 1)):
        draws = statistics(large.multivariate_normal(*gaussian(*s), 200_000))
        total += weight * np.linalg.inv(np.cov(draws.T)) / n
    spectrum = np.linalg.eigvals(total @ spread).real
    errors = []
    for seed in range(30):
        densities = GaussianDensities.fit(chain_samples((n, n, n), np.random.default_rng([n, seed])))
        ratio = FormulaRatio(CHAIN, densities)
        found = ratio.log_potential(TARGET, EVALUATED) - ratio.log_potential((), EVALUATED)
        errors.append(squared_error(found, true_log_ratio(EVALUATED)))
    within(errors, spectrum)


def test_per_regime_densities_integrate_to_one_and_follow_repeats() -> None:
    repeated = Design(PAIR.model, Regimes.concatenate([PAIR.train, PAIR.train.take(np.array([0]))]))
    rng = np.random.default_rng(9)
    x = np.concatenate(
        [rng.normal(size=(400, 1)) * 3, rng.choice([-2.0, 2.0], (600, 1)) + 0.3 * rng.normal(size=(600, 1))]
    )
    samples = Samples(repeated, np.repeat([0, 1], [400, 600]), x)
    grid = np.linspace(-20, 20, 8_001)[:, None]
    mixture = MixtureDensities.fit(samples, np.random.default_rng(0))
    found: dict[str, LogDensities] = {
        "gaussian": GaussianDensities.fit(samples),
        "mixture": mixture,
        "kernel": KernelDensities.fit(samples),
    }
    for densities in found.values():
        values = densities.log_densities(grid)
        assert values.shape == (8_001, 3)
        np.testing.assert_array_equal(values[:, 0], values[:, 2])
        np.testing.assert_allclose(np.exp(values).sum(axis=0) * 0.005, 1, atol=2e-3)
    # the two-peaked regime has two components; a single Gaussian misses its valley
    assert mixture.models[1].model.n_components == 2
    at_zero = {name: float(np.exp(d.log_densities(np.zeros((1, 1))))[0, 1]) for name, d in found.items()}
    assert at_zero["mixture"] < 1e-3 < 0.1 < at_zero["gaussian"]


def test_per_regime_densities_do_not_depend_on_units() -> None:
    samples = chain_samples((300, 300, 300), np.random.default_rng(11))
    unit = np.array([1e4, 1e-3])
    scaled = Samples(CHAIN, samples.regime, samples.x * unit)
    for fit in (
        GaussianDensities.fit,
        KernelDensities.fit,
        lambda s: MixtureDensities.fit(s, np.random.default_rng(0)),
    ):
        expected = fit(samples).log_densities(EVALUATED) - np.log(unit).sum()
        np.testing.assert_allclose(fit(scaled).log_densities(EVALUATED * unit), expected, atol=1e-6)


def test_densities_refuse_too_few_and_constant_rows() -> None:
    regime = np.array([0, 1, 1, 1])
    with pytest.raises(InputError, match=r"training regime 0 has 1 row\(s\)"):
        GaussianDensities.fit(Samples(PAIR, regime, np.array([[0.0], [1.0], [2.0], [3.0]])))
    with pytest.raises(InputError, match="constant over all rows"):
        GaussianDensities.fit(Samples(PAIR, regime, np.zeros((4, 1))))
    alike = Samples(PAIR, np.array([0, 0, 1, 1]), np.array([[1.0], [1.0], [2.0], [3.0]]))
    with pytest.raises(InputError, match="all alike"):
        GaussianDensities.fit(alike)
    with pytest.raises(InputError, match="constant in a regime"):
        KernelDensities.fit(alike)
