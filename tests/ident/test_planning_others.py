"""Single regimes, regimes to drop and sample sizes, each against brute force."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_array

from ifm_ident.design.design import Design
from ifm_ident.errors import InputError
from ifm_ident.planning._directions import Directions
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.drop import droppable
from ifm_ident.planning.planner import plan
from ifm_ident.planning.prices import OneEach
from ifm_ident.planning.samples import allocate, variance_factor
from ifm_ident.planning.single import single_regimes
from tests.ident.planning_oracle import Oracle, batch, codes_of, every_regime, model_of, problems
from tests.ident.test_planning import limits, long_entries


@pytest.mark.parametrize("setting", [limits, long_entries])
@settings(max_examples=60, deadline=None)
@given(problem=problems(), count=st.integers(1, 6), max_active=st.none() | st.integers(0, 2), data=st.data())
def test_single_regimes_against_each_candidate_alone(
    setting: Any, problem: Any, count: int, max_active: int | None, data: st.DataObject
) -> None:
    design, train, targets, criterion = problem
    width, oracle = len(design.model), Oracle(design.model, criterion)
    booked = data.draw(st.lists(st.sampled_from(every_regime(design.model)), max_size=1))
    candidates = Candidates(design.model, OneEach(design.model), (), max_active)
    with setting():
        found = single_regimes(
            design,
            lambda: [batch(targets, width)],
            candidates,
            criterion,
            count=count,
            booked=batch(booked, width),
        )
    free = [*train, *booked]
    before = oracle.count(free, targets)
    allowed = [r for r in every_regime(design.model) if max_active is None or np.count_nonzero(r) <= max_active]
    gain = {r: oracle.count([*free, r], targets) - before for r in allowed}
    chosen = codes_of(found.regimes)
    assert (found.identified_before, found.targets, found.every_candidate) == (before, len(targets), True)
    assert [gain[r] for r in chosen] == list(found.gains) == sorted(found.gains, reverse=True)
    assert all(found.gains)
    # regimes that tell the same, by any criterion, stand in for one another: the kinds left out gain no more
    kinds: dict[frozenset[Any], int] = {}
    for r in allowed:
        told = frozenset(s for s in every_regime(design.model) if oracle.identifies(frozenset([*free, r]), s))
        kinds[told] = gain[r]
    if len(chosen) < count:
        assert len(chosen) >= sum(1 for g in kinds.values() if g)
    if chosen:
        assert found.gains[0] == max(gain.values())


@settings(max_examples=60, deadline=None)
@given(problem=problems(), count=st.integers(1, 4))
def test_single_regimes_one_after_the_other(problem: Any, count: int) -> None:
    design, train, targets, criterion = problem
    width, oracle = len(design.model), Oracle(design.model, criterion)
    found = single_regimes(
        design,
        lambda: [batch(targets, width)],
        Candidates(design.model, OneEach(design.model)),
        criterion,
        count=count,
        one_after_the_other=True,
    )
    known = list(train)
    for regime, gain in zip(codes_of(found.regimes), found.gains, strict=True):
        before = oracle.count(known, targets)
        best = max(oracle.count([*known, r], targets) for r in every_regime(design.model))
        known.append(regime)
        assert oracle.count(known, targets) - before == gain == best - before > 0
    if len(found.gains) < count:
        assert all(
            oracle.count([*known, r], targets) == oracle.count(known, targets) for r in every_regime(design.model)
        )


def test_an_unbounded_space_offers_targets_and_says_so() -> None:
    width = 60
    model = model_of([2] * width, [(("x",), (i,)) for i in range(width)])
    far = (1,) * width
    found = single_regimes(
        Design(model, batch([(0,) * width], width)),
        lambda: [batch([far], width)],
        Candidates(model, OneEach(model)),
        count=2,
    )
    assert (codes_of(found.regimes), found.gains, found.every_candidate) == ([far], (1,), False)
    with pytest.raises(InputError, match="0 regimes: ask for 1 or more"):
        single_regimes(Design(model, batch([far], width)), list, Candidates(model, OneEach(model)), count=0)


@pytest.mark.parametrize("setting", [limits, long_entries])
@settings(max_examples=80, deadline=None)
@given(problem=problems())
def test_droppable_regimes_against_every_subset(setting: Any, problem: Any) -> None:
    design, train, targets, criterion = problem
    width, oracle = len(design.model), Oracle(design.model, criterion)
    with setting():
        found = droppable(design, lambda: [batch(targets[:1], width), batch(targets[1:], width)], criterion)
    kept = [t for t in targets if oracle.identifies(frozenset(train), t)]

    def loses_nothing(gone: tuple[int, ...]) -> bool:
        # a target whose own regime is dropped must still be identified by the others
        rest = frozenset(r for i, r in enumerate(train) if i not in gone)
        return all(oracle.identifies(rest, t) for t in kept)

    assert (found.identified, found.targets) == (len(kept), len(targets))
    assert found.each == tuple(i for i in range(len(train)) if loses_nothing((i,)))
    assert loses_nothing(found.together)
    most = max(
        size
        for size in range(len(train) + 1)
        if any(loses_nothing(gone) for gone in combinations(range(len(train)), size))
    )
    assert (len(found.together), found.gap) == (most, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.fractions(min_value=0, max_value=9, max_denominator=6), min_size=1, max_size=4),
    st.integers(0, 9),
)
def test_allocation_is_the_best_of_all_whole_numbers(weights: Any, more: int) -> None:
    budget = len(weights) + more
    sizes = allocate(weights, budget)
    assert sum(sizes) == budget
    assert min(sizes) >= 1
    cuts = combinations(range(1, budget), len(weights) - 1)
    every = ([b - a for a, b in zip((0, *c), (*c, budget), strict=True)] for c in cuts)
    assert variance_factor(weights, sizes) == min(variance_factor(weights, other) for other in every)


@pytest.mark.filterwarnings("ignore:Values in x were outside bounds:RuntimeWarning")  # of older scipy
def test_large_allocations_agree_with_a_continuous_optimiser() -> None:
    weights = [Fraction(1), Fraction(7, 2), Fraction(20), Fraction(1, 9)]
    budget = 10_000
    sizes = allocate(weights, budget)
    plain = np.array([float(w) for w in weights])
    found = minimize(
        lambda share: float((plain / share).sum()),
        np.full(4, 0.25),
        bounds=[(1e-4, 1)] * 4,
        constraints={"type": "eq", "fun": lambda share: share.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert np.allclose(sizes, found.x * budget, atol=3)
    assert float(variance_factor(weights, sizes)) <= found.fun / budget * (1 + 1e-6)


def test_one_target_takes_samples_as_elfving_says() -> None:
    exponents = [1, -2, 3]
    sizes = allocate([Fraction(q * q) for q in exponents], 600)
    assert sizes == (100, 200, 300)
    assert variance_factor([Fraction(q * q) for q in exponents], sizes) == Fraction(
        sum(map(abs, exponents)) ** 2, 600
    )


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=1, max_size=8),
        min_size=1,
        max_size=3,
    )
)
def test_directions_are_rows_up_to_multiples(batches: Any) -> None:
    seen = Directions(3)
    rows, numbers = [], []
    for part in batches:
        rows += [tuple(r) for r in part]
        numbers += seen.number(csr_array(np.array(part))).tolist()
    for (a, i), (b, j) in combinations(zip(rows, numbers, strict=True), 2):
        parallel = all(a[p] * b[q] == a[q] * b[p] for p in range(3) for q in range(3)) and any(a) == any(b)
        assert (i == j) == parallel
    assert all((i == 0) == (not any(a)) for a, i in zip(rows, numbers, strict=True))


def test_directions_survive_equal_fingerprints(monkeypatch: pytest.MonkeyPatch) -> None:
    from ifm_ident.planning import _directions as directions

    honest = directions._fingerprints

    def colliding(rows: Any, salt: Any) -> Any:
        return honest(rows, salt) if salt else np.zeros(rows.shape[0], dtype=np.uint64)

    monkeypatch.setattr(directions, "_fingerprints", colliding)
    seen = Directions(2)
    assert seen.number(csr_array(np.array([[1, 0], [0, 1], [2, 0]]))).tolist() == [1, 2, 1]
    assert seen.number(csr_array(np.array([[0, 5], [1, 1]]))).tolist() == [2, 3]


@pytest.mark.parametrize("criterion", ["auto", "bogus", None])
def test_plans_take_two_criteria_only(criterion: Any) -> None:
    model = model_of([2], [(("x",), (0,))])
    design, offered = Design(model, batch([(0,)], 1)), Candidates(model, OneEach(model))
    for ask in (
        lambda: plan(design, lambda: [batch([(1,)], 1)], offered, criterion),
        lambda: single_regimes(design, lambda: [batch([(1,)], 1)], offered, criterion, count=1),
        lambda: droppable(design, lambda: [batch([(1,)], 1)], criterion),
    ):
        with pytest.raises(InputError, match=r"unknown criterion .* for a plan; legal: joint, conditional"):
            ask()
