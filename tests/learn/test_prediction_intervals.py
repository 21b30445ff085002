"""Intervals for fresh units: infinite where rows cannot carry the level, and widened by the error of the mean."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ifm_ident import Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation._prediction import UnitIntervals, widened, without_ratio
from ifm_learn.estimation.of_study import estimate_study

SPEC: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "test": ["ctrl", "A+B"],
}
STUDY = Study.from_dict(SPEC)


def estimated(rows: int, seed: int = 0) -> Any:
    rng = np.random.default_rng([3, rows, seed])
    regime = np.repeat([0, 1, 2], rows)
    x = rng.normal(np.array([0.0, 1.0, -1.0])[regime])
    model = FittedModel.fit(
        Samples(STUDY.design, regime, x[:, None]), calibration=0.2, energy="quadratic", starts=1, bins=12
    )
    table = {"A": (regime == 1).astype(int), "B": (regime == 2).astype(int), "x": x}
    return estimate_study(STUDY, table, method="balance", model=model)


def test_a_handful_of_rows_gives_no_finite_interval_and_says_so() -> None:
    """10 rows a regime leave 2 of each, 6 in all, where 9 are the fewest at 90%."""
    found = estimated(10)
    assert np.isinf(found.prediction_low).all()
    assert np.isinf(found.prediction_high).all()
    assert "the rows held out are too few, in number or in effect" in " ".join(repr_of(found).split())
    assert any("in regimes that were run as in those never run; measure more" in w for w in found.warnings)


def repr_of(found: Any) -> str:
    from ifm_learn.estimation.text import text_lines

    return "\n".join(text_lines(found))


def test_effective_rows_carry_the_interval_of_a_regime_never_run() -> None:
    found = estimated(200)
    assert np.isfinite(found.prediction_low).all()
    assert found.guarantee.ravel().tolist() == ["exact-ratio", "asymptotic"]
    assert (found.prediction_ess[1] >= 9).all()
    ends = np.array([found.prediction_low[:, 0], found.prediction_high[:, 0]])
    assert ends == pytest.approx(np.array([[-1.645, -1.645], [1.645, 1.645]]), abs=1.0)


def of_outcomes(y: Floats) -> Samples:
    """Twelve rows of several outcomes."""
    return Samples(
        STUDY.design, np.repeat([0, 1, 2], 4), np.zeros((12, 1)), y, outcomes=tuple("abc"[: y.shape[1]])
    )


def test_the_error_of_the_mean_widens_what_other_rows_tell() -> None:
    shape = (1, 3)
    units = UnitIntervals(
        np.array([[-3.0, -3.0, -np.inf]]),
        np.array([[4.0, 4.0, np.inf]]),
        np.full(shape, 30.0),
        np.array([["exact-ratio", "asymptotic", "asymptotic"]]),
    )
    rows = of_outcomes(np.linspace(-0.5, 0.6, 36).reshape(12, 3))
    widened(units, np.zeros(shape), np.array([[4.0, 4.0, 4.0]]), rows)
    assert units.low.tolist() == [[-3.0, -5.0, -np.inf]]
    assert units.high.tolist() == [[4.0, pytest.approx(np.hypot(4, 4)), np.inf]]
    before = units.low.copy()
    widened(units, np.zeros(shape), np.full(shape, np.nan), rows)  # no error known, nothing moved
    assert np.array_equal(units.low, before)


def test_units_of_two_values_and_counts_are_not_beyond_their_ends() -> None:
    values = np.array([[0.0, 0.0], [1.0, 7.0], [1.0, 3.0]] * 4)
    rows = of_outcomes(values)
    units = UnitIntervals(
        np.zeros((1, 2)), np.array([[1.0, 7.0]]), np.full((1, 2), 30.0), np.full((1, 2), "asymptotic")
    )
    widened(units, np.array([[0.4, 2.0]]), np.array([[0.3, 1.0]]), rows)
    assert units.low.tolist() == [[0.0, 0.0]]
    assert units.high.tolist() == [[1.0, pytest.approx(2 + np.hypot(5, 1))]]


@pytest.mark.parametrize(("rows", "finite"), [(2, False), (3, True), (6, True), (7, True)])
def test_residuals_of_baselines_are_ranks_too(rows: int, finite: bool) -> None:
    """Three regimes: 6 residuals are too few at 90%, 9 bound both tails together, 19 each its own."""
    regime = np.repeat([0, 1, 2], rows)
    y = np.arange(3.0 * rows) ** 2
    samples = Samples(STUDY.design, regime, np.zeros((3 * rows, 1)), y)
    found = without_ratio(samples, np.zeros((3, 1)), np.zeros((1, 1)), Fraction(1, 10))
    assert np.isfinite(found.high).all() == finite
    if finite:
        both = 3 * rows < 19
        assert found.high[0, 0] == np.sort(y)[int(np.ceil((0.9 if both else 0.95) * (3 * rows + 1) - 1e-9)) - 1]
        assert (found.low[0, 0] == -found.high[0, 0]) == both
