"""Data frames as tables: every library, and what hostile frames hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.errors import InputError
from ifm_ident.study.reading._sources import is_tabular
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import read_counts, read_data_regimes, read_regimes
from ifm_ident.study.study import Study

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

MODEL = Model(
    (Intervention("A", (0, 1)), Intervention("dose", (0, 0.5, "high"))),
    ("x",),
    (Factor("f", ("x",), ("A", "dose")),),
)
BITS = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x",), (Factor("f", ("x",), ("A", "B")),))
COLUMNS: dict[str, list[Any]] = {"A": [1, None, None, 0], "dose": ["high", None, "0", "0.5"]}
EXPECTED = [((0, 1), (1, 2)), (), ((1, 1),)]
MAKERS: list[Callable[[dict[str, list[Any]]], Any]] = [pd.DataFrame, pl.DataFrame, pa.table, dict]


@pytest.mark.parametrize("make", MAKERS)
def test_a_column_an_intervention(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    found = read_regimes(MODEL, make(COLUMNS))
    assert list(found.regimes) == EXPECTED
    assert found.notation == "assignment"
    assert found.rows.tolist() == [0, 2, 3]  # the row without any level is no regime


@pytest.mark.parametrize("make", MAKERS)
def test_a_label_column(make: Callable[[dict[str, list[Any]]], Any]) -> None:
    frame = make({"cell": ["c1", "c2"], "guide": ["B_A", "NT"], "depth": [1.5, 2.0]})
    assert list(read_regimes(BITS, frame, "guide").regimes) == [((0, 1), (1, 1)), ()]
    with pytest.raises(InputError, match="no column 'guid'; did you mean guide"):
        read_regimes(BITS, frame, "guid")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(pd.Categorical(["B_A", "NT"], categories=["unused", "NT", "B_A"])),
        pd.Series(["B_A", "NT"], dtype="string"),
        pd.Series(["B_A", "NT"], dtype=pd.ArrowDtype(pa.string())),
        pd.Series(["B_A", "NT"], index=[7, 7]),
        pl.Series(["B_A", "NT"], dtype=pl.Categorical),
        pl.Series(["B_A", "NT"], dtype=pl.Enum(["NT", "B_A"])),
        pa.array(["B_A", "NT"]).dictionary_encode(),
        pa.chunked_array([["B_A"], [], ["NT"]]),
        pa.array(["B_A", "NT"], pa.string_view()),
        np.array(["B_A", "NT"]),
        np.array(["B_A", "NT"], dtype=object),
        ["B_A", "NT"],
        ("B_A", "NT"),
        pa.record_batch({"anything": ["B_A", "NT"]}),
    ],
)
def test_labels_of_every_type(column: Any) -> None:
    assert list(read_regimes(BITS, column).regimes) == [((0, 1), (1, 1)), ()]


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 0], dtype="Int64"),
        pd.array([1, None, 0], dtype="UInt8"),
        pd.Series([1.0, np.nan, 0.0]),
        pd.Series([1, np.nan, "0"], dtype=object),
        pd.Series([np.int64(1), pd.NA, np.float64(0)], dtype=object),
        pd.Categorical([1, None, 0]),
        pd.Series(["1", "", None], dtype=object),
        pl.Series([1, None, 0], dtype=pl.Int8),
        pl.Series([1.0, None, 0.0]),
        pa.array([1, None, 0], pa.decimal128(3, 1)),
    ],
)
def test_levels_of_every_type(column: Any) -> None:
    library = pl if isinstance(column, pl.Series) else pa if isinstance(column, pa.Array) else pd
    columns: dict[str, Any] = {"A": column, "B": [0, 1, 0]}
    found = read_regimes(BITS, pa.table(columns) if library is pa else library.DataFrame(columns))
    assert list(found.regimes) == [((0, 1),), ((1, 1),), ()]
    (note,) = found.notes
    assert note.endswith(
        "1 empty cell was read as baseline" if column[2] is not None else "2 empty cells were read as baseline"
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            pd.DataFrame({"A": [True, False]}),
            "the pandas table: the column 'A' holds values of type bool; .* 0 and 1",
        ),
        (pd.DataFrame({"A": pd.array([True, None], dtype="boolean")}), "type bool"),
        (pl.DataFrame({"A": [True, False]}), "the polars table: .*type bool"),
        (pd.DataFrame({"A": [1, True]}, dtype=object), "the column 'A' holds True in row 2, a bool"),
        (pd.DataFrame({"A": [1, "x", [2]]}), r"the column 'A' holds \[2\] in row 3, a list"),
        (pd.DataFrame({"A": pd.to_datetime(["2020-01-01"])}), "type timestamp"),
        (pd.DataFrame({"A": pd.interval_range(0, 2)}), "the column 'A' holds|type struct"),
        (pd.DataFrame({"A": [1 + 2j]}), "the column 'A' holds|type"),
        (pl.DataFrame({"A": pl.Series([object()], dtype=pl.Object)}), "the column 'A' holds Python objects"),
        (pl.DataFrame({"A": [0.0, float("nan")]}), "the polars table, row 2: .*'nan'"),
        (pd.DataFrame({"A": [0.0, np.inf]}), "the pandas table, row 2: .*'inf'"),
        (pd.DataFrame({"A": ["1.0"]}), r"row 1: .*no level '1\.0'"),
        (pd.DataFrame([[1, 2]], columns=["A", "A"]), "the column 'A' is there twice"),
        (pd.DataFrame([[1, 2]], columns=[3, "3"]), "the column '3' is there twice"),
        (pa.table([["1"], ["0"]], names=["A", "A"]), "the pyarrow table: the column 'A' is there twice"),
        (pd.DataFrame({"Unnamed: 0": [0], "A": [1]}), "the column 'Unnamed: 0' is no intervention"),
        (pd.DataFrame({"label": ["A", None]}), "row 2: the regime in column 'label' is empty; write 'ctrl'"),
        (pd.DataFrame({"label": ["A", np.nan]}, dtype=object), "row 2: the regime in column 'label' is empty"),
        (pl.DataFrame({"A": [1]}).lazy(), r"a lazy frame has no rows yet; give frame\.collect\(\)"),
        (7, "a table is a path, a data frame, an AnnData, or a list of labels, got a int"),
        (np.zeros((2, 2)), r"an array of one axis, got shape \(2, 2\)"),
        ({"A": [1], "B": [1, 2]}, "the columns are of unequal length"),
        ({"A": [b"1"]}, "type binary"),
    ],
)
def test_what_is_wrong_is_named(frame: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_regimes(BITS, frame)
    assert "\n" not in str(caught.value)


def test_a_bad_column_that_nobody_asks_for_does_no_harm() -> None:
    frame = pd.DataFrame({"guide": ["A", "B"], "what": ["x", {2}], "when": pd.to_datetime(["2020", "2021"])})
    assert list(read_regimes(BITS, frame, "guide").regimes) == [((0, 1),), ((1, 1),)]
    assert list(read_data_regimes(BITS, frame.rename(columns={"guide": "label"}))) == [((0, 1),), ((1, 1),)]
    with pytest.raises(InputError, match=r"the column 'what' holds \{2\} in row 2, a set"):
        read_regimes(BITS, frame, "what")


def test_an_unreadable_intervention_is_never_taken_for_baseline() -> None:
    for bad in ([1, [1]], [[1], [0]], ["x", {2}]):
        with pytest.raises(InputError, match="the column 'B' holds"):
            read_data_regimes(BITS, pd.DataFrame({"A": [1, 0], "B": bad}))


def test_an_index_is_no_column_and_says_what_to_do() -> None:
    frame = pd.DataFrame({"guide": ["A", "B"], "n": [3, 4]}).set_index("guide")
    with pytest.raises(InputError, match=r"no column 'guide'; it is the index of the frame: .*reset_index\(\)"):
        read_counts(BITS, frame, "guide")
    found, counts = read_counts(BITS, frame.reset_index(), "guide")
    assert (list(found.regimes), counts.tolist()) == ([((0, 1),), ((1, 1),)], [3, 4])
    shuffled = pd.DataFrame({"A": [0, 1]}, index=[1, 0])
    assert list(read_regimes(BITS, shuffled).regimes) == [(), ((0, 1),)]


def test_frames_stand_where_a_study_names_files() -> None:
    design = {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    }
    cells = pl.DataFrame({"guide": ["NT", "A", "B"], "n": [5, 6, 7]})
    reference = {"file": cells, "label": "guide"}
    study = Study.from_dict(
        {**design, "train": reference, "test": pa.table({"A": [1], "B": [1]}), "samples": reference}
    )
    assert study.samples is not None
    assert study.samples.tolist() == [5, 6, 7]
    assert str(study.identify()[0]) == "p(A+B) ∝ p(A) p(B) / p(ctrl)"
    plain = Study.from_dict({**design, "train": pd.DataFrame({"A": [0, 1, 0], "B": [0, 0, 1]})})
    assert plain.design.train.codes().tolist() == [[0, 0], [1, 0], [0, 1]]
    series = Study.from_dict({**design, "train": pd.Series(["NT", "A"])})
    assert series.notation == "label"
    named = {"file": pd.DataFrame({"g": ["DMSO", "B.A"]}), "labels": {"separator": ".", "control": ["DMSO"]}}
    assert Study.from_dict({**design, "train": named}).design.train.codes().tolist() == [[0, 0], [1, 1]]
    for train, message in (
        (pd.DataFrame({"A": [2]}), "the pandas table, row 1: intervention 'A' has no level '2'"),
        ({"file": cells, "label": "guid"}, r"^train\.file: the polars table: there is no column 'guid'"),
        (pl.DataFrame({"A": [1]}).lazy(), r"^train\.file: a lazy frame"),
    ):
        with pytest.raises(InputError, match=message):
            Study.from_dict({**design, "train": train})
    with pytest.raises(InputError, match="the table has no rows; list at least one test regime"):
        Study.from_dict({**design, "train": ["A"], "test": pa.table({"A": pa.array([], pa.int64())})})
    with pytest.raises(InputError, match=r"data\.file: the `file` of `data` is a path"):
        Study.from_dict({**design, "train": ["A"], "data": {"file": cells}})
    with pytest.raises(InputError, match=r"interventions: `interventions` is a map from names .*got a table"):
        Study.from_dict({**design, "interventions": cells, "train": ["A"]})


def test_what_is_tabular() -> None:
    for value in (pd.DataFrame(), pd.Series(dtype=str), pl.DataFrame(), pl.Series(), pl.LazyFrame(), pa.table({})):
        assert is_tabular(value)
    for value in ({}, [], "a", 1, None, np.zeros(3), Path("x"), MODEL):
        assert not is_tabular(value)


def test_a_million_labels_take_less_than_two_seconds() -> None:
    names = [f"G_{i}" for i in range(60)]
    model = Model(
        tuple(Intervention(name, (0, 1)) for name in names), ("x",), tuple(Factor(n, ("x",), (n,)) for n in names)
    )
    codes = np.random.default_rng(0).integers(0, 60, (1_000_000, 2))
    texts = np.array(["control", *(f"{a}_{b}" for a in names for b in names if a != b)])
    labels = texts[codes[:, 0] * 59 + codes[:, 1] % 59]
    frame = pd.DataFrame({"guide": labels})
    start = time.process_time()
    regimes = read_regimes(model, frame, "guide").regimes
    spent = time.process_time() - start
    assert regimes.active_counts.tolist()[:1000] == [0 if text == "control" else 2 for text in labels[:1000]]
    row = 12_345
    assert "_".join(names[position] for position, _ in regimes[row]) in (
        labels[row],
        "_".join(labels[row].split("_")[2:] + labels[row].split("_")[:2]),
    )
    assert spent < 2, spent


def test_row_errors_name_the_first_bad_row() -> None:
    labels = ["A"] * 5 + ["Q"] + ["B"] * 3 + ["Z", "Q"]
    with pytest.raises(RowError, match=r"the polars table, row 6: .*'Q'"):
        read_regimes(BITS, pl.DataFrame({"label": labels}))
