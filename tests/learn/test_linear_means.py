"""Least squares over regimes against statsmodels, exact ranks and leave-one-out refits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ifm_ident import Design, Factor, Identifier, InputError, Intervention, Model, Regimes
from ifm_learn.ladder import _regime_design as regime_design
from ifm_learn.ladder._regime_design import RegimeDesign
from ifm_learn.ladder.linear_means import LinearMeans
from ifm_learn.ladder.regime_statistics import RegimeStatistics

sm = pytest.importorskip("statsmodels.api")


def pairs_model(levels: int, scopes: list[tuple[str, ...]], names: str = "ABC") -> Model:
    interventions = tuple(Intervention(name, tuple(range(levels))) for name in names)
    factors = tuple(Factor(f"f{i}", ("x",), scope) for i, scope in enumerate(scopes))
    return Model(interventions, ("x",), factors)


def additive() -> tuple[Model, Regimes, Regimes]:
    model = pairs_model(3, [("A",), ("B",)], "AB")
    codes = np.array([[0, 0], [1, 0], [2, 0], [0, 1], [0, 2], [1, 1]])
    return model, Regimes.from_codes(codes), Regimes.from_codes(np.array([[2, 2], [1, 2]]))


def rows_of(m: int, rng: np.random.Generator, columns: int = 2) -> tuple[np.ndarray, np.ndarray]:
    regime = np.repeat(np.arange(m), rng.integers(3, 9, m))
    scale = 1 + regime[:, None] / m
    return regime, rng.normal(size=(len(regime), columns)) * scale + regime[:, None]


def dense(design: RegimeDesign, regime: np.ndarray) -> np.ndarray:
    return design.train.toarray()[regime]


def test_estimates_and_pooled_intervals_are_statsmodels_ols() -> None:
    model, train, unseen = additive()
    regime, values = rows_of(6, np.random.default_rng(1))
    fitted = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6))
    for column in range(2):
        oracle = sm.OLS(values[:, column], dense(fitted.design, regime)).fit()
        frame = oracle.get_prediction(fitted.design.rows(unseen).toarray())
        low, high = fitted.interval(unseen, 0.9)
        np.testing.assert_allclose(fitted.means(unseen)[:, column], frame.predicted_mean, rtol=1e-9)
        np.testing.assert_allclose(fitted.standard_errors(unseen)[:, column], frame.se_mean, rtol=1e-9)
        np.testing.assert_allclose(np.c_[low[:, column], high[:, column]], frame.conf_int(alpha=0.1), rtol=1e-8)


def test_errors_by_regime_are_hc3() -> None:
    model, train, unseen = additive()
    regime, values = rows_of(6, np.random.default_rng(2))
    fitted = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6), "regime")
    oracle = sm.OLS(values[:, 1], dense(fitted.design, regime)).fit(cov_type="HC3")
    rows = fitted.design.rows(unseen).toarray()
    expected = np.sqrt(np.diag(rows @ oracle.cov_params() @ rows.T))
    np.testing.assert_allclose(fitted.standard_errors(unseen)[:, 1], expected, rtol=1e-9)
    freedom = fitted.degrees_of_freedom(unseen)
    assert ((freedom > 1) & (freedom < len(regime))).all()


@pytest.mark.parametrize("crossing", [False, True])
def test_errors_by_unit_are_leave_one_unit_out(crossing: bool) -> None:
    model, train, unseen = additive()
    rng = np.random.default_rng(3)
    regime = np.repeat(np.arange(6), 12)
    unit = np.tile(np.repeat(np.arange(4), 3), 6) + (0 if crossing else 4 * regime)
    values = rng.normal(size=(72, 1)) + rng.normal(size=30)[unit][:, None]
    fitted = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6, unit=unit), "unit")
    x, rows = dense(fitted.design, regime), fitted.design.rows(unseen).toarray()
    bread = np.linalg.inv(x.T @ x)
    whole = bread @ x.T @ values[:, 0]
    meat = np.zeros((x.shape[1], x.shape[1]))
    for one in np.unique(unit):
        kept = unit != one
        moved = np.linalg.lstsq(x[kept], values[kept, 0], rcond=None)[0] - whole
        meat += np.outer(moved, moved)
    expected = np.sqrt(np.diag(rows @ meat @ rows.T))
    np.testing.assert_allclose(fitted.standard_errors(unseen)[:, 0], expected, rtol=1e-8)


def test_without_rows_to_tell_the_error_is_infinite() -> None:
    model = pairs_model(2, [("A",), ("B",)], "AB")
    train, unseen = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])), Regimes.from_codes(np.array([[1, 1]]))
    single = RegimeStatistics.of(np.arange(3), np.array([[0.0], [1.0], [2.0]]), 3)
    for errors in ("pooled", "regime"):
        low, high = LinearMeans.fit(model, (0, 1), train, single, errors).interval(unseen, 0.9)
        assert low[0, 0] == -np.inf
        assert high[0, 0] == np.inf


@pytest.mark.parametrize("seed", range(30))
def test_identified_exactly_where_the_exact_engine_says_so(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scopes = [tuple(s) for r in (1, 2) for s in itertools.combinations("ABC", r) if rng.random() < 0.6] or [("A",)]
    model = pairs_model(2 + seed % 2, scopes)
    every = np.array(list(itertools.product(range(2 + seed % 2), repeat=3)))
    train = Regimes.from_codes(every[rng.permutation(len(every))[: rng.integers(1, len(every))]])
    target = Regimes.from_codes(every)
    design = RegimeDesign.of(model, tuple(range(len(scopes))), train)
    assert design.rank == np.linalg.matrix_rank(design.system.rows(train)[0].toarray())
    held = Identifier(Design(model, train)).verdicts(target, "joint") <= 1  # observed or identified
    for i in range(len(every)):
        one = target.take(np.array([i]))
        if held[i]:
            assert design.rows(one).shape == (1, design.rank)
        else:
            with pytest.raises(InputError, match="not identified"):
                design.rows(one)


def test_an_identified_mean_does_not_depend_on_the_columns_kept() -> None:
    model = pairs_model(2, [("A", "B"), ("B", "C"), ("A", "C")])
    codes = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1], [1, 0, 0]])
    train = Regimes.from_codes(codes)
    regime, values = rows_of(6, np.random.default_rng(5), 1)
    fitted = LinearMeans.fit(model, (0, 1, 2), train, RegimeStatistics.of(regime, values, 6))
    x = fitted.design.system.rows(train)[0].toarray().astype(float)
    least = np.linalg.lstsq(x[regime], values[:, 0], rcond=None)[0]
    np.testing.assert_allclose(fitted.means(train)[:, 0], x @ least, atol=1e-9)
    np.testing.assert_allclose(fitted.weights(train) @ fitted.statistics.mean, fitted.means(train), atol=1e-9)


def test_sparse_and_dense_factors_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model, train, unseen = additive()
    regime, values = rows_of(6, np.random.default_rng(7))
    statistics = RegimeStatistics.of(regime, values, 6)
    one = LinearMeans.fit(model, (0, 1), train, statistics).interval(unseen, 0.9)
    monkeypatch.setattr(regime_design, "DENSE", 0)
    other = LinearMeans.fit(model, (0, 1), train, statistics).interval(unseen, 0.9)
    np.testing.assert_allclose(one, other, rtol=1e-9)


def test_statistics_of_pieces_add_up_to_those_of_all_rows() -> None:
    regime, values = rows_of(5, np.random.default_rng(8), 3)
    whole = RegimeStatistics.of(regime, values, 5, cross=True)
    parts = [RegimeStatistics.of(regime[i::4], values[i::4], 5, cross=True) for i in range(4)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    assert whole.cross is not None
    assert total.cross is not None
    for name in ("count", "mean", "within", "cross"):
        np.testing.assert_allclose(getattr(total, name), getattr(whole, name), rtol=1e-9)
    np.testing.assert_allclose(np.diag(whole.cross), whole.within.sum(axis=0))


def test_weights_of_rows_are_repeats() -> None:
    regime, values = rows_of(4, np.random.default_rng(9))
    times = np.random.default_rng(9).integers(1, 4, len(regime))
    one = RegimeStatistics.of(regime, values, 4, weight=times.astype(float))
    two = RegimeStatistics.of(np.repeat(regime, times), np.repeat(values, times, axis=0), 4)
    np.testing.assert_allclose(one.mean, two.mean)
    np.testing.assert_allclose(one.within, two.within)


def test_refusals_say_what_to_do() -> None:
    model, train, _ = additive()
    few = RegimeStatistics.of(np.arange(5), np.zeros((5, 1)), 6)
    with pytest.raises(InputError, match="training regime 5 has no rows"):
        LinearMeans.fit(model, (0, 1), train, few)
    full = RegimeStatistics.of(np.arange(6), np.zeros((6, 1)), 6)
    with pytest.raises(InputError, match="needs the unit"):
        LinearMeans.fit(model, (0, 1), train, full, "unit")
    with pytest.raises(InputError, match="between 0 and 1"):
        LinearMeans.fit(model, (0, 1), train, full).interval(train, 90)
    with pytest.raises(InputError, match="not both"):
        RegimeStatistics.of(np.zeros(1, int), np.zeros((1, 1)), 1, weight=np.ones(1), unit=np.zeros(1, int))


@pytest.mark.parametrize("errors", ["pooled", "regime"])
def test_sums_of_means_have_the_errors_of_sums(errors: str) -> None:
    model = pairs_model(2, [("A", "B")], "AB")
    train = Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]))
    regime, values = rows_of(4, np.random.default_rng(14))
    fitted = LinearMeans.fit(model, (0,), train, RegimeStatistics.of(regime, values, 4), errors)  # type: ignore[arg-type]
    synergy = np.array([[1.0, -1, -1, 1]])
    value, low, high = fitted.combined(train, synergy, 0.9)
    cov_type = "nonrobust" if errors == "pooled" else "HC3"
    oracle = sm.OLS(values[:, 0], np.eye(4)[regime]).fit(cov_type=cov_type).t_test(synergy)
    np.testing.assert_allclose(value[0, 0], oracle.effect[0])
    half = (high - low)[0, 0] / 2
    if errors == "pooled":
        np.testing.assert_allclose(half, np.diff(oracle.conf_int(alpha=0.1))[0, 0] / 2)
    assert 1.645 < half / oracle.sd[0, 0] < 2.2


def test_lack_of_fit_is_the_f_test_of_nested_models() -> None:
    model, train, _ = additive()
    regime, values = rows_of(6, np.random.default_rng(12))
    fitted = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6))
    for column in range(2):
        small = sm.OLS(values[:, column], dense(fitted.design, regime)).fit()
        statistic, p_value, _ = sm.OLS(values[:, column], np.eye(6)[regime]).fit().compare_f_test(small)
        np.testing.assert_allclose(fitted.lack_of_fit()[0][column], statistic)
        np.testing.assert_allclose(fitted.lack_of_fit()[1][column], p_value)


def test_a_regime_left_out_is_predicted_by_a_fit_without_it() -> None:
    model, train, _ = additive()
    regime, values = rows_of(6, np.random.default_rng(13))
    found = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6)).left_out()
    for i in range(6):
        others = np.delete(np.arange(6), i)
        kept = regime != i
        rows = RegimeStatistics.of(np.searchsorted(others, regime[kept]), values[kept], 5)
        fitted = LinearMeans.fit(model, (0, 1), train.take(others), rows)
        try:
            expected = values[~kept].mean(axis=0) - fitted.means(train.take(np.array([i])))[0]
        except InputError:
            expected = np.full(2, np.nan)
        np.testing.assert_allclose(found[i], expected, rtol=1e-8)
    assert 0 < np.isnan(found[:, 0]).sum() < 6


def test_many_perturbations_need_no_dense_matrix() -> None:
    count = 3_000
    names = [f"g{i}" for i in range(count)]
    factors = (*(Factor(n, ("x",), (n,)) for n in names), Factor("both", ("x",), ("g0", "g1")))
    model = Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), factors)
    active = [(), *(((i, 1),) for i in range(count)), ((0, 1), (1, 1))]
    regime = np.repeat(np.arange(count + 2), 2)
    values = np.random.default_rng(0).normal(size=(len(regime), 1))
    statistics = RegimeStatistics.of(regime, values, count + 2)
    fitted = LinearMeans.fit(model, tuple(range(count + 1)), Regimes.from_active(active, count), statistics)
    unseen = Regimes.from_active([((5, 1), (7, 1))], count)
    assert fitted.design.rank == count + 2 > regime_design.DENSE
    expected = statistics.mean[[6, 8], 0].sum() - statistics.mean[0, 0]
    np.testing.assert_allclose(fitted.means(unseen)[0, 0], expected)
    np.testing.assert_allclose(fitted.covariance(unseen), 1.5)


def test_draws_have_the_covariance_that_is_stated() -> None:
    model, train, unseen = additive()
    regime, values = rows_of(6, np.random.default_rng(11))
    fitted = LinearMeans.fit(model, (0, 1), train, RegimeStatistics.of(regime, values, 6))
    draws = fitted.draws(unseen, 40_000, np.random.default_rng(0))[..., 0]
    stated = fitted.covariance(unseen) * fitted.residual_variance[0]
    np.testing.assert_allclose(np.cov(draws.T), stated, rtol=0.05)


def coverage_of_dose(seed: int) -> tuple[float, float]:
    """RMSE and coverage of 40 unseen triples of three drugs in five doses, four rows a regime (log viability)."""
    g = np.random.default_rng(seed)
    main = [np.r_[0, -np.cumsum(g.gamma(2, 0.12, 5))] for _ in range(3)]
    both = {p: np.pad(g.normal(0, 0.06, (5, 5)), ((1, 0), (1, 0))) for p in [(0, 1), (0, 2), (1, 2)]}

    def truth(c: tuple[int, ...]) -> float:
        return float(sum(main[k][c[k]] for k in range(3)) + sum(t[c[a], c[b]] for (a, b), t in both.items()))

    cells = list(itertools.product(range(6), repeat=3))
    train = [c for c in cells if sum(v > 0 for v in c) <= 2]
    test = [c for c in cells if min(c) > 0 and len(set(c)) <= 2][:40]
    model = pairs_model(6, [("A", "B"), ("A", "C"), ("B", "C")])
    regime = np.repeat(np.arange(len(train)), 4)
    values = np.array([truth(c) for c in train])[regime] + g.normal(0, 0.05, len(regime))
    statistics = RegimeStatistics.of(regime, values[:, None], len(train))
    fitted = LinearMeans.fit(model, (0, 1, 2), Regimes.from_codes(np.array(train)), statistics)
    unseen, true = Regimes.from_codes(np.array(test)), np.array([truth(c) for c in test])
    low, high = fitted.interval(unseen, 0.9)
    rmse = float(np.sqrt(np.mean((fitted.means(unseen)[:, 0] - true) ** 2)))
    return rmse, float(((low[:, 0] <= true) & (true <= high[:, 0])).mean())


def test_intervals_hold_the_truth_in_dose_studies() -> None:
    found = np.array([coverage_of_dose(seed) for seed in range(60)])
    # each estimate is a signed sum of seven means of four rows: sd .05 / 2 * sqrt(7) = .066
    assert abs(found[:, 0].mean() - 0.066) < 0.005
    assert 0.87 < found[:, 1].mean() < 0.93


SURVIVAL = """
.31 .45 .46 .43 .36 .29 .40 .23 .22 .21 .18 .23 .82 1.10 .88 .72 .92 .61 .49 1.24 .30 .37 .38 .29
.43 .45 .63 .76 .44 .35 .31 .40 .23 .25 .24 .22 .45 .71 .66 .62 .56 1.02 .71 .38 .30 .36 .31 .33"""
"""Survival times, treatments A to D by poisons 1 to 3 by four animals (Box and Cox 1964, table 1)."""


def test_poisons_of_box_and_cox() -> None:
    times = np.log(np.array(SURVIVAL.split(), dtype=float)).reshape(4, 3, 4)
    cells = [(p, t) for p in range(3) for t in range(4)]
    train, test = [c for c in cells if 0 in c], [c for c in cells if 0 not in c]
    poison, treat = Intervention("poison", (1, 2, 3)), Intervention("treat", tuple("ABCD"))
    model = Model((poison, treat), ("x",), (Factor("f", ("x",), ("poison",)), Factor("g", ("x",), ("treat",))))
    values = np.concatenate([times[t, p] for p, t in train])[:, None]
    statistics = RegimeStatistics.of(np.repeat(np.arange(6), 4), values, 6)
    fitted = LinearMeans.fit(model, (0, 1), Regimes.from_codes(np.array(train)), statistics)
    unseen, measured = Regimes.from_codes(np.array(test)), np.array([times[t, p].mean() for p, t in test])
    assert np.sqrt(np.mean((fitted.means(unseen)[:, 0] - measured) ** 2)) <= 0.21
    for new_rows in (None, 4):  # of the true mean, and of the mean of four animals
        low, high = fitted.interval(unseen, 0.9, new_rows)
        assert ((low[:, 0] <= measured) & (measured <= high[:, 0])).sum() >= 5
