"""What every rung of the ladder has in common, whatever it is inside."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ifm_ident import Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.rungs import RUNGS
from tests.learn.ladder_cases import CROSS, cross

TRAIN = ("00", "10", "01")


def drawn(name: str, n: int, seed: int = 0) -> Samples:
    """Rows that the rung may come from, in ctrl, A and B; by one seed fewer rows are the first of more."""
    regime, columns = np.repeat([0, 1, 2], n), list[NDArray[Any]]()
    for i, (mean, rate) in enumerate(zip((0.0, 1.0, -1.0), (2.0, 3.0, 1.5), strict=True)):
        rng = np.random.default_rng([seed, i])
        if name == "bernoulli":
            columns.append(rng.random(n) < (0.5, 0.7, 0.4)[i])
        elif name in ("poisson", "negbin"):
            columns.append(rng.poisson(rate, n))
        elif name == "gamma":
            columns.append(rng.gamma(3.0, rate / 3, n))
        else:
            columns.append(rng.normal(mean, 1.0, n))
    return Samples(cross(), regime, np.concatenate(columns)[:, None].astype(float))


@pytest.mark.parametrize("name", RUNGS)
def test_an_estimate_of_a_regime_that_was_run_agrees_with_its_rows(name: str) -> None:
    samples = drawn(name, 60)
    found = RUNGS[name].fit(samples).means(None, CROSS)[:3, 0]
    own = [samples.of(i) for i in range(3)]
    error = np.array([one.std(ddof=1) / np.sqrt(len(one)) for one in own])
    # a ridge or a prior moves it by a part of its error
    np.testing.assert_array_less(np.abs(found - [one.mean() for one in own]), 0.6 * error)


@pytest.mark.parametrize("name", RUNGS)
def test_adding_rows_narrows(name: str) -> None:
    widths = []
    for n in (24, 216):
        found = fit_ladder(drawn(name, n), [RUNGS[name]], seed=0, replicates=20).estimate(CROSS)
        widths.append((found.high - found.low)[:, 0])
    if name == "mlp":  # of few rows the ridge that is chosen is strong: the combination then hardly moves
        assert (widths[1] < widths[0])[:3].all()
    else:
        assert (widths[1] < 0.6 * widths[0]).all()  # a third is expected


@pytest.mark.parametrize("name", RUNGS)
def test_names_and_orders_change_nothing(name: str) -> None:
    """B before A, a level called 7, regimes and rows in another order, another factor first."""
    samples = drawn(name, 40)
    study = Study.from_dict(
        {
            "interventions": {"Q": ["off", "on"], "P": [7, "x"]},
            "variables": ["z"],
            "factors": [{"sigma": ["P"]}, {"sigma": ["Q"]}],
            "train": ["Q=on,P=7", "Q=off,P=x", "Q=off,P=7"],
        }
    )
    order = np.random.default_rng(5).permutation(len(samples))
    # A is P and B is Q: ctrl, A, B are the third, second and first training regimes
    other = Samples(study.design, np.array([2, 1, 0])[samples.regime][order], samples.x[order])
    swapped = Regimes.from_codes(CROSS.codes()[:, ::-1])
    rung = RUNGS[name]
    expected = rung.fit(samples).means(None, CROSS)
    # in another order networks have other starts, and in the combination these tell: errors there are about 0.4
    close, run = (0.1, 3) if name == "mlp" else (2e-3, 4)
    np.testing.assert_allclose(rung.fit(other).means(None, swapped)[:run], expected[:run], rtol=close, atol=close)


@pytest.mark.parametrize("name", ["normal", "linear", "quadratic", "splines", "grid"])
def test_units_of_a_variable_change_nothing(name: str) -> None:
    samples, slope = drawn(name, 40), 7.0 if name == "grid" else -7.0  # bins are filled from below
    scaled = dataclasses.replace(samples, x=100 + slope * samples.x)
    rung = RUNGS[name]
    expected = 100 + slope * rung.fit(samples).means(None, CROSS)
    np.testing.assert_allclose(rung.fit(scaled).means(None, CROSS), expected, rtol=2e-3)


@pytest.mark.parametrize("name", ["linear", "quadratic", "splines", "grid"])
def test_on_gaussian_rows_with_small_effects_it_agrees_with_the_linear_model(name: str) -> None:
    """Of shifts by d the models differ by terms of second order: much less than the error of either."""
    rng, regime = np.random.default_rng(2), np.repeat([0, 1, 2], 300)
    x = rng.normal(np.array([0.0, 0.2, -0.15])[regime])[:, None]
    samples = Samples(cross(), regime, x)
    both = Regimes.from_codes(np.array([[1, 1]]))
    own, other = (RUNGS[one].fit(samples).means(None, both)[0, 0] for one in ("normal", name))
    assert abs(own - other) < (0.25 if name in ("linear", "quadratic") else 0.75) * np.sqrt(3 / 300)


@pytest.mark.parametrize(("name", "family"), [("linear", "poisson"), ("linear", "bernoulli"), ("linear", "gamma")])
def test_weights_and_families_agree_to_first_order(name: str, family: str) -> None:
    """Each family tilts by x (gamma by log x too): small effects add up alike."""
    samples = drawn(family, 300)
    x = samples.x.copy()
    rng = np.random.default_rng(0)
    x[:300] = rng.permutation(x[:300])
    mixed = np.where(rng.random((900, 1)) < 0.25, samples.x, x[rng.integers(300, size=900)])
    few = dataclasses.replace(samples, x=mixed)
    both = Regimes.from_codes(np.array([[1, 1]]))
    own, other = (RUNGS[one].fit(few).means(None, both)[0, 0] for one in (family, name))
    assert abs(own - other) < 0.5 * mixed.std() * np.sqrt(3 / 300)
