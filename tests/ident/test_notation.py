"""Regimes as text: the three notations, their clashes, and the round trip."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifm_ident.design.model import Factor, Intervention, Level, Model
from ifm_ident.design.notation import (
    Notation,
    format_regime,
    format_regimes,
    parse_labels,
    parse_map,
    parse_regime,
)
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError


def model_of(levels: dict[str, tuple[Level, ...]]) -> Model:
    interventions = tuple(Intervention(name, values) for name, values in levels.items())
    return Model(interventions, ("variable",), (Factor("f", ("variable",), tuple(levels)),))


BITS = model_of({"A": (0, 1), "B": (0, 1), "C": (0, 1)})
MIXED = model_of({"A": ("off", "on"), "dose": ("none", "low", "x, y"), "B": (0, 1, 2.5)})


@pytest.mark.parametrize(
    ("text", "regime"),
    [
        ("110", ((0, 1), (1, 1))),
        ("000", ()),
        ("ctrl", ()),
        ("C+A", ((0, 1), (2, 1))),
        ("B", ((1, 1),)),
        ("C=1,A=1", ((0, 1), (2, 1))),
        ("A=1, B=0", ((0, 1),)),
        ("A = 1", ((0, 1),)),
    ],
)
def test_every_notation_of_two_level_interventions(text: str, regime: object) -> None:
    assert parse_regime(BITS, text) == regime


def test_quoted_levels_in_assignments() -> None:
    assert parse_regime(MIXED, 'dose="x, y",A=on') == ((0, 1), (1, 2))
    assert parse_regime(MIXED, 'A="on"') == ((0, 1),)
    assert format_regime(MIXED, ((0, 1), (1, 2)), "assignment") == 'A=on,dose="x, y"'


@pytest.mark.parametrize(
    ("model", "text", "words"),
    [
        (BITS, "A+D", ["'A+D'", "unknown intervention 'D'", "A, B, C"]),
        (BITS, "A+A", ["'A+A'", "twice"]),
        (BITS, "A+ctrl", ["stands alone"]),
        (BITS, "A++B", ["empty part"]),
        (BITS, "", ["empty", "ctrl"]),
        (BITS, "  ", ["empty"]),
        (BITS, "11", ["'11' has 2", "3 intervention"]),
        (BITS, "1101", ["4 level(s)"]),
        (BITS, "210", ["'A' has no level '2'", "0, 1"]),
        (BITS, "A=2", ["'A' has no level '2'"]),
        (BITS, "A=1,A=1", ["twice"]),
        (BITS, "A=1,", ["character 5"]),
        (BITS, "A=1+B", ["character 1 on", "quotes"]),
        (BITS, "sig=1", ["unknown intervention 'sig'"]),
        (BITS, 'A="\\q"', ["JSON"]),
        (MIXED, "dose", ["3 levels", "dose=low"]),
        (MIXED, "110", ["unknown intervention '110'", "one character", "'off'"]),
        (MIXED, "dosee=low", ["did you mean dose?"]),
        (MIXED, "dose=lou", ["did you mean low?"]),
    ],
)
def test_refusals_name_the_text_and_the_remedy(model: Model, text: str, words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        parse_regime(model, text)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_two_readings_that_differ_are_refused_and_agreeing_ones_are_not() -> None:
    model = model_of({"01": (0, 1), "10": (0, 1)})
    with pytest.raises(InputError, match=r"two ways.*level string.*'?10 at 1.*label.*01 at 1.*write a map"):
        parse_regime(model, "01")
    with pytest.raises(InputError, match=r"row 2: .*two ways"):
        parse_labels(model, pa.chunked_array([["ctrl", "01"]]))
    agreeing = model_of({"10": (0, 1), "01": (0, 1)})
    assert parse_regime(agreeing, "10") == ((0, 1),)
    equals = model_of({"A": (0, 1, "A"), "B": (0, "="), "C": (0, 1)})
    with pytest.raises(InputError, match="as an assignment, A at 1, and as a level string, A at 'A'"):
        parse_regime(equals, "A=1")


def test_ctrl_is_baseline_even_where_it_is_a_level_string() -> None:
    model = model_of({"A": ("0", "c"), "B": ("0", "t"), "C": ("0", "r"), "D": ("0", "l")})
    assert parse_regime(model, "ctrl") == ()
    everything = tuple((i, 1) for i in range(4))
    text = format_regime(model, everything, "levels")
    assert text != "ctrl"
    assert parse_regime(model, text) == everything


def test_maps_match_numbers_by_value_and_text_as_text() -> None:
    assert parse_map(MIXED, {"B": 2.5, "A": "on"}) == ((0, 1), (2, 2))
    assert parse_map(MIXED, {"B": 1.0, "A": "off"}) == ((2, 1),)
    for bad in ({"Q": 1}, {"B": "1.0"}, {"B": True}, {"B": None}, {"B": float("nan")}):
        with pytest.raises(InputError) as caught:
            parse_map(MIXED, bad)
        assert caught.value.path == (next(iter(bad)),)


def test_a_number_that_two_levels_share_is_refused() -> None:
    model = model_of({"A": ("0", "01", "1.0")})
    with pytest.raises(InputError, match=r"value of the levels '01' and '1\.0'"):
        parse_map(model, {"A": 1})
    assert parse_map(model, {"A": 1.0}) == ((0, 2),)


def test_columns_give_what_single_texts_give() -> None:
    texts = ["A+C", "ctrl", "011", "C=1", "B", "C+B+A", "A+C"]
    chunks = pa.chunked_array([texts[:3], texts[3:]])
    expected = [parse_regime(BITS, text) for text in texts]
    assert list(parse_labels(BITS, chunks)) == expected
    assert list(parse_labels(BITS, chunks.dictionary_encode())) == expected
    assert list(parse_labels(BITS, chunks.cast(pa.large_string()))) == expected
    assert list(parse_labels(BITS, pa.chunked_array([], pa.string()))) == []
    assert list(parse_labels(BITS, chunks.slice(2, 3))) == expected[2:5]


def test_unused_categories_of_a_column_do_not_matter() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([1, 1]), pa.array(["nonsense", "A"]))
    assert list(parse_labels(BITS, pa.chunked_array([column]))) == [((0, 1),)] * 2


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["A", None], "row 2: the regime is missing"),
        (["A", "B", "", "A"], "row 3: .*empty text"),
        (["A", "B", "C+B+C"], "row 3: .*names 'C' twice"),
        (["A", "D", "D"], "row 2: .*unknown intervention 'D'"),
    ],
)
def test_columns_name_the_row(texts: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_labels(BITS, pa.chunked_array([texts]))
    with pytest.raises(InputError, match=message):
        parse_labels(BITS, pa.chunked_array([[text] for text in texts], pa.string()))


def test_columns_of_many_rows_name_the_row_from_the_first() -> None:
    texts = ["A", "B"] * 40_000
    assert len(parse_labels(BITS, pa.chunked_array([texts]))) == 80_000
    texts[70_000] = "D"
    with pytest.raises(InputError, match=r"row 70001: .*unknown intervention 'D'"):
        parse_labels(BITS, pa.chunked_array([texts]))


def test_labels_fall_back_to_assignments_and_levels_refuse_long_levels() -> None:
    regimes = Regimes.from_active([(), ((0, 1),), ((0, 1), (1, 1)), ((2, 2),)], 3)
    assert format_regimes(MIXED, regimes, "label").to_pylist() == ["ctrl", "A", "A=on,dose=low", "B=2.5"]
    assert format_regimes(MIXED, regimes, "assignment").to_pylist()[:2] == ["ctrl", "A=on"]
    with pytest.raises(InputError, match="'A' has 'off'"):
        format_regimes(MIXED, regimes, "levels")
    assert format_regimes(BITS, regimes.take(np.array([1, 0])), "levels").to_pylist() == ["100", "000"]
    assert format_regimes(BITS, regimes.take(np.arange(0)), "label").to_pylist() == []


CHARACTERS = st.sampled_from([*'01ABctrl=,+:" x~é漢😀'])


@st.composite
def models(draw: st.DrawFn, one_character: bool) -> Model:
    names = st.text(st.sampled_from([*"01ABxctrl\"'"]), min_size=1, max_size=4)
    chosen = draw(st.lists(names.filter(lambda n: n not in ("ctrl", "all")), min_size=1, max_size=4, unique=True))
    level = CHARACTERS if one_character else st.text(CHARACTERS, min_size=1, max_size=3)
    return model_of({name: tuple(draw(st.lists(level, min_size=2, max_size=4, unique=True))) for name in chosen})


def check_round_trip(model: Model, notation: Notation) -> None:
    codes = list(itertools.product(*(range(int(a)) for a in model.level_counts)))
    regimes = Regimes.from_codes(np.array(codes))
    texts = format_regimes(model, regimes, notation)
    assert [parse_regime(model, text) for text in texts.to_pylist()] == list(regimes)
    assert list(parse_labels(model, pa.chunked_array([texts]))) == list(regimes)


@given(models(one_character=False), st.sampled_from(["label", "assignment"]))
def test_round_trip_of_labels_and_assignments(model: Model, notation: Notation) -> None:
    check_round_trip(model, notation)


@given(models(one_character=True), st.sampled_from(["label", "levels", "assignment"]))
def test_round_trip_with_one_character_levels(model: Model, notation: Notation) -> None:
    check_round_trip(model, notation)


@pytest.mark.parametrize("notation", ["label", "levels", "assignment"])
def test_long_columns_are_written_block_by_block(notation: Notation, monkeypatch: pytest.MonkeyPatch) -> None:
    regimes = Regimes.from_codes(np.array(list(itertools.product(range(2), repeat=3)) * 5))
    whole = format_regimes(BITS, regimes, notation).to_pylist()
    monkeypatch.setattr("ifm_ident.design.notation._BLOCK_BYTES", 50)
    assert format_regimes(BITS, regimes, notation).to_pylist() == whole
    column = pa.chunked_array([whole[:7], whole[7:]])
    assert list(parse_labels(BITS, column)) == list(regimes)


def test_a_level_string_of_unknown_digits_is_told_its_levels() -> None:
    model = Model(
        (Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x",), (Factor("f", ("x",), ("A", "B")),)
    )
    with pytest.raises(InputError, match="intervention 'A' has no level '2'"):
        parse_regime(model, "22")
