"""Covariates of rows: numbers, and categories one-hot; of a study's rows and of a population (docs/theory/covariates.md)."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ifm_ident import Design, Factor, InputError, Model, Study
from ifm_ident.arrays import Floats, Ints
from ifm_ident.errors import nearest
from ifm_ident.study import DataSpec, RowError, Table, data_regimes, table_of
from ifm_learn.data._unit_columns import unit_ids
from ifm_learn.data.columns import numbers, numeric_columns
from ifm_learn.data.reading import read_samples
from ifm_learn.data.samples import Samples

MOST_GROUPS = 1000
MOST_CATEGORIES = 200


@dataclass(frozen=True)
class Column:
    """How one covariate is written in columns of numbers: as it is, or one 0/1 column for each category but the first.

    categories: () for a number.
    """

    name: str
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many columns of numbers it takes."""
        return len(self.categories) - 1 if self.categories else 1


@dataclass(frozen=True, eq=False)
class Covariates:
    """The covariates of n rows: `values`, shape (n, w), the widths of `columns` one after the other.

    code: of every covariate its value as an index into `texts` of it, shape (n, number of covariates), for groups.
    """

    columns: tuple[Column, ...]
    values: Floats
    tables: tuple[pa.ChunkedArray, ...]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def owner(self) -> Ints:
        """Which covariate every column of `values` is of, shape (w,)."""
        return np.repeat(np.arange(len(self.columns)), [one.width for one in self.columns])

    def names(self) -> list[str]:
        """Of the columns of `values`: `age`, or `plate=b`."""
        return [
            name
            for one in self.columns
            for name in ([f"{one.name}={text}" for text in one.categories[1:]] or [one.name])
        ]

    def groups(self, name: str) -> list[tuple[str, Ints]]:
        """The rows of every value of a covariate, categories in order of name and numbers ascending.

        Raises InputError for another name, and a number of more than 1,000 values.
        """
        known = [one.name for one in self.columns]
        if name not in known:
            raise InputError(f"groups are by a covariate, and {name!r} is none; {nearest(name, known)}", argument="by")
        column = self.columns[known.index(name)]
        if column.categories:
            place = self._category(known.index(name))
            texts = list(column.categories)
        else:
            at = int(np.flatnonzero(self.owner == known.index(name))[0])
            distinct, place = np.unique(self.values[:, at], return_inverse=True)
            texts = [f"{value:g}" for value in distinct.tolist()]
        if len(texts) > MOST_GROUPS:
            raise InputError(
                f"{name!r} has {len(texts):,} values, more than {MOST_GROUPS:,} groups; group by a covariate of "
                "categories, or make one of it",
                argument="by",
            )
        parts = [(text, np.flatnonzero(place == i)) for i, text in enumerate(texts)]
        return [(text, rows) for text, rows in parts if len(rows)]

    def _category(self, k: int) -> Ints:
        mine = self.values[:, self.owner == k]
        return np.where(mine.any(axis=1), mine.argmax(axis=1) + 1, 0)
