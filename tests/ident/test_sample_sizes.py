"""Sample sizes: given by `samples`, else counted from the rows of `data` (docs/reference/study-file.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ifm_ident.commands.identify import command
from ifm_ident.errors import InputError
from ifm_ident.study.study import load

STUDY = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x"],
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["00", "10", "01", "10"],
    "test": ["11"],
}


def study_file(folder: Path, data: str, **more: object) -> Path:
    (folder / "cells.csv").write_text(data, encoding="utf-8")
    path = folder / "study.json"
    path.write_text(json.dumps({**STUDY, "data": {"file": "cells.csv", **more}}), encoding="utf-8")
    return path


def test_rows_are_counted_where_samples_are_absent(tmp_path: Path) -> None:
    path = study_file(tmp_path, "A,B,x\n0,0,1.5\n1,0,2\n1,0,3\n0,1,0\n1,1,9\n,1,7\n,,4\n")
    sizes = load(path).sample_sizes()
    assert sizes is not None
    # a row without any treatment counts nowhere, the repeat at its first index, and 11 is not in training
    assert sizes.tolist() == [1, 2, 2, 0]
    run = CliRunner().invoke(command, [str(path), "--objective", "variance"])
    assert run.exit_code == 0
    assert "[sum q^2/n = 2]" in run.stdout  # 1/2 + 1/2 + 1


def test_labels_are_counted_too(tmp_path: Path) -> None:
    path = study_file(tmp_path, "cell,guide,x\n1,ctrl,1\n2,A,1\n3,B,1\n4,B,1\n", label="guide")
    sizes = load(path).sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1, 1, 2, 0]


def test_a_study_without_either_has_no_sizes(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY), encoding="utf-8")
    assert load(path).sample_sizes() is None


def test_a_data_table_without_regimes_is_refused(tmp_path: Path) -> None:
    path = study_file(tmp_path, "cell,x\n1,1\n")
    with pytest.raises(InputError, match="no column is an intervention"):
        load(path).sample_sizes()


def test_a_repeat_does_not_count_the_samples_of_a_file_again(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("A,B,n\n0,0,100\n1,0,100\n0,1,100\n", encoding="utf-8")
    shared = {**STUDY, "factors": [{"sigma": []}], "samples": {"file": "n.csv"}}
    for train, sizes in ((["10", "01"], [100, 100]), (["10", "01", "10", "10"], [100, 100, 0, 0])):
        path = tmp_path / "study.json"
        path.write_text(json.dumps({**shared, "train": train}), encoding="utf-8")
        found = load(path).sample_sizes()
        assert found is not None
        assert found.tolist() == sizes
        run = CliRunner().invoke(command, [str(path), "--objective", "variance"])
        assert run.exit_code == 0
        assert "p(10)^(1/2) p(01)^(1/2)" in run.stdout
        assert "[sum q^2/n = 1/200]" in run.stdout
