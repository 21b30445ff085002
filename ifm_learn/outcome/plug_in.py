"""Means of an outcome regression, or of x, over draws from the fitted density of a regime."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ifm_ident import InputError, Regimes
from ifm_ident.arrays import Floats, Ints
from ifm_learn.data.samples import Samples
from ifm_learn.density.model import DensityModel
from ifm_learn.outcome._sampling_error import tilted_means
from ifm_learn.randomness import stream

_CELLS = 4_000_000
"""Numbers in the draws that are held at once where regimes are drawn together."""


class Draws:
    """Draws of x from a density model: the same random numbers for every regime, whatever others are asked.

    Where inference is by Gibbs sampling, the regimes of a batch are drawn together instead, which is far cheaper.
    """

    def __init__(self, density: DensityModel, count: int, seed: int) -> None:
        if count < 2:
            raise InputError(f"means over draws and their errors need two draws or more, got draws={count}")
        self.density, self.count, self.seed = density, count, seed

    @property
    def entries(self) -> int:
        """Numbers in the draws of one regime."""
        return self.count * len(self.density.grid.sizes)

    def each(self, regimes: Regimes) -> Iterator[Floats]:
        """The draws of one regime after the other, shape (draws, p)."""
        together = 1 if self.density.exact else max(1, _CELLS // self.entries)
        for start in range(0, len(regimes), together):
            some = regimes.take(slice(start, start + together))
            yield from self.density.sample(some, self.count, stream(self.seed, "draws"))

    def rows(self, x: Floats) -> tuple[Floats, Ints]:
        """Distinct rows of draws and where each draw is among them: few where the grid is small."""
        sizes = self.density.grid.sizes
        if math.prod(sizes) > 4 * len(x):
            return x, np.arange(len(x))
        cell = np.ravel_multi_index(tuple(self.density.grid.encode(x).T), sizes)
        _, first, place = np.unique(cell, return_index=True, return_inverse=True)
        return x[first], place

    def at(self, function: Callable[[Floats], Floats], x: Floats) -> Floats:
        """A function of rows at draws; equal draws are computed once."""
        distinct, place = self.rows(x)
        return np.asarray(function(distinct), dtype=np.float64)[place]


def exact_means(density: DensityModel, regimes: Regimes) -> Floats:
    """Means of the x-variables on the grid, no draws, shape (r, p)."""
    return np.stack([m @ v for m, v in zip(density.marginals(regimes), density.grid.values, strict=True)], axis=1)


def redrawn_means(density: DensityModel, samples: Samples, rows: Ints, regimes: Regimes) -> Floats:
    """`exact_means` with bins' values that are means of redrawn rows, each row `rows` times, shape (r, p)."""
    bins, columns = density.grid.encode(samples.x), []
    for v, masses in enumerate(density.marginals(regimes)):
        width = masses.shape[1]
        count = np.bincount(bins[:, v], weights=rows, minlength=width)
        total = np.bincount(bins[:, v], weights=rows * samples.x[:, v], minlength=width)
        values = np.where(count > 0, total / np.maximum(count, 1), density.grid.values[v])
        columns.append(masses @ values)
    return np.stack(columns, axis=1)


def means_under(
    model: DensityModel,
    fitted: DensityModel,
    regimes: Regimes,
    draws: Iterable[Floats],
    values: Iterable[Floats],
) -> Floats:
    """Means under another model of values at draws from the fitted one, an array (draws, k) a regime; (r, k)."""
    found = []
    for r, (x, at) in enumerate(zip(draws, values, strict=True)):
        one = regimes.take(slice(r, r + 1))
        change = model.log_potentials(x, one)[:, 0] - fitted.log_potentials(x, one)[:, 0]
        found.append(tilted_means(at, change))
    return np.stack(found)
