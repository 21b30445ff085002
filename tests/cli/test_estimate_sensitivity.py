"""`ifm estimate --sensitivity`: entries, words, refusals."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ifm_ident import load
from ifm_ident.errors import InputError
from ifm_learn.commands.estimate import command
from ifm_learn.estimation.of_study import estimate_study
from tests.cli.running import Ifm

STUDY = {
    "name": "two switches",
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["u", "v"],
    "factors": [{"x": ["u"], "sigma": ["A"]}, {"x": ["v"], "sigma": ["B"]}],
    "train": ["ctrl", "A", "B"],
    "test": ["A+B", "A"],
    "data": {"file": "cells.csv", "label": "cell", "outcome": "y"},
}


def write(folder: Path, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    lines = ["cell,u,v,y"]
    for name, a, b in (("ctrl", 0, 0), ("A", 1, 0), ("B", 0, 1)):
        u, v = rng.binomial(1, 0.2 + 0.4 * a, 200), rng.binomial(1, 0.3 + 0.4 * b, 200)
        noise = rng.normal(size=200) / 10
        lines += [f"{name},{i},{j},{2 * i + j + e:.4f}" for i, j, e in zip(u, v, noise, strict=True)]
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    path = folder / "study.json"
    path.write_text(json.dumps(STUDY | changes))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)


def test_unseen_regimes_have_bounds_and_a_tipping_point(tmp_path: Path) -> None:
    study = write(tmp_path)
    found = json.loads(run(study, "--sensitivity", "0.4", "--format", "json").stdout)["results"]
    unseen, observed = found
    assert "sensitivity" not in observed
    said = unseen["sensitivity"]
    assert said["gamma"] == 0.4
    low, high = said["bounds"]
    assert low < unseen["mean"] < high
    assert said["confidence"][0] < low < high < said["confidence"][1]
    assert 0 < said["tipping_gamma_confident"] < said["tipping_gamma"]
    text = run(study, "--sensitivity", "0.4").stdout
    words = " ".join(text.split())
    assert "log-magnitude up to 0.4 in an unseen regime (densities up to 1.49 times as high or low)" in words
    assert f"A+B: mean between {low:.4g} and {high:.4g}, with sampling error" in words
    assert f"by a factor of {math.exp(said['tipping_gamma']):.3g} or more" in words


def test_a_gamma_whose_exponential_no_float_holds_is_said_in_words(tmp_path: Path) -> None:
    result = run(write(tmp_path), "--sensitivity", "1000")
    assert result.exit_code == 0, result.output
    assert "densities up to more than 1e+300 times as high or low" in " ".join(result.stdout.split())
    # h is 1 at the largest draw of 2u + v and -1 elsewhere, and the other way round
    low, high = map(float, re.findall(r"mean between (\S+) and (\S+),", " ".join(result.stdout.split()))[0])
    assert low == pytest.approx(0, abs=0.3)
    assert high == pytest.approx(3, abs=0.3)


@pytest.mark.parametrize("gamma", ["inf", "nan"])
def test_a_gamma_that_is_not_finite_is_refused(tmp_path: Path, ifm: Ifm, gamma: str) -> None:
    study = write(tmp_path)
    for form in ("table", "json"):
        status, out, err = ifm("estimate", str(study), "--sensitivity", gamma, "--format", form)
        assert (status, out) == (2, "")
        assert gamma in err
    with pytest.raises(InputError, match=f"finite and not negative, got {gamma}"):
        estimate_study(load(study), sensitivity=float(gamma))


def test_refusals(tmp_path: Path) -> None:
    study = write(tmp_path)
    for options in (("--method", "ifm2"), ("--format", "csv"), ("--compare",)):
        result = run(study, "--sensitivity", "0.4", *options)
        assert result.exit_code == 2
        assert "--sensitivity" in result.stderr
    assert run(study, "--sensitivity", "-1").exit_code == 2
    without = write(tmp_path, train=["A", "B"], test=["A"])
    with pytest.raises(InputError, match="the baseline regime was not measured"):
        run(without, "--sensitivity", "0.4")
