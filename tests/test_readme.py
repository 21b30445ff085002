"""What the README shows is what the program prints, and what it tells to type works."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from decimal import Decimal
from itertools import takewhile
from pathlib import Path

import pytest

from ifm_ident.study.study import load

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
        [sys.executable, "-m", "ifm_ident.cli", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == (3 if "--require-all" in arguments else 0), (arguments, run.stderr)
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


def table(benchmark: str, heading: str) -> list[dict[str, str]]:
    """The rows of the first table below a heading, by the names of the columns; of two of a name, the first."""
    text = (ROOT / "benchmarks" / benchmark).read_text(encoding="utf-8")
    [section] = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    lines = takewhile(lambda line: line.startswith("|"), section[section.index("\n|") + 1 :].splitlines())
    names, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return [dict(reversed([*zip(names, row, strict=True)])) for row in rows]


def quoted(words: str) -> list[str]:
    """The numbers, each written N here, of the one place of the README that says this, wherever lines break."""
    [found] = re.findall(words.replace("N", r"(\d+(?:\.\d+)?)"), re.sub(r"\s+", " ", README))
    return list(found)


def rounds(cell: str, shown: str) -> bool:
    """Whether the number of a table's cell is the one shown, to the digits shown."""
    unit = Decimal(shown).as_tuple().exponent
    assert isinstance(unit, int)
    return 2 * abs(Decimal(cell) - Decimal(shown)) <= Decimal(1).scaleb(unit)


def test_errors_of_the_reproduction_are_those_of_its_tables() -> None:
    problems, *shown = quoted(
        r"mean pRMSE over N problems is N on Sachs \((?:additive )?N\) and N on DREAM \((?:additive )?N\)"
    )
    for experiment, pair in (("Sachs", shown[:2]), ("DREAM", shown[2:])):
        means = {
            row["method"]: row["pRMSE mean"]
            for row in table("reproduction.md", f"{experiment}, truth IFM: {problems} problems")
        }
        for method, number in zip(("IFM1", "additive"), pair, strict=True):
            assert rounds(means[method], number), f"{method} on {experiment} errs {means[method]}, not {number}"


def test_wins_of_the_reproduction_are_those_of_its_table() -> None:
    wins = quoted(r"with a directed truth on Sachs it is no better than additive \(N of N problems\)")
    against = {
        row["against"]: row
        for row in table("reproduction.md", "IFM1 against the baselines")
        if row["experiment"] == "Sachs, truth DAG"
    }
    assert against["additive"]["better by pRMSE"] == " of ".join(wins)
    assert float(against["additive"]["p"]) > 0.05, "it is better than additive"
    assert against["DAG"]["p"] == "1.000", "it is not far behind the DAG"


def test_distances_to_measured_combinations_are_those_of_their_table() -> None:
    least, most, floor = quoted(r"energy distance N to N, noise floor N\b")
    rows = table("combinations.md", "Distance to the 3 measured combinations")
    measured = [row["energy distance"] for row in rows if row["prediction"].startswith("noise floor")]
    predicted = sorted((row["energy distance"] for row in rows[1:]), key=Decimal)
    assert len(measured) == 1
    for cell, number in ((predicted[0], least), (predicted[-1], most), (measured[0], floor)):
        assert rounds(cell, number), f"the table has {cell}, not {number}"


def test_sizes_of_the_tests_are_those_of_their_table() -> None:
    least, most, kinds, studies = quoted(
        r"rejects N% to N% of true models \(two tests, N kinds of [a-z ]+, ([\d,]+) studies"
    )
    rows = table("falsify.md", f"Size and power of `ifm falsify`, {studies} studies a row")
    true = [row for row in rows if row["shift of x1, sd"] == "0"]
    assert len(true) == int(kinds)
    rejected = sorted((row[test].rstrip("%") for row in true for test in ("score", "energy")), key=Decimal)
    assert rounds(rejected[0], least), f"the table has {rejected[0]}%, not {least}%"
    assert rounds(rejected[-1], most), f"the table has {rejected[-1]}%, not {most}%"


def test_shares_of_intervals_that_hold_are_those_of_their_table() -> None:
    lines = (ROOT / "benchmarks" / "ladder.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    held = {(row[0], row[1]): round(100 * float(row[4])) for row in cells if row[1].isdigit()}
    plain = [
        share for (kind, _), share in held.items() if kind in ("near", "block2", "bimodal", "gamma", "counts")
    ]
    assert len(plain) == 30
    words = " ".join(README.split())
    assert f"in {min(plain)}% to {max(plain)}% of studies, on average {round(sum(plain) / 30)}%" in words
    least = min(share for (kind, _), share in held.items() if kind == "saturating")
    assert f"beyond the rows in as few as {least}%" in words


def test_every_extra_is_named() -> None:
    """Each extra of the package stands in the table, and the table names no other."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]\n", 1)[1].split("\n[", 1)[0]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README, flags=re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(re.findall(r"^(\w+) = ", section, flags=re.MULTILINE))
