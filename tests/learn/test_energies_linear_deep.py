"""Linear and deep energies: derivatives against finite differences, tables against points, splines' promises."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats
from ifm_learn.energies._deep import Deep
from ifm_learn.energies._linear import Pairwise, Saturated
from ifm_learn.energies.bases import Powers, Spline
from ifm_learn.energies.energy import Energy, LinearEnergy
from ifm_learn.energies.mlp import Mlp

ROWS = np.random.default_rng(0).normal(size=(300, 3)) * [1.0, 2.0, 0.5] + [0.0, 5.0, -1.0]
LEVELS = np.random.default_rng(1).integers(0, [2, 3, 4], size=(200, 3)).astype(float)
ENERGIES: dict[str, tuple[Callable[[], Energy], Floats]] = {
    "quadratic": (lambda: Pairwise.quadratic(ROWS), ROWS),
    "splines": (lambda: Pairwise.splines(ROWS), ROWS),
    "splines of discrete variables": (lambda: Pairwise.splines(LEVELS), LEVELS),
    "splines of one variable": (lambda: Pairwise.splines(ROWS[:, :1]), ROWS[:, :1]),
    "smooth": (lambda: Pairwise.smooth(ROWS), ROWS * 2),
    "saturated": (lambda: Saturated.of(LEVELS), LEVELS),
    "mlp": (lambda: Mlp(3, 4), ROWS),
    "deep": (lambda: Deep(3, 4), ROWS),
}


def differences(f: Callable[[Floats], Floats], at: Floats, step: float = 1e-6) -> Floats:
    """Central differences of an array-valued function by each coordinate, last axis; error about 1e-9 here."""
    columns = []
    for i in range(len(at)):
        move = np.zeros(len(at))
        move[i] = step
        columns.append((f(at + move) - f(at - move)) / (2 * step))
    return np.stack(columns, axis=-1)


@pytest.fixture(params=list(ENERGIES))
def case(request: pytest.FixtureRequest) -> tuple[Energy, Floats, Floats]:
    if request.param == "deep":
        pytest.importorskip("jax")
    make, rows = ENERGIES[request.param]
    energy = make()
    theta = np.random.default_rng(2).normal(size=energy.size)
    return energy, theta, rows


def test_derivatives_by_parameters(case: tuple[Energy, Floats, Floats]) -> None:
    energy, theta, rows = case
    points = rows[:7]
    assert energy.penalty.shape == energy.start(np.random.default_rng(0)).shape == (energy.size,)
    expected = differences(lambda t: energy.value(t, points), theta)
    # central differences with step h: error of order h^2 |f'''| + eps |f| / h, below 1e-7 for values below 1e3
    np.testing.assert_allclose(energy.jacobian(theta, points), expected, atol=1e-7, rtol=1e-6)
    weights = np.random.default_rng(3).normal(size=7)
    np.testing.assert_allclose(
        energy.gradient(theta, points, weights), weights @ energy.jacobian(theta, points), atol=1e-10
    )


def test_tables_are_values_on_the_product(case: tuple[Energy, Floats, Floats]) -> None:
    energy, theta, rows = case
    axes = [np.unique(column)[: 3 + v] for v, column in enumerate(rows.T)]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    table = energy.table(theta, axes)
    assert table.shape == tuple(len(axis) for axis in axes)
    # an mlp's tables may be computed in single precision: 2^-24 a unit and operation
    size = 1e-5 if isinstance(energy, Mlp) else 1e-10
    np.testing.assert_allclose(table.ravel(), energy.value(theta, points), atol=size)
    weights = np.random.default_rng(4).normal(size=table.shape)
    np.testing.assert_allclose(
        energy.table_gradient(theta, axes, weights),
        energy.gradient(theta, points, weights.ravel()),
        atol=100 * size,
    )


def test_the_protocol_tells_linear_energies() -> None:
    assert isinstance(Saturated.of(LEVELS), LinearEnergy)
    assert not isinstance(Mlp(2), LinearEnergy)


def test_splines_hold_straight_lines_first_and_sort_by_roughness() -> None:
    x = np.random.default_rng(5).gamma(2.0, size=500)
    spline = Spline.of(x, knots=6)
    line = spline.columns(x)[:, 0]
    np.testing.assert_allclose(line, (x - x.mean()) / x.std(), atol=1e-9)
    assert spline.penalty[0] == 1.0
    assert (np.diff(spline.penalty) > 0).all()
    # far outside the data everything is straight: second differences vanish
    far = spline.columns(x.max() + np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(np.diff(far, 2, axis=0), 0.0, atol=1e-8)


def test_smooth_energies_are_straight_beyond_the_rows_and_their_products_level() -> None:
    energy = Pairwise.smooth(ROWS[:, :2])
    theta = np.random.default_rng(6).normal(size=energy.size)
    far = ROWS[:, :2].max(axis=0) + np.arange(1.0, 5.0)[:, None]
    np.testing.assert_allclose(np.diff(energy.value(theta, far), 2), 0.0, atol=1e-8)
    products = energy.features(far)[:, -1]
    assert np.ptp(products) == 0.0
    assert np.abs(products[0]) > 1
    assert energy.penalty[0] < 0.01 < energy.penalty[1]


def test_splines_take_fewer_knots_where_values_repeat() -> None:
    x = np.repeat([0.0, 1.0, 2.0, 5.0, 6.0], [60, 20, 10, 5, 5])
    spline = Spline.of(x, knots=9)
    assert spline.size <= 4
    np.testing.assert_allclose(np.cov(spline.columns(x).T, bias=True), np.eye(spline.size), atol=1e-8)


def test_energies_do_not_depend_on_units() -> None:
    moved = ROWS * [3.0, 0.1, 7.0] + [1.0, 2.0, -3.0]
    for make in (Pairwise.quadratic, Pairwise.splines):
        np.testing.assert_allclose(make(moved).features(moved), make(ROWS).features(ROWS), atol=1e-6)
        np.testing.assert_allclose(make(moved).penalty, make(ROWS).penalty, rtol=1e-6)


def test_splines_of_discrete_variables_span_every_function_of_each() -> None:
    energy = Pairwise.splines(LEVELS)
    assert energy.size == (1 + 2 + 3) + (1 * 2 + 1 * 3 + 2 * 3)
    table = energy.features(np.unique(LEVELS, axis=0))
    assert np.linalg.matrix_rank(np.column_stack([np.ones(len(table)), table])) == 1 + energy.size


def test_powers_of_a_constant_are_finite() -> None:
    assert np.isfinite(Powers.of(np.ones(5)).columns(np.ones(5))).all()


def test_refusals_name_value_and_remedy() -> None:
    with pytest.raises(InputError, match="4 distinct values or more, got 3; use powers"):
        Spline.of(np.array([0.0, 1.0, 2.0]))
    with pytest.raises(InputError, match="2 knots or more, got 1"):
        Pairwise.splines(ROWS, knots=1)
    with pytest.raises(InputError, match=r"needs 27000000 parameters .* use splines or an mlp"):
        Saturated.of(ROWS)
    with pytest.raises(InputError, match=r"no entry for the value 0.5 of its variable 2; legal: 0, 1, 2"):
        Saturated.of(LEVELS).value(np.zeros(24), np.array([[0.0, 0.5, 0.0]]))


def test_deep_energies_leave_jax_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    jax = pytest.importorskip("jax")
    before = jax.numpy.ones(1).dtype
    energy = Deep(2)
    theta = energy.start(np.random.default_rng(0))
    assert energy.value(theta, ROWS[:, :2]).dtype == np.float64
    assert jax.numpy.ones(1).dtype == before
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ifm-ident\[deep\]'"):
        energy.value(theta, ROWS[:, :2])
