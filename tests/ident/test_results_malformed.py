"""Files that are no results: each is refused by place, none by a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.errors import InputError
from ifm_ident.results.read import read_result
from tests.ident.answers import CASES, all_codes, answer, codes
from tests.ident.result_files import edited, read_rows, remover, saved, setter, written

FORMULA = ("results", 0, "exponents", 0)
MALFORMED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda data: [data], "the file: an object is needed"),
    (remover("results"), "the key 'results' is missing"),
    (remover("train"), "the key 'train' is missing"),
    (setter("extra", to=1), "unknown key 'extra'"),
    (setter("schema", to="ifm-identification/2"), "this program reads 'ifm-identification/1'"),
    (setter("study", to=None), "study: text is needed, got None"),
    (setter("interventions", to=[]), "interventions: an object is needed"),
    (setter("interventions", "sigma1", to=[0]), "it needs the baseline"),
    (setter("interventions", "sigma1", to=[0, [1]]), "a level is a string or a number"),
    (setter("interventions", "sigma1", to=[0, 10**4000]), "level of more than 1000 digits"),
    (setter("factors", 0, "sigma", to=["sigma9"]), "unknown intervention 'sigma9'"),
    (setter("factors", 0, "sigma", to="sigma1"), "factors, entry 0: sigma: a list is needed"),
    (setter("factors", 0, to=3), "factors, entry 0: an object is needed, got 3"),
    (setter("train", to=[]), "no training regime"),
    (setter("train", 2, "sigma1", to=7), "train, entry 2: intervention 'sigma1' has no level 7"),
    (setter("train", 2, "sigma1", to=True), "train, entry 2: intervention 'sigma1' has no level True"),
    (remover("train", 2, "sigma1"), "train, entry 2: the intervention 'sigma1' is missing"),
    (setter("results", to={}), "results: a list is needed"),
    (setter("results", 0, to=None), "results, entry 0: an object is needed"),
    (setter("results", 0, "regime", to="111"), "results, entry 0, regime: an object is needed"),
    (setter("results", 0, "regime", "sigma3", to="x"), "no level 'x'"),
    (setter("results", 0, "regime", "sigma4", to=1), "unknown intervention 'sigma4'; did you mean sigma"),
    (remover("results", 0, "regime", "sigma3"), "the intervention 'sigma3' is missing"),
    (setter("results", 0, "status", to="identfied"), "unknown status 'identfied'; did you mean identified"),
    (setter("results", 0, "status", to=["identified"]), "unknown status"),
    (setter("results", 0, "status", to="observed"), "the key 'train' is missing"),
    (setter("results", 0, "criterion", to="auto"), "unknown criterion 'auto'"),
    (setter("results", 0, "criterion", to="conditional"), "the key 'conditionals' is missing"),
    (setter(*FORMULA, to=3), "exponents, entry 0: an object is needed"),
    (setter(*FORMULA, "exponent", to=1), "entry 0, exponent: text is needed, got 1"),
    (setter(*FORMULA, "exponent", to="1/0"), "denominator that is not positive"),
    (setter(*FORMULA, "exponent", to="1/-2"), "denominator that is not positive"),
    (setter(*FORMULA, "exponent", to="0"), "zeros are left out"),
    (setter(*FORMULA, "exponent", to="1.5"), "is not an integer"),
    (setter(*FORMULA, "exponent", to="__import__('os')"), "is not an integer"),
    (setter(*FORMULA, "exponent", to="1_000"), "is not an integer"),
    (setter(*FORMULA, "exponent", to="١"), "is not an integer"),
    (setter(*FORMULA, "exponent", to=" 1"), "is not an integer"),
    (setter(*FORMULA, "exponent", to="9" * 100_001), "an integer of 100001 digits"),
    (setter(*FORMULA, "train", to=6), "no training regime 6; they go from 0 to 5"),
    (setter(*FORMULA, "train", to=-1), "no training regime -1"),
    (setter(*FORMULA, "train", to=1.0), "train: an integer is needed, got 1.0"),
    (setter(*FORMULA, "train", to=True), "train: an integer is needed, got True"),
    (setter("results", 1, "train", to=6), "no training regime 6"),
    (setter("results", 1, "criterion", to="joint"), "results, entry 1: unknown key 'criterion'"),
]


@pytest.mark.parametrize(("edit", "message"), MALFORMED, ids=[message for _, message in MALFORMED])
def test_malformed_json_is_refused_by_name(edit: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    case = CASES["poster"]
    path = tmp_path / "bad.json"
    path.write_bytes(edited(case, answer(case.design, codes("111", "100")), edit))
    with pytest.raises(InputError) as caught:
        read_rows(path, case)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


REFUSAL = ("results", 0, "certificate")
BAD_KERNELS: list[tuple[Callable[[Any], Any], str]] = [
    (setter(*REFUSAL, to=[]), "certificate: an object is needed"),
    (remover(*REFUSAL, "variable"), "the key 'variable' is missing"),
    (setter(*REFUSAL, "variable", to="y"), "unknown variable 'y'"),
    (setter(*REFUSAL, "kernel", 0, "factor", to="g"), "unknown factor 'g'"),
    (setter(*REFUSAL, "kernel", 0, "factor", to=0), "unknown factor 0"),
    (setter(*REFUSAL, "kernel", 0, "weight", to="1"), "weight: an integer is needed"),
    (setter(*REFUSAL, "kernel", 0, "weight", to=1.0), "weight: an integer is needed"),
    (setter(*REFUSAL, "kernel", 0, "levels", to={}), "levels: the key 'sigma1' is missing"),
    (setter(*REFUSAL, "kernel", 0, "levels", "sigma3", to=0), "levels: unknown key 'sigma3'"),
    (setter(*REFUSAL, "kernel", 0, "levels", "sigma1", to=2), "has no level 2"),
]


@pytest.mark.parametrize(("edit", "message"), BAD_KERNELS, ids=[message for _, message in BAD_KERNELS])
def test_malformed_certificates_are_refused(edit: Callable[[Any], Any], message: str, tmp_path: Path) -> None:
    case = CASES["refused"]
    path = tmp_path / "bad.json"
    path.write_bytes(edited(case, answer(case.design, codes("100")), edit))
    with pytest.raises(InputError, match="results, entry 0") as caught:
        read_rows(path, case)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "this is no json result"),
        (b'{"schema": "ifm-identification/1",\n "study": }', "line 2, column 11: no JSON"),
        (b'{"schema": 1, "schema": 2}', "the key 'schema' appears twice"),
        (b'{"schema": NaN}', "NaN is no JSON number"),
        (b'{"schema": -Infinity}', "-Infinity is no JSON number"),
        (b"[" * 200_000, "nested too deeply|no JSON"),
        (b'{"a": ' * 200_000, "nested too deeply|no JSON|unknown key 'a'"),
        (b'{"schema": "\xff"}', "not UTF-8"),
        (b'{"schema": 1' + b"0" * 200_000 + b"}", "an integer of 200001 digits"),
        (b"{}", "is missing"),
        (b"null", "this is no json result"),
    ],
)
@pytest.mark.parametrize("large", [False, True], ids=["at once", "as it is read"])
def test_hostile_json(text: bytes, message: str, large: bool, tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "hostile.json"
    path.write_bytes(text)
    if large:
        monkeypatch.setattr("ifm_ident.results._json_read.LARGE_BYTES", -1)
    with pytest.raises(InputError, match=message):
        read_result(path)


def streamed(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with a JSON result that is read entry by entry."""
    monkeypatch.setattr("ifm_ident.results._json_read.LARGE_BYTES", -1)
    monkeypatch.setattr("ifm_ident.results._json_stream._BLOCK", 50)
    with pytest.raises(InputError) as caught:
        [*read_result(path).blocks]
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"results": [', '"results": [,', ""),
        ('"exponent": "1"}', '"exponent": "1"', ""),
        ('"exponents"', "'exponents'", ""),
        ('"status"', '"status', ""),
        ("}\n", "\n", "Expecting ',' or '}'"),
        ("}\n", '} "more"\n', "Expecting the end"),
        ("}\n", ', "results": []}\n', "appears twice"),
        ("}\n", ', "more": []}\n', "unknown key 'more'"),
        ('"targets": 1', '"targets": 2', "says that it has 2 results, and has 1"),
        ('"status"', '"statos"', "results, entry 0"),
    ],
)
def test_json_that_goes_wrong_late_is_refused_by_place(
    old: str, new: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["poster"]
    path = tmp_path / "bad.json"
    text = written(case, [answer(case.design, codes("111"))], "json").decode()
    path.write_text(bad := text.replace(old, new, 1) if old[0] != "}" else new.join(text.rsplit(old, 1)))
    try:
        json.loads(bad)
    except json.JSONDecodeError as error:
        message = message or f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"
    assert message in streamed(path, monkeypatch)


def test_a_result_cut_off_is_refused_wherever_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["poster"]
    path = tmp_path / "cut.json"
    text = written(case, [answer(case.design, codes("111", "110"))], "json").rstrip()
    for end in range(1, len(text), 7):
        path.write_bytes(text[:end])
        assert str(path) in streamed(path, monkeypatch)


def test_results_before_their_study_are_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["poster"]
    path = tmp_path / "turned.json"
    data = json.loads(written(case, [answer(case.design, codes("111"))], "json"))
    path.write_text(json.dumps(dict(reversed(data.items()))))
    monkeypatch.setattr("ifm_ident.results._json_read.LARGE_BYTES", -1)
    assert len(read_rows(path, case)) == 1


CSV_EDITS = [
    ("kind,train", "kind,trian", "the columns are"),
    (
        "111,identified,joint,,exponent,3",
        "111,identified,joint,,exponent,6",
        "line 2: there is no training regime 6",
    ),
    ("exponent,3,,,1,1", "exponent,3,,,1,0", "line 2: the denominator is not positive"),
    ("exponent,3,,,1,1", "exponent,3,,,0,1", "line 2: the exponent is zero"),
    ("exponent,3,,,1,1", "exponent,3,,,1e3,1", "line 2: '1e3' is not an integer"),
    ("exponent,3,,,1,1", "exponent,3,,,,1", "line 2: '' is not an integer"),
    ("exponent,3,,,1,1", "exponent,,,,1,1", "line 2: the training index is missing"),
    ("exponent,3,,,1,1", "exponent,99999999999999999999,,,1,1", "line 2: there is no training regime 9999999"),
    ("exponent,3,,,1,1", "exponent,3,f1,,1,1", "line 2: a factor has no place"),
    ("exponent,3,,,1,1", "exponent,3,,,1", "Expected 10 columns"),
    ("joint,,exponent,3", "joint,y,exponent,3", "line 2: unknown variable 'y'"),
    ("joint,,exponent,3", "joint,,exponents,3", "line 2: unknown kind 'exponents'"),
    ("joint,,exponent,3", "auto,,exponent,3", "line 2: unknown criterion 'auto'"),
    ("111,identified,joint,,exponent,3", "111,,joint,,exponent,3", "line 2: unknown status ''"),
    ("111,identified,joint,,exponent,1", "112,identified,joint,,exponent,1", "line 4: regime '112'"),
    ("100,observed,,,none,2", "100,observed,,,none,6", "line 5: there is no training regime 6"),
    ("100,observed,,,none,2,,,,", "100,observed,,,none,2,,,1,", "line 5: a numerator has no place"),
    ("100,observed", ",observed", "line 5: a regime cannot be the empty text"),
    ("100,observed", '"100,observed', "after line 1"),
    ("100,observed", "\udcff", "after line 1"),
]


@pytest.mark.parametrize(("old", "new", "message"), CSV_EDITS, ids=[edit[2] + edit[1] for edit in CSV_EDITS])
def test_malformed_csv_is_refused_by_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    case = CASES["poster"]
    text = written(case, [answer(case.design, codes("111", "100"))], "csv").decode()
    assert old in text
    path = tmp_path / "bad.csv"
    path.write_bytes(text.replace(old, new, 1).encode(errors="surrogateescape"))
    with pytest.raises(InputError) as caught:
        read_rows(path, case)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_csv_needs_its_study(tmp_path: Path) -> None:
    case = CASES["poster"]
    path = saved(tmp_path, case, [answer(case.design, codes("111"))], "csv")
    with pytest.raises(InputError, match="give that by `study`"):
        read_result(path)


def test_damaged_parquet_is_refused(tmp_path: Path) -> None:
    case = CASES["cycle"]
    good = written(case, [answer(case.design, all_codes(case.design.model))], "parquet")
    path = tmp_path / "bad.parquet"
    rng = np.random.default_rng(0)
    for cut in (0, 3, 10, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(InputError, match=r"bad\.parquet: "):
            read_rows(path, case)
    for _ in range(300):
        noisy = bytearray(good)
        noisy[int(rng.integers(4, len(good)))] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(noisy))
        with suppress(InputError):  # a flipped bit may be harmless; what must not come is any other error
            read_rows(path, case)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("regime", "sigma9", "row 1: regime 'sigma9'"),
        ("regime", None, "row 1: the regime is missing"),
        ("status", "seen", "row 1: unknown status 'seen'"),
        ("status", None, "row 1: the status is missing"),
        ("criterion", "both", "row 1: unknown criterion 'both'"),
        ("train", 77, "row 1: there is no training regime 77"),
        (
            "terms",
            [{"variable": "x1", "train": 9, "exponent": "1"}],
            "row 1, entry 0: there is no training regime 9",
        ),
        ("terms", [{"variable": "x1", "train": None, "exponent": "1"}], "the training index is missing"),
        ("terms", [{"variable": "x1", "train": 1, "exponent": "1/0"}], "row 1, entry 0: the exponent '1/0'"),
        ("terms", [{"variable": "x1", "train": 1, "exponent": None}], "the exponent is missing"),
        ("terms", [{"variable": "y", "train": 1, "exponent": "1"}], "unknown variable 'y'"),
        ("terms", [None], "the entry is missing"),
        ("kernel", [{"variable": "x1", "factor": "f9", "levels": "", "weight": "1"}], "unknown factor 'f9'"),
        (
            "kernel",
            [{"variable": "x1", "factor": "f1", "levels": "a", "weight": "1"}],
            "'a' is no level combination (cell) of factor 'f1'",
        ),
        (
            "kernel",
            [{"variable": "x1", "factor": "f1", "levels": "sigma1=0,sigma2=1", "weight": "x"}],
            "'x' is not an integer",
        ),
    ],
)
def test_bad_values_in_parquet_are_refused_by_row(
    column: str, value: object, message: str, tmp_path: Path
) -> None:
    case = CASES["cycle"]
    path = saved(tmp_path, case, [answer(case.design, codes("111"))], "parquet")
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    changed = table.set_column(at, column, pa.array([value], type=table.schema.field(column).type))
    pq.write_table(changed, path)
    with pytest.raises(InputError) as caught:
        read_rows(path, case)
    assert message in str(caught.value)


def test_parquet_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(InputError, match="metadata lack the key `study`"):
        read_result(path)
    case = CASES["poster"]
    table = pq.read_table(saved(tmp_path, case, [answer(case.design, codes("111"))], "parquet"))
    pq.write_table(table.drop_columns(["terms"]), path)
    with pytest.raises(InputError, match="the columns are regime, status, criterion, train, kernel; a result has"):
        read_result(path)
    as_number = table.set_column(0, "regime", pa.array([[1]]))
    pq.write_table(as_number, path)
    with pytest.raises(InputError, match="after row 0"):
        read_rows(path, case)


def test_a_file_that_is_no_result_is_not_called_a_csv_result(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("name: poster\ninterventions: {A: [0, 1]}\n")
    for text in (
        '{"schema": "ifm-estimate/1", "study": "s", "method": "ifm1"}',
        "regime,outcome,status,mean,se\n",
    ):
        (tmp_path / "estimates").write_text(text)
        with pytest.raises(InputError, match=r"schema is 'ifm-estimate/1'; this program|this is no result"):
            read_result(tmp_path / "estimates")
    with pytest.raises(InputError, match=r"study\.yaml: this is no result; write one with `ifm identify"):
        read_result(path)
