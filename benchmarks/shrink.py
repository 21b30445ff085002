"""Does `--shrink` help? Combinations held back, estimated with and without, on data that did not choose its rule.

IFM_DATA=folder python benchmarks/shrink.py [tune|report]   (minutes; a folder with the project's data)

`tune`: poisons and the ICAM-2 pairs of Sachs et al.; by these the rule was chosen among two. `report`: mice, a
high-content screen, a field experiment and simulated truths. Results: shrink.md.
"""

from __future__ import annotations

import copy
import csv
import itertools
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from ifm_ident import Identifier, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.held import held_out
from ifm_learn.data.samples import Samples
from ifm_learn.estimation._ladder_work import LadderWork
from ifm_learn.estimation.shrinkage import SIMPLER, _simple, chosen, record, shrink_columns
from ifm_learn.ladder.rungs import AUTO

LEVEL = Fraction(1, 10)
FOLDER = Path(os.environ.get("IFM_DATA", "."))


@dataclass(frozen=True, eq=False)
class Case:
    """Rows of the training regimes; true or measured means of others, shape (r, t), with errors of these."""

    group: str
    samples: Samples
    asked: object
    means: Floats
    noise: Floats


def case(
    group: str, levels: dict[str, list[object]], codes: Floats, values: Floats, held: set[tuple[int, ...]],
    unit: Floats | None = None, run: set[tuple[int, ...]] | None = None,
) -> Case:  # fmt: skip
    """Rows with level codes (n, d): `held` regimes are asked about, `run` (else the rest) fitted."""
    cells = [tuple(row) for row in codes.tolist()]
    kept = sorted(set(cells) - held if run is None else run)
    names = [f"x{k}" for k in range(values.shape[1])]
    study = Study.from_dict(
        {
            "interventions": levels,
            "variables": names,
            "factors": [{"x": names, "sigma": [name]} for name in levels],
            "train": [dict(zip(levels, _named(levels, cell), strict=True)) for cell in kept],
            "test": [dict(zip(levels, _named(levels, cell), strict=True)) for cell in sorted(held)],
        }
    )
    place = {cell: i for i, cell in enumerate(kept)}
    rows = np.array([i for i, cell in enumerate(cells) if cell in place])
    regime = np.array([place[cells[i]] for i in rows])
    samples = Samples(study.design, regime, values[rows], unit=None if unit is None else unit[rows])
    means, noise = [], []
    for cell in sorted(held):
        own = np.array([i for i, one in enumerate(cells) if one == cell])
        block = values[own]
        if unit is not None:
            block = np.stack([block[unit[own] == u].mean(axis=0) for u in np.unique(unit[own])])
        means.append(values[own].mean(axis=0))
        noise.append(block.std(axis=0, ddof=1) / np.sqrt(len(block)))
    return Case(group, samples, next(study.targets()), np.array(means), np.array(noise))


def _named(levels: dict[str, list[object]], cell: tuple[int, ...]) -> list[object]:
    return [own[code] for own, code in zip(levels.values(), cell, strict=True)]


def table(path: str) -> list[dict[str, str]]:
    with (FOLDER / path).open(encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def coded(rows: list[dict[str, str]], columns: list[str]) -> tuple[dict[str, list[object]], Floats]:
    levels = {name: sorted({row[name] for row in rows}) for name in columns}
    return levels, np.array([[levels[name].index(row[name]) for name in columns] for row in rows])


def poisons() -> Iterator[Case]:
    """Every cell with two active levels held back in turn, all others run; log time."""
    rows = table("factorials/poisons.csv")
    levels, codes = coded(rows, ["poison", "treat"])
    values = np.log([[float(row["time"])] for row in rows])
    for i, j in itertools.product((1, 2), (1, 2, 3)):
        yield case("poisons", levels, codes, values, {(i, j)})


def icam() -> Iterator[Case]:
    """Each measured pair of ICAM-2 and an inhibitor held back in turn; 9 variables (no Raf, no Mek), 300 cells."""
    drugs = {"akt": "aktinhib", "pkc": "g0076", "pip2": "psitect", "mek": "u0126"}
    files = {(0, 0, 0, 0, 0): "cd3cd28", (1, 0, 0, 0, 0): "cd3cd28_icam2"}
    for k, name in enumerate(drugs.values()):
        single = tuple(int(j == k) for j in range(4))
        files[0, *single] = f"cd3cd28_{name}"
        if name != "u0126":
            files[1, *single] = f"cd3cd28icam2_{'psit' if name == 'psitect' else name}"
    rng, codes, values = np.random.default_rng(0), [], []
    for cell, name in files.items():
        rows = np.loadtxt(FOLDER / f"sachs/{name}.csv", delimiter=",", skiprows=1)[:, 2:]
        rows = np.log(rows[rng.permutation(len(rows))[:300]])
        values.append(rows)
        codes += [cell] * len(rows)
    levels = {name: [0, 1] for name in ("icam", *drugs)}
    scale = np.concatenate(values)
    for cell in files:
        if cell[0] and sum(cell) == 2:
            yield case("icam", levels, np.array(codes), (scale - scale.mean(axis=0)) / scale.std(axis=0), {cell})


def mice(proteins: int = 6) -> Iterator[Case]:
    """One protein at a time, the other seven cells of 2 x 2 x 2 run; units are mice."""
    rows = table("mice/cortex.csv")
    levels, codes = coded(rows, ["Genotype", "Treatment", "Behavior"])
    levels |= {name: levels[name][::-1] for name in ("Treatment", "Behavior")}  # saline, shock before context
    codes[:, 1:] = 1 - codes[:, 1:]
    mouse = np.unique([row["MouseID"].split("_")[0] for row in rows], return_inverse=True)[1]
    names = [name for name in rows[0] if name.endswith("_N")]
    whole = [name for name in names if all(row[name] not in ("", "NA") for row in rows)]
    for name in np.random.default_rng(1).permutation(whole)[:proteins]:
        values = np.array([[float(row[name])] for row in rows])
        for cell in ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)):
            yield case("mice", levels, codes, values / values.std(), {cell}, unit=mouse)


def hcs() -> Iterator[Case]:
    """Three principal components; half of the ten pairs run, the others and the triples held back; twice."""
    rows = table("hcs/wells.csv")
    drugs = [name for name in rows[0] if {row[name] for row in rows} == {"0", "1"}]
    features = [name for name in rows[0] if name not in drugs and name.lower() not in ("plate", "well", "")]
    codes = np.array([[int(row[name]) for name in drugs] for row in rows])
    wells = np.array([[float(row[name]) for name in features] for row in rows])
    control = codes.sum(axis=1) == 0
    wells = (wells - wells[control].mean(axis=0)) / np.maximum(wells[control].std(axis=0), 1e-9)
    parts = np.linalg.svd(wells - wells.mean(axis=0), full_matrices=False)
    values = (parts[0] * parts[1])[:, :3]
    values /= values[control].std(axis=0)
    cells = sorted({tuple(row) for row in codes.tolist()})
    pairs, triples = ([cell for cell in cells if sum(cell) == k] for k in (2, 3))
    order = np.random.default_rng(2).permutation(len(pairs))
    for half in (order[:5], order[5:]):
        held = {pairs[i] for i in half} | set(triples)
        yield case("hcs", {name: [0, 1] for name in drugs}, codes, values, held)


def field(repeats: int = 2) -> Iterator[Case]:
    """Date x variety x seeds x spacing: baseline, singles and 10 combinations run, 25 others held back."""
    rows = table("factorials/chakravertti.factorial.csv")
    levels, codes = coded(rows, ["date", "gen", "seeds", "spacing"])
    values = np.array([[float(row["yield"])] for row in rows])
    cells = sorted({tuple(row) for row in codes.tolist()})
    simple = {cell for cell in cells if sum(code > 0 for code in cell) < 2}
    others = [cell for cell in cells if cell not in simple]
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(others))
        held = {others[i] for i in order[10:35]}
        run = simple | {others[i] for i in order[:10]}
        yield case("field", levels, codes, values, held, run=run)


def truths(repeats: int = 6, n: int = 30) -> Iterator[Case]:
    """Three interventions, pairs A+B and A+C run, B+C and A+B+C asked. Factors hold in all but `strongest`.

    tilts: density tilts x, -0.4 x^2 and a bounded one; shifts: a normal law that moves; small: the same by a
    quarter; strongest: a combination moves like its strongest single.
    """
    grid = np.linspace(-8, 8, 4001)
    run = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1)]
    asked = [(0, 1, 1), (1, 1, 1)]
    for kind in ("tilts", "shifts", "small", "strongest"):
        slopes = {"shifts": (1.0, -0.7, 0.5), "small": (0.25, -0.2, 0.15), "strongest": (0.8, 1.0, 1.2)}
        for seed in range(repeats):
            rng = np.random.default_rng([7, seed])
            values, codes, means = [], [], {}
            for cell in (*run, *asked):
                tilt = cell[0] * grid - 0.4 * cell[1] * grid**2 + 1.2 * cell[2] * np.tanh(grid)
                if kind != "tilts":
                    moves = np.array(slopes[kind]) * cell
                    tilt = grid * (moves.max() if kind == "strongest" else moves.sum())
                law = np.exp(tilt - grid**2 / 2)
                law = np.cumsum(law) / law.sum()
                means[cell] = float(grid @ np.diff(law, prepend=0))
                values.append(np.interp(rng.random(n), law, grid)[:, None])
                codes += [cell] * n
            levels = {name: [0, 1] for name in "ABC"}
            made = case(kind, levels, np.array(codes), np.concatenate(values), set(asked))
            true = np.array([[means[cell]] for cell in sorted(asked)])
            yield Case(kind, made.samples, made.asked, true, np.zeros_like(true))


def scored(one: Case, found: dict[str, list[tuple[Floats, Floats]]], strengths: list[float]) -> None:
    """Errors in sd and whether intervals hold, by way of estimating."""
    work = LadderWork.fit(held_out(one.samples, 0, 0), "ifm1", AUTO, LEVEL, 0)
    known = Identifier(one.samples.design).identify(one.asked)
    columns = work.columns(known)
    left_out = record(one.samples, "ifm1", AUTO, seed=0)
    spread = left_out.spread

    def add(way: str, mean: Floats, low: Floats, high: Floats) -> None:
        # a measured mean errs too: half widths and its own error in squares
        margin = np.where(one.means < mean, mean - low, high - mean)
        inside = np.abs(one.means - mean) <= np.hypot(margin, 1.645 * one.noise)
        found[way].append((((mean - one.means) / spread).ravel(), np.where(np.isnan(low), np.nan, inside).ravel()))

    add("formula", columns.mean, columns.confidence_low, columns.confidence_high)
    for way, cautious in (("least error", False), ("one standard error", True)):
        own, how = copy.deepcopy(columns), chosen(left_out, cautious=cautious)
        shrink_columns(how, own, known, one.samples, LEVEL)
        add(way, own.mean, own.confidence_low, own.confidence_high)
        if not cautious:
            strengths.append(how.strength)
    for name in SIMPLER:
        mean, error = _simple(name, one.samples, one.asked)
        add(name, mean, mean - 1.645 * error, mean + 1.645 * error)


def _share(inside: Floats) -> str:
    known = inside[~np.isnan(inside)]
    return f"{known.mean():.2f}" if len(known) else "none"


def main(which: list[str]) -> None:
    sets = {"tune": (poisons, icam), "report": (truths, hcs, field, mice)}
    print("| data | estimate | RMSE, sd | median error, sd | 90% intervals hold | without an interval |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in which:
        for source in sets[name]:
            began, results = time.perf_counter(), defaultdict(lambda: defaultdict(list))
            strengths = defaultdict(list)
            for one in source():
                scored(one, results[one.group], strengths[one.group])
            for group, ways in results.items():
                for way, parts in ways.items():
                    errors, inside = (np.concatenate(part) for part in zip(*parts, strict=True))
                    print(
                        f"| {group} | {way} | {np.sqrt(np.nanmean(errors**2)):.3f} | "
                        f"{np.nanmedian(np.abs(errors)):.3f} | {_share(inside)} of {len(inside)} | "
                        f"{np.isnan(inside).sum()} |"
                    )
                shown = " ".join(f"{value:.2f}" for value in strengths[group])
                took = time.perf_counter() - began
                print(f"<!-- {group}: strengths of least error {shown}; {took:.0f} s -->", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["tune", "report"])
