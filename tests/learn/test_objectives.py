"""Pseudo-likelihood and regime contrast against enumeration, closed forms and known truths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from ifm_ident import Design, Factor, InputError, Intervention, Model, NotIdentifiableError, Regimes
from ifm_ident.arrays import Floats
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.energies._linear import Saturated
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import layout_of
from ifm_learn.energies.layout import Layout, Ridge
from ifm_learn.energies.mlp import Mlp
from ifm_learn.fitting import _contexts as contexts
from ifm_learn.fitting._folds import best
from ifm_learn.fitting.contrast import RegimeContrast, fit_contrast
from ifm_learn.fitting.optimise import minimise
from ifm_learn.fitting.pseudo import PseudoLikelihood
from ifm_learn.fitting.report import FitWarning
from ifm_learn.simulate.discrete import DiscreteIFM
from ifm_learn.simulate.gaussian import GaussianIFM

# a 3-cycle of factors with two interventions each: 111 is identified by conditionals alone
# (docs/theory/conditional.md)
MODEL = Model(
    tuple(Intervention(name, (0, 1)) for name in "ABC"),
    ("x1", "x2", "x3"),
    (
        Factor("f", ("x1", "x2"), ("A", "B")),
        Factor("g", ("x2", "x3"), ("B", "C")),
        Factor("h", ("x3", "x1"), ("C", "A")),
    ),
)
TRAIN = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
DESIGN = Design(MODEL, Regimes.from_codes(TRAIN))
TARGET = Regimes.from_codes(np.array([[1, 1, 1]]))

PRODUCTS = Model(
    (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2))),
    ("x1", "x2"),
    (Factor("a", ("x1", "x2"), ("A",)), Factor("b", ("x2",), ("B",))),
)
SINGLES = Design(PRODUCTS, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1], [0, 2]])))


def finite_differences(f: Callable[[Floats], float], at: Floats, step: float = 1e-5) -> Floats:
    moves = step * np.eye(len(at))
    return np.array([(f(at + move) - f(at - move)) / (2 * step) for move in moves])


def continuous(n: int, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return GaussianIFM.random(MODEL, rng).sample(DESIGN, n, rng)


def discrete_problem(weight: Floats | None = None) -> tuple[DiscreteIFM, PseudoLikelihood]:
    """Every combination of values in every training regime, weighted by its probability unless told otherwise."""
    truth = DiscreteIFM.random(MODEL, np.random.default_rng(3))
    axes = (np.arange(3.0),) * 3
    layout = Layout(FactorCells.of(DESIGN), (Saturated(axes[:2]),) * 3)
    support = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1).astype(np.int64)
    regime = np.repeat(np.arange(len(TRAIN)), len(support))
    mass = truth.probabilities(DESIGN.train).ravel() if weight is None else weight
    base = (np.zeros(3),) * 3
    return truth, PseudoLikelihood.of(layout, axes, base, np.tile(support, (len(TRAIN), 1)), regime, mass)


def joint(values: Floats) -> Floats:
    """Probabilities from log-potentials."""
    mass = np.exp(values - values.max())
    return mass / mass.sum()


def pseudo_of(samples: Samples, energy: str | Callable[[Floats], Mlp], bins: int = 4) -> PseudoLikelihood:
    """On equal bins between the least and the largest values, with unequal bases."""
    edges: list[Floats] = [np.linspace(column.min(), column.max(), bins + 1) for column in samples.x.T]
    places = np.stack(
        [np.searchsorted(e[1:-1], c, side="right") for e, c in zip(edges, samples.x.T, strict=True)], 1
    )
    axes = tuple((e[1:] + e[:-1]) / 2 for e in edges)
    points = np.stack([a[i] for a, i in zip(axes, places.T, strict=True)], axis=1)
    layout = layout_of(FactorCells.of(samples.design), energy, points)
    base = tuple(0.1 * v * np.arange(float(bins)) for v in range(3))
    return PseudoLikelihood.of(layout, axes, base, places, samples.regime)


@pytest.fixture(params=["whole tables", "touched entries", "touched entries, small blocks"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "whole tables":
        monkeypatch.setattr(contexts, "_WHOLE", 0)
    if request.param == "touched entries, small blocks":
        monkeypatch.setattr(contexts, "_BLOCK", 3)
    return str(request.param)


def test_pseudo_likelihood_is_the_sum_of_log_conditionals(reading: str) -> None:
    truth, objective = discrete_problem(weight=np.ones(27 * len(TRAIN)))
    theta = np.random.default_rng(0).normal(size=objective.layout.size)
    choice = objective.layout.cells.choice(DESIGN.train)
    support = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1).astype(float)
    expected = 0.0
    for cells in choice:
        log_p = objective.layout.potential(theta, cells, support).reshape(3, 3, 3)
        for v in range(3):
            expected -= float((log_p - np.log(np.exp(log_p).sum(axis=v, keepdims=True))).sum())
    assert objective.value(theta) == pytest.approx(expected, rel=1e-10)
    assert objective.rows == 27 * len(TRAIN)
    del truth


@pytest.mark.parametrize("energy", ["quadratic", "splines", "mlp"])
def test_pseudo_likelihood_gradient(reading: str, energy: str) -> None:
    family: str | Callable[[Floats], Mlp] = (lambda points: Mlp(points.shape[1], 3)) if energy == "mlp" else energy
    objective = pseudo_of(continuous(15), family)
    theta = 0.5 * np.random.default_rng(1).normal(size=objective.layout.size)
    value, gradient = objective.value_and_gradient(theta)
    assert value == pytest.approx(objective.value(theta), rel=1e-12)
    whole_mlp = energy == "mlp" and reading == "whole tables"
    # tables of mlps hold rounding of 6e-8 a value, 400 values, over steps of 1e-3; else h^2 and eps/h, about 1e-6
    expected = finite_differences(objective.value, theta, 1e-3 if whole_mlp else 1e-5)
    np.testing.assert_allclose(
        gradient, expected, atol=0.05 if whole_mlp else 1e-5, rtol=1e-3 if whole_mlp else 1e-6
    )


def test_pseudo_likelihood_is_consistent(reading: str) -> None:
    """With exact probabilities for counts its minimum is the truth, unseen regime included."""
    truth, objective = discrete_problem()
    found = minimise(objective.value_and_gradient, np.zeros(objective.layout.size), tolerance=1e-15, slope=1e-9)
    support = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1).astype(float)
    for regimes in (DESIGN.train, TARGET):
        exact = truth.probabilities(regimes).reshape(len(regimes), -1)
        for cells, expected in zip(objective.layout.cells.choice(regimes), exact, strict=True):
            fitted = joint(objective.layout.potential(found.theta, cells, support))
            # slopes below 1e-9 with curvatures above 1e-4 (the least probability is about 1e-3): errors below 1e-5
            np.testing.assert_allclose(fitted, expected, atol=1e-5)


def test_pseudo_likelihood_evaluates_only_what_rows_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten rows in a factor of six variables: 10 x 6 lines of 20 entries at most, of 64 million."""
    names = tuple("uvwxyz")
    model = Model((Intervention("A", (0, 1)),), names, (Factor("f", names, ("A",)),))
    design = Design(model, Regimes.from_codes(np.array([[0], [1]])))
    axes = (np.linspace(-1, 1, 20),) * 6
    bins = np.random.default_rng(0).integers(0, 20, size=(10, 6))
    layout = Layout(FactorCells.of(design), (Mlp(6, 2),))
    objective = PseudoLikelihood.of(layout, axes, (np.zeros(20),) * 6, bins, np.repeat([0, 1], 5))
    assert len(objective.contexts.entries[0].counts) <= 10 * (6 * 19 + 1)
    theta = layout.start(np.random.default_rng(1))
    np.testing.assert_allclose(
        objective.value_and_gradient(theta)[1], finite_differences(objective.value, theta), atol=1e-6
    )


def test_pseudo_likelihood_refuses_factors_beyond_numbering() -> None:
    names = tuple(f"x{i}" for i in range(16))
    model = Model((Intervention("A", (0, 1)),), names, (Factor("f", names, ("A",)),))
    design = Design(model, Regimes.from_codes(np.array([[0]])))
    layout = Layout(FactorCells.of(design), (Mlp(16, 1),))
    with pytest.raises(InputError, match="factor 'f' has 16 variables: too large a table"):
        PseudoLikelihood.of(
            layout, (np.arange(20.0),) * 16, (np.zeros(20),) * 16, np.zeros((1, 16), int), np.zeros(1, int)
        )


def test_distinct_rows_by_sorting_and_by_counting_agree() -> None:
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 3, 500), rng.integers(0, 4, 500)]
    counted = contexts.distinct_rows(columns, [3, 4])
    sorted_ = contexts.distinct_rows([*columns, np.zeros(500, int)], [3, 4, 10**6])
    huge = contexts.distinct_rows([*columns, np.zeros(500, int), np.zeros(500, int)], [3, 4, 2**40, 2**40])
    for found in (sorted_, huge):
        for one, other in zip(counted, found, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("energy", ["quadratic", "splines", "saturated", "mlp"])
@pytest.mark.parametrize("kept", [True, False])
def test_contrast_gradient(energy: str, kept: bool) -> None:
    samples = continuous(20)
    points = np.round(samples.x) if energy == "saturated" else samples.x
    layout = layout_of(
        FactorCells.of(DESIGN), (lambda p: Mlp(p.shape[1], 3)) if energy == "mlp" else energy, points
    )
    objective = RegimeContrast.of(layout, points, samples.regime)
    if not kept:
        objective = RegimeContrast(layout, points, samples.regime, objective.log_sizes)
    vector = 0.3 * np.random.default_rng(2).normal(size=objective.size)
    assert objective.penalty.shape == objective.start(np.random.default_rng(0)).shape == vector.shape
    value, gradient = objective.value_and_gradient(vector)
    assert value == pytest.approx(objective.value(vector), rel=1e-12)
    np.testing.assert_allclose(gradient, finite_differences(objective.value, vector), atol=1e-5, rtol=1e-6)
    # the logits are the layout's potentials, but for what all regimes share
    theta, constants = objective.spread(vector)
    choice = layout.cells.choice(DESIGN.train)
    logits = np.stack([layout.potential(theta, cells, points) for cells in choice], axis=1)
    logits += constants + objective.log_sizes
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert value == pytest.approx(-log_p[np.arange(len(points)), samples.regime].sum(), rel=1e-10)


def log_ratio_error(n: int, seed: int) -> float:
    """Of the unseen regime to a training regime by quadratic contrast, root mean square around the mean."""
    rng = np.random.default_rng(seed)
    truth = GaussianIFM.random(MODEL, np.random.default_rng(11))
    fit = fit_contrast(truth.sample(DESIGN, n, rng), ridge=1e-3)
    x = truth.draw(DESIGN.train, np.repeat(np.arange(len(TRAIN)), 50), np.random.default_rng(5))
    fitted = fit.log_potentials(x, TARGET)[:, 0] - fit.log_densities(x)[:, 0]
    exact = truth.log_densities(x, TARGET)[:, 0] - truth.log_densities(x, DESIGN.train)[:, 0]
    return float(np.std(fitted - exact))


def test_contrast_recovers_log_ratios_at_the_parametric_rate() -> None:
    """16 times the rows, a quarter of the error.

    About 20 parameters and 4 repetitions: a mean square has 80 degrees of freedom, a relative error of
    sqrt(2 / 80) = 0.16; its root 0.08, the ratio of two roots 0.11. Three of these and a bias of order 1/n: 1.6.
    """
    few, many = (np.sqrt(np.mean([log_ratio_error(n, seed) ** 2 for seed in range(4)])) for n in (500, 8000))
    assert 4 / 1.6 < few / many < 4 * 1.6
    assert many < 0.35


def test_contrast_undoes_class_sizes() -> None:
    """log p_i - log p_j with constants, at sizes 4 to 1: one left in would be off by log 4 = 1.39."""
    rng = np.random.default_rng(0)
    truth = GaussianIFM.random(MODEL, rng, effect=1.0)
    samples = truth.sample(DESIGN, [8000, 2000, 8000, 2000, 8000, 2000], rng)
    fit = fit_contrast(samples, ridge=0.1)
    assert np.abs(fit.constants).max() > 0.5  # left out, they would show
    x = samples.x[::200]
    found, exact = fit.log_densities(x), truth.log_densities(x, DESIGN.train)
    error = (found - found[:, :1]) - (exact - exact[:, :1])
    # mean errors of about sqrt(parameters / rows) = sqrt(60 / 30000) = 0.05, times the reach of x, about 3
    assert np.abs(error.mean(axis=0)).max() < 0.25


def test_contrast_chooses_its_ridge_by_held_out_loss_and_is_reproducible() -> None:
    samples = continuous(60)
    one, two = fit_contrast(samples, seed=4), fit_contrast(samples, seed=4)
    assert one.theta.tobytes() == two.theta.tobytes()
    assert one.ridge == best(one.tried).ridge
    assert len(one.tried) >= 3
    assert one.optimum.converged


def test_contrast_says_when_it_did_not_converge(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = RegimeContrast.fit
    monkeypatch.setattr(
        RegimeContrast, "fit", lambda self, ridge, start: whole(self, ridge, start, max_iterations=1)
    )
    with pytest.warns(FitWarning, match="did not converge in 1 iterations"):
        fit_contrast(continuous(30), ridge=0.01)


def test_contrast_refuses_regimes_that_are_not_identified() -> None:
    design = Design(PRODUCTS, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    rng = np.random.default_rng(0)
    samples = GaussianIFM.random(PRODUCTS, rng).sample(design, 50, rng)
    fit = fit_contrast(samples, ridge=1.0)
    assert fit.log_potentials(samples.x[:2], Regimes.from_codes(np.array([[1, 1]]))).shape == (2, 1)
    with pytest.raises(NotIdentifiableError, match="B=2 is not identified") as refusal:
        fit.log_potentials(samples.x[:2], Regimes.from_codes(np.array([[0, 2]])))
    assert refusal.value.certificate is not None
    with pytest.raises(InputError, match="one column for each of the 2 variables"):
        fit.log_potentials(samples.x[:2, :1], design.train)
    with pytest.raises(InputError, match="the regimes have 1 interventions"):
        fit.log_potentials(samples.x[:2], Regimes.from_codes(np.array([[0]])))


def test_contrast_refuses_one_regime_and_lone_rows() -> None:
    alone = Design(PRODUCTS, Regimes.from_codes(np.array([[0, 0]])))
    x = np.random.default_rng(0).normal(size=(9, 2))
    with pytest.raises(InputError, match="no contrast to another"):
        fit_contrast(Samples(alone, np.zeros(9, int), x))
    with pytest.raises(InputError, match="training regime 3 has one row"):
        fit_contrast(Samples(SINGLES, np.repeat([0, 1, 2, 3], [3, 3, 2, 1]), x))


@pytest.mark.parametrize("objective", ["exact", "pseudo"])
@pytest.mark.parametrize("energy", ["saturated", "splines"])
def test_linear_energies_in_density_models(objective: Literal["exact", "pseudo"], energy: str) -> None:
    """On three values both families span every pairwise table; the unseen regime is known to within sampling."""
    truth = DiscreteIFM.random(MODEL, np.random.default_rng(3))
    samples = truth.sample(DESIGN, 4000, np.random.default_rng(4))
    model = fit_density(samples, objective=objective, energy=energy, ridge=Ridge(0.1, 0.1), starts=1)
    expected = truth.probabilities(TARGET)[0]
    for v, marginal in enumerate(model.marginals(TARGET)):
        exact = expected.sum(axis=tuple(w for w in range(3) if w != v))
        # a formula of six regimes of 4000 rows: six times the variance of a share, times the loss of efficiency of
        # pseudo-likelihood (at most a few) and of overlap: 5 standard errors of sqrt(6 * 4 / 4 / 4000) = 0.04
        assert np.abs(marginal[0] - exact).max() < 0.2
        assert 0.5 * np.abs(marginal[0] - exact).sum() < 0.2
