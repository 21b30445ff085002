"""Models of others that are, or are not, interventional factor models (docs/theory/relatives.md)."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from ifm_ident import Study
from ifm_ident.answer.identification import Status

Floats = NDArray[np.float64]


def shifts(train: list[tuple[int, ...]], test: list[tuple[int, ...]]) -> Study:
    """Additive shifts in a latent space: a factor over everything for each perturbation, in (1, a_i)."""
    names = [f"a{i}" for i in range(len(train[0]))]
    return Study.from_dict(
        {
            "interventions": {name: {"levels": [0, 1, 2, 3], "basis": {"poly": 1}} for name in names},
            "variables": ["x"],
            "factors": [{"sigma": [name], "x": ["x"]} for name in names],
            "train": [dict(zip(names, one, strict=True)) for one in train],
            "test": [dict(zip(names, one, strict=True)) for one in test],
        }
    )


@pytest.mark.parametrize("seed", range(12))
def test_gaussian_latent_shifts_are_identified_in_the_affine_span(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    width, dimension = int(rng.integers(2, 5)), int(rng.integers(1, 4))
    every = list(product(range(4), repeat=width))
    train = [every[i] for i in rng.choice(len(every), size=int(rng.integers(2, 6)), replace=False)]
    test = [every[i] for i in rng.choice(len(every), size=15, replace=False)]
    found = shifts(train, test).identify("joint")

    rows = np.array([[1, *one] for one in train])
    rank = np.linalg.matrix_rank(rows)
    # a latent normal z = z0 + W a, seen through x = f(z) with f(z) = z + z^3 / 5 mixed by a matrix: injective
    factor = rng.normal(size=(dimension, dimension))
    precision = np.linalg.inv(factor @ factor.T + np.eye(dimension))
    centre, effect = rng.normal(size=dimension), rng.normal(size=(dimension, width))
    latent = rng.normal(size=(50, dimension))  # the points x = f(z) are known by their z

    def log_density(dose: tuple[int, ...]) -> Floats:
        """Of x at the points, up to the Jacobian of f, which is the same in all regimes, and the constant."""
        apart = latent - centre - effect @ np.array(dose)
        return np.asarray(-0.5 * np.einsum("ij,jk,ik->i", apart, precision, apart), dtype=np.float64)

    for answer, dose in zip(found, test, strict=True):
        inside = np.linalg.matrix_rank(np.vstack([rows, [1, *dose]])) == rank
        assert (answer.status != Status.NOT_IDENTIFIED) == inside
        if answer.status == Status.IDENTIFIED:
            assert answer.formula is not None
            terms = list(answer.formula)
            assert sum((q for _, q in terms), Fraction(0)) == 1  # so that the Jacobian cancels
            predicted = np.sum([float(q) * log_density(train[i]) for i, q in terms], axis=0)
            off = predicted - log_density(dose)
            assert np.ptp(off) < 1e-9
        elif answer.status == Status.NOT_IDENTIFIED:
            # another W agrees with training (its change vanishes on every (1, a) that was run) and not here
            null = np.linalg.svd(rows.astype(float))[2][rank:]
            assert np.abs(null @ np.array([1, *dose])).max() > 1e-9


def test_shifted_laplace_latents_are_no_factor_model() -> None:
    points = np.linspace(-4, 6, 101)
    tables = {(a, b): -np.abs(points - a - b) for a, b in product((0, 1), repeat=2)}
    formula = tables[1, 0] + tables[0, 1] - tables[0, 0]
    assert np.ptp(formula - tables[1, 1]) > 1
    # where each perturbation shifts coordinates of its own that are independent, any law is one
    first, second = np.meshgrid(points, points)
    apart = {(a, b): -np.abs(first - a) - np.abs(second - b) for a, b in product((0, 1), repeat=2)}
    assert np.ptp(apart[1, 0] + apart[0, 1] - apart[0, 0] - apart[1, 1]) < 1e-12


def test_pairwise_separability_is_the_claim_of_four_runs() -> None:
    study = Study.from_labels(["ctrl", "A", "B", "A+B"])
    first = next(iter(study.implications("joint")))
    exponents = {study.design.train[i]: int(q) for i, q in first.formula}
    sign = exponents[()]
    claim = {regime: sign * q for regime, q in exponents.items()}
    assert claim == {(): 1, ((0, 1),): -1, ((1, 1),): -1, ((0, 1), (1, 1)): 1}
