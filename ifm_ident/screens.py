"""Studies of screens: the interventions, the training regimes and their sample sizes from a column of labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.errors import InputError
from ifm_ident.model import Factor, Ints
from ifm_ident.reading.frames import table_of
from ifm_ident.reading.label_conventions import LabelConvention, LabelReader, is_known_control
from ifm_ident.reading.study_fields import DataSpec
from ifm_ident.reading.table_files import RowError, Table
from ifm_ident.reading.tables import LABEL_COLUMNS
from ifm_ident.regime_text import BASELINE
from ifm_ident.regimes import Regimes
from ifm_ident.study import Study

_NEVER_IN_NAMES = ("+", ",", ":")
_PERHAPS_IN_NAMES = ("|", ";", "&", "_")

FactorLike = Factor | Mapping[str, object] | Sequence[str]
"""A factor: itself, a map as in a study file, or the interventions of its sigma-scope."""


def study_from_labels(
    source: object,
    label: str | None = None,
    *,
    separator: str | None = None,
    control: str | Sequence[str] | None = None,
    interventions: Sequence[str] | None = None,
    factors: Sequence[FactorLike] | None = None,
    variables: Sequence[str] = ("x",),
    test: object = None,
    name: str | None = None,
) -> Study:
    """The study of a screen whose cells carry labels such as `A+B`, `A_B`, `A+ctrl` or `control`.

    `source` is a path, a data frame, an AnnData or a list of labels, `label` its column. Interventions have two
    levels, 0 and 1, and are in order of name; training regimes are the distinct ones, in order of the number of
    interventions, then of these; sample sizes count the cells. Without `factors` every intervention has a factor
    of its own over all `variables`. `test` is as in a study file, without it {order: 2}.

    Without `separator` and `control` the usual ones are found. A character that names may hold (such as `_`)
    is taken as the separator only if labels fall into other labels by it, and refused where that leaves a
    doubt: then give it, or `interventions`.

    >>> study = study_from_labels(["control", "A", "A", "B", "HLA_E", "A_B", "HLA_E_A", "control"])
    >>> list(study.model.position), study.samples.tolist()
    (['A', 'B', 'HLA_E'], [2, 2, 1, 1, 1, 1])
    >>> print(study.with_test(["B+HLA_E"]).identify()[0])
    p(B+HLA_E) ∝ p(B) p(HLA_E) / p(ctrl)
    >>> study_from_labels(["ctrl", "A", "A_C"])
    Traceback (most recent call last):
    ...
    ifm_ident.reading.table_files.RowError: the labels, row 3: 'A_C' may be one intervention, or several joined by '_' as 'A' is a label too; give separator='_' if it joins, '+' if it does not, or interventions=[...]
    """  # noqa: E501
    table = table_of(source)
    column_name = _label_column(table, label)
    column = table.texts(column_name)
    if column.null_count:
        row = int(pc.index(column.is_null(), True).as_py())
        raise RowError(table.path, row, f"the label in {column_name!r} is missing; {BASELINE!r} is baseline")
    texts, codes = _distinct(column)
    if not texts:
        raise InputError(f"{table.path}: there are no rows; a screen needs at least one label")
    convention = LabelConvention.of({"separator": separator, "control": _listed(control)})
    assert convention is not None
    try:
        names, convention = _names(texts, convention, interventions)
    except _InLabel as error:
        raise RowError(table.path, int(np.argmax(codes == error.index)), str(error)) from None
    if not names:
        raise InputError(f"{table.path}: every label means baseline; a screen needs an intervention")
    study = _study(table, names, factors, variables, test, name or _name(source))
    reader = LabelReader(study.model, convention)
    read = []
    for i, text in enumerate(texts):
        try:
            read.append(reader.read(text))
        except InputError as error:
            raise RowError(table.path, int(np.argmax(codes == i)), str(error)) from None
    train = sorted(set(read), key=lambda regime: (len(regime), regime))
    place = {regime: i for i, regime in enumerate(train)}
    counts: Ints = np.bincount(np.array([place[regime] for regime in read])[codes], minlength=len(train))
    data = None
    if isinstance(source, (str, os.PathLike)):
        data = DataSpec(Path(source), label=column_name, labels=convention)
    design = dataclasses.replace(study.design, train=Regimes.from_active(train, len(study.model)))
    return dataclasses.replace(study, design=design, samples=counts.astype(np.int64), data=data, notation="label")


class _InLabel(Exception):
    """What is wrong with the distinct label of an index."""

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


def _listed(control: str | Sequence[str] | None) -> list[str] | None:
    return None if control is None else [control] if isinstance(control, str) else list(control)


def _name(source: object) -> str:
    return Path(source).stem if isinstance(source, (str, os.PathLike)) else "screen"


def _label_column(table: Table, label: str | None) -> str:
    if label is not None:
        return label
    for name in LABEL_COLUMNS:
        if name in table.names:
            return name
    if len(table.names) == 1:
        return table.names[0]
    shown = ", ".join(map(repr, table.names[:8]))
    raise InputError(f"{table.path}: which column holds the labels? name it with label=; there are {shown}")


def _distinct(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes: Ints = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return encoded.dictionary.to_pylist(), codes


def _study(
    table: Table,
    names: Sequence[str],
    factors: Sequence[FactorLike] | None,
    variables: Sequence[str],
    test: object,
    name: str,
) -> Study:
    """The study with the baseline as its only training regime."""
    mapping = {
        "name": name,
        "interventions": {one: [0, 1] for one in names},
        "variables": list(variables),
        "factors": [{"name": one, "sigma": [one]} for one in names] if factors is None else _factors(factors),
        "train": [BASELINE],
        "test": {"order": 2} if test is None else test,
    }
    try:
        return Study.from_dict(mapping)
    except InputError as error:
        raise InputError(f"{table.path}: {error}", error.path) from None


def _factors(factors: Sequence[FactorLike]) -> list[object]:
    written: list[object] = []
    for factor in factors:
        if isinstance(factor, Factor):
            written.append({"name": factor.name, "x": factor.x, "sigma": factor.sigma})
        else:
            written.append(factor if isinstance(factor, Mapping) else {"sigma": factor})
    return written


def _names(
    texts: Sequence[str], convention: LabelConvention, interventions: Sequence[str] | None
) -> tuple[list[str], LabelConvention]:
    """The interventions of the labels, and the convention with its separator."""
    if interventions is not None:
        return list(interventions), convention
    for i, text in enumerate(texts):
        if not text:
            raise _InLabel(i, f"the label is empty; write {BASELINE!r} for baseline")
    controls = {text for text in texts if _is_control(text, convention)}
    separator = convention.separator
    if separator is None:
        separator = _certain_separator(texts)
    if separator is not None:
        parts = {part.strip() for text in texts if text not in controls for part in text.split(separator)}
        empty = next((i for i, t in enumerate(texts) if not all(p.strip() for p in t.split(separator))), None)
        if empty is not None:
            raise _InLabel(empty, f"{texts[empty]!r} has an empty part between {separator!r} and {separator!r}")
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
        raise _InLabel(at, f"labels are joined by {one!r} and by {other!r}; give separator=")
    return next(iter(found), None)


class _Perhaps:
    """A character that may separate interventions or belong to their names."""

    def __init__(self, texts: Sequence[str], separator: str, convention: LabelConvention) -> None:
        self.separator, self.convention = separator, convention
        self.bare = {text: self._without_control(text) for text in texts if not _is_control(text, convention)}
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

    def _doubt(self, text: str, why: str) -> _InLabel:
        return _InLabel(
            self.index[text],
            f"{text!r} may be one intervention, or several joined by {self.separator!r}{why}; give "
            f"separator={self.separator!r} if it joins, '+' if it does not, or interventions=[...]",
        )

    def names(self) -> tuple[list[str], str] | None:
        """The interventions if this is the separator, None if no label tells; _InLabel where that is in doubt."""
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
