"""Results written and read back: the three formats say the same."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.answer.certificate import KernelCertificate
from ifm_ident.answer.identification import Criterion, Identification, Status
from ifm_ident.errors import InputError
from ifm_ident.results._parquet import write_parquet
from ifm_ident.results.cells import CellReader, cell_text
from ifm_ident.results.claims import Claims
from ifm_ident.results.header import Heading
from ifm_ident.results.read import read_result
from tests.ident.answers import CASES, Case, Columns, all_codes, answer, cells_of, codes, rows_of, undecided
from tests.ident.result_files import FORMATS, read_rows, saved, written


@pytest.fixture(params=[(name, criterion) for name in CASES for criterion in ("auto", "joint", "conditional")])
def solved(request: pytest.FixtureRequest) -> tuple[Case, Identification]:
    name, criterion = request.param
    case = CASES[name]
    return case, answer(case.design, all_codes(case.design.model), criterion)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_written_is_read_back(kind: str, solved: tuple[Case, Identification], tmp_path: Path) -> None:
    case, found = solved
    path = saved(tmp_path, case, [found], kind)
    assert read_rows(path, case) == rows_of(Claims.of(found))
    heading = read_result(path, case).heading
    if kind == "csv":
        assert heading is None
    else:
        assert heading is not None
        assert (heading.name, heading.design.model) == (case.name, case.design.model)
        assert list(heading.design.train) == list(case.design.train)


def test_the_cases_hold_every_kind_of_result() -> None:
    kinds = set()
    for case in CASES.values():
        found = answer(case.design, all_codes(case.design.model))
        kinds |= set(zip(found.status.tolist(), found.criterion.tolist(), strict=True))
    assert kinds == {
        (Status.OBSERVED, Criterion.NONE),
        (Status.IDENTIFIED, Criterion.JOINT),
        (Status.IDENTIFIED, Criterion.CONDITIONAL),
        (Status.NOT_IDENTIFIED, Criterion.CONDITIONAL),
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_chunks_do_not_show(kind: str, solved: tuple[Case, Identification], tmp_path: Path) -> None:
    case, found = solved
    parts = [answer(case.design, found.targets.take(np.array([i]))) for i in range(len(found))]
    if kind != "parquet":
        assert written(case, parts, kind) == written(case, [Identification.concatenate(parts)], kind)
    whole = [row for part in parts for row in rows_of(Claims.of(part))]
    assert read_rows(saved(tmp_path, case, parts, kind), case) == whole


@pytest.mark.parametrize("kind", [*FORMATS, "json as it is read"])
def test_small_blocks_read_the_same(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["cycle"]
    found = answer(case.design, all_codes(case.design.model))
    many = Identification.concatenate([found] * 40)
    expected = rows_of(Claims.of(many))
    monkeypatch.setattr("ifm_ident.results._csv_read._BLOCK_BYTES", 700)
    monkeypatch.setattr("ifm_ident.results.claims.CLAIM_BLOCK", 3)
    for module in ("_json_read", "_parquet"):
        monkeypatch.setattr(f"ifm_ident.results.{module}.READ_BLOCK", 3)
    if kind not in FORMATS:
        monkeypatch.setattr("ifm_ident.results._json_read.LARGE_BYTES", -1)
        monkeypatch.setattr("ifm_ident.results._json_stream._BLOCK", 50)
    path = saved(tmp_path, case, [many], kind.partition(" ")[0])
    assert read_rows(path, case) == expected
    if kind not in FORMATS:
        plain = json.dumps(json.loads(path.read_bytes()), indent=1)
        path.write_text(plain.replace("\n", "\r\n\t") + "\n \n", encoding="utf-8")
        assert read_rows(path, case) == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_two_runs_give_the_same_bytes(kind: str) -> None:
    for case in CASES.values():
        targets = all_codes(case.design.model)
        assert written(case, [answer(case.design, targets)], kind) == written(
            case, [answer(case.design, targets)], kind
        )


@pytest.mark.parametrize("kind", FORMATS)
def test_no_results_at_all(kind: str, tmp_path: Path) -> None:
    case = CASES["poster"]
    assert read_rows(saved(tmp_path, case, [], kind), case) == []


@pytest.mark.parametrize("kind", FORMATS)
def test_undecided_regimes_keep_what_they_miss(kind: str, tmp_path: Path) -> None:
    case = CASES["odd"]
    found = undecided(case.design, codes("110", "000", "211"), [[((0, 1), (1, 1)), ((2, 1),)], [], [((0, 2),)]])
    path = saved(tmp_path, case, [found], kind)
    assert read_rows(path, case) == rows_of(Claims.of(found))
    assert [len(row["missing"]) for row in read_rows(path, case)] == [2, 0, 1]


@pytest.mark.parametrize("kind", FORMATS)
def test_numbers_of_thousands_of_digits(kind: str, tmp_path: Path) -> None:
    case = CASES["poster"]
    big = Fraction(10**9000 + 1, 3**5000)
    cells = cells_of(case.design.model, [0, 1])
    kernel = KernelCertificate(-1, ((cells[0], -(10**6000) - 7), (cells[5], 2**70)))
    found = Columns(
        case.design,
        [(Status.IDENTIFIED, Criterion.JOINT, -1, -1), (Status.NOT_IDENTIFIED, Criterion.JOINT, -1, 0)],
        [[(-1, 3, big), (-1, 1, 1 - big), (-1, 2, Fraction(2**80))], []],
        [kernel],
    ).build(codes("111", "101"))
    assert read_rows(saved(tmp_path, case, [found], kind), case) == rows_of(Claims.of(found))


def test_json_has_the_layout_of_the_contract() -> None:
    case = CASES["poster"]
    found = answer(case.design, codes("111", "100"))
    assert written(case, [found], "json").decode() == (
        """{"schema": "ifm-identification/1",
 "study": "poster example",
 "interventions": {"sigma1": [0, 1], "sigma2": [0, 1], "sigma3": [0, 1]},
 "variables": ["x"],
 "factors": [{"name": "f1", "x": ["x"], "sigma": ["sigma1", "sigma2"]}, """
        """{"name": "f2", "x": ["x"], "sigma": ["sigma2", "sigma3"]}],
 "train": [{"sigma1": 0, "sigma2": 0, "sigma3": 0}, {"sigma1": 0, "sigma2": 1, "sigma3": 0}, """
        """{"sigma1": 1, "sigma2": 0, "sigma3": 0}, {"sigma1": 1, "sigma2": 1, "sigma3": 0}, """
        """{"sigma1": 0, "sigma2": 0, "sigma3": 1}, {"sigma1": 0, "sigma2": 1, "sigma3": 1}],
 "results": [
  {"regime": {"sigma1": 1, "sigma2": 1, "sigma3": 1}, "status": "identified", "criterion": "joint", """
        """"exponents": [{"train": 3, "exponent": "1"}, {"train": 5, "exponent": "1"}, """
        """{"train": 1, "exponent": "-1"}]},
  {"regime": {"sigma1": 1, "sigma2": 0, "sigma3": 0}, "status": "observed", "train": 2}],
 "targets": 2}
"""
    )


def test_json_of_conditional_and_undecided_results() -> None:
    cycle = CASES["cycle"]
    data = json.loads(written(cycle, [answer(cycle.design, codes("111"))], "json"))
    (entry,) = data["results"]
    assert list(entry) == ["regime", "status", "criterion", "conditionals"]
    assert list(entry["conditionals"]) == data["variables"] == ["x1", "x2", "x3"]
    assert entry["conditionals"]["x2"] == [
        {"train": 0, "exponent": "1"},
        {"train": 2, "exponent": "1"},
        {"train": 4, "exponent": "-1"},
    ]
    single = CASES["single"]
    less = replace(single, design=replace(single.design, train=codes("000")))
    (entry,) = json.loads(written(less, [answer(less.design, codes("010"))], "json"))["results"]
    assert entry["certificate"] == {
        "variable": "x2",
        "kernel": [{"factor": "f2", "levels": {"B": 1}, "weight": 1}],
    }
    refused = json.loads(written(less, [answer(less.design, codes("010"), "joint")], "json"))["results"][0]
    assert list(refused["certificate"]) == ["kernel"]
    found = undecided(less.design, codes("111"), [[((0, 1),)]])
    assert json.loads(written(less, [found], "json"))["results"] == [
        {
            "regime": {"A": 1, "B": 1, "C": 1},
            "status": "undecided",
            "method": "message-passing",
            "missing": [{"A": 1, "B": 0, "C": 0}],
        }
    ]


def test_csv_is_long_and_plain() -> None:
    case = CASES["poster"]
    text = written(case, [answer(case.design, codes("111", "100"))], "csv").decode()
    assert text.splitlines() == [
        "regime,status,criterion,variable,kind,train,factor,levels,numerator,denominator",
        "111,identified,joint,,exponent,3,,,1,1",
        "111,identified,joint,,exponent,5,,,1,1",
        "111,identified,joint,,exponent,1,,,-1,1",
        "100,observed,,,none,2,,,,",
    ]
    odd = CASES["odd"]
    lines = list(csv.DictReader(io.StringIO(written(odd, [answer(odd.design, codes("200"))], "csv").decode())))
    assert {line["regime"] for line in lines} == {'A="say \\"hi\\""'}
    assert {line["variable"] for line in lines} <= {"v,1", '"w"'}
    assert all(line["kind"] in ("exponent", "kernel") for line in lines)


def test_a_kernel_in_csv_and_parquet_has_whole_cells(tmp_path: Path) -> None:
    case = CASES["refused"]
    found = answer(case.design, codes("100"))
    weights = dict(found.kernels[0].cells)
    lines = list(csv.DictReader(io.StringIO(written(case, [found], "csv").decode())))
    named = {"f1": "sigma1={},sigma2={}", "f2": "sigma2={},sigma3={}"}
    expected = [
        (f"f{k + 1}", named[f"f{k + 1}"].format(*cell), str(weight)) for (k, cell), weight in weights.items()
    ]
    assert [(line["factor"], line["levels"], line["numerator"]) for line in lines] == expected
    assert {(line["kind"], line["variable"], line["denominator"]) for line in lines} == {("kernel", "x", "1")}
    (row,) = pq.read_table(saved(tmp_path, case, [found], "parquet")).to_pylist()
    assert [(c["factor"], c["levels"], c["weight"]) for c in row["kernel"]] == expected
    assert (row["regime"], row["status"], row["criterion"]) == ("sigma1", "not_identified", "conditional")


def test_parquet_has_plain_types_and_the_study(tmp_path: Path) -> None:
    case = CASES["cycle"]
    found = answer(case.design, codes("111", "110"))
    file = pq.ParquetFile(saved(tmp_path, case, [found], "parquet"))
    schema = file.schema_arrow
    assert schema.field("regime").type == pa.string()
    assert schema.field("terms").type.value_type == pa.struct(
        [("variable", pa.string()), ("train", pa.int64()), ("exponent", pa.string())]
    )
    told = json.loads(file.metadata.metadata[b"study"])
    data = json.loads(written(case, [found], "json"))
    del data["results"]
    assert told == data
    rows = file.read().to_pylist()
    assert rows[1] == {
        "regime": "sigma1+sigma2",
        "status": "observed",
        "criterion": None,
        "train": 0,
        "terms": [],
        "kernel": [],
    }
    assert rows[0]["terms"][0] == {"variable": "x1", "train": 0, "exponent": "1"}


def test_repeated_targets_stay_apart(tmp_path: Path) -> None:
    for name in ("poster", "cycle", "refused"):
        case = CASES[name]
        targets = all_codes(case.design.model).take(np.repeat(np.arange(8), 2))
        found = answer(case.design, targets)
        assert read_rows(saved(tmp_path, case, [found], "csv"), case) == rows_of(Claims.of(found))


def test_every_cell_has_a_text_of_its_own() -> None:
    for case in CASES.values():
        model = case.design.model
        for k in range(len(model.factors)):
            cells = cells_of(model, [k])
            texts = [cell_text(model, cell) for cell in cells]
            assert len(set(texts)) == len(cells)
            assert [CellReader(model).read(k, text) for text in texts] == cells
    for text in ("A=1", "sigma1=1,sigma2=2", "sigma1=1,sigma2=1,", "sigma2=1,sigma1=1", "", "sigma1=1,sigma2=10"):
        with pytest.raises(
            InputError, match=r"level combination .cell. of factor 'f1'; write it as sigma1=0,sigma2=0"
        ):
            CellReader(CASES["poster"].design.model).read(0, text)


def test_the_arrow_table_is_the_parquet_file_as_read() -> None:
    odd = CASES["odd"].design
    some = [answer(case.design, all_codes(case.design.model)) for case in CASES.values()]
    some.append(undecided(odd, codes("110", "000", "211"), [[((0, 1), (1, 1)), ((2, 1),)], [], [((0, 2),)]]))
    for found in some:
        write_parquet(stream := io.BytesIO(), Heading("identification", found.design, found.notation), [found])
        read, made = pq.read_table(stream), found.to_arrow()
        assert made.schema.equals(read.schema, check_metadata=True)
        assert made.equals(read)
