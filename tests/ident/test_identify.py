"""Verdicts, formulas and certificates against the one-hot oracle: worked problems and many random designs."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ifm_ident.answer.certificate import NotIdentifiableError
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve import incidence
from ifm_ident.solve.exact import _dense as dense
from ifm_ident.solve.identifier import Identifier, identify
from tests.cases import CASES, CHAIN, CONDITIONAL, PARITY, SATURATED, UNTOUCHED, Case
from tests.oracles import (
    Codes,
    Oracle,
    PlainDesign,
    conditional_verdicts,
    formula_holds,
    refusal_holds,
    regimes_of,
    row,
)
from tests.strategies import plain_designs, regimes_in

PATCHED = [HealthCheck.function_scoped_fixture]
QUICK = settings(max_examples=700, deadline=None, derandomize=True, suppress_health_check=PATCHED)
SHORT = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=PATCHED)
LONG = settings(max_examples=20_000, deadline=None, suppress_health_check=[*PATCHED, *HealthCheck])


def ask(plain: PlainDesign, regimes: Sequence[Codes], criterion: str = "auto") -> Identification:
    targets = regimes_of(regimes, len(plain.levels))
    return Identifier(plain.build()).identify(targets, criterion)  # type: ignore[arg-type]


def known(status: int) -> bool:
    return status in (Status.OBSERVED, Status.IDENTIFIED)


def check_answers(plain: PlainDesign, found: Identification, regimes: Sequence[Codes], criterion: str) -> None:
    """Every verdict against the oracle, every exponent in fractions, every certificate in integers."""
    joint = Oracle(plain, plain.every_factor).holds(regimes)
    conditional = conditional_verdicts(plain, regimes)
    model = found.design.model
    for t, regime in enumerate(regimes):
        status, decided = Status(int(found.status[t])), Criterion(int(found.criterion[t]))
        exponents = found.terms.exponents(t)
        if regime in plain.train:
            assert status == Status.OBSERVED
            assert found.train[t] == plain.train.index(regime)
            assert not exponents
            continue
        expected = joint[t] if criterion == "joint" else conditional[t]
        assert status == (Status.IDENTIFIED if expected else Status.NOT_IDENTIFIED), (plain, regime)
        by_joint = criterion == "joint" or (criterion == "auto" and joint[t])
        assert decided == (Criterion.JOINT if by_joint else Criterion.CONDITIONAL)
        if not expected:
            left = {} if criterion == "joint" else dict(enumerate(model.covers))
            left = {block: factors for block, factors in left.items() if Oracle(plain, factors).holds([regime])[0]}
            assert set(exponents) == set(left)
            assert all(formula_holds(plain, factors, exponents[b], regime) for b, factors in left.items())
            check_refusal(plain, found, t, regime, criterion)
            continue
        assert found.kernel[t] == -1
        blocks = {JOINT: plain.every_factor} if by_joint else dict(enumerate(model.covers))
        assert set(exponents) == set(blocks)
        shown = row(plain, plain.every_factor, regime)
        twin = next((i for i, r in enumerate(plain.train) if row(plain, plain.every_factor, r) == shown), None)
        if twin is not None:
            assert all(q == {twin: 1} for q in exponents.values())
        for block, factors in blocks.items():
            q = exponents[block]
            assert all(q.values())
            assert all(plain.train.index(plain.train[i]) == i for i in q), "formulas name first occurrences"
            assert sum(q.values()) == 1
            assert formula_holds(plain, factors, q, regime)


def check_refusal(plain: PlainDesign, found: Identification, t: int, regime: Codes, criterion: str) -> None:
    certificate = found.kernels[int(found.kernel[t])]
    weights = dict(certificate.cells)
    assert len(weights) == len(certificate.cells)
    assert all(weights.values())
    assert (certificate.block == JOINT) == (criterion == "joint")
    factors = plain.every_factor if criterion == "joint" else found.design.model.covers[certificate.block]
    if criterion != "joint":
        assert any(plain.holding(v) == factors for v in plain.variables)
    assert refusal_holds(plain, factors, weights, regime)
    assert certificate.value(found.design, found.targets[t]) != 0


def check_design(plain: PlainDesign) -> None:
    regimes = plain.every_regime()
    design = plain.build()
    identifier = Identifier(design)
    targets = regimes_of(regimes, len(plain.levels))
    for criterion in ("joint", "conditional", "auto"):
        found = identifier.identify(targets, criterion)
        check_answers(plain, found, regimes, criterion)
        assert Identifier(design).verdicts(targets, criterion).tolist() == found.status.tolist()
    oracle = Oracle(plain, plain.every_factor)
    assert identifier.joint.rank == oracle.rank
    assert identifier.joint.freedom == len(set(plain.train)) - oracle.rank
    assert identifier.joint.holds(targets).tolist() == oracle.holds(regimes)


@given(plain_designs())
@QUICK
def test_random_designs_agree_with_the_one_hot_oracle(plain: PlainDesign) -> None:
    check_design(plain)


@pytest.mark.parametrize("wide", [0, 1, 3])
@given(plain=plain_designs())
@SHORT
def test_wide_factors_give_the_same_answers(
    plain: PlainDesign, wide: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Factors above `WIDE` cells get one column for each cell seen in training: nothing else changes."""
    monkeypatch.setattr(incidence, "WIDE", wide)
    check_design(plain)


@given(plain=plain_designs())
@SHORT
def test_lifted_answers_are_the_same_answers(plain: PlainDesign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense, "small_inverse", lambda matrix, prime: None)
    check_design(plain)


@pytest.mark.slow
@given(plain_designs(max_regimes=108))
@LONG
def test_many_random_designs_agree_with_the_one_hot_oracle(plain: PlainDesign) -> None:
    check_design(plain)


def verdicts(plain: PlainDesign, regimes: Sequence[Codes], criterion: str) -> list[bool]:
    return [known(s) for s in ask(plain, regimes, criterion).status]


@given(plain_designs(), st.data())
@SHORT
def test_a_new_training_regime_never_loses_an_identification(plain: PlainDesign, data: st.DataObject) -> None:
    extra = data.draw(regimes_in(plain.levels))
    at = data.draw(st.integers(0, len(plain.train)))
    more = PlainDesign(plain.levels, plain.variables, plain.factors, (*plain.train[:at], extra, *plain.train[at:]))
    regimes = plain.every_regime()
    for criterion in ("joint", "conditional"):
        before, after = verdicts(plain, regimes, criterion), verdicts(more, regimes, criterion)
        assert all(b or not a for a, b in zip(before, after, strict=True))
        assert after[regimes.index(extra)]


@given(plain_designs())
@SHORT
def test_the_conditional_criterion_is_never_weaker_and_auto_is_their_union(plain: PlainDesign) -> None:
    regimes = plain.every_regime()
    joint, conditional, auto = (verdicts(plain, regimes, c) for c in ("joint", "conditional", "auto"))
    assert all(c or not j for j, c in zip(joint, conditional, strict=True))
    assert auto == conditional


@given(plain_designs(), st.randoms(use_true_random=False))
@SHORT
def test_names_levels_and_orders_do_not_matter(plain: PlainDesign, random: object) -> None:
    """Re-ordered interventions, levels (another baseline too), factors and variables: same verdicts and exponents.

    The exponents stay because the basis formula depends on the order of the training regimes alone.
    """
    shuffle = random.shuffle  # type: ignore[attr-defined]
    width = len(plain.levels)
    place = list(range(width))
    shuffle(place)
    relabel = [list(range(a)) for a in plain.levels]
    for order in relabel:
        shuffle(order)

    def moved(regime: Codes) -> Codes:
        new = [0] * width
        for i, level in enumerate(regime):
            new[place[i]] = relabel[i][level]
        return tuple(new)

    levels = [0] * width
    for i, a in enumerate(plain.levels):
        levels[place[i]] = a
    names = list(plain.variables)
    shuffle(names)
    rename = {v: f"y{names.index(v)}" for v in plain.variables}
    order = list(range(len(plain.factors)))
    shuffle(order)
    factors = []
    for k in order:
        x, sigma = list(plain.factors[k][0]), [place[i] for i in plain.factors[k][1]]
        shuffle(x)
        shuffle(sigma)
        factors.append((tuple(rename[v] for v in x), tuple(sigma)))
    variables = sorted(rename.values())
    other = PlainDesign(tuple(levels), tuple(variables), tuple(factors), tuple(map(moved, plain.train)))
    regimes = plain.every_regime()
    for criterion in ("joint", "conditional"):
        ours, theirs = ask(plain, regimes, criterion), ask(other, [moved(r) for r in regimes], criterion)
        assert ours.status.tolist() == theirs.status.tolist()
        assert ours.train.tolist() == theirs.train.tolist()
        for mine, yours in zip(ours, theirs, strict=True):
            assert mine.formula == yours.formula
            assert {rename[v]: f for v, f in mine.conditionals.items()} == yours.conditionals


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_worked_problems(case: Case) -> None:
    check_design(case.plain)
    identifier = Identifier(case.plain.build())
    assert identifier.joint.rank == case.rank
    width = len(case.plain.levels)
    for regime, exponents in case.formulas.items():
        [answer] = identifier.identify(regimes_of([regime], width))
        assert answer.criterion == Criterion.JOINT
        assert answer.formula is not None
        assert answer.formula.exponents == exponents
    for regime, conditionals in case.conditional.items():
        [answer] = identifier.identify(regimes_of([regime], width))
        assert answer.criterion == Criterion.CONDITIONAL
        assert answer.formula is None
        assert {v: f.exponents for v, f in answer.conditionals.items()} == conditionals
    for regimes, criterion in ((case.no_product, "joint"), (case.refused, "conditional")):
        if regimes:
            found = identifier.identify(regimes_of(regimes, width), criterion)  # type: ignore[arg-type]
            assert set(found.status.tolist()) == {Status.NOT_IDENTIFIED}


def test_square_roots_of_a_half_fraction() -> None:
    """f1(s1) f2(s2) f3(s3) trained on 000, 110, 101, 011 gives 111 with exponents (-1/2, 1/2, 1/2, 1/2)."""
    [answer] = ask(PARITY.plain, [(1, 1, 1)])
    assert answer.formula is not None
    half = Fraction(1, 2)
    assert answer.formula.exponents == {0: -half, 1: half, 2: half, 3: half}
    assert str(answer.formula) == "p(s0=1,s1=1)^(1/2) p(s0=1,s2=1)^(1/2) p(s1=1,s2=1)^(1/2) / p(ctrl)^(1/2)"


def test_a_refusal_under_joint_is_no_refusal_under_auto() -> None:
    joint = ask(CONDITIONAL.plain, [(1, 1, 1)], "joint")
    assert joint[0].status == Status.NOT_IDENTIFIED
    assert joint[0].certificate is not None
    with pytest.raises(NotIdentifiableError, match="not identified") as caught:
        joint.require(0)
    assert caught.value.certificate == joint[0].certificate
    auto = ask(CONDITIONAL.plain, [(1, 1, 1)])
    assert auto.require(0).criterion == Criterion.CONDITIONAL


def test_observed_regimes_name_their_first_training_index() -> None:
    plain = PlainDesign((2, 2), ("x",), ((("x",), (0, 1)),), ((0, 0), (1, 0), (1, 0)))
    found = ask(plain, [(1, 0), (0, 0), (1, 1)])
    assert found.train.tolist() == [1, 0, -1]
    assert found.status.tolist() == [Status.OBSERVED, Status.OBSERVED, Status.NOT_IDENTIFIED]


def test_a_twin_regime_is_identified_but_not_observed() -> None:
    """An unseen regime with a training regime's incidence row has exponent 1, under every criterion."""
    for criterion in ("joint", "conditional", "auto"):
        [answer] = ask(UNTOUCHED.plain, [(1, 1)], criterion)
        assert answer.status == Status.IDENTIFIED
        assert answer.train is None
        formulas = [answer.formula] if answer.formula else list(answer.conditionals.values())
        assert [f.exponents for f in formulas] == [{1: 1}]


def test_the_twin_of_a_repeated_regime_names_its_first_occurrence() -> None:
    plain = PlainDesign((2, 2), ("x",), ((("x",), (0,)),), ((1, 0), (0, 0), (0, 1), (0, 1)))
    [answer] = ask(plain, [(1, 1)])
    assert answer.formula is not None
    assert answer.formula.exponents == {0: 1}


def test_the_twin_of_a_regime_outside_the_basis_still_has_exponent_one() -> None:
    """110 depends on the three regimes before it, yet 111 (s2 in no factor) is named as its twin."""
    plain = PlainDesign(
        (2, 2, 2), ("x",), ((("x",), (0,)), (("x",), (1,))), ((0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0))
    )
    [answer] = ask(plain, [(1, 1, 1)])
    assert answer.formula is not None
    assert answer.formula.exponents == {3: 1}


def test_unknown_criterion_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"unknown criterion 'conditionl'; did you mean conditional\?"):
        ask(CHAIN.plain, [(1, 1, 1)], "conditionl")


def test_regimes_that_the_model_lacks_are_refused_in_words() -> None:
    design = SATURATED.plain.build()
    wrong: Any = ["11"]
    for targets, message in (
        (
            Regimes.from_codes(np.array([[0, 0], [0, 5]])),
            r"regime 1: .* 's1' has no level index 5; legal: 0 \(0\), 1",
        ),
        (Regimes.from_codes(np.array([[-1, 0]])), "regime 0: .* 's0' has no level index -1"),
        (Regimes.from_codes(np.array([[0, 0, 1]])), "regimes have 3 interventions, the model 2"),
        (Regimes.from_active([((7, 1),)], 2), "regime 0: there is no intervention 7; they are 0 to 1"),
        (wrong, "regimes are Regimes, not list; make them with"),
    ):
        for ask_of in (Identifier(design).identify, Identifier(design).verdicts, lambda t: identify(design, t)):
            with pytest.raises(InputError, match=message):
                ask_of(targets)


@given(plain_designs(), st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_slices_hold_the_answers_of_their_rows(plain: PlainDesign, data: st.DataObject) -> None:
    answers = ask(plain, plain.every_regime())
    rows = data.draw(st.slices(len(answers)))
    part = answers[rows]
    assert list(part) == list(answers)[rows]
    assert set(part.kernels) == {answer.certificate for answer in part if answer.certificate is not None}


def test_rows_are_numbers() -> None:
    answers = ask(SATURATED.plain, [(0, 0), (1, 1)])
    assert answers[np.int64(-1)] == answers[1]  # type: ignore[call-overload]
    text: Any = "11"
    with pytest.raises(TypeError, match=r"results are numbered by row, got '11'; .* ask for it alone"):
        answers[text]


def test_no_targets_have_no_answers() -> None:
    for criterion in ("joint", "conditional", "auto"):
        found = Identifier(SATURATED.plain.build()).identify(Regimes.from_active([], 2), criterion)
        assert len(found) == 0
        assert len(Identifier(SATURATED.plain.build()).verdicts(found.targets, criterion)) == 0
        assert sum(found.counts().values()) == 0
    assert len(identify(SATURATED.plain.build(), Regimes.from_active([], 2))) == 0


@given(plain_designs(), st.integers(1, 7))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_chunks_do_not_change_the_answers(plain: PlainDesign, size: int) -> None:
    """Asking in pieces, in any order, gives the answers of asking at once."""
    regimes = plain.every_regime()
    targets = regimes_of(regimes, len(plain.levels))
    identifier = Identifier(plain.build())
    whole = identifier.identify(targets)
    parts = [
        identifier.identify(targets.take(slice(start, start + size))) for start in range(0, len(regimes), size)
    ]
    joined = Identification.concatenate(parts)
    assert list(joined) == list(whole)
    back = identifier.identify(targets.take(slice(None, None, -1)))
    assert list(back)[::-1] == list(whole)
    assert list(identify(plain.build(), targets)) == list(whole)
