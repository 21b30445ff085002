"""Log-ratios by formula against the truth of Gaussian and discrete interventional factor models."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ifm_ident import Design, Identifier, InputError, MissingExtraError, NotIdentifiableError, Regimes, Study
from ifm_learn.data.samples import Samples
from ifm_learn.ratios.classifier import ClassifierRatio
from ifm_learn.ratios.formula import (
    FormulaRatio,
    LogDensities,
    exponent_matrix,
    log_ratio,
    log_ratios,
    undo_class_sizes,
)
from ifm_learn.ratios.gaussian_target import gaussian_targets
from ifm_learn.ratios.per_regime import GaussianDensities, KernelDensities, MixtureDensities

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CHAIN = Study.from_dict(
    {
        "interventions": {"s1": [0, 1], "s2": [0, 1]},
        "variables": ["x1", "x2"],
        "factors": [{"x": ["x1", "x2"], "sigma": ["s1"]}, {"x": ["x2"], "sigma": ["s2"]}],
        "train": ["00", "10", "01"],
    }
).design
TARGET = ((0, 1), (1, 1))

CYCLE = Study.from_dict(
    {
        "interventions": {"s1": [0, 1], "s2": [0, 1], "s3": [0, 1]},
        "variables": ["x1", "x2", "x3"],
        "factors": [
            {"x": ["x1", "x2"], "sigma": ["s1", "s2"]},
            {"x": ["x2", "x3"], "sigma": ["s2", "s3"]},
            {"x": ["x3", "x1"], "sigma": ["s3", "s1"]},
        ],
        "train": ["110", "101", "011", "100", "010", "001"],
    }
).design
ALL_ONE = ((0, 1), (1, 1), (2, 1))

PRECISION_1 = np.array([[[1.2, 0.4], [0.4, 0.6]], [[1.6, -0.3], [-0.3, 0.5]]])
PRECISION_2 = np.array([[[0.0, 0.0], [0.0, 0.8]], [[0.0, 0.0], [0.0, 0.4]]])
PULL_1 = np.array([[0.0, 0.0], [0.8, 0.3]])
PULL_2 = np.array([[0.0, 0.0], [0.0, 0.6]])
"""Factor k at level s is exp(-x'Px/2 + x'h), so products and ratios of regimes are Gaussian in closed form."""


def gaussian(s1: int, s2: int) -> tuple[Floats, Floats]:
    """Mean and covariance of a regime of the two-factor Gaussian model."""
    covariance = np.linalg.inv(PRECISION_1[s1] + PRECISION_2[s2])
    return covariance @ (PULL_1[s1] + PULL_2[s2]), covariance


def chain_samples(sizes: tuple[int, int, int], rng: np.random.Generator) -> Samples:
    parts = [
        rng.multivariate_normal(*gaussian(*s), n) for s, n in zip([(0, 0), (1, 0), (0, 1)], sizes, strict=True)
    ]
    return Samples(CHAIN, np.repeat(np.arange(3), sizes), np.concatenate(parts))


def statistics(x: Floats) -> Floats:
    """The sufficient statistics x1, x2, x1^2, x1 x2, x2^2, shape (n, 5)."""
    return np.column_stack([x, x[:, 0] ** 2, x[:, 0] * x[:, 1], x[:, 1] ** 2])


EVALUATED = np.random.default_rng(99).multivariate_normal(*gaussian(1, 1), 2_000)


def true_log_ratio(x: Floats) -> Floats:
    """log p(x; 11)/p(x; 00) up to a constant: the factors' changes, no density involved."""
    p = PRECISION_1[1] - PRECISION_1[0] + PRECISION_2[1] - PRECISION_2[0]
    h = PULL_1[1] - PULL_1[0] + PULL_2[1] - PULL_2[0]
    return np.asarray(-0.5 * np.einsum("np,pq,nq->n", x, p, x) + x @ h)


def squared_error(found: Floats, true: Floats) -> float:
    """Mean squared error up to a constant."""
    return float(np.var(found - true))


def within(errors: list[float], spectrum: NDArray[np.floating[Any]]) -> None:
    """The mean of squared errors, each a sum of lambda chi^2, is what it should be to 4 standard errors and 15%.

    The 15% are for terms of higher order in 1/n, which asymptotic variances leave out.
    """
    expected, sd = spectrum.sum(), np.sqrt(2 * (spectrum**2).sum() / len(errors))
    assert abs(np.mean(errors) - expected) < 4 * sd + 0.15 * expected


@pytest.mark.parametrize("n", [1_000, 4_000, 16_000])
def test_gaussian_log_ratio_error_falls_as_the_root_of_n(n: int) -> None:
    """Error of log p_11/p_00 = l_10 + l_01 - 2 l_00, whose natural parameters have the covariances Cov(T)^-1/n."""
    spread = np.cov(statistics(EVALUATED).T)
    large = np.random.default_rng(0)
    total = np.zeros((5, 5))
    for s, weight in (((0, 0), 4), ((1, 0), 1), ((0, 1), 1)):
        draws = statistics(large.multivariate_normal(*gaussian(*s), 200_000))
        total += weight * np.linalg.inv(np.cov(draws.T)) / n
    spectrum = np.linalg.eigvals(total @ spread).real
    errors = []
    for seed in range(30):
        densities = GaussianDensities.fit(chain_samples((n, n, n), np.random.default_rng([n, seed])))
        ratio = FormulaRatio(CHAIN, densities)
        found = ratio.log_potential(TARGET, EVALUATED) - ratio.log_potential((), EVALUATED)
        errors.append(squared_error(found, true_log_ratio(EVALUATED)))
    within(errors, spectrum)


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


def quadratic(**options: Any) -> Any:
    """Logistic regression on quadratic terms, hardly penalised."""
    terms = PolynomialFeatures(2, include_bias=False)
    return make_pipeline(StandardScaler(), terms, LogisticRegression(C=1e4, max_iter=5_000, **options))


PAIR = Study.from_dict(
    {"interventions": {"A": [0, 1]}, "variables": ["x"], "factors": [{"sigma": ["A"]}], "train": ["0", "1"]}
).design


def pair_samples(seed: int) -> Samples:
    """500 rows of N(0, 1) and 5,000 of N(1, 1): the log-ratio is x - 1/2."""
    rng = np.random.default_rng(seed)
    regime = np.repeat([0, 1], [500, 5_000])
    return Samples(PAIR, regime, rng.normal(size=(5_500, 1)) + regime[:, None])


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


@dataclass(frozen=True)
class Tables:
    """Discrete regimes: log p(x; sigma^i) less a function of x that all share."""

    logs: Floats  # (m, 3, 3, 3)
    shared: Floats

    def log_densities(self, x: Floats) -> Floats:
        cells = tuple(x.astype(int).T)
        return np.asarray((self.logs[(slice(None), *cells)] - self.shared[cells]).T)


def cycle_tables(seed: int) -> tuple[Tables, Floats]:
    """Random positive factors of the three-cycle on 27 cells: training tables and log p(x; 111)."""
    rng = np.random.default_rng(seed)
    f1, f2, f3 = rng.normal(size=(3, 2, 2, 3, 3))

    def log_density(s: tuple[int, ...]) -> Floats:
        whole = f1[s[0], s[1]][:, :, None] + f2[s[1], s[2]][None, :, :] + f3[s[2], s[0]].T[:, None, :]
        return np.asarray(whole - np.log(np.exp(whole).sum()))

    train = [tuple(dict(regime).get(i, 0) for i in range(3)) for regime in CYCLE.train]
    return Tables(np.array([log_density(s) for s in train]), rng.normal(size=(3, 3, 3)) * 3), log_density(
        (1, 1, 1)
    )


CELLS = np.array(list(product(range(3), repeat=3)), dtype=np.float64)


def test_conditional_formulas_reproduce_the_target_of_the_three_cycle() -> None:
    """THEORY 3: no single product exists, Brook's lemma gives the target, a shared function of x cancels."""
    for seed in range(5):
        tables, target = cycle_tables(seed)
        found = FormulaRatio(CYCLE, tables).log_potential(ALL_ONE, CELLS) + tables.shared.ravel()
        difference = found - target.ravel()
        np.testing.assert_allclose(difference, difference[0], atol=1e-10)
        # no single product of the training densities does it
        assert not np.allclose(log_ratios_by_least_squares(tables, target), 0, atol=0.05)


def log_ratios_by_least_squares(tables: Tables, target: Floats) -> Floats:
    """What is left of the target after the best product of powers of the training densities."""
    columns = np.column_stack([tables.logs.reshape(6, 27).T, np.ones(27)])
    left = target.ravel() - columns @ np.linalg.lstsq(columns, target.ravel(), rcond=None)[0]
    return np.asarray(left)


def test_a_fixed_reference_makes_calls_comparable() -> None:
    tables, _ = cycle_tables(0)
    ratio = FormulaRatio(CYCLE, tables, reference=np.array([1.0, 2.0, 0.0]))
    whole = ratio.log_potential(ALL_ONE, CELLS)
    parts = [ratio.log_potential(ALL_ONE, part) for part in (CELLS[:10], CELLS[10:])]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-12)
    with pytest.raises(InputError, match="reference"):
        FormulaRatio(CYCLE, tables, reference=np.zeros(2)).log_potential(ALL_ONE, CELLS)


def test_many_targets_at_once_equal_one_by_one() -> None:
    """Observed, joint and conditional targets in one batch, with repeated training regimes."""
    repeated = Design(CYCLE.model, Regimes.concatenate([CYCLE.train.take(np.array([0, 0])), CYCLE.train]))
    tables, _ = cycle_tables(1)
    logs = Tables(tables.logs[[0, 0, 0, 1, 2, 3, 4, 5]], tables.shared)
    targets = Regimes.from_active([ALL_ONE, ((0, 1), (1, 1)), ((2, 1),), (), ALL_ONE], 3)
    identification = Identifier(repeated).identify(targets)
    assert identification.counts()["identified"] == 3
    batch = FormulaRatio(repeated, logs).log_potentials(targets, CELLS)
    values = logs.log_densities(CELLS)
    np.testing.assert_array_equal(batch[:, 1], values[:, 0])
    np.testing.assert_array_equal(batch[:, 2], values[:, 7])
    for t in (0, 3, 4):
        single = FormulaRatio(repeated, logs).log_potential(targets[t], CELLS)
        np.testing.assert_allclose(batch[:, t], single, atol=1e-12)


def test_joint_formulas_by_sparse_product_equal_each_formula() -> None:
    found = Identifier(CHAIN).identify(Regimes.from_active([TARGET, (), ((1, 1),)], 2))
    values = np.random.default_rng(0).normal(size=(7, 3))
    batch = log_ratios(found, values)
    np.testing.assert_allclose(batch[:, 0], values[:, 1] + values[:, 2] - values[:, 0])
    for t in range(3):
        np.testing.assert_allclose(batch[:, t], log_ratio(found[t], values))
    assert exponent_matrix(found).toarray().tolist() == [[-1, 1, 1], [1, 0, 0], [0, 0, 1]]


def test_refused_targets_carry_their_certificate() -> None:
    pooled = Design(CHAIN.model, CHAIN.train.take(np.array([0, 1])))
    found = Identifier(pooled).identify(Regimes.from_active([(), TARGET], 2))
    attempts: tuple[Callable[[], Floats], ...] = (
        lambda: log_ratios(found, np.zeros((4, 2))),
        lambda: log_ratio(found[1], np.zeros((4, 2))),
        lambda: FormulaRatio(pooled, GaussianDensities(np.zeros((2, 2)), np.stack([np.eye(2)] * 2))).log_potential(
            TARGET, np.zeros((4, 2))
        ),
    )
    for attempt in attempts:
        with pytest.raises(NotIdentifiableError, match="s2=1") as refusal:
            attempt()
        assert refusal.value.certificate is not None


def test_conditional_answers_need_densities_at_other_points() -> None:
    found = Identifier(CYCLE).identify(Regimes.from_active([ALL_ONE], 3))
    attempts: tuple[Callable[[], Floats], ...] = (
        lambda: log_ratio(found[0], np.zeros((4, 6))),
        lambda: log_ratios(found, np.zeros((4, 6))),
    )
    for attempt in attempts:
        with pytest.raises(InputError, match="use FormulaRatio"):
            attempt()


def test_zero_densities_are_refused_only_where_the_formula_divides_by_them() -> None:
    found = Identifier(CHAIN).identify(Regimes.from_active([TARGET], 2))
    with np.errstate(divide="ignore"):
        above = np.log([[0.5, 0.0, 0.5]])
        below = np.log([[0.0, 0.5, 0.5]])
    assert np.isneginf(log_ratios(found, above)).all()
    with pytest.raises(InputError, match="training regime 0 at row 1 is -inf"):
        log_ratios(found, below)
    with pytest.raises(InputError, match="one column for each of 3"):
        log_ratios(found, np.zeros((4, 2)))


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


def test_per_regime_densities_integrate_to_one_and_follow_repeats() -> None:
    repeated = Design(PAIR.model, Regimes.concatenate([PAIR.train, PAIR.train.take(np.array([0]))]))
    rng = np.random.default_rng(9)
    x = np.concatenate(
        [rng.normal(size=(400, 1)) * 3, rng.choice([-2.0, 2.0], (600, 1)) + 0.3 * rng.normal(size=(600, 1))]
    )
    samples = Samples(repeated, np.repeat([0, 1], [400, 600]), x)
    grid = np.linspace(-20, 20, 8_001)[:, None]
    mixture = MixtureDensities.fit(samples, np.random.default_rng(0))
    found: dict[str, LogDensities] = {
        "gaussian": GaussianDensities.fit(samples),
        "mixture": mixture,
        "kernel": KernelDensities.fit(samples),
    }
    for densities in found.values():
        values = densities.log_densities(grid)
        assert values.shape == (8_001, 3)
        np.testing.assert_array_equal(values[:, 0], values[:, 2])
        np.testing.assert_allclose(np.exp(values).sum(axis=0) * 0.005, 1, atol=2e-3)
    # the two-peaked regime has two components; a single Gaussian misses its valley
    assert mixture.models[1].model.n_components == 2
    at_zero = {name: float(np.exp(d.log_densities(np.zeros((1, 1))))[0, 1]) for name, d in found.items()}
    assert at_zero["mixture"] < 1e-3 < 0.1 < at_zero["gaussian"]


def test_per_regime_densities_do_not_depend_on_units() -> None:
    samples = chain_samples((300, 300, 300), np.random.default_rng(11))
    unit = np.array([1e4, 1e-3])
    scaled = Samples(CHAIN, samples.regime, samples.x * unit)
    for fit in (
        GaussianDensities.fit,
        KernelDensities.fit,
        lambda s: MixtureDensities.fit(s, np.random.default_rng(0)),
    ):
        expected = fit(samples).log_densities(EVALUATED) - np.log(unit).sum()
        np.testing.assert_allclose(fit(scaled).log_densities(EVALUATED * unit), expected, atol=1e-6)


def test_densities_refuse_too_few_and_constant_rows() -> None:
    regime = np.array([0, 1, 1, 1])
    with pytest.raises(InputError, match=r"training regime 0 has 1 row\(s\)"):
        GaussianDensities.fit(Samples(PAIR, regime, np.array([[0.0], [1.0], [2.0], [3.0]])))
    with pytest.raises(InputError, match="constant over all rows"):
        GaussianDensities.fit(Samples(PAIR, regime, np.zeros((4, 1))))
    alike = Samples(PAIR, np.array([0, 0, 1, 1]), np.array([[1.0], [1.0], [2.0], [3.0]]))
    with pytest.raises(InputError, match="all alike"):
        GaussianDensities.fit(alike)
    with pytest.raises(InputError, match="constant in a regime"):
        KernelDensities.fit(alike)
