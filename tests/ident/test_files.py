"""Output files appear whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ifm_ident import files
from ifm_ident.errors import InputError
from ifm_ident.files import held_folder, open_output


def test_output_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    with open_output(path) as stream:
        stream.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]
    (tmp_path / "plain").write_bytes(b"")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def _interrupted(path: Path, force: bool, fault: type[BaseException]) -> None:
    with open_output(path, force) as stream:
        stream.write(b"half")
        raise fault


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_fault_leaves_nothing_and_keeps_the_old_file(fault: type[BaseException], tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    for force in (True, False):
        target = path if force else tmp_path / "other.bin"
        with pytest.raises(fault):
            _interrupted(target, force, fault)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def _interrupt_at(step: int) -> Callable[[FrameType, str, object], Any]:
    """A trace that interrupts at the step-th line of the context manager and what it calls."""
    seen = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal seen
        if Path(frame.f_code.co_filename).name not in {"files.py", "contextlib.py"}:
            return None
        seen += event == "line"
        if seen == step:
            raise KeyboardInterrupt
        return trace

    return trace


def test_an_interrupt_at_any_step_of_entering_leaves_nothing(tmp_path: Path) -> None:
    path, entered = tmp_path / "out.bin", False
    before, step = sys.gettrace(), 0
    while not entered:
        step += 1
        sys.settrace(_interrupt_at(step))
        try:
            with open_output(path):
                sys.settrace(before)
                entered = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert [file.name for file in tmp_path.iterdir()] == ["out.bin"] * entered
    assert step > 15


def test_output_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")
    for target, message in (
        (path, "exists already; overwrite it by `force`"),
        (tmp_path, "it is a folder"),
        (tmp_path / "none" / "out.bin", "there is no folder"),
        (path / "out.bin", "there is no folder"),
    ):
        with pytest.raises(InputError, match=message), open_output(target):
            pytest.fail("the block must not run")
    with open_output(path, force=True) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "out.bin", tmp_path / "link.bin"
    file.write_bytes(b"old")
    link.symlink_to(file)
    with pytest.raises(InputError, match="exists already"), open_output(link):
        pytest.fail("the block must not run")
    with open_output(link, force=True) as stream:
        stream.write(b"new")
    assert link.is_symlink()
    assert file.read_bytes() == b"new"


def test_a_pipe_or_device_is_never_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="no regular file"), open_output(pipe, force=True):
        pytest.fail("the block must not run")
    assert pipe.is_fifo()


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"

    def write() -> None:
        with open_output(path) as stream:
            stream.write(b"mine")
            path.write_bytes(b"theirs")

    with pytest.raises(InputError, match="by `force`"):
        write()
    assert path.read_bytes() == b"theirs"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_one_run_at_a_time_writes_into_a_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            held_folder(tmp_path / "deep" / "out") as folder,
            pytest.raises(InputError, match="another run is writing there"),
            held_folder(folder),
        ):
            pytest.fail("the block must not run")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write into .*file: File exists"), held_folder(tmp_path / "file"):
        pytest.fail("the block must not run")


def test_writing_without_locks_still_keeps_what_appears_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on file systems that have none: nobody is refused beforehand, and nothing is lost."""
    monkeypatch.setattr(files, "_lock", lambda descriptor: None)
    path = tmp_path / "out.bin"

    def two() -> None:
        with open_output(path) as first, open_output(path) as second:
            first.write(b"first")
            second.write(b"second")

    with pytest.raises(InputError, match="by `force`"):
        two()
    assert path.read_bytes() == b"second"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_a_leftover_is_removed_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)  # its bytes are as many as a name may have, nearly
    with open_output(path) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    (tmp_path / ".a.unfinished.tmp").write_bytes(b"left by a run that was killed")
    with open_output(tmp_path / "a") as stream:
        stream.write(b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", path.name]


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """Nobody can make a run write to a file of their choice by a link under the unfinished file's name."""
    other = tmp_path / "other"
    other.write_bytes(b"precious")
    (tmp_path / ".a.unfinished.tmp").symlink_to(other)
    with pytest.raises(InputError, match="cannot write"), open_output(tmp_path / "a"):
        pytest.fail("the block must not run")
    os.link(other, tmp_path / ".b.unfinished.tmp")
    with open_output(tmp_path / "b") as stream:
        stream.write(b"new")
    assert other.read_bytes() == b"precious"
