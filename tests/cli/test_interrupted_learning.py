"""`ifm fit` and `ifm estimate` interrupted while they write: an old file stays, and nothing half-written."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn")

# The command itself, with a writer that stops half-way and waits to be interrupted.
WAITING = {
    "fit": """
from ifm_ident.files import open_output
from ifm_learn.density.fitted import FittedModel
def save(self, path):
    with open_output(path, force=True) as stream:
        stream.write(b"half" * 10_000)
        time.sleep(60)
FittedModel.save = save
""",
    "estimate": """
from ifm_learn.commands import estimate
def lines(found):
    yield "half" * 10_000
    time.sleep(60)
estimate._LINES["json"] = lines
""",
}
RUN = "import sys, time\n{}\nfrom ifm_ident.cli import main\nsys.argv[0] = 'ifm'\nmain()\n"
OPTIONS = {"fit": (), "estimate": ("--method", "mean", "--format", "json")}


@pytest.mark.parametrize(("name", "sent"), [("fit", signal.SIGTERM), ("estimate", signal.SIGINT)])
def test_an_interrupt_keeps_the_old_file(tmp_path: Path, name: str, sent: signal.Signals) -> None:
    study, out = tmp_path / "study.json", tmp_path / "result.out"
    study.write_text(
        json.dumps(
            {
                "interventions": {"A": [0, 1]},
                "variables": ["x"],
                "factors": [{"sigma": ["A"]}],
                "train": ["0", "1"],
                "data": {"file": "cells.csv"},
            }
        )
    )
    rows = [f"{a},{(i * (a + 2)) % 3 % 2}" for a in (0, 1) for i in range(30)]
    (tmp_path / "cells.csv").write_text("\n".join(["A,x", *rows]) + "\n")
    out.write_text("old")
    command = [sys.executable, "-c", RUN.format(WAITING[name]), name, str(study), *OPTIONS[name]]
    with subprocess.Popen([*command, "-o", str(out), "--force"], stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 120
        while not any(part.stat().st_size for part in tmp_path.glob(".result.out.*.tmp")):  # it has begun to write
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + sent
    assert b"Traceback" not in err
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.csv", "result.out", "study.json"]
