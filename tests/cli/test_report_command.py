"""`ifm report`: options, results on data, refusals, and the page as text."""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ifm_ident.errors import InputError, MissingExtraError
from tests.cli.running import Ifm, run

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

STUDY: dict[str, Any] = {
    "name": "two doses",
    "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
    "factors": [{"sigma": ["A", "B"]}, {"sigma": ["B", "C"]}],
    "train": ["000", "010", "100", "110", "001"],
}
ROW = {
    "regime": {"A": 1, "C": 1},
    "status": "identified",
    "mean": 0.41,
    "se": 0.03,
    "confidence": [0.35, 0.47],
    "prediction": [None, 1.7],
    "ess": 812.4,
    "guarantee": "estimated-ratio",
    "note": "few rows",
}
ESTIMATES = {"schema": "ifm-estimate/1", "method": "ifm1", "alpha": "0.1", "seed": 0, "results": [ROW]}
TEST = {
    "variable": None,
    "exponents": [{"train": 0, "exponent": "1"}, {"train": 1, "exponent": "-1"}],
    "test": "energy",
    "statistic": 3.1,
    "p_value": 0.002,
    "p_adjusted": 0.008,
    "rejected": True,
    "effect": {"Mek": 0.9},
}
FALSIFICATION = {"schema": "ifm-falsification/1", "alpha": "0.05", "correction": "holm", "results": [TEST]}


class Page(HTMLParser):
    """Tags, visible text by section, and every attribute that could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.sections: dict[str, str] = {}
        self._section, self._hidden = "head", 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        known = dict(attrs)
        self.loads += [str(known[name]) for name in ("src", "href", "xlink:href", "data") if known.get(name)]
        if tag in ("section", "footer", "header"):
            self._section = known.get("id") or tag
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")
        self.handle_data(" " if tag in ("td", "th") else "")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.sections[self._section] = self.sections.get(self._section, "") + data

    def words(self, section: str) -> str:
        return " ".join(self.sections[section].split())


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, "report", *map(str, arguments))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return written(tmp_path / "study.json", STUDY)


def written(path: Path, data: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_the_page_says_it_all_and_loads_nothing(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    status, printed, err = ifm(study, "-o", out)
    assert (status, printed) == (0, "")
    assert err == f"{out}: 1 of 3 unseen regimes is identified; 2 are not.\n"
    page = Page(out.read_text(encoding="utf-8"))
    assert not [one for one in page.loads if not one.startswith(("#", "data:,"))]
    assert not {"link", "img", "iframe", "object", "embed", "base", "form"} & (set(page.tags) - {"link"})
    assert page.tags.count("link") == page.tags.count("script") == 1
    assert page.words("header").startswith("two doses 3 interventions, 2 factors, 5 training regimes. p(R) is")
    assert "factor f2 is never seen at B=1,C=1" in page.words("regimes")
    assert "Two models that agree in all 5 training regimes and differ in 011" in page.words("refusals")
    assert "Nothing can be tested" in page.words("implications")
    assert "1 regime to add at cost 1: 8 of 8 targets identified" in page.words("plan")
    assert "No data were given" in page.words("data")
    assert f"Made by ifm report {study} -o FILE.html with ifm-ident" in page.words("about")
    assert page.tags.count("mfrac") >= 1


def test_the_same_study_gives_the_same_bytes(ifm: Ifm, study: Path) -> None:
    first, second = ifm(study)[1], ifm(study)[1]
    assert first == second
    assert first.startswith("<!DOCTYPE html>")
    assert first.rstrip().endswith("</html>")


def test_the_command_can_be_typed_again(ifm: Ifm, tmp_path: Path) -> None:
    odd = written(tmp_path / "a study's.json", STUDY)
    page = Page(ifm(odd, "--test", "order:1", "--test", "111", "--criterion", "joint", "--rows", "2")[1])
    command = re.search(r"Made by (ifm report .*) -o FILE.html", page.words("about"))
    assert command is not None
    import shlex

    assert shlex.split(command[1])[2:] == [
        str(odd), "--test", "order:1", "--test", "111", "--criterion", "joint", "--rows", "2",
    ]  # fmt: skip
    assert "The table holds the first 2 of 5 regimes" in page.words("regimes")
    again = Page(ifm(*shlex.split(command[1])[2:])[1])
    assert again.sections == page.sections


def test_estimates_and_tests_of_implications(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    e = written(tmp_path / "e.json", {**ESTIMATES, "warnings": ["starts <disagree>"]})
    f = written(tmp_path / "f.json", FALSIFICATION)
    text = ifm(study, "--estimates", e, "--falsification", f)[1]
    page = Page(text)
    said = page.words("data")
    assert "Method ifm1, 90% intervals, seed 0." in said
    assert "101 identified 0.41 [0.35, 0.47] (−∞, 1.7] few rows" in said
    assert "101 0.03 812.4 if fit is right" in said
    assert "Warning: starts <disagree>" in said
    assert "fewer units fall inside as far as that ratio is off (`estimated-ratio` in results)" in said
    assert "1 of 1 implication rejected at 0.05, p-values adjusted by holm." in said
    assert "energy 3.1 0.002 0.008 rejected Mek 0.9" in said
    assert 'aria-label="estimates with their intervals"' in text
    assert "flags" not in page.words("data")


def test_flags_stand_in_the_row_and_are_explained_once(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    missed = {**ROW, "regime": {"A": 1}, "flags": ["misses_training", "few_rows"], "support": 0.256}
    asked = {"energy": {"chosen": ["normal", "splines"]}, "shrunk": {"towards": "additive", "strength": 0.35}}
    e = written(tmp_path / "e.json", {**ESTIMATES, **asked, "results": [{**ROW, "flags": ["few_rows"]}, missed]})
    text = ifm(study, "--estimates", e)[1]
    said = Page(text).words("data")
    assert "101 identified 0.41 [0.35, 0.47] (−∞, 1.7] few rows few rows" in said
    assert "100 identified 0.41 misses training, few rows few rows" in said
    assert "100 0.03 812.4 if fit is right 0.26" in said
    assert said.count("no model gives back the means of the regimes that were run: no interval is printed") == 1
    assert said.count("has fewer than 20 rows, or units, to fit") == 1
    assert "untested" not in said
    assert "Modelled by an average over normal and splines." in said
    assert "Means of unseen regimes are shrunk by 0.35 towards additive, chosen at regimes left out." in said
    assert "hollow: flagged" in text
    bad = written(tmp_path / "bad.json", {**ESTIMATES, "results": [{**ROW, "flags": "few_rows"}]})
    assert "flags are a list of words, got 'few_rows'" in ifm(study, "--estimates", bad)[2]


def test_estimates_of_another_study_are_refused(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    e = written(tmp_path / "e.json", {**ESTIMATES, "study": "another"})
    status, _, err = ifm(study, "--estimates", e)
    assert status == 2
    assert "e.json: the estimates are of the study 'another', the page is of" in err


def test_effects_stand_beside_what_single_interventions_add_up_to(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    single = {"regime": {"A": 1}, "status": "observed", "mean": 1.25, "additive": 1.5}
    effect = {
        "difference": 0.75,
        "difference_interval": [0.5, 1.0],
        "synergy": -0.5,
        "synergy_interval": [-1, None],
    }
    pair = {**ROW, "additive": 0.9}
    e = written(tmp_path / "e.json", {**ESTIMATES, "results": [single, pair, {**pair, "effect": effect}]})
    text = ifm(study, "--estimates", e)[1]
    said = Page(text).words("data")
    assert "100 observed 1.25 1.5 101 identified" in said  # a single intervention has nothing beyond it
    assert "0.41 [0.35, 0.47] 0.9 −0.49 (−∞, 1.7]" in said  # 0.41 - 0.9, without an interval of its own
    assert "0.41 [0.35, 0.47] 0.75 [0.5, 1] 0.9 −0.5 [−1, ∞) (−∞, 1.7]" in said
    for words in ("mean of a regime that was run", "mean of a regime never run", "what single effects add up to"):
        assert text.count(words) == 1
    assert "flags" not in said.split("Estimates by regime")[1]
    bad = written(tmp_path / "bad.json", {**ESTIMATES, "results": [{**ROW, "effect": 3}]})
    assert "an effect is a map, got 3" in ifm(study, "--estimates", bad)[2]


@pytest.mark.parametrize(
    ("option", "data", "message"),
    [
        (
            "--estimates",
            {"schema": "other"},
            "the schema is 'other'; give a result of `ifm estimate",
        ),
        ("--estimates", {**ESTIMATES, "results": 3}, "`results` is a list of objects, got 3"),
        ("--estimates", {**ESTIMATES, "results": [{}]}, "results, entry 0: the regime is a map, got None"),
        ("--estimates", {**ESTIMATES, "results": [{"regime": {"D": 1}}]}, "'D'.*is the result about this study?"),
        (
            "--estimates",
            {**ESTIMATES, "results": [{**ROW, "mean": "x"}]},
            "entry 0: a number is needed, within 1e300, got 'x'",
        ),
        ("--estimates", {**ESTIMATES, "results": [{**ROW, "confidence": [1]}]}, "confidence is a pair of numbers"),
        ("--falsification", ESTIMATES, "give a result of `ifm falsify --format json`"),
        (
            "--falsification",
            {**FALSIFICATION, "results": [{**TEST, "exponents": [{"train": 9, "exponent": "1"}]}]},
            "9 is no training regime",
        ),
        ("--falsification", {**FALSIFICATION, "results": [{**TEST, "p_value": None}]}, "'p_value' is missing"),
    ],
)
def test_results_that_do_not_fit_are_refused(
    ifm: Ifm, study: Path, tmp_path: Path, option: str, data: dict[str, Any], message: str
) -> None:
    path, out = written(tmp_path / "r.json", data), tmp_path / "page.html"
    status, printed, err = ifm(study, option, path, "-o", out)
    assert (status, printed) == (2, "")
    assert err.startswith(f"ifm: {path}: ")
    assert re.search(message, err)
    assert not out.exists()


@pytest.mark.parametrize(("text", "message"), [("{", "--format json"), ("[1]", "a result is a JSON object")])
def test_results_that_are_no_json_object(ifm: Ifm, study: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.json").write_text(text)
    assert message in ifm(study, "--estimates", tmp_path / "r.json")[2]
    assert "there is no such file" in ifm(study, "--estimates", tmp_path / "none.json")[2]
    assert "there is no such file; did you mean r.json?" in ifm(study, "--estimates", tmp_path / "rr.json")[2]


def test_output_files_are_not_overwritten(ifm: Ifm, study: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    out.write_text("mine")
    status, _, err = ifm(study, "-o", out)
    assert status == 2
    assert "exists already; overwrite it by `force`, or name another file (the option --force)" in err
    assert out.read_text() == "mine"
    assert ifm(study, "-o", out, "--force", "--quiet") == (0, "", "")
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "no folder" in ifm(study, "-o", tmp_path / "none" / "x.html")[2]


@pytest.fixture
def with_data(tmp_path: Path) -> Path:
    (tmp_path / "cells.csv").write_text("A,B,C,x\n0,0,0,1.0\n")
    return written(tmp_path / "data.json", {**STUDY, "data": {"file": "cells.csv"}})


def learning(monkeypatch: pytest.MonkeyPatch, estimate: Callable[..., Any], most: int = 100) -> None:
    """Stands in for the learning part, which has tests of its own."""
    module = types.ModuleType("ifm_learn.estimation.of_study")
    module.MOST, module.estimate_study = most, estimate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ifm_learn.estimation.of_study", module)


def test_data_of_the_study_are_estimated(ifm: Ifm, with_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(study: Any, effects: str, say: Callable[[str], None]) -> Any:
        say("fitting")
        return types.SimpleNamespace(mapping=lambda: ESTIMATES)

    learning(monkeypatch, estimate)
    status, out, err = ifm(with_data)
    assert status == 0
    assert "few rows" in Page(out).words("data")
    assert err.splitlines() == [
        "estimates from the study's data; --estimates FILE puts those of `ifm estimate` instead",
    ]
    assert ifm(with_data, "--quiet")[2] == ""


def test_without_the_learning_part_the_page_names_it(
    ifm: Ifm, with_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(study: Any, effects: str, say: object) -> Any:
        raise MissingExtraError("sklearn", "learn")

    learning(monkeypatch, missing)
    said = Page(ifm(with_data)[1]).words("data")
    assert "this needs the package sklearn: pip install 'ifm-ident[learn]'" in said
    learning(monkeypatch, missing, most=3)
    assert "8 regimes are more than 3." in Page(ifm(with_data)[1]).words("data")

    def no_sklearn(study: Any, effects: str, say: object) -> Any:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")

    learning(monkeypatch, no_sklearn)
    assert "ifm-ident[learn]" in Page(ifm(with_data)[1]).words("data")


def test_data_that_cannot_be_read_end_it(ifm: Ifm, with_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(study: Any, effects: str, say: object) -> Any:
        raise InputError("cells.csv, row 1: no number")

    learning(monkeypatch, refuse)
    status, out, err = ifm(with_data, "--quiet")
    assert (status, out, err) == (2, "", "ifm: the study's data: cells.csv, row 1: no number\n")


@pytest.mark.parametrize(("package", "extra"), [("jinja2", "report"), ("matplotlib", "plots")])
def test_a_missing_extra_is_named(
    ifm: Ifm, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    status, _, err = ifm(study, "-o", tmp_path / "page.html")
    assert (status, err) == (2, f"ifm: this needs the package {package}: pip install 'ifm-ident[{extra}]'\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.json"]
