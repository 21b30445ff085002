"""Running the command line, in this process and in another one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ifm_ident.cli import main

Ifm = Callable[..., tuple[int, str, str]]
"""Exit status, standard output and standard error of a command, by its arguments."""


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `ifm ARGUMENTS`, run in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ifm", *arguments])
        before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
        with pytest.raises(SystemExit) as end:
            main()
        for number, handler in before.items():  # the process goes on
            signal.signal(number, handler)
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    status = end.value.code
    assert isinstance(status, int)
    return status, out.decode(), err.decode()


def run_apart(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """`ifm ARGUMENTS` in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "ifm_ident.cli", *arguments]
    return subprocess.run(command, capture_output=True, cwd=cwd, check=False, timeout=120)
