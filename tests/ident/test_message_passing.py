"""Message passing against exact checks cell by cell, exact solvability and worked cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise, product
from operator import attrgetter
from typing import Any

import flint
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.messages._join_terms import SigmaGraph, relative
from ifm_ident.messages.message_passing import candidate_contexts, derive, derive_many, steps_text

Codes = tuple[int, ...]


Scopes = Sequence[tuple[int, ...]]


def model_of(scopes: Scopes, levels: list[int]) -> Model:
    interventions = tuple(Intervention(f"s{i}", tuple(range(a))) for i, a in enumerate(levels))
    factors = tuple(Factor(f"f{k}", ("x",), tuple(f"s{i}" for i in s)) for k, s in enumerate(scopes))
    return Model(interventions, ("x",), factors)


def design_of(scopes: Scopes, train: list[str], levels: list[int] | None = None) -> Design:
    model = model_of(scopes, levels or [2] * len(train[0]))
    return Design(model, Regimes.from_codes(np.array([[int(c) for c in text] for text in train])))


def active(text: str) -> Active:
    return tuple((i, int(c)) for i, c in enumerate(text) if c != "0")


def text_of(width: int) -> Any:
    return lambda regime: "".join(str(dict(regime).get(i, 0)) for i in range(width))


def cells(scopes: Scopes, regime: Codes) -> set[tuple[int, Codes]]:
    """The cells (factor, levels of its scope) that a regime shows."""
    return {(k, tuple(regime[i] for i in scope)) for k, scope in enumerate(scopes)}


def assert_formula_holds(
    scopes: Scopes, train: list[Codes], target: Codes, exponents: tuple[tuple[int, int], ...]
) -> None:
    """Every cell gets the sum 1 if the target shows it and 0 if not (docs/theory/joint.md, in plain integers)."""
    total: Counter[tuple[int, Codes]] = Counter()
    for index, exponent in exponents:
        assert exponent != 0
        assert isinstance(exponent, int)
        for cell in cells(scopes, train[index]):
            total[cell] += exponent
    assert {cell: value for cell, value in total.items() if value} == dict.fromkeys(cells(scopes, target), 1)
    assert [index for index, _ in exponents] == sorted({index for index, _ in exponents})


def solvable(scopes: Scopes, train: list[Codes], target: Codes) -> bool:
    columns = sorted(set().union(*(cells(scopes, regime) for regime in [*train, target])))

    def rank(regimes: list[Codes]) -> int:
        return flint.fmpq_mat([[int(c in cells(scopes, r)) for c in columns] for r in regimes]).rank()

    return rank(train) == rank([*train, target])


@st.composite
def designs(draw: st.DrawFn) -> tuple[list[tuple[int, ...]], list[int], list[Codes]]:
    width = draw(st.integers(1, 6))
    levels = draw(st.lists(st.integers(2, 3), min_size=width, max_size=width))
    scope = st.lists(st.integers(0, width - 1), unique=True, max_size=3).map(tuple)
    scopes = draw(st.lists(scope, min_size=1, max_size=7))
    regime = st.tuples(*(st.integers(0, a - 1) for a in levels))
    few = st.lists(regime, min_size=1, max_size=12)
    sparse = st.just([r for r in product(*map(range, levels)) if sum(map(bool, r)) <= 2])
    return scopes, levels, draw(few | sparse | st.just(list(product(*map(range, levels)))[:-1]))


CYCLE4 = [(0, 1), (1, 2), (2, 3), (3, 0)]


@given(designs())
@settings(deadline=None, max_examples=80)
@example((CYCLE4, [2] * 4, [r for r in product(range(2), repeat=4) if sum(r) < 4]))
def test_every_identified_answer_is_exact_and_undecided_ones_miss_what_they_say(
    case: tuple[list[tuple[int, ...]], list[int], list[Codes]],
) -> None:
    scopes, levels, train = case
    design = Design(model_of(scopes, levels), Regimes.from_codes(np.array(train)))
    targets = list(product(*map(range, levels)))[-8:]
    batch = Regimes.from_codes(np.array(targets))
    contexts = candidate_contexts(design)
    every = derive_many(design, batch, contexts)
    baseline = derive_many(design, batch)
    relevant = sorted({i for scope in scopes for i in scope})
    rows = {tuple(regime[i] for i in relevant) for regime in train}
    for row, target in enumerate(targets):
        answer = derive(design, batch[row])
        assert answer.status == every.status[row]
        assert answer.exponents == every.exponents(row)
        assert answer.missing == every.missing_regimes(row)
        if answer.status == "identified":
            assert answer.missing == ()
            assert solvable(scopes, train, target)
            assert_formula_holds(scopes, train, target, answer.exponents)
        else:
            assert answer.exponents == ()
            assert answer.missing
        for regime in answer.missing:
            codes = tuple(dict(regime).get(i, 0) for i in range(len(levels)))
            assert tuple(codes[i] for i in relevant) not in rows
            assert not any(codes[i] for i in range(len(levels)) if i not in relevant)
        if baseline.identified[row]:
            assert answer.status == "identified"
            assert_formula_holds(scopes, train, target, baseline.exponents(row))
        else:
            assert len(answer.missing) <= len(baseline.missing_regimes(row))
        assert_formula_follows_from_steps(design, answer)


def assert_formula_follows_from_steps(design: Design, answer: Any) -> None:
    """The product of the steps, like terms collected, is the formula; missing is what training lacks of it."""
    answer.tree.check()
    total: Counter[Active] = Counter()
    for step in answer.steps:
        total[step.joined] += 1
        if step.separator_regime is not None:
            total[step.separator_regime] -= 1
    relevant = design.model.relevant
    first: dict[Active, int] = {}
    for index, regime in enumerate(design.train.restrict(relevant)):
        first.setdefault(regime, index)
    terms = {regime: exponent for regime, exponent in total.items() if exponent}
    lacking = {regime for regime in terms if regime not in first}
    assert set(answer.missing) == lacking
    assert len(answer.missing) == len(lacking)
    if not lacking:
        assert dict(answer.exponents) == {first[regime]: exponent for regime, exponent in terms.items()}
    assert answer.cumulative(len(answer.steps) - 1) == answer.target


@given(designs(), st.data())
@settings(deadline=None)
def test_relative_levels_make_the_context_the_baseline(
    case: tuple[list[tuple[int, ...]], list[int], list[Codes]], data: st.DataObject
) -> None:
    _, _, train = case
    batch = Regimes.from_codes(np.array(train))
    context = data.draw(st.sampled_from(train))
    expected = [[0 if a == c else c if a == 0 else a for a, c in zip(r, context, strict=True)] for r in train]
    there = relative(batch, tuple((i, c) for i, c in enumerate(context) if c))
    assert there.codes().tolist() == expected
    back = relative(there, tuple((i, c) for i, c in enumerate(context) if c))
    assert back.codes().tolist() == [list(r) for r in train]


def test_poster_example_reads_as_a_derivation() -> None:
    design = design_of([(0, 1), (1, 2)], ["000", "010", "100", "110", "001", "011"])
    answer = derive(design, active("111"))
    assert answer.exponents == ((1, -1), (3, 1), (5, 1))
    assert answer.context == ()
    assert steps_text(answer, text_of(3), ["1", "2", "3"]) == [
        "outside the clique at hand every intervention is as in 000",
        "start from clique {1,2}: p(110)",
        "join clique {2,3} over separator {2}: multiply by p(011)/p(010)",
        "the product is proportional to p(111)",
    ]
    assert [answer.cumulative(i) for i in range(2)] == [active("110"), active("111")]


def test_three_cycle_is_undecided_though_algebra_identifies_it() -> None:
    scopes = [(0, 1), (1, 2), (0, 2)]
    train = ["000", "001", "010", "011", "100", "101", "110"]
    answer = derive(design_of(scopes, train), active("111"))
    assert solvable(scopes, [tuple(map(int, t)) for t in train], (1, 1, 1))
    assert (answer.status, answer.exponents, answer.missing) == ("undecided", (), (active("111"),))
    assert steps_text(answer, text_of(3), "abc")[-1] == "not in training: p(111)"


def test_half_exponents_are_out_of_reach() -> None:
    scopes = [(0,), (1,), (2,)]
    train = ["000", "110", "101", "011"]
    answer = derive(design_of(scopes, train), active("111"))
    assert solvable(scopes, [tuple(map(int, t)) for t in train], (1, 1, 1))
    assert (answer.status, answer.context, answer.missing) == ("undecided", active("110"), (active("111"),))
    at_baseline = derive(design_of(scopes, train), active("111"), Regimes.from_active([()], 3))
    assert set(at_baseline.missing) == {active("100"), active("010"), active("001")}


def test_empty_separators_stand_for_the_baseline() -> None:
    answer = derive(design_of([(0,), (1,)], ["00", "10", "01"]), active("11"))
    assert answer.exponents == ((0, -1), (1, 1), (2, 1))
    assert steps_text(answer, text_of(2), "ab")[2] == (
        "join clique {b} over the empty separator: multiply by p(01)/p(00)"
    )


def test_a_context_off_baseline() -> None:
    design = design_of([(0,), (1,)], ["02", "12", "01"], levels=[2, 3])
    alone = derive_many(design, Regimes.from_active([active("11")], 2))
    assert alone.status.tolist() == ["undecided"]
    answer = derive(design, active("11"))
    assert answer.context == active("02")
    assert answer.exponents == ((0, -1), (1, 1), (2, 1))
    assert steps_text(answer, text_of(2), "ab")[0].endswith("as in 02")


def test_a_context_that_leaves_an_intervention_at_baseline_on_top() -> None:
    """Target at baseline where the context is not: the clique goes back to level 0."""
    answer = derive(design_of([(0,), (1,)], ["11", "01", "10"]), ())
    assert answer.context == active("11")
    assert answer.exponents == ((0, -1), (1, 1), (2, 1))


def test_interventions_in_no_factor_do_not_count() -> None:
    design = design_of([(0,)], ["00", "01", "11", "10"])
    answer = derive(design, active("11"))
    assert answer.exponents == ((2, 1),)
    assert answer.target == active("10")
    assert derive(design, active("01")).exponents == ((0, 1),)


def test_no_relevant_intervention_at_all() -> None:
    answer = derive(design_of([()], ["0", "1"]), active("1"))
    assert answer.exponents == ((0, 1),)
    assert steps_text(answer, text_of(1), "a")[1] == "start from clique {}: p(0)"


def test_repeated_training_regimes_use_the_first() -> None:
    design = design_of([(0,), (1,)], ["00", "10", "10", "01", "00"])
    assert derive(design, active("11")).exponents == ((0, -1), (1, 1), (3, 1))


def test_equal_terms_cancel_before_training_is_asked() -> None:
    """In the star {0,1}, {0,2} with 0 at baseline: only 1 and 2 count; a clique equal to context is free."""
    answer = derive(design_of([(0, 1), (1, 2)], ["000", "011"]), active("011"))
    assert answer.exponents == ((1, 1),)
    connected = derive(design_of([(0, 1), (1, 2)], ["010", "110", "011"]), active("111"))
    assert connected.exponents == ((0, -1), (1, 1), (2, 1))


def test_a_cycle_needs_its_triangles() -> None:
    pairs = [r for r in product(range(2), repeat=4) if sum(r) <= 2]
    triangles = [(1, 1, 0, 1), (0, 1, 1, 1)]
    for extra, status in ((triangles, "identified"), (triangles[:1], "undecided")):
        design = Design(model_of(CYCLE4, [2] * 4), Regimes.from_codes(np.array([*pairs, *extra])))
        answer = derive(design, active("1111"), Regimes.from_active([()], 4))
        assert answer.status == status
        assert not answer.tree.chordal
    assert answer.missing == (active("0111"),)


def test_paths_in_a_graph_with_cycles_need_no_triangles() -> None:
    """Only the part of the sigma-graph where target and context differ counts, and a forest needs no work."""
    edges = [(i, (i + 1) % 9) for i in range(9)]
    train = [r for r in product(range(2), repeat=9) if sum(r) <= 2]
    design = Design(model_of(edges, [2] * 9), Regimes.from_codes(np.array(train)))
    targets = [tuple(int(i not in gaps) for i in range(9)) for gaps in [*((i,) for i in range(9)), (2, 5, 8)]]
    answer = derive_many(design, Regimes.from_codes(np.array(targets)), max_work=0)
    assert answer.identified.all()
    for row, target in enumerate(targets):
        assert_formula_holds(edges, train, target, answer.exponents(row))


def test_work_limit_takes_the_target_as_one_clique_and_says_so() -> None:
    train = [r for r in product(range(2), repeat=4) if sum(r) < 4]
    design = Design(model_of(CYCLE4, [2] * 4), Regimes.from_codes(np.array(train)))
    target = active("1111")
    assert derive(design, target).status == "identified"
    answer = derive(design, target, Regimes.from_active([()], 4), max_work=7)
    assert (answer.status, answer.capped, answer.missing) == ("undecided", True, (target,))
    assert "too large to triangulate" in steps_text(answer, text_of(4), "abcd")[-1]
    assert derive(design, active("0111"), max_work=0).status == "identified"


def test_a_capped_context_never_hides_what_another_is_missing() -> None:
    train = [r for r in product(range(2), repeat=4) if sum(r) <= 2]
    design = Design(model_of(CYCLE4, [2] * 4), Regimes.from_codes(np.array(train)))
    contexts = Regimes.from_active([(), active("1100")], 4)
    answer = derive(design, active("1111"), contexts, max_work=0)
    assert (answer.capped, answer.context) == (False, active("1100"))


def test_work_limit_is_shared_by_the_contexts() -> None:
    train = [r for r in product((1, 2), repeat=4) if r != (1, 1, 1, 1)]
    design = Design(model_of(CYCLE4, [3] * 4), Regimes.from_codes(np.array(train)))
    contexts = Regimes.from_active([(), active("2222")], 4)
    assert derive(design, active("1111"), contexts, max_work=16).status == "identified"
    assert derive(design, active("1111"), contexts, max_work=15).status == "undecided"


def test_work_limit_counts_equal_induced_graphs_once() -> None:
    train = [r for r in product(range(3), repeat=4) if 0 in r]
    design = Design(model_of(CYCLE4, [3] * 4), Regimes.from_codes(np.array(train)))
    targets = Regimes.from_codes(np.array(list(product((1, 2), repeat=4))))
    assert derive_many(design, targets, max_work=8).identified.all()


def test_context_limits() -> None:
    design = design_of([(0,), (1,)], ["11", "01", "10", "11"])
    assert list(candidate_contexts(design)) == [(), active("11"), active("01"), active("10")]
    assert list(candidate_contexts(design, max_contexts=2)) == [(), active("11")]
    assert list(candidate_contexts(design, max_contexts=1)) == [()]
    assert list(candidate_contexts(design, max_entries=0)) == [()]


@pytest.mark.parametrize("closed", [False, True])
def test_long_chains_and_rings(closed: bool) -> None:
    size = 10_000
    edges = [*pairwise(range(size)), *([(size - 1, 0)] if closed else [])]
    train = [(), *(((i, 1),) for i in range(size)), *(tuple((i, 1) for i in sorted(e)) for e in edges)]
    design = Design(model_of(edges, [2] * size), Regimes.from_active(train, size))
    target = tuple((i, 1) for i in range(size - closed))
    answer = derive(design, target)
    assert answer.status == "identified"
    assert len(answer.exponents) == len(target) - 1 + len(target) - 2
    holders: dict[int, list[int]] = {}
    for k, edge in enumerate(edges):
        for i in edge:
            holders.setdefault(i, []).append(k)

    def off_baseline(regime: Active) -> set[tuple[int, Codes]]:
        on = {i for i, _ in regime}
        return {(k, tuple(int(i in on) for i in edges[k])) for v in on for k in holders[v]}

    shown: Counter[tuple[int, Codes]] = Counter()
    for index, exponent in answer.exponents:
        for cell in off_baseline(train[index]):
            shown[cell] += exponent
    assert {cell: n for cell, n in shown.items() if n} == dict.fromkeys(off_baseline(target), 1)
    assert sum(exponent for _, exponent in answer.exponents) == 1


def test_many_targets_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutting the batch anywhere changes nothing."""
    rng = np.random.default_rng(1)
    scopes = [tuple(sorted(rng.choice(12, 2, replace=False).tolist())) for _ in range(16)]
    train = [r for r in rng.integers(0, 2, (4000, 12)).tolist() if sum(r) <= 5]
    design = Design(model_of(scopes, [2] * 12), Regimes.from_codes(np.array(train)))
    targets = Regimes.from_codes(rng.integers(0, 2, (500, 12)))
    whole = derive_many(design, targets)
    monkeypatch.setattr("ifm_ident.messages._join_terms._CHUNK_ENTRIES", 40)
    assert len(SigmaGraph.of(design.model).slices(targets.active_counts)) > 100
    cut = derive_many(design, targets)
    assert 20 < whole.identified.sum() < 480
    for field in ("identified", "context", "terms.indptr", "terms.train", "terms.exponent", "lacking.indptr"):
        assert np.array_equal(attrgetter(field)(whole), attrgetter(field)(cut))
    assert list(whole.lacking.regimes) == list(cut.lacking.regimes)
    for row in range(0, 500, 7):
        if whole.identified[row]:
            target = tuple(targets.codes()[row].tolist())
            assert_formula_holds(scopes, [tuple(r) for r in train], target, whole.exponents(row))


def test_no_targets() -> None:
    answer = derive_many(design_of([(0,)], ["0"]), Regimes.from_active([], 1))
    assert len(answer) == 0
    assert answer.terms.indptr.tolist() == [0]
