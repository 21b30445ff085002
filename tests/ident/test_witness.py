"""Witnesses of refusals, recomputed here by enumerating p(x; regime) over the whole x in fractions."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import JOINT, Criterion, Status
from ifm_ident.design.design import Design
from ifm_ident.errors import InputError
from ifm_ident.messages.by_messages import identify_by_messages
from ifm_ident.show.witness import Witness, short_integer, witness
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.nearest import nearest_identified
from ifm_ident.solve.system import System
from ifm_ident.verification.checking import verify
from tests.cases import CASES, CHAIN, CONDITIONAL, CYCLE, NEVER_SEEN, SATURATED, Case, codes
from tests.oracles import Codes, Oracle, PlainDesign, codes_of, conditional_verdicts, regimes_of
from tests.strategies import plain_designs

CRITERIA: tuple[CriterionName, ...] = ("joint", "conditional", "auto")


def enumerate_density(
    plain: PlainDesign, found: Witness, regime: Codes, sign: int
) -> dict[tuple[int, ...], Fraction]:
    """p(x; regime) over all binary x from the witness's factor tables: f = 2^(sign e) where its variable is 1."""
    at = plain.variables.index(found.variable)
    tables = dict(found.exponents)
    weights = {}
    for x in itertools.product((0, 1), repeat=len(plain.variables)):
        power = Fraction(0)
        for k, (_, sigma) in enumerate(plain.factors):
            power += tables.get((k, tuple(regime[i] for i in sigma)), Fraction(0)) * x[at]
        assert power.denominator == 1
        weights[x] = Fraction(2) ** (sign * power.numerator)
    total = sum(weights.values())
    return {x: weight / total for x, weight in weights.items()}


def require_witness(plain: PlainDesign, found: Witness, target: Codes) -> None:
    for regime in plain.train:
        assert enumerate_density(plain, found, regime, 1) == enumerate_density(plain, found, regime, -1)
    one, other = (enumerate_density(plain, found, target, sign) for sign in (1, -1))
    assert one != other
    at = plain.variables.index(found.variable)
    assert found.at_target == tuple(sum(p for x, p in table.items() if x[at]) for table in (one, other))
    assert found.check()
    if found.respects_scopes:
        assert all(found.variable in plain.factors[k][0] for (k, _), _ in found.exponents)
    if found.certificate.block != JOINT:
        assert found.respects_scopes


@settings(max_examples=60, deadline=None)
@given(plain_designs(), st.sampled_from(CRITERIA))
def test_every_refusal_has_a_witness(plain: PlainDesign, criterion: CriterionName) -> None:
    design = plain.build()
    every = plain.every_regime()
    answers = Identifier(design).identify(regimes_of(every, len(plain.levels)), criterion)
    for row in answers.rows_with(Status.NOT_IDENTIFIED).tolist():
        found = witness(design, answers.targets[row], answers.kernels[int(answers.kernel[row])])
        require_witness(plain, found, every[row])


def test_the_numbers_of_the_worked_case() -> None:
    design = CONDITIONAL.plain.build()
    answers = Identifier(design).identify(regimes_of([codes("111")], 3), "joint")
    found = witness(design, answers.targets[0], answers.kernels[0])
    assert found.at_target == (Fraction(2, 3), Fraction(1, 3))
    assert set(found.at_train) == {(Fraction(1, 2), Fraction(1, 2))}
    assert not found.respects_scopes
    lines = found.lines("levels")
    assert lines[0] == "Two models that agree in all 6 training regimes and differ in 111:"
    assert lines[-4].split() == ["all", "6", "training", "regimes", "1/2", "1/2"]
    assert lines[-3].split() == ["111", "2/3", "1/3"]
    assert lines[-1].endswith("not that no method can.")


def test_a_joint_refusal_of_one_cell_respects_the_scopes() -> None:
    design = SATURATED.plain.build()
    found = witness(design, ((0, 1), (1, 1)), KernelCertificate(JOINT, (((0, (1, 1)), 3),)))
    assert found.respects_scopes
    assert found.at_target == (Fraction(8, 9), Fraction(1, 9))
    assert not any("method" in line for line in found.lines())


@pytest.mark.parametrize("weight", [21, -(10**400)])
def test_long_weights_are_scaled(weight: int) -> None:
    plain = SATURATED.plain
    found = witness(plain.build(), ((0, 1), (1, 1)), KernelCertificate(JOINT, (((0, (1, 1)), weight),)))
    assert found.scaled
    assert found.at_target == (Fraction(2, 3), Fraction(1, 3))
    require_witness(plain, found, (1, 1))
    assert all(len(line) < 100 for line in found.lines())
    assert any("divided by their sum" in line for line in found.lines())


def test_long_fractions_are_shortened() -> None:
    plain = PlainDesign((2,), ("x",), ((("x",), (0,)), (("x",), (0,))), ((0,),))
    cells = (((0, (1,)), 10**50 + 1), ((1, (1,)), -1))
    found = witness(plain.build(), ((0, 1),), KernelCertificate(JOINT, cells))
    require_witness(plain, found, (1,))
    assert "2^([51 digits]/[51 digits])" in "\n".join(found.lines())
    assert short_integer(-(10**20)) == "-[21 digits]"


def test_what_is_no_certificate_is_refused() -> None:
    design = CHAIN.plain.build()
    cell = ((0, (1, 1)), 1)
    with pytest.raises(InputError, match="does not vanish in training regime s0=1,s1=1"):
        witness(design, ((0, 1), (1, 1), (2, 1)), KernelCertificate(JOINT, (cell,)))
    with pytest.raises(InputError, match="has the value 0 in ctrl"):
        witness(design, (), KernelCertificate(JOINT, (cell,)))
    two = PlainDesign((2,), ("x", "y"), ((("x",), (0,)), (("y",), (0,))), ((0,),)).build()
    with pytest.raises(InputError, match="is about x but weighs factor f1"):
        witness(two, ((0, 1),), KernelCertificate(0, (((1, (1,)), 1),)))


def test_a_changed_witness_does_not_check() -> None:
    design = SATURATED.plain.build()
    found = witness(design, ((0, 1), (1, 1)), KernelCertificate(0, (((0, (1, 1)), 1),)))
    assert found.check()
    seen = (((0, (1, 0)), Fraction(1)), ((0, (1, 1)), Fraction(1)))
    assert not dataclasses.replace(found, exponents=seen).check()
    assert not dataclasses.replace(found, at_target=(Fraction(1, 2), Fraction(1, 2))).check()
    assert not dataclasses.replace(found, respects_scopes=False).check()


def known(plain: PlainDesign, criterion: CriterionName) -> dict[Codes, bool]:
    every = plain.every_regime()
    if criterion == "joint":
        verdict = Oracle(plain, plain.every_factor).holds(every)
    else:
        verdict = conditional_verdicts(plain, every)
    return dict(zip(every, verdict, strict=True))


@settings(max_examples=60, deadline=None)
@given(plain_designs(), st.sampled_from(CRITERIA), st.data())
def test_nearest_is_nearest(plain: PlainDesign, criterion: CriterionName, data: st.DataObject) -> None:
    verdict = known(plain, criterion)
    refused = [regime for regime, holds in verdict.items() if not holds]
    if not refused:
        return
    target = data.draw(st.sampled_from(refused))
    width = len(plain.levels)
    found = nearest_identified(Identifier(plain.build()), regimes_of([target], width)[0], criterion)
    away = {regime: sum(a != b for a, b in zip(regime, target, strict=True)) for regime in verdict}
    used = {i for _, sigma in plain.factors for i in sigma}
    legal = [
        r for r, holds in verdict.items() if holds and all(r[i] == target[i] or i in used for i in range(width))
    ]
    least = min(away[regime] for regime in legal)
    assert found.exact
    assert found.changes == least
    best = {regime for regime in legal if away[regime] == least}
    given_back = [codes_of(regime, width) for regime in found.regimes]
    assert set(given_back) <= best
    assert len(given_back) == len(set(given_back)) == min(5, len(best))
    assert found.more == (len(best) > 5)
    for regime, status in zip(given_back, found.status, strict=True):
        assert status == (Status.OBSERVED if regime in plain.train else Status.IDENTIFIED)


def test_the_search_lifts_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Identifier, "identify", None)
    monkeypatch.setattr(System, "refuse", None)
    found = nearest_identified(Identifier(NEVER_SEEN.plain.build()), ((0, 2), (1, 1)))
    assert found.exact
    assert found.changes == 1


def test_a_bounded_search_gives_training_regimes() -> None:
    identifier = Identifier(NEVER_SEEN.plain.build())
    found = nearest_identified(identifier, ((0, 2), (1, 1)), max_candidates=1)
    assert not found.exact
    assert found.regimes == (((0, 1),), ((1, 1),))[1:]
    assert found.changes == 1
    assert found.looked_through == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_message_passing_answers_are_claims_that_hold(case: Case) -> None:
    plain, design = case.plain, case.plain.build()
    every = plain.every_regime()
    found = identify_by_messages(design, regimes_of(every, len(plain.levels)), "assignment")
    assert verify(found).holds
    joint = Oracle(plain, plain.every_factor).holds(every)
    for regime, holds, status in zip(every, joint, found.status.tolist(), strict=True):
        assert (status == Status.OBSERVED) == (regime in plain.train)
        assert holds or status == Status.UNDECIDED
        assert status != Status.NOT_IDENTIFIED


def test_message_passing_on_the_poster() -> None:
    found = identify_by_messages(CHAIN.plain.build(), regimes_of([codes("111")], 3))
    assert found.terms.exponents(0) == {JOINT: {3: Fraction(1), 5: Fraction(1), 1: Fraction(-1)}}
    assert found.criterion.tolist() == [Criterion.JOINT]
    undecided = identify_by_messages(CYCLE.plain.build(), regimes_of([codes("111")], 3))
    assert [Status(s).word for s in undecided.status] == ["undecided"]
    assert undecided[0].missing == (((0, 1), (1, 1), (2, 1)),)
    design: Design = CHAIN.plain.build()
    assert np.array_equal(identify_by_messages(design, design.train).status, np.zeros(6))
