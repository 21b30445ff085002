"""Regime tables: CSV, TSV and Parquet, and every way in which they can be wrong."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.errors import InputError
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import read_counts, read_regimes

INTERVENTIONS = (
    Intervention("A", (0, 1)),
    Intervention("dose", ("none", "low", "high")),
    Intervention("B", (0, 0.5, "1")),
)
MODEL = Model(INTERVENTIONS, ("x",), (Factor("f", ("x",), ("A", "dose", "B")),))
BITS = Model((Intervention("A", (0, 1)), Intervention("B", (0, 1))), ("x",), (Factor("f", ("x",), ("A", "B")),))


def write(folder: Path, name: str, content: str | bytes | pa.Table) -> Path:
    path = folder / name
    if isinstance(content, pa.Table):
        pq.write_table(content, path)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


CSV = "B,A,dose\n,1,low\n0.50,,\n1.0,1.0,high\n"
EXPECTED = [((0, 1), (1, 1)), ((2, 1),), ((0, 1), (1, 2), (2, 2))]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", CSV),
        ("t.CSV", CSV.replace("\n", "\r\n")),
        ("t.csv", "\ufeff" + CSV),
        ("t.csv", CSV.rstrip() + "\n\n\n"),
        ("t.tsv", CSV.replace(",", "\t")),
        ("t.txt", CSV.replace(",", "\t")),
        ("t.txt", CSV),
        ("t.csv", CSV.replace("low", '"low"').replace("B,A", '"B","A"')),
    ],
)
def test_text_tables_with_a_column_an_intervention(tmp_path: Path, name: str, content: str) -> None:
    table = read_regimes(MODEL, write(tmp_path, name, content))
    assert list(table.regimes) == EXPECTED
    assert table.notation == "assignment"


def test_parquet_matches_text_as_text_and_numbers_by_value(tmp_path: Path) -> None:
    table = pa.table(
        {
            "B": pa.array([None, 0.5, 1.0], pa.float32()),
            "A": pa.array([1, None, 1], pa.int8()),
            "dose": pa.array(["low", "", "high"]).dictionary_encode(),
        }
    )
    assert list(read_regimes(MODEL, write(tmp_path, "t.parquet", table)).regimes) == EXPECTED
    text = pa.table({"A": ["1.0"]})
    with pytest.raises(RowError, match=r"row 1: intervention 'A' has no level '1\.0'"):
        read_regimes(MODEL, write(tmp_path, "u.parquet", text))


def test_an_absent_or_null_column_is_baseline(tmp_path: Path) -> None:
    table = pa.table({"A": pa.array([1, 0]), "B": pa.nulls(2)})
    assert list(read_regimes(MODEL, write(tmp_path, "t.pq", table)).regimes) == [((0, 1),), ()]


@pytest.mark.parametrize(
    ("content", "label", "notation"),
    [
        ("cell,pert,A\nc1,A+B,9\nc2,ctrl,9\n", "pert", "label"),
        ("label,other\nA+B,7\nctrl,8\n", None, "label"),
        ("other,regime\n7,A+B\n8,ctrl\n", None, "label"),
        ("whatever\nB+A\nctrl\n", None, "label"),
        ("whatever\n11\n00\n", None, "levels"),
        ('label\n"A=1,B=1"\nctrl\n', None, "assignment"),
    ],
)
def test_label_columns(tmp_path: Path, content: str, label: str | None, notation: str) -> None:
    table = read_regimes(BITS, write(tmp_path, "t.csv", content), label)
    assert list(table.regimes) == [((0, 1), (1, 1)), ()]
    assert table.notation == notation


def test_ragged_columns_keep_their_rows(tmp_path: Path) -> None:
    codes = np.random.default_rng(5).integers(0, 2, (500, 2))
    content = "B,A\n" + "".join(f"{b},{a}\n" for a, b in codes)
    assert np.array_equal(read_regimes(BITS, write(tmp_path, "t.csv", content)).regimes.codes(), codes)


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for content in ("A,B", "A,B\n"):
        assert len(read_regimes(BITS, write(tmp_path, "t.csv", content)).regimes) == 0


@pytest.mark.parametrize(
    ("name", "content", "label", "message"),
    [
        ("t.csv", "A,B\n1,0\n2,0\n", None, "t.csv, row 2: intervention 'A' has no level '2'; legal: 0, 1"),
        ("t.csv", "A,B\n1,0\n1\n", None, "t.csv, row 2: 1 field.s. where the header has 2: '1'"),
        ("t.csv", "A,B\n1,0\n\n1,0,1\n", None, "t.csv, row 2: 3 field"),
        ("t.csv", "A,B\n1,0\nyes,0\n", None, "row 2: .*'yes'"),
        ("t.csv", "A,B\n1,nan\n", None, "row 1: .*'nan'"),
        ("t.csv", "A,Bee\n1,0\n", None, "t.csv: the column 'Bee' is no intervention"),
        ("t.csv", "A,sample\n1,0\n", None, "'sample' is no intervention"),
        (
            "t.csv",
            ",A\n0,1\n",
            None,
            "t.csv: a column has no name, as when pandas writes its index; .*index=False",
        ),
        ("t.csv", "P,Q\n1,0\n", None, "no column is an intervention"),
        ("t.csv", "A,A\n1,0\n", None, "'A' is there twice"),
        ("t.csv", "", None, "the file is empty"),
        ("t.csv", "\n \n", None, "the file is empty"),
        ("t.csv", b"A,B\n1,0\n\xff,0\n", None, "t.csv, row 2: byte offset 8 is 0xff"),
        ("t.csv", b"\xff\xfeA\x00", None, "t.csv: byte offset 0"),
        ("t.csv", "label\nA\n\nB\n", None, "row 2: .*'label' is empty; write 'ctrl'"),
        ("t.csv", 'p,q\nA,1\n" ",1\n', "p", "row 2: .*'p' is empty"),
        ("t.csv", "label\nctrl\nA+D\n", None, "row 2: regime 'A.D': unknown intervention 'D'"),
        ("t.csv", "label\nA\n", "lable", "no column 'lable'; did you mean label"),
        ("t.csv", '"A,B\n1,0\n', None, "t.csv: the "),
        ("t.xlsx", "A\n", None, "tables end in .csv, .tsv, .txt, .parquet, .pq"),
        ("t.parquet", "not parquet at all", None, "t.parquet: the table cannot be read"),
        ("t.parquet", "", None, "t.parquet: the table cannot be read"),
        ("t.parquet", pa.table({"A": [True]}), None, "'A' holds values of type bool; .* 0 and 1"),
        ("t.parquet", pa.table({"A": [datetime.date(2024, 1, 1)]}), None, "'A' holds values of type date32"),
        ("t.parquet", pa.table({"A": [[1]]}), None, "'A' holds values of type list"),
        ("t.parquet", pa.table({"A": [float("nan")]}), None, "row 1: .*'nan'"),
        ("t.parquet", pa.table({"A": [0.0, 2.0]}), None, "row 2: .*'2'"),
        ("t.parquet", pa.table({"label": ["A", None]}), None, "row 2: .*'label' is empty"),
        ("t.parquet", pa.table([["1"], ["0"]], names=["A", "A"]), None, "'A' is there twice"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, name: str, content: str | bytes | pa.Table, label: str | None, message: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_regimes(BITS, path, label)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_files_and_directories(tmp_path: Path) -> None:
    for name in ("none.csv", "none.parquet"):
        with pytest.raises(InputError, match="there is no such file"):
            read_regimes(BITS, tmp_path / name)
        (tmp_path / ("d" + name)).mkdir()
        with pytest.raises(InputError, match="is a directory"):
            read_regimes(BITS, tmp_path / ("d" + name))


def test_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "c.csv", "A,n,B\n1,20,0\n,5.0,1\n")
    found, counts = read_counts(BITS, path)
    assert list(found.regimes) == [((0, 1),), ((1, 1),)]
    assert (counts.tolist(), found.rows.tolist()) == ([20, 5], [0, 1])
    labelled = write(tmp_path, "l.csv", "n,regime,note\n3,A+B,hello\n")
    assert read_counts(BITS, labelled)[1].tolist() == [3]
    assert list(read_counts(BITS, labelled, "regime")[0].regimes) == [((0, 1), (1, 1))]
    table = pa.table({"label": ["A"], "n": [7.0]})
    assert read_counts(BITS, write(tmp_path, "c.parquet", table))[1].tolist() == [7]


@pytest.mark.parametrize("size", ["0", "-3", "2.5", "", "many", "1e400", "99999999999999999999", "nan"])
def test_sample_sizes_are_positive_whole_numbers(tmp_path: Path, size: str) -> None:
    with pytest.raises(RowError, match=r"c\.csv, row 2: n is .*whole number of 1 or more"):
        read_counts(BITS, write(tmp_path, "c.csv", f"label,n\nA,4\nB,{size}\n"))


@pytest.mark.parametrize("size", ["1e3", "9223372036854775807", "9" * 23])
def test_refused_sample_sizes_hear_the_limit_and_the_spelling(tmp_path: Path, size: str) -> None:
    with pytest.raises(RowError, match=r"of at most 18 digits and written as digits, such as 1000"):
        read_counts(BITS, write(tmp_path, "c.csv", f"label,n\nA,{size}\n"))
    most = write(tmp_path, "c.csv", f"label,n\nA,{'9' * 18}\n")
    assert read_counts(BITS, most)[1].tolist() == [10**18 - 1]


def test_counts_need_their_column(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'n'"):
        read_counts(BITS, write(tmp_path, "c.csv", "A,N\n1,2\n"))
    with pytest.raises(InputError, match="'size' is no intervention"):
        read_counts(BITS, write(tmp_path, "c.csv", "A,n,size\n1,2,3\n"))
    named = Model((Intervention("n", (0, 1)),), ("x",), (Factor("f", ("x",), ("n",)),))
    with pytest.raises(InputError, match="both an intervention and the sample size"):
        read_counts(named, write(tmp_path, "c.csv", "n\n1\n"))
