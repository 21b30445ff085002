"""Rows that belong together: whole in splits, folds, redraws, calibration, tests; columns that look like units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.dummy import DummyRegressor

from ifm_ident import InputError, Study
from ifm_learn.conformal.regimes import without_regime
from ifm_learn.data.held import held_out
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.data.units import Units
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.falsification.testing import falsify, fewest_units
from ifm_learn.fitting._folds import fold_of_rows
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.regime_means import RegimeSums
from ifm_learn.outcome.regressors import SmoothRegressor, cross_fit

SPEC: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x0", "x1"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B", "A+B"],
}
STUDY = Study.from_dict(SPEC)


def clusters(seed: int, count: int = 10, rows: int = 20, icc: float = 0.3) -> Samples:
    """Units of their own in each regime; the claim of the design is true."""
    rng = np.random.default_rng([5, seed])
    regime, unit = np.repeat(np.arange(4), count * rows), np.repeat(np.arange(4 * count), rows)
    mean = np.array([[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.0, 0.0]])
    x = mean[regime] + np.sqrt(icc) * rng.normal(size=(4 * count, 2))[unit]
    x += np.sqrt(1 - icc) * rng.normal(size=x.shape)
    return Samples(STUDY.design, regime, x, x[:, 0] + rng.normal(size=len(x)), "y", unit=unit)


def whole(units: np.ndarray, part: np.ndarray) -> bool:
    """Whether every unit has one value of `part`."""
    return all(len(set(part[units == u].tolist())) == 1 for u in np.unique(units))


def test_splits_folds_and_redraws_keep_units_whole() -> None:
    samples, rng = clusters(0), np.random.default_rng(0)
    assert samples.unit is not None
    held = samples.split_mask(0.2, rng)
    assert whole(samples.unit, held)
    assert samples.take(held).sizes.tolist() == [40] * 4
    fold = fold_of_rows(samples, 5, rng)
    assert whole(samples.unit, fold)
    assert all(set(fold[samples.regime == i]) == set(range(5)) for i in range(4))
    drawn = samples.bootstrap(rng)
    assert drawn.sizes.tolist() == [200] * 4
    assert drawn.unit is not None
    assert not np.bincount(drawn.unit) @ (np.bincount(drawn.unit) % 20 > 0)  # units come with all their rows
    assert len(np.unique(drawn.unit)) < 40


def test_units_in_several_regimes_are_drawn_together() -> None:
    regime, unit = np.tile([0, 1, 2, 3], 6), np.repeat(np.arange(6), 4)
    units = Units.of(regime, unit)
    assert [part.tolist() for part in units.strata] == [list(range(6))]
    rng = np.random.default_rng(1)
    often = units.redrawn(rng)
    assert whole(unit, often)
    assert often.sum() == 24
    assert whole(unit, units.folds(3, rng))
    assert sorted(units.one_row_each(rng).tolist()) == list(range(24))  # one of each regime
    mixed = Units.of(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 2, 3]))
    assert [part.tolist() for part in mixed.strata] == [[0, 1], [3], [2]]


def test_every_cross_validation_keeps_units_whole() -> None:
    samples = clusters(1)
    assert samples.unit is not None
    assert samples.y is not None
    fit = cross_fit(DummyRegressor(), samples.x, samples.y, 4, groups=samples.unit)
    assert whole(samples.unit, fit.fold)
    assert len(fit.models) == 4
    two = cross_fit(DummyRegressor(), samples.x, samples.y, 4, groups=samples.regime // 2)
    assert len(two.models) == 2  # no more folds than units
    sums = RegimeSums.of(samples, folds=5)
    assert (sums.count == 40).all()  # two units of 20 in each fold and regime


def test_a_regression_that_knows_units_by_heart_is_not_chosen() -> None:
    """y is noise of 12 units alone, x tells the unit: by rows splines win, by units none beats the mean."""
    rng = np.random.default_rng(3)
    unit = np.repeat(np.arange(12), 30)
    x = np.arange(12.0)[unit][:, None] + 0.01 * rng.normal(size=(360, 1))
    y = rng.normal(size=12)[unit] + 0.1 * rng.normal(size=360)
    by_row = SmoothRegressor(units=()).fit(x, y)
    by_unit = SmoothRegressor(units=()).fit(x, y, groups=unit)
    assert by_row.residual_variance_ < 0.6 * by_unit.residual_variance_
    assert by_unit.residual_variance_ > 0.8 * np.var(y)


def test_one_row_of_each_unit_calibrates() -> None:
    samples = clusters(2)
    assert samples.unit is not None
    held = held_out(samples, 0.2, seed=0)
    assert held.calibration is not None
    assert held.calibration.unit is not None
    assert held.calibration.sizes.tolist() == [2] * 4
    assert len(np.unique(held.calibration.unit)) == 8
    assert not set(held.calibration.unit) & set(samples.unit[held.fitted_rows])
    assert len(held.fitted) == 640


def test_closed_form_errors_are_those_of_units() -> None:
    """Means of regimes vary by sqrt((.3 + .7/20) / 10) = .183; by rows it would be .071.

    75 studies of 2 variables, variances of 9 degrees of freedom: their mean has a relative error of sqrt(2/9/150)
    = 3.8%; 15% are four of these.
    """
    squares = []
    for seed in range(75):
        samples = clusters(seed)
        bare = Samples(samples.design, samples.regime, samples.x, unit=samples.unit)
        squares.append(Additive().fit(bare).standard_errors(STUDY.design.train)[:3] ** 2)
    expected = np.array([1.0, 1.0, 1.0]) * (0.3 + 0.7 / 20) / 10
    assert np.mean(squares, axis=(0, 2)) == pytest.approx(expected, rel=0.15)


def test_one_unit_of_a_regime_tells_no_error() -> None:
    samples = clusters(0)
    assert samples.unit is not None
    lone = np.where(samples.regime == 1, 10, samples.unit)
    bare = Samples(samples.design, samples.regime, samples.x, unit=lone)
    found = Additive().fit(bare).standard_errors(STUDY.design.train)
    assert np.isnan(found[:, 0]).tolist() == [False, True, False, True]  # A+B rests on A
    assert (bare.one_row, bare.one_row_words) == (1, "A=1 (train[1]) has one unit")
    assert samples.one_row is None


def test_true_claims_about_clustered_rows_are_rejected_at_the_level() -> None:
    """80 studies at 5%: 4 expected, more than 10 with probability 0.2%; by rows more than half are rejected."""
    found = [falsify(clusters(seed), tests=["score"]) for seed in range(80)]
    assert sum(bool(one.rejected) for one in found) <= 10
    by_row = [Samples(s.design, s.regime, s.x) for s in (clusters(seed) for seed in range(30))]
    wrong = sum(bool(falsify(one, tests=["score"]).rejected) for one in by_row)
    assert wrong >= 6  # at 5% with probability 0.3%


def test_a_departure_larger_than_the_units_noise_is_rejected() -> None:
    samples = clusters(4)
    wrong = samples.x + 1.5 * (samples.regime == 3)[:, None]
    found = falsify(Samples(samples.design, samples.regime, wrong, unit=samples.unit))
    assert [f.rejected for f in found.findings] == [True, True]
    assert 2 < found.findings[0].evidence.information < 20  # 2.5 units' worth, and a little more as ICC is below 1


def test_too_few_units_for_the_level_are_named_and_not_tested() -> None:
    samples = clusters(0, count=5)
    found = falsify(samples)
    assert {f.evidence.few for f in found.findings} == {"ctrl has too few units"}
    assert not found.rejected
    assert any("fewer than 6 units" in warning for warning in found.warnings)
    assert "Nothing was tested: there are too few units for the claim." in repr(found)
    assert "not made" in repr(found)
    assert falsify(samples, "0.1").findings[0].evidence.few == ""  # 2^(1 - 5) = 1/16
    assert [fewest_units(one.limit_denominator(1000)) for one in map(_fraction, ("0.5", "0.05", "0.001"))] == [
        2,
        6,
        11,
    ]


def _fraction(text: str) -> Any:
    from ifm_learn.conformal.ranks import read_alpha

    return read_alpha(text)


def table(samples: Samples, **more: Any) -> dict[str, Any]:
    codes = STUDY.design.train.codes()[samples.regime]
    return {"A": codes[:, 0], "B": codes[:, 1], "x0": samples.x[:, 0], "x1": samples.x[:, 1]} | more


def test_the_study_names_the_column_of_units(tmp_path: Path) -> None:
    samples = clusters(0)
    assert samples.unit is not None
    names = np.array([f"m{u}" for u in range(40)])[samples.unit]
    study = Study.from_dict(SPEC | {"data": {"file": "cells.csv", "unit": "mouse"}}, tmp_path)
    found = read_samples(study, table(samples, mouse=names))
    assert found.unit is not None
    assert np.array_equal(found.unit, samples.unit)
    assert found.notes == ()
    assert read_samples(STUDY, table(samples, mouse=names), unit="mouse").unit is not None
    assert without_regime(found, 3).unit is not None


def test_bad_columns_of_units_are_refused(tmp_path: Path) -> None:
    samples = clusters(0, count=2, rows=2)
    with pytest.raises(InputError, match="there is no column 'mouse'"):
        read_samples(STUDY, table(samples), unit="mouse")
    gaps = ["m1", *[None] * (len(samples) - 1)]
    with pytest.raises(
        InputError, match="row 2: mouse is missing, so nothing says which rows belong together; fill"
    ):
        read_samples(STUDY, table(samples, mouse=gaps), unit="mouse")
    for name, what in (("x0", "a variable"), ("A", "an intervention")):
        with pytest.raises(InputError, match=f"the column of units '{name}' is {what} too"):
            read_samples(STUDY, table(samples), unit=name)
    with pytest.raises(InputError, match="the column of units 'y' is the outcome too"):
        read_samples(STUDY, table(samples, y=samples.y), outcome="y", unit="y")
    with pytest.raises(InputError, match="data\\.unit: the column of units is text"):
        Study.from_dict(SPEC | {"data": {"file": "cells.csv", "unit": ["a"]}}, tmp_path)
    with pytest.raises(InputError, match="unit has shape \\(3,\\)"):
        Samples(STUDY.design, samples.regime, samples.x, unit=np.arange(3))
    single = clusters(0, count=1)
    with pytest.raises(InputError, match="one unit only, and units are kept whole"):
        single.split(0.2, np.random.default_rng(0))
    with pytest.raises(InputError, match="one unit only"):
        fold_of_rows(single, 5, np.random.default_rng(0))


def test_columns_that_look_like_units_are_named() -> None:
    samples = clusters(0)
    assert samples.unit is not None
    rng = np.random.default_rng(0)
    plate = rng.integers(0, 8, len(samples)).astype(str)
    genes = np.round(samples.x[:, 0] * 2).astype(int)  # goes with x, but is a measurement
    (note,) = read_samples(STUDY, table(samples, mouse=samples.unit, plate=plate, gene=genes)).notes
    assert "rows of one mouse resemble each other beyond chance, and" in note
    assert "write `unit: mouse` under `data` in the study file" in note
    trait = np.where(samples.x[:, 0] > 0, "yes", "no")
    assert read_samples(STUDY, table(samples, mouse=plate, smoker=trait)).notes == ()
    alone = clusters(0, icc=0.0)
    assert read_samples(STUDY, table(alone, mouse=alone.unit, plate=plate)).notes == ()
    assert falsify(read_samples(STUDY, table(samples, mouse=samples.unit)), tests=["score"]).warnings[0] == note


def test_estimates_say_that_units_are_few_and_that_undeclared_ones_look_so() -> None:
    samples = clusters(0)
    columns = table(samples, mouse=np.char.add("m", samples.unit.astype(str)))  # type: ignore[union-attr]
    said = estimate_study(STUDY, columns, method="additive", calibration=0.0).warnings
    assert any("rows of one mouse resemble each other" in one for one in said)
    declared = Study.from_dict(SPEC | {"data": {"file": "cells.csv", "unit": "mouse"}})
    found = estimate_study(declared, columns, method="additive")
    assert any("fewer than 20 units to fit" in one for one in found.warnings)
    assert found.calibration == 8
    assert np.isinf(found.prediction_low).all()  # 8 units cannot carry 90%
    assert (found.se[:3] > 0.1).all()
