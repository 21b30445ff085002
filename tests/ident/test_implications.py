"""Testable implications against flint's ranks and normal forms, and against densities that are enumerated."""

from __future__ import annotations

import itertools
import json

import flint
import numpy as np
import pytest

from ifm_ident.errors import InputError
from ifm_ident.implications.testable import Implications, implications, variable_sets
from ifm_ident.results.header import Heading
from ifm_ident.show.implications_write import json_lines, latex_lines, text_lines
from ifm_ident.solve.identifier import Identifier
from tests import cases
from tests.ident.lattice_oracles import ask, dense, factorial, full_hnf, is_saturated
from tests.oracles import Codes, Oracle, PlainDesign, row

INDEPENDENCE = ((0,), (1,))


def random_designs(count: int, seed: int) -> list[PlainDesign]:
    rng = np.random.default_rng(seed)
    designs = []
    for _ in range(count):
        width, variables = int(rng.integers(2, 5)), tuple(f"x{i + 1}" for i in range(rng.integers(1, 4)))
        levels = tuple(int(a) for a in rng.integers(2, 4, width))
        factors = []
        for _ in range(rng.integers(1, 5)):
            x = sorted(rng.choice(len(variables), rng.integers(1, len(variables) + 1), replace=False).tolist())
            sigma = sorted(rng.choice(width, rng.integers(0, 3), replace=False).tolist())
            factors.append((tuple(variables[i] for i in x), tuple(sigma)))
        held = {v for x, _ in factors for v in x}
        factors += [((v,), ()) for v in variables if v not in held]
        train = [tuple(int(rng.integers(0, a)) for a in levels) for _ in range(rng.integers(1, 12))]
        designs.append(PlainDesign(levels, variables, tuple(factors), tuple(train)))
    return designs


DESIGNS = random_designs(60, seed=0)


def log_densities(plain: PlainDesign, rng: np.random.Generator) -> np.ndarray:
    """log p(x; sigma) of every training regime for random positive factors, normalised, x binary."""
    shape = (2,) * len(plain.variables)
    tables: dict[tuple[int, Codes], np.ndarray] = {}
    logs = []
    for regime in plain.train:
        total = np.zeros(shape)
        for cell in sorted(row(plain, plain.every_factor, regime)):
            held = plain.factors[cell[0]][0]
            axes = tuple(2 if v in held else 1 for v in plain.variables)
            total = total + tables.setdefault(cell, rng.normal(size=axes))
        logs.append(total - np.log(np.exp(total).sum()))
    return np.array(logs)


def worst(found: Implications, logs: np.ndarray) -> list[float]:
    """For every claim the size of what should vanish."""
    variables = found.identifier.design.model.variables
    sizes = []
    for claim in found:
        value = claim.formula(logs)
        if claim.kind == "joint":
            sizes.append(float(np.ptp(value)))
        elif claim.kind == "conditional":
            axes = [variables.index(v) for v in claim.variables]
            sizes.append(max(float(np.abs(np.diff(value, axis=axis)).max()) for axis in axes))
        else:
            for v in claim.variables:
                value = np.diff(value, axis=variables.index(v))
            sizes.append(float(np.abs(value).max()))
    return sizes


@pytest.mark.parametrize("plain", DESIGNS)
def test_bases_are_saturated_and_of_the_right_size(plain: PlainDesign) -> None:
    distinct = len(dict.fromkeys(plain.train))
    joint, conditional = ask(plain, "joint"), ask(plain, "conditional")
    oracle = Oracle(plain, plain.every_factor)
    assert len(joint) == distinct - oracle.rank
    assert is_saturated(dense(joint, "joint"))
    for cover in range(len(plain.build().model.covers)):
        first = next(v for v in plain.variables if plain.build().model.cover_index[v] == cover)
        vectors = dense(conditional, "conditional", first)
        assert len(vectors) == distinct - Oracle(plain, plain.holding(first)).rank
        assert is_saturated(vectors)


@pytest.mark.parametrize("plain", DESIGNS)
def test_vectors_cancel_the_incidence_rows_and_are_canonical(plain: PlainDesign) -> None:
    for claim in ask(plain, "conditional"):
        for variable in claim.variables:
            cells: dict[object, int] = {}
            for train, exponent in claim.formula:
                for cell in row(plain, plain.holding(variable), plain.train[train]):
                    cells[cell] = cells.get(cell, 0) + int(exponent)
            assert not any(cells.values())
        exponents = claim.formula.exponents
        assert exponents[min(exponents)] > 0
        assert np.gcd.reduce([int(c) for c in exponents.values()]) == 1
        assert all(plain.train.index(plain.train[train]) == train for train in exponents)


@pytest.mark.parametrize("plain", DESIGNS)
def test_auto_completes_the_joint_lattice_to_the_conditional_ones(plain: PlainDesign) -> None:
    auto, conditional = ask(plain), ask(plain, "conditional")
    joint = dense(auto, "joint")
    assert [str(c.formula) for c in ask(plain, "joint")] == [str(c.formula) for c in auto if c.kind == "joint"]
    for variable in plain.variables:
        listed, whole = dense(auto, "conditional", variable), dense(conditional, "conditional", variable)
        if len(whole):
            assert len(joint) + len(listed) == len(whole)
            assert full_hnf([*joint, *listed]) == full_hnf(whole)


@pytest.mark.parametrize("plain", DESIGNS)
def test_claims_hold_in_the_model_and_fail_outside_it(plain: PlainDesign) -> None:
    rng = np.random.default_rng(1)
    found = ask(plain, size=3)
    assert max(worst(found, log_densities(plain, rng)), default=0.0) < 1e-9
    shape = (len(plain.train), *(2,) * len(plain.variables))
    anything = np.log(rng.dirichlet(np.ones(int(np.prod(shape[1:]))), size=len(plain.train)).reshape(shape))
    assert min(worst(found, anything), default=1.0) > 1e-6
    assert found.refutable or not len(found)


@pytest.mark.parametrize("plain", DESIGNS)
def test_predicted_regimes_are_those_that_the_others_identify(plain: PlainDesign) -> None:
    found = ask(plain)
    logs = log_densities(plain, np.random.default_rng(2))
    for train in {plain.train.index(regime) for regime in plain.train}:
        others = tuple(regime for regime in plain.train if regime != plain.train[train])
        rest = PlainDesign(plain.levels, plain.variables, plain.factors, others)
        covers = [plain.holding(v) for v in plain.variables]
        identified = bool(others) and all(Oracle(rest, c).holds([plain.train[train]])[0] for c in covers)
        assert identified == (train in found.predicted)
        if not identified:
            with pytest.raises(ValueError, match="is not predicted"):
                found.prediction(train)
            continue
        prediction = found.prediction(train)
        parts = prediction.conditionals
        assert (prediction.formula is None) != (not parts)
        for axis, variable in enumerate(plain.variables):
            formula = prediction.formula if prediction.formula is not None else parts[variable]
            assert train not in formula.exponents
            left = logs[train] - formula(logs) if len(formula) else logs[train]
            assert np.abs(np.diff(left, axis=axis)).max() < 1e-9


def left_null_space(plain: PlainDesign, factors: list[int]) -> list[list[int]]:
    """Vectors, independent over the rationals, that cancel the rows of some factors: by flint."""
    rows = Oracle(plain, factors).matrix.transpose() if factors else flint.fmpz_mat(1, len(plain.train))
    kernel, nullity = rows.nullspace()
    return [[int(kernel[i, j]) for i in range(len(plain.train))] for j in range(nullity)]


def rank(vectors: list[list[int]]) -> int:
    return int(flint.fmpz_mat(vectors).rank()) if vectors else 0


def test_interactions_complete_what_smaller_sets_imply() -> None:
    completed = 0
    for repeated in DESIGNS:
        train = tuple(dict.fromkeys(repeated.train))
        plain = PlainDesign(repeated.levels, repeated.variables, repeated.factors, train)
        found = ask(plain, size=2)
        for pair in itertools.combinations(plain.variables, 2):
            both = [k for k, (x, _) in enumerate(plain.factors) if set(pair) <= set(x)]
            own = [c.formula.exponents for c in found if c.kind == "interaction" and c.variables == pair]
            listed = [[int(e.get(i, 0)) for i in range(len(train))] for e in own]
            if not both:
                assert listed == np.eye(len(train), dtype=int).tolist()
                continue
            known = [c for v in pair for c in left_null_space(plain, list(plain.holding(v)))]
            allowed = left_null_space(plain, both)
            assert rank(known) + len(listed) == rank([*known, *listed]) == rank(allowed)
            assert rank([*allowed, *listed]) == rank(allowed)
            completed += bool(listed) and bool(known)
    assert completed


def test_no_vector_of_half_exponents_is_left_unscaled() -> None:
    plain = PlainDesign(
        (2, 2, 2), ("x",), cases.PARITY.plain.factors, (*cases.PARITY.plain.train, cases.codes("111"))
    )
    [claim] = ask(plain)
    assert claim.formula.exponents == {0: 1, 1: -1, 2: -1, 3: -1, 4: 2}
    found = ask(plain)
    assert (
        str(found.prediction(4).formula)
        == "p(s0=1,s1=1)^(1/2) p(s0=1,s2=1)^(1/2) p(s1=1,s2=1)^(1/2) / p(ctrl)^(1/2)"
    )


def test_answers_are_the_same_twice_and_repeats_are_merged() -> None:
    plain = factorial((2, 3), INDEPENDENCE)
    repeated = PlainDesign(plain.levels, plain.variables, plain.factors, (plain.train[0], *plain.train))
    first, second, third = ask(plain), ask(plain), ask(repeated)
    assert [c.formula for c in first] == [c.formula for c in second]
    moved = [{(i + 1 if i else 0): c for i, c in claim.formula} for claim in first]
    assert [claim.formula.exponents for claim in third] == moved


def test_an_intervention_in_no_factor_makes_regimes_equal() -> None:
    plain = PlainDesign((2, 2), ("x",), ((("x",), (0,)),), ((0, 0), (0, 1), (1, 0)))
    assert [claim.formula.exponents for claim in ask(plain)] == [{0: 1, 1: -1}]


def test_one_regime_alone_may_still_be_refuted() -> None:
    plain = PlainDesign((2, 2), ("x1", "x2"), ((("x1",), (0,)), (("x2",), (1,))), ((0, 0),))
    assert len(ask(plain)) == 0
    assert ask(plain).refutable
    [claim] = ask(plain, size=2)
    assert (claim.kind, claim.variables, claim.formula.exponents) == ("interaction", ("x1", "x2"), {0: 1})
    whole = PlainDesign((2, 2), ("x1", "x2"), ((("x1", "x2"), (0, 1)),), ((0, 0),))
    assert not ask(whole, size=2).refutable


def test_what_smaller_sets_imply_is_not_said_again() -> None:
    """x1 and x2 are apart, so all three of x1, x2, x3 have no interaction: nothing new."""
    factors = ((("x1", "x3"), (0,)), (("x2", "x3"), (1,)))
    plain = PlainDesign((2, 2), ("x1", "x2", "x3"), factors, ((0, 0), (1, 0), (0, 1)))
    kinds = {claim.variables for claim in ask(plain, size=3) if claim.kind == "interaction"}
    assert kinds == {("x1", "x2")}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("x1", "y"), "the set x1,y holds 'y', which is no variable; legal: x1, x2"),
        (("x1",), "the set x1 is not one of two or more distinct variables; write it as x1,x2"),
        (("x1", "x1"), "the set x1,x1 is not one of two or more distinct variables; write it as x1,x2"),
    ],
)
def test_bad_sets_are_refused(names: tuple[str, ...], message: str) -> None:
    plain = PlainDesign((2,), ("x1", "x2"), ((("x1", "x2"), (0,)),), ((0,),))
    with pytest.raises(InputError) as error:
        implications(Identifier(plain.build()), interactions=[names])
    assert str(error.value) == message


def test_bad_criterion_and_sizes_are_refused() -> None:
    design = factorial((2, 2), INDEPENDENCE).build()
    with pytest.raises(InputError, match="unknown criterion 'jont'; did you mean joint"):
        implications(Identifier(design), "jont")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="interactions are of 2 variables or more, got 1"):
        variable_sets(design.model, 1)
    many = tuple(f"x{i}" for i in range(500))
    wide = PlainDesign((2,), many, ((many, (0,)),), ((0,),)).build()
    with pytest.raises(InputError, match=r"more than 100,000 sets of up to 2 variables; name the sets"):
        variable_sets(wide.model, 2)


def text_of(plain: PlainDesign, criterion: str = "auto", size: int = 0) -> list[str]:
    found = ask(plain, criterion, size)
    return list(text_lines(Heading("study", found.identifier.design), found))


def test_text_says_what_is_claimed_in_words() -> None:
    plain = PlainDesign((2, 2), ("x1", "x2"), ((("x1",), (0,)), (("x2",), (1,))), ((0, 0), (1, 0), (0, 1), (1, 1)))
    text = text_of(plain, size=2)
    assert text[0] == "study: 7 testable implications (1 joint, 2 conditional, 4 interaction)"
    assert "  p(ctrl) p(s0=1,s1=1) / (p(s0=1) p(s1=1)) is constant in x1 and x2" in text
    assert "  p(ctrl) / p(s1=1) is constant in x1 given the rest" in text
    assert "  x1 and x2 are independent given the rest, in every regime" in text
    assert "predicted by the others: 4 of 4 training regimes" in text
    assert "  p(ctrl) ∝ p(s0=1) p(s1=1) / p(s0=1,s1=1)" in text
    assert text[-1] == "Data that contradict one of these refute the model."


def test_text_is_honest_when_nothing_can_be_tested() -> None:
    whole = PlainDesign((2,), ("x1", "x2"), ((("x1", "x2"), (0,)),), ((0,), (1,)))
    assert " ".join(text_of(whole)) == (
        "Nothing can be tested: any densities whatever in the 2 distinct training regimes agree with this model."
    )
    apart = PlainDesign((2, 2), ("x1", "x2"), ((("x1",), (0,)), (("x2",), (1,))), ((0, 0),))
    assert "try --interactions 2" in " ".join(text_of(apart))
    assert "try --criterion auto" in " ".join(text_of(apart, "joint"))


def test_json_is_as_specified() -> None:
    plain = PlainDesign((2, 2), ("x1", "x2"), ((("x1",), (0,)), (("x2",), (1,))), ((0, 0), (1, 0), (0, 1), (1, 1)))
    result = json.loads("\n".join(json_lines(ask(plain))))
    assert list(result) == ["schema", "count", "results"]
    assert (result["schema"], result["count"]) == ("ifm-implications/1", len(result["results"]))
    assert result["results"][0] == {
        "variable": None,
        "exponents": [
            {"train": 0, "exponent": "1"},
            {"train": 3, "exponent": "1"},
            {"train": 1, "exponent": "-1"},
            {"train": 2, "exponent": "-1"},
        ],
    }
    assert [r["variable"] for r in result["results"]] == [None, "x1", "x2"]
    asked = json.loads("\n".join(json_lines(ask(plain, size=2))))
    assert asked["results"][-1] == {"interaction": ["x1", "x2"], "exponents": [{"train": 3, "exponent": "1"}]}
    empty = PlainDesign((2,), ("x",), ((("x",), (0,)),), ((0,),))
    assert json.loads("\n".join(json_lines(ask(empty)))) == {
        "schema": "ifm-implications/1",
        "count": 0,
        "results": [],
    }


def test_latex_escapes_names() -> None:
    found = ask(factorial((2, 2), INDEPENDENCE))
    lines = list(latex_lines(Heading("study", found.identifier.design), found))
    assert lines[1] == r"\begin{align*}"
    assert r"\text{ is constant in x}" in lines[2]
    assert "s0=1" in lines[2]
    empty = ask(PlainDesign((2,), ("x",), ((("x",), (0,)),), ((0,),)))
    [line] = latex_lines(Heading("study", empty.identifier.design), empty)
    assert line.startswith("% Nothing can be tested")
