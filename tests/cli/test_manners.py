"""Manners of every command: help, completion, nearest names, quiet, colours, progress, interrupts."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import click
import pytest

from ifm_ident.cli import commands, group
from tests.cli.running import run, run_apart

STUDY = {
    "interventions": {name: [0, 1] for name in "ABC"},
    "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
    "train": ["000", "010", "100", "110", "001", "011"],
}
WRITING = ("identify", "implications", "plan", "report", "explore")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Two hundred interventions of which any three are asked about: 1,333,501 regimes."""
    names = [f"g{i}" for i in range(200)]
    path = tmp_path / "large.json"
    path.write_text(
        json.dumps(
            {
                "interventions": {name: [0, 1] for name in names},
                "factors": [{"sigma": [name]} for name in names],
                "train": ["ctrl", *names],
                "test": {"order": 3},
            }
        )
    )
    return path


@pytest.mark.parametrize("name", commands())
def test_the_example_of_every_command_parses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.csv").touch()
    context = click.Context(group, info_name="ifm")
    command = group.get_command(context, name)
    assert command is not None
    assert command.epilog is not None
    words = shlex.split(command.epilog.removeprefix("Example:  "))
    assert words[:2] == ["ifm", name]
    with command.make_context(name, words[2:], parent=context) as made:
        assert made.params


@pytest.mark.parametrize("name", commands())
def test_help_needs_no_study(name: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    status, out, err = run(capfdbinary, name, "--help")
    assert (status, err) == (0, "")
    assert f"Example:  ifm {name}" in " ".join(out.split("\n"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ifm re", {"plain,report"}),
        ("ifm identify --obj", {"plain,--objective"}),
        ("ifm identify --criterion co", {"plain,conditional"}),
        ("ifm report stu", {"file,stu"}),
        ("ifm verify ans", {"file,ans"}),
        ("ifm plan study.yaml -o out", {"file,out"}),
    ],
)
def test_completion_in_the_shell(words: str, expected: set[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'ifm'; from ifm_ident.cli import main; main()"],
        env={
            **os.environ,
            "_IFM_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert set(found.stdout.decode().split()) >= expected
    assert len(found.stdout.split()) < len(commands())


def test_the_completion_script_that_help_names_is_made(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert '"$(_IFM_COMPLETE=bash_source ifm)"' in run(capfdbinary, "--help")[1]
    for shell in ("zsh", "fish"):
        found = subprocess.run(
            [sys.executable, "-c", "import sys; sys.argv[0] = 'ifm'; from ifm_ident.cli import main; main()"],
            env={**os.environ, "_IFM_COMPLETE": f"{shell}_source"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert b"_IFM_COMPLETE" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["identfy", "s.json"], "'identfy'; did you mean identify?"),
        (["xyzzy"], "legal: demo, init"),
        (["plan", "{study}", "--budgte", "3"], "--budget"),
        (["identify", "{study}", "--criterion", "joined"], "'joint'"),
        (["explain", "{study}", "--regime", "a+B"], "did you mean A?"),
        (["identify", "{study}", "--test", "A, C"], "join names by +: A+C"),
        (["identify", "{study}", "--test", "A,none"], "a text is one regime: give several one by one"),
        (["identify", "{folder}/stduy.json"], "did you mean study.json?"),
        (["identify", "{study}", "--test", "file:{folder}/none.csv"], "none.csv"),
    ],
)
def test_errors_name_the_nearest_legal_name(
    capfdbinary: pytest.CaptureFixture[bytes], study: Path, arguments: list[str], said: str
) -> None:
    filled = [one.format(study=study, folder=study.parent) for one in arguments]
    status, out, err = run(capfdbinary, *filled)
    assert (status, out) == (2, "")
    assert any(option in err for option in said.split("|")), err


@pytest.mark.parametrize("name", WRITING)
def test_quiet_says_nothing(
    name: str, capfdbinary: pytest.CaptureFixture[bytes], study: Path, tmp_path: Path
) -> None:
    if name == "report":
        pytest.importorskip("jinja2")
        pytest.importorskip("matplotlib")
    loud = run(capfdbinary, name, str(study), "-o", str(tmp_path / "a.out"))
    assert loud[:2] == (0, "")
    assert loud[2].startswith(f"{tmp_path / 'a.out'}: ")
    assert run(capfdbinary, name, str(study), "-o", str(tmp_path / "b.out"), "--quiet") == (0, "", "")
    assert (tmp_path / "a.out").read_bytes() == (tmp_path / "b.out").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.out", "b.out", "study.json"]


def on_terminal(*arguments: str, **environment: str) -> tuple[int, bytes, bytes]:
    """Exit status, standard output (a pipe) and what a terminal at standard error shows."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "ifm_ident.cli", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm-256color", **environment}
    ) as process:
        os.close(theirs)
        assert process.stdout is not None
        out = process.stdout.read()
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        os.close(ours)
        return process.wait(60), out, seen


def test_progress_is_for_terminals_only(study: Path) -> None:
    status, out, seen = on_terminal("identify", str(study), "--format", "json")
    assert status == 0
    assert b"chunk" in seen
    assert json.loads(out)["schema"] == "ifm-identification/1"
    assert on_terminal("identify", str(study), "--quiet")[2] == b""
    apart = run_apart("identify", str(study), "--format", "json")
    assert (apart.stdout, apart.stderr) == (out, b"")


@pytest.mark.parametrize("command", ["identify", "estimate"])
def test_parquet_is_not_written_to_a_terminal(study: Path, command: str) -> None:
    if command == "estimate":
        pytest.importorskip("sklearn")
    ours, theirs = pty.openpty()
    asked = [sys.executable, "-m", "ifm_ident.cli", command, str(study), "--format", "parquet"]
    done = subprocess.run(asked, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2
    assert b"Parquet is binary and standard output is a terminal: name a file with -o FILE." in done.stderr


def test_nothing_is_coloured(study: Path) -> None:
    """No escape of a colour, with or without NO_COLOR, in output, errors and progress on a terminal."""
    for environment in ({}, {"NO_COLOR": "1"}):
        for arguments in (["identify", str(study)], ["identify", str(study), "--test", "zzz"]):
            _, out, seen = on_terminal(*arguments, **environment)
            assert b"\x1b[" not in out
            assert not [code for code in seen.split(b"\x1b[")[1:] if code.lstrip(b"0123456789;").startswith(b"m")]


@pytest.mark.parametrize("output_format", ["csv", "parquet", "json"])
@pytest.mark.parametrize(("sent", "words"), [(signal.SIGINT, b"ifm: interrupted\n"), (signal.SIGTERM, b"")])
def test_an_interrupt_leaves_nothing_half_written(
    large: Path, tmp_path: Path, output_format: str, sent: signal.Signals, words: bytes
) -> None:
    out = tmp_path / "answers.out"
    command = [
        sys.executable,
        "-m",
        "ifm_ident.cli",
        "identify",
        str(large),
        "--format",
        output_format,
        "-o",
        str(out),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while not any(
            part.stat().st_size for part in tmp_path.glob(".answers.out.*.tmp")
        ):  # it has begun to write
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(sent)
        said, err = process.communicate(timeout=60)
    assert (process.returncode, said) == (128 + sent, b"")
    assert err.endswith(words)
    assert b"Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["large.json"]


def test_an_interrupted_report_keeps_the_old_page(large: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    out = tmp_path / "page.html"
    out.write_text("old")
    command = [sys.executable, "-m", "ifm_ident.cli", "report", str(large), "-o", str(out), "--force"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while not any(part.stat().st_size for part in tmp_path.glob(".page.html.*.tmp")):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.json", "page.html"]
