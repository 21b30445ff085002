"""`ifm plan`: results, options, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Ifm, run

STUDY = {
    "name": "poster example",
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
    "train": ["000", "100"],
}


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, "plan", *map(str, arguments))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(STUDY))
    return path


def texts(entries: list[dict[str, dict[str, int]]]) -> list[str]:
    return ["".join(map(str, entry["regime"].values())) for entry in entries]


def test_json_is_the_contract(ifm: Ifm, study: Path) -> None:
    status, out, err = ifm(study, "--format", "json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert list(found) == [
        "schema",
        "criterion",
        "cost",
        "optimal",
        "gap",
        "add",
        "identified_before",
        "identified_after",
        "targets",
        "unreachable",
    ]
    assert found["schema"] == "ifm-plan/1"
    assert (found["criterion"], found["cost"], found["optimal"], found["gap"]) == ("joint", 4, True, 0)
    assert (found["identified_before"], found["identified_after"], found["targets"]) == (2, 8, 8)
    assert texts(found["add"]) == ["010", "001", "110", "011"]
    assert [entry["samples"] for entry in found["add"]] == [None] * 4
    assert found["unreachable"] == []
    assert isinstance(found["cost"], int)
    assert ifm(study, "--format", "json")[1] == out


def test_budget_is_spent_to_the_last_sample(ifm: Ifm, study: Path) -> None:
    found = json.loads(ifm(study, "--format", "json", "--budget", "1003")[1])
    assert sum(entry["samples"] for entry in found["add"]) == 1003
    status, out, err = ifm(study, "--budget", "3")
    assert (status, out) == (2, "")
    assert err == "ifm: a budget of 3 is too small for 4 added regimes; give each at least one sample\n"


def test_costs_forbids_bookings_and_limits(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    (tmp_path / "cost.csv").write_text("intervention,cost\nA,0.1\nB,0.25\nC,2\n")
    plain = json.loads(ifm(study, "--cost", tmp_path / "cost.csv", "--format", "json")[1])
    booked = json.loads(
        ifm(study, "--cost", tmp_path / "cost.csv", "--format", "json", "--book", "011", "--budget", "50")[1]
    )
    assert (plain["cost"], booked["cost"], texts(booked["booked"])) == (4.85, 2.6, ["011"])
    assert sum(entry["samples"] for entry in [*booked["add"], *booked["booked"]]) == 50
    few = json.loads(ifm(study, "--max-active", "1", "--format", "json")[1])
    assert texts(few["add"]) == ["010", "001"]
    assert (few["optimal"], few["gap"], few["identified_after"]) == (False, 0, 5)
    assert len(few["unreachable"]) == 3
    assert few["unreachable"][0] == {"A": 0, "B": 1, "C": 1}
    one = json.loads(ifm(study, "--max-add", "1", "--format", "json", "--targets", "order:1")[1])
    assert (len(one["add"]), one["identified_after"], one["optimal"]) == (1, 3, False)
    spared = json.loads(ifm(study, "--forbid", "010", "--targets", "010", "--format", "json")[1])
    assert texts(spared["add"]) == ["110", "011", "111"]
    assert (spared["cost"], spared["optimal"]) == (3, True)


def test_the_table_says_it_in_words(ifm: Ifm, study: Path) -> None:
    out = ifm(study, "--budget", "80")[1]
    assert out.startswith(
        "poster example: 3 interventions, 2 factors, 2 training regimes\nBy the joint criterion 2 of 8"
    )
    assert "\n  regime  cost  samples\n  010        1       " in out
    assert out.endswith("4 regimes to add at cost 4: 8 of 8 targets identified. No allowed plan costs\nless.\n")
    assert "Nothing to add: 2 of 2 targets identified.\n" in ifm(study, "--targets", "000", "--test", "100")[1]
    limited = ifm(study, "--max-add", "1")[1]
    assert "Not identified even then: " in limited
    assert "No allowed plan of that size" in " ".join(limited.split())


def test_next_and_drop(ifm: Ifm, study: Path) -> None:
    found = json.loads(ifm(study, "--next", "2", "--format", "json")[1])
    assert (found["schema"], texts(found["next"])) == ("ifm-plan-next/1", ["001", "010"])
    assert [entry["identifies"] for entry in found["next"]] == [2, 1]
    assert "each by itself, with the number of new targets" in ifm(study, "--next", "2")[1]
    greedy = json.loads(ifm(study, "--next", "9", "--greedy", "--format", "json")[1])
    assert sum(entry["identifies"] for entry in greedy["next"]) == 6
    assert "No single regime identifies" in ifm(study, "--next", "1", "--targets", "000")[1]
    assert "Every training regime is needed" in ifm(study, "--drop")[1]
    spare = json.loads(ifm(study, "--drop", "--targets", "000", "--format", "json")[1])
    assert (spare["schema"], spare["each"], spare["together"]) == ("ifm-plan-drop/1", [1], [1])
    assert "could be dropped without losing a target: 100." in ifm(study, "--drop", "--targets", "000")[1]


def test_conditional(ifm: Ifm, tmp_path: Path) -> None:
    path = tmp_path / "three.json"
    apart = {
        "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        "variables": ["x", "y", "z"],
        "factors": [{"x": [v], "sigma": [s]} for v, s in zip("xyz", "ABC", strict=True)],
        "train": ["000"],
    }
    path.write_text(json.dumps(apart))
    found = json.loads(ifm(path, "--criterion", "conditional", "--format", "json")[1])
    assert (texts(found["add"]), found["cost"], found["optimal"]) == (["111"], 1, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "A+Q"], "ifm: --targets A+Q: regime 'A+Q': unknown intervention 'Q'; legal: A, B, C"),
        (["--forbid", "order:x"], "ifm: --forbid order:x: the order is a whole number"),
        (["--book", "file:none.csv"], "ifm: --book file:none.csv: none.csv: there is no such file"),
        (["--cost", "none.csv"], "ifm: none.csv: there is no such file"),
        (["--max-active", "-1"], "Invalid value for '--max-active'"),
        (["--drop", "--budget", "3"], "--budget says nothing to --drop: leave one out."),
        (["--next", "1", "--max-add", "3"], "--max-add says nothing to --next: leave one out."),
        (["--time-limit", "nan"], "nan is no number of seconds"),
        (["--greedy"], "--greedy belongs to --next: add that, or leave it out."),
    ],
)
def test_refusals(ifm: Ifm, study: Path, arguments: list[str], message: str) -> None:
    status, out, err = ifm(study, *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_too_large_a_space_names_the_order_that_is_enough(ifm: Ifm, tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    names = [f"s{i}" for i in range(40)]
    pairs = [{"sigma": names[i : i + 2]} for i in range(39)]
    path.write_text(json.dumps({"interventions": {n: [0, 1] for n in names}, "factors": pairs, "train": ["ctrl"]}))
    status, _, err = ifm(path)
    assert status == 2
    assert "a plan that identifies --targets order:2, the widest scope, identifies every regime" in err
    found = json.loads(ifm(path, "--targets", "order:2", "--format", "json")[1])
    assert (found["cost"], found["optimal"]) == (40 + 39, True)


def test_output_goes_to_a_file_once(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    status, out, err = ifm(study, "--format", "json", "-o", target)
    assert (status, out) == (0, "")
    assert err == f"{target}: 4 regimes to add at cost 4\n"
    assert json.loads(target.read_text())["cost"] == 4
    assert ifm(study, "-o", target)[0] == 2
