"""Chosen formulas against enumeration of supports and bases, and against sympy's least squares."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import combinations, product

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.answer.identification import JOINT, Identification, Status
from ifm_ident.deadline import Deadline
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.objectives._support_search import OutOfTime, SupportSearch
from ifm_ident.solve.objectives.choose import Attained, Chosen, Objective, choose

Scopes = list[tuple[tuple[int, ...], tuple[int, ...]]]
Row = list[int]
Formula = dict[int, Fraction]


def design_of(scopes: Scopes, levels: list[int], train: list[tuple[int, ...]]) -> Design:
    variables = sorted({v for x, _ in scopes for v in x})
    model = Model(
        tuple(Intervention(f"s{i}", tuple(range(a))) for i, a in enumerate(levels)),
        tuple(f"x{v}" for v in variables),
        tuple(
            Factor(f"f{k}", tuple(f"x{v}" for v in x), tuple(f"s{i}" for i in sigma))
            for k, (x, sigma) in enumerate(scopes)
        ),
    )
    return Design(model, Regimes.from_codes(np.array(train)))


def codes_of(text: str) -> tuple[int, ...]:
    return tuple(map(int, text))


def one_hot(design: Design, factors: tuple[int, ...], codes: list[Row]) -> list[Row]:
    """Rows straight from the definition in docs/theory/model.md."""
    cells = [
        (k, levels)
        for k in factors
        for levels in product(*(range(int(design.model.level_counts[i])) for i in design.model.scopes[k]))
    ]
    return [[int(tuple(c[i] for i in design.model.scopes[k]) == levels) for k, levels in cells] for c in codes]


def factors_of(design: Design, block: int) -> tuple[int, ...]:
    return tuple(range(len(design.model.factors))) if block == JOINT else design.model.covers[block]


def solve(rows: list[Row], target: Row) -> list[Fraction] | None:
    """The q with q · rows = target for independent rows, or None; None for dependent rows as well."""
    columns = flint.fmpq_mat(list(map(list, zip(*rows, target, strict=True))))
    reduced, rank = columns.rref()
    if any(reduced[i, i] != 1 for i in range(min(len(rows), rank))) or rank != len(rows):
        return None
    return [Fraction(int(reduced[i, len(rows)].p), int(reduced[i, len(rows)].q)) for i in range(len(rows))]


def vertices(rows: list[Row], target: Row) -> list[Formula]:
    """All formulas on independent rows: the least l1 and the fewest terms are attained among them."""
    rank = flint.fmpq_mat(rows).rank()
    found = []
    for size in range(1, rank + 1):
        for support in combinations(range(len(rows)), size):
            exponents = solve([rows[i] for i in support], target)
            if exponents is not None:
                found.append({i: q for i, q in zip(support, exponents, strict=True) if q})
    return found


def least_squares(rows: list[Row], target: Row, sizes: list[int]) -> Fraction:
    """min sum q_i^2 / n_i with q · rows = target, by sympy from the optimality conditions."""
    a = sympy.Matrix(rows)
    a = a[:, list(a.rref()[1])]
    kept = list(sympy.Matrix(rows).rref()[1])
    b = sympy.Matrix([target[j] for j in kept])
    n = sympy.diag(*sizes)
    q = n * a * (a.T * n * a).LUsolve(b)
    value = sum((q[i] ** 2 / sympy.Integer(sizes[i]) for i in range(len(rows))), sympy.Integer(0))
    return Fraction(int(value.p), int(value.q))


def terms_hold(chosen: Chosen) -> None:
    """Every formula reproduces its target's row, by the definition and in fractions."""
    found = chosen.identification
    design = found.design
    train, targets = design.train.codes().tolist(), found.targets.codes().tolist()
    for row, block in zip(chosen.row.tolist(), chosen.block.tolist(), strict=True):
        exponents = found.terms.exponents(row)[block]
        assert all(exponents.values())
        assert all(int(design.first[i]) == i for i in exponents)
        factors = factors_of(design, block)
        reached = [Fraction(0)] * len(one_hot(design, factors, [targets[row]])[0])
        for i, q in exponents.items():
            reached = [r + q * a for r, a in zip(reached, one_hot(design, factors, [train[i]])[0], strict=True)]
        assert reached == one_hot(design, factors, [targets[row]])[0]


def same_verdicts(before: Identification, after: Identification) -> None:
    np.testing.assert_array_equal(before.status, after.status)
    np.testing.assert_array_equal(before.criterion, after.criterion)
    np.testing.assert_array_equal(before.kernel, after.kernel)
    for row in range(len(before)):
        assert set(before.terms.exponents(row)) == set(after.terms.exponents(row))


@st.composite
def designs(draw: st.DrawFn) -> Design:
    width, variables = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    levels = draw(st.lists(st.sampled_from([2, 2, 3]), min_size=width, max_size=width))
    x = st.lists(st.integers(0, variables - 1), min_size=1, max_size=2, unique=True).map(tuple)
    sigma = st.lists(st.integers(0, width - 1), max_size=2, unique=True).map(tuple)
    scopes = draw(st.lists(st.tuples(x, sigma), min_size=1, max_size=4))
    regime = st.tuples(*(st.integers(0, a - 1) for a in levels))
    return design_of(scopes, levels, draw(st.lists(regime, min_size=3, max_size=10)))


def everything(design: Design) -> Regimes:
    counts = design.model.level_counts.tolist()
    return Regimes.from_codes(np.array(list(product(*map(range, counts)))))


@settings(max_examples=60, deadline=None)
@given(designs(), st.sampled_from(["joint", "conditional", "auto"]), st.data())
def test_every_objective_is_proven_best_on_small_designs(
    design: Design, criterion: CriterionName, data: st.DataObject
) -> None:
    identifier = Identifier(design)
    found = identifier.identify(everything(design), criterion)
    samples = data.draw(st.lists(st.integers(1, 60), min_size=len(design.train), max_size=len(design.train)))
    merged: dict[int, int] = {}
    for i, n in enumerate(samples):
        merged[int(design.first[i])] = merged.get(int(design.first[i]), 0) + n
    sizes = [merged[int(i)] for i in design.distinct]
    chosen = {o: choose(identifier, found, o, samples) for o in ("sparse", "l1", "variance")}
    train = design.train.codes()[design.distinct].tolist()
    identified = np.flatnonzero((found.status == Status.IDENTIFIED) | (found.terms.sizes > 0)).tolist()
    for one in chosen.values():
        same_verdicts(found, one.identification)
        terms_hold(one)
        assert one.all_proven
        assert sorted(set(one.row.tolist())) == identified
    for row in identified[:6]:
        for block, attained in chosen["sparse"].attained(row).items():
            factors = factors_of(design, block)
            rows = one_hot(design, factors, train)
            [target] = one_hot(design, factors, found.targets.codes()[row : row + 1].tolist())
            candidates = vertices(rows, target)
            assert attained.value == min(map(len, candidates))
            assert len(chosen["sparse"].identification.terms.exponents(row)[block]) == attained.value
            least = min(sum(map(abs, q.values()), Fraction(0)) for q in candidates)
            assert chosen["l1"].attained(row)[block] == Attained(least, least)
            exponents = chosen["l1"].identification.terms.exponents(row)[block]
            assert sum(map(abs, exponents.values())) == least
            expected = least_squares(rows, target, sizes)
            assert chosen["variance"].attained(row)[block] == Attained(expected, expected)
            exponents = chosen["variance"].identification.terms.exponents(row)[block]
            assert sum(q * q / merged[i] for i, q in exponents.items()) == expected


SINGLES: Scopes = [((0,), (i,)) for i in range(3)]
PARITY = [codes_of(c) for c in ("000", "110", "101", "011")]


@pytest.mark.parametrize("objective", ["basis", "sparse", "l1", "variance"])
def test_fractional_exponents_survive_every_objective(objective: Objective) -> None:
    identifier = Identifier(design_of(SINGLES, [2, 2, 2], PARITY))
    found = identifier.identify(Regimes.from_codes(np.array([[1, 1, 1]])))
    chosen = choose(identifier, found, objective, [3, 5, 7, 9])
    half = Fraction(1, 2)
    assert chosen.identification.terms.exponents(0) == {JOINT: {0: -half, 1: half, 2: half, 3: half}}
    expected = {
        "basis": {},
        "sparse": {JOINT: Attained(Fraction(4), Fraction(4))},
        "l1": {JOINT: Attained(Fraction(2), Fraction(2))},
        "variance": {JOINT: Attained(Fraction(62, 315), Fraction(62, 315))},
    }
    assert Fraction(1, 4) * sum(Fraction(1, n) for n in (3, 5, 7, 9)) == Fraction(62, 315)
    assert chosen.attained(0) == expected[objective]


def test_fractions_are_chosen_where_an_integer_formula_exists() -> None:
    """With 100 and 001, 010 trained as well, (100)(010)(001)/000^2 competes with the halves."""
    train = [codes_of(c) for c in ("000", "100", "010", "001", "110", "101", "011")]
    identifier = Identifier(design_of(SINGLES, [2, 2, 2], train))
    found = identifier.identify(Regimes.from_codes(np.array([[1, 1, 1]])))
    assert found.terms.exponents(0)[JOINT] == {1: 1, 2: 1, 3: 1, 0: -2}
    chosen = choose(identifier, found, "l1")
    half = Fraction(1, 2)
    assert chosen.attained(0)[JOINT].value == 2
    sparse = choose(identifier, found, "sparse")
    assert sparse.attained(0)[JOINT].value == 3
    heavy = choose(identifier, found, "variance", [10**9, 1, 1, 1, 10**9, 10**9, 10**9])
    nearly = heavy.identification.terms.exponents(0)[JOINT]
    assert abs(nearly[0] + half) < Fraction(1, 10**6)
    assert all(abs(nearly[i] - half) < Fraction(1, 10**6) for i in (4, 5, 6))


def test_conditional_results_choose_in_each_cover() -> None:
    scopes: Scopes = [((0, 1), (0, 1)), ((1, 2), (1, 2)), ((2, 0), (2, 0))]
    train = [codes_of(c) for c in ("100", "010", "001", "110", "101", "011", "100")]
    design = design_of(scopes, [2, 2, 2], train)
    identifier = Identifier(design)
    found = identifier.identify(Regimes.from_codes(np.array([[1, 1, 1]])))
    assert JOINT not in found.terms.exponents(0)
    for objective in ("sparse", "l1"):
        attained = choose(identifier, found, objective).attained(0)
        assert attained == {block: Attained(Fraction(3), Fraction(3)) for block in range(3)}
    variance = choose(identifier, found, "variance", [2, 3, 4, 5, 6, 7, 1])
    assert variance.attained(0)[0].value == Fraction(1, 5) + Fraction(1, 6) + Fraction(1, 3)


def test_repeats_add_their_samples_and_are_named_by_the_first() -> None:
    design = design_of([((0,), (0,)), ((0,), (1,))], [2, 2], [(0, 0), (1, 0), (1, 0), (0, 1), (0, 0)])
    identifier = Identifier(design)
    found = identifier.identify(Regimes.from_codes(np.array([[1, 1]])))
    chosen = choose(identifier, found, "variance", [2, 3, 4, 5, 6])
    assert chosen.identification.terms.exponents(0)[JOINT] == {1: 1, 3: 1, 0: -1}
    assert chosen.attained(0)[JOINT].value == Fraction(1, 7) + Fraction(1, 5) + Fraction(1, 8)


def pair_cube(width: int) -> tuple[Identifier, Identification]:
    """All pairs as factors, every regime trained but the last."""
    scopes: Scopes = [((0,), pair) for pair in combinations(range(width), 2)]
    regimes = list(product((0, 1), repeat=width))
    identifier = Identifier(design_of(scopes, [2] * width, regimes[:-1]))
    return identifier, identifier.identify(Regimes.from_codes(np.array(regimes[-1:])))


@pytest.mark.parametrize("objective", ["sparse", "l1"])
def test_without_time_the_basis_formula_stays_with_a_true_gap(objective: Objective) -> None:
    identifier, found = pair_cube(4)
    chosen = choose(identifier, found, objective, time_limit=0)
    assert chosen.identification.terms.exponents(0) == found.terms.exponents(0)
    attained = chosen.attained(0)[JOINT]
    best = choose(identifier, found, objective).attained(0)[JOINT]
    assert best.proven
    assert attained.bound <= best.value < attained.value
    assert not attained.proven
    assert attained.gap == (attained.value - attained.bound) / attained.value > 0
    assert not chosen.all_proven


def test_a_cube_of_pairs_needs_seven_densities() -> None:
    """Differences of two formulas are orthogonal to all pair functions: at least 2^3 regimes with the target's."""
    for width in (4, 5):
        identifier, found = pair_cube(width)
        assert choose(identifier, found, "sparse").attained(0)[JOINT] == Attained(Fraction(7), Fraction(7))


@settings(max_examples=80, deadline=None)
@given(st.integers(4, 12), st.integers(2, 6), st.integers(0, 2**20), st.integers(1, 5))
def test_the_exhaustive_search_finds_a_small_support_exactly_when_there_is_one(
    height: int, width: int, seed: int, size: int
) -> None:
    random = np.random.default_rng(seed)
    matrix = np.vstack([np.eye(width, dtype=np.int64), random.integers(0, 2, (height, width))])
    goal = random.integers(-1, 2, len(matrix)) @ matrix
    if not goal.any():
        return
    rows = matrix.tolist()
    least = min(map(len, vertices(rows, goal.tolist())))
    search = SupportSearch(matrix)
    assert search.affordable(goal, size)
    found = search.find(goal, size, Deadline(None))
    assert (found is not None) == (least <= size)
    if found is not None:
        assert len(set(found)) == len(found) <= size
        with_goal = flint.fmpq_mat([*(rows[i] for i in found), goal.tolist()])
        assert with_goal.rank() == flint.fmpq_mat([rows[i] for i in found]).rank()
    with pytest.raises(OutOfTime):
        search.find(goal, size, Deadline.after(0))


def test_sets_and_programs_prove_the_same_as_the_exhaustive_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the search switched off the hitting sets alone settle the cube of pairs."""
    monkeypatch.setattr(SupportSearch, "affordable", lambda *_: False)
    identifier, found = pair_cube(4)
    assert choose(identifier, found, "sparse").attained(0)[JOINT] == Attained(Fraction(7), Fraction(7))


def test_a_long_search_is_not_begun_where_the_prime_proves_nothing() -> None:
    search = SupportSearch(np.eye(40, dtype=np.int64))
    assert search.affordable(np.ones(40, dtype=np.int64), 2)
    assert not search.affordable(np.ones(40, dtype=np.int64), 16)
    assert not SupportSearch(2**20 * np.eye(3, dtype=np.int64)).affordable(np.ones(3, dtype=np.int64), 2)


def test_a_unique_formula_is_returned_for_many_targets_at_once() -> None:
    width = 30
    train = np.vstack([np.zeros(width, dtype=int), np.eye(width, dtype=int)])
    identifier = Identifier(design_of([((0,), (i,)) for i in range(width)], [2] * width, train.tolist()))
    targets = np.random.default_rng(0).integers(0, 2, (20_000, width))
    found = identifier.identify(Regimes.from_codes(targets))
    off = targets.sum(axis=1)
    values: dict[Objective, Callable[[int], Fraction]] = {
        "sparse": lambda k: Fraction(k + 1),
        "l1": lambda k: Fraction(2 * k - 1),
        "variance": lambda k: Fraction(k, 4) + Fraction((k - 1) ** 2, 3),
    }
    for objective, expected in values.items():
        chosen = choose(identifier, found, objective, [3] + [4] * width)
        assert chosen.all_proven
        for e in range(0, len(chosen.row), 997):
            assert chosen.value[e] == expected(int(off[chosen.row[e]]))


def test_alike_targets_get_the_same_formula() -> None:
    scopes: Scopes = [((0,), (i,)) for i in range(3)]
    train = [codes_of(c + "0") for c in ("000", "100", "010", "001", "110")]
    identifier = Identifier(design_of(scopes, [2, 2, 2, 2], train))
    targets = np.array([codes_of(c) for c in ("1111", "0110", "1110", "1111", "0000")])
    chosen = choose(identifier, identifier.identify(Regimes.from_codes(targets)), "sparse")
    formulas = [chosen.identification.terms.exponents(row) for row in range(5)]
    assert formulas[0] == formulas[2] == formulas[3] == {JOINT: {3: 1, 4: 1, 0: -1}}
    assert formulas[1] == {JOINT: {2: 1, 3: 1, 0: -1}}
    assert formulas[4] == {}
    assert chosen.row.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("width", [6, 12])
def test_many_observations_per_rank_and_few_give_the_same_optimum(width: int) -> None:
    """Both forms of the normal equations, kernel side and row side, satisfy the optimality conditions."""
    random = np.random.default_rng(width)
    regimes = np.unique(random.integers(0, 2, (40, width)), axis=0)
    identifier = Identifier(design_of([((0,), (i,)) for i in range(width)], [2] * width, regimes.tolist()))
    found = identifier.identify(Regimes.from_codes(random.integers(0, 2, (5, width))), "joint")
    samples = random.integers(1, 1000, len(regimes))
    chosen = choose(identifier, found, "variance", samples)
    terms_hold(chosen)
    rows = one_hot(identifier.design, factors_of(identifier.design, JOINT), regimes.tolist())
    targets = one_hot(identifier.design, factors_of(identifier.design, JOINT), found.targets.codes().tolist())
    for row in chosen.row.tolist():
        assert chosen.attained(row)[JOINT].value == least_squares(rows, targets[row], samples.tolist())


def test_refusals_name_the_remedy() -> None:
    identifier, found = pair_cube(3)
    with pytest.raises(InputError, match="unknown objective 'l2'; legal: basis, sparse, l1, variance"):
        choose(identifier, found, "l2")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs sample sizes"):
        choose(identifier, found, "variance")
    with pytest.raises(InputError, match=r"one for each of 7 training regimes.*int64 of shape \(2,\)"):
        choose(identifier, found, "variance", [1, 2])
    with pytest.raises(InputError, match=r"whole numbers.*float64"):
        choose(identifier, found, "variance", [1.5] * 7)  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"s1=1.*\(index 2\) has 0 samples"):
        choose(identifier, found, "variance", [1, 1, 0, 1, 1, 1, 1])
    with pytest.raises(InputError, match="another design"):
        choose(pair_cube(3)[0], found, "l1")
    with pytest.raises(InputError, match="time limit is -1"):
        choose(identifier, found, "l1", time_limit=-1)
