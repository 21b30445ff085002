"""Rows of data tables that name no treatment, and tables that name it in several columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow as pa
import pytest

from ifm_ident import InputError, Study, load
from ifm_learn.data.reading import read_samples
from tests.cli.running import run

MAPPING: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "variables": ["x"],
}
TABLE: dict[str, list[Any]] = {
    "A": [None, 1, 0, 0, None, 1, 1],
    "B": [None, 0, 1, 0, None, None, 1],
    "x": [9.0, 1.0, 2.0, 3.0, 9.0, 4.0, 5.0],
}


@pytest.mark.parametrize("make", [pandas.DataFrame, polars.DataFrame, pa.table, dict])
def test_rows_without_any_treatment_are_left_out(make: Any) -> None:
    samples = read_samples(Study.from_dict(MAPPING), make(TABLE))
    assert samples.x.ravel().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert samples.regime.tolist() == [1, 2, 0, 1]
    assert samples.ignored == 1
    assert [note.partition(": ")[2][:20] for note in samples.notes] == [
        "2 rows were skipped:",
        "1 empty cell was rea",
    ]


def test_a_baseline_that_is_only_blank_is_not_measured(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (tmp_path / "d.csv").write_text("A,B,x,y\n1,0,1,1\n1,0,2,2\n0,1,1,1\n0,1,2,3\n,,3,3\n,,4,3\n")
    (tmp_path / "s.yaml").write_text(
        "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"
        "train: [ctrl, A, B]\ndata: {file: d.csv, outcome: y}\nvariables: [x]\ntest: [A+B]\n"
    )
    with pytest.raises(
        InputError, match=r"training regime ctrl .* has no rows; .*; 2 rows were skipped: every cell"
    ):
        read_samples(load(tmp_path / "s.yaml"))
    status, out, err = run(capfdbinary, "estimate", str(tmp_path / "s.yaml"))
    assert (status, out) == (2, "")
    assert "2 rows were skipped" in err


def test_a_unit_or_value_that_is_missing_is_named_by_its_own_row() -> None:
    table = TABLE | {"x": [9.0, 1.0, 2.0, None, 9.0, 4.0, 5.0]}
    with pytest.raises(InputError, match="row 4: x is missing"):
        read_samples(Study.from_dict(MAPPING), table)
    with pytest.raises(InputError, match="row 4: m is missing"):
        read_samples(Study.from_dict(MAPPING), TABLE | {"m": ["a", "b", "c", None, "", "d", "e"]}, unit="m")


def test_two_columns_of_labels() -> None:
    table = {
        "p": ["ctrl", "A", None, "B", "A"],
        "q": [None, "ctrl", None, "", "B"],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0],
    }
    samples = read_samples(Study.from_dict(MAPPING), table, label=["p", "q"])
    assert samples.x.ravel().tolist() == [1.0, 2.0, 4.0]
    assert samples.regime.tolist() == [0, 1, 2]
    several = read_samples(
        Study.from_dict(MAPPING), table | {"y": [1, 2, 3, 4, 5]}, label=["p", "q"], outcomes="all"
    )
    assert several.outcomes == ("y",)
    with pytest.raises(InputError, match="the label column 'x' is a variable too"):
        read_samples(Study.from_dict(MAPPING), table, label=["p", "x"])
    with pytest.raises(InputError, match="'q' is the label column and the outcome"):
        read_samples(Study.from_dict(MAPPING), table, label=["p", "q"], outcome="q")


def test_the_data_name_the_training_regimes(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [f"{label},{x:.3f}" for label in ("B", "ctrl", "A", "A_B") for x in rng.normal(size=30)]
    (tmp_path / "d.csv").write_text("g,x\n" + "\n".join(rows) + "\n")
    mapping = MAPPING | {"train": "data", "data": {"file": "d.csv", "label": "g"}}
    study = Study.from_dict(mapping, tmp_path)
    assert read_samples(study).sizes.tolist() == [30, 30, 30, 30]
    assert read_samples(study).ignored == 0


def test_decimal_commas_are_named() -> None:
    with pytest.raises(
        InputError, match=r"row 2: x is '0,5', no finite number; write a decimal point, or correct it"
    ):
        read_samples(Study.from_dict(MAPPING), {"A": [0, 1, 0], "B": [0, 0, 1], "x": ["1", "0,5", "2"]})
