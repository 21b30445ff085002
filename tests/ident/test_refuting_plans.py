"""Regimes that put factors to a test, against null spaces by sympy and the definition of what a claim bears on."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import sympy

from ifm_ident import InputError, Study
from ifm_ident.planning import Candidates, OneEach, refuting
from tests.cli.running import run

Cell = tuple[int, ...]


def row(cell: Cell, scopes: list[tuple[int, ...]]) -> list[int]:
    """Indicators of the level combinations that each factor sees."""
    return [
        int(tuple(cell[i] for i in scope) == levels)
        for scope in scopes
        for levels in itertools.product((0, 1), repeat=len(scope))
    ]


def relations(train: list[Cell], scopes: list[tuple[int, ...]]) -> list[list[int]]:
    """A basis of the c with sum of c_i row_i = 0."""
    matrix = sympy.Matrix([row(cell, scopes) for cell in train]).T
    return [list(vector) for vector in matrix.nullspace()]


def at_test(train: list[Cell], claims: list[list[int]]) -> set[Cell]:
    """The combinations, as sets of interventions, whose regimes have coefficients that do not add up to 0."""
    width = len(train[0])
    sets = [s for k in range(2, width + 1) for s in itertools.combinations(range(width), k)]
    return {
        s
        for s in sets
        for c in claims
        if sum(q for q, cell in zip(c, train, strict=True) if all(cell[i] for i in s))
    }


@pytest.mark.parametrize("seed", range(8))
def test_counts_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng([3, seed])
    width = int(rng.integers(3, 5))
    pairs = list(itertools.combinations(range(width), 2))
    paired = [pairs[i] for i in rng.choice(len(pairs), size=int(rng.integers(0, 2)), replace=False)]
    scopes = [*((i,) for i in range(width) if not any(i in p for p in paired)), *paired]
    every = list(itertools.product((0, 1), repeat=width))
    train = [cell for cell in every if sum(cell) < 2] + [
        cell for cell in every if sum(cell) == 2 and rng.random() < 0.4
    ]
    names = [chr(65 + i) for i in range(width)]
    study = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": [names[i] for i in scope]} for scope in scopes],
            "train": ["".join(map(str, cell)) for cell in train],
            "test": "all",
        }
    )
    found = refuting(study.design, study.targets, Candidates(study.model, OneEach(study.model)), count=99)

    matrix = np.array([row(cell, scopes) for cell in train])
    rank = np.linalg.matrix_rank(matrix)
    inside = [c for c in every if np.linalg.matrix_rank(np.vstack([matrix, row(c, scopes)])) == rank]
    unseen = [cell for cell in inside if cell not in train]
    now = at_test(train, relations(train, scopes))

    def relied(target: Cell) -> set[Cell]:
        """Sets of two or more that the target holds, or a regime of the formula that the program gives."""
        answer = study.with_test(["".join(map(str, target))]).identify("joint")[0]
        assert answer.formula is not None
        cells = [target, *(train[i] for i, _ in answer.formula)]
        on = [[i for i in range(width) if cell[i]] for cell in cells]
        return {s for one in on for k in range(2, len(one) + 1) for s in itertools.combinations(one, k)}

    loose = [target for target in unseen if not relied(target) & now]
    assert found.untested == len(loose)
    assert found.targets == len(every)
    assert {tuple(int(any(p == i for p, _ in active)) for i in range(width)) for active in found.regimes} == set(
        unseen
    )
    for active, tests, claims in zip(found.regimes, found.tests, found.claims, strict=True):
        cell = tuple(int(any(p == i for p, _ in active)) for i in range(width))
        then = at_test([*train, cell], relations([*train, cell], scopes))
        assert tests == sum(bool(relied(target) & then) for target in loose if target != cell)
        assert claims == 1
    order = list(zip(found.tests, found.claims, strict=True))
    assert order == sorted(order, reverse=True)


def test_command_and_refusals(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    path = tmp_path / "study.json"
    study = {
        "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
        "train": ["ctrl", "A", "B", "C"],
        "test": "all",
    }
    path.write_text(json.dumps(study))
    status, out, _ = run(capfdbinary, "plan", str(path), "--refute", "2", "--format", "json", "--forbid", "A+B+C")
    found = json.loads(out)
    assert (status, found["schema"], found["untested"], len(found["next"])) == (0, "ifm-plan-refute/1", 4, 2)
    assert found["next"][0] == {"regime": {"A": 1, "B": 1, "C": 0}, "tests": 1, "claims": 1, "cost": 1}
    assert "A+B+C" in run(capfdbinary, "plan", str(path), "--refute", "1")[1]
    path.write_text(json.dumps({**study, "train": ["ctrl"]}))
    assert "nothing can be put to a test" in run(capfdbinary, "plan", str(path), "--refute", "1")[1]
    status, out, err = run(capfdbinary, "plan", str(path), "--refute", "1", "--budget", "5")
    assert (status, out) == (2, "")
    assert "--budget says nothing to --refute" in err
    wide = Study.from_labels(["ctrl", *(f"g{i}" for i in range(90))]).with_test("order:2")
    with pytest.raises(InputError, match="more than 2,000 regimes are identified"):
        refuting(wide.design, wide.targets, Candidates(wide.model, OneEach(wide.model), max_active=2), count=1)
