"""What is still determined of a refused regime, against ranks by elimination and enumerated densities."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ifm_ident
from ifm_ident.answer.conditional_formula import ConditionalFormula
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import Identification, Status
from ifm_ident.design.design import Design
from ifm_ident.errors import InputError
from ifm_ident.report._rows import table_rows
from ifm_ident.results.claims import Claims
from ifm_ident.show.latex import write_latex
from ifm_ident.show.table import write_table
from ifm_ident.solve.identifier import Identifier, identify
from ifm_ident.solve.interactions import Interaction, pair_interactions
from ifm_ident.solve.objectives.choose import choose
from ifm_ident.verification.checking import verify, verify_file
from tests.ident.answers import CASES, Cells, all_codes, answer, cells_of, kernel, one_hot, reduce, rows_of
from tests.ident.result_files import FORMATS, edited, read_rows, remover, saved, setter, written
from tests.oracles import Oracle, PlainDesign, codes_of, formula_holds, regimes_of

DESIGNS = 300
Codes = tuple[int, ...]


def drawn(seed: int) -> PlainDesign:
    """Two to four variables and interventions, factors over few of each, training that leaves much open."""
    rng = np.random.default_rng(seed)
    variables = tuple(f"x{v}" for v in range(1, int(rng.integers(2, 5)) + 1))
    levels = tuple(int(a) for a in rng.choice([2, 2, 3], size=int(rng.integers(2, 5))))

    def some(count: int, most: int) -> list[int]:
        return sorted(rng.choice(count, size=int(rng.integers(1, most + 1)), replace=False).tolist())

    factors: list[tuple[tuple[str, ...], tuple[int, ...]]] = []
    for _ in range(int(rng.integers(2, 6))):
        x = tuple(variables[v] for v in some(len(variables), 2))
        factors.append((x, tuple(some(len(levels), 2))))
    factors += [((v,), ()) for v in variables if not any(v in x for x, _ in factors)]
    every = list(product(*map(range, levels)))
    train = tuple(every[i] for i in rng.choice(len(every), size=min(len(every) - 1, int(rng.integers(2, 7)))))
    return PlainDesign(levels, variables, tuple(factors), train)


def solvable(design: Design, cells: Cells, target: Any) -> bool:
    """Whether a row is a combination of the training rows: the rank does not grow."""
    if not cells:
        return True
    train = [one_hot(design.model, regime, cells) for regime in design.train]
    return len(reduce(train)[1]) == len(reduce([*train, one_hot(design.model, target, cells)])[1])


class Densities:
    """Positive tables of a plain design's factors, variables of 2 or 3 values, and densities by enumeration."""

    def __init__(self, plain: PlainDesign, seed: int) -> None:
        self.plain, self.rng = plain, np.random.default_rng(seed)
        self.shape = tuple(2 + v % 2 for v in range(len(plain.variables)))
        self.grid = np.indices(self.shape)
        self.tables: dict[tuple[int, Codes], np.ndarray] = {}

    def log(self, regime: Codes, extra: dict[tuple[int, Codes], float], h: np.ndarray | float) -> np.ndarray:
        """log p(x; regime), with factor k at s multiplied by exp(extra[k, s] h(x))."""
        total = np.zeros(self.shape)
        for k, (x, sigma) in enumerate(self.plain.factors):
            cell = (k, tuple(regime[i] for i in sigma))
            axes = [self.plain.variables.index(v) for v in x]
            if cell not in self.tables:
                self.tables[cell] = self.rng.normal(size=[self.shape[a] for a in axes])
            total = total + self.tables[cell][tuple(self.grid[a] for a in axes)] + extra.get(cell, 0.0) * h
        found: np.ndarray = total - np.log(np.exp(total).sum())
        return found


def given_rest(log_table: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """p(x_axes | the rest)."""
    weights = np.exp(log_table - log_table.max())
    found: np.ndarray = weights / weights.sum(axis=tuple(axes), keepdims=True)
    return found


def interaction(log_table: np.ndarray, u: int, v: int) -> np.ndarray:
    """Log odds ratios of two variables against their first values, at every value of the rest."""
    found: np.ndarray = log_table
    for axis in (u, v):
        found = found - np.take(found, [0], axis=axis)
    return found


def refused(seeds: Sequence[int]) -> Iterator[tuple[int, PlainDesign, Design, Identification]]:
    for seed in seeds:
        plain = drawn(seed)
        design = plain.build()
        yield seed, plain, design, identify(design, all_codes(design.model))


def test_the_variables_determined_are_those_whose_systems_are_solvable() -> None:
    """Every variable of every regime of hundreds of designs, by flint's null space of the one-hot system."""
    seen = {0: 0, 1: 0, 2: 0, 3: 0}
    for _, plain, _, found in refused(range(DESIGNS)):
        regimes = [codes_of(target, len(plain.levels)) for target in found.targets]
        holds = {v: Oracle(plain, plain.holding(v)).holds(regimes) for v in plain.variables}
        for row, regime in enumerate(regimes):
            one = found[row]
            known = tuple(v for v in plain.variables if holds[v][row])
            if one.status != Status.NOT_IDENTIFIED:
                assert one.partial is None
                continue
            assert not one.conditionals
            seen[len(known)] += 1
            assert one.certificate is not None
            assert (one.partial is not None) == bool(known)
            if one.partial is not None:
                assert (one.partial.identified, one.partial.variables) == (known, plain.variables)
                assert set(one.partial.given) == set(plain.variables) - set(known)
                for v, formula in one.partial.formulas:
                    assert formula_holds(plain, plain.holding(v), formula.exponents, regime)
    assert min(seen.values()) > 20, seen


def test_the_formula_gives_the_conditional_density_and_nothing_larger_is_determined() -> None:
    checked = changed = 0
    for seed, plain, design, found in refused(range(0, DESIGNS, 6)):
        truth = Densities(plain, seed)
        train = {i: truth.log(codes, {}, 0.0) for i, codes in enumerate(plain.train)}
        for row in found.partial_rows[:4].tolist():
            target, partial = found.targets[row], found[row].partial
            assert partial is not None
            regime = codes_of(target, len(plain.levels))
            expected = truth.log(regime, {}, 0.0)
            axes = [plain.variables.index(v) for v in partial.identified]
            got = given_rest(partial.table(train), axes)
            np.testing.assert_allclose(got, given_rest(expected, axes), atol=1e-10, rtol=0)
            checked += 1
            for v in partial.given:
                axis, cells = plain.variables.index(v), cells_of(design.model, plain.holding(v))
                w = kernel([one_hot(design.model, r, cells) for r in design.train],
                           one_hot(design.model, target, cells))  # fmt: skip
                size = max(map(abs, w))
                extra = {cell: value / size for cell, value in zip(cells, w, strict=True)}
                h = truth.grid[axis].astype(float)
                for i, codes in enumerate(plain.train):
                    np.testing.assert_allclose(truth.log(codes, extra, h), train[i], atol=1e-10, rtol=0)
                moved = given_rest(truth.log(regime, extra, h), [axis]) - given_rest(expected, [axis])
                assert np.abs(moved).max() > 1e-6
                changed += 1
    assert checked > 40
    assert changed > 40


def test_pairs_are_determined_exactly_where_the_system_of_both_is_solvable() -> None:
    kinds = {"formula": 0, "none": 0, "open": 0}
    for seed, plain, design, found in refused(range(0, DESIGNS, 3)):
        truth = Densities(plain, seed)
        train = [truth.log(codes, {}, 0.0) for codes in plain.train]
        model = design.model
        for row in found.rows_with(Status.NOT_IDENTIFIED)[:3].tolist():
            target = found.targets[row]
            regime = codes_of(target, len(plain.levels))
            open_blocks = sorted(
                {model.cover_index[v] for v in plain.variables
                 if not solvable(design, cells_of(model, plain.holding(v)), target)}
            )  # fmt: skip
            pairs = pair_interactions(design, target, tuple(open_blocks))
            assert [(p.block, p.other) for p in pairs] == list(combinations(open_blocks, 2))
            by_block = {(p.block, p.other): p for p in pairs}
            for u, v in combinations(plain.variables, 2):
                blocks = tuple(sorted((model.cover_index[u], model.cover_index[v])))
                pair = by_block.get((blocks[0], blocks[1]))
                if pair is not None:
                    kinds[check_pair(truth, design, pair, (u, v), regime, train)] += 1
    assert min(kinds.values()) > 5, kinds


def check_pair(
    truth: Densities,
    design: Design,
    pair: Interaction,
    names: tuple[str, str],
    regime: Codes,
    train: list[np.ndarray],
) -> str:
    plain = truth.plain
    u, v = (plain.variables.index(name) for name in names)
    shared = tuple(k for k in plain.holding(names[0]) if k in plain.holding(names[1]))
    target = tuple((i, level) for i, level in enumerate(regime) if level)
    cells = cells_of(design.model, shared)
    assert pair.factors == shared
    assert (pair.formula is not None) == solvable(design, cells, target)
    expected = interaction(truth.log(regime, {}, 0.0), u, v)
    if pair.formula is not None:
        got = sum((float(q) * interaction(train[i], u, v) for i, q in pair.formula), np.zeros_like(expected))
        np.testing.assert_allclose(got, expected, atol=1e-9, rtol=0)
        return "formula" if shared else "none"
    w = kernel([one_hot(design.model, r, cells) for r in design.train], one_hot(design.model, target, cells))
    extra = {cell: value / max(map(abs, w)) for cell, value in zip(cells, w, strict=True)}
    h = (truth.grid[u] * truth.grid[v]).astype(float)
    for i, codes in enumerate(plain.train):
        np.testing.assert_allclose(truth.log(codes, extra, h), train[i], atol=1e-10, rtol=0)
    assert np.abs(interaction(truth.log(regime, extra, h), u, v) - expected).max() > 1e-6
    return "open"


def test_every_order_and_reference_of_a_partial_formula_agree() -> None:
    plain = PlainDesign(
        (2, 2, 2, 2),
        ("x1", "x2", "x3", "x4"),
        ((("x1", "x2"), (0,)), (("x2", "x3"), (1,)), (("x3", "x4"), (2,)), (("x4", "x1"), (0, 3))),
        ((0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 1, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
    )
    design = plain.build()
    partial = identify(design, regimes_of([(1, 1, 1, 1)], 4))[0].partial
    assert partial is not None
    assert partial.words == "x2, x3 given x1, x4"
    assert partial.conditionals["x2"] != partial.conditionals["x3"]
    truth = Densities(plain, 5)
    train = {i: truth.log(codes, {}, 0.0) for i, codes in enumerate(plain.train)}
    expected = given_rest(truth.log((1, 1, 1, 1), {}, 0.0), (1, 2))
    for order in (("x2", "x3"), ("x3", "x2")):
        for reference in product(*map(range, truth.shape)):
            np.testing.assert_allclose(
                given_rest(partial.table(train, reference, order), (1, 2)), expected, atol=1e-10
            )
    points = np.array(list(product(*map(range, truth.shape))))
    values = partial(lambda i, at: train[i][tuple(np.asarray(at).T)], points).reshape(truth.shape)
    np.testing.assert_allclose(given_rest(values, (1, 2)), expected, atol=1e-10)
    with pytest.raises(InputError, match="must name each of x2, x3 once"):
        partial.table(train, order=("x1", "x2"))
    with pytest.raises(InputError, match="x has shape"):
        partial(lambda i, at: np.zeros(len(at)), [[0, 0]])
    with pytest.raises(InputError, match="unknown variable 'y'"):
        ConditionalFormula.of({"y": Formula.of({0: 1})}, ("x1", "x2"))


def test_a_refusal_by_the_joint_criterion_has_no_remainder() -> None:
    case = CASES["ring"]
    found = identify(case.design, all_codes(case.design.model), "joint")
    assert np.any(found.status == Status.NOT_IDENTIFIED)
    assert not len(found.partial_rows)


def test_batches_of_alike_targets_answer_as_single_ones() -> None:
    for seed in range(40):
        design = drawn(seed).build()
        targets = all_codes(design.model)
        many = identify(design, targets)
        alone = [identify(design, targets.take([i])) for i in range(len(targets))]
        assert rows_of(Claims.of(many)) == [row for one in alone for row in rows_of(Claims.of(one))]


def test_very_many_interventions_are_not_numbered() -> None:
    """More regimes than 64 bits number: targets are solved as they are."""
    names = [f"s{i}" for i in range(80)]
    study = ifm_ident.Study.from_dict({
        "interventions": dict.fromkeys(names, (0, 1, 2)), "variables": ["x1", "x2"],
        "factors": [{"x": ["x1"], "sigma": [name]} for name in names] + [{"x": ["x2"], "sigma": ["s1"]}],
        "train": [{}, {"s1": 1}, {"s2": 1}],
    })  # fmt: skip
    [one] = study.with_test(["s3=1,s1=1"]).identify()
    assert one.partial is not None
    assert {v: str(f) for v, f in one.partial.formulas} == {"x2": "p(s1=1)"}


# Formats and views


@pytest.mark.parametrize("kind", FORMATS)
def test_a_target_listed_twice_has_two_results(kind: str, tmp_path: Path) -> None:
    case = CASES["ring"]
    targets = all_codes(case.design.model)
    found = answer(case.design, targets.take([9, 9, 10, 11, 11, 9]))
    path = saved(tmp_path, case, [found], kind)
    assert read_rows(path, case) == rows_of(Claims.of(found))
    assert verify_file(path, case).holds


def test_json_says_what_is_given_and_what_identified() -> None:
    case = CASES["ring"]
    found = identify(case.design, all_codes(case.design.model))
    data = json.loads(written(case, [found], "json"))
    assert list(data["results"][9]) == ["regime", "status", "criterion", "certificate", "partial"]
    assert data["results"][9]["partial"] == {
        "given": ["x1", "x4"],
        "identified": ["x2", "x3"],
        "conditionals": {"x2": [{"train": 1, "exponent": "1"}], "x3": [{"train": 0, "exponent": "1"}]},
    }
    lines = list(csv.DictReader(io.StringIO(written(case, [found], "csv").decode())))
    mine = [line for line in lines if line["regime"] == "A+D"]
    assert [(line["variable"], line["kind"], line["train"]) for line in mine] == [
        ("x2", "exponent", "1"), ("x3", "exponent", "0"), ("x1", "kernel", ""),
    ]  # fmt: skip


LEFT = ("results", 9, "partial")
MALFORMED = [
    (remover(*LEFT, "given"), "partial: the key 'given' is missing"),
    (setter(*LEFT, "given", to=["x1"]), "name each of x1, x2, x3, x4 once in all"),
    (setter(*LEFT, "given", to=["x1", "x4", "x2"]), "name each of x1, x2, x3, x4 once in all"),
    (setter(*LEFT, "given", to=["x1", "y"]), "unknown variable 'y'"),
    (setter(*LEFT, "identified", to="x2"), "partial, identified: a list is needed"),
    (remover(*LEFT, "conditionals", "x2"), "conditionals: the key 'x2' is missing"),
    (setter(*LEFT, "conditionals", "x1", to=[]), "conditionals: unknown key 'x1'"),
    (setter(*LEFT, "conditionals", "x2", to=[]), "conditionals, x2: a formula has at least one density"),
    (setter(*LEFT, "conditionals", "x2", to={}), "conditionals, x2: a formula has at least one density"),
    (setter(*LEFT, "conditionals", "x2", to=7), "conditionals, x2: a list is needed"),
    (setter(*LEFT, "conditionals", "x2", 0, "exponent", to="0"), "zeros are left out"),
    (setter(*LEFT, to=None), "partial: an object is needed"),
    (setter("results", 8, "partial", to={}), "unknown key 'partial'"),
]


@pytest.mark.parametrize(("edit", "message"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_remainders_are_refused_by_place(edit: Any, message: str, tmp_path: Path) -> None:
    case = CASES["ring"]
    path = tmp_path / "bad.json"
    path.write_bytes(edited(case, answer(case.design, all_codes(case.design.model)), edit))
    with pytest.raises(InputError) as caught:
        read_rows(path, case)
    assert message in str(caught.value)
    assert not verify_file(path, case).holds


def test_a_formula_of_a_variable_that_has_none_does_not_hold(tmp_path: Path) -> None:
    case = CASES["ring"]

    def claim_more(data: Any) -> None:
        left = data["results"][9]["partial"]
        left.update(given=["x4"], identified=["x1", "x2", "x3"])
        left["conditionals"]["x1"] = [{"train": 1, "exponent": "1"}]

    path = tmp_path / "more.json"
    path.write_bytes(edited(case, answer(case.design, all_codes(case.design.model)), claim_more))
    [failure] = verify_file(path, case).failures
    assert failure.row == 9
    assert "the exponents of x1 do not give" in failure.reason


def test_fewer_formulas_than_there_are_hold() -> None:
    """What is claimed is what is identified; that nothing else is, only of the certificate's variable."""
    case = CASES["ring"]
    found = answer(case.design, all_codes(case.design.model).take([9]))
    claims = Claims.of(found)
    kept = np.flatnonzero(claims.terms.variable == 1)
    fewer = type(claims.terms).of([1], *(getattr(claims.terms, name)[kept] for name in
                                         ("variable", "train", "numerator", "denominator")))  # fmt: skip
    assert verify(replace(claims, terms=fewer)).holds


def test_an_objective_chooses_among_the_formulas_of_the_remainder() -> None:
    case = CASES["ring"]
    identifier = Identifier(case.design, case.notation)
    found = identifier.identify(all_codes(case.design.model))
    chosen = choose(identifier, found, "sparse")
    assert verify(chosen.identification).holds
    row = int(found.partial_rows[-1])
    assert {b: int(a.value) for b, a in chosen.attained(row).items()} == {1: 3, 2: 1}


def test_table_latex_and_notebook_show_the_remainder() -> None:
    case = CASES["ring"]
    found = identify(case.design, all_codes(case.design.model), notation="label")
    write_table(stream := io.BytesIO(), case, [found])
    text = stream.getvalue().decode()
    assert (
        "  A+D      not identified; x2, x3 given x1, x4:\n"
        "      x2 | rest:                     p(A)\n"
        "      x3 | rest:                     p(ctrl)\n"
        "      not x1: factor f4 is never seen at A=1,D=1\n"
    ).replace(" " * 21, " ") in text.replace(" " * 21, " ")
    write_latex(stream := io.BytesIO(), case, [found])
    assert r"& not identified & x2, x3 given x1, x4: \newline x2 $\mid$ rest: $" in stream.getvalue().decode()
    one = found[9]
    assert str(one).startswith("p(A+D) is not identified; x2, x3 given x1, x4:\nx2 given the rest: ∝ p(A)\n")
    html = one._repr_html_()
    assert html is not None
    assert "is not identified; x2, x3 given x1, x4:" in html
    assert "not x1: factor f4 is never seen at A=1,D=1" in html
    assert "x2, x3 given x1, x4: x2 | rest: p(A); x3 | rest: p(ctrl); not x1" in repr(found)


def test_explain_shows_the_remainder_and_the_pairs() -> None:
    study = ifm_ident.Study.from_dict({
        "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x", "y", "z", "u"],
        "factors": [{"x": ["x"], "sigma": ["A"]}, {"x": ["y"], "sigma": ["A"]}, {"x": ["x", "y"], "sigma": ["B"]},
                    {"x": ["z"], "sigma": ["B"]}, {"x": ["u", "z"], "sigma": []}, {"x": ["u"], "sigma": ["A"]}],
        "train": ["00", "01"],
    })  # fmt: skip
    text = " ".join(str(study.explain("11")).split())
    assert "not identified; z given x, y, u: z | rest: proportional to p(01)" in text
    assert "determine the density of z given x, y, u (Brook's lemma)" in text
    assert "u = x, v = y: of p(01)" in text
    assert "u = x, v = u: none: no factor holds both" in text
    assert "Nor is any" not in text
    fewer = study.explain("11", criterion="joint")
    assert "given x, y, u" not in str(fewer)


def test_the_report_shows_the_remainder_in_its_row() -> None:
    case = CASES["ring"]
    found = identify(case.design, all_codes(case.design.model), notation="label")
    row = table_rows(case, found, {})[9]
    assert row.remainder == "x2, x3 given x1, x4"
    assert [formula.whose for formula in row.formulas] == ["x2", "x3"]
    assert row.words == "factor f4 is never seen at A=1,D=1"
    assert row.densities == 0
