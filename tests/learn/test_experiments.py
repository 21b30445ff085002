"""The semi-synthetic experiments end to end on a small simulated chain; no real data."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from ifm_ident import InputError, NotIdentifiableError, Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.experiments._folder import Folder
from ifm_learn.experiments.methods import fit_shared
from ifm_learn.experiments.problems import draw_problems
from ifm_learn.experiments.protocol import METHODS, Protocol
from ifm_learn.experiments.published_fit import fit_published
from ifm_learn.experiments.read import read_results
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.run import run_experiment
from ifm_learn.experiments.truths import draw_training, fit_truth
from ifm_learn.experiments.write import write_all

SMALL = Protocol(rows=400, baseline_rows=800, truth_draws=4_000, draws=500, bins=4, starts=1)
COMMAND = "ifm reproduce sachs --problems 2"
CHEAP = dataclasses.replace(SMALL, truth="dag", outcome="trees", methods=("additive", "dag"))


@pytest.fixture(scope="module")
def real() -> Samples:
    """A chain u -> v -> w with one intervention on each: stands for the real data."""
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": ["u", "v", "w"],
            "factors": [
                {"x": ["u"], "sigma": ["A"]},
                {"x": ["v", "u"], "sigma": ["B"]},
                {"x": ["w", "v"], "sigma": ["C"]},
            ],
            "train": ["ctrl", "A", "B", "C"],
        }
    )
    rng = np.random.default_rng(0)
    regime = np.repeat(np.arange(4), 250)
    u = rng.normal(size=1000) + (regime == 1)
    v = 0.8 * u + 0.6 * rng.normal(size=1000) - (regime == 2)
    w = np.tanh(v) + 0.5 * rng.normal(size=1000) + (regime == 3)
    return Samples(study.design, regime, np.column_stack([u, v, w]))


@pytest.fixture(scope="module")
def every() -> Regimes:
    return Regimes.from_codes(np.array(list(np.ndindex(2, 2, 2))))


@pytest.fixture(scope="module")
def cheap(real: Samples, every: Regimes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    path = tmp_path_factory.mktemp("experiments") / "whole"
    return path, run_experiment(real, every, CHEAP, 4, path)


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def stopping_after(count: int) -> Any:
    """Progress that is interrupted once `count` problems are done, as by Ctrl-C."""

    def watch(items: Iterable[Any], total: int) -> Iterator[Any]:
        for done, item in enumerate(items):
            if done == count:
                raise KeyboardInterrupt
            yield item

    return watch


def test_an_interrupted_run_continues_to_the_same_bytes(
    real: Samples, every: Regimes, cheap: tuple[Path, Results], tmp_path: Path
) -> None:
    path = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        run_experiment(real, every, CHEAP, 4, path, watch=stopping_after(2))
    assert Folder(path).finished() == [0, 1]
    kept = contents(path)
    run_experiment(real, every, CHEAP, 4, path)
    assert contents(path) == contents(cheap[0])
    assert kept.items() <= contents(path).items()


def test_more_problems_are_added_to_a_folder(
    real: Samples, every: Regimes, cheap: tuple[Path, Results], tmp_path: Path
) -> None:
    path = tmp_path / "grown"
    first = run_experiment(real, every, CHEAP, 1, path)
    assert first.truth.shape == (1, 4)
    grown = run_experiment(real, every, CHEAP, 4, path)
    assert contents(path) == contents(cheap[0])
    np.testing.assert_array_equal(grown.truth, cheap[1].truth)


def test_processes_change_nothing(
    real: Samples, every: Regimes, cheap: tuple[Path, Results], tmp_path: Path
) -> None:
    run_experiment(real, every, CHEAP, 4, tmp_path / "parallel", jobs=2)
    assert contents(tmp_path / "parallel") == contents(cheap[0])


def test_processes_share_the_fitted_density(full: Results, real: Samples, every: Regimes, full_path: Path) -> None:
    for number in (0, 1):
        (full_path / "problems" / f"{number:04d}.json").unlink()
    again = run_experiment(real, every, SMALL, 2, full_path, jobs=2)
    for method in METHODS:
        np.testing.assert_array_equal(again.estimates[method], full.estimates[method])


def test_a_finished_folder_is_only_read(real: Samples, every: Regimes, cheap: tuple[Path, Results]) -> None:
    said: list[str] = []
    again = run_experiment(real, every, CHEAP, 4, cheap[0], say=said.append)
    assert said == []
    np.testing.assert_array_equal(again.estimates["dag"], cheap[1].estimates["dag"])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"seed": 1}, "with seed 0, this one has 1"), ({"truth": "ifm"}, 'with truth "dag", this one has "ifm"')],
)
def test_a_folder_of_other_settings_is_refused(
    real: Samples, every: Regimes, cheap: tuple[Path, Results], change: dict[str, Any], words: str
) -> None:
    before = contents(cheap[0])
    with pytest.raises(InputError, match=words):
        run_experiment(real, every, dataclasses.replace(CHEAP, **change), 4, cheap[0])
    assert contents(cheap[0]) == before


def test_a_folder_of_other_data_or_of_other_things_is_refused(
    real: Samples, every: Regimes, cheap: tuple[Path, Results], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="with data "):
        run_experiment(dataclasses.replace(real, x=real.x + 1), every, CHEAP, 4, cheap[0])
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="holds no experiment"):
        run_experiment(real, every, CHEAP, 4, tmp_path)
    assert contents(tmp_path) == {"mine.txt": b"precious"}


def test_what_a_killed_run_left_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "problems").mkdir()
    (tmp_path / ".settings.json.unfinished.tmp").write_text("{")
    assert Folder.open(tmp_path, {"seed": 0}).finished() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["problems", "settings.json"]


def test_a_damaged_problem_is_named(real: Samples, every: Regimes, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run_experiment(real, every, CHEAP, 1, path)
    (path / "problems" / "0000.json").write_text('{"mean": [')
    with pytest.raises(InputError, match=r"0000\.json is damaged; remove it"):
        run_experiment(real, every, CHEAP, 1, path)


def test_nothing_to_predict_no_problem_and_no_baseline_are_refused(
    real: Samples, every: Regimes, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="every regime asked about was trained"):
        run_experiment(real, real.design.train, CHEAP, 1, tmp_path / "a")
    with pytest.raises(InputError, match="one problem or more, got 0"):
        run_experiment(real, every, CHEAP, 0, tmp_path / "b")
    design = dataclasses.replace(real.design, train=real.design.train.take(np.array([1, 2, 3])))
    rows = real.regime > 0
    without = Samples(design, real.regime[rows] - 1, real.x[rows])
    with pytest.raises(InputError, match="baseline is no training regime"):
        run_experiment(without, every, CHEAP, 1, tmp_path / "c")


def test_what_is_not_identified_is_refused(real: Samples, every: Regimes, tmp_path: Path) -> None:
    design = dataclasses.replace(real.design, train=real.design.train.take(np.array([0, 1, 2])))
    rows = real.regime < 3
    less = Samples(design, real.regime[rows], real.x[rows])
    with pytest.raises(NotIdentifiableError) as refused:
        run_experiment(less, every, dataclasses.replace(SMALL, methods=("ifm1",)), 1, tmp_path / "run")
    assert refused.value.certificate is not None


def test_problems_are_as_the_protocol_says(real: Samples, every: Regimes) -> None:
    """Signal shares within 0.6 to 0.8 at baseline, means and variances those of fresh draws of Y."""
    truth = fit_truth(real, CHEAP)
    drawn = draw_problems(truth, every, [0, 5], 20_000, seed=3)
    x = truth.sample(every, 20_000, np.random.default_rng(9))
    for problem in drawn:
        share = float(np.var(x[0] @ problem.coefficients))
        # a variance of 20,000 rows has a relative standard error of about sqrt(2 / 20,000) = 0.01
        assert 0.6 * 0.95 < share < 0.8 * 1.05
        assert share == pytest.approx(1 - problem.noise, rel=0.05)
        for r in range(len(every)):
            y = problem.outcomes(x[r], seed=r)
            # two means of 20,000 rows with variance at most 1.4 differ by sd 0.012; five of them
            assert problem.mean[r] == pytest.approx(y.mean(), abs=0.06)
            assert problem.variance[r] == pytest.approx(y.var(), rel=0.08)
    alone = draw_problems(truth, every, [5], 20_000, seed=3)[0]
    np.testing.assert_array_equal(alone.coefficients, drawn[1].coefficients)
    np.testing.assert_array_equal(alone.mean, drawn[1].mean)


def test_training_rows_are_of_the_truth_and_their_number_is_asked(real: Samples) -> None:
    training = draw_training(fit_truth(real, CHEAP), real.design, CHEAP)
    assert training.sizes.tolist() == [800, 400, 400, 400]
    for train in range(4):
        # means of 400 rows or more with sd about 1.1 against those of 250: five standard errors of 0.11
        np.testing.assert_allclose(training.of(train).mean(axis=0), real.of(train).mean(axis=0), atol=0.55)


def test_the_published_fit_is_a_smooth_model_of_the_rows(real: Samples, every: Regimes) -> None:
    """Its marginals are near those of the rows, though it maximises no likelihood; same seed, same tables."""
    model = fit_published(real, 8, seed=0)
    train = real.design.train
    for v, marginals in enumerate(model.marginals(train)):
        for r in range(len(train)):
            shares = np.bincount(model.grid.encode(real.of(r))[:, v], minlength=marginals.shape[1]) / 250
            # shares of 250 rows in 8 bins are off by a total variation of about 0.06; the steps' noise adds to it
            assert np.abs(shares - marginals[r]).sum() / 2 < 0.3
    again, other = fit_published(real, 8, seed=0), fit_published(real, 8, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(model.tables, again.tables, strict=True))
    assert not np.array_equal(model.tables[0], other.tables[0])
    assert not model.report.converged
    assert model.report.base == 0
    assert np.ptp(model.sample(every, 2_000, np.random.default_rng(0)).mean(axis=1), axis=0).min() > 0.5


@pytest.fixture(scope="module")
def full_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiments") / "full"


@pytest.fixture(scope="module")
def full(real: Samples, every: Regimes, full_path: Path) -> Results:
    """All methods on an IFM truth."""
    return run_experiment(real, every, SMALL, 2, full_path)


def test_every_method_answers_and_the_right_model_answers_well(full: Results) -> None:
    assert full.methods == METHODS
    assert full.regimes == ("B=1,C=1", "A=1,C=1", "A=1,B=1", "A=1,B=1,C=1")
    for method in full.methods:
        assert np.isfinite(full.estimates[method]).all(), method
        # joint additive takes v and w as set by their interventions, which here only shift them
        assert full.prmse(method).max() < (1.0 if method == "joint-additive" else 0.1), method
    # three arms of 400 rows err by 3/400 of the outcome's variance together, a chi-squared of three degrees of
    # freedom: one in 1,000 is 5.4 times its mean
    assert full.prmse("ifm1").mean() < 5.4 * 3 / 400
    # the regression alone: 2,000 training rows, noise variance 0.3, and 500 draws a mean
    assert full.prmse("oracle").mean() < 0.01
    assert any("effective sample size" in note for note in full.notes)


def test_files_hold_settings_estimates_and_scores(full: Results, tmp_path: Path) -> None:
    written = write_all({"ifm": full}, "sachs", tmp_path, COMMAND)
    names = [
        "results.parquet",
        "scores.parquet",
        "results.json",
        "table.md",
        "figure.png",
        "figure.svg",
        "report.html",
    ]
    assert [path.name for path in written] == names
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.num_rows == 2 * 4 * len(METHODS)
    settings = json.loads(table.schema.metadata[b"settings"])["ifm"]
    assert settings["seed"] == 0
    assert settings["problems"] == 2
    rows = table.filter((np.array(table["method"]) == "ifm2") & (np.array(table["problem"]) == 1)).to_pylist()
    assert [row["estimate"] for row in rows] == full.estimates["ifm2"][1].tolist()
    assert [row["mean"] for row in rows] == full.truth[1].tolist()
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["schema"] == "ifm-reproduction/1"
    by_name = {entry["method"]: entry for entry in record["results"][0]["methods"]}
    assert by_name["ifm1"]["prmse"]["mean"] == pytest.approx(full.prmse("ifm1").mean())
    assert "| IFM1 | " in (tmp_path / "table.md").read_text()
    again = read_results(tmp_path)["ifm"]
    assert (again.settings, again.regimes, again.notes) == (full.settings, full.regimes, full.notes)
    np.testing.assert_array_equal(again.truth, full.truth)
    np.testing.assert_array_equal(again.prmse("dr"), full.prmse("dr"))
    before = contents(tmp_path)
    write_all({"ifm": full}, "sachs", tmp_path, COMMAND)
    assert contents(tmp_path) == before


def test_without_methods_that_need_it_no_density_is_fitted(real: Samples, every: Regimes) -> None:
    def refused(rows: Samples) -> DensityModel:
        raise AssertionError("a density was fitted")

    cheap = dataclasses.replace(CHEAP, methods=("additive", "blackbox"))
    shared = fit_shared(real, every.take(slice(6, 8)), cheap, fit_truth(real, CHEAP), refused)
    assert shared.density is None
    assert shared.draws == {}


def test_same_seed_same_bytes_fits_and_all(real: Samples, every: Regimes, tmp_path: Path) -> None:
    """Also the files of the models, which took different times to fit; iterations are those asked for."""
    short = dataclasses.replace(SMALL, methods=("ifm1",), outcome="trees", iterations=7)
    for name in ("a", "b"):
        run_experiment(real, every, short, 1, tmp_path / name)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    report = DensityModel.load(tmp_path / "a" / "density.npz").report
    assert max(start.iterations for start in report.starts) <= 7
    with pytest.raises(InputError, match="iterations is 0; give 1 or more"):
        dataclasses.replace(SMALL, iterations=0)


def test_fits_are_kept_and_not_made_again(
    real: Samples, every: Regimes, full: Results, full_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One problem more on top of a finished run reads truth.npz and density.npz."""
    before = {name: (full_path / name).read_bytes() for name in ("truth.npz", "density.npz", "training.npz")}

    def refused(*_: object, **__: object) -> DensityModel:
        raise AssertionError("a density was fitted again")

    monkeypatch.setattr("ifm_learn.experiments.run.fit_density", refused)
    monkeypatch.setattr("ifm_learn.experiments.truths.fit_published", refused)
    more = run_experiment(real, every, SMALL, 3, full_path)
    assert before == {name: (full_path / name).read_bytes() for name in before}
    np.testing.assert_array_equal(more.estimates["ifm1"][:2], full.estimates["ifm1"])
