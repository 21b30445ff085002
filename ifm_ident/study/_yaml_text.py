"""Plain values as YAML that reads back as they are, also by readers of YAML 1.1."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from fractions import Fraction

from ifm_ident.study.reading._nodes import scalar_from_text

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*(?<![.+-])")
_OTHER_YAML = frozenset({"y", "n", "yes", "no", "on", "off"})
"""Texts that are booleans to a reader of YAML 1.1."""

_WIDTH = 110
_LONGEST_KEY = 1000


def scalar(value: object) -> str:
    r"""A text or number as YAML; what nobody sees, or a terminal obeys, is written as an escape.

    >>> print(scalar("drugA"), scalar("no"), scalar("a: \u200bb"), scalar(0.5), scalar("1"), scalar("\U0001f600"))
    drugA "no" "a: \u200bb" 0.5 "1" "😀"
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value)
    if (
        _PLAIN.fullmatch(text)
        and text.casefold() not in _OTHER_YAML
        and scalar_from_text(text, 0, None).kind == "str"
    ):
        return text
    return "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(character: str) -> str:
    """A character of a JSON string as YAML may hold it."""
    code = ord(character)
    if character.isascii() and code != 0x7F:
        return character
    kind = unicodedata.category(character)
    if kind[0] in "CZM" or code in (0xFFFE, 0xFFFF) or 0xFE00 <= code <= 0xFE0F:
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def flow(value: object) -> str:
    """A value on one line.

    >>> flow({"name": "f1", "sigma": ["A", "B"], "basis": {"poly": 2}, "half": Fraction(1, 2)})
    '{name: f1, sigma: [A, B], basis: {poly: 2}, half: "1/2"}'
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)}: {flow(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(flow, value))}]"
    return scalar(str(value) if isinstance(value, Fraction) else value)


def _key(key: object) -> str:
    """A key; one of more than 1,024 characters is marked as such."""
    text = scalar(key)
    return text if len(text) < _LONGEST_KEY else f"? {text} "


def block(key: str, value: object, indent: str = "") -> list[str]:
    """A key with its value: on one line where that is short, else an item a line.

    >>> block("train", ["ctrl", "A"])
    ['train: [ctrl, A]']
    """
    if len(scalar(key)) >= _LONGEST_KEY:
        return [f"{indent}? {scalar(key)}", f"{indent}: {flow(value)}"]
    line = f"{indent}{scalar(key)}: {flow(value)}"
    if len(line) <= _WIDTH or not isinstance(value, (Mapping, list, tuple)) or not value:
        return [line]
    if isinstance(value, Mapping):
        inner = [line for name, entry in value.items() for line in block(name, entry, f"{indent}  ")]
    else:
        inner = [f"{indent}  - {flow(item)}" for item in value]
    return [f"{indent}{scalar(key)}:", *inner]


def comment(words: str, indent: str = "") -> list[str]:
    """Words as lines of comment; characters that are no YAML, or that a terminal obeys, as escapes.

    >>> comment("a guess\\x1b")
    ['# a guess\\\\x1b']
    """
    plain = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in words
    )
    lines, line = [], ""
    for word in plain.split(" "):
        if line and len(indent) + len(line) + len(word) + 3 > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [f"{indent}# {one}" for one in [*lines, line]]
