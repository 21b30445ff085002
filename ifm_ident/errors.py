"""Errors that say what was got, why it is wrong and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable
from numbers import Integral, Real
from typing import Any

_QUANTITY = re.compile(r"[-+\u2212]?\.?[0-9]")


class IfmError(Exception):
    """Base class of all errors raised on purpose; `exit_status` is what the command line ends with."""

    exit_status = 1

    def __reduce__(self) -> tuple[Callable[..., IfmError], tuple[Any, ...]]:
        """As it is, from one process to another: not made anew from what its class is made of."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[IfmError], args: tuple[Any, ...], state: dict[str, Any]) -> IfmError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(IfmError, ValueError):
    """A user's input is wrong; the message names the place, the value and the remedy.

    `path` is the place inside a structured input, for example `("factors", 2, "sigma", 0)`; readers of
    files use it to name the file and the line. `argument` is the argument that remedies it, where there is one:
    the command line adds the option for it.

    >>> raise InputError("unknown level 7; did you mean 1?", path=("train", 0))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown level 7; did you mean 1?
    """

    exit_status = 2

    def __init__(self, message: str, path: tuple[str | int, ...] = (), argument: str = "") -> None:
        super().__init__(message)
        self.path, self.argument = path, argument


def argument_of(error: InputError) -> str:
    """The argument that remedies an error, also of one that this repeats with a place before it.

    >>> try:
    ...     try:
    ...         raise InputError("too many", argument="limit")
    ...     except InputError as error:
    ...         raise InputError(f"file.csv: {error}") from None
    ... except InputError as error:
    ...     argument_of(error)
    'limit'
    """
    found: BaseException | None = error
    while isinstance(found, InputError) and not found.argument and str(found.__context__) in str(found):
        found = found.__context__
    return found.argument if isinstance(found, InputError) else ""


class MissingExtraError(IfmError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    exit_status = 2

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"this needs the package {package}: pip install 'ifm-ident[{extra}]'")


def require_whole(value: object, name: str, least: int = 0) -> None:
    """Raise InputError for what is no whole number of `least` or more.

    >>> require_whole(1.5, "max_active")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: max_active is 1.5; write a whole number of 0 or more
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} is {value!r}; write a whole number of {least} or more")


def require_seconds(value: object) -> None:
    """Raise InputError for what is no number of seconds, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
        raise InputError(f"the time limit is {value!r} seconds; give 0 or more")


def require_known(value: object, legal: Collection[object], kind: str) -> None:
    """Raise InputError for what is none of the legal values.

    >>> require_known("jiont", ("joint", "conditional"), "criterion")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: unknown criterion 'jiont'; did you mean joint?
    """
    if value not in legal:
        raise InputError(f"unknown {kind} {value!r}; {nearest(value, legal)}")


def nearest(got: object, legal: Iterable[object]) -> str:
    """A remedy in words: the nearest legal value, or a short list of the legal ones.

    Between texts that begin with a number none is near: -1 is not meant by 1.

    >>> nearest("sigam1", ["sigma1", "sigma2"])
    'did you mean sigma1?'
    >>> nearest("drugb", ["drugA", "drugB"])
    'did you mean drugB?'
    >>> nearest("q", ["a", "b"])
    'legal: a, b'
    >>> nearest("-1", ["0", "1"])
    'legal: 0, 1'
    """
    names = [str(value) for value in legal]
    given = str(got).casefold()
    close = [name for name in names if name.casefold() == given]
    if not close:
        words = [name for name in names if not (_QUANTITY.match(given) and _QUANTITY.match(name))]
        close = difflib.get_close_matches(str(got), words, n=1)
    if close:
        return f"did you mean {close[0]}?"
    shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
    return f"legal: {shown}"
