"""Studies: everything that a study file says, checked (SPEC, Study file)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ifm_ident.design import Design
from ifm_ident.errors import InputError
from ifm_ident.identification import Identification
from ifm_ident.identify import CriterionName, Identifier
from ifm_ident.model import Ints, Model
from ifm_ident.reading.nodes import Node, Place, node_from_plain
from ifm_ident.reading.study_fields import DataSpec, FieldReader, model_from, require_keys, text_of
from ifm_ident.reading.table_files import RowError
from ifm_ident.reading.tables import read_data_regimes, read_regimes
from ifm_ident.reading.yaml_nodes import read_yaml
from ifm_ident.regime_text import Notation, RegimeReader
from ifm_ident.regimes import Regimes
from ifm_ident.spaces import CHUNK, AllRegimes, Listed, Space, UpToOrder, require_feasible

_KEYS = ("name", "interventions", "variables", "factors", "train", "test", "data", "samples")
_REQUIRED = ("interventions", "factors", "train")


@dataclass(frozen=True, eq=False)
class Study:
    """A design with its name, its test regimes and where its data are.

    notation: how the study writes regimes. test: the spaces of test regimes, one after the other, and in
    `test_places` where each was asked for, as error messages say it. samples: one size for each training
    regime as written, shape (m,), or None. path: the study file, or None.

    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    ...     "train": ["00", "10", "01"],
    ... })
    >>> study.notation, study.target_count, len(study.design.train)
    ('levels', 4, 3)
    >>> Study.from_dict({"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": [1]})
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: train[0]: a regime is text or a map, got the unquoted 1; write it in quotes: "1"
    """

    name: str
    design: Design
    notation: Notation
    test: tuple[Space, ...]
    test_places: tuple[str, ...]
    data: DataSpec | None = None
    samples: Ints | None = None
    path: Path | None = None

    @classmethod
    def from_dict(cls, mapping: Mapping[str, object], folder: Path | None = None) -> Study:
        """The study that plain maps and lists describe, as a study file would; files relative to `folder`.

        Raises InputError that starts with the place, such as `factors[0].sigma[1]: `.
        """
        try:
            root = node_from_plain(mapping)
            return _study(root, folder or Path(), None)
        except RowError:
            raise
        except InputError as error:
            place = _words(error.path)
            raise InputError(f"{place}: {error}" if place else str(error), error.path) from None

    @property
    def model(self) -> Model:
        """The interventional factor model."""
        return self.design.model

    @property
    def target_count(self) -> int:
        """The exact number of test regimes, repeats included."""
        return sum(space.count for space in self.test)

    def targets(self, chunk_size: int = CHUNK) -> Iterator[Regimes]:
        """The test regimes in test order, at most `chunk_size` at a time.

        Raises InputError at once, before the first chunk, when a space is too large to enumerate.
        """
        for space, place in zip(self.test, self.test_places, strict=True):
            try:
                require_feasible(space)
            except InputError as error:
                raise InputError(f"{place}: {error}", ("test",)) from None
        return (chunk for space in self.test for chunk in space.chunks(chunk_size))

    def identify(self, criterion: CriterionName = "auto", max_targets: int = 10_000_000) -> Identification:
        """Verdict, formula or certificate for every test regime, all in memory; see `Identifier.identify`.

        Raises InputError for more than `max_targets` regimes: go through `targets()` in chunks instead.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1]},
        ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        ...     "train": ["ctrl", "A", "B"],
        ... })
        >>> print(study.identify()[3])
        p(A+B) ∝ p(A) p(B) / p(ctrl)
        """
        if self.target_count > max_targets:
            raise InputError(
                f"{self.target_count:,} test regimes are more than fit in memory at once; ask in chunks with "
                "Identifier(study.design).identify(chunk) for chunk in study.targets()"
            )
        identifier = Identifier(self.design, self.notation)
        return Identification.concatenate([identifier.identify(chunk, criterion) for chunk in self.targets()])

    def sample_sizes(self) -> Ints | None:
        """One sample size for each training regime as written, shape (m,): `samples`, else counted from `data`.

        Rows of regimes outside training do not count; a repeated training regime has them all at its first
        index. None when the study has neither. Raises InputError for a data table that cannot be read.
        """
        if self.samples is not None or self.data is None:
            return self.samples
        found = read_data_regimes(self.model, self.data.file, self.data.label).first_equal(self.design.train)
        return np.bincount(found[found >= 0], minlength=len(self.design.train)).astype(np.int64)

    def with_test(self, specs: Sequence[str]) -> Study:
        """The same study with other test regimes: each `all`, `order:2`, `file:PATH` or a regime's text.

        No specs leave the study as it is. A PATH is relative to the working directory. Raises InputError
        that starts with `--test SPEC: `, or RowError for a row of a file.
        """
        if not specs:
            return self
        places = tuple(f"--test {spec}" for spec in specs)
        spaces = tuple(self._space(spec, place) for spec, place in zip(specs, places, strict=True))
        return dataclasses.replace(self, test=spaces, test_places=places)

    def _space(self, spec: str, place: str) -> Space:
        word, colon, rest = spec.partition(":")
        try:
            if spec == "all":
                return AllRegimes(self.model)
            if colon and word == "order":
                if not (rest.isascii() and rest.isdigit() and len(rest) < 1000):
                    raise InputError(f"the order is a whole number of 0 or more, got {rest!r}; try order:2")
                return UpToOrder(self.model, int(rest))
            if colon and word == "file":
                table = read_regimes(self.model, Path(rest)).regimes
                if len(table) == 0:
                    raise InputError("the table has no rows; list at least one test regime")
                return Listed(table)
            regime = RegimeReader(self.model).read(spec)[0]
            return Listed(Regimes.from_active([regime], len(self.model)))
        except RowError:
            raise
        except InputError as error:
            raise InputError(f"{place}: {error}") from None


def load(path: str | Path) -> Study:
    """The study of a YAML or JSON file.

    Raises InputError that starts with `FILE:LINE: ` (RowError: `FILE, row N: ` for a row of a table), with
    the value, why it is wrong and what to write.

    >>> load("no-such-study.yaml")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-study.yaml: there is no such file
    """
    path = Path(path)
    root = read_yaml(path)
    try:
        return _study(root, path.parent, path)
    except RowError:
        raise
    except InputError as error:
        raise InputError(f"{path}:{root.line_of(error.path)}: {error}", error.path) from None


def _words(place: Place) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in place]
    return "".join(steps).removeprefix(".")


def _study(root: Node, folder: Path, path: Path | None) -> Study:
    require_keys(root, (), _KEYS, _REQUIRED)
    entries = root.entries
    default = path.stem if path is not None else "study"
    name = text_of(entries["name"], ("name",), "`name`") if "name" in entries else default
    model = model_from(root)
    fields = FieldReader(RegimeReader(model), folder)
    train, train_notation = fields.train(entries["train"])
    design = Design(model, train)
    test: Space = AllRegimes(model)
    test_notation = None
    if "test" in entries:
        test, test_notation = fields.test(entries["test"])
    place = "test" if path is None else f"{path}:{root.line_of(('test',))}"
    return Study(
        name,
        design,
        train_notation or test_notation or "assignment",
        (test,),
        (place,),
        fields.data(entries["data"]) if "data" in entries else None,
        fields.samples(entries["samples"], train) if "samples" in entries else None,
        path,
    )
