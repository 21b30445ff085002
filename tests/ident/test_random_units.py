"""Random units against probabilities enumerated in full (Shyamal and others 2025; docs/theory/relatives.md)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from ifm_ident import InputError, Study
from ifm_ident.planning import random_units
from tests.cli.running import run

MAPPING = {
    "interventions": {"A": [0, 1], "B": [0, 1, 2]},
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
    "train": ["00"],
    "test": "all",
}


def rank_verdicts(training: list[tuple[int, int]]) -> int:
    """How many of the six regimes lie in the span of the rows of training, by numpy's rank."""

    def row(regime: tuple[int, int]) -> list[float]:
        return [1.0, float(regime[0] == 1), float(regime[1] == 1), float(regime[1] == 2)]

    rows = [row(regime) for regime in training]
    rank = np.linalg.matrix_rank(np.array(rows))
    every = itertools.product(range(2), range(3))
    return sum(bool(np.linalg.matrix_rank(np.array([*rows, row(regime)])) == rank) for regime in every)


def test_means_over_draws_are_those_of_all_outcomes() -> None:
    study = Study.from_dict(MAPPING)
    dosage = {"A": 0.3, "B": 0.6}
    chance = {(a, b): (0.3 if a else 0.7) * (0.3 if b else 0.4) for a in range(2) for b in range(3)}
    pairs = list(itertools.product(chance, chance))
    weights = np.array([chance[one] * chance[two] for one, two in pairs])
    assert weights.sum() == pytest.approx(1)
    counts = np.array([rank_verdicts([(0, 0), one, two]) for one, two in pairs])
    found = random_units(study.design, study.targets, 2, dosage, draws=200, seed=5)
    assert found.units == (1, 2)
    assert found.targets == 6
    assert found.identified_before == 1
    deviation = np.sqrt(weights @ (counts - weights @ counts) ** 2 / 200)
    assert abs(found.identified[1] - weights @ counts) < 4 * deviation
    wanted = weights @ (counts == 6)
    assert abs(found.complete[1] - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 200) + 1e-12


def test_levels_off_baseline_are_drawn_alike() -> None:
    study = Study.from_dict({**MAPPING, "interventions": {"A": [0, 1], "B": [0, 1, 2, 3]}})
    found = random_units(study.design, study.targets, 3, {"B": 1.0}, draws=300, seed=1)
    different = (1 * 3 + 2 * 18 + 3 * 6) / 27  # levels that three units show of three, over all 27 outcomes
    assert found.units == (1, 3)
    assert abs(found.regimes[1] - different) < 4 * np.sqrt((129 / 27 - different**2) / 300)


def test_certain_dosage_is_one_regime_and_the_conditional_criterion_asks_less() -> None:
    mapping = {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "variables": ["x", "y"],
        "factors": [{"sigma": ["A"], "x": ["x"]}, {"sigma": ["B"], "x": ["y"]}],
        "train": ["00"],
        "test": "all",
    }
    study = Study.from_dict(mapping)
    joint = random_units(study.design, study.targets, 4, 1.0, draws=2)
    conditional = random_units(study.design, study.targets, 4, 1.0, "conditional", draws=2)
    assert joint.identified[-1] == 2  # 00 and 11
    assert conditional.identified[-1] == 4  # each variable's factor was seen at both levels
    assert joint.regimes[-1] == 1


def test_command_and_json(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(MAPPING))
    arguments = ("plan", str(path), "--random", "8", "--draws", "3", "--format", "json")
    status, out, _ = run(capfdbinary, *arguments)
    found = json.loads(out)
    assert status == 0
    assert found["schema"] == "ifm-plan-random/1"
    assert [entry["units"] for entry in found["random"]] == [1, 2, 4, 8]
    assert run(capfdbinary, *arguments)[1] == out
    text = run(capfdbinary, *arguments[:-2], "--dosage", "A=0.25")[1]
    assert "A 0.25" in text
    for extra, said in (
        (("--random", "8", "--dosage", "Q=0.5"), "there is no intervention 'Q'"),
        (("--random", "8", "--dosage", "2"), "a chance is between 0 and 1"),
        (("--random", "8", "--dosage", "A=often"), "write a chance between 0 and 1"),
        (("--random", "8", "--dosage", "A=.1", "--dosage", ".5"), "stands alone"),
        (("--random", "8", "--dosage", "A=.1", "--dosage", "A=.9"), "A has one already"),
        (("--random", "8", "--dosage", "=.5"), "write a chance between 0 and 1"),
        (("--random", "10000000000000"), "draw fewer"),
        (("--random", "8", "--draws", "10000000000000"), "take fewer"),
        (("--dosage", ".5"), "belong to --random"),
        (("--random", "8", "--drop"), "says nothing to --random"),
    ):
        status, out, err = run(capfdbinary, "plan", str(path), *extra)
        assert (status, out) == (2, "")
        assert said in err
    with pytest.raises(InputError, match="units is 0"):
        random_units(Study.from_dict(MAPPING).design, list, 0)
