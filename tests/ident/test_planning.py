"""Plans against enumeration of all subsets of candidates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.design.design import Design
from ifm_ident.design.spaces import Listed
from ifm_ident.errors import InputError
from ifm_ident.planning import _choice as choice
from ifm_ident.planning import search
from ifm_ident.planning.candidates import FEW, MANY, Candidates
from ifm_ident.planning.planner import Plan, plan
from ifm_ident.planning.prices import AddedUp, OneEach, Prices
from ifm_ident.planning.prices import Listed as ListedPrices
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.solve.exact import rowspace
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.study.study import Study
from tests.ident.planning_oracle import (
    Codes,
    Oracle,
    batch,
    best_subset,
    codes_of,
    every_regime,
    model_of,
    problems,
)


@dataclass(frozen=True)
class Asked:
    """A question, its plan, and the best answer by enumeration: most targets identified, and their least cost."""

    found: Plan
    oracle: Oracle
    free: list[Codes]
    targets: list[Codes]
    allowed: dict[Codes, Fraction]
    max_add: int | None
    forbids: bool

    @property
    def best(self) -> tuple[int, Fraction]:
        return best_subset(self.oracle, self.free, self.targets, self.allowed, self.max_add)

    def require_consistent(self) -> None:
        """What the plan says about itself is so."""
        found, added = self.found, codes_of(self.found.add)
        assert set(added) <= set(self.allowed)
        assert [self.allowed[r] for r in added] == list(found.costs)
        assert self.max_add is None or len(added) <= self.max_add
        assert found.identified_before == self.oracle.count(self.free, self.targets)
        then = frozenset([*self.free, *added])
        refused = [t for t in self.targets if not self.oracle.identifies(then, t)]
        assert codes_of(found.unreachable) == refused
        assert (found.identified_after, found.targets) == (len(self.targets) - len(refused), len(self.targets))
        assert 0 <= found.gap <= 1
        assert found.optimal == (found.gap == 0 and not refused)


COSTS = st.sampled_from([Fraction(0), Fraction(1), Fraction(3, 2), Fraction(5)])


def ask(problem: tuple[Design, list[Codes], list[Codes], PlanCriterion], data: st.DataObject) -> Asked:
    design, train, targets, criterion = problem
    model, width = design.model, len(design.model)
    every = every_regime(model)
    prices: Prices
    kind = data.draw(st.sampled_from(["one each", "added up", "listed"]))
    if kind == "one each":
        prices, table = OneEach(model), dict.fromkeys(every, Fraction(1))
    elif kind == "added up":
        each = data.draw(st.lists(st.none() | COSTS, min_size=width, max_size=width))
        prices = AddedUp.of_prices(each)
        table = {}
        for regime in every:
            parts = [each[i] for i in range(width) if regime[i]]
            if None not in parts:
                table[regime] = sum((p for p in parts if p is not None), Fraction(0))
    else:
        table = data.draw(st.dictionaries(st.sampled_from(every), COSTS, min_size=1, max_size=8))
        prices = ListedPrices.of_prices(batch(list(table), width), list(table.values()))
    max_active = data.draw(st.none() | st.integers(0, width))
    forbidden = data.draw(st.just([]) | st.lists(st.sampled_from(every), max_size=6))
    booked = data.draw(st.lists(st.sampled_from(every), max_size=2))
    max_add = data.draw(st.none() | st.integers(0, 3))
    free, oracle = [*train, *booked], Oracle(model, criterion)
    active = {r: np.count_nonzero(r) for r in every}
    useful = [
        r
        for r in table
        if r not in forbidden
        and (max_active is None or active[r] <= max_active)
        and not oracle.identifies(frozenset(free), r)
    ]
    forbidden = [*forbidden, *useful[8:]]  # enumeration stays small
    allowed = {
        r: c for r, c in table.items() if r not in forbidden and (max_active is None or active[r] <= max_active)
    }
    found = plan(
        design,
        lambda: [batch(targets[:2], width), batch(targets[2:], width)],
        Candidates(model, prices, (Listed(batch(forbidden, width)),) if forbidden else (), max_active),
        criterion,
        booked=batch(booked, width),
        max_add=max_add,
    )
    return Asked(found, oracle, free, targets, allowed, max_add, bool(forbidden))


@contextmanager
def long_entries() -> Iterator[None]:
    """As if no inverse had short entries: answers are lifted, and nothing is reduced modulo training."""

    def refuse(_: object) -> None:
        raise WouldOverflow("as if")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rowspace, "_inverse_table", refuse)
        yield


@contextmanager
def limits(few: int = FEW, many: int = MANY, searched: int = 20_000) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FEW", few)
        patch.setattr(search, "MANY", many)
        patch.setattr(search, "MANY_PARTIAL", many)
        patch.setattr(choice, "_SEARCH", searched)
        yield


@pytest.mark.parametrize("setting", [limits, lambda: limits(few=0), long_entries])
@settings(max_examples=60, deadline=None)
@given(problem=problems(), data=st.data())
def test_plans_are_the_best_of_all_subsets(setting: Any, problem: Any, data: st.DataObject) -> None:
    with setting():
        asked = ask(problem, data)
    asked.require_consistent()
    reached, least = asked.best
    assert (asked.found.identified_after, asked.found.cost, asked.found.gap) == (reached, least, 0)


@pytest.mark.parametrize("setting", [lambda: limits(few=0, many=0), lambda: limits(searched=0)])
@settings(max_examples=60, deadline=None)
@given(problem=problems(), data=st.data())
def test_gaps_are_honest_where_not_everything_is_searched(setting: Any, problem: Any, data: st.DataObject) -> None:
    with setting():
        asked = ask(problem, data)
    asked.require_consistent()
    found, (reached, least) = asked.found, asked.best
    assert found.identified_after <= reached
    if not asked.forbids and asked.max_add is None:
        assert found.identified_after == reached
    if found.limited:
        new, most = found.identified_after - found.identified_before, reached - found.identified_before
        assert most * (1 - found.gap) <= new
    elif found.identified_after == reached:
        assert found.bound <= least <= found.cost
    if found.optimal:
        assert found.cost == least


def everything(width: int) -> list[Codes]:
    return list(product(range(2), repeat=width))


def test_everything_at_least_cost_takes_the_rank_deficiency() -> None:
    model = model_of([2] * 3, [(("x",), (0, 1)), (("x",), (1, 2))])
    all_ = batch(everything(3), 3)
    found = plan(Design(model, batch([(0, 0, 0)], 3)), lambda: [all_], Candidates(model, OneEach(model)))
    assert (found.cost, found.optimal, found.gap, found.identified_after) == (5, True, 0, 8)


@pytest.mark.parametrize(("criterion", "needed"), [("joint", 3), ("conditional", 1)])
def test_one_regime_serves_three_systems(criterion: PlanCriterion, needed: int) -> None:
    model = model_of([2] * 3, [((f"x{i}",), (i,)) for i in range(3)])
    all_ = batch(everything(3), 3)
    found = plan(
        Design(model, batch([(0, 0, 0)], 3)), lambda: [all_], Candidates(model, OneEach(model)), criterion
    )
    assert (len(found.add), found.optimal, found.identified_after) == (needed, True, 8)
    assert criterion == "joint" or codes_of(found.add) == [(1, 1, 1)]


def test_a_conditional_plan_costs_no_more_than_the_targets_or_the_joint_plan() -> None:
    """Greedy choices alone, system by system, take 18 regimes here."""
    rng = Random(10)
    width = rng.randint(5, 9)
    variables = ("x1", "x2", "x3", "x4")
    factors = [(tuple(rng.sample(variables, 2)), tuple(rng.sample(range(width), 3))) for _ in range(width)]
    model = model_of([2] * width, [*factors, *(((v,), ()) for v in variables)])
    drawn = {tuple(sorted(rng.sample(range(width), 4))) for _ in range(rng.randint(4, 18))}
    targets = batch([tuple(int(i in four) for i in range(width)) for four in sorted(drawn)], width)
    design = Design(model, batch([(0,) * width], width))
    for criterion in ("joint", "conditional"):
        found = plan(design, lambda: [targets], Candidates(model, OneEach(model)), criterion, time_limit=0)
        assert (found.cost, len(targets), found.optimal) == (17, 17, True)


def test_a_space_too_large_to_list_is_planned_from_the_closure() -> None:
    width = 40
    model = model_of([2] * width, [(("x",), (i, i + 1)) for i in range(width - 1)])
    train = [(0,) * width]
    pairs = [tuple(int(j in (i, i + 1)) for j in range(width)) for i in range(width - 1)]
    offered = Candidates(model, AddedUp.of_prices([Fraction(i + 1) for i in range(width)]))
    design = Design(model, batch(train, width))
    found = plan(design, lambda: [batch(pairs, width)], offered)
    assert (found.optimal, len(found.add)) == (False, width - 1)
    assert found.cost == sum(2 * i + 3 for i in range(width - 1))
    every_pair = [*map(tuple, np.eye(width, dtype=int).tolist()), *pairs]
    both = plan(design, lambda: [batch(every_pair, width)], offered)
    assert both.optimal
    assert both.cost == sum(range(1, width + 1)) + sum(2 * i + 3 for i in range(width - 1))


def test_a_detour_around_a_forbidden_regime_is_found_in_a_large_space() -> None:
    width = 40
    model = model_of([2] * width, [(("x",), (i, i + 1)) for i in range(width - 1)])
    train = [(0,) * width, *map(tuple, np.eye(width, dtype=int).tolist())]
    pair = tuple(int(j < 2) for j in range(width))
    offered = Candidates(model, OneEach(model), (Listed(batch([pair], width)),))
    found = plan(Design(model, batch(train, width)), lambda: [batch([pair], width)], offered)
    assert (found.cost, found.optimal) == (1, True)
    assert codes_of(found.add) != [pair]


def test_wide_factors_are_planned_cell_by_cell() -> None:
    width = 9
    model = model_of([2] * width, [(("x",), tuple(range(width)))])
    target = (1,) * width
    found = plan(
        Design(model, batch([(0,) * width], width)),
        lambda: [batch([target], width)],
        Candidates(model, OneEach(model)),
    )
    assert (codes_of(found.add), found.optimal) == ([target], True)


def test_samples_go_by_the_exponents_of_the_targets() -> None:
    model = model_of([2, 2], [(("x",), (0,)), (("x",), (1,))])
    design = Design(model, batch([(0, 0)], 2))
    targets = [(1, 0), (1, 1), (1, 1), (0, 1)]
    found = plan(design, lambda: [batch(targets, 2)], Candidates(model, OneEach(model)), budget=101)
    assert codes_of(found.add) == [(1, 0), (0, 1)]
    assert (found.squares, found.samples) == ((3, 3), (51, 50))
    booked = plan(
        design,
        lambda: [batch(targets[:1], 2)],
        Candidates(model, OneEach(model)),
        booked=batch([(1, 1)], 2),
        budget=10,
    )
    assert (codes_of(booked.add), booked.squares, booked.samples) == ([(1, 0)], (1, 0), (9, 1))
    with pytest.raises(InputError, match=r"a budget of 1 is too small for 2 added regimes"):
        plan(design, lambda: [batch(targets, 2)], Candidates(model, OneEach(model)), budget=1)


def test_conditional_exponents_count_once_a_variable() -> None:
    model = model_of([2, 2], [(("x1", "x2"), (0,)), (("x3",), (1,))])
    found = plan(
        Design(model, batch([(0, 0)], 2)),
        lambda: [batch([(1, 1), (1, 0)], 2)],
        Candidates(model, OneEach(model)),
        "conditional",
        budget=10,
    )
    assert codes_of(found.add) == [(1, 1)]
    assert found.squares == (3 + 2,)


def test_negative_limits_are_refused() -> None:
    model = model_of([2], [(("x",), (0,))])
    with pytest.raises(InputError, match="max_add is -1; write a whole number of 0 or more"):
        plan(Design(model, batch([(0,)], 1)), list, Candidates(model, OneEach(model)), max_add=-1)
    with pytest.raises(InputError, match="max_active is -1; write"):
        Candidates(model, OneEach(model), max_active=-1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_active": 1.5}, "max_active is 1.5; write a whole number of 0 or more"),
        ({"max_add": "2"}, "max_add is '2'; write a whole number"),
        ({"budget": 0}, "budget is 0; write a whole number of 1 or more"),
        ({"time_limit": -1}, "the time limit is -1 seconds; give 0 or more"),
        ({"time_limit": float("nan")}, "the time limit is nan seconds"),
        ({"time_limit": None}, "the time limit is None seconds"),
    ],
)
def test_limits_of_a_study_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    one = Study.from_labels(["ctrl", "A", "B"])
    with pytest.raises(InputError, match=message):
        one.plan(**options)
    assert one.plan(max_active=int(np.int64(1)), time_limit=0).cost == 0
