"""Products of Gaussian densities: the target's mean and covariance in closed form, and products that are none."""

from __future__ import annotations

from itertools import product

import numpy as np

from ifm_ident import Identifier, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.show.demonstration import example
from ifm_learn.ratios.formula import FormulaRatio
from ifm_learn.ratios.gaussian_target import gaussian_targets
from ifm_learn.ratios.per_regime import GaussianDensities
from tests.learn.gaussian_chain import CHAIN, TARGET, gaussian

CYCLE = example("conditional").design
ALL_ONE = ((0, 1), (1, 1), (2, 1))


def test_gaussian_targets_are_exact() -> None:
    regimes = [gaussian(0, 0), gaussian(1, 0), gaussian(0, 1)]
    densities = GaussianDensities(np.array([m for m, _ in regimes]), np.array([c for _, c in regimes]))
    (found,) = gaussian_targets(densities, Identifier(CHAIN).identify(Regimes.from_active([TARGET], 2)))
    mean, covariance = gaussian(1, 1)
    assert found.proper
    assert found.warning == ""
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.covariance, covariance)


def test_gaussian_targets_by_conditional_formulas() -> None:
    """The three-cycle with Gaussian factors: rows of P and h by each variable's own exponents."""
    rng = np.random.default_rng(8)
    pairs = ((0, 1), (1, 2), (2, 0))
    factors = {
        (k, s): (rng.normal(size=2), rng.normal(size=(2, 2)) * 0.4)
        for k in range(3)
        for s in product((0, 1), repeat=2)
    }

    def natural(s: tuple[int, ...]) -> tuple[Floats, Floats]:
        precision, pull = np.zeros((3, 3)), np.zeros(3)
        for k, pair in enumerate(pairs):
            h, root = factors[k, (s[pair[0]], s[pair[1]])]
            precision[np.ix_(pair, pair)] += root @ root.T + np.eye(2)
            pull[list(pair)] += h
        return precision, pull

    train = [tuple(dict(regime).get(i, 0) for i in range(3)) for regime in CYCLE.train]
    covariance = np.array([np.linalg.inv(natural(s)[0]) for s in train])
    mean = np.array([c @ natural(s)[1] for c, s in zip(covariance, train, strict=True)])
    densities = GaussianDensities(mean, covariance)
    (found,) = gaussian_targets(densities, Identifier(CYCLE).identify(Regimes.from_active([ALL_ONE], 3)))
    precision, pull = natural((1, 1, 1))
    np.testing.assert_allclose(found.precision, precision, atol=1e-9)
    np.testing.assert_allclose(found.shift, pull, atol=1e-9)
    x = rng.normal(size=(20, 3))
    by_brook = FormulaRatio(CYCLE, densities).log_potential(ALL_ONE, x)
    true = -0.5 * np.einsum("np,pq,nq->n", x, precision, x) + x @ pull
    np.testing.assert_allclose(by_brook - by_brook[0], true - true[0], atol=1e-8)


def test_improper_products_say_so() -> None:
    narrow = GaussianDensities(np.zeros((3, 2)), np.stack([0.3 * np.eye(2), np.eye(2), np.eye(2)]))
    (found,) = gaussian_targets(narrow, Identifier(CHAIN).identify(Regimes.from_active([TARGET], 2)))
    assert not found.proper
    assert "gives no density" in found.warning
    assert np.isnan(found.mean).all()
