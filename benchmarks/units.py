"""How often `ifm falsify` rejects true models where rows belong together: animals simulated, and real mice.

Run `IFM_DATA=FOLDER python benchmarks/units.py -o benchmarks` (about six minutes on one core): a Markdown table
on standard output, also written to `units.md`. Simulated: 10 animals a regime, 20 rows an animal, intra-class
correlation 0.3, two variables, training regimes ctrl, A, B, A+B with shifts that add up: the one claim is true.
Mice: the cortex proteins of FOLDER/mice/cortex.csv (72 mice, 15 rows each), two proteins drawn at random, whole
mice assigned at random to the four regimes: no claim about them can be false. Every study is tested as it is, and
as if its rows were independent. Without the folder the mice are left out.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ifm_ident import Study
from ifm_ident.arrays import Floats
from ifm_learn import Samples, falsify

LEVEL = "0.05"


def design_of(variables: list[str]) -> Study:
    """Two interventions, each in a factor of its own over all variables; all four regimes run."""
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "variables": variables,
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["ctrl", "A", "B", "A+B"],
        }
    )


def animals(seed: int, count: int = 10, rows: int = 20, icc: float = 0.3) -> Samples:
    """Animals of their own in each regime; A and B shift the first variable by 0.5 and -0.5."""
    rng = np.random.default_rng([71, seed])
    mean = np.array([[0.0, 0.0], [0.5, 0.0], [-0.5, 0.0], [0.0, 0.0]])
    regime = np.repeat(np.arange(4), count * rows)
    unit = np.repeat(np.arange(4 * count), rows)
    x = mean[regime] + np.sqrt(icc) * rng.normal(size=(4 * count, 2))[unit]
    x += np.sqrt(1 - icc) * rng.normal(size=x.shape)
    return Samples(design_of(["x0", "x1"]).design, regime, x, unit=unit)


def mice_of(folder: Path) -> tuple[list[str], Floats]:
    """The mouse of every row, and the proteins that have no gaps, standardised."""
    with open(folder / "mice" / "cortex.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name.endswith("_N") and all(row[name] for row in rows)]
    x = np.array([[float(row[name]) for name in names] for row in rows])
    return [row["MouseID"].rpartition("_")[0] for row in rows], (x - x.mean(axis=0)) / x.std(axis=0)


def placebo(seed: int, mouse: list[str], x: Floats) -> Samples:
    """Two proteins, whole mice assigned to regimes at random, in equal numbers."""
    rng = np.random.default_rng([72, seed])
    _, unit = np.unique(mouse, return_inverse=True)
    given = rng.permutation(int(unit.max()) + 1) % 4
    columns = rng.choice(x.shape[1], 2, replace=False)
    return Samples(design_of(["u", "v"]).design, given[unit], x[:, columns], unit=unit.astype(np.int64))


def rejected(samples: Samples) -> tuple[list[bool], bool]:
    """Of the units whether each test alone rejects, and whether the corrected two do, at the level."""
    found = falsify(samples, LEVEL)
    alone = [finding.evidence.p_value <= float(LEVEL) for finding in found.findings]
    return alone, bool(found.rejected)


def line(name: str, studies: Iterator[Samples]) -> str:
    """A row of the table."""
    alone, whole = [], []
    for samples in studies:
        one, both = rejected(samples)
        alone.append(one)
        whole.append(both)
    n, rate = len(whole), float(np.mean(whole))
    each = " / ".join(f"{100 * share:.1f}%" for share in np.mean(alone, axis=0))
    error = 100 * np.sqrt(rate * (1 - rate) / n)
    return f"| {name} | {n} | {each} | {100 * rate:.1f}% ({error:.1f}) |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400, help="of each kind")
    parser.add_argument("-o", "--output", type=Path, help="a folder for units.md")
    asked = parser.parse_args()
    began = time.perf_counter()
    kinds: list[tuple[str, list[Samples]]] = [
        ("10 animals x 20 rows, ICC 0.3", [animals(s) for s in range(asked.studies)])
    ]
    folder = Path(os.environ.get("IFM_DATA", "data"))
    if (folder / "mice" / "cortex.csv").exists():
        mouse, x = mice_of(folder)
        kinds.append(("72 mice x 15 rows, regimes drawn", [placebo(s, mouse, x) for s in range(asked.studies)]))
    lines = [
        f"Rejected at {LEVEL} though true (standard error in brackets).",
        "",
        "| data | studies | score / energy test alone | both, Holm |",
        "| --- | --- | --- | --- |",
    ]
    for name, studies in kinds:
        lines.append(line(f"{name}, by unit", iter(studies)))
        lines.append(line(f"{name}, by row", (replace(s, unit=None) for s in studies[: len(studies) // 4])))
    lines += ["", f"{time.perf_counter() - began:.0f} s, `python benchmarks/units.py --studies {asked.studies}`."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if asked.output:
        (asked.output / "units.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
