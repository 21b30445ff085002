"""`ifm identify`: --summary, --of, and what formulas chosen by an objective attain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ifm_ident.commands import identify
from ifm_ident.show.demonstration import save_examples
from tests.cli.running import Ifm

PARTS = {
    "name": "parts",
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "variables": ["x1", "x2", "x3"],
    "factors": [
        {"x": ["x1"], "sigma": ["A"]},
        {"x": ["x1", "x2"], "sigma": ["B"]},
        {"x": ["x3"], "sigma": ["B", "C"]},
    ],
    "train": ["000", "100", "010", "001"],
}
CHOICE = {
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
    "train": ["000", "100", "010", "001", "110"],
    "test": ["111"],
    "samples": {"file": "counts.csv", "label": "regime"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_examples(tmp_path)
    (tmp_path / "parts.json").write_text(json.dumps(PARTS))
    (tmp_path / "choice.json").write_text(json.dumps(CHOICE))
    (tmp_path / "counts.csv").write_text("regime,n\n000,1\n100,1000\n010,1000\n001,1000\n110,1000\n")
    return tmp_path


def test_the_summary_of_a_small_space_is_exact(ifm: Ifm, folder: Path) -> None:
    status, out, err = ifm("identify", folder / "conditional.yaml", "--summary")
    assert (status, err) == (0, "")
    assert "   all        8         6      0            2               0  100%\n" in out
    assert "drawn" not in out
    joint = ifm("identify", folder / "conditional.yaml", "--summary", "--criterion", "joint")[1]
    assert "   all        8         6      0                 2  75.00%\n" in joint
    assert "no joint formula" in joint
    alone = ifm("identify", folder / "conditional.yaml", "--summary", "--criterion", "conditional")[1]
    assert "   all        8         6            2               0  100%\n" in alone


def test_the_summary_ignores_the_test_and_the_enumeration_limit(ifm: Ifm, folder: Path) -> None:
    names = [f"s{i}" for i in range(80)]
    study = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [name]} for name in names],
        "train": ["ctrl", *names[:-1]],
        "test": [names[0]],
    }
    (folder / "wide.json").write_text(json.dumps(study))
    command = ("identify", folder / "wide.json", "--summary", "--format", "json", "--sample", "100")
    status, out, err = ifm(*command)
    assert (status, err) == (0, "")
    total = json.loads(out)["total"]
    assert int(total["regimes"]) == 2**80
    low, high = total["answered"]["interval"]
    assert low < 0.5 < high
    assert ifm(*command)[1] == out
    assert ifm(*command, "--seed", "1")[1] != out
    file = folder / "summary.json"
    assert "of all regimes are observed or identified" in ifm(*command, "-o", file)[2]
    assert file.read_text() == out


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--summary", "--test", "111"], "--test"),
        (["--summary", "--method", "message-passing"], "--method"),
        (["--summary", "--objective", "l1"], "--objective"),
        (["--summary", "--require-all"], "--require-all"),
        (["--summary", "--format", "csv"], "csv"),
        (["--seed", "1"], "--seed"),
        (["--sample", "10"], "--sample"),
    ],
)
def test_options_that_say_nothing_are_refused(ifm: Ifm, folder: Path, given: list[str], named: str) -> None:
    status, out, err = ifm("identify", folder / "poster.yaml", *given)
    assert (status, out) == (2, "")
    assert named in err


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_of_keeps_what_is_connected_and_its_result_is_verified(ifm: Ifm, folder: Path, form: str) -> None:
    study, file = folder / "parts.json", folder / f"of.{form}"
    status, _, err = ifm("identify", study, "--of", "x1", "--format", form, "-o", file)
    assert status == 0
    assert "The answer is about x1 and x2 only" in err
    assert f"`ifm verify {file}`, without --study" in err
    assert "4 of 4 unseen regimes are identified" in err
    assert ifm("verify", file)[:2] == (0, "8 results checked: all hold\n")
    status, out, _ = ifm("verify", file, "--study", study)
    assert status == 1
    assert "not about this study: it has 2 variables, the study 3" in out


def test_of_describes_the_restricted_model(ifm: Ifm, folder: Path) -> None:
    study = folder / "parts.json"
    out = ifm("identify", study, "--of", "x3", "--format", "json")[1]
    found = json.loads(out)
    assert found["variables"] == ["x3"]
    assert found["factors"] == [{"name": "f3", "x": ["x3"], "sigma": ["B", "C"]}]
    assert [entry["status"] for entry in found["results"]].count("not_identified") == 2
    table = ifm("identify", study, "--of", "x2", "--test", "110")[1]
    assert "The answer is about x1 and x2 only: no factor connects them to the other\nvariable" in table
    assert "p(R) is the density of x1 and x2 in regime R" in table
    assert "  110  identified  p(100) p(010) / p(000)\n" in table
    summary = json.loads(ifm("identify", study, "--of", "x1,x2", "--summary", "--format", "json")[1])
    assert summary["variables"] == ["x1", "x2"]
    assert summary["total"]["answered"]["share"] == 1
    passed = ifm("identify", study, "--of", "x1", "--method", "message-passing", "--require-all")
    assert passed[0] == 0


def test_of_everything_is_the_study_itself(ifm: Ifm, folder: Path) -> None:
    study = folder / "parts.json"
    for of in (["--of", "x1,x3"], ["--of", "x1", "--of", "x3"]):
        status, out, err = ifm("identify", study, *of, "--format", "json")
        assert status == 0
        assert out == ifm("identify", study, "--format", "json")[1]
        assert "about all variables" in err
        assert "verify" not in err


def test_of_a_csv_says_that_it_holds_no_model(ifm: Ifm, folder: Path) -> None:
    err = ifm("identify", folder / "parts.json", "--of", "x1", "--format", "csv")[2]
    assert "JSON and Parquet files can be verified as they are" in err


def test_of_an_unknown_variable_names_the_nearest(ifm: Ifm, folder: Path) -> None:
    status, out, err = ifm("identify", folder / "parts.json", "--of", "x1,y")
    assert (status, out) == (2, "")
    assert err == "ifm: --of x1,y: unknown variable 'y'; legal: x1, x2, x3\n"
    assert "did you mean x1?" in ifm("identify", folder / "parts.json", "--of", "x11")[2]


@pytest.mark.parametrize(
    ("objective", "line"),
    [
        ("sparse", "  111  identified  p(001) p(110) / p(000)  [3 densities]\n"),
        ("l1", "  [sum |q| = 3]\n"),
        ("variance", "  [sum q^2/n = "),
    ],
)
def test_formulas_show_what_they_attain(ifm: Ifm, folder: Path, objective: str, line: str) -> None:
    status, out, err = ifm("identify", folder / "choice.json", "--objective", objective)
    assert (status, err) == (0, "")
    assert line in out
    assert "the one formula is proven best." in " ".join(out.split())
    assert "[" not in ifm("identify", folder / "choice.json")[1]


def test_conditional_formulas_show_what_each_attains(ifm: Ifm, folder: Path) -> None:
    out = ifm("identify", folder / "conditional.yaml", "--objective", "l1", "--test", "111")[1]
    assert out.count("[sum |q| = 3]") == 3
    assert "all 3 formulas are proven best" in " ".join(out.split())


def test_a_second_best_is_never_silent(ifm: Ifm, folder: Path) -> None:
    hurried = ("identify", folder / "choice.json", "--objective", "sparse", "--time-limit", "1e-9")
    out = ifm(*hurried)[1]
    assert "p(100) p(010) p(001) / p(000)^2  [4 densities, not proven best: at least 1]" in out
    assert "0 of 1 formula is proven best" in " ".join(out.split())
    plain = ifm("identify", folder / "choice.json", "--format", "json")[1]
    _, out, err = ifm(*hurried, "--format", "json")
    assert out == plain
    assert "111: [4 densities, not proven best: at least 1]" in err
    assert "The time limit is 1e-09 s" in err


def test_a_time_limit_is_a_number(ifm: Ifm, folder: Path) -> None:
    status, out, err = ifm("identify", folder / "choice.json", "--objective", "sparse", "--time-limit", "nan")
    assert (status, out) == (2, "")
    assert "nan is no number of seconds" in err


def test_sparse_has_a_time_limit_by_default(ifm: Ifm, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identify, "SPARSE_SECONDS", 1e-9)
    assert "not proven best" in ifm("identify", folder / "choice.json", "--objective", "sparse")[1]
    assert "not proven best" not in ifm("identify", folder / "choice.json", "--objective", "l1")[1]
    longer = ("--objective", "sparse", "--time-limit", "30")
    assert "not proven best" not in ifm("identify", folder / "choice.json", *longer)[1]
    assert "Default: 60 for sparse" in " ".join(ifm("identify", "--help")[1].split())
