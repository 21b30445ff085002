"""Words that readers did not understand: plain ones stand in their place, or before them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import ifm_ident
import ifm_learn
from ifm_ident.commands.group import group
from tests.cli.running import Ifm, run

PLAIN = {
    r"\bmiscoverage\b": r"\bmiss\b",
    r"\bvariance factors?\b": r"\brows?\b",
    r"\b(rows of (the |a )?factor\b.*\brare|rare rows)\b": r"hardly any row",
    r"\b(cells? of (a |the )?factor|factor cells?|cell by cell|the same cells)\b": r"combination",
    r"\b(exact|estimated)-ratio\b": r"\b(proven|fit is right)\b",
}
"""What readers stumble over, and the plain words that come with it."""

SOURCES = [
    path
    for package in (ifm_ident, ifm_learn)
    for path in sorted(Path(str(package.__file__)).parent.rglob("*.py"))
    if "experiments" not in path.parts
]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module that are no docstring, those between braces as they stand; joined ones are one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inside: set[int] = set()
    for node in ast.walk(tree):
        if id(node) in said | inside:
            continue
        if isinstance(node, ast.JoinedStr):
            inside |= {id(part) for part in ast.walk(node)}
            yield node.lineno, "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def hard(text: str) -> list[str]:
    """The patterns that a text meets without the plain words that belong to them."""
    return [word for word, plain in PLAIN.items() if re.search(word, text) and not re.search(plain, text)]


def test_the_test_finds_what_it_looks_for() -> None:
    assert hard("intervals at miscoverage 0.1") == [r"\bmiscoverage\b"]
    assert hard("how often intervals may miss (miscoverage)") == []
    assert len(hard("66% lies where rows of factor f1 are rare, a cell of a factor")) == 2
    assert hard("exact-ratio: coverage in finite samples")
    assert not hard("proven: ... (`exact-ratio` in results)")


def test_no_text_of_the_program_leaves_a_reader_alone() -> None:
    found = [
        f"{path.name}:{line}: {text[:80]!r}"
        for path in SOURCES
        for line, text in texts(path)
        if " " in text and hard(text)  # one word alone is a key of results
    ]
    assert found == []


@pytest.fixture
def ifm(capfdbinary: pytest.CaptureFixture[bytes]) -> Ifm:
    return lambda *arguments: run(capfdbinary, *map(str, arguments))


def test_guarantees_are_told_plainly_first(ifm: Ifm, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    regimes = ["0,0", "1,0", "0,1"]
    rows = [f"{regime},{(7 * i % 60) / 10}" for i in range(60) for regime in regimes]
    (tmp_path / "t.csv").write_text("\n".join(["A,B,x", *rows]) + "\n")
    study = tmp_path / "s.yaml"
    study.write_text(
        "interventions: {A: [0, 1], B: [0, 1]}\nvariables: [x]\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"
        "train: data\ndata: {file: t.csv}\n"
    )
    status, out, _ = ifm("estimate", study, "--energy", "normal", "--quiet")
    assert status == 0
    table, _, legend = out.partition("\n\n  regime")[2].partition("\n\n")
    assert "exact-ratio" not in table
    assert table.count("proven") == 3
    assert "proven: held-out rows of the regime itself" in legend
    assert "(`exact-ratio` in\n  results)" in legend or "(`exact-ratio` in results)" in " ".join(legend.split())


def commands() -> list[str]:
    return sorted(group.list_commands(click.Context(group)))


@pytest.mark.parametrize("name", commands())
def test_help_says_how_long_it_takes_and_of_what_size(ifm: Ifm, name: str) -> None:
    status, out, _ = ifm(name, "--help")
    assert status == 0
    said = " ".join(out.partition("Time: ")[2].partition("Options:")[0].split())
    assert re.search(r"\b(seconds?|minutes?|[0-9]+ s)\b", said), name
    assert not hard(" ".join(out.split()))
