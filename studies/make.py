"""Writes the generated study: perturb-seq.yaml with its training labels and test triples (seed fixed).

Run from anywhere: `python studies/make.py [FOLDER]`; without a folder the files beside this one are replaced.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

SEED = 20231210
GENES = 300
INTERACTING = 600
LEFT_OUT = 60
PANEL = 108


def main(folder: Path) -> None:
    """300 perturbations, 600 interacting pairs of which 540 were run, 60 other pairs run as controls.

    Test: all triples of a panel of 108 perturbations, as labels A+B+C.
    """
    rng = np.random.default_rng(SEED)
    genes = [f"g{i + 1:03d}" for i in range(GENES)]
    pairs = list(itertools.combinations(genes, 2))
    drawn = [pairs[i] for i in rng.choice(len(pairs), INTERACTING + LEFT_OUT, replace=False)]
    interacting, controls = drawn[:INTERACTING], drawn[INTERACTING:]
    run = interacting[LEFT_OUT:] + controls
    panel = sorted(genes[i] for i in rng.choice(GENES, PANEL, replace=False))

    lines = [
        "# Written by make.py. A screen of 300 perturbations: every single one was run, and 600 pairs of them.",
        "# 600 pairs may interact: 540 of the pairs that were run, and 60 others. 60 pairs run are controls.",
        "name: combinatorial perturbation screen",
        "interventions:",
        *(f"  {gene}: [0, 1]" for gene in genes),
        "factors:",
        *(f"  - {{name: {gene}, sigma: [{gene}]}}" for gene in genes),
        *(f"  - {{name: {a}-{b}, sigma: [{a}, {b}]}}" for a, b in sorted(interacting)),
        "train: {file: perturb-seq-train.csv, label: perturbation}",
        "test: {file: perturb-seq-triples.parquet, label: perturbation}",
    ]
    (folder / "perturb-seq.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    labels = ["ctrl", *genes, *(f"{a}+{b}" for a, b in sorted(run))]
    (folder / "perturb-seq-train.csv").write_text("\n".join(["perturbation", *labels]) + "\n", encoding="utf-8")
    triples = ["+".join(triple) for triple in itertools.combinations(panel, 3)]
    pa.parquet.write_table(
        pa.table({"perturbation": triples}),
        folder / "perturb-seq-triples.parquet",
        use_dictionary=False,
        column_encoding={"perturbation": "DELTA_BYTE_ARRAY"},
        compression="zstd",
        compression_level=19,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
