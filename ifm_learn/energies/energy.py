"""What an energy is: the log of one factor at one level cell, as a function of its variables and parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from ifm_ident.arrays import Floats


class Energy(Protocol):
    """A family of functions phi(x; theta) of `width` variables with `size` parameters (docs/theory/learning.md).

    Points have shape (n, width); an axis is the grid of one variable, shape (b,), in the same units. An energy
    holds no parameters: theta, shape (size,), is always passed in.
    """

    @property
    def width(self) -> int:
        """The number of variables."""

    @property
    def size(self) -> int:
        """The number of parameters."""

    @property
    def penalty(self) -> Floats:
        """The relative ridge penalty of every parameter, shape (size,), 0 or more."""

    def start(self, rng: np.random.Generator) -> Floats:
        """Parameters to start from, shape (size,)."""

    def value(self, theta: Floats, points: Floats) -> Floats:
        """phi at points, nats, shape (n,)."""

    def jacobian(self, theta: Floats, points: Floats) -> Floats:
        """The derivatives of `value` by the parameters, shape (n, size)."""

    def gradient(self, theta: Floats, points: Floats, weights: Floats) -> Floats:
        """The gradient of sum(weights * value) by the parameters, shape (size,)."""

    def table(self, theta: Floats, axes: Sequence[Floats]) -> Floats:
        """phi on the product of the axes, one array axis each."""

    def table_gradient(self, theta: Floats, axes: Sequence[Floats], weights: Floats) -> Floats:
        """The gradient of sum(weights * table) by the parameters, shape (size,)."""


@runtime_checkable
class LinearEnergy(Energy, Protocol):
    """An energy linear in its parameters, phi(x) = features(x) @ theta: likelihoods are concave in them."""

    def features(self, points: Floats) -> Floats:
        """Functions of x, shape (n, size)."""
