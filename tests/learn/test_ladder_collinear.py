"""Strongly collinear variables that a factor joins: which regimes are left out, and what is then estimated.

The truth is Gaussian in every regime, in closed form: precisions and precision times mean add up over factors.
"""

from __future__ import annotations

import numpy as np
import pytest

from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ladder import _selection
from ifm_learn.ladder._dependence import condition
from ifm_learn.ladder._selection import spare_regimes
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.normal import Normal
from tests.learn.ladder_cases import CROSS, cross

RUNGS = (Normal(), Tilt("linear"), Tilt("quadratic"), Tilt("splines"))
SINGLES, ALL = ("00", "10", "01"), ("00", "10", "01", "11")
IN_ORDER = (0, 1, 2, 3)


def gaussian(
    n: int, seed: int, correlation: float, order: tuple[int, ...] = IN_ORDER, train: tuple[str, ...] = SINGLES
) -> tuple[Samples, Floats]:
    """n rows of each regime run, and the mean of A+B: A shrinks a spread, B stretches one.

    order: the place of every variable among the columns.
    """
    base = np.linalg.inv(np.full((4, 4), correlation) + (1 - correlation) * np.eye(4))
    laws = []
    for a, b in CROSS.codes():
        precision, height = base.copy(), np.array([0.8 * a, 0.0, -0.6 * b, 0.0])
        precision[1, 1] += 0.6 * a
        precision[[2, 3], [3, 2]] -= 0.3 * b
        covariance = np.linalg.inv(precision)
        laws.append((covariance @ height, covariance))
    rng = np.random.default_rng([seed, n])
    x = np.concatenate([rng.multivariate_normal(*law, size=n) for law in laws[: len(train)]])
    place = np.argsort(order)
    design = cross(4, train, [[f"x{order[v]}" for v in scope] for scope in ((0, 1), (2, 3))])
    return Samples(design, np.repeat(np.arange(len(train)), n), x[:, place]), laws[3][0][place]


def test_intervals_hold_where_one_intervention_shrinks_a_spread_and_another_stretches_one() -> None:
    """Counted without its own rows, ctrl let a normal law of equal spreads answer alone, half a unit off."""
    held, errors, wrong = [], [], []
    for seed in range(12):
        samples, mean = gaussian(200, seed, 0.95)
        ladder = fit_ladder(samples, RUNGS, seed=seed)
        wrong.append(sum(ladder.weights[k] for k, rung in enumerate(ladder.rungs) if rung in ("normal", "linear")))
        found = ladder.estimate(CROSS)
        held.append((found.low[3] <= mean) & (mean <= found.high[3]))
        errors.append(found.mean[3] - mean)
    assert np.mean(held) >= 0.85
    assert np.sqrt(np.mean(np.square(errors))) < 0.35
    assert np.mean(wrong) < 0.1


@pytest.mark.parametrize(("correlation", "due"), [(0.5, [0]), (0.95, [])])
def test_a_regime_that_full_conditionals_alone_give_is_left_out_of_loose_variables_only(
    correlation: float, due: list[int]
) -> None:
    assert spare_regimes(gaussian(100, 0, correlation)[0]) == due


def test_regimes_that_one_formula_gives_are_left_out_whatever_the_correlation() -> None:
    assert spare_regimes(gaussian(100, 0, 0.95, train=ALL)[0]) == [0, 1, 2, 3]


def test_variables_that_no_factor_joins_are_no_matter() -> None:
    """A acts on x0, B on x1, and both are nearly one number: two parts, each with a formula of its own."""
    x = np.random.default_rng(0).normal(size=(300, 1)) + 0.1 * np.random.default_rng(1).normal(size=(300, 2))
    joined = Samples(cross(2, SINGLES, [["x0"], ["x1"]]), np.repeat([0, 1, 2], 100), x)
    model = joined.design.model
    apart = type(joined.design)(
        type(model)(model.interventions, model.variables, model.factors[:2]), joined.design.train
    )
    assert spare_regimes(joined) == []
    assert spare_regimes(Samples(apart, joined.regime, x)) == [0]


def test_loose_variables_are_scored_as_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, _ = gaussian(60, 0, 0.6)
    own = fit_ladder(samples, RUNGS, seed=0, replicates=2).scores
    monkeypatch.setattr(_selection, "COLLINEAR", np.inf)
    other = fit_ladder(samples, RUNGS, seed=0, replicates=2).scores
    assert own is not None
    assert other is not None
    np.testing.assert_array_equal(own.units, other.units)


def test_the_order_of_variables_changes_nothing() -> None:
    order = (2, 0, 3, 1)
    one, other = (
        fit_ladder(gaussian(100, 0, 0.95, places)[0], RUNGS, seed=0).estimate(CROSS)
        for places in (IN_ORDER, order)
    )
    np.testing.assert_allclose(other.mean[:, list(order)], one.mean, atol=1e-3)
    np.testing.assert_allclose(other.high[:, list(order)], one.high, atol=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_condition_is_that_of_correlations_within_regimes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(90, 3)) @ rng.normal(size=(3, 3))
    left = (x.reshape(3, 30, 3) - x.reshape(3, 30, 3).mean(axis=1, keepdims=True)).reshape(90, 3)
    r = np.sqrt(3 / 87)
    due = np.linalg.cond(np.corrcoef(left.T)) * ((1 - r) / (1 + r)) ** 2
    regime = np.repeat([0, 1, 2], 30)
    moved = x * [-3.0, 1e3, 1e-3] + 5 * regime[:, None]
    order = rng.permutation(90)
    for rows, of in ((x, regime), (moved, regime), (np.c_[x, np.ones(90)], regime), (x[order], regime[order])):
        np.testing.assert_allclose(condition(rows, of), due)


def test_condition_of_copies_and_of_few_rows() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(60, 1))
    assert condition(np.c_[one, 2 * one], np.repeat([0, 1], 30)) > 1e6
    assert condition(rng.normal(size=(8, 6)), np.repeat([0, 1], 4)) == 1
    assert condition(rng.normal(size=(60, 30)), np.arange(60) % 2) < 20
