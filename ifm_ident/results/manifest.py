"""The manifest of a result in parts, `ifm-parts/1` (docs/reference/results.md)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.limits import read_bytes
from ifm_ident.results._json_read import load_json
from ifm_ident.results.documents import Listing, document
from ifm_ident.results.folders import Folder
from ifm_ident.results.header import StudyLike, header_fields, record, shown, typed

PARTS_SCHEMA = "ifm-parts/1"
WHOLE = "manifest.json"
_NAMED = re.compile(r"manifest(-\d{4,}-of-\d{4,})?\.json")
_MOST = 2**62
_PLAN_KEYS = ("version", "study", "design", "targets", "regimes", "part_rows", "options")
_PART_KEYS = ("name", "rows", "sha256", "verdicts")


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its file, how many regimes it answers, its SHA-256, and how many have each verdict."""

    name: str
    rows: int
    sha256: str
    verdicts: Mapping[str, int]


@dataclass(frozen=True)
class Manifest:
    """What was asked, of which design, and the parts of the answer that are finished.

    version: of this program. study: its name. design, targets: texts that differ where these do. regimes: how
    many targets there are in all. part_rows: how many a part answers, but for the last. options: what else the
    bytes depend on. parts: those finished, in order. shard: (i, n) where the manifest tells the i-th of n shards.

    >>> plan = Manifest("0.1.0", "tiny", "sha256:0", "all", 10, 4, {"format": "parquet"})
    >>> plan.count, plan.name_of(2), plan.span(2), plan.numbers((2, 2)), plan.complete
    (3, 'part-000002.parquet', (8, 10), range(1, 3), False)
    """

    version: str
    study: str
    design: str
    targets: str
    regimes: int
    part_rows: int
    options: Mapping[str, Any]
    parts: tuple[Part, ...] = ()
    shard: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        """How many parts there are when all are finished."""
        return -(-self.regimes // self.part_rows)

    def name_of(self, number: int) -> str:
        """The file of a part, counted from 0."""
        return f"part-{number:06d}.{self.options['format']}"

    def number_of(self, name: str) -> int:
        """The number of a part, by its file's name; -1 for what is none."""
        found = re.fullmatch(r"part-(\d{6,20})\..*", name, re.ASCII)
        number = int(found[1]) if found else -1
        return number if name == self.name_of(number) and number < self.count else -1

    def span(self, number: int) -> tuple[int, int]:
        """The targets of a part: the first one, and the one after the last."""
        return number * self.part_rows, min((number + 1) * self.part_rows, self.regimes)

    def numbers(self, shard: tuple[int, int] | None) -> range:
        """The parts of a shard, or all."""
        i, n = shard or (1, 1)
        return range((i - 1) * self.count // n, i * self.count // n)

    def unfinished(self, shard: tuple[int, int] | None = None) -> Iterator[int]:
        """The parts that are not finished, in order."""
        done = {part.name for part in self.parts}
        return (number for number in self.numbers(shard) if self.name_of(number) not in done)

    @property
    def complete(self) -> bool:
        """Whether all parts are finished."""
        return len(self.parts) == self.count

    @property
    def verdicts(self) -> dict[str, int]:
        """How many regimes of the finished parts have each verdict."""
        words = dict.fromkeys(word for part in self.parts for word in part.verdicts)
        return {word: sum(part.verdicts.get(word, 0) for part in self.parts) for word in words}

    def difference(self, other: Manifest) -> str | None:
        """The first thing in which the other manifest is about something else, in words; None if it is not."""
        pairs = [(key, getattr(self, key), getattr(other, key)) for key in _PLAN_KEYS if key != "options"]
        options = dict.fromkeys([*self.options, *other.options])
        pairs += [(key, self.options.get(key), other.options.get(key)) for key in options]
        for key, ours, theirs in pairs:
            if ours != theirs:
                return f"`{key}` was {shown(theirs)} and is {shown(ours)} now"
        return None

    def with_parts(self, parts: Iterable[Part]) -> Manifest:
        """The same with these parts, in order of name."""
        return replace(self, parts=tuple(sorted(parts, key=lambda part: part.name)))

    @property
    def file(self) -> str:
        """The name of its file: `manifest.json`, or that of its shard."""
        return WHOLE if self.shard is None else "manifest-{:04d}-of-{:04d}.json".format(*self.shard)

    def lines(self) -> Iterator[str]:
        """The manifest as JSON."""
        shard = {"shard": "{}/{}".format(*self.shard)} if self.shard else {}
        plan = ({key: getattr(self, key)} for key in _PLAN_KEYS)
        parts = ({key: getattr(part, key) for key in _PART_KEYS} for part in self.parts)
        head = [{"schema": PARTS_SCHEMA}, *([shard] if shard else []), *plan]
        return document(*head, {"parts": Listing(parts)})

    def write(self, folder: Folder) -> None:
        """Puts the manifest into its folder, in place of an older one."""
        with folder.create(self.file) as stream:
            stream.writelines(f"{line}\n".encode() for line in self.lines())


def design_digest(study: StudyLike) -> str:
    """The SHA-256 of all that a result says of its study."""
    found = sha256()
    for key, value in header_fields(study, 0).items():
        found.update(f"{key}: {value}\n".encode())
    return f"sha256:{found.hexdigest()}"


def file_sha256(folder: Folder, name: str) -> str:
    """The SHA-256 of a file of a folder; InputError for one that cannot be read."""
    try:
        with folder.read(name) as path, path.open("rb") as stream:
            return file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{folder}/{name}: {error.strerror}") from None


def read_manifests(folder: Folder) -> list[Manifest]:
    """The manifests of a folder, `manifest.json` last; InputError, with the file's name, for what is none."""
    names = [name for name in folder.names() if _NAMED.fullmatch(name)]
    return [_read(folder, name) for name in names]


def _read(folder: Folder, name: str) -> Manifest:
    try:
        with folder.read(name) as path:
            text = read_bytes(path)
        return _parsed(load_json(text))
    except OSError as error:
        raise InputError(f"{folder}/{name}: {error.strerror}") from None
    except InputError as error:
        place = f"{folder}/{name}"
        raise InputError(f"{place}: {str(error).removeprefix(f'{place}: ')}") from None


def _parsed(data: Any) -> Manifest:
    sharded = isinstance(data, dict) and "shard" in data
    fields = record(data, ("schema", *(("shard",) if sharded else ()), *_PLAN_KEYS, "parts"), "the manifest")
    if fields["schema"] != PARTS_SCHEMA:
        raise InputError(f"the schema is {shown(fields['schema'])}; this program reads {PARTS_SCHEMA!r}")
    shard = None
    if sharded:
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", typed(fields["shard"], str, "shard"))
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"shard is {shown(fields['shard'])}; it is i/n, i from 1 to n")
        shard = int(found[1]), int(found[2])
    kinds: tuple[type, ...] = (str, str, str, str, int, int, dict)
    plan: list[Any] = [typed(fields[key], kind, key) for key, kind in zip(_PLAN_KEYS, kinds, strict=True)]
    legal = 0 <= fields["regimes"] < _MOST and 1 <= fields["part_rows"] < _MOST
    if not legal or re.fullmatch("[a-z]+", str(fields["options"].get("format"))) is None:
        raise InputError("regimes, part_rows or the format among the options cannot be")
    entries = enumerate(typed(fields["parts"], list, "parts"))
    parts = tuple(_part(entry, f"parts, entry {i}") for i, entry in entries)
    manifest = Manifest(**dict(zip(_PLAN_KEYS, plan, strict=True)), parts=parts, shard=shard)
    mine, seen = manifest.numbers(shard), set[str]()
    for i, part in enumerate(manifest.parts):
        if part.name in seen or manifest.number_of(part.name) not in mine:
            raise InputError(f"parts, entry {i}: there is no part {shown(part.name)}, or it is there twice")
        seen.add(part.name)
    return manifest


def _part(value: object, place: str) -> Part:
    fields = record(value, _PART_KEYS, place)
    verdicts = typed(fields["verdicts"], dict, f"{place}, verdicts")
    for word, count in verdicts.items():
        typed(count, int, f"{place}, verdicts, {word}")
    name, digest = (typed(fields[key], str, f"{place}, {key}") for key in ("name", "sha256"))
    return Part(name, typed(fields["rows"], int, f"{place}, rows"), digest, verdicts)


def merged(manifests: Iterable[Manifest]) -> Manifest:
    """One manifest of all parts that several tell of; InputError where they are about different things."""
    first, *others = manifests
    parts = {part.name: part for part in first.parts}
    for other in others:
        difference = other.difference(first)
        if difference is not None:
            raise InputError(f"{other.file} and {first.file} are not about the same: {difference}")
        for part in other.parts:
            if parts.setdefault(part.name, part).sha256 != part.sha256:
                raise InputError(f"{other.file} and {first.file} tell {part.name} by different SHA-256")
    return replace(first, shard=None).with_parts(parts.values())
