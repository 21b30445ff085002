"""Simulators against closed forms, enumeration and quadrature, and against the formulas of identification."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import fsolve
from scipy.stats import multivariate_normal, norm

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes, Study
from ifm_ident.design.spaces import AllRegimes
from ifm_learn.simulate._simulator import Simulator
from ifm_learn.simulate.cyclic import CyclicSystem, gene_network
from ifm_learn.simulate.discrete import DiscreteIFM
from ifm_learn.simulate.gaussian import GaussianIFM
from ifm_learn.simulate.outcome import TanhOutcome
from tests.oracles import PlainDesign
from tests.strategies import plain_designs

STUDY = Study.from_dict({
    "interventions": {"A": [0, 1], "B": [0, 1, 2], "C": [0, 1]},
    "variables": ["x1", "x2", "x3"],
    "factors": [
        {"x": ["x3", "x1"], "sigma": ["B", "A"]},
        {"x": ["x2", "x3"], "sigma": ["C"]},
        {"x": ["x1", "x2"], "sigma": []},
    ],
    "train": ["000", "100", "010", "110", "020", "001", "000"],
})  # fmt: skip
MODEL = STUDY.model
ALL = Regimes.concatenate(list(AllRegimes(MODEL).chunks()))
SEED = 5


def gaussian() -> GaussianIFM:
    return GaussianIFM.random(MODEL, np.random.default_rng(SEED))


def discrete() -> DiscreteIFM:
    return DiscreteIFM.random(MODEL, np.random.default_rng(SEED))


def rows_of(simulator: Simulator, row: int, n: int) -> np.ndarray:
    return simulator.draw(ALL, np.full(n, row), np.random.default_rng(row))


@pytest.mark.parametrize("simulator", [gaussian(), discrete()], ids=["gaussian", "discrete"])
def test_every_formula_of_identification_holds(simulator: GaussianIFM | DiscreteIFM) -> None:
    """log p(x; target) - sum_i q_i log p(x; i) is the same for all x, to rounding of sums of ten logs."""
    x = np.array(list(itertools.product([0.0, 1.0, 2.0], repeat=3)))
    train = simulator.log_densities(x, STUDY.design.train)
    tried = 0
    for row, answer in enumerate(STUDY.identify("joint")):
        if answer.formula is not None:
            target = simulator.log_densities(x, ALL.take(slice(row, row + 1)))[:, 0]
            predicted = sum((float(q) * train[:, i] for i, q in answer.formula), np.zeros(len(x)))
            assert np.ptp(target - predicted) < 1e-9
            tried += 1
    assert tried == 4  # 011, 021, 101, 111: the rest was observed, or needs 120


def test_a_gaussian_regime_sums_its_factors_and_is_normalised() -> None:
    truth = gaussian()
    codes = ALL.codes()
    x = np.random.default_rng(0).normal(size=(5, 3))
    for row, (a, b, c) in enumerate(codes.tolist()):
        P, h = np.zeros((3, 3)), np.zeros(3)
        parts = [((2, 0), (b, a)), ((1, 2), (c,)), ((0, 1), ())]
        for (scope, cell), table, pull in zip(parts, truth.precision, truth.shift, strict=True):
            for i, v in enumerate(scope):
                h[v] += pull[cell][i]
                for j, w in enumerate(scope):
                    P[v, w] += table[cell][i, j]
        covariance = np.linalg.inv(P)
        np.testing.assert_allclose(truth.means(ALL)[row], covariance @ h, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(truth.covariances(ALL)[row], covariance, rtol=1e-9, atol=1e-12)
        expected = multivariate_normal(covariance @ h, covariance).logpdf(x)
        np.testing.assert_allclose(truth.log_densities(x, ALL)[:, row], expected, rtol=1e-9)


def test_gaussian_draws_have_their_moments() -> None:
    """40,000 rows: 5 standard errors of a mean are 0.025 sd; of a covariance 5 sqrt(2/n) = 0.036 sd^2."""
    truth = gaussian()
    for row in (0, 7):
        x, covariance = rows_of(truth, row, 40_000), truth.covariances(ALL)[row]
        sd = np.sqrt(np.diag(covariance))
        assert np.abs((x.mean(axis=0) - truth.means(ALL)[row]) / sd).max() < 0.025
        assert np.abs((np.cov(x.T) - covariance) / np.outer(sd, sd)).max() < 0.036


@pytest.mark.parametrize("length", [0.1, 1.0, 40.0])
def test_gaussian_expectations_by_quadrature(length: float) -> None:
    truth, weights = gaussian(), np.array([1.0, -0.5, 2.0]) * length
    values = truth.expect(np.tanh, weights, ALL)
    for row in range(len(ALL)):
        mean = truth.means(ALL)[row] @ weights
        sd = np.sqrt(weights @ truth.covariances(ALL)[row] @ weights)
        assert values[row] == pytest.approx(mean_of_tanh(mean, sd), abs=1e-9)


def mean_of_tanh(mean: float, sd: float) -> float:
    """By adaptive quadrature, cut where tanh is steep."""
    steep = np.clip([-mean / sd], -9, 9)
    value: float = quad(
        lambda z: np.tanh(mean + sd * z) * norm.pdf(z), -10, 10, points=steep, epsabs=1e-12, limit=500
    )[0]
    return value


def test_a_discrete_regime_multiplies_its_factors() -> None:
    truth = discrete()
    support = list(itertools.product(range(3), repeat=3))
    for row, (a, b, c) in enumerate(ALL.codes().tolist()):
        f = truth.tables.tables
        mass = np.array([f[0][z, x, b, a] * f[1][y, z, c] * f[2][x, y] for x, y, z in support])
        mass /= mass.sum()
        x = np.array(support, dtype=float)
        np.testing.assert_allclose(np.exp(truth.log_densities(x, ALL)[:, row]), mass, rtol=1e-9)
        np.testing.assert_allclose(truth.means(ALL)[row], mass @ x, rtol=1e-9)
        w = np.array([0.3, -0.2, 0.1])
        assert truth.expect(np.tanh, w, ALL)[row] == pytest.approx(sum(mass * np.tanh(x @ w)))
    drawn = rows_of(truth, 11, 20_000)
    counts = np.bincount((drawn @ [9, 3, 1]).astype(int), minlength=27)
    chi2 = ((counts - 20_000 * mass) ** 2 / (20_000 * mass)).sum()
    assert chi2 < 62  # 1 - 1e-4 quantile of chi-squared with 26 degrees of freedom is 61.7


@settings(max_examples=30, deadline=None)
@given(plain_designs(), st.integers(0, 2**32 - 1))
def test_random_models_are_proper_in_every_regime(plain: PlainDesign, seed: int) -> None:
    model, rng = plain.build().model, np.random.default_rng(seed)
    regimes = Regimes.concatenate(list(AllRegimes(model).chunks()))
    truth = GaussianIFM.random(model, rng, effect=2.0)
    assert np.linalg.eigvalsh(truth.natural(regimes)[0]).min() > 0
    sums = DiscreteIFM.random(model, rng, values=2).probabilities(regimes).reshape(len(regimes), -1).sum(axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-12)


def test_samples_follow_the_design() -> None:
    sizes = [5, 3, 2, 4, 1, 6, 7]
    samples = gaussian().sample(STUDY, sizes, np.random.default_rng(0))
    assert samples.sizes.tolist() == [12, 3, 2, 4, 1, 6, 0]  # the last repeats the first
    assert samples.y is None
    again = gaussian().sample(STUDY.design, sizes, np.random.default_rng(0))
    assert again.x.tobytes() == samples.x.tobytes()
    assert gaussian().sample(STUDY, 2, np.random.default_rng(0)).sizes.tolist() == [2] * 6 + [0]
    other = Model(MODEL.interventions, MODEL.variables, MODEL.factors[::-1])
    with pytest.raises(InputError, match="another model"):
        gaussian().sample(Design(other, STUDY.design.train), 2, np.random.default_rng(0))
    with pytest.raises(InputError, match="2 sizes for 7 training regimes"):
        gaussian().sample(STUDY, [2, 2], np.random.default_rng(0))
    with pytest.raises(InputError, match="a size is -1"):
        gaussian().sample(STUDY, [2, 2, 2, 2, 2, 2, -1], np.random.default_rng(0))


@pytest.mark.parametrize("simulator", [gaussian(), discrete()], ids=["gaussian", "discrete"])
def test_outcomes_have_their_means_and_unit_variance_at_baseline(simulator: Simulator) -> None:
    """40,000 rows: 5 standard errors of a mean are 0.025 sd; of a variance, at kurtosis up to 3, 5 sqrt(2/n)."""
    outcome = TanhOutcome.random(simulator, np.random.default_rng(1))
    means, variances = outcome.means(simulator, ALL), outcome.variances(simulator, ALL)
    assert variances[0] == pytest.approx(1)
    assert 0.2 <= outcome.noise**2 <= 0.4
    if isinstance(simulator, GaussianIFM):
        assert means[0] == pytest.approx(0)  # the argument of tanh is symmetric around 0
    for row in (0, 11):
        y = outcome.draw(rows_of(simulator, row, 40_000), np.random.default_rng(2))
        assert y.mean() == pytest.approx(means[row], abs=0.025 * np.sqrt(variances[row]))
        assert y.var() == pytest.approx(variances[row], rel=0.036)
    samples = simulator.sample(STUDY, 10, np.random.default_rng(3), outcome)
    assert samples.outcome == "y"
    assert samples.y is not None
    with pytest.raises(InputError, match="a range within 0 to 1"):
        TanhOutcome.random(simulator, np.random.default_rng(1), share=(0.5, 1.5))


def test_improper_gaussians_are_refused() -> None:
    truth = gaussian()
    crooked = truth.precision[1].copy()
    crooked[0, 0, 1] += 1
    with pytest.raises(InputError, match="factor 'f2': a precision matrix is not symmetric"):
        GaussianIFM(MODEL, (truth.precision[0], crooked, truth.precision[2]), truth.shift)
    flat = tuple(np.zeros_like(table) for table in truth.precision)
    with pytest.raises(InputError, match="no factor with positive definite precisions in all cells holds 'x2'"):
        GaussianIFM(MODEL, (truth.precision[0], flat[1], flat[2]), truth.shift)
    with pytest.raises(
        InputError, match=r"factor 'f2': its precisions have shape \(2, 2\) where \(2, 2, 2\) is due"
    ):
        GaussianIFM(MODEL, (truth.precision[0], truth.precision[1][0], truth.precision[2]), truth.shift)
    with pytest.raises(InputError, match="1 shifts for 3 factors"):
        GaussianIFM(MODEL, truth.precision, truth.shift[:1])


def network(cycle: float, hidden: int = 0) -> CyclicSystem:
    rng = np.random.default_rng(SEED)
    return CyclicSystem.random(gene_network(4, rng, feedbacks=3), rng, cycle=cycle, hidden=hidden, truth=1_000)


@pytest.mark.parametrize("knockdown", [0, 2])
def test_a_quiet_network_is_linear_around_its_fixed_point(knockdown: int) -> None:
    """Noise of 0.01: the law is Gaussian, with the fixed point as its mean and the linearised chain's covariance.

    What is left out is of the order of the noise squared; 10,000 rows give 5 standard errors of 0.05 in
    units of sd for means and 0.07 for covariances (of the linear confounder too).
    """
    loud = network(0.8, hidden=1)
    assert loud.loadings is not None
    L = 0.02 * loud.loadings
    system = CyclicSystem(loud.model, loud.weights, loud.gains, loud.basal, 0.04 * loud.noise, L)
    regime = Regimes.from_active([((knockdown, 1),)], 4)
    gain = np.ones(4)
    gain[knockdown] = 0.2
    point = fsolve(lambda x: 2 * gain / (1 + np.exp(-system.basal - system.weights @ x)) - x, gain, xtol=1e-12)
    s = 1 / (1 + np.exp(-system.basal - system.weights @ point))
    slope = 2 * gain * s * (1 - s)
    dt = system.step
    A = np.zeros((5, 5))  # x, then u
    A[:4, :4] = (1 - dt) * np.eye(4) + dt * slope[:, None] * system.weights
    A[:4, 4:] = dt * slope[:, None] * L
    A[4, 4] = 1 - dt
    covariance = solve_discrete_lyapunov(A, np.diag([*dt * system.noise**2, 1 - (1 - dt) ** 2]))[:4, :4]
    x = system.draw(regime, np.zeros(10_000, dtype=np.int64), np.random.default_rng(0))
    sd = np.sqrt(np.diag(covariance))
    assert np.abs((x.mean(axis=0) - point) / sd).max() < 0.06
    assert np.abs((np.cov(x.T) - covariance) / np.outer(sd, sd)).max() < 0.08


def test_feedback_carries_effects_upstream() -> None:
    """G1 has no earlier gene: without feedback no other knock-down moves it, by common random numbers exactly."""
    regimes = Regimes.from_codes(np.vstack([np.zeros(4, dtype=int), np.eye(4, dtype=int)]))
    still, moved = (network(cycle).means(regimes)[:, 0] for cycle in (0.0, 1.0))
    assert np.ptp(still[[0, 2, 3, 4]]) == 0
    assert np.abs(moved[[2, 3, 4]] - moved[0]).max() > 0.05
    assert still[1] < still[0] - 0.3
    outcome = TanhOutcome(np.array([1.0, 0, 0, 0]), 0.1)
    assert outcome.means(network(0.0), regimes)[1] < outcome.means(network(0.0), regimes)[0]


def test_hidden_confounders_correlate_genes_that_do_not_act_on_each_other() -> None:
    model = Model(
        (Intervention("kd", (0, 1)),), ("G1", "G2"), (Factor("a", ("G1",), ("kd",)), Factor("b", ("G2",), ()))
    )
    base = (model, np.zeros((2, 2)), (np.array([1.0, 0.2]), np.array(1.0)), np.zeros(2), np.full(2, 0.1))
    at = Regimes.from_active([()], 1)
    for loadings, low, high in ((None, -0.06, 0.06), (np.ones((2, 1)), 0.6, 1.0)):
        x: Any = CyclicSystem(*base, loadings).draw(at, np.zeros(7_000, dtype=np.int64), np.random.default_rng(0))
        assert low < np.corrcoef(x.T)[0, 1] < high  # 5 / sqrt(7000) = 0.06


def test_networks_that_need_not_settle_are_refused() -> None:
    system = network(0.5)
    parts = (system.model, system.weights, system.gains, system.basal, system.noise)
    with pytest.raises(InputError, match="need not settle"):
        CyclicSystem(parts[0], 3 * system.weights, *parts[2:])
    with pytest.raises(InputError, match="the step is above 0"):
        CyclicSystem(*parts, step=1.5)
    with pytest.raises(InputError, match="gains and noise must be positive"):
        CyclicSystem(*parts[:4], 0 * system.noise)
    with pytest.raises(InputError, match="basal have shape"):
        CyclicSystem(*parts[:3], np.zeros(2), system.noise)
    full = system.weights.copy()
    full[1, 3] = 0.1
    with pytest.raises(InputError, match="put 'G4' into its x-scope"):
        CyclicSystem(parts[0], full, *parts[2:])
    with pytest.raises(InputError, match="within 0 to 1, got 2"):
        network(2)
    with pytest.raises(InputError, match="two genes or more"):
        gene_network(1, np.random.default_rng(0))


def test_several_interventions_on_one_gene_multiply() -> None:
    pair = (Intervention("A", (0, 1)), Intervention("dose", (0, 1, 2)))
    model = Model(pair, ("G1",), (Factor("f", ("G1",), ("dose", "A")),))
    system = CyclicSystem.random(model, np.random.default_rng(0), knockdown=0.5)
    assert system.gains[0].tolist() == [[1.0, 0.5], [0.5, 0.25], [0.5, 0.25]]
    assert Fraction(1, 4) == system.gains[0][2, 1]


@pytest.mark.parametrize("simulator", [gaussian(), discrete(), None], ids=["gaussian", "discrete", "cyclic"])
def test_rows_of_mixed_regimes_are_each_of_their_own(simulator: Simulator | None) -> None:
    """2,500 rows a regime, in any order: 5 standard errors are 0.1 sd, and as much for a truth by simulation."""
    regimes = ALL.take(slice(0, 8, 3)) if simulator else Regimes.from_codes(np.array([[0], [1], [2]]))
    if simulator is None:
        model = Model((Intervention("dose", (0, 1, 2)),), ("G1",), (Factor("f", ("G1",), ("dose",)),))
        simulator = CyclicSystem(model, np.zeros((1, 1)), (np.array([1, 0.5, 0.2]),), np.zeros(1), np.ones(1))
    which = np.random.default_rng(0).permutation(np.repeat(np.arange(3), 2_500))
    x = simulator.draw(regimes, which, np.random.default_rng(1))
    for i, mean in enumerate(simulator.means(regimes)):
        rows = x[which == i]
        assert np.abs((rows.mean(axis=0) - mean) / rows.std(axis=0)).max() < 0.15
