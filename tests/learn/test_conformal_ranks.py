"""Conformal ranks in exact arithmetic, unweighted and weighted."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ifm_ident import InputError
from ifm_learn.conformal.ranks import conformal_quantile, conformal_rank, fewest_scores, read_alpha
from ifm_learn.conformal.weighted import WeightedSplit

ALPHAS = ("0.01", "0.05", "0.1", "0.2", "0.3", "0.5", "0.7", "0.123")


@pytest.mark.parametrize(
    ("alpha", "exact"),
    [
        ("0.1", Fraction(1, 10)),
        (0.1, Fraction(1, 10)),
        (np.float64(0.7), Fraction(7, 10)),
        ("1e-3", Fraction(1, 1000)),
        (Decimal("0.30"), Fraction(3, 10)),
        (Fraction(2, 7), Fraction(2, 7)),
    ],
)
def test_alpha_is_read_as_a_decimal(alpha: str, exact: Fraction) -> None:
    assert read_alpha(alpha) == exact


@pytest.mark.parametrize(
    "alpha",
    ["10%", "", "1/10", 0, 1, "1", "0", "-0.1", True, float("nan"), "inf", "1e-999999999", "0." + "1" * 999],
)
def test_other_alphas_are_refused(alpha: str) -> None:
    with pytest.raises(InputError, match="is not a decimal between 0 and 1"):
        read_alpha(alpha)


def test_rank_is_the_least_count_that_reaches_the_level() -> None:
    for text in ALPHAS:
        hundreds = round(1000 * float(text))  # alpha in thousandths
        for n in (*range(300), 999, 1000, 1999, 2000):
            counts = [k for k in range(n + 2) if 1000 * k >= (1000 - hundreds) * (n + 1)]
            assert conformal_rank(n, text) == (counts[0] if counts[0] <= n else None)


def test_fewest_scores_are_the_first_finite_ones() -> None:
    for text in ALPHAS:
        fewest = fewest_scores(text)
        assert conformal_rank(fewest, text) is not None
        assert fewest == 0 or conformal_rank(fewest - 1, text) is None


def test_quantile_is_an_order_statistic_with_ties_and_columns() -> None:
    scores = np.random.default_rng(0).integers(0, 5, size=(57, 3)).astype(float)
    rank = conformal_rank(57, "0.1")
    assert rank == 53
    np.testing.assert_array_equal(conformal_quantile(scores, "0.1"), np.sort(scores, axis=0)[52])
    assert np.isinf(conformal_quantile(scores[:8], "0.1")).all()
    assert float(conformal_quantile(np.empty(0), "0.1")) == np.inf
    with pytest.raises(InputError, match="a score is nan"):
        conformal_quantile([1.0, np.nan], "0.5")


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equal_weights_give_the_exact_rank(alpha: str) -> None:
    for n in (*range(1, 400), *range(400, 2001, 7), 1999, 2000):
        split = WeightedSplit(np.arange(1.0, n + 1), np.full(n, -3.7), alpha)
        rank = conformal_rank(n, alpha)
        assert float(split.quantile(-3.7)) == (np.inf if rank is None else rank), n


@pytest.mark.slow
def test_equal_weights_give_the_exact_rank_for_every_n() -> None:
    for alpha in ALPHAS:
        for n in range(1, 2001):
            rank = conformal_rank(n, alpha)
            found = float(WeightedSplit(np.arange(1.0, n + 1), np.zeros(n), alpha).quantile(0.0))
            assert found == (np.inf if rank is None else rank), (n, alpha)


def enumerated(scores: np.ndarray, weights: list[Fraction], own: Fraction, alpha: Fraction) -> float:
    """The weighted quantile by its definition, in rationals."""
    need = (1 - alpha) * (sum(weights) + own)
    for s in sorted({float(score) for score in scores}):
        if sum(w for w, t in zip(weights, scores.tolist(), strict=True) if t <= s) >= need:
            return s
    return np.inf


def test_weighted_quantile_against_rationals() -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        n = int(rng.integers(1, 40))
        alpha = Fraction(int(rng.integers(1, 1000)), 1000)
        scores, logs = rng.integers(0, 12, size=n).astype(float), rng.normal(scale=3, size=n)
        tests = np.append(rng.normal(scale=4, size=6), -np.inf)
        weights = [Fraction(w) for w in np.exp(logs).tolist()]
        want = [enumerated(scores, weights, Fraction(w), alpha) for w in np.exp(tests).tolist()]
        assert WeightedSplit(scores, logs, alpha).quantile(tests).tolist() == want


def test_weights_of_whole_numbers_never_err_towards_the_smaller_score() -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        n = int(rng.integers(2, 30))
        whole = rng.integers(1, 4, size=n)
        scores = rng.permutation(n).astype(float)
        alpha = Fraction(int(rng.integers(1, 10)), 10)
        exact = enumerated(scores, [Fraction(int(w)) for w in whole], Fraction(1), alpha)
        found = float(WeightedSplit(scores, np.log(whole), alpha).quantile(0.0))
        assert exact <= found <= min(exact + 1, np.inf) or (exact == n - 1 and found == np.inf)


@pytest.mark.parametrize(
    ("first", "second", "alpha"),
    [
        (1.0, 2.0**-80, "1e-30"),  # what lies outside must not be rounded down
        (0.6 * 2.0**-59, 1.0, "0.9999999999999999988"),  # nor what lies inside up
    ],
)
def test_rounding_goes_against_the_interval(first: float, second: float, alpha: str) -> None:
    scores, weights = np.array([1.0, 2.0]), np.array([first, second])
    exact = enumerated(scores, [Fraction(first), Fraction(second)], Fraction(0), read_alpha(alpha))
    assert exact == 2.0
    assert float(WeightedSplit(scores, np.log(weights), alpha).quantile(-np.inf)) >= exact


def test_factor_of_the_weights_cancels_and_extremes_stay_finite() -> None:
    rng = np.random.default_rng(3)
    scores, logs = rng.normal(size=200), rng.normal(size=200)
    split, shifted = (WeightedSplit(scores, logs + c, "0.1") for c in (0.0, -4096.0))
    tests = rng.normal(size=50)
    np.testing.assert_array_equal(split.quantile(tests), shifted.quantile(tests - 4096.0))
    assert split.quantile([[1e4, np.inf], [-1e4, -np.inf]])[0].tolist() == [np.inf, np.inf]
    assert np.isfinite(split.quantile([-1e4, -np.inf])).all()
    wide = WeightedSplit(np.array([1.0, 2.0]), np.array([-1e4, 0.0]), "0.5")
    assert float(wide.quantile(-1e5)) == 2.0
    assert wide.ess == 1.0


def test_rows_without_weight_and_no_rows() -> None:
    none = WeightedSplit(np.array([1.0, 2.0]), np.full(2, -np.inf), "0.5")
    assert none.quantile([0.0, -np.inf]).tolist() == [np.inf, np.inf]
    assert (none.ess, none.atom(0.0).tolist()) == (0.0, 1.0)
    assert float(WeightedSplit(np.empty(0), np.empty(0), "0.5").quantile(0.0)) == np.inf
    some = WeightedSplit(np.array([9.0, 1.0, 2.0]), np.array([-np.inf, 0.0, 0.0]), "0.5")
    assert float(some.quantile(0.0)) == 2.0


def test_atom_is_the_share_at_infinity() -> None:
    split = WeightedSplit(np.arange(4.0), np.log([1.0, 2.0, 3.0, 4.0]), "0.1")
    np.testing.assert_allclose(split.atom(np.log([10.0, 1.0])), [0.5, 1 / 11])
    assert split.atom([np.inf, -np.inf]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("scores", "logs", "words"),
    [
        (np.zeros(3), np.zeros(2), "give \\(n,\\) for both"),
        (np.zeros(2), np.array([0.0, np.nan]), "row 2 is nan"),
        (np.array([np.nan, 0.0]), np.zeros(2), "score of calibration row 1 is nan"),
    ],
)
def test_bad_columns_are_refused(scores: np.ndarray, logs: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        WeightedSplit(scores, logs, "0.1")


def test_bad_levels_and_test_weights_are_refused() -> None:
    with pytest.raises(InputError, match="alpha"):
        WeightedSplit(np.zeros(2), np.zeros(2), "2")
    with pytest.raises(InputError, match="test point is nan"):
        WeightedSplit(np.zeros(2), np.zeros(2), "0.1").quantile([np.nan])
