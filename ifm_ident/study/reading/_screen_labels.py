"""Which interventions labels name, and what joins them, when nobody says."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence

from ifm_ident.design.model import legal_name
from ifm_ident.design.regime_text import BASELINE
from ifm_ident.design.texts import look_alike_words, look_alikes, names_nothing, visible
from ifm_ident.errors import InputError
from ifm_ident.study.reading.label_conventions import CONTROLS, LabelConvention

_SIGNS = "+,:|;&_"
"""Characters that may join interventions; names of interventions may hold those after `:`."""

_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"))

_HIDDEN = 0xF0000
"""Where private characters begin, which stand for texts that the convention names while labels are taken apart."""


class InLabel(Exception):
    """What is wrong with the distinct label of an index; `shared` where other labels hold its pieces."""

    def __init__(self, index: int, message: str, shared: bool = False) -> None:
        super().__init__(message)
        self.index = index
        self.shared = shared


def names_in_labels(
    texts: Sequence[str], convention: LabelConvention, interventions: Sequence[str] | None = None
) -> tuple[list[str], LabelConvention]:
    """The interventions of distinct labels, and the convention with its separator.

    Without `interventions` they are found: labels are taken apart by a separator that is given, or by one that
    makes every label that holds it a row of other labels and controls. InLabel or InputError where that leaves a
    doubt.

    >>> names_in_labels(["ctrl", "A", "B", "A_B"], LabelConvention())[0]
    ['A', 'B']
    >>> names_in_labels(["ctrl", "A:1"], LabelConvention())
    Traceback (most recent call last):
    ...
    ifm_ident.study.reading._screen_labels.InLabel: 'A:1' may be one intervention, or several joined by ':'; give \
separator=':' if it joins, names={'A:1': 'A_1'} if it does not
    """
    if interventions is not None:
        return list(interventions), convention
    for i, text in enumerate(texts):
        if not text:
            raise InLabel(i, f"the label is empty; write {BASELINE!r} for baseline")
    alike = look_alikes(texts)
    if alike is not None:
        raise InLabel(texts.index(alike[1]), f"the labels {look_alike_words(*alike)}")
    texts = [visible(text) for text in texts]
    named = dict(convention.names)
    hide, show = _hiding(named)
    names, found = _found([hide(text) for text in texts], convention, show)
    if convention.separator is None:
        _require_whole(texts, names)
    if convention.control is None and not any(
        convention.is_control(part.strip()) for text in texts for part in (text, *text.split(found.separator))
    ):
        raise InputError(
            f"no label means baseline: {', '.join(CONTROLS[:5])} and their like were looked for; name it with "
            "control=, or say with control=[] that no row is at baseline"
        )
    shown = sorted(dict.fromkeys(named.get(name, name) for name in map(show, names)))
    for name in shown:
        if legal_name(name) == name and not names_nothing(name):
            continue
        index = _row(texts, name)
        if names_nothing(name) and name not in named.values():
            raise InLabel(
                index,
                f"{name!r} reads as a missing value, not as what was done; remove such rows or, if it is a name, "
                f"give names={{{name!r}: {name!r}}} or, for the baseline, control={name!r}",
            )
        if legal_name(name) != name:
            bad = sorted(set(name) - set(legal_name(name)))
            raise InLabel(
                index,
                f"the intervention name {name!r} holds {' '.join(map(repr, bad))}; names hold none of + , = : or "
                f"white space: give names={{{name!r}: {legal_name(name)!r}}}",
            )
    return shown, found


def _hiding(named: dict[str, str]) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Texts that are named, made one character where they stand between signs or alone, and back again."""
    order = sorted(named, key=len, reverse=True)
    hidden = {text: chr(_HIDDEN + i) for i, text in enumerate(order)}
    pattern = re.compile(rf"(?<![^\s{_SIGNS}])({'|'.join(map(re.escape, order))})(?![^\s{_SIGNS}])")
    back = {character: text for text, character in hidden.items()}

    def hide(text: str) -> str:
        return pattern.sub(lambda found: hidden[found[1]], text) if hidden else text

    def show(text: str) -> str:
        return "".join(back.get(c, c) for c in text) if hidden else text

    return hide, show


def _row(texts: Sequence[str], part: str) -> int:
    """The first label that is, or else holds, a part of labels."""
    return texts.index(part) if part in texts else next((i for i, text in enumerate(texts) if part in text), 0)


def _require_whole(texts: Sequence[str], names: Sequence[str]) -> None:
    """InLabel for a name that two other names make up, joined by a character that is no letter or digit."""
    known = set(names)
    for name in names:
        for sign in dict.fromkeys(re.findall(r"[^\w]+|_+", name)):
            parts = [part.strip() for part in name.split(sign) if part.strip()]
            if len(parts) > 1 and all(part in known and part != name for part in parts):
                remedy = (
                    f"write {'+'.join(parts)}, or give interventions=[...]"
                    if sign.isspace()
                    else f"give separator={sign.strip()!r} if it joins, '+' if it does not, or interventions=[...]"
                )
                index = _row(texts, name)
                raise InLabel(
                    index,
                    f"{name!r} may be one intervention, or {' and '.join(parts)} joined by {sign!r}; {remedy}",
                    shared=True,
                )


def _found(
    texts: Sequence[str], convention: LabelConvention, show: Callable[[str], str]
) -> tuple[list[str], LabelConvention]:
    controls = {text for text in texts if convention.is_control(text)}
    separator = convention.separator
    if separator is not None:
        parts = {part.strip() for text in texts if text not in controls for part in text.split(separator)}
        empty = next((i for i, t in enumerate(texts) if not all(p.strip() for p in t.split(separator))), None)
        if empty is not None:
            raise InLabel(
                empty, f"{show(texts[empty])!r} has an empty part between {separator!r} and {separator!r}"
            )
        return [part for part in parts if not convention.is_control(part)], convention
    runs = dict.fromkeys(
        run for sign in _SIGNS for text in texts for run in re.findall(rf"{re.escape(sign)}+", text)
    )
    found: list[tuple[list[str], str]] = []
    left = list(texts)
    for run in sorted(runs, key=len, reverse=True):
        try:
            names = _Perhaps(left, run, convention, show).names()
        except InLabel as error:
            label = left[error.index]
            raise InLabel(_row(texts, label), str(error), error.shared) from None
        if names is not None:
            found.append(names)
            left = names[0]
    if len(found) > 1:
        raise InputError(
            f"labels are joined by {found[0][1]!r} and by {found[1][1]!r}; give separator=, or interventions=[...]"
        )
    if found:
        left, separator = found[0]
        return left, dataclasses.replace(convention, separator=separator)
    return sorted(set(texts) - controls), dataclasses.replace(convention, separator="+")


class _Perhaps:
    """Characters that may separate interventions or belong to their names."""

    def __init__(
        self, texts: Sequence[str], separator: str, convention: LabelConvention, show: Callable[[str], str]
    ) -> None:
        self.separator, self.convention, self.show = separator, convention, show
        self.cut = re.compile(
            rf"(?<!{re.escape(separator[0])})\s*{re.escape(separator)}\s*(?!{re.escape(separator[0])})"
        )
        bare = ((text, self._without_control(text)) for text in texts if not convention.is_control(text))
        self.bare = {text: rest for text, rest in bare if not convention.is_control(rest)}
        self.known = set(self.bare.values())
        self.index = {text: i for i, text in enumerate(texts)}

    def _pieces(self, text: str) -> list[str]:
        """The pieces between separators, which longer runs of the same character are not."""
        return self.cut.split(text)

    def _without_control(self, text: str) -> str:
        """The label without controls at its ends."""
        pieces = self._pieces(text)
        for size in range(len(pieces) - 1, 0, -1):
            if self.convention.is_control(self.separator.join(pieces[:size])):
                return self._without_control(self.separator.join(pieces[size:]))
            if self.convention.is_control(self.separator.join(pieces[-size:])):
                return self._without_control(self.separator.join(pieces[:-size]))
        return text

    def _proper_parts(self, text: str) -> Iterator[str]:
        pieces = self._pieces(text)
        for start in range(len(pieces)):
            for stop in range(start + 1, len(pieces) + 1):
                if stop - start < len(pieces):
                    yield self.separator.join(pieces[start:stop])

    def _falls_apart(self, text: str) -> bool:
        """Whether a label is two or more known ones in a row."""
        pieces = self._pieces(text)
        reached = [True] + [False] * len(pieces)
        for stop in range(1, len(pieces) + 1):
            reached[stop] = any(
                reached[start] and self.separator.join(pieces[start:stop]) in self.known
                for start in range(stop)
                if stop - start < len(pieces)
            )
        return reached[-1]

    def _shared_piece(self, whole: set[str]) -> tuple[str, str] | None:
        """A label whose piece another one has too, where neither falls apart, and that in words."""
        first: dict[str, str] = {}
        for text, bare in self.bare.items():
            if bare in whole:
                for piece in dict.fromkeys(self._pieces(bare)):
                    if first.setdefault(piece, bare) != bare:
                        return text, f", as {self.show(first[piece])!r} holds {self.show(piece)!r} too"
        return None

    def _doubt(self, text: str, why: str) -> InLabel:
        label, sign = self.show(text), self.separator
        pieces = [piece for piece in map(self.show, self._pieces(text)) if piece == "?" or piece.strip("()[] -")]
        lost = next(filter(names_nothing, pieces), None)
        if lost is not None:
            return InLabel(
                self.index[text],
                f"{label!r} holds {lost!r}, which reads as a missing value; write all that was done in this row, "
                "or remove it",
            )
        named = f"names={{{label!r}: {legal_name(label)!r}}}"
        if not all(self._pieces(text)):
            remedy = named if sign[0] in "+,:" else "separator='+'"
            return InLabel(
                self.index[text],
                f"{label!r} has an empty part between {sign!r} and {sign!r}; if it is one intervention, give "
                f"{remedy}",
            )
        if any(
            piece.count(left) != piece.count(right) for piece in self._pieces(text) for left, right in _BRACKETS
        ):
            return InLabel(
                self.index[text], f"{label!r} holds {sign!r}, which stands inside brackets there; give {named}"
            )
        apart = f"{named} if it does not"
        if sign[0] not in "+,:":
            apart = "'+' if it does not, or interventions=[...]"
        return InLabel(
            self.index[text],
            f"{label!r} may be one intervention, or several joined by {sign!r}{why}; give separator={sign!r} if "
            f"it joins, {apart}",
            shared=bool(why),
        )

    def names(self) -> tuple[list[str], str] | None:
        """The interventions if this is the separator, None if no label tells; InLabel where that is in doubt."""
        whole = {bare for bare in self.known if not self._falls_apart(bare)}
        for text, bare in self.bare.items():
            part = next((p for p in self._proper_parts(bare) if p in self.known), None) if bare in whole else None
            if part is not None:
                raise self._doubt(text, f" as {self.show(part)!r} is a label too")
        if shared := self._shared_piece(whole):
            raise self._doubt(*shared)
        joined = any(bare != text or bare not in whole for text, bare in self.bare.items())
        apart = [text for text, bare in self.bare.items() if bare in whole and len(self._pieces(bare)) > 1]
        if apart and self.separator[0] != "_" and (not joined or self.separator[0] in "+,:"):
            raise self._doubt(apart[0], "")
        return (sorted(whole), self.separator) if joined else None
