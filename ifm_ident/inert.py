r"""Text that does nothing where it is shown: no escape sequences in a terminal, no formulas in a spreadsheet.

Control characters and those that turn the direction of writing are shown as escapes. In CSV what was done can be
undone exactly, so that such names are read back.
"""

from __future__ import annotations

import re

_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ACTIVE = f"\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029{_DIRECTION}"
_SHOWN = re.compile(f"[{_ACTIVE}\ud800-\udfff]")
_IN_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029{_DIRECTION}]")
_IN_BYTES = re.compile(
    rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
_CODES = r"u(?:00[01][0-9a-f]|00[789][0-9a-f]|061c|20[026][0-9a-f])"
_TO_CELL = re.compile(rf"(\\*)([{_ACTIVE}])|(\\+)({_CODES})")
_FROM_CELL = re.compile(rf"(\\+)({_CODES})")
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|nan)")

SUSPECT = rf"^[\t\n=+\-@']|[{_ACTIVE}]|\\u[02]"
"""A pattern that finds every cell that `inert_cell` or `original_cell` may change, and few others."""


def visible(text: str) -> str:
    r"""The text with its control characters and the like as escapes; line ends and tabs stay.

    >>> print(visible("\x1b[31mred\u202e"))
    \x1b[31mred\u202e
    """
    return _SHOWN.sub(_escape, text)


def visible_bytes(data: bytes | memoryview) -> bytes | memoryview:
    r"""The same for UTF-8; the very data where there is nothing to do.

    >>> print(visible_bytes("\u202eA\n".encode()).decode(), end="")
    \u202eA
    """
    if _IN_BYTES.search(data) is None:
        return data
    return _IN_BYTES.sub(lambda match: _escape(match).encode(), data)


def json_escaped(text: str) -> str:
    r"""JSON with the characters as escapes that JSON allows and terminals obey; its value is the same.

    >>> print(json_escaped('"\u202eA"'))
    "\u202eA"
    """
    return _IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def inert_cell(text: str) -> str:
    r"""A cell of CSV that no spreadsheet takes for a formula and no terminal for a command.

    What begins with `=`, `+`, `-`, `@`, a tab or a line end gets an apostrophe, unless it is a number.

    >>> [inert_cell(text) for text in ("=1+1", "-1", "-x", "'", "A")]
    ["'=1+1", '-1', "'-x", "'", 'A']
    >>> print(inert_cell("A\x1b"), inert_cell(r"A\u001b"))
    A\u001b A\\u001b
    """
    found = _TO_CELL.sub(_written, text)
    return f"'{found}" if _is_formula(found) else found


def original_cell(text: str) -> str:
    r"""What `inert_cell` made the cell from.

    >>> [original_cell(text) for text in ("'=1+1", "-1", "'-x", "'", "A")]
    ['=1+1', '-1', '-x', "'", 'A']
    >>> original_cell(r"A\u001b"), original_cell(r"A\\u001b")
    ('A\x1b', 'A\\u001b')
    """
    found = text[1:] if text.startswith("'") and _is_formula(text) else text
    return _FROM_CELL.sub(_read, found)


def _escape(match: re.Match[str] | re.Match[bytes]) -> str:
    one = match[0]
    code = ord(one.decode() if isinstance(one, bytes) else one)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _is_formula(text: str) -> bool:
    plain = text.lstrip("'")
    return plain[:1] in ("=", "+", "-", "@", "\t", "\n") and _NUMBER.fullmatch(plain) is None


def _written(match: re.Match[str]) -> str:
    if match[2]:
        return f"{match[1] * 2}\\u{ord(match[2]):04x}"
    return f"{match[3] * 2}{match[4]}"


def _read(match: re.Match[str]) -> str:
    half, odd = divmod(len(match[1]), 2)
    return "\\" * half + (chr(int(match[2][1:], 16)) if odd else match[2])
