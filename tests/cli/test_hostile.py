"""Hostile files at the command line: nothing that a terminal obeys comes out, limits are raised by --limit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.running import Ifm
from tests.ident.test_inert import obeyed

ESCAPES = {
    "name": "\x1b]0;pwned\x07evil\x1b[31m",
    "interventions": {"A\x1b[2J": ["0", "1\x1b[31m"], "B\u202e": ["0", "1"]},
    "variables": ["x\x1b[5m"],
    "factors": [{"name": "f\x1b[7m", "sigma": ["A\x1b[2J"]}, {"sigma": ["B\u202e"]}],
    "train": [{}, {"B\u202e": "1"}],
}
STUDY = "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"


@pytest.fixture
def escapes(tmp_path: Path) -> Path:
    path = tmp_path / "esc.json"
    path.write_text(json.dumps(ESCAPES))
    return path


@pytest.mark.parametrize(
    "line",
    [
        "identify {}",
        "identify {} --format csv",
        "identify {} --format json",
        "identify {} --format latex",
        "identify {} --summary",
        "identify {} --summary --format json",
        "identify {} --test A\x1b[2J",
        "identify {} --test \x1b[31mZZ",
        "identify {} --\x1b[31m",
        "explain {} --regime A\x1b[2J=1\x1b[31m",
        "implications {} --aliases",
        "implications {} --format latex",
        "plan {}",
        "plan {} --format json",
        "report {}",
        "\x1b[31m {}",
    ],
)
def test_nothing_that_a_terminal_obeys(ifm: Ifm, escapes: Path, line: str) -> None:
    status, out, err = ifm(*(word.format(escapes) for word in line.split()))
    assert status in (0, 2)
    assert out or err
    assert not obeyed(out + err)


def test_a_csv_with_escapes_is_verified(ifm: Ifm, escapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    assert ifm("identify", escapes, "--format", "csv", "-o", path)[0] == 0
    assert not obeyed(path.read_text(encoding="utf-8"))
    status, out, _ = ifm("verify", path, "--study", escapes)
    assert status == 0
    assert "4 results checked" in out


def test_a_label_with_escapes_in_an_error(ifm: Ifm, tmp_path: Path) -> None:
    (tmp_path / "lab.csv").write_text("label\nctrl\nA\n\x1b[31mZZ\u202e\n")
    study = tmp_path / "lab.yaml"
    study.write_text(f"{STUDY}train: {{file: lab.csv, label: label}}\n")
    status, _, err = ifm("identify", study)
    assert status == 2
    assert "lab.csv, row 3" in err
    assert not obeyed(err)


def test_a_limit_is_raised_by_its_option(ifm: Ifm, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("A,B\n0,0\n1,0\n0,1\n")
    study = tmp_path / "s.yaml"
    study.write_text(f"{STUDY}train: {{file: t.csv}}\n")
    status, _, err = ifm("identify", study, "--limit", "rows=2")
    assert status == 2
    assert err.endswith("the limit is rows=2: if it is meant so, raise it to rows=3 (the option --limit)\n")
    assert ifm("identify", study, "--limit", "rows=3")[0] == 0
    assert ifm("identify", study, "--limit", "row=3")[2] == "ifm: unknown limit 'row'; did you mean rows?\n"
    assert ifm("identify", study)[0] == 0


def test_a_wide_table(ifm: Ifm, tmp_path: Path) -> None:
    """A million columns ended the program; they are counted now before they are read."""
    names = ",".join(f"c{i}" for i in range(60_000))
    (tmp_path / "t.csv").write_text(f"{names},label\n{','.join('0' * 60_000)},A\n")
    study = tmp_path / "s.yaml"
    study.write_text(f"{STUDY}train: {{file: t.csv, label: label}}\n")
    status, _, err = ifm("identify", study)
    assert status == 2
    assert "t.csv: 60,001 columns; the limit is columns=50000" in err


def test_a_parquet_file_that_unfolds(ifm: Ifm, tmp_path: Path) -> None:
    group = pa.table({"A": np.zeros(1_000_000, dtype=np.int64), "B": np.zeros(1_000_000, dtype=np.int64)})
    with pq.ParquetWriter(tmp_path / "t.parquet", group.schema, compression="zstd") as writer:
        for _ in range(11):
            writer.write_table(group)
    assert (tmp_path / "t.parquet").stat().st_size < 200_000
    study = tmp_path / "s.yaml"
    study.write_text(f"{STUDY}train: {{file: t.parquet}}\n")
    status, _, err = ifm("identify", study)
    assert status == 2
    assert "t.parquet: 11,000,000 rows; the limit is rows=10000000" in err


def test_estimates_out_of_range(ifm: Ifm, folder: Path) -> None:
    entry = {"regime": {"A": 1, "B": 0, "C": 0, "D": 1}, "status": "identified", "mean": 10**400}
    result = {"schema": "ifm-estimate/1", "method": "additive", "alpha": "0.1", "results": [entry]}
    (folder / "e.json").write_text(json.dumps(result))
    status, _, err = ifm(
        "report", folder / "cells.yaml", "--estimates", folder / "e.json", "-o", folder / "r.html"
    )
    assert status == 2
    assert "results, entry 0: a number is needed, within 1e300, got 1000" in err
    assert not (folder / "r.html").exists()
