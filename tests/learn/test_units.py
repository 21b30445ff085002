"""Units: the analysis of variance against statsmodels, and redraws that show the error that units make."""

from __future__ import annotations

import numpy as np
import pytest

from ifm_ident import InputError
from ifm_learn.ladder._units import likeness, redrawn_units, unit_columns, unit_folds


def animals(seed: int, icc: float, each: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, regime and unit of 10 animals in each of 4 regimes."""
    g = np.random.default_rng(seed)
    unit = np.repeat(np.arange(40), each)
    x = g.normal(0, np.sqrt(icc), 40)[unit] + g.normal(0, np.sqrt(1 - icc), len(unit)) + unit // 10
    return x, unit // 10, unit


@pytest.mark.parametrize("crossing", [False, True])
def test_the_f_test_is_that_of_nested_linear_models(crossing: bool) -> None:
    sm = pytest.importorskip("statsmodels.api")
    x, regime, unit = animals(0, 0.2)
    keep = np.random.default_rng(1).random(len(x)) < 0.7
    x, regime, unit = x[keep], regime[keep], unit[keep] % (10 if crossing else 40)
    found = likeness(x, regime, unit)
    assert found is not None
    cells = np.unique(regime * 100 + unit, return_inverse=True)[1]
    full = sm.OLS(x, np.eye(cells.max() + 1)[cells]).fit()
    statistic, p_value, _ = full.compare_f_test(sm.OLS(x, np.eye(4)[regime]).fit())
    assert found.statistic == pytest.approx(statistic)
    assert found.p_value == pytest.approx(p_value)


def test_icc_is_found_and_its_test_holds_its_level() -> None:
    found = [likeness(*animals(seed, 0.3)) for seed in range(60)]
    assert np.mean([one.icc for one in found if one]) == pytest.approx(0.3, abs=0.03)
    nothing = [likeness(*animals(seed, 0.0, 5)) for seed in range(400)]
    assert 0.02 < np.mean([one.p_value < 0.05 for one in nothing if one]) < 0.085


def test_no_likeness_where_there_is_nothing_to_compare() -> None:
    x, regime = np.arange(4.0), np.array([0, 0, 1, 1])
    assert likeness(x, regime, np.arange(4)) is None
    assert likeness(x, regime, regime) is None


def test_the_unit_column_is_found_among_others() -> None:
    x, regime, unit = animals(3, 0.3)
    g = np.random.default_rng(5)
    columns = {
        "row": np.arange(len(x)),
        "plate": g.integers(0, 8, len(x)),
        "animal": np.array([f"a{u}" for u in unit]),
        "weight": g.normal(size=len(x)),
        "regime": regime,
    }
    names = [one.column for one in unit_columns(columns, {"x": x, "noise": g.normal(size=len(x))}, regime)]
    assert names == ["animal"]
    numbered = np.array([f"{u}_{i % 20}" for i, u in enumerate(unit)])
    (one,) = unit_columns({"id": numbered}, {"x": x}, regime)
    assert (one.column, one.before, one.units) == ("id", "_", 40)
    independent = animals(4, 0.0)
    assert unit_columns({"animal": independent[2]}, {"x": independent[0]}, independent[1]) == []


def test_whole_units_are_drawn_and_every_regime_keeps_as_many() -> None:
    _, regime, unit = animals(0, 0.3)
    g = np.random.default_rng(0)
    for _ in range(20):
        times = redrawn_units(regime, unit, g)
        by_unit = times.reshape(40, 20)
        assert (by_unit == by_unit[:, :1]).all()
        assert by_unit[:, 0].reshape(4, 10).sum(axis=1).tolist() == [10, 10, 10, 10]
    crossing = redrawn_units(regime, unit % 10, g).reshape(4, 10, 20)
    assert (crossing == crossing[:1, :, :1]).all()


def test_redraws_of_units_show_the_error_of_units() -> None:
    x, regime, unit = animals(7, 0.3)
    g = np.random.default_rng(0)
    rows = regime == 2
    means = []
    for _ in range(400):
        times = redrawn_units(regime, unit, g)[rows]
        means.append(times @ x[rows] / times.sum())
    by_unit = x[rows].reshape(10, 20).mean(axis=1)
    expected = by_unit.std() / np.sqrt(10)  # the bootstrap's own divisor
    assert np.std(means) == pytest.approx(expected, rel=0.1)


def test_folds_hold_out_whole_units_once() -> None:
    _, regime, unit = animals(0, 0.3)
    held = np.array(list(unit_folds(regime, unit, 5, np.random.default_rng(0))))
    assert held.sum(axis=0).tolist() == [1] * len(unit)
    for mask in held:
        assert not np.isin(unit[mask], unit[~mask]).any()
        assert np.bincount(regime[mask], minlength=4).tolist() == [40] * 4


def test_a_single_unit_is_refused() -> None:
    regime, unit = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2])
    with pytest.raises(InputError, match=r"regime 1 has one unit only \(2\)"):
        redrawn_units(regime, unit, np.random.default_rng(0))
    with pytest.raises(InputError, match="leaves regime 1 without rows"):
        list(unit_folds(regime, unit, 2, np.random.default_rng(0)))
    with pytest.raises(InputError, match="two at least"):
        list(unit_folds(regime, unit, 1, np.random.default_rng(0)))


def test_units_that_each_show_a_set_of_regimes_of_their_own() -> None:
    shown = [(0, 1), (1, 2), (0, 2), (0, 1, 2), (0,), (1,)]
    unit = np.repeat(np.arange(6), [3 * len(s) for s in shown])
    regime = np.concatenate([np.repeat(s, 3) for s in shown])
    g = np.random.default_rng(0)
    total = np.zeros(len(unit))
    for _ in range(300):
        times = redrawn_units(regime, unit, g)
        assert (np.bincount(regime, times) > 0).all()
        total += times
    assert np.allclose(total / 300, 1, atol=0.25)
