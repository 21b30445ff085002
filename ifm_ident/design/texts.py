"""Texts that people and programs take for one another: look-alikes, minus signs, and words for a missing value."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-")
_MISSING = frozenset((
    "na", "n/a", "nan", "-nan", "none", "null", "nil", "nat", "<na>", "#n/a", "#na", "n.a.", "n.d.", "#ref!",
    "#value!", "#div/0!", "#name?", "#num!", "#null!",
))  # fmt: skip
_UNKNOWN = frozenset((
    "unknown", "unassigned", "undetermined", "unspecified", "ambiguous", "not determined", "not assigned",
    "unbekannt", "inconnu", "desconocido", "desconhecido", "sconosciuto",
))  # fmt: skip
_SHOWN = 6


def is_missing(text: str) -> bool:
    """Whether a text is blank, or a word by which programs write a missing value.

    >>> [is_missing(text) for text in ("", "NA", "NaN", "<NA>", "n/a", "NANOG")]
    [True, True, True, True, True, False]
    """
    plain = text.strip().casefold()
    return not plain or plain in _MISSING


def names_nothing(text: str) -> bool:
    """Whether a text that stands for what was done says that this is not known: a missing value, `?`, unknown.

    >>> [names_nothing(text) for text in ("NA", "?", "-", "Unknown", "not_determined", "TP53", "5-FU")]
    [True, True, True, True, True, False, False]
    """
    plain = look(text).strip().casefold().replace("_", " ").replace("-", " ").strip()
    return is_missing(text) or plain in _UNKNOWN or not any(c.isalnum() for c in plain)


def visible(text: str) -> str:
    """The text without characters that nobody sees: zero-width ones, byte order marks, soft hyphens.

    >>> visible("\\ufeffA\\u200b")
    'A'
    """
    if text.isascii():
        return text
    return "".join(c for c in text if unicodedata.category(c) != "Cf" and not "\ufe00" <= c <= "\ufe0f")


def look(text: str) -> str:
    """What two texts that look alike have in common: NFKC, visible characters, one kind of dash.

    >>> look("10 \\u00b5M") == look("10 \\u03bcM"), look("\\u22121"), look("A\\u200b")
    (True, '-1', 'A')
    """
    if text.isascii():
        return text
    return visible(unicodedata.normalize("NFKC", visible(text).translate(_DASHES)))


def code_points(text: str, other: str) -> str:
    """The code points of a text that the other one does not have; all of them where that tells nothing.

    >>> code_points("A\\u00b5", "A\\u03bc"), code_points("A", "A\\u200b")
    ('U+00B5', 'U+0041')
    """
    own = [c for c in dict.fromkeys(text) if c not in other] or list(text)
    shown = " ".join(f"U+{ord(c):04X}" for c in own[:_SHOWN])
    return shown + (" ..." if len(own) > _SHOWN else "")


def look_alikes(texts: Iterable[str]) -> tuple[str, str] | None:
    """The first two different texts that look the same.

    >>> look_alikes(["A", "B", "A", "A\\u200b"])
    ('A', 'A\\u200b')
    """
    first: dict[str, str] = {}
    for text in texts:
        before = first.setdefault(look(text), text)
        if before != text:
            return before, text
    return None


def look_alike_words(one: str, other: str) -> str:
    """That two texts look the same and are not, with what they are made of."""
    return (
        f"{one!r} ({code_points(one, other)}) and {other!r} ({code_points(other, one)}) look the same and differ; "
        "write them alike, or apart"
    )
