"""`ifm implications`: formats, files, and how its options refuse one another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ifm_ident.commands.implications import command
from ifm_ident.errors import InputError

STUDY = {
    "name": "two arms",
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x1", "x2"],
    "factors": [{"x": ["x1"], "sigma": ["A"]}, {"x": ["x2"], "sigma": ["B"]}],
    "train": ["00", "01", "10", "11"],
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_table_is_plain_text(study: Path) -> None:
    result = run(study, "--interactions", 2)
    assert result.exit_code == 0
    assert "  p(00) p(11) / (p(01) p(10)) is constant in x1 and x2\n" in result.stdout
    assert "  x1 and x2 are independent given the rest, in every regime\n" in result.stdout
    assert "  p(00) ∝ p(01) p(10) / p(11)\n" in result.stdout


def test_json_follows_the_schema_and_repeats_itself(study: Path) -> None:
    result = run(study, "--format", "json")
    assert result.stdout == run(study, "--format", "json").stdout
    found = json.loads(result.stdout)
    assert (found["schema"], found["count"]) == ("ifm-implications/1", 3)
    assert [entry["variable"] for entry in found["results"]] == [None, "x1", "x2"]


@pytest.mark.parametrize(
    ("criterion", "variables"), [("joint", [None]), ("conditional", ["x1", "x1", "x2", "x2"])]
)
def test_criterion_chooses_the_bases(study: Path, criterion: str, variables: list[str | None]) -> None:
    found = json.loads(run(study, "--criterion", criterion, "--format", "json").stdout)
    assert [entry["variable"] for entry in found["results"]] == variables


def test_a_named_set_adds_its_interaction(study: Path) -> None:
    found = json.loads(run(study, "--of-set", "x2, x1", "--format", "json").stdout)
    added = [entry for entry in found["results"] if "interaction" in entry]
    assert [entry["exponents"] for entry in added] == [[{"train": i, "exponent": "1"}] for i in range(4)]
    assert all(entry["interaction"] == ["x1", "x2"] for entry in added)


def test_output_goes_to_a_file_that_is_not_overwritten(study: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.tex"
    result = run(study, "--format", "latex", "-o", target)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"{target}: 3 testable implications\n"
    assert r"\begin{align*}" in target.read_text()
    again = run(study, "-o", target)
    assert isinstance(again.exception, InputError)
    assert "overwrite it by `force`" in str(again.exception)


def test_aliases_print_a_table(study: Path) -> None:
    result = run(study, "--aliases")
    assert result.stdout.splitlines()[:1] == [
        "two arms: 4 distinct training regimes, a full factorial",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--aliases", "--format", "json"], "--aliases is a table or csv"),
        (["--aliases", "--criterion", "joint"], "leave --criterion"),
        (["--order", "3"], "--order belongs to --aliases"),
        (["--interactions", "1"], "1 is not in the range"),
    ],
)
def test_options_that_do_not_go_together(study: Path, arguments: list[str], message: str) -> None:
    result = run(study, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_unknown_variables_are_named(study: Path) -> None:
    result = run(study, "--of-set", "x1,x3")
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == "the set x1,x3 holds 'x3', which is no variable; legal: x1, x2"
