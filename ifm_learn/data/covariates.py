"""Covariates of rows as numbers, categories one-hot: of a study's rows and of a population."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ifm_ident import Design, Factor, InputError, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.errors import nearest
from ifm_ident.study import DataSpec, RowError, Table, data_regimes, gene_names, table_of
from ifm_learn.data.columns import numbers, numeric_columns
from ifm_learn.data.reading import read_samples, without_part
from ifm_learn.data.samples import Samples

MOST_GROUPS, MOST_NUMBERS = 1000, 50
"""Groups by a category, and by a number."""
MOST_CATEGORIES = 500


@dataclass(frozen=True)
class Column:
    """How one covariate is written: a number as it is, else one 0/1 column for each category but the first."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def labels(self) -> list[str]:
        """The names of its columns of numbers.

        >>> Column("age").labels, Column("plate", ("a", "b", "c")).labels
        (['age'], ['plate=b', 'plate=c'])
        """
        return [self.name] if self.categories is None else [f"{self.name}={text}" for text in self.categories[1:]]


@dataclass(frozen=True, eq=False)
class Covariates:
    """The covariates of n rows: `values`, shape (n, w), the `labels` of all `columns` one after the other."""

    columns: tuple[Column, ...]
    values: Floats

    def __len__(self) -> int:
        return len(self.values)

    @property
    def owner(self) -> Ints:
        """Which covariate every column of `values` is of, shape (w,)."""
        return np.repeat(np.arange(len(self.columns)), [len(one.labels) for one in self.columns])

    @property
    def labels(self) -> list[str]:
        """The names of the columns of `values`."""
        return [label for one in self.columns for label in one.labels]

    def take(self, rows: Ints) -> Covariates:
        """The chosen rows."""
        return dataclasses.replace(self, values=self.values[rows])

    def groups(self, name: str) -> list[tuple[str, Ints]]:
        """The rows of every value of a covariate that occurs: categories in order of text, numbers ascending.

        Raises InputError for what is no covariate, and for more than 1,000 categories or 50 numbers.

        >>> found = Covariates((Column("plate", ("a", "b")),), np.array([[0.0], [1.0], [0.0]]))
        >>> [(text, rows.tolist()) for text, rows in found.groups("plate")]
        [('a', [0, 2]), ('b', [1])]
        >>> found.groups("x")
        Traceback (most recent call last):
        ...
        ifm_ident.errors.InputError: groups are by a covariate, and 'x' is none; legal: plate
        """
        names = [one.name for one in self.columns]
        if name not in names:
            raise InputError(
                f"groups are by a covariate, and {name!r} is none; {nearest(name, names)}", argument="by"
            )
        k = names.index(name)
        categories, mine = self.columns[k].categories, self.values[:, self.owner == k]
        if categories is not None:
            place = np.where(mine.any(axis=1), np.argmax(np.pad(mine, ((0, 0), (1, 0))), axis=1), 0)
            texts = list(categories)
        else:
            distinct, place = np.unique(mine[:, 0], return_inverse=True)
            texts = [f"{value:.15g}" for value in distinct.tolist()]
        most = MOST_NUMBERS if categories is None else MOST_GROUPS
        if len(texts) > most:
            kind = "numbers" if categories is None else "categories"
            raise InputError(
                f"{name!r} has {len(texts):,} values, and groups are of {most:,} {kind} at most; make a covariate "
                "of a few categories of it, such as young and old",
                argument="by",
            )
        parts = [(text, np.flatnonzero(place == i)) for i, text in enumerate(texts)]
        return [(text, rows) for text, rows in parts if len(rows)]


def read_covariates(table: Table, names: Sequence[str], kept: Ints) -> Covariates:
    """The columns of a table in the rows `kept`: of numbers as they are, of texts by category.

    Raises InputError for a column that is not there, has one value alone or more than 500 categories, RowError for
    a missing value.

    >>> table = Table("t.csv", pa.table({"age": ["31", "40", ""], "plate": ["b", "a", "b"]}))
    >>> read_covariates(table, ["age", "plate"], np.array([0, 1])).values.tolist()
    [[31.0, 1.0], [40.0, 0.0]]
    >>> read_covariates(table, ["age", "plate"], np.arange(3))
    Traceback (most recent call last):
    ...
    ifm_ident.study.reading._table.RowError: t.csv, row 3: age is missing; fill it in or remove the row
    """
    columns, values = [], []
    for name in names:
        table.column(name)
        if numeric_columns(table, [name]):
            columns.append(Column(name))
            values.append(numbers(table, name, kept)[:, None])
            _require_varying(table, name, values[-1].ravel())
            continue
        texts = _texts(table, name, kept)
        categories, place = np.unique(texts, return_inverse=True)
        _require_varying(table, name, texts)
        if len(categories) > MOST_CATEGORIES:
            raise InputError(
                f"{table.path}: the covariate {name!r} has {len(categories):,} categories (limit "
                f"{MOST_CATEGORIES:,}); if it names units (animals, donors), it is the `unit` of `data`"
            )
        columns.append(Column(name, tuple(categories.tolist())))
        values.append(np.eye(len(categories))[place.ravel()][:, 1:])
    return Covariates(tuple(columns), np.concatenate(values, axis=1))


def read_population(path: Path, columns: Sequence[Column]) -> Covariates:
    """The rows of a file of covariates, written as `columns` are.

    Raises InputError for a file without rows or without a covariate, RowError for a missing value and for a
    category that is in no training row.
    """
    table = table_of(path)
    if not table.row_count:
        raise InputError(f"{path}: the population has no rows; list the covariates of at least one unit")
    rows, values = np.arange(table.row_count), []
    for one in columns:
        try:
            table.column(one.name)
        except InputError as error:
            raise InputError(f"{error} (a population has a column for every covariate)") from None
        if one.categories is None:
            values.append(numbers(table, one.name, rows)[:, None])
            continue
        place = np.empty(len(rows), dtype=np.int64)
        index = {text: i for i, text in enumerate(one.categories)}
        for row, text in enumerate(_texts(table, one.name, rows).tolist()):
            if text not in index:
                raise RowError(
                    path,
                    row,
                    f"{one.name} is {text!r}, which no training row has, so nothing tells what it does; "
                    f"{nearest(text, list(index))}",
                )
            place[row] = index[text]
        values.append(np.eye(len(one.categories))[place][:, 1:])
    return Covariates(tuple(columns), np.concatenate(values, axis=1))


def _require_varying(table: Table, name: str, values: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> None:
    if len(values) > 1 and (values == values[0]).all():
        value = values[0] if isinstance(values[0], str) else f"{values[0]:g}"
        raise InputError(
            f"{table.path}: the covariate {name!r} is {value} in every training row, so there is nothing to "
            "adjust for; leave it out of `covariates`, or add the rows where it differs",
            ("covariates",),
        )


def _texts(table: Table, name: str, kept: Ints) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    found = table.texts(name).take(pa.array(kept)).to_pylist()
    for row, text in zip(kept.tolist(), found, strict=True):
        if text is None or not text.strip():
            raise RowError(table.path, row, f"{name} is missing; fill it in or remove the row")
    return np.array([text.strip() for text in found], dtype=object)


def plain_study(study: Study) -> Study:
    """The same study as if it had no covariates: the same verdicts and exponents."""
    model = study.model
    factors = tuple(Factor(one.name, one.x, one.sigma) for one in model.factors)
    plain = dataclasses.replace(model, factors=factors, covariates=(), randomised=False)
    return dataclasses.replace(study, design=Design(plain, study.design.train))


def read_adjusted(
    study: Study, data: object = None, outcomes: Sequence[str] | Literal["all"] | None = None
) -> tuple[Samples, Covariates]:
    """The rows of a study with covariates: as samples of the study without them, and the covariates beside.

    Raises InputError and RowError as `read_samples` and `read_covariates` do.
    """
    spec = study.data or DataSpec(Path())
    source = spec.file if data is None and study.data is not None else data
    if spec.outcome in study.covariates:
        place = f"{study.path or study.name}: `data`"
        raise InputError(f"{place}: the outcome {spec.outcome!r} is a covariate too; name another", ("data",))
    plain = plain_study(study)
    if source is None:
        return read_samples(plain, data), Covariates((), np.empty((0, 0)))  # says that there is no table
    source = Path(source) if isinstance(source, (str, os.PathLike)) else source
    wanted = (*study.model.variables, *study.covariates, *filter(None, (spec.outcome,)))
    several = spec.outcomes if isinstance(spec.outcomes, tuple) else ()
    genes = gene_names(source) if "all" in (outcomes, spec.outcomes) else None
    if genes is not None:
        outcomes = several = without_part(study, spec, genes, study.covariates)
    table = table_of(source, (*wanted, *several), at=spec.x, layer=spec.layer, normalise=spec.normalise)
    for name in study.covariates:
        try:
            table.column(name)
        except InputError as error:
            raise InputError(f"{error} (every covariate of the study needs a column)") from None
    samples = read_samples(plain, table, outcomes=outcomes, known=study.covariates)
    rows = data_regimes(study.model, table, spec.label, spec.labels)
    kept = rows.rows[rows.regimes.first_equal(study.design.train) >= 0]
    return samples, read_covariates(table, study.covariates, kept)
