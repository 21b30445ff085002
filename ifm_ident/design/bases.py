"""Bases: known functions of a level's value, rational at rational values (docs/theory/doses.md)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from ifm_ident.errors import InputError, nearest

Kind = Literal["poly", "hat", "spline", "hill", "table"]
KINDS: tuple[Kind, ...] = ("poly", "hat", "spline", "hill", "table")
Key = Fraction | str
"""What a level is known by: its exact number, or its name."""

MAX_DEGREE = 30
_MAX_FUNCTIONS = 200
_LONGEST = 120
_LONGEST_BITS = 400
_LARGEST_POWER = 60
_SHOWN = 60
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+/[0-9]+", re.ASCII)
_EXAMPLES: dict[Kind, str] = {
    "poly": "{poly: 2}",
    "hat": "{hat: [0, 6, 48]}",
    "spline": "{spline: {knots: [0, 6, 48], degree: 3}}",
    "hill": "{hill: {ec50: 10, n: 2}}",
    "table": "{table: {lo: [0, 0], hi: [1, 1/2]}}",
}


def exact(value: object) -> Fraction | None:
    """The number that a text or a Python number writes, exactly; None for what is no number.

    Floats are read as they are written: 0.3 is 3/10. Numbers of more than 120 digits, or powers of ten, are none.

    >>> exact("0.3"), exact(0.3), exact("1/3"), exact("1e-2"), exact("high")
    (Fraction(3, 10), Fraction(3, 10), Fraction(1, 3), Fraction(1, 100), None)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Fraction, Decimal)):
        return None
    if isinstance(value, (int, Fraction)):
        number = Fraction(value)
        long = max(number.numerator.bit_length(), number.denominator.bit_length()) > _LONGEST_BITS
        return None if long else number
    text = str(value).strip().replace("\u2212", "-")
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return None
    _, _, power = text.lower().partition("e")
    if power and abs(int(power)) > _LARGEST_POWER:
        return None
    try:
        return Fraction(text)
    except ZeroDivisionError:
        return None


def plain_number(value: Fraction) -> int | float | str:
    """A rational as a file holds it: a number where that says it exactly, else the text of a fraction.

    >>> plain_number(Fraction(3)), plain_number(Fraction(3, 10)), plain_number(Fraction(1, 3))
    (3, 0.3, '1/3')
    """
    if value.denominator == 1:
        return value.numerator
    near = float(value)
    return near if exact(near) == value else f"{value.numerator}/{value.denominator}"


def key_of(level: object) -> Key:
    """What a level is known by: its number where it writes one, else its text."""
    number = exact(level)
    return str(level) if number is None else number


@dataclass(frozen=True)
class Piece:
    """A basis on an interval, by polynomials: function j is numerators[j] / denominator, constant first.

    low, high: the ends, None where there is none; polynomials hold the coefficients of 1, u, u^2, ...
    """

    low: Fraction | None
    high: Fraction | None
    numerators: tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Basis:
    """Functions phi_0 = 1, phi_1, ..., phi_r of a value u.

    poly: powers up to `degree`. hat: piecewise linear, function j is 1 at knot j (from 0) and 0 at the others, the
    hat of knot 0 being what is missing to 1. spline: B-splines of `degree` over `knots`, the end knots repeated,
    but for the first, in the same way. hill: u^degree / (ec50^degree + u^degree). table: `rows` gives the values
    of phi_1, ..., phi_r of every level by name.

    Raises InputError for what is no basis.

    >>> Basis("poly", degree=2).values(Fraction(3, 10))
    (Fraction(3, 10), Fraction(9, 100))
    >>> Basis("hat", knots=(Fraction(0), Fraction(6), Fraction(48))).values(Fraction(3))
    (Fraction(1, 2), Fraction(0, 1))
    >>> Basis("hill", degree=2, ec50=Fraction(10)).values(Fraction(5))
    (Fraction(1, 5),)
    >>> Basis("hat", knots=(Fraction(0), Fraction(6))).values(Fraction(7))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: 7 lies outside the knots 0 to 6
    """

    kind: Kind
    degree: int = 0
    knots: tuple[Fraction, ...] = ()
    ec50: Fraction = Fraction(0)
    rows: tuple[tuple[Key, tuple[Fraction, ...]], ...] = ()

    def __post_init__(self) -> None:
        kind = self.kind
        if kind in ("poly", "spline", "hill") and not 1 <= self.degree <= MAX_DEGREE:
            what = {"poly": "the degree of poly", "spline": "the degree of a spline", "hill": "n of hill"}[kind]
            raise InputError(f"{what} is {self.degree}; write a whole number from 1 to {MAX_DEGREE}")
        if kind in ("hat", "spline"):
            if len(self.knots) < 2:
                raise InputError(f"{kind} has {len(self.knots)} knot(s); give at least two, ascending")
            for low, high in itertools.pairwise(self.knots):
                if low >= high:
                    raise InputError(
                        f"the knot {_text(high)} follows {_text(low)}; knots ascend, each written once"
                    )
        if kind == "hill" and self.ec50 <= 0:
            raise InputError(f"ec50 of hill is {_text(self.ec50)}; it is a number above 0")
        if kind == "table":
            sizes = {len(values) for _, values in self.rows}
            if not self.rows or sizes == {0}:
                raise InputError("the table holds no values; write the functions of each level in a list")
            if len(sizes) > 1:
                first, second = _two_lengths(self.rows)
                raise InputError(f"the rows of the table have different lengths: {first} and {second}")
        if self.functions > _MAX_FUNCTIONS:
            raise InputError(f"the basis has {self.functions} functions; at most {_MAX_FUNCTIONS} are read")

    @property
    def functions(self) -> int:
        """How many functions there are beside the constant."""
        if self.kind == "hill":
            return 1
        if self.kind == "poly":
            return self.degree
        if self.kind == "hat":
            return len(self.knots) - 1
        return len(self.knots) + self.degree - 2 if self.kind == "spline" else len(self.rows[0][1])

    @cached_property
    def _table(self) -> dict[Key, tuple[Fraction, ...]]:
        return dict(self.rows)

    def values(self, at: Key) -> tuple[Fraction, ...]:
        """phi_1, ..., phi_r at a value (for a table: of a level); InputError where they are not defined."""
        if self.kind == "table":
            if at not in self._table:
                raise InputError(f"the table of the basis has no row {_text(at)}; {_legal(self._table)}")
            return self._table[at]
        if isinstance(at, str):
            shown = at if len(at) <= _SHOWN else f"{at[:_SHOWN]}..."
            raise InputError(
                f"{shown!r} is no number, or too long a one; write a decimal such as 0.3 or a fraction such as 1/3"
            )
        if self.kind == "poly":
            return tuple(at**j for j in range(1, self.degree + 1))
        if self.kind == "hill":
            if at < 0:
                raise InputError(f"{_text(at)} is negative; a Hill curve is of values from 0 on")
            raised = at**self.degree
            return (raised / (self.ec50**self.degree + raised),)
        if not self.knots[0] <= at <= self.knots[-1]:
            raise InputError(
                f"{_text(at)} lies outside the knots {_text(self.knots[0])} to {_text(self.knots[-1])}"
            )
        degree = 1 if self.kind == "hat" else self.degree
        return tuple(_b_splines(self.knots, degree, at)[1:])

    def names(self, of: str) -> tuple[str, ...]:
        """The functions as short texts, the constant first.

        >>> Basis("poly", degree=2).names("dose")
        ('1', 'dose', 'dose^2')
        """
        if self.kind == "poly":
            powers = [f"{of}^{j}" if j > 1 else of for j in range(1, self.degree + 1)]
            return ("1", *powers)
        if self.kind == "hill":
            return ("1", f"hill({of})")
        if self.kind == "hat":
            return ("1", *(f"hat{_text(knot)}({of})" for knot in self.knots[1:]))
        word = "spline" if self.kind == "spline" else "table"
        return ("1", *(f"{word}{j}({of})" for j in range(1, self.functions + 1)))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The basis by intervals on which all functions are polynomials over one positive denominator.

        Their zeros are those of the numerators. None for a table, whose values are levels only.
        """
        zero, one = Fraction(0), Fraction(1)
        if self.kind == "table":
            return ()
        if self.kind == "poly":
            return (Piece(None, None, tuple((zero,) * j + (one,) for j in range(self.degree + 1))),)
        if self.kind == "hill":
            power = (zero,) * self.degree + (one,)
            return (Piece(zero, None, ((self.ec50**self.degree, *power[1:]), power)),)
        degree = 1 if self.kind == "hat" else self.degree
        found = []
        for low, high in itertools.pairwise(self.knots):
            at = [low + (high - low) * Fraction(i, degree) for i in range(degree + 1)]
            columns = zip(*((one, *self.values(u)) for u in at), strict=True)
            found.append(Piece(low, high, tuple(_through(at, column) for column in columns)))
        return tuple(found)

    def plain(self) -> dict[str, object]:
        """The basis as a study file writes it."""
        knots = [plain_number(knot) for knot in self.knots]
        if self.kind == "poly":
            return {"poly": self.degree}
        if self.kind == "hat":
            return {"hat": knots}
        if self.kind == "spline":
            return {"spline": {"knots": knots, "degree": self.degree}}
        if self.kind == "hill":
            return {"hill": {"ec50": plain_number(self.ec50), "n": self.degree}}
        return {"table": {_text(key): [plain_number(v) for v in values] for key, values in self.rows}}


def level_words(level: object) -> str:
    """A level in an error message: as written where that is short and plain.

    >>> level_words("0.3"), level_words("a" * 70)[-5:]
    ('0.3', 'aa...')
    """
    text = str(level)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return text if text.isprintable() else repr(text)


def _text(value: Key) -> str:
    return level_words(value) if isinstance(value, str) else str(plain_number(value))


def _legal(keys: Mapping[Key, object]) -> str:
    return nearest("", [_text(key) for key in keys])


def _two_lengths(rows: Sequence[tuple[Key, tuple[Fraction, ...]]]) -> tuple[str, str]:
    other = next(row for row in rows if len(row[1]) != len(rows[0][1]))
    first, second = (f"{len(values)} at {_text(key)}" for key, values in (rows[0], other))
    return first, second


def _b_splines(knots: Sequence[Fraction], degree: int, at: Fraction) -> list[Fraction]:
    """All B-splines of a degree at a value between the knots, by the recursion of Cox and de Boor."""
    t = [*[knots[0]] * degree, *knots, *[knots[-1]] * degree]
    last = len(knots) - 2
    span = degree + next((i for i in range(last) if at < knots[i + 1]), last)
    values = [Fraction(int(i == span)) for i in range(len(t) - 1)]
    for d in range(1, degree + 1):
        values = [
            (_share(at - t[i], t[i + d] - t[i]) * values[i])
            + (_share(t[i + d + 1] - at, t[i + d + 1] - t[i + 1]) * values[i + 1])
            for i in range(len(t) - 1 - d)
        ]
    return values


def _share(part: Fraction, whole: Fraction) -> Fraction:
    return part / whole if whole else Fraction(0)


def _through(at: Sequence[Fraction], values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Coefficients of the polynomial through points with distinct abscissae (Newton)."""
    divided = list(values)
    for step in range(1, len(at)):
        for i in range(len(at) - 1, step - 1, -1):
            divided[i] = (divided[i] - divided[i - 1]) / (at[i] - at[i - step])
    found = [Fraction(0)] * len(at)
    for i in range(len(at) - 1, -1, -1):
        shifted = [Fraction(0), *found[:-1]]
        found = [s - at[i] * f for s, f in zip(shifted, found, strict=True)]
        found[0] += divided[i]
    return tuple(found)


def basis_from(value: object, place: tuple[str | int, ...] = ()) -> Basis:
    """The basis that a plain map such as {"poly": 2} writes; InputError, with the place, for anything else.

    >>> basis_from({"hill": {"ec50": "0.5", "n": 1}}).values(Fraction(1))
    (Fraction(2, 3),)
    >>> basis_from({"hill": {"ec50": 0, "n": 1}})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: ec50 of hill is 0; it is a number above 0
    """
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InputError(f"`basis` is a map with one key, such as {_EXAMPLES['poly']}; got {value!r:.60}", place)
    [(kind, content)] = value.items()
    if kind not in KINDS:
        raise InputError(f"unknown basis {kind!r}; {nearest(kind, KINDS)}", (*place, str(kind)))
    inside = (*place, str(kind))
    try:
        return _basis(kind, content, inside)
    except InputError as error:
        raise InputError(str(error), error.path or inside) from None


def _basis(kind: Kind, content: object, place: tuple[str | int, ...]) -> Basis:
    if kind == "poly":
        return Basis("poly", degree=_whole(content, "the degree of poly", kind))
    if kind == "hat":
        return Basis("hat", knots=_numbers(content, "the knots of hat", kind))
    if not isinstance(content, Mapping):
        raise InputError(f"{kind} is written as {_EXAMPLES[kind]}; got {content!r:.60}")
    if kind == "table":
        rows: dict[Key, tuple[Fraction, ...]] = {}
        for name, values in content.items():
            if key_of(name) in rows:
                raise InputError(f"the level {name} is in the table twice", (*place, str(name)))
            rows[key_of(name)] = _numbers(values, f"the row {name} of the table", kind)
        return Basis("table", rows=tuple(rows.items()))
    wanted = ("knots", "degree") if kind == "spline" else ("ec50", "n")
    for name in content:
        if name not in wanted:
            raise InputError(f"unknown key {name!r} in {kind}; {nearest(name, wanted)}", (*place, str(name)))
    for name in wanted:
        if name not in content:
            raise InputError(f"{kind} has no key `{name}`; write {_EXAMPLES[kind]}")
    if kind == "spline":
        knots = _numbers(content["knots"], "the knots of spline", kind)
        return Basis("spline", knots=knots, degree=_whole(content["degree"], "the degree of a spline", kind))
    middle = exact(content["ec50"])
    if middle is None:
        raise InputError(f"ec50 of hill is {content['ec50']!r}; it is a number above 0")
    return Basis("hill", ec50=middle, degree=_whole(content["n"], "n of hill", kind))


def _whole(value: object, what: str, kind: Kind) -> int:
    number = exact(value)
    if number is None or number.denominator != 1 or not 1 <= number <= MAX_DEGREE:
        raise InputError(
            f"{what} is {value!r:.40}; write a whole number from 1 to {MAX_DEGREE}, as in {_EXAMPLES[kind]}"
        )
    return int(number)


def _numbers(value: object, what: str, kind: Kind) -> tuple[Fraction, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{what} are a list of numbers, as in {_EXAMPLES[kind]}; got {value!r:.60}")
    found = []
    for one in value:
        number = exact(one)
        if number is None:
            raise InputError(f"{what} hold {one!r:.40}, which is no number; write a decimal or a fraction")
        found.append(number)
    return tuple(found)
