"""Estimates on many machines, as docs/how-to/parts.md does it: shares of a table of targets."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.running import Ifm

pytestmark = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="needs the learning part")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "parts.md"
SHARES = 3
RELATIVE = 1e-12
"""Sums of floats are taken over other blocks: the last digits of a number may differ, and nothing else."""


def told(pattern: str) -> str:
    """A command of the page."""
    found = re.search(pattern, PAGE.read_text())
    assert found is not None, pattern
    return found[0]


def alike(one: str, other: str) -> bool:
    try:
        return float(one) == pytest.approx(float(other), rel=RELATIVE, abs=RELATIVE)
    except ValueError:
        return one == other


def test_shares_of_a_table_are_what_one_run_gives(ifm: Ifm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    regimes = ["".join(levels) for levels in itertools.product("01", repeat=4)]
    Path("targets.csv").write_text("\n".join(["label", *regimes]) + "\n")
    share, together = told(r"awk -v i=.*targets-\$i\.csv"), told(r"head -n 1 estimates-1\.csv; .*?\.csv(?=`)")
    ask = ("estimate", "cells.yaml", "--energy", "normal", "--format", "csv", "--quiet")
    assert ifm(*ask, "--test", "file:targets.csv", "-o", "whole.csv")[0] == 0
    for i in range(1, SHARES + 1):
        command = share.replace("n=16", f"n={SHARES}").replace("$i", str(i))
        subprocess.run(["bash", "-c", command], check=True)
        assert ifm(*ask, "--test", f"file:targets-{i}.csv", "-o", f"estimates-{i}.csv")[0] == 0
        again = Path(f"estimates-{i}.csv").read_bytes()
        assert ifm(*ask, "--test", f"file:targets-{i}.csv", "-o", f"estimates-{i}.csv", "--force")[0] == 0
        assert Path(f"estimates-{i}.csv").read_bytes() == again  # whatever killed a job
    joined = subprocess.run(["bash", "-c", together], check=True, capture_output=True, text=True).stdout
    whole, parts = ([*csv.reader(text.splitlines())] for text in (Path("whole.csv").read_text(), joined))
    assert whole[0] == parts[0]
    assert len(whole) == len(parts) == len(regimes) + 1
    for one, other in zip(sorted(whole[1:]), sorted(parts[1:]), strict=True):
        assert all(map(alike, one, other)), (one, other)
