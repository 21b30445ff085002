"""One regime as text: labels (A+B), level strings (110) and assignments (A=1,B=2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, DecimalException
from functools import cached_property
from typing import Literal

from ifm_ident.design.model import Intervention, Model, level_text
from ifm_ident.design.regimes import Active
from ifm_ident.design.texts import is_missing, look
from ifm_ident.errors import InputError, nearest

Notation = Literal["label", "levels", "assignment"]
BASELINE = "ctrl"

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NEEDS_QUOTES = re.compile(r'[,=+:"\s]')
_PART = re.compile(
    r'\s*(?P<name>[^+,=:\s]+)\s*=\s*(?P<level>"(?:[^"\\]|\\.)*"|[^,=+:"\s]+)\s*(?P<end>,|\Z)', re.DOTALL
)


def quoted_level(text: str) -> str:
    """The level as an assignment writes it: in JSON quotes when it holds one of , = + : " or white space.

    >>> quoted_level("low"), quoted_level("x, y")
    ('low', '"x, y"')
    """
    return json.dumps(text, ensure_ascii=False) if _NEEDS_QUOTES.search(text) else text


def _value(text: str) -> Decimal | None:
    """The exact value of a decimal number in text, None when the text is no number."""
    try:
        return Decimal(text) if _NUMBER.fullmatch(text) else None
    except DecimalException:
        return None


def match_level(intervention: Intervention, text: str, by_value: bool) -> int:
    """The index of the level with this text or, with `by_value`, with the same number.

    Raises InputError for no such level (naming the nearest) and for a number that two levels share.

    >>> dose = Intervention("dose", (0, 1, "high"))
    >>> match_level(dose, "high", by_value=False), match_level(dose, "1.0", by_value=True)
    (2, 1)
    >>> match_level(dose, "1.0", by_value=False)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: intervention 'dose' has no level '1.0'; legal: 0, 1, high
    """
    if intervention.basis is not None:
        return intervention.index(look(text).strip())
    value = _value(look(text).strip()) if by_value else None
    texts = [level_text(level) for level in intervention.levels]
    if value is not None and text not in texts:
        same = [i for i, other in enumerate(texts) if _value(other) == value]
        if len(same) > 1:
            shared = " and ".join(repr(texts[i]) for i in same)
            raise InputError(
                f"{text!r} is the value of the levels {shared} of intervention {intervention.name!r}; "
                "write the level exactly as the study does"
            )
        if same:
            return same[0]
    return intervention.index(text)


@dataclass(frozen=True, eq=False)
class RegimeReader:
    """Reads regimes of one model from texts and maps; keeps what reading many of them shares.

    >>> from ifm_ident.design.model import Factor
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2)))
    >>> reader = RegimeReader(Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),)))
    >>> reader.read("12"), reader.read("A"), reader.read("B=2")
    ((((0, 1), (1, 2)), 'levels'), (((0, 1),), 'label'), (((1, 2),), 'assignment'))
    >>> reader.read("B")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regime 'B': intervention 'B' has 3 levels, a label cannot say which; write 'B=1'
    """

    model: Model

    @cached_property
    def level_index(self) -> tuple[dict[str, int], ...]:
        """For every intervention its level texts, to index."""
        return tuple({level_text(v): i for i, v in enumerate(one.levels)} for one in self.model.interventions)

    @cached_property
    def long_level(self) -> tuple[str, str] | None:
        """The first intervention and level that rule out level strings, None where these are legal."""
        for one, index in zip(self.model.interventions, self.level_index, strict=True):
            for text in index:
                if len(text) != 1:
                    return one.name, text
        return None

    @cached_property
    def level_characters(self) -> frozenset[str]:
        """Every character of a level string; empty where level strings are not legal."""
        if self.long_level is not None:
            return frozenset()
        return frozenset(text for index in self.level_index for text in index)

    @cached_property
    def may_clash(self) -> bool:
        """False only if no text can be a level string and at the same time a label or an assignment."""
        letters, width = self.level_characters, len(self.model)
        names = [one.name for one in self.model.interventions]
        return "=" in letters or any(len(n) <= width and set(n) <= letters for n in [*names, BASELINE])

    def read(self, text: str) -> tuple[Active, Notation]:
        """The regime that the text writes, and its notation; `ctrl` is always the baseline regime.

        Raises InputError when no notation fits, or when two fit with different regimes.
        """
        found, complaints = self.readings(text)
        if not found:
            raise next(iter(complaints.values()))
        notation, regime = next(iter(found.items()))
        for other, different in found.items():
            if different != regime:
                raise InputError(
                    f"regime {text!r} can be read in two ways: as {_NOUN[notation]}, {self.words(regime)}, and "
                    f"as {_NOUN[other]}, {self.words(different)}; write a map such as "
                    f"{{{self._map_words(regime)}}}, or the text {self._assignment(regime)}"
                )
        return regime, notation

    def may_be_levels_or_assignment(self, text: str) -> bool:
        """False only if the text is neither a level string nor an assignment."""
        letters = self.level_characters
        return "=" in text or (len(text) == len(self.model) and letters.issuperset(text))

    def readings(self, text: str) -> tuple[dict[Notation, Active], dict[Notation, InputError]]:
        """Every notation that fits the text, with its regime, and why others do not, the most likely first."""
        if text == BASELINE:
            return {"label": ()}, {}
        found: dict[Notation, Active] = {}
        complaints: dict[Notation, InputError] = {}
        for notation in self._candidates(text):
            try:
                found[notation] = self._read_as(text, notation)
            except InputError as error:
                complaints[notation] = error
        return found, complaints

    def read_label_or_assignment(self, text: str) -> Active:
        """The regime of a text that is no level string; InputError as `read`."""
        return self._read_as(text, "assignment" if "=" in text else "label")

    def read_map(self, mapping: Mapping[str, object]) -> Active:
        """The regime of a map, intervention name to level; what is left out is at baseline.

        A level matches by text, a number also by value. Raises InputError with the path `(name,)`.
        """
        active = []
        for name, level in mapping.items():
            position = self.model.find(name) if isinstance(name, str) else None
            if position is None:
                raise InputError(f"unknown intervention {name!r}; {nearest(name, self.model.position)}", (name,))
            if isinstance(level, bool) or not isinstance(level, (str, int, float)):
                raise InputError(
                    f'{name}: a level is a string or a number, got {level!r}; write it in quotes: "{level}"',
                    (name,),
                )
            try:
                index = match_level(
                    self.model.interventions[position], str(level), by_value=not isinstance(level, str)
                )
            except InputError as error:
                raise InputError(str(error), (name,)) from None
            if index:
                active.append((position, index))
        return tuple(sorted(active))

    def _candidates(self, text: str) -> list[Notation]:
        """The notations that the text may be in, the most likely first: its complaint is the one shown."""
        letters = self.level_characters
        if "=" in text:
            return ["assignment", "levels"] if "=" in letters else ["assignment"]
        on_width = len(text) == len(self.model)
        shares = not letters.isdisjoint(text) or (text.isdigit() and any(map(str.isdigit, letters)))
        resembles = bool(text) and (set(text) <= letters or (on_width and shares and "+" not in text))
        return ["levels", "label"] if resembles else ["label"]

    def _read_as(self, text: str, notation: Notation) -> Active:
        if notation == "levels":
            return self._read_levels(text)
        return self._read_label(text) if notation == "label" else self._read_assignment(text)

    def _read_levels(self, text: str) -> Active:
        width = len(self.model)
        if len(text) != width:
            example = "".join(next(iter(one)) for one in self.level_index)
            raise InputError(
                f"regime {text!r} has {len(text)} level(s), the model {width} intervention(s); "
                f"a level string has one character for each, such as {example!r}"
            )
        active = []
        for position, (letter, index) in enumerate(zip(text, self.level_index, strict=True)):
            level = index.get(letter)
            if level is None:
                name = self.model.interventions[position].name
                raise InputError(
                    f"regime {text!r}: intervention {name!r} has no level {letter!r} (character "
                    f"{position + 1}); {nearest(letter, index)}"
                )
            if level:
                active.append((position, level))
        return tuple(active)

    def _read_label(self, text: str) -> Active:
        if not text.strip():
            raise InputError(f"a regime cannot be the empty text {text!r}; write {BASELINE!r} for baseline")
        if text.strip() == BASELINE:
            return ()
        active: dict[int, int] = {}
        for part in (part.strip() for part in text.split("+")):
            if not part:
                raise InputError(f"regime {text!r} has an empty part; write names joined by single + signs")
            if part == BASELINE:
                raise InputError(
                    f"regime {text!r}: {BASELINE!r} is the baseline and stands alone; leave it out here"
                )
            position = self.model.find(part)
            if position is None:
                raise InputError(f"regime {text!r}: unknown intervention {part!r}; {self._remedy(part)}")
            one = self.model.interventions[position]
            if len(one.levels) > 2 or one.basis is not None:
                has = f"{len(one.levels)} levels" if one.basis is None else "levels with values"
                raise InputError(
                    f"regime {text!r}: intervention {part!r} has {has}, a label cannot say "
                    f"which; write '{part}={quoted_level(level_text(one.levels[-1 if one.basis else 1]))}'"
                )
            if position in active:
                raise InputError(f"regime {text!r} names {part!r} twice; name each intervention once")
            active[position] = 1
        return tuple(sorted(active.items()))

    def _read_assignment(self, text: str) -> Active:
        active: dict[int, int] = {}
        at, end = 0, ","
        while end:
            part = _PART.match(text, at)
            if part is None:
                raise InputError(
                    f"regime {text!r} is no assignment from character {at + 1} on; write A=1,B=2, with a level "
                    'that holds any of , = + : " or white space in quotes: A="x, y"'
                )
            at, end, name, level = part.end(), part["end"], part["name"], part["level"]
            position = self.model.find(name)
            if position is None:
                raise InputError(
                    f"regime {text!r}: unknown intervention {name!r}; {nearest(name, self.model.position)}"
                )
            if position in active:
                raise InputError(f"regime {text!r} assigns {name!r} twice; assign each intervention once")
            try:
                plain = json.loads(level, strict=False) if level.startswith('"') else level
                active[position] = self.model.interventions[position].index(plain)
            except InputError as error:
                raise InputError(f"regime {text!r}: {error}") from None
            except json.JSONDecodeError as error:
                raise InputError(f"regime {text!r}: {level} is not JSON text ({error.msg})") from None
        return tuple(sorted((position, level) for position, level in active.items() if level))

    def _remedy(self, part: str) -> str:
        names = [name.strip() for name in part.split(",")]
        if all(name in self.model.position for name in names):
            return f"join names by +: {'+'.join(names)}"
        if len(names) > 1:
            return "a text is one regime: give several one by one"
        if look(part).casefold() == BASELINE:
            return f"did you mean {BASELINE}?"
        if is_missing(part):
            return "it reads as a missing value"
        advice = nearest(part, self.model.position)
        if self.long_level is not None and part.isdigit():
            name, level = self.long_level
            advice += (
                f" (level strings need levels of one character, and intervention {name!r} has {level!r}: "
                "write an assignment such as A=1,B=2)"
            )
        return advice

    def words(self, regime: Active) -> str:
        """A regime in words, for people."""
        parts = [f"{self.model.interventions[p].name} at {self._level(p, i)!r}" for p, i in regime]
        return " and ".join(parts) or "the baseline regime"

    def _assignment(self, regime: Active) -> str:
        pairs = ((self.model.interventions[p].name, quoted_level(str(self._level(p, i)))) for p, i in regime)
        return ",".join(f"{name}={level}" for name, level in pairs) or BASELINE

    def _map_words(self, regime: Active) -> str:
        return ", ".join(f"{self.model.interventions[p].name}: {self._level(p, i)!r}" for p, i in regime)

    def _level(self, position: int, index: int) -> object:
        return self.model.interventions[position].level(index)


_NOUN: dict[Notation, str] = {
    "label": "a label",
    "levels": "a level string",
    "assignment": "an assignment",
}
