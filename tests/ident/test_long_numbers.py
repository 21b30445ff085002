"""Questions about rows that int64 does not hold, against rationals written for this purpose alone."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import flint
import pytest

from ifm_ident.answer.identification import Status
from ifm_ident.errors import InputError
from ifm_ident.implications.testable import Implications
from ifm_ident.planning.candidates import Candidates
from ifm_ident.planning.drop import droppable
from ifm_ident.planning.planner import plan
from ifm_ident.planning.prices import OneEach
from ifm_ident.planning.reduction import PlanCriterion
from ifm_ident.planning.single import single_regimes
from ifm_ident.solve import long_rows
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.solve.identifier import Identifier
from ifm_ident.solve.objectives.choose import choose
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify
from tests.ident.dose_oracle import DoseDesign, Values, rank

SEEDS = range(12)


def drawn(seed: int, every_factor: bool = False) -> DoseDesign:
    """A Hill curve of ugly numbers, and beside it a spline of ugly knots, long decimals, or names."""
    rng = random.Random(seed)
    hill = {"levels": ["0", "0.3", "1.7"], "basis": {"hill": {"ec50": "0.037", "n": 3}}}
    spline = {"knots": ["0", "3.377", "9.131", "24"], "degree": 2}
    others = [
        ({"levels": ["0", "1.37", "7.03"], "basis": {"spline": spline}}, ["0", "1.37", "3.911", "7.03", "13.7"]),
        (
            {"levels": ["0", "1.4142135623730951"], "basis": {"poly": 2}},
            ["0", "0.3141592653589793", "1.4142135623730951", "2.718281828459045"],
        ),
        ([0, 1], ["0", "1"]),
    ]
    other, levels = others[seed % 3]
    choices = {"A": ["0", "0.3", "1.7", "3.1", "10"], "B": levels}
    factors = [{"x": ["x"], "sigma": ["A", "B"]}, {"x": ["x", "y"], "sigma": ["A"]}, {"x": ["y"], "sigma": ["B"]}]
    kept = factors if every_factor else factors[1:] if seed % 2 else factors[:2]

    def regime() -> dict[str, str]:
        return {name: rng.choice(some) for name, some in choices.items()}

    train = [{"A": "0", "B": "0"}, *(regime() for _ in range(rng.randint(6, 9)))]
    test = [regime() for _ in range(4)] + [{"A": "2", "B": "0"}]
    mapping = {
        "interventions": {"A": hill, "B": other},
        "variables": ["x", "y"],
        "factors": kept,
        "train": train,
        "test": test,
    }
    return DoseDesign(mapping, train, test)


def long_systems(study: Study) -> int:
    """How many of a design's systems have rows that int64 does not hold."""
    identifier = Identifier(study.design)
    found = 0
    for system in [identifier.joint, *map(identifier.conditional, range(len(study.model.covers)))]:
        try:
            _ = system.rows
        except WouldOverflow:
            found += 1
    return found


def rows_of(design: DoseDesign, name: str, regimes: list[dict[str, str]]) -> list[Values]:
    return [design.row(one, design.systems()[name]) for one in regimes]


def vectors(claims: Implications, study: Study, name: str) -> list[list[int]]:
    """The claims of one system over the distinct training regimes, as whole numbers."""
    found = []
    for claim in claims:
        if (claim.variables[0] if claim.variables else "joint") == name:
            assert all(c.denominator == 1 for _, c in claim.formula)
            held = claim.formula.exponents
            found.append([int(held.get(i, 0)) for i in study.design.distinct.tolist()])
    return found


def is_saturated(basis: list[list[int]]) -> bool:
    """Whether every integer vector of the span is an integer combination: all elementary divisors are 1."""
    form = flint.fmpz_mat(basis).snf()
    return all(abs(int(form[i, i])) == 1 for i in range(len(basis)))


def test_relations_are_all_there_and_saturated() -> None:
    longest = long = 0
    for seed in SEEDS:
        design = drawn(seed)
        study = Study.from_dict(design.mapping)
        long += long_systems(study) > 0
        distinct = study.design.distinct.tolist()
        train = [design.train[i] for i in distinct]
        for criterion in ("joint", "conditional"):
            found = study.implications(criterion)
            names = ["joint"] if criterion == "joint" else sorted({c.variables[0] for c in found})
            for name in names:
                basis, rows = vectors(found, study, name), rows_of(design, name, train)
                for vector in basis:
                    for column in zip(*rows, strict=True):
                        assert sum((c * x for c, x in zip(vector, column, strict=True)), Fraction(0)) == 0
                    longest = max(longest, *map(abs, vector))
                assert len(basis) == len(distinct) - rank(rows), (seed, name)
                assert not basis or is_saturated(basis)
    assert longest > 2**70
    assert long > 6


def test_claims_beyond_the_joint_ones_generate_all_of_a_variable() -> None:
    """Under `auto` joint claims and those listed of a variable generate the same lattice as its own."""
    seen = 0
    for seed in SEEDS:
        design = drawn(seed)
        study = Study.from_dict(design.mapping)
        listed, alone = study.implications("auto"), study.implications("conditional")
        for name in ("x", "y"):
            own = vectors(alone, study, name)
            both = vectors(listed, study, "joint") + vectors(listed, study, name)
            if own:
                width = len(own[0])
                assert len(both) == len(own)
                assert is_saturated(both)
                stacked = flint.fmpz_mat(len(own) + len(both), width, [*itertools.chain(*own, *both)])
                assert stacked.rank() == len(own)
                seen += 1
    assert seen > 5


def test_interactions_of_variables_have_relations_too() -> None:
    design = drawn(0, every_factor=True)
    study = Study.from_dict(design.mapping)
    assert long_systems(study)
    found = [c for c in study.implications("auto", sets=[("x", "y")]) if c.kind == "interaction"]
    factors = [k for k, f in enumerate(design.mapping["factors"]) if {"x", "y"} <= set(f["x"])]
    rows = [design.row(design.train[i], factors) for i in study.design.distinct.tolist()]
    assert found
    for claim in found:
        place = {i: k for k, i in enumerate(study.design.distinct.tolist())}
        for column in zip(*rows, strict=True):
            assert sum((c * column[place[i]] for i, c in claim.formula), Fraction(0)) == 0


def all_formulas(rows: list[Values], target: Values) -> list[dict[int, Fraction]]:
    """The formulas of a target on independent rows, found one support after the other."""
    found: list[dict[int, Fraction]] = []
    for size in range(1, rank(rows) + 1):
        for support in itertools.combinations(range(len(rows)), size):
            chosen = [rows[i] for i in support]
            if rank(chosen) < size or rank([*chosen, target]) > size:
                continue
            flat = [flint.fmpq(x.numerator, x.denominator) for row in chosen for x in row]
            square = flint.fmpq_mat(size, len(target), flat)
            right = flint.fmpq_mat(len(target), 1, [flint.fmpq(x.numerator, x.denominator) for x in target])
            q = (square * square.transpose()).solve(square * right)
            found.append({i: Fraction(int(q[k, 0].p), int(q[k, 0].q)) for k, i in enumerate(support)})
    return [{i: q for i, q in one.items() if q} for one in found]


def test_objectives_are_those_of_all_formulas() -> None:
    """Least sum |q_i| and fewest densities lie on independent rows: all of these are gone through."""
    seen = 0
    for seed in (0, 1, 4, 7):
        design = drawn(seed)
        study = Study.from_dict(design.mapping)
        identifier = Identifier(study.design, study.notation)
        found = identifier.identify(next(study.targets()), "joint")
        train = [design.train[i] for i in study.design.distinct.tolist()]
        rows = rows_of(design, "joint", train)
        sizes = [10 + i for i in range(len(design.train))]
        merged = [
            sum(n for n, j in zip(sizes, study.design.first, strict=True) if j == i)
            for i in study.design.distinct.tolist()
        ]
        for objective in ("l1", "sparse", "variance"):
            chosen = choose(identifier, found, objective, sizes)
            assert chosen.all_proven, (seed, objective)
            assert verify(chosen.identification).holds
            for e, t in enumerate(chosen.row.tolist()):
                target = rows_of(design, "joint", [design.test[t]])[0]
                every = all_formulas(rows, target)
                if objective == "l1":
                    assert chosen.value[e] == min(sum(map(abs, one.values())) for one in every)
                elif objective == "sparse":
                    assert chosen.value[e] == min(map(len, every))
                else:
                    [formula] = [chosen.identification[t].formula]
                    assert formula is not None
                    held = {study.design.distinct.tolist().index(i): q for i, q in formula}
                    slope = [held.get(i, Fraction(0)) / n for i, n in enumerate(merged)]
                    assert rank([*map(list, zip(*rows, strict=True)), slope]) == rank(rows)
                    assert chosen.value[e] == sum(q * q / merged[i] for i, q in held.items())
                seen += 1
    assert seen > 15


def is_identified(design: DoseDesign, criterion: str, train: list[dict[str, str]], target: dict[str, str]) -> bool:
    names = ["joint"] if criterion == "joint" else ["x", "y"]
    for name in names:
        rows = rows_of(design, name, train)
        if rank([*rows, *rows_of(design, name, [target])]) > rank(rows):
            return False
    return True


@pytest.mark.parametrize("criterion", ["joint", "conditional"])
def test_plans_are_the_smallest_of_all(criterion: PlanCriterion) -> None:
    seen = 0
    for seed in SEEDS:
        design = drawn(seed)
        short = DoseDesign({**design.mapping, "train": design.train[:4]}, design.train[:4], design.test)
        study = Study.from_dict(short.mapping)
        found = plan(study.design, study.targets, Candidates(study.model, OneEach(study.model)), criterion)
        interventions = short.mapping["interventions"].items()
        listed = {name: one if isinstance(one, list) else one["levels"] for name, one in interventions}
        every = [
            dict(zip(listed, map(str, choice), strict=True)) for choice in itertools.product(*listed.values())
        ]
        reachable = [t for t in short.test if is_identified(short, criterion, [*short.train, *every], t)]
        assert found.identified_after == len(reachable), seed
        assert found.gap == 0
        least = next(
            k
            for k in range(len(every) + 1)
            if any(
                all(is_identified(short, criterion, [*short.train, *some], t) for t in reachable)
                for some in itertools.combinations(every, k)
            )
        )
        assert found.cost == least, seed
        seen += least > 0
    assert seen > 3


def test_single_regimes_say_what_each_identifies() -> None:
    design = drawn(1)
    short = DoseDesign({**design.mapping, "train": design.train[:4]}, design.train[:4], design.test)
    study = Study.from_dict(short.mapping)
    offered = Candidates(study.model, OneEach(study.model))
    found = single_regimes(study.design, study.targets, offered, count=3)
    before = sum(is_identified(short, "joint", short.train, t) for t in short.test)
    assert found.gains
    for regime, gain in zip(found.regimes, found.gains, strict=True):
        added = {"A": "0", "B": "0"}
        for i, level in regime:
            added[study.model.interventions[i].name] = str(study.model.interventions[i].level(level))
        after = sum(is_identified(short, "joint", [*short.train, added], t) for t in short.test)
        assert gain == after - before


def test_what_could_be_dropped_could_be() -> None:
    for seed in (0, 1, 2, 5):
        design = drawn(seed)
        study = Study.from_dict(design.mapping)
        spare = droppable(study.design, study.targets)
        held = [t for t in design.test if is_identified(design, "joint", design.train, t)]
        for i in range(len(design.train)):
            left = [one for j, one in enumerate(design.train) if j != i]
            kept = all(is_identified(design, "joint", left, t) for t in held)
            assert (i in spare.each) == kept, (seed, i)
        left = [one for j, one in enumerate(design.train) if j not in spare.together]
        assert all(is_identified(design, "joint", left, t) for t in held)
        assert spare.gap == 0


def test_limbs_of_hopeless_numbers_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_rows, "MOST_COLUMNS", 3)
    design = drawn(0)
    study = Study.from_dict(design.mapping)
    with pytest.raises(InputError, match=r"not for numbers this long: .* write levels with fewer digits"):
        plan(study.design, study.targets, Candidates(study.model, OneEach(study.model)))
    assert study.identify().counts()["identified"] + study.identify().counts()["observed"] > 0
    assert math.isfinite(float(len(study.implications())))


def test_status_words_are_those_of_rationals() -> None:
    for seed in SEEDS:
        design = drawn(seed)
        found = Study.from_dict(design.mapping).identify("joint")
        for t, target in enumerate(design.test):
            wanted = is_identified(design, "joint", design.train, target)
            assert (found[t].status != Status.NOT_IDENTIFIED) == wanted
