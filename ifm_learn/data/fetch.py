"""Files of others: found in a folder, or downloaded on request and checked by SHA-256."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from ifm_ident import InputError, MissingExtraError

VARIABLE = "IFM_DATA"
"""The environment variable that names the folder of public data."""


@dataclass(frozen=True)
class Remote:
    """A file on the web: its address, the SHA-256 of its bytes, and the name it has here."""

    url: str
    sha256: str
    name: str


def data_folder(given: str | Path | None) -> Path:
    """The folder of public data: the one given, else that of IFM_DATA, else a cache of the user.

    Raises MissingExtraError where only the cache is left and the package that knows its place is not installed.

    >>> data_folder("data").name
    'data'
    """
    if given is not None:
        return Path(given)
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    try:
        import pooch
    except ImportError:
        raise MissingExtraError("pooch", "data") from None
    return Path(pooch.os_cache("ifm-ident"))


def fetch(remote: Remote, folder: Path) -> Path:
    """The file in `folder`, downloaded unless it is there already with the right SHA-256.

    Raises InputError where it cannot be had or has another SHA-256 (nothing is kept then), MissingExtraError
    without pooch.
    """
    try:
        import pooch
        from requests import RequestException
    except ImportError:
        raise MissingExtraError("pooch", "data") from None
    try:
        return Path(pooch.retrieve(remote.url, f"sha256:{remote.sha256}", fname=remote.name, path=folder))
    except RequestException as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{remote.url}: the download failed ({reason}); try again, or put the file into {folder}"
        ) from None
    except ValueError as error:
        if "hash" not in str(error):
            raise
        raise InputError(
            f"{remote.url}: the file is not the one expected (SHA-256 {remote.sha256[:12]}...): changed or "
            "damaged on the way; try again, and do not use it if this stays"
        ) from None


def present(remote: Remote, folder: Path) -> Path | None:
    """The file where it is in `folder`, else None; InputError where it is there and is not the one expected."""
    path = folder / remote.name
    if not path.exists():
        return None
    if hashlib.sha256(path.read_bytes()).hexdigest() != remote.sha256:
        raise InputError(
            f"{path}: the file is not the one expected (SHA-256 {remote.sha256[:12]}...); remove it, download "
            "it again"
        )
    return path
