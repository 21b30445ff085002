"""Exact integers and rationals as text, of any length, one at a time and in columns."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.errors import InputError
from ifm_ident.limits import beyond, current

_BLOCK = 4000  # Python converts at most 4300 digits at once
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_SAFE_BITS = 62

Numbers = NDArray[np.int64] | NDArray[np.object_]


def integer_text(value: int) -> str:
    """The decimal text of an integer of any size.

    >>> integer_text(-7), len(integer_text(10**9000))
    ('-7', 9001)
    """
    if value.bit_length() < 13_000:
        return str(value)
    sign, value, blocks = "-" if value < 0 else "", abs(value), []
    while value:
        value, low = divmod(value, 10**_BLOCK)
        blocks.append(str(low).zfill(_BLOCK))
    return sign + "".join(reversed(blocks)).lstrip("0")


def exponent_text(value: Fraction) -> str:
    """The text of a rational of any size.

    >>> exponent_text(Fraction(-2, 3)), exponent_text(Fraction(4))
    ('-2/3', '4')
    """
    above = integer_text(value.numerator)
    return above if value.denominator == 1 else f"{above}/{integer_text(value.denominator)}"


def size_text(size: Fraction) -> str:
    """sum|q| for people: whole, or to four digits.

    >>> size_text(Fraction(27)), size_text(Fraction(31, 9)), size_text(Fraction(5, 4))
    ('27', '3.444', '1.25')
    """
    if size.denominator == 1:
        return integer_text(size.numerator)
    return f"{float(size):.4g}"


def parse_integer(text: str) -> int:
    """The integer that a decimal text holds: an optional minus sign and ASCII digits, at most the limit `digits`.

    >>> parse_integer("-12"), parse_integer("9" * 5000) == 10**5000 - 1
    (-12, True)
    >>> parse_integer("1_0")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: '1_0' is not an integer such as 3 or -3
    """
    if not _INTEGER.fullmatch(text):
        raise InputError(f"{_shown(text)} is not an integer such as 3 or -3")
    digits = text.lstrip("-")
    if len(digits) > current().digits:
        raise beyond("digits", len(digits), f"an integer of {len(digits)} digits")
    value = 0
    for start in range(0, len(digits), _BLOCK):
        block = digits[start : start + _BLOCK]
        value = value * 10 ** len(block) + int(block)
    return -value if text.startswith("-") else value


def parse_exponent(text: str) -> tuple[int, int]:
    """Numerator and denominator (positive) of an exponent such as "-1" or "2/3".

    Raises InputError for anything else, for a zero denominator, and for zero: zeros are left out.

    >>> parse_exponent("-2/3")
    (-2, 3)
    >>> parse_exponent("1/0")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the exponent '1/0' has a denominator that is not positive
    """
    above, slash, below = text.partition("/")
    numerator = parse_integer(above)
    denominator = parse_integer(below) if slash else 1
    if denominator <= 0:
        raise InputError(f"the exponent {_shown(text)} has a denominator that is not positive")
    if numerator == 0:
        raise InputError(f"the exponent {_shown(text)} is zero; zeros are left out")
    return numerator, denominator


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}... ({len(text)} characters)"


def integer_column(values: list[int]) -> Numbers:
    """An int64 array, or an object array of Python integers where int64 does not hold them.

    >>> integer_column([1, -2]).dtype.name, integer_column([2**70]).dtype.name
    ('int64', 'object')
    """
    if all(value.bit_length() <= _SAFE_BITS for value in values):
        return np.array(values, dtype=np.int64)
    column: NDArray[np.object_] = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def encode(values: Numbers) -> tuple[pa.Array, list[int]]:
    """int32 codes and the distinct integers in order of first appearance: values[i] is distinct[codes[i]].

    >>> codes, distinct = encode(np.array([5, 7, 5]))
    >>> codes.to_pylist(), distinct
    ([0, 1, 0], [5, 7])
    """
    if values.dtype != object:
        encoded = pa.array(values).dictionary_encode()
        return encoded.indices, encoded.dictionary.to_pylist()
    seen: dict[int, int] = {}
    codes = [seen.setdefault(int(value), len(seen)) for value in values]
    return pa.array(codes, type=pa.int32()), list(seen)


def integer_texts(values: Numbers) -> pa.DictionaryArray:
    """A column of integers as text, dictionary-encoded.

    >>> integer_texts(np.array([5, 7, 5])).to_pylist()
    ['5', '7', '5']
    """
    codes, distinct = encode(values)
    return pa.DictionaryArray.from_arrays(codes, pa.array(map(integer_text, distinct), type=pa.string()))


def exponent_texts(numerator: Numbers, denominator: Numbers) -> pa.DictionaryArray:
    """A column of reduced fractions as text, dictionary-encoded; no Python work a row.

    >>> exponent_texts(np.array([1, -1, 1]), np.array([1, 2, 1])).to_pylist()
    ['1', '-1/2', '1']
    """
    above, numerators = encode(numerator)
    below, denominators = encode(denominator)
    if len(denominators) == 1 and denominators[0] == 1:
        return pa.DictionaryArray.from_arrays(above, pa.array(map(integer_text, numerators), type=pa.string()))
    pairs = above.to_numpy().astype(np.int64) * max(len(denominators), 1) + below.to_numpy()
    codes, distinct = encode(pairs)
    tops, bottoms = [integer_text(n) for n in numerators], [integer_text(n) for n in denominators]
    texts = []
    for pair in distinct:
        top, bottom = divmod(pair, len(denominators))
        texts.append(tops[top] if bottoms[bottom] == "1" else f"{tops[top]}/{bottoms[bottom]}")
    return pa.DictionaryArray.from_arrays(codes, pa.array(texts, type=pa.string()))


def parse_distinct(column: pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    """Codes, shape (n,), and the distinct texts of a column without nulls.

    >>> codes, distinct = parse_distinct(pa.array(["a", "b", "a"]))
    >>> codes.tolist(), distinct
    ([0, 1, 0], ['a', 'b'])
    """
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()
