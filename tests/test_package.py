"""The check of what is published: a wheel of the packages passes, one with a test or without a file does not."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import yaml

from tests.scripts import loaded

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = loaded(ROOT / ".ci" / "package.py")


def wheel(folder: Path, without: str = "", more: str = "", points: str = "") -> Path:
    """A wheel as hatchling lays it out."""
    path = folder / "x.whl"
    about = f"ifm_ident-{PACKAGE.PROJECT['project']['version']}.dist-info"
    if not points:
        project = PACKAGE.PROJECT["project"]
        groups = {"console_scripts": project["scripts"], **project["entry-points"]}
        for name, entries in groups.items():
            points += f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
    with zipfile.ZipFile(path, "w") as file:
        for package in PACKAGE.PACKAGES:
            for one in (ROOT / package).rglob("*"):
                if one.is_file() and "__pycache__" not in one.parts and one.name != without:
                    file.writestr(one.relative_to(ROOT).as_posix(), b"")
        for name in PACKAGE.ABOUT:
            file.writestr(f"{about}/{name}", points if name == "entry_points.txt" else "")
        if more:
            file.writestr(more, b"")
    return path


def test_a_wheel_holds_the_packages_and_nothing_else(tmp_path: Path) -> None:
    assert list(PACKAGE.faults_of_wheel(wheel(tmp_path))) == []
    assert "tests/x.py" in " ".join(PACKAGE.faults_of_wheel(wheel(tmp_path, more="tests/x.py")))
    assert "py.typed" in " ".join(PACKAGE.faults_of_wheel(wheel(tmp_path, without="py.typed")))
    other = "[console_scripts]\nifm = elsewhere:main\n"
    assert "entry points" in " ".join(PACKAGE.faults_of_wheel(wheel(tmp_path, points=other)))


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        for name in ("a.whl", "a.tar.gz"):
            (folder / name).write_bytes(b"same")
    assert list(PACKAGE.faults_of_builds(*folders)) == []
    (folders[1] / "a.whl").write_bytes(b"other")
    assert "differently" in " ".join(PACKAGE.faults_of_builds(*folders))


def test_what_cites_and_packs_the_project_agrees_with_it() -> None:
    project = PACKAGE.PROJECT["project"]
    recipe = (ROOT / "conda" / "meta.yaml").read_text()
    assert f'version = "{project["version"]}"' in recipe
    plain = yaml.safe_load(re.sub(r"\{%.*%\}|\{\{.*?\}\}", "", recipe))
    run = [one.replace(" ", "") for one in plain["requirements"]["run"]]
    assert run == [f"python{project['requires-python']}", *project["dependencies"]]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == project["version"]
    assert json.loads((ROOT / ".zenodo.json").read_text())["license"] == project["license"]


def test_the_paper_cites_what_its_bibliography_has() -> None:
    paper = (ROOT / "paper" / "paper.md").read_text()
    known = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(), re.MULTILINE))
    assert set(re.findall(r"@(\w+)", paper)) == known
    body = paper.split("---", 2)[2]
    assert 750 <= len(body.split()) <= 1_050
    assert "# Statement of need" in body
