"""Results as documents: JSON laid out line by line, and lines of CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from ifm_ident.inert import inert_cell, json_escaped


class Json(str):
    """Text that is JSON already.

    >>> quoted("1"), quoted(Json("1"))
    ('"1"', '1')
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of any length, one entry a line; `end` stands between the last entry and what follows.

    written: the entries are JSON already, as texts.
    """

    entries: Iterable[Any]
    end: str = "]"
    written: bool = False


def number(value: Fraction) -> int | float:
    """A rational as a JSON number: whole numbers as such, others as the nearest float.

    >>> number(Fraction(3)), number(Fraction("0.1") + Fraction("0.2"))
    (3, 0.3)
    """
    return value.numerator if value.denominator == 1 else float(value)


def _plain(value: object) -> int | float:
    if isinstance(value, Fraction):
        return number(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


def quoted(value: object) -> str:
    """A value as JSON on one line, letters of all languages as they are; rationals as `number` gives them.

    What a terminal obeys is escaped.
    """
    if isinstance(value, Json):
        return value
    return json_escaped(json.dumps(value, ensure_ascii=False, default=_plain))


def document(*lines: Mapping[str, object]) -> Iterator[str]:
    """A JSON object as lines: the fields of each mapping on one, and each entry of a `Listing` as it comes.

    >>> for line in document({"schema": "s/1"}, {"half": Fraction(1, 2), "n": 2}, {"all": Listing(range(2))}):
    ...     print(line)
    {"schema": "s/1",
     "half": 0.5, "n": 2,
     "all": [
      0,
      1]}
    """
    text = "{"
    for left, fields in zip(range(len(lines) - 1, -1, -1), lines, strict=True):
        for place, (key, value) in enumerate(fields.items()):
            text += f"{', ' if place else ''}{quoted(key)}: "
            if isinstance(value, Listing):
                last, indent, comma = text + "[", "", ""  # put together once: entries can be long
                for entry in value.entries:
                    yield f"{indent}{last}{comma}"
                    last, indent, comma = entry if value.written else quoted(entry), "  ", ","
                *before, text = f"{indent}{last}{value.end}".split("\n")
                yield from before
            else:
                text += quoted(value)
        yield text + ("," if left else "}")
        text = " "


def csv_line(values: Iterable[object]) -> str:
    """One line of CSV, without its end; texts do nothing in spreadsheets and terminals (`inert_cell`).

    >>> print(csv_line(["a,b", 1, None, "=A1"]))
    "a,b",1,,'=A1
    """
    text = io.StringIO()
    cells = (inert_cell(value) if isinstance(value, str) else value for value in values)
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
