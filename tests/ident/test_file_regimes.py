"""Regimes streamed from large tables: what the reader of whole tables gives, from any row on, errors too."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import Listed
from ifm_ident.errors import InputError
from ifm_ident.study.reading import _file_regimes
from ifm_ident.study.reading._file_regimes import FileRegimes, listed_regimes
from ifm_ident.study.reading._label_columns import Label
from ifm_ident.study.reading._tables import read_regimes
from ifm_ident.study.reading.label_conventions import LabelConvention

NAMES = [f"g{i}" for i in range(9)]
MODEL = Model(tuple(Intervention(name, (0, 1)) for name in NAMES), ("x",), (Factor("f", ("x",), tuple(NAMES)),))
RNG = random.Random(5)
LABELS = ["+".join(RNG.sample(NAMES, RNG.randrange(5))) or "ctrl" for _ in range(300)]
SPANS = ((0, None, 7), (13, 200, 64), (299, 300, 3), (77, 78, 1), (0, 300, 1000), (250, 900, 50), (300, None, 5))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is large, and comes in blocks of some rows."""
    for name, value in {"LARGE_BYTES": 1, "LARGE_ROWS": 1, "_BLOCK_BYTES": 70, "_BATCH_CELLS": 20}.items():
        monkeypatch.setattr(_file_regimes, name, value)


def require_equal(path: Path, label: str | None = None) -> None:
    space = listed_regimes(MODEL, path, label).space
    assert isinstance(space, FileRegimes)
    whole = read_regimes(MODEL, path, label).regimes
    assert space.count == len(whole)
    for start, stop, size in SPANS:
        chunks = [*space.chunks(size, start, stop)]
        assert [len(chunk) for chunk in chunks] == [len(c) for c in Listed(whole).chunks(size, start, stop)]
        assert [regime for chunk in chunks for regime in chunk] == [*whole.take(slice(start, stop))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("before", ["", "\ufeff", "\ufeff\n"])
@pytest.mark.parametrize("after", ["", "\n", "\n\n\n"])
def test_csv(end: str, before: str, after: str, tmp_path: Path) -> None:
    """Quoted cells, new lines in cells, empty lines, a byte order mark."""
    rows = [f'"{label}",{i}' if i % 3 else f'{label},"a{end}b""c"' for i, label in enumerate(LABELS)]
    rows[100] += end  # an empty line
    path = tmp_path / "t.csv"
    path.write_bytes((before + end.join(["label,n", *rows]) + after).encode())
    require_equal(path, "label")


def test_a_column_for_each_intervention(tmp_path: Path) -> None:
    cells = [[str(int(name in label.split("+"))) for name in NAMES] for label in LABELS]
    text = tmp_path / "t.tsv"
    text.write_text("\n".join("\t".join(row) for row in [NAMES, *cells]))
    require_equal(text)
    columns = {name: pa.array([int(row[j]) for row in cells]) for j, name in enumerate(NAMES)}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", row_group_size=47)
    require_equal(tmp_path / "t.parquet")


def test_parquet(tmp_path: Path) -> None:
    table = pa.table({"other": [[i] for i in range(300)], "a.b": LABELS, "a": LABELS[::-1]})
    pq.write_table(table, tmp_path / "t.pq", row_group_size=47)
    require_equal(tmp_path / "t.pq", "a.b")
    require_equal(tmp_path / "t.pq", "a")


@pytest.mark.parametrize("bad", ["g1+nonsense", "", "g1+g1"])
@pytest.mark.parametrize("row", [0, 150, 299])
def test_errors_name_the_row_of_the_file(bad: str, row: int, tmp_path: Path) -> None:
    labels = [*LABELS[:row], bad, *LABELS[row + 1 :]]
    for path in (tmp_path / "t.csv", tmp_path / "t.parquet"):
        if path.suffix == ".csv":
            path.write_text("label,n\n" + "".join(f"{label},1\n" for label in labels))
        else:
            pq.write_table(pa.table({"label": labels}), path, row_group_size=47)
        with pytest.raises(InputError) as whole:
            read_regimes(MODEL, path, "label")
        with pytest.raises(InputError) as streamed:
            [*listed_regimes(MODEL, path, "label").space.chunks(64, row // 2)]
        assert str(streamed.value) == str(whole.value)
        assert f"row {row + 1}: " in str(streamed.value)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.replace(b"g1+g2,7", b"g1+g2,7,8"),
        lambda data: data.replace(b"g1+g2,7", b"g1+g\xff,7"),
        lambda data: data.replace(b"label,n", b"label,label"),
        lambda data: data.replace(b"label,n", b"lab\xffl,n"),
        lambda data: data.replace(b"label,n", b"lable,n"),
    ],
)
def test_a_table_that_is_none_is_refused_when_it_is_opened(spoil: object, tmp_path: Path) -> None:
    rows = [f"{label},1\n" for label in LABELS]
    rows[200] = "g1+g2,7\n"
    path = tmp_path / "t.csv"
    path.write_bytes(spoil(("label,n\n" + "".join(rows)).encode()))  # type: ignore[operator]
    with pytest.raises(InputError) as whole:
        read_regimes(MODEL, path, "label")
    with pytest.raises(InputError) as streamed:
        listed_regimes(MODEL, path, "label")
    assert str(streamed.value).partition(";")[0] == str(whole.value).partition(";")[0]


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label\n" + "\n".join(["nonsense"] * 50 + LABELS))
    chunks = [*listed_regimes(MODEL, path).space.chunks(64, 50)]
    assert [*Regimes.concatenate(chunks)] == [*read_regimes(MODEL, LABELS).regimes]


def test_the_digest_is_of_the_file_and_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label,other\n" + "\n".join(f"{label},ctrl" for label in LABELS))
    one, other = (listed_regimes(MODEL, path, name).space.digest for name in ("label", "other"))
    path.write_text(path.read_text() + "\nctrl,ctrl")
    assert len({one, other, listed_regimes(MODEL, path, "label").space.digest}) == 3


def written(folder: Path, kind: str, columns: Mapping[str, Sequence[str | None]]) -> Path:
    path = folder / f"t.{kind}"
    if kind == "csv":
        rows = zip(*columns.values(), strict=True)
        path.write_text("".join(",".join(cell or "" for cell in row) + "\n" for row in [tuple(columns), *rows]))
    else:
        pq.write_table(
            pa.table({n: pa.array(c, pa.string()) for n, c in columns.items()}), path, row_group_size=47
        )
    return path


def require_same(model: Model, path: Path, label: Label, labels: LabelConvention | None = None) -> None:
    """Streamed in tiny blocks and whole: the same regimes and remarks from any row on, or the same refusal."""
    refusal = None
    try:
        whole = read_regimes(model, path, label, labels)
    except InputError as error:
        refusal = str(error)
    if refusal is not None:
        with pytest.raises(InputError) as caught:
            [*listed_regimes(model, path, label, labels).space.chunks(64)]
        assert str(caught.value) == refusal
        return
    found = listed_regimes(model, path, label, labels)
    assert isinstance(found.space, FileRegimes)
    assert (found.space.count, found.notes) == (len(whole.regimes), whole.notes)
    for start, stop, size in SPANS[:3]:
        chunks = [*found.space.chunks(size, start, stop)]
        assert [regime for chunk in chunks for regime in chunk] == [*whole.regimes.take(slice(start, stop))]


KINDS = pytest.mark.parametrize("kind", ["csv", "parquet"])


@KINDS
@pytest.mark.parametrize("label", ["label", ("one", "two"), None])
@pytest.mark.parametrize("blank", [(299,), (0, 1), (40, 41, 42, 43, 44, 45, 46, 150, 290, 299), range(0, 300, 2)])
def test_blank_rows_are_skipped_and_counted_as_in_a_small_table(
    kind: str, label: Label, blank: Sequence[int], tmp_path: Path
) -> None:
    columns: dict[str, list[str | None]] = {"label": [*LABELS], "two": [None, "g1", "g2"] * 100}
    columns["one"] = ["g3", None, "ctrl"] * 100
    if label is None:
        columns = {n: [(None, "0", "1")[RNG.randrange(3)] for _ in LABELS] for n in NAMES[:3]} | {
            "g3": ["1"] * 300
        }
    for row in blank:
        for column in columns.values():
            column[row] = None if row % 2 else " "
    require_same(MODEL, written(tmp_path, kind, columns), label)


@KINDS
def test_an_empty_label_beside_other_cells_is_refused(kind: str, tmp_path: Path) -> None:
    require_same(MODEL, written(tmp_path, kind, {"n": ["1"] * 300, "label": [*LABELS[:299], None]}), "label")
    require_same(MODEL, written(tmp_path, kind, {"label": [*LABELS[:299], None]}), "label")


DOUBTFUL = ("A", "B", "A_B", "g1", "g1_g2", "C|D", "C", "D")


@pytest.mark.parametrize(
    "late", ["g1+ctrl", "NT", "g1_A", "B|C", "A_B+g1", "g1_g2+A", "A_B", "C|D", "B+B", "C,g1", "nonsense", "NA"]
)
@pytest.mark.parametrize("early", ["A_B", "C|D"])
@pytest.mark.parametrize("labels", [None, LabelConvention("_"), LabelConvention(None, ("no",))])
def test_how_labels_are_read_depends_on_the_whole_file(
    early: str, late: str, labels: LabelConvention | None, tmp_path: Path
) -> None:
    late = f'"{late}"' if "," in late else late
    model = Model(tuple(Intervention(n, (0, 1)) for n in DOUBTFUL), ("x",), (Factor("f", ("x",), DOUBTFUL),))
    texts = [early] * 50 + ["ctrl"] * 30 + [late] + ["B"] * 19
    require_same(model, written(tmp_path, "csv", {"label": texts, "n": ["1"] * 100}), "label", labels)


def test_cells_of_two_columns_are_never_one_name(tmp_path: Path) -> None:
    """What joins the cells is in no name, whatever the cells of a block hold."""
    model = Model(tuple(Intervention(n, (0, 1)) for n in DOUBTFUL), ("x",), (Factor("f", ("x",), DOUBTFUL),))
    labels = LabelConvention(None, ("a+b",))
    columns = {"one": ["C"] * 299 + ["a+b"], "two": ["D"] * 300}
    path = written(tmp_path, "csv", columns)
    assert {*read_regimes(model, path, ("one", "two"), labels).regimes} == {((6, 1), (7, 1)), ((7, 1),)}
    require_same(model, path, ("one", "two"), labels)


def test_a_long_text_that_many_rows_share_is_measured_before_it_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_file_regimes, "_BATCH_CELLS", 10_000)
    path = tmp_path / "t.parquet"
    label = pa.DictionaryArray.from_arrays(pa.array([0] * 6000, pa.int32()), pa.array(["x" * 100_000]))
    pq.write_table(pa.table({"label": label.cast(pa.string())}), path)
    assert path.stat().st_size < 20_000
    with pytest.raises(InputError, match=r"t\.parquet, decompressed.* 600,000,000"):
        listed_regimes(MODEL, path, "label")


def test_a_long_category_is_measured_before_it_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_file_regimes, "_BATCH_CELLS", 2**24)
    label = pa.DictionaryArray.from_arrays(pa.array([0] * 2**21, pa.int32()), pa.array(["x" * 100_000]))  # 200 GB
    pq.write_table(pa.table({"label": label}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"a cell of the column 'label'.* 100,000"):
        listed_regimes(MODEL, tmp_path / "t.parquet", "label")


def test_texts_that_arrow_cannot_keep_as_a_dictionary(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    encoding = {"label": "DELTA_BYTE_ARRAY"}
    pq.write_table(pa.table({"label": LABELS}), path, use_dictionary=False, column_encoding=encoding)
    require_equal(path, "label")
