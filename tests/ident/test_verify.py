"""The check of results: true claims hold, every tampered one is named, by a definition-level oracle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.exact_text import integer_column
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Model
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError
from ifm_ident.results.claims import Claims
from ifm_ident.verification.checking import verify, verify_file
from tests.ident.answers import (
    CASES,
    Columns,
    all_codes,
    answer,
    cells_of,
    codes,
    model_of,
    one_hot,
    rows_of,
    undecided,
)
from tests.ident.result_files import FORMATS, edited, saved, setter

CRITERIA = ("auto", "joint", "conditional")


def failing(result: Identification | Claims) -> set[int]:
    return {failure.row for failure in verify(result).failures}


def holds(design: Design, row: dict[str, Any]) -> bool:
    """Whether one claim holds, by the definition over all cells, in fractions."""
    model, target, train = design.model, row["target"], list(design.train)
    if row["status"] == Status.OBSERVED:
        return bool(target == train[row["train"]])
    if target in train:
        return False
    formulas = dict(row["formulas"])
    if row["status"] == Status.IDENTIFIED or formulas:
        every = {v: model.covers[model.cover_index[name]] for v, name in enumerate(model.variables)}
        if row["criterion"] == Criterion.JOINT:
            wanted: dict[int, Sequence[int]] = {JOINT: range(len(model.factors))}
        else:
            wanted = {v: every[v] for v in every if row["status"] == Status.IDENTIFIED or v in formulas}
        if set(formulas) != set(wanted) or (JOINT in wanted and row["status"] == Status.NOT_IDENTIFIED):
            return False
        for about, factors in wanted.items():
            cells = cells_of(model, factors)
            total = [Fraction(0)] * len(cells)
            for i, q in formulas[about]:
                total = [a + q * b for a, b in zip(total, one_hot(model, train[i], cells), strict=True)]
            if total != one_hot(model, target, cells):
                return False
    if row["status"] == Status.IDENTIFIED:
        return True
    about, weights = row["kernel"]
    if (about == JOINT) != (row["criterion"] == Criterion.JOINT):
        return False
    allowed: Sequence[int] = range(len(model.factors))
    if about != JOINT:
        allowed = model.covers[model.cover_index[model.variables[about]]]
    if any(k not in allowed for (k, _), _ in weights):
        return False
    cells, values = [cell for cell, _ in weights], [weight for _, weight in weights]

    def collected(regime: Any) -> Fraction:
        return sum((a * b for a, b in zip(one_hot(model, regime, cells), values, strict=True)), Fraction(0))

    return not any(collected(regime) for regime in train) and collected(target) != 0


def broken_rows(claims: Claims) -> set[int]:
    return {i for i, row in enumerate(rows_of(claims)) if not holds(claims.design, row)}


@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("name", CASES)
def test_true_answers_hold_in_memory_and_in_every_format(name: str, criterion: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = answer(case.design, all_codes(case.design.model), criterion)
    assert broken_rows(Claims.of(found)) == set()
    assert str(verify(found)) == f"{len(found)} results checked: all hold"
    for kind in FORMATS:
        outcome = verify_file(saved(tmp_path, case, [found], kind), case, f"{name}.yaml")
        assert str(outcome) == f"{len(found)} results checked against the study file {name}.yaml: all hold"
        assert outcome.holds


@st.composite
def mutated(draw: st.DrawFn) -> Claims:
    """True claims with one entry of one column changed."""
    case = CASES[draw(st.sampled_from(sorted(CASES)))]
    claims = Claims.of(answer(case.design, all_codes(case.design.model), draw(st.sampled_from(CRITERIA))))
    model, m, terms = case.design.model, len(case.design.train), claims.terms
    change = draw(st.sampled_from(["numerator", "denominator", "train", "observed", "weight", "cell", "target"]))
    if change in ("numerator", "denominator", "train") and len(terms.train):
        at = draw(st.integers(0, len(terms.train) - 1))
        column = getattr(terms, change).copy()
        if change == "train":
            column[at] = draw(st.integers(0, m - 1))
        else:
            column[at] = draw(st.integers(1, 3)) * (
                1 if change == "denominator" else draw(st.sampled_from([1, -1]))
            )
        claims = replace(claims, terms=replace(terms, **{change: column}))
    elif change == "observed" and np.any(claims.train >= 0):
        train = claims.train.copy()
        train[draw(st.sampled_from(np.flatnonzero(train >= 0).tolist()))] = draw(st.integers(0, m - 1))
        claims = replace(claims, train=train)
    elif change in ("weight", "cell") and claims.kernels:
        j = draw(st.integers(0, len(claims.kernels) - 1))
        entries = list(claims.kernels[j])
        e = draw(st.integers(0, len(entries) - 1))
        (factor, levels), weight = entries[e]
        if change == "weight":
            entries[e] = ((factor, levels), draw(st.integers(-3, 3)))
        else:
            others = {cell for i, (cell, _) in enumerate(entries) if i != e}
            free = [c for c in cells_of(model, range(len(model.factors))) if c not in others]
            entries[e] = (draw(st.sampled_from(free)), weight)
        kernels = (*claims.kernels[:j], tuple(entries), *claims.kernels[j + 1 :])
        claims = replace(claims, kernels=kernels)
    elif change == "target":
        order = draw(st.permutations(range(len(claims))))
        claims = replace(claims, targets=claims.targets.take(np.array(order)))
    return claims


@settings(max_examples=200, deadline=None)
@given(mutated())
def test_the_check_agrees_with_the_definition(claims: Claims) -> None:
    assert failing(claims) == broken_rows(claims)


@settings(max_examples=40, deadline=None)
@given(mutated(), st.integers(2**62, 2**70))
def test_scaling_beyond_int64_changes_nothing(claims: Claims, scale: int) -> None:
    terms = claims.terms
    big = replace(
        terms,
        numerator=integer_column([int(a) * scale for a in terms.numerator]),
        denominator=integer_column([int(b) * scale for b in terms.denominator]),
    )
    kernels = tuple(tuple((cell, weight * scale) for cell, weight in w) for w in claims.kernels)
    assert failing(replace(claims, terms=big, kernels=kernels)) == broken_rows(claims)


def test_sums_that_wrap_around_are_refused_and_exact_ones_hold() -> None:
    # an intervention in no factor makes the unseen regime's row equal to training's: any sum of 1 will do
    model = model_of({"A": (0, 1), "U": (0, 1, 2, 3)}, [("x", "A")])
    design = Design(model, codes("00", "01", "02"))
    for top, good in (
        ([2**62, 2**62, 1 - 2**63], True),
        ([2**63 - 1, 2**63 - 1, 3], False),
        ([2**62, -(2**62), 1], True),
        ([2**62, -(2**62), 2], False),
    ):
        found = Columns(
            design,
            [(Status.IDENTIFIED, Criterion.JOINT, -1, -1)],
            [[(JOINT, i, Fraction(a)) for i, a in enumerate(top)]],
            [],
        ).build(codes("03"))
        numerator = np.array([int(a) for a in found.terms.numerator], dtype=np.int64)
        wrapped = replace(found, terms=replace(found.terms, numerator=numerator))
        assert verify(wrapped).holds == good


# Tampering with files


def tampered(name: str, edit: Callable[[Any], Any], folder: Path, targets: Regimes | None = None) -> Path:
    case = CASES[name]
    targets = targets if targets is not None else all_codes(case.design.model)
    path = folder / "tampered.json"
    path.write_bytes(edited(case, answer(case.design, targets), edit))
    return path


def entry_with(data: Any, **wanted: str) -> Any:
    return next(e for e in data["results"] if all(e.get(key) == value for key, value in wanted.items()))


def change(key: str, to: object, *path: str | int, **wanted: str) -> Callable[[Any], Any]:
    def edit(data: Any) -> None:
        place = entry_with(data, **wanted)
        for step in path:
            place = place[step]
        place[key] = to

    return edit


Tampering = tuple[str, Callable[[Any], Any], str]
IDENTIFIED = {"status": "identified"}
REFUSED = {"status": "not_identified"}
PROOF = ("results", 4, "certificate", "kernel")
LEFT = ("partial",)
TAMPERED: list[Tampering] = [
    ("poster", change("exponent", "2", "exponents", 0, **IDENTIFIED), "do not"),
    ("poster", change("exponent", "-1", "exponents", 0, **IDENTIFIED), "do not"),
    ("poster", change("exponent", "999999/1000000", "exponents", 0, **IDENTIFIED), "do not"),
    (
        "poster",
        change("train", 3, "exponents", 0, **IDENTIFIED),
        "do not give the target's level combination (cell) of factor 'f1'",
    ),
    ("poster", change("exponents", [], **IDENTIFIED), "exponents go with identified regimes"),
    ("poster", setter("results", 1, "train", to=5), "not equal to training regime 5"),
    ("poster", setter("results", 7, "regime", "sigma3", to=0), "equal to training regime 3, so its status is"),
    ("cycle", change("x1", [{"train": 0, "exponent": "1"}], "conditionals", **IDENTIFIED), "exponents of x1"),
    ("pairs", setter(*PROOF, 0, "weight", to=5), "does not vanish on training regime 0"),
    ("pairs", setter(*PROOF, 0, "levels", "A", to=1), "does not vanish on training regime 0"),
    ("pairs", setter(*PROOF, to=[]), "the kernel gives the target 0"),
    ("ring", change("exponent", "2", *LEFT, "conditionals", "x2", 0, **REFUSED), "the exponents of x2 do not"),
    ("ring", change("train", 3, *LEFT, "conditionals", "x2", 0, **REFUSED), "the exponents of x2 do not give"),
    ("odd", change("variable", '"w"', "certificate", **REFUSED), "does not hold variable"),
]


@pytest.mark.parametrize(("name", "edit", "reason"), TAMPERED, ids=range(len(TAMPERED)))
def test_tampered_results_are_named(name: str, edit: Callable[[Any], Any], reason: str, tmp_path: Path) -> None:
    outcome = verify_file(tampered(name, edit, tmp_path))
    assert len(outcome.failures) == 1
    assert reason in outcome.failures[0].reason
    assert not outcome.holds
    assert str(outcome.failures[0]) in str(outcome)


def test_an_observed_regime_cannot_be_refused(tmp_path: Path) -> None:
    case = CASES["refused"]
    found = answer(case.design, codes("100"))
    forged = replace(found, targets=codes("110"))
    assert verify(forged).failures[0].reason == "it is equal to training regime 1, so its status is observed"
    unused = CASES["odd"]  # an intervention in no factor: same incidence row, other regime
    weights = answer(unused.design, codes("110"), "joint")
    assert verify(weights).holds
    (reason,) = (f.reason for f in verify(replace(weights, targets=codes("001"))).failures)
    assert reason == "the kernel gives the target 0, so it proves nothing"


def test_claims_that_name_what_is_not_there_are_failures_not_faults() -> None:
    case = CASES["poster"]
    found = answer(case.design, all_codes(case.design.model))
    train, denominator = found.terms.train.copy(), found.terms.denominator.copy()
    train[-1], denominator[-2] = 99, 0
    assert failing(replace(found, terms=replace(found.terms, train=train))) == {7}
    assert failing(replace(found, terms=replace(found.terms, denominator=denominator))) == {7}
    level = Regimes.from_codes(np.array([[0, 0, 9]]))
    assert failing(replace(answer(case.design, codes("111")), targets=level)) == {0}
    status = found.status.copy()
    status[2] = 9
    assert failing(replace(found, status=status)) == {2}
    train = found.train.copy()
    train[0], train[1] = 6, -1
    assert failing(replace(found, train=train)) == {0, 1}
    kernel = found.kernel.copy()
    kernel[4] = 0
    assert failing(replace(Claims.of(found), kernel=kernel)) == {4}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ((((5, (0, 0)), 1),), "names factor 5 of 2"),
        ((((0, (0, 2)), 1),), "that factor 'f1' does not have"),
        ((((0, (0,)), 1),), "that factor 'f1' does not have"),
        ((((0, (0, 1)), 1.5),), "which is no integer"),
        ((((0, (0, 1)), 1), ((0, (0, 1)), 1)), "names a level combination (cell) twice"),
    ],
)
def test_kernels_that_are_none(cells: Any, reason: str) -> None:
    found = answer(CASES["refused"].design, codes("100"))
    forged = replace(found, kernels=(KernelCertificate(0, cells),))
    assert reason in verify(forged).failures[0].reason


def test_undecided_regimes_must_miss_what_they_say() -> None:
    design = CASES["odd"].design
    lacking: list[Active] = [((0, 1), (1, 1))]
    good = undecided(design, codes("110", "000", "111"), [lacking, [], lacking])
    assert verify(good).holds
    there = undecided(design, codes("110", "211"), [lacking, [((0, 1), (2, 1))]])
    (failure,) = verify(there).failures  # A=1 with the unused intervention shows the cells of regime 1
    assert (failure.row, failure.reason) == (
        1,
        "a regime listed as missing has the same levels in every factor as training regime 1",
    )
    nothing = undecided(design, codes("110", "211"), [lacking, [((0, 7),)]])
    assert failing(nothing) == {1}
    assert failing(replace(good, lacking=None)) == {0, 2}


HEADERS: list[tuple[Callable[[Any], Any], str]] = [
    (setter("factors", 0, "sigma", to=["sigma1"]), "factors, entry 0"),
    (setter("factors", 0, "sigma", to=["sigma2", "sigma1"]), "factors, entry 0"),
    (setter("factors", 0, "name", to="g"), "factors, entry 0"),
    (setter("variables", to=["x3", "x2", "x1"]), "variables, entry 0"),
    (setter("factors", 0, "x", to=["x1", "x2", "x3"]), "factors, entry 0"),
    (lambda data: data["interventions"].update(extra=[0, 1]), "has 4 interventions, the study 3"),
    (setter("interventions", "sigma1", to=[0, 1, 2]), "interventions, entry 0"),
    (
        lambda data: data["train"].reverse(),
        "training regime 0 is sigma3 in the result, sigma1+sigma2 in the study",
    ),
    (lambda data: data["train"].pop(), "has 5 training regimes, the study 6"),
]


@pytest.mark.parametrize(("edit", "difference"), HEADERS, ids=[d for _, d in HEADERS])
def test_results_about_another_study_are_refused(
    edit: Callable[[Any], Any], difference: str, tmp_path: Path
) -> None:
    def whole(data: Any) -> None:
        data["results"], data["targets"] = [], 0
        edit(data)
        if "extra" in data["interventions"]:
            for regime in data["train"]:
                regime["extra"] = 0

    case = CASES["cycle"]
    path = tampered("cycle", whole, tmp_path)
    outcome = verify_file(path, case)
    assert not outcome.holds
    assert outcome.difference is not None
    assert difference in outcome.difference
    assert outcome.difference in str(outcome)
    assert verify_file(path).holds


def test_failures_about_another_study_are_written_as_their_own_model_can(tmp_path: Path) -> None:
    def longer(data: Any) -> None:
        data["interventions"]["sigma3"] = [0, 1, "high"]
        data["results"][7]["exponents"][0]["exponent"] = "5"

    study = replace(CASES["poster"], notation="levels")
    outcome = verify_file(tampered("poster", longer, tmp_path), study)
    assert outcome.difference is not None
    assert [failure.row for failure in outcome.failures] == [7]


def test_a_result_with_a_changed_scope_fails_without_the_study(tmp_path: Path) -> None:
    path = tampered("cycle", setter("factors", 0, "sigma", to=["sigma1", "sigma2", "sigma3"]), tmp_path)
    assert {f.row for f in verify_file(path).failures} >= {7}
    path = tampered("poster", lambda data: data["train"].reverse(), tmp_path)
    assert len(verify_file(path).failures) == 8


def test_factors_over_forty_interventions_are_never_enumerated() -> None:
    names = [f"s{i}" for i in range(40)]
    levels = dict.fromkeys(names, ("a", "b", "c"))
    model = Model(
        model_of(levels, [("x", " ".join(names))]).interventions,
        ("x",),
        (Factor("wide", ("x",), tuple(names)), Factor("one", ("x",), ("s3",)), Factor("none", ("x",), ())),
    )
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 3, size=(30, 40))
    design = Design(model, Regimes.from_codes(grid))
    target = grid[4].copy()
    target[3] = (target[3] + 1) % 3
    cells = (((0, tuple(target.tolist())), 7), ((0, (0,) * 40), 3))
    build = Columns(
        design, [(Status.NOT_IDENTIFIED, Criterion.JOINT, -1, 0)], [[]], [KernelCertificate(-1, cells)]
    )
    found = build.build(Regimes.from_codes(target[None]))
    assert verify(found).holds
    shown = KernelCertificate(-1, (((0, tuple(grid[4].tolist())), 7),))
    assert verify(replace(found, kernels=(shown,))).failures[0].reason == (
        "the kernel does not vanish on training regime 4"
    )
    formula = Columns(design, [(Status.IDENTIFIED, Criterion.JOINT, -1, -1)], [[(-1, 4, Fraction(1))]], [])
    (failure,) = verify(formula.build(Regimes.from_codes(target[None]))).failures
    assert failure.reason == "the exponents do not give the target's level combination (cell) of factor 'wide'"


def test_a_csv_is_checked_against_its_study(tmp_path: Path) -> None:
    case = CASES["poster"]
    path = saved(tmp_path, case, [answer(case.design, codes("111"))], "csv")
    assert verify_file(path, case).holds
    with pytest.raises(InputError, match="by `study`"):
        verify_file(path)
    path.write_text(path.read_text().replace("exponent,3,,,1", "exponent,3,,,2"))
    assert not verify_file(path, case).holds
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    emptied = verify_file(path, case)
    assert not emptied.holds
    assert "nothing was checked" in str(emptied)


def test_many_failures_are_counted_and_some_are_shown() -> None:
    case = CASES["poster"]
    found = answer(case.design, codes("100"))
    many = Identification.concatenate([replace(found, train=np.array([0]))] * 70)
    text = str(verify(many, case)).splitlines()
    assert text[0] == "70 results checked against the study poster example: 70 of them do not hold"
    assert text[1] == "result 0 (100): it is not equal to training regime 0"
    assert text[-1] == "and 20 more"
