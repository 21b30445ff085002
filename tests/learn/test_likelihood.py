"""Exact likelihood and the energies of one hidden layer: values by enumeration, slopes by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ifm_ident.arrays import Floats, Ints
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.energies.mlp import Mlp
from ifm_learn.fitting.fit import average
from ifm_learn.fitting.likelihood import Counts, ExactLikelihood
from ifm_learn.inference.grid_tree import GridTree
from tests.learn.grid_models import design, draw, log_mass, random_tables

SIZES = [3, 2, 4, 3]


def problem(name: str, seed: int) -> tuple[ExactLikelihood, NDArray[np.int64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    of = design(name)
    cells = FactorCells.of(of)
    sizes = SIZES[: len(of.model.variables)]
    samples = draw(of, sizes, random_tables(cells, sizes, rng), 60, rng)
    grid = Grid.of(samples.x)
    assert grid.sizes == tuple(sizes)
    layout = Layout(cells, tuple(Mlp(len(scope), units=3) for scope in cells.scopes))
    base = tuple(rng.normal(size=size) for size in sizes)
    bins = grid.encode(samples.x)
    counts = Counts.of(cells, grid, bins, samples.regime)
    axes = tuple(values - 1.0 for values in grid.values)
    return ExactLikelihood(layout, GridTree.of(cells.scopes, sizes), axes, base, counts), bins, samples.regime


def by_enumeration(likelihood: ExactLikelihood, theta: Floats, bins: Ints, regime: Ints) -> float:
    """Minus the log-likelihood, row by row, from energies at points: nothing of the tree or of tables is used."""
    layout, of = likelihood.layout, likelihood.layout.design
    sizes = [len(axis) for axis in likelihood.axes]
    tables = []
    for cell, k in enumerate(layout.cells.factor):
        axes = [likelihood.axes[v] for v in layout.scopes[k]]
        points = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)
        tables.append(layout.energies[k].value(layout.block(theta, cell), points).reshape([len(a) for a in axes]))
    mass = log_mass(layout.cells, sizes, tables, of.train)
    for v, base in enumerate(likelihood.base):
        mass += base.reshape([-1 if u == v else 1 for u in range(len(sizes))])
    total = np.log(np.exp(mass).reshape(len(mass), -1).sum(axis=1))
    return float(sum(total[r] - mass[(r, *row)] for r, row in zip(regime, bins, strict=True)))


@pytest.mark.parametrize("name", ["loop", "conditional"])
def test_value_and_gradient(name: str) -> None:
    likelihood, bins, regime = problem(name, 0)
    rng = np.random.default_rng(1)
    theta = rng.normal(size=likelihood.layout.size)
    value, gradient = likelihood.value_and_gradient(theta)
    # single precision: relative errors of 6e-8 an operation, a few of them, over rows * nats of a few thousand
    assert value == pytest.approx(by_enumeration(likelihood, theta, bins, regime), rel=1e-6)
    assert likelihood.value(theta) == pytest.approx(value, rel=1e-6)
    assert likelihood.rows == len(bins)
    for _ in range(3):
        way = rng.normal(size=theta.shape)
        ends = [by_enumeration(likelihood, theta + h * way, bins, regime) for h in (1e-5, -1e-5)]
        # central differences err by 1e-10 * third derivative and 1e-16 * value / 1e-5; single precision dominates
        assert gradient @ way == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5, abs=1e-2)


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_mlp_tables_are_its_values(width: int, scale: float) -> None:
    rng = np.random.default_rng(width)
    energy = Mlp(width, units=4)
    theta = scale * rng.normal(size=energy.size)
    axes = [rng.normal(size=3 + d) for d in range(width)]
    points = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], axis=1)
    weights = rng.normal(size=[len(axis) for axis in axes])
    # single precision: activations right to 1e-6 (exponents up to 80), times output weights
    out = np.abs(theta[: energy.units]).sum()
    np.testing.assert_allclose(energy.table(theta, axes).ravel(), energy.value(theta, points), atol=1e-5 * out)
    jacobian = energy.jacobian(theta, points)
    size = np.abs(weights).ravel() @ np.abs(jacobian)
    error = np.abs(energy.table_gradient(theta, axes, weights) - weights.ravel() @ jacobian)
    assert (error <= 2e-5 * (size + out)).all()


def test_mlp_jacobian() -> None:
    rng = np.random.default_rng(0)
    energy = Mlp(3, units=4)
    theta, points = rng.normal(size=energy.size), rng.normal(size=(7, 3))
    for way in np.eye(energy.size):
        slope = (energy.value(theta + 1e-6 * way, points) - energy.value(theta - 1e-6 * way, points)) / 2e-6
        np.testing.assert_allclose(energy.jacobian(theta, points) @ way, slope, atol=1e-8)


def test_tables_larger_than_a_block() -> None:
    energy = Mlp(2, units=2)
    theta = np.random.default_rng(0).normal(size=energy.size)
    axes = [np.linspace(-1, 1, 3), np.linspace(-1, 1, 40_000)]
    table = energy.table(theta, axes)
    np.testing.assert_allclose(table[1], energy.value(theta, np.stack([0 * axes[1], axes[1]], axis=1)), atol=1e-5)
    assert energy.table_gradient(theta, axes, np.ones_like(table)).shape == (energy.size,)


def test_ridge() -> None:
    layout = problem("loop", 0)[0].layout
    rng = np.random.default_rng(0)
    ridge, theta = Ridge(0.5, 2.0), rng.normal(size=layout.size)
    value, gradient = ridge.value_and_gradient(layout, theta)
    matrix = ridge.matrix(layout)
    # a quadratic form: all three are the same function, in double precision
    assert value == pytest.approx(theta @ matrix @ theta / 2, rel=1e-12)
    np.testing.assert_allclose(gradient, matrix @ theta, atol=1e-11)
    assert value == pytest.approx(
        sum(
            0.5
            * (0.5 if cell == layout.cells.first[k] else 2.0)
            * ((layout.block(theta, cell) - first) ** 2).sum()
            for cell, k in enumerate(layout.cells.factor)
            for first in [0 if cell == layout.cells.first[k] else layout.block(theta, int(layout.cells.first[k]))]
        )
    )


def test_an_average_is_at_least_as_likely_as_the_mean() -> None:
    likelihood = problem("loop", 3)[0]
    cells, rng = likelihood.layout.cells, np.random.default_rng(4)
    models = [random_tables(cells, SIZES, rng) for _ in range(3)]

    def score(tables: list[Floats]) -> float:
        held = likelihood.with_base(tables)
        own = sum(float((c * t).sum()) for c, t in zip(likelihood.counts.tables, held, strict=True))
        return own - float(
            likelihood.counts.rows @ likelihood.tree.log_normalisers(held, likelihood.counts.choice)
        )

    assert score(average(models)) >= np.mean([score(model) for model in models])
