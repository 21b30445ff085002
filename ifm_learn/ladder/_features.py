"""Features of rows and the coefficients that factors let them have, for tilts of the pooled rows."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ifm_ident import Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.energies.bases import Basis, Powers, smooth_basis
from ifm_learn.ladder._coordinates import Coordinates, holders

Kind = Literal["linear", "quadratic", "splines"]

_ROWS = 50_000
"""Bases are laid over the quantiles of so many rows at most."""


@dataclass(frozen=True)
class Ridge:
    """Penalties, each on half the sum of squares of standardised coefficients: rows' log-probabilities lose that.

    line: of linear terms, nearly free; square: of squares and products; bend: of a spline's smoothest bend, its
    rougher ones paying in proportion to their roughness.
    """

    line: float = 0.01
    square: float = 4.0
    bend: float = 10.0


@dataclass(frozen=True, eq=False)
class Block:
    """Functions of some variables whose coefficients depend on the regime alike, by `coordinates`.

    variables: one or two positions. bases: one for each variable; of two variables the product of lines is used.
    """

    variables: tuple[int, ...]
    bases: tuple[Basis, ...]
    coordinates: Coordinates
    penalty: Floats

    def columns(self, x: Floats) -> Floats:
        """The functions at rows, shape (n, size)."""
        if len(self.variables) == 1:
            return self.bases[0].columns(x[:, self.variables[0]])
        lines = [basis.columns(x[:, v])[:, 0] for v, basis in zip(self.variables, self.bases, strict=True)]
        return (lines[0] * lines[1])[:, None]


@dataclass(frozen=True, eq=False)
class Features:
    """All blocks of a tilt: one parameter for each function and each coordinate of its block.

    >>> from ifm_ident import Study
    >>> design = Study.from_dict({"interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]},
    ...     {"sigma": ["B"]}], "train": ["00", "10", "01"]}).design
    >>> x = np.random.default_rng(0).normal(size=(30, 1))
    >>> features = Features.of(Samples(design, np.repeat([0, 1, 2], 10), x), "quadratic")
    >>> features.columns(x).shape, features.parameters
    ((30, 2), 4)
    """

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, samples: Samples, kind: Kind, ridge: Ridge | None = None) -> Features:
        """The features of one kind, in units of the samples' pooled standard deviations."""
        ridge = ridge or Ridge()
        model = samples.design.model
        known: dict[tuple[int, ...], Coordinates] = {}

        def ruled(*variables: int) -> Coordinates:
            factors = holders(model, [model.variables[v] for v in variables])
            return known.setdefault(factors, Coordinates(samples.design, factors))

        bases: dict[int, Basis] = {}
        blocks = []
        for v in range(len(model.variables)):
            values = samples.x[:, v] if len(samples) <= _ROWS else samples.x[_some(len(samples)), v]
            coordinates = ruled(v)
            if coordinates.rank and np.ptp(values) > 0:
                bases[v] = _basis(values, kind)
                blocks.append(Block((v,), (bases[v],), coordinates, _penalty(bases[v], ridge)))
        for v, w in itertools.combinations(bases, 2) if kind != "linear" else ():
            coordinates = ruled(v, w)
            if coordinates.rank:
                blocks.append(Block((v, w), (bases[v], bases[w]), coordinates, np.array([ridge.square])))
        return cls(tuple(blocks))

    @property
    def parameters(self) -> int:
        """How many coefficients there are."""
        return sum(len(block.penalty) * block.coordinates.rank for block in self.blocks)

    @property
    def owner(self) -> Ints:
        """The column of every parameter, shape (parameters,)."""
        starts = np.cumsum([0, *(len(block.penalty) for block in self.blocks)])
        parts = [
            start + np.repeat(np.arange(len(block.penalty)), block.coordinates.rank)
            for start, block in zip(starts, self.blocks, strict=False)
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)

    @property
    def penalty(self) -> Floats:
        """The penalty of every parameter, shape (parameters,)."""
        parts = [np.repeat(block.penalty, block.coordinates.rank) for block in self.blocks]
        return np.concatenate([np.empty(0), *parts])

    def columns(self, x: Floats) -> Floats:
        """The features of rows, shape (n, features)."""
        return np.concatenate([np.empty((len(x), 0)), *(block.columns(x) for block in self.blocks)], axis=1)

    def train(self) -> Floats:
        """What every parameter is multiplied by in the distinct training regimes, shape (d, parameters)."""
        return self._spread([block.coordinates.train for block in self.blocks])

    def of_regimes(self, regimes: Regimes) -> Floats:
        """What every parameter is multiplied by in regimes, shape (r, parameters)."""
        known = {id(block.coordinates): block.coordinates for block in self.blocks}
        placed = {key: coordinates.of(regimes) for key, coordinates in known.items()}
        if not self.blocks:
            return np.zeros((len(regimes), 0))
        return self._spread([placed[id(block.coordinates)] for block in self.blocks])

    def _spread(self, placed: list[Floats]) -> Floats:
        pieces = [np.tile(z, (1, len(block.penalty))) for z, block in zip(placed, self.blocks, strict=True)]
        return np.concatenate(pieces, axis=1) if pieces else np.zeros((0, 0))


@cache
def _some(rows: int) -> Ints:
    """Rows that place the bases of very many: the same ones always."""
    return np.sort(np.random.default_rng(rows).choice(rows, _ROWS, replace=False))


def _basis(values: Floats, kind: Kind) -> Basis:
    if kind == "splines":
        return smooth_basis(values)
    powers = Powers.of(values)
    return Powers(powers.centre, powers.unit, 1 if kind == "linear" else powers.degree)


def _penalty(basis: Basis, ridge: Ridge) -> Floats:
    if isinstance(basis, Powers):
        return np.array([ridge.line, ridge.square])[: basis.size]
    rough = basis.penalty[1:] - 1
    return np.concatenate([[ridge.line], ridge.bend * rough / rough[0]])
