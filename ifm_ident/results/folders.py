"""Folders that hold results in parts: on this machine, or at an address that fsspec knows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.files import held, open_output, require_unread

_TEMPORARY = ".*.tmp"


class Folder(Protocol):
    """Files side by side, each there whole or not at all; `str` gives the folder's name."""

    def names(self) -> list[str]:
        """The names of its files, in order; none where there is no folder."""

    def read(self, name: str) -> AbstractContextManager[Path]:
        """A file on this machine with the bytes of this one; InputError where there is none."""

    def create(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A stream that becomes the file when the block ends well; an older one is replaced at once."""

    def remove(self, name: str) -> None:
        """Takes a file away, if it is there."""

    def require_unread(self, name: str) -> None:
        """InputError for a file that this run reads."""

    def hold(self, name: str) -> AbstractContextManager[None]:
        """A block in which no other run of this machine holds the name; InUseError where one does."""


def is_address(text: str) -> bool:
    """Whether a text is an address such as `s3://bucket/answers/`, not a path."""
    return "://" in text


def open_folder(address: str | Path) -> Folder:
    """The folder of a path or an address; it need not be there yet.

    Raises InputError for a path that is a file or has no parent folder, and for an address of a kind that fsspec
    does not know or has no package for; MissingExtraError without fsspec.

    >>> import tempfile
    >>> folder = open_folder(tempfile.mkdtemp())
    >>> with folder.create("a.txt") as stream:
    ...     _ = stream.write(b"done")
    >>> folder.names()
    ['a.txt']
    >>> open_folder("no/such/folder/")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: cannot write to no/such/folder: there is no folder no/such; make it first
    """
    if is_address(str(address)):
        return _Remote.of(str(address))
    path = Path(address)
    if path.exists() and not path.is_dir():
        raise InputError(f"cannot write to {path}: it is a file, and parts need a folder; name another")
    if not path.absolute().parent.is_dir():
        raise InputError(f"cannot write to {path}: there is no folder {path.parent}; make it first")
    return _Local(path)


@dataclass(frozen=True)
class _Local:
    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        try:
            found = [one.name for one in self.path.iterdir() if one.is_file()]
        except OSError as error:
            raise InputError(f"cannot read the folder {self.path}: {error.strerror}") from None
        return sorted(name for name in found if not PurePath(name).match(_TEMPORARY))

    @contextmanager
    def read(self, name: str) -> Iterator[Path]:
        path = self.path / name
        if not path.is_file():
            raise InputError(f"{path}: there is no such file")
        yield path

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        path = self._made() / name
        if path.is_symlink():  # it is replaced: what it leads to is no file of ours
            path.unlink()
        with open_output(path, force=True) as stream:
            yield stream

    def _made(self) -> Path:
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {self.path}: {error.strerror}") from None
        return self.path

    def remove(self, name: str) -> None:
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"cannot remove {self.path / name}: {error.strerror}") from None

    def require_unread(self, name: str) -> None:
        require_unread(self.path / name)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        with held(self._made() / f"{name}.run"):
            yield


@dataclass(frozen=True)
class _Remote:
    """A folder of an fsspec file system; a file is made on this machine, then sent in one transaction."""

    address: str
    system: Any
    root: str

    @classmethod
    def of(cls, address: str) -> _Remote:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise MissingExtraError("fsspec", "remote") from None
        try:
            system, root = url_to_fs(address.rstrip("/"))
        except (ImportError, ValueError) as error:
            raise InputError(f"{address}: {error}") from None
        return cls(address, system, root)

    def __str__(self) -> str:
        return self.address.rstrip("/")

    def _place(self, name: str) -> str:
        return f"{self.root}/{name}"

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Puts the address before whatever a file system has to say."""
        try:
            yield
        except Exception as error:
            raise InputError(f"{self.address}: {str(error) or type(error).__name__}") from None

    def names(self) -> list[str]:
        with self._named():
            self.system.invalidate_cache()
            try:
                found = self.system.ls(self.root, detail=False)
            except FileNotFoundError:
                return []
        return sorted(place.rstrip("/").rpartition("/")[2] for place in found)

    @contextmanager
    def read(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as here:
            path = Path(here) / name
            with self._named():
                self.system.get_file(self._place(name), str(path))
            yield path

    @contextmanager
    def create(self, name: str) -> Iterator[BinaryIO]:
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.seek(0)
            with self._named():
                self.system.makedirs(self.root, exist_ok=True)
                with self.system.transaction, self.system.open(self._place(name), "wb") as sent:
                    shutil.copyfileobj(stream, sent)

    def remove(self, name: str) -> None:
        if name in self.names():
            with self._named():
                self.system.rm_file(self._place(name))

    def require_unread(self, name: str) -> None:
        pass

    def hold(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()
