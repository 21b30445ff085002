"""Writes the example with data: cells.yaml, cells.csv and the truth, cells-truth.csv (seed fixed).

Run from anywhere: `python studies/make_cells.py [FOLDER]`; without a folder those that come with the package
(`ifm_ident/examples`) are replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ifm_ident import Regimes, load
from ifm_ident.design.notation import format_regimes
from ifm_learn.simulate.gaussian import GaussianIFM
from ifm_learn.simulate.outcome import TanhOutcome

SEED = 2
EFFECT = 0.6
SIZES = [500, 200, 200, 200, 200, 200]

STUDY = """\
# A simulated screen of four perturbations: three measured properties of a cell, and its viability. A and B act on
# the same factor and were run together; B and C act on the same factor and were not. The true means of all 16
# regimes are in cells-truth.csv.
name: simulated screen
interventions:
  A: [0, 1]
  B: [0, 1]
  C: [0, 1]
  D: [0, 1]
variables: [growth, stress, cycle]
factors:
  - {name: f1, x: [growth, stress], sigma: [A, B]}
  - {name: f2, x: [stress, cycle], sigma: [B, C]}
  - {name: f3, x: [cycle, growth], sigma: [D]}
train: [ctrl, A, B, C, D, A+B]
test: all
data: {file: cells.csv, label: perturbation, outcome: viability}
"""


def main(folder: Path) -> None:
    """1,500 cells of a Gaussian model with an outcome tanh(weights·x) + noise, and the means of all 16 regimes."""
    (folder / "cells.yaml").write_text(STUDY, encoding="utf-8")
    study = load(folder / "cells.yaml")
    rng = np.random.default_rng(SEED)
    truth = GaussianIFM.random(study.model, rng, EFFECT)
    outcome = TanhOutcome.random(truth, rng)
    samples = truth.sample(study, SIZES, rng, outcome)
    assert samples.y is not None
    columns = ("perturbation", *study.model.variables, "viability")
    train = format_regimes(study.model, study.design.train, "label").to_pylist()
    rows = np.column_stack([samples.x, samples.y])
    _write(folder / "cells.csv", columns, [train[i] for i in samples.regime], rows, 3)
    every = Regimes.concatenate(list(study.targets()))
    means = np.column_stack([truth.means(every), outcome.means(truth, every)])
    _write(folder / "cells-truth.csv", columns, format_regimes(study.model, every, "label").to_pylist(), means, 5)


def _write(path: Path, columns: tuple[str, ...], labels: list[str], rows: np.ndarray, digits: int) -> None:
    lines = [",".join(columns)]
    lines += [
        ",".join([label, *(f"{value:.{digits}f}" for value in row)])
        for label, row in zip(labels, rows, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "ifm_ident" / "examples"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
