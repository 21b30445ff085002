"""Baselines against closed forms and known truths; what they refuse, and their standard errors."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression, Ridge

from ifm_ident import Design, InputError, Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.outcome.baselines.additive import Additive
from ifm_learn.outcome.baselines.blackbox import BlackBox
from ifm_learn.outcome.baselines.control import Control
from ifm_learn.outcome.baselines.dag import DagBaseline
from ifm_learn.outcome.baselines.mean import MeanOfTraining
from ifm_learn.outcome.baselines.pooled import Pooled
from ifm_learn.outcome.baselines.regime_means import RegimeSums, level_columns
from ifm_learn.outcome.estimator import OutcomeEstimator, bootstrap_errors


def plain(levels: dict[str, int], train: list[str]) -> Design:
    """One variable, one factor over all interventions: baselines do not look at factors."""
    return Study.from_dict(
        {
            "interventions": {name: list(range(count)) for name, count in levels.items()},
            "factors": [{"sigma": list(levels)}],
            "train": train,
        }
    ).design


def regimes(*texts: str) -> Regimes:
    return Regimes.from_codes(np.array([[int(c) for c in text] for text in texts]))


def measured(design: Design, means: list[float], sizes: list[int], seed: int = 0, sd: float = 1.0) -> Samples:
    """Rows whose sample means are exactly the given ones."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(size=n) * sd for n in sizes]
    y = np.concatenate([part - part.mean() + mean for part, mean in zip(parts, means, strict=True)])
    regime = np.repeat(design.distinct, sizes)
    order = rng.permutation(len(y))
    return Samples(design, regime[order], np.zeros((len(y), 1)), y[order])


AB = {"A": 2, "B": 2}
ALL_AB = regimes("00", "10", "01", "11")
EVERY: list[OutcomeEstimator] = [
    MeanOfTraining(),
    Control(),
    Additive(),
    Pooled(),
    BlackBox(),
    DagBaseline(draws=200),
]


def test_mean_counts_regimes_alike_and_control_is_the_baseline_even_if_regimes_repeat() -> None:
    design = plain(AB, ["10", "00", "10", "01"])
    samples = measured(design, [3.0, 1.0, -1.0], [50, 10, 200])
    np.testing.assert_allclose(MeanOfTraining().fit(samples).predict(ALL_AB), 1.0)
    np.testing.assert_allclose(Control().fit(samples).predict(ALL_AB), 1.0)
    np.testing.assert_allclose(Additive().fit(samples).predict(ALL_AB), [1.0, 3.0, -1.0, 1.0])


def test_additive_uses_single_interventions_and_not_the_combination() -> None:
    design = plain({"A": 3, "B": 2}, ["00", "10", "20", "01", "11"])
    samples = measured(design, [1.0, 2.0, 5.0, 0.5, 9.0], [20] * 5)
    found = Additive().fit(samples).predict(regimes("00", "11", "21"))
    np.testing.assert_allclose(found, [1.0, 1.5, 4.5])


def test_additive_solves_for_a_single_that_was_not_observed() -> None:
    model = Additive().fit(measured(plain(AB, ["00", "10", "11"]), [1.0, 2.0, 5.0], [10, 20, 30]))
    np.testing.assert_allclose(model.predict(regimes("01")), [4.0])
    np.testing.assert_allclose(model.weights(regimes("01")), [[1.0, -1.0, 1.0]], atol=1e-12)


def test_additive_least_squares_without_the_baseline() -> None:
    train = ["110", "101", "011", "111", "100"]
    means = [1.0, 4.0, -2.0, 3.0, 0.5]
    model = Additive().fit(measured(plain({"A": 2, "B": 2, "C": 2}, train), means, [5, 10, 20, 40, 80]))
    rows = np.array([[1, *map(int, text)] for text in train], dtype=float)
    beta = np.linalg.lstsq(rows, np.array(means), rcond=None)[0]
    np.testing.assert_allclose(
        model.predict(regimes("000", "010", "111")), [beta[0], beta[0] + beta[2], beta.sum()]
    )


def test_additive_refuses_exactly_what_training_does_not_determine() -> None:
    rng = np.random.default_rng(0)
    every = np.array(list(product(range(2), range(3), range(2), range(2))))
    refused = 0
    for _ in range(30):
        train = every[rng.choice(len(every), 4, replace=False)]
        design = plain({"A": 2, "B": 3, "C": 2, "D": 2}, ["".join(map(str, row)) for row in train])
        model = Additive().fit(measured(design, [0.0, 1.0, 2.0, 3.0], [2] * 4))
        targets = Regimes.from_codes(every)
        known = np.column_stack([np.ones(4), level_columns(design.model, design.train).toarray()])
        wanted = np.column_stack([np.ones(len(every)), level_columns(design.model, targets).toarray()])
        rank = np.linalg.matrix_rank(known)
        inside = [np.linalg.matrix_rank(np.vstack([known, row])) == rank for row in wanted]
        assert np.isfinite(model.predict(targets)).tolist() == inside
        assert [reason is None for reason in model.reasons(targets)] == inside
        assert np.isfinite(model.standard_errors(targets)).tolist() == inside
        refused += inside.count(False)
    assert refused > 100


def test_control_needs_the_baseline() -> None:
    with pytest.raises(InputError, match="baseline regime is not among"):
        Control().fit(measured(plain(AB, ["10", "11"]), [0.0, 1.0], [3, 3]))


def test_pooled_is_ridge_on_all_rows() -> None:
    design = plain({"A": 3, "B": 2}, ["00", "10", "20", "01", "11"])
    samples = measured(design, [1.0, 2.0, 5.0, 0.5, 9.0], [50, 20, 30, 5, 40])
    rows = level_columns(design.model, design.train.take(samples.regime)).toarray()
    targets = regimes("00", "21", "11")
    new = level_columns(design.model, targets).toarray()
    pair = np.array([[0.0], [0.0], [1.0]])  # of the two pairs, training shows only A=1 with B=1
    for alpha in (1e-4, 0.3):
        ridge = Ridge(alpha=alpha * len(samples)).fit(rows, samples.y)
        found = Pooled(alphas=[alpha]).fit(samples).predict(targets)
        np.testing.assert_allclose(found, ridge.predict(new), rtol=1e-8)
        both = (rows[:, 0] * rows[:, 2])[:, None]
        ridge = Ridge(alpha=alpha * len(samples)).fit(np.hstack([rows, both]), samples.y)
        found = Pooled(interactions=True, alphas=[alpha]).fit(samples).predict(targets)
        np.testing.assert_allclose(found, ridge.predict(np.hstack([new, pair])), rtol=1e-8)


def test_pooled_chooses_the_penalty_that_predicts_held_out_rows() -> None:
    design = plain(AB, ["00", "10", "01"])
    clear = Pooled(alphas=[1e-6, 10.0]).fit(measured(design, [0.0, 2.0, -2.0], [200] * 3))
    assert clear.alpha_ == 1e-6
    np.testing.assert_allclose(clear.predict(regimes("10", "01")), [2.0, -2.0], atol=0.01)
    noise = Pooled(alphas=[1e-6, 10.0]).fit(measured(design, [0.0, 0.0, 0.0], [10] * 3, sd=5.0))
    assert noise.alpha_ == 10.0
    with pytest.raises(InputError, match="none negative"):
        Pooled(alphas=[-1.0]).fit(measured(design, [0.0, 0.0, 0.0], [10] * 3))


def test_sums_of_folds_are_those_of_the_rows() -> None:
    samples = measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, -2.0], [20, 7, 11])
    assert samples.y is not None
    sums = RegimeSums.of(samples, folds=3, seed=1)
    assert (sums.count.max(axis=0) - sums.count.min(axis=0) <= 1).all()
    guess = np.array([[0.3], [1.0], [-4.0]])
    total = sum(float(sums.squared_error(f, guess)[0]) for f in range(3))
    assert total == pytest.approx(float(np.sum((samples.y - guess[samples.regime, 0]) ** 2)))
    count, means = sums.means(without=2)
    np.testing.assert_allclose(count, sums.count[:2].sum(axis=0))
    np.testing.assert_allclose(means, sums.total[:2].sum(axis=0) / count[:, None])


def test_black_box_on_means_is_boosting_on_all_rows() -> None:
    every = Regimes.from_codes(np.array(list(product(range(3), range(2), range(2)))))
    design = plain({"A": 3, "B": 2, "C": 2}, ["".join(map(str, row)) for row in every.codes().tolist()])
    rng = np.random.default_rng(0)
    samples = measured(design, rng.normal(size=12).tolist(), rng.integers(5, 50, 12).tolist())
    model = BlackBox(depths=[2], trees=[40]).fit(samples)
    rows = level_columns(design.model, design.train.take(samples.regime)).toarray()
    oracle = GradientBoostingRegressor(learning_rate=0.3, n_estimators=40, max_depth=2, random_state=0)
    columns = level_columns(design.model, every).toarray()
    np.testing.assert_allclose(model.predict(every), oracle.fit(rows, samples.y).predict(columns), rtol=1e-7)


def test_black_box_goes_deep_only_where_training_shows_interactions() -> None:
    single = BlackBox().fit(measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, 3.0], [400, 200, 200]))
    assert single.choices_[0][0] == 1
    np.testing.assert_allclose(single.predict(regimes("11")), [5.0], atol=0.1)
    crossed = BlackBox().fit(measured(plain(AB, ["00", "10", "01", "11"]), [0.0, 3.0, 3.0, 0.0], [200] * 4))
    assert crossed.choices_[0][0] > 1
    np.testing.assert_allclose(crossed.predict(ALL_AB), [0.0, 3.0, 3.0, 0.0], atol=0.1)


def test_black_box_takes_any_regressor_and_refuses_empty_grids() -> None:
    samples = measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, 3.0], [40, 20, 20])
    np.testing.assert_allclose(BlackBox(LinearRegression()).fit(samples).predict(regimes("11")), [5.0])
    with pytest.raises(InputError, match="two folds at least"):
        BlackBox(depths=[]).fit(samples)


@pytest.mark.parametrize("model", [MeanOfTraining(), Control(), Additive(), Pooled(alphas=[0.1])])
def test_closed_form_errors_agree_with_the_bootstrap(model: OutcomeEstimator) -> None:
    samples = measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, 3.0], [400, 200, 100])
    closed = model.fit(samples).standard_errors(ALL_AB)
    drawn = bootstrap_errors(model, samples, ALL_AB, np.random.default_rng(0), replicates=800)
    np.testing.assert_allclose(drawn, closed, rtol=4 / np.sqrt(2 * 800))


def test_additive_error_by_hand_and_unknown_with_one_row() -> None:
    sizes = [40, 20, 10]
    samples = measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, 3.0], sizes)
    assert samples.y is not None
    spread = [samples.y[samples.regime == i].var(ddof=1) / n for i, n in enumerate(sizes)]
    model = Additive().fit(samples)
    np.testing.assert_allclose(model.standard_errors(regimes("11", "10")), np.sqrt([sum(spread), spread[1]]))
    model = Additive().fit(measured(plain(AB, ["00", "10", "01"]), [0.0, 2.0, 3.0], [40, 20, 1]))
    assert np.isnan(model.standard_errors(regimes("10", "01"))).tolist() == [False, True]
    with pytest.raises(InputError, match="two replicates"):
        bootstrap_errors(model, samples, ALL_AB, np.random.default_rng(0), replicates=1)


@pytest.mark.parametrize("model", EVERY, ids=lambda m: m.method)
def test_every_baseline_has_the_interface(model: OutcomeEstimator) -> None:
    design = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["u", "v"],
            "factors": [{"x": ["u"], "sigma": ["A"]}, {"x": ["v", "u"], "sigma": ["B"]}],
            "train": ["00", "10", "01"],
        }
    ).design
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    with_y = Samples(design, np.repeat([0, 1, 2], 100), x, x[:, 0] + 1.0)
    assert not model.needs_identification
    fitted = clone(model).set_params(**model.get_params()).fit(with_y)
    means = fitted.predict(ALL_AB)
    assert means.shape == (4,)
    assert fitted.reasons(ALL_AB) == [None] * 4
    assert clone(fitted).fit(with_y).predict(ALL_AB).tobytes() == means.tobytes()
    without = clone(model).fit(Samples(design, with_y.regime, x)).predict(ALL_AB)
    assert without.shape == (4, 2)
    np.testing.assert_allclose(without[:3, 0] + 1.0, means[:3], atol=0.1)
    assert fitted.predict(ALL_AB.take(slice(0, 0))).shape == (0,)
    with pytest.raises(InputError, match="3 interventions"):
        fitted.predict(regimes("000"))
    with pytest.raises(InputError, match="level index 2 of intervention 'B'"):
        fitted.predict(regimes("02"))
