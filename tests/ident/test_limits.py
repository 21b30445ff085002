"""Limits on what is read of a file: each holds, is named by its refusal, and can be raised."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.design.model import Intervention
from ifm_ident.errors import InputError, argument_of
from ifm_ident.limits import Limits, current, limits_of, read_bytes
from ifm_ident.parquet_sizes import row_group_sizes
from ifm_ident.report import load_result, number_of
from ifm_ident.results.read import WRITERS, read_result
from ifm_ident.study.reading._sources import open_table
from ifm_ident.study.reading._yaml_nodes import parse_yaml
from ifm_ident.study.study import Study, load
from ifm_ident.verification.checking import verify_file

ROOT = Path(__file__).resolve().parent.parent.parent
STUDY = "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"
ADDITIVE = {
    "interventions": {name: [0, 1] for name in "ABC"},
    "factors": [{"sigma": [name]} for name in "ABC"],
    "train": ["ctrl", "A", "B", "C"],
}


def refused(limit: str, place: str, enough: int) -> pytest.RaisesExc[InputError]:
    """A refusal that begins with a place and tells the limit, and the value that would do."""
    words = rf"{place}.*; the limit is {limit}={enough - 1}: if it is meant so, raise it to {limit}={enough}$"
    return pytest.raises(InputError, match=words)


@pytest.mark.parametrize(("name", "enough"), [("rows", 3), ("columns", 2), ("cells", 6), ("file", 16)])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_tables(name: str, enough: int, kind: str, tmp_path: Path) -> None:
    table = pa.table({"A": ["0", "1", "1"], "B": ["0", "0", "1"]})
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text("A,B\n0,0\n1,0\n1,1\n")
    else:
        pq.write_table(table, path)
        enough = path.stat().st_size if name == "file" else enough
    with Limits(**{name: enough - 1}), refused(name, rf"t\.{kind}", enough):
        open_table(path)
    with Limits(**{name: enough}):
        assert open_table(path).texts("A").to_pylist() == ["0", "1", "1"]


def test_a_parquet_file_that_unfolds_is_measured_before_it_is_read(tmp_path: Path) -> None:
    """A file of kilobytes: a million rows of one number, and one long text in every row."""
    many, long = tmp_path / "many.parquet", tmp_path / "long.parquet"
    pq.write_table(pa.table({"A": np.zeros(1_000_000, dtype=np.int64)}), many)
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1000, dtype=np.int32)), pa.array(["A" * 5000]))
    pq.write_table(pa.table({"label": text}), long, store_schema=False)
    assert many.stat().st_size + long.stat().st_size < 100_000
    with Limits(rows=999_999), pytest.raises(InputError, match=r"1,000,000 rows; the limit is rows=999999"):
        open_table(many)
    with Limits(file=4_000_000), pytest.raises(InputError, match=r"long\.parquet, decompressed: 5,000,000 bytes"):
        open_table(long)
    assert open_table(long).texts("label")[999].as_py() == "A" * 5000


def test_nested_columns_of_parquet_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"A": [0, 1], "odd": [[1] * 1000, [2]]}), path)
    with Limits(cells=2):
        table = open_table(path)
    assert table.names == ["A", "odd"]
    with pytest.raises(InputError, match=r"'odd' holds values of type list<.*>; levels and labels are text"):
        table.column("odd")


def test_sizes_of_parquet_are_those_that_pyarrow_tells(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    nested = pa.table({"a": [1, None, 3], "b": [[1, 2], [], [3, 4, 5]], "c": ["x", "y" * 100, None]})
    pq.write_table(nested, path, row_group_size=2, compression="zstd")
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    chunks = [[group.column(c) for c in range(3)] for group in groups]
    assert row_group_sizes(path) == [
        (sum(c.num_values for c in part), sum(c.total_uncompressed_size for c in part)) for part in chunks
    ]
    data = path.read_bytes()
    for cut in range(0, len(data) - 8, 7):  # a footer whose bytes are wrong is refused, whatever they say
        broken = tmp_path / "broken.parquet"
        broken.write_bytes(data[:cut] + b"\xff" + data[cut + 1 :])
        with suppress(InputError):  # and nothing else
            row_group_sizes(broken)


def test_labels_levels_and_names(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"label\n{'A' * 21}\n")
    with Limits(label=20), pytest.raises(InputError, match=r"t\.csv: a cell of the column 'label': 21 characters"):
        open_table(path).texts("label")
    with Limits(label=20), pytest.raises(InputError, match="a level: 21 characters"):
        Intervention("A", ("0", "1" * 21))
    with Limits(label=20), pytest.raises(InputError, match=r"s\.yaml:1: the text 'aaaaa.*: 21 characters"):
        parse_yaml(f"name: {'a' * 21}", "s.yaml")


def test_studies(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"{STUDY}train: [ctrl]\n")
    size = path.stat().st_size
    with Limits(study=size - 1), refused("study", "s.yaml", size):
        load(path)
    with Limits(study=size):
        load(path)
    with Limits(nesting=3), refused("nesting", "s.yaml:1: the nesting is deeper than 3", 4):
        parse_yaml("a: [[[1]]]", "s.yaml")
    with Limits(nesting=4):
        parse_yaml("a: [[[1]]]", "s.yaml")
    bomb = "a: &a [1, 1]\nb: &b [*a, *a]\nc: [*b, *b]"
    with Limits(values=10), pytest.raises(InputError, match=r"expand to more than 10 nodes.*values=10"):
        parse_yaml(bomb, "s.yaml")
    with Limits(values=100):
        parse_yaml(bomb, "s.yaml")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.h5ad", "s.yaml", "r.json"])
def test_a_pipe_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    readers: dict[str, Callable[[Path], object]] = {"s.yaml": load, "r.json": read_result}
    reader = readers.get(name, open_table)
    with pytest.raises(
        InputError, match=rf"{name}: this is a named pipe, and only regular files are read; .*special=1"
    ) as found:
        reader(path)
    assert argument_of(found.value) == "limit"
    if name == "r.json":
        with pytest.raises(InputError, match="named pipe"):
            load_result(path)


def test_a_device_is_read_to_its_limit_where_that_is_asked_for() -> None:
    with (
        Limits(special=1, file=1000),
        pytest.raises(InputError, match="/dev/zero: 1,001 bytes or more; the limit"),
    ):
        read_bytes(Path("/dev/zero"))


def test_a_file_name_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(f"{STUDY}train: {{file: {'a' * 5000}.csv}}\n")
    with pytest.raises(
        InputError, match=r"s\.yaml:3: .{80,100}\.\.\.: a file name of [0-9,]+ characters is too long"
    ) as found:
        load(path)
    assert len(str(found.value)) < 300


def written(tmp_path: Path, study: Study, kind: str = "json") -> Path:
    path = tmp_path / f"r.{kind}"
    with path.open("wb") as stream:
        WRITERS[kind](stream, study, [study.identify()])
    return path


def test_common_denominators_are_bounded(tmp_path: Path) -> None:
    """Exponents of few digits, whose sums would have many."""
    study = Study.from_dict(ADDITIVE | {"test": ["A+B+C"]})
    path = written(tmp_path, study)
    data = json.loads(path.read_text())
    primes = [10**19 + 51, 10**20 + 39, 10**21 + 117, 10**22 + 9]
    for entry, prime in zip(data["results"][0]["exponents"], primes, strict=True):
        entry["exponent"] = f"1/{prime}"
    path.write_text(json.dumps(data))
    with (
        Limits(digits=30),
        pytest.raises(InputError, match=r"common denominator of \d+ digits; the limit is digits=30"),
    ):
        verify_file(path)
    with Limits(digits=15), pytest.raises(InputError, match=r"an integer of 20 digits; the limit is digits=15"):
        verify_file(path)
    assert "do not add up" in str(verify_file(path)) or "do not give" in str(verify_file(path))


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_removed_and_added_results_show(kind: str, tmp_path: Path) -> None:
    study = Study.from_dict(ADDITIVE)
    path = written(tmp_path, study, kind)
    assert read_result(path).heading.targets == 8  # type: ignore[union-attr]
    assert verify_file(path).holds

    def rewritten(rows: list[int]) -> None:
        if kind == "json":
            data = json.loads(written(tmp_path, study).read_text())
            data["results"] = [data["results"][row] for row in rows]
            path.write_text(json.dumps(data))
        else:
            table = pq.read_table(written(tmp_path, study, kind))
            pq.write_table(table.take(pa.array(rows, pa.int64())), path)

    for rows in ([0, 1, 2, 3, 4, 5, 6], [], [0, *range(8)]):
        rewritten(rows)
        outcome = verify_file(path)
        assert not outcome.holds
        assert not outcome.failures
        assert f"{len(rows)} results checked\nthe file says that it has 8: some were removed or added" == str(
            outcome
        )


def test_results_of_before_do_not_tell_their_number(tmp_path: Path) -> None:
    path = written(tmp_path, Study.from_dict(ADDITIVE))
    data = json.loads(path.read_text())
    del data["targets"]
    path.write_text(json.dumps(data))
    assert verify_file(path).holds
    data["targets"] = "8"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="targets: an integer is needed, got '8'"):
        verify_file(path)


def test_lists_of_a_parquet_result_are_measured(tmp_path: Path) -> None:
    path = written(tmp_path, Study.from_dict(ADDITIVE), "parquet")
    [(values, size)] = row_group_sizes(path)
    with (
        Limits(cells=values - 1),
        pytest.raises(InputError, match=rf"row group 0: {values} cells; the limit is cells="),
    ):
        verify_file(path)
    with Limits(cells=values, file=max(size, path.stat().st_size)):
        assert verify_file(path).holds


def test_a_csv_whose_head_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_bytes(b"regime,status,criterion,variab\xcfe,kind,train\nctrl,observed,,,none,0\n")
    outcome = verify_file(path, Study.from_dict(ADDITIVE))
    assert outcome.unreadable is not None
    assert "the line of the columns is not UTF-8 (byte 0xcf)" in outcome.unreadable


@pytest.mark.parametrize("kind", ["texts", "categories"])
def test_texts_of_parquet_that_are_not_utf8(kind: str, tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 3], dtype=np.int32)), pa.py_buffer(b"AB\x9d")]
    )
    if kind == "categories":
        texts = pa.DictionaryArray.from_arrays(pa.array([0, 1]), texts)
    pq.write_table(pa.table({"cell": texts}), tmp_path / "t.parquet")
    asked = ADDITIVE | {"test": {"file": str(tmp_path / "t.parquet"), "label": "cell"}}
    with pytest.raises(InputError, match=r"t.parquet: (column 'cell' .* not UTF-8|.*Invalid UTF8)"):
        Study.from_dict(asked)


@pytest.mark.parametrize("number", ["1e308", "1" + "0" * 400, "NaN", "-1e301", '"1"', "true"])
def test_numbers_of_estimates(number: str, tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    path.write_text(f'{{"mean": {number}}}')
    with pytest.raises(InputError, match="entry: a number is needed, within 1e300"):
        number_of(load_result(path), "mean", "entry")


def test_links_and_views_of_h5ad_are_not_followed(tmp_path: Path) -> None:
    anndata, h5py = pytest.importorskip("anndata"), pytest.importorskip("h5py")
    pandas = pytest.importorskip("pandas")
    obs = pandas.DataFrame({"guide": ["A", "B"]}, index=["c1", "c2"])
    whole = anndata.AnnData(np.eye(2), obs=obs, var=pandas.DataFrame(index=["x", "y"]))
    other, path = tmp_path / "other.h5ad", tmp_path / "cells.h5ad"
    whole.write_h5ad(other)

    def remade(name: str, make: object) -> None:
        whole.write_h5ad(path)
        with h5py.File(path, "a") as file:
            attributes = dict(file[name].attrs)
            del file[name]
            make(file)  # type: ignore[operator]
            if isinstance(file.get(name, getlink=True), h5py.HardLink):
                file[name].attrs.update(attributes)

    layout = h5py.VirtualLayout((2, 2), "f8")
    layout[:] = h5py.VirtualSource(str(other), "X", (2, 2))
    raw = tmp_path / "raw.bin"
    raw.write_bytes(b"\0" * 32)
    for name, make, words in (
        ("X", lambda file: file.__setitem__("X", h5py.ExternalLink(str(other), "/X")), "/X is a link to .*other"),
        ("obs", lambda file: file.__setitem__("obs", h5py.ExternalLink(str(other), "/obs")), "/obs is a link"),
        ("obs/guide", lambda file: file.__setitem__("obs/guide", h5py.SoftLink("/var/_index")), "guide is a link"),
        ("X", lambda file: file.create_dataset("X", (2, 2), "f8", external=[(str(raw), 0, 32)]), "in other files"),
        ("X", lambda file: file.create_virtual_dataset("X", layout), "/X is a view of other data sets"),
    ):
        remade(name, make)
        with pytest.raises(InputError, match=rf"cells\.h5ad: .*{words}.*only what is in the file itself is read"):
            open_table(path, ["x"])
    whole.write_h5ad(path)
    assert open_table(path, ["x"]).names == ["guide", "x"]
    with Limits(rows=1), pytest.raises(InputError, match=r"cells\.h5ad: 2 rows; the limit is rows=1"):
        open_table(path)
    with h5py.File(path, "a") as file:  # a column that was never written takes no room
        file["obs"].create_dataset("more", (10**12,), "i8", chunks=(5,))
    with pytest.raises(InputError, match=r"1,000,000,000,000 rows; the limit is rows=10000000") as found:
        open_table(path)
    assert argument_of(found.value) == "limit"


def test_limits_as_texts_and_blocks() -> None:
    assert limits_of(("rows=2_000", "columns=3,000")) == Limits(rows=2000, columns=3000)
    for text, words in (
        ("rows", "no whole number"),
        ("rows=1e6", "no whole number"),
        ("row=1", "did you mean rows"),
    ):
        with pytest.raises(InputError, match=words):
            limits_of((text,))
    with Limits(rows=1):
        with Limits(rows=2):
            assert current().rows == 2
        assert current().rows == 1
    assert current() == Limits()


def test_the_page_of_limits_has_every_limit() -> None:
    """docs/limits.md shows the table of the code."""
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    for one in fields(Limits):
        words = one.metadata["words"]
        assert f"| `{one.name}` | {one.default:,} {one.metadata['unit']} | {words} |" in page, one.name


def test_reading_with_room_to_spare_is_as_ever(tmp_path: Path) -> None:
    stream = io.BytesIO()
    study = Study.from_dict(ADDITIVE)
    WRITERS["csv"](stream, study, [study.identify()])
    path = tmp_path / "r.csv"
    path.write_bytes(stream.getvalue())
    assert verify_file(path, study).holds
