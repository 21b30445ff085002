"""Several outcomes at once: read, tested, estimated by shared weights, and written with their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest

from ifm_ident import InputError, Study, load
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._several import SeveralOutcomes, shift_p_values
from ifm_learn.estimation.of_study import estimate_study
from ifm_learn.estimation.result import Estimates
from ifm_learn.estimation.write import json_lines, mapping, write_parquet

STUDY: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x1", "x2"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["00", "10", "01"],
    "test": ["11", "10"],
}
EFFECTS = np.array([[1.0, 0.0], [0.5, -0.5]])


def table(seed: int = 0, rows: int = 150, shift: float = 0.0) -> dict[str, Any]:
    """y1 and y2 are linear in x; y2 also moves by `shift` under B."""
    g = np.random.default_rng(seed)
    a, b = np.repeat([[0, 0], [1, 0], [0, 1]], rows, axis=0).T
    x = np.stack([a, b], axis=1) @ EFFECTS + g.normal(size=(len(a), 2))
    y = x @ np.array([[1.0, 0.5], [1.0, -1.0]]) + 0.5 * g.normal(size=(len(a), 2))
    return {
        "A": a, "B": b, "x1": x[:, 0], "x2": x[:, 1], "y1": y[:, 0], "y2": y[:, 1] + shift * b,
        "note": np.array(["n"] * len(a)),
    }  # fmt: skip


def study(**changes: Any) -> Study:
    return Study.from_dict(STUDY | changes)


def test_a_list_and_all_give_the_same_columns() -> None:
    rows = table()
    named = read_samples(study(), rows, outcomes=["y1", "y2"])
    every = read_samples(study(), rows, outcomes="all")
    assert named.outcomes == every.outcomes == ("y1", "y2")
    assert named.y is not None
    np.testing.assert_array_equal(named.y, np.stack([rows["y1"], rows["y2"]], axis=1))
    np.testing.assert_array_equal(named.y, every.y)


def test_all_takes_every_gene_that_has_no_other_part() -> None:
    cells = anndata.AnnData(
        np.arange(8.0).reshape(2, 4),
        obs=pandas.DataFrame({"label": ["ctrl", "A"], "depth": [1.0, 2.0]}, index=["c1", "c2"]),
        var=pandas.DataFrame(index=["x", "G1", "A", "G2"]),
    )
    one = Study.from_dict(
        {
            "interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}],
            "train": ["ctrl", "A"],
        }
    )  # fmt: skip
    found = read_samples(one, cells, label="label", outcomes="all")
    assert found.outcomes == ("G1", "G2")
    assert found.y is not None
    assert found.y.tolist() == [[1.0, 3.0], [5.0, 7.0]]


def test_a_csv_column_of_numbers_is_one_and_texts_are_not(tmp_path: Path) -> None:
    pandas.DataFrame(table()).to_csv(tmp_path / "cells.csv", index=False)
    text = """
interventions: {A: [0, 1], B: [0, 1]}
variables: [x1, x2]
factors: [{sigma: [A]}, {sigma: [B]}]
train: ["00", "10", "01"]
data: {file: cells.csv, outcomes: all}
"""
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    assert read_samples(load(tmp_path / "study.yaml")).outcomes == ("y1", "y2")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"outcome": "y1", "outcomes": ["y2"]}, "give one of the two keys"),
        ({"outcomes": []}, "an empty list"),
        ({"outcomes": "some"}, "all or a list"),
        ({"outcomes": ["y1", "y1"]}, "listed twice"),
        ({"outcomes": ["x1"]}, "'x1' is a variable too"),
        ({"outcomes": ["A"]}, "'A' is an intervention too"),
        ({"outcomes": ["m"], "unit": "m"}, "'m' is the column of units too"),
    ],
)
def test_what_cannot_be_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_samples(study(data={"file": "cells.csv", **data}), table())


def estimated(**changes: Any) -> Estimates:
    options: dict[str, Any] = {"energy": "normal", "outcomes": ["y1", "y2"]} | changes
    return estimate_study(study(), options.pop("data", table()), **options)


def test_means_are_least_squares_of_the_regimes_means() -> None:
    rows = table()
    found = estimated(calibration=0.0)
    y, where = np.stack([rows["y1"], rows["y2"]], axis=1), 2 * rows["A"] + rows["B"]
    mean = [y[where == k].mean(axis=0) for k in range(3)]  # of 00, 01, 10
    np.testing.assert_allclose(found.mean, [mean[1] + mean[2] - mean[0], mean[2]], atol=1e-9)
    truth = (EFFECTS[0] + EFFECTS[1]) @ np.array([[1.0, 0.5], [1.0, -1.0]])
    assert ((found.confidence_low[0] < truth) & (truth < found.confidence_high[0])).all()
    assert any("several outcomes share" in warning for warning in found.warnings)


def test_files_have_a_row_for_each_regime_and_outcome(tmp_path: Path) -> None:
    found = estimated()
    entries = mapping(found)["results"]
    assert [one["outcome"] for one in entries] == ["y1", "y2", "y1", "y2"]
    assert '"outcome": "y2"' in "\n".join(json_lines(found))
    with open(tmp_path / "out.parquet", "wb") as stream:
        write_parquet(stream, found)
    assert pq.read_table(tmp_path / "out.parquet").column("outcome").to_pylist() == ["y1", "y2"] * 2
    assert not np.isnan(found.prediction_low).any()


@pytest.mark.parametrize("energy", ["linear", "auto"])
def test_an_outcome_that_shifts_is_flagged_and_followed(energy: str) -> None:
    found = estimated(data=table(shift=1.0), energy=energy)
    assert ["outcome_shifts" in found.flags[0][k] for k in range(2)] == [False, True]
    if energy == "auto":
        truth = (EFFECTS[0] + EFFECTS[1]) @ [0.5, -1.0] + 1.0
        assert found.confidence_low[0, 1] < truth < found.confidence_high[0, 1]
        assert dict(found.models[0][1]) == {"normal": 1.0}


def test_effects_are_of_every_outcome() -> None:
    found = estimated(data=table(shift=1.0), energy="auto", effects="additive")
    assert all("synergy" in found.effects[0][k] for k in range(2))


def test_the_test_is_of_its_level_and_keeps_units_whole() -> None:
    design, g = study().design, np.random.default_rng(3)
    regime = np.repeat([0, 1, 2], 200)
    x = g.normal(size=(600, 2)) + regime[:, None]
    y = np.square(x) @ g.normal(size=(2, 500)) + g.normal(size=(600, 500))
    names = tuple(f"y{k}" for k in range(500))
    p_values = shift_p_values(Samples(design, regime, x, y, outcomes=names))
    assert float((p_values < 0.05).mean()) <= 0.06
    unit = np.arange(600) // 20
    moved = y + 2 * g.normal(size=(30, 500))[unit]
    rows = Samples(design, regime, x, moved, outcomes=names, unit=unit)
    assert float((shift_p_values(rows) < 0.05).mean()) < 0.1
    assert not SeveralOutcomes.of(rows, 0, widened=False).shifts.any()


@pytest.mark.parametrize(
    "options",
    [
        {"method": "dr"},
        {"method": "ifm2", "energy": "mlp"},
        {"method": "dag"},
        {"sensitivity": 0.5, "energy": "mlp"},
    ],
)
def test_what_takes_one_outcome_says_so(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="outcome"):
        estimated(**options)


def test_methods_that_are_linear_in_means_take_several() -> None:
    assert np.isfinite(estimated(method="additive").mean).all()
    assert np.isfinite(estimated(method="balance", energy="linear").mean).all()
