"""Covariates: given in every density, in no exponent; against enumerated tables, and through every format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_ident.answer.tabulated import TabulatedModel, predicted
from ifm_ident.report.page import Asked, write_report
from ifm_ident.results.read import WRITERS
from ifm_ident.show.latex import write_latex
from ifm_ident.verification.checking import verify_file
from tests.ident.result_files import FORMATS

CYCLE: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "variables": ["x1", "x2", "x3"],
    "covariates": ["age", "plate"],
    "factors": [
        {"x": ["x1", "x2"], "sigma": ["A", "B"], "z": ["age"]},
        {"x": ["x2", "x3"], "sigma": ["B", "C"]},
        {"x": ["x3", "x1"], "sigma": ["C", "A"], "z": ["age", "plate"]},
    ],
    "train": ["110", "101", "011", "100", "010", "001"],
}
TWO: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "covariates": ["age"],
    "randomised": True,
    "factors": [{"sigma": ["A"], "z": ["age"]}, {"sigma": ["B"]}],
    "train": ["00", "10", "01"],
}


def without(mapping: dict[str, Any]) -> dict[str, Any]:
    """The same study without covariates."""
    plain = {key: value for key, value in mapping.items() if key not in ("covariates", "randomised")}
    factors = [{k: v for k, v in factor.items() if k != "z"} for factor in mapping["factors"]]
    return {**plain, "factors": factors}


@pytest.mark.parametrize("mapping", [CYCLE, TWO])
def test_no_verdict_and_no_exponent_changes(mapping: dict[str, Any]) -> None:
    ours, plain = Study.from_dict(mapping).identify(), Study.from_dict(without(mapping)).identify()
    for one, other in zip(ours, plain, strict=True):
        assert (one.status, one.formula, one.conditionals) == (other.status, other.formula, other.conditionals)
    few = {**mapping, "train": mapping["train"][:2]}
    for one, other in zip(Study.from_dict(few).identify(), Study.from_dict(without(few)).identify(), strict=True):
        assert (one.status, one.certificate) == (other.status, other.certificate)


@pytest.mark.parametrize("mapping", [CYCLE, TWO])
def test_the_formula_gives_the_density_at_every_value_of_the_covariate(mapping: dict[str, Any]) -> None:
    study, rng = Study.from_dict(mapping), np.random.default_rng(0)
    answer = study.with_test(["1" * len(study.model)]).identify()[0]
    for _ in range(3):  # the tables of another value of z are free: drawn anew
        truth = TabulatedModel.draw(study.model, 2, rng)
        densities = {i: truth.density(regime) for i, regime in enumerate(study.design.train)}
        target = tuple((i, 1) for i in range(len(study.model)))
        np.testing.assert_allclose(predicted(answer, densities), truth.density(target), atol=1e-12)


def test_taking_a_covariate_for_a_variable_is_wrong_where_its_law_shifts() -> None:
    """The product of p(x, z) multiplies the laws of z too, and moves z where nothing does."""
    rng = np.random.default_rng(1)
    study = Study.from_dict(TWO)
    answer, models = (
        study.with_test(["11"]).identify()[0],
        [TabulatedModel.draw(study.model, 2, rng) for _ in range(2)],
    )
    law_of_z = {(): [0.5, 0.5], ((0, 1),): [0.9, 0.1], ((1, 1),): [0.8, 0.2]}
    joint = {
        i: np.stack([p * model.density(regime) for p, model in zip(law_of_z[regime], models, strict=True)])
        for i, regime in enumerate(study.design.train)
    }
    together = predicted(answer, joint)
    right = np.stack([model.density(((0, 1), (1, 1))) for model in models])
    assert np.abs(together / together.sum(axis=1, keepdims=True) - right).max() < 1e-12  # given z, still right
    assert together.sum(axis=1)[0] > 0.9  # but z = 0 has become more frequent than in any regime


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_carries_them_and_verify_holds_them_against_the_study(kind: str, tmp_path: Path) -> None:
    study, path = Study.from_dict(TWO), tmp_path / f"result.{kind}"
    with path.open("wb") as stream:
        WRITERS[kind](stream, study, [study.identify()])
    assert verify_file(path, study).holds
    if kind == "csv":  # says nothing of the design
        return
    for key, value, word in (
        ("covariates", ["sex"], "covariates"),
        ("randomised", False, "not randomised"),
        ("factors", [{"sigma": ["A"]}, {"sigma": ["B"]}], "factors, entry 0"),
    ):
        changed = {**TWO, key: value}
        if key == "covariates":
            changed["factors"] = without(TWO)["factors"]
        checked = verify_file(path, Study.from_dict(changed))
        assert not checked.holds
        assert key == "covariates" or word in str(checked)


def test_a_header_without_covariates_has_no_key_of_theirs() -> None:
    stream = io.BytesIO()
    plain = Study.from_dict(without(TWO))
    WRITERS["json"](stream, plain, [plain.identify()])
    assert b"covariates" not in stream.getvalue()
    assert b'"z"' not in stream.getvalue()


def test_every_view_says_what_is_given() -> None:
    study = Study.from_dict(TWO)
    answer = study.identify()[3]
    assert str(answer) == "p(x | age; 11) ∝ p(x | age; 10) p(x | age; 01) / p(x | age; 00)"
    assert r"p(x \mid \mathtt{age}; \mathtt{11}) \propto" in str(answer._repr_latex_())
    assert str(answer.formula.sympy().free_symbols if answer.formula else "").count("x | age; ") == 3
    assert "<mi>x</mi><mo>|</mo><mtext>age</mtext><mo>;</mo><mtext>10</mtext>" in answer._repr_html_()
    write_latex(stream := io.BytesIO(), study, [study.identify()])
    assert rb"p(x \mid \mathtt{age}; \mathtt{10})" in stream.getvalue()
    assert "multiply by p(x | age; 01)/p(x | age; 00)" in str(study.explain("11"))
    write_report(page := io.BytesIO(), study, Asked(), [study.identify()])
    assert b"x given age" in page.getvalue()
    assert page.getvalue().count(b"<mi>x</mi><mo>|</mo><mtext>age</mtext>") >= 3


def test_a_refusal_says_that_its_witness_holds_at_every_value() -> None:
    few = Study.from_dict({**CYCLE, "train": ["000", "100"]})
    assert "whatever age, plate are" in str(few.explain("010"))


def test_implications_are_of_conditional_densities() -> None:
    study = Study.from_dict({**TWO, "train": ["00", "10", "01", "11"]})
    assert [str(claim.formula) for claim in study.implications()] == [
        "p(x | age; 00) p(x | age; 11) / (p(x | age; 10) p(x | age; 01))"
    ]


def test_many_covariates_are_named_once() -> None:
    names = [f"covariate{i}" for i in range(9)]
    study = Study.from_dict({**without(TWO), "covariates": names})
    assert str(study.identify()[3]).startswith("p(x | z; 11)")
    assert study.covariates == tuple(names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"covariates": ["x"]}, "'x' is a covariate and a variable"),
        ({"covariates": ["A"]}, "'A' is a covariate and an intervention"),
        ({"covariates": ["age", "age"]}, "covariate 'age' is named twice"),
        ({"covariates": "age"}, r"`covariates` is a list such as \[a, b\]"),
        ({"covariates": [1]}, "a covariate is text"),
        ({"covariates": [], "randomised": False}, "factor 'f1' names the unknown covariate 'age'"),
        ({"randomised": "yes"}, "`randomised` is true where"),
        ({"factors": [{"sigma": ["A"], "z": ["aeg"]}, {"sigma": ["B"]}]}, "unknown covariate 'aeg'; .*age"),
        ({"factors": [{"sigma": ["A"], "z": ["age", "age"]}, {"sigma": ["B"]}]}, "covariate 'age' is named twice"),
    ],
)
def test_errors_name_place_and_remedy(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Study.from_dict({**TWO, **change})


def test_randomised_needs_covariates() -> None:
    with pytest.raises(InputError, match="`randomised` is about covariates, and there are none"):
        Study.from_dict({**without(TWO), "randomised": True})


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ('"randomised": 1', "randomised: true or false is needed"),
        ('"covariates": ["x"]', "is a covariate and a variable"),
        ('"covariates": [3]', "covariates, entry 0: text is needed"),
    ],
)
def test_a_result_with_bad_covariates_is_refused(header: str, words: str, tmp_path: Path) -> None:
    study, path = Study.from_dict(TWO), tmp_path / "result.json"
    with path.open("wb") as stream:
        WRITERS["json"](stream, study, [study.identify()])
    key = header.partition(":")[0]
    old = next(line for line in path.read_text().splitlines() if line.strip().startswith(key))
    path.write_text(path.read_text().replace(old, f" {header},"))
    with pytest.raises(InputError, match=words):
        verify_file(path)
