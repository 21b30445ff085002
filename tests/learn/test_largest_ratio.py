"""Max-product and the largest ratio on a grid, against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from ifm_learn.inference._max_product import maximise
from ifm_learn.inference.grid_tree import GridTree
from ifm_learn.inference.largest_ratio import TIGHT, GridRatio

SHAPES = [
    ([(0, 1), (1, 2), (2, 3)], [4, 3, 5, 2]),
    ([(1, 0), (2, 1), (0, 2), (3,)], [3, 4, 3, 5]),  # a cycle, and a variable on its own
    ([(2, 0, 1), (1,), (0, 3)], [3, 2, 4, 3]),
]


def points(sizes: list[int]) -> np.ndarray:
    return np.array(list(itertools.product(*map(range, sizes))))


@pytest.mark.parametrize(("scopes", "sizes"), SHAPES)
def test_maximiser_is_that_of_enumeration(scopes: list[tuple[int, ...]], sizes: list[int]) -> None:
    rng = np.random.default_rng(0)
    for ties in (False, True):
        tables = [rng.normal(size=[sizes[v] for v in scope]).round(0 if ties else 9) for scope in scopes]
        value, at = maximise(GridTree.of(scopes, sizes), tables)
        x = points(sizes)
        sums = sum(table[tuple(x[:, v] for v in scope)] for table, scope in zip(tables, scopes, strict=True))
        assert value == pytest.approx(float(sums.max()))
        assert float(sums[(x == at).all(axis=1)][0]) == pytest.approx(value)


def random_ratio(
    rng: np.random.Generator, scopes: list[tuple[int, ...]], sizes: list[int], scale: float
) -> GridRatio:
    m = int(rng.integers(1, 6))
    counts = rng.integers(1, 4, len(scopes))
    stacks = tuple(
        rng.normal(size=(u, *[sizes[v] for v in scope])) * scale for u, scope in zip(counts, scopes, strict=True)
    )
    share = rng.dirichlet(np.ones(m))
    return GridRatio(
        GridTree.of(scopes, sizes),
        stacks,
        np.array([rng.integers(u) for u in counts]),
        tuple(rng.integers(0, u, m) for u in counts),
        float(rng.normal()),
        rng.normal(size=m),
        np.log(share),
    )


@pytest.mark.parametrize(("scopes", "sizes"), SHAPES)
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_bounds_hold_and_meet_the_enumerated_supremum(
    scopes: list[tuple[int, ...]], sizes: list[int], scale: float
) -> None:
    rng = np.random.default_rng(1)
    for _ in range(8):
        ratio = random_ratio(rng, scopes, sizes, scale)
        x = points(sizes)
        top, below = ratio.at(x)
        truth = float((top - logsumexp(below + ratio.log_share, axis=1)).max())
        one, many = ratio.largest(boxes=1), ratio.largest()
        for found in (one, many):
            assert found.attained <= truth + 1e-9
            assert found.bound >= truth
        assert many.tight
        assert many.bound - truth <= TIGHT
        assert many.bound <= one.bound + 1e-6


def test_against_a_mixture_that_holds_it_a_density_weighs_at_most_one_over_its_share() -> None:
    """p* = p_1 with share 1/4: the ratio is at most 4, and comes near where p_1 alone has mass."""
    stack = np.log(np.array([[0.999, 0.001], [0.001, 0.999]]))
    ratio = GridRatio(
        GridTree.of([(0,)], [2]),
        (stack,),
        np.array([1]),
        (np.array([1, 0]),),
        0.0,
        np.zeros(2),
        np.log([0.25, 0.75]),
    )
    assert float(np.exp(ratio.largest().bound)) == pytest.approx(0.999 / (0.25 * 0.999 + 0.75 * 0.001), rel=1e-6)
