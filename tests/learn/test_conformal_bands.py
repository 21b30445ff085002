"""Simultaneous bands: coverage of known truths at all cells at once, weighted rows, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from ifm_ident import InputError
from ifm_learn.conformal.bands import distribution_band, histogram_band, sup_t_band, weighted_histogram

EDGES = np.linspace(-1.5, 2.5, 9)
MEANS = (0.0, 1.0, 2.0)


def pooled(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """n rows of each of three training regimes N(mean, 1), and their weights for the target N(0.5, 1)."""
    strata = np.repeat(MEANS, n)
    x = rng.normal(strata)
    mixture = np.mean([norm.pdf(x, mean) for mean in MEANS], axis=0)
    return x, norm.logpdf(x, 0.5) - np.log(mixture), strata


def test_sup_t_covers_all_cells_at_once() -> None:
    rng, repetitions = np.random.default_rng(0), 1000
    mix = rng.normal(size=(10, 10)) / 3 + np.eye(10)
    truth = np.arange(10.0)
    inside = np.empty((repetitions, 2))
    for b in range(repetitions):
        estimate = truth + mix @ rng.normal(size=10)
        draws = estimate + rng.normal(size=(399, 10)) @ mix.T
        band = sup_t_band(truth, estimate, draws, "0.1", "linear")
        inside[b, 0] = band.covers(truth)
        half = (band.upper - band.lower) / 2 / band.critical * norm.ppf(0.95)
        inside[b, 1] = (np.abs(estimate - truth) <= half).all()
    assert abs(inside[:, 0].mean() - 0.9) <= 3.3 * np.sqrt(0.09 / repetitions) + 0.01
    assert inside[:, 1].mean() < 0.75  # one cell at a time


def test_root_scale_stays_non_negative_and_inverts() -> None:
    rng = np.random.default_rng(1)
    draws = rng.poisson([1.0, 50.0], size=(99, 2)).astype(float)
    band = sup_t_band([0.0, 1.0], [1.0, 50.0], draws, "0.1")
    spread = np.sqrt(draws).std(axis=0, ddof=1)
    roots = np.sqrt([1.0, 50.0])
    largest = np.sort((np.abs(np.sqrt(draws) - roots) / spread).max(axis=1))[89]
    assert band.critical == largest
    np.testing.assert_allclose(band.upper, (roots + largest * spread) ** 2)
    np.testing.assert_allclose(band.lower, np.maximum(roots - largest * spread, 0) ** 2)


def test_cells_without_variation_carry_no_statement() -> None:
    draws = np.column_stack([np.random.default_rng(2).uniform(1, 2, 99), np.zeros(99)])
    band = sup_t_band([0.0, 1.0, 2.0], [1.5, 0.0], draws, "0.1")
    assert band.resolved.tolist() == [True, False]
    assert np.isnan([band.lower[1], band.upper[1]]).all()
    assert band.covers([1.5, 7.0])
    assert not band.covers([9.0, 0.0])


def test_weighted_histogram_estimates_the_target() -> None:
    x, logs, _ = pooled(60_000, np.random.default_rng(3))
    truth = np.diff(norm.cdf(EDGES, 0.5)) / np.diff(EDGES)
    found = weighted_histogram(x, EDGES, logs)
    assert np.abs(found - truth).max() < 5 * np.sqrt(truth.max() / 0.5 / 100_000)
    assert np.abs(weighted_histogram(x, EDGES) - truth).max() > 0.1
    np.testing.assert_allclose(weighted_histogram(x, EDGES, logs - 2000.0), found)


def test_histogram_band_covers_the_target_density() -> None:
    repetitions = 200
    truth = np.diff(norm.cdf(EDGES, 0.5)) / np.diff(EDGES)
    inside = 0
    for b in range(repetitions):
        rng = np.random.default_rng(b)
        x, logs, strata = pooled(200, rng)
        inside += histogram_band(x, EDGES, "0.1", rng, logs, strata, replicates=199).covers(truth)
    assert abs(inside / repetitions - 0.9) <= 3.3 * np.sqrt(0.09 / repetitions)


def test_rows_are_drawn_again_within_strata() -> None:
    strata = np.repeat([0, 1], 50)
    values = np.where(strata == 0, 0.5, 1.5)  # each stratum fills a cell of its own
    rng = np.random.default_rng(4)
    held = histogram_band(values, [0.0, 1.0, 2.0], "0.1", rng, None, strata, replicates=49)
    assert not held.resolved.any()
    loose = histogram_band(values, [0.0, 1.0, 2.0], "0.1", rng, replicates=49)
    assert loose.resolved.all()


def test_same_seed_same_band() -> None:
    x, logs, strata = pooled(50, np.random.default_rng(5))
    one, two = (
        histogram_band(x, EDGES, "0.1", np.random.default_rng(6), logs, strata, replicates=99) for _ in range(2)
    )
    np.testing.assert_array_equal(one.lower, two.lower)
    np.testing.assert_array_equal(one.upper, two.upper)


def test_distribution_band_without_weights_covers_small_samples() -> None:
    rng, repetitions, n = np.random.default_rng(7), 2000, 12
    inside = 0
    for _ in range(repetitions):
        band = distribution_band(rng.uniform(size=n), "0.1")
        below = np.append(0.0, band.estimate[:-1])  # the truth just before each value
        inside += bool(
            (np.abs(band.at - band.estimate) <= band.critical).all()
            and (np.abs(band.at - below) <= band.critical).all()
        )
    assert inside / repetitions >= 0.9 - 3.3 * np.sqrt(0.09 / repetitions)
    assert inside / repetitions <= 0.97


def test_distribution_band_of_weighted_rows() -> None:
    repetitions = 200
    inside = plain = 0
    for b in range(repetitions):
        rng = np.random.default_rng(1000 + b)
        x, logs, strata = pooled(100, rng)
        band = distribution_band(x, "0.1", logs, strata, rng, replicates=199)
        inside += band.covers(norm.cdf(band.at, 0.5))
        plain += distribution_band(x, "0.1").covers(norm.cdf(np.sort(x), 0.5))
    assert abs(inside / repetitions - 0.9) <= 3.3 * np.sqrt(0.09 / repetitions)
    assert plain == 0


def test_distribution_band_puts_ties_and_weights_together() -> None:
    band = distribution_band([2.0, 1.0, 2.0], "0.5", np.log([1.0, 2.0, 5.0]), None, np.random.default_rng(0), 99)
    assert band.at.tolist() == [1.0, 2.0]
    np.testing.assert_allclose(band.estimate, [0.25, 1.0])
    assert band.lower[1] >= 0
    assert band.upper[1] == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda rng: sup_t_band([0, 1], [1.0], np.ones((9, 2)), "0.1"), "give \\(c,\\)"),
        (lambda rng: sup_t_band([0.0], [np.nan], np.ones((9, 1)), "0.1"), "not finite"),
        (lambda rng: sup_t_band([0.0], [-1.0], np.ones((9, 1)), "0.1"), "scale='linear'"),
        (lambda rng: weighted_histogram([0.5], [1.0, 0.0]), "ascending"),
        (lambda rng: weighted_histogram([], [0.0, 1.0]), "give \\(n,\\) for both"),
        (lambda rng: weighted_histogram([0.5], [0.0, 1.0], [-np.inf]), "not all of them -inf"),
        (lambda rng: weighted_histogram([np.nan], [0.0, 1.0]), "values must be finite"),
        (lambda rng: histogram_band([0.5, 0.6], [0, 1], "0.1", rng, strata=[0]), "give one a row"),
        (lambda rng: distribution_band([1.0, 2.0], "0.1", [0.0, 0.0], None, rng, 5), "takes 9 replicates"),
    ],
)
def test_bad_input_is_refused(call: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call(np.random.default_rng(0))  # type: ignore[operator]
