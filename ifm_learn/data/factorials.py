"""Factorial, dose and field experiments and screens of the literature, each as a study and its table of rows.

The files of experiments are those of the collection Rdatasets; it does not say under which licence the data are.
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
from ifm_ident.study import open_table
from ifm_learn.data._public_designs import SACHS_SHA256
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


def _mouse(table: pa.Table) -> dict[str, Sequence[object]]:
    return {"mouse": [name.split("_")[0] for name in table["MouseID"].to_pylist()]}


def _mice(table: pa.Table) -> dict[str, Any]:
    """Proteins that were measured in every row are variables."""
    proteins = [name for name in table.column_names if name.endswith("_N")]
    whole = [name for name in proteins if not pa.types.is_string(table[name].type)]
    return {
        "interventions": {
            "Genotype": ["Control", "Ts65Dn"],
            "Treatment": ["Saline", "Memantine"],
            "Behavior": ["S/C", "C/S"],
        },
        "variables": whole,
        "factors": _alone("Genotype", "Treatment", "Behavior"),
        "data": {"file": "cortex.csv", "unit": "mouse"},
    }


def _plate(table: pa.Table) -> dict[str, Sequence[object]]:
    return {"plate": [f"plate {number}" for number in table["plate"].to_pylist()]}


def _drugs(table: pa.Table) -> dict[str, Any]:
    """Columns of 0 and 1 are drugs, the others but well and plate are features of the cells."""
    others = [name for name in table.column_names if name not in ("well", "plate")]
    drugs = [name for name in others if set(table[name].to_pylist()) == {0, 1}]
    return {
        "interventions": {name: [0, 1] for name in drugs},
        "variables": [name for name in others if name not in drugs],
        "covariates": ["plate"],
        "factors": _alone(*drugs),
    }


def _activated(table: pa.Table) -> dict[str, Sequence[object]]:
    """The regime of a row as its genes without the negative control, `ctrl` where there is no other."""
    pairs = zip(table["id1"].to_pylist(), table["id2"].to_pylist(), strict=True)
    active = [sorted({*pair} - {"negative"}) for pair in pairs]
    return {"genes": ["+".join(names) or "ctrl" for names in active]}


def _pairs_of_genes(table: pa.Table) -> dict[str, Any]:
    labels = dict.fromkeys(table["genes"].to_pylist())
    genes = sorted({name for label in labels if label != "ctrl" for name in label.split("+")})
    run = ["ctrl", *(label for label in labels if label != "ctrl")]
    return {
        "interventions": {name: [0, 1] for name in genes},
        "variables": ["score"],
        "factors": _alone(*genes),
        "train": run,
        "test": run,
        "data": {"file": "norman_gamma.csv", "label": "genes"},
    }


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


@dataclass(frozen=True)
class _Screen:
    """A file of one folder: where it is on the web (None: nowhere as it is), and how it is read."""

    file: str
    address: str | None
    sha256: str
    mapping: Callable[[pa.Table], Mapping[str, Any]]
    change: Callable[[pa.Table], Mapping[str, Sequence[object]]]
    left_out: Callable[[Mapping[str, str]], bool] = lambda _: False


_SCREENS = {
    "mice": _Screen(
        "mice/cortex.csv",
        "https://raw.githubusercontent.com/haziqj/rec-jrss-reply/91ab8245c0c741e21394b7f6800f012c67180735/"
        "Data_Cortex_Nuclear.csv",
        "4ced18230e965766e080ceaccfa675b0686546fa068a8c15e4bf9ad7508903d5",
        _mice,
        _mouse,
    ),
    "hcs": _Screen(
        "hcs/wells.csv",
        None,
        "501f1e683c44e0ccd646babaa9198a8543134dca21cf1a6fee020febac6b5574",
        _drugs,
        _plate,
    ),
    "norman_gamma": _Screen(
        "gene-pairs/norman_gamma.csv",
        "https://raw.githubusercontent.com/NeptuneBio/NAIAD/340c00ed8bd6da763eb3525cd60a6fd8e705a8e6/"
        "tutorials/data/norman_gamma.csv",
        "25c317f1bf3d8e98a1357418e75017ec36facdb1ab0a31d462be473839ac5b5c",
        _pairs_of_genes,
        _activated,
        lambda row: row["id1"] == row["id2"] != "negative",
    ),
}

SCREENS = tuple(_SCREENS)
"""The names that `load_screen` knows."""


def _remotes() -> dict[str, tuple[Remote, str | None]]:
    """Every file by its path in a folder of public data, and what downloads it (None: nothing)."""
    found: dict[str, tuple[Remote, str | None]] = {}
    for name, source in _SOURCES.items():
        remote = Remote(f"{_ADDRESS}{source.package}/{name}.csv", source.sha256, f"{name}.csv")
        found[f"factorials/{name}.csv"] = (remote, f"load_factorial({name!r}, download=True)")
    for name, screen in _SCREENS.items():
        remote = Remote(screen.address or "", screen.sha256, Path(screen.file).name)
        found[screen.file] = (remote, f"load_screen({name!r}, download=True)" if screen.address else None)
    for name, sha256 in SACHS_SHA256.items():
        found[f"sachs/{name}.csv"] = (Remote("", sha256, f"{name}.csv"), None)
    return found


def public_file(file: str, data_home: str | Path | None = None, *, download: bool = False) -> Path:
    """A file of `load_factorial`, `load_screen` or of Sachs, by its path in the folder; its SHA-256 is right.

    Raises InputError as these do.
    """
    remote, call = _remotes()[file]
    folder = data_folder(data_home) / Path(file).parent
    path = fetch(remote, folder) if download and call else present(remote, folder)
    if path is None:
        first = f"download it with {call}, or name" if call else "nothing downloads it: name"
        raise InputError(
            f"{folder}: there is no {remote.name}; {first} the folder that holds {folder.name}/ by data_home= or "
            f"the environment variable {VARIABLE}"
        )
    return path


def load_screen(
    name: str,
    changes: Mapping[str, object] | None = None,
    *,
    data_home: str | Path | None = None,
    download: bool = False,
) -> PublicStudy:
    """A screen of the literature: its study, with every regime that was run in `train` and `test`, and its rows.

    mice: proteins in the cortex of 72 mice, 15 rows each (doi 10.1371/journal.pone.0129126), genotype x memantine x
    context shock; units are mice, variables the proteins measured in every row. hcs: 347 wells of a high-content
    screen of 20 drugs, singles, ten pairs and ten triples, 146 features of the cells; the plate is a covariate (of
    the repository marastadler/Drug-interactions-HCS, MIT). norman_gamma: growth scores with two of 112 genes
    activated (Norman and others 2019), 4 to 8 guides a pair, with negative controls; rows of a gene twice are left
    out. Licence of mice and norman_gamma: undetermined.

    changes: keys of a study in place of those of the loader, such as `factors`, `train` or `test`.

    Reads mice/cortex.csv, hcs/wells.csv or gene-pairs/norman_gamma.csv of the folder `data_home` (else that of the
    environment variable IFM_DATA, else the user's cache); `download` fetches it, but for hcs, whose file is a sheet
    of the repository as CSV; SHA-256 is checked. Raises InputError where the name is unknown or the file is missing
    or another, MissingExtraError without pooch.

    >>> load_screen("mice", data_home="no-such-folder")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-folder/mice: there is no cortex.csv; download it with load_screen('mice', download=True), or name the folder that holds mice/ by data_home= or the environment variable IFM_DATA
    >>> import os
    >>> if "IFM_DATA" in os.environ:
    ...     found = load_screen("norman_gamma", {"test": ["AHR+ARID1A"]})
    ...     assert found.study.identify().counts()["observed"] == 1
    """  # noqa: E501
    require_known(name, SCREENS, "screen")
    screen = _SCREENS[name]
    raw = open_table(public_file(screen.file, data_home, download=download)).data
    kept = [i for i, row in enumerate(raw.select(raw.column_names[:2]).to_pylist()) if not screen.left_out(row)]
    table = _rows(raw.take(pa.array(kept, pa.int64())), screen.change)
    mapping = {"name": name, **screen.mapping(table), **(changes or {})}
    run = {} if "train" in mapping and "test" in mapping else _run(table, list(mapping["interventions"]))
    return PublicStudy(Study.from_dict({"train": run, "test": run, **mapping}), table)


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
    source = _SOURCES[name]
    path = public_file(f"factorials/{name}.csv", data_home, download=download)
    table = _rows(open_table(path).data, source.change)
    mapping = {"name": name, **source.mapping, **(changes or {})}
    run = _run(table, list(mapping["interventions"]))
    return PublicStudy(Study.from_dict({"train": run, "test": run, **mapping}), table)


def _rows(raw: pa.Table, change: Callable[[pa.Table], Mapping[str, Sequence[object]]]) -> pa.Table:
    """The columns of the file but one that counts rows: numbers as such, some changed or added."""
    table = pa.table({name: _typed(raw[name]) for name in raw.column_names if name != "rownames"})
    added = {name: pa.array(values) for name, values in change(table).items()}
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
