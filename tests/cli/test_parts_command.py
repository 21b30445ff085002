"""`ifm identify -o FOLDER/`: options, words, and runs that are killed."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import Ifm, run_apart

GENES = [f"g{i}" for i in range(40)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """10,701 regimes of at most three of forty genes."""
    path = tmp_path / "study.json"
    path.write_text(
        json.dumps(
            {
                "interventions": {gene: [0, 1] for gene in GENES},
                "factors": [{"sigma": [gene]} for gene in GENES],
                "train": ["ctrl", *GENES],
                "test": {"order": 3},
            }
        )
    )
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_folder_is_written_checked_and_taken_up(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    out = f"{tmp_path}/out/"
    status, said, words = ifm("identify", study, "-o", out, "--part-rows", 4000, "--require-all")
    assert (status, said) == (0, "")
    assert words.endswith(f"{out}: 3 parts, 10,701 regimes: 41 observed, 10,660 identified.\n")
    assert ifm("verify", out, "--study", study)[:2] == (
        0,
        f"10701 results checked against the study file {study}: all hold\n",
    )
    (tmp_path / "out" / "part-000001.parquet").unlink()
    status, said, _ = ifm("verify", out)
    assert (status, said.splitlines()[1:]) == (1, ["part-000001.parquet: this part is not there"])
    assert ifm("identify", study, "-o", out, "--part-rows", 4000)[0] == 2
    assert ifm("identify", study, "-o", out, "--part-rows", 4000, "--resume")[0] == 0
    assert ifm("verify", out)[0] == 0


def test_regimes_left_open_tell_by_the_status(ifm: Ifm, folder: Path) -> None:
    study = folder / "refused.yaml"
    assert ifm("identify", study, "-o", f"{folder}/out/", "--require-all")[0] == 3
    assert ifm("identify", study, "-o", f"{folder}/out/", "--require-all", "--resume")[0] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "new/", "--format", "table"), "parts are written as json, csv, parquet, not as table."),
        (("-o", "new/", "--summary"), "--summary has no place with -o FOLDER/"),
        (("-o", "new/", "--time-limit", "3"), "--time-limit has no place with -o FOLDER/"),
        (("-o", "new.parquet", "--shard", "1/2"), "--shard belongs to parts: name a folder"),
        (("--resume",), "--resume belongs to parts: name a folder"),
        (("-o", "new/", "--shard", "3/2"), "'3/2' is no shard; write I/N, I from 1 to N, such as 3/16."),
        (("-o", "new/", "--shard", "x"), "'x' is no shard"),
        (("-o", "new/", "--workers", "0"), "--workers"),
        (
            (
                "-o",
                "new/a/b/",
            ),
            "there is no folder new/a; make it first",
        ),
        (
            (
                "-o",
                "nosuch://new/",
            ),
            "nosuch://new/: ",
        ),
        (("-o", "new/", "--test", "file:none.csv"), "none.csv"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: tuple[str, ...], message: str, ifm: Ifm, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    status, said, words = ifm("identify", study, *options)
    assert (status, said) == (2, "")
    assert message in words
    assert [path.name for path in study.parent.iterdir()] == [study.name]


def killed_and_taken_up(study: Path, kills: int, part_rows: int, workers: int, seed: int) -> None:
    """Kills a run at random moments, each time after some more parts, and compares with one that is not killed."""
    one, other = study.parent / "one", study.parent / "other"
    options = ["identify", str(study), "--quiet", "--part-rows", str(part_rows), "-o"]
    assert run_apart(*options, f"{one}/").returncode == 0
    total, rng = len(contents(one)) - 1, random.Random(seed)
    ifm = [sys.executable, "-W", "error", "-m", "ifm_ident.cli", *options, f"{other}/", "--resume"]
    ifm += ["--workers", str(workers)]
    for i in range(kills):
        process = subprocess.Popen(ifm, stderr=subprocess.DEVNULL)
        wanted = total * (i + rng.random()) / (kills + 1)
        while process.poll() is None and len([*other.glob("part-*")]) < wanted:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.02)
        process.kill()
        process.wait()
    left = total - len([*other.glob("part-*")])
    assert left > 0, "every kill came too late"
    done = run_apart(*ifm[5:])
    assert done.returncode == 0, done.stderr
    assert contents(other) == contents(one)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_is_killed_loses_and_doubles_nothing(workers: int, study: Path) -> None:
    killed_and_taken_up(study, kills=3, part_rows=500, workers=workers, seed=workers)


@pytest.mark.slow
def test_a_run_that_is_killed_fifty_times_loses_and_doubles_nothing(study: Path) -> None:
    killed_and_taken_up(study, kills=50, part_rows=50, workers=1, seed=7)


def test_targets_streamed_from_a_file_give_the_same_bytes(
    ifm: Ifm, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = study.parent / "targets.csv"
    path.write_text("label\n" + "\n".join("+".join(three) for three in itertools.combinations(GENES, 3)) + "\n")
    options = ("identify", study, "--test", f"file:{path}", "--quiet", "--format", "json")
    held = ifm(*options)
    monkeypatch.setattr("ifm_ident.study.reading._file_regimes.LARGE_BYTES", 10)
    monkeypatch.setattr("ifm_ident.study.reading._file_regimes._BLOCK_BYTES", 5000)
    streamed = ifm(*options)
    assert held == streamed
    assert held[0] == 0
