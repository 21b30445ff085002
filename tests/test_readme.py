"""What the README shows is what the program prints."""

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


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_console_output() -> None:
    [block] = blocks("console")
    command, expected = block.split("\n", 1)
    arguments = command.removeprefix("$ ifm ").split()
    run = subprocess.run(
        [sys.executable, "-m", "ifm_ident.cli", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == expected


def test_python_block(monkeypatch: pytest.MonkeyPatch) -> None:
    [block] = blocks("python")
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(block, {})
    expected = [line.split("# ", 1)[1] for line in block.splitlines() if line.startswith("print")]
    assert printed.getvalue().splitlines() == expected


def test_study_and_commands(tmp_path: Path) -> None:
    [study] = blocks("yaml")
    path = tmp_path / "study.yaml"
    path.write_text(study, encoding="utf-8")
    assert load(path).target_count == 8
    commands = next(block for block in blocks("sh") if "ifm explain" in block)
    for line in commands.splitlines():
        arguments = line.split("#")[0].split()[1:]
        run = subprocess.run(
            [sys.executable, "-m", "ifm_ident.cli", *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert run.returncode == 0, (line, run.stderr)
