"""Models: what is legal, what is refused and with which words, and what is derived."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from ifm_ident.design.design import Design
from ifm_ident.design.model import Factor, Intervention, Model, level_text
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve.identifier import Identifier
from tests.oracles import PlainDesign
from tests.strategies import plain_designs

A, B, C = (Intervention(n, (0, 1)) for n in "ABC")
F = Factor("f", ("x",), ("A", "B"))


def model(**changes: Any) -> Model:
    parts: dict[str, Any] = {"interventions": (A, B), "variables": ("x",), "factors": (F,)}
    return Model(**(parts | changes))


@pytest.mark.parametrize(
    ("level", "index"),
    [("low", 1), ("none", 0), (2, 2), ("2", 2), (0.5, 3), ("0.5", 3), ("01", 4)],
)
def test_levels_match_by_text(level: object, index: int) -> None:
    assert Intervention("dose", ("none", "low", 2, 0.5, "01")).index(level) == index


@pytest.mark.parametrize(
    ("level", "remedy"), [("hgh", "did you mean high?"), (7, "legal: none, high"), (True, "legal: none, high")]
)
def test_an_unknown_level_names_the_nearest(level: object, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        Intervention("dose", ("none", "high")).index(level)
    assert str(caught.value) == f"intervention 'dose' has no level '{level}'; {remedy}"


def test_true_is_not_the_level_one() -> None:
    with pytest.raises(InputError, match="no level 'True'"):
        Intervention("A", (0, 1)).index(True)


@pytest.mark.parametrize(
    ("name", "levels", "message"),
    [
        ("A", (0,), "has 1 level"),
        ("A", (), "has 0 level"),
        ("A", (0, 0), "the level '0' twice"),
        ("A", (1, "1"), "the level '1' twice"),
        ("A", (1, 1.0), "twice; levels must be distinct as text and as numbers"),
        ("A", (0, True), 'write "True" in quotes'),
        ("A", (0, None), 'write "None" in quotes'),
        ("A", (0, float("nan")), 'not a finite number; write "nan" in quotes'),
        ("A", (0, float("inf")), 'write "inf" in quotes'),
        ("A", (0, ""), "means baseline"),
        ("A", (0, ["x"]), "a string or a number"),
        ("", (0, 1), "must be text"),
        (5, (0, 1), 'write it in quotes: "5"'),
        ("a+b", (0, 1), r"holds '\+'"),
        ("a,b", (0, 1), "holds ','"),
        ("a=b", (0, 1), "holds '='"),
        ("a:b", (0, 1), "holds ':'"),
        ("a b", (0, 1), "holds ' '"),
        ("a\tb", (0, 1), "white space"),
        ("ctrl", (0, 1), "reserved"),
        ("all", (0, 1), "reserved"),
    ],
)
def test_illegal_interventions(name: Any, levels: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Intervention(name, levels)
    assert caught.value.path[:2] == ("interventions", str(name))


def test_numbers_and_texts_that_differ_are_different_levels() -> None:
    dose = Intervention("dose", (0, "0.0", "zero", 10, 1e22))
    assert [dose.index(level) for level in dose.levels] == [0, 1, 2, 3, 4]
    assert level_text(1e22) == "1e+22"


@pytest.mark.parametrize(
    ("changes", "message", "path"),
    [
        ({"interventions": (A, A)}, "intervention 'A' is named twice", ("interventions", 1)),
        ({"variables": ("x", "x")}, "variable 'x' is named twice", ("variables", 1)),
        ({"variables": ()}, "no variables", ("variables",)),
        ({"variables": ("x", "A")}, "names an intervention and a variable", ("variables",)),
        ({"factors": ()}, "no factors", ("factors",)),
        ({"factors": (Factor("f", (), ("A",)),)}, "empty x-scope", ("factors", 0, "x")),
        ({"factors": (Factor("f", ("y",), ()),)}, "unknown variable 'y'; legal: x", ("factors", 0, "x", 0)),
        ({"factors": (Factor("f", ("x",), ("A", "Bb")),)}, r"did you mean B\?", ("factors", 0, "sigma", 1)),
        ({"factors": (Factor("f", ("x",), ("A", "A")),)}, "named twice", ("factors", 0, "sigma", 1)),
        ({"factors": (Factor("f", ("x", "x"), ()),)}, "named twice", ("factors", 0, "x", 1)),
        ({"factors": (F, F)}, "factor 'f' is named twice", ("factors", 1, "name")),
        ({"variables": ("x", "y")}, r"variable 'y' is in no factor; add a factor \{x: \[y\]", ("variables", 1)),
    ],
)
def test_illegal_models(changes: dict[str, Any], message: str, path: tuple[str | int, ...]) -> None:
    with pytest.raises(InputError, match=message) as caught:
        model(**changes)
    assert caught.value.path == path


def test_legal_corner_cases() -> None:
    """An intervention in no factor, a factor over no intervention, and no intervention at all."""
    assert model(interventions=(A, B, C)).relevant.tolist() == [True, True, False]
    assert model(factors=(F, Factor("g", ("x",), ()))).scopes[1].tolist() == []
    assert len(Model((), ("x",), (Factor("f", ("x",), ()),))) == 0


def test_models_are_values() -> None:
    assert model() == model()
    assert model() != model(interventions=(A, B, C))
    with pytest.raises(dataclasses.FrozenInstanceError):
        model().variables = ("y",)  # type: ignore[misc]


@given(plain_designs())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_derived_quantities(plain: PlainDesign) -> None:
    made = plain.build().model
    assert made.level_counts.tolist() == list(plain.levels)
    assert made.two_level.tolist() == [a == 2 for a in plain.levels]
    assert [s.tolist() for s in made.scopes] == [list(sigma) for _, sigma in plain.factors]
    named = {i for _, sigma in plain.factors for i in sigma}
    assert np.flatnonzero(made.relevant).tolist() == sorted(named)
    assert list(made.covers) == list(dict.fromkeys(plain.holding(v) for v in plain.variables))
    for variable in plain.variables:
        assert made.covers[made.cover_index[variable]] == plain.holding(variable)


def test_arrays_handed_out_cannot_be_written_into() -> None:
    interventions = tuple(Intervention(name, (0, 1)) for name in "AB")
    model = Model(interventions, ("x",), tuple(Factor(f"f{name}", ("x",), (name,)) for name in "AB"))
    codes = np.array([[0, 0], [1, 0], [0, 1]])
    own = np.array([0, 0, 1, 2])
    train = Regimes(own, np.array([0, 1]), np.array([1, 1]), 2)
    design = Design(model, train)
    terms = Identifier(design).identify(Regimes.from_codes(np.array([[1, 1]]))).terms
    for array in (
        *(model.level_counts, model.relevant, model.two_level, *model.scopes),
        *(train.indptr, train.position, train.level, design.first, design.distinct),
        *(terms.indptr, terms.block, terms.train, terms.numerator, terms.denominator),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    own[0] = 0  # what the caller passed in stays the caller's
    assert own.flags.writeable
    assert np.array_equal(train.codes(), codes)
