"""Intervals of shares and counts near the ends of their range, against exact ones and enumerated coverage."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.stats import binom, binomtest, chi2, poisson
from scipy.stats import t as student

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats, Ints
from ifm_learn import estimate_study
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._outcomes import mean_shifts, regressed, terms_of
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.ranges import Ranges
from ifm_learn.ladder.rungs import AUTO, rungs_for
from tests.learn.ladder_cases import CROSS, cross, shifted

NONE = np.zeros(2, dtype=np.int64)
SHARE = Ranges.of(np.array([[0.0], [1.0]]), NONE)
COUNT = Ranges.of(np.array([[0.0], [7.0], [2.0]]), np.zeros(3, dtype=np.int64))


def ends(ranges: Ranges, mean: Floats, se: Floats, event: float = 0.0) -> tuple[Floats, Floats]:
    low, high = ranges.interval(mean[:, None], se[:, None], np.full((len(mean), 1), 1e9), 0.1, event)
    return low[:, 0], high[:, 0]


def test_a_share_of_rows_has_the_exact_interval_of_its_binomial() -> None:
    n = 40
    p = np.arange(n + 1) / n
    low, high = ends(SHARE, p, np.sqrt(p * (1 - p) / n), 1 / n)
    for k in range(n + 1):
        exact = binomtest(k, n).proportion_ci(0.9, method="exact")
        assert (low[k], high[k]) == pytest.approx((exact.low, exact.high), abs=1e-7)
    held = [binom.pmf(np.arange(n + 1), n, t) @ ((low <= t) & (t <= high)) for t in np.linspace(0.001, 0.999, 97)]
    assert min(held) > 0.9


def test_a_mean_of_counts_has_the_exact_interval_of_its_poisson() -> None:
    n = 20
    k = np.arange(200)
    low, high = ends(COUNT, k / n, np.sqrt(k) / n, 1 / n)
    np.testing.assert_allclose(low[1:], chi2.ppf(0.05, 2 * k[1:]) / 2 / n)
    np.testing.assert_allclose(high, chi2.ppf(0.95, 2 * k + 2) / 2 / n)
    held = [poisson.pmf(k, n * t) @ ((low <= t) & (t <= high)) for t in (0.01, 0.05, 0.2, 1.0, 3.0)]
    assert min(held) > 0.9


def test_ends_stay_inside_whatever_the_error() -> None:
    g = np.random.default_rng(0)
    mean, se = g.normal(0.3, 0.5, 500), 10 ** g.uniform(-9, 3, 500)
    for ranges, top in ((SHARE, 1.0), (COUNT, np.inf)):
        low, high = ends(ranges, mean, se)
        assert ((low >= 0) & (high <= top) & (low <= high)).all()
        inside = np.clip(mean, 0, top)
        assert ((low <= inside + 1e-12) & (inside <= high + 1e-12)).all()
        unknown = ends(ranges, np.array([0.2]), np.array([np.inf]))
        assert (unknown[0][0], unknown[1][0]) == pytest.approx((0.0, top))
        assert np.isnan(ends(ranges, np.array([np.nan]), np.array([0.1]))).all()


def test_what_has_a_range_is_told_by_the_rows() -> None:
    g, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 50)
    columns = {
        "two values": g.integers(0, 2, 150) * 3.0 - 1,
        "counts": g.poisson(2.0, 150) * 1.0,
        "exponential": g.exponential(size=150),
        "far from 0": g.normal(30, 1, 150),
        "tiny": 1e-9 * g.normal(size=150),
        "offset": 1e9 + g.normal(size=150),
        "never": np.zeros(150),
        "constant": np.full(150, 2.5),
    }
    found = Ranges.of(np.stack(list(columns.values()), axis=1), regime)
    told = {
        name: (low, high, sure, lumped)
        for name, low, high, sure, lumped in zip(
            columns,
            found.low.tolist(),
            found.high.tolist(),
            found.sure.tolist(),
            found.lumped.tolist(),
            strict=True,
        )
    }
    assert told == {
        "two values": (-1.0, 2.0, True, True),
        "counts": (0.0, np.inf, True, True),
        "exponential": (0.0, np.inf, True, False),
        "far from 0": (0.0, np.inf, False, False),
        "tiny": (-np.inf, np.inf, False, False),
        "offset": (0.0, np.inf, False, False),
        "never": (0.0, 1.0, True, True),
        "constant": (0.0, np.inf, False, False),
    }


def rare(events: tuple[int, int, int], n: int = 50) -> Samples:
    """Rows of ctrl, A and B of a 0 or 1, with so many 1s."""
    x = np.concatenate([np.arange(n) < k for k in events]).astype(float)[:, None]
    return Samples(cross(), np.repeat([0, 1, 2], n), x)


@pytest.mark.parametrize(
    "energy", ["bernoulli", "linear", "quadratic", "splines", "grid", "normal", "poisson", AUTO]
)
def test_no_event_in_a_regime_leaves_its_interval_as_long_as_the_exact_one(energy: str) -> None:
    samples = rare((12, 0, 5))
    found = fit_ladder(samples, rungs_for(energy, samples), seed=0).estimate(CROSS)
    exact = binomtest(0, 50).proportion_ci(0.9, method="exact").high
    assert found.low[1, 0] == 0
    assert exact - 1e-6 <= found.high[1, 0] < 2 * exact
    assert "misses_training" not in found.words(1, 0)
    assert (found.low >= 0).all()
    assert (found.high <= 1).all()
    # by the factors the odds at A+B are those at A times (5/45) / (12/38), which errs itself
    assert found.low[3, 0] == 0
    assert found.high[3, 0] > 1.2 * exact * (5 / 45) / (12 / 38)


def test_a_rare_share_is_not_extrapolated_for_lying_between_its_values() -> None:
    samples = rare((2, 1, 0))
    found = fit_ladder(samples, rungs_for("bernoulli", samples), seed=0).estimate(CROSS)
    assert found.mean[3, 0] > np.quantile(samples.x, 0.975)
    assert not found.flags["extrapolated"].any()


def test_no_event_anywhere_is_no_certainty() -> None:
    samples = rare((0, 0, 0))
    found = fit_ladder(samples, rungs_for(AUTO, samples), seed=0).estimate(CROSS)
    assert (found.low == 0).all()
    assert (found.high >= binomtest(0, 50).proportion_ci(0.9, method="exact").high - 1e-6).all()


def test_a_mean_that_counts_cannot_have_is_left_out_of_the_average() -> None:
    g, regime = np.random.default_rng(2), np.repeat([0, 1, 2], 30)
    x = g.poisson(np.array([3.0, 0.6, 0.6])[regime])[:, None].astype(float)
    samples = Samples(cross(), regime, x)
    found = fit_ladder(samples, [*rungs_for("normal", samples), FamilyRung("poisson")], seed=0).estimate(CROSS)
    assert found.rung_means[found.rungs.index("normal"), 3, 0] < 0
    assert found.weights[found.rungs.index("normal"), 3, 0] == 0
    assert found.mean[3, 0] > 0
    alone = fit_ladder(samples, rungs_for("normal", samples), seed=0).estimate(CROSS)
    assert alone.mean[3, 0] == 0 == alone.low[3, 0] < alone.high[3, 0]


def test_a_regime_of_equal_rows_is_missed_where_the_model_is_far_from_it_only() -> None:
    g, regime = np.random.default_rng(0), np.repeat([0, 1, 2, 3], 40)
    design = cross(train=("00", "10", "01", "11"))
    for value, misses in ((2.0, False), (9.0, True)):
        x = g.normal(np.array([0.0, 1.0, 1.0, 0.0])[regime])
        x[regime == 3] = value
        samples = Samples(design, regime, x[:, None])
        found = fit_ladder(samples, rungs_for("normal", samples), seed=0).estimate(CROSS)
        assert ("misses_training" in found.words(3, 0)) == misses


def test_numbers_far_from_0_have_the_same_estimates() -> None:
    samples = shifted(30)
    moved = Samples(samples.design, samples.regime, samples.x + 1e9)
    for energy in ("normal", AUTO):
        one, other = (
            fit_ladder(some, rungs_for(energy, some), seed=0).estimate(CROSS) for some in (samples, moved)
        )
        for name in ("mean", "low", "high"):
            np.testing.assert_allclose(getattr(other, name) - 1e9, getattr(one, name), atol=2e-5)
        assert [other.words(i, 0) for i in range(4)] == [one.words(i, 0) for i in range(4)]
    crossed = cross(train=("00", "10", "01", "11"))
    x = np.random.default_rng(0).normal(np.repeat([0.0, 3.0, 3.0, 0.0], 40))[:, None] + 1e9
    missed = fit_ladder(Samples(crossed, np.repeat([0, 1, 2, 3], 40), x), rungs_for("normal", samples), seed=0)
    assert "misses_training" in missed.estimate(CROSS).words(3, 0)


def test_effects_reach_as_far_as_the_intervals_of_means() -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "variables": ["x"],
            "train": ["00", "10", "01"],
            "test": ["10", "11"],
        }
    )
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], 50, axis=0).T
    x = np.concatenate([np.arange(50) < k for k in (10, 0, 4)]).astype(float)
    found = estimate_study(study, {"A": a, "B": b, "x": x}, calibration=0, energy="bernoulli", effects="additive")
    low, high = found.effects[0][0]["difference_interval"]
    # of the difference -.2 of A, with no event in 50, and ctrl, with 10
    assert -0.36 < low < -0.25
    assert 0.12 - 0.2 < high < 0.0
    for row in found.effects:
        low, high = row[0]["difference_interval"]
        assert -1 <= low < row[0]["difference"] < high <= 1


def test_a_constant_variable_stops_no_average() -> None:
    samples = shifted(30)
    with_it = Samples(cross(variables=2), samples.regime, np.c_[samples.x, np.full(len(samples), 2.5)])
    found = fit_ladder(with_it, rungs_for(AUTO, with_it), seed=0).estimate(CROSS)
    assert np.isfinite(found.high).all()
    np.testing.assert_allclose(found.mean[:, 1], 2.5)
    with pytest.raises(InputError, match="x1 does not vary"):
        rungs_for("grid", with_it)


def test_small_numbers_are_not_taken_for_counts() -> None:
    samples = shifted(10)
    small = Samples(samples.design, samples.regime, 1e-9 * samples.x)
    assert "whole numbers" in str(FamilyRung("poisson").unfit(small))


def drawn(g: np.random.Generator, spread: Floats, n: int, shift: float = 0.0) -> tuple[Floats, Floats, Ints]:
    """x, residuals of y on the terms of x, and the regimes of three with these spreads; the second one moved."""
    regime = np.repeat([0, 1, 2], n)
    x = g.normal(np.array([0.0, 0.8, -0.8])[regime])[:, None]
    y = x[:, 0] + shift * (regime == 1) + spread[regime] * g.normal(size=3 * n)
    terms = terms_of(x)
    return x, y - terms @ (terms.T @ y), regime


def test_unequal_variances_do_not_look_like_shifting_outcomes() -> None:
    # at the level of 1% more than 11 of 400 are found with a probability of 0.1%
    spread = np.array([0.2, 2.0, 0.2])
    found = []
    for seed in range(400):
        x, left, regime = drawn(np.random.default_rng(seed), spread, 40)
        found.append(float(mean_shifts(left[:, None], terms_of(x), regime, None)[0]))
    assert (np.array(found) < 0.01).sum() <= binom.ppf(0.999, 400, 0.01)
    x, left, regime = drawn(np.random.default_rng(0), spread, 40, shift=3.0)
    assert mean_shifts(left[:, None], terms_of(x), regime, None)[0] < 1e-6


def test_the_test_of_shifts_agrees_with_a_robust_regression() -> None:
    """The t-statistic of one regime against the other is that of HC errors in y ~ terms + regime, nearly."""
    g, regime = np.random.default_rng(3), np.repeat([0, 1], 200)
    x = g.normal(0.5 * regime)[:, None]
    y = x[:, 0] + 0.5 * regime + np.array([0.5, 2.0])[regime] * g.normal(size=400)
    terms = terms_of(x)
    left = y - terms @ (terms.T @ y)
    p_value = float(mean_shifts(left[:, None], terms, regime, None)[0])
    full = np.c_[terms, regime.astype(float)]
    inverse = np.linalg.inv(full.T @ full)
    slope = inverse @ full.T @ y
    rest = y - full @ slope
    robust = inverse @ (full.T * rest**2) @ full @ inverse
    other = 2 * student.sf(abs(slope[-1]) / np.sqrt(robust[-1, -1]), 398)
    assert np.log(p_value) == pytest.approx(np.log(other), rel=0.15)


def test_an_outcome_with_unequal_noise_keeps_its_interval() -> None:
    g, regime = np.random.default_rng(1), np.repeat([0, 1, 2], 40)
    x = g.normal(np.array([0.0, 0.8, 0.7])[regime])[:, None]
    y = x[:, 0] + np.array([0.2, 3.0, 0.2])[regime] * g.normal(size=120)
    samples = Samples(cross(), regime, x, y)
    assert not regressed(samples, 0).shifts


def test_numbers_that_add_up_to_0_have_a_size_without_a_warning() -> None:
    values = np.array([[-1.0, 2.0], [0.0, 1.0], [1.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Ranges.of(values, np.zeros(3, dtype=np.int64)).size(values)[0] == 1.0
