"""Writing files whole or not at all."""

from __future__ import annotations

import atexit
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ifm_ident.errors import InputError


def check_output(path: str | Path, force: bool = False) -> Path:
    """The path of a file that may be written; InputError says why not, before any work is done.

    >>> check_output("/", force=True)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: cannot write to /: it is a folder; name a file in it
    """
    target = Path(path)
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
    return target


@contextmanager
def open_output(path: str | Path, force: bool = False) -> Iterator[BinaryIO]:
    """A binary stream that becomes the file `path` when the block ends well, and leaves nothing otherwise.

    Bytes go to a temporary file in the same folder, which is flushed to disk and renamed at the end; any
    exception (an interrupt too) removes it, and an older file at `path` stays as it was. A link is followed.
    Raises InputError for a folder, a device or pipe, a missing parent folder, an existing file without `force`,
    or a folder without write access.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with open_output(folder / "a.txt") as stream:
    ...     _ = stream.write(b"done")
    >>> (folder / "a.txt").read_text()
    'done'
    """
    target = check_output(path, force).resolve()  # a link stays a link
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    remove = partial(temporary.unlink, missing_ok=True)
    atexit.register(remove)  # an interrupt may come between the steps of entering a block
    try:
        with _created(temporary, target) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        check_output(target, force)
        temporary.replace(target)
    finally:
        remove()
        atexit.unregister(remove)


def _created(temporary: Path, target: Path) -> BinaryIO:
    try:
        return temporary.open("xb")
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror}") from None
