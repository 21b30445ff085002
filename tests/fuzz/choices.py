"""Bytes as choices, and the changes that they choose: of texts and files, and of plain values."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 1.5, float("nan"), float("inf"), 1e308, 2**63, -(10**30), 10**4000),
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "1/2",
        "-3/2",
        "1/0",
        "x",
        "ctrl",
        "all",
        "A",
        "B",
        "A+B",
        "A=1",
        "00",
        "1e400",
        "nan",
    ),
    *("\x00", "\ud800", "\ufeff", "é", "e\u0301", "\u2212" + "1", "\u0661", "=A1", "\x1b[31m", "a" * 11_000),
    *([], {}, [[]], [None], {"": None}, [1], ["A"], {"A": 1}, {"file": "x.csv"}, {"order": 2}),
)
"""Values that stand in for others."""

TOKENS: tuple[bytes, ...] = tuple(
    text.encode("utf-8", "surrogatepass") for text in map(str, ODD) if len(text) < 6000
) + tuple(
    b"\xff|\r\n|\n|\t|,|;|:|=|+|_|\"|'|[|]|{|}|- |? |& |&a |*a|<<: |!!int |!x |%YAML 1.1|---|...|#|>|\\|~|null|"
    b"sep=;|ctrl,|0x1F|0o7|.inf|1_000|2026-01-01|A+ctrl|NT|NA|test: |train: |data: |samples: |labels: |file: |"
    b"order: |label: |{order: 3}|unit: |log: |scale: |PK\x03\x04|PAR1|\x89HDF\r\n\x1a\n|\x1f\x8b|"
    b"\xef\xbb\xbf|\xfe\xff|\xed\xa0\x80".split(b"|")
)
"""Pieces that mean something to some reader."""


class Choices:
    """Spends bytes on choices; when they are spent, the first of everything is chosen.

    >>> choices = Choices(bytes([0, 5, 0, 2]))
    >>> choices.below(3), choices.pick("abc"), choices.pick("abc"), choices.left
    (0, 'c', 'a', True)
    """

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> bool:
        """Whether there are bytes that were not spent."""
        return self._at < len(self._data)

    def below(self, n: int) -> int:
        """A whole number from 0 to n - 1; `n` is up to 2^24."""
        width = 1 if n <= 16 else 2 if n <= 4096 else 3
        taken = self._data[self._at : self._at + width].ljust(width, b"\0")
        self._at += width
        return int.from_bytes(taken, "big") % n

    def pick(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def some(self, values: Sequence[T], least: int, most: int) -> list[T]:
        """From `least` to `most` of the values, with repeats."""
        return [self.pick(values) for _ in range(least + self.below(most - least + 1))]

    def subset(self, values: Sequence[T], least: int = 0) -> list[T]:
        """Some of the values, in their order, the first `least` in any case."""
        return [value for i, value in enumerate(values) if self.below(2) or i < least]


def mutated(data: bytes, choices: Choices, tokens: Sequence[bytes] = TOKENS) -> bytes:
    """The bytes with up to five changes: cut, doubled, moved, replaced, a bit turned, a token in between."""
    for _ in range(choices.below(6)):
        start = choices.below(len(data) + 1)
        end = min(len(data), start + choices.pick((1, 2, 4, 1, 9, 30, 0, 1000)))
        before, part, after = data[:start], data[start:end], data[end:]
        kind = choices.below(8)
        if kind == 0:
            part = b""
        elif kind == 1:
            part = part * (1 + choices.below(4))
        elif kind == 2:
            at = choices.below(len(after) + 1)
            part, after = b"", after[:at] + part + after[at:]
        elif kind in (3, 4):
            part = choices.pick(tokens)
        elif kind == 5 and part:
            part = bytes([part[0] ^ 1 << choices.below(8)]) + part[1:]
        elif kind == 6:
            part += choices.pick(tokens)
        elif kind == 7:
            part = bytes(choices.below(256) for _ in part[:4])
        data = before + part + after
    return data


def altered(value: Any, choices: Choices, most: int = 3) -> Any:
    """A copy of plain maps and lists with up to `most` changes.

    A place is removed, doubled, given an odd value or that of another place (most often one of the same key), its
    number moved by one or its text mutated; two such places are exchanged.
    """
    root = [copy.deepcopy(value)]
    for _ in range(choices.below(most + 1)):
        spots = [spot for spot in _spots(root) if spot[0] is not root] or [(root, 0)]
        inside, key = choices.pick(spots)
        alike = [spot for spot in spots if spot[1] == key and isinstance(inside, dict)] or spots
        there, other = choices.pick(alike if choices.below(4) else spots)
        kind, old = choices.below(8), inside[key]
        if kind == 0:
            inside[key] = copy.deepcopy(choices.pick(ODD))
        elif kind == 1:
            del inside[key]
        elif kind == 2 and isinstance(inside, list):
            inside.insert(choices.below(len(inside) + 1), copy.deepcopy(old))
        elif kind == 2:
            inside[str(choices.pick(ODD))[:40]] = inside.pop(key)
        elif kind == 3:
            inside[key] = copy.deepcopy(there[other])
        elif kind == 4:
            new = copy.deepcopy(there[other])
            there[other] = copy.deepcopy(old)
            inside[key] = new
        elif isinstance(old, (int, float)):
            inside[key] = choices.pick((old + 1, old - 1, -old, 2 * old, not old))
        elif isinstance(old, str):
            text = mutated(old.encode("utf-8", "surrogatepass"), choices)
            inside[key] = choices.pick(("1", "-1", "2", "1/2", text.decode("utf-8", "replace")))
        elif isinstance(old, (list, tuple)):
            inside[key] = old[1:] if kind == 5 else old[::-1]
    return root[0] if root else None


def _spots(inside: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree, as what holds it and its key."""
    pairs = list(inside.items()) if isinstance(inside, dict) else list(enumerate(inside))
    for key, value in pairs:
        yield inside, key
        if isinstance(value, (dict, list)):
            yield from _spots(value)
