"""The command line in this process, and a folder with the studies that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from ifm_ident.show.demonstration import save_examples
from tests.cli.running import Ifm, run


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, *map(str, arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_examples(tmp_path)
    return tmp_path
