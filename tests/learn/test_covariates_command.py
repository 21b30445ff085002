"""Studies with covariates from the command line: populations from files, and bad input in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import statsmodels.formula.api as smf

from tests.cli.running import run
from tests.learn.test_covariates import CELLS, MAPPING, table


def study_file(folder: Path, rows: pd.DataFrame, more: Mapping[str, Any]) -> str:
    rows.to_csv(folder / "rows.csv", index=False)
    mapping = {**MAPPING, **more, "data": {"file": "rows.csv", **more.get("data", {})}}
    (folder / "s.yaml").write_text(json.dumps(mapping))
    return str(folder / "s.yaml")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ("age", (), "row 3: age is missing; fill it in or remove the row"),
        ("plate", (), "row 3: plate is missing; fill it in or remove the row"),
        ("drop", (), "there is no column 'age'.*every covariate of the study needs a column"),
        ("", ("--population", "empty.csv"), "empty.csv: the population has no rows"),
        ("", ("--population", "other.csv"), "other.csv, row 1: plate is 'r', which no training row has"),
        ("", ("--population", "short.csv"), "there is no column 'plate'.*a population has a column"),
        ("", ("--population", "absent.csv"), "absent.csv: there is no such file"),
        ("", ("--by", "y"), "groups are by a covariate, and 'y' is none"),
        ("many", ("--by", "age"), "'age' has 600 values, and groups are of 50 numbers at most"),
        ("constant", (), "the covariate 'age' is 40 in every training row.*leave it out"),
        ("one plate", (), "the covariate 'plate' is p in every training row"),
        ("variable", (), "'y' is a covariate and a variable"),
        ("outcome", (), "the outcome 'age' is a covariate too"),
        ("text", (), "the covariate 'age' has 600 categories"),
    ],
)
def test_bad_input_exits_2_in_words(
    change: str,
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    rows = table(200 if change in ("many", "text") else 10, 18)
    more: dict[str, Any] = {}
    if change == "drop":
        rows = rows.drop(columns="age")
    elif change == "text":
        rows["age"] = [f"about {age}" for age in rows.age]
    elif change in ("constant", "one plate"):
        rows = rows.assign(age=40) if change == "constant" else rows.assign(plate="p")
    elif change in ("variable", "outcome"):
        more = {"covariates": ["age", "plate", "y"]} if change == "variable" else {"data": {"outcome": "age"}}
    elif change in rows:
        rows.loc[2, change] = None
    path = study_file(tmp_path, rows, more)
    (tmp_path / "empty.csv").write_text("age,plate\n")
    (tmp_path / "other.csv").write_text("age,plate\n1,r\n")
    (tmp_path / "short.csv").write_text("age\n1\n")
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capfdbinary, "estimate", path, *options)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert re.search(words, " ".join(err.split()))


def test_a_population_file_is_taken_as_it_is(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    rows = table(60, 19)
    path = study_file(tmp_path, rows, {"randomised": True})
    (tmp_path / "who.csv").write_text("plate,age\nq,1.5\np,0.5\n")
    status, out, _ = run(
        capfdbinary,
        "estimate",
        path,
        "--population",
        str(tmp_path / "who.csv"),
        "--format",
        "json",
        "--energy",
        "normal",
    )
    assert status == 0
    fitted = smf.ols("y ~ A * age + B + plate", rows).fit()
    over = pd.DataFrame({"plate": ["q", "p"], "age": [1.5, 0.5]})
    wanted = [fitted.predict(over.assign(A=a, B=b)).mean() for a, b in CELLS]
    assert [entry["mean"] for entry in json.loads(out)["results"]] == pytest.approx(wanted, rel=1e-6)
    about = json.loads(out)["covariates"]
    assert about["columns"] == ["age", "plate=q"]
    assert "variance_ratio" not in about  # of no others than the rows' own is a plain mean right
