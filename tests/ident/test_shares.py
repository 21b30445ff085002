"""Shares of the whole space: against brute force, scipy's interval and the uniform distribution."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import binomtest, chisquare

from ifm_ident.answer.identification import Criterion, Status
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import AllRegimes, UpToOrder
from ifm_ident.errors import InputError
from ifm_ident.shares import shares as shares_module
from ifm_ident.shares._orders import Orders, draw
from ifm_ident.shares.shares import ANSWERED, VERDICTS, Counts, Part, Shares, binomial_interval, shares_of
from ifm_ident.show.shares_write import json_lines, text_lines
from ifm_ident.solve import incidence
from ifm_ident.solve.identifier import CriterionName, Identifier
from tests.cases import CASES, CONDITIONAL
from tests.oracles import Oracle, PlainDesign, conditional_verdicts
from tests.strategies import plain_designs


def space(*levels: int) -> Model:
    interventions = tuple(Intervention(f"s{i}", tuple(range(a))) for i, a in enumerate(levels))
    return Model(interventions, ("x",), (Factor("f", ("x",), ("s0",)),))


def brute_force(design: Design, criterion: CriterionName) -> dict[int, Counts]:
    """Verdicts by order, from formulas and certificates for every regime."""
    table: dict[int, Counter[str]] = {k: Counter() for k in range(len(design.model) + 1)}
    for chunk in AllRegimes(design.model).chunks():
        found = Identifier(design).identify(chunk, criterion)
        for active, status, by in zip(found.targets.active_counts, found.status, found.criterion, strict=True):
            word = Status(status).word
            if status == Status.IDENTIFIED:
                word += "_" + Criterion(by).word
            table[int(active)][word] += 1
    return {k: tuple(counts[v] for v in VERDICTS) for k, counts in table.items()}  # type: ignore[misc]


@pytest.mark.parametrize("criterion", ["auto", "joint", "conditional"])
@settings(max_examples=40, deadline=None)
@given(plain=plain_designs())
def test_every_count_is_that_of_brute_force(criterion: CriterionName, plain: PlainDesign) -> None:
    design = plain.build()
    found = shares_of(Identifier(design), criterion)
    expected = brute_force(design, criterion)
    assert {part.active: part.counted for part in found.parts} == expected
    assert found.total.counted == tuple(map(sum, zip(*expected.values(), strict=True)))
    assert found.total.regimes == math.prod(plain.levels) == found.total.known
    assert all(part.share(v).exact for part in (*found.parts, found.total) for v in VERDICTS)


@settings(max_examples=40, deadline=None)
@given(plain=plain_designs())
def test_shares_are_those_of_a_dense_elimination(plain: PlainDesign) -> None:
    every = list(product(*map(range, plain.levels)))
    found = shares_of(Identifier(plain.build()))
    holds = conditional_verdicts(plain, every)
    assert found.total.share(*ANSWERED).value == Fraction(sum(holds), len(every))
    joint = Oracle(plain, range(len(plain.factors))).holds(every)
    seen = len(set(plain.train))
    assert found.total.counted[1] == sum(joint) - seen
    assert found.total.share("not_identified").value == 1 - Fraction(sum(holds), len(every))


def test_the_interval_is_scipys() -> None:
    for size in (1, 7, 100, 2000):
        for hits in {0, 1, size // 3, size - 1, size}:
            expected = binomtest(hits, size).proportion_ci(0.95, method="exact")
            assert binomial_interval(hits, size) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_what_is_known_counts_exactly_and_the_rest_is_scaled() -> None:
    part = Part(None, 1000, 10, 600, (10, 90, 0, 500), 50, (0, 20, 0, 30))
    share, (low, high) = part.share("identified_joint"), binomial_interval(20, 50)
    assert share.value == Fraction(90 + 400 * 20 // 50, 1000)
    assert (float(share.low), float(share.high)) == pytest.approx((0.09 + 0.4 * low, 0.09 + 0.4 * high))
    assert part.share("observed").exact
    assert part.share("observed").value == Fraction(1, 100)


@pytest.mark.parametrize("levels", [(2, 3, 4, 2, 3), (5,), (2, 2, 2, 2, 2, 2), (3, 7, 3)])
def test_orders_enumerate_each_regime_once(levels: tuple[int, ...]) -> None:
    orders = Orders(space(*levels))
    every = Counter(sum(1 for code in codes if code) for codes in product(*map(range, levels)))
    assert orders.counts == [every[k] for k in range(len(levels) + 1)]
    for k in range(len(levels) + 1):
        found = [tuple(row) for chunk in orders.regimes(k, 3) for row in chunk.codes().tolist()]
        assert len(set(found)) == len(found) == every[k]
        assert all(sum(1 for code in codes if code) == k for codes in found)
        assert all(code < a for codes in found for code, a in zip(codes, levels, strict=True))


def test_orders_near_the_last_one_of_a_large_space_enumerate() -> None:
    orders = Orders(space(*[2] * 200))
    last = next(orders.regimes(199))
    assert len({tuple(regime) for regime in last}) == 200
    assert orders.counts[100] == math.comb(200, 100)
    with pytest.raises(InputError, match="too many to enumerate"):
        next(orders.regimes(100))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_draws_are_uniform_on_a_mixed_space(order: int) -> None:
    orders = Orders(space(2, 3, 5, 3))
    count = orders.counts[order]
    drawn = orders.sample(np.full(200 * count, order), np.random.default_rng(7))
    seen = Counter(map(tuple, drawn.codes().tolist()))
    assert len(seen) == count
    assert chisquare(list(seen.values())).pvalue > 0.001


def test_draws_follow_weights_of_any_length_whatever_the_digits_drawn_first() -> None:
    weights = [3, 0, 1, 5]
    for bits in (1, 3, 62):
        seen = np.bincount(draw(np.random.default_rng(3), weights, 9000, bits), minlength=4)
        assert seen[1] == 0
        assert chisquare(seen[[0, 2, 3]], [3000, 1000, 5000]).pvalue > 0.001
    long = draw(np.random.default_rng(3), [10**400, 2 * 10**400], 3000)
    assert chisquare(np.bincount(long), [1000, 2000]).pvalue > 0.001


def test_sampling_holds_the_truth_and_is_the_same_twice() -> None:
    rng = np.random.default_rng(5)
    levels = rng.integers(2, 4, size=9).tolist()
    model = space(*levels)
    factors = tuple(
        Factor(f"f{i}{j}", ("x",), (f"s{i}", f"s{j}")) for i in range(9) for j in range(i) if rng.random() < 0.2
    )
    model = Model(model.interventions, ("x",), (*model.factors, *factors))
    train = np.stack([rng.integers(0, levels) for _ in range(36)])
    identifier = Identifier(Design(model, Regimes.from_codes(train)))
    exact = shares_of(identifier, budget=10**9)
    assert all(part.share(*ANSWERED).exact for part in exact.parts)
    assert 0.05 < exact.total.share(*ANSWERED).value < 0.95
    drawn = missed = 0
    for seed in range(60):
        found = shares_of(identifier, sample=400, budget=1, seed=seed)
        for true, part in zip((*exact.parts, exact.total), (*found.parts, found.total), strict=True):
            share, truth = part.share(*ANSWERED), true.share(*ANSWERED).value
            assert part.drawn == (400 if true.regimes > 400 else 0)
            assert part.observed == true.counted[0]
            drawn += bool(part.drawn)
            missed += not share.low <= truth <= share.high
    assert drawn == 300
    assert 0 < missed < 0.08 * drawn  # 5% at most, and three standard deviations
    found = shares_of(identifier, sample=400, budget=1)
    again = shares_of(identifier, sample=400, budget=1)
    assert (again.parts, again.total) == (found.parts, found.total)
    assert shares_of(identifier, sample=400, budget=1, seed=1).total != found.total


def chained(width: int, trained: int) -> Shares:
    """`width` two-level interventions, 200 pair factors; baseline, all singles, some pairs in training."""
    rng = np.random.default_rng(1)
    pairs = sorted({tuple(sorted(rng.choice(width, 2, replace=False).tolist())) for _ in range(200)})
    bits = tuple(Intervention(f"s{i}", (0, 1)) for i in range(width))
    factors = tuple(Factor(f"f{i}", ("x",), (f"s{a}", f"s{b}")) for i, (a, b) in enumerate(pairs))
    singles = tuple(Factor(f"g{i}", ("x",), (f"s{i}",)) for i in range(width))
    train = [(), *(((i, 1),) for i in range(width)), *(((a, 1), (b, 1)) for a, b in pairs[:trained])]
    model = Model(bits, ("x",), factors + singles)
    return shares_of(Identifier(Design(model, Regimes.from_active(train, width))))


def test_a_thousand_interventions_take_seconds() -> None:
    start = time.monotonic()
    found = chained(1000, 195)
    assert time.monotonic() - start < 60
    assert found.total.regimes == 2**1000
    assert [part.active for part in found.parts] == [*range(11), 20, 50, 100, 200, 500, 999, 1000]
    lines = list(text_lines("wide", found))
    assert any(line.split()[:4] == ["500", "2.7e299", "0", "2,000"] for line in lines)
    assert "active: 0 to 10, 20, 50, 100, 200, 500, 999, 1000 of 0 to 1000. The last line is" in lines
    share = next(part for part in found.parts if part.active == 500).share(*ANSWERED)
    untouched = float(Fraction(3, 4)) ** 5  # five pairs never trained, each active in a quarter of the space
    assert share.low < untouched < share.high
    assert found.total.share(*ANSWERED).low < untouched < found.total.share(*ANSWERED).high


def test_full_rank_answers_for_any_space_exactly() -> None:
    found = chained(1000, 200)
    assert found.total.spanned
    assert found.total.known == 2**1000
    assert found.total.share(*ANSWERED).value == 1
    assert found.total.counted == (1201, 2**1000 - 1201, 0, 0)
    assert not any(part.drawn for part in found.parts)


def test_full_conditional_rank_says_all_is_answered_but_not_how() -> None:
    design = CONDITIONAL.plain.build()
    found = shares_of(Identifier(design), sample=1, budget=1)
    assert found.total.drawn
    assert found.total.share(*ANSWERED).exact
    assert found.total.share("not_identified").value == 0
    assert not found.total.share("identified_joint").exact


def test_wide_factors_are_not_spanned_by_the_cells_seen() -> None:
    names = tuple(f"s{i}" for i in range(9))
    bits = tuple(Intervention(name, (0, 1)) for name in names)
    model = Model(bits, ("x",), (Factor("wide", ("x",), names),))
    design = Design(model, Regimes.from_codes(np.eye(9, dtype=np.int64)))
    assert shares_of(Identifier(design)).total.counted == (9, 0, 0, 512 - 9)


def test_wide_factors_are_spanned_by_all_regimes_up_to_their_width() -> None:
    names = ("a", "b", "c")
    many = tuple(Intervention(name, tuple(range(17))) for name in names)
    pairs = tuple(Factor("".join(pair), ("x",), pair) for pair in combinations(names, 2))
    model = Model(many, ("x",), pairs)
    train = Regimes.concatenate(list(UpToOrder(model, 2).chunks()))
    found = shares_of(Identifier(Design(model, train)), sample=1, budget=1)
    assert found.total.counted == (817, 17**3 - 817, 0, 0)
    assert found.total.spanned
    assert not found.total.drawn
    one_less = shares_of(Identifier(Design(model, train.take(slice(-1)))), sample=1, budget=1)
    assert not one_less.total.spanned


@pytest.mark.parametrize("wide", [0, 4, 8])
def test_rank_says_what_enumeration_says_however_wide_factors_are(
    monkeypatch: pytest.MonkeyPatch, wide: int
) -> None:
    answers = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        names = ("a", "b", "c", "d")
        some = tuple(Intervention(name, tuple(range(rng.integers(2, 4)))) for name in names)
        scopes = [tuple(rng.permutation(names)[: rng.integers(0, 4)].tolist()) for _ in range(3)]
        model = Model(some, ("x",), tuple(Factor(f"f{k}", ("x",), scope) for k, scope in enumerate(scopes)))
        every = Regimes.concatenate(list(AllRegimes(model).chunks()))
        train = every.take(rng.permutation(len(every))[: rng.integers(1, len(every))])
        monkeypatch.setattr(incidence, "WIDE", wide)
        monkeypatch.setattr(shares_module, "WIDE", wide)
        identifier = Identifier(Design(model, train))
        answer = bool((identifier.identify(every).status != Status.NOT_IDENTIFIED).all())
        assert shares_of(identifier).total.spanned == answer
        answers.add(answer)
    assert answers == {True, False}


def test_json_tells_each_number() -> None:
    text = "\n".join(json_lines("wide", chained(40, 150)))
    found = json.loads(text)
    assert found["schema"] == "ifm-summary/1"
    part = next(p for p in found["orders"] if p["active"] == 20)
    assert int(part["regimes"]) == math.comb(40, 20)
    assert (part["known"], part["sampled"]) == ("0", 2000)
    hits = [part[v]["hits"] for v in VERDICTS]
    assert sum(hits) == 2000
    expected = binomtest(part["answered"]["hits"], 2000).proportion_ci(0.95, method="exact")
    assert part["answered"]["interval"] == pytest.approx([expected.low, expected.high])
    assert found["total"]["active"] is None
    assert int(found["total"]["known"]) == sum(int(p["known"]) for p in found["orders"])


def test_questions_without_sense_are_refused() -> None:
    identifier = Identifier(next(iter(CASES)).plain.build())
    for wrong, said in (
        ({"sample": 0}, "at least one"),
        ({"seed": -1}, "seed is -1"),
        ({"criterion": "any"}, "any"),
    ):
        with pytest.raises(InputError, match=said):
            shares_of(identifier, **wrong)
