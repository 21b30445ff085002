"""Log-ratios by joint and conditional formulas against discrete models whose densities are known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from ifm_ident import Design, Identifier, InputError, NotIdentifiableError, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.show.demonstration import example
from ifm_learn.ratios.formula import FormulaRatio, exponent_matrix
from tests.learn.gaussian_chain import CHAIN, TARGET

CYCLE = example("conditional").design
ALL_ONE = ((0, 1), (1, 1), (2, 1))


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
    """No single product exists, Brook's lemma gives the target, a shared function of x cancels.

    Theory: docs/theory/conditional.md.
    """
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


@dataclass(frozen=True)
class Given:
    """Log-densities of the training regimes at rows, whatever the rows are, shape (n, m)."""

    logs: Floats

    def log_densities(self, x: Floats) -> Floats:
        return self.logs


def of_given(design: Design, targets: Regimes, logs: Floats) -> Floats:
    return FormulaRatio(design, Given(logs)).log_potentials(targets, np.zeros((len(logs), 2)))


def test_joint_formulas_by_sparse_product_equal_each_formula() -> None:
    targets = Regimes.from_active([TARGET, (), ((1, 1),)], 2)
    values = np.random.default_rng(0).normal(size=(7, 3))
    batch = of_given(CHAIN, targets, values)
    found = Identifier(CHAIN).identify(targets)
    formula = found[0].formula
    assert formula is not None
    np.testing.assert_allclose(batch[:, 0], formula(values.T))
    np.testing.assert_allclose(batch[:, 0], values[:, 1] + values[:, 2] - values[:, 0])
    np.testing.assert_array_equal(batch[:, 1:], values[:, [0, 2]])
    assert exponent_matrix(found).toarray().tolist() == [[-1, 1, 1], [1, 0, 0], [0, 0, 1]]


def test_refused_targets_carry_their_certificate() -> None:
    pooled = Design(CHAIN.model, CHAIN.train.take(np.array([0, 1])))
    with pytest.raises(NotIdentifiableError, match="s2=1") as refusal:
        of_given(pooled, Regimes.from_active([(), TARGET], 2), np.zeros((4, 2)))
    assert refusal.value.certificate is not None


def test_zero_densities_are_refused_only_where_the_formula_divides_by_them() -> None:
    target = Regimes.from_active([TARGET], 2)
    with np.errstate(divide="ignore"):
        above = np.log([[0.5, 0.0, 0.5]])
        below = np.log([[0.0, 0.5, 0.5]])
    assert np.isneginf(of_given(CHAIN, target, above)).all()
    with pytest.raises(InputError, match="training regime 0 at row 1 is -inf"):
        of_given(CHAIN, target, below)
    with pytest.raises(InputError, match="one column for each of 3"):
        of_given(CHAIN, target, np.zeros((4, 2)))
