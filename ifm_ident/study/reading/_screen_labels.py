"""Which interventions labels name, and what joins them, when nobody says."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from ifm_ident.design.regime_text import BASELINE
from ifm_ident.errors import InputError
from ifm_ident.study.reading.label_conventions import CONTROLS, LabelConvention, is_known_control

_NEVER_IN_NAMES = ("+", ",", ":")
_PERHAPS_IN_NAMES = ("|", ";", "&", "_")


class InLabel(Exception):
    """What is wrong with the distinct label of an index."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def names_in_labels(
    texts: Sequence[str], convention: LabelConvention, interventions: Sequence[str] | None = None
) -> tuple[list[str], LabelConvention]:
    """The interventions of distinct labels, and the convention with its separator.

    Without `interventions` they are found; InLabel or InputError where that leaves a doubt.

    >>> names_in_labels(["ctrl", "A", "B", "A_B"], LabelConvention())[0]
    ['A', 'B']
    """
    if interventions is not None:
        return list(interventions), convention
    for i, text in enumerate(texts):
        if not text:
            raise InLabel(i, f"the label is empty; write {BASELINE!r} for baseline")
    names, found = _found(texts, convention)
    if convention.separator is None:
        _require_whole(texts, names)
    if convention.control is None and not any(
        _is_control(part.strip(), convention) for text in texts for part in (text, *text.split(found.separator))
    ):
        raise InputError(
            f"no label means baseline: {', '.join(CONTROLS[:5])} and their like were looked for; name it with "
            "control=, or say with control=[] that no row is at baseline"
        )
    return names, found


def _require_whole(texts: Sequence[str], names: Sequence[str]) -> None:
    """InLabel for a name that two other names make up, joined by a character that is no letter or digit."""
    known = set(names)
    for name in names:
        for sign in dict.fromkeys(c for c in name if not c.isalnum()):
            parts = [part.strip() for part in name.split(sign) if part.strip()]
            if len(parts) > 1 and all(part in known and part != name for part in parts):
                remedy = (
                    f"write {'+'.join(parts)}, or give interventions=[...]"
                    if sign.isspace()
                    else f"give separator={sign!r} if it joins, '+' if it does not, or interventions=[...]"
                )
                index = next(i for i, text in enumerate(texts) if name in text)
                raise InLabel(
                    index,
                    f"{name!r} may be one intervention, or {' and '.join(parts)} joined by {sign!r}; {remedy}",
                )


def _found(texts: Sequence[str], convention: LabelConvention) -> tuple[list[str], LabelConvention]:
    controls = {text for text in texts if _is_control(text, convention)}
    separator = convention.separator
    if separator is None:
        separator = _certain_separator(texts)
    if separator is not None:
        parts = {part.strip() for text in texts if text not in controls for part in text.split(separator)}
        empty = next((i for i, t in enumerate(texts) if not all(p.strip() for p in t.split(separator))), None)
        if empty is not None:
            raise InLabel(empty, f"{texts[empty]!r} has an empty part between {separator!r} and {separator!r}")
        names = sorted(part for part in parts if not _is_control(part, convention))
        return names, dataclasses.replace(convention, separator=separator)
    tried = [_Perhaps(texts, s, convention).names() for s in _PERHAPS_IN_NAMES if any(s in t for t in texts)]
    found = [names for names in tried if names is not None]
    if len(found) > 1:
        raise InputError(
            f"labels are joined by {found[0][1]!r} and by {found[1][1]!r}; give separator=, or interventions=[...]"
        )
    if found:
        names, separator = found[0]
        return names, dataclasses.replace(convention, separator=separator)
    return sorted(set(texts) - controls), dataclasses.replace(convention, separator="+")


def _is_control(text: str, convention: LabelConvention) -> bool:
    return text == BASELINE or (
        is_known_control(text) if convention.control is None else text in convention.control
    )


def _certain_separator(texts: Sequence[str]) -> str | None:
    """The separator that no name of an intervention can hold, if there is one."""
    found = {s: i for s in _NEVER_IN_NAMES for i, text in enumerate(texts) if s in text}
    if len(found) > 1:
        (one, _), (other, at) = list(found.items())[:2]
        raise InLabel(at, f"labels are joined by {one!r} and by {other!r}; give separator=")
    return next(iter(found), None)


class _Perhaps:
    """A character that may separate interventions or belong to their names."""

    def __init__(self, texts: Sequence[str], separator: str, convention: LabelConvention) -> None:
        self.separator, self.convention = separator, convention
        bare = ((text, self._without_control(text)) for text in texts if not _is_control(text, convention))
        self.bare = {text: rest for text, rest in bare if not _is_control(rest, convention)}
        self.known = set(self.bare.values())
        self.index = {text: i for i, text in enumerate(texts)}

    def _without_control(self, text: str) -> str:
        """The label without controls at its ends."""
        pieces = text.split(self.separator)
        for size in range(len(pieces) - 1, 0, -1):
            if _is_control(self.separator.join(pieces[:size]), self.convention):
                return self._without_control(self.separator.join(pieces[size:]))
            if _is_control(self.separator.join(pieces[-size:]), self.convention):
                return self._without_control(self.separator.join(pieces[:-size]))
        return text

    def _proper_parts(self, text: str) -> Iterator[str]:
        pieces = text.split(self.separator)
        for start in range(len(pieces)):
            for stop in range(start + 1, len(pieces) + 1):
                if stop - start < len(pieces):
                    yield self.separator.join(pieces[start:stop])

    def _falls_apart(self, text: str) -> bool:
        """Whether a label is two or more known ones in a row."""
        pieces = text.split(self.separator)
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
                for piece in dict.fromkeys(bare.split(self.separator)):
                    if first.setdefault(piece, bare) != bare:
                        return text, f", as {first[piece]!r} holds {piece!r} too"
        return None

    def _doubt(self, text: str, why: str) -> InLabel:
        return InLabel(
            self.index[text],
            f"{text!r} may be one intervention, or several joined by {self.separator!r}{why}; give "
            f"separator={self.separator!r} if it joins, '+' if it does not, or interventions=[...]",
        )

    def names(self) -> tuple[list[str], str] | None:
        """The interventions if this is the separator, None if no label tells; InLabel where that is in doubt."""
        whole = {bare for bare in self.known if not self._falls_apart(bare)}
        for text, bare in self.bare.items():
            part = next((p for p in self._proper_parts(bare) if p in self.known), None) if bare in whole else None
            if part is not None:
                raise self._doubt(text, f" as {part!r} is a label too")
        if shared := self._shared_piece(whole):
            raise self._doubt(*shared)
        joined = any(bare != text or bare not in whole for text, bare in self.bare.items())
        unlike_a_name = next((text for text in self.bare if self.separator in text), None)
        if not joined and unlike_a_name is not None and self.separator != "_":
            raise self._doubt(unlike_a_name, "")
        return (sorted(whole), self.separator) if joined else None
