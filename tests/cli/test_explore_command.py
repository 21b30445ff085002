"""`ifm explore`: where the page goes, what is in it, what is refused; tests/browser has its answers."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ifm_ident.design.notation import format_regimes
from ifm_ident.study.study import Study, load
from tests.cli.running import Ifm, run

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "ifm_ident" / "examples"


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, *map(str, arguments))


def embedded(text: str) -> dict[str, Any]:
    """The study in a page."""
    found: dict[str, Any] = json.loads(text.split('id="study">')[1].split("</script>")[0])
    return found


@pytest.mark.parametrize(
    "path", [*sorted(EXAMPLES.glob("*.yaml")), ROOT / "studies" / "dose-grid.yaml"], ids=lambda path: path.stem
)
def test_the_page_holds_the_study(ifm: Ifm, tmp_path: Path, path: Path) -> None:
    status, out, err = ifm("explore", path, "-o", tmp_path / "page.html")
    assert (status, out) == (0, "")
    assert err.endswith(f"{tmp_path / 'page.html'}: open it in a browser\n")
    study = load(path)
    again = Study.from_dict(embedded((tmp_path / "page.html").read_text(encoding="utf-8")), path.parent)
    assert again.model == study.model
    assert again.notation == study.notation
    assert again.data == study.data
    texts, same = (format_regimes(one.model, one.design.train, one.notation) for one in (study, again))
    assert texts.equals(same)
    targets = [format_regimes(one.model, next(one.targets()), one.notation).to_pylist() for one in (study, again)]
    assert targets[0] == targets[1]


def test_the_policy_allows_this_script_alone(ifm: Ifm) -> None:
    status, out, _ = ifm("explore", EXAMPLES / "poster.yaml")
    assert status == 0
    script = out.rsplit("<script>", 1)[1].split("</script>")[0]
    told = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', out)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{told}'" in policy
    assert out.count("<script") == 2
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#|data:,)""", out.split("<script")[0])


def test_it_needs_no_extra(tmp_path: Path) -> None:
    """Neither Jinja nor matplotlib nor pandas."""
    code = (
        "import sys\nfor name in ('jinja2', 'matplotlib', 'pandas'): sys.modules[name] = None\n"
        "from ifm_ident.cli import main\nmain()\n"
    )
    page = tmp_path / "page.html"
    command = [sys.executable, "-c", code, "explore", str(EXAMPLES / "poster.yaml"), "-o", str(page)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert embedded(page.read_text(encoding="utf-8"))["name"] == "poster example"


def test_targets_and_tables_come_along(ifm: Ifm, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("label\nctrl\nA\nB\n")
    (tmp_path / "counts.csv").write_text("label,n\nctrl,3\nA,4\nB,5\n")
    (tmp_path / "study.yaml").write_text(
        "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"
        "train: {file: runs.csv, label: label}\nsamples: {file: counts.csv, label: label}\n"
        "data: {file: cells.csv, label: [one, two], labels: {control: [NT], names: {x: A}}}\n"
    )
    status, out, _ = ifm("explore", tmp_path / "study.yaml", "--test", "A+B")
    assert status == 0
    found = embedded(out)
    assert found["train"] == ["ctrl", "A", "B"]
    assert found["test"] == ["A+B"]
    assert found["data"] == {
        "file": "cells.csv",
        "label": ["one", "two"],
        "labels": {"control": ["NT"], "names": {"x": "A"}},
    }
    assert str(tmp_path) not in out
    assert found["samples"] == "left out"


def test_levels_with_values_are_warned_of(ifm: Ifm, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "interventions: {dose: {levels: [0, 1], basis: {poly: 1}}}\nfactors: [{sigma: [dose]}]\n"
        "train: [{dose: 0}, {dose: 1}]\n"
    )
    status, out, err = ifm("explore", tmp_path / "study.yaml")
    assert status == 0
    assert "named levels only" in err
    assert embedded(out)["interventions"]["dose"]["basis"] == {"poly": 1}


def test_what_is_refused_leaves_nothing(ifm: Ifm, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    status, _, err = ifm("explore", ROOT / "studies" / "perturb-seq.yaml", "-o", page)
    assert status == 2
    assert "unknowns, and a page answers up to 500" in err
    assert "`ifm identify`" in err
    assert [*tmp_path.iterdir()] == []
    page.write_text("mine")
    status, _, err = ifm("explore", EXAMPLES / "poster.yaml", "-o", page)
    assert status == 2
    assert "exists already" in err
    assert page.read_text() == "mine"
    assert ifm("explore", EXAMPLES / "poster.yaml", "-o", page, "--force", "--quiet") == (0, "", "")


def test_many_training_regimes_are_refused(ifm: Ifm, tmp_path: Path) -> None:
    names = [f"g{i}" for i in range(11)]
    study = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [name]} for name in names],
        "train": [f"{number:011b}" for number in range(1501)],
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    status, _, err = ifm("explore", tmp_path / "study.json")
    assert status == 2
    assert "1,501 training regimes, and a page answers up to 1,500" in err
