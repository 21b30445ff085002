"""Ratios by one classifier of the regimes: error, class sizes, weights, calibration, the choice of classifier."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.ratios.classifier import ClassifierRatio
from ifm_learn.ratios.formula import FormulaRatio, undo_class_sizes
from ifm_learn.ratios.per_regime import GaussianDensities, KernelDensities
from tests.learn.gaussian_chain import (
    CHAIN,
    EVALUATED,
    TARGET,
    chain_samples,
    gaussian,
    squared_error,
    statistics,
    true_log_ratio,
    within,
)
from tests.learn.gaussian_pair import PAIR, pair_samples


def quadratic(**options: Any) -> Any:
    """Logistic regression on quadratic terms, hardly penalised."""
    terms = PolynomialFeatures(2, include_bias=False)
    return make_pipeline(StandardScaler(), terms, LogisticRegression(C=1e4, max_iter=5_000, **options))


@pytest.mark.parametrize("n", [1_000, 4_000, 16_000])
@pytest.mark.parametrize("calibrate", [False, True])
def test_classifier_log_ratio_error_falls_as_the_root_of_n(n: int, calibrate: bool) -> None:
    """The same from one well-specified classifier; covariance by the Fisher information of multinomial logits."""
    pooled = chain_samples((20_000, 20_000, 20_000), np.random.default_rng(0)).x
    features = np.column_stack([np.ones(len(pooled)), statistics(pooled)])
    logits = np.column_stack(
        [
            np.linalg.slogdet(np.linalg.inv(gaussian(*s)[1]))[1] / 2
            + np.zeros(len(pooled))
            - 0.5
            * np.einsum(
                "np,pq,nq->n", pooled - gaussian(*s)[0], np.linalg.inv(gaussian(*s)[1]), pooled - gaussian(*s)[0]
            )
            for s in [(0, 0), (1, 0), (0, 1)]
        ]
    )
    shares = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])[:, 1:]
    variance = np.einsum("ni,ij->nij", shares, np.eye(2)) - shares[:, :, None] * shares[:, None, :]
    information = np.einsum("nij,na,nb->iajb", variance, features, features).reshape(12, 12) * (n / 20_000)
    covariance = np.linalg.inv(information).reshape(2, 6, 2, 6).sum(axis=(0, 2))[1:, 1:]
    spectrum = np.linalg.eigvals(covariance @ np.cov(statistics(EVALUATED).T)).real
    errors = []
    for seed in range(10):
        samples = chain_samples((n, n, n), np.random.default_rng([n, seed]))
        ratio = FormulaRatio(CHAIN, ClassifierRatio(quadratic(), calibrate, folds=2).fit(samples))
        found = ratio.log_potential(TARGET, EVALUATED) - ratio.log_potential((), EVALUATED)
        errors.append(squared_error(found, true_log_ratio(EVALUATED)))
    within(errors, spectrum)


@pytest.mark.parametrize("calibrate", [False, True])
@pytest.mark.parametrize(
    "classifier",
    [
        quadratic(),
        quadratic(class_weight="balanced"),
        quadratic(class_weight={0: 30.0, 1: 0.5}),
        LogisticRegression(class_weight="balanced"),
        HistGradientBoostingClassifier(max_iter=30, learning_rate=0.1, max_leaf_nodes=4, class_weight="balanced"),
    ],
)
def test_class_sizes_and_weights_are_undone(classifier: Any, calibrate: bool) -> None:
    at = np.linspace(-1, 2, 31)[:, None]
    values = ClassifierRatio(classifier, calibrate).fit(pair_samples(0)).log_densities(at)
    error = values[:, 1] - values[:, 0] - (at[:, 0] - 0.5)
    # 500 rows: a standard error of about 0.07 at a point; forgotten class sizes or weights cost log 10 or more
    assert abs(error.mean()) < 0.2


def test_sample_weights_are_undone() -> None:
    samples = pair_samples(1)
    weight = np.where(samples.regime == 0, 40.0, 1.0)
    at = np.linspace(-1, 2, 31)[:, None]
    for classifier in (quadratic(), quadratic(class_weight="balanced"), LogisticRegression()):
        for calibrate in (False, True):
            ratio = ClassifierRatio(classifier, calibrate).fit(samples, weight)
            values = ratio.log_densities(at)
            assert abs((values[:, 1] - values[:, 0] - (at[:, 0] - 0.5)).mean()) < 0.2
            own = ratio.out_of_fold_[:, 1] - ratio.out_of_fold_[:, 0] - (samples.x[:, 0] - 0.5)
            assert abs(own.mean()) < 0.2


def test_calibration_mends_hidden_class_weights_and_overconfidence() -> None:
    class Hidden(LogisticRegression):  # type: ignore[misc]
        """Multiplies its log-odds by 3 and adds 2, and says nothing of it."""

        def decision_function(self, x: Floats) -> Floats:
            return np.asarray(3 * super().decision_function(x) + 2)

    at = np.linspace(-1, 2, 31)[:, None]
    samples = pair_samples(2)
    ratio = ClassifierRatio(Hidden()).fit(samples)
    values = ratio.log_densities(at)
    assert np.abs(values[:, 1] - values[:, 0] - (at[:, 0] - 0.5)).max() < 0.3
    assert ratio.temperature_ == pytest.approx(1 / 3, rel=0.2)
    # the likelihood equations of the constants: held-out probabilities add up to the class sizes
    logits = ratio.out_of_fold_ + np.log(samples.sizes)
    shares = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    np.testing.assert_allclose(shares.sum(axis=0), samples.sizes, rtol=1e-3)


def test_out_of_fold_values_have_not_seen_their_row() -> None:
    rng = np.random.default_rng(3)
    regime = np.repeat([0, 1], 500)
    samples = Samples(PAIR, regime, rng.normal(size=(1_000, 1)))
    ratio = ClassifierRatio(DecisionTreeClassifier(random_state=0), calibrate=False).fit(samples)
    right = (ratio.out_of_fold_.argmax(axis=1) == regime).mean()
    # regimes are equal: a tree that has seen the row is always right, one that has not half the time (sd 0.016)
    assert abs(right - 0.5) < 0.064


def test_log_loss_is_that_of_scikit_learn() -> None:
    samples = pair_samples(5)
    split = StratifiedKFold(5, shuffle=True, random_state=0)
    plain = cross_val_predict(quadratic(), samples.x, samples.regime, cv=split, method="predict_proba")
    for classifier in (quadratic(), quadratic(class_weight={0: 1.0, 1: 1.0})):
        ratio = ClassifierRatio(classifier, calibrate=False).fit(samples)
        assert ratio.candidates_["given"] == pytest.approx(log_loss(samples.regime, plain), rel=1e-9)
        assert ratio.log_loss_ == ratio.candidates_["given"]


def test_zero_probabilities_are_raised_counted_and_reported() -> None:
    samples = pair_samples(4)
    ratio = ClassifierRatio(DecisionTreeClassifier(random_state=0)).fit(samples)
    assert ratio.floor_ == pytest.approx(1 / (5_500 + 2))
    assert ratio.floored_ == 5_500  # a full tree gives each row one zero
    with pytest.warns(RuntimeWarning, match="5 of 10 probabilities are 0"):
        assert np.isfinite(ratio.log_densities(samples.x[:5])).all()


def test_the_default_classifier_is_the_best_by_held_out_log_loss() -> None:
    ratio = ClassifierRatio().fit(chain_samples((800, 200, 200), np.random.default_rng(5)))
    assert set(ratio.candidates_) == {"linear", "quadratic", "splines", "boosted trees"}
    assert min(ratio.candidates_, key=ratio.candidates_.__getitem__) == "quadratic"  # it is well specified here
    assert ratio.log_loss_ <= ratio.candidates_["quadratic"] + 1e-9
    again = ClassifierRatio().fit(chain_samples((800, 200, 200), np.random.default_rng(5)))
    np.testing.assert_array_equal(ratio.out_of_fold_, again.out_of_fold_)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    for fit in (ClassifierRatio().fit, GaussianDensities.fit, KernelDensities.fit):
        with pytest.raises(MissingExtraError, match=r"ifm-ident\[learn\]"):
            fit(pair_samples(0))


def test_classifier_refusals() -> None:
    samples = pair_samples(6)
    with pytest.raises(InputError, match="no predict_proba"):
        ClassifierRatio(RidgeClassifier()).fit(samples)
    with pytest.raises(InputError, match="positive numbers"):
        ClassifierRatio().fit(samples, np.zeros(5_500))
    with pytest.raises(InputError, match="1 row"):
        ClassifierRatio().fit(samples.take(np.arange(499, 520)))
    with pytest.raises(InputError, match="class sizes must be positive"):
        undo_class_sizes(np.zeros((2, 2)), [1, 0])
