"""95% confidence intervals cover the truth in 400 simulated studies, density and regression fitted in each."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.stats import binom, t
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from ifm_ident import Regimes, Study
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.energies.layout import Ridge
from ifm_learn.outcome.balance import Balance
from ifm_learn.outcome.doubly_robust import DoublyRobust
from ifm_learn.outcome.estimator import bootstrap_errors
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.ifm2 import Ifm2
from tests.learn.discrete_truth import CYCLE, DiscreteTruth

STUDIES, ROWS, REPLICATES = 400, 500, 40
LIMITS = binom.ppf([0.0005, 0.9995], STUDIES, 0.95) / STUDIES
"""99.9% limits of the share of intervals that cover: 0.9125 and 0.9825, so 91 to 98.3%."""

TARGETS = Regimes.from_codes(np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]]))
TRUTH = DiscreteTruth.draw(CYCLE, np.random.default_rng(1), strength=0.4)
SATURATED = make_pipeline(PolynomialFeatures(3, interaction_only=True, include_bias=False), LinearRegression())
METHODS: dict[str, IdentifiedEstimator] = {
    "ifm1": Ifm1(regressor=SATURATED, draws=3000, replicates=REPLICATES),
    "ifm2": Ifm2(replicates=REPLICATES),
    "dr": DoublyRobust(regressor=SATURATED, draws=3000, folds=2, replicates=REPLICATES),
    "balance": Balance(replicates=REPLICATES),
}


@cache
def studies(outcome: bool) -> dict[str, tuple[Floats, Floats]]:
    """Means and standard errors of every method in every study, each of shape (studies, targets[, variables])."""
    found: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in METHODS}
    for seed in range(STUDIES):
        rows = TRUTH.samples([ROWS] * 6, np.random.default_rng([seed, outcome]))
        rows = rows if outcome else dataclasses.replace(rows, y=None)
        density = fit_density(rows, energy="saturated", ridge=Ridge(0.01, 0.01), starts=1)
        for name, method in METHODS.items():
            if outcome or name in ("ifm1", "balance"):
                estimator = clone(method).set_params(density=density).fit(rows)
                found[name].append((estimator.predict(TARGETS), estimator.standard_errors(TARGETS)))
    return {
        name: (np.array([m for m, _ in pairs]), np.array([s for _, s in pairs])) for name, pairs in found.items()
    }


def coverage(means: Floats, errors: Floats, truth: Floats) -> Floats:
    """Shares of studies whose 95% interval covers, a share for each mean."""
    found: Floats = (np.abs(means - truth) <= t.ppf(0.975, REPLICATES - 1) * errors).mean(axis=0)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_intervals_for_the_mean_outcome_cover(name: str) -> None:
    share = coverage(*studies(True)[name], TRUTH.mean(TARGETS, TRUTH.effect))
    assert (share >= LIMITS[0]).all(), share
    assert (share <= LIMITS[1]).all(), share


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ifm1", "balance"])
def test_intervals_for_the_means_of_the_variables_cover(name: str) -> None:
    share = coverage(*studies(False)[name], TRUTH.mean(TARGETS, TRUTH.states))
    assert (share >= LIMITS[0]).all(), share
    assert (share <= LIMITS[1]).all(), share


def test_errors_agree_with_a_bootstrap_that_refits_the_density() -> None:
    """Bootstraps of 60 and of 100 replicates: one sd of the ratio of their errors is 12%; 4 of these allowed."""
    rows = TRUTH.samples([ROWS] * 6, np.random.default_rng(7))
    settings = {"energy": "saturated", "ridge": Ridge(0.01, 0.01), "starts": 1}
    model = Balance(density=settings, replicates=100).fit(rows)
    refitted = bootstrap_errors(Balance(density=settings), rows, TARGETS, np.random.default_rng(3), 60)
    np.testing.assert_allclose(model.standard_errors(TARGETS), refitted, rtol=0.48)


def test_errors_hold_the_noise_of_the_outcome_in_closed_form() -> None:
    """One factor, x says nothing of y: the mean is sum_x p(x) mean(y | x), its variance sum_x p(x)^2 / n_x.

    100 replicates: one sd of the error is 7%; 4 of these allowed.
    """
    design = Study.from_dict(
        {"interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["0", "1"]}
    ).design
    rng = np.random.default_rng(4)
    regime = np.repeat([0, 1], [600, 400])
    x = rng.binomial(1, np.array([0.3, 0.6])[regime])
    rows = Samples(design, regime, x[:, None].astype(float), rng.normal(size=1000))
    share = np.array([1 - x[:600].mean(), x[:600].mean()])
    expected = np.sqrt((share**2 / np.bincount(x)).sum())
    settings = {"energy": "saturated", "ridge": Ridge(0.01, 0.01), "starts": 1}
    for estimator in (
        Balance(settings),
        Ifm1(settings, LinearRegression()),
        DoublyRobust(settings, LinearRegression()),
    ):
        errors = estimator.set_params(replicates=100).fit(rows).standard_errors(design.train.take(np.array([0])))
        np.testing.assert_allclose(errors, [expected], rtol=0.28)
