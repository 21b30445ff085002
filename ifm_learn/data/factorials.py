"""Factorial, dose and field experiments of the literature, each as a study and its table of rows.

The files are those of the collection Rdatasets; it does not say under which licence the data themselves are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa

from ifm_ident import InputError, Study
from ifm_ident.errors import require_known
from ifm_ident.study import Table, open_table
from ifm_learn.data.fetch import VARIABLE, Remote, data_folder, fetch, present

_ADDRESS = (
    "https://raw.githubusercontent.com/vincentarelbundock/Rdatasets/1dcc2bf5f955cc1224a3e1307256e1fe86b68dae/csv/"
)

_WANTED_BY = (
    "city",
    "equal",
    "wanted",
    "requirements",
    "reqexp",
    "reqcomm",
    "reqeduc",
    "reqcomp",
    "reqorg",
    "industry",
)
_DOSE = {"levels": [0], "basis": {"hill": {"ec50": 400, "n": 2}}}


@dataclass(frozen=True)
class PublicStudy:
    """A study of the literature and its rows: `estimate_study(found.study, found.table)`."""

    study: Study
    table: pa.Table


@dataclass(frozen=True)
class _Source:
    """Where a file is, what it is in the words of a study, and how its columns become those of the study."""

    package: str
    sha256: str
    mapping: Mapping[str, Any]
    change: Callable[[pa.Table], Mapping[str, Sequence[object]]] = lambda _: {}


def _amounts(table: pa.Table) -> dict[str, Sequence[object]]:
    """The dose of each substance of a mixture: `pct` percent of the dose is a, the rest b; 999 is the control."""
    parts = []
    for dose, percent in zip(table["dose"].to_pylist(), table["pct"].to_pylist(), strict=True):
        share = Fraction(0 if percent == 999 else percent) / 100
        parts.append((float(Fraction(dose) * share), float(Fraction(dose) * (1 - share))))
    return {"a": [a for a, _ in parts], "b": [b for _, b in parts]}


def _called(table: pa.Table) -> dict[str, Sequence[object]]:
    return {"call": [int(word == "yes") for word in table["call"].to_pylist()]}


def _named_blocks(table: pa.Table) -> dict[str, Sequence[object]]:
    return {"block": [f"block {number}" for number in table["block"].to_pylist()]}


def _alone(*names: str) -> list[dict[str, list[str]]]:
    return [{"sigma": [name]} for name in names]


def _pairs(*names: str, **more: list[str]) -> list[dict[str, list[str]]]:
    return [{"sigma": [one, other], **more} for i, one in enumerate(names) for other in names[i + 1 :]]


_SOURCES = {
    "poisons": _Source(
        "boot",
        "eb13089828399a0739e711a79200c9192e573fe7f169faa2aee4aa41ec89c757",
        {
            "interventions": {"poison": [1, 2, 3], "treat": ["A", "B", "C", "D"]},
            "variables": ["time"],
            "factors": _alone("poison", "treat"),
        },
    ),
    "npk": _Source(
        "datasets",
        "3c4868538ce56fc2da8e46ad255db57419b5789df2b0599d54d0cb213d1fef81",
        {
            "interventions": {"N": [0, 1], "P": [0, 1], "K": [0, 1]},
            "variables": ["yield"],
            "covariates": ["block"],
            "factors": _pairs("N", "P", "K"),
        },
        _named_blocks,
    ),
    "ToothGrowth": _Source(
        "datasets",
        "b35e084a98731429169eb9b216c9b904e8b9ea127707b741bb8fc146354c26fe",
        {
            "interventions": {
                "supp": ["VC", "OJ"],
                "dose": {"levels": [0.5, 1, 2], "coordinate": {0.5: -1, 1: 0, 2: 1}, "basis": {"poly": 1}},
            },
            "variables": ["len"],
            "factors": [{"sigma": ["supp", "dose"]}],
        },
    ),
    "chakravertti.factorial": _Source(
        "agridat",
        "a70eb5c5a1c8b6546fb714b92fe96e4b8fe9ad6afddef35c157f02ce18a2d32e",
        {
            "interventions": {
                "date": ["J16", "A01", "A16", "S01", "S16"],
                "gen": ["Nehara", "Bhasamanik", "Bhasakalma"],
                "seeds": ["1", "2", "local"],
                "spacing": [6, 9, 12],
            },
            "variables": ["yield"],
            "factors": _pairs("date", "gen", "seeds", "spacing"),
        },
    ),
    "ResumeNames": _Source(
        "AER",
        "9ece4fea6e77a3fa7ed8737ced8b02250b6b768d9cd15be26360e00a4c29e1aa",
        {
            "interventions": {
                "ethnicity": ["cauc", "afam"],
                "gender": ["female", "male"],
                "quality": ["low", "high"],
            },
            "variables": ["call"],
            "covariates": list(_WANTED_BY),
            "factors": _pairs("ethnicity", "gender", "quality"),
        },
        _called,
    ),
    "acidiq": _Source(
        "drc",
        "51fde671a3f43368e71c5069a2f9b1fe41aca775751f4ca2b9a37c525004d28d",
        {
            "interventions": {"a": _DOSE, "b": _DOSE},
            "variables": ["rgr"],
            "factors": [{"sigma": ["a", "b"]}],
        },
        _amounts,
    ),
}  # fmt: skip

FACTORIALS = tuple(_SOURCES)
"""The names that `load_factorial` knows."""


def load_factorial(
    name: str,
    changes: Mapping[str, object] | None = None,
    *,
    data_home: str | Path | None = None,
    download: bool = False,
) -> PublicStudy:
    """An experiment of the literature: its study, with every regime that was run in `train` and `test`, and its rows.

    poisons: survival times of Box and Cox (1964), 3 poisons x 4 treatments x 4 animals. npk: yield of peas, 2^3 in
    six blocks (covariate). ToothGrowth: 2 supplements x 3 doses x 10 guinea pigs; the logarithm of the dose has a
    basis. chakravertti.factorial: rice, date x variety x seedlings x spacing, 135 cells in 3 blocks. ResumeNames:
    4,870 applications of Bertrand and Mullainathan (2004), names and quality varied, `call` 0 or 1; covariates are
    what the job's advertisement says. acidiq: growth of duckweed under mixtures of two herbicides, doses `a` and
    `b` of each with a Hill basis. Licence of the data: undetermined.

    changes: keys of a study in place of those of the loader, such as `factors`, `train` or `test`.

    Reads factorials/NAME.csv of the folder `data_home` (else that of the environment variable IFM_DATA, else the
    user's cache); `download` fetches it (SHA-256 checked). Raises InputError where the name is unknown or the file
    is missing or another, MissingExtraError without pooch.

    >>> load_factorial("npk", data_home="no-such-folder")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-folder/factorials: there is no npk.csv; download it with load_factorial('npk', download=True), or name the folder that holds factorials/ by data_home= or the environment variable IFM_DATA
    """  # noqa: E501
    require_known(name, FACTORIALS, "experiment")
    source, folder = _SOURCES[name], data_folder(data_home) / "factorials"
    remote = Remote(f"{_ADDRESS}{source.package}/{name}.csv", source.sha256, f"{name}.csv")
    path = fetch(remote, folder) if download else present(remote, folder)
    if path is None:
        raise InputError(
            f"{folder}: there is no {name}.csv; download it with load_factorial({name!r}, download=True), or name "
            f"the folder that holds factorials/ by data_home= or the environment variable {VARIABLE}"
        )
    table = _rows(open_table(path), source)
    mapping = {"name": name, **source.mapping, **(changes or {})}
    run = _run(table, list(mapping["interventions"]))
    return PublicStudy(Study.from_dict({"train": run, "test": run, **mapping}), table)


def _rows(found: Table, source: _Source) -> pa.Table:
    """The columns of the file but the first, which counts rows: numbers as such, some changed or added."""
    raw = found.data.drop_columns(["rownames"])
    table = pa.table({name: _typed(raw[name]) for name in raw.column_names})
    added = {name: pa.array(values) for name, values in source.change(table).items()}
    return pa.table({**{name: table[name] for name in table.column_names}, **added})


def _typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    for kind in (pa.int64(), pa.float64()):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _run(table: pa.Table, names: list[str]) -> list[dict[str, object]]:
    """The distinct regimes of the rows, in order of first appearance."""
    rows = dict.fromkeys(zip(*(table[name].to_pylist() for name in names), strict=True))
    return [dict(zip(names, row, strict=True)) for row in rows]
