"""Results of other commands as JSON: read, checked, and their numbers as texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ifm_ident.errors import InputError
from ifm_ident.files import note_input
from ifm_ident.limits import read_bytes
from ifm_ident.results.header import shown
from ifm_ident.show.words import four_digits
from ifm_ident.study.reading.missing_files import missing_file

LARGEST = 10**300
"""Differences of numbers up to this are finite."""


def load_result(path: str | Path) -> Mapping[str, Any]:
    """A JSON object from a file; InputError when there is none.

    >>> load_result("no-such.json")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such.json: there is no such file
    """
    note_input(path)
    try:
        data = json.loads(read_bytes(Path(path)).decode())
    except FileNotFoundError:
        raise missing_file(Path(path), (".json",)) from None
    except InputError:
        raise
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: it is no JSON file: {error}; write it by `ifm estimate --format json` or "
            "`ifm falsify --format json`"
        ) from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: a result is a JSON object, got {shown(data)}")
    return data


def require_schema(data: Mapping[str, Any], schema: str, command: str, place: str) -> None:
    """InputError, starting with `place`, for a result of another command."""
    if data.get("schema") != schema:
        raise InputError(
            f"{place}: the schema is {shown(data.get('schema'))}; give a result of `ifm {command} --format json`, "
            f"{schema!r}"
        )


def results_of(data: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    """The entries of a result."""
    results = data.get("results")
    if not isinstance(results, list) or not all(isinstance(entry, dict) for entry in results):
        raise InputError(f"{place}: `results` is a list of objects, got {shown(results)}")
    return results


def finite(value: object, at: str) -> float:
    """A finite number; InputError for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= LARGEST:
        raise InputError(f"{at}: a number is needed, within 1e300, got {shown(value)}")
    return float(value)


def number_of(entry: Mapping[str, Any], key: str, at: str) -> float | None:
    """A number of an entry, None where it has none."""
    return None if entry.get(key) is None else finite(entry[key], at)


def pair_of(entry: Mapping[str, Any], key: str, at: str) -> tuple[float, float] | None:
    """An interval of an entry, None where it has none; a null end is infinite."""
    ends = entry.get(key)
    if ends is None:
        return None
    if not isinstance(ends, list) or len(ends) != 2:
        raise InputError(f"{at}: {key} is a pair of numbers or null, got {shown(ends)}")
    low, high = ends
    return (-math.inf if low is None else finite(low, at), math.inf if high is None else finite(high, at))


def number_text(value: float) -> str:
    """A number as `four_digits` writes it, with a true minus and infinity.

    >>> number_text(-0.123456), number_text(float("inf"))
    ('−0.1235', '∞')
    """
    text = "∞" if math.isinf(value) else four_digits(abs(value))
    return f"−{text}" if value < 0 else text


def pair_text(pair: tuple[float, float]) -> str:
    """An interval as text.

    >>> pair_text((-math.inf, 1.5))
    '(−∞, 1.5]'
    """
    left, right = ("(" if math.isinf(pair[0]) else "["), (")" if math.isinf(pair[1]) else "]")
    return f"{left}{number_text(pair[0])}, {number_text(pair[1])}{right}"
