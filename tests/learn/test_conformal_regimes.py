"""Errors at regimes left out: which can be, what is measured, and how the errors are ranked."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from ifm_ident import Design, Factor, Identifier, InputError, Intervention, Model, Regimes, Status, Study
from ifm_learn.conformal.regimes import (
    RegimeErrors,
    identified_when_left_out,
    leave_one_regime_out,
    without_regime,
)
from ifm_learn.data.samples import Samples

NONE = np.empty(0, dtype=np.int64)


def additive_model(count: int) -> Model:
    interventions = tuple(Intervention(f"s{i}", (0, 1)) for i in range(count))
    factors = tuple(Factor(f"f{i}", ("x",), (f"s{i}",)) for i in range(count))
    return Model(interventions, ("x",), factors)


def additive_samples(codes: np.ndarray, rows: int, rng: np.random.Generator, y: bool = False) -> Samples:
    """Means 1 + sum of i + 1 over the active interventions; every factor shifts the log-density linearly."""
    design = Design(additive_model(codes.shape[1]), Regimes.from_codes(codes))
    regime = np.repeat(design.first, rows)
    mean = 1.0 + design.train.codes()[regime] @ np.arange(1.0, codes.shape[1] + 1)
    x = rng.normal(mean, 0.5)[:, None]
    return Samples(design, regime, x, 3 * x[:, 0] if y else None)


def additive_means(samples: Samples, regimes: Regimes) -> np.ndarray:
    values = samples.x if samples.y is None else samples.y

    def columns(batch: Regimes) -> np.ndarray:
        return np.column_stack([np.ones(len(batch)), batch.codes()])

    means = np.stack([values[samples.regime == i].mean(axis=0) for i in samples.present])
    found: np.ndarray = (
        columns(regimes) @ np.linalg.lstsq(columns(samples.design.train.take(samples.present)), means)[0]
    )
    return found


def test_left_out_regimes_are_those_that_the_others_identify() -> None:
    codes = np.array([[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1], [0, 1, 0]])
    model = Model(
        tuple(Intervention(f"s{i}", (0, 1)) for i in range(3)),
        ("x",),
        (Factor("f1", ("x",), ("s0", "s1")), Factor("f2", ("x",), ("s1", "s2"))),
    )
    design = Design(model, Regimes.from_codes(codes))
    rows = np.zeros((len(codes), 8))  # one-hot cells of both factors
    for i, (a, b, c) in enumerate(codes.tolist()):
        rows[i, 2 * a + b] = rows[i, 4 + 2 * b + c] = 1
    want = []
    for i in range(7):
        others = np.array([j for j in range(8) if not (codes[j] == codes[i]).all()])
        if np.linalg.matrix_rank(rows[others]) == np.linalg.matrix_rank(np.vstack([rows[others], rows[i]])):
            want.append(i)
    assert identified_when_left_out(design).tolist() == want
    assert 0 < len(want) < 7


def test_an_only_regime_cannot_be_left_out() -> None:
    design = Design(additive_model(1), Regimes.from_codes(np.array([[0], [0]])))
    assert identified_when_left_out(design).tolist() == []
    samples = Samples(design, np.zeros(3, dtype=np.int64), np.zeros((3, 1)))
    with pytest.raises(InputError, match="the only training regime"):
        without_regime(samples, 0)
    assert len(leave_one_regime_out(samples, additive_means)) == 0


def test_rows_and_repeats_leave_together() -> None:
    codes = np.array([[0, 0], [1, 0], [0, 0], [0, 1], [1, 0], [1, 1]])
    samples = additive_samples(codes, 3, np.random.default_rng(0), y=True)
    rest = without_regime(samples, 1)
    assert rest.design.train.codes().tolist() == [[0, 0], [0, 0], [0, 1], [1, 1]]
    kept = samples.regime != 1
    np.testing.assert_array_equal(rest.x, samples.x[kept])
    np.testing.assert_array_equal(rest.y, samples.y[kept] if samples.y is not None else None)
    before = samples.design.train.codes()[samples.regime[kept]]
    np.testing.assert_array_equal(rest.design.train.codes()[rest.regime], before)
    with pytest.raises(InputError, match="4 is not the first index"):
        without_regime(samples, 4)


@pytest.mark.parametrize("outcome", [False, True])
def test_errors_are_those_of_fits_without_the_regime(outcome: bool) -> None:
    codes = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    samples = additive_samples(codes, 50, np.random.default_rng(1), y=outcome)
    targets, calls = Regimes.from_codes(codes[[3, 0]]), []
    found = leave_one_regime_out(samples, additive_means, targets, lambda done, total: calls.append((done, total)))
    values = samples.x if samples.y is None else samples.y
    means = np.stack([values[samples.regime == i].mean(axis=0) for i in range(4)])
    sign = np.array([1, -1, -1, 1.0])
    gap = sign @ means  # in a 2 x 2 table every cell is the other three's signed sum
    np.testing.assert_allclose(found.errors, np.broadcast_to(np.abs(gap), found.errors.shape))
    np.testing.assert_allclose(found.observed, means)
    se = np.stack([values[samples.regime == i].std(axis=0, ddof=1) for i in range(4)]) / np.sqrt(50)
    np.testing.assert_allclose(found.se, se)
    assert found.left_out.tolist() == [0, 1, 2, 3]
    assert found.dependent.tolist() == []
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.target_predictions is not None
    np.testing.assert_allclose(found.target_predictions[3, 1], means[0])
    np.testing.assert_allclose(found.target_predictions[3, 0], means[3] - gap)
    np.testing.assert_allclose(found.noise, np.sqrt((se**2).mean(axis=0)) / np.abs(gap))


def test_targets_that_a_smaller_design_loses_count_as_the_whole_line() -> None:
    codes = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1]])
    samples = additive_samples(codes, 20, np.random.default_rng(2))
    found = leave_one_regime_out(samples, additive_means, Regimes.from_codes(np.array([[1, 1, 1]])))
    assert found.left_out.tolist() == [0, 1, 2, 3]
    assert found.dependent.tolist() == [4]
    assert found.target_predictions is not None
    lost = np.isnan(found.target_predictions).ravel()
    design = samples.design
    for k, train in enumerate(found.left_out.tolist()):
        others = Design(design.model, design.train.take(np.flatnonzero(np.arange(5) != train)))
        status = Identifier(others).identify(Regimes.from_codes(np.array([[1, 1, 1]]))).status[0]
        assert lost[k] == (status == Status.NOT_IDENTIFIED)
    wide = RegimeErrors(
        found.left_out, found.predicted, found.observed, found.se, NONE, np.full((4, 1, 1), np.nan)
    )
    interval = wide.jackknife_plus("0.2")
    assert (interval.lower.item(), interval.upper.item()) == (-np.inf, np.inf)


def test_too_few_regimes_are_refused_with_their_number() -> None:
    errors = RegimeErrors(np.arange(8), np.zeros(8), np.ones(8), np.ones(8), NONE)
    with pytest.raises(InputError, match=r"takes 9 regimes .* has 8; alpha 1/9 is the least"):
        errors.quantile("0.1")
    with pytest.raises(InputError, match="no targets were given"):
        errors.jackknife_plus("0.2")
    found = errors.quantile(Fraction(1, 9))
    assert (found.rank, found.regimes) == (8, 8)
    assert "exchangeable with the 8 regimes" in found.assumption


def test_predictions_of_the_wrong_shape_are_refused() -> None:
    samples = additive_samples(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]), 5, np.random.default_rng(3))
    with pytest.raises(InputError, match="without training regime 0 the fit predicted shape \\(1,\\)"):
        leave_one_regime_out(samples, lambda rows, regimes: np.zeros(len(regimes)))


def simulated(k: int, rng: np.random.Generator) -> tuple[RegimeErrors, float]:
    """Exchangeable regimes, each predicted by the mean of the others; the last one is the unseen target."""
    truth = rng.standard_t(3, size=k + 1)
    predicted = (truth[:k].sum() - truth[:k]) / (k - 1)
    errors = RegimeErrors(np.arange(k), predicted, truth[:k], np.zeros(k), NONE, predicted[:, None])
    return errors, float(truth[k])


def test_coverage_over_exchangeable_regimes() -> None:
    rng, repetitions, k = np.random.default_rng(4), 3000, 19
    inside = np.empty((repetitions, 2))
    for b in range(repetitions):
        errors, truth = simulated(k, rng)
        centre = errors.observed.mean()
        inside[b, 0] = abs(truth - centre) <= errors.quantile("0.2").error
        plus = errors.jackknife_plus("0.2")
        inside[b, 1] = plus.lower[0] <= truth <= plus.upper[0]
    limit = 3.3 * np.sqrt(0.2 * 0.8 / repetitions)
    assert (np.abs(inside.mean(axis=0) - 0.8) <= limit + 0.02).all()  # errors of fits on 18, not 19


def test_jackknife_plus_by_its_definition() -> None:
    rng = np.random.default_rng(5)
    errors, _ = simulated(12, rng)
    predictions = rng.normal(size=(12, 3))
    errors = RegimeErrors(errors.left_out, errors.predicted, errors.observed, errors.se, NONE, predictions)
    found = errors.jackknife_plus("0.25")
    reach = errors.errors[:, None]
    np.testing.assert_allclose(found.lower, np.sort(predictions - reach, axis=0)[2])  # rank floor(0.25 * 13) = 3
    np.testing.assert_allclose(found.upper, np.sort(predictions + reach, axis=0)[9])  # rank ceil(0.75 * 13) = 10


def test_the_regimes_of_the_posters_formula_can_be_left_out() -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
            "train": ["000", "010", "100", "110", "001", "011", "111"],
        }
    )
    assert identified_when_left_out(study.design).tolist() == [1, 3, 5, 6]
