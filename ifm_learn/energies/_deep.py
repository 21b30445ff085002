"""Energies with two hidden layers, by JAX (the extra `deep`), in double precision."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ifm_ident import MissingExtraError
from ifm_ident.arrays import Floats

_ROWS = 1 << 14
"""Points are taken in pieces of this many: they bound memory, and shapes that repeat are compiled once."""


@dataclass(frozen=True)
class Deep:
    """Two hidden layers of tanh units and one linear output without offset.

    theta holds the first layer's weights (units by width, row by row) and offsets, the second layer's (units by
    units) and offsets, and the output weights. JAX computes in double precision here and only here: its global
    settings are left as they are.

    >>> energy = Deep(width=2, units=4)
    >>> energy.size
    36
    >>> theta = energy.start(np.random.default_rng(0))
    >>> points = np.array([[1.0, 2.0], [0.0, -1.0]])
    >>> table = energy.table(theta, [points[:, 0], points[:, 1]])
    >>> bool(np.allclose(energy.value(theta, points), np.diag(table), rtol=1e-12))
    True
    """

    width: int
    units: int = 16
    spread: float = 1.0

    @property
    def size(self) -> int:
        """The number of parameters."""
        return self.units * (self.width + self.units + 3)

    @property
    def penalty(self) -> Floats:
        """Every parameter is penalised alike."""
        return np.ones(self.size)

    def start(self, rng: np.random.Generator) -> Floats:
        """Random hidden weights, small random output weights."""
        h = self.units
        first = self.spread * rng.standard_normal(h * (self.width + 1))
        second = rng.standard_normal(h * (h + 1)) / np.sqrt(h)
        return np.concatenate([first, second, 0.1 * rng.standard_normal(h)])

    def value(self, theta: Floats, points: Floats) -> Floats:
        """phi at points, nats, shape (n,)."""
        return self._in_pieces(lambda f, piece, _: f.value(theta, piece), points)

    def jacobian(self, theta: Floats, points: Floats) -> Floats:
        """The derivatives of `value` by the parameters, shape (n, size)."""
        return self._in_pieces(lambda f, piece, _: f.jacobian(theta, piece), points)

    def gradient(self, theta: Floats, points: Floats, weights: Floats) -> Floats:
        """The gradient of sum(weights * value) by the parameters, shape (size,)."""
        found = np.zeros(self.size)
        with _double_precision():
            functions = _functions(self.width, self.units)
            for begin in range(0, len(points), _ROWS):
                piece, weight = _padded(points[begin : begin + _ROWS]), _padded(weights[begin : begin + _ROWS])
                found += np.asarray(functions.gradient(theta, piece, weight))
        return found

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""
        return self.value(theta, _product(axes)).reshape([len(axis) for axis in axes])

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""
        return self.gradient(theta, _product(axes), weights.ravel())

    def _in_pieces(self, f: Callable[[_Functions, Floats, int], Any], points: Floats) -> Floats:
        with _double_precision():
            functions = _functions(self.width, self.units)
            parts = []
            for begin in range(0, max(len(points), 1), _ROWS):
                piece = points[begin : begin + _ROWS]
                parts.append(np.asarray(f(functions, _padded(piece), begin))[: len(piece)])
        return np.concatenate(parts)


class _Functions(NamedTuple):
    """Compiled: value (n,), jacobian (n, size), and gradient (size,) of weighted values."""

    value: Callable[..., Any]
    jacobian: Callable[..., Any]
    gradient: Callable[..., Any]


def _jax() -> Any:
    try:
        import jax
    except ImportError:
        raise MissingExtraError("jax", "deep") from None
    return jax


def _double_precision() -> Any:
    """A context in which JAX keeps doubles; outside of it the user's setting holds."""
    return _jax().enable_x64(True)


@functools.cache
def _functions(width: int, units: int) -> _Functions:
    jax = _jax()
    numpy = jax.numpy

    def one(theta: Any, point: Any) -> Any:
        ends = np.cumsum([units * width, units, units * units, units])
        first, shift, second, turn, out = numpy.split(theta, ends)
        hidden = numpy.tanh(first.reshape(units, width) @ point + shift)
        return out @ numpy.tanh(second.reshape(units, units) @ hidden + turn)

    many = jax.vmap(one, (None, 0))
    return _Functions(
        jax.jit(many),
        jax.jit(jax.vmap(jax.grad(one), (None, 0))),
        jax.jit(jax.grad(lambda theta, points, weights: weights @ many(theta, points))),
    )


def _padded(rows: Floats) -> Floats:
    """Rows with zeros after them up to a power of two, so that few shapes are compiled."""
    wanted = 1 << max(len(rows) - 1, 0).bit_length()
    return np.concatenate([rows, np.zeros((wanted - len(rows), *rows.shape[1:]))])


def _product(axes: Sequence[Floats]) -> Floats:
    """All combinations of the axes' values, the last one fastest, shape (product, width)."""
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
