"""Combinations that were really measured, held back: what was run, what is asked, and what was found there."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.factorials import public_file
from ifm_learn.data.samples import Samples

Cell = tuple[int, ...]
Levels = dict[str, list[Any]]


@dataclass(frozen=True, eq=False)
class Beside:
    """The same question with a covariate: rows of its study, and what of each group the held-back rows are of.

    groups: values of the covariate `by`; shares: of them among the rows of each regime asked about, shape
    (r, groups). measured, noise: of the rows of each group, nan where there are none, and offset: what was taken
    away from its rows, each of shape (r, groups, t).
    """

    study: Study
    table: dict[str, Any]
    by: str
    groups: tuple[str, ...]
    shares: Floats
    measured: Floats
    noise: Floats
    offset: Floats


@dataclass(frozen=True, eq=False)
class Case:
    """Rows of the regimes that were run, and the measured means of those held back.

    measured: shape (r, t) for t variables; noise: its standard errors, 0 where one number was measured.
    adjusted: the question with a covariate, where there is one. rows: those behind numbers that are means, of the
    regimes that were run.
    """

    name: str
    study: Study
    samples: Samples
    asked: Regimes
    measured: Floats
    noise: Floats
    adjusted: Beside | None = None
    rows: Samples | None = None

    def table(self) -> dict[str, Any]:
        """The rows that were run as a table: levels by intervention, numbers by variable, and units."""
        model, samples = self.samples.design.model, self.samples
        codes = samples.design.train.codes()[samples.regime]
        found: dict[str, Any] = {
            one.name: [one.levels[code] for code in codes[:, j]] for j, one in enumerate(model.interventions)
        }
        found |= dict(zip(model.variables, samples.x.T, strict=True))
        return found if samples.unit is None else found | {"unit of rows": samples.unit}


def _case(
    name: str,
    levels: Levels,
    codes: Ints,
    values: Floats,
    held: set[Cell],
    *,
    run: set[Cell] | None = None,
    unit: Ints | None = None,
    scopes: Sequence[Sequence[str]] | None = None,
    beside: tuple[str, NDArray[np.str_], Floats] | None = None,
) -> Case:
    """Rows with level codes (n, d) and values (n, t): `held` is asked, `run` (else the rest) fitted.

    scopes: of the factors, one an intervention by default; every factor holds all variables. beside: a covariate,
    its value in every row, and what was taken away from the row's values for it, (n, t).
    """
    cells = [tuple(row) for row in codes.tolist()]
    kept = sorted(set(cells) - held if run is None else run)
    names = [f"y{k}" for k in range(values.shape[1])] if values.shape[1] > 1 else ["y"]

    def written(cell: Cell) -> dict[str, Any]:
        return {key: own[code] for (key, own), code in zip(levels.items(), cell, strict=True)}

    mapping = {
        "name": name,
        "interventions": levels,
        "variables": names,
        "factors": [{"x": names, "sigma": list(scope)} for scope in scopes or [[one] for one in levels]],
        "train": [written(cell) for cell in kept],
        "test": [written(cell) for cell in sorted(held)],
        **({} if unit is None else {"data": {"file": "rows.csv", "unit": "unit of rows"}}),
    }
    study = Study.from_dict(mapping)
    place = {cell: i for i, cell in enumerate(kept)}
    rows = np.array([i for i, cell in enumerate(cells) if cell in place])
    regime = np.array([place[cells[i]] for i in rows])
    samples = Samples(study.design, regime, values[rows], unit=None if unit is None else unit[rows])
    means, noise = [], []
    of: dict[Cell, list[int]] = {cell: [] for cell in sorted(held)}
    for i, cell in enumerate(cells):
        if cell in of:
            of[cell].append(i)
    for own in map(np.array, of.values()):
        block = values[own]
        if unit is not None:
            block = np.stack([block[unit[own] == u].mean(axis=0) for u in np.unique(unit[own])])
        means.append(values[own].mean(axis=0))
        noise.append(block.std(axis=0, ddof=1) / np.sqrt(len(block)) if len(block) > 1 else 0.0 * block[0])
    case = Case(name, study, samples, next(study.targets()), np.array(means), np.array(noise))
    if beside is None:
        return case
    covariate, group, off = beside
    table = case.table() | dict(zip(names, (values + off)[rows].T, strict=True)) | {covariate: group[rows]}
    groups = tuple(np.unique(group).tolist())
    parts = [[np.array(own)[group[own] == one] for one in groups] for own in of.values()]
    several = [one for row in parts for one in row if len(one) > 1]
    spread = np.sqrt(np.mean([values[one].var(axis=0, ddof=1) for one in several], axis=0))
    nothing = np.full(values.shape[1], np.nan)
    adjusted = Beside(
        Study.from_dict({**mapping, "covariates": [covariate]}),
        table,
        covariate,
        groups,
        np.array([[len(one) for one in row] for row in parts]) / np.array([[len(own)] for own in of.values()]),
        np.array([[values[one].mean(axis=0) if len(one) else nothing for one in row] for row in parts]),
        np.array([[spread / np.sqrt(len(one)) if len(one) else nothing for one in row] for row in parts]),
        np.array([[off[one].mean(axis=0) if len(one) else nothing for one in row] for row in parts]),
    )
    return dataclasses.replace(case, adjusted=adjusted)


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = public_file(name, folder)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; let it be read") from None


def _coded(rows: list[dict[str, str]], columns: Sequence[str], order: dict[str, list[str]]) -> tuple[Levels, Ints]:
    levels: Levels = {name: order.get(name, sorted({row[name] for row in rows})) for name in columns}
    return levels, np.array([[levels[name].index(row[name]) for name in columns] for row in rows])


def icam(folder: Path) -> Iterator[Case]:
    """ICAM-2 with one of three inhibitors (Sachs and others 2005): nine proteins, 300 cells a regime."""
    drugs = {"akt": "aktinhib", "pkc": "g0076", "pip2": "psitect", "mek": "u0126"}
    files: dict[Cell, str] = {(0, 0, 0, 0, 0): "cd3cd28", (1, 0, 0, 0, 0): "cd3cd28_icam2"}
    for k, name in enumerate(drugs.values()):
        single = tuple(int(j == k) for j in range(4))
        files[0, *single] = f"cd3cd28_{name}"
        if name != "u0126":
            files[1, *single] = f"cd3cd28icam2_{'psit' if name == 'psitect' else name}"
    rng, codes, parts = np.random.default_rng(0), list[Cell](), []
    for cell, name in files.items():
        rows = np.array([[float(v) for v in row.values()] for row in _table(folder, f"sachs/{name}.csv")])
        parts.append(np.log(rows[rng.permutation(len(rows))[:300], 2:]))  # Raf and Mek are shared between files
        codes += [cell] * len(parts[-1])
    values = np.concatenate(parts)
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    held = {cell for cell in files if cell[0] and sum(cell) == 2}
    yield _case("icam", {name: [0, 1] for name in ("icam", *drugs)}, np.array(codes), values, held)


def mice(folder: Path, proteins: int = 12) -> Iterator[Case]:
    """Genotype, memantine, context shock: four combinations from the singles, by protein; units are mice."""
    rows = _table(folder, "mice/cortex.csv")
    levels, codes = _coded(
        rows,
        ["Genotype", "Treatment", "Behavior"],
        {"Treatment": ["Saline", "Memantine"], "Behavior": ["S/C", "C/S"]},
    )
    mouse = np.unique([row["MouseID"].split("_")[0] for row in rows], return_inverse=True)[1]
    names = [name for name in rows[0] if name.endswith("_N")]
    whole = [name for name in names if all(row[name] not in ("", "NA") for row in rows)]
    held = {cell for cell in itertools.product((0, 1), repeat=3) if sum(cell) > 1}
    for name in np.random.default_rng(1).permutation(whole)[:proteins].tolist():
        values = np.array([[float(row[name])] for row in rows])
        yield _case(f"mice {name}", levels, codes, values / values.std(), held, unit=mouse)


def hcs(folder: Path) -> Iterator[Case]:
    """Ten pairs and ten triples of drugs from the singles: three components, each plate less its controls.

    Beside it the same components as they were measured, with the plate as a covariate.
    """
    rows = _table(folder, "hcs/wells.csv")
    drugs = [name for name in rows[0] if {row[name] for row in rows} == {"0", "1"}]
    features = [name for name in rows[0] if name not in drugs and name.lower() not in ("plate", "well", "")]
    codes = np.array([[int(row[name]) for name in drugs] for row in rows])
    wells = np.array([[float(row[name]) for name in features] for row in rows])
    control = codes.sum(axis=1) == 0
    plate = np.array([row["plate"] for row in rows])
    plates = np.unique(plate).tolist()
    level = np.zeros_like(wells)
    for one in plates:
        level[plate == one] = wells[(plate == one) & control].mean(axis=0)
    scale = np.maximum((wells - level)[control].std(axis=0), 1e-9)
    wells, level = (wells - level) / scale, level / scale
    _, _, axes = np.linalg.svd(wells - wells.mean(axis=0), full_matrices=False)
    values, off = wells @ axes[:3].T, level @ axes[:3].T
    unit = values[control].std(axis=0)
    values, off = (values - values.mean(axis=0)) / unit, off / unit
    held = {tuple(row) for row in codes[codes.sum(axis=1) > 1].tolist()}
    group = np.array([f"plate {one}" for one in plate])
    yield _case("hcs", {name: [0, 1] for name in drugs}, codes, values, held, beside=("plate", group, off))


def field(folder: Path) -> Iterator[Case]:
    """Rice by date, variety, seedlings, spacing: singles and 10 combinations run, 25 held back; twice."""
    rows = _table(folder, "factorials/chakravertti.factorial.csv")
    levels, codes = _coded(rows, ["date", "gen", "seeds", "spacing"], {})
    values = np.array([[float(row["yield"])] for row in rows])
    cells = sorted({tuple(row) for row in codes.tolist()})
    simple = {cell for cell in cells if sum(code > 0 for code in cell) < 2}
    others = [cell for cell in cells if cell not in simple]
    for seed in range(2):
        order = np.random.default_rng(seed).permutation(len(others))
        run = simple | {others[i] for i in order[:10]}
        yield _case(f"field {seed}", levels, codes, values, {others[i] for i in order[10:35]}, run=run)


def poisons(folder: Path) -> Iterator[Case]:
    """Survival under 3 poisons and 4 treatments, its logarithm: each of six cells held back in turn."""
    rows = _table(folder, "factorials/poisons.csv")
    levels, codes = _coded(rows, ["poison", "treat"], {})
    values = np.log([[float(row["time"])] for row in rows])
    for cell in itertools.product((1, 2), (1, 2, 3)):
        yield _case(f"poisons {cell[0]}{cell[1]}", levels, codes, values, {cell})


def resumes(folder: Path) -> Iterator[Case]:
    """Calls back by ethnicity, gender and quality of an application: four combinations from the singles."""
    rows = _table(folder, "factorials/ResumeNames.csv")
    levels, codes = _coded(
        rows,
        ["ethnicity", "gender", "quality"],
        {"ethnicity": ["cauc", "afam"], "gender": ["female", "male"], "quality": ["low", "high"]},
    )
    values = np.array([[float(row["call"] == "yes")] for row in rows])
    held = {cell for cell in itertools.product((0, 1), repeat=3) if sum(cell) > 1}
    yield _case("resumes", levels, codes, values, held)


def duckweed(folder: Path) -> Iterator[Case]:
    """Growth under mixtures of two herbicides: half and half, from each alone at the same doses."""
    rows = _table(folder, "factorials/acidiq.csv")
    doses = [0.0, 39.0625, 78.125, 156.25, 312.5, 625.0, 1250.0, 2500.0, 5000.0]
    codes, values = [], []
    for row in rows:
        share = {"999": 0.0, "100": 1.0, "50": 0.5, "0": 0.0}.get(row["pct"])
        if share is None:
            continue
        dose = float(row["dose"])
        pair = (dose * share, dose * (1 - share))
        if pair[0] in doses and pair[1] in doses:
            codes.append([doses.index(one) for one in pair])
            values.append([float(row["rgr"])])
    held = {tuple(code) for code in codes if min(code)}
    yield _case("duckweed", {"a": list(doses), "b": list(doses)}, np.array(codes), np.array(values), held)


def genes(folder: Path, share: float = 0.1) -> Iterator[Case]:
    """Growth with two of 112 genes activated: singles and a tenth of the pairs run, the others held back.

    Numbers are means over guides, eight pairs of them for a pair of genes; these are rows for the test of claims.
    """
    rows = _table(folder, "gene-pairs/norman_gamma.csv")
    rows = [row for row in rows if row["id1"] != row["id2"] or row["id1"] == "negative"]
    names = sorted({row[key] for row in rows for key in ("id1", "id2")} - {"negative"})
    number = {name: i for i, name in enumerate(names)}
    codes = np.zeros((len(rows), len(names)), dtype=int)
    for i, row in enumerate(rows):
        codes[i, [number[row[key]] for key in ("id1", "id2") if row[key] in number]] = 1
    pairs = sorted({tuple(code) for code in codes.tolist() if sum(code) == 2})
    order = np.random.default_rng(0).permutation(len(pairs))
    held = {pairs[i] for i in order[round(share * len(pairs)) :]}
    values = np.array([float(row["score"]) for row in rows])
    cells, place, count = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(place, values) / count
    errors = np.sqrt(np.bincount(place, (values - means[place]) ** 2) / (count - 1) / count) / means.std()
    case = _case("genes", {name: [0, 1] for name in names}, cells, means[:, None] / means.std(), held)
    asked = Regimes.from_codes(cells).first_equal(case.asked)
    noise = np.zeros((len(held), 1))
    noise[asked[asked >= 0], 0] = errors[asked >= 0]
    regime = Regimes.from_codes(cells).first_equal(case.samples.design.train)[place]
    guides = Samples(case.samples.design, regime[regime >= 0], values[regime >= 0, None])
    yield dataclasses.replace(case, noise=noise, rows=guides)


FILES = {
    "icam": "sachs/cd3cd28.csv",
    "poisons": "factorials/poisons.csv",
    "resumes": "factorials/ResumeNames.csv",
    "duckweed": "factorials/acidiq.csv",
    "mice": "mice/cortex.csv",
    "hcs": "hcs/wells.csv",
    "field": "factorials/chakravertti.factorial.csv",
    "genes": "gene-pairs/norman_gamma.csv",
}
"""A file of each, to see that it is there."""

SOURCES = {
    "icam": icam,
    "poisons": poisons,
    "resumes": resumes,
    "duckweed": duckweed,
    "mice": mice,
    "hcs": hcs,
    "field": field,
    "genes": genes,
}
"""The data by name; of these the first half chooses rules, the second half reports on them."""

CHOOSING = tuple(SOURCES)[:4]
