"""The command line: `ifm COMMAND STUDY [options]` (docs/reference/commands.md).

Signals are listened to before anything that takes time is imported. They raise nothing, as an exception may come
where code that is not ours swallows or reports it: what is unfinished is removed, and the process left.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from ifm_ident.lazy import lazy_names

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_HOMES = dict.fromkeys(("COMMANDS", "LazyGroup", "commands", "group"), "ifm_ident.commands.group")

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

_SAID = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_PATIENCE = 0.2
"""Seconds that the main thread is given to leave by itself: longer it is inside compiled code."""

_leaving = threading.Lock()
_listening: list[threading.Thread] = []


def main() -> None:
    """Run the command line; exit 0 done, 1 a fault of the program or a failed check, 2 bad input."""
    _open_streams()
    _listen()
    import click

    from ifm_ident.commands.group import complain, discard_output, group
    from ifm_ident.errors import IfmError
    from ifm_ident.inert import visible

    try:
        status = group.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show(shown := io.StringIO())
        click.echo(visible(shown.getvalue()), err=True, nl=False)
        sys.exit(error.exit_code)
    except IfmError as error:
        complain(error)
        sys.exit(error.exit_status)
    except OSError as error:
        if error.errno == errno.EBADF:
            said = "standard output is closed; open it, or name a file with -o FILE where the command takes one"
        elif error.errno in _NO_ROOM:
            said = f"the result cannot be written: {error.strerror}; make room or name another place"
        else:
            raise
        discard_output()
        complain(said)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _listen() -> None:
    """Leave at once on an interrupt or a request to end, unless whoever started us has these ignored."""
    if _listening:
        return
    os.environ.setdefault("PYTHONWARNINGS", "ignore:resource_tracker:UserWarning")  # of workers left behind
    atexit.register(_ignore)  # runs last: what is done is done, and so is its status
    listened = [number for number in _signals() if signal.getsignal(number) != signal.SIG_IGN]
    for number in listened:
        signal.signal(number, _leave)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _listening.append(threading.Thread(target=_watch, args=(reading, listened), daemon=True))
    _listening[0].start()


def _signals() -> list[signal.Signals]:
    return [signal.Signals[name] for name in _SAID if name in signal.Signals.__members__]


def _ignore() -> None:
    for number in _signals():
        signal.signal(number, signal.SIG_IGN)


def _watch(reading: int, listened: list[signal.Signals]) -> None:
    """Leave where the main thread cannot, as Python code of its does not run before compiled code returns."""
    for number in iter(lambda: os.read(reading, 1)[0], None):
        if number in listened:
            threading.Event().wait(_PATIENCE)
            _leave(number, None)


def _leave(number: int, _: object) -> None:
    """Remove what is unfinished, say so, and end."""
    if not _leaving.acquire(blocking=False):
        return
    files = sys.modules.get("ifm_ident.files")
    remove = getattr(files, "remove_unfinished", None)
    if remove is not None:
        remove()
    _end_workers()
    with contextlib.suppress(OSError):
        start = "\n" if os.isatty(2) else ""  # a bar of progress may stand there
        os.write(2, f"{start}ifm: {_SAID[signal.Signals(number).name]}\n".encode())
    os._exit(128 + number)


def _end_workers() -> None:
    processes = sys.modules.get("multiprocessing.process")
    for worker in processes.active_children() if processes is not None else ():
        with contextlib.suppress(OSError):
            os.kill(worker.pid, signal.SIGKILL)


class _Deaf(io.FileIO):
    """Standard error that drops what cannot be written: that a remark is lost does not change what a run did."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return memoryview(data).nbytes


def _open_streams() -> None:
    """A standard stream that is closed is opened to nowhere, so that no file of ours takes its number."""
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free; output that is read-only refuses all
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        encoding = getattr(sys.stderr, "encoding", "utf-8")
        buffer = io.BufferedWriter(_Deaf(2, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(buffer, encoding, "backslashreplace", line_buffering=True)


if __name__ == "__main__":
    main()
