"""`ifm reproduce`: refusals at once; a short run on the real data, where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.running import run

Capture = pytest.CaptureFixture[bytes]


def test_without_data_it_says_how_to_get_them(tmp_path: Path, capfdbinary: Capture) -> None:
    for data in ("sachs", "dream"):
        status, out, err = run(
            capfdbinary, "reproduce", data, "--data-home", str(tmp_path), "-o", str(tmp_path / "out")
        )
        assert (status, out) == (2, "")
        assert "--download and --data-home" in err
        assert "IFM_DATA" in err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sax"], "'sax' is not one of 'sachs', 'dream'"),
        (["sachs", "--truth", "cyclic"], "'cyclic' is not one of 'ifm', 'dag'"),
        (["sachs", "--problems", "0"], "0 is not in the range x>=1"),
        (["sachs", "--method", "ifm9"], "'ifm9' is not one of"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], words: str, capfdbinary: Capture) -> None:
    status, _, err = run(capfdbinary, "reproduce", *arguments)
    assert status == 2
    assert words in " ".join(err.split())


@pytest.mark.slow
def test_a_short_run_on_real_data_and_its_continuation(tmp_path: Path, capfdbinary: Capture) -> None:
    if not (Path(os.environ.get("IFM_DATA", "")) / "sachs" / "cd3cd28.csv").exists():
        pytest.skip("no real data: IFM_DATA names no folder with sachs/cd3cd28.csv")
    folder = tmp_path / "out"
    asked = ["reproduce", "sachs", "--truth", "dag", "--method", "additive", "--method", "blackbox", "--quick"]
    status, first, err = run(capfdbinary, *asked, "--problems", "2", "-o", str(folder))
    assert status == 0
    assert "| black box |" in first
    assert "Raf and Mek" in err  # the defect of the public data is told
    record = json.loads((folder / "results.json").read_text())
    assert record["results"][0]["settings"]["problems"] == 2
    before = (folder / "results.parquet").read_bytes()
    _, again, _ = run(capfdbinary, *asked, "--problems", "2", "-o", str(folder))
    assert again == first
    assert (folder / "results.parquet").read_bytes() == before
    status, _, err = run(capfdbinary, *asked, "--seed", "1", "-o", str(folder))
    assert status == 2
    assert "holds an experiment with seed 0, this one has 1" in err
