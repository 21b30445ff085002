"""A study file with other factors: what stands elsewhere stays byte for byte, and the whole reads back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ifm_ident import Factor, InputError, load
from ifm_ident.study import listed_factors, written_with_factors

BLOCK = """\
# kept
name: two drugs   # kept too
interventions: {A: [0, 1], B: [0, 1]}
variables: [x1, x2]
factors:          # the factors
  - {name: fA, x: [x1], sigma: [A]}   # of A
  -
    name: fB
    x: [x1, x2]
    sigma: [B]
  # the end
train: ["00", "10", "01"]
"""
NEW = Factor("A_B", ("x2",), ("A", "B"))


def written(folder: Path, text: str, *extra: Factor, name: str = "s.yaml") -> tuple[Path, str]:
    path = folder / name
    path.write_bytes(text.encode())
    study = load(path)
    found = written_with_factors(study, [*study.model.factors, *extra], folder / "out.yaml")
    again = folder / f"again-{name}"
    again.write_bytes(found.encode())
    assert load(again).model.factors == (*study.model.factors, *extra)
    assert list(load(again).design.train) == list(study.design.train)
    return path, found


def test_only_the_new_factor_is_another_line(tmp_path: Path) -> None:
    _, text = written(tmp_path, BLOCK, NEW)
    assert [line for line in text.splitlines() if line not in BLOCK.splitlines()] == [
        "  - name: fB",
        "  - {name: A_B, x: [x2], sigma: [A, B]}",
    ]
    assert "# of A" in text
    assert "# the end" in text
    assert "# the factors" in text


def test_the_same_factors_give_the_same_file_but_for_a_lone_dash(tmp_path: Path) -> None:
    text = BLOCK.replace("  -\n    name: fB", "  - name: fB")
    assert written(tmp_path, text)[1] == text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lists_in_brackets_and_json_are_written_as_they_are(tmp_path: Path, end: str) -> None:
    flow = (
        "interventions: {A: [0, 1], B: [0, 1]}\nvariables: [x1, x2]\n"
        'factors: [{sigma: [A]}, {sigma: [B]}]\ntrain: ["00"]\n'
    )
    _, text = written(tmp_path, flow.replace("\n", end), NEW)
    assert text == flow.replace("\n", end).replace(
        "{sigma: [B]}]", "{sigma: [B]}, {name: A_B, x: [x2], sigma: [A, B]}]"
    )
    mapping = {
        "interventions": {"A": [0, 1], "B": [0, 1]}, "variables": ["x1", "x2"],
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}], "train": ["00"],
    }  # fmt: skip
    _, text = written(tmp_path, json.dumps(mapping, indent=1), NEW, name="s.json")
    assert json.loads(text)["factors"][2] == {"name": "A_B", "x": ["x2"], "sigma": ["A", "B"]}
    assert {k: v for k, v in json.loads(text).items() if k != "factors"} == {
        k: v for k, v in mapping.items() if k != "factors"
    }


def test_a_factor_named_by_its_place_keeps_its_name_where_it_moves(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "interventions: {A: [0, 1], B: [0, 1]}\nfactors:\n  - {sigma: [A]}\n  - {sigma: [B]}\ntrain: ['00']\n"
    )
    study = load(path)
    text = written_with_factors(study, study.model.factors[1:], tmp_path / "o.yaml")
    assert "- {name: f2, x: [x], sigma: [B]}\n" in text


def test_names_that_yaml_reads_as_something_else_are_quoted(tmp_path: Path) -> None:
    odd = BLOCK.replace("A:", '"yes":').replace("[A]", '["yes"]').replace("x2", "'2: x'")
    written(tmp_path, odd, Factor("no", ("2: x",), ("yes", "B")))


def test_anchors_inside_factors_still_read_back(tmp_path: Path) -> None:
    text = BLOCK.replace("{name: fA, x: [x1], sigma: [A]}", "{name: fA, x: &v [x1, x2], sigma: [A]}").replace(
        "x: [x1, x2]\n    sigma", "x: *v\n    sigma"
    )
    path = tmp_path / "s.yaml"
    path.write_text(text)
    study = load(path)
    found = written_with_factors(study, study.model.factors[1:], tmp_path / "o.yaml")
    (tmp_path / "o.yaml").write_text(found)
    assert load(tmp_path / "o.yaml").model.factors == study.model.factors[1:]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("A,B\n0,0\n1,0\n")
    path = tmp_path / "s.yaml"
    path.write_text(BLOCK.replace('["00", "10", "01"]', "{file: t.csv}"))
    study = load(path)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(InputError, match="relative to its own folder; write it beside"):
        written_with_factors(study, study.model.factors, other / "o.yaml")
    assert written_with_factors(study, study.model.factors, tmp_path / "o.yaml")
    with pytest.raises(InputError, match="read from no file"):
        written_with_factors(type(study).from_labels(["ctrl", "A"]), [], tmp_path / "o.yaml")


def test_candidates_are_listed_as_factors_are(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("factors: [{sigma: [A]}]\n")
    assert listed_factors(path) == [{"sigma": ["A"]}]
    path.write_text("candidates: A\n")
    with pytest.raises(InputError, match="no list `candidates`"):
        listed_factors(path)


def test_a_file_that_only_a_lenient_reader_takes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(BLOCK.replace("two drugs   # kept too", "two\tdrugs"))
    study = load(path)
    with pytest.raises(InputError, match="write that in plain YAML"):
        written_with_factors(study, study.model.factors, tmp_path / "o.yaml")
