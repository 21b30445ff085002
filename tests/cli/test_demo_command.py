"""`ifm demo`: the poster's examples end to end; every command it shows gives what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ifm_ident.errors import MissingExtraError
from ifm_ident.show import demonstration
from ifm_ident.show.demonstration import EXAMPLES, WITH_DATA, example
from ifm_learn.data.samples import Samples
from ifm_learn.density.fit import fit_density
from ifm_learn.density.model import DensityModel
from ifm_learn.energies.layout import Ridge
from ifm_learn.estimation.demonstration import truth_lines
from ifm_learn.estimation.of_study import estimate_study
from tests.cli.running import run, run_apart

EXAMPLES_WITH_DATA = Path(demonstration.__file__).parents[1] / "examples"


@pytest.fixture
def quick_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def quickly(samples: Samples, seed: int = 0, **_: object) -> DensityModel:
        return fit_density(samples, energy="quadratic", ridge=Ridge(0.1, 0.1), starts=1, bins=8, seed=seed)

    monkeypatch.setattr("ifm_learn.density.fitted.fit_density", quickly)


@pytest.mark.usefixtures("quick_fits")
def test_the_commands_shown_give_what_is_shown(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    assert run(capfdbinary, "demo", "--save", str(tmp_path))[0] == 0
    status, out, err = run(capfdbinary, "demo")
    assert (status, err) == (0, "")
    steps = re.split(r"^\d\. .*\n-+\n", out, flags=re.MULTILINE)[1:]
    assert len(steps) == 9
    commands = 0
    for step in steps:
        command, _, shown = step.partition("\n")
        if not command.startswith("$ ifm "):
            continue
        commands += 1
        words = [str(tmp_path / word) if word.endswith(".yaml") else word for word in shlex.split(command)[2:]]
        status, real, _ = run(capfdbinary, *words)
        assert status == 0
        for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE):
            assert part.strip("\n") in real
        if "..." not in shown.splitlines():
            assert shown.rstrip("\n") == real.rstrip("\n")
    assert commands == 7


@pytest.mark.usefixtures("quick_fits")
def test_estimates_stand_beside_the_truth() -> None:
    """Six unseen regimes: 90% intervals, so fewer than four hold the truth with probability 0.016; seed fixed."""
    study = example("cells")
    found = estimate_study(study, method="balance")
    lines = list(truth_lines(study, found, EXAMPLES_WITH_DATA / "cells-truth.csv"))
    assert [line.split()[0] for line in lines[1:7]] == ["C+D", "B+D", "A+D", "A+C", "A+C+D", "A+B+D"]
    held, ours, theirs = re.search(
        r"(\d) of 6 confidence intervals .* error (\S+), of the additive baseline (\S+)\.", " ".join(lines[8:])
    ).groups()  # type: ignore[union-attr]
    assert int(held) >= 4
    assert float(ours) < 0.6 * float(theirs)


def test_without_the_learning_part_its_extra_is_named(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(group: str, name: str) -> None:
        raise MissingExtraError("scikit-learn", "learn")

    monkeypatch.setattr(demonstration, "plugin", missing)
    status, out, err = run(capfdbinary, "demo")
    assert (status, err) == (0, "")
    assert "pip install 'ifm-ident[learn]'" in out


def test_the_formulas_agree_with_the_truth(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demonstration, "_estimation", lambda: iter(()))
    for seed in ("0", "3"):
        _, out, _ = run(capfdbinary, "demo", "--seed", seed)
        errors = re.findall(r"^  (\S+)\.yaml +(\d+)  (\d\.\de[-+]\d\d)  (.*)$", out, re.MULTILINE)
        assert [(name, regime) for name, regime, _, _ in errors] == [
            ("poster", "101"),
            ("poster", "111"),
            ("three-cycle", "111"),
            ("conditional", "111"),
            ("conditional", "000"),
        ]
        assert all(float(error) < 1e-12 for _, _, error, _ in errors)
        assert errors[-1][3] == "full conditionals, by Brook's lemma"


def test_the_examples_are_saved_once(tmp_path: Path) -> None:
    first = run_apart("demo", "--save", ".", cwd=tmp_path)
    assert first.returncode == 0
    assert first.stdout.decode().split() == [*(f"{name}.yaml" for name in EXAMPLES), *WITH_DATA]
    assert run_apart("demo", "--save", ".", cwd=tmp_path).returncode == 2
    assert run_apart("demo", "--save", ".", "--force", cwd=tmp_path).returncode == 0
    assert run_apart("demo", "--save", str(tmp_path / "nowhere")).returncode == 2


def test_the_examples_are_those_of_the_poster() -> None:
    assert [example(name).target_count for name in EXAMPLES] == [8, 1, 2, 1]
