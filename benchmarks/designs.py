"""The designs that are timed: screens of single and paired perturbations, asked about larger combinations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regimes import Regimes

SEED = 7


def screen(interventions: int, pairs: int) -> Design:
    """A factor for every intervention and every interacting pair; baseline, singles and those pairs were run.

    1 + interventions + pairs training regimes in random order and as many unknowns, full rank.
    """
    rng = np.random.default_rng(SEED)
    names = [f"g{i:04d}" for i in range(interventions)]
    linked = _pairs(rng, interventions, pairs)
    model = Model(
        tuple(Intervention(name, (0, 1)) for name in names),
        ("x",),
        (
            *(Factor(f"f{i}", ("x",), (name,)) for i, name in enumerate(names)),
            *(Factor(f"f{i}-{j}", ("x",), (names[i], names[j])) for i, j in linked),
        ),
    )
    run = [(), *(((i, 1),) for i in range(interventions)), *(((i, 1), (j, 1)) for i, j in linked)]
    return Design(model, Regimes.from_active((run[i] for i in rng.permutation(len(run))), interventions))


def _pairs(rng: np.random.Generator, width: int, count: int) -> list[tuple[int, int]]:
    """Distinct pairs, ascending; of many interventions without a list of all pairs."""
    if width < 5000:
        first, second = np.triu_indices(width, 1)
        chosen = np.sort(rng.choice(len(first), count, replace=False))
        return list(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))
    found: set[tuple[int, int]] = set()
    while len(found) < count:
        drawn = np.sort(rng.integers(0, width, (count, 2)), axis=1)
        found.update((i, j) for i, j in drawn.tolist() if i < j)
    pairs = sorted(found)
    return [pairs[k] for k in np.sort(rng.choice(len(pairs), count, replace=False)).tolist()]


def combinations(design: Design, count: int, active: int, seed: int = SEED) -> Regimes:
    """`count` regimes of exactly `active` perturbations each, drawn at random."""
    rng = np.random.default_rng(seed)
    width = len(design.model)
    position = np.sort(rng.integers(0, width, (count, active)), axis=1)
    while (clash := np.flatnonzero((np.diff(position, axis=1) == 0).any(axis=1))).size:
        position[clash] = np.sort(rng.integers(0, width, (len(clash), active)), axis=1)
    indptr = np.arange(count + 1, dtype=np.int64) * active
    return Regimes(indptr, position.ravel(), np.ones(count * active, dtype=np.int64), width)


def write_study(folder: Path, design: Design, targets: Regimes) -> Path:
    """The design as a study file, its training labels as CSV and the targets as a Parquet column of labels."""
    names = [intervention.name for intervention in design.model.interventions]
    lines = [
        "name: screen",
        "interventions:",
        *(f"  {name}: [0, 1]" for name in names),
        "factors:",
        *(f"  - {{name: {f.name}, sigma: [{', '.join(f.sigma)}]}}" for f in design.model.factors),
        "train: {file: train.csv, label: perturbation}",
        "test: {file: test.parquet, label: perturbation}",
    ]
    path = folder / "study.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    train = format_regimes(design.model, design.train, "label").to_pylist()
    (folder / "train.csv").write_text("\n".join(["perturbation", *train]) + "\n", encoding="utf-8")
    labels = format_regimes(design.model, targets, "label")
    pq.write_table(pa.table({"perturbation": labels}), folder / "test.parquet")
    return path
