"""Energies with one hidden layer: phi(x) = sum_h v_h s(b_h + w_h x), s the logistic function."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ifm_ident.arrays import Floats

Singles = NDArray[np.float32]

_SAFE = 80.0
"""Exponents below this in size have exponentials in single precision, the smallest not denormal."""

_BLOCK = 262_144
"""Entries of a table worked on at a time: few calls, and little that a processor's caches do not hold."""


@dataclass(frozen=True)
class Mlp:
    """One hidden layer of logistic units; theta holds the output weights v, the offsets b, then w row by row.

    spread: of the random hidden weights that a start has. From small ones, fits end at smoother energies, which
    err less where factors are combined that no rows show together.

    >>> energy = Mlp(width=2, units=3)
    >>> theta = energy.start(np.random.default_rng(0))
    >>> table = energy.table(theta, [np.array([0.0, 1.0]), np.array([-1.0, 0.0, 2.0])])
    >>> bool(np.isclose(table[1, 2], energy.value(theta, np.array([[1.0, 2.0]]))[0]))
    True
    """

    width: int
    units: int = 15
    spread: float = 0.4

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.units * (2 + self.width)

    @property
    def penalty(self) -> Floats:
        """Every parameter is penalised alike."""
        return np.ones(self.size)

    def start(self, rng: np.random.Generator) -> Floats:
        """Random hidden weights and offsets, small random output weights."""
        out = 0.1 * rng.standard_normal(self.units)
        hidden = self.spread * rng.standard_normal(self.units * (1 + self.width))
        return np.concatenate([out, hidden])

    def _parts(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        h = self.units
        return theta[:h], theta[h : 2 * h], theta[2 * h :].reshape(h, self.width)

    def value(self, theta: Floats, points: Floats) -> Floats:
        """phi at points, nats, shape (n,)."""
        out, offset, weight = self._parts(theta)
        found: Floats = expit(points @ weight.T + offset) @ out
        return found

    def jacobian(self, theta: Floats, points: Floats) -> Floats:
        """The derivatives of `value` by the parameters, shape (n, size)."""
        out, offset, weight = self._parts(theta)
        s = expit(points @ weight.T + offset)
        slope = s * (1.0 - s) * out
        inner = slope[:, :, None] * points[:, None, :]
        return np.concatenate([s, slope, inner.reshape(len(points), -1)], axis=1)

    def gradient(self, theta: Floats, points: Floats, weights: Floats) -> Floats:
        """The gradient of sum(weights * value) by the parameters, shape (size,)."""
        out, offset, weight = self._parts(theta)
        s = expit(points @ weight.T + offset)
        slope = s * (1.0 - s) * out * weights[:, None]
        return np.concatenate([weights @ s, slope.sum(axis=0), (slope.T @ points).ravel()])

    def _halves(self, offset: Floats, weight: Floats, axes: Sequence[Floats]) -> _Halves:
        split = (len(axes) + 1) // 2
        points = [_product(part) for part in (axes[:split], axes[split:])]
        left = weight[:, :split] @ points[0].T + offset[:, None]
        right = weight[:, split:] @ points[1].T
        return _Halves(left, right, points[0], points[1])

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each; in single precision inside, see `_Halves`."""
        out, offset, weight = self._parts(theta)
        halves = self._halves(offset, weight, axes)
        total = np.zeros(halves.shape, dtype=np.float32)
        scale = out.astype(np.float32)
        for units, rows, unit in halves.blocks():
            unit *= scale[units, None, None]
            total[rows] += unit.sum(axis=0) if len(unit) > 1 else unit[0]
        return total.reshape([len(axis) for axis in axes]).astype(np.float64)

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        out, offset, weight = self._parts(theta)
        halves = self._halves(offset, weight, axes)
        flat = weights.reshape(halves.shape).astype(np.float32)
        by_out = np.zeros(self.units)
        by_left, by_right = np.zeros(halves.left.shape), np.zeros(halves.right.shape)
        ones = np.ones(max(halves.shape), dtype=np.float32)
        carried = np.empty(max(_BLOCK, halves.shape[1]), dtype=np.float32)
        for units, rows, unit in halves.blocks():
            product = carried[: unit.size].reshape(unit.shape)
            np.multiply(unit, flat[rows], out=product)
            by_out[units] += product.reshape(len(unit), -1).sum(axis=1)
            np.subtract(np.float32(1.0), unit, out=unit)
            product *= unit
            by_left[units, rows] = product @ ones[: unit.shape[2]]
            by_right[units] += ones[: unit.shape[1]] @ product
        by_left *= out[:, None]
        by_right *= out[:, None]
        inner = np.concatenate([by_left @ halves.left_points, by_right @ halves.right_points], axis=1)
        return np.concatenate([by_out, by_left.sum(axis=1), inner.ravel()])


@dataclass(frozen=True, eq=False)
class _Halves:
    """b + w x of every unit on a grid, as a sum of a part for the first axes and one for the others.

    left: shape (units, m), of the points left_points, shape (m, axes); right alike. Exponentials of the two parts
    are multiplied, which is far cheaper than one for each point, and in single precision, which halves the memory
    that passes through the processor: activations are right to 1e-7.
    """

    left: Floats
    right: Floats
    left_points: Floats
    right_points: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """The grid as a matrix."""
        return len(self.left_points), len(self.right_points)

    def blocks(self) -> Iterator[tuple[slice, slice, Singles]]:
        """Activations of some units on some rows, shape (units, rows, m'), overwritten by the next block."""
        units, (m, n) = len(self.left), self.shape
        together = max(min(_BLOCK // (m * n), units), 1)
        rows = max(min(_BLOCK // n, m), 1)
        left = np.ones((units, m, 2), dtype=np.float32)
        right = np.ones((units, 2, n), dtype=np.float32)
        safe = np.maximum(np.abs(self.left).max(axis=1), np.abs(self.right).max(axis=1)) < _SAFE
        left[safe, :, 0] = np.exp(-self.left[safe])
        right[safe, 0] = np.exp(-self.right[safe])
        space = np.empty(max(together * rows * n, 1), dtype=np.float32)
        for u in range(0, units, together):
            some = slice(u, min(u + together, units))
            for r in range(0, m, rows):
                part = slice(r, min(r + rows, m))
                shape = (some.stop - u, part.stop - r, n)
                unit = space[: math.prod(shape)].reshape(shape)
                with np.errstate(over="ignore"):
                    np.matmul(left[some, part], right[some], out=unit)
                np.reciprocal(unit, out=unit)
                for h in np.flatnonzero(~safe[some]).tolist():
                    unit[h] = expit(np.add.outer(self.left[u + h, part], self.right[u + h]))
                yield some, part, unit


def _product(axes: Sequence[Floats]) -> Floats:
    """The points of the product of some axes, last axis fastest, shape (points, axes)."""
    if not axes:
        return np.zeros((1, 0))
    return np.stack([grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")], axis=1)
