"""The study as a result file tells it, and the typed reading of JSON values (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import inf
from typing import Any, Protocol, TypeVar

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Level, Model
from ifm_ident.design.regime_text import Notation
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError, nearest
from ifm_ident.results.cells import Cell, cell_parts
from ifm_ident.results.documents import Json, quoted

SCHEMA = "ifm-identification/1"
HEADER_KEYS = ("schema", "study", "interventions", "variables", "factors", "train")
COVARIATE_KEYS = ("covariates", "randomised")
"""Keys more where the study has covariates; factors that hold some have a key `z` then."""

TARGETS = "targets"
"""One key more: how many results there are, so that removed ones show."""

_MAX_LEVEL_BITS = 4096


class StudyLike(Protocol):
    """What writers and the check need of a study."""

    @property
    def name(self) -> str:
        """The study's name."""

    @property
    def design(self) -> Design:
        """The model and the training regimes."""

    @property
    def notation(self) -> Notation:
        """How regimes are written."""


class MapTexts:
    """Regimes of one model as JSON maps, intervention name to level."""

    def __init__(self, model: Model) -> None:
        self.pairs = [
            [f"{quoted(one.name)}: {quoted(level)}" for level in one.levels] for one in model.interventions
        ]
        self.baseline = [levels[0] for levels in self.pairs]
        self._model = model

    def full(self, regime: Active) -> str:
        """The map of every intervention."""
        parts = self.baseline.copy()
        for position, level in regime:
            pairs = self.pairs[position]
            parts[position] = pairs[level] if level < len(pairs) else self._met(position, level)
        return "{" + ", ".join(parts) + "}"

    def sparse(self, regime: Active) -> str:
        """The map of what is off baseline."""
        return "{" + ", ".join(self.pair(position, level) for position, level in regime) + "}"

    def pair(self, position: int, level: int) -> str:
        """One intervention with its level."""
        pairs = self.pairs[position]
        return pairs[level] if level < len(pairs) else self._met(position, level)

    def _met(self, position: int, level: int) -> str:
        """A level that the study does not list."""
        one = self._model.interventions[position]
        return f"{quoted(one.name)}: {quoted(one.level(level))}"


def header_fields(study: StudyLike, largest: float = inf) -> dict[str, Json]:
    """What a result is about: every key of a JSON result but `results`, with its value, in the order written.

    Training regimes are full maps; where these would have more than `largest` entries together, they name
    only what is off baseline. Raises InputError for a text that UTF-8 cannot hold (half of a surrogate pair).
    """
    design, model = study.design, study.design.model
    texts = MapTexts(model)
    write = texts.full if len(design.train) * len(model) <= largest else texts.sparse
    values = (
        SCHEMA,
        study.name,
        {i.name: i.written for i in model.interventions},
        model.variables,
        [{"name": f.name, "x": f.x, "sigma": f.sigma, **({"z": f.z} if f.z else {})} for f in model.factors],
        Json(f"[{', '.join(map(write, design.train))}]"),
    )
    fields = {key: Json(quoted(value)) for key, value in zip(HEADER_KEYS, values, strict=True)}
    if model.covariates:
        *head, train = fields.items()
        covariates = zip(COVARIATE_KEYS, (model.covariates, model.randomised), strict=True)
        fields = dict([*head, *((key, Json(quoted(value))) for key, value in covariates), train])
    try:
        "".join(list(fields.values())[:-1]).encode()  # training regimes hold no other texts
    except UnicodeEncodeError as error:
        bad = error.object[error.start]
        raise InputError(f"the study holds the character {bad!r}, which no file can hold; remove it") from None
    return fields


@dataclass(frozen=True, eq=False)
class Heading:
    """The study as a result file tells it; targets: how many results there were, None where that is not told."""

    name: str
    design: Design
    notation: Notation = "assignment"
    targets: int | None = None


def require_identification(data: object) -> None:
    """InputError for a document that says it is another result, such as estimates."""
    told = data.get("schema", SCHEMA) if isinstance(data, dict) else SCHEMA
    if told != SCHEMA:
        raise InputError(
            f"the schema is {shown(told)}; this program reads {SCHEMA!r}, results of `ifm identify`, whose proofs "
            "are checked"
        )


def parse_header(data: dict[str, Any], sparse: bool = False) -> Heading:
    """The study that a header describes; `sparse` ones may leave out what is at baseline.

    The key `targets` may be missing: results of older versions lack it.

    Raises InputError for a missing key, a value of the wrong type, or anything that is no legal design.
    """
    for key in HEADER_KEYS:
        if key not in data:
            raise InputError(f"the key {key!r} is missing; a result of `ifm identify` holds it")
    require_identification(data)
    name = typed(data["study"], str, "study")
    interventions = []
    for one, levels in typed(data["interventions"], dict, "interventions").items():
        if isinstance(levels, dict):
            interventions.append(Intervention.from_map(one, levels))
            continue
        values = typed(levels, list, f"interventions: {one}")
        for value in values:
            if isinstance(value, int) and value.bit_length() > _MAX_LEVEL_BITS:
                raise InputError(f"interventions: {one}: a level of more than 1000 digits")
        interventions.append(Intervention(one, tuple(values)))
    factors = []
    for k, entry in enumerate(typed(data["factors"], list, "factors")):
        fields = record(entry, ("name", "x", "sigma"), f"factors, entry {k}", "z")
        factors.append(
            Factor(
                typed(fields["name"], str, f"factors, entry {k}: name"),
                _texts(fields["x"], f"factors, entry {k}: x"),
                _texts(fields["sigma"], f"factors, entry {k}: sigma"),
                _texts(fields.get("z", []), f"factors, entry {k}: z"),
            )
        )
    randomised = data.get("randomised", False)
    if not isinstance(randomised, bool):
        raise InputError(f"randomised: true or false is needed, got {shown(randomised)}")
    model = Model(
        tuple(interventions),
        _texts(data["variables"], "variables"),
        tuple(factors),
        _texts(data.get("covariates", []), "covariates"),
        randomised,
    )
    reader = MapReader(model)
    train = [
        reader.read(regime, f"train, entry {i}", sparse)
        for i, regime in enumerate(typed(data["train"], list, "train"))
    ]
    targets = data.get(TARGETS)
    return Heading(
        name,
        Design(model, Regimes.from_active(train, len(model))),
        targets=None if targets is None else typed(targets, int, TARGETS),
    )


def shown(value: object) -> str:
    """A value in an error message, shortened.

    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python converts
        text = "a very long number"
    return text if len(text) <= 60 else text[:40] + "..."


def record(value: object, keys: Sequence[str], place: str, *optional: str) -> dict[str, Any]:
    """A JSON object with these keys, maybe `optional` ones; InputError names place and first difference."""
    fields: dict[str, Any] = typed(value, dict, place)
    for key in keys:
        if key not in fields:
            raise InputError(f"{place}: the key {key!r} is missing")
    for key in fields:
        if key not in keys and key not in optional:
            raise InputError(f"{place}: unknown key {shown(key)}; {nearest(key, keys)}")
    return fields


_Kind = TypeVar("_Kind", str, dict[str, Any], list[Any], int)
_KIND: dict[type, str] = {str: "text", dict: "an object", list: "a list", int: "an integer"}


def typed(value: object, kind: type[_Kind], place: str) -> _Kind:
    """A JSON value of a kind, where true and false are no integers; InputError names the place."""
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{place}: {_KIND[kind]} is needed, got {shown(value)}")
    return value


def _texts(value: object, place: str) -> tuple[str, ...]:
    return tuple(typed(item, str, f"{place}, entry {j}") for j, item in enumerate(typed(value, list, place)))


@dataclass(frozen=True, eq=False)
class MapReader:
    """Reads full maps, intervention name to level, of one model."""

    model: Model

    @cached_property
    def _index(self) -> dict[str, tuple[int, dict[Level, int]]]:
        return {
            one.name: (i, {level: j for j, level in enumerate(one.levels)})
            for i, one in enumerate(self.model.interventions)
        }

    @cached_property
    def _names(self) -> list[str]:
        return list(self._index)

    @cached_property
    def _baseline(self) -> list[Level]:
        return [one.levels[0] for one in self.model.interventions]

    def read(self, value: object, place: str, sparse: bool = False) -> Active:
        """The regime of a map that names every intervention (or not, if `sparse`); InputError names the place."""
        fields: dict[str, Any] = typed(value, dict, place)
        if list(fields) == self._names:
            pairs = zip(fields.items(), self._baseline, strict=True)
            fields = {name: level for (name, level), base in pairs if level is not base}
        elif len(fields) < len(self._names) and not sparse:
            absent = next(name for name in self._names if name not in fields)
            raise InputError(f"{place}: the intervention {absent!r} is missing; regimes are full maps")
        return tuple(sorted(pair for pair in self._levels(fields, place) if pair[1]))

    def read_cell(self, entry: dict[str, Any], factor: int, place: str) -> Cell:
        """The cell of a factor: `levels` names those of its sigma-scope without a basis, `basis` functions."""
        model = self.model
        scope = model.scopes[factor].tolist()
        parts = cell_parts(model, factor)
        record(entry, ("factor", *parts, "weight"), place)
        chosen: dict[int, int] = {}
        for key, positions in parts.items():
            names = [model.interventions[i].name for i in positions]
            fields = record(entry[key], names, f"{place}, {key}")
            if key == "levels":
                chosen |= dict(self._levels(fields, f"{place}, levels"))
                continue
            for i, name in zip(positions, names, strict=True):
                function, basis = typed(fields[name], int, f"{place}, basis, {name}"), model.interventions[i].basis
                if basis is None or not 0 <= function <= basis.functions:
                    raise InputError(f"{place}, basis: {name!r} has no function {shown(function)}")
                chosen[i] = function
        return factor, tuple(chosen[i] for i in scope)

    def _levels(self, fields: dict[str, Any], place: str) -> Iterator[tuple[int, int]]:
        for name, level in fields.items():
            known = self._index.get(name)
            if known is None:
                raise InputError(
                    f"{place}: unknown intervention {shown(name)}; {nearest(name, islice(self._index, 1000))}"
                )
            position, index = known
            valued = self.model.interventions[position]
            if valued.basis is not None and isinstance(level, (str, int, float)):
                try:
                    yield position, valued.index(level)
                except InputError as error:
                    raise InputError(f"{place}: {error}") from None
                continue
            if isinstance(level, bool) or not isinstance(level, (str, int, float)) or level not in index:
                legal = nearest(shown(level), index)
                raise InputError(f"{place}: intervention {name!r} has no level {shown(level)}; {legal}")
            yield position, index[level]
