"""Faults that are real: full and read-only disks, closed streams, inputs as outputs, two writers, kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Ifm, run_apart

TRAIN = ("000", "010", "100", "110", "001", "011")
STUDY = {
    "interventions": {name: [0, 1] for name in "ABC"},
    "variables": ["x"],
    "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
    "train": TRAIN,
    "samples": {"file": "samples.csv"},
    "test": {"file": "test.csv"},
    "data": {"file": "cells.csv"},
}
FORMATS = ("table", "json", "csv", "latex", "parquet")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A study with every kind of table, and a large one of 36,000 regimes."""
    (tmp_path / "study.json").write_text(json.dumps(STUDY))
    rows = [f"{','.join(regime)},{i % 7}" for regime in TRAIN for i in range(20)]
    (tmp_path / "cells.csv").write_text("\n".join(["A,B,C,x", *rows]) + "\n")
    (tmp_path / "samples.csv").write_text("\n".join(["A,B,C,n", *(f"{','.join(r)},5" for r in TRAIN)]))
    (tmp_path / "test.csv").write_text("A,B,C\n1,1,1\n1,0,1\n")
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,1\nB,1\nC,1\n")
    (tmp_path / "more.csv").write_text("A,B,C\n1,0,1\n")
    names = [f"g{i}" for i in range(60)]
    large = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [name]} for name in names],
        "train": ["ctrl", *names],
        "test": {"order": 3},
    }
    (tmp_path / "large.json").write_text(json.dumps(large))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 64 KB."""
    folder = tmp_path_factory.mktemp("disk")
    words = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a disk of a given size cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


INPUTS = {
    "study.json": ("identify", "study.json"),
    "cells.csv": ("identify", "study.json"),  # which does not read it
    "samples.csv": ("identify", "study.json"),
    "test.csv": ("implications", "study.json"),
    "cost.csv": ("plan", "study.json", "--cost", "cost.csv"),
    "more.csv": ("plan", "study.json", "--forbid", "file:more.csv"),
    "large.json": ("identify", "large.json", "--summary"),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("kind", ["itself", "hard", "soft", "roundabout"])
def test_an_input_is_never_overwritten(
    name: str, kind: str, ifm: Ifm, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    out = {"itself": name, "roundabout": f"../{place.name}/{name}"}.get(kind, "out")
    if kind == "hard":
        os.link(name, out)
    elif kind == "soft":
        os.symlink(name, out)
    before = contents(place)
    status, said, err = ifm(*INPUTS[name], "-o", out, "--force")
    assert (status, said) == (2, "")
    assert f"cannot write to {out}: this run reads it; name another file for the output\n" in err
    assert err.count("\n") == 1
    assert contents(place) == before


def test_a_result_that_the_page_shows_is_never_overwritten(ifm: Ifm, place: Path) -> None:
    for package in ("sklearn", "jinja2", "matplotlib"):
        pytest.importorskip(package)
    result, model = place / "estimates.json", place / "model.npz"
    assert ifm("estimate", place / "study.json", "--method", "mean", "--format", "json", "-o", result)[0] == 0
    model.write_bytes(b"no model")
    before = contents(place)
    for words in (
        ("report", place / "study.json", "--estimates", result, "-o", result, "--force"),
        ("report", place / "study.json", "--falsification", result, "-o", result, "--force"),
        ("estimate", place / "study.json", "--model", model, "-o", model, "--force"),
        ("estimate", place / "study.json", "--data", place / "cost.csv", "-o", place / "cost.csv", "--force"),
        ("falsify", place / "study.json", "--data", place / "cost.csv", "-o", place / "cost.csv", "--force"),
        ("fit", place / "study.json", "-o", place / "cells.csv", "--force"),
        ("factors", place / "study.json", "-o", place / "cells.csv", "--force"),
    ):
        status, _, err = ifm(*words)
        assert (status, err.count("\n")) == (2, 1), err
        assert "this run reads it" in err
        assert contents(place) == before


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_full_disk_is_one_line_and_keeps_the_old_output(
    output_format: str, ifm: Ifm, place: Path, disk: Path
) -> None:
    out = disk / "out"
    out.write_bytes(b"old")
    words = ("identify", place / "large.json", "--format", output_format, "-o", out, "--force", "--quiet")
    assert ifm(*words) == (
        1,
        "",
        f"ifm: cannot write {out}: No space left on device; make room or name another place\n",
    )
    assert contents(disk) == {"out": b"old"}


@pytest.mark.parametrize("name", ["fit", "estimate", "report"])
def test_a_full_disk_keeps_what_learning_wrote(name: str, ifm: Ifm, place: Path, disk: Path) -> None:
    for package in ("sklearn", "jinja2", "matplotlib"):
        pytest.importorskip(package)
    out = disk / "out"
    out.write_bytes(b"old")
    words = {
        "fit": ("--calibration", "0"),
        "estimate": ("--method", "mean", "--format", "parquet"),
        "report": ("--rows", "3"),
    }[name]
    (disk / "filler").write_bytes(bytes(2**16 - 2**12))
    status, said, err = ifm(name, place / "study.json", *words, "-o", out, "--force", "--quiet")
    assert (status, said) == (1, "")
    assert err == f"ifm: cannot write {out}: No space left on device; make room or name another place\n"
    assert out.read_bytes() == b"old"
    assert sorted(contents(disk)) == ["filler", "out"]


@pytest.mark.parametrize(
    "name", ["identify", "implications", "plan", "report", "fit", "estimate", "falsify", "demo"]
)
def test_a_read_only_folder_is_one_line(name: str, ifm: Ifm, place: Path, disk: Path) -> None:
    if name in ("fit", "estimate", "falsify"):
        pytest.importorskip("sklearn")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    words = ("--save", disk) if name == "demo" else (place / "study.json", "-o", disk / "out")
    status, said, err = ifm(name, *words)
    assert (status, said) == (2, "")
    assert (
        err == f"ifm: cannot write {disk / ('poster.yaml' if name == 'demo' else 'out')}: Read-only file system\n"
    )
    assert list(disk.iterdir()) == []


def shell(line: str, **given: str) -> subprocess.CompletedProcess[bytes]:
    ifm = f"{sys.executable} -m ifm_ident.cli"
    return subprocess.run(
        ["bash", "-c", line.replace("IFM", ifm)],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, **given},
    )


@pytest.mark.parametrize("words", ["identify {}", "identify {} --format parquet", "plan {}", "--help"])
def test_closed_and_full_standard_output_is_one_line(words: str, place: Path) -> None:
    asked = words.format(place / "study.json")
    for line, reason in (
        (f"IFM {asked} >&-", b"ifm: standard output is closed; "),
        (f"IFM {asked} <&- >&-", b"ifm: standard output is closed; "),
        (f"IFM {asked} >/dev/full", b"ifm: the result cannot be written: No space left on device; "),
    ):
        done = shell(line)
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1), done.stderr
        assert done.stderr.startswith(reason)


def test_streams_that_are_not_needed_may_be_closed(place: Path) -> None:
    out = place / "out.json"
    whole = run_apart("identify", str(place / "study.json"), "--format", "json").stdout
    for streams in ("<&- >&- 2>&-", ">&- 2>/dev/full", ">/dev/full 2>&-"):
        done = shell(f"IFM identify {place / 'study.json'} --format json -o {out} --force {streams}")
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert out.read_bytes() == whole


HOLD = """
import sys, time
from ifm_ident.commands import identify
writer = identify._WRITERS["json"]
def slow(sink, *given):
    writer(sink, *given)
    sink.flush()
    print("written", flush=True)
    time.sleep({})
identify._WRITERS["json"] = slow
from ifm_ident.cli import main
sys.argv[0] = "ifm"
main()
"""


def holding(place: Path, seconds: float) -> subprocess.Popen[bytes]:
    """A run that has written all and then waits before it is done."""
    words = ["identify", str(place / "study.json"), "--format", "json", "-o", str(place / "out"), "--quiet"]
    command = [sys.executable, "-c", HOLD.format(seconds), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_the_second_writer_of_an_output_is_refused(force: tuple[str, ...], ifm: Ifm, place: Path) -> None:
    out = place / "out"
    with holding(place, 5) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"written\n"
        status, said, err = ifm("identify", place / "large.json", "-o", out, "--format", "json", *force)
        assert (status, said) == (2, "")
        assert err == f"ifm: cannot write {out}: another run is writing it; wait for it, or name another file\n"
        assert not out.exists()
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert len(json.loads(out.read_bytes())["results"]) == 2
    assert not list(place.glob(".*"))


def test_what_a_killed_run_leaves_is_no_result_and_in_nobodys_way(ifm: Ifm, place: Path) -> None:
    with holding(place, 60) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"written\n"
        first.kill()
    assert [path.name for path in place.glob(".*")] == [".out.unfinished.tmp"]
    assert not (place / "out").exists()
    assert ifm("identify", place / "study.json", "--format", "json", "-o", place / "out", "--quiet") == (0, "", "")
    assert not list(place.glob(".*"))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_inside_compiled_code_ends_the_run(sent: signal.Signals, place: Path) -> None:
    """The main thread is inside a solver that gives the interpreter's lock back but never returns to Python."""
    code = """
import ctypes, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # whoever runs the tests may have them ignored
    signal.signal(number, signal.SIG_DFL)
from ifm_ident.commands import plan
def solve(*_, **__):
    print("solving", flush=True)
    ctypes.CDLL(None).pause()
    while True:
        ctypes.CDLL(None).sleep(60)  # begins again whatever interrupts it, as compiled code does
plan.plan = lambda *_, **__: solve()
from ifm_ident.cli import main
sys.argv[0] = "ifm"
main()
"""
    words = ["plan", str(place / "study.json"), "-o", str(place / "out"), "--quiet"]
    before = contents(place)
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"solving\n"
        process.send_signal(sent)
        try:
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 128 + sent
    assert err.count(b"\n") == 1
    assert contents(place) == before


def test_a_signal_that_is_ignored_stays_ignored(place: Path) -> None:
    """As `nohup` and shells that start something in the background ask for."""
    words = f"identify {place / 'study.json'} --format json -o {place / 'out'}"
    line = f"trap '' HUP; exec {sys.executable} -c \"$CODE\" {words}"
    with subprocess.Popen(
        ["bash", "-c", line],
        env={**os.environ, "CODE": HOLD.format(2)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert (place / "out").exists()
