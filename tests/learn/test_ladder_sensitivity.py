"""Sensitivity of averages over the ladder: bounds against laws by hand, for models of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from ifm_ident import Regimes, Study
from ifm_learn import estimate_study
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._ladder_sensitivity import ladder_sensitivities
from ifm_learn.estimation.regime_sensitivity import RegimeSensitivity
from ifm_learn.estimation.sensitivity import TargetValues
from ifm_learn.ladder._law import Rung
from ifm_learn.ladder._tilt import Tilt, TiltLaw
from ifm_learn.ladder.average import Ladder, fit_ladder
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.grid import GridRung
from ifm_learn.ladder.normal import Normal, NormalLaw
from tests.learn.ladder_cases import cross, shifted

BOTH = Regimes.from_codes(np.array([[1, 1]]))
GAMMA = 0.4


def moved(rungs: Sequence[Rung], samples: Samples) -> tuple[Ladder, RegimeSensitivity]:
    ladder = fit_ladder(samples, rungs, seed=0)
    answer = ladder.estimate(BOTH)
    (found,) = ladder_sensitivities(
        ladder, answer, lambda x: x, BOTH, GAMMA, samples.x[samples.regime == 0].mean(axis=0), Fraction(1, 10)
    )
    assert found.curve.estimate == pytest.approx(answer.mean[0, 0])
    assert found.curve.confidence is not None
    assert (
        found.curve.confidence[0, 0] < found.curve.lower[0] < found.curve.upper[0] < found.curve.confidence[0, 1]
    )
    return ladder, found


def test_of_a_normal_law_by_its_quantiles() -> None:
    ladder, found = moved([Normal()], shifted(100))
    law = ladder.laws[0]
    assert isinstance(law, NormalLaw)
    spread = float(np.sqrt(law.covariance[0, 0])) * law.unit[0]
    mean = law.means(None, BOTH)[0, 0]
    expected = TargetValues(stats.norm(mean, spread).ppf((np.arange(20_000) + 0.5) / 20_000)).bounds(GAMMA)
    np.testing.assert_allclose([found.curve.lower[0], found.curve.upper[0]], expected, atol=5e-3)


def test_of_a_tilt_by_the_weights_of_rows() -> None:
    ladder, found = moved([Tilt("quadratic")], shifted(100))
    law = ladder.laws[0]
    assert isinstance(law, TiltLaw)
    expected = TargetValues(law.samples.x[:, 0], np.log(law.weights(BOTH)[0])).bounds(GAMMA)
    np.testing.assert_allclose([found.curve.lower[0], found.curve.upper[0]], expected, atol=5e-3)


def test_of_counts_by_enumeration() -> None:
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 80)
    x = rng.poisson(np.array([3.0, 5.0, 2.0])[regime])[:, None].astype(float)
    ladder, found = moved([FamilyRung("poisson")], Samples(cross(), regime, x))
    mean, counts = ladder.laws[0].means(None, BOTH)[0, 0], np.arange(60.0)
    expected = TargetValues(counts, stats.poisson(mean).logpmf(counts)).bounds(GAMMA)
    np.testing.assert_allclose([found.curve.lower[0], found.curve.upper[0]], expected, atol=0.02)


def test_an_average_lies_between_its_models() -> None:
    samples = shifted(60)
    ends = [moved([rung], samples)[1].curve for rung in (Normal(), GridRung())]
    both = moved([Normal(), GridRung()], samples)[1].curve
    lows, highs = [one.lower[0] for one in ends], [one.upper[0] for one in ends]
    assert min(lows) - 0.02 <= both.lower[0] <= max(lows) + 0.02
    assert min(highs) - 0.02 <= both.upper[0] <= max(highs) + 0.02


@pytest.mark.parametrize("energy", ["auto", "linear", "normal"])
def test_without_a_file_and_with_an_outcome(energy: str) -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01"],
            "test": ["10", "11"],
            "data": {"file": "rows.csv", "outcome": "y"},
        }
    )
    rng = np.random.default_rng(0)
    a, b = np.repeat([0, 1, 0], 60), np.repeat([0, 0, 1], 60)
    x = rng.normal(1.0 * a + 0.5 * b)
    y = 2 * x + 0.1 * rng.normal(size=180)
    table = {"A": a, "B": b, "x": x, "y": y}
    found = estimate_study(study, table, energy=energy, calibration=0, sensitivity=0.3)
    plain = estimate_study(study, table, energy=energy, calibration=0)
    np.testing.assert_array_equal(found.mean, plain.mean)
    (said,) = found.sensitivity
    assert (said.row, said.column) == (1, 0)
    assert said.curve.lower[0] < found.mean[1, 0] < said.curve.upper[0]
    # of a normal outcome of deviation s, bounds move by s times what solves e^g E(z-t)+ = e^-g E(z-t)-: .24 of .3
    assert said.curve.upper[0] - found.mean[1, 0] == pytest.approx(0.24 * 2, rel=0.25)
    assert said.tipping.reference == pytest.approx(y[:60].mean())
