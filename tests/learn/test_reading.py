"""`read_samples`: what the columns become, and what is refused, with file, row and remedy."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident import InputError, Study
from ifm_learn.data.reading import read_samples

STUDY: dict[str, Any] = {
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x1", "x2"],
    "factors": [{"x": ["x1", "x2"], "sigma": ["A"]}, {"x": ["x2"], "sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
}
TABLE: dict[str, list[Any]] = {
    "extra": ["p", "q", "r", "s", "t", "u"],
    "B": [0, 0, 1, 1, 0, 0],
    "y": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    "A": [0, 1, 0, 1, 1, 0],
    "x2": [1.0, 4.0, 2.0, 9.0, 6.0, 3.0],
    "x1": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5],
}


def study(folder: Path | None = None, **changes: Any) -> Study:
    return Study.from_dict(STUDY | changes, folder)


def csv(
    folder: Path, changes: dict[str, list[Any]] | None = None, sep: str = ",", name: str = "cells.csv"
) -> Path:
    columns = TABLE | (changes or {})
    rows = zip(*columns.values(), strict=True)
    path = folder / name
    path.write_text("\n".join(sep.join(map(str, row)) for row in [tuple(columns), *rows]) + "\n")
    return path


def check(samples: Any) -> None:
    """Row 4 is A+B, which is no training regime."""
    assert samples.regime.tolist() == [0, 1, 2, 1, 0]
    assert samples.x.tolist() == [[0.5, 1.0], [1.5, 4.0], [2.5, 2.0], [4.5, 6.0], [5.5, 3.0]]
    assert samples.y.tolist() == [1.0, 2.0, 3.0, 5.0, 6.0]
    assert (samples.ignored, samples.outcome, samples.scaling) == (1, "y", None)


def test_the_study_names_its_file(tmp_path: Path) -> None:
    csv(tmp_path)
    check(read_samples(study(tmp_path, data={"file": "cells.csv", "outcome": "y"})))


@pytest.mark.parametrize("kind", ["tsv", "txt", "parquet", "pandas", "polars", "arrow", "map", "anndata", "h5ad"])
def test_every_source_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    source: Any
    if kind in ("tsv", "txt"):
        source = csv(tmp_path, sep="\t", name=f"cells.{kind}")
    elif kind == "parquet":
        source = str(tmp_path / "cells.parquet")
        pq.write_table(pa.table(TABLE), source)
    elif kind in ("anndata", "h5ad"):
        source = anndata.AnnData(
            np.column_stack([TABLE["x2"], TABLE["x1"], TABLE["y"]]),
            obs=pandas.DataFrame({"A": TABLE["A"], "B": TABLE["B"]}, index=list("abcdef")),
            var=pandas.DataFrame(index=["x2", "x1", "y"]),
        )
        if kind == "h5ad":
            source.write_h5ad(tmp_path / "cells.h5ad")
            source = tmp_path / "cells.h5ad"
    else:
        source = {"pandas": pandas.DataFrame, "polars": polars.DataFrame, "arrow": pa.table, "map": dict}[kind](
            TABLE
        )
    check(read_samples(study(), source, outcome="y"))


def test_numbers_come_in_many_types() -> None:
    exact = pa.table(TABLE).set_column(5, "x1", pa.array(["0.5", " 1.5", "25e-1", "?", "4.5 ", "+5.5"]))
    exact = exact.set_column(4, "x2", pa.array([1, 4, 2, 9, 6, 3], pa.decimal128(5, 2)).dictionary_encode())
    check(read_samples(study(), exact, outcome="y"))


def test_labels_name_regimes_and_repeated_training_regimes_are_merged() -> None:
    table = {"cell": ["ctrl", "B+A", "A", "B"], "x1": [1, 2, 3, 4], "x2": [5, 6, 7, 8]}
    samples = read_samples(study(train=["B", "ctrl", "A", "B"]), table, label="cell")
    assert samples.regime.tolist() == [1, 2, 0]
    assert (samples.ignored, samples.y) == (1, None)


def test_arguments_win_over_the_study(tmp_path: Path) -> None:
    data = {"file": "nowhere.csv", "outcome": "y", "scale": "standard", "log": ["x1"]}
    check(read_samples(study(data=data), csv(tmp_path), scale="none", log=[]))


@pytest.mark.parametrize("scale", ["none", "standard", "paper"])
def test_scaling_by_hand(scale: Any) -> None:
    rng = np.random.default_rng(0)
    sizes = (3, 5, 4, 6)  # ctrl, A, B, and A+B, which is ignored
    labels = np.repeat(["ctrl", "A", "B", "A+B"], sizes)
    raw = np.exp(rng.normal(size=(18, 2)))
    table = {"cell": labels.tolist(), "x1": raw[:, 0], "x2": raw[:, 1], "y": raw[:, 0]}
    samples = read_samples(study(), table, label="cell", outcome="y", scale=scale, log=["x2"])
    x = np.column_stack([raw[:12, 0], np.log(raw[:12, 1])])
    groups = {"none": [], "standard": [x], "paper": [x[:3], x[3:8], x[8:]]}[scale]
    mean = np.mean([g.mean(axis=0) for g in groups], axis=0) if groups else 0
    sd = np.mean([g.std(axis=0, ddof=1) for g in groups], axis=0) if groups else 1
    np.testing.assert_allclose(samples.x, (x - mean) / sd, rtol=1e-12)
    assert samples.y is not None
    assert samples.y.tolist() == raw[:12, 0].tolist()
    assert samples.scaling is not None
    np.testing.assert_allclose(samples.scaling.undo(samples.x), raw[:12], rtol=1e-12)
    np.testing.assert_allclose(samples.scaling.apply(raw[:12]), samples.x, rtol=1e-12)


def test_cells_of_ignored_rows_are_not_looked_at(tmp_path: Path) -> None:
    path = csv(tmp_path, {"x1": [0.5, 1.5, 2.5, "", 4.5, 5.5], "y": [1, 2, 3, "bad", 5, 6]})
    check(read_samples(study(), path, outcome="y"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x1", "", "cells.csv, row 6: x1 is missing; fill it in or remove the row"),
        ("x2", " ", "cells.csv, row 6: x2 is missing; fill it in or remove the row"),
        ("y", "", "cells.csv, row 6: y is missing; fill it in or remove the row"),
        ("x1", "n/a", "cells.csv, row 6: x1 is 'n/a', no finite number; correct it or remove the row"),
        ("x1", '"0,5"', "cells.csv, row 6: x1 is '0,5', no finite number"),
        ("x1", "nan", "cells.csv, row 6: x1 is 'nan', no finite number"),
        ("y", "-inf", "cells.csv, row 6: y is '-inf', no finite number"),
        ("x2", "0", "cells.csv, row 6: x2 is 0, which has no logarithm; correct it, or leave x2 out of `log`"),
        ("x2", "-1.5", "cells.csv, row 6: x2 is -1.5, which has no logarithm"),
        ("A", "2", "cells.csv, row 6: intervention 'A' has no level '2'; legal: 0, 1"),
    ],
)
def test_a_bad_cell_is_named_in_the_numbering_of_the_file(
    tmp_path: Path, column: str, value: str, message: str
) -> None:
    path = csv(tmp_path, {column: [*TABLE[column][:-1], value]})
    with pytest.raises(InputError) as caught:
        read_samples(study(), path, outcome="y", log=["x2"])
    assert message in str(caught.value)


@pytest.mark.parametrize("frame", [pandas.DataFrame, polars.DataFrame, pa.table])
def test_missing_values_of_frames_are_missing(frame: Any) -> None:
    for missing in (None, float("nan")):
        with pytest.raises(InputError, match="row 3: x1 is missing"):
            read_samples(study(), frame(TABLE | {"x1": [0.5, 1.5, missing, 3.5, 4.5, 5.5]}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([True, False] * 3, "'x1' holds values of type bool; write the numbers 0 and 1"),
        ([datetime.date(2024, 1, 1)] * 6, "'x1' holds values of type date32"),
        ([[1.0]] * 6, "'x1' holds values of type list"),
    ],
)
def test_columns_of_other_types_are_refused(values: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_samples(study(), TABLE | {"x1": values})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outcome": "x2"}, "the outcome 'x2' is a variable too; take it out of `variables`"),
        ({"outcome": "A"}, "the outcome 'A' is an intervention too"),
        ({"outcome": "extra", "label": "extra"}, "'extra' is the label column and the outcome"),
        ({"label": "x1"}, "the label column 'x1' is a variable too"),
        ({"outcome": "yy"}, "there is no column 'yy'; did you mean y?"),
        ({"label": "Extra"}, "there is no column 'Extra'; did you mean extra?"),
        ({"log": ["xx2"]}, "`log` names 'xx2', which is no variable; did you mean x2?"),
        ({"outcome": "y", "log": ["y"]}, "the outcome 'y' is estimated as it is"),
        ({"scale": "paper"}, "scale: paper needs two rows or more of every training regime"),
    ],
)
def test_names_and_scales_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_samples(study(), TABLE, **options)
    assert message in str(caught.value)


def test_a_variable_without_column_or_spread() -> None:
    without = {key: value for key, value in TABLE.items() if key != "x2"} | {"xx2": TABLE["x2"]}
    with pytest.raises(
        InputError, match=r"no column 'x2'; did you mean xx2\? \(every variable of the model needs"
    ):
        read_samples(study(), without)
    with pytest.raises(InputError, match="the table: x2 does not vary: its standard deviation is 0"):
        read_samples(study(), TABLE | {"x2": [0.1] * 6}, scale="standard")


@pytest.mark.parametrize(
    ("train", "named"), [(["ctrl", "A+B"], "A"), (["00", "11"], "10"), ([{}, {"A": 1, "B": 1}], "A=1")]
)
def test_a_training_regime_without_rows_is_named_as_the_study_writes_it(train: list[Any], named: str) -> None:
    extra: dict[str, Any] = {"A": 1} if isinstance(train[0], dict) else named  # type: ignore[assignment]
    table = TABLE | {"A": [0, 1, 0, 1, 1, 0], "B": [0, 1, 1, 1, 1, 0]}
    with pytest.raises(InputError) as caught:
        read_samples(study(train=[*train, extra]), table)
    assert f"the training regime {named} (train[2]) has no rows; measure it or leave it out" in str(caught.value)


def test_a_forgotten_intervention_column_is_named() -> None:
    table = {key: value for key, value in TABLE.items() if key != "B"}
    with pytest.raises(InputError, match=r"regime B \(train\[2\]\) has no rows.*the table has no column 'B'"):
        read_samples(study(), table)


def test_a_study_without_data_asks_for_a_table() -> None:
    with pytest.raises(InputError, match="has no `data`; add"):
        read_samples(study())


def test_many_rows() -> None:
    rng = np.random.default_rng(0)
    n = 100_000
    table = pa.table({
        "cell": rng.choice(["ctrl", "A", "B", "A+B"], n),
        "x1": rng.normal(size=n).astype(str),
        "x2": rng.normal(size=n),
    })  # fmt: skip
    samples = read_samples(study(), table, label="cell", scale="paper")
    assert len(samples) + samples.ignored == n
    last = pa.table({"cell": ["A"] * n, "x1": ["1.5"] * (n - 1) + ["?"], "x2": np.ones(n)})
    with pytest.raises(InputError, match="row 100000: x1 is '\\?'"):
        read_samples(study(train=["A"]), last, label="cell")


@pytest.mark.parametrize("column", ["x1", "y"])
def test_a_value_whose_square_overflows_is_named(tmp_path: Path, column: str) -> None:
    values: list[Any] = [*TABLE[column]]
    values[4] = 1e200
    path = csv(tmp_path, {column: values})
    with pytest.raises(
        InputError, match=rf"cells.csv, row 5: {column} is 1e\+200, beyond 1e\+100; give it in a larger"
    ):
        read_samples(study(), path, outcome="y")
    samples = read_samples(study(), TABLE, outcome="y")
    with pytest.raises(InputError, match=r"y holds 1e\+101 at row 1, beyond 1e\+100"):
        dataclasses.replace(samples, y=np.full(5, 1e101))


def test_several_training_regimes_without_rows() -> None:
    with pytest.raises(
        InputError, match=r"regimes A \(train\[1\]\), B \(train\[2\]\) have no rows; measure or leave them"
    ):
        read_samples(study(), {"A": [0], "B": [0], "x1": [1.0], "x2": [2.0]})


def test_a_column_whose_squares_vanish_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, {"x1": [f"{value}e-200" for value in TABLE["x1"]]})
    with pytest.raises(InputError, match=r"cells.csv: x1 is nowhere larger than 5.5e-200, .* smaller unit"):
        read_samples(study(), path)


def test_scale_and_log_given_as_arguments() -> None:
    with pytest.raises(InputError, match="unknown scale 'standrd'; did you mean standard"):
        read_samples(study(), TABLE, scale="standrd")  # type: ignore[arg-type]
    one = read_samples(study(), TABLE, log="x1")
    assert one.x.tolist() == read_samples(study(), TABLE, log=["x1"]).x.tolist()


@pytest.mark.parametrize("label", ["", (), []])
def test_a_label_that_names_no_column_is_refused(tmp_path: Path, label: Any) -> None:
    with pytest.raises(InputError, match="label names no column"):
        read_samples(study(), csv(tmp_path), label=label)
