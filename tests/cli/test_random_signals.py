"""Every command that writes, sent a signal at a random moment: the old output or the whole new one."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

TRAIN = ("000", "010", "100", "110", "001", "011")
STUDY = {
    "interventions": {name: [0, 1] for name in "ABC"},
    "variables": ["x"],
    "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
    "train": TRAIN,
    "data": {"file": "cells.csv"},
}
COMMANDS = {
    "table": ("identify", "study.json"),
    "json": ("identify", "large.json", "--format", "json"),
    "csv": ("identify", "large.json", "--format", "csv"),
    "parquet": ("identify", "large.json", "--format", "parquet"),
    "latex": ("identify", "study.json", "--format", "latex"),
    "summary": ("identify", "large.json", "--summary", "--format", "json"),
    "implications": ("implications", "study.json", "--format", "json"),
    "plan": ("plan", "large.json", "--test", "order:2", "--format", "json"),
    "report": ("report", "plain.json"),
    "explore": ("explore", "study.json"),
    "init": ("init", "cells.csv"),
}
LEARNING = {
    "estimate": ("estimate", "study.json", "--energy", "normal", "--format", "json"),
    "estimate-parquet": ("estimate", "study.json", "--method", "mean", "--format", "parquet"),
    "falsify": ("falsify", "study.json", "--method", "score", "--format", "csv"),
    "fit": ("fit", "study.json", "--calibration", "0"),
    "reported": ("report", "study.json"),
    "suggest": ("suggest", "study.json", "--goal", "max", "--format", "json"),
    "estimate-h5ad": ("estimate", "study.json", "--method", "mean", "--format", "h5ad"),
}
"""Those that need the learning part."""
_UNREADY = b"Fatal Python error: init_import_site"


def commands() -> dict[str, tuple[str, ...]]:
    learning = importlib.util.find_spec("sklearn") is not None
    page = importlib.util.find_spec("jinja2") is not None and importlib.util.find_spec("matplotlib") is not None
    known = COMMANDS | (LEARNING if learning else {})
    if importlib.util.find_spec("anndata") is None:
        known.pop("estimate-h5ad", None)
    return {name: words for name, words in known.items() if page or words[0] != "report"}


def output(name: str, folder: Path) -> Path:
    """Where a command writes: an .h5ad file is known by its name."""
    return folder / "out.h5ad" if name == "estimate-h5ad" else folder / "out"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "study.json").write_text(json.dumps(STUDY))
    (folder / "plain.json").write_text(json.dumps({k: v for k, v in STUDY.items() if k != "data"}))
    names = [f"g{i}" for i in range(40)]
    large = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [name]} for name in names],
        "train": ["ctrl", *names],
        "test": {"order": 3},
    }
    (folder / "large.json").write_text(json.dumps(large))
    draw = random.Random(0)
    rows = [[*regime, f"{draw.gauss(regime.count('1'), 1):.3f}"] for regime in TRAIN for _ in range(20)]
    (folder / "cells.csv").write_text("\n".join(map(",".join, [["A", "B", "C", "x"], *rows])) + "\n")
    return folder


def started(words: tuple[str, ...], inputs: Path, out: Path) -> subprocess.Popen[bytes]:
    words = tuple(str(inputs / word) if word.endswith((".json", ".csv")) else word for word in words)
    return subprocess.Popen(
        [sys.executable, "-m", "ifm_ident.cli", *words, "-o", str(out), "--force", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def send_at_random(number: int, seed: int, names: Sequence[str], inputs: Path, folder: Path) -> Counter[str]:
    """How the runs of these commands in turn ended; AssertionError for one that ended badly."""
    draw, whole, seconds = random.Random(seed), dict[str, bytes](), dict[str, float]()
    before = {path.name: path.read_bytes() for path in inputs.iterdir()}
    ends: Counter[str] = Counter()
    for i in range(number):
        name = names[i % len(names)]
        out = output(name, folder)
        if name not in whole:
            begun = time.monotonic()
            with started(commands()[name], inputs, out) as process:
                _, err = process.communicate(timeout=300)
            assert (process.returncode, err) == (0, b""), name
            whole[name], seconds[name] = out.read_bytes(), time.monotonic() - begun
            out.unlink()
        old = b"old" if draw.random() < 0.5 else None
        if old is not None:
            out.write_bytes(old)
        sent, moment = draw.choice([signal.SIGINT, signal.SIGTERM]), draw.uniform(0, 1.02 * seconds[name])
        with started(commands()[name], inputs, out) as process:
            time.sleep(moment)
            process.send_signal(sent)
            said, err = process.communicate(timeout=60)
        place = (
            f"signal {i} of seed {seed}: {name}, {sent.name} after {moment:.3f} s of {seconds[name]:.3f}: {err!r}"
        )
        found = out.read_bytes() if out.exists() else None
        assert said == b"" or name == "init", place  # that says what it found where its output is a file
        assert [path.name for path in folder.iterdir()] == [out.name] * (found is not None), place
        assert {path.name: path.read_bytes() for path in inputs.iterdir()} == before, place
        unready = process.returncode == 1 and err.startswith(_UNREADY)
        if process.returncode == -sent or unready:  # Python itself was not ready yet, and says so in its own words
            assert found == old, place
            ends["before the first line"] += 1
        elif process.returncode == 0:
            assert (found, err) == (whole[name], b""), place
            ends["done"] += 1
        else:
            assert process.returncode == 128 + sent, place
            assert found in (old, whole[name]), place
            assert err.count(b"\n") == 1, place
            assert err.startswith(b"ifm: "), place
            ends[sent.name] += 1
        out.unlink(missing_ok=True)
    return ends


def test_signals_at_random_moments(inputs: Path, tmp_path: Path) -> None:
    names = [name for name in ("json", "parquet", "plan", "report", "fit") if name in commands()]
    assert send_at_random(15, 1, names, inputs, tmp_path).total() == 15


@pytest.mark.slow
def test_two_hundred_signals_at_random_moments(inputs: Path, tmp_path: Path) -> None:
    ends = send_at_random(200, 2, list(commands()), inputs, tmp_path)
    print(dict(ends))
    assert ends.total() == 200
    assert ends["SIGINT"] + ends["SIGTERM"] > 150
