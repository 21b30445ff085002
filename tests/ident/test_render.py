"""What people read: tables, formulas as text, LaTeX, words; and the numeric check of formulas."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.exact_text import integer_column
from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status, Terms
from ifm_ident.answer.tabulated import TabulatedModel, largest_error, predicted
from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.results.header import Heading
from ifm_ident.show._formula_texts import LONGEST, formula_texts
from ifm_ident.show.demonstration import EXAMPLES, example
from ifm_ident.show.explanation import Explanation, explain
from ifm_ident.show.incidence_table import check_lines, full_table, shown_table
from ifm_ident.show.latex import write_latex
from ifm_ident.show.table import write_table
from ifm_ident.show.words import Tally, listed, refusal_words
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.study.study import Study
from tests.cases import CASES, CHAIN, CONDITIONAL, UNTOUCHED, Case, codes
from tests.oracles import Oracle, PlainDesign, conditional_verdicts, formula_holds, regimes_of
from tests.strategies import plain_designs


def table_of(study: Study | Heading, chunks: Iterable[Identification]) -> str:
    write_table(stream := io.BytesIO(), study, chunks)
    return stream.getvalue().decode()


def answered(study: Study, criterion: CriterionName = "auto", chunk: int = 65536) -> list[Identification]:
    identifier = Identifier(study.design, study.notation)
    return [identifier.identify(targets, criterion) for targets in study.targets(chunk)]


POSTER = """\
poster example: 3 interventions, 2 factors, 6 training regimes
p(R) is the density of x in regime R. Formulas hold up to a factor that does not
depend on x. A regime is written as the levels of sigma1, sigma2 and sigma3 in
order.

baseline
  observed: 000

1 intervention active
  observed: 001 010 100

2 interventions active
  observed: 011 110
  101  identified  p(100) p(001) / p(000)

3 interventions active
  111  identified  p(110) p(011) / p(010)

2 of 2 unseen regimes are identified.
"""


def test_the_poster_table() -> None:
    study = example("poster")
    assert table_of(study, answered(study)) == POSTER


def test_the_three_cycle_table() -> None:
    study = example("three-cycle")
    lines = table_of(study, answered(study)).splitlines()
    assert lines[-4:] == [
        "3 interventions active",
        "  111  identified  p(000) p(110) p(011) p(101) / (p(010) p(100) p(001))",
        "",
        "The one unseen regime is identified.",
    ]


def test_the_conditional_table() -> None:
    study = example("conditional")
    lines = table_of(study, answered(study)).splitlines()
    assert lines[-8:-4] == [
        "  111  identified  by full conditionals",
        "      x1 | rest: p(110) p(101) / p(100)",
        "      x2 | rest: p(110) p(011) / p(010)",
        "      x3 | rest: p(101) p(011) / p(001)",
    ]
    assert lines[-1] == "2 of 2 unseen regimes are identified, all by full conditionals only."
    joint = table_of(study, answered(study, "joint"))
    assert "  111  no joint formula  training leaves the product of f1, f2 and f3 open" in joint
    assert "try `--criterion conditional`" in joint
    assert joint.endswith("0 of 2 unseen regimes are identified; 2 have no joint formula.\n")


def test_refusals_name_the_cell_or_the_factors() -> None:
    study = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": ["no", "low", "high"]},
            "variables": ["x", "y"],
            "factors": [{"x": ["x"], "sigma": ["A"]}, {"x": ["x", "y"], "sigma": ["B"]}],
            "train": ["ctrl", "B=low", "A=1"],
        }
    )
    lines = table_of(study, answered(study)).splitlines()
    assert "  B=high      not identified  factor f2 is never seen at B=high" in lines
    assert "  A=1,B=low   identified      p(B=low) p(A=1) / p(ctrl)" in lines
    assert lines[-1] == "1 of 3 unseen regimes is identified; 2 are not."
    assert "v | rest" not in "\n".join(lines)


def test_cut_formulas_say_so_and_others_do_not() -> None:
    width = 40
    names = [f"s{i}" for i in range(width)]
    model = Model(
        tuple(Intervention(name, (0, 1)) for name in names),
        ("x",),
        tuple(Factor(f"f{i}", ("x",), (name,)) for i, name in enumerate(names)),
    )
    design = Design(model, Regimes.from_codes(np.vstack([np.zeros((1, width), int), np.eye(width, dtype=int)])))
    study = Heading("many", design, "label")
    found = Identifier(design, "label").identify(Regimes.from_codes(np.ones((1, width), dtype=int)))
    text = table_of(study, [found])
    assert "... (41 densities)" in text
    assert "Formulas of more than 200 characters are cut" in text
    shown = next(line for line in text.splitlines() if "densities" in line).partition("  identified  ")[2]
    assert LONGEST - 10 < len(shown.partition(" ...")[0]) <= LONGEST
    whole = "\n".join(Explanation(Identifier(design, "label"), found.targets[0]).lines())
    assert str(found[0].formula) in whole


def test_chunks_continue_a_group() -> None:
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in "ABCD"},
            "factors": [{"sigma": [name]} for name in "ABCD"],
            "train": ["0000", "1000", "0100", "0010", "0001"],
            "test": {"order": 2},
        }
    )
    assert table_of(study, answered(study, chunk=3)).replace("\n  observed:", "") == table_of(
        study, answered(study)
    ).replace("\n  observed:", "")


@pytest.mark.parametrize(
    ("tally", "sentence"),
    [
        (Tally(), "No regime was asked about."),
        (Tally(observed=1), "The regime asked about is observed: there is nothing to identify."),
        (Tally(observed=6), "All 6 regimes asked about are observed: there is nothing to identify."),
        (Tally(joint=1), "The one unseen regime is identified."),
        (Tally(conditional=1), "The one unseen regime is identified, by full conditionals only."),
        (Tally(refused=1), "The one unseen regime is not identified."),
        (Tally(no_joint=1), "The one unseen regime has no joint formula."),
        (Tally(undecided=1), "The one unseen regime is undecided."),
        (Tally(observed=2, joint=2), "2 of 2 unseen regimes are identified."),
        (Tally(joint=1, refused=1), "1 of 2 unseen regimes is identified; 1 is not."),
        (
            Tally(joint=2, conditional=1, refused=3),
            "3 of 6 unseen regimes are identified, 1 of them by full conditionals only; 3 are not.",
        ),
        (Tally(joint=1500, no_joint=1), "1,500 of 1,501 unseen regimes are identified; 1 has no joint formula."),
        (Tally(joint=1, undecided=2), "1 of 3 unseen regimes is identified; 2 are undecided."),
    ],
)
def test_closing_sentences(tally: Tally, sentence: str) -> None:
    assert tally.sentence == sentence


def test_lists_of_names() -> None:
    assert listed(["a", "b"]) == "a and b"
    assert listed(list("abcde"), noun="factors") == "a, b, c, d and e"
    assert listed(list("abcdef"), noun="factors") == "a, b, c, d and 2 more factors"


def test_refusal_words_name_the_variables_only_where_it_matters() -> None:
    model = CONDITIONAL.plain.build().model
    cells = (((0, (1, 1)), 1), ((2, (1, 1)), -1))
    assert refusal_words(model, KernelCertificate(0, cells)).endswith("the product of f0 and f2 open in x1 | rest")
    assert refusal_words(model, KernelCertificate(JOINT, cells)).endswith("the product of f0 and f2 open")


def fractions() -> st.SearchStrategy[Fraction]:
    return st.fractions(-4, 4, max_denominator=3).filter(bool) | st.integers(-3, 3).filter(bool).map(Fraction)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 6), fractions(), max_size=5), max_size=6))
def test_formula_texts_are_those_of_formulas(rows: list[dict[int, Fraction]]) -> None:
    names = [f"r{i}" for i in range(7)]
    formulas = [Formula.of(row, names) for row in rows]
    flat = [(i, q) for formula in formulas for i, q in formula]
    terms = Terms(
        np.cumsum([0, *map(len, formulas)]),
        np.full(len(flat), JOINT, dtype=np.int64),
        np.array([i for i, _ in flat], dtype=np.int64),
        integer_column([q.numerator for _, q in flat]),
        integer_column([q.denominator for _, q in flat]),
    )
    found = formula_texts(terms, pa.array(names))
    assert found.row.tolist() == [row for row, formula in enumerate(formulas) if len(formula)]
    assert found.text.to_pylist() == [str(formula) for formula in formulas if len(formula)]
    assert not found.cut.any()


def test_long_exponents_are_counted_not_shown() -> None:
    terms = Terms(
        np.array([0, 2]),
        np.array([-1, -1]),
        np.array([0, 1]),
        integer_column([10**30, -7]),
        integer_column([3, 1]),
    )
    assert formula_texts(terms, pa.array(["a", "b"])).text.to_pylist() == ["p(a)^([31 digits]/3) / p(b)^7"]


def test_latex_escapes_and_balances() -> None:
    study = Study.from_dict(
        {
            "name": "100% & more_",
            "interventions": {"a_1": [0, 1], "b#": [0, 1], "c": [0, 1, 2]},
            "factors": [{"name": "f_1", "sigma": ["a_1"]}, {"sigma": ["b#"]}, {"sigma": ["c"]}],
            "train": ["ctrl", "a_1", "b#", "c=1"],
            "test": ["a_1+b#", "c=2", "a_1"],
        }
    )
    write_latex(stream := io.BytesIO(), study, answered(study))
    text = stream.getvalue().decode()
    assert r"\caption{100\% \& more\_: 3 factors, 4 training regimes." in text
    density = r"p(x; \mathtt{a\_1})\, p(x; \mathtt{b\#})"
    assert rf"\texttt{{a\_1+b\#}} & identified & $\frac{{{density}}}{{p(x; \mathtt{{ctrl}})}}$ \\" in text
    assert r"\texttt{c=2} & not identified & factor f3 is never seen at c=2 \\" in text
    assert r"\texttt{a\_1} & observed &  \\" in text
    assert text.count("{") == text.count("}")
    assert not re.search(r"(?<!\\)[_#%]", text.partition("\n")[2])
    assert text.startswith("% needs ")
    assert text.count(r"\begin{") == text.count(r"\end{") == 1
    body = [line for line in text.splitlines() if " & " in line]
    assert all(line.count(" & ") == 2 and line.endswith(r"\\") for line in body if "caption" not in line)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tables_agree_with_the_oracle(case: Case) -> None:
    plain = case.plain
    every = plain.every_regime()
    design = plain.build()
    found = Identifier(design, "levels").identify(regimes_of(every, len(plain.levels)))
    text = table_of(Heading(case.name, design, "levels"), [found])
    verdicts = dict(re.findall(r"^  (\d+) +(identified|not identified)  ", text, re.MULTILINE))
    holds = conditional_verdicts(plain, every)
    wanted = {
        "".join(map(str, regime)): "identified" if good else "not identified"
        for regime, good in zip(every, holds, strict=True)
        if regime not in plain.train
    }
    assert verdicts == wanted


@settings(max_examples=60, deadline=None)
@given(plain_designs(), st.sampled_from(("joint", "conditional", "auto")), st.data())
def test_every_regime_can_be_explained(plain: PlainDesign, criterion: CriterionName, data: st.DataObject) -> None:
    every = plain.every_regime()
    target = data.draw(st.sampled_from(every))
    design = plain.build()
    explanation = Explanation(Identifier(design, "levels"), regimes_of([target], len(target))[0], criterion)
    text = "\n".join(explanation.lines())
    joint = Oracle(plain, plain.every_factor).holds([target])[0]
    good = joint if criterion == "joint" else conditional_verdicts(plain, [target])[0]
    if target in plain.train:
        assert "observed: it is training regime" in text
    elif good:
        assert "\nidentified" in text
        assert "Proof by example" not in text
    else:
        assert ("no joint formula: " if criterion == "joint" else "\nnot identified") in text
        known = [v for v in plain.variables if Oracle(plain, plain.holding(v)).holds([target])[0]]
        if criterion != "joint":
            assert (f"not identified; {', '.join(known)} given " in text) == bool(known)
        assert "Proof by example" in text
        assert "Nearest" in text
    ranks = [int(rank) for rank in re.findall(r"Rank (\d+) from", text)]
    if ranks and criterion != "conditional":
        assert ranks[0] == Oracle(plain, plain.every_factor).rank


@settings(max_examples=60, deadline=None)
@given(plain_designs(), st.data())
def test_tables_show_the_incidence_system(plain: PlainDesign, data: st.DataObject) -> None:
    design = plain.build()
    target = data.draw(st.sampled_from(plain.every_regime()))
    active = regimes_of([target], len(target))[0]
    table = full_table(design, plain.every_factor, active)
    if table is not None:
        for row, shows in zip([*(plain.train[i] for i in table.rows), target], table.shows, strict=True):
            for (k, levels), mark in zip(table.cells, shows.tolist(), strict=True):
                assert mark == (tuple(row[i] for i in plain.factors[k][1]) == levels)
    answer = Identifier(design).identify(regimes_of([target], len(target)), "joint")
    exponents = answer.terms.exponents(0).get(JOINT)
    if exponents:
        used = shown_table(design, plain.every_factor, sorted(exponents), active)
        check_lines(used, str, exponents)
        for i in exponents:
            changed = {**exponents, i: exponents[i] + 1}
            if not formula_holds(plain, plain.every_factor, changed, target) and sum(changed.values()) == 1:
                with pytest.raises(ValueError, match="sum to"):
                    check_lines(used, str, changed)


EXPLAINED = """\
Regime 111: sigma1=1, sigma2=1, sigma3=1
identified: p(111) is proportional to p(110) p(011) / p(010)

Joint criterion: one equation for each level combination (cell) of a factor

               f1^          f2^
               00 01 10 11  00 01 10 11
q1 = 0   000    *            *
q2 = -1  010       *               *
q3 = 0   100          *      *
q4 = 1   110             *         *
q5 = 0   001    *               *
q6 = 1   011       *                  *
p*       111    0  0  0  1   0  0  0  1

Check of every level combination (exponents sum to 1 in all, in every factor):
f1^01  -1 p(010), +1 p(011): sum 0, 111 does not show it
f1^11  +1 p(110): sum 1, 111 shows it
f2^10  -1 p(010), +1 p(110): sum 0, 111 does not show it
f2^11  +1 p(011): sum 1, 111 shows it

Rank 6 from 6 distinct training regimes: these exponents are the only solution.

Message passing on the graph that joins interventions of one factor
  outside the clique at hand every intervention is as in 000
  start from clique {sigma1,sigma2}: p(110)
  join clique {sigma2,sigma3} over separator {sigma2}: multiply by p(011)/p(010)
  the product is proportional to p(111)

Conditional criterion: for each variable the factors that hold it
  Not needed: a joint formula is a formula of every full conditional too."""


def test_the_poster_explained() -> None:
    lines = explain(example("poster"), ((0, 1), (1, 1), (2, 1)))
    assert "\n".join(lines[5:]) == EXPLAINED


def test_an_observed_regime_and_what_predicts_it() -> None:
    identifier = Identifier(UNTOUCHED.plain.build(), "levels")
    assert "There is" not in "\n".join(Explanation(identifier, ()).lines())
    twin = Explanation(identifier, ((0, 1), (1, 1))).lines()
    assert twin[-2:] == [
        "It differs from training regime 10 only in s1, which is in no factor: the two",
        "densities are the same.",
    ]
    model = CHAIN.plain.build().model
    saturated = Design(model, Regimes.from_codes(np.array(CHAIN.plain.every_regime())))
    lines = Explanation(Identifier(saturated, "levels"), ((0, 1), (1, 1), (2, 1))).lines()
    assert lines[1] == "observed: it is training regime 8 of 8"
    assert lines[-2] == "  yes: p(111) is proportional to p(011) p(110) / p(010)"
    alone = Explanation(Identifier(CHAIN.plain.build(), "levels"), ((1, 1), (2, 1))).lines()
    assert alone[-1] == "  no: without it, factor f1 is never seen at s1=1,s2=1"


def test_one_training_regime_that_shows_all_the_target_shows_needs_no_columns() -> None:
    one = Study.from_dict(
        {
            "interventions": {"A": [0, 1, 2, 3, 4, 5], "B": [0, 1, 2, 3, 4], "C": [0, 1]},
            "variables": ["x1", "x2", "x3"],
            "factors": [
                {"x": ["x1"], "sigma": ["A", "B"]},
                {"x": ["x2"], "sigma": ["B", "C"]},
                {"x": ["x3"], "sigma": ["A"]},
            ],
            "train": ["A=1,B=1", "B=1,C=1"],
        }
    )
    lines = explain(one, ((0, 1), (1, 1), (2, 1)))
    start = lines.index("x1 | rest: x1 is in f1")
    assert lines[start + 1 : start + 5] == [
        "q1 = 1  A=1,B=1",
        "p*      A=1,B=1,C=1",
        "No column: training regime and target have the same levels in these factors.",
        "Not drawn: 1 other training regime and 30 other columns.",
    ]


def test_freedom_is_told() -> None:
    model = CHAIN.plain.build().model
    train = [regime for regime in CHAIN.plain.every_regime() if regime != codes("111")]
    design = Design(model, Regimes.from_codes(np.array(train)))
    text = " ".join(Explanation(Identifier(design, "levels"), ((0, 1), (1, 1), (2, 1))).lines())
    assert "Rank 6 from 7 distinct training regimes: there are other solutions, in 1 dimension" in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_formulas_hold_on_random_models(name: str) -> None:
    study = example(name)
    drawn = TabulatedModel.draw(study.model, 3, np.random.default_rng(7))
    for found in answered(study):
        for row, answer in enumerate(found):
            if answer.status == Status.IDENTIFIED:
                assert largest_error(drawn, study.design, found.targets[row], answer) < 1e-12
            elif answer.status == Status.NOT_IDENTIFIED:
                assert found.criterion[row] == Criterion.CONDITIONAL
                with pytest.raises(InputError, match="111 has no formula: it is not identified"):
                    predicted(answer, {})


def test_enumerated_densities_are_the_product_of_the_factors() -> None:
    a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1, 2))
    factors = (Factor("f", ("y", "x"), ("B", "A")), Factor("g", ("x",), ()))
    drawn = TabulatedModel.draw(Model((a, b), ("x", "y"), factors), 2, np.random.default_rng(1))
    density = drawn.density(((0, 1), (1, 2)))
    f, g = drawn.tables
    weights = {(x, y): f[y, x, 2, 1] * g[x] for x in (0, 1) for y in (0, 1)}
    for at, weight in weights.items():
        assert density[at] == pytest.approx(weight / sum(weights.values()), rel=1e-12)
    with pytest.raises(InputError, match="more than 1,000,000 cells"):
        TabulatedModel.draw(Model((a, b), ("x", "y"), factors), 1001, np.random.default_rng(1))
