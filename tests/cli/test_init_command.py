"""`ifm init`: three commands from a table to an estimate, graphs, refusals, and nothing half-written."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from ifm_ident.study.study import load
from tests.cli.running import run

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture
def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty cells of each of six regimes; what a drug does is added to what the others do."""
    rng = np.random.default_rng(1)
    lines = ["perturbation,plate,x1,x2"]
    for label in ("DMSO", "A", "B", "C", "A+B", "B+C"):
        for k in range(40):
            x1 = rng.normal() + 2 * ("A" in label) - ("B" in label)
            lines.append(f"{label},{'pq'[k % 2]},{x1:.4f},{rng.normal() + 0.5 * x1 + ('C' in label):.4f}")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my cells.csv"
    path.write_text("\n".join(lines))
    return path


def test_the_last_lines_are_the_next_two_commands_and_they_work(screen: Path, capfdbinary: Capture) -> None:
    status, out, err = run(capfdbinary, "init", screen.name, "-o", "my study.yaml")
    assert (status, err) == (0, "")
    *_, second, third = out.splitlines()
    assert (second, third) == ("ifm identify 'my study.yaml'", "ifm estimate 'my study.yaml'")
    status, out, err = run(capfdbinary, *shlex.split(second)[1:])
    assert status == 0, err
    assert "2 of 2 unseen regimes are identified" in out
    status, out, err = run(capfdbinary, *shlex.split(third)[1:], "--format", "json", "--energy", "normal")
    assert status == 0, err
    found = {json.dumps(one["regime"]): one for one in json.loads(out)["results"] if one["outcome"] == "x1"}
    assert abs(found['{"A": 1, "B": 0, "C": 1}']["mean"] - 2) < 0.6


def test_without_output_the_study_alone_goes_to_standard_output(screen: Path, capfdbinary: Capture) -> None:
    status, out, err = run(capfdbinary, "init", screen.name)
    assert status == 0
    Path("s.yaml").write_text(out)
    assert len(load("s.yaml").design.train) == 6
    assert err.splitlines() == ["ifm identify study.yaml", "ifm estimate study.yaml"]
    assert run(capfdbinary, "init", screen.name, "--quiet") == (0, out, "")


def test_the_table_is_named_from_the_folder_of_the_study(screen: Path, capfdbinary: Capture) -> None:
    Path("deep").mkdir()
    assert run(capfdbinary, "init", screen.name, "-o", "deep/s.yaml")[0] == 0
    assert 'file: "../my cells.csv"' in Path("deep/s.yaml").read_text()
    assert run(capfdbinary, "identify", "deep/s.yaml")[0] == 0


def test_the_table_is_never_overwritten_and_nothing_is_half_written(screen: Path, capfdbinary: Capture) -> None:
    before = screen.read_bytes()
    status, _, err = run(capfdbinary, "init", screen.name, "-o", screen.name, "--force")
    assert status == 2
    assert screen.read_bytes() == before
    status, _, err = run(capfdbinary, "init", screen.name, "-o", "s.yaml", "--label", "well")
    assert status == 2
    assert "no column 'well'" in err
    assert not Path("s.yaml").exists()
    Path("s.yaml").write_text("mine")
    assert run(capfdbinary, "init", screen.name, "-o", "s.yaml")[0] == 2
    assert Path("s.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name a TABLE"),
        (("t.csv", "--from-graph", "g.txt"), "not both"),
        (("no.csv",), "there is no such file"),
        (("x.csv",), "the option --intervention"),
        (("c.csv",), "the option --control"),
        (("d.csv",), "the option --separator"),
        (("--from-graph", "g.txt", "--pairs"), "--pairs is for a table"),
        (("--from-graph", "g.txt", "--intervention", "Q"), "'Q' is no variable of the graph"),
    ],
)
def test_refusals_name_the_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Capture, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.csv").write_text("x\n0.5\n0.7\n")
    Path("c.csv").write_text("perturbation\nA\nB\n")
    Path("d.csv").write_text("perturbation\nctrl\nA\nA+B\n")
    Path("g.txt").write_text("dag { A -> B }")
    status, out, err = run(capfdbinary, "init", *arguments)
    assert (status, out) == (2, "")
    assert words in err


def test_a_separator_and_a_control_may_be_given(tmp_path: Path, capfdbinary: Capture) -> None:
    path = tmp_path / "t.csv"
    path.write_text("perturbation\nbuffer\nA\nA+B\n")
    given = ("--control", "buffer", "--separator", "+")
    assert run(capfdbinary, "init", str(path), *given, "-o", str(tmp_path / "s.yaml"))[0] == 0
    assert list(load(tmp_path / "s.yaml").model.position) == ["A", "B"]


def test_a_graph_gives_a_study(tmp_path: Path, capfdbinary: Capture) -> None:
    graph = nx.DiGraph([("sigma_A", "A"), ("A", "B"), ("do(B)", "B")])
    nx.write_graphml(graph, tmp_path / "g.graphml")
    status, out, _ = run(
        capfdbinary, "init", "--from-graph", str(tmp_path / "g.graphml"), "-o", str(tmp_path / "s.yaml")
    )
    assert status == 0
    assert out.splitlines() == [f"ifm identify {tmp_path / 's.yaml'}"]
    status, out, _ = run(capfdbinary, "identify", str(tmp_path / "s.yaml"))
    assert status == 0
    assert "p(sigma_A=1) p(do(B)=1) / p(ctrl)" in out


def test_a_column_left_out_is_said_on_standard_error(tmp_path: Path, capfdbinary: Capture) -> None:
    path = tmp_path / "t.csv"
    path.write_text("A,B,x\n" + "".join(f"{i % 2},{i // 2 % 2},{i * 0.37}\n" for i in range(20)) + "NA,0,1.3\n")
    out = str(tmp_path / "study.yaml")
    status, _, err = run(capfdbinary, "init", str(path), "-o", out)
    assert status == 0
    assert "warning: the column 'A' says states and is no intervention here" in err
    status, _, err = run(capfdbinary, "init", str(path), "-o", out, "--force", "--quiet")
    assert (status, err) == (0, "")
