"""`ifm verify`: exit 0 all hold, 1 one does not (named), 2 unreadable."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.show.demonstration import EXAMPLES
from tests.cli.running import run, run_apart


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_what_identify_writes_holds(
    capfdbinary: pytest.CaptureFixture[bytes], folder: Path, name: str, form: str
) -> None:
    study, file = str(folder / f"{name}.yaml"), str(folder / f"result.{form}")
    for options in ([], ["--criterion", "joint"], ["--method", "message-passing"]):
        run(capfdbinary, "identify", study, "--test", "all", *options, "--format", form, "-o", file, "--force")
        status, out, err = run(capfdbinary, "verify", file, "--study", study)
        assert (status, err) == (0, "")
        assert out == f"8 results checked against the study file {study}: all hold\n"


def test_what_does_not_hold_is_named(capfdbinary: pytest.CaptureFixture[bytes], folder: Path) -> None:
    file = folder / "result.json"
    run(capfdbinary, "identify", str(folder / "poster.yaml"), "--format", "json", "-o", str(file))
    text = file.read_text()
    file.write_text(text.replace('"train": 5, "exponent": "1"', '"train": 5, "exponent": "2"'))
    assert file.read_text() != text
    status, out, _ = run(capfdbinary, "verify", str(file))
    assert status == 1
    assert "8 results checked: 1 of them do not hold\nresult 7 (" in out


def test_a_claim_that_leaves_out_a_variable_does_not_hold(
    capfdbinary: pytest.CaptureFixture[bytes], folder: Path
) -> None:
    """Rows removed from a CSV take a formula with them, and so do terms removed from Parquet."""
    study, file = str(folder / "conditional.yaml"), folder / "result.csv"
    run(capfdbinary, "identify", study, "--test", "111", "--format", "csv", "-o", str(file))
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if ",x2," not in line))
    status, out, _ = run(capfdbinary, "verify", str(file), "--study", study)
    assert (status, out.splitlines()[1]) == (1, "result 0 (111): there is no formula of x2")
    file = folder / "result.parquet"
    run(capfdbinary, "identify", study, "--test", "111", "--format", "parquet", "-o", str(file))
    table = pq.read_table(file)
    terms = [term for term in table["terms"][0].as_py() if term["variable"] != "x2"]
    place = table.column_names.index("terms")
    pq.write_table(table.set_column(place, table.field(place), pa.array([terms], table["terms"].type)), file)
    status, out, _ = run(capfdbinary, "verify", str(file), "--study", study)
    assert (status, out.splitlines()[1]) == (1, "result 0 (111): there is no formula of x2")


def test_a_result_about_another_study(folder: Path) -> None:
    file = folder / "result.json"
    written = run_apart("identify", "poster.yaml", "--format", "json", "-o", "result.json", cwd=folder)
    assert written.returncode == 0
    assert run_apart("verify", str(file)).returncode == 0
    other = run_apart("verify", "result.json", "--study", "three-cycle.yaml", cwd=folder)
    assert other.returncode == 1
    assert b"the result is not about this study: it has 2 factors, the study 3" in other.stdout


@pytest.mark.parametrize("content", [b"", b"{", b"PAR1", b"regime,status\n"])
def test_unreadable_files(capfdbinary: pytest.CaptureFixture[bytes], folder: Path, content: bytes) -> None:
    file = folder / "result.json"
    file.write_bytes(content)
    status, out, err = run(capfdbinary, "verify", str(file))
    assert (status, out) == (2, "")
    assert err.startswith(f"ifm: {file}: ")
    assert run(capfdbinary, "verify", str(folder / "nowhere.json"))[0] == 2
