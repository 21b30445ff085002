"""Perturbation labels as the field writes them: A+B, A+ctrl, A_B, A|B, control, NT, non-targeting."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ifm_ident.design.model import Model
from ifm_ident.design.regime_text import BASELINE, RegimeReader
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError, nearest

SEPARATORS = ("+", "|", ";", "&", ",", "_")
"""Separators that are found where none is given."""

CONTROLS = ("ctrl", "control", "NT", "NTC", "non-targeting", "neg-ctrl", "negative-control", "unperturbed")
"""Names of the control that are known where none is given; case, `-`, `_` and spaces do not matter.

Those of the guides that target nothing may end in a number: `non-targeting_00012`, `NegCtrl0`.
"""

_PLAIN = frozenset(re.sub("-", "", name).casefold() for name in CONTROLS)
_NUMBERED = re.compile("(nontargeting|neg(ative)?(ctrl|control))[0-9]+")
_MOST_PARTS = 16


def is_known_control(text: str) -> bool:
    """Whether a text is one of the usual names of the control.

    >>> [is_known_control(text) for text in ("Non-Targeting", "non_targeting", "NegCtrl0", "DMSO")]
    [True, True, True, False]
    """
    plain = re.sub("[-_ ]", "", text).casefold()
    return plain in _PLAIN or _NUMBERED.fullmatch(plain) is not None


@dataclass(frozen=True)
class LabelConvention:
    """How a column of labels is written; what is None is found, label by label, by the known interventions.

    separator: stands between the interventions of one label. control: texts that mean baseline, beside `ctrl`.
    Raises InputError for an empty separator or name, and for a separator inside a name of the control alone.

    >>> LabelConvention("_", ("NT",))
    LabelConvention(separator='_', control=('NT',))
    >>> LabelConvention("")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the separator of labels is empty; write the text between two interventions
    """

    separator: str | None = None
    control: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and not self.separator.strip():
            raise InputError("the separator of labels is empty; write the text between two interventions")
        for name in self.control or ():
            if not name.strip():
                raise InputError("a name of the control is empty; write the text that means baseline")

    @classmethod
    def of(cls, given: LabelConvention | Mapping[str, object] | None) -> LabelConvention | None:
        """The convention of a map with the keys `separator` and `control` (a text or several)."""
        if given is None or isinstance(given, LabelConvention):
            return given
        for key in given:
            if key not in ("separator", "control"):
                raise InputError(f"unknown key {key!r} of labels; {nearest(key, ('separator', 'control'))}")
        separator, control = given.get("separator"), given.get("control")
        names = [control] if isinstance(control, str) else control
        if not (separator is None or isinstance(separator, str)):
            raise InputError(f"the separator of labels is text, got {separator!r}")
        if names is not None and not (
            isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        ):
            raise InputError(f"the control of labels is a text or a list of texts, got {control!r}")
        return cls(separator, None if names is None else tuple(names))


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

    @cached_property
    def _reader(self) -> RegimeReader:
        return RegimeReader(self.model)

    def is_control(self, text: str) -> bool:
        """Whether a part of a label means baseline."""
        if text in self.model.position:
            return False
        given = self.convention.control
        return text == BASELINE or (is_known_control(text) if given is None else text in given)

    def read(self, text: str) -> Active:
        """The regime of a label; InputError where no reading fits, or two that differ."""
        label = text.strip()
        found: dict[Active, None] = {}
        if self.convention.separator is None and self._reader.may_be_levels_or_assignment(text):
            found = dict.fromkeys(self._reader.readings(text)[0].values())
        for separator in self._separators(label):
            found.update(dict.fromkeys(self._splits(label, separator)))
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise InputError(self._ambiguous(text, list(found)))
        raise self._complaint(text)

    def _separators(self, label: str) -> tuple[str, ...]:
        """Those to try; a label without any of them is one part."""
        if self.convention.separator is not None:
            return (self.convention.separator,)
        return tuple(s for s in SEPARATORS if s in label) or SEPARATORS[:1]

    def _splits(self, label: str, separator: str) -> Iterator[Active]:
        """Every way to read the pieces between separators as interventions and controls; names may hold it too.

        Interventions named twice, and those of more than two levels, give no reading.
        """
        pieces = label.split(separator)
        if len(pieces) > _MOST_PARTS:
            return
        waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
        while waiting:
            start, positions = waiting.pop()
            if start == len(pieces):
                yield tuple((position, 1) for position in sorted(positions))
                continue
            for stop in range(len(pieces), start, -1):
                part = separator.join(pieces[start:stop]).strip()
                if self.is_control(part):
                    waiting.append((stop, positions))
                elif part in self.model.position:
                    position = self.model.position[part]
                    if position not in positions and self.model.two_level[position]:
                        waiting.append((stop, (*positions, position)))

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
            unknown = [part for part in parts if not (self.is_control(part) or part in self.model.position)]
            if len(parts) - len(unknown) > most:
                most = len(parts) - len(unknown)
                separator, bad = candidate, unknown[0] if unknown else None
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
        return InputError(f"{complaint if plain else said} (or name the control: labels: {{control: [{bad}]}})")


def read_labels(model: Model, column: pa.ChunkedArray, convention: LabelConvention | None) -> Regimes:
    """The regimes of a column of texts without nulls; Python work for each distinct label only.

    Raises InputError that starts with `row N: `, N counted from 1, for the first label that cannot be read.
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
            raise InputError(f"row {int(np.argmax(codes == code)) + 1}: {error}") from None
    return Regimes.from_active(read, len(model)).take(codes)
