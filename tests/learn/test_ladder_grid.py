"""The rung on a grid against enumeration, the normal rung, the rows themselves, and its own weights."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from ifm_ident import InputError, Study
from ifm_ident.arrays import Floats
from ifm_learn import estimate_study, fit_density, read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.fit import penalised
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.ladder import rungs
from ifm_learn.ladder._forecast import slowness
from ifm_learn.ladder._weights import pooled_weights
from ifm_learn.ladder.average import fit_ladder
from ifm_learn.ladder.grid import GridLaw, GridRung
from ifm_learn.ladder.normal import Normal
from tests.learn.ladder_cases import CROSS, cross, shifted


@pytest.fixture(scope="module")
def law() -> GridLaw:
    return GridRung().fit(shifted(1_000, variables=2))


def test_a_binary_variable_is_counted() -> None:
    regime = np.repeat([0, 1, 2], [50, 40, 60])
    x = np.concatenate([np.repeat([0.0, 1.0], pair) for pair in ((30, 20), (10, 30), (45, 15))])
    law = GridRung(ridge=Ridge(1e-6, 1e-6)).fit(Samples(cross(), regime, x[:, None]))
    both = (30 / 10) * (15 / 45) / (20 / 30)
    np.testing.assert_allclose(law.means(None, CROSS).ravel(), [0.4, 0.75, 0.25, both / (1 + both)], rtol=1e-3)
    found = law.log_densities(np.array([[0.0], [1.0]]), CROSS)
    # log-odds of 1 in A against ctrl: the shared function of x cancels
    odds = (found[1] - found[0]) - (found[1] - found[0])[0]
    np.testing.assert_allclose(odds, np.log([1.0, 3 * 1.5, 1.5 / 3, both * 1.5]), atol=5e-3)


def test_regimes_that_were_run_get_their_rows_back() -> None:
    samples = shifted(40, variables=2)
    law = GridRung().fit(samples)
    own = np.stack([samples.of(i).mean(axis=0) for i in range(3)])
    error = np.stack([samples.of(i).std(axis=0) / np.sqrt(40) for i in range(3)])
    # lines pay 0.03 theta, which moves means by 0.03 / 40 sd; bends pay 10 and have next to no part in means
    assert (np.abs(law.means(None, CROSS)[:3] - own) < 0.25 * error).all()


def test_grid_and_normal_rung_agree_on_gaussian_rows() -> None:
    samples = shifted(3_000)
    on_grid, by_law = (rung.fit(samples).means(None, CROSS) for rung in (GridRung(), Normal()))
    # both err by about sqrt(3 / 3000) = 0.03 at A+B, mostly alike
    np.testing.assert_allclose(on_grid, by_law, atol=0.06)


def test_tables_and_weights_of_rows_say_the_same(law: GridLaw) -> None:
    samples = law.base.samples
    by_rows = pooled_weights(law, samples, np.ones(len(samples)), CROSS) @ samples.x
    # weighted rows err by 1 / sqrt(effective rows), 3 of these
    error = 1 / np.sqrt(law.effective_rows(CROSS))[:, None]
    assert (np.abs(by_rows - law.means(None, CROSS)) < 3 * error).all()


def _line(x: Floats) -> Floats:
    return x @ np.array([[1.0], [-2.0]])


def test_means_of_lines_are_lines_of_means_by_sums_and_by_draws(law: GridLaw) -> None:
    means = law.means(None, CROSS)
    np.testing.assert_allclose(law.means(_line, CROSS), _line(means), atol=1e-9)
    rng, regime = np.random.default_rng(1), np.repeat([0, 1, 2], 60)
    x = rng.normal(size=(180, 2)) + np.array([[0, 0], [1, 0], [0, 1]])[regime]
    apart = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x", "z"],
            "factors": [{"x": ["x"], "sigma": ["A"]}, {"x": ["z"], "sigma": ["B"]}],
            "train": ["00", "10", "01"],
        }
    ).design
    other = GridRung().fit(Samples(apart, regime, x))
    assert len(other.model.tree.clique_sizes) == 2
    np.testing.assert_allclose(other.means(_line, CROSS), _line(other.means(None, CROSS)), atol=1e-9)
    # of a square by draws: sd of x^2 about sqrt(2), of 1,024 draws 0.05, against the sum over one variable's bins
    square = (other.model.marginals(CROSS)[0] @ other.model.grid.values[0] ** 2)[:, None]
    np.testing.assert_allclose(other.means(lambda x: x[:, :1] ** 2, CROSS), square, atol=0.2)


def test_refits_are_minima_of_the_penalised_likelihood(law: GridLaw) -> None:
    spread, weight = law.base.spread, np.random.default_rng(2).exponential(size=len(law.base.samples))
    counts = Counts.of(spread.layout.cells, spread.grid, spread.bins, spread.regime, weight)
    likelihood = ExactLikelihood(spread.layout, law.base.tree, spread.axes, spread.grid.log_widths, counts)
    objective = penalised(likelihood, spread.ridge)
    # from zero, without curvature: an optimiser of its own
    found = minimize(
        objective, np.zeros(spread.layout.size), method="BFGS", jac=True, options={"gtol": 1e-9, "maxiter": 500}
    )
    other = law.model.with_tables(spread.layout.tables(found.x, spread.axes))
    mine = law.refit(weight).means(None, CROSS)
    theirs = np.stack([m @ v for m, v in zip(other.marginals(CROSS), other.grid.values, strict=True)], axis=1)
    # the search ends where it gains 1e-4 nats in all at most: means are off by sqrt(2e-4) errors of 0.1 or less
    np.testing.assert_allclose(mine, theirs, atol=2e-3)


def test_a_regime_without_rows_is_as_the_ridge_has_it(law: GridLaw) -> None:
    # A's factor has the same rows as before
    weight = np.where(law.base.samples.regime == 2, 0.0, 1.0)
    without = law.refit(weight).means(None, CROSS)
    np.testing.assert_allclose(without[1], law.means(None, CROSS)[1], atol=0.1)
    np.testing.assert_allclose(without[2], without[0], atol=0.01)


def test_the_grid_goes_on_beyond_the_rows() -> None:
    rng, regime = np.random.default_rng(0), np.repeat([0, 1, 2], 1_000)
    samples = Samples(cross(), regime, rng.normal(np.array([0.0, 1.8, 1.8])[regime])[:, None])
    padded, ending = (float(GridRung(pad=pad).fit(samples).means(None, CROSS)[3, 0] - 3.6) for pad in (0.5, 0.0))
    # a normal law cut at the largest row, near 5, loses phi(1.4) / Phi(1.4) = 0.16
    assert ending < -0.1
    assert abs(padded) < abs(ending)


def test_padding_keeps_rows_in_their_bins_and_signs() -> None:
    x = np.column_stack([np.linspace(1.0, 5.0, 101), np.linspace(-2.0, 2.0, 101), np.arange(101) % 4])
    plain, padded = Grid.of(x, 10), Grid.of(x, 10, pad=0.5)
    assert padded.sizes[0] == 10 + 2 + 5  # down to 0: 1 of the range of 4, in bins near 0.4 wide
    assert padded.sizes[1] == 10 + 5 + 5
    assert padded.sizes[2] == 4  # values of their own
    assert padded.edges[0][1] > 0
    np.testing.assert_array_equal(
        padded.encode(x) - padded.encode(x).min(axis=0), plain.encode(x) - plain.encode(x).min(axis=0)
    )
    assert (np.diff(padded.widths[1][15:]) < 0).all()
    with pytest.raises(InputError, match="part of the range, 0 or more, got -1"):
        Grid.of(x, pad=-1)


def test_it_is_passed_over_in_words() -> None:
    five = Study.from_dict(
        {
            "interventions": {"A": [0, 1]},
            "variables": list("abcde"),
            "factors": [{"sigma": []}, {"x": ["a"], "sigma": ["A"]}],
            "train": ["0", "1"],
        }
    ).design
    samples = Samples(five, np.repeat([0, 1], 60), np.random.default_rng(0).normal(size=(120, 5)))
    assert "clique tables would have" in str(GridRung().unfit(samples))
    ladder = fit_ladder(samples, rungs.rungs_for("auto", samples), seed=0, replicates=2, repeats=1)
    assert "clique tables" in ladder.refused["grid"]
    assert "grid" not in ladder.rungs
    few = Samples(cross(), np.arange(3), np.arange(3.0)[:, None])
    assert GridRung().unfit(few) == "half of the regimes have 1 rows or fewer where a grid needs 8"
    with pytest.raises(InputError, match="the energy 'grid' cannot describe these rows: half of the regimes"):
        rungs.rungs_for("grid", few)


def test_a_slow_one_is_left_out_of_an_average_and_not_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = shifted(20)
    monkeypatch.setattr(rungs, "PATIENCE_WITH_GRIDS", 1e-6)
    kept, dropped = rungs.affordable(rungs.rungs_for("auto", samples), samples, None)
    assert "grid" not in [rung.name for rung in kept]
    assert "more than the 1e-06 s that it may take in an average without a time limit" in dropped["grid"]
    alone, none = rungs.affordable(rungs.rungs_for("grid", samples), samples, None)
    assert [rung.name for rung in alone] == ["grid"]
    assert none == {}


def test_of_slow_ones_the_quickest_stays_and_a_limit_given_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = shifted(20)
    monkeypatch.setattr(rungs, "PATIENCE", 1e-9)
    every = rungs.rungs_for("auto", samples)
    _, dropped = rungs.affordable(every, samples, None)
    possible = {rung.name for rung in every if rung.unfit(samples) is None}
    assert len(possible - set(dropped)) <= 2  # the quickest, and the grid, which has a patience of its own
    assert "more than the 1e-09 s that it may take in an average without a time limit" in dropped["splines"]
    given, none = rungs.affordable(every, samples, 1e6)
    assert [rung.name for rung in given] == [rung.name for rung in every]
    assert none == {}


def test_a_fit_takes_what_was_forecast_within_a_factor() -> None:
    samples = shifted(500, variables=2)
    begun = time.process_time()
    GridRung().fit(samples)
    spent = time.process_time() - begun
    told = slowness() * GridRung().forecast(samples).seconds
    assert told / 12 < spent < told * 12


def _study_and_table() -> tuple[Study, dict[str, Floats]]:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01"],
            "test": ["11"],
        }
    )
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], 100, axis=0).T
    return study, {"A": a, "B": b, "x": np.random.default_rng(3).normal(a - 0.5 * b)}


def test_files_and_sensitivity_take_it_by_name(tmp_path: Path) -> None:
    study, table = _study_and_table()
    alone = estimate_study(study, table, energy="grid", calibration=0)
    assert alone.energy == {"asked": "grid", "chosen": ["grid"]}
    model = FittedModel.fit(read_samples(study, table), energy="smooth")
    model.save(tmp_path / "model.npz")
    kept = FittedModel.load(tmp_path / "model.npz")
    found = estimate_study(study, table, model=kept)
    assert found.energy == {"asked": "grid", "chosen": ["grid"]}
    # one likelihood, by the ladder and by the file: optimisers end within 1e-3 nats of it
    np.testing.assert_allclose(found.mean, alone.mean, atol=0.05 * alone.se[0, 0])
    assert 0.3 < found.se[0, 0] / alone.se[0, 0] < 3
    with pytest.raises(InputError, match="fitted with the energy 'grid', not 'mlp'; leave out energy, or fit it"):
        estimate_study(study, table, model=kept, energy="mlp")
    (moved,) = estimate_study(study, table, energy="grid", calibration=0, sensitivity=0.2).sensitivity
    assert moved.curve.lower[-1] < alone.mean[0, 0] < moved.curve.upper[-1]
    other = estimate_study(study, table | {"y": table["x"]}, energy="grid", calibration=0, method="ifm2")
    assert other.energy == {"asked": "grid", "chosen": ["grid"]}


def test_one_start_is_enough_and_settings_are_said() -> None:
    samples = shifted(50)
    model = fit_density(samples, energy="smooth")
    report = model.report
    assert (report.energy, report.base, report.shift, report.tied) == ("smooth", 0.3, 10.0, True)
    assert len(report.starts) == 1
    two = fit_density(samples, energy="smooth", starts=2, seed=5)
    np.testing.assert_allclose(two.marginals(CROSS)[0], model.marginals(CROSS)[0], atol=1e-9)
