"""Levels with values at the command line: what is written, what is refused (docs/theory/doses.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.running import run

STUDY = """
interventions:
  partner: [0, 1]
  dose: {levels: [0, 1, 2], basis: {poly: 2}}
  time: {levels: [0, 6, 48], basis: {hat: [0, 6, 48]}}
factors: [{sigma: [dose]}, {sigma: [time]}, {sigma: [partner]}]
train: [{}, {dose: 1}, {dose: 2}, {time: 6}]
test: [{dose: 3}, {dose: 0.5}, {time: 12}, {time: 3}]
"""


@dataclass
class Ended:
    """What a command wrote."""

    stdout: str
    stderr: str


Run = Callable[..., Ended]


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Runs a command and checks its exit status."""

    def ended(*arguments: str, code: int = 0) -> Ended:
        status, out, err = run(capfdbinary, *arguments)
        assert status == code, err
        return Ended(out, err)

    return ended


@pytest.fixture
def study(tmp_path: Path) -> str:
    path = tmp_path / "doses.yaml"
    path.write_text(STUDY)
    return str(path)


def test_a_table_shows_the_size_of_every_formula_and_warns(ifm: Run, study: str) -> None:
    result = ifm("identify", study)
    assert "p(ctrl) p(dose=2)^3 / p(dose=1)^3  sum|q| = 7" in result.stdout
    assert "sum|q| = 1.25" in result.stdout
    assert "in training hat48(time) of factor f2 is always 0" in result.stdout
    assert "time: its basis has 3 functions and 2 levels were run" in " ".join(result.stdout.split())
    assert "Warning" not in result.stdout
    far = ifm("identify", study, "--test", "dose=10")
    assert "sum|q| = 161" in far.stdout
    assert "1 formula has a sum|q| above 10" in far.stdout
    assert "above 10" in ifm("identify", study, "--test", "dose=10", "--format", "json").stderr


def test_json_holds_sizes_functions_and_the_map_of_the_study(ifm: Run, study: str) -> None:
    told = json.loads(ifm("identify", study, "--format", "json").stdout)
    assert told["interventions"]["time"] == {"levels": [0, 6, 48], "basis": {"hat": [0, 6, 48]}}
    first, half, late, early = told["results"]
    assert (first["size"], half["size"], early["size"]) == ("7", "5/4", "1")
    assert half["regime"]["dose"] == 0.5
    kernel = late["certificate"]["kernel"]
    assert kernel == [{"factor": "f2", "basis": {"time": 2}, "weight": 1}]


def test_a_claim_that_does_not_hold_is_found(ifm: Run, study: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.json"
    ifm("identify", study, "--format", "json", "-o", str(path))
    ifm("verify", str(path), "--study", study)
    whole = path.read_text()
    for old, new in (
        ('"dose": 3,', '"dose": 4,'),
        ('"basis": {"time": 2}', '"basis": {"time": 1}'),
        ('"size": "7"', '"size": "8"'),
        ('"poly": 2', '"poly": 3'),
    ):
        assert old in whole
        path.write_text(whole.replace(old, new))
        ifm("verify", str(path), code=1)


def test_the_set_of_levels_is_written_and_drawn(ifm: Run, study: str, tmp_path: Path) -> None:
    every = ifm("identify", study, "--levels", "dose")
    assert "identified at all levels" in " ".join(every.stdout.split())
    some = json.loads(ifm("identify", study, "--levels", "time", "--regime", "dose=7", "--format", "json").stdout)
    assert (some["all"], some["intervals"], some["points"]) == (False, [["0", "6"]], [])
    assert some["regime"] == {"partner": 0, "dose": 7}
    picture = tmp_path / "line.svg"
    ifm("identify", study, "--levels", "time", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"<?xml")
    surface = tmp_path / "surface.png"
    ifm("identify", study, "--levels", "time", "--levels", "dose", "--picture", str(surface))
    assert surface.read_bytes().startswith(b"\x89PNG")
    nowhere = ifm("identify", study, "--levels", "dose", "--regime", "partner=1")
    assert "identified nowhere" in nowhere.stdout


def test_the_best_runs_for_one_regime(ifm: Run, study: str) -> None:
    told = json.loads(ifm("plan", study, "--optimal-for", "dose=3", "--budget", "70", "--format", "json").stdout)
    assert (told["size"], told["bound"]) == ("7", "7")
    assert [entry["samples"] for entry in told["run"]] == [10, 30, 30]


def test_explanations_and_pages_know_levels_with_values(ifm: Run, study: str, tmp_path: Path) -> None:
    assert "f1: dose^2" in ifm("explain", study, "--regime", "dose=3").stdout
    refused = ifm("explain", study, "--regime", "time=12").stdout
    assert "Two models that agree in all 4 training regimes and differ in time=12" in refused
    page = tmp_path / "page.html"
    ifm("report", study, "-o", str(page))
    assert "Along the levels of dose" in page.read_text()
    assert "; basis poly: 2" in page.read_text()
    assert "3 of 12" not in ifm("identify", study, "--summary").stdout


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{levels: [0, 1], basis: {hill: {ec50: 0, n: 2}}}", "ec50 of hill is 0"),
        ("{levels: [0, 1], basis: {hat: [0, 5, 3]}}", "the knot 3 follows 5"),
        ("{levels: [0, 9], basis: {hat: [0, 5]}}", "9 lies outside the knots 0 to 5"),
        ("{levels: [0, high], basis: {poly: 1}}", "'high' is no number, or too long a one"),
        ("{levels: [0, 1], coordinate: {0: 0}, basis: {poly: 1}}", "has no coordinate"),
        ("{levels: [0, 1], basis: {poly: 0}}", "the degree of poly is 0"),
        ("{levels: [0, 1], basis: {sin: 1}}", "unknown basis 'sin'"),
        ("{levels: [0, 1]}", "no key `basis`"),
        ("{levels: [1, 1.0], basis: {poly: 1}}", "twice"),
        ('{levels: ["1/2", 0.5], basis: {poly: 1}}', "which are one number"),
        ("{levels: [a, b], basis: {table: {a: [0], b: [1, 2]}}}", "different lengths"),
        ("{levels: [0, 1], basis: {spline: {knots: [0, 1]}}}", "no key `degree`"),
    ],
)
def test_bad_bases_are_refused_in_words(ifm: Run, tmp_path: Path, written: str, words: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(f"interventions:\n  dose: {written}\nfactors: [{{sigma: [dose]}}]\ntrain: [{{}}]\n")
    result = ifm("identify", str(path), code=2)
    assert words in result.stderr
    assert "bad.yaml:2" in result.stderr


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ("time=99", "outside the knots"),
        ("dose=x", "is no number"),
        ("dose=1e999999", "too long a one"),
        ("dose=" + "9" * 500, "too long a one"),
        ("dose", "a label cannot say which"),
    ],
)
def test_bad_levels_are_refused_in_words(ifm: Run, study: str, level: str, words: str) -> None:
    assert words in ifm("identify", study, "--test", level, code=2).stderr


def test_what_is_not_there_yet_is_said(ifm: Run, study: str, tmp_path: Path) -> None:
    assert "not for levels with values yet" in ifm("implications", study, "--aliases", code=2).stderr
    data = tmp_path / "data.csv"
    data.write_text("dose,time,x\n" + "0,0,1.5\n1,0,2.5\n2,0,2.0\n0,6,1.0\n" * 5)
    estimate = ifm("estimate", study, "--data", str(data), "--energy", "grid", code=2)
    assert "not for levels with values yet" in estimate.stderr
    assert "dose=0.5" in ifm("estimate", study, "--data", str(data), "--energy", "normal").stdout


def test_half_of_an_effect_is_a_line_and_an_entry(ifm: Run, tmp_path: Path) -> None:
    path, data = tmp_path / "curve.yaml", tmp_path / "curve.csv"
    path.write_text(
        "interventions: {dose: {levels: [0, 1, 2], basis: {poly: 2}}, A: [0, 1]}\nvariables: [x]\n"
        "factors: [{sigma: [dose]}]\ntrain: [{}, {dose: 1}, {dose: 2}]\ntest: [{dose: 1.5}]\n"
    )
    # means 0, 3, 4 at doses 0, 1, 2: 4 s - s^2, which is 2 at 2 - sqrt(2)
    rows = [f"{s},{m + e}" for s, m in ((0, 0), (1, 3), (2, 4)) for e in (-0.2, -0.1, 0, 0.1, 0.2) * 4]
    data.write_text("dose,x\n" + "\n".join(rows) + "\n")
    asked = (
        "estimate",
        str(path),
        "--data",
        str(data),
        "--energy",
        "normal",
        "--calibration",
        "0",
        "--half",
        "dose",
    )
    table = " ".join(ifm(*asked).stdout.split())
    assert "half of the largest effect of dose on x (A=0): at 0.585" in table
    [entry] = json.loads(ifm(*asked, "--format", "json").stdout)["half_levels"]
    assert entry["level"] == pytest.approx(2 - 2**0.5, abs=1e-4)
    assert entry["regime"] == {"A": 0}
    assert "no curve to halve" in ifm(*asked[:-1], "A", code=2).stderr
    assert "did you mean dose?" in ifm(*asked[:-1], "dos", code=2).stderr
