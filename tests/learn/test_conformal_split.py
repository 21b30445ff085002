"""Weighted split conformal intervals: coverage under a known shift, bounds of weights, refusals."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import norm

from ifm_ident import InputError
from ifm_learn.conformal.intervals import GUARANTEES, Intervals
from ifm_learn.conformal.mixture import balance_log_weights, sup_log_weight_of_formula
from ifm_learn.conformal.ranks import conformal_rank
from ifm_learn.conformal.scores import (
    AbsoluteResidual,
    NormalisedResidual,
    QuantileResidual,
    RegimeQuantiles,
    RegimeResidual,
)
from ifm_learn.conformal.split import Calibration, fresh_unit_interval, known_x_intervals
from ifm_learn.conformal.weighted import WeightedSplit
from tests.scripts import loaded

NONE = np.empty(0, dtype=np.int64)
MEANS = np.array([0.0, 1.0, 2.0])


def calibration(n: int, rng: np.random.Generator | None = None, **changes: object) -> Calibration:
    rng = rng or np.random.default_rng(0)
    fields = {
        "rows": np.arange(n),
        "y": rng.normal(size=n),
        "log_weights": np.zeros(n),
        "ratio": "exact",
        "x": np.zeros((n, 1)),
    }
    return Calibration(**(fields | changes))  # type: ignore[arg-type]


def shifted(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x ~ N(0, 1) against the target N(1, 1): the weight has no bound; y = noise that grows with x."""
    x = rng.normal(size=n)
    return x, np.exp(x) * rng.normal(size=n), x - 0.5


def test_known_x_covers_in_small_samples_and_only_with_the_unit_itself() -> None:
    rng, repetitions, n = np.random.default_rng(0), 4000, 15
    covered = np.empty((repetitions, 3))
    score = AbsoluteResidual(lambda x: np.zeros(len(x)), NONE)
    for b in range(repetitions):
        x, y, logs = shifted(n, rng)
        new_x = rng.normal(1.0, size=(1, 1))
        new_y = np.exp(new_x[:, 0]) * rng.normal(size=1)
        rows = calibration(n, y=y, log_weights=logs, x=x[:, None])
        covered[b, 0] = known_x_intervals(rows, score, new_x, new_x[:, 0] - 0.5, "0.2").covers(new_y)[0]
        size = abs(new_y[0])
        covered[b, 1] = size <= WeightedSplit(np.abs(y), logs, "0.2").quantile(-np.inf)
        covered[b, 2] = size <= WeightedSplit(np.abs(y), np.zeros(n), "0.2").quantile(0.0)
    limit = 3.3 * np.sqrt(0.8 * 0.2 / repetitions)
    assert covered[:, 0].mean() >= 0.8 - limit
    assert (covered[:, 1:].mean(axis=0) < 0.8 - limit).all()  # without its own weight; without weights


def test_fresh_unit_covers_with_the_supremum() -> None:
    rng, repetitions, n = np.random.default_rng(1), 4000, 45
    formula = {0: Fraction(1, 2), 1: Fraction(1, 2)}
    sizes = np.full(3, n // 3)
    sup = sup_log_weight_of_formula(formula, sizes)
    score = RegimeResidual(0.0, NONE)
    covered = np.empty(repetitions)
    for b in range(repetitions):
        x = rng.normal(MEANS[rng.integers(3, size=n)])
        logs = norm.logpdf(x[:, None], MEANS)
        weights = balance_log_weights(logs @ [0.5, 0.5, 0.0], logs, sizes)
        found = fresh_unit_interval(calibration(n, y=rng.normal(x**2, 1), log_weights=weights), score, sup, "0.2")
        covered[b] = found.covers(rng.normal(rng.normal(0.5) ** 2, 1))[0]
    limit = 3.3 * np.sqrt(0.8 * 0.2 / repetitions)
    assert (
        0.8 - limit <= covered.mean() <= 0.8 + limit + 3 / n
    )  # sup w is 3/2 of the mean weight of the rows, about


def test_bound_of_the_weight_holds_on_the_whole_line() -> None:
    x = np.linspace(-30, 30, 20001)
    logs = norm.logpdf(x[:, None], MEANS)
    sizes = np.array([10, 30, 20])
    weights = balance_log_weights(logs @ [0.5, 0.0, 0.5], logs, sizes)
    bound = sup_log_weight_of_formula({0: Fraction(1, 2), 2: Fraction(1, 2)}, sizes)
    assert weights.max() <= bound == np.log(3.0)
    alone = balance_log_weights(logs[:, 1], logs, sizes)
    assert alone.max() <= sup_log_weight_of_formula({1: Fraction(1)}, sizes) == np.log(2.0)
    assert sup_log_weight_of_formula({1: Fraction(1)}, [1, 0, 1]) == np.inf
    with pytest.raises(InputError, match="add up to 1"):
        sup_log_weight_of_formula({1: Fraction(1, 2)}, sizes)


def test_balance_weights_are_the_ratio_to_the_mixture() -> None:
    rng = np.random.default_rng(2)
    x, sizes = rng.normal(size=50), np.array([5, 0, 45])
    shared = rng.normal(scale=50, size=50)
    logs = norm.logpdf(x[:, None], MEANS) + shared[:, None]
    target = norm.logpdf(x, 0.5)
    want = target - np.log(0.1 * norm.pdf(x) + 0.9 * norm.pdf(x, 2.0))
    np.testing.assert_allclose(balance_log_weights(target + shared, logs, sizes), want, atol=1e-10)
    both = balance_log_weights(np.stack([target + shared, logs[:, 0]], axis=1), logs, sizes)
    np.testing.assert_allclose(both[:, 0], want, atol=1e-10)
    with pytest.raises(InputError, match="one at least above 0"):
        balance_log_weights(target, logs, [0, 0, 0])
    with pytest.raises(InputError, match="no weight exists there"):
        balance_log_weights([0.0], [[-np.inf, 0.0]], [1, 0])


@pytest.mark.parametrize(
    "score",
    [
        AbsoluteResidual(lambda x: 2 * x[:, 0], NONE),
        NormalisedResidual(lambda x: x[:, 0], lambda x: 1 + x[:, 0] ** 2, NONE),
        QuantileResidual(lambda x: x[:, 0] - 1, lambda x: x[:, 0] + 2, NONE),
    ],
)
def test_intervals_are_the_values_that_score_at_most_the_bound(score: AbsoluteResidual) -> None:
    x, bound = np.linspace(-2, 2, 9)[:, None], np.full(9, 0.75)
    lower, upper = score.interval(x, bound)
    for end, out in ((lower, -1), (upper, 1)):
        np.testing.assert_allclose(score.of(x, end), bound)
        assert (score.of(x, end + out * 0.01) > bound).all()
    assert (score.of(x, (lower + upper) / 2) <= bound).all()


def test_negative_bounds_narrow_quantile_bands_to_a_point_at_most() -> None:
    score = QuantileResidual(lambda x: x[:, 0], lambda x: x[:, 0] + 2, NONE)
    lower, upper = score.interval(np.zeros((2, 1)), np.array([-0.5, -5.0]))
    assert (lower.tolist(), upper.tolist()) == ([0.5, 1.0], [1.5, 1.0])
    assert RegimeQuantiles(0.0, 2.0, NONE).interval(np.array([-0.5])) == (0.5, 1.5)
    assert RegimeQuantiles(0.0, 2.0, NONE).interval(np.array([-5.0])) == (1.0, 1.0)
    np.testing.assert_array_equal(RegimeQuantiles(0.0, 2.0, NONE).of(np.array([3.0, 1.0]))[:, 0], [1.0, -1.0])


def test_separate_tails_follow_a_skewed_outcome() -> None:
    y = np.random.default_rng(3).exponential(size=999)
    rows = calibration(999, y=y)
    found = fresh_unit_interval(rows, RegimeResidual(1.0, NONE, separate_tails=True), 0.0, "0.1")
    ordered = np.sort(y)  # ranks floor(0.05 * 1000) and ceil(0.95 * 1000), counted from 1
    np.testing.assert_allclose([found.lower[0], found.upper[0]], [ordered[49], ordered[949]])
    both = fresh_unit_interval(rows, RegimeResidual(1.0, NONE), 0.0, "0.1")
    assert both.lower[0] < 0 < found.lower[0]


def test_infinite_intervals_say_why_and_are_null() -> None:
    score = RegimeResidual(0.0, NONE)
    few = fresh_unit_interval(calibration(8), score, 0.0, "0.1")
    assert few.records() == [{"prediction": [None, None], "ess": 8.0, "guarantee": "exact-ratio"}]
    assert "the largest weight over the support is 11% of all, more than alpha = 1/10" in few.reason[0]
    unbounded = fresh_unit_interval(calibration(100), score, np.inf, "0.1")
    assert "no bound" in unbounded.reason[0]
    none = fresh_unit_interval(calibration(9, log_weights=np.full(9, -np.inf)), score, 0.0, "0.1")
    assert none.reason[0] == "no calibration row has density in the target regime"
    assert none.ess[0] == 0.0
    finite = fresh_unit_interval(calibration(9), score, 0.0, "0.1")
    assert finite.reason[0] == ""
    assert np.isfinite([finite.lower[0], finite.upper[0]]).all()
    known = known_x_intervals(
        calibration(9), AbsoluteResidual(lambda x: x[:, 0], NONE), np.zeros((2, 1)), [0.0, 9.0], "0.1"
    )
    assert [bool(reason) for reason in known.reason] == [False, True]
    assert np.isfinite(known.lower).tolist() == [True, False]
    assert len(Intervals.concatenate([few, known])) == 3


def test_guarantees_are_stated() -> None:
    score, seen = RegimeResidual(0.0, NONE), np.array([90, 91])
    estimated = calibration(30, ratio="estimated", ratio_rows=seen)
    assert fresh_unit_interval(calibration(30), score, 0.0, "0.1").guarantee.tolist() == ["exact-ratio"]
    assert fresh_unit_interval(estimated, score, 0.0, "0.1").guarantee.tolist() == ["estimated-ratio"]
    plain = fresh_unit_interval(estimated, score, np.inf, "0.1", asymptotic=True)
    assert plain.guarantee.tolist() == ["asymptotic"]
    assert plain.upper[0] == np.sort(np.abs(estimated.y))[27]  # rank ceil(0.9 * 31): the unit counts as one more
    assert {"exact-ratio", "estimated-ratio", "asymptotic"} == set(GUARANTEES)


@pytest.mark.parametrize("alpha", ["0.1", "0.05", "0.3"])
def test_effective_rows_carry_the_level_as_rows_do(alpha: str) -> None:
    """Of equal weights the mean weight gives the exact rank, infinite where it is n + 1; of unequal ones it is
    infinite where (1 - alpha)(ess + 1) > ess.
    """
    score, seen, rng = RegimeResidual(0.0, NONE), np.array([90, 91]), np.random.default_rng(0)
    for n in range(2, 60):
        rows = calibration(n, ratio="estimated", ratio_rows=seen)
        one = fresh_unit_interval(rows, score, np.inf, alpha, asymptotic=True)
        rank = conformal_rank(n, alpha)
        assert one.upper[0] == (np.inf if rank is None else np.sort(np.abs(rows.y))[rank - 1])
        tilted = dataclasses.replace(rows, log_weights=rng.normal(size=n))
        found = fresh_unit_interval(tilted, score, np.inf, alpha, asymptotic=True)
        share = (1 - float(alpha)) * (found.ess[0] + 1) / found.ess[0]
        assert np.isinf(found.upper[0]) or share <= 1 + 1e-9


def test_finely_lying_rows_in_the_tail_cost_less_than_coarse_ones() -> None:
    """One more row where the quantile lies moves it less where rows there weigh little."""
    y, score = np.arange(40.0), RegimeResidual(0.0, NONE)
    fine = calibration(40, y=y, log_weights=np.where(y < 20, 0.0, -1.0))
    coarse = calibration(40, y=y, log_weights=np.where(y < 20, -1.0, 0.0))
    for rows, light in ((fine, True), (coarse, False)):
        split = WeightedSplit(rows.y, rows.log_weights, "0.1")
        assert (split.tail_log_weight < split.mean_log_weight) == light
        found = fresh_unit_interval(rows, score, np.inf, "0.1", asymptotic=True)
        assert found.upper[0] == split.quantile(split.tail_log_weight)


def test_rows_used_twice_are_refused() -> None:
    rows = calibration(10)
    with pytest.raises(InputError, match="score was fitted on 2 of 10 calibration rows \\(row id 8\\)"):
        fresh_unit_interval(rows, RegimeResidual(0.0, np.arange(8, 20)), 0.0, "0.1")
    score = AbsoluteResidual(lambda x: x[:, 0], np.arange(10))
    with pytest.raises(InputError, match="score was fitted on 10 of 10"):
        known_x_intervals(rows, score, np.zeros((1, 1)), [0.0], "0.1")
    with pytest.raises(InputError, match="ratio was fitted on 1 of 10"):
        calibration(10, ratio="estimated", ratio_rows=np.array([9]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rows": np.zeros(5, dtype=np.int64)}, "listed twice"),
        ({"ratio": "guessed"}, "'exact' or 'estimated', got 'guessed'; say 'estimated' where it was fitted"),
        ({"ratio": "estimated"}, "give as `ratio_rows`"),
        ({"ratio_rows": np.array([7])}, "say ratio='estimated'"),
        ({"y": np.zeros(4)}, "give one of each a row"),
        ({"y": np.full(5, np.inf)}, "y holds inf"),
    ],
)
def test_bad_calibrations_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        calibration(5, None, **changes)


def test_bad_calls_are_refused() -> None:
    rows = calibration(10, log_weights=np.linspace(-1, 0, 10))
    score = AbsoluteResidual(lambda x: x[:, 0], NONE)
    with pytest.raises(InputError, match="lies below that of a calibration row"):
        fresh_unit_interval(rows, RegimeResidual(0.0, NONE), -0.5, "0.1")
    with pytest.raises(InputError, match="give one a unit"):
        known_x_intervals(rows, score, np.zeros((2, 1)), [0.0], "0.1")
    with pytest.raises(InputError, match="needs the x of the calibration rows"):
        known_x_intervals(calibration(10, x=None), score, np.zeros((1, 1)), [0.0], "0.1")


def coverage_benchmark() -> ModuleType:
    return loaded(Path(__file__).parents[2] / "benchmarks" / "coverage.py")


def test_coverage_experiment_of_the_paper() -> None:
    # standard deviations of a repetition: 0.003 overall, 0.008 in a regime; limits lie 4 of their means' away
    covered, _ = coverage_benchmark().simulate(10, 1, ["fresh unit, oracle ratio"])
    assert abs(covered.mean() - 0.9) <= 0.005
    assert (np.abs(covered.mean(axis=(0, 1)) - 0.9) <= 0.01).all()


@pytest.mark.slow
def test_coverage_experiment_of_the_paper_at_length() -> None:
    names = ["fresh unit, oracle ratio", "fresh unit, ratio by regime contrast", "as published"]
    overall = (covered := coverage_benchmark().simulate(60, 2, names)[0]).mean(axis=(0, 2))
    each = covered.mean(axis=0)
    assert np.abs(overall[:2] - 0.9).max() <= 0.005
    assert np.abs(each[:2] - 0.9).max() <= 0.01
    assert overall[2] > 0.91
    assert each[2].min() < 0.9 < 0.93 < each[2].max()
