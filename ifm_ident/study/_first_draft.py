"""A first study as far as it is guessed, and how guesses are worded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.study._columns import Column
from ifm_ident.study.reading._label_columns import blank_rows
from ifm_ident.study.reading._table import Table

_SHOWN = 8


@dataclass(eq=False)
class Draft:
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
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        rows = np.flatnonzero(~blank_rows(self.table))  # spreadsheets leave some at the end
        self.columns = {name: Column.of(self.table, name, rows) for name in self.table.names}
        self.data["file"] = relative(self.path, self.folder)
        self.is_anndata = self.path.suffix.lower() == ".h5ad"

    def say(self, key: str, words: str) -> None:
        """A comment above a key of the study, such as `variables` or `interventions.A`."""
        self.notes.setdefault(key, []).append(words)

    def require(self, names: Sequence[str]) -> None:
        """InputError for a name that no column has."""
        for name in names:
            self.table.column(name)

    def regimes(self) -> Ints:
        """The regime of every row, as far as columns tell."""
        columns = [self.columns[name].codes for name in self.telling]
        found: Ints = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        return found


def relative(path: Path, folder: Path) -> str:
    """The table as the study file names it."""
    if path.is_absolute():
        return str(path)
    try:
        return os.path.relpath(path, folder)
    except ValueError:  # another drive
        return str(path.absolute())


def listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def it_could_be(names: Sequence[str]) -> str:
    return f"; it could also be {listed(names)}" if names else ""


def groups(columns: Sequence[Column]) -> int:
    return len(np.unique(np.stack([one.codes for one in columns], axis=1), axis=0))
