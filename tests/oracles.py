"""Independent oracles: designs as plain tuples, the full incidence system as dictionaries, ranks by flint.

Nothing here uses the engine: a regime is a tuple of level indices, a row of the incidence system
(docs/theory/model.md) is a
set of (factor, levels) cells, ranks and null spaces come from dense integer elimination on the one-hot columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import numpy as np

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Active, Regimes

Codes = tuple[int, ...]
Cell = tuple[int, Codes]


@dataclass(frozen=True)
class PlainDesign:
    """A design in tuples: `levels[i]` counts the levels of intervention i; a factor is (x-scope, sigma-scope)."""

    levels: tuple[int, ...]
    variables: tuple[str, ...]
    factors: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]
    train: tuple[Codes, ...]

    @property
    def every_factor(self) -> tuple[int, ...]:
        return tuple(range(len(self.factors)))

    def holding(self, variable: str) -> tuple[int, ...]:
        """K(v): the factors whose x-scope holds the variable."""
        return tuple(k for k, (x, _) in enumerate(self.factors) if variable in x)

    def every_regime(self) -> list[Codes]:
        """All regimes, the last intervention fastest."""
        return list(itertools.product(*(range(a) for a in self.levels)))

    def build(self) -> Design:
        """The same design for the package under test."""
        names = [f"s{i}" for i in range(len(self.levels))]
        model = Model(
            tuple(Intervention(n, tuple(range(a))) for n, a in zip(names, self.levels, strict=True)),
            self.variables,
            tuple(Factor(f"f{k}", x, tuple(names[i] for i in sigma)) for k, (x, sigma) in enumerate(self.factors)),
        )
        return Design(model, regimes_of(self.train, len(names)))


def regimes_of(codes: Sequence[Codes], width: int) -> Regimes:
    """Level indices as a batch, for any number of interventions."""
    return Regimes.from_codes(np.array(codes, dtype=np.int64).reshape(len(codes), width))


def codes_of(regime: Active, width: int) -> Codes:
    """A sparse regime as level indices."""
    shown = dict(regime)
    return tuple(shown.get(i, 0) for i in range(width))


def row(plain: PlainDesign, factors: Iterable[int], regime: Codes) -> frozenset[Cell]:
    """The one-hot incidence row of a regime: the cell that each factor shows."""
    return frozenset((k, tuple(regime[i] for i in plain.factors[k][1])) for k in factors)


class Oracle:
    """The one-hot system of some factors, its rank and its null space by flint's dense integer elimination."""

    def __init__(self, plain: PlainDesign, factors: Sequence[int]) -> None:
        self.plain, self.factors = plain, tuple(factors)
        self.cells = [
            (k, levels)
            for k in self.factors
            for levels in itertools.product(*(range(plain.levels[i]) for i in plain.factors[k][1]))
        ]
        self.matrix = self._dense(plain.train)
        kernel, nullity = self.matrix.nullspace()
        self.rank = len(self.cells) - nullity
        self._kernel = (
            flint.fmpz_mat([[kernel[i, j] for j in range(nullity)] for i in range(len(self.cells))])
            if nullity
            else None
        )

    def _dense(self, regimes: Sequence[Codes]) -> flint.fmpz_mat:
        rows = []
        for regime in regimes:
            shown = row(self.plain, self.factors, regime)
            rows.append([int(cell in shown) for cell in self.cells])
        return flint.fmpz_mat(rows)

    def holds(self, regimes: Sequence[Codes]) -> list[bool]:
        """Whether each regime's row is a rational combination of the training rows."""
        if self._kernel is None:
            return [True] * len(regimes)
        image = self._dense(regimes) * self._kernel
        return [all(image[t, j] == 0 for j in range(image.ncols())) for t in range(len(regimes))]


def conditional_verdicts(plain: PlainDesign, regimes: Sequence[Codes]) -> list[bool]:
    """docs/theory/conditional.md variable by variable: identified when every A_v system is solvable."""
    verdict = [True] * len(regimes)
    for variable in plain.variables:
        holds = Oracle(plain, plain.holding(variable)).holds(regimes)
        verdict = [a and b for a, b in zip(verdict, holds, strict=True)]
    return verdict


def formula_holds(
    plain: PlainDesign, factors: Sequence[int], exponents: Mapping[int, Fraction], regime: Codes
) -> bool:
    """Whether A^T q = b, cell by cell in fractions."""
    total: dict[Cell, Fraction] = dict.fromkeys(row(plain, factors, regime), Fraction(-1))
    for i, q in exponents.items():
        for cell in row(plain, factors, plain.train[i]):
            total[cell] = total.get(cell, Fraction(0)) + q
    return not any(total.values())


def refusal_holds(plain: PlainDesign, factors: Sequence[int], weights: Mapping[Cell, int], regime: Codes) -> bool:
    """Whether w lives on the cells of `factors`, A w = 0 on every training regime and b·w != 0."""

    def value(codes: Codes) -> int:
        return sum(weights.get(cell, 0) for cell in row(plain, factors, codes))

    legal = all(
        k in factors
        and len(levels) == len(plain.factors[k][1])
        and all(level in range(plain.levels[i]) for i, level in zip(plain.factors[k][1], levels, strict=True))
        for k, levels in weights
    )
    return legal and not any(value(codes) for codes in plain.train) and value(regime) != 0


def greedy_basis(rows: Sequence[Sequence[int]]) -> list[int]:
    """The lexicographically first row basis, one row at a time in fractions."""
    basis: list[int] = []
    reduced: dict[int, list[Fraction]] = {}
    for r, entries in enumerate(rows):
        left = [Fraction(int(x)) for x in entries]
        for column, pivot in reduced.items():
            if left[column]:
                scale = left[column]
                left = [a - scale * b for a, b in zip(left, pivot, strict=True)]
        lead = next((j for j, x in enumerate(left) if x), None)
        if lead is not None:
            reduced[lead] = [x / left[lead] for x in left]
            basis.append(r)
    return basis
