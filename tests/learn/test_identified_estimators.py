"""IFM1, IFM2, IFM3, doubly robust and balance: means against enumeration, refusals, conventions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from ifm_ident import InputError, NotIdentifiableError, Regimes
from ifm_learn.data.samples import Samples
from ifm_learn.fitting.contrast import ContrastFit, fit_contrast
from ifm_learn.outcome.balance import Balance
from ifm_learn.outcome.doubly_robust import DoublyRobust
from ifm_learn.outcome.identified import IdentifiedEstimator
from ifm_learn.outcome.ifm1 import Ifm1
from ifm_learn.outcome.ifm2 import Ifm2
from ifm_learn.outcome.ifm3 import Ifm3
from ifm_learn.outcome.methods import METHODS
from ifm_learn.outcome.weighted import WeightedEstimator
from tests.learn.discrete_truth import CYCLE, DiscreteTruth, cycle_design

SIZE = 4000
SATURATED = make_pipeline(PolynomialFeatures(3, interaction_only=True, include_bias=False), LinearRegression())
"""Exact for three binary variables, so that only the rows' noise is left."""

TARGETS = Regimes.from_codes(np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]]))
TRUTH = DiscreteTruth.draw(CYCLE, np.random.default_rng(1), strength=0.4)
ROWS = TRUTH.samples([SIZE] * 6, np.random.default_rng(2))
WITHOUT = dataclasses.replace(ROWS, y=None)
KNOWN = TRUTH.density()
ESTIMATORS: dict[str, IdentifiedEstimator] = {
    "ifm1": Ifm1(KNOWN, SATURATED),
    "ifm2": Ifm2(KNOWN),
    "ifm3": Ifm3(KNOWN, SATURATED),
    "ifm3 refitted": Ifm3(KNOWN, LinearRegression(), refit="regressor"),
    "dr": DoublyRobust(KNOWN, SATURATED),
    "dr, wrong regression": DoublyRobust(KNOWN, LinearRegression()),
    "balance": Balance(KNOWN),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_means_of_the_outcome_with_the_true_density(name: str) -> None:
    """y has variance below 2.2, 10,000 rows of 24,000 or more are effective (checked), 10,000 draws: 5 sd."""
    estimator = clone(ESTIMATORS[name]).fit(ROWS)
    assert estimator.diagnostics(TARGETS).ess.min() > 10_000
    tolerance = 5 * np.sqrt(2.2 / 10_000 + 1.2 / 10_000)
    expected = TRUTH.mean(TARGETS, TRUTH.effect)
    np.testing.assert_allclose(estimator.predict(TARGETS), expected, atol=tolerance)


@pytest.mark.parametrize("name", ["ifm1", "ifm2", "ifm3", "dr", "balance"])
def test_means_of_the_variables_with_the_true_density(name: str) -> None:
    found = clone(ESTIMATORS[name]).fit(WITHOUT).predict(TARGETS)
    expected = TRUTH.mean(TARGETS, TRUTH.states)
    exact = name in ("ifm1", "dr")  # the grid holds every value: nothing is drawn, no residual is left
    np.testing.assert_allclose(found, expected, atol=1e-9 if exact else 5 * 0.5 / np.sqrt(10_000))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_refusals_carry_the_certificate(name: str) -> None:
    few = cycle_design(["000", "100", "010"])
    truth = DiscreteTruth(few, 2, TRUTH.tables)
    rows = truth.samples([50] * 3, np.random.default_rng(0))
    estimator = clone(ESTIMATORS[name]).set_params(density=truth.density()).fit(rows)
    with pytest.raises(NotIdentifiableError) as refusal:
        estimator.predict(TARGETS.take(np.array([0])))
    assert refusal.value.certificate is not None
    with pytest.raises(NotIdentifiableError):
        estimator.diagnostics(TARGETS)
    with pytest.raises(NotIdentifiableError):
        estimator.standard_errors(TARGETS)
    with pytest.raises(InputError, match="4 interventions"):
        estimator.predict(Regimes.from_codes(np.zeros((1, 4), dtype=int)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn_conventions_and_determinism(name: str) -> None:
    estimator = clone(ESTIMATORS[name])
    parameters = estimator.get_params(deep=False)
    assert (parameters["seed"], parameters["replicates"]) == (0, estimator.replicates)
    assert estimator.set_params(seed=4).seed == 4
    rows = ROWS.take(np.arange(0, len(ROWS), 10))
    first, second = clone(estimator).fit(rows), clone(estimator).fit(rows)
    both = first.predict(TARGETS)
    np.testing.assert_array_equal(both, second.predict(TARGETS))
    assert both.shape == (3,)
    # other regimes beside it do not change a number, but for the last digits of sums
    np.testing.assert_allclose(first.predict(TARGETS.take(np.array([2]))), both[2:], rtol=1e-9)
    assert first.predict(TARGETS.take(np.arange(0))).shape == (0,)


@dataclasses.dataclass
class Contrast:
    """Something with `fit(samples)` that becomes estimated densities."""

    ridge: float

    def fit(self, samples: Samples) -> ContrastFit:
        return fit_contrast(samples, "saturated", ridge=self.ridge)


def test_weights_and_ratios_by_regime_contrast_alone() -> None:
    """Saturated energies of binary variables; 3,000 rows or more are effective, 5 errors of the mean."""
    rows = ROWS.take(np.arange(0, len(ROWS), 3))
    expected = TRUTH.mean(TARGETS, TRUTH.effect)
    for ratio in (Contrast(0.1), Contrast(0.1).fit(rows)):
        for estimator in (Ifm2(ratio=ratio), Balance(ratio=ratio), DoublyRobust(KNOWN, SATURATED, ratio=ratio)):
            assert isinstance(estimator, WeightedEstimator)
            found = estimator.fit(rows).predict(TARGETS)
            np.testing.assert_allclose(found, expected, atol=5 * np.sqrt(2.2 / 3000))
            with pytest.raises(InputError, match="use bootstrap_errors"):
                estimator.standard_errors(TARGETS)


def test_a_wrong_regression_is_mended_by_the_residuals() -> None:
    """With a constant for m the plug-in part is the pooled mean; weighted residuals make up for all of it."""
    expected = TRUTH.mean(TARGETS, TRUTH.effect)
    plain = Ifm1(KNOWN, DummyRegressor()).fit(ROWS).predict(TARGETS)
    mended = DoublyRobust(KNOWN, DummyRegressor()).fit(ROWS).predict(TARGETS)
    assert np.abs(plain - expected).max() > 0.1
    np.testing.assert_allclose(mended, expected, atol=5 * np.sqrt(2.2 / 10_000))


def test_ifm3_is_the_pooled_regression_where_that_is_right() -> None:
    found = Ifm3(KNOWN, SATURATED).fit(ROWS).predict(TARGETS)
    pooled = Ifm1(KNOWN, SATURATED).fit(ROWS).predict(TARGETS)
    np.testing.assert_allclose(found, pooled, atol=0.02)


def test_bad_settings_are_refused() -> None:
    other = DiscreteTruth.draw(cycle_design(["110", "101"]), np.random.default_rng(0)).density()
    with pytest.raises(InputError, match=r"another design.*; fit one to these samples"):
        Ifm2(other).fit(ROWS)
    with pytest.raises(InputError, match="draws=1"):
        Ifm1(KNOWN, SATURATED, draws=1).fit(ROWS)
    with pytest.raises(InputError, match="did you mean ridge"):
        Ifm3(KNOWN, SATURATED, refit="rigde").fit(ROWS)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="replicates=1"):
        Balance(KNOWN, replicates=1).fit(ROWS).standard_errors(TARGETS)
    with pytest.raises(InputError, match="takes no sample_weight"):
        Ifm3(KNOWN, KNeighborsRegressor(), refit="regressor").fit(ROWS).predict(TARGETS)


def test_the_registry_knows_every_method_of_the_command() -> None:
    names = "ifm1 ifm2 ifm3 dr balance dag blackbox components average additive singles-mean singles-max nearest"
    assert list(METHODS) == [*names.split(), "pooled", "mean", "control"]
    for name, method in METHODS.items():
        built = method.build(None, None, 3)
        assert built.method == name
        assert built.needs_identification == method.needs_identification
        assert built.get_params().get("seed", 3) == 3
