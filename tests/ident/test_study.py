"""Study files: what they mean."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ifm_ident.design.notation import format_regimes
from ifm_ident.design.spaces import AllRegimes, Listed, UpToOrder
from ifm_ident.errors import InputError
from ifm_ident.solve.identifier import Identifier
from ifm_ident.study.reading._yaml_nodes import parse_yaml
from ifm_ident.study.study import Study
from tests.ident.study_files import CONDITIONAL, CYCLE, POSTER, SMALL, study


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
    assert one.samples.tolist() == [50, 7, 0, 9]  # a repeat adds nothing
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
    monkeypatch.setattr("ifm_ident.study.reading._yaml_nodes._LOADER", loader)
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


def test_with_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = study(tmp_path, SMALL + "train: [ctrl, A]\ntest: [A]\n")
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("B\nhigh\n")
    Path("empty.csv").write_text("B\n")
    several = one.with_test(["A=1,B=low", "file:t.csv", "order:0", "A"])
    assert targets_of(several) == [[1, 1], [0, 2], [0, 0], [1, 0]]
    assert one.with_test(text for text in ["A"]).test_places == ("test A",)  # type: ignore[arg-type]
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
        assert str(caught.value).startswith(f"test {spec}: ")
        assert message in str(caught.value)


def test_calls_that_make_no_sense_are_refused_in_words(tmp_path: Path) -> None:
    one = study(tmp_path, SMALL + "train: [ctrl, A]\ntest: all\n")
    assert targets_of(one.with_test("A")) == [[1, 0]]
    unknown: Any = [5]
    with pytest.raises(InputError, match=r"^test 5: a regime is text here; write it in quotes"):
        one.with_test(unknown)
    for regime in (5, None, ["A"]):
        given: Any = regime
        with pytest.raises(InputError, match=r"a regime is a text or a map, got .*; write a text such as 'ctrl'"):
            one.explain(given)
    for size in (-1, 0, 1.5):
        whole: Any = size
        with pytest.raises(InputError, match=f"chunk_size is {size}; write a whole number of 1 or more"):
            one.targets(whole)


@pytest.mark.parametrize("text", [POSTER, CYCLE, CONDITIONAL])
def test_results_are_pickled_and_copied(tmp_path: Path, text: str) -> None:
    one = study(tmp_path, text)
    asked = Identifier(one.design)
    answers = asked.identify(next(one.targets()))
    for result in (one, answers, answers[0], one.plan(), one.implications(), one.summary()):
        for twin in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            assert type(twin) is type(result)
            assert repr(twin) == repr(result)
    twin = pickle.loads(pickle.dumps(asked))
    assert twin.identify(answers.targets).status.tolist() == answers.status.tolist()


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
