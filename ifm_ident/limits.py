"""How much of a file is read: every limit in one table, and each can be raised by its name."""

from __future__ import annotations

import errno
import stat
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from pathlib import Path

from ifm_ident.errors import InputError, require_known, require_whole


def _limit(most: int, unit: str, words: str) -> int:
    found: int = field(default=most, metadata={"unit": unit, "words": words})
    return found


@dataclass(frozen=True)
class Limits:
    """The most that is read of a file; what is more is refused, with the name of the limit that it meets.

    Limits hold in a block that begins with them, and there for everything that is read. The defaults are far above
    what studies need, and keep a small file that unfolds to a huge one from filling the memory.

    >>> from ifm_ident import Factor, Intervention, Model
    >>> with Limits(label=3):
    ...     Model((Intervention("dose", (0, 1)),), ("x",), (Factor("f", ("x",), ("dose",)),))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the name of an intervention: 4 characters; the limit is label=3: if it is meant so, raise it to label=4
    >>> Limits(rows=-1)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the limit rows is -1; write a whole number of 0 or more
    """  # noqa: E501

    file: int = _limit(500_000_000, "bytes", "a table, result or model, on disk and again decompressed")
    study: int = _limit(8_000_000, "bytes", "a study file; long lists of regimes are tables of their own")
    rows: int = _limit(10_000_000, "rows", "a table")
    columns: int = _limit(50_000, "columns", "a table")
    cells: int = _limit(100_000_000, "cells", "a table, rows times columns; of an .h5ad file those that are read")
    label: int = _limit(10_000, "characters", "a label, level or name")
    digits: int = _limit(100_000, "digits", "an integer of a result, and the common denominator of a formula")
    nesting: int = _limit(64, "levels", "lists and maps inside one another in a study")
    values: int = _limit(1_000_000, "values", "what the aliases of a study stand for, written out")
    special: int = _limit(0, "special files", "pipes and devices are read where this is 1, to their end")

    def __post_init__(self) -> None:
        for one in fields(self):
            require_whole(getattr(self, one.name), f"the limit {one.name}")

    def __enter__(self) -> Limits:
        _inside.set((*_inside.get(), self))
        return self

    def __exit__(self, *error: object) -> None:
        _inside.set(_inside.get()[:-1])


_inside: ContextVar[tuple[Limits, ...]] = ContextVar("limits", default=(Limits(),))

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
_LONGEST_NAME = 80


def current() -> Limits:
    """The limits that hold here."""
    return _inside.get()[-1]


def limits_of(texts: tuple[str, ...]) -> Limits:
    """The limits of texts such as `rows=2000`; what is not named has its default.

    >>> limits_of(("rows=2_000",)).rows
    2000
    >>> limits_of(("row=2000",))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown limit 'row'; did you mean rows?
    """
    given = {}
    for text in texts:
        name, equals, number = text.partition("=")
        require_known(name, [one.name for one in fields(Limits)], "limit")
        plain = number.replace("_", "").replace(",", "")
        if not (equals and plain.isascii() and plain.isdigit() and len(plain) < 19):
            raise InputError(f"the limit {text!r} has no whole number; write one such as {name}=1000000")
        given[name] = int(plain)
    return Limits(**given)


def require_within(name: str, value: int, place: object, least: bool = False) -> None:
    """Raise InputError, which begins with the place, for a value above the limit of that name.

    least: the value is what was counted so far, there may be more.
    """
    if value > getattr(current(), name):
        unit = next(one for one in fields(Limits) if one.name == name).metadata["unit"]
        raise beyond(name, value, f"{place}: {value:,} {unit}{' or more' if least else ''}")


def beyond(name: str, value: int, words: str) -> InputError:
    """The refusal of a value above a limit: what was met, in words, and how the limit is raised."""
    most = getattr(current(), name)
    return InputError(
        f"{words}; the limit is {name}={most}: if it is meant so, raise it to {name}={value}", argument="limit"
    )


def require_regular(path: Path, limit: str = "file") -> None:
    """Raise InputError for a file that is no regular one, or larger than a limit of bytes.

    Nothing is opened, so a pipe that nobody writes into is refused at once. A file that is not there, and a folder,
    are for the caller to complain of.

    >>> require_regular(Path("/dev/null"))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: /dev/null: this is a device, and only regular files are read; save it as a file, or raise the limit to special=1
    """  # noqa: E501
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) != errno.ENAMETOOLONG:
            return
        text = str(path)
        raise InputError(
            f"{text[:_LONGEST_NAME]}...: a file name of {len(text):,} characters is too long; name a file"
        ) from None
    kind = _KINDS.get(stat.S_IFMT(found.st_mode))
    if kind is not None and not current().special:
        raise InputError(
            f"{path}: this is {kind}, and only regular files are read; save it as a file, or raise the limit to "
            "special=1",
            argument="limit",
        )
    if kind is None:
        require_within(limit, found.st_size, path)


def read_bytes(path: Path, limit: str = "file") -> bytes:
    """The bytes of a regular file, or InputError as `require_regular`; OSError for one that cannot be read."""
    require_regular(path, limit)
    most = getattr(current(), limit)
    with path.open("rb") as stream:
        data = stream.read(most + 1)
    require_within(limit, len(data), path, least=True)
    return data
