"""JSON objects too large to hold: value by value, with the places of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError

_BLOCK = 2**20
_LITERAL = 16  # longer than any word or escape of JSON
Decode = Callable[[str, int], tuple[Any, int]]
"""The value that begins at a place of a text, and where it ends; JSONDecodeError where there is none."""


class JsonStream:
    """The text of a file in UTF-8, read as far as it is decoded.

    Raises InputError, with line and column, for what is no JSON.
    """

    def __init__(self, path: Path, decode: Decode) -> None:
        self._stream = path.open(encoding="utf-8", newline="")
        self._decode = decode
        self._text, self._at = "", 0
        self._lines, self._columns = 0, 0  # before the text that is held
        self._ended = False

    def close(self) -> None:
        """Closes the file."""
        self._stream.close()

    def _more(self) -> None:
        """Reads on, as much again as a value that is not whole needed so far, and forgets what was decoded."""
        done = self._text[: self._at]
        if (newline := done.rfind("\n")) >= 0:
            self._lines, self._columns = self._lines + done.count("\n"), -newline - 1
        self._columns += len(done)
        try:
            read = self._stream.read(max(_BLOCK, len(self._text) - self._at))
        except UnicodeDecodeError:
            raise InputError(
                f"after line {self._lines + 1} the file is not UTF-8 text; results are UTF-8"
            ) from None
        self._text, self._at, self._ended = self._text[self._at :] + read, 0, not read

    def _wrong(self, error: json.JSONDecodeError) -> InputError:
        column = error.colno + (self._columns if error.lineno == 1 else 0)
        return InputError(f"line {self._lines + error.lineno}, column {column}: no JSON: {error.msg}")

    def sign(self) -> str:
        """The next character that is no space, not passed over; empty at the end."""
        while True:
            rest = self._text[self._at : self._at + 100].lstrip(" \t\r\n")
            if rest:
                self._at = self._text.index(rest[0], self._at)
                return rest[0]
            self._at = min(self._at + 100, len(self._text))
            if self._at == len(self._text):
                if self._ended:
                    return ""
                self._more()

    def expect(self, *signs: str) -> str:
        """Passes over one of these characters and gives it back; the empty text is the end of the file."""
        found = self.sign()
        if found not in signs:
            words = " or ".join(f"{sign!r}" if sign else "the end" for sign in signs)
            raise self._wrong(json.JSONDecodeError(f"Expecting {words}", self._text, self._at))
        self._at += len(found)
        return found

    def value(self) -> Any:
        """The next value."""
        self.sign()
        while True:
            try:
                found, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self._text) - _LITERAL
                if self._ended or not cut:
                    raise self._wrong(error) from None
            else:
                if end < len(self._text) or self._ended:
                    self._at = end
                    return found
            self._more()

    def pairs(self) -> Iterator[str]:
        """The keys of an object; whoever asks for the next one has read the value of this one."""
        self.expect("{")
        if self.sign() == "}":
            self.expect("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise InputError(f"line {self._lines + 1}: a key of an object is text")
            self.expect(":")
            yield key
            if self.expect(",", "}") == "}":
                return

    def items(self) -> Iterator[Any]:
        """The values of a list."""
        self.expect("[")
        if self.sign() == "]":
            self.expect("]")
            return
        while True:
            yield self.value()
            if self.expect(",", "]") == "]":
                return
