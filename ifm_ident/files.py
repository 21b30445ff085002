"""Writing files whole or not at all, and never onto what is read.

An output is written beside itself, as `.NAME.unfinished.tmp`, and renamed when it is complete. The unfinished file
is held by a lock of the operating system, which ends with the process however that ends: while it is held, nobody
else writes this output, and where it is not, a killed run has left it, and the next one removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ifm_ident.errors import IfmError, InputError

try:
    import fcntl
except ImportError:  # Windows: nothing is locked
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

UNFINISHED = ".unfinished.tmp"
"""How the name of an unfinished file ends; it begins with a dot."""

_LONGEST_NAME = 200


class WriteError(IfmError):
    """A file cannot be written to its end: the disk is full, for instance. Nothing of it is left."""


class InUseError(InputError):
    """Another run is writing the same; it may be done in a moment."""


def check_output(path: str | Path, force: bool = False) -> Path:
    """The path of a file that may be written; InputError says why not, before any work is done.

    Within `one_run` the output is held from now on: nobody else can begin to write it, and it is no input.

    >>> check_output("/", force=True)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: cannot write to /: it is a folder; name a file in it
    """
    target = Path(path)
    _require_writable(target, force)
    run = _RUN.get()
    if run is not None:
        run.hold(target, force)
    return target


@contextmanager
def open_output(path: str | Path, force: bool = False) -> Iterator[BinaryIO]:
    """A binary stream that becomes the file `path` when the block ends well, and leaves nothing otherwise.

    Bytes go to an unfinished file in the same folder, which is flushed to disk and renamed at the end; any
    exception (an interrupt too) removes it, and an older file at `path` stays as it was. A link is followed.
    Without `force` a file that has appeared meanwhile is kept.

    Raises InputError for a folder, a device or pipe, a missing parent folder, an existing file without `force`,
    a folder without write access, an output that another run is writing and, within `one_run`, a file that was
    read; WriteError where the disk is full or fails.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with open_output(folder / "a.txt") as stream:
    ...     _ = stream.write(b"done")
    >>> (folder / "a.txt").read_text()
    'done'
    """
    run, target = _RUN.get(), Path(path)
    part = run.held.get(_real(target)) if run is not None else None
    held, written = part is not None, False
    part = part or _Unfinished(target, force)
    try:
        if not held:
            _require_writable(target, force)
            if run is not None:
                run.require_unread(target)
                run.held[part.target] = part
            part.create()
        with io.BufferedWriter(part.opened()) as stream:
            yield stream
            written = True
            stream.flush()
            os.fsync(stream.fileno())
        part.finish()
    except InputError:
        raise
    except Exception as error:
        fault = part.fault or (error if written and isinstance(error, OSError) else None)
        if fault is None:
            raise
        raise _write_error(target, fault) from None
    finally:
        part.remove()
        if run is not None:
            run.held.pop(part.target, None)


@contextmanager
def one_run() -> Iterator[None]:
    """A block in which no file that `note_input` was told of is written, and outputs are held from their check on.

    >>> import tempfile
    >>> study = Path(tempfile.mkdtemp()) / "study.yaml"
    >>> study.touch()
    >>> with one_run():
    ...     note_input(study)
    ...     check_output(study, force=True)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: cannot write to ...study.yaml: this run reads it; name another file for the output
    """
    run = _Run()
    token = _RUN.set(run)
    try:
        yield
    finally:
        _RUN.reset(token)
        for part in [*run.held.values()]:
            part.remove()


def note_input(path: str | Path) -> None:
    """Tell that a file is read: within `one_run`, InputError where it is an output too, under whatever name."""
    run = _RUN.get()
    if run is not None:
        run.read(Path(path))


@contextmanager
def held_folder(path: str | Path) -> Iterator[Path]:
    """A folder, made where there is none, into which only one run at a time writes by this; InputError if not now.

    >>> import tempfile
    >>> with held_folder(Path(tempfile.mkdtemp()) / "out") as folder:
    ...     folder.is_dir()
    True
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}; name another folder") from None
    try:
        if _lock(descriptor) is False:
            raise InputError(
                f"cannot write into {folder}: another run is writing there; wait for it, or name another folder"
            )
        yield folder
    finally:
        os.close(descriptor)


@contextmanager
def held(path: str | Path) -> Iterator[None]:
    """A block that one run at a time enters for a path, be there a file or not; InUseError while it is another.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "answers"
    >>> with held(path):
    ...     with held(path):
    ...         pass
    Traceback (most recent call last):
    ...
    ifm_ident.files.InUseError: cannot write ...: another run is writing it; wait for it, or name another file
    """
    part = _Unfinished(Path(path), force=True)
    try:
        part.create()
        yield
    finally:
        part.remove()


def require_unread(path: str | Path) -> None:
    """Within `one_run`, InputError for a file that `note_input` was told of, under whatever name."""
    run = _RUN.get()
    if run is not None:
        run.require_unread(Path(path))


def remove_unfinished() -> None:
    """Remove what is not finished, before the process leaves without unwinding."""
    for part in [*_PARTS]:
        part.remove()


class _Remembering(io.FileIO):
    """A file that keeps its first fault: libraries that write to it may report another one, or none."""

    fault: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data) or 0
        except OSError as error:
            self.fault = self.fault or error
            raise


class _Unfinished:
    """The file beside an output that becomes it."""

    def __init__(self, target: Path, force: bool) -> None:
        self.shown, self.target, self.force = target, _real(target), force  # a link stays a link
        name = self.target.name
        if len(os.fsencode(name)) > _LONGEST_NAME:
            name = hashlib.sha256(os.fsencode(name)).hexdigest()
        self.path = self.target.with_name(f".{name}{UNFINISHED}")
        self.descriptor = -1
        self._raw: _Remembering | None = None

    def create(self) -> None:
        """Make the file, and hold it; InputError where it cannot be made or another run holds it."""
        if not _PARTS:
            atexit.register(remove_unfinished)  # an interrupt may come between the steps of entering a block
        _PARTS.add(self)
        try:
            while self.descriptor < 0:
                try:
                    self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
                except FileExistsError:
                    if not _removed(self.path):
                        raise InUseError(
                            f"cannot write {self.shown}: another run is writing it; wait for it, or name another "
                            "file"
                        ) from None
                    continue
                locked = _lock(self.descriptor)
                if locked is None:  # no locks here: under this name another run would take it for a leftover
                    name = f".{secrets.token_hex(6)}{UNFINISHED}"
                    self.path = self.path.rename(self.path.with_name(name))
                elif not (locked and _is(self.descriptor, self.path)):
                    os.close(self.descriptor)  # a run that looked for leftovers was faster than the lock
                    self.descriptor = -1
        except OSError as error:
            raise _write_error(self.shown, error) from None
        _require_writable(self.shown, self.force)  # another run may just have finished it

    def opened(self) -> io.FileIO:
        """The file to write to."""
        self._raw = _Remembering(self.descriptor, "wb", closefd=False)
        return self._raw

    @property
    def fault(self) -> OSError | None:
        """What went wrong first in writing."""
        return self._raw.fault if self._raw is not None else None

    def finish(self) -> None:
        """Make it the output, on disk too."""
        _require_writable(self.shown, self.force)
        if self.force:
            self.path.replace(self.target)
        else:
            try:
                os.link(self.path, self.target)
            except FileExistsError:
                _require_writable(self.shown, self.force)
            except OSError:  # a file system without links
                self.path.replace(self.target)
        with contextlib.suppress(OSError):
            folder = os.open(self.target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def remove(self) -> None:
        """Remove the file if it is still there and of this run, and let go of it."""
        with contextlib.suppress(OSError):
            if self.descriptor < 0:
                _removed(self.path)
            elif _is(self.descriptor, self.path):
                self.path.unlink()
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
        _PARTS.discard(self)
        if not _PARTS:
            atexit.unregister(remove_unfinished)


class _Run:
    """What a run reads, by device and inode, and the outputs that it holds, by path."""

    def __init__(self) -> None:
        self.inputs: set[tuple[int, int]] = set()
        self.held: dict[Path, _Unfinished] = {}

    def hold(self, target: Path, force: bool) -> None:
        self.require_unread(target)
        part = _Unfinished(target, force)
        if part.target not in self.held:
            self.held[part.target] = part
            part.create()

    def read(self, path: Path) -> None:
        self.inputs |= _identity(path)
        for part in self.held.values():
            self.require_unread(part.shown)

    def require_unread(self, target: Path) -> None:
        if self.inputs & _identity(target):
            raise InputError(f"cannot write to {target}: this run reads it; name another file for the output")


_RUN: ContextVar[_Run | None] = ContextVar("run", default=None)
_PARTS: set[_Unfinished] = set()


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _require_writable(target: Path, force: bool) -> None:
    if target.is_dir():
        raise InputError(f"cannot write to {target}: it is a folder; name a file in it")
    if not target.parent.is_dir():
        raise InputError(f"cannot write {target}: there is no folder {target.parent}; make it first")
    if target.exists() and not target.is_file():
        raise InputError(
            f"cannot write to {target}: it is no regular file; leave the option out and redirect standard output"
        )
    if target.exists() and not force:
        raise InputError(
            f"{target} exists already; overwrite it by `force`, or name another file", argument="force"
        )


def _write_error(target: Path, error: OSError) -> IfmError:
    """A full or broken disk is a fault; all else is a place that was badly chosen."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return WriteError(f"cannot write {target}: {error.strerror}; make room or name another place")
    return InputError(f"cannot write {target}: {error.strerror}")


def _lock(descriptor: int) -> bool | None:
    """Hold a file until it is closed or the process ends: False where another holds it, None where none can."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _removed(path: Path) -> bool:
    """Remove what a run that was killed has left; False where a run holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return True
    try:
        if _lock(descriptor) is False:
            return False
        if _is(descriptor, path):
            path.unlink()
        return True
    finally:
        os.close(descriptor)


def _is(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one at a path: its name may have gone to another one since."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _identity(path: Path) -> set[tuple[int, int]]:
    """Device and inode of the file at a path, the same for all its names; nothing where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return set()
    return {(found.st_dev, found.st_ino)}
