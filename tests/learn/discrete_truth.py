"""Discrete models with known tables: densities, means and samples by enumeration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from ifm_ident import Design, Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import Grid
from ifm_learn.fitting.report import FitReport


def cycle_design(train: list[str]) -> Design:
    """Three binary variables in a cycle, a pair of interventions each; 111 has conditional formulas only."""
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": ["x1", "x2", "x3"],
            "factors": [
                {"x": ["x1", "x2"], "sigma": ["A", "B"]},
                {"x": ["x2", "x3"], "sigma": ["B", "C"]},
                {"x": ["x3", "x1"], "sigma": ["C", "A"]},
            ],
            "train": train,
        }
    ).design


CYCLE = cycle_design(["110", "101", "011", "100", "010", "001"])


@dataclass(frozen=True, eq=False)
class DiscreteTruth:
    """Every variable takes the values 0, 1, ..., `values` - 1; a random log-table for each factor and level."""

    design: Design
    values: int
    tables: dict[tuple[int, tuple[int, ...]], Floats]

    @classmethod
    def draw(
        cls, design: Design, rng: np.random.Generator, values: int = 2, strength: float = 0.7
    ) -> DiscreteTruth:
        tables = {}
        for k, scope in enumerate(design.model.scopes):
            shape = (values,) * len(design.model.factors[k].x)
            for levels in product(*(range(int(design.model.level_counts[i])) for i in scope)):
                tables[k, levels] = strength * rng.normal(size=shape)
        return cls(design, values, tables)

    @property
    def states(self) -> Floats:
        p = len(self.design.model.variables)
        return np.array(list(product(range(self.values), repeat=p)), dtype=np.float64)

    def masses(self, regimes: Regimes) -> Floats:
        """Probabilities of all states, shape (r, states), by multiplying the factors out."""
        model = self.design.model
        place = {v: i for i, v in enumerate(model.variables)}
        states = self.states.astype(int)
        found = []
        for codes in regimes.codes():
            total = np.zeros(len(states))
            for k, factor in enumerate(model.factors):
                table = self.tables[k, tuple(int(codes[i]) for i in model.scopes[k])]
                total += table[tuple(states[:, place[v]] for v in factor.x)]
            mass = np.exp(total - total.max())
            found.append(mass / mass.sum())
        return np.array(found)

    def mean(self, regimes: Regimes, values: Floats) -> Floats:
        """Means of a function with these values at `states`, shape (states,) or (states, k)."""
        found: Floats = self.masses(regimes) @ values
        return found

    def samples(self, sizes: list[int], rng: np.random.Generator, outcome: bool = True) -> Samples:
        """Rows of every training regime; y = `effect` of the state plus unit noise."""
        masses = self.masses(self.design.train.take(self.design.distinct))
        rows = [rng.choice(len(mass), n, p=mass) for mass, n in zip(masses, sizes, strict=True)]
        state = np.concatenate(rows)
        y = self.effect[state] + rng.normal(size=len(state)) if outcome else None
        return Samples(self.design, np.repeat(self.design.distinct, sizes), self.states[state], y)

    @property
    def effect(self) -> Floats:
        """E[y | state]: main effects of every variable and their product, shape (states,)."""
        states = self.states
        found: Floats = states @ np.linspace(1.0, -0.5, states.shape[1]) + 0.8 * states.prod(axis=1)
        return found

    def density(self) -> DensityModel:
        """The truth as a fitted model would be: its tables on the grid of all values."""
        cells = FactorCells.of(self.design)
        tables = [
            self.tables[k, tuple(int(c) for c in levels)]
            for k, known in enumerate(cells.levels)
            for levels in known
        ]
        axis = np.arange(float(self.values))
        edges = np.concatenate([[-np.inf], axis[1:] - 0.5, [np.inf]])
        p = len(self.design.model.variables)
        grid = Grid((axis,) * p, (edges,) * p, (np.ones(self.values),) * p)
        report = FitReport(
            objective="exact",
            energy="table",
            base=0.0,
            shift=0.0,
            tied=False,
            tried=(),
            starts=(),
            disagreement=0.0,
            rows=(),
            seconds=0.0,
        )
        return DensityModel(self.design, cells, grid, tuple(tables), None, report)
