"""Levels with values against rationals and densities written for this purpose alone (docs/theory/doses.md)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from ifm_ident.answer.conditional_formula import ConditionalFormula
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Identification, Status
from ifm_ident.design.bases import key_of
from ifm_ident.design.regimes import Regimes, recoded
from ifm_ident.implications.testable import implications
from ifm_ident.results.read import WRITERS
from ifm_ident.show.implications_write import text_lines
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.level_sets import identified_levels, with_own_levels
from ifm_ident.solve.objectives.choose import choose
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify, verify_file
from tests.ident.dose_oracle import DoseDesign, draw, rank

FEW, MANY = range(200), range(200, 2200)
FEWER = range(60)


def check_design(seed: int) -> dict[str, int]:
    """Verdicts, formulas and certificates of one random design against the oracle; how many of each verdict."""
    drawn = draw(seed)
    study = Study.from_dict(drawn.mapping)
    found = study.identify()
    assert verify(found).holds, seed
    systems = drawn.systems()
    joint_only = study.identify("joint")
    trained = {name: [drawn.row(one, factors) for one in drawn.train] for name, factors in systems.items()}
    ranks = {name: rank(rows) for name, rows in trained.items()}
    for t, regime in enumerate(drawn.test):
        solvable = {
            name: rank([*rows, drawn.row(regime, systems[name])]) == ranks[name] for name, rows in trained.items()
        }
        wanted = (
            solvable["joint"] or all(solvable.values()) or all(solvable[v] for v in drawn.mapping["variables"])
        )
        answer = found[t]
        assert (answer.status != Status.NOT_IDENTIFIED) == wanted, (seed, t)
        assert (joint_only[t].status != Status.NOT_IDENTIFIED) == solvable["joint"], (seed, t)
        if answer.status == Status.IDENTIFIED:
            parts: dict[str, Formula | None] = {**answer.conditionals} or {"joint": answer.formula}
            for name, formula in parts.items():
                assert formula is not None
                rows = trained[name]
                sums = [sum((q * rows[i][c] for i, q in formula), Fraction(0)) for c in range(len(rows[0]))]
                assert sums == drawn.row(regime, systems[name]), (seed, t, name)
    joint = check_densities(drawn, found, seed)
    conditional = check_densities(drawn, study.identify("conditional"), seed)
    return {**found.counts(), "joint densities": joint, "conditional densities": conditional}


def check_densities(drawn: DoseDesign, found: Identification, seed: int) -> int:
    """How many formulas, or what conditionals put together, agree with p(x; s) of random g, 3 values each."""
    rng = np.random.default_rng(seed)
    variables = drawn.mapping["variables"]
    shape = (3,) * len(variables)
    tables = []
    for k, factor in enumerate(drawn.mapping["factors"]):
        width = len(drawn.row(drawn.train[0], [k]))
        own = tuple(3 if v in factor["x"] else 1 for v in variables)
        tables.append(rng.normal(size=(*own, width)) / 4)

    def log_density(regime: dict[str, str]) -> np.ndarray:
        total = np.zeros(shape)
        for k, table in enumerate(tables):
            total = total + table @ np.array([float(x) for x in drawn.row(regime, [k])])
        return np.asarray(total - np.log(np.exp(total - total.max()).sum()) - total.max())

    seen = 0
    logs = {i: log_density(one) for i, one in enumerate(drawn.train)}
    for t, regime in enumerate(drawn.test):
        answer = found[t]
        formulas = answer.conditionals.values() if answer.formula is None else [answer.formula]
        if answer.status == Status.IDENTIFIED and max(formula.size for formula in formulas) < 1000:
            if answer.formula is not None:
                guess = answer.formula(logs)
            else:
                guess = ConditionalFormula.of(answer.conditionals, variables).table(logs)
            guess = np.exp(guess - guess.max())
            assert np.abs(guess / guess.sum() - np.exp(log_density(regime))).max() < 1e-10, (seed, t)
            seen += 1
    return seen


def test_random_designs_agree_with_rationals() -> None:
    """Also that the designs are no easy ones: a good share of each verdict."""
    counts = [check_design(seed) for seed in FEW]
    total = {word: sum(one[word] for one in counts) for word in counts[0]}
    assert total["identified"] > 200
    assert total["not_identified"] > 200
    assert total["joint densities"] > 150
    assert total["conditional densities"] > 150


@pytest.mark.slow
def test_two_thousand_random_designs_agree_with_rationals() -> None:
    for seed in MANY:
        check_design(seed)


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_results_are_read_back_and_hold(kind: str, tmp_path: Path) -> None:
    for seed in range(40):
        study = Study.from_dict(draw(seed).mapping)
        path = tmp_path / f"{seed}.{kind}"
        with path.open("wb") as stream:
            WRITERS[kind](stream, study, [study.identify()])
        again = Study.from_dict(draw(seed).mapping)
        outcome = verify_file(path, again)
        assert outcome.holds, (seed, str(outcome))
        assert outcome.checked == study.target_count


def float_rows(drawn: DoseDesign, name: str) -> np.ndarray:
    """The training rows of a system in floats, each distinct regime once, columns of unit size."""
    rows = [drawn.row(one, drawn.systems()[name]) for one in drawn.train]
    return np.array([[float(x) for x in row] for row in rows])


def test_least_totals_and_variances_agree_with_floats() -> None:
    """The proven least sum |q| against a linear program on other rows, the least variance against its formula."""
    seen = 0
    for seed in FEWER:
        drawn = draw(seed)
        study = Study.from_dict(drawn.mapping)
        identifier = Identifier(study.design, study.notation)
        found = identifier.identify(next(study.targets()), "joint")
        if not identifier.joint.freedom or not (found.status == Status.IDENTIFIED).any():
            continue
        sizes = [10 + i for i in range(len(drawn.train))]
        rows, distinct = float_rows(drawn, "joint"), study.design.distinct
        for objective in ("l1", "sparse", "variance"):
            chosen = choose(identifier, found, objective, sizes)
            assert verify(chosen.identification).holds
            assert chosen.all_proven, (seed, objective)
            for e, t in enumerate(chosen.row.tolist()):
                wanted = np.array([float(x) for x in drawn.row(drawn.test[t], drawn.systems()["joint"])])
                formula = chosen.identification[t].formula
                assert formula is not None
                if objective == "l1":
                    both = np.hstack([rows.T, -rows.T])
                    best = linprog(np.ones(both.shape[1]), A_eq=both, b_eq=wanted)
                    assert float(chosen.value[e]) == pytest.approx(best.fun, rel=1e-6), (seed, t)
                    assert chosen.value[e] == sum(abs(q) for _, q in formula)
                elif objective == "variance":
                    merged = np.bincount(study.design.first, weights=sizes)[distinct]
                    white = rows[distinct].T * np.sqrt(merged)[None, :]
                    least = float(np.sum((np.linalg.pinv(white, rcond=1e-11) @ wanted) ** 2))
                    assert float(chosen.value[e]) == pytest.approx(least, rel=1e-6), (seed, t)
                else:
                    assert chosen.value[e] == len(formula)
                seen += 1
    assert seen > 100


def test_relations_vanish_on_the_rows_and_are_all_there() -> None:
    """Joint and conditional implications: exact on the oracle's rows, as many as the rank leaves."""
    total = 0
    for seed in FEWER:
        drawn = draw(seed)
        study = Study.from_dict(drawn.mapping)
        for criterion in ("joint", "conditional"):
            found = study.implications(criterion)
            counted: dict[str, int] = {}
            for claim in found:
                name = claim.variables[0] if claim.variables else "joint"
                counted[name] = counted.get(name, 0) + 1
                rows = [drawn.row(one, drawn.systems()[name]) for one in drawn.train]
                for column in range(len(rows[0])):
                    assert sum((c * rows[i][column] for i, c in claim.formula), Fraction(0)) == 0
                assert all(c.denominator == 1 for _, c in claim.formula)
            for name, count in counted.items():
                rows = [drawn.row(one, drawn.systems()[name]) for one in drawn.train]
                assert count == len(study.design.distinct) - rank(rows), (seed, name)
            total += len(found)
    assert total > 50


def test_sets_of_levels_agree_with_verdicts_at_many_levels() -> None:
    """Every level of a grid is identified exactly if the set holds it: in an interval, or as one of its points."""
    points = intervals = irrational = 0
    for seed in FEW:
        drawn = draw(seed)
        study = Study.from_dict(drawn.mapping)
        own = with_own_levels(study.design)
        identifier = Identifier(own, study.notation)
        regimes = recoded(next(study.targets()), study.model, own.model)
        for position in np.flatnonzero(own.model.valued).tolist():
            one = own.model.interventions[position]
            kind = one.basis.kind if one.basis is not None else ""
            grid = [f"{i}/4" for i in range(0 if kind != "poly" else -6, 25)] + ["1/3", "3/10"]
            if kind == "table" or one.coordinate:
                grid = [str(level) for level in one.levels]
            for criterion in ("joint", "conditional"):
                target = regimes[seed % len(regimes)]
                found = identified_levels(identifier, one.name, target, criterion)
                levels = [one.index(text) for text in grid]
                rest = tuple(pair for pair in target if pair[0] != position)
                asked = [tuple(sorted([*rest, (position, level)])) if level else rest for level in levels]
                status = identifier.verdicts(Regimes.from_active(asked, regimes.width), criterion)
                for text, level, verdict in zip(grid, levels, status.tolist(), strict=True):
                    inside = found.holds(one.values(level))
                    assert inside == (verdict != Status.NOT_IDENTIFIED), (seed, one.name, text)
                    if found.names is not None:
                        assert inside == ((key_of(text)) in found.names)
                    else:
                        at = Fraction(text)
                        listed = any((a is None or a <= at) and (b is None or at <= b) for a, b in found.intervals)
                        listed |= any(root.exact == at for root in found.points)
                        assert inside == listed, (seed, one.name, text)
                for root in found.points:
                    if root.exact is not None and one.basis is not None and not one.coordinate:
                        assert found.holds(one.basis.values(root.exact))
                    irrational += root.exact is None
                points += len(found.points)
                intervals += len(found.intervals)
    assert points > 50
    assert intervals > 50


def test_irrational_levels_are_algebraic_numbers() -> None:
    """Formulas combine (0, 0), (2, 2) and (-2, 2): t = 1 takes half of the last two, and so s^2 = 2."""
    study = Study.from_dict(
        {
            "interventions": {
                "s": {"levels": [0, 1], "basis": {"poly": 2}},
                "t": {"levels": [0, 1], "basis": {"poly": 1}},
            },
            "factors": [{"sigma": ["s"]}, {"sigma": ["t"]}],
            "train": [{}, {"s": 2, "t": 2}, {"s": -2, "t": 2}],
        }
    )
    found = identified_levels(Identifier(study.design), "s", ((1, study.model.interventions[1].index(1)),))
    assert [root.text for root in found.points] == ["-sqrt(2)", "sqrt(2)"]
    assert found.points[1].near == pytest.approx(2**0.5)
    assert not found.intervals


def test_a_coded_response_surface_shows_extrapolation_in_its_size() -> None:
    """The functions s, s^2, t, s t of two coded factors: run at {0, 1, 2} x {0, 1}, asked at (3, 2)."""
    cells = {f"{s}.{t}": [s, s * s, t, s * t] for t in (0, 1) for s in (0, 1, 2)} | {"3.2": [3, 9, 2, 6]}
    names = [f"r{name}" for name in cells]
    table = dict(zip(names, cells.values(), strict=True))
    study = Study.from_dict(
        {
            "interventions": {"run": {"levels": names, "basis": {"table": table}}},
            "factors": [{"sigma": ["run"]}],
            "train": [{"run": name} for name in names[:6]],
            "test": [{"run": "r3.2"}],
        }
    )
    formula = study.identify()[0].formula
    assert formula is not None
    assert [formula.exponents.get(i, 0) for i in range(6)] == [5, -9, 3, -4, 6, 0]


def test_numbers_too_long_for_64_bits_are_answered_in_rationals() -> None:
    """A cubic at long decimals, in both places: trained and asked about; verified apart from the solver."""
    long = ["0", "0.12345678901234567", "1.98765432109876543", "3.14159265358979323846"]
    study = Study.from_dict(
        {
            "interventions": {name: {"levels": long, "basis": {"poly": 3}} for name in ("a", "b")},
            "factors": [{"sigma": ["a", "b"]}],
            "train": [{"a": one, "b": other} for one in long for other in long],
            "test": [{"a": "0.777777777777777777", "b": "2.718281828459045"}, {"a": "1/3", "b": "0.5"}],
        }
    )
    found = study.identify()
    assert found.counts()["identified"] == 2
    assert verify(found).holds
    wild = Study.from_dict(
        {
            "interventions": {"a": {"levels": long[:3], "basis": {"poly": 1}}},
            "factors": [{"sigma": ["a"]}],
            "train": [{"a": one} for one in [*long, "1e-50", "123456789123456789/987654321987654323"]],
            "test": [{"a": "1e60"}, {"a": "7"}],
        }
    ).identify()
    assert wild.counts()["identified"] == 2
    assert verify(wild).holds


def test_the_same_level_in_other_spellings_is_one_level() -> None:
    study = Study.from_dict(
        {
            "interventions": {"dose": {"levels": [0, "1/2", 2], "basis": {"poly": 1}}},
            "factors": [{"sigma": ["dose"]}],
            "train": [{"dose": 0.5}, {"dose": "2.0"}],
            "test": [{"dose": "0.50"}, {"dose": 2}, {"dose": "4/2"}, {"dose": 3}],
        }
    )
    assert study.identify().status.tolist() == [0, 0, 0, 1]


def test_lines_with_formulas_say_their_size_where_levels_have_values() -> None:
    spec = {"levels": [0, 1, 2, 3], "basis": {"poly": 2}}
    factors = [{"sigma": ["dose"], "x": ["x"]}, {"sigma": ["A"], "x": ["x", "y"]}]
    mapping = {
        "interventions": {"dose": spec, "A": [0, 1]}, "variables": ["x", "y"], "factors": factors,
        "train": [{}, {"dose": 1}, {"dose": 2}, {"dose": 3}, {"A": 1}], "test": [{"dose": 5, "A": 1}],
    }  # fmt: skip
    study = Study.from_dict(mapping)
    # p(5) = p(0)^6 p(1)^-15 p(2)^10 and p(A) / p(0): Lagrange's polynomials at 5
    assert str(study.identify()[0]).endswith("  sum|q| = 31")
    assert str(study.identify("conditional")[0]).count("  sum|q| = ") == 2
    lines = list(text_lines(study, implications(Identifier(study.design, study.notation))))
    shown = [line for line in lines if "p(" in line and "density" not in line]
    assert shown
    assert all("  sum|q| = " in line for line in shown)
    assert sum("sum|q|: if every log-density" in line for line in lines) == 1
    named = {**mapping, "interventions": {"dose": [0, 1, 2, 3], "A": [0, 1]}, "test": [{"dose": 2, "A": 1}]}
    study = Study.from_dict(named)
    assert "sum|q|" not in str(study.identify()[0])
    assert not any("sum|q|" in line for line in text_lines(study, implications(Identifier(study.design))))


def test_a_plan_spreads_levels_instead_of_taking_the_nearest() -> None:
    spec = {"levels": [0, 1, 2, 3, 4, 5], "basis": {"poly": 2}}
    mapping = {
        "interventions": {"a": spec, "b": spec}, "factors": [{"sigma": ["a", "b"]}], "train": [{}], "test": "all",
    }  # fmt: skip
    study = Study.from_dict(mapping)
    planned = study.plan()
    assert (planned.cost, planned.optimal) == (8, True)
    grown = replace(study, design=planned.augmented)
    sizes = [answer.formula.size for answer in grown.identify() if answer.formula is not None]
    # Lagrange's polynomials through 0, 2, 5 add up to at most 7/5 in size, at 3 and 4; through 0, 1, 2 to 31, at 5
    assert max(sizes) == Fraction(7, 5) ** 2
