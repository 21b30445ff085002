"""A tree of plain values that know where they were written: the one form in which studies are checked."""

from __future__ import annotations

import datetime
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from ifm_ident.errors import InputError
from ifm_ident.limits import beyond, current, require_within
from ifm_ident.study.reading._sources import is_tabular

Kind = Literal["map", "seq", "str", "int", "float", "bool", "null", "date", "table"]
Place = tuple[str | int, ...]
NUMBER_KEYS = ("coordinate", "table")
"""Maps under these keys are from levels, which may be numbers, to values."""


_WORDS: dict[Kind, str] = {
    "map": "a map",
    "seq": "a list",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
    "date": "a date",
    "table": "a table",
}
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"(?P<decimal>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?")


@dataclass(slots=True)
class Node:
    """One value: its kind, the line it stands on (0 when there is no file), and its content.

    `raw` is a scalar's text as written, without quotes; `value` its plain value (a date keeps its text);
    `items` are a list's nodes; `entries` and `key_lines` a map's nodes and lines by key; `table` is a data frame
    or the like, which only plain Python values hold.

    >>> node_from_plain({"train": ["110", 110]}).entries["train"].items[1].words
    'a whole number'
    """

    kind: Kind
    line: int
    raw: str = ""
    value: str | int | float | bool | None = None
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    key_lines: dict[str, int] = field(default_factory=dict)
    table: object = None

    @property
    def words(self) -> str:
        """The kind in words, with its article."""
        return _WORDS[self.kind]

    @property
    def shown(self) -> str:
        """What an error message says was got: a scalar as written, anything else in words."""
        if self.kind in ("map", "seq", "table"):
            return self.words
        return repr(self.value) if self.kind == "str" else f"the unquoted {self.raw or 'nothing'}"

    def at(self, line: int) -> Node:
        """The same content, said to stand on another line (where an alias is)."""
        return replace(self, line=line)

    def plain(self) -> object:
        """The value as Python lists, dicts and scalars."""
        if self.kind == "map":
            return {key: node.plain() for key, node in self.entries.items()}
        return [node.plain() for node in self.items] if self.kind == "seq" else self.value

    def line_of(self, path: Place) -> int:
        """The line of the deepest existing step of a path of keys and indices."""
        node, line = self, self.line
        for step in path:
            if isinstance(step, str) and step in node.entries:
                node, line = node.entries[step], node.key_lines.get(step, node.entries[step].line)
            elif isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
                line = node.line
            else:
                break
        return line


def too_deep(depth: int) -> InputError:
    """The refusal of lists and maps so deep inside one another."""
    return beyond("nesting", depth, f"the nesting is deeper than {current().nesting} levels")


def scalar_from_text(text: str, line: int, kind: Kind | None) -> Node:
    """A scalar as YAML's 1.2 core schema reads it; `kind` None resolves the text, "str" takes it as is.

    Raises InputError for a text that does not fit the kind, an absurdly long number or a lone surrogate.

    >>> [scalar_from_text(t, 1, None).value for t in ("0o17", "1e3", "yes", "1_000", "~")]
    [15, 1000.0, 'yes', '1_000', None]
    >>> scalar_from_text("2024-01-01", 1, None).kind
    'date'
    >>> scalar_from_text("x", 1, "int")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: 'x' is not a whole number
    """
    _require_unicode(text)
    if len(text) > current().label:
        require_within("label", len(text), f"the text {text[:20]!r}...")
    if kind == "str":
        return Node("str", line, text, text)
    found = _resolve(text)
    if kind == "float" and _FLOAT.fullmatch(text):
        found = Node("float", line, text, float(text))
    if kind is not None and found.kind != kind:
        raise InputError(f"{text!r} is not {_WORDS[kind]}")
    return Node(found.kind, line, text, found.value)


@lru_cache(2**12)
def _resolve(text: str) -> Node:
    if _NULL.fullmatch(text):
        return Node("null", 0, text, None)
    if _BOOL.fullmatch(text):
        return Node("bool", 0, text, text[0] in "tT")
    whole = _INT.fullmatch(text)
    if whole:
        if len(text) > 1000:
            raise InputError(f"the number {text[:20]}... has {len(text)} digits; write it in quotes")
        if whole["decimal"]:
            return Node("int", 0, text, int(whole["decimal"]))
        return Node("int", 0, text, int(whole["octal"], 8) if whole["octal"] else int(whole["hex"], 16))
    if _FLOAT.fullmatch(text):
        return Node("float", 0, text, float(text))
    if _NOT_FINITE.fullmatch(text):
        return Node("float", 0, text, float(text.replace(".", "")))
    return Node("date" if _DATE.fullmatch(text) else "str", 0, text, text)


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError(f"the text {text!a} holds half a surrogate pair; write the whole character") from None


def node_from_plain(value: object, path: Place = ()) -> Node:
    """The tree of Python maps, lists, scalars (numpy's numbers too) and tables, without lines.

    Raises InputError, with the path, for any other type, a key that is not text, or nesting too deep.

    >>> node_from_plain({1: 2})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the key 1 is not text; write '1'
    """
    if len(path) > current().nesting:
        raise InputError(str(too_deep(len(path))), path)
    if isinstance(value, Mapping):
        node = Node("map", 0)
        for key, child in value.items():
            if path and path[-1] in NUMBER_KEYS and isinstance(key, (int, float)) and not isinstance(key, bool):
                key = str(key)
            if not isinstance(key, str):
                raise InputError(f"the key {key!r} is not text; write '{key}'", path)
            node.entries[key] = node_from_plain(child, (*path, key))
        return node
    if isinstance(value, (list, tuple)):
        return Node("seq", 0, items=[node_from_plain(child, (*path, i)) for i, child in enumerate(value)])
    if value is None:
        return Node("null", 0, "null", None)
    if isinstance(value, str):
        try:
            return scalar_from_text(str(value), 0, "str")
        except InputError as error:
            raise InputError(str(error), path) from None
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return Node("bool", 0, str(bool(value)), bool(value))
    if isinstance(value, (Fraction, Decimal)):
        return Node("str", 0, str(value), str(value))
    if isinstance(value, numbers.Integral):
        return Node("int", 0, str(int(value)), int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        return Node("float", 0, str(number), number)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return Node("date", 0, str(value), str(value))
    if is_tabular(value):
        return Node("table", 0, table=value)
    raise InputError(f"a {type(value).__name__} is no part of a study: {value!r:.60}", path)
