"""Forecasts against fits that are measured, and choices that keep to their limits."""

from __future__ import annotations

import time

import numpy as np
import pytest

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.ladder import _forecast
from ifm_learn.ladder._forecast import Size, Speed, forecast, free_memory, slowness, within_limits
from ifm_learn.ladder._law import Cost
from ifm_learn.ladder.families import FamilyRung, Name
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.regime_statistics import RegimeStatistics
from ifm_learn.ladder.rungs import affordable, rungs_for


def ladder_of(interventions: int) -> tuple[Model, Regimes]:
    names = [f"s{i}" for i in range(interventions)]
    model = Model(
        tuple(Intervention(n, (0, 1)) for n in names), ("x",), tuple(Factor(n, ("x",), (n,)) for n in names)
    )
    return model, Regimes.from_active([(), *(((i, 1),) for i in range(interventions))], interventions)


@pytest.mark.parametrize(("rows", "columns", "regimes"), [(200_000, 10, 9), (20_000, 300, 41)])
def test_least_squares_take_what_was_forecast_within_a_factor(rows: int, columns: int, regimes: int) -> None:
    model, train = ladder_of(regimes - 1)
    g = np.random.default_rng(0)
    regime, values = g.integers(regimes, size=rows), g.normal(size=(rows, columns))
    begun = time.process_time()
    statistics = RegimeStatistics.of(regime, values, regimes)
    LinearMeans.fit(model, tuple(range(regimes - 1)), train, statistics).means(train)
    spent = time.process_time() - begun
    told = (
        slowness() * forecast("least squares", Size(rows, columns, regimes=regimes, coordinates=regimes)).seconds
    )
    assert told / 12 < spent < told * 12


@pytest.mark.parametrize("name", ["poisson", "gamma"])
def test_families_take_what_was_forecast_within_a_factor(name: Name) -> None:
    model, train = ladder_of(8)
    g = np.random.default_rng(0)
    regime = g.integers(9, size=100_000)
    samples = Samples(Design(model, train), regime, 1.0 + g.poisson(3, size=(100_000, 1)).astype(np.float64))
    begun = time.process_time()
    FamilyRung(name).fit(samples)
    spent = time.process_time() - begun
    told = slowness() * FamilyRung(name).forecast(samples).seconds
    assert told / 12 < spent < told * 12


def test_cheap_rungs_are_kept_and_the_others_explained_in_order() -> None:
    costs = {"a": Cost(10, 10, 1), "b": Cost(1, 10, 0), "c": Cost(30, 10, 0), "d": Cost(1, 10**9, 0)}
    chosen = within_limits(costs, seconds=52, memory=10**9, refits=40)
    assert chosen.kept == ("b", "c")
    assert list(chosen.dropped) == ["a", "d"]
    assert "50 s" in chosen.dropped["a"]
    assert within_limits(costs, memory=10**10).kept == ("a", "b", "c", "d")


def test_where_nothing_fits_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"a would take about 83 minutes.*allow more time"):
        within_limits({"a": Cost(5000, 1, 0)}, seconds=1)
    with pytest.raises(InputError, match="seconds above 0"):
        within_limits({"a": Cost(1, 1, 0)}, seconds=0)


def test_a_machine_that_is_slower_keeps_fewer() -> None:
    costs = {"a": Cost(10, 10, 1), "b": Cost(1, 10, 0)}
    assert within_limits(costs, seconds=60, memory=10**9, refits=40).kept == ("a", "b")
    assert within_limits(costs, seconds=60, memory=10**9, refits=40, slower=2.0).kept == ("b",)


def test_rungs_are_chosen_alike_on_machines_of_any_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, train = ladder_of(3)
    g = np.random.default_rng(0)
    samples = Samples(Design(model, train), np.repeat(np.arange(4), 30), g.normal(size=(120, 1)))
    chosen = []
    for product, entry in [(1e-12, 1e-10), (1e-9, 1e-7)]:
        monkeypatch.setattr(_forecast, "speed", lambda p=product, e=entry: Speed(p, e))
        chosen.append(
            [[r.name for r in affordable(rungs_for("auto", samples), samples, s)[0]] for s in (None, 5.0)]
        )
    assert chosen[0][0] == chosen[1][0]
    assert len(chosen[0][1]) > len(chosen[1][1])


def test_memory_is_that_of_the_machine() -> None:
    assert 2**26 < free_memory() < 2**50


def test_a_clique_of_five_variables_on_a_grid_is_forecast_as_too_large() -> None:
    grid = forecast("grid", Size(4_800, 5, regimes=5, cells=20**5))
    contrast = forecast("contrast", Size(4_800, 5, features=20, regimes=5))
    assert contrast.seconds < 5 < grid.seconds
    kept = within_limits({"contrast": contrast, "grid": grid}, seconds=60, memory=4 * 10**9, refits=40).kept
    assert kept == ("contrast",)
