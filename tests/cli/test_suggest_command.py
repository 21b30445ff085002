"""`ifm suggest`: the contract of its result, options and refusals."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

from ifm_learn.suggestion.write import COLUMNS
from tests.cli.running import Ifm, run
from tests.learn.suggestion_cases import LEVELS, SINGLES, rows

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, "suggest", *map(str, arguments))


def table(path: Path, columns: dict[str, list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.fixture
def study(tmp_path: Path) -> Path:
    table(tmp_path / "rows.csv", rows(SINGLES))
    mapping = {
        "name": "four",
        "interventions": LEVELS,
        "variables": ["y"],
        "factors": [{"sigma": [name]} for name in LEVELS],
        "train": "data",
        "data": {"file": "rows.csv"},
    }
    path = tmp_path / "study.json"
    path.write_text(json.dumps(mapping))
    return path


def described(heading: str) -> set[str]:
    """The keys that a section of the reference names in its tables."""
    page = (DOCS / "reference" / "results.md").read_text("utf-8")
    section = page.split(f"({heading})=\n")[1].split("\n(")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_json_is_the_contract_and_the_reference_names_its_keys(ifm: Ifm, study: Path) -> None:
    status, out, err = ifm(study, "--batch", 3, "--format", "json", "--quiet")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "ifm-suggestion/1"
    assert [list(entry) for entry in found["results"]] == [
        ["regime", "score", "mean", "interval", "cost", "identified", "unlocks", "flags"]
    ] * 3
    names = (found.keys() - {"schema"}) | {f"results[].{name}" for name in found["results"][0]}
    assert names == described("suggestion-result")
    assert found["results"][0]["regime"] == {"A": 1, "B": 1, "C": 0, "D": 1}
    low, high = found["results"][0]["interval"]
    assert low < found["results"][0]["mean"] < high
    assert found["candidates"]["candidates"] == 16
    assert found["candidates"]["run"] == 5
    assert ifm(study, "--batch", 3, "--format", "json", "--quiet")[1] == out


def test_table_and_csv(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    status, out, _ = ifm(study, "--goal", "hit:1.2", "--batch", 2)
    assert status == 0
    assert out.startswith("four: what to run next for a mean of 1.2 or more of y, from 15 rows\n")
    assert "P(hit)" in out
    assert "16 candidates: 5 run already." in out
    text = ifm(study, "--format", "csv", "--batch", 2, "--quiet")[1].splitlines()
    assert text[0] == ",".join(COLUMNS)
    assert text[1].startswith('"A=1,B=1,D=1",')
    assert text[1].endswith(",1.0,true,0,few_rows extrapolated little_overlap untested")
    assert ifm(study, "-o", tmp_path / "out.txt")[2].endswith("out.txt: 1 regime to run next\n")
    assert ifm(study, "-o", tmp_path / "out.txt")[0] == 2


def test_costs_pending_forbidden_and_same(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    def regimes(*options: object) -> list[str]:
        status, out, err = ifm(study, "--format", "json", "--quiet", *options)
        assert status == 0, err
        return ["".join(map(str, entry["regime"].values())) for entry in json.loads(out)["results"]]

    best = regimes("--batch", 2)
    table(tmp_path / "running.csv", {name: [int(c)] for name, c in zip("ABCD", best[0], strict=True)})
    assert best[0] not in regimes("--batch", 9, "--pending", tmp_path / "running.csv")
    assert regimes("--forbid", best[0]) == regimes("--pending", tmp_path / "running.csv", "--acquisition", "mean")
    assert set(regimes("--batch", 9, "--candidates", "order:2")) == {
        "1100",
        "1010",
        "1001",
        "0110",
        "0101",
        "0011",
    }
    (tmp_path / "cost.csv").write_text("A,B,C,D,cost\n1,1,0,0,1\n1,1,0,1,1000\n0,1,0,1,1\n")
    assert regimes("--cost", tmp_path / "cost.csv", "--batch", 1) == ["1100"]
    (tmp_path / "cost.csv").write_text("A,B,C,D,cost\n1,1,0,0,1\n1,1,0,1,1\n0,1,0,1,1\n")
    assert regimes("--cost", tmp_path / "cost.csv", "--batch", 9)[0] == "1101"
    assert {code[3] for code in regimes("--same", "D", "--batch", 4)} == {"1"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--goal", "best"], "unknown goal 'best'"),
        (["--goal", "hit"], "needs the mean to be reached; write it after a colon: hit:0.8 (the option --goal)"),
        (["--goal", "hit:inf"], "no finite number"),
        (["--goal", "learn", "--acquisition", "ei"], "(the option --acquisition)"),
        (["--forbid", "all"], "16 may not be run"),
        (["--noise", "-1"], "noise is a finite number above 0, got -1.0 (the option --noise)"),
        (["--noise", "nan"], "noise is a finite number above 0"),
        (["--rows", "0"], "rows is a finite number above 0"),
        (["--outcome", "z"], "there is no column 'z'"),
        (["--same", "temperature"], "unknown intervention 'temperature'"),
        (["--pending", "none.csv"], "none.csv"),
        (["--cost", "none.csv"], "none.csv"),
        (["--candidates", "111"], "candidates 111"),
        (["--batch", "0"], "'--batch'"),
        (["--data", "none.csv"], "none.csv"),
        (["--goal", "refute", "--model", "process"], "is about the factors"),
    ],
)
def test_refusals_end_with_2_and_write_nothing(
    ifm: Ifm, study: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    status, out, err = ifm(study, *options, "-o", tmp_path / "out.json", "--format", "json")
    assert (status, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "out.json").exists()


def test_refusals_of_files(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,-2\n")
    status, _, err = ifm(study, "--cost", tmp_path / "cost.csv")
    assert status == 2
    assert "row 1: the cost -2 is negative" in err
    (tmp_path / "running.csv").write_text("A,B\n1,7\n")
    status, _, err = ifm(study, "--pending", tmp_path / "running.csv")
    assert status == 2
    assert "row 1" in err
    mapping = json.loads(study.read_text()) | {"train": ["0000"]}
    del mapping["data"]
    study.write_text(json.dumps(mapping))
    assert "has no `data`" in ifm(study)[2]
