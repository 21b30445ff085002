"""Density models: recovery of a known truth, refusals, files, and the spread of their sampling distribution."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Limits, NotIdentifiableError
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.fitted import FittedModel
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import layout_of
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.fit import RIDGES, FitProblem, choose_ridge, split_rows
from ifm_learn.fitting.fitted_energies import standard_units
from ifm_learn.fitting.report import FitWarning
from ifm_learn.ratios.formula import FormulaRatio
from tests.learn.grid_models import design, draw, log_mass, probabilities, random_tables, regimes

WEAK = Ridge(1e-3, 1e-3)


def simulated(name: str, sizes: list[int], n: int, seed: int = 0) -> tuple[Samples, list[np.ndarray]]:
    of = design(name)
    tables = random_tables(FactorCells.of(of), sizes, np.random.default_rng(seed))
    return draw(of, sizes, tables, n, np.random.default_rng([seed, n])), tables


@pytest.fixture(scope="module")
def fitted() -> tuple[DensityModel, Samples]:
    samples, _ = simulated("pair", [3, 3], 500)
    return fit_density(samples, starts=2), samples


@pytest.mark.parametrize(("name", "target"), [("pair", "11"), ("conditional", "111")])
def test_log_ratios_are_recovered_at_root_n(name: str, target: str) -> None:
    sizes = [3] * len(design(name).model.variables)
    errors = []
    for n in (400, 6400):
        squares = []
        for seed in range(4):
            samples, tables = simulated(name, sizes, n, seed)
            model = fit_density(samples, energy="saturated", ridge=WEAK, starts=1)
            wanted = regimes(target)
            truth = probabilities(model.cells, sizes, tables, wanted)[0]
            x = np.indices(sizes).reshape(len(sizes), -1).T.astype(float)
            found = model.log_potentials(x, wanted)[:, 0]
            gap = found - np.log(truth.ravel())
            gap -= (truth.ravel() * gap).sum()
            squares.append((truth.ravel() * gap**2).sum())
        errors.append(np.sqrt(np.mean(squares)))
    # 16 times the rows: a quarter of the error. The log of a ratio of two root mean squares of 4 replicates with
    # 4 effective parameters or more each has a standard deviation below sqrt(2 * 2 / (4 * 4) / 2) = 0.36; twice
    assert np.log(errors[0] / errors[1]) == pytest.approx(np.log(4), abs=0.72)
    assert errors[1] < 0.2


@pytest.mark.parametrize(("name", "target"), [("pair", "11"), ("conditional", "111")])
def test_formulas_agree_with_the_energies(name: str, target: str) -> None:
    sizes = [3] * len(design(name).model.variables)
    samples, _ = simulated(name, sizes, 300)
    model = fit_density(samples, energy="saturated", starts=1, ridge=WEAK)
    x = np.indices(sizes).reshape(len(sizes), -1).T.astype(float)
    gap = FormulaRatio(model.design, model).log_potentials(regimes(target), x) - model.log_potentials(
        x, regimes(target)
    )
    # docs/theory/joint.md and docs/theory/conditional.md: equal up to a constant; double precision after the fit
    assert np.ptp(gap) < 1e-9


def test_densities_marginals_and_draws_agree(fitted: tuple[DensityModel, Samples]) -> None:
    model, _ = fitted
    wanted = regimes("11", "00")
    x = np.indices((3, 3)).reshape(2, -1).T.astype(float)
    p = np.exp(model.log_potentials(x, wanted) - model.log_normalisers(wanted))
    np.testing.assert_allclose(p.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(model.marginals(wanted)[0], p.reshape(3, 3, 2).sum(axis=1).T, rtol=1e-10)
    drawn = model.sample(wanted, 20_000, np.random.default_rng(0))
    assert drawn.shape == (2, 20_000, 2)
    for r in range(2):
        share = np.bincount((3 * drawn[r, :, 0] + drawn[r, :, 1]).astype(int), minlength=9) / 20_000
        # 5 standard deviations of a share
        assert (np.abs(share - p[:, r]) < 5 * np.sqrt(p[:, r] / 20_000)).all()
    np.testing.assert_allclose(np.exp(model.log_densities(x)).sum(axis=0), 1.0, rtol=1e-12)


def test_widths_of_bins_make_densities() -> None:
    rng = np.random.default_rng(0)
    of = design("pair")
    regime = np.repeat([0, 1, 2], 3000)
    x = rng.normal(size=(9000, 2))
    x[:, 0] += regime == 1
    model = fit_density(Samples(of, regime, x), bins=12, starts=1, ridge=Ridge(1.0, 1.0))
    mean, middle = model.marginals(of.train)[0] @ model.grid.values[0], model.log_densities(x[:5])
    # the mean of 3,000 rows has a standard deviation of 0.018; the ridge pulls a little
    np.testing.assert_allclose(mean, [0.0, 1.0, 0.0], atol=0.1)
    assert middle.shape == (5, 3)


def test_unidentified_regimes_are_refused_with_their_certificate() -> None:
    samples, _ = simulated("loop", [2, 2, 2, 2], 50)
    model = fit_density(samples, energy="saturated", starts=1, ridge=WEAK)
    bad, x = regimes("000", "210"), samples.x[:3]
    for ask in (
        model.require,
        model.marginals,
        model.log_normalisers,
        lambda r: model.log_potentials(x, r),
        lambda r: model.sample(r, 2, np.random.default_rng(0)),
    ):
        with pytest.raises(NotIdentifiableError, match="A=2,B=1 is not identified") as error:
            ask(bad)
        assert error.value.certificate is not None
    with pytest.raises(InputError, match="2 interventions, the fitted model has 3; make the regimes from"):
        model.marginals(regimes("00"))
    wanted = "index 9 of intervention 'B' does not exist: 0 to 1 stand for 0 and 1; make the regimes from"
    with pytest.raises(InputError, match=wanted):
        model.marginals(regimes("000", "090"))
    with pytest.raises(InputError, match="give finite numbers, one column for each of the 4 variables"):
        model.log_densities(x[:, :2])


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    samples, _ = simulated("pair", [3, 3], 100)
    for name in ("a", "b"):
        fit_density(samples, seed=5, ridge=Ridge(0.3, 0.3)).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    one = fit_density(samples, seed=6, ridge=Ridge(0.3, 0.3))
    assert not np.array_equal(one.tables[0], DensityModel.load(tmp_path / "a").tables[0])


def test_files_bring_back_the_model(fitted: tuple[DensityModel, Samples], tmp_path: Path) -> None:
    model, samples = fitted
    path = tmp_path / "model.npz"
    model.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]
    again = DensityModel.load(path)
    assert again.report == model.report
    assert again.design.model == model.design.model
    np.testing.assert_array_equal(
        again.log_potentials(samples.x, regimes("11")), model.log_potentials(samples.x, regimes("11"))
    )
    drawn, same = (m.draws(2, np.random.default_rng(0))[1] for m in (model, again))
    for a, b in zip(drawn.tables, same.tables, strict=True):
        np.testing.assert_array_equal(a, b)
    custom = dataclasses.replace(model, spread=None)
    custom.save(path)
    with pytest.raises(InputError, match=r"refit to samples.bootstrap"):
        DensityModel.load(path).draws(1, np.random.default_rng(0))


def test_damaged_files_are_refused_in_words(fitted: tuple[DensityModel, Samples], tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    fitted[0].save(path)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (bytes(flipped), whole[: len(whole) // 2], b"", b"some text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"not a fitted model, or damaged|schema"):
            DensityModel.load(path)
        with pytest.raises(InputError) as refused:
            DensityModel.load(path)
        assert "pickle" not in str(refused.value)
    with pytest.raises(InputError, match="there is no such file"):
        DensityModel.load(tmp_path / "other.npz")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"starts": 0}, "starts is 0; give a whole number from 1"),
        ({"jobs": 0}, "jobs is 0"),
        ({"bins": 2.5}, "bins is 2.5"),
        ({"iterations": 0}, "iterations is 0"),
        ({"max_cells": -1}, "max_cells is -1"),
        ({"seed": -1}, "a seed is a whole number from 0"),
        ({"ridge": 0.3}, "give a Ridge"),
    ],
)
def test_numbers_out_of_range_are_refused(
    fitted: tuple[DensityModel, Samples], wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        fit_density(fitted[1], **wrong)
    with pytest.raises(InputError, match="the ridge's base is -1"):
        Ridge(-1, 0.3)


def test_tampered_files_are_refused_in_words(fitted: tuple[DensityModel, Samples], tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    fitted[0].save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}

    def changed(**other: object) -> None:
        np.savez(path, **{**arrays, **other})
        with pytest.raises(InputError):
            DensityModel.load(path)

    changed(table0=arrays["table0"][:-1])
    changed(table0=np.full_like(arrays["table0"], np.nan))
    changed(thetas=arrays["thetas"][:, :-1])
    changed(widths0=arrays["widths0"][:-1])
    changed(values0=arrays["values0"][::-1])
    changed(table0=np.array([object()]))  # needs pickle, which is never allowed
    changed(header=np.array("{"))
    header = json.loads(str(arrays["header"]))
    changed(header=np.array(json.dumps({**header, "schema": "ifm-density/9"})))
    changed(header=np.array(json.dumps({**header, "design": {**header["design"], "variables": ["x"]}})))
    del arrays["table1"]
    changed()
    assert zipfile.is_zipfile(path)


def _with(path: Path, arrays: dict[str, Any], **other: Any) -> None:
    """A model file with some arrays, or keys of the header, exchanged."""
    keys = {name: other.pop(name) for name in ("max_cells", "report") if name in other}
    header = json.loads(str(arrays["header"])) | keys
    np.savez(path, **{**arrays, "header": np.array(json.dumps(header)), **other})


def test_models_with_numbers_that_are_none_are_refused(
    fitted: tuple[DensityModel, Samples], tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    fitted[0].save(path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    report = json.loads(str(arrays["header"]))["report"]
    edges, table, widths = arrays["edges0"], arrays["table0"], arrays["widths0"]
    huge = np.where(np.arange(table.size).reshape(table.shape) == 0, 1e308, table)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"edges0": edges[::-1]}, "bins of a variable are not in order"),
        ({"edges0": np.where(np.isinf(edges), edges, np.nan)}, "edges0 holds what is no number"),
        ({"edges0": np.where(np.isinf(edges), 0.0, edges)}, "bins of a variable are not in order"),
        ({"edges0": edges.astype("f4")}, "edges0 holds what is no number"),
        ({"values0": np.full_like(arrays["values0"], np.nan)}, "values0 holds what is no number"),
        ({"values0": arrays["values0"] + 1e6}, "bins of a variable are not in order"),
        ({"widths0": -widths}, "bins of a variable are not in order"),
        ({"widths0": np.full_like(widths, np.inf)}, "bins of a variable are not in order"),
        ({"table0": huge}, "holds what is no log-density"),
        ({"table0": -np.inf * np.ones_like(table)}, "holds what is no log-density"),
        ({"max_cells": -5}, "max_cells is -5"),
        ({"max_cells": 1.5}, "max_cells is 1.5"),
        ({"max_cells": 10**18}, "the limit is cells="),
        ({"report": {**report, "rows": [1, -2, 3]}}, "rows of a regime is -2"),
        ({"report": {**report, "rows": [1]}}, "rows of 1 regimes where the design has 3"),
        ({"thetas": np.full_like(arrays["thetas"], np.nan)}, "thetas holds what is no number"),
        ({"regime": arrays["regime"] + 3}, "lies in no bin or regime"),
        ({"bins": arrays["bins"] + np.uint16(50)}, "lies in no bin or regime"),
        ({"regime": arrays["regime"][1:]}, "rows fitted to do not fit each other"),
        ({"shift": np.zeros(2), "unit": np.array([1.0, 0.0]), "log": np.zeros(2, bool)}, "or no unit"),
        ({"shift": np.zeros(3), "unit": np.ones(3), "log": np.zeros(3, bool)}, "does not fit the variables"),
        ({"more": np.zeros(3)}, "a model has no member 'more.npy'"),
        ({"header": np.array("[" * 100_000)}, "not a fitted model, or damaged"),
    ]
    for other, words in wrong:
        _with(path, arrays, **other)
        with pytest.raises(InputError, match=words):
            DensityModel.load(path)
    _with(path, arrays)
    DensityModel.load(path)


def test_archives_that_unfold_or_say_a_thing_twice_are_refused(
    fitted: tuple[DensityModel, Samples], tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    fitted[0].save(path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        table = file.read("table0.npy")
        size = sum(one.file_size for one in file.infolist())
    with Limits(file=size):
        DensityModel.load(path)
    with (
        Limits(file=size - 1),
        pytest.raises(InputError, match=rf"decompressed: {size:,} bytes; the limit is file="),
    ):
        DensityModel.load(path)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as file:
        file.writestr("table0.npy", table)
    with pytest.raises(InputError, match="a member is there twice"):
        DensityModel.load(path)
    # a head that speaks of a terabyte, in a member of some bytes
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as file:
        members = {one.filename: file.read(one) for one in file.infolist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in (members | {"table0.npy": head.getvalue() + b"\0" * 64}).items():
            file.writestr(name, data)
    with pytest.raises(InputError, match="does not fit its member of"):
        DensityModel.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(InputError, match="this is a named pipe"):
        DensityModel.load(path)


def test_the_account_of_rows_is_checked(fitted: tuple[DensityModel, Samples], tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    good = {"seed": 0, "calibration": 0.2, "digest": "0", "notes": []}
    for wrong in (
        {"seed": -1},
        {"seed": 1.5},
        {"calibration": float("nan")},
        {"calibration": 1},
        {"notes": "a"},
        {},
    ):
        fitted[0].save(path)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("rows.json", json.dumps({**good, **wrong}))
        if wrong:
            with pytest.raises(InputError, match="no account of the rows fitted to"):
                FittedModel.load(path)
        else:
            assert FittedModel.load(path).calibration == 0.2


def test_beyond_the_budget_pseudo_likelihood_is_used_and_said() -> None:
    samples, _ = simulated("pair", [3, 3], 200)
    with pytest.warns(FitWarning, match="pseudo-likelihood is used"):
        model = fit_density(samples, max_cells=5, starts=1)
    assert model.report.objective == "pseudo"
    assert not model.exact
    assert "by Gibbs sampling" in model.cost
    assert model.sample(regimes("11"), 10, np.random.default_rng(0)).shape == (1, 10, 2)
    with pytest.raises(InputError, match="need exact inference"):
        model.log_normalisers(regimes("11"))
    with pytest.raises(InputError, match="exact likelihood needs 9 entries"):
        fit_density(samples, objective="exact", max_cells=5)
    with pytest.raises(InputError, match="did you mean exact"):
        fit_density(samples, objective="exat")  # type: ignore[arg-type]


@pytest.mark.parametrize(("scale", "n", "strongest"), [(1.0, 300, True), (20.0, 300, False)])
def test_ridge_is_the_strongest_within_a_standard_error_of_the_best(scale: float, n: int, strongest: bool) -> None:
    of = design("pair")
    tables = [scale * table for table in random_tables(FactorCells.of(of), [3, 3], np.random.default_rng(0))]
    samples = draw(of, [3, 3], tables, n, np.random.default_rng([0, n]))
    cells, grid = FactorCells.of(samples.design), Grid.of(samples.x, 3)
    layout = layout_of(cells, "saturated", standard_units(samples.x).apply(samples.x))
    problem = FitProblem.of(samples, grid, layout, 0)
    ridge, tried = choose_ridge(problem, np.zeros(layout.size), 1, 200)
    assert [one[0] for one in tried] == list(RIDGES)
    # independently: the density of every row held out under the fit of each strength, its mean and standard error
    out = ~split_rows(samples, np.random.default_rng(0))
    part = samples.take(~out)
    models = [fit_density(part, energy="saturated", starts=1, ridge=Ridge(s, s, tied=False)) for s in RIDGES]
    rows = np.array([model.log_densities(samples.x)[np.arange(len(out)), samples.regime][out] for model in models])
    scores = np.array([one[2] for one in tried])
    np.testing.assert_allclose(scores - scores[0], rows.mean(axis=1) - rows[0].mean(), atol=1e-4)
    best = int(rows.mean(axis=1).argmax())
    near = rows.mean(axis=1) >= rows[best].mean() - rows[best].std() / np.sqrt(out.sum())
    assert ridge.base == ridge.shift == np.array(RIDGES)[near][-1]
    assert (ridge.base == RIDGES[-1]) is strongest


def test_numbers_that_are_no_counts(fitted: tuple[DensityModel, Samples]) -> None:
    with pytest.raises(InputError, match="n is -1; give a whole number from 1"):
        fitted[0].sample(regimes("11"), -1, np.random.default_rng(0))
    with pytest.raises(InputError, match="count is 0; give a whole number from 1"):
        fitted[0].draws(0, np.random.default_rng(0))


def test_a_model_says_what_it_is_and_costs(fitted: tuple[DensityModel, Samples]) -> None:
    model, samples = fitted
    assert repr(model) == "DensityModel(2 factors of 2 variables on a grid, mlp energies, 1,500 rows)"
    assert repr(samples) == "Samples(1,500 rows of 2 variables in 3 training regimes)"
    assert model.cost == "exact: a junction tree with 9 entries in 1 clique table, the largest 9"


def test_a_fit_reports_its_starts(fitted: tuple[DensityModel, Samples]) -> None:
    report = fitted[0].report
    assert report.converged
    assert len(report.starts) == 2
    assert report.disagreement is not None
    assert 0 <= report.disagreement < 0.05


def test_repeated_training_regimes_and_unused_interventions() -> None:
    of = design("pair")
    twice = dataclasses.replace(of, train=type(of.train).concatenate([of.train, of.train]))
    tables = random_tables(FactorCells.of(of), [2, 2], np.random.default_rng(0))
    samples = draw(of, [2, 2], tables, 200, np.random.default_rng(1))
    one = fit_density(samples, starts=1, ridge=WEAK)
    two = fit_density(Samples(twice, samples.regime, samples.x), starts=1, ridge=WEAK)
    np.testing.assert_array_equal(two.log_densities(samples.x[:4]), np.tile(one.log_densities(samples.x[:4]), 2))


@pytest.mark.parametrize("energy", ["saturated", pytest.param("mlp", marks=pytest.mark.slow)])
def test_draws_spread_like_refits(energy: Any) -> None:
    of, sizes, n = design("pair"), [2, 3], 500
    # mild tables, so that every cell has rows: linear errors mean nothing where a cell has none
    tables = [0.4 * table for table in random_tables(FactorCells.of(of), sizes, np.random.default_rng(3))]

    def probability(model: DensityModel) -> float:
        return float(model.marginals(regimes("11"))[1][0, 0])

    refits = [
        fit_density(draw(of, sizes, tables, n, np.random.default_rng([9, i])), energy=energy, ridge=WEAK, starts=1)
        for i in range(60)
    ]
    drawn = [probability(model) for model in refits[0].draws(200, np.random.default_rng(0))]
    spread = np.std([probability(model) for model in refits], ddof=1)
    # standard deviations of 60 and 200 values err by 9% and 5%, and one data set's Fisher information by about as
    # much as a standard deviation of 500 rows, 3%: three times 11%
    assert np.std(drawn, ddof=1) == pytest.approx(spread, rel=0.33)
    assert np.mean(drawn) == pytest.approx(probability(refits[0]), abs=4 * spread / np.sqrt(200) + spread**2)
    assert log_mass(refits[0].cells, sizes, tables, of.train).shape == (3, 2, 3)
