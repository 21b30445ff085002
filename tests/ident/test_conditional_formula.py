"""Conditional and joint formulas against enumerated densities of random positive factor tables."""

from __future__ import annotations

from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ifm_ident.answer.conditional_formula import ConditionalFormula
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Criterion, Status
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.show.demonstration import example
from ifm_ident.solve.identifier import Identifier, identify
from ifm_ident.solve.some_variables import identifier_of, identify_of, needed_variables

Scopes = list[tuple[tuple[int, ...], tuple[int, ...]]]


def model_of(scopes: Scopes, variables: int, interventions: int) -> Model:
    return Model(
        tuple(Intervention(f"s{i}", (0, 1)) for i in range(interventions)),
        tuple(f"x{v}" for v in range(variables)),
        tuple(
            Factor(f"f{k}", tuple(f"x{v}" for v in x), tuple(f"s{i}" for i in sigma))
            for k, (x, sigma) in enumerate(scopes)
        ),
    )


class Truth:
    """Positive random tables for every factor and level of its sigma-scope; densities by enumeration."""

    def __init__(self, model: Model, x_levels: tuple[int, ...], seed: int) -> None:
        self.model, self.x_levels = model, x_levels
        self.random = np.random.default_rng(seed)
        self.tables: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}

    def log_density(self, codes: np.ndarray) -> np.ndarray:
        total = np.zeros(self.x_levels)
        for k, factor in enumerate(self.model.factors):
            shown = tuple(int(codes[i]) for i in self.model.scopes[k])
            axes = [self.model.variables.index(v) for v in factor.x]
            if (k, shown) not in self.tables:
                self.tables[k, shown] = self.random.normal(size=[self.x_levels[a] for a in axes])
            order = np.argsort(axes)
            widened = np.expand_dims(
                np.transpose(self.tables[k, shown], order),
                tuple(a for a in range(len(self.x_levels)) if a not in axes),
            )
            total = total + widened
        return total - np.log(np.exp(total).sum())

    def training(self, design: Design) -> dict[int, np.ndarray]:
        return {i: self.log_density(row) for i, row in enumerate(design.train.codes())}


def normalised(log_table: np.ndarray) -> np.ndarray:
    return log_table - np.log(np.exp(log_table - log_table.max()).sum()) - log_table.max()


@pytest.mark.parametrize("x_levels", [(2, 2, 2), (3, 2, 3)])
def test_every_order_and_reference_gives_the_enumerated_density(x_levels: Any) -> None:
    design = example("conditional").design
    truth = Truth(design.model, x_levels, 7)
    target = np.array([[1, 1, 1]])
    answer = identify(design, Regimes.from_codes(target))[0]
    assert (answer.status, answer.criterion) == (Status.IDENTIFIED, Criterion.CONDITIONAL)
    formula = ConditionalFormula.of(answer.conditionals)
    expected, training = truth.log_density(target[0]), truth.training(design)
    references = list(product(*map(range, x_levels)))
    for order in permutations(formula.variables):
        for reference in references:
            found = formula.table(training, reference, order)
            assert abs(found[reference]) < 1e-12
            np.testing.assert_allclose(found, expected - expected[reference], atol=1e-10)


def test_a_single_full_conditional_formula_is_not_the_joint_one() -> None:
    """The three products differ and none is the joint density: putting them together is needed."""
    design = example("conditional").design
    truth = Truth(design.model, (2, 2, 2), 3)
    answer = identify(design, Regimes.from_codes(np.array([[1, 1, 1]])))[0]
    expected = truth.log_density(np.array([1, 1, 1]))
    products = [normalised(formula(truth.training(design))) for formula in answer.conditionals.values()]
    assert len(products) == 3
    for one, other in combinations([expected, *products], 2):
        assert np.abs(one - other).max() > 1e-3


def test_swapped_conditionals_give_a_different_density() -> None:
    design = example("conditional").design
    truth = Truth(design.model, (2, 2, 2), 3)
    found = identify(design, Regimes.from_codes(np.array([[1, 1, 1]])))[0].conditionals
    wrong = ConditionalFormula.of({"x1": found["x2"], "x2": found["x1"], "x3": found["x3"]})
    expected = truth.log_density(np.array([1, 1, 1]))
    assert np.abs(normalised(wrong.table(truth.training(design))) - expected).max() > 1e-3


@st.composite
def problems(draw: st.DrawFn) -> tuple[Design, tuple[int, ...]]:
    variables, interventions = draw(st.integers(3, 5)), draw(st.integers(2, 4))
    x_scope = st.lists(st.integers(0, variables - 1), min_size=1, max_size=2, unique=True).map(tuple)
    sigma_scope = st.lists(st.integers(0, interventions - 1), max_size=2, unique=True).map(tuple)
    scopes = draw(st.lists(st.tuples(x_scope, sigma_scope), min_size=2, max_size=5))
    held = {v for x, _ in scopes for v in x}
    scopes += [((v,), ()) for v in range(variables) if v not in held]
    regimes = list(product((0, 1), repeat=interventions))
    train = draw(st.lists(st.sampled_from(regimes), min_size=2, max_size=10))
    levels = tuple(draw(st.lists(st.integers(2, 3), min_size=variables, max_size=variables)))
    design = Design(model_of(scopes, variables, interventions), Regimes.from_codes(np.array(train)))
    return design, levels


@settings(max_examples=150, deadline=None)
@given(problems(), st.randoms(use_true_random=False), st.integers(0, 2**20))
def test_formulas_of_random_models_are_the_enumerated_density(problem: Any, random: Any, seed: int) -> None:
    design, x_levels = problem
    targets = np.array(list(product((0, 1), repeat=len(design.model))))
    truth = Truth(design.model, x_levels, seed)
    training = truth.training(design)
    joint_first = identify(design, Regimes.from_codes(targets))
    conditional = identify(design, Regimes.from_codes(targets), "conditional")
    seen = 0
    for t, codes in enumerate(targets):
        expected = truth.log_density(codes)
        joint = joint_first[t].formula
        if joint is not None:
            np.testing.assert_allclose(normalised(joint(training)), expected, atol=1e-10)
        if conditional[t].conditionals:
            seen += 1
            formula = ConditionalFormula.of(conditional[t].conditionals)
            order = random.sample(formula.variables, len(formula.variables))
            reference = tuple(random.randrange(a) for a in x_levels)
            found = formula.table(training, reference, order)
            np.testing.assert_allclose(found, expected - expected[reference], atol=1e-10)
            if joint is not None:
                np.testing.assert_allclose(normalised(found), normalised(joint(training)), atol=1e-10)
    assume(seen)


def test_designs_found_by_search_that_have_no_joint_formula() -> None:
    """Random pair models in which the conditional criterion succeeds where the joint one proves a refusal."""
    random = np.random.default_rng(11)
    checked = 0
    for _ in range(300):
        variables = int(random.integers(3, 5))
        pairs = list(combinations(range(variables), 2))
        kept = [pairs[i] for i in random.permutation(len(pairs))[: int(random.integers(2, 5))]]
        scopes = [(pair, pair) for pair in kept] + [((v,), (v,)) for v in range(variables)]
        model = model_of(scopes, variables, variables)
        regimes = np.array(list(product((0, 1), repeat=variables)))
        train = regimes[np.sort(random.permutation(len(regimes))[: int(random.integers(4, 10))])]
        design = Design(model, Regimes.from_codes(train))
        found = identify(design, Regimes.from_codes(regimes))
        refused = identify(design, Regimes.from_codes(regimes), "joint")
        truth = Truth(model, (2,) * variables, int(random.integers(2**30)))
        for t in np.flatnonzero((found.status == Status.IDENTIFIED) & (found.criterion == Criterion.CONDITIONAL)):
            assert refused.status[t] == Status.NOT_IDENTIFIED
            formula = ConditionalFormula.of(found[int(t)].conditionals)
            expected = truth.log_density(regimes[t])
            for order in [None, formula.variables[::-1]]:
                got = normalised(formula.table(truth.training(design), order=order))
                np.testing.assert_allclose(got, expected, atol=1e-10)
            checked += 1
    assert checked >= 20


def test_a_joint_formula_given_to_every_variable_costs_only_the_end_points() -> None:
    calls: list[tuple[int, int]] = []

    def log_density(i: Any, x: Any) -> Any:
        calls.append((i, len(x)))
        return (i + 1.0) * np.asarray(x, dtype=float).sum(axis=1)

    formula = Formula.of({0: 2, 3: -1})
    points = np.array([[0.5, 1.5], [1.0, -1.0], [2.0, 2.0]])
    found = ConditionalFormula.of({"x": formula, "y": formula})(log_density, points)
    np.testing.assert_allclose(found, -2 * (points.sum(axis=1) - points[0].sum()))
    assert sorted(calls) == [(0, 1), (0, 3), (3, 1), (3, 3)]


def test_continuous_points_and_a_shared_reference() -> None:
    """Gaussian log-densities whose conditionals have different formulas; two calls agree with one."""
    formula = ConditionalFormula.of({"x": Formula.of({0: 1}), "y": Formula.of({1: 2, 0: -1})})

    def log_density(i: Any, x: Any) -> Any:
        return -((x[:, 0] - i) ** 2) - x[:, 1] ** 2 * (i + 1)

    points = np.random.default_rng(0).normal(size=(6, 2))
    expected = -(points[:, 0] ** 2) - 3 * points[:, 1] ** 2
    whole = formula(log_density, points, reference=[0, 0])
    np.testing.assert_allclose(whole, expected, atol=1e-12)
    halves = [formula(log_density, part, reference=[0, 0]) for part in (points[:2], points[2:])]
    np.testing.assert_array_equal(np.concatenate(halves), whole)
    assert formula(log_density, np.empty((0, 2))).shape == (0,)


def test_refusals_name_what_is_wrong() -> None:
    formula = ConditionalFormula.of({"x": Formula.of({0: 1}), "y": Formula.of({2: 1})})
    flat = {0: np.zeros((2, 2)), 2: np.zeros((2, 2))}
    with pytest.raises(InputError, match=r"x has shape \(3,\).*x, y: shape \(n, 2\)"):
        formula(lambda i, x: np.zeros(len(x)), np.zeros(3))
    with pytest.raises(InputError, match=r"reference has shape \(3,\)"):
        formula(lambda i, x: np.zeros(len(x)), np.zeros((1, 2)), reference=[0, 0, 0])
    with pytest.raises(InputError, match="order x, x must name each of x, y once"):
        formula.table(flat, order=["x", "x"])
    with pytest.raises(InputError, match="needs the log-density table of training regime 2; tables given: 0"):
        formula.table({0: flat[0]})
    with pytest.raises(InputError, match=r"training regime 2 has shape \(2, 3\)"):
        formula.table({0: flat[0], 2: np.zeros((2, 3))})
    with pytest.raises(InputError, match="no conditional formula"):
        ConditionalFormula.of({})


def test_needed_variables_are_the_connected_ones() -> None:
    model = model_of([((0, 1), (0,)), ((3, 4), ()), ((1, 2), (1,))], 5, 2)
    assert needed_variables(model, ["x2"]) == ("x0", "x1", "x2")
    assert needed_variables(model, ["x4"]) == ("x3", "x4")
    assert needed_variables(model, ["x4", "x0"]) == model.variables
    with pytest.raises(InputError, match=r"unknown variable 'y'.*x0"):
        needed_variables(model, ["y"])
    with pytest.raises(InputError, match="no variable is named"):
        needed_variables(model, [])


def test_a_question_about_some_variables_looks_only_at_their_component() -> None:
    """x3, x4 are independent of the rest; their factor's unseen cell must not refuse x0, x1, x2."""
    scopes: Scopes = [((0, 1), (0,)), ((1, 2), (1,)), ((3, 4), (0, 1))]
    model = model_of(scopes, 5, 2)
    design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    target = np.array([[1, 1]])
    identifier = Identifier(design)
    assert identifier.identify(Regimes.from_codes(target)).counts()["identified"] == 0
    found = identify_of(identifier, Regimes.from_codes(target), ["x0"])
    assert found.design is not design
    assert found.design.model.variables == ("x0", "x1", "x2")
    answer = found[0]
    truth = Truth(model, (2, 3, 2, 2, 2), 5)
    training = {i: np.log(np.exp(t).sum(axis=(3, 4))) for i, t in truth.training(design).items()}
    assert answer.formula is not None
    expected = np.log(np.exp(truth.log_density(target[0])).sum(axis=(3, 4)))
    np.testing.assert_allclose(normalised(answer.formula(training)), expected, atol=1e-10)
    refused = identify_of(identifier, Regimes.from_codes(target), ["x3"])[0]
    assert refused.status == Status.NOT_IDENTIFIED
    assert identifier_of(identifier, ["x0", "x4"]) is identifier
