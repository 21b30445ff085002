"""Exact inference on grids against enumeration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chi2

from ifm_learn.energies.cells import FactorCells
from ifm_learn.inference.grid_tree import GridTree, sum_to
from tests.learn.grid_models import design, log_mass, probabilities, random_tables, regimes

SIZES = [3, 2, 4, 3]


@pytest.mark.parametrize(("name", "wanted"), [("loop", ("000", "111", "201")), ("conditional", ("111", "100"))])
@pytest.mark.parametrize("seed", [0, 1])
def test_normalisers_and_marginals(name: str, wanted: tuple[str, ...], seed: int) -> None:
    cells = FactorCells.of(design(name))
    sizes = SIZES[: len(cells.design.model.variables)]
    tables = random_tables(cells, sizes, np.random.default_rng(seed))
    asked = regimes(*wanted)
    mass = log_mass(cells, sizes, tables, asked)
    p = probabilities(cells, sizes, tables, asked)
    tree = GridTree.of(cells.scopes, sizes)
    tree.tree.check()
    found = tree.collect(tables, cells.choice(asked))
    # double precision: sums of at most 72 terms of size 1
    np.testing.assert_allclose(
        found.log_normalisers, np.log(np.exp(mass).reshape(len(p), -1).sum(axis=1)), rtol=1e-12
    )
    every = tuple(range(len(sizes)))
    for r in range(len(p)):
        for v, marginal in enumerate(found.variable_marginals(r)):
            np.testing.assert_allclose(marginal, sum_to(p[r], every, (v,)), atol=1e-12)
        for axes, belief in zip(tree.axes, found.beliefs(r), strict=True):
            np.testing.assert_allclose(belief, sum_to(p[r], every, axes), atol=1e-12)
    weights = np.array([2.0, 0.5, 0.0])[: len(p)]
    expected = found.expected(weights, len(tables))
    for cell, table in enumerate(expected):
        k = cells.factor[cell]
        want = sum(
            w * sum_to(one, every, cells.scopes[k])
            for w, one, row in zip(weights, p, cells.choice(asked), strict=True)
            if row[k] == cell
        )
        np.testing.assert_allclose(table, want, atol=1e-12)


def test_impossible_values_and_large_energies_are_no_trouble() -> None:
    tree = GridTree.of([(0, 1), (1, 2)], [2, 2, 2])
    first = np.array([[5000.0, -np.inf], [-np.inf, 5000.0]])
    second = np.array([[0.0, 0.0], [-2000.0, -2000.0]])
    found = tree.collect([first, second], np.array([[0, 1]]))
    assert found.log_normalisers[0] == pytest.approx(5000 + np.log(2), rel=1e-12)
    np.testing.assert_allclose(found.variable_marginals(0)[0], [1.0, 0.0])


def test_draws_have_the_exact_distribution() -> None:
    cells = FactorCells.of(design("loop"))
    tables = random_tables(cells, SIZES, np.random.default_rng(2))
    asked = regimes("201")
    p = probabilities(cells, SIZES, tables, asked)[0].ravel()
    n = 40_000
    drawn = (
        GridTree.of(cells.scopes, SIZES)
        .collect(tables, cells.choice(asked))
        .sample(0, n, np.random.default_rng(3))
    )
    seen = np.bincount(np.ravel_multi_index(tuple(drawn.T), SIZES), minlength=p.size)
    # Pearson's statistic over cells expected five times or more, the rest pooled; one in 10,000 exceeds the limit
    often = p * n >= 5
    parts = [(seen[often], p[often] * n), (seen[~often].sum(keepdims=True), p[~often].sum(keepdims=True) * n)]
    statistic = sum(
        float((((s - e) ** 2) / np.maximum(e, 1e-9)).sum()) for s, e in parts if len(s) and e.sum() > 0
    )
    assert statistic < chi2.isf(1e-4, often.sum())
