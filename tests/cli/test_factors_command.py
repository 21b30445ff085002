"""`ifm factors`: formats, the study written anew, refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from ifm_ident import load
from tests.cli.running import run

pytest.importorskip("sklearn")

STUDY = """\
# two drugs
name: two arms
interventions: {A: [0, 1], B: [0, 1], C: [0, 1]}
variables: [x1, x2]
factors:
  - {name: fA, sigma: [A]}  # known
  - {name: fB, sigma: [B]}
  - {name: fC, sigma: [C]}
train: [ctrl, A, B, C, A+B]
data: {file: cells.csv, label: cell}
"""


def write(folder: Path, extra: float = 2.0, rows: int = 80) -> Path:
    rng = np.random.default_rng(1)
    lines = ["cell,x1,x2"]
    for name, a, b, c in (("ctrl", 0, 0, 0), ("A", 1, 0, 0), ("B", 0, 1, 0), ("C", 0, 0, 1), ("A+B", 1, 1, 0)):
        x = rng.normal(size=(rows, 2)) + np.array([0.8 * a - 0.8 * b + extra * a * b, 0.8 * b + 0.8 * c - 0.5 * a])
        lines += [f"{name},{u:.6f},{v:.6f}" for u, v in x]
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml"


def test_the_study_is_written_with_the_factors_found_and_nothing_else_changed(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    study, out = write(tmp_path), tmp_path / "chosen.yaml"
    status, said, err = run(
        capfdbinary, "factors", str(study), "--resamples", "2", "--keep", "-o", str(out), "--format", "json"
    )
    assert status == 0, err
    found = json.loads(said)
    assert found["schema"] == "ifm-factors/1"
    assert found["changed"]
    before, after = load(study), load(out)
    assert after.model.factors[:3] == before.model.factors
    assert [(f.x, f.sigma) for f in after.model.factors[3:]] == [(("x1",), ("A", "B"))]
    assert [{"name": f.name, "x": [*f.x], "sigma": [*f.sigma]} for f in after.model.factors] == found["factors"]
    assert list(after.design.train) == list(before.design.train)
    assert after.data == before.data
    left = [line for line in out.read_text().splitlines() if line not in STUDY.splitlines()]
    assert left == ["  - {name: A_B, x: [x1], sigma: [A, B]}"]
    assert "forecast" not in err
    assert "candidates to test" in err
    assert "chosen.yaml: the study with the chosen factors" in err
    assert list(found["results"][0]) == [
        "sigma", "x", "present", "verdict", "chosen", "gain", "se", "p_value", "p_adjusted", "stability", "effect",
        "shift", "why", "mixed_with", "regimes", "least",
    ]  # fmt: skip
    untold = [one for one in found["results"] if one["verdict"] == "not told"]
    assert {(*one["sigma"], *one["regimes"]) for one in untold} == {("A", "C", "A+C"), ("B", "C", "B+C")}


def test_the_study_itself_is_never_written_over(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    study = write(tmp_path)
    (tmp_path / "link.yaml").symlink_to(study)
    for out in (study, tmp_path / "link.yaml", tmp_path / "cells.csv"):
        status, said, err = run(capfdbinary, "factors", str(study), "-o", str(out), "--force")
        assert (status, said) == (2, "")
        assert "this run reads it" in err
    assert study.read_text() == STUDY
    other = tmp_path / "other"
    other.mkdir()
    status, said, err = run(capfdbinary, "factors", str(study), "-o", str(other / "o.yaml"))
    assert (status, said) == (2, "")
    assert "write it beside" in err
    assert not [*other.iterdir()]


def test_text_and_csv_hold_the_same_candidates_and_candidates_can_be_listed(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    study = write(tmp_path)
    listed = tmp_path / "c.yaml"
    listed.write_text("candidates:\n  - {sigma: [B, A], x: [x1]}\n  - {sigma: [A, C]}\n")
    words = ("factors", str(study), "--candidates", str(listed), "--resamples", "0", "--quiet")
    status, said, err = run(capfdbinary, *words, "--format", "csv")
    assert (status, err) == (0, "")
    rows = [*csv.DictReader(io.StringIO(said))]
    assert [(r["sigma"], r["x"], r["verdict"]) for r in rows[:2]] == [
        ("A B", "x1", "added"), ("A C", "x1 x2", "not told"),
    ]  # fmt: skip
    status, said, _ = run(capfdbinary, *words)
    assert "A and B on x1: +" in said
    assert "Measure A+C to tell" in " ".join(said.split())
    assert "hold units out" in " ".join(said.split())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--level", "0"), "level|alpha"),
        (("--pairs", "--candidates", "c.yaml"), "--pairs and --candidates: give one of the two"),
        (("--candidates", "none.yaml"), "none.yaml: there is no such file"),
        (("--candidates", "c.yaml"), "c.yaml: candidates[0]: there is no intervention 'Q'; legal: A, B, C"),
        (("--time-limit", "0.000001"), "more than the 1e-06 s allowed"),
        (("--data", "none.csv"), "none.csv"),
    ],
)
def test_what_cannot_be_done_is_refused(
    more: tuple[str, ...],
    words: str,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = write(tmp_path, rows=10)
    (tmp_path / "c.yaml").write_text("candidates: [{sigma: [Q]}]\n")
    monkeypatch.chdir(tmp_path)
    status, said, err = run(capfdbinary, "factors", str(study), *more)
    assert (status, said) == (2, "")
    assert any(one in err for one in words.split("|"))


def test_a_study_without_data_is_refused(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    study = write(tmp_path, rows=10)
    study.write_text(STUDY.replace("data: {file: cells.csv, label: cell}\n", ""))
    status, _, err = run(capfdbinary, "factors", str(study))
    assert status == 2
    assert "has no `data`" in err
