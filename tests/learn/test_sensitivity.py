"""Sensitivity bounds against linear programmes, enumeration of corners and refits; tipping points by bisection."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from ifm_ident import InputError
from ifm_learn.estimation.sensitivity import TargetValues, sensitivity_curve, tipping_point


def by_linear_programme(draws: TargetValues, gamma: float, sign: float) -> float:
    """Charnes and Cooper: g / E[g] and its scale s, with s e^-gamma <= g_i <= s e^gamma and E[g] = 1."""
    n = len(draws.values)
    p = np.ones(n) if draws.log_weights is None else np.exp(draws.log_weights)
    p /= p.sum()
    above = np.column_stack([np.eye(n), np.full(n, -np.exp(gamma))])
    below = np.column_stack([-np.eye(n), np.full(n, np.exp(-gamma))])
    equal, right = [np.append(p, 0.0)], [1.0]
    for i, j in itertools.combinations(range(n), 2):
        if draws.cells is not None and draws.cells[i] == draws.cells[j]:
            row = np.zeros(n + 1)
            row[i], row[j] = 1.0, -1.0
            equal.append(row)
            right.append(0.0)
    found = linprog(
        -sign * np.append(p * draws.values, 0.0),
        A_ub=np.vstack([above, below]),
        b_ub=np.zeros(2 * n),
        A_eq=np.array(equal),
        b_eq=np.array(right),
        bounds=[(0, None)] * (n + 1),
    )
    return -sign * float(found.fun)


def some_draws(rng: np.random.Generator, kind: str) -> TargetValues:
    n = int(rng.integers(2, 9))
    values = rng.integers(-3, 4, n).astype(float)  # ties
    return TargetValues(
        values,
        rng.normal(size=n) if kind != "plain" else None,
        rng.integers(0, 3, n) if kind == "cells" else None,
    )


@pytest.mark.parametrize("kind", ["plain", "weighted", "cells"])
def test_bounds_are_those_of_the_linear_programme(kind: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        draws, gamma = some_draws(rng, kind), float(rng.uniform(0, 3))
        low, high = draws.bounds(gamma)
        # the solver's tolerance is 1e-7 relative to values up to e^3
        assert low == pytest.approx(by_linear_programme(draws, gamma, -1.0), abs=1e-5)
        assert high == pytest.approx(by_linear_programme(draws, gamma, 1.0), abs=1e-5)


def test_no_interaction_of_that_size_does_more_and_corners_attain_it() -> None:
    rng = np.random.default_rng(2)
    draws, gamma = TargetValues(rng.normal(size=7)), 0.8

    def mean(h: np.ndarray) -> float:
        g = np.exp(gamma * h)
        return float(g @ draws.values / g.sum())

    low, high = draws.bounds(gamma)
    corners = [mean(np.array(h)) for h in itertools.product([-1.0, 1.0], repeat=7)]
    assert (min(corners), max(corners)) == pytest.approx((low, high), abs=1e-12)
    inside = [mean(rng.uniform(-1, 1, 7)) for _ in range(500)]
    assert low <= min(inside) <= max(inside) <= high


def test_an_interaction_of_known_size_lies_within() -> None:
    """Two binary variables, m = x1, an absent interaction of log-magnitude 0.5 in x1 alone: reached exactly."""
    x = np.array(list(itertools.product([0.0, 1.0], repeat=2)))
    log_p = np.log([0.4, 0.1, 0.2, 0.3])
    gamma = 0.5
    truth = np.exp(log_p + gamma * np.where(x[:, 0] > 0, 1, -1))
    truth /= truth.sum()
    assert TargetValues(x[:, 0], log_p).bounds(gamma)[1] == pytest.approx(float(truth @ x[:, 0]))
    # where it may depend on x2 only, it can do no more than what x2 tells about x1
    of_x2 = TargetValues(x[:, 0], log_p, x[:, 1].astype(int)).bounds(gamma)
    assert TargetValues(x[:, 0], log_p).mean < of_x2[1] < TargetValues(x[:, 0], log_p).bounds(gamma)[1]


def test_extreme_gammas_reach_the_range_without_overflow() -> None:
    draws = TargetValues(np.array([-1.0, 0.0, 5.0]))
    assert draws.bounds(np.inf) == (-1.0, 5.0)
    assert draws.bounds(1000.0) == (-1.0, 5.0)
    assert draws.bounds(0.0) == pytest.approx((4 / 3, 4 / 3))


def test_bounds_touch_the_reference_at_the_tipping_point() -> None:
    rng = np.random.default_rng(3)
    for kind in ("plain", "weighted", "cells"):
        for _ in range(30):
            draws, reference = some_draws(rng, kind), float(rng.uniform(-2, 2))
            found = tipping_point(draws, reference)
            if np.isinf(found.gamma):
                low, high = draws.bounds(50.0)
                assert not low <= reference <= high
                continue
            low, high = draws.bounds(found.gamma)
            near = low if draws.mean > reference else high
            assert near == pytest.approx(reference, abs=1e-9)
            low, high = draws.bounds(found.gamma * 0.99)
            assert found.gamma == 0 or not low <= reference <= high


def test_confidence_ends_cover_the_bounds_about_as_often_as_said() -> None:
    """300 samples of 100 exponential rows, bootstrap replicates; the truth from 200,000 rows."""
    rng = np.random.default_rng(5)
    gamma, studies = 0.4, 300
    true_low, true_high = TargetValues(rng.exponential(size=200_000)).bounds(gamma)
    covered = 0
    for _ in range(studies):
        rows = rng.exponential(size=100)
        refits = [TargetValues(rng.choice(rows, 100)) for _ in range(99)]
        curve = sensitivity_curve(TargetValues(rows), [gamma], refits, alpha="0.1")
        assert curve.confidence is not None
        covered += bool(curve.confidence[0, 0] <= true_low and true_high <= curve.confidence[0, 1])
    # each end misses 5%; skewness costs the percentile interval up to 4% here; binomial standard error 1.7%
    assert 0.81 <= covered / studies <= 0.99


def test_confident_tipping_is_where_the_confidence_ends_touch() -> None:
    rng = np.random.default_rng(6)
    rows = rng.normal(1.0, 1.0, size=200)
    refits = [TargetValues(rng.choice(rows, 200)) for _ in range(199)]
    for reference in (0.2, 2.0):
        found = tipping_point(TargetValues(rows), reference, refits)
        assert found.confident is not None
        assert 0 < found.confident < found.gamma
        for factor, inside in ((0.999, False), (1.001, True)):
            ends = sensitivity_curve(TargetValues(rows), [found.confident * factor], refits).confidence
            assert ends is not None
            assert bool(ends[0, 0] <= reference <= ends[0, 1]) is inside
    assert tipping_point(TargetValues(rows), float(rows.mean()) + 1e-3, refits).confident == 0.0


def test_words_name_the_factor() -> None:
    text = str(tipping_point(TargetValues(np.array([1.0, 2.0, 6.0])), 2.0))
    assert "stays above 2 unless" in text
    assert "by a factor of 2 or more" in text
    never = tipping_point(TargetValues(np.array([1.0, 2.0])), 9.0)
    assert str(never).endswith("whatever interaction was left out")


def test_refusals() -> None:
    for draws, message in (
        ((np.zeros(0),), "at least one draw"),
        ((np.zeros(2), np.zeros(3)), "log-weights of shape"),
        ((np.zeros(2), np.array([np.nan, 0.0])), "log-weights must be finite"),
        ((np.zeros(2), np.full(2, -np.inf)), "log-weights must be finite"),
    ):
        with pytest.raises(InputError, match=message):
            TargetValues(*draws)
    with pytest.raises(InputError, match=r"gamma -0\.1 is no magnitude"):
        TargetValues(np.zeros(2)).bounds(-0.1)
    with pytest.raises(InputError, match="is no magnitude"):
        sensitivity_curve(TargetValues(np.zeros(2)), [np.nan])
    with pytest.raises(InputError, match="takes 19 replicates or more"):
        tipping_point(TargetValues(np.zeros(2)), 1.0, [TargetValues(np.zeros(2))] * 18)
