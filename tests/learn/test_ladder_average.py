"""Averages over rungs: intervals, flags, units and refusals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import gamma, norm, t

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn import estimate_study
from ifm_learn.data.samples import Samples
from ifm_learn.ladder._law import Law
from ifm_learn.ladder._redraw import Units
from ifm_learn.ladder._selection import Scores, spare_regimes
from ifm_learn.ladder._tilt import Tilt
from ifm_learn.ladder.average import Ladder, fit_ladder
from ifm_learn.ladder.families import FamilyRung
from ifm_learn.ladder.normal import Normal, NormalLaw
from ifm_learn.ladder.rungs import rungs_for
from tests.learn.ladder_cases import CROSS, cross, shifted

RUNGS = (Normal(), Tilt("linear"), Tilt("quadratic"), Tilt("splines"))


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return fit_ladder(shifted(80), RUNGS, seed=0)


def test_regimes_that_were_run_agree_with_their_rows(ladder: Ladder) -> None:
    found = ladder.estimate(CROSS)
    own = np.array([ladder.samples.of(i).mean() for i in range(3)])
    error = np.array([ladder.samples.of(i).std(ddof=1) / np.sqrt(80) for i in range(3)])
    assert (np.abs(found.mean[:3, 0] - own) < 0.2 * error).all()
    assert (np.abs(found.se[:3, 0] / error - 1) < 0.5).all()
    assert found.low[3, 0] < 0 < found.high[3, 0]
    np.testing.assert_allclose(found.weights.sum(axis=0), 1)


def test_values_of_rows_are_weighted_means(ladder: Ladder) -> None:
    by_value = ladder.estimate(CROSS, values=ladder.samples.x)
    np.testing.assert_allclose(by_value.mean, ladder.estimate(CROSS).mean, atol=0.1)
    two = ladder.estimate(CROSS, values=np.concatenate([ladder.samples.x, ladder.samples.x**2], axis=1))
    np.testing.assert_allclose(two.mean[:, 0], by_value.mean[:, 0])
    alike = ladder.estimate(CROSS, function=lambda x: x)
    np.testing.assert_allclose(alike.mean, ladder.estimate(CROSS).mean, atol=0.01)


def test_the_same_seed_gives_the_same_bytes_and_rows_in_any_order_nearly_so() -> None:
    samples = shifted(30)
    one, two = (fit_ladder(samples, RUNGS[:2], seed=3).estimate(CROSS) for _ in range(2))
    assert one.mean.tobytes() == two.mean.tobytes()
    assert one.low.tobytes() == two.low.tobytes()


def test_a_rung_that_misses_a_regime_is_not_printed() -> None:
    # A and B together undo each other, which factors apart cannot give back
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2, 3], 60)
    x = rng.normal(np.array([0.0, 3.0, 3.0, 0.0])[regime])[:, None]
    found = fit_ladder(Samples(cross(train=("00", "10", "01", "11")), regime, x), [Normal()], seed=0).estimate(
        CROSS
    )
    assert np.isnan(found.low).all()
    assert "misses_training" in found.words(3, 0)


def test_rows_that_are_all_equal_do_not_refute_a_model() -> None:
    # with 10 rows of mean .12 a regime of nothing but zeros is no surprise: probability .28 each
    code = np.repeat(np.arange(4), 10)
    for seed in range(8):
        x = np.random.default_rng(seed).binomial(1, 0.12, size=(40, 1)).astype(float)
        x[code == 3] = 0.0
        samples = Samples(cross(train=("00", "10", "01", "11")), code, x)
        found = fit_ladder(samples, [FamilyRung("bernoulli")], seed=0).estimate(CROSS)
        assert not any("misses_training" in found.words(r, 0) for r in range(4)), seed
        assert np.isfinite(found.low).all()


def test_targets_beyond_the_rows_are_flagged() -> None:
    rng, regime = np.random.default_rng(1), np.repeat([0, 1, 2], 100)
    x = rng.normal(np.array([0.0, 2.5, 2.5])[regime])[:, None]
    found = fit_ladder(Samples(cross(), regime, x), RUNGS, seed=0).estimate(CROSS)
    assert {"extrapolated"} <= set(found.words(3, 0))
    assert not {"extrapolated", "little_overlap"} & set(found.words(1, 0))


def test_units_stay_whole_and_widen_the_errors() -> None:
    rng, regime = np.random.default_rng(5), np.repeat([0, 1, 2], 100)
    unit = np.arange(300) // 10
    x = (rng.normal(size=30)[unit] + 0.3 * rng.normal(size=300))[:, None]
    samples = Samples(cross(), regime, x)
    fold = Units.of(samples, unit).folds(5, rng)
    assert all(len(set(fold[unit == u])) == 1 for u in range(30))
    apart = fit_ladder(samples, [Normal()], seed=0).estimate(CROSS)
    whole = fit_ladder(samples, [Normal()], seed=0, unit=unit).estimate(CROSS)
    assert (whole.se > 2 * apart.se).all()


def test_redraws_have_the_variance_of_a_mean() -> None:
    x = np.random.default_rng(0).normal(size=6)
    units = Units(np.arange(6), np.zeros(6, dtype=np.int64))
    rng = np.random.default_rng(1)
    means = [units.redraw(rng) @ x / 6 for _ in range(20_000)]
    assert abs(np.var(means) / (x.var(ddof=1) / 6) - 1) < 0.05


def test_spare_regimes_are_those_that_others_identify() -> None:
    samples = shifted(4)
    assert spare_regimes(samples) == []
    full = Samples(cross(train=("00", "10", "01", "11")), np.arange(4), np.zeros((4, 1)))
    assert spare_regimes(full) == [0, 1, 2, 3]


def test_weights_fall_with_the_errors_behind() -> None:
    rng = np.random.default_rng(0)
    base = rng.normal(size=200)
    scores = Scores(("a", "b", "c"), np.stack([base, base - 0.01 + np.tile([0.5, -0.5], 100), base - 1]))
    weights = scores.weights()
    np.testing.assert_allclose(weights[1] / weights[0], 1 - 0.01 * np.sqrt(199) / 0.5 / 2)
    assert weights[2] == 0


def test_refusals(ladder: Ladder) -> None:
    with pytest.raises(InputError, match="alpha lies between"):
        ladder.estimate(CROSS, alpha=1.0)
    with pytest.raises(InputError, match="not both"):
        ladder.estimate(CROSS, function=lambda x: x, values=ladder.samples.x)
    with pytest.raises(InputError, match="finite numbers are due"):
        ladder.estimate(CROSS, values=np.ones(3))
    with pytest.raises(InputError, match="one unit each"):
        fit_ladder(ladder.samples, RUNGS, seed=0, unit=np.zeros(3, dtype=np.int64))
    one = Samples(cross(), np.array([0, 1, 2]), np.array([[0.0], [1.0], [2.0]]))
    with pytest.raises(InputError, match="no model can be fitted: no regime was run twice"):
        fit_ladder(one, [Normal()], seed=0)
    with pytest.raises(InputError, match="whole number"):
        fit_ladder(ladder.samples, RUNGS, seed=-1)
    assert len(ladder.estimate(Regimes.from_codes(np.array([[1, 1]]))).words(0, 0)) == 0


def test_one_unit_a_regime_tells_no_error() -> None:
    samples = shifted(30)
    found = fit_ladder(samples, RUNGS[:2], seed=0, unit=samples.regime).estimate(CROSS)
    assert np.isinf(found.high).all()
    assert "few_rows" in found.words(3, 0)


def test_one_row_of_a_regime_leaves_the_linear_model() -> None:
    rng, regime = np.random.default_rng(0), np.array([0] * 30 + [1] * 30 + [2])
    x = rng.normal(np.array([0.0, 1.0, -1.0])[regime])[:, None]
    found = fit_ladder(Samples(cross(), regime, x), RUNGS, seed=0).estimate(CROSS)
    assert np.isfinite(found.high).all()
    assert found.weights[found.rungs.index("normal"), 3, 0] == 1
    assert 0.8 < found.se[3, 0] < 2


def test_a_rung_that_some_rows_cannot_carry_is_left_out() -> None:
    """A law that refuses every refit: it is named among those refused, and the others answer."""

    class Brittle(Normal):
        name = "brittle"

        def fit(self, samples: Samples, weight: Floats | None = None) -> NormalLaw:
            law = super().fit(samples, weight)

            def refit(weight: Floats) -> Law:
                raise InputError("no finite estimate")

            object.__setattr__(law, "refit", refit)
            return law

    with_it = fit_ladder(shifted(20), (Brittle(), *RUNGS[1:]), seed=0)
    assert "no finite estimate" in with_it.refused["normal"]
    without = fit_ladder(shifted(20), RUNGS[1:], seed=0)
    assert np.array_equal(with_it.estimate(CROSS).mean, without.estimate(CROSS).mean)


def test_two_values_are_not_taken_for_numbers_or_counts() -> None:
    samples = shifted(20)
    binary = Samples(samples.design, samples.regime, (samples.x > 0).astype(float))
    names = ["bernoulli", "linear", "quadratic", "splines", "grid"]
    assert [rung.name for rung in rungs_for("auto", binary)] == names
    with pytest.raises(InputError, match="the energy 'bernoulli' cannot describe these rows"):
        rungs_for("bernoulli", samples)


def test_one_row_that_makes_the_spread_is_flagged() -> None:
    samples = shifted(60)
    ladder = fit_ladder(samples, [Normal()], seed=0)
    asked = Regimes.from_codes(np.array([[0, 0], [1, 0], [1, 1]]))
    assert not ladder.estimate(asked).flags["few_rows"].any()
    x = samples.x.copy()
    x[70] = 100.0  # of A
    far = fit_ladder(dataclasses.replace(samples, x=x), [Normal()], seed=0).estimate(asked).flags["few_rows"]
    assert far[:, 0].tolist() == [False, True, True]
    heavy = np.exp(3 * np.random.default_rng(0).normal(size=(180, 1)))
    assert ladder.estimate(asked, values=heavy).flags["few_rows"][2, 0]
    # of a rare share one row is all that there is, and its interval knows
    rare = np.zeros((180, 1))
    rare[::60] = 1.0
    assert not ladder.estimate(asked, values=rare).flags["few_rows"].any()


@pytest.mark.parametrize(("variables", "rows", "flagged"), [(4, 30, True), (4, 60, False), (2, 30, False)])
def test_a_normal_law_of_joined_variables_needs_rows_to_be_told_wrong(
    variables: int, rows: int, flagged: bool
) -> None:
    names = [f"x{v}" for v in range(variables)]
    design = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": names,
            "factors": [
                {"x": names, "sigma": []}, {"x": names[:1], "sigma": ["A"]}, {"x": names[-1:], "sigma": ["B"]},
            ],
            "train": ["00", "10", "01"],
        }
    ).design  # fmt: skip
    x = np.random.default_rng(3).normal(size=(3 * rows, variables))
    found = fit_ladder(Samples(design, np.repeat([0, 1, 2], rows), x), [Normal()], seed=0)
    asked = Regimes.from_codes(np.array([[1, 1]]))
    assert (found.estimate(asked).flags["few_rows"] == flagged).all()


def _joined(rng: np.random.Generator, skewed: bool, rows: int = 500) -> tuple[Samples, Floats]:
    """A on x0, B on x1, joined: weighted rows of a pool are the truth, of gamma laws or of normal ones."""
    z = rng.normal(size=(60_000, 2)) @ np.array([[1, 0.5], [0, np.sqrt(0.75)]])
    x = (gamma.ppf(norm.cdf(z), 3) - 3) / np.sqrt(3) if skewed else z
    weights = [np.exp(0.8 * a * x[:, 0] - 0.8 * b * x[:, 1]) for a, b in CROSS.codes()]
    drawn = np.concatenate([rng.choice(len(x), rows, p=w / w.sum()) for w in weights[:3]])
    samples = Samples(cross(2, scopes=[["x0"], ["x1"]]), np.repeat([0, 1, 2], rows), x[drawn])
    return samples, weights[3] @ x / weights[3].sum()


@pytest.mark.parametrize("skewed", [True, False])
def test_a_normal_law_that_answers_alone_is_doubted_where_rows_are_not_normal(skewed: bool) -> None:
    for seed in range(4):
        samples, truth = _joined(np.random.default_rng([5, seed]), skewed)
        fitted = fit_ladder(samples, [Normal()], seed=seed)
        found = dataclasses.replace(fitted, laws=(*fitted.laws, Tilt("linear").fit(samples))).estimate(CROSS)
        assert found.flags["models_disagree"][3].any() == skewed
        assert (np.abs(found.mean[3] - truth).max() > 0.12) == skewed
        assert not found.flags["models_disagree"][:3].any()


@pytest.mark.parametrize("skewed", [True, False])
def test_a_normal_law_is_no_part_of_an_average_where_rows_are_not_normal(skewed: bool) -> None:
    for seed in range(4):
        samples, truth = _joined(np.random.default_rng([6, seed]), skewed, 200)
        fitted = fit_ladder(samples, [Normal(), Tilt("linear")], seed=seed)
        assert ("within regimes x" in fitted.refused.get("normal", "")) == skewed
        if skewed:
            found = fitted.estimate(CROSS)
            assert (np.abs(found.mean[3] - truth) < 4 * found.se[3]).all()
    samples, _ = _joined(np.random.default_rng(0), True, 60)
    assert Normal().rejected(samples, Units.of(samples, None)) is not None
    # a least-squares mean claims no normal base, five rows of a unit are one, and few units tell nothing
    both = cross(2, scopes=[["x0", "x1"], ["x0", "x1"]])
    least = Samples(both, samples.regime, samples.x)
    assert Normal().rejected(least, Units.of(least, None)) is None
    assert Normal().rejected(samples, Units.of(samples, np.arange(180) // 12)) is None


def test_normal_rows_and_units_are_rejected_as_seldom_as_told() -> None:
    """At 1%, with few rows up to 3%: at most 23 of 400 (a chance of .1%), of rows and of units of five rows."""
    for unit in (1, 5):
        rejected = 0
        for seed in range(400):
            rng = np.random.default_rng([7, unit, seed])
            x = rng.normal(size=(180, 2)) + np.repeat(rng.normal(size=(180 // unit, 2)), unit, axis=0)
            samples = Samples(cross(2, scopes=[["x0"], ["x1"]]), np.repeat([0, 1, 2], 60), x)
            rejected += Normal().rejected(samples, Units.of(samples, np.arange(180) // unit)) is not None
        assert rejected <= 23


def test_a_factorial_without_replicates_is_answered_as_least_squares_does() -> None:
    about = {
        "interventions": {name: [0, 1] for name in "ABC"}, "factors": [{"sigma": [name]} for name in "ABC"],
        "variables": ["y"], "train": ["000", "100", "010", "001", "110", "101"], "test": ["011", "111"],
    }  # fmt: skip
    study = Study.from_dict(about)
    codes = study.design.train.codes()
    y = codes @ [1.0, 2.0, 0.5] + np.random.default_rng(3).normal(size=6)
    rows = dict(zip("ABC", codes.T, strict=True)) | {"y": y}
    found = estimate_study(study, rows)
    matrix = np.column_stack([np.ones(6), codes])
    asked = np.array([[1, 0, 1, 1], [1, 1, 1, 1]])
    solved, squares, *_ = np.linalg.lstsq(matrix, y, rcond=None)
    error = np.sqrt(squares[0] / 2 * np.einsum("ij,jk,ik->i", asked, np.linalg.inv(matrix.T @ matrix), asked))
    np.testing.assert_allclose(found.mean[:, 0], asked @ solved, rtol=1e-9)
    np.testing.assert_allclose(found.confidence_high[:, 0], asked @ solved + t.ppf(0.95, 2) * error, rtol=1e-9)
    assert np.isnan(found.prediction_low).all()
    assert any("no intervals of units: ctrl (train[0]) has one row" in text for text in found.warnings)
    with pytest.raises(InputError, match="no regime was run twice"):
        estimate_study(
            Study.from_dict(about | {"train": ["000", "100", "010", "001"]}), {k: v[:4] for k, v in rows.items()}
        )
