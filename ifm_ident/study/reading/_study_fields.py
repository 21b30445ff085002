"""The fields of a study, checked and turned into models, regimes and spaces (docs/reference/study-file.md)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, cast

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Factor, Intervention, Level, Model
from ifm_ident.design.notation import format_regime
from ifm_ident.design.regime_text import BASELINE, Notation, RegimeReader
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.design.spaces import AllRegimes, Listed, Space, UpToOrder
from ifm_ident.errors import InputError, nearest
from ifm_ident.files import note_input
from ifm_ident.study.reading._anndata_files import NORMALISED
from ifm_ident.study.reading._file_regimes import SpaceTable, listed_regimes
from ifm_ident.study.reading._nodes import Node, Place
from ifm_ident.study.reading._sources import table_of
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import RegimeTable, data_regimes, read_counts, read_regimes
from ifm_ident.study.reading.label_conventions import LABEL_KEYS, LabelConvention

Read = TypeVar("Read", RegimeTable, SpaceTable)
Scale = Literal["none", "paper", "standard"]
_SCALES = ("none", "paper", "standard")
_TABLE_KEYS = ("file", "label", "labels")
_SLICE = re.compile(
    r"obsm/(?P<key>[^\[\]]+)(\[((?P<single>[0-9]{1,6})|(?P<start>[0-9]{0,6}):(?P<stop>[0-9]{0,6}))\])?"
)
_MOST_SLICED = 10_000


@dataclass(frozen=True)
class DataSpec:
    """Where the data table is and how to read it: outcome, label column and convention, scaling, logarithms.

    label: the column of labels, or several that hold one intervention each. unit: the column that says
    which rows belong together (an animal, a plate), None for independent rows.
    outcomes: several columns in place of one `outcome`, "all" for every numeric one without another part.
    x: pairs of a variable and where it stands, such as ("X_pca-0", "obsm/X_pca[0]"); () for columns of its name.
    layer, normalise: of an AnnData, what is read in place of X, and what is made of it.
    """

    file: Path
    outcome: str | None = None
    label: str | tuple[str, ...] | None = None
    scale: Scale = "none"
    log: tuple[str, ...] = ()
    labels: LabelConvention | None = None
    unit: str | None = None
    outcomes: tuple[str, ...] | Literal["all"] = ()
    x: tuple[tuple[str, str], ...] = ()
    layer: str | None = None
    normalise: str | None = None

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns of labels, () for one column an intervention."""
        return (self.label,) if isinstance(self.label, str) else self.label or ()


def require_keys(node: Node, place: Place, legal: Collection[str], required: Collection[str] = ()) -> None:
    """Raise InputError unless the node is a map with legal keys only, the required ones among them."""
    what = f"`{place[-1]}`" if place and isinstance(place[-1], str) else "this entry" if place else "a study"
    if node.kind != "map":
        raise InputError(f"{what} is a map with the keys {', '.join(sorted(legal))}; got {node.shown}", place)
    for key in node.entries:
        if key not in legal:
            raise InputError(f"unknown key {key!r} in {what}; {nearest(key, legal)}", (*place, key))
    for key in required:
        if key not in node.entries:
            raise InputError(f"{what} has no key `{key}`; add it", place)


def text_of(node: Node, place: Place, what: str) -> str:
    """The text of a node; InputError, naming the quoted spelling, for anything else and for no text."""
    if node.kind in ("map", "seq"):
        raise InputError(f"{what} is text, got {node.words}", place)
    if node.kind != "str":
        raise InputError(f'{what} is text, got {node.shown}; write it in quotes: "{node.raw}"', place)
    if node.value == "":
        raise InputError(f"{what} is empty; write some text or leave the key out", place)
    return str(node.value)


def list_of(node: Node, place: Place, what: str, example: str) -> list[Node]:
    """The items of a list node; InputError for anything else."""
    if node.kind != "seq":
        raise InputError(f"{what} is a list such as {example}, got {node.shown}", place)
    return node.items


def level_of(node: Node, place: Place) -> Level:
    """The level that a node holds; InputError, naming the quoted spelling, for what cannot be one."""
    if node.kind in ("map", "seq"):
        raise InputError(f"a level is text or a number, got {node.words}", place)
    infinite = node.kind == "float" and not math.isfinite(float(node.value or 0))
    if node.kind not in ("str", "int", "float") or infinite:
        why = "not finite" if infinite else node.words
        raise InputError(
            f'a level is text or a number, got {node.shown}, which is {why}; write "{node.raw or "null"}" in '
            "quotes, or another level",
            place,
        )
    return cast(Level, node.value)


def model_from(root: Node) -> Model:
    """The model of a study's `interventions`, `variables` and `factors`."""
    node = root.entries["interventions"]
    if node.kind != "map":
        raise InputError(
            f"`interventions` is a map from names to levels such as {{A: [0, 1]}}, got {node.shown}",
            ("interventions",),
        )
    if not node.entries:
        raise InputError("`interventions` is empty; name at least one, such as {A: [0, 1]}", ("interventions",))
    interventions = []
    for name, levels in node.entries.items():
        place: Place = ("interventions", name)
        if levels.kind == "map":
            interventions.append(_valued(name, levels))
            continue
        items = list_of(levels, place, f"the levels of {name!r}", "[0, 1], baseline first")
        values = tuple(level_of(item, (*place, i)) for i, item in enumerate(items))
        interventions.append(Intervention(name, values))
    variables: tuple[str, ...] = tuple(name for name, _ in x_columns(root)) or ("x",)
    if "variables" in root.entries:
        variables = _names(root.entries["variables"], ("variables",), "a variable")
    covariates: tuple[str, ...] = ()
    if "covariates" in root.entries:
        covariates = _names(root.entries["covariates"], ("covariates",), "a covariate")
    randomised = root.entries.get("randomised")
    if randomised is not None and randomised.kind != "bool":
        raise InputError(
            "`randomised` is true where treatment was assigned whatever the covariates are, else false; got "
            f"{randomised.shown}",
            ("randomised",),
        )
    nodes = list_of(root.entries["factors"], ("factors",), "`factors`", "[{x: [x], sigma: [A]}]")
    factors = tuple(_factor(node, k, variables) for k, node in enumerate(nodes))
    return Model(tuple(interventions), variables, factors, covariates, bool(randomised and randomised.value))


def x_columns(root: Node) -> tuple[tuple[str, str], ...]:
    """What `x` of `data` says: pairs of a variable and where it stands; () without it.

    With `variables` these are the names, in order; without, they are made of the places: `obsm/X_pca[:2]` are
    `X_pca-0` and `X_pca-1`, as scanpy has them, and `obs/score` is `score`.
    """
    data = root.entries.get("data")
    node = data.entries.get("x") if data is not None and data.kind == "map" else None
    if node is None:
        return ()
    place: Place = ("data", "x")
    listed = (
        [text_of(node, place, "`x`")]
        if node.kind != "seq"
        else list(_names(node, place, "where a variable stands"))
    )
    given = (
        _names(root.entries["variables"], ("variables",), "a variable") if "variables" in root.entries else None
    )
    found: list[tuple[str, str]] = []
    for text in listed:
        found += _standing(text, place, None if given is None or len(listed) > 1 else len(given))
    if not found:
        raise InputError("`x` is an empty list; name where a variable stands, or leave the key out", place)
    if given is not None and len(given) != len(found):
        raise InputError(
            f"`variables` lists {len(given)} names, and `x` of `data` stands for {len(found)} columns; leave "
            "`variables` out, or name each",
            place,
        )
    names = [name for name, _ in found] if given is None else list(given)
    return tuple(zip(names, (at for _, at in found), strict=True))


def _standing(text: str, place: Place, width: int | None) -> list[tuple[str, str]]:
    """The columns that a text such as `obsm/X_pca[:20]`, `obs/score` or `GENE` stands for, with their names."""
    if not text.startswith("obsm/"):
        return [(re.sub("^(obs/|obs:|X:)", "", text), text)]
    read = _SLICE.fullmatch(text)
    if read is None or (read["single"] is None and read["stop"] is None and width is None):
        raise InputError(
            f"{text!r} does not say which columns; write obsm/X_pca[:20], obsm/X_pca[3:8] or obsm/X_pca[0]", place
        )
    key, start = read["key"], int(read["single"] or read["start"] or 0)
    stop = start + 1 if read["single"] else int(read["stop"]) if read["stop"] else start + (width or 0)
    if not 0 <= start < stop or stop - start > _MOST_SLICED:
        raise InputError(f"{text!r} stands for no column, or for more than {_MOST_SLICED:,}; write [:20]", place)
    return [(f"{key}-{i}", f"obsm/{key}[{i}]") for i in range(start, stop)]


def _valued(name: str, node: Node) -> Intervention:
    """The intervention whose levels have values: a map with `levels`, `basis` and maybe `coordinate`."""
    place: Place = ("interventions", name)
    require_keys(node, place, ("levels", "basis", "coordinate"), ("levels", "basis"))
    items = list_of(node.entries["levels"], (*place, "levels"), f"the levels of {name!r}", "[0, 0.3, 1]")
    for i, item in enumerate(items):
        level_of(item, (*place, "levels", i))
    return Intervention.from_map(name, {key: _as_written(entry) for key, entry in node.entries.items()})


def _as_written(node: Node) -> object:
    """A node as plain values, decimals as the text that was written."""
    if node.kind == "map":
        return {key: _as_written(entry) for key, entry in node.entries.items()}
    if node.kind == "seq":
        return [_as_written(item) for item in node.items]
    return node.raw if node.kind == "float" else node.value


def _names(node: Node, place: Place, what: str) -> tuple[str, ...]:
    items = list_of(node, place, f"`{place[-1]}`", "[a, b]")
    return tuple(text_of(item, (*place, i), what) for i, item in enumerate(items))


def _outcomes(data: Node, place: Place) -> tuple[str, ...] | Literal["all"]:
    """`outcomes` of `data`: all, or a list of distinct columns; () without it."""
    node, inside = data.entries.get("outcomes"), (*place, "outcomes")
    if node is None:
        return ()
    if "outcome" in data.entries:
        raise InputError("`outcome` is one column, `outcomes` are several; give one of the two keys", inside)
    if node.kind == "str" and node.value == "all":
        return "all"
    if node.kind != "seq":
        raise InputError(f"`outcomes` is all or a list such as [y1, y2], got {node.shown}", inside)
    if not node.items:
        raise InputError("`outcomes` is an empty list; name a column, or leave the key out", inside)
    names = _names(node, inside, "an outcome")
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"the outcome {name!r} is listed twice; list it once", (*inside, i))
    return names


def _factor(node: Node, k: int, variables: tuple[str, ...]) -> Factor:
    place: Place = ("factors", k)
    require_keys(node, place, ("name", "x", "sigma", "z"))
    if "sigma" not in node.entries:
        raise InputError("this factor has no key `sigma`; write sigma: [] if no intervention acts on it", place)
    name, x, z = (node.entries.get(key) for key in ("name", "x", "z"))
    return Factor(
        f"f{k + 1}" if name is None else text_of(name, (*place, "name"), "the name of a factor"),
        variables if x is None else _names(x, (*place, "x"), "a variable"),
        _names(node.entries["sigma"], (*place, "sigma"), "an intervention"),
        () if z is None else _names(z, (*place, "z"), "a covariate"),
    )


@dataclass(frozen=True, eq=False)
class FieldReader:
    """Reads the fields that hold regimes; table files are relative to `folder`.

    notes: what tables left out or took for baseline, in words, filled while reading.
    """

    reader: RegimeReader
    folder: Path
    notes: list[str] = field(default_factory=list)

    @property
    def model(self) -> Model:
        """The model whose regimes are read."""
        return self.reader.model

    def train(self, node: Node) -> tuple[Regimes, Notation | None]:
        """The training regimes and the notation they are written in, None when all are maps."""
        if node.kind in ("map", "table"):
            table = self._table(node, ("train",))
            return table.regimes, table.notation
        items = list_of(node, ("train",), "`train`", '["00", "10"], a map with the key file, or `data`')
        return self._listed(items, ("train",))

    def train_of_data(self, spec: DataSpec | None) -> tuple[Regimes, Notation]:
        """`train: data`, the distinct regimes of the data table: by number active, then positions, then levels."""
        if spec is None:
            raise InputError(
                "`train: data` takes those of the data table, and there is none; add data: {file: cells.csv}",
                ("train",),
            )
        try:
            found = data_regimes(self.model, spec.file, spec.label, spec.labels)
        except RowError:
            raise
        except InputError as error:
            raise InputError(str(error), ("data", "file")) from None
        self.notes.extend(found.notes)
        if not len(found.regimes):
            raise InputError(f"{spec.file}: no row tells a regime; `train: data` needs one", ("train",))
        once = found.regimes.take(np.unique(found.regimes.first_equal(found.regimes)))
        distinct = sorted(once, key=lambda r: (len(r), [p for p, _ in r], [level for _, level in r]))
        return Regimes.from_active(distinct, len(self.model)), found.notation

    def test(self, node: Node) -> tuple[Space, Notation | None]:
        """The test regimes and the notation that texts among them are written in."""
        place: Place = ("test",)
        if node.kind in ("map", "table"):
            if "order" in node.entries:
                require_keys(node, place, ("order",))
                return UpToOrder(self.model, self._order(node.entries["order"])), None
            if node.kind == "map":
                require_keys(node, place, ("order", *_TABLE_KEYS))
            listed = self._read(node, place, listed_regimes)
            self._require_rows(listed.space.count, node, place)
            return listed.space, None
        if node.kind == "str" and node.value == "all":
            return AllRegimes(self.model), None
        if node.kind != "seq":
            order = str(node.raw).removeprefix("order:")
            hint = f"; write {{order: {order.strip()}}}" if order != node.raw else f'; write ["{node.raw}"]'
            hint = hint if node.raw else ""
            raise InputError(
                f"`test` is all, {{order: 2}}, {{file: test.csv}} or a list of regimes, got {node.shown}{hint}",
                place,
            )
        if not node.items:
            raise InputError("`test` is an empty list; list a regime, or leave the key out for all", place)
        regimes, notation = self._listed(node.items, place)
        return Listed(regimes), notation

    def samples(self, node: Node, train: Regimes) -> Ints:
        """The sample size of every training regime as written, shape (m,), from the counts table.

        A repeated training regime has its size at its first index and 0 at the others, as sizes of repeats add up.
        """
        place: Place = ("samples",)
        if node.kind == "seq":
            return self._listed_samples(node, train)
        if node.kind != "table":
            require_keys(node, place, _TABLE_KEYS, required=("file",))
        try:
            table = table_of(self._source(node, place))
            file = table.path
            listed, counts = read_counts(self.model, table, *self._labels(node, place))
        except RowError:
            raise
        except InputError as error:
            raise InputError(str(error), error.path or ("samples", "file")) from None
        self.notes.extend(listed.notes)
        regimes, rows = listed.regimes, listed.rows + 1
        first = regimes.first_equal(regimes)
        for row in np.flatnonzero(first != np.arange(len(first)))[:1]:
            raise RowError(file, int(rows[row]) - 1, f"repeats the regime of row {rows[first[row]]}; merge them")
        found = train.first_equal(regimes)
        for k in np.flatnonzero(found < 0)[:1]:
            regime = format_regime(self.model, train[int(k)], "assignment")
            raise InputError(
                f"{file}: training regime {k + 1} ({regime}) has no row; add it with its n", ("samples", "file")
            )
        once = train.first_equal(train) == np.arange(len(train))
        sizes: Ints = np.where(once, counts[found], 0)
        return sizes

    def _listed_samples(self, node: Node, train: Regimes) -> Ints:
        """The sizes as a list, one for each training regime as written; 0 where a regime is repeated."""
        if len(node.items) != len(train):
            raise InputError(
                f"`samples` lists {len(node.items):,} sizes, and `train` {len(train):,} regimes; list one "
                f"for each",
                ("samples",),
            )
        first = train.first_equal(train)
        sizes = np.zeros(len(train), dtype=np.int64)
        for i, item in enumerate(node.items):
            least = 1 if first[i] == i else 0
            if item.kind != "int" or not least <= cast(int, item.value) < 10**18:
                raise InputError(
                    f"a sample size is a whole number of {least} or more, got {item.shown}", ("samples", i)
                )
            if not least and item.value:
                raise InputError(
                    f"training regime {i + 1} repeats regime {first[i] + 1}, which has its samples; write 0 here",
                    ("samples", i),
                )
            sizes[i] = cast(int, item.value)
        return sizes

    def data(self, node: Node, x: tuple[tuple[str, str], ...] = ()) -> DataSpec:
        """The data table's description; the file itself is not looked at. x: where variables stand."""
        place: Place = ("data",)
        legal = (
            "file", "outcome", "outcomes", "label", "labels", "scale", "log", "unit", "x", "layer", "normalise",
        )  # fmt: skip
        require_keys(node, place, legal, required=("file",))
        file = self._source(node, place)
        if not isinstance(file, Path):
            raise InputError(
                "the `file` of `data` is a path; data frames go to what reads samples", (*place, "file")
            )
        label, labels = self._labels(node, place)
        outcome, scale, log, unit = (node.entries.get(key) for key in ("outcome", "scale", "log", "unit"))
        layer, normalise = (node.entries.get(key) for key in ("layer", "normalise"))
        if normalise is not None and (normalise.kind != "str" or normalise.value not in NORMALISED):
            raise InputError(
                f"unknown normalisation {normalise.shown}; {nearest(normalise.raw, NORMALISED)}",
                (*place, "normalise"),
            )
        if scale is not None and (scale.kind != "str" or scale.value not in _SCALES):
            raise InputError(f"unknown scale {scale.shown}; {nearest(scale.raw, _SCALES)}", (*place, "scale"))
        return DataSpec(
            file,
            None if outcome is None else text_of(outcome, (*place, "outcome"), "the outcome"),
            label,
            "none" if scale is None else cast(Scale, scale.value),
            () if log is None else _names(log, (*place, "log"), "a column"),
            labels,
            None if unit is None else text_of(unit, (*place, "unit"), "the column of units"),
            _outcomes(node, place),
            x,
            None if layer is None else text_of(layer, (*place, "layer"), "the layer"),
            None if normalise is None else str(normalise.value),
        )

    def _order(self, node: Node) -> int:
        if node.kind != "int" or cast(int, node.value) < 0:
            raise InputError(f"`order` is a whole number of 0 or more, got {node.shown}", ("test", "order"))
        return cast(int, node.value)

    def _table(self, node: Node, place: Place) -> RegimeTable:
        found = self._read(node, place, read_regimes)
        self._require_rows(len(found.regimes), node, place)
        return found

    def _read(self, node: Node, place: Place, read: Callable[..., Read]) -> Read:
        """What a reader of tables makes of the one that a node names."""
        if node.kind != "table":
            require_keys(node, place, ("order", *_TABLE_KEYS) if place == ("test",) else _TABLE_KEYS, ("file",))
        source, given = self._source(node, place), self._labels(node, place)
        try:
            found = read(self.model, source, *given)
        except RowError:
            raise
        except InputError as error:
            raise InputError(str(error), (*place, "file")) from None
        self.notes.extend(found.notes)
        return found

    def _require_rows(self, count: int, node: Node, place: Place) -> None:
        if not count:
            file, what = table_of(self._source(node, place)).path, "test" if place == ("test",) else "training"
            raise InputError(f"{file}: the table has no rows; list at least one {what} regime", place)

    def _source(self, node: Node, place: Place) -> object:
        """The path that `file` names, or the data frame in its place."""
        entry = node if node.kind == "table" else node.entries["file"]
        if entry.kind == "table":
            return entry.table
        file = text_of(entry, (*place, "file"), "`file`")
        if "\0" in file:
            raise InputError("`file` holds a null character; write a path", (*place, "file"))
        note_input(self.folder / file)  # data may be read later, or not by this command
        return self.folder / file

    def _labels(self, node: Node, place: Place) -> tuple[str | tuple[str, ...] | None, LabelConvention | None]:
        """The label column or columns, and how labels are written."""
        label, labels = node.entries.get("label"), node.entries.get("labels")
        name: str | tuple[str, ...] | None = None
        if label is not None and label.kind == "seq":
            name = _names(label, (*place, "label"), "a label column")
            if len(set(name)) < max(2, len(name)):
                raise InputError(
                    "`label` lists columns that hold one intervention each, two or more, each once; for one "
                    "column write its name alone",
                    (*place, "label"),
                )
        elif label is not None:
            name = text_of(label, (*place, "label"), "`label`")
        if labels is None:
            return name, None
        inside: Place = (*place, "labels")
        if labels.kind != "map":
            raise InputError(
                f"`labels` is a map with the keys control, separator and names; got {labels.shown}", inside
            )
        require_keys(labels, inside, LABEL_KEYS)
        separator, control, named = (labels.entries.get(key) for key in LABEL_KEYS)
        what = "a name of the control"
        controls = (
            None
            if control is None
            else _names(control, (*inside, "control"), what)
            if control.kind == "seq"
            else (text_of(control, (*inside, "control"), what),)
        )
        between = None if separator is None else text_of(separator, (*inside, "separator"), "the separator")
        if named is not None and named.kind != "map":
            raise InputError(
                '`names` is a map from texts in labels to interventions such as {"chr1:100-200": g1}, got '
                f"{named.shown}",
                (*inside, "names"),
            )
        pairs = [
            (text, text_of(one, (*inside, "names", text), "the intervention that a text names"))
            for text, one in (named.entries.items() if named is not None else ())
        ]
        try:
            return name, LabelConvention(between, controls, tuple(pairs))
        except InputError as error:
            raise InputError(str(error), inside) from None

    def _listed(self, items: list[Node], place: Place) -> tuple[Regimes, Notation | None]:
        regimes: list[Active] = []
        notation: Notation | None = None
        baseline_only = True
        for i, node in enumerate(items):
            regime, written = self._regime(node, (*place, i))
            regimes.append(regime)
            if written is not None and baseline_only:
                notation, baseline_only = written, node.value == BASELINE
        return Regimes.from_active(regimes, len(self.model)), notation

    def _regime(self, node: Node, place: Place) -> tuple[Active, Notation | None]:
        if node.kind == "map":
            levels = {}
            for name, level in node.entries.items():
                if self.model.find(name) is not None:
                    levels[name] = level_of(level, (*place, name))
                    if self.model.valued[self.model.position[name]] and level.kind == "float":
                        levels[name] = level.raw
                else:
                    levels[name] = 0
            try:
                return self.reader.read_map(levels), None
            except InputError as error:
                raise InputError(str(error), (*place, *error.path)) from None
        if node.kind == "seq":
            raise InputError("a regime is text or a map, got a list; write {A: 1} or a text in quotes", place)
        if node.kind != "str":
            raise InputError(
                f'a regime is text or a map, got {node.shown}; write it in quotes: "{node.raw}"', place
            )
        try:
            return self.reader.read(str(node.value))
        except InputError as error:
            raise InputError(str(error), place) from None
