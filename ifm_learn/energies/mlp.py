"""Energies with one hidden layer: phi(x) = sum_h v_h s(b_h + w_h x), s the logistic function."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

_SAFE = 300.0
"""Sums of exponents below this in size are multiplied as exponentials without overflow."""


@dataclass(frozen=True)
class Mlp:
    """One hidden layer of logistic units; theta holds the output weights v, the offsets b, then w row by row.

    >>> energy = Mlp(width=2, units=3)
    >>> theta = energy.start(np.random.default_rng(0))
    >>> table = energy.table(theta, [np.array([0.0, 1.0]), np.array([-1.0, 0.0, 2.0])])
    >>> bool(np.isclose(table[1, 2], energy.value(theta, np.array([[1.0, 2.0]]))[0]))
    True
    """

    width: int
    units: int = 15
    spread: float = 1.0

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

    def _halves(self, offset: Floats, weight: Floats, axes: Sequence[Floats]) -> tuple[Floats, Floats]:
        """b_h + w_h x as the sum of two parts, over the first axes and the others: (units, m), (units, m')."""
        split = (len(axes) + 1) // 2
        parts = []
        for chosen in (slice(None, split), slice(split, None)):
            total = np.zeros((self.units, 1))
            for w, axis in zip(weight.T[chosen], axes[chosen], strict=True):
                total = (total[:, :, None] + np.outer(w, axis)[:, None, :]).reshape(self.units, -1)
            parts.append(total)
        return parts[0] + offset[:, None], parts[1]

    def _activations(self, offset: Floats, weight: Floats, axes: Sequence[Floats]) -> Iterator[Floats]:
        """Every unit's activation on the grid, shape (m, m'); the array is overwritten by the next unit.

        The exponentials of the two halves are multiplied where that is safe: far cheaper than one for each point.
        """
        left, right = self._halves(offset, weight, axes)
        safe = np.abs(left).max(axis=1) + np.abs(right).max(axis=1) < _SAFE
        unit = np.empty((left.shape[1], right.shape[1]))
        small_left, small_right = (np.exp(-part * safe[:, None]) for part in (left, right))
        for h in range(self.units):
            if safe[h]:
                np.multiply.outer(small_left[h], small_right[h], out=unit)
                unit += 1.0
                np.reciprocal(unit, out=unit)
            else:
                expit(np.add.outer(left[h], right[h], out=unit), out=unit)
            yield unit

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""
        out, offset, weight = self._parts(theta)
        total: Floats = np.zeros(())
        for h, unit in enumerate(self._activations(offset, weight, axes)):
            unit *= out[h]
            total = unit + total if h == 0 else np.add(total, unit, out=total)
        return total.reshape([len(axis) for axis in axes])

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        out, offset, weight = self._parts(theta)
        gradient = np.empty(self.size)
        v, b, w = self._parts(gradient)
        split = (len(axes) + 1) // 2
        shapes = [tuple(len(axis) for axis in part) for part in (axes[:split], axes[split:])]
        flat = weights.reshape(math.prod(shapes[0]), -1)
        carried = np.empty_like(flat)
        for h, unit in enumerate(self._activations(offset, weight, axes)):
            np.multiply(flat, unit, out=carried)
            v[h] = carried.sum()
            np.subtract(1.0, unit, out=unit)
            carried *= unit
            sums = (carried.sum(axis=1), carried.sum(axis=0))
            b[h] = out[h] * sums[0].sum()
            moments = [
                m
                for part, shape, one in zip((axes[:split], axes[split:]), shapes, sums, strict=True)
                for m in _moments(one.reshape(shape), part)
            ]
            w[h] = out[h] * np.array(moments)
        return gradient


def _moments(table: Floats, axes: Sequence[Floats]) -> list[float]:
    """The sum of a table weighted by the values of each axis, one axis after the other."""
    found = []
    for d, axis in enumerate(axes):
        rest = tuple(i for i in range(len(axes)) if i != d)
        found.append(float(table.sum(axis=rest) @ axis))
    return found
