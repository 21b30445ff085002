"""`ifm falsify`: formats, options, warnings and refusals."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from ifm_ident.errors import InputError
from ifm_learn.commands.falsify import command

STUDY = {
    "name": "two arms",
    "interventions": {"A": [0, 1], "B": [0, 1]},
    "variables": ["x1", "x2"],
    "factors": [{"x": ["x1", "x2"], "sigma": ["A"]}, {"x": ["x1", "x2"], "sigma": ["B"]}],
    "train": ["ctrl", "A", "B", "A+B"],
    "data": {"file": "cells.csv", "label": "cell"},
}


def write(folder: Path, extra: float, **changes: object) -> Path:
    rng = np.random.default_rng(1)
    lines = ["cell,x1,x2"]
    for name, a, b in (("ctrl", 0, 0), ("A", 1, 0), ("B", 0, 1), ("A+B", 1, 1)):
        x = rng.normal(size=(300, 2)) + np.array([0.5 * a - 0.4 * b, 0.3 * b + extra * a * b])
        lines += [f"{name},{u:.6f},{v:.6f}" for u, v in x]
    (folder / "cells.csv").write_text("\n".join(lines) + "\n")
    path = folder / "study.json"
    path.write_text(json.dumps(STUDY | changes))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments])


def test_json_follows_the_schema_and_repeats_itself(tmp_path: Path) -> None:
    study = write(tmp_path, 0.9)
    result = run(study, "--format", "json", "--seed", 3)
    assert result.exit_code == 0
    assert result.stdout == run(study, "--format", "json", "--seed", 3).stdout
    found = json.loads(result.stdout)
    assert {k: found[k] for k in ("schema", "alpha", "seed", "correction")} == {
        "schema": "ifm-falsification/1",
        "alpha": "0.05",
        "seed": 3,
        "correction": "holm",
    }
    assert [entry["test"] for entry in found["results"]] == ["score", "energy"]
    for entry in found["results"]:
        assert list(entry) == [
            "variable", "exponents", "test", "statistic", "p_value", "p_adjusted", "rejected", "effect",
        ]  # fmt: skip
        assert entry["variable"] is None
        assert {(e["train"], e["exponent"]) for e in entry["exponents"]} == {
            (0, "1"),
            (3, "1"),
            (1, "-1"),
            (2, "-1"),
        }
        assert entry["rejected"] is True
        assert entry["effect"]["x2"] == pytest.approx(0.9, abs=0.4)
    assert {(s["factor"], s["add"]) for s in found["suggestions"]} == {("f1", "B"), ("f2", "A")}


def test_table_says_it_in_words(tmp_path: Path) -> None:
    text = run(write(tmp_path, 0.9)).stdout
    assert "p(ctrl) p(A+B) / (p(A) p(B)) is constant in x1 and x2" in text
    assert "REJECTED" in text
    assert "A+B differs from its prediction by +0." in text
    assert "sd in x2" in text
    assert "The data contradict the claim, and so the model" in text
    assert "let f1 depend on B" in text


def test_a_true_model_exits_0_too_and_is_not_proved(tmp_path: Path) -> None:
    result = run(write(tmp_path, 0.0))
    assert result.exit_code == 0
    assert "The data do not contradict the claim (at " in result.stdout
    assert "let f" not in result.stdout


def test_csv_and_json_have_the_same_findings_where_a_test_was_not_made(tmp_path: Path) -> None:
    study = write(tmp_path, 0.9)
    lines = (tmp_path / "cells.csv").read_text().splitlines()
    far = {"A": (100.0, 0.0), "B": (0.0, 100.0), "A+B": (100.0, 100.0)}
    moved = [lines[0]]
    for line in lines[1:]:
        name, u, v = line.split(",")
        du, dv = far.get(name, (0.0, 0.0))
        moved.append(f"{name},{float(u) + du},{float(v) + dv}")
    (tmp_path / "cells.csv").write_text("\n".join(moved) + "\n")
    found = json.loads(run(study, "--format", "json").stdout)["results"]
    assert {} in [entry["effect"] for entry in found]
    rows = list(csv.DictReader(io.StringIO(run(study, "--format", "csv").stdout)))
    said: dict[str, dict[str, float]] = {}
    for row in rows:
        said.setdefault(row["test"], {}).update({row["variable"]: float(row["effect"])} if row["variable"] else {})
        assert (row["variable"] == "") == (row["effect"] == "")
    assert said == {entry["test"]: entry["effect"] for entry in found}


def test_csv_has_a_line_a_variable(tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(write(tmp_path, 0.9), "--format", "csv").stdout)))
    assert [(row["test"], row["variable"]) for row in rows] == [
        ("score", "x1"),
        ("score", "x2"),
        ("energy", "x1"),
        ("energy", "x2"),
    ]
    assert {row["combination"] for row in rows} == {"A+B"}


def test_options_choose_tests_claims_and_correction(tmp_path: Path) -> None:
    study = write(tmp_path, 0.0)
    found = json.loads(run(study, "--format", "json", "--method", "score", "--criterion", "conditional").stdout)
    assert [entry["test"] for entry in found["results"]] == ["score"]
    assert found["results"][0]["variable"] == "x1"
    both = json.loads(run(study, "--format", "json", "--correction", "bh", "--alpha", "0.2").stdout)
    assert (both["correction"], both["alpha"]) == ("bh", "0.2")


def test_pairs_are_named(tmp_path: Path) -> None:
    study = write(tmp_path, 0.0, factors=[{"x": ["x1"], "sigma": ["A"]}, {"x": ["x2"], "sigma": ["B"]}])
    found = json.loads(run(study, "--format", "json").stdout)["results"]
    pairs = [entry for entry in found if "interaction" in entry]
    assert len(pairs) == 8
    assert all(entry["interaction"] == ["x1", "x2"] and entry["variable"] is None for entry in pairs)
    rest = json.loads(run(study, "--format", "json", "--no-pairs").stdout)["results"]
    assert rest
    assert not [entry for entry in rest if "interaction" in entry]


def test_nothing_to_test_is_a_warning(tmp_path: Path) -> None:
    result = run(write(tmp_path, 0.0, train=["ctrl", "A", "B"]))
    assert result.exit_code == 0
    assert "measure A+B as well: it is predicted by p(A) p(B) / p(ctrl)" in result.stderr
    assert "Nothing was tested" in result.stdout


def test_refusals(tmp_path: Path) -> None:
    study = write(tmp_path, 0.0)
    for options, message in ((("--alpha", "2"), "alpha '2'"), (("--data", tmp_path / "no.csv"), "no.csv")):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(command, [str(a) for a in (study, *options)], catch_exceptions=False)
    assert run(study, "--method", "chi2").exit_code == 2


def test_an_older_file_stays(tmp_path: Path) -> None:
    study, out = write(tmp_path, 0.0), tmp_path / "out.json"
    out.write_text("old")
    with pytest.raises(InputError, match="exists already"):
        CliRunner().invoke(command, [str(study), "-o", str(out)], catch_exceptions=False)
    assert out.read_text() == "old"
    assert run(study, "-o", out, "--force", "--format", "json").exit_code == 0
    assert json.loads(out.read_text())["schema"] == "ifm-falsification/1"


def test_claims_that_were_not_tested_are_not_counted_as_holding(tmp_path: Path) -> None:
    study = write(tmp_path, 0.0)
    rows = (tmp_path / "cells.csv").read_text().splitlines()
    (tmp_path / "cells.csv").write_text("\n".join([rows[0], *rows[1::300]]))  # one row a regime
    result = run(study, "--no-pairs")
    assert result.exit_code == 0
    assert "Nothing was tested: there are too few rows for the claim." in result.stdout
    assert "contradict" not in result.stdout


def test_untested_regimes_are_named_in_every_place(tmp_path: Path) -> None:
    three = {
        "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
        "train": ["ctrl", "A", "B", "A+B", "C"],
    }
    study = write(tmp_path, 0.0, **three)
    rng = np.random.default_rng(2)
    more = "".join(f"C,{u:.6f},{v:.6f}\n" for u, v in rng.normal(0.2, 1.0, size=(300, 2)))
    (tmp_path / "cells.csv").write_text((tmp_path / "cells.csv").read_text() + more)
    found = json.loads(run(study, "--format", "json", "--method", "score").stdout)
    assert found["untested"] == [{"A": 0, "B": 1, "C": 1}, {"A": 1, "B": 0, "C": 1}]
    text = " ".join(run(study, "--method", "score").stdout.split())
    assert "No tested claim bears on 2 of the 3 unseen regimes asked about: B+C and A+C (untested)." in text
    result = json.loads(run(write(tmp_path, 0.0), "--format", "json", "--method", "score").stdout)
    assert result["untested"] == []


def test_units_of_the_study_are_taken_as_one(tmp_path: Path) -> None:
    study = write(tmp_path, 0.9, data={"file": "cells.csv", "label": "cell", "unit": "dish"})
    lines = (tmp_path / "cells.csv").read_text().splitlines()
    named = [f"{line},{line.split(',')[0]}{i % 300 // 100}" for i, line in enumerate(lines[1:])]
    (tmp_path / "cells.csv").write_text("\n".join([f"{lines[0]},dish", *named]) + "\n")
    result = run(study)
    assert result.exit_code == 0
    assert "not made: ctrl has too few units" in result.stdout
    assert "fewer than 6 units: ctrl has too few units" in " ".join(result.stderr.split())
    six = [f"{line},{line.split(',')[0]}{i % 300 // 50}" for i, line in enumerate(lines[1:])]
    (tmp_path / "cells.csv").write_text("\n".join([f"{lines[0]},dish", *six]) + "\n")
    assert "REJECTED" in run(study).stdout
