"""JSON results read back; whatever is not as the contract says is refused by place (docs/reference/results.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from ifm_ident.answer.exact_text import (
    exponent_text,
    integer_column,
    parse_exponent,
    parse_integer,
)
from ifm_ident.answer.identification import JOINT, Criterion, Status
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Active, RegimeLists, Regimes
from ifm_ident.errors import InputError, nearest
from ifm_ident.limits import read_bytes
from ifm_ident.results._json_stream import JsonStream
from ifm_ident.results._json_write import ROUTE
from ifm_ident.results.cells import Weights
from ifm_ident.results.claims import READ_BLOCK, Claims, VariableTerms
from ifm_ident.results.header import (
    COVARIATE_KEYS,
    HEADER_KEYS,
    TARGETS,
    Heading,
    MapReader,
    parse_header,
    record,
    require_identification,
    shown,
    typed,
)

LARGE_BYTES = 2**26
"""Larger files are read entry by entry; what is wrong with the JSON shows when it is reached."""


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(names) if key in names[:i])
        raise InputError(f"the key {shown(twice)} appears twice in one object")
    return fields


def _no_constant(text: str) -> Any:
    raise InputError(f"{text} is no JSON number")


def load_json(text: str | bytes) -> Any:
    """The value of a JSON text; InputError names line and column of what is wrong.

    Duplicate keys, NaN, infinities and nesting too deep to read are refused; integers may be long.

    >>> load_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the key 'a' appears twice in one object
    """

    def load(**hooks: Any) -> Any:
        return json.loads(text, object_pairs_hook=_distinct_keys, parse_constant=_no_constant, **hooks)

    try:
        try:
            return load()
        except (json.JSONDecodeError, UnicodeDecodeError, InputError):
            raise
        except ValueError:  # an integer of more digits than Python converts at once
            return load(parse_int=parse_integer)
    except json.JSONDecodeError as error:
        raise InputError(f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"byte {error.start + 1} is not UTF-8 text; results are UTF-8") from None
    except RecursionError:
        raise InputError("the JSON is nested too deeply for a result") from None


def read_json(path: Path) -> tuple[Heading, Iterator[Claims]]:
    """The study and the claims of a JSON result.

    Raises InputError, without the file's name, for everything that is no such result.
    """
    if path.stat().st_size > LARGE_BYTES:
        steps = _streamed(path)
        found = next(steps)
        if isinstance(found, Heading):
            return found, cast(Iterator[Claims], steps)
    whole = load_json(read_bytes(path))
    require_identification(whole)
    data = record(whole, (*HEADER_KEYS, "results"), "the file", TARGETS, *COVARIATE_KEYS)
    heading = parse_header(data)
    return heading, _claims(heading.design, typed(data["results"], list, "results"))


def _streamed(path: Path) -> Iterator[Heading | Claims | None]:
    """The study, then the claims; None alone where `results` come before the study, or are no list."""
    stream = JsonStream(path, _decoded)
    try:
        fields: dict[str, Any] = {}
        for key in stream.pairs():
            if key != "results" or key in fields:
                if key != "schema":
                    require_identification(fields)
                seen = dict.fromkeys([*HEADER_KEYS, "results", key])
                record(seen, (*HEADER_KEYS, "results"), "the file", TARGETS, *COVARIATE_KEYS)
                _distinct_keys([*fields.items(), (key, None)])
                fields[key] = stream.value()
            elif set(HEADER_KEYS) - fields.keys() or stream.sign() != "[":
                yield None
                return
            else:
                yield (heading := parse_header(fields))
                yield from _counted(_claims(heading.design, stream.items()), fields)
        stream.expect("")
        record(fields, (*HEADER_KEYS, "results"), "the file", TARGETS, *COVARIATE_KEYS)
        told, there = fields.get(TARGETS), fields["results"]
        if told is not None and typed(told, int, TARGETS) != there:
            raise InputError(
                f"the file says that it has {told} results, and has {there}: some were removed or added"
            )
    finally:
        stream.close()


def _counted(blocks: Iterator[Claims], fields: dict[str, Any]) -> Iterator[Claims]:
    """The blocks; then how many results there were stands under `results`."""
    count = 0
    for block in blocks:
        yield block
        count += len(block)
    fields["results"] = count


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except (json.JSONDecodeError, InputError):
        raise
    except RecursionError:
        raise InputError("the JSON is nested too deeply for a result") from None
    except ValueError:  # an integer of more digits than Python converts at once
        return _PATIENT.raw_decode(text, at)


_HOOKS: dict[str, Any] = {"object_pairs_hook": _distinct_keys, "parse_constant": _no_constant}
_DECODER, _PATIENT = json.JSONDecoder(**_HOOKS), json.JSONDecoder(**_HOOKS, parse_int=parse_integer)


def _claims(design: Design, entries: Iterable[Any]) -> Iterator[Claims]:
    numbered = enumerate(entries)
    for i, entry in numbered:
        builder = _Builder(design)
        builder.add(entry, f"results, entry {i}")
        for i, entry in islice(numbered, READ_BLOCK - 1):
            builder.add(entry, f"results, entry {i}")
        yield builder.build()


_STATUS = {status.word: status for status in Status}
_CRITERION = {criterion.word: criterion for criterion in (Criterion.JOINT, Criterion.CONDITIONAL)}


@dataclass(eq=False)
class _Builder:
    """Collects the claims of JSON entries."""

    design: Design
    targets: list[Active] = field(default_factory=list)
    heads: list[tuple[int, int, int, int]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    terms: list[tuple[int, int, int, int]] = field(default_factory=list)
    kernels: dict[tuple[int, Weights], int] = field(default_factory=dict)
    missing: list[Active] = field(default_factory=list)
    missing_ends: list[int] = field(default_factory=list)
    undecided: bool = False
    exponents: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        model = self.design.model
        self.reader = MapReader(model)
        self.variable = {name: v for v, name in enumerate(model.variables)}
        self.sized = ("size",) if model.has_bases else ()
        self.factor = {factor.name: k for k, factor in enumerate(model.factors)}

    def add(self, entry: object, place: str) -> None:
        if not isinstance(entry, dict):
            raise InputError(f"{place}: an object is needed, got {shown(entry)}")
        word = entry.get("status")
        status = _STATUS.get(word) if isinstance(word, str) else None
        if status is None:
            raise InputError(f"{place}: unknown status {shown(word)}; {nearest(word, _STATUS)}")
        criterion, train, kernel = Criterion.NONE, -1, -1
        if status in (Status.IDENTIFIED, Status.NOT_IDENTIFIED):
            word = entry.get("criterion")
            found = _CRITERION.get(word) if isinstance(word, str) else None
            if found is None:
                raise InputError(f"{place}: unknown criterion {shown(word)}; {nearest(word, _CRITERION)}")
            criterion = found
        if status == Status.OBSERVED:
            record(entry, ("regime", "status", "train"), place)
            train = self._train(entry["train"], place)
        elif status == Status.UNDECIDED:
            self._undecided(entry, place)
        elif status == Status.NOT_IDENTIFIED:
            remains = ("partial",) if "partial" in entry and criterion == Criterion.CONDITIONAL else ()
            record(entry, ("regime", "status", "criterion", "certificate", *remains), place)
            if remains:
                self._partial(entry["partial"], f"{place}, partial")
            kernel = self._certificate(entry["certificate"], criterion, f"{place}, certificate")
        elif criterion == Criterion.JOINT:
            record(entry, ("regime", "status", "criterion", "exponents", *self.sized), place)
            self._formula(entry["exponents"], JOINT, f"{place}, exponents")
            self._size(entry, place)
        else:
            record(entry, ("regime", "status", "criterion", "conditionals", *self.sized), place)
            conditionals = record(entry["conditionals"], self.design.model.variables, f"{place}, conditionals")
            for name, v in self.variable.items():
                self._formula(conditionals[name], v, f"{place}, conditionals, {name}")
            self._size(entry, place)
        self.targets.append(self.reader.read(entry["regime"], f"{place}, regime"))
        self.heads.append((status, criterion, train, kernel))
        self.ends.append(len(self.terms))
        self.missing_ends.append(len(self.missing))

    def _size(self, entry: dict[str, Any], place: str) -> None:
        """Refuses a `size` that is not the largest sum of absolute exponents of a formula of the entry."""
        if not self.sized:
            return
        sums: dict[int, Fraction] = {}
        for variable, _, above, below in self.terms[self.ends[-1] if self.ends else 0 :]:
            sums[variable] = sums.get(variable, Fraction(0)) + abs(Fraction(above, below))
        wanted = exponent_text(max(sums.values(), default=Fraction(0)))
        if entry["size"] != wanted:
            raise InputError(
                f"{place}: size is {shown(entry['size'])}; the exponents' absolute values sum to {wanted}"
            )

    def _train(self, value: object, place: str) -> int:
        train = typed(value, int, f"{place}, train")
        if not 0 <= train < len(self.design.train):
            last = len(self.design.train) - 1
            raise InputError(f"{place}: there is no training regime {shown(train)}; they go from 0 to {last}")
        return train

    def _undecided(self, entry: dict[str, Any], place: str) -> None:
        record(entry, ("regime", "status", "method", "missing"), place)
        if entry["method"] != ROUTE:
            raise InputError(f"{place}: unknown method {shown(entry['method'])}; only {ROUTE!r} leaves undecided")
        for j, regime in enumerate(typed(entry["missing"], list, f"{place}, missing")):
            self.missing.append(self.reader.read(regime, f"{place}, missing, entry {j}"))
        self.undecided = True

    def _formula(self, value: object, variable: int, place: str) -> None:
        for j, item in enumerate(typed(value, list, place)):
            fields = record(item, ("train", "exponent"), f"{place}, entry {j}")
            text = typed(fields["exponent"], str, f"{place}, entry {j}, exponent")
            if text not in self.exponents:
                try:
                    self.exponents[text] = parse_exponent(text)
                except InputError as error:
                    raise InputError(f"{place}, entry {j}: {error}") from None
            train = self._train(fields["train"], f"{place}, entry {j}")
            self.terms.append((variable, train, *self.exponents[text]))

    def _partial(self, value: object, place: str) -> None:
        """What is still determined: `identified` and `given` share out the variables, each once."""
        fields = record(value, ("given", "identified", "conditionals"), place)
        names = {key: typed(fields[key], list, f"{place}, {key}") for key in ("identified", "given")}
        listed = [self._known(self.variable, name, "variable", place) for part in names.values() for name in part]
        if not names["identified"] or sorted(listed) != list(range(len(self.variable))):
            raise InputError(
                f"{place}: `identified`, one or more, and `given` name each of "
                f"{', '.join(self.variable)} once in all"
            )
        conditionals = record(fields["conditionals"], names["identified"], f"{place}, conditionals")
        for name in names["identified"]:
            at = f"{place}, conditionals, {name}"
            if not conditionals[name]:
                raise InputError(f"{at}: a formula has at least one density")
            self._formula(conditionals[name], self.variable[name], at)

    def _certificate(self, value: object, criterion: Criterion, place: str) -> int:
        keys = ("kernel",) if criterion == Criterion.JOINT else ("variable", "kernel")
        fields = record(value, keys, place)
        variable = JOINT
        if criterion == Criterion.CONDITIONAL:
            variable = self._known(self.variable, fields["variable"], "variable", place)
        weights = []
        for j, item in enumerate(typed(fields["kernel"], list, f"{place}, kernel")):
            at = f"{place}, kernel, entry {j}"
            entry = typed(item, dict, at)
            if "factor" not in entry:
                raise InputError(f"{at}: the key 'factor' is missing")
            factor = self._known(self.factor, entry["factor"], "factor", at)
            cell = self.reader.read_cell(entry, factor, at)
            weights.append((cell, typed(entry["weight"], int, f"{at}, weight")))
        return self.kernels.setdefault((variable, tuple(weights)), len(self.kernels))

    @staticmethod
    def _known(index: dict[str, int], value: object, kind: str, place: str) -> int:
        if not isinstance(value, str) or value not in index:
            raise InputError(f"{place}: unknown {kind} {shown(value)}; {nearest(shown(value), index)}")
        return index[value]

    def build(self) -> Claims:
        width = len(self.design.model)
        status, criterion, train, kernel = np.array(self.heads, dtype=np.int64).reshape(-1, 4).T
        variable = np.array([term[0] for term in self.terms], dtype=np.int64)
        terms = VariableTerms(
            np.array([0, *self.ends], dtype=np.int64),
            variable,
            np.array([term[1] for term in self.terms], dtype=np.int64),
            integer_column([term[2] for term in self.terms]),
            integer_column([term[3] for term in self.terms]),
        )
        ends = np.array([0, *self.missing_ends], dtype=np.int64)
        lacking = RegimeLists(ends, Regimes.from_active(self.missing, width))
        return Claims(
            self.design,
            Regimes.from_active(self.targets, width),
            status.astype(np.int8),
            criterion.astype(np.int8),
            train,
            terms,
            kernel,
            tuple(weights for _, weights in self.kernels),
            np.array([variable for variable, _ in self.kernels], dtype=np.int64),
            lacking if self.undecided else None,
        )
