"""Study files: what they mean, and every way in which they can be wrong."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from ifm_ident.errors import InputError
from ifm_ident.notation import format_regimes
from ifm_ident.reading.yaml_nodes import parse_yaml
from ifm_ident.spaces import AllRegimes, Listed, UpToOrder
from ifm_ident.study import Study, load

POSTER = """\
name: poster example
interventions:
  sigma1: [0, 1]
  sigma2: [0, 1]
  sigma3: [0, 1]
factors:
  - {name: f1, sigma: [sigma1, sigma2]}
  - {name: f2, sigma: [sigma2, sigma3]}
train: ["000", "010", "100", "110", "001", "011"]
test: all
"""
CYCLE = """\
name: the poster's algebraic example
interventions:
  sigma1: [0, 1]
  sigma2: [0, 1]
  sigma3: [0, 1]
factors:
  - {name: f1, sigma: [sigma1, sigma2]}
  - {name: f2, sigma: [sigma2, sigma3]}
  - {name: f3, sigma: [sigma1, sigma3]}
train: ["000", "010", "100", "110", "001", "011", "101"]
test: ["111"]
"""
CONDITIONAL = """\
name: identified by full conditionals only
interventions:
  s1: [0, 1]
  s2: [0, 1]
  s3: [0, 1]
variables: [x1, x2, x3]
factors:
  - {name: f1, x: [x1, x2], sigma: [s1, s2]}
  - {name: f2, x: [x2, x3], sigma: [s2, s3]}
  - {name: f3, x: [x1, x3], sigma: [s1, s3]}
train: ["110", "101", "011", "100", "010", "001"]
test: ["111", "000"]
"""
SMALL = """\
interventions:
  A: [0, 1]
  B: [none, low, high]
factors:
  - {sigma: [A]}
  - {sigma: [B]}
"""


def study(folder: Path, text: str | bytes, name: str = "s.yaml") -> Study:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path)


def targets_of(one: Study) -> list[list[int]]:
    return [codes for chunk in one.targets() for codes in chunk.codes().tolist()]


def test_the_poster(tmp_path: Path) -> None:
    one = study(tmp_path, POSTER)
    assert (one.name, one.notation, one.target_count) == ("poster example", "levels", 8)
    assert one.path == tmp_path / "s.yaml"
    assert one.model.variables == ("x",)
    assert [factor.x for factor in one.model.factors] == [("x",), ("x",)]
    assert one.design.train.codes().tolist() == [
        [0, 0, 0],
        [0, 1, 0],
        [1, 0, 0],
        [1, 1, 0],
        [0, 0, 1],
        [0, 1, 1],
    ]
    assert isinstance(one.test[0], AllRegimes)
    assert len(targets_of(one)) == 8
    assert (one.data, one.samples) == (None, None)


def test_the_other_examples(tmp_path: Path) -> None:
    cycle = study(tmp_path, CYCLE)
    assert (cycle.name, targets_of(cycle)) == ("the poster's algebraic example", [[1, 1, 1]])
    conditional = study(tmp_path, CONDITIONAL)
    assert conditional.model.covers == ((0, 2), (0, 1), (1, 2))
    assert targets_of(conditional) == [[1, 1, 1], [0, 0, 0]]


def test_defaults_and_the_full_set_of_keys(tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("label,n\nctrl,50\nA,7\nB=high,9\n")
    one = study(
        tmp_path,
        SMALL + "train: [{}, {A: 1}, A, {B: high}]\ntest: {order: 1}\n"
        "data: {file: cells.csv, outcome: y, label: pert, scale: paper, log: [x]}\n"
        "samples: {file: counts.csv}\n",
        "my-study.yaml",
    )
    assert one.name == "my-study"
    assert [factor.name for factor in one.model.factors] == ["f1", "f2"]
    assert one.notation == "label"
    assert one.samples is not None
    assert one.samples.tolist() == [50, 7, 7, 9]
    assert one.data is not None
    assert one.data.file == tmp_path / "cells.csv"
    assert (one.data.outcome, one.data.label, one.data.scale, one.data.log) == ("y", "pert", "paper", ("x",))
    assert targets_of(one) == [[0, 0], [1, 0], [0, 1], [0, 2]]
    assert isinstance(one.test[0], UpToOrder)


@pytest.mark.parametrize(
    ("train", "test", "notation"),
    [
        ("[{A: 1}]", "all", "assignment"),
        ("[{A: 1}]", "[A]", "label"),
        ("[{A: 1}]", '["B=low"]', "assignment"),
        ("[{A: 1}, A]", '["B=low"]', "label"),
        ("[ctrl, 'A=1,B=low']", "[A]", "assignment"),
        ("[ctrl]", "all", "label"),
        ("{file: t.csv}", "[A]", "assignment"),
        ("{file: l.csv, label: pert}", "all", "label"),
    ],
)
def test_the_notation_is_that_of_the_training_regimes(
    tmp_path: Path, train: str, test: str, notation: str
) -> None:
    (tmp_path / "t.csv").write_text("A,B\n1,low\n")
    (tmp_path / "l.csv").write_text("pert\nA\n")
    one = study(tmp_path, f"{SMALL}train: {train}\ntest: {test}\n")
    assert one.notation == notation
    assert len(format_regimes(one.model, one.design.train, one.notation)) == len(one.design.train)


def test_tables_are_relative_to_the_study(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.csv").write_text("A,B\n1,\n,high\n")
    (tmp_path / "in" / "test.tsv").write_text("p\tq\nA\tz\nB=low\tz\n")
    one = study(tmp_path / "in", SMALL + "train: {file: train.csv}\ntest: {file: ../in/test.tsv, label: p}\n")
    assert one.design.train.codes().tolist() == [[1, 0], [0, 2]]
    assert targets_of(one) == [[1, 0], [0, 1]]


def test_numbers_match_levels_by_value_and_repeats_are_kept(tmp_path: Path) -> None:
    one = study(tmp_path, SMALL + "train: [{A: 1.0}, {A: 0x1}, {A: '1'}, {A: +1}]\n")
    assert one.design.train.codes().tolist() == [[1, 0]] * 4
    assert one.design.first.tolist() == [0, 0, 0, 0]


def test_legal_oddities(tmp_path: Path) -> None:
    one = study(
        tmp_path,
        "interventions: {A: [yes, no], unused: [010, 1_0, 12345678901234567890123]}\n"
        "variables: [u, v]\nfactors: [{x: [u], sigma: []}, {x: [v], sigma: [A]}]\n"
        "train: [A]\ntest: {order: 99999999999999999999}\n",
    )
    assert one.model.interventions[0].levels == ("yes", "no")
    assert one.model.interventions[1].levels == (10, "1_0", 12345678901234567890123)
    assert one.target_count == 6


def test_json_with_surrogate_pairs_and_tabs_is_read_as_json(tmp_path: Path) -> None:
    mapping = {
        "name": "smile \U0001f600",
        "interventions": {"A\U0001f600": ["\U0001f600", "b\\u"], "B": [0, 1]},
        "factors": [{"sigma": ["B"]}],
        "train": [{"A\U0001f600": "b\\u"}],
    }
    text = json.dumps(mapping, indent="\t")
    assert "\\ud83d" in text
    one = study(tmp_path, text, "s.json")
    assert one.name == "smile \U0001f600"
    assert one.model.interventions[0].levels == ("\U0001f600", "b\\u")
    with pytest.raises(InputError, match=r"s\.json:13: .*did you mean factors"):
        study(tmp_path, text.replace('"factors"', '"factor"'), "s.json")
    with pytest.raises(InputError, match=r"s\.json:2: .*half a surrogate pair"):
        study(tmp_path, text.replace("\\ude00", "", 1), "s.json")


def test_a_byte_order_mark_and_aliases_are_legal(tmp_path: Path) -> None:
    text = "\ufeffinterventions: {A: &two [0, 1], B: *two}\nfactors: [{sigma: [A, B]}]\ntrain: [A, B]\n"
    assert study(tmp_path, text).target_count == 4


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
def test_both_yaml_parsers_are_read_alike(loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ifm_ident.reading.yaml_nodes._LOADER", loader)
    text = (
        "%YAML 1.2\n---\na: [yes, on, 010, 0o10, 0x10, 1_0, 1e3, .5, '1', \"\\x41\", !!str 5, ! 5, !!float 1]\n"
        "b: {c: 1:30, d: ~, e: , f: False, <<: x, g: =}\n? k\n: |\n  v\n"
    )
    tree = parse_yaml(text, "s.yaml")
    assert tree.plain() == {
        "a": ["yes", "on", 10, 8, 16, "1_0", 1000.0, 0.5, "1", "A", "5", 5, 1.0],
        "b": {"c": "1:30", "d": None, "e": None, "f": False, "<<": "x", "g": "="},
        "k": "v\n",
    }
    assert [node.kind for node in tree.entries["a"].items[6:9]] == ["float", "float", "str"]
    assert [tree.line_of(path) for path in ((), ("a", 3), ("b", "f"), ("k",))] == [3, 3, 4, 5]
    for bad, message in {
        "a: 1\n---\nb: 2": "s.yaml:2: a second document",
        "a:\n\t- 1": "s.yaml:2: this is not YAML: .*tabs",
        "a: [": "this is not YAML",
        "a: *b": "s.yaml:1: the alias",
        "a: !!python/name:os.system": "s.yaml:1: the tag",
        "a: !!int 'x'": "s.yaml:1: 'x' is not a whole number",
        "a: " + "[" * 100_000: "s.yaml:1: the nesting",
        'a: "\\UFFFFFFFF"': "s.yaml:1: this is not YAML",
        "a: b: c": "s.yaml:1: this is not YAML",
    }.items():
        with pytest.raises(InputError, match=message):
            parse_yaml(bad, "s.yaml")


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
    with pytest.raises(InputError, match=r"--test all: 2\^40"):
        one.with_test(["order:1", "all"]).targets()


def test_with_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = study(tmp_path, SMALL + "train: [ctrl, A]\ntest: [A]\n")
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("B\nhigh\n")
    Path("empty.csv").write_text("B\n")
    several = one.with_test(["A=1,B=low", "file:t.csv", "order:0", "A"])
    assert targets_of(several) == [[1, 1], [0, 2], [0, 0], [1, 0]]
    assert [len(chunk) for chunk in one.with_test(["all"]).targets(chunk_size=4)] == [4, 2]
    assert (several.design, several.notation) == (one.design, "label")
    assert one.with_test([]) is one
    assert isinstance(one.test[0], Listed)
    for spec, message in {
        "order:x": "'x'",
        "order:-1": "'-1'",
        "file:none.csv": "there is no such file",
        "file:empty.csv": "no rows",
        "A+C": "unknown intervention 'C'",
        "A=2": "no level '2'",
        "": "empty",
    }.items():
        with pytest.raises(InputError) as caught:
            one.with_test(["A", spec])
        assert str(caught.value).startswith(f"--test {spec}: ")
        assert message in str(caught.value)


def test_plain_maps_are_checked_like_files() -> None:
    mapping: dict[str, object] = {
        "interventions": {"A": [0, 1], "B": (np.int64(0), np.float64(0.5))},
        "factors": [{"sigma": ["A", "B"]}],
        "train": ["A", {"B": 0.5}],
    }
    one = Study.from_dict(mapping)
    assert (one.name, one.path, one.notation) == ("study", None, "label")
    assert one.design.train.codes().tolist() == [[1, 0], [0, 1]]
    loop: list[object] = []
    loop.append(loop)
    for change, message in [
        ({"train": [110]}, r'^train\[0\]: .*quotes: "110"'),
        ({"train": ["A", {"B": True}]}, r"^train\[1\]\.B: .*boolean"),
        ({"factors": [{"sigma": ["A", "C"]}]}, r"^factors\[0\]\.sigma\[1\]: .*'C'"),
        ({"interventions": {1: [0, 1]}}, r"^interventions: the key 1 is not text"),
        ({"interventions": {"A": [0, float("nan")]}}, r"^interventions\.A\[1\]: .*not finite"),
        ({"interventions": {"A": [0, np.bool_(True)]}}, r"^interventions\.A\[1\]: .*boolean"),
        ({"train": [{1, 2}]}, r"^train\[0\]: a set is no part"),
        ({"train": loop}, r"nesting is deeper"),
        ({"name": "\ud800"}, r"^name: .*surrogate"),
        ({"trian": []}, r"^trian: unknown key 'trian'"),
    ]:
        with pytest.raises(InputError, match=message):
            Study.from_dict({**mapping, **change})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="a study is a map"):
        Study.from_dict([1])  # type: ignore[arg-type]
