"""Small models on grids whose every probability can be enumerated."""

from __future__ import annotations

import itertools

import numpy as np

from ifm_ident import Design, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.energies.cells import FactorCells

STUDIES = {
    # several interventions in a factor, three levels, a factor without interventions, a loop of x-scopes
    "loop": {
        "interventions": {"A": [0, 1, 2], "B": [0, 1], "C": [0, 1]},
        "variables": ["x", "y", "z", "w"],
        "factors": [
            {"x": ["y", "x"], "sigma": ["A", "B"]},
            {"x": ["y", "z"], "sigma": ["C"]},
            {"x": ["z", "w"], "sigma": []},
            {"x": ["w", "x"], "sigma": ["B"]},
            {"x": ["x"], "sigma": []},
        ],
        "train": ["000", "100", "200", "010", "110", "001"],
    },
    # docs/theory/conditional.md: no single product of densities, only formulas for full conditionals
    "conditional": {
        "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        "variables": ["x", "y", "z"],
        "factors": [
            {"x": ["x", "y"], "sigma": ["A", "B"]},
            {"x": ["y", "z"], "sigma": ["B", "C"]},
            {"x": ["z", "x"], "sigma": ["C", "A"]},
        ],
        "train": ["110", "101", "011", "100", "010", "001"],
    },
    "pair": {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "variables": ["x", "y"],
        "factors": [{"x": ["x"], "sigma": ["A"]}, {"x": ["x", "y"], "sigma": ["B"]}],
        "train": ["00", "10", "01"],
    },
}


def design(name: str) -> Design:
    return Study.from_dict(STUDIES[name]).design


def regimes(*codes: str) -> Regimes:
    return Regimes.from_codes(np.array([[int(c) for c in code] for code in codes]))


def random_tables(cells: FactorCells, sizes: list[int], rng: np.random.Generator) -> list[Floats]:
    return [rng.normal(size=[sizes[v] for v in cells.scopes[k]]) for k in cells.factor]


def log_mass(cells: FactorCells, sizes: list[int], tables: list[Floats], wanted: Regimes) -> Floats:
    """The unnormalised log-mass of every x in every regime, shape (r, *sizes), term by term."""
    found = np.zeros((len(wanted), *sizes))
    for r, row in enumerate(cells.choice(wanted)):
        for x in itertools.product(*map(range, sizes)):
            for k, cell in enumerate(row):
                found[(r, *x)] += tables[cell][tuple(x[v] for v in cells.scopes[k])]
    return found


def probabilities(cells: FactorCells, sizes: list[int], tables: list[Floats], wanted: Regimes) -> Floats:
    mass = np.exp(log_mass(cells, sizes, tables, wanted))
    total: Floats = mass / mass.reshape(len(mass), -1).sum(axis=1).reshape(-1, *[1] * len(sizes))
    return total


def draw(of: Design, sizes: list[int], tables: list[Floats], n: int, rng: np.random.Generator) -> Samples:
    """n rows of every training regime of the model with these tables; values 0, 1, ..."""
    p = probabilities(FactorCells.of(of), sizes, tables, of.train.take(of.distinct))
    rows = [rng.choice(one.size, n, p=one.ravel()) for one in p]
    x = np.stack(np.unravel_index(np.concatenate(rows), sizes), axis=1).astype(float)
    return Samples(of, np.repeat(of.distinct, n), x)
