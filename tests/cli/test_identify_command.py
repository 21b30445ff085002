"""`ifm identify`: formats, options, exit status, files."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.running import Ifm, run_apart


def formulas(text: str) -> list[dict[str, str]]:
    return [
        {str(term["train"]): term["exponent"] for term in result.get("exponents", [])}
        for result in json.loads(text)["results"]
    ]


def test_the_poster(ifm: Ifm, folder: Path) -> None:
    status, out, err = ifm("identify", folder / "poster.yaml")
    assert (status, err) == (0, "")
    assert out.startswith("poster example: 3 interventions, 2 factors, 6 training regimes\n")
    assert "  111  identified  p(110) p(011) / p(010)\n" in out
    assert out.endswith("\n2 of 2 unseen regimes are identified.\n")


def test_json_is_the_contract_and_the_same_twice(ifm: Ifm, folder: Path) -> None:
    _, out, _ = ifm("identify", folder / "poster.yaml", "--test", "111", "--format", "json")
    found = json.loads(out)
    assert found["schema"] == "ifm-identification/1"
    assert found["results"] == [
        {
            "regime": {"sigma1": 1, "sigma2": 1, "sigma3": 1},
            "status": "identified",
            "criterion": "joint",
            "exponents": [
                {"train": 3, "exponent": "1"},
                {"train": 5, "exponent": "1"},
                {"train": 1, "exponent": "-1"},
            ],
        }
    ]
    assert ifm("identify", folder / "poster.yaml", "--test", "111", "--format", "json")[1] == out


@pytest.mark.parametrize("form", ["table", "json", "csv", "latex", "parquet"])
def test_a_file_holds_what_standard_output_would(form: str, folder: Path) -> None:
    study, file = str(folder / "conditional.yaml"), folder / f"out.{form}"
    shown = run_apart("identify", study, "--format", form)
    assert (shown.returncode, shown.stderr) == (0, b"")
    written = run_apart("identify", study, "--format", form, "-o", str(file))
    assert (written.returncode, written.stdout) == (0, b"")
    assert written.stderr.decode().startswith(f"{file}: 2 of 2 unseen regimes are identified")
    assert file.read_bytes() == shown.stdout
    if form == "parquet":
        assert pq.read_table(io.BytesIO(shown.stdout)).column("status").to_pylist() == ["identified"] * 2
    assert run_apart("identify", study, "-o", str(file), "--quiet", "--force").stderr == b""


def test_the_name_of_a_file_says_its_format(ifm: Ifm, folder: Path) -> None:
    study = folder / "conditional.yaml"
    for name, asked, form in (
        ("a.json", (), "json"), ("a.csv", (), "csv"), ("a.tex", (), "latex"), ("a.txt", (), "table"),
        ("b.json", ("--format", "table"), "table"),
    ):  # fmt: skip
        assert ifm("identify", study, *asked, "-o", folder / name)[0] == 0
        assert (folder / name).read_text() == ifm("identify", study, "--format", form)[1]


def test_files_are_not_overwritten_unasked(ifm: Ifm, folder: Path) -> None:
    file = folder / "out.json"
    file.write_text("mine")
    status, out, err = ifm("identify", folder / "poster.yaml", "--format", "json", "-o", file)
    assert (status, out) == (2, "")
    assert "exists already" in err
    assert file.read_text() == "mine"
    assert ifm("identify", folder / "poster.yaml", "--format", "json", "-o", file, "--force")[0] == 0
    assert json.loads(file.read_text())["study"] == "poster example"


def test_a_failure_leaves_no_file_and_no_output(ifm: Ifm, folder: Path) -> None:
    before = sorted(folder.iterdir())
    for arguments in (["--objective", "variance"], ["--test", "1111"], ["--test", "file:nowhere.csv"]):
        status, out, err = ifm("identify", folder / "poster.yaml", *arguments, "-o", folder / "out.txt")
        assert (status, out) == (2, "")
        assert err.startswith("ifm: ")
        assert sorted(folder.iterdir()) == before
        assert ifm("identify", folder / "poster.yaml", *arguments)[1] == ""


def test_the_criterion_decides(ifm: Ifm, folder: Path) -> None:
    study = folder / "conditional.yaml"
    assert "111  no joint formula" in ifm("identify", study, "--criterion", "joint")[1]
    only = ifm("identify", study, "--criterion", "conditional")[1]
    assert only == ifm("identify", study)[1]
    assert "      x1 | rest: p(110) p(101) / p(100)\n" in only


def test_require_all_exits_with_3_after_writing(ifm: Ifm, folder: Path) -> None:
    assert ifm("identify", folder / "poster.yaml", "--require-all")[0] == 0
    file = folder / "out.json"
    command = ("identify", folder / "refused.yaml", "--require-all", "--format", "json", "-o", file)
    assert ifm(*command)[0] == 3
    assert json.loads(file.read_text())["results"][0]["status"] == "not_identified"
    joint = ("identify", folder / "conditional.yaml", "--criterion", "joint", "--require-all")
    assert run_apart(*map(str, joint)).returncode == 3
    assert ifm("identify", folder / "three-cycle.yaml", "--method", "message-passing", "--require-all")[0] == 3


def test_message_passing_is_undecided_where_it_stops(ifm: Ifm, folder: Path) -> None:
    _, out, _ = ifm("identify", folder / "three-cycle.yaml", "--method", "message-passing")
    assert "  111  undecided  training lacks p(111)\n" in out
    assert out.endswith("The one unseen regime is undecided.\n")
    result = json.loads(
        ifm("identify", folder / "three-cycle.yaml", "--method", "message-passing", "--format", "json")[1]
    )["results"][0]
    assert result == {
        "regime": {"sigma1": 1, "sigma2": 1, "sigma3": 1},
        "status": "undecided",
        "method": "message-passing",
        "missing": [{"sigma1": 1, "sigma2": 1, "sigma3": 1}],
    }
    poster = ifm("identify", folder / "poster.yaml", "--method", "message-passing")[1]
    assert poster == ifm("identify", folder / "poster.yaml")[1]
    for option, value in (("--criterion", "joint"), ("--objective", "l1"), ("--time-limit", "1")):
        status, out, err = ifm("identify", folder / "poster.yaml", "--method", "message-passing", option, value)
        assert (status, out) == (2, "")
        assert option in err


def test_test_regimes_on_the_command_line(ifm: Ifm, folder: Path) -> None:
    (folder / "some.csv").write_text("sigma1,sigma3\n1,1\n")
    study = folder / "poster.yaml"
    specs = ("sigma1+sigma3", "sigma2=1", f"file:{folder / 'some.csv'}")
    options = [word for spec in specs for word in ("--test", spec)]
    _, out, _ = ifm("identify", study, *options, "--format", "json")
    maps = [tuple(result["regime"].values()) for result in json.loads(out)["results"]]
    assert maps == [(1, 0, 1), (0, 1, 0), (1, 0, 1)]
    table = ifm("identify", study, "--test", "111", "--test", "000", "--test", "101")[1]
    assert [line for line in table.splitlines() if line.endswith(("active", "baseline"))] == [
        "baseline",
        "2 interventions active",
        "3 interventions active",
    ]


def test_objectives(ifm: Ifm, tmp_path: Path) -> None:
    (tmp_path / "counts.csv").write_text("regime,n\n000,1\n100,1000\n010,1000\n001,1000\n110,1000\n")
    study = {
        "interventions": {"A": [0, 1], "B": [0, 1], "C": [0, 1]},
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}, {"sigma": ["C"]}],
        "train": ["000", "100", "010", "001", "110"],
        "test": ["111"],
        "samples": {"file": "counts.csv", "label": "regime"},
    }
    file = tmp_path / "study.json"
    file.write_text(json.dumps(study))
    basis = formulas(ifm("identify", file, "--format", "json")[1])
    assert basis == [{"1": "1", "2": "1", "3": "1", "0": "-2"}]
    for objective in ("sparse", "l1", "variance"):
        status, out, err = ifm("identify", file, "--format", "json", "--objective", objective)
        assert (status, err) == (0, "")
        assert formulas(out) != basis
    assert formulas(ifm("identify", file, "--format", "json", "--objective", "sparse")[1]) == [
        {"3": "1", "4": "1", "0": "-1"}
    ]


def test_bad_input_names_the_place(ifm: Ifm, folder: Path) -> None:
    status, out, err = ifm("identify", folder / "none.yaml")
    assert (status, out) == (2, "")
    assert "none.yaml: there is no such file" in err
    assert "there is no such file; did you mean poster.yaml?" in ifm("identify", folder / "postre.yaml")[2]
    assert ifm("identify")[0] == 2
    assert "Missing argument 'STUDY'" in ifm("identify")[2]
    assert ifm("identify", folder / "poster.yaml", "--format", "xml")[0] == 2


def test_help_has_an_example(ifm: Ifm) -> None:
    for command in ("identify", "explain", "verify", "demo"):
        status, out, _ = ifm(command, "--help")
        assert status == 0
        assert f"Example:  ifm {command}" in out


def test_a_closed_pipe_is_no_fault(folder: Path) -> None:
    ifm = f"{sys.executable} -m ifm_ident.cli"
    command = f"{ifm} identify {folder / 'poster.yaml'} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, check=False, timeout=60
    )
    assert done.stderr == b""
    assert done.stdout.startswith(b"poster example")


def test_a_reader_that_leaves_early_and_a_full_disk(tmp_path: Path) -> None:
    names = [f"s{i}" for i in range(14)]
    study = {
        "interventions": {name: [0, 1] for name in names},
        "factors": [{"sigma": [name]} for name in names],
        "train": ["ctrl", *names],
    }
    (tmp_path / "study.json").write_text(json.dumps(study))
    ifm = f"{sys.executable} -W error -m ifm_ident.cli identify {tmp_path / 'study.json'} --format json"
    for buffered in ("", "1"):
        for command, status, said in (
            (f"set -o pipefail; {ifm} | head -c 10", 0, b""),
            (f"{ifm} > /dev/full", 1, b"ifm: the result cannot be written: No space left on device"),
        ):
            environment = {**os.environ, "PYTHONUNBUFFERED": buffered}
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, check=False, timeout=60, env=environment
            )
            assert done.returncode == status
            assert done.stderr.startswith(said)
            assert done.stderr.count(b"\n") == status


def test_unbuffered_output_is_complete(folder: Path) -> None:
    """An unbuffered standard output may take fewer bytes than it is given: none may be lost."""
    code = (
        "import io, sys\n"
        "class Sips(io.RawIOBase):\n"
        "    def writable(self): return True\n"
        "    def fileno(self): return 1\n"
        "    def write(self, data): raise SystemExit('written to without a buffer')\n"
        "sys.stdout = io.TextIOWrapper(Sips(), write_through=True)\n"
        "from ifm_ident.commands._options import open_sink\n"
        "with open_sink(None, False) as sink:\n"
        "    sink.write(b'whole')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"whole", b"")
