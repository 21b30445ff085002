"""Rows at the edges: families that leave their range, regimes with rows all equal, constants, turned outcomes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from ifm_ident import Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._ladder_work import LadderMixture
from ifm_learn.estimation._outcomes import regressed
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.normal import Normal
from ifm_learn.ladder.rungs import AUTO, rungs_for
from tests.learn.ladder_cases import CROSS, cross, shifted

TRAIN, BOTH = CROSS.take(np.arange(3)), CROSS.take(np.array([3]))


class Given:
    """A law with densities that were written down, for the regimes run and then the target."""

    rung = "given"

    def __init__(self, *logs: list[float]) -> None:
        self.logs = np.array(logs)

    def log_densities(self, x: Floats, regimes: Regimes) -> Floats:
        return self.logs[: len(x), : len(regimes)]


def mixture(*laws: Given) -> LadderMixture:
    ladder = SimpleNamespace(laws=laws, chosen=tuple(range(len(laws))))
    return LadderMixture(cast(Any, ladder), BOTH, TRAIN, np.array([1, 1, 1]))


def test_weights_of_calibration_rows_come_from_the_laws_that_have_a_density() -> None:
    sound = Given([-1.0, -1, -1, -2], [-1, -1, -1, 0])
    x, some = np.zeros((2, 1)), np.array([0])
    expected = [[-1.0], [1.0]]
    np.testing.assert_allclose(mixture(sound).log_weights(x, some), expected)
    no_law_at_target = Given([-1.0, -1, -1, np.nan], [-1, -1, -1, np.nan])
    np.testing.assert_allclose(mixture(sound, no_law_at_target).log_weights(x, some), expected)
    row_out_of_range = Given([-1.0, -1, -1, -1], [-np.inf, -np.inf, -np.inf, -np.inf])
    np.testing.assert_allclose(mixture(sound, row_out_of_range).log_weights(x, some), expected)
    assert (mixture(no_law_at_target).log_weights(x, some) == -np.inf).all()


def test_a_regime_with_rows_all_equal_is_not_known_exactly() -> None:
    samples = shifted(40)
    x = samples.x.copy()
    x[samples.regime == 0] = 0.3
    equal = fit_ladder(Samples(samples.design, samples.regime, x), [Normal()], seed=0).estimate(CROSS)
    # of 40 rows alike up to 3/40 may be others, as far off as the rows of A and B are from 0.3
    away = np.sqrt(np.square(x[samples.regime > 0] - 0.3).mean())
    np.testing.assert_allclose(equal.se[0, 0], 1.8 / 40 * away)
    assert equal.mean[0, 0] == pytest.approx(0.3)
    assert equal.se[3, 0] > equal.se[0, 0]


def test_a_constant_variable_neither_rules_out_the_normal_model_nor_lies_beyond_rows() -> None:
    samples = shifted(40, variables=2)
    x = samples.x.copy()
    x[:, 1] = 0.1
    constant = Samples(samples.design, samples.regime, x)
    names = [rung.name for rung in rungs_for(AUTO, constant)]
    assert "normal" in names
    found = fit_ladder(constant, rungs_for("linear", constant), seed=0).estimate(CROSS)
    np.testing.assert_allclose(found.mean[:, 1], 0.1)
    assert not found.flags["extrapolated"][:, 1].any()
    x[:, 1] = samples.x[:, 1] > 0
    assert "normal" not in [rung.name for rung in rungs_for(AUTO, Samples(samples.design, samples.regime, x))]


def test_an_outcome_that_turns_with_a_regime_shifts_though_means_stay() -> None:
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 60)
    x = rng.normal(size=(180, 1))
    slope = np.array([1.0, -1.0, 1.0])[regime]
    noise = 0.5 * rng.normal(size=180)
    turned = Samples(cross(), regime, x, slope * x[:, 0] + noise)
    assert regressed(turned, 0).shifts
    assert not regressed(Samples(cross(), regime, x, np.exp(x[:, 0]) + noise), 0).shifts
