"""Every way in which a study file can be wrong: the line that is named and the remedy."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from ifm_ident.errors import InputError
from ifm_ident.study.study import load
from tests.ident.study_files import CONDITIONAL, POSTER, SMALL, study


def refusal(folder: Path, text: str | bytes) -> str:
    start = time.process_time()
    with pytest.raises(InputError) as caught:
        study(folder, text)
    assert time.process_time() - start < 1  # CPU seconds: no input may expand without bound
    message = str(caught.value)
    assert message.startswith(f"{folder / 's.yaml'}:"), message
    assert "\n" not in message
    return message.removeprefix(f"{folder / 's.yaml'}:")


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: the file is empty"),
        ("# only a comment\n", "1: the file is empty"),
        ("---\n", "1: the file is empty"),
        ("- a\n- b\n", "1: the top level is a list, not a map"),
        ("hello", "1: the top level is text"),
        ("a: [1, 2\nb: 3\n", "2: this is not YAML"),
        ("a: 1\n\tb: 2\n", "2: this is not YAML"),
        ("a:\n\t- 1\n", "2: this is not YAML: .*tabs"),
        ("{", "1: this is not YAML"),
        ("a: b\x07c", "1: the character U+0007"),
        (b"a: 1\nb: \xff\n", "2: the file is not UTF-8 (byte offset 8 is 0xff)"),
        (POSTER.encode("utf-16"), "1: the file is not UTF-8 (byte offset 0"),
        (POSTER + "---\nname: again\n", "11: a second document"),
        (POSTER + "name: again\n", "11: the key 'name' is here twice (first on line 1)"),
        ("a: {b: 1,\n b: 2}", "2: the key 'b' is here twice"),
        ("interventions: {1: [0, 1]}", '1: the key 1 is a whole number, not text; write "1"'),
        ("interventions:\n  true: [0, 1]", '2: the key true is a boolean, not text; write "true"'),
        ("2024-01-01: x", '1: the key 2024-01-01 is a date, not text; write "2024-01-01"'),
        ("[a]: x", "1: a list or map cannot be a key"),
        ("a: !!python/object:os.system x", "1: the tag 'tag:yaml.org,2002:python/object:os.system'"),
        ("a: !!python/object/apply:os.system [x]", "1: the tag"),
        ("a:\n  !mine {b: 1}", "2: the tag '!mine' is not allowed"),
        ("a: !!int x", "1: 'x' is not a whole number"),
        ("a: &a [*a]", "1: the alias *a stands inside what it names"),
        ("a: *b", "1: the alias *b has no anchor|1: this is not YAML"),
        (BOMB, "7: the aliases expand to more than 1,000,000 nodes"),
        ("a: " + "[" * 100_000, "1: the nesting is deeper than 64"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "1: the nesting is deeper than 64"),
        ("a: " + "9" * 5000, "1: the number 99999999999999999999... has 5000 digits"),
        ('{"a": ' + "9" * 5000 + "}", "1: the number 99999999999999999999... has 5000 digits"),
    ],
)
def test_what_is_no_study_at_all(tmp_path: Path, text: str | bytes, message: str) -> None:
    said = refusal(tmp_path, text)
    first, *rest = message.split(": .*")
    assert any(said.startswith(option) for option in first.split("|")), said
    assert all(part in said for part in rest), said


def edited(old: str, new: str, base: str = POSTER) -> str:
    assert old in base
    return base.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # keys
        (edited("train:", "trian:"), ["9: unknown key 'trian'", "did you mean train?"]),
        (edited("train:", "test2:"), ["9: unknown key 'test2'"]),
        ("name: n\n", ["1: ", "no key `interventions`"]),
        (edited("{name: f1, sigma:", "{name: f1, sgima:"), ["7: unknown key 'sgima'", "did you mean sigma?"]),
        (edited(", sigma: [sigma1, sigma2]", ""), ["7: ", "no key `sigma`; write sigma: []"]),
        (edited("test: all", "test: {ordre: 2}"), ["10: unknown key 'ordre'", "order"]),
        (edited("test: all", "test: {order: 2, file: t.csv}"), ["10: unknown key 'file'"]),
        (edited("test: all", "test: {label: t}"), ["10: `test` has no key `file`"]),
        (edited("test: all", "data: {fil: x}"), ["10: unknown key 'fil'", "did you mean file?"]),
        (edited("test: all", "data: {outcome: y}"), ["10: `data` has no key `file`"]),
        (edited("test: all", "data: cells.csv"), ["10: `data` is a map", "'cells.csv'"]),
        (edited("test: all", "data: {file: x, scale: standrad}"), ["10: unknown scale", "did you mean standard?"]),
        (edited("test: all", "data: {file: x, log: y}"), ["10: `log` is a list", "'y'"]),
        (edited("test: all", "data: {file: x, outcome: [y]}"), ["10: the outcome is text, got a list"]),
        (edited("test: all", "data: {file: x, outcome: 3}"), ['10: the outcome is text', 'quotes: "3"']),
        (edited("test: all", "data: {file: ''}"), ["10: `file` is empty"]),
        (edited("test: all", "samples: counts.csv"), ["10: `samples` is a map"]),
        (edited("poster example", "2024-01-01"), ['1: `name` is text', '"2024-01-01"']),
        # interventions and levels
        (edited("[0, 1]", "2"), ["3: the levels of 'sigma1' are a list".replace("are", "is"), "unquoted 2"]),
        (edited("[0, 1]", "[]"), ["3: intervention 'sigma1' has 0 level(s)"]),
        (edited("[0, 1]", "[0]"), ["3: intervention 'sigma1' has 1 level(s)"]),
        (edited("[0, 1]", "[0, 0]"), ["3: ", "'0' twice"]),
        (edited("[0, 1]", "[1, 1.0]"), ["3: ", "'1.0' twice"]),
        (edited("[0, 1]", "[0, '0']"), ["3: ", "'0' twice"]),
        (edited("[0, 1]", "[0, .nan]"), ["3: ", "not finite", '".nan"']),
        (edited("[0, 1]", "[0, -.inf]"), ["3: ", "not finite", '"-.inf"']),
        (edited("[0, 1]", "[0, 1e400]"), ["3: ", "not finite", '"1e400"']),
        (edited("[0, 1]", "[false, true]"), ["3: ", "the unquoted false, which is a boolean", '"false"']),
        (edited("[0, 1]", "[0, null]"), ["3: ", "which is null", '"null"']),
        (edited("[0, 1]", "\n    - 0\n    - ~"), ["5: ", '"~"']),
        (edited("[0, 1]", "[0, 2024-01-01]"), ["3: ", "which is a date", '"2024-01-01"']),
        (edited("[0, 1]", "[0, [1]]"), ["3: a level is text or a number, got a list"]),
        (edited("[0, 1]", "[0, '']"), ["3: the empty text"]),
        (edited("sigma1:", "a+b:"), ["3: ", "'a+b'", "'+'"]),
        (edited("sigma1:", "ctrl:"), ["3: ", "'ctrl'", "reserved"]),
        ("interventions: {}\nfactors: []\ntrain: []\n", ["1: `interventions` is empty"]),
        ("interventions: [A]\nfactors: []\ntrain: []\n", ["1: `interventions` is a map", "a list"]),
        # variables and factors
        (edited("factors:", "variables: [x, x]\nfactors:"), ["6: ", "'x' is named twice"]),
        (edited("x1, x2, x3", "x1, x2, x3, x4", CONDITIONAL), ["6: ", "'x4' is in no factor"]),
        (edited("factors:", "variables: []\nfactors:"), ["6: the model has no variables"]),
        (edited("factors:", "variables: [1]\nfactors:"), ['6: a variable is text', '"1"']),
        (edited("factors:", "variables: x\nfactors:"), ["6: `variables` is a list"]),
        (edited("name: f2,", "name: f1,"), ["8: factor 'f1' is named twice"]),
        (edited("name: f2,", "name: 2,"), ['8: the name of a factor is text', '"2"']),
        (edited("name: f2,", "x: [],"), ["8: ", "{x: [v], sigma: []}"]),
        (edited("name: f2,", "x: [z],"), ["8: ", "unknown variable 'z'"]),
        (edited("name: f2,", "x: x,"), ["8: `x` is a list", "'x'"]),
        (edited("[sigma2, sigma3]", "[sigma2, sgima3]"), ["8: ", "'sgima3'", "did you mean sigma3?"]),
        (edited("[sigma2, sigma3]", "[sigma2, sigma2]"), ["8: ", "'sigma2' is named twice"]),
        (edited("[sigma2, sigma3]", ""), ["8: `sigma` is a list", "nothing"]),
        ("interventions: {A: [0, 1]}\nfactors: []\ntrain: [A]\n", ["2: the model has no factors"]),
        ("interventions: {A: [0, 1]}\nfactors: {f: [A]}\ntrain: [A]\n", ["2: `factors` is a list", "a map"]),
        ("interventions: {A: [0, 1]}\nfactors: [A]\ntrain: [A]\n", ["2: this entry is a map", "'A'"]),
        # train
        (edited('"010"', "010"), ['9: ', 'the unquoted 010', 'quotes: "010"']),
        (edited('"010"', "1e2"), ['9: ', 'quotes: "1e2"']),
        (edited('"010"', "true"), ['9: ', 'quotes: "true"']),
        (edited('"010"', "2024-01-01"), ['9: ', 'quotes: "2024-01-01"']),
        (edited('"010"', "[0, 1, 0]"), ["9: a regime is text or a map, got a list"]),
        (edited('"010"', '"01"'), ["9: regime '01' has 2 level(s)"]),
        (edited('"010"', '"020"'), ["9: ", "'sigma2' has no level '2'"]),
        (edited('"010"', "sigma1+sigam2"), ["9: ", "'sigam2'", "did you mean sigma2?"]),
        (edited('"010"', "sigma1+sigma1"), ["9: ", "twice"]),
        (edited('"010"', "{sigma4: 1}"), ["9: unknown intervention 'sigma4'", "did you mean sigma"]),
        (edited('"010"', "{sigma2: 2}"), ["9: ", "no level '2'"]),
        (edited('"010"', "{sigma2: true}"), ["9: ", '"true"']),
        (edited('"010"', "{sigma2: }"), ["9: ", '"null"']),
        (edited('"010"', "\n  ''"), ["10: ", "empty text"]),
        (POSTER.split("train")[0] + "train: []\n", ["9: there is no training regime"]),
        (POSTER.split("train")[0] + "train: all\n", ["9: `train` is a list", "'all'"]),
        (POSTER.split("train")[0] + "train: {sigma1: 1}\n", ["9: unknown key 'sigma1' in `train`", "file"]),
        (POSTER.split("train")[0] + "train: {file: no.csv}\n", ["9: ", "no.csv: there is no such file"]),
        (POSTER.split("train")[0] + "train:\n  file: no.xls\n", ["10: ", "no.xls: tables end in .csv"]),
        (POSTER.split("train")[0] + "train:\n- '000'\n- '010'\n- '0a0'\n", ["12: ", "no level 'a'"]),
        # test
        (edited("test: all", "test: none"), ["10: `test` is all", "'none'"]),
        (edited("test: all", "test: 111"), ["10: `test` is all", "the unquoted 111"]),
        (edited("test: all", "test: order:2"), ["10: `test` is all, ", "write {order: 2}"]),
        (edited("test: all", "test: []"), ["10: `test` is an empty list"]),
        (edited("test: all", "test: {order: -1}"), ["10: `order` is a whole number", "-1"]),
        (edited("test: all", "test: {order: 1.5}"), ["10: `order` is a whole number", "1.5"]),
        (edited("test: all", "test: {order: true}"), ["10: `order` is a whole number", "true"]),
        (edited("test: all", "test: ['111', 110]"), ['10: ', 'quotes: "110"']),
        (
            "interventions: {'01': [0, 1], '10': [0, 1]}\nfactors: [{sigma: []}]\ntrain:\n  - '01'\n",
            ["4: ", "two ways", "write a map"],
        ),
    ],
)  # fmt: skip
def test_every_error_names_its_line_and_the_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith(words[0]), said
    assert all(word in said for word in words), said


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: there is no such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="directory"):
        load(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        load("a\0b")


def test_a_bad_row_is_named_by_its_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("A,B\n1,low\n1,lou\n")
    with pytest.raises(InputError) as caught:
        study(tmp_path, SMALL + "train: {file: t.csv}\n")
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}, row 2: ")
    assert "did you mean low?" in str(caught.value)
    (tmp_path / "h.csv").write_text("A,B\n")
    with pytest.raises(InputError, match=r"s\.yaml:7: .*h\.csv: the table has no rows; .* training"):
        study(tmp_path, SMALL + "train: {file: h.csv}\n")
    with pytest.raises(InputError, match=r"s\.yaml:8: .*h\.csv: the table has no rows"):
        study(tmp_path, SMALL + "train: [A]\ntest: {file: h.csv}\n")


def test_samples_must_cover_the_training_regimes_once(tmp_path: Path) -> None:
    text = SMALL + "train: [ctrl, A]\nsamples: {file: c.csv}\n"
    (tmp_path / "c.csv").write_text("A,n\n1,3\n0,4\n")
    samples = study(tmp_path, text).samples
    assert samples is not None
    assert samples.dtype == np.int64
    assert samples.tolist() == [4, 3]
    (tmp_path / "c.csv").write_text("A,n\n0,4\n")
    with pytest.raises(InputError, match=r"s\.yaml:8: .*training regime 2 \(A=1\) has no row"):
        study(tmp_path, text)
    (tmp_path / "c.csv").write_text("A,n\n0,4\n1,3\n0,5\n")
    with pytest.raises(InputError, match=r"c\.csv, row 3: repeats the regime of row 1"):
        study(tmp_path, text)
    (tmp_path / "c.csv").write_text("A,m\n0,4\n")
    with pytest.raises(InputError, match=r"s\.yaml:8: .*no column 'n'"):
        study(tmp_path, text)


def test_too_many_regimes_are_refused_when_asked_for(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(40)]
    levels = "".join(f"  {name}: [0, 1]\n" for name in names)
    one = study(tmp_path, f"interventions:\n{levels}factors: [{{sigma: [s0]}}]\ntrain: [ctrl]\ntest: all\n")
    assert one.target_count == 2**40
    with pytest.raises(InputError, match=r"s\.yaml:44: 2\^40 = 1,099,511,627,776 .*\{order: 2\}"):
        one.targets()
    assert one.with_test(["order:2"]).target_count == 1 + 40 + 780
    with pytest.raises(InputError, match=r"test all: 2\^40"):
        one.with_test(["order:1", "all"]).targets()
