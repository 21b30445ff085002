"""`ifm estimate` and `ifm fit`: formats, refusals, a kept model, the comparison of methods."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from ifm_ident import load
from ifm_ident.errors import InputError
from ifm_learn.commands import estimate, fit
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.fitted import FittedModel
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.on_page import part
from ifm_learn.outcome.regressors import SmoothRegressor

STUDY: dict[str, Any] = {
    "name": "two arms",
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "variables": ["x1", "x2"],
    "factors": [
        {"x": ["x1"], "sigma": ["A"]},
        {"x": ["x1", "x2"], "sigma": ["B"]},
        {"x": ["x2"], "sigma": ["C"]},
    ],
    "train": ["ctrl", "A", "B"],
    "test": ["ctrl", "A", "A+B", "C"],
    "data": {"file": "cells.csv", "label": "cell", "outcome": "y"},
}


def write(folder: Path, cells: int = 200, **changes: object) -> Path:
    """Binary x1 and x2 whose log-odds add up; y = x1 + x2 + noise."""
    rng = np.random.default_rng(1)
    lines = ["cell,x1,x2,y"]
    for name in (*STUDY["train"], *changes.pop("besides", ())):  # type: ignore[misc]
        a, b = "A" in name, "B" in name
        x = rng.random((cells, 2)) < [0.3 + 0.4 * a, 0.6 - 0.3 * b]
        y = x.sum(axis=1) + 0.5 * rng.normal(size=cells)
        lines += [f"{name},{int(u)},{int(v)},{w:.6f}" for (u, v), w in zip(x, y, strict=True)]
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    path = folder / "study.json"
    path.write_text(json.dumps(STUDY | changes))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(estimate.command, [str(a) for a in arguments])


@pytest.fixture(autouse=True, scope="module")
def quick_fits() -> Iterator[None]:
    """Tables for the energies and no networks for y, exact for binary variables: a fit takes a blink."""

    def fit_tables(samples: Samples, seed: int = 0, energy: str = "mlp", **_: object) -> DensityModel:
        if energy == "smooth":
            return fit_density(samples, energy=energy, seed=seed)
        return fit_density(samples, energy="saturated", ridge=Ridge(0.01, 0.01), starts=1, seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ifm_learn.density.fitted.fit_density", fit_tables)
        patch.setattr("ifm_learn.estimation.comparison.fit_density", fit_tables)
        patch.setattr(SmoothRegressor, "_try_networks", lambda *_: None)
        yield


@cache
def outcome_of(*arguments: str) -> Result:
    """The command in a folder of its own, once for all tests."""
    folder = Path(tempfile.mkdtemp())
    try:
        return run(write(folder), *arguments)
    finally:
        shutil.rmtree(folder)


def test_json_follows_the_schema() -> None:
    result = outcome_of("--format", "json", "--seed", "3", "--alpha", "0.10")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert {key: found[key] for key in ("schema", "method", "seed", "alpha")} == {
        "schema": "ifm-estimate/1", "method": "ifm1", "seed": 3, "alpha": "0.10",
    }  # fmt: skip
    assert [entry["status"] for entry in found["results"]] == [
        "observed",
        "observed",
        "identified",
        "not_identified",
    ]
    assert found["results"][3] == {"regime": {"A": 0, "B": 0, "C": 1}, "status": "not_identified"}
    for entry, truth in zip(found["results"][:3], (0.9, 1.3, 1.0), strict=True):
        assert list(entry)[:8] == [
            "regime", "status", "mean", "se", "confidence", "prediction", "ess", "guarantee",
        ]  # fmt: skip
        assert entry["confidence"][0] < entry["mean"] < entry["confidence"][1]
        # sd of y 0.85, 160 rows or more effective: 4.5 errors
        assert abs(entry["mean"] - truth) < 0.3
        assert 0.02 < entry["se"] < 0.12
        assert entry["prediction"][0] < 0.2 < 1.5 < entry["prediction"][1]
    assert [entry["guarantee"] for entry in found["results"][:2]] == ["exact-ratio"] * 2
    assert found["results"][2]["guarantee"] in ("estimated-ratio", "asymptotic")
    assert (found["rows"], found["calibration"]) == (480, 120)


def test_csv_and_parquet_hold_what_json_holds(tmp_path: Path) -> None:
    study = write(tmp_path)
    options = ("--method", "balance", "--seed", "3")
    entries = json.loads(run(study, *options, "--format", "json").stdout)["results"]
    rows = list(csv.DictReader(io.StringIO(run(study, *options, "--format", "csv").stdout)))
    assert run(study, *options, "--format", "parquet", "-o", tmp_path / "e.parquet").exit_code == 0
    table = pq.read_table(tmp_path / "e.parquet")
    assert [row["regime"] for row in rows] == ["ctrl", "A", "A+B", "C"] == table["regime"].to_pylist()
    for entry, row, columns in zip(entries, rows, table.to_pylist(), strict=True):
        assert row["status"] == columns["status"] == entry["status"]
        assert columns["prediction_ess"] == entry.get("prediction_ess")
        assert row["prediction_ess"] == str(entry.get("prediction_ess", ""))
        if "mean" in entry:
            low, high = entry["confidence"]
            assert [float(row[c]) for c in ("mean", "confidence_low", "confidence_high")] == [
                entry["mean"],
                low,
                high,
            ]
            assert [columns[c] for c in ("mean", "confidence_low", "confidence_high")] == [
                entry["mean"],
                low,
                high,
            ]
        else:
            assert row["mean"] == ""
            assert columns["mean"] is None


def test_asymptotic_is_explained_by_few_rows_too(tmp_path: Path) -> None:
    # 8 calibration rows where alpha takes 19, and the effects are small: no want of overlap
    result = run(write(tmp_path, 40, test=["A+B"]), "--calibration", "0.066")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert "for many rows: too few rows were held out, or too few are like the regime" in said


def test_numbers_of_scaled_variables_say_their_unit_in_every_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cells = np.repeat(["ctrl", "A", "B"], 100)
    x1, x2 = rng.normal(20.0, 2.0, 300), rng.lognormal(3.0, 0.2, 300)
    lines = [f"{cell},{u},{v}" for cell, u, v in zip(cells, x1, x2, strict=True)]
    data = {"file": "scaled.csv", "label": "cell"}
    (tmp_path / "scaled.csv").write_text("\n".join(["cell,x1,x2", *lines]) + "\n")
    options = ("--method", "additive", "--test", "ctrl", "--calibration", "0", "--quiet")
    standard = f"(x1 - {x1.mean():.6g}) / {x1.std(ddof=1):.6g}"
    logs = f"(log x2 - {np.log(x2).mean():.6g}) / {np.log(x2).std(ddof=1):.6g}"
    for changes, units in (
        ({}, {}),
        ({"log": ["x2"]}, {"x2": "log x2"}),
        ({"log": ["x2"], "scale": "standard"}, {"x1": standard, "x2": logs}),
    ):
        study = write(tmp_path, data=data | changes)
        found = json.loads(run(study, *options, "--format", "json").stdout)
        assert found.get("units", {}) == units
        rows = list(csv.DictReader(io.StringIO(run(study, *options, "--format", "csv").stdout)))
        assert list(rows[0])[-4:] == ["unit", "flags", "support", "models"]
        assert {row["outcome"]: row["unit"] for row in rows if row["unit"]} == units
        assert run(study, *options, "--format", "parquet", "-o", tmp_path / "e.parquet", "--force").exit_code == 0
        table = pq.read_table(tmp_path / "e.parquet")
        assert table["unit"].to_pylist() == [units.get(name, "") for name in ("x1", "x2")]
        text = " ".join(run(study, *options).stdout.split())
        said = " and ".join(units.values())
        assert (f"scale: the numbers are of {said}, by `scale` and `log` of the data" in text) == bool(units)
        assert ("scale:" in text) == bool(units)
        estimates = estimate_study(load(study), method="additive", calibration=0.0)
        assert ("scale: the numbers are of" in repr(estimates)) == bool(units)
        assert ("<p>scale: the numbers are of" in estimates._repr_html_()) == bool(units)
        assert [estimates.unit(k) for k in range(2)] == [units.get(name, "") for name in ("x1", "x2")]
        shown = part(load(study), found, "e.json").rows
        assert [row[1] for row in shown] == [units.get(name, name) for name in ("x1", "x2")]
    # an outcome is never scaled
    raw = json.loads(run(write(tmp_path, data=STUDY["data"] | {"scale": "standard"}), "--format", "json").stdout)
    assert "units" not in raw


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    study = write(tmp_path)
    arguments = (study, "--format", "json", "--method", "dr", "--seed", "5")
    first = run(*arguments)
    assert first.stdout_bytes == run(*arguments, "--jobs", "2").stdout_bytes
    assert first.stdout_bytes != run(*arguments[:-1], "6").stdout_bytes


def test_the_table_has_its_context() -> None:
    found = outcome_of("--method", "ifm2").stdout
    assert "two arms: mean of y in 4 regimes by ifm2" in found
    assert "additive" in found.splitlines()[3]
    assert "not identified; x1 given x2" in found
    assert "formulas give the density of u given w" in " ".join(found.split())
    assert "effective sample size" in found
    assert "3 of 4 regimes estimated; 1 not identified" in found
    marked = outcome_of("--method", "additive").stdout
    assert "not identified*" in marked
    assert "given x2" not in marked
    assert "needs no identification" in marked


def test_without_an_outcome_every_variable_has_a_row() -> None:
    folder = Path(tempfile.mkdtemp())
    study = write(folder, data={"file": "cells.csv", "label": "cell"})
    found = json.loads(run(study, "--format", "json", "--method", "balance").stdout)["results"]
    assert [entry["outcome"] for entry in found] == ["x1", "x2"] * 4
    assert abs(found[0]["mean"] - 0.3) < 5 * 0.5 / math.sqrt(160)
    assert list(found[0])[:4] == ["regime", "outcome", "status", "mean"]
    shutil.rmtree(folder)


def test_prediction_intervals_can_be_left_out_and_levels_are_decimals() -> None:
    found = json.loads(outcome_of("--format", "json", "--calibration", "0", "--method", "ifm2").stdout)
    assert found["calibration"] == 0
    assert {entry.get("prediction") for entry in found["results"]} == {None}
    with pytest.raises(InputError, match="decimal between 0 and 1"):
        raise outcome_of("--alpha", "10%").exception or AssertionError


def test_a_kept_model_gives_the_same_estimates_and_is_guarded(tmp_path: Path) -> None:
    study, model = write(tmp_path), tmp_path / "model.npz"
    kept = CliRunner().invoke(fit.command, [str(study), "-o", str(model), "--seed", "2"])
    assert kept.exit_code == 0, kept.output
    assert "exact likelihood of 480 rows" in kept.stderr
    options = ("--method", "balance", "--seed", "2", "--format", "json")
    direct = run(study, *options, "--energy", "mlp")
    assert run(study, *options, "--model", model).stdout == direct.stdout
    assert CliRunner().invoke(fit.command, [str(study), "-o", str(model)]).exception is not None
    other = write(tmp_path, train=["ctrl", "A"])
    with pytest.raises(InputError, match="another design"):
        raise run(other, "--model", model).exception or AssertionError
    more = write(tmp_path, cells=201)
    with pytest.raises(InputError, match="other rows"):
        raise run(more, "--model", model).exception or AssertionError
    model.write_bytes(model.read_bytes()[:-50])
    with pytest.raises(InputError, match=r"damaged|not a fitted model"):
        raise run(more, "--model", model).exception or AssertionError
    assert run(more, "--model", model, "--calibration", "0.1").exit_code == 2


def test_bad_input_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    study = write(tmp_path)
    assert run(study, "--method", "ifm4").exit_code == 2
    out = tmp_path / "out.json"
    with pytest.raises(InputError, match="no column 'z'"):
        raise (
            run(write(tmp_path, data={"file": "cells.csv", "label": "cell", "outcome": "z"}), "-o", out).exception
            or AssertionError
        )
    assert not out.exists()
    out.touch()
    with pytest.raises(InputError, match="by `force`"):
        raise run(study, "-o", out).exception or AssertionError
    lonely = tmp_path / "lonely.csv"
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    lonely.write_text("\n".join([rows[0], *rows[1:20], *rows[201:220], rows[401]]))
    alone = run(write(tmp_path), "--data", lonely)
    said = " ".join(alone.stdout.split())
    assert "no intervals of units: B=1 (train[2]) has one row, and none is held out for them" in said


@pytest.mark.parametrize("method", ["ifm1", "dr", "blackbox", "additive"])
def test_one_row_tells_no_standard_error(tmp_path: Path, method: str) -> None:
    """Rows redrawn within a regime of one row are all the same: no error can be read off them, least of all 0."""
    study = write(tmp_path)
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    (tmp_path / "cells.csv").write_text("\n".join([rows[0], *rows[1:20], *rows[201:220], rows[401]]))
    arguments = (study, "--method", method, "--calibration", "0", "--test", "A+B", "--format", "json")
    found = json.loads(run(*arguments).stdout)
    entry = found["results"][0]
    assert (entry["se"], entry["confidence"]) == (None, None)
    assert math.isfinite(entry["mean"])
    assert any("train[2]" in text and "one row" in text for text in found["warnings"])


def test_a_regime_that_is_refused_has_no_number_at_all(tmp_path: Path) -> None:
    study = write(tmp_path)
    row = next(csv.DictReader(io.StringIO(run(study, "--test", "C", "--format", "csv").stdout)))
    assert {key: value for key, value in row.items() if value} == {
        "regime": "C", "outcome": "y", "status": "not_identified",
    }  # fmt: skip


def test_methods_are_compared_on_regimes_left_out(tmp_path: Path) -> None:
    study = write(tmp_path, besides=["A+B"], train=["ctrl", "A", "B", "A+B"])
    found = json.loads(run(study, "--compare", "--format", "json").stdout)
    assert (found["schema"], found["left_out"]) == ("ifm-comparison/1", ["ctrl", "A", "B", "A+B"])
    errors = {entry["method"]: entry["squared_error"] for entry in found["results"]}
    # four means of 200 rows each: without bias 0.005 to 0.03 by noise; the baseline's mean misses by up to 0.5 sd
    assert errors["ifm1"] < 0.04
    assert errors["balance"] < 0.04
    assert errors["control"] is None
    table = run(study, "--compare").stdout
    assert "methods on 4 training regimes left out" in table
    assert "control: the baseline regime is not among the training regimes" in table
    few = run(write(tmp_path), "--compare").stdout
    assert "Too few: no training regime stays identified" in few
    assert run(study, "--compare", "--method", "dr").exit_code == 2
    assert run(study, "--compare", "--format", "parquet").exit_code == 2
    assert run(study, "--compare", "--shrink").exit_code == 2
    assert found["energy"] == "auto"


def test_a_kept_average_gives_the_same_bytes_and_is_guarded(tmp_path: Path) -> None:
    study, path = write(tmp_path), tmp_path / "m.npz"
    made = CliRunner().invoke(fit.command, [str(study), "--energy", "auto", "-o", str(path), "--seed", "2"])
    assert made.exit_code == 0, made.output
    assert f"{path}: " in made.stderr
    assert "fitted to" in made.stderr
    fresh = run(study, "--seed", "2", "--effects", "--format", "json")
    assert run(study, "--model", path, "--effects", "--format", "json").stdout == fresh.stdout
    for told in (["--seed", "2"], ["--calibration", "0.1"], ["--time-limit", "9"]):
        refused = run(study, "--model", path, *told)
        assert refused.exit_code == 2
        assert "is told by the --model" in refused.stderr
    with pytest.raises(
        InputError, match="takes a density on a grid, and the model was fitted with the energy 'auto'"
    ):
        raise run(study, "--model", path, "--method", "ifm2").exception or AssertionError
    hasty = [str(study), "--time-limit", "1e-6", "-o", str(tmp_path / "n.npz"), "--energy"]
    for energy in ("auto", "grid"):
        refused = CliRunner().invoke(fit.command, [*hasty, energy])
        assert "no model fits the limits" in str(refused.exception)
    write(tmp_path, covariates=["cell"], data={"file": "cells.csv"})
    refused = CliRunner().invoke(fit.command, [str(study), "--energy", "normal", "-o", str(tmp_path / "n.npz")])
    assert refused.exit_code == 2
    assert "has no file of a model" in refused.stderr
    assert not (tmp_path / "n.npz").exists()


def test_what_is_fitted_and_what_it_takes_is_said_beforehand(tmp_path: Path) -> None:
    study, said = load(write(tmp_path)), list[str]()
    estimate_study(study, energy="linear", say=said.append)
    assert re.fullmatch(r"fitting linear: about [0-9.]+ s, [0-9.]+ (MB|GB)", said[0])
    estimate_study(study, say=said.append)
    assert said[-2].startswith("fitting ")
    assert "linear" in said[-2]
    assert said[-1].startswith("estimating by ")


def test_effects_are_not_dropped_from_a_format_in_silence_and_their_assumption_is_said(tmp_path: Path) -> None:
    study = write(tmp_path)
    for kind, option in itertools.product(("csv", "parquet", "h5ad"), (["--effects"], ["--half", "A"])):
        out = tmp_path / f"e.{kind}"
        refused = run(study, *option, "--format", kind, "-o", out)
        assert refused.exit_code == 2
        assert f"{option[0]} is written as table or json, not as {kind}" in refused.stderr
        assert not out.exists()
    said = " ".join(run(study, "--effects", "--energy", "linear").stdout.split())
    assert "two of the interventions of a regime never run, its synergy follows from the factors" in said
    joined = write(tmp_path, factors=[{"sigma": ["A", "B"]}, {"sigma": ["C"]}], test=["ctrl", "A", "B"])
    assert "Where no factor" not in run(joined, "--effects", "--energy", "linear").stdout


def test_what_needs_the_grid_says_so(tmp_path: Path) -> None:
    study = write(tmp_path)
    kept = CliRunner().invoke(fit.command, [str(study), "--energy", "grid", "-o", str(tmp_path / "m.npz")])
    assert kept.exit_code == 0, kept.output
    found = json.loads(run(study, "--model", tmp_path / "m.npz", "--format", "json").stdout)
    assert found["energy"] == {"asked": "grid", "chosen": ["grid"]}
    with pytest.raises(InputError, match="fitted with the energy 'grid', not 'mlp'"):
        raise run(study, "--model", tmp_path / "m.npz", "--energy", "mlp").exception or AssertionError
    model = FittedModel.fit(read_samples(load(study)))
    with pytest.raises(
        InputError, match="model takes a density on a grid, the energy 'grid' or 'mlp', not 'linear'"
    ):
        estimate_study(load(study), model=model, energy="linear")
