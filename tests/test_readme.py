"""What the README shows is what the program prints, and what it tells to type works."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ifm_ident.study import load

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands(of: str) -> list[list[str]]:
    """The arguments of the commands in the block that holds the text, without comments."""
    [block] = [block for block in blocks("sh") if of in block]
    return [line.split("#")[0].split()[1:] for line in block.splitlines()]


def ran(arguments: list[str], folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "ifm_ident.cli", *arguments], cwd=folder, capture_output=True, text=True
    )
    assert run.returncode == 0, (arguments, run.stderr)
    return run.stdout


def shown(command: str) -> tuple[str, list[str]]:
    """Text and arguments of the console block that begins with the command."""
    [block] = [block for block in blocks("console") if block.startswith(f"$ ifm {command} ")]
    first, text = block.split("\n", 1)
    return text, first.removeprefix("$ ifm ").split()


def test_identification() -> None:
    expected, arguments = shown("identify")
    assert ran(arguments, ROOT) == expected


def test_estimates() -> None:
    pytest.importorskip("sklearn")
    expected, arguments = shown("estimate")
    printed = ran(arguments, ROOT)
    assert _NUMBER.sub("0", printed).split() == _NUMBER.sub("0", expected).split()
    # another processor sums in another order: that moves a fit's figures by its tolerance, far below these
    found, wanted = ([float(x) for x in _NUMBER.findall(text)] for text in (printed, expected))
    assert found == pytest.approx(wanted, rel=0.05, abs=0.02)


@pytest.mark.parametrize("block", blocks("python"), ids=["identify", "estimate"])
def test_python(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "ifm_learn" in block:
        pytest.importorskip("sklearn")
        pytest.importorskip("pandas")
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    expected = [line.split("# ", 1)[1] for line in block.splitlines() if line.startswith("print")]
    assert printed.getvalue().splitlines() == expected


def test_study_and_questions(tmp_path: Path) -> None:
    study, data = blocks("yaml")
    path = tmp_path / "study.yaml"
    path.write_text(study, encoding="utf-8")
    assert load(path).target_count == 8
    for arguments in commands("ifm explain"):
        ran(arguments, tmp_path)
    path.write_text(study + data, encoding="utf-8")
    assert load(path).data is not None


@pytest.mark.slow
def test_commands_on_data(tmp_path: Path) -> None:
    for package in ("sklearn", "jinja2", "matplotlib"):
        pytest.importorskip(package)
    first, *others = commands("ifm fit")
    ran(first, tmp_path)
    cells = (tmp_path / "cells.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "cells.csv").write_text(
        "".join(cells[:1] + cells[1::4]), encoding="utf-8"
    )  # a quarter of the wait
    for arguments in others:
        ran(arguments, tmp_path)


def test_every_extra_is_named() -> None:
    """Each extra of the package stands in the table, and the table names no other."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]\n", 1)[1].split("\n[", 1)[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README, flags=re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(re.findall(r"^(\w+) = ", section, flags=re.MULTILINE))
