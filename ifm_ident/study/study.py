"""Studies: everything that a study file says, checked (docs/reference/study-file.md)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ifm_ident.answer.identification import Identification
from ifm_ident.arrays import Ints
from ifm_ident.deadline import TIME_LIMIT
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regime_text import BASELINE, Notation, RegimeReader
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK, AllRegimes, Listed, Space, UpToOrder, require_feasible
from ifm_ident.errors import InputError, require_whole
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.level_sets import LevelSet, identified_levels
from ifm_ident.study._screens import FactorLike, factor_maps, read_screen
from ifm_ident.study.reading._file_regimes import listed_regimes
from ifm_ident.study.reading._nodes import Node, Place, node_from_plain
from ifm_ident.study.reading._study_fields import (
    DataSpec,
    FieldReader,
    model_from,
    require_keys,
    text_of,
    x_columns,
)
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import read_data_regimes
from ifm_ident.study.reading._yaml_nodes import parse_yaml, read_yaml
from ifm_ident.views import Prose, view

if TYPE_CHECKING:
    import networkx as nx

    from ifm_ident.implications.testable import Implications
    from ifm_ident.planning.planner import Plan
    from ifm_ident.planning.prices import Prices
    from ifm_ident.planning.reduction import PlanCriterion
    from ifm_ident.shares.shares import Shares
    from ifm_ident.solve.objectives.choose import Objective

_KEYS = (
    "name",
    "interventions",
    "variables",
    "covariates",
    "randomised",
    "factors",
    "train",
    "test",
    "data",
    "samples",
)
_SHOWN = 8
_REQUIRED = ("interventions", "factors", "train")


@dataclass(frozen=True, eq=False)
class Study:
    """A design with its name, its test regimes and where its data are.

    notation: how the study writes regimes. test: the spaces of test regimes, one after the other, and in
    `test_places` where each was asked for, as error messages say it. samples: one size for each training
    regime as written, shape (m,), or None. path: the study file, or None. notes: what a reader should know of how
    the study was read, in words: rows left out, cells taken for baseline, interventions in no factor.

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
    notes: tuple[str, ...] = ()

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
    def covariates(self) -> tuple[str, ...]:
        """The columns measured before treatment, which every density is given.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "covariates": ["age"],
        ...     "factors": [{"sigma": ["A"], "z": ["age"]}, {"sigma": ["B"]}], "train": ["00", "10", "01"],
        ... })
        >>> study.covariates, print(study.identify()[3])
        p(x | age; 11) ∝ p(x | age; 10) p(x | age; 01) / p(x | age; 00)
        (('age',), None)
        """
        return self.model.covariates

    @property
    def target_count(self) -> int:
        """The exact number of test regimes, repeats included."""
        return sum(space.count for space in self.test)

    def targets(self, chunk_size: int = CHUNK) -> Iterator[Regimes]:
        """The test regimes in test order, at most `chunk_size` at a time.

        Raises InputError at once, before the first chunk, when a space is too large to enumerate, and for a
        `chunk_size` below 1.
        """
        require_whole(chunk_size, "chunk_size", 1)
        for space, place in zip(self.test, self.test_places, strict=True):
            try:
                require_feasible(space)
            except InputError as error:
                raise InputError(f"{place}: {error}", ("test",)) from None
        return (chunk for space in self.test for chunk in space.chunks(chunk_size))

    def targets_between(self, start: int, stop: int, chunk_size: int = CHUNK) -> Iterator[Regimes]:
        """The test regimes from `start` on and before `stop`, counted from 0 in test order, in chunks.

        However many test regimes there are, those before `start` are skipped, not made. Raises InputError as
        `targets` does, but for a space too large to enumerate whole.

        >>> study = Study.from_labels(["ctrl", *(f"g{i}" for i in range(1000))], test={"order": 6})
        >>> [len(chunk) for chunk in study.targets_between(10**15, 10**15 + 5, chunk_size=4)]
        [4, 1]
        """
        require_whole(chunk_size, "chunk_size", 1)
        for space in self.test:
            if start < space.count and stop > 0:
                yield from space.chunks(chunk_size, max(start, 0), min(stop, space.count))
            start, stop = start - space.count, stop - space.count

    def identify(
        self,
        criterion: CriterionName = "auto",
        max_targets: int = 10_000_000,
        *,
        objective: Objective = "basis",
        time_limit: float | None = None,
    ) -> Identification:
        """Verdict, formula or certificate for every test regime, all in memory; see `Identifier.identify`.

        `objective` tells which formula, where there are several: `basis` any, `sparse` of fewest densities, `l1`
        of least sum |q|, `variance` of least sum q^2/n for the study's sample sizes; `time_limit`, in seconds, is
        for that choice. Raises InputError for more than `max_targets` regimes: go through `targets()` in chunks.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1]},
        ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        ...     "train": ["ctrl", "A", "B"],
        ... })
        >>> print(study.identify()[3])
        p(A+B) ∝ p(A) p(B) / p(ctrl)
        """
        from ifm_ident.solve.objectives.choose import choose

        if self.target_count > max_targets:
            raise InputError(
                f"{self.target_count:,} test regimes are more than fit in memory at once; ask in chunks with "
                "Identifier(study.design).identify(chunk) for chunk in study.targets()"
            )
        identifier = Identifier(self.design, self.notation)
        found = Identification.concatenate([identifier.identify(chunk, criterion) for chunk in self.targets()])
        samples = self.sample_sizes() if objective == "variance" else None
        return choose(identifier, found, objective, samples, time_limit).identification

    def explain(self, regime: str | Mapping[str, object], criterion: CriterionName = "auto") -> Prose:
        """How one regime is or is not identified, step by step, as `ifm explain` prints it.

        The regime is a text or a map, as in a study file. Raises InputError where it is neither.
        """
        reader = RegimeReader(self.model)
        if not isinstance(regime, (str, Mapping)):
            raise InputError(f"a regime is a text or a map, got {regime!r}; write a text such as 'ctrl'")
        target = reader.read(regime)[0] if isinstance(regime, str) else reader.read_map(regime)
        found: Prose = view(self, "explanation", target, criterion)
        return found

    def identified_levels(self, name: str, regime: str = BASELINE, criterion: CriterionName = "auto") -> LevelSet:
        """The exact set of levels of an intervention with a basis at which a regime of the others is identified.

        Raises InputError as `ifm_ident.identified_levels` does, and for a text that is no regime.

        >>> study = Study.from_dict({
        ...     "interventions": {"dose": {"levels": [0, 2], "basis": {"poly": 2}}},
        ...     "factors": [{"sigma": ["dose"]}], "train": [{"dose": 0}, {"dose": 2}],
        ... })
        >>> [root.text for root in study.identified_levels("dose").points]
        ['0', '2']
        """
        target = RegimeReader(self.model).read(regime)[0]
        return identified_levels(Identifier(self.design, self.notation), name, target, criterion)

    def implications(
        self,
        criterion: CriterionName = "auto",
        interactions: int | None = None,
        sets: Sequence[Sequence[str]] = (),
    ) -> Implications:
        """The testable implications of the design, with those of sets of variables where these are asked for.

        `interactions`: of all sets of up to that many variables. `sets`: of these.

        Raises InputError as `ifm_ident.implications.testable` does.
        """
        from ifm_ident.implications.testable import implications, variable_sets

        asked = [*(variable_sets(self.model, interactions) if interactions is not None else ()), *sets]
        return implications(Identifier(self.design, self.notation), criterion, asked)

    def plan(
        self,
        targets: str | Sequence[str] = (),
        *,
        criterion: PlanCriterion = "joint",
        cost: str | Path | Prices | None = None,
        forbid: str | Sequence[str] = (),
        max_active: int | None = None,
        book: str | Sequence[str] = (),
        max_add: int | None = None,
        budget: int | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> Plan:
        """Which regimes to add, at least cost, so that the targets are identified, as `ifm plan` does.

        targets, forbid, book: each `all`, `order:2`, `file:PATH` or a regime's text; without targets the study's
        own; what was remarked in reading them stands in `notes` of the plan. cost: a table of costs, or prices;
        without it each regime costs 1. Raises InputError as `with_test`, with the argument's name, and
        `ifm_ident.planning.plan` do.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1]},
        ...     "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        ...     "train": ["ctrl", "A"],
        ... })
        >>> study.plan()
        1 regime to add at cost 1: 4 of 4 targets identified (2 before); proven best
          regime  cost
          B       1
        """
        from ifm_ident.planning.candidates import Candidates
        from ifm_ident.planning.planner import plan

        prices = self.prices(cost)
        asked = self.with_test(targets, "targets:")
        without, with_booked = self.with_test(forbid, "forbid:"), self.with_test(book, "book:")
        notes = (note for one in (asked, without, with_booked) for note in one.notes[len(self.notes) :])
        found = plan(
            self.design,
            asked.targets,
            Candidates(self.model, prices, without.test if forbid else (), max_active),
            criterion,
            booked=Regimes.concatenate([*with_booked.targets()]) if book else None,
            max_add=max_add,
            budget=budget,
            time_limit=time_limit,
        )
        return dataclasses.replace(found, notation=self.notation, notes=tuple(dict.fromkeys(notes)))

    def prices(self, cost: str | Path | Prices | None = None) -> Prices:
        """What regimes cost: by a table of costs, as `ifm plan --cost` takes it, or 1 each without one.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["0"]})
        >>> study.prices().of(study.design.train).tolist()
        [1]
        """
        from ifm_ident.planning.prices import OneEach
        from ifm_ident.study.cost_tables import read_prices

        if isinstance(cost, (str, Path)):
            return read_prices(self.model, Path(cost))
        return OneEach(self.model) if cost is None else cost

    def summary(self, criterion: CriterionName = "auto", sample: int = 2000, seed: int = 0) -> Shares:
        """Which share of all regimes is observed, identified, not identified, as `ifm identify --summary` says.

        >>> study = Study.from_labels(["ctrl", "A", "B", "C"])
        >>> study.summary().total.share("identified_joint").value
        Fraction(1, 2)
        """
        from ifm_ident.shares.shares import shares_of

        return shares_of(Identifier(self.design, self.notation), criterion, sample, seed)

    @classmethod
    def from_labels(
        cls,
        source: object,
        label: str | Sequence[str] | None = None,
        *,
        separator: str | None = None,
        control: str | Sequence[str] | None = None,
        names: Mapping[str, str] | None = None,
        interventions: Sequence[str] | None = None,
        factors: Sequence[FactorLike] | None = None,
        variables: Sequence[str] = ("x",),
        test: object = None,
        name: str | None = None,
    ) -> Study:
        """The study of a screen from a column of perturbation labels such as `A+B`, `A_B`, `A+ctrl` or `control`.

        `source` is a path, a data frame, an AnnData or a list of labels, `label` its column, or several columns that
        hold one intervention each, where an empty cell says nothing. Interventions have
        two levels, 0 and 1, and are in order of name; training regimes are the distinct ones, in order of the
        number of interventions, then of these; sample sizes count the cells. Without `factors` every intervention
        has a factor of its own over all `variables`. `test` is as in a study file, without it {order: 2}.

        Without `label` the column is called label, regime, perturbation, condition or guide_identity, or is the
        only one. Without `separator` and `control` the usual ones are found. A character is taken as the separator
        only if labels fall into other labels by it, and refused where that leaves a doubt: then give it, or
        `interventions`, or `names`, a map from texts in labels to the interventions that they name, for texts that
        hold what names cannot (+ , = : or white space). Missing values are no interventions: a word for one, such as
        NA, is refused unless it is given. A screen where no label means baseline is asked about too. Rows without
        any cell filled are left out; `notes` of the study says so.

        >>> study = Study.from_labels(["control", "A", "A", "B", "HLA_E", "A_B", "HLA_E_A", "control"])
        >>> list(study.model.position), study.samples.tolist()
        (['A', 'B', 'HLA_E'], [2, 2, 1, 1, 1, 1])
        >>> print(study.with_test(["B+HLA_E"]).identify()[0])
        p(B+HLA_E) ∝ p(B) p(HLA_E) / p(ctrl)
        >>> Study.from_labels(["ctrl", "A", "A_C"])
        Traceback (most recent call last):
        ...
        ifm_ident.study.reading._table.RowError: the labels, row 3: 'A_C' may be one intervention, or several joined by '_' as 'A' is a label too; give separator='_' if it joins, '+' if it does not, or interventions=[...]
        >>> Study.from_labels(["ctrl", "A", "B", "A+B"])
        Study 'screen': 2 interventions, 2 factors, 4 training regimes, 4 test regimes
        """  # noqa: E501
        screen = read_screen(
            source, label, separator=separator, control=control, names=names, interventions=interventions
        )
        if isinstance(variables, str) or not isinstance(variables, Sequence):
            raise InputError(f"variables is a list of names, such as ['x1', 'x2'], got {variables!r:.60}")
        mapping = {
            "name": name or screen.name,
            "interventions": {one: [0, 1] for one in screen.names},
            "variables": list(variables),
            "factors": factor_maps(screen.names, factors),
            "train": [BASELINE],
            "test": {"order": 2} if test is None else test,
        }
        try:
            study = cls.from_dict(mapping)
        except InputError as error:
            raise InputError(f"{screen.place}: {error}", error.path) from None
        train, samples = screen.training(study.model)
        design = Design(study.model, train)
        return dataclasses.replace(
            study,
            design=design,
            samples=samples,
            data=screen.data,
            notation="label",
            notes=(*screen.notes, *study.notes),
        )

    @classmethod
    def from_graph(
        cls,
        graph: object,
        *,
        interventions: Sequence[str] = (),
        train: object = None,
        test: object = None,
        name: str = "graph",
    ) -> Study:
        """The study of a directed graph of networkx: one factor for each variable with its parents.

        Nodes whose attribute `intervention` is true (or `kind` is "intervention"), or that are called `sigma_X` or
        `do(X)`, are interventions, and their children what they target; interventions: variables that have one of
        their own, `sigma_X`. Without any, all variables have. `levels` of such a node are its levels, 0 and 1 by
        default. Nodes with the attribute `latent` are summed out. What `Study.factor_graph` returns is read as
        such. train, test: as in a study file; without `train` the baseline and every intervention alone.

        Raises InputError for an edge into an intervention, a graph without directions and names that are none.

        >>> import networkx as nx
        >>> graph = nx.DiGraph([("sigma_A", "A"), ("A", "B"), ("sigma_B", "B")])
        >>> study = Study.from_graph(graph)
        >>> print(study.identify()[3])
        p(sigma_A+sigma_B) ∝ p(sigma_A) p(sigma_B) / p(ctrl)
        >>> Study.from_graph(nx.Graph(graph))
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: a study is made of a directed graph of networkx, or a factor graph, got a Graph
        """  # noqa: E501
        from ifm_ident.study._graph_studies import study_of_graph

        plain: dict[str, object] = {"name": name, **study_of_graph(graph, interventions).plain()}
        plain |= {key: value for key, value in (("train", train), ("test", test)) if value is not None}
        study = cls.from_dict(plain)
        binary = all(study.model.two_level) and train is None
        return dataclasses.replace(study, notation="label") if binary else study

    def sigma_graph(self) -> nx.Graph:
        """The interventions as a graph of networkx, joined where some factor holds both (THEORY 4).

        Each edge has `factors`, the names of those that hold both; nodes have `levels`.

        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        ...     "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}], "train": ["ctrl"],
        ... })
        >>> list(study.sigma_graph().edges(data="factors"))
        [('A', 'B', ('f1',)), ('B', 'C', ('f2',))]
        """
        from ifm_ident.study._graph_studies import sigma_graph

        return sigma_graph(self.model)

    def factor_graph(self) -> nx.Graph:
        """The factors and what they hold: a bipartite graph of networkx, from which `from_graph` reads.

        Nodes are pairs such as ("f", "f1"), ("x", "x1"), ("sigma", "A") and ("z", "age"), with `kind` (factor,
        variable, intervention, covariate), `name` and the `levels` of interventions.

        >>> study = Study.from_labels(["ctrl", "A"])
        >>> graph = study.factor_graph()
        >>> list(graph.edges()), Study.from_graph(graph).model == study.model
        ([(('sigma', 'A'), ('f', 'A')), (('x', 'x'), ('f', 'A'))], True)
        """
        from ifm_ident.study._graph_studies import factor_graph

        return factor_graph(self.model)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the study to a YAML file that `load` reads as an equal study.

        Data and tables of test regimes are named, not copied: by whole paths as they are, others relative to the
        file's folder. Raises InputError for a file that exists, without `force`, and for a place that cannot be
        written.

        >>> import tempfile
        >>> study = Study.from_labels(["ctrl", "A", "A", "B"])
        >>> file = Path(tempfile.mkdtemp()) / "study.yaml"
        >>> study.save(file)
        >>> again = load(file)
        >>> again.model == study.model, again.samples.tolist()
        (True, [1, 2, 1])
        """
        from ifm_ident.files import open_output
        from ifm_ident.study._saving import Saved, study_text

        saved = Saved(self.name, self.design, self.notation, self.test, self.data, self.samples)
        text = study_text(saved, Path(path).parent)
        with open_output(path, force) as stream:
            stream.write(text.encode())

    def __repr__(self) -> str:
        sizes = (
            (len(self.model), "intervention"),
            (len(self.model.factors), "factor"),
            (self.target_count, "test regime"),
        )
        words = [f"{n:,} {what}{'s' * (n != 1)}" for n, what in sizes]
        words.insert(2, self.design.training_words)
        return "; ".join([f"Study {self.name!r}: {', '.join(words)}", *(f"note: {note}" for note in self.notes)])

    def sample_sizes(self) -> Ints | None:
        """One sample size for each training regime as written, shape (m,): `samples`, else counted from `data`.

        Rows of regimes outside training do not count; a repeated training regime has all samples at its first
        index. None when the study has neither. Raises InputError for a data table that cannot be read.
        """
        if self.samples is not None or self.data is None:
            return self.samples
        spec = self.data
        found = read_data_regimes(self.model, spec.file, spec.label, spec.labels).first_equal(self.design.train)
        return np.bincount(found[found >= 0], minlength=len(self.design.train)).astype(np.int64)

    def with_test(self, specs: str | Sequence[str], place: str = "test") -> Study:
        """The same study with other test regimes: each `all`, `order:2`, `file:PATH` or a regime's text.

        One text is one spec; no specs leave the study as it is. A PATH is relative to the working directory.
        `place` is what the specs are called in errors: InputError starts with `PLACE SPEC: `; RowError for a row
        of a file.
        """
        specs = [specs] if isinstance(specs, str) else list(specs)
        if not specs:
            return self
        places = tuple(f"{place} {spec}" for spec in specs)
        notes = list(self.notes)
        spaces = tuple(self._space(spec, place, notes) for spec, place in zip(specs, places, strict=True))
        return dataclasses.replace(self, test=spaces, test_places=places, notes=tuple(dict.fromkeys(notes)))

    def _space(self, spec: str, place: str, notes: list[str]) -> Space:
        try:
            if not isinstance(spec, str):
                raise InputError("a regime is text here; write it in quotes")
            word, colon, rest = spec.partition(":")
            if spec == "all":
                return AllRegimes(self.model)
            if colon and word == "order":
                if not (rest.isascii() and rest.isdigit() and len(rest) < 1000):
                    raise InputError(f"the order is a whole number of 0 or more, got {rest!r}; try order:2")
                return UpToOrder(self.model, int(rest))
            if colon and word == "file":
                listed = listed_regimes(self.model, Path(rest))
                if listed.space.count == 0:
                    raise InputError("the table has no rows; list at least one test regime")
                notes.extend(listed.notes)
                return listed.space
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
    return _checked(read_yaml(path), path)


def read_text(text: str, path: Path) -> Study:
    """The study of a text, read as if it stood in the file `path`; InputError as for `load`."""
    return _checked(parse_yaml(text, str(path)), path)


def _checked(root: Node, path: Path) -> Study:
    try:
        return _study(root, path.parent, path)
    except RowError:
        raise
    except InputError as error:
        raise InputError(f"{path}:{root.line_of(error.path)}: {error}", error.path) from None


def study_of_text(text: str, folder: Path, name: str) -> Study:
    """The study that a text of YAML or JSON writes, files relative to a folder; `name` stands in errors.

    >>> text = '{"interventions": {"A": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["ctrl", "A"]}'
    >>> study_of_text(text, Path(), "a text").name
    'study'
    """
    root = parse_yaml(text, name)
    try:
        return _study(root, folder, None)
    except RowError:
        raise
    except InputError as error:
        raise InputError(f"{name}:{root.line_of(error.path)}: {error}", error.path) from None


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
    data = fields.data(entries["data"], x_columns(root)) if "data" in entries else None
    train_notation: Notation | None
    if entries["train"].kind == "str" and entries["train"].value == "data":
        train, train_notation = fields.train_of_data(data)
    else:
        train, train_notation = fields.train(entries["train"])
    design = Design(model, train)
    test: Space = AllRegimes(model)
    test_notation = None
    if "test" in entries:
        test, test_notation = fields.test(entries["test"])
    place = "test" if path is None else f"{path}:{root.line_of(('test',))}"
    notation = train_notation or test_notation or "assignment"
    return Study(
        name,
        design,
        "assignment" if model.has_bases and notation == "levels" else notation,
        (test,),
        (place,),
        data,
        fields.samples(entries["samples"], train) if "samples" in entries else None,
        path,
        (*dict.fromkeys(fields.notes), *_unused(model)),
    )


def _unused(model: Model) -> tuple[str, ...]:
    """The remark on interventions in no factor; none where there are none."""
    names = [one.name for one, used in zip(model.interventions, model.relevant.tolist(), strict=True) if not used]
    if not names:
        return ()
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
    one = len(names) == 1
    return (
        f"{'the intervention' if one else 'interventions'} in no factor: {shown}; the model says that "
        f"{'it changes' if one else 'they change'} nothing, so a regime is answered as without "
        f"{'it' if one else 'them'}; name {'it' if one else 'them'} under `sigma` of the factors "
        f"{'it acts' if one else 'they act'} on",
    )
