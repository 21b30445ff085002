"""A first study file from a table that nobody prepared: every guess stands in it as a comment."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from ifm_ident.arrays import Ints
from ifm_ident.design.model import legal_name
from ifm_ident.errors import InputError
from ifm_ident.study._columns import CELLS, COVARIATES, DOSES, LABELS, OUTCOMES, PERTURBATIONS, UNITS, Column
from ifm_ident.study._label_guesses import guess_labels
from ifm_ident.study._yaml_text import block, comment, flow
from ifm_ident.study.reading._anndata_files import embeddings, gene_names
from ifm_ident.study.reading._label_columns import blank_rows
from ifm_ident.study.reading._sources import open_table
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.study import Study, study_of_text

_MOST_LEVELS = 12
_MOST_DOSES = 30
_MOST_GUESSED = 8
_MOST_VARIABLES = 8
_MOST_COMPONENTS = 20
_MOST_ALL, _MOST_TESTED = 512, 100_000
_SHOWN = 8


@dataclass(frozen=True)
class FirstStudy:
    """A study file as text, with the study that it reads as; `can_estimate` where it names columns of numbers."""

    text: str
    study: Study
    can_estimate: bool
    counted: str


def first_study(
    path: str | Path,
    *,
    label: str | Sequence[str] | None = None,
    control: str | Sequence[str] = (),
    separator: str | None = None,
    interventions: Sequence[str] = (),
    outcome: str | None = None,
    pairs: bool = False,
    folder: str | Path | None = None,
) -> FirstStudy:
    """A first study of a table (CSV, TSV, Parquet, .h5ad), each guess a comment.

    label, control, separator: the column of labels (or several, of one intervention each), the texts in it that
    mean baseline, and what joins interventions. interventions: the columns that are interventions, in place of
    guesses; outcome: the column of the outcome. pairs: a factor for every pair of interventions that some regime
    has, beside one for each intervention. folder: where the study file will stand, from which it names the table.

    The result is deterministic and reads back. Raises InputError and RowError for a table that cannot be read, or
    in which no intervention is found.

    >>> import tempfile
    >>> table = Path(tempfile.mkdtemp()) / "runs.csv"
    >>> _ = table.write_text("drug A,dose_B,yield\\n0,0,7.1\\n1,0,7.9\\n0,10,6.8\\n1,10,8\\n0,1,7\\n")
    >>> found = first_study(table)
    >>> found.study
    Study 'runs': 2 interventions, 2 factors, 5 training regimes, 6 test regimes
    >>> print(found.study.identify()[4])
    p(drug_A=1,dose_B=1) ∝ p(drug_A=1) p(dose_B=1) / p(ctrl)
    """
    source = Path(path)
    table = open_table(source)
    if not table.row_count:
        raise InputError(f"{source}: the table has no rows; a study needs what was done, a row for each unit")
    draft = _Draft(table, source, Path(folder) if folder is not None else Path())
    labels = (label,) if isinstance(label, str) else tuple(label or ())
    draft.require((*labels, *interventions, *((outcome,) if outcome else ())))
    draft.outcome = outcome
    columns = labels or (() if interventions else draft.label_columns())
    if columns:
        draft.read_labels(columns, separator, (control,) if isinstance(control, str) else tuple(control))
    else:
        for name, given in (("separator", separator), ("control", control)):
            if given:
                raise InputError(f"`{name}` is for labels; name their column", argument="label")
        draft.read_factors(interventions)
    draft.find_measured()
    return draft.written(pairs)


@dataclass(eq=False)
class _Draft:
    """The study as far as it is guessed: values under keys, comments, and the columns that tell interventions."""

    table: Table
    path: Path
    folder: Path
    interventions: dict[str, object] = field(default_factory=dict)
    variables: list[str] = field(default_factory=list)
    covariates: list[str] = field(default_factory=list)
    data: dict[str, object] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    outcome: str | None = None
    used: set[str] = field(default_factory=set)
    telling: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = np.flatnonzero(~blank_rows(self.table))  # spreadsheets leave some at the end
        self.columns = {name: Column.of(self.table, name, rows) for name in self.table.names}
        self.data["file"] = _relative(self.path, self.folder)
        self.is_anndata = self.path.suffix.lower() == ".h5ad"

    def say(self, key: str, words: str) -> None:
        """A comment above a key of the study, such as `variables` or `interventions.A`."""
        self.notes.setdefault(key, []).append(words)

    def require(self, names: Sequence[str]) -> None:
        """InputError for a name that no column has."""
        for name in names:
            self.table.column(name)

    def label_columns(self) -> tuple[str, ...]:
        """The column of labels by its name, or several that are numbered; () for none."""
        texts = [one for one in self.columns.values() if not one.reason and not one.numeric and len(one.words) > 1]
        numbered: dict[str, list[str]] = {}
        for one in texts:
            stem = one.key.rstrip("0123456789ab").rstrip("_") if one.key[-1:] in "12ab" else ""
            if stem in {*LABELS, "id", "drug", "compound", "treatment", "g", "gene"}:
                numbered.setdefault(stem, []).append(one.name)
        for names in numbered.values():
            if len(names) > 1 and len({self._first_words(name) for name in names}) < len(names) + 1:
                self.say("data", f"the columns {_listed(names)} hold one intervention each: by their names")
                return tuple(names)
        named = [one for one in texts if one.key in LABELS and one.name]
        others = [one for one in self._candidates() if one.key not in LABELS]
        for one in sorted(named, key=lambda one: (_LABEL_ORDER.get(one.key, 9), self.table.names.index(one.name))):
            sure = self.is_anndata or one.key in PERTURBATIONS or not others
            if sure or len(one.words) > _MOST_LEVELS or _joined(one):
                rest = [other.name for other in named if other is not one]
                self.say("data", f"{one.name!r} holds the labels: by its name" + _else(rest))
                return (one.name,)
        joined = [one for one in texts if _joined(one)]
        if len(joined) == 1:
            self.say("data", f"{joined[0].name!r} holds the labels: some are joined by + of others")
            return (joined[0].name,)
        return ()

    def _first_words(self, name: str) -> str:
        return min(self.columns[name].words)

    def read_labels(self, columns: tuple[str, ...], separator: str | None, control: tuple[str, ...]) -> None:
        """Interventions from labels."""
        zero = self.columns.get("nperts")
        found = guess_labels(self.table, columns[0] if len(columns) == 1 else columns, separator, control, zero)
        self.interventions = found.interventions
        self.data |= found.written
        labels: Any = found.written["labels"]
        if labels.get("control"):
            self.say("data", f"mean baseline: {_listed(labels['control'])}{'' if control else ', by name'}")
        for name, words in found.notes.items():
            for one in words:
                self.say(f"interventions.{name}" if name else "data", one)
        self.used |= {*columns}
        self.telling += columns
        other = [one for one in self._candidates() if one.name not in self.used]
        if other:
            self.say(
                "interventions",
                f"columns of few levels beside the labels, left out: {_listed([o.name for o in other])}",
            )
        if any(one.numeric and one.named(DOSES) for one in other):
            self.say("interventions", "a dose in a column of its own is not read: write labels such as A_10uM")
        self.used |= {one.name for one in other if not one.numeric or one.named(DOSES)}
        self.say("interventions", "one for each that labels name; 0 is without, 1 with it")

    def _candidates(self) -> list[Column]:
        """Columns that may be interventions: few levels, no other part by their name."""
        found = []
        for one in self.columns.values():
            levels = 0 if one.reason else len(one.levels)
            if one.reason or levels < 2 or one.names_rows or one.name == self.outcome:
                continue
            other = COVARIATES | UNITS | OUTCOMES | CELLS
            if one.named(other - DOSES if one.named(DOSES) else other):
                continue
            rows = len(one.codes)
            most = _MOST_DOSES if one.numeric and one.named(DOSES) else 6 if one.numeric else _MOST_LEVELS
            many = 8 if one.numeric and not _is_whole(one) else 2
            if levels <= most and (_is_binary(one) or rows >= levels * many or one.named(DOSES)):
                found.append(one)
        return found

    def read_factors(self, given: Sequence[str]) -> None:
        """Interventions from columns, one each."""
        found = [self.columns[name] for name in given] or self._chosen()
        lost = {one.name: one for one in found if one.missing and not one.blank_only}
        for one in lost.values():
            if given or len(lost) == len(found):
                text = next(text for text in one.texts if text.strip() and text not in one.words)
                raise RowError(
                    self.path,
                    int(np.argmax(one.codes == one.texts.index(text))),
                    f"{text!r} in the column {one.name!r} reads as a missing value, which is no level; "
                    f"write "
                    f"what was "
                    "done, or remove the row",
                )
            self.say(
                "interventions",
                f"{one.name!r} is left out: {one.missing:,} cells are missing (row {one.first_missing + 1})",
            )
        for one in found:
            if one.name not in lost:
                self._take(one)
        if not given:
            self.say(
                "interventions",
                "columns of few levels, one intervention each; one that was measured belongs "
                "under "
                "variables, one that "
                "was there before treatment under covariates",
            )
        unread = [one for one in self.columns.values() if one.reason]
        if not self.interventions:
            raise InputError(
                f"{self.path}: no column looks like an intervention: 0 and 1, a few levels, "
                f"doses, or "
                f"labels such as "
                f"A+B; the columns are {_listed(self.table.names)}; name those that are, or the column of labels"
                + "".join(f" ({one.reason.removeprefix(f'{self.path}: ')})" for one in unread[:1]),
                argument="intervention",
            )

    def _take(self, one: Column) -> None:
        levels = one.levels
        if len(levels) < 2:
            raise InputError(
                f"{self.path}: the column {one.name!r} has {len(levels)} level(s); an intervention has two or more"
                + (f" ({one.reason})" if one.reason else "")
            )
        name = legal_name(one.name)
        if name in ("ctrl", "all"):
            raise InputError(f"{self.path}: an intervention cannot be called {name!r}; rename the column")
        self.used.add(one.name)
        self.telling.append(one.name)
        valued = one.by_value and len(levels) > 2 and one.named(DOSES)
        self.interventions[name] = {"levels": levels, "basis": {"hat": levels}} if valued else levels
        key = f"interventions.{name}"
        if name != one.name:
            self.say(key, f"the column {one.name!r}")
        if valued:
            self.say(
                key,
                "levels with values, straight lines between those run; also {poly: 2}, {hill: {ec50: 1, n: 1}}",
            )
        if levels != [0, 1]:
            why = "the least" if one.numeric else "by its name" if one.baseline_by_name else "first in order"
            self.say(key, f"baseline: {levels[0]!r}, {why}; if it is another, put that first")
        if one.missing:
            self.say(
                key,
                f"{one.missing:,} cells are empty (row {one.first_missing + 1}): read as baseline, or, "
                f"where a row is "
                "empty in every intervention, skipped",
            )

    def _chosen(self) -> list[Column]:
        """The candidates, less one that says again what the others say; InputError for too many."""
        found = self._candidates()
        for one in [one for one in found if not one.numeric and len(one.levels) > 2]:
            others = [other for other in found if other is not one]
            if len(others) > 1 and _groups([one]) == _groups(others) == _groups(found):
                self.say(
                    "interventions",
                    f"{one.name!r} is left out: it says again what {_listed([o.name for o in others])} say",
                )
                found = others
        if len(found) <= _MOST_GUESSED or all(_is_binary(one) for one in found):
            return found
        order = self.table.names
        outcomes = [one for one in self.columns.values() if not one.reason and one.named(OUTCOMES)]
        before = [one for one in found if outcomes and order.index(one.name) < order.index(outcomes[0].name)]
        if 1 <= len(before) <= _MOST_GUESSED:
            rest = [one.name for one in found if one not in before]
            self.say(
                "interventions",
                f"columns of few levels before {outcomes[0].name!r}; after it, and left out: {_listed(rest)}",
            )
            return before
        raise InputError(
            f"{self.path}: {len(found)} columns have few levels and could be interventions "
            f"({_listed([one.name for one in found])}); name those that are",
            argument="intervention",
        )

    def find_measured(self) -> None:
        """Outcome, variables, covariates and units among the columns that are left."""
        left = [one for one in self.columns.values() if one.name not in self.used]
        for one in left:
            if one.reason:
                self.say(
                    "variables",
                    f"{one.name!r} is left out: it "
                    f"{one.reason.partition(' holds ')[1].strip() or 'cannot be read:'} "
                    f"{one.reason.partition(' holds ')[2] or one.reason}",
                )
        left = [one for one in left if not one.reason and not one.names_rows]
        self._find_units(left)
        self._find_covariates([one for one in left if one.name not in self.used])
        left = [one for one in left if one.name not in self.used]
        if self.is_anndata:
            self._find_expression()
        else:
            self._find_variables([one for one in left if one.numeric and not one.named(CELLS)])

    def _find_units(self, left: Sequence[Column]) -> None:
        units = [
            one for one in left if one.named(UNITS) and not one.missing and 1 < len(one.texts) < len(one.codes)
        ]
        units.sort(key=lambda one: len(one.texts))
        for one in units[:1]:
            apart = [
                other.name
                for other in left
                if other is not one
                and other.named(frozenset({"plate", "batch", "donor"}))
                and _groups([one, other]) > len(one.texts)
            ]
            if apart:
                self.say(
                    "unit",
                    f"{one.name!r} looks like a unit, but its values come under several of {_listed(apart)}: "
                    f"if these are different units, add a column that names each once, and write it here as "
                    f"unit",
                )
            else:
                self.data["unit"] = one.name
                self.say(
                    "unit",
                    f"rows of one {one.name!r} belong together: by its name"
                    + _else([other.name for other in units[1:]]),
                )
            self.used |= {one.name}
        for one in self.columns.values():
            if one.name not in self.used and not one.reason and (head := one.blocks()):
                self.say(
                    "unit",
                    f"{one.name!r} is another text in every row, such as {one.texts[0]!r}: if rows of one "
                    f"{head!r} belong together, add a column of what stands before the number, and name it "
                    f"here as unit",
                )
                break

    def _find_covariates(self, left: Sequence[Column]) -> None:
        done = self._regimes()
        for one in left:
            if not one.named(COVARIATES) or one.named(DOSES - COVARIATES) or one.name == self.outcome:
                continue
            self.used.add(one.name)
            levels = len(one.levels)
            why = ""
            if one.missing:
                why = f"{one.missing:,} of its cells are missing (row {one.first_missing + 1})"
            elif levels < 2:
                why = "it has one value"
            elif one.numeric and levels > 2 and not one.named(frozenset({"age"})):
                why = (
                    f"its {levels} values are numbers, which would be taken as such: write texts (p1, "
                    f"p2) to "
                    f"make them categories"
                )
            elif levels > 30 and not one.numeric:
                why = f"it has {levels} values"
            else:
                alone = _in_one_group(done, one.codes)
                if alone * 4 > len(np.unique(done)):
                    why = (
                        f"{alone} of {len(np.unique(done))} regimes were run at one value of it only, so "
                        f"little "
                        f"tells it from what was done"
                    )
            if why:
                self.say("covariates", f"{one.name!r} is left out: {why}")
            else:
                self.covariates.append(one.name)
                self.say(
                    "covariates", f"{one.name!r}: by its name; only what was there before treatment may stand here"
                )

    def _regimes(self) -> Ints:
        """The regime of every row, as far as columns tell."""
        columns = [self.columns[name].codes for name in self.telling]
        found: Ints = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        return found

    def _find_variables(self, left: Sequence[Column]) -> None:
        """Columns of numbers: the outcome by its name, all others as variables."""
        whole = [one for one in left if not one.missing and len(one.levels) > 1]
        gaps = [one.name for one in left if one.missing]
        if self.outcome is None:
            named = [one.name for one in whole if one.named(OUTCOMES)]
            if named and len(whole) > 1:
                self.outcome = named[0]
                self.say("data", f"outcome: {named[0]!r}, by its name{_else(named[1:])}")
            texts = [
                one
                for one in self.columns.values()
                if not one.reason and not one.numeric and one.named(OUTCOMES) and one.name not in self.used
            ]
            for one in texts[:1]:
                self.say(
                    "data",
                    f"{one.name!r} may be the outcome, and holds text ({_listed(one.words[:3])}): "
                    f"write "
                    f"numbers, such as 0 and 1, to estimate it",
                )
        elif self.outcome not in [one.name for one in whole]:
            raise InputError(
                f"{self.path}: the outcome {self.outcome!r} is no column of numbers without gaps that "
                f"has "
                f"no other part; name another",
                argument="outcome",
            )
        names = [one.name for one in whole if one.name != self.outcome and one.name not in self.interventions]
        if (
            not names and self.outcome is not None
        ):  # one column of numbers is a variable: its own mean is estimated
            names, self.outcome = [self.outcome], None
            self.say(
                "variables", "the one column of numbers; without an outcome the variables themselves are estimated"
            )
        if gaps:
            self.say("variables", f"left out, for cells are missing: {_listed(gaps)}")
        if len(names) > _MOST_VARIABLES:
            self.say(
                "variables",
                f"the first {_MOST_VARIABLES} of {len(names):,} columns of numbers; "
                f"others: "
                f"{_listed(names[_MOST_VARIABLES:])}",
            )
        elif len(names) > 1:
            self.say("variables", "the columns of numbers that have no other part")
        self.variables = names[:_MOST_VARIABLES]
        if self.outcome is not None:
            self.data["outcome"] = self.outcome

    def _find_expression(self) -> None:
        """Variables of an AnnData: principal components with all genes as outcomes; without any, genes."""
        genes = [name for name in gene_names(self.path) or () if name not in self.interventions]
        obsm, layers = embeddings(self.path)
        counts = next((name for name in ("counts", "raw_counts") if name in layers), None)
        rows = int(np.bincount(self._regimes()).min())
        pca = next((key for key in ("X_pca", "X_scVI", "X_pca_harmony") if key in obsm), None)
        if pca is not None:
            width = max(1, min(_MOST_COMPONENTS, obsm[pca], rows // 5))
            self.data["x"] = f"obsm/{pca}[:{width}]"
            self.say(
                "data",
                f"x, the variables: the first {width} of {obsm[pca]} columns of {pca!r}; the "
                f"smallest "
                f"regime has {rows} rows",
            )
            if genes and self.outcome is None:
                self.data["outcomes"] = "all"
                self.say("data", f"outcomes: all {len(genes):,} genes that are no intervention; or list some")
            elif self.outcome is not None:
                self.data["outcome"] = self.outcome
        elif genes:
            best = _most_varied(self.path, genes, counts)
            self.data["x"] = [f"X:{name}" for name in best]
            self.say(
                "data",
                f"x, the variables: the {len(best)} genes of most variance of {len(genes):,}; "
                f"principal "
                f"components (scanpy's X_pca in obsm) would say more",
            )
            if self.outcome is not None:
                self.data["outcome"] = self.outcome
        if counts is not None or (genes and _are_counts(self.path, genes)):
            if counts is not None:
                self.data["layer"] = counts
            self.data["normalise"] = "log1p_cpm"
            self.say(
                "data",
                f"{'the layer ' + repr(counts) if counts else 'X'} holds counts; normalise makes "
                f"them "
                f"log(1 + counts per million)",
            )

    def written(self, pairs: bool) -> FirstStudy:
        """The file: first without comments, to count its regimes, then with them."""
        plain: dict[str, Any] = {"name": self.path.stem, "interventions": self.interventions}
        if self.variables or "x" in self.interventions:
            plain["variables"] = self.variables or ["density"]
        if self.covariates:
            plain["covariates"] = self.covariates
        plain["factors"] = [_factor(name, [name]) for name in self.interventions]
        plain["train"] = "data"
        plain["test"] = {"order": 1}
        plain["data"] = self.data
        study = self._read("\n".join(_lines(plain, {})))
        sizes = study.sample_sizes()
        assert sizes is not None
        plain["test"] = self._test(study)
        found = _pairs(study)
        if pairs:
            plain["factors"] += [_factor(":".join(pair), list(pair)) for pair in found]
        few, most = int(sizes.min()), int(sizes.max())
        counted = (
            f"{len(sizes):,} regimes in {int(sizes.sum()):,} rows, "
            f"{f'{few:,}' if few == most else f'{few:,} to {most:,}'} "
            f"each"
        )
        self.notes.setdefault("train", []).insert(0, counted)
        if few == 1 and most == 1 and len(sizes) > 1:
            self.say("train", "no regime was run twice: nothing tells the noise of one row")
        self.say(
            "factors",
            "what acts together; one factor an intervention is the strongest assumption: each "
            "acts "
            "separately on the density",
        )
        self.say(
            "factors",
            "no regime has two interventions"
            if not found
            else f"one more for each pair that was run: {len(found):,}"
            if pairs
            else "where two may interact, write sigma: [A, B]; init --pairs does so for every pair that was run: "
            f"{len(found):,}",
        )
        text = "\n".join([*_head(self.path), *_lines(plain, self.notes)]) + "\n"
        return FirstStudy(text, self._read(text), bool(self.variables or "x" in self.data), counted)

    def _read(self, text: str) -> Study:
        try:
            return study_of_text(text, self.folder, str(self.path))
        except RowError:
            raise
        except InputError as error:
            words = str(error)
            raise type(error)(words, error.path, error.argument) from None

    def _test(self, study: Study) -> object:
        """Every regime where these are few, else pairs, else what was run."""
        every = math.prod(study.model.level_counts.tolist())
        if every <= _MOST_ALL:
            self.say("test", f"every combination: {every:,}")
            return "all"
        for order in (2, 1):
            count = sum(space.count for space in study.with_test(f"order:{order}").test)
            if count <= _MOST_TESTED:
                self.say(
                    "test",
                    f"at most {order} off baseline, and what was run: {count:,}; all are {_readable(every)}",
                )
                return {"order": order}
        self.say("test", f"one at a time; all are {_readable(every)}")
        return {"order": 1}


_LABEL_ORDER = {
    name: k
    for k, name in enumerate(("label", "regime", "perturbation", "condition", "guide_identity", "guide_id"))
}


def _pairs(study: Study) -> list[tuple[str, str]]:
    """The pairs of interventions that some training regime has, in order."""
    names = [one.name for one in study.model.interventions]
    found = {pair for regime in study.design.train for pair in combinations([i for i, _ in regime], 2)}
    return [(names[i], names[j]) for i, j in sorted(found)]


def _factor(name: str, sigma: list[str]) -> dict[str, object]:
    return {"name": name, "sigma": sigma}


def _head(path: Path) -> list[str]:
    return comment(
        f"A first study of {path.name}, guessed from its columns: read every line, and change what is not so."
    )


def _lines(plain: dict[str, Any], notes: dict[str, list[str]]) -> Iterator[str]:
    """The file, line by line; notes stand above their keys."""
    for key, value in plain.items():
        if key in ("factors", "interventions"):
            for words in notes.get(key, ()):
                yield from comment(words)
            yield f"{key}:"
            if key == "factors":
                yield from (f"  - {flow(factor)}" for factor in value)
                continue
            for name, levels in value.items():
                for words in notes.get(f"interventions.{name}", ()):
                    yield from comment(words, "  ")
                yield from block(name, levels, "  ")
        else:
            for words in notes.get(key, ()) if key != "data" else (*notes.get("data", ()), *notes.get("unit", ())):
                yield from comment(words)
            if key == "factors":
                continue
            yield from block(key, value)
        if key == "interventions":
            for missing in ("variables", "covariates"):
                if missing not in plain:
                    for words in notes.get(missing, ()):
                        yield from comment(f"{missing}: {words}")


def _relative(path: Path, folder: Path) -> str:
    """The table as the study file names it."""
    if path.is_absolute():
        return str(path)
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path.absolute())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def _else(names: Sequence[str]) -> str:
    return f"; it could also be {_listed(names)}" if names else ""


def _readable(count: int) -> str:
    return f"{count:,}" if count < 10**12 else f"about 10^{int(math.log10(count))}"


def _is_binary(one: Column) -> bool:
    return one.levels == [0, 1]


def _is_whole(one: Column) -> bool:
    return all(isinstance(level, int) for level in one.levels)


def _joined(one: Column) -> bool:
    """Whether some label is others joined by +."""
    known = set(one.words)
    return any(
        "+" in text and all(piece.strip() in known for piece in text.split("+")) for text in one.words
    ) or any(text.endswith(("+ctrl", "+control")) or text.startswith(("ctrl+", "control+")) for text in one.words)


def _groups(columns: Sequence[Column]) -> int:
    return len(np.unique(np.stack([one.codes for one in columns], axis=1), axis=0))


def _in_one_group(regimes: Ints, codes: Ints) -> int:
    """How many regimes have one value of a column only."""
    pairs = np.unique(np.stack([regimes, codes], axis=1), axis=0)
    return int((np.bincount(pairs[:, 0]) == 1).sum())


def _most_varied(path: Path, genes: Sequence[str], layer: str | None) -> list[str]:
    """The genes of most variance among the first of a file, in order of their names in it."""
    some = [f"X:{name}" for name in genes[:2000]]
    table = open_table(path, some, layer)
    spread = [float(pc.variance(table.data.column(name)).as_py() or 0.0) for name in some]
    best = sorted(sorted(range(len(some)), key=lambda i: (-spread[i], i))[:_MOST_VARIABLES])
    return [genes[i] for i in best if spread[i] > 0] or [genes[0]]


def _are_counts(path: Path, genes: Sequence[str]) -> bool:
    """Whether the first genes hold whole numbers, not negative, some above 1."""
    some = [f"X:{name}" for name in genes[:50]]
    table = open_table(path, some)
    values = np.stack([table.data.column(name).to_numpy() for name in some])
    return bool((values >= 0).all() and (values == np.floor(values)).all() and (values > 1).any())
