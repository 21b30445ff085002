"""Perturbation labels as the field writes them: A+B, A+ctrl, A_B, A|B, control, NT, non-targeting."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Model
from ifm_ident.design.regime_text import BASELINE, RegimeReader
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.design.texts import is_missing, look
from ifm_ident.errors import InputError, nearest

SEPARATORS = ("+", "||", "|", ";", "&&", "&", ",", "_")
"""Separators that are found where none is given."""

CONTROLS = ("ctrl", "control", "NT", "NTC", "non-targeting", "neg-ctrl", "negative-control", "unperturbed")
"""Names of the control that are known where none is given; case, `-`, `_` and spaces do not matter.

They may end in a number, as guides that target nothing do: `non-targeting_00012`, `NegCtrl0`, `NTC_3`, `NT-2`.
"""

LABEL_KEYS = ("separator", "control", "names")
"""What may be said of labels."""

_PLAIN = frozenset(re.sub("-", "", name).casefold() for name in CONTROLS)
_NUMBERED = re.compile("(non[-_ ]?targeting|(neg(ative)?[-_ ]?)?(ctrl|control)|ntc|nt(?=[-_ ]))[-_ ]?[0-9]+")
_MOST_PIECES = 1000
_WIDEST_CONTROL = 16
_MOST_STATES = 100_000


def is_known_control(text: str) -> bool:
    """Whether a text is one of the usual names of the control.

    >>> [is_known_control(text) for text in ("Non-Targeting", "non_targeting", "NegCtrl0", "NTC_3", "DMSO", "NT5")]
    [True, True, True, True, False, False]
    """
    seen = look(text).casefold()
    return re.sub("[-_ ]", "", seen) in _PLAIN or _NUMBERED.fullmatch(seen) is not None


@dataclass(frozen=True)
class LabelConvention:
    """How a column of labels is written; what is None is found, label by label, by the known interventions.

    separator: stands between the interventions of one label. control: texts that mean baseline, beside `ctrl`.
    names: pairs of a text in labels, whatever it holds, and the intervention that it names (`A`, or `A=high` for
    one of more than two levels). Raises InputError for an empty separator or name, and a text with two meanings.

    >>> LabelConvention("_", ("NT",))
    LabelConvention(separator='_', control=('NT',), names=())
    >>> LabelConvention("")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the separator of labels is empty; write the text between two interventions
    """

    separator: str | None = None
    control: tuple[str, ...] | None = None
    names: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.separator is not None and not self.separator.strip():
            raise InputError("the separator of labels is empty; write the text between two interventions")
        for name in self.control or ():
            if not name.strip():
                raise InputError("a name of the control is empty; write the text that means baseline")
        for text, name in self.names:
            if not text.strip() or not name.strip():
                raise InputError(
                    f"the names of labels hold {text!r}: {name!r}, of which one is empty; write a text of the "
                    "labels and the intervention that it names"
                )
            if text in (self.control or ()):
                raise InputError(f"{text!r} is under the names and the control of labels; leave it out of one")

    @classmethod
    def of(cls, given: LabelConvention | Mapping[str, object] | None) -> LabelConvention | None:
        """The convention of a map with the keys `separator`, `control` (a text or several) and `names` (a map)."""
        if given is None or isinstance(given, LabelConvention):
            return given
        for key in given:
            if key not in LABEL_KEYS:
                raise InputError(f"unknown key {key!r} of labels; {nearest(key, LABEL_KEYS)}")
        separator, control, named = (given.get(key) for key in LABEL_KEYS)
        controls = [control] if isinstance(control, str) else control
        if not (separator is None or isinstance(separator, str)):
            raise InputError(f"the separator of labels is text, got {_shown(separator)}")
        if controls is not None and not (
            isinstance(controls, (list, tuple)) and all(isinstance(name, str) for name in controls)
        ):
            raise InputError(f"the control of labels is a text or a list of texts, got {_shown(control)}")
        if named is None:
            named = {}
        if not (isinstance(named, Mapping) and all(isinstance(t, str) for pair in named.items() for t in pair)):
            raise InputError(
                "the names of labels are a map from texts in labels to interventions, such as "
                f"{{'chr1:100-200': 'g1'}}, got {_shown(named)}"
            )
        return cls(separator, None if controls is None else tuple(controls), tuple(named.items()))

    @cached_property
    def _controls(self) -> frozenset[str]:
        return frozenset(map(look, self.control or ()))

    def is_control(self, text: str) -> bool:
        """Whether a text means baseline: `ctrl`, and what is given or, where nothing is, a usual name."""
        known = is_known_control(text) if self.control is None else look(text) in self._controls
        return known or look(text) == BASELINE


def _shown(value: object) -> str:
    """What was got, with the spelling that makes a number a text."""
    wrong = value
    if isinstance(value, (list, tuple)):
        wrong = next((part for part in value if not isinstance(part, str)), value)
    number = isinstance(wrong, (int, float)) and not isinstance(wrong, bool)
    return f"{value!r:.60}" + (f"; write '{wrong}'" if number else "")


@dataclass(frozen=True, eq=False)
class LabelReader:
    """Reads labels of one model in one convention; a label that two readings give different regimes is refused.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> three = tuple(Intervention(name, (0, 1)) for name in ("A", "B", "HLA_E"))
    >>> reader = LabelReader(Model(three, ("x",), (Factor("f", ("x",), ("A", "B", "HLA_E")),)))
    >>> reader.read("HLA_E_A") == reader.read("A|HLA_E"), reader.read("NT_B"), reader.read("non-targeting")
    (True, ((1, 1),), ())
    >>> reader.read("A_C")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regime 'A_C': split at '_', 'C' is no intervention and no control; legal: A, B, HLA_E (or name the control: labels: {control: [C]})
    """  # noqa: E501

    model: Model
    convention: LabelConvention = LabelConvention()

    def __post_init__(self) -> None:
        for name in self.convention.control or ():
            if name in self.model.position:
                raise InputError(f"{name!r} is an intervention and cannot be the control of labels; rename one")
        assert self._named is not None  # reads them: what is wrong with a name shows before any label is read

    @cached_property
    def _reader(self) -> RegimeReader:
        return RegimeReader(self.model)

    @cached_property
    def _named(self) -> dict[str, tuple[int, int]]:
        """The intervention and level of every text that the convention names."""
        found = {}
        for text, name in self.convention.names:
            try:
                read = self._reader.read_label_or_assignment(name)
            except InputError as error:
                raise InputError(f"the names of labels, {text!r}: {error}") from None
            if len(read) != 1:
                raise InputError(
                    f"the names of labels give {text!r} the meaning {name!r}; write one intervention, or its "
                    "level as A=1 (names of the control go under `control`)"
                )
            found[look(text)] = read[0]
        return found

    def _part(self, text: str) -> tuple[int, int] | None:
        """The intervention and level that a part of a label names; None where it names none."""
        named = self._named.get(look(text))
        if named is not None:
            return named
        position = self.model.find(text)
        return None if position is None or not self.model.two_level[position] else (position, 1)

    def is_control(self, text: str) -> bool:
        """Whether a part of a label means baseline."""
        if self.model.find(text) is not None or look(text) in self._named:
            return False
        return self.convention.is_control(text)

    def _known(self, text: str) -> bool:
        return self.is_control(text) or self.model.find(text) is not None or look(text) in self._named

    def read(self, text: str) -> Active:
        """The regime of a label; InputError where no reading fits, or two that differ."""
        label = text.strip()
        found: dict[Active, None] = {}
        if self.convention.separator is None and self._reader.may_be_levels_or_assignment(text):
            found = dict.fromkeys(self._reader.readings(text)[0].values())
        for separator in self._separators(label):
            for regime in self._splits(label, separator):
                found[regime] = None
                if len(found) > 1:
                    raise InputError(self._ambiguous(text, list(found)))
        if not found:
            raise self._complaint(text)
        return next(iter(found))

    def _separators(self, label: str) -> tuple[str, ...]:
        """Those to try; a label without any of them is one part."""
        if self.convention.separator is not None:
            return (self.convention.separator,)
        single = {s: label.replace(2 * s, "") if s in ("|", "&") else label for s in SEPARATORS}
        return tuple(s for s in SEPARATORS if s in single[s]) or SEPARATORS[:1]

    @cached_property
    def _widths(self) -> dict[str, int]:
        """For every separator that was met the most pieces that one part of a label may have."""
        return {}

    def _widest(self, separator: str) -> int:
        if separator not in self._widths:
            texts = [*self.model.position, *self._named, *(self.convention.control or ())]
            self._widths[separator] = max(_WIDEST_CONTROL, 1 + max(text.count(separator) for text in texts))
        return self._widths[separator]

    def _splits(self, label: str, separator: str) -> Iterator[Active]:
        """Every way to read the pieces between separators as interventions and controls; names may hold it too.

        Interventions named twice, and those of more than two levels, give no reading.
        """
        pieces = label.split(separator)
        if len(pieces) > _MOST_PIECES:
            raise InputError(
                f"regime {label[:40]!r}... has {len(pieces):,} pieces between {separator!r} (limit "
                f"{_MOST_PIECES:,}); use a column for each intervention"
            )
        widest = self._widest(separator)
        steps: list[list[tuple[int, tuple[int, int] | None]]] = [[] for _ in pieces]
        for start in reversed(range(len(pieces))):
            for stop in range(min(len(pieces), start + widest), start, -1):
                if stop == len(pieces) or steps[stop]:  # what comes after can be read
                    part = separator.join(pieces[start:stop]).strip()
                    named = self._part(part)
                    if named is not None or self.is_control(part):
                        steps[start].append((stop, named))
        waiting: list[tuple[int, Active]] = [(0, ())]
        seen = set(waiting)
        while waiting:
            start, active = waiting.pop()
            if start == len(pieces):
                yield active
                continue
            for stop, one in steps[start]:
                if one is not None and one[0] in (position for position, _ in active):
                    continue
                state = (stop, active if one is None else tuple(sorted((*active, one))))
                if state not in seen:
                    seen.add(state)
                    waiting.append(state)
            if len(seen) > _MOST_STATES:
                raise InputError(
                    f"regime {label[:40]!r}... can be cut at {separator!r} in too many ways; use a column for "
                    "each intervention"
                )

    def _ambiguous(self, text: str, regimes: list[Active]) -> str:
        one, other = (self._reader.words(regime) for regime in regimes[:2])
        remedy = "give the separator, labels: {separator: ...}, or " if self.convention.separator is None else ""
        return (
            f"regime {text!r} can be read in two ways, as {one} and as {other}; {remedy}use a column for each "
            "intervention"
        )

    def _complaint(self, text: str) -> InputError:
        """What is wrong under the separator that explains most of the label."""
        label, most = text.strip(), 0
        separator = self._separators(label)[0]
        bad: str | None = label
        for candidate in self._separators(label):
            parts = [part.strip() for part in label.split(candidate)]
            unknown = [part for part in parts if not self._known(part)]
            if len(parts) - len(unknown) > most:
                most = len(parts) - len(unknown)
                separator, bad = candidate, unknown[0] if unknown else None
        if bad and is_missing(bad):
            head = "" if bad == text.strip() else f"split at {separator!r}, "
            return InputError(
                f"regime {text!r}: {head}{bad!r} reads as a missing value; write what was done in this row, "
                f"or remove it (if {bad!r} is a name, declare it as an intervention or, for the baseline, as a "
                "control)"
            )
        complaints = self._reader.readings(text)[1] if self.convention.separator is None else {}
        notation, complaint = next(iter(complaints.items()), (None, None))
        plain = complaint is not None and (not most or (separator == "+" and BASELINE not in label))
        if plain and (notation != "label" or "=" in label or bad is None):
            assert complaint is not None
            return complaint
        head = f"regime {text!r}: split at {separator!r}, "
        if bad == "":
            return InputError(f"{head}a part is empty; write each intervention once, with one separator between")
        if bad is None:
            return InputError(
                f"{head}an intervention is there twice or has more than two levels; a label names "
                "interventions of two levels, each once"
            )
        said = f"{head}{bad!r} is no intervention and no control; {nearest(bad, self.model.position)}"
        remedy = f"name the control: labels: {{control: [{_yaml(bad)}]}}"
        if _IN_NO_NAME.search(text.strip()):
            name = next(iter(self.model.position))
            remedy += f", or the intervention: labels: {{names: {{{_yaml(text.strip())}: {name}}}}}"
        return InputError(f"{complaint if plain else said} (or {remedy})")


def has_doubtful_names(model: Model) -> bool:
    """Whether a label can be legal in a study file, and have another reading in the convention of a column.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> def of(*names: str) -> Model:
    ...     return Model(tuple(Intervention(n, (0, 1)) for n in names), ("x",), (Factor("f", ("x",), names),))
    >>> has_doubtful_names(of("A", "B", "A_C")), has_doubtful_names(of("A", "B", "A_B"))
    (False, True)
    """
    reader = LabelReader(model)
    if not all(letter.isdigit() for letter in RegimeReader(model).level_characters):
        return True
    for name in model.position:
        if any(separator in name for separator in SEPARATORS):
            try:
                reader.read(name)
            except InputError:
                return True
    return False


_IN_NO_NAME = re.compile(r"[+,:\s]")


def _yaml(text: str) -> str:
    """A text as a flow of YAML holds it."""
    return text if re.fullmatch(r"[\w./-]+", text) else json.dumps(text, ensure_ascii=False)


def read_labels(model: Model, column: pa.ChunkedArray, convention: LabelConvention | None, rows: Ints) -> Regimes:
    """The regimes of a column of texts without nulls; Python work for each distinct label only.

    rows: the row of each text, from 0. Raises InputError that starts with `row N: `, N counted from 1, for the
    first label that cannot be read.
    """
    reader = LabelReader(model, convention or LabelConvention())
    encoded = column.combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    read: list[Active] = []
    for code, text in enumerate(encoded.dictionary.to_pylist()):
        try:
            read.append(reader.read(text))
        except InputError as error:
            raise InputError(f"row {int(rows[np.argmax(codes == code)]) + 1}: {error}") from None
    return Regimes.from_active(read, len(model)).take(codes)
