"""Factor once, answer many: no command eliminates a system of one design twice."""

from __future__ import annotations

import io
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ifm_ident import Design, Identifier, Study
from ifm_ident.report.page import Asked, write_report
from ifm_ident.solve.system import System
from ifm_learn import compare_methods, estimate_study, falsify
from ifm_learn.data.reading import read_samples
from ifm_learn.density.fitted import FittedModel
from ifm_learn.estimation.on_page import estimated

Factored = Counter[tuple[object, ...]]


@pytest.fixture
def factored(monkeypatch: pytest.MonkeyPatch) -> Factored:
    """How often each system was factored; equal designs count as one."""
    found: Factored = Counter()
    begin = System.__init__

    def counted(self: System, design: Design, block: int) -> None:
        found[design.model, design.train.codes().tobytes(), block] += 1
        begin(self, design, block)

    monkeypatch.setattr(System, "__init__", counted)
    return found


@pytest.fixture
def study() -> Study:
    return Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
            "variables": ["x"],
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
            "train": ["000", "100", "010", "001", "110"],
            "test": ["111", "101", "011"],
        }
    )


@pytest.fixture
def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    levels = np.repeat([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], 60, axis=0).T
    chance = 1 / (1 + np.exp(1 - levels.sum(axis=0)))
    return dict(zip("ABC", levels, strict=True)) | {"x": rng.binomial(1, chance).astype(float)}


def times(factored: Factored) -> set[int]:
    assert factored
    return set(factored.values())


@pytest.mark.parametrize("method", ["ifm1", "balance", "additive"])
def test_estimate(study: Study, data: dict[str, np.ndarray], factored: Factored, method: str) -> None:
    estimate_study(study, data, method=method)
    assert times(factored) == {1}


def test_estimate_with_a_model_from_a_file(
    study: Study, data: dict[str, np.ndarray], factored: Factored, tmp_path: Path
) -> None:
    FittedModel.fit(read_samples(study, data), calibration=0.2).save(tmp_path / "model.npz")
    factored.clear()
    estimate_study(study, data, model=FittedModel.load(tmp_path / "model.npz"))
    assert times(factored) == {1}


def test_report(study: Study, data: dict[str, np.ndarray], factored: Factored) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "ifm_learn.estimation.of_study.read_samples", lambda study, _, **given: read_samples(study, data)
        )
        part = estimated(study, lambda _: None)
    write_report(io.BytesIO(), study, Asked(parts=(part,)), [study.identify()])
    assert times(factored) == {1}


def test_falsify(study: Study, data: dict[str, np.ndarray], factored: Factored) -> None:
    assert len(falsify(read_samples(study, data)).findings)
    assert times(factored) == {1}


def test_compare(study: Study, data: dict[str, np.ndarray], factored: Factored) -> None:
    """A design without one regime is factored for its verdict, and once more in the process that fits it."""
    compare_methods(read_samples(study, data), ["ifm1", "balance", "additive"])
    assert times(factored) == {1, 2}


def test_questions_of_all_kinds_share_the_systems(study: Study, factored: Factored) -> None:
    study.identify()
    study.identify("joint")
    study.summary()
    assert len(study.implications())
    Identifier(study.design, "label").verdicts(study.design.train)
    assert times(factored) == {1}


def test_what_is_factored_does_not_travel(study: Study) -> None:
    study.identify()
    assert study.design.systems
    copy = pickle.loads(pickle.dumps(study.design))
    assert (copy.systems, copy.equals(study.design)) == ({}, True)
