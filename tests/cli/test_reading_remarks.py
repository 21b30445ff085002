"""What the reader of a study is told on standard error of how tables were read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Ifm

STUDY = """\
interventions: {A: [0, 1], B: [0, 1], C: [0, 1]}
factors: [{sigma: [A]}, {sigma: [B]}]
train: {file: runs.csv}
test: [A+B, C]
"""
SKIPPED = "2 rows were skipped: every cell that could name an intervention is empty"
COMMANDS = (
    ["identify"],
    ["explain", "--regime", "A+B"],
    ["implications"],
    ["implications", "--aliases"],
    ["plan"],
    ["report"],
    ["explore"],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs.csv").write_text("A,B,C,yield\n0,0,,1\n1,0,,2\n0,1,0,3\n,,,\n,,,\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_tells_how_tables_were_read(folder: Path, ifm: Ifm, command: list[str]) -> None:
    name, *options = command
    status, out, err = ifm(name, str(folder / "study.yaml"), *options)
    assert status == 0
    lines = [line for line in err.splitlines() if line.startswith("warning: ")]
    path = folder / "runs.csv"
    assert lines[0] == f"warning: {path}: {SKIPPED}"
    assert lines[1] == f"warning: {path}: 2 empty cells were read as baseline"
    assert lines[2] == f"warning: {path}: the column 'yield' ignored: no intervention"
    assert lines[3].startswith("warning: the intervention in no factor: C; the model says that it changes nothing")
    assert len(lines) == 4
    assert "skipped" not in out
    if name != "explain":
        _, again, silent = ifm(name, str(folder / "study.yaml"), *options, "--quiet")
        assert "warning" not in silent
        assert again == out


def test_tables_of_options_are_told_too(folder: Path, ifm: Ifm) -> None:
    (folder / "test.csv").write_text("A,B,C\n1,1,0\n,,\n")
    spec = f"file:{folder / 'test.csv'}"
    status, out, err = ifm("identify", str(folder / "study.yaml"), "--test", spec, "--format", "json")
    assert status == 0
    assert len(json.loads(out)["results"]) == 1
    assert err.count(f"{folder / 'test.csv'}: 1 row was skipped") == 1
    assert err.count(SKIPPED) == 1


def test_rows_are_not_called_regimes(folder: Path, ifm: Ifm) -> None:
    (folder / "runs.csv").write_text("A,B,C\n0,0,0\n0,0,0\n1,0,0\n0,1,0\n0,1,0\n")
    study = str(folder / "study.yaml")
    for command in (["identify"], ["plan"], ["identify", "--format", "latex"], ["report"]):
        _, out, _ = ifm(command[0], study, *command[1:])
        assert "3 training regimes (5 rows)" in " ".join(out.split())
