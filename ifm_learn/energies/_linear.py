"""Energies linear in their parameters: quadratics and splines with products of pairs, and saturated tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ifm_ident import InputError
from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.bases import Basis, Level, Powers, smooth_basis

KNOTS, PAIRED, LINE = 7, 1, 0.003
"""Of energies on a grid beyond the rows; curvature is what pays of a ridge there, lines next to nothing."""


@dataclass(frozen=True, eq=False)
class Pairwise:
    """Functions of every variable, and products of the first `paired` ones of every pair of variables.

    theta holds the variables' functions, variable by variable, then the products, pair by pair: for
    (u, v), u < v, function i of u times function j of v, j fastest. line: what straight lines pay of a ridge.
    level: for every variable the values beyond which its functions in products stay as they are; None: nowhere.

    >>> energy = Pairwise.quadratic(np.random.default_rng(0).normal(size=(100, 3)))
    >>> energy.width, energy.size
    (3, 9)
    >>> Pairwise.splines(np.random.default_rng(0).normal(size=(100, 2))).size
    21
    """

    bases: tuple[Basis, ...]
    paired: int
    line: float = 1.0
    level: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def quadratic(cls, points: Floats) -> Pairwise:
        """Linear terms, squares and products, in units of the rows `points`, shape (n, width)."""
        return cls(tuple(Powers.of(column) for column in points.T), 1)

    @classmethod
    def splines(cls, points: Floats, knots: int = 5, paired: int = 3) -> Pairwise:
        """Cubic splines on the quantiles of the rows `points`, shape (n, width); see `Spline`.

        knots: of each variable; paired: how many of its smoothest functions are multiplied with each other
        variable's. A variable with two or three values has a function for each but one.
        """
        return cls(tuple(smooth_basis(column, knots) for column in points.T), paired)

    @classmethod
    def smooth(cls, points: Floats, knots: int = KNOTS, paired: int = PAIRED) -> Pairwise:
        """Splines that may go on beyond the rows: straight lines are nearly free there, products stay level.

        Products of two lines would outgrow what all other functions say there.
        """
        ends = tuple((float(column.min()), float(column.max())) for column in points.T)
        return cls(tuple(smooth_basis(column, knots) for column in points.T), paired, LINE, ends)

    @property
    def width(self) -> int:
        """The number of variables."""
        return len(self.bases)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The pairs of variables, in the order of theta."""
        return tuple(itertools.combinations(range(self.width), 2))

    @cached_property
    def _held(self) -> tuple[int, ...]:
        """How many of each variable's functions are multiplied with others'."""
        return tuple(min(self.paired, basis.size) for basis in self.bases)

    @cached_property
    def _ends(self) -> Ints:
        products = [self._held[u] * self._held[v] for u, v in self.pairs]
        return np.cumsum([*(basis.size for basis in self.bases), *products])

    @property
    def size(self) -> int:
        """The number of parameters."""
        return int(self._ends[-1])

    @cached_property
    def penalty(self) -> Floats:
        """The functions' own penalties, and their products for products of functions."""
        parts = [basis.penalty for basis in self.bases]
        products = [np.outer(parts[u][: self.paired], parts[v][: self.paired]).ravel() for u, v in self.pairs]
        single = [part * np.where(np.arange(len(part)) == 0, self.line, 1.0) for part in parts]
        return np.concatenate([*single, *products])

    def start(self, rng: np.random.Generator) -> Floats:
        """Zero."""
        return np.zeros(self.size)

    def _split(self, theta: Floats) -> tuple[list[Floats], list[Floats]]:
        parts = np.split(theta, self._ends[:-1])
        single, products = parts[: self.width], parts[self.width :]
        shapes = [(self._held[u], self._held[v]) for u, v in self.pairs]
        return single, [part.reshape(shape) for part, shape in zip(products, shapes, strict=True)]

    def _joined(self, columns: Sequence[Floats], products: Sequence[tuple[Floats, Floats]]) -> Floats:
        n, m = len(columns[0]), self.paired
        blocks = [left[:, :m, None] * right[:, None, :m] for left, right in products]
        blocks = [block.reshape(n, block.shape[1] * block.shape[2]) for block in blocks]
        return np.concatenate([*columns, *blocks], axis=1)

    def features(self, points: Floats) -> Floats:
        """Functions of x, shape (n, size)."""
        columns, held = self._columns(list(points.T))
        return self._joined(columns, [(held[u], held[v]) for u, v in self.pairs])

    def value(self, theta: Floats, points: Floats) -> Floats:
        """phi at points, nats, shape (n,)."""
        return self.features(points) @ theta

    def jacobian(self, theta: Floats, points: Floats) -> Floats:
        """The features, shape (n, size), whatever theta is."""
        return self.features(points)

    def gradient(self, theta: Floats, points: Floats, weights: Floats) -> Floats:
        """The gradient of sum(weights * value) by the parameters, shape (size,)."""
        return weights @ self.features(points)

    def _columns(self, points: Sequence[Floats]) -> tuple[list[Floats], list[Floats]]:
        """Every variable's functions, and what of them is multiplied with others'."""
        columns = [basis.columns(x) for basis, x in zip(self.bases, points, strict=True)]
        if self.level is None:
            return columns, [column[:, : self.paired] for column in columns]
        level = [Level(basis, *ends) for basis, ends in zip(self.bases, self.level, strict=True)]
        return columns, [basis.columns(x)[:, : self.paired] for basis, x in zip(level, points, strict=True)]

    def _on(self, axes: Sequence[Floats]) -> tuple[list[Floats], list[Floats]]:
        """`_columns` of axes, remembered for the last ones: a fit asks for no others."""
        if len(self._last) != 1 or any(a is not b for a, b in zip(axes, self._last[0][0], strict=True)):
            self._last[:] = [(tuple(axes), self._columns(axes))]
        return self._last[0][1]

    @cached_property
    def _last(self) -> list[tuple[tuple[Floats, ...], tuple[list[Floats], list[Floats]]]]:
        return []

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""
        columns, held = self._on(axes)
        single, products = self._split(theta)
        total = np.zeros([len(axis) for axis in axes])
        for v, part in enumerate(single):
            total += np.expand_dims(columns[v] @ part, [w for w in range(self.width) if w != v])
        for (u, v), part in zip(self.pairs, products, strict=True):
            total += np.expand_dims(held[u] @ part @ held[v].T, [w for w in range(self.width) if w not in (u, v)])
        return total

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        (columns, held), every = self._on(axes), range(self.width)
        planes = [weights.sum(axis=tuple(w for w in every if w not in pair)) for pair in self.pairs]
        lines = [weights.sum(axis=tuple(w for w in every if w != v)) for v in every]
        single = [line @ column for line, column in zip(lines, columns, strict=True)]
        products = [
            (held[u].T @ plane @ held[v]).ravel() for (u, v), plane in zip(self.pairs, planes, strict=True)
        ]
        return np.concatenate([*single, *products])


@dataclass(frozen=True, eq=False)
class Saturated:
    """One parameter for each combination of values of discrete variables, last variable fastest.

    values: for every variable its possible values, ascending.

    >>> energy = Saturated.of(np.array([[0.0, 1.0], [1.0, 5.0]]))
    >>> energy.value(np.array([0.0, 1.0, 2.0, 3.0]), np.array([[1.0, 1.0]])).tolist()
    [2.0]
    >>> energy.value(np.zeros(4), np.array([[1.0, 2.0]]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a saturated energy has no entry for the value 2 of its variable 2; legal: 1, 5
    """

    values: tuple[Floats, ...]

    @classmethod
    def of(cls, points: Floats, most: int = 100_000) -> Saturated:
        """Over the values that occur in the rows `points`, shape (n, width); at most `most` combinations."""
        values = tuple(np.unique(column) for column in points.T)
        size = math.prod(len(v) for v in values)
        if size > most:
            raise InputError(
                f"a saturated energy over {len(values)} variables needs {size} parameters (at most {most}); "
                "use splines or an mlp"
            )
        return cls(values)

    @property
    def width(self) -> int:
        """The number of variables."""
        return len(self.values)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each variable has."""
        return tuple(len(v) for v in self.values)

    @property
    def size(self) -> int:
        """The number of parameters."""
        return math.prod(self.shape)

    @property
    def penalty(self) -> Floats:
        """Every parameter is penalised alike."""
        return np.ones(self.size)

    def start(self, rng: np.random.Generator) -> Floats:
        """Zero."""
        return np.zeros(self.size)

    def _places(self, columns: Sequence[Floats]) -> list[Ints]:
        found = []
        for v, (known, column) in enumerate(zip(self.values, columns, strict=True)):
            place = np.minimum(np.searchsorted(known, column), len(known) - 1)
            strange = known[place] != column
            if strange.any():
                shown = ", ".join(f"{value:g}" for value in known[:8]) + (", ..." if len(known) > 8 else "")
                raise InputError(
                    f"a saturated energy has no entry for the value {column[np.argmax(strange)]:g} of its "
                    f"variable {v + 1}; legal: {shown}"
                )
            found.append(place)
        return found

    def features(self, points: Floats) -> Floats:
        """Indicators of the combinations, shape (n, size)."""
        found = np.zeros((len(points), self.size))
        found[np.arange(len(points)), self._index(points)] = 1.0
        return found

    def _index(self, points: Floats) -> Ints:
        index: Ints = np.ravel_multi_index(tuple(self._places(list(points.T))), self.shape)
        return index

    def value(self, theta: Floats, points: Floats) -> Floats:
        """phi at points, nats, shape (n,)."""
        return theta[self._index(points)]

    def jacobian(self, theta: Floats, points: Floats) -> Floats:
        """The features, shape (n, size), whatever theta is."""
        return self.features(points)

    def gradient(self, theta: Floats, points: Floats, weights: Floats) -> Floats:
        """The gradient of sum(weights * value) by the parameters, shape (size,)."""
        found: Floats = np.bincount(self._index(points), weights=weights, minlength=self.size).astype(np.float64)
        return found

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""
        return theta.reshape(self.shape)[np.ix_(*self._places(axes))]

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        found = np.zeros(self.shape)
        np.add.at(found, np.ix_(*self._places(axes)), weights)
        return found.ravel()
