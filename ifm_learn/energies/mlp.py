"""Energies with one hidden layer: phi(x) = sum_h v_h s(b_h + w_h x), s the logistic function."""

from __future__ import annotations

from collections.abc import Sequence
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

    def _units_on_grid(self, offset: Floats, weight: Floats, axes: Sequence[Floats]) -> Floats:
        """One unit's activation on the grid; the exponentials of the axes are multiplied where that is safe."""
        reach = sum(abs(w) * np.abs(axis).max() for w, axis in zip(weight, axes, strict=True)) + abs(offset)
        if reach >= _SAFE:
            total = np.asarray(offset)
            for w, axis in zip(weight, axes, strict=True):
                total = total[..., None] + w * axis
            activation: Floats = expit(total)
            return activation
        product = np.asarray(np.exp(-offset))
        for w, axis in zip(weight, axes, strict=True):
            product = product[..., None] * np.exp(-w * axis)
        product += 1.0
        return np.reciprocal(product, out=product)

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""
        out, offset, weight = self._parts(theta)
        total = np.zeros([len(axis) for axis in axes])
        for h in range(self.units):
            unit = self._units_on_grid(offset[h], weight[h], axes)
            unit *= out[h]
            total += unit
        return total

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        out, offset, weight = self._parts(theta)
        gradient = np.empty(self.size)
        v, b, w = self._parts(gradient)
        for h in range(self.units):
            unit = self._units_on_grid(offset[h], weight[h], axes)
            carried = weights * unit
            v[h] = carried.sum()
            unit -= 1.0
            carried *= unit
            b[h], w[h] = _moments(carried, axes)
            b[h] *= -out[h]
            w[h] *= -out[h]
        return gradient


def _moments(table: Floats, axes: Sequence[Floats]) -> tuple[float, Floats]:
    """The sum of a table and its sums weighted by the values of each axis, shape (width,)."""
    first = np.empty(len(axes))
    for d in range(len(axes) - 1, -1, -1):
        rows = table.reshape(-1, len(axes[d]))
        first[d] = float((rows @ axes[d]).sum())
        table = rows.sum(axis=1)
    return float(table.sum()), first
