"""YAML 1.2 (and JSON) as a tree of plain values that know their line; no object is ever constructed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from ifm_ident.errors import InputError
from ifm_ident.files import note_input
from ifm_ident.limits import beyond, current, read_bytes
from ifm_ident.study.reading._nodes import NUMBER_KEYS, Kind, Node, scalar_from_text, too_deep
from ifm_ident.study.reading.missing_files import missing_file

STUDY_SUFFIXES = (".yaml", ".yml", ".json")

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, Kind] = {
    _CORE + "str": "str",
    _CORE + "int": "int",
    _CORE + "float": "float",
    _CORE + "bool": "bool",
    _CORE + "null": "null",
}
_NOT_YAML = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]|[^\s,:{}\[\]"]+|\n')


def read_yaml(path: Path) -> Node:
    """The tree of a YAML or JSON file whose top level is a map.

    Raises InputError, starting with `FILE:LINE: ` wherever there is a line, for a file that cannot be read,
    is not UTF-8, not YAML, empty, no map, and for tags beyond the core schema, duplicate or non-text keys,
    several documents, and what is beyond the limits `study`, `nesting` and `values`.
    """
    note_input(path)
    try:
        data = read_bytes(path, "study")
    except IsADirectoryError:
        raise InputError(f"{path}: this is a directory; name a study file in it") from None
    except FileNotFoundError:
        raise missing_file(path, STUDY_SUFFIXES) from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the file cannot be read ({error})") from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: the file is not UTF-8 (byte offset {error.start} is 0x{data[error.start]:02x}); "
            "save it as UTF-8"
        ) from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, file: str) -> Node:
    """The tree of a YAML or JSON text whose top level is a map; `file` is what errors call it.

    >>> tree = parse_yaml("a: [010, 0x10, yes, '1']\\nb: {c: null}", "s.yaml")
    >>> tree.plain()
    {'a': [10, 16, 'yes', '1'], 'b': {'c': None}}
    >>> tree.line_of(("b", "c"))
    2
    >>> parse_yaml("a: 1\\na: 2", "s.yaml")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: s.yaml:2: the key 'a' is here twice (first on line 1); remove one
    """
    text = text.removeprefix("\ufeff")
    events = _json_events(text) if _is_json(text) else _yaml_events(text, file)
    root = _Composer(file).compose(events)
    if root is None or root.kind == "null":
        raise InputError(f"{file}:1: the file is empty; a study is a map with the key `interventions`")
    if root.kind != "map":
        raise InputError(
            f"{file}:{root.line}: the top level is {root.words}, not a map; a study starts with a key such as "
            "`interventions:`"
        )
    return root


class _Event(NamedTuple):
    """What starts, stands or ends at a line: the only thing that the composer sees of YAML and JSON."""

    what: Literal["map", "seq", "end", "scalar", "alias", "document"]
    line: int
    text: str = ""
    plain: bool = False
    tag: str | None = None
    anchor: str | None = None


def _yaml_events(text: str, file: str) -> Iterator[_Event]:
    bad = _NOT_YAML.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        raise InputError(f"{file}:{line}: the character U+{ord(bad[0]):04X} is not allowed in YAML; remove it")
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.ScalarEvent):
                plain = event.style in (None, "") and event.implicit[0]
                tag = None if any(event.implicit) else event.tag
                yield _Event("scalar", line, event.value, plain, tag, event.anchor)
            elif isinstance(event, yaml.MappingStartEvent):
                yield _Event("map", line, tag=event.tag, anchor=event.anchor)
            elif isinstance(event, yaml.SequenceStartEvent):
                yield _Event("seq", line, tag=event.tag, anchor=event.anchor)
            elif isinstance(event, yaml.CollectionEndEvent):
                yield _Event("end", line)
            elif isinstance(event, yaml.AliasEvent):
                yield _Event("alias", line, anchor=event.anchor)
            elif isinstance(event, yaml.DocumentStartEvent):
                yield _Event("document", line)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines = text.split("\n")
        at = min(mark.line, len(lines) - 1) if mark else 0  # libyaml's end is a line after the last
        column = f" (column {mark.column + 1})" if mark else ""
        reason = " ".join(str(part) for part in (error.context, error.problem) if part)
        if "nesting depth" in reason:  # PyYAML has a limit of its own since 6.0.4
            raise InputError(f"{file}:{at + 1}: {too_deep(current().nesting + 1)}") from None
        hint = "; indent with spaces, not tabs" if re.match(r" *\t", lines[at]) else ""
        raise InputError(f"{file}:{at + 1}: this is not YAML: {reason}{column}{hint}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(f"{file}:1: this is not YAML: {' '.join(str(error).split())}") from None


def _is_json(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _json_events(text: str) -> Iterator[_Event]:
    """The events of a text that is known to be JSON: escapes and tabs mean what JSON says."""
    line = 1
    for token in _JSON_TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token[0] == '"':
            yield _Event("scalar", line, json.loads(token))
        elif token in "}]":
            yield _Event("end", line)
        elif token in "{[":
            yield _Event("map" if token == "{" else "seq", line)
        else:
            yield _Event("scalar", line, token, plain=True)


@dataclass(slots=True)
class _Open:
    """A collection that has begun: its children so far and, in a map, the key that waits for its value."""

    node: Node
    anchor: str | None
    key: str | None = None
    size: int = 1


@dataclass(slots=True)
class _Composer:
    """Builds the tree from events, without recursion, and refuses what a study may not hold."""

    file: str
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Node, int] | None] = field(default_factory=dict)
    expanded: int = 0
    root: Node | None = None

    def compose(self, events: Iterator[_Event]) -> Node | None:
        documents = 0
        for event in events:
            if event.what == "document":
                documents += 1
                if documents > 1:
                    raise self._error(event, "a second document starts here; a study is one document")
            elif event.what in ("map", "seq"):
                self._begin(event)
            elif event.what == "end":
                done = self.open.pop()
                self._add(event, done.node, done.size, done.anchor)
            elif event.what == "alias":
                self._alias(event)
            else:
                self._add(event, self._scalar(event), 1, event.anchor)
        return self.root

    def _error(self, event: _Event, message: str, argument: str = "") -> InputError:
        return InputError(f"{self.file}:{event.line}: {message}", argument=argument)

    def _begin(self, event: _Event) -> None:
        kind: Kind = "map" if event.what == "map" else "seq"
        if event.tag not in (None, "!", _CORE + kind):
            raise self._error(event, f"the tag {event.tag!r} is not allowed; remove it")
        if len(self.open) >= current().nesting:
            raise self._error(event, str(too_deep(len(self.open) + 1)), "limit")
        if self.open and self.open[-1].node.kind == "map" and self.open[-1].key is None:
            raise self._error(event, "a list or map cannot be a key; use text in quotes")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.open.append(_Open(Node(kind, event.line), event.anchor))

    def _scalar(self, event: _Event) -> Node:
        kind = None
        if event.tag is not None:
            kind = _SCALAR_TAGS.get(event.tag)
            if kind is None:
                raise self._error(event, f"the tag {event.tag!r} is not allowed; remove it")
        elif not event.plain:
            kind = "str"
        try:
            return scalar_from_text(event.text, event.line, kind)
        except InputError as error:
            raise self._error(event, str(error)) from None

    def _alias(self, event: _Event) -> None:
        assert event.anchor is not None
        if event.anchor not in self.anchors:
            raise self._error(event, f"the alias *{event.anchor} has no anchor &{event.anchor} before it")
        anchored = self.anchors[event.anchor]
        if anchored is None:
            raise self._error(event, f"the alias *{event.anchor} stands inside what it names; write it out")
        node, size = anchored
        self.expanded += size
        most = current().values
        if self.expanded > most:
            words = f"the aliases expand to more than {most:,} nodes; write them out"
            raise self._error(event, str(beyond("values", self.expanded, words)), "limit")
        self._add(event, node.at(event.line), size, None)

    def _add(self, event: _Event, node: Node, size: int, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = (node, size)
        if not self.open:
            self.root = node
            return
        parent = self.open[-1]
        parent.size += size
        if parent.node.kind == "seq":
            parent.node.items.append(node)
        elif parent.key is not None:
            parent.node.entries[parent.key] = node
            parent.key = None
        else:
            parent.key = self._key(event, parent.node, node)

    def _key(self, event: _Event, parent: Node, node: Node) -> str:
        if node.kind in ("map", "seq"):
            raise self._error(event, "a list or map cannot be a key; use text in quotes")
        if node.kind in ("int", "float") and len(self.open) > 1 and self.open[-2].key in NUMBER_KEYS:
            node = replace(node, kind="str", value=node.raw)
        if node.kind != "str":
            raise self._error(event, f'the key {node.raw} is {node.words}, not text; write "{node.raw}"')
        key = str(node.value)
        if key in parent.key_lines:
            raise self._error(
                event, f"the key {key!r} is here twice (first on line {parent.key_lines[key]}); remove one"
            )
        parent.key_lines[key] = event.line
        return key


def list_under(text: str, key: str, file: str) -> tuple[int, int, int, bool, list[tuple[int, int]]]:
    """Where the list under a key of the top level stands in a YAML or JSON text that is a study.

    Its begin, end and column, whether it is in brackets, and the begin and end of each item: places in the text.
    Raises InputError where the list is an alias, or there is none, and for a text that only a lenient reader takes
    (a tab where YAML has blanks).

    >>> list_under("a: 1\\nb:\\n  - x  # one\\n  - {y: 2}\\n", "b", "s.yaml")
    (10, 32, 2, False, [(12, 13), (25, 31)])
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{file}: the file cannot be changed in place ({reason}); write that in plain YAML"
        ) from None
    for name, value in root.value if isinstance(root, yaml.MappingNode) else ():
        own = isinstance(value, yaml.SequenceNode) and value.start_mark.index > name.end_mark.index
        if name.value == key and own:
            places = [(item.start_mark.index, item.end_mark.index) for item in value.value]
            return (
                value.start_mark.index,
                value.end_mark.index,
                value.start_mark.column,
                bool(value.flow_style),
                places,
            )
    raise InputError(f"{file}: `{key}` is not written out as a list; write it so, without an alias")
