"""Gibbs sampling against exact inference, and what it says when it has not mixed."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from ifm_ident import InputError, MissingExtraError
from ifm_ident.arrays import Floats
from ifm_learn.inference import gibbs as module
from ifm_learn.inference.gibbs import RHAT, GibbsDraws, MixingWarning, gibbs
from ifm_learn.inference.grid_tree import GridTree

# a cycle of four with scopes in any order, one factor with two cells and one of three variables
SCOPES = [(1, 0), (1, 2), (3, 2), (0, 3), (2, 0, 4)]
SIZES = [3, 4, 2, 5, 6]
CHOICE = np.array([[0, 1, 2, 3, 5], [0, 1, 2, 4, 5], [0, 1, 2, 4, 6]])


def tables(strength: float = 0.7) -> list[Floats]:
    rng = np.random.default_rng(0)
    owner = [0, 1, 2, 3, 3, 4, 4]
    return [strength * rng.normal(size=[SIZES[v] for v in SCOPES[k]]) for k in owner]


def enumerated(cells: NDArray[np.int64]) -> Floats:
    """p(x) of one regime, one axis a variable."""
    support = np.stack(np.unravel_index(np.arange(np.prod(SIZES)), SIZES), axis=1)
    log_p = sum(
        tables()[cell][tuple(support[:, list(scope)].T)] for cell, scope in zip(cells, SCOPES, strict=True)
    )
    mass = np.exp(np.asarray(log_p)).reshape(SIZES)
    return np.asarray(mass / mass.sum())


def allowed(values: int, worth: float) -> float:
    """Total variation of a distribution over `values` values from that of `worth` independent draws of it.

    Its mean is at most sqrt(values / worth) / 2, and it exceeds that by t with probability exp(-2 worth t^2) at
    most (McDiarmid); here 1e-4.
    """
    return 0.5 * float(np.sqrt(values / worth)) + float(np.sqrt(np.log(1e4) / (2 * worth)))


@pytest.mark.parametrize("tabulated", [1 << 18, 0])
@pytest.mark.parametrize("memory", [1 << 26, 1])
def test_marginals_of_variables_and_factors(monkeypatch: pytest.MonkeyPatch, tabulated: int, memory: int) -> None:
    monkeypatch.setattr(module, "_TABULATED", tabulated)
    monkeypatch.setattr(module, "_MEMORY", memory)
    drawn = gibbs(SCOPES, SIZES, tables(), CHOICE, 20_000, np.random.default_rng(1))
    assert drawn.bins.shape == (3, 20_000, 5)
    assert drawn.mixed.all()
    assert drawn.warning == ""
    for r, cells in enumerate(CHOICE):
        exact = enumerated(cells)
        worth = min(drawn.ess[r].min(), 20_000)
        for scope in [*([v] for v in range(5)), *SCOPES, range(5)]:
            kept = sorted(scope)
            marginal = exact.sum(axis=tuple(v for v in range(5) if v not in kept))
            found = np.zeros(marginal.shape)
            np.add.at(found, tuple(drawn.bins[r][:, kept].T), 1 / 20_000)
            assert 0.5 * np.abs(found - marginal).sum() < allowed(marginal.size, worth)


def test_same_seed_same_draws_and_few_draws_are_spread_over_the_run() -> None:
    one, two = (gibbs(SCOPES, SIZES, tables(), CHOICE, 50, np.random.default_rng(7)) for _ in range(2))
    assert one.bins.tobytes() == two.bins.tobytes()
    assert one.bins.shape == (3, 50, 5)
    assert (one.ess > 400).all()


def test_chains_that_mix_slowly_run_longer() -> None:
    sticky = [np.array([[0.0, -4.0], [-4.0, 0.0]])]
    quick = gibbs([(0, 1)], [2, 2], [np.zeros((2, 2))], np.array([[0]]), 500, np.random.default_rng(0))
    slow = gibbs([(0, 1)], [2, 2], sticky, np.array([[0]]), 500, np.random.default_rng(0))
    assert slow.sweeps > quick.sweeps
    assert slow.warning == ""
    # both values have probability 1/2, known to within 4 standard errors
    assert abs(slow.bins[0, :, 0].mean() - 0.5) < 4 * 0.5 / np.sqrt(min(slow.ess.min(), 500))


def test_chains_that_never_cross_are_reported() -> None:
    apart = [np.array([[0.0, -60.0], [-60.0, 0.0]]), np.zeros((2, 2))]
    with pytest.warns(
        MixingWarning, match=r"not mixed in 1 of 2 regimes .* variable [12] has R-hat .* in regime 1"
    ):
        drawn = gibbs(
            [(0, 1)], [2, 2], apart, np.array([[0], [1]]), 100, np.random.default_rng(0), max_sweeps=2000
        )
    assert drawn.mixed.tolist() == [False, True]
    assert drawn.rhat[0].max() > RHAT
    assert drawn.sweeps <= 2000


def test_an_r_hat_that_is_not_a_number_is_no_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Undefined:
        def rhat(self, values: Floats, **axes: int) -> float:
            return np.nan

        def ess(self, values: Floats, **settings: object) -> float:
            return 1e4

    monkeypatch.setattr(module, "_array_stats", Undefined)
    with pytest.warns(MixingWarning, match="R-hat inf"):
        gibbs([(0, 1)], [2, 2], [np.zeros((2, 2))], np.array([[0]]), 100, np.random.default_rng(0), max_sweeps=600)


def test_a_variable_that_cannot_move_is_no_failure() -> None:
    drawn = gibbs([(0, 1)], [1, 3], [np.zeros((1, 3))], np.array([[0]]), 100, np.random.default_rng(0))
    assert np.isnan(drawn.rhat[0, 0])
    assert drawn.warning == ""
    certain = GibbsDraws(np.zeros((1, 5, 1), np.int16), np.full((1, 1), np.nan), np.full((1, 1), np.nan), 2, 10)
    assert certain.mixed.all()


def test_many_values_and_variables() -> None:
    """A chain of 100 variables with 20 values each, two regimes, against exact marginals."""
    rng = np.random.default_rng(3)
    scopes = [(v, v + 1) for v in range(99)]
    chain = [0.5 * rng.normal(size=(20, 20)) for _ in range(100)]
    choice = np.stack([np.arange(99), np.where(np.arange(99) == 50, 99, np.arange(99))])
    drawn = gibbs(scopes, [20] * 100, chain, choice, 8000, rng)
    collected = GridTree.of(scopes, [20] * 100).collect(chain, choice)
    assert drawn.warning == ""
    for r in range(2):
        for v, exact in enumerate(collected.variable_marginals(r)):
            found = np.bincount(drawn.bins[r, :, v], minlength=20) / 8000
            assert 0.5 * np.abs(found - exact).sum() < allowed(20, min(drawn.ess[r, v], 8000))


def test_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="2 chains or more and 1 draw or more, got 1 and 5"):
        gibbs([(0,)], [2], [np.zeros(2)], np.array([[0]]), 5, np.random.default_rng(0), chains=1)
    monkeypatch.setitem(sys.modules, "arviz_stats.base", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ifm-ident\[learn\]'"):
        gibbs([(0,)], [2], [np.zeros(2)], np.array([[0]]), 5, np.random.default_rng(0))
