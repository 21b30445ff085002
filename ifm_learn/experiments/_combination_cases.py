"""Combinations that were really measured, held back: what was run, what is asked, and what was found there."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ifm_ident import InputError, Regimes, Study
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.fetch import VARIABLE
from ifm_learn.data.samples import Samples

Cell = tuple[int, ...]
Levels = dict[str, list[Any]]


@dataclass(frozen=True, eq=False)
class Case:
    """Rows of the regimes that were run, and the measured means of those held back.

    measured: shape (r, t) for t variables; noise: its standard errors, 0 where one number was measured.
    """

    name: str
    study: Study
    samples: Samples
    asked: Regimes
    measured: Floats
    noise: Floats

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
) -> Case:
    """Rows with level codes (n, d) and values (n, t): `held` is asked, `run` (else the rest) fitted.

    scopes: of the factors, one an intervention by default; every factor holds all variables.
    """
    cells = [tuple(row) for row in codes.tolist()]
    kept = sorted(set(cells) - held if run is None else run)
    names = [f"y{k}" for k in range(values.shape[1])] if values.shape[1] > 1 else ["y"]

    def written(cell: Cell) -> dict[str, Any]:
        return {key: own[code] for (key, own), code in zip(levels.items(), cell, strict=True)}

    study = Study.from_dict(
        {
            "name": name,
            "interventions": levels,
            "variables": names,
            "factors": [{"x": names, "sigma": list(scope)} for scope in scopes or [[one] for one in levels]],
            "train": [written(cell) for cell in kept],
            "test": [written(cell) for cell in sorted(held)],
            **({} if unit is None else {"data": {"file": "rows.csv", "unit": "unit of rows"}}),
        }
    )
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
    return Case(name, study, samples, next(study.targets()), np.array(means), np.array(noise))


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    path = folder / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}; the folder named, or that of the variable {VARIABLE}, has to hold {name}"
        ) from None


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
    """Ten pairs and ten triples of drugs from the singles: three components, each plate less its controls."""
    rows = _table(folder, "hcs/wells.csv")
    drugs = [name for name in rows[0] if {row[name] for row in rows} == {"0", "1"}]
    features = [name for name in rows[0] if name not in drugs and name.lower() not in ("plate", "well", "")]
    codes = np.array([[int(row[name]) for name in drugs] for row in rows])
    wells = np.array([[float(row[name]) for name in features] for row in rows])
    control = codes.sum(axis=1) == 0
    plate = np.array([row["plate"] for row in rows])
    for one in np.unique(plate):
        wells[plate == one] -= wells[(plate == one) & control].mean(axis=0)
    wells /= np.maximum(wells[control].std(axis=0), 1e-9)
    left, size, _ = np.linalg.svd(wells - wells.mean(axis=0), full_matrices=False)
    values = (left * size)[:, :3]
    values /= values[control].std(axis=0)
    held = {tuple(row) for row in codes[codes.sum(axis=1) > 1].tolist()}
    yield _case("hcs", {name: [0, 1] for name in drugs}, codes, values, held)


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

    One number a pair was measured, so there are no rows within regimes.
    """
    rows = _table(folder, "gene-pairs/norman_gamma.csv")
    score = {(row["id1"], row["id2"]): float(row["score"]) for row in rows}
    names = sorted({one for pair in score for one in pair} - {"negative"})
    number = {name: i for i, name in enumerate(names)}
    cells: dict[Cell, float] = {}
    for (one, other), value in score.items():
        if one != other or one == "negative":
            active = {number[name] for name in (one, other) if name in number}
            cells.setdefault(tuple(int(i in active) for i in range(len(names))), value)
    pairs = sorted(cell for cell in cells if sum(cell) == 2)
    order = np.random.default_rng(0).permutation(len(pairs))
    most = round(share * len(pairs))
    held = {pairs[i] for i in order[most:]}
    codes, values = np.array(list(cells)), np.array(list(cells.values()))[:, None]
    yield _case("genes", {name: [0, 1] for name in names}, codes, values / values.std(), held)


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
