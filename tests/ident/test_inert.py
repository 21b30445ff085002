"""Names that terminals and spreadsheets would obey: shown as escapes, and read back from CSV as they were."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifm_ident.answer.product import latex_escape
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.inert import SUSPECT, inert_cell, json_escaped, original_cell, visible, visible_bytes
from ifm_ident.results.cells import cell_text
from ifm_ident.results.documents import csv_line, quoted
from ifm_ident.results.read import WRITERS
from ifm_ident.study.study import Study
from ifm_ident.verification.checking import verify_file

ROOT = Path(__file__).resolve().parent.parent.parent
PIECES = [
    "\\",
    "u001b",
    "u202e",
    "\x1b",
    "\x9b",
    "\u202e",
    "\u2066",
    "'",
    "=",
    "-",
    "+",
    "@",
    "1",
    "\t",
    "\n",
    "\r",
    "a",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=7).map("".join) | st.text(max_size=5)


def obeyed(text: str) -> list[str]:
    """What a terminal obeys, by Unicode's properties: controls but line ends and tabs, turns of direction."""
    turns = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    controls = [c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") and c not in "\n\t"]
    return controls + [c for c in text if unicodedata.bidirectional(c) in turns or c in "\u200e\u200f\u061c"]


def test_every_character_that_is_obeyed_is_shown() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x11000)]))
    assert len(obeyed(every)) == 30 + 33 + 2 + 12
    assert not obeyed(visible(every))
    for c in every:
        assert (visible(c) == c) == (not obeyed(c))
    assert bytes(visible_bytes(every.encode())).decode() == visible(every)
    assert visible("\ud800") == "\\ud800"
    assert json.loads(json_escaped(json.dumps(every, ensure_ascii=False))) == every
    assert not obeyed(quoted(every))


@given(TEXTS)
def test_cells_are_read_back_as_they_were(text: str) -> None:
    cell = inert_cell(text)
    assert original_cell(cell) == text
    assert not obeyed(cell)
    number = re.fullmatch(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+](inf|nan)", cell)
    assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    if not re.search(SUSPECT, text):
        assert cell == text
    if not re.search(SUSPECT, cell):
        assert original_cell(cell) == cell


@pytest.mark.parametrize(
    "text", ["-1", "+2.5", "-.5", "-1e-7", "-inf", "A", "A+B", "110", "1/2", "it's", "'quoted'", "C:\\u"]
)
def test_numbers_and_plain_texts_stay(text: str) -> None:
    assert inert_cell(text) == original_cell(text) == text


def test_lines_of_csv() -> None:
    assert csv_line(["=cmd|' /C calc'!A0", -1, -1.5, "-1", "@x"]) == "'=cmd|' /C calc'!A0,-1,-1.5,-1,'@x"


NAMES = ("=HYPERLINK(1)", "@x", "-y", "'-z", "esc\x1b[31m", "\u202ertl", "back\\u001b", "\\")
"""Names of interventions hold no = and +; levels, variables and factors do."""


def hostile() -> Study:
    names = [name.replace("=", "-") for name in NAMES]
    return Study.from_dict(
        {
            "interventions": {name: ["=0", NAMES[i]] for i, name in enumerate(names)},
            "variables": [f"{name} of x" for name in NAMES],
            "factors": [
                {"name": f"{name}!", "x": [f"{NAMES[k]} of x"], "sigma": [names[k]]}
                for k, name in enumerate(NAMES)
            ],
            "train": [{}, *({name: NAMES[i]} for i, name in enumerate(names[:-1]))],
            "test": {"order": 2},
        }
    )


@pytest.mark.parametrize("kind", sorted(WRITERS))
def test_results_of_such_names_hold_in_every_format(kind: str, tmp_path: Path) -> None:
    study, path = hostile(), tmp_path / f"r.{kind}"
    with path.open("wb") as stream:
        WRITERS[kind](stream, study, [study.identify()])
    outcome = verify_file(path, study)
    assert outcome.holds, str(outcome)
    assert outcome.checked == 1 + 8 + 28
    if kind != "parquet":
        assert not obeyed(path.read_text(encoding="utf-8"))
    if kind == "csv":
        for line in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in line:
                assert re.fullmatch(r"-?[0-9]+", cell) or not cell.startswith(("=", "+", "-", "@"))


def test_latex_shows_escapes() -> None:
    assert latex_escape("\x1b[1m") == r"\textbackslash{}x1b[1m"


def test_cells_of_kernels_are_as_before() -> None:
    model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ("A",)),))
    assert inert_cell(cell_text(model, (0, (1,)))) == "A=1"


def test_commands_write_by_the_doors() -> None:
    """`click.echo` and `print` would bring names to a terminal as they are."""
    doors = {"ifm_ident/cli.py", "ifm_ident/commands/_options.py", "ifm_ident/commands/group.py"}
    for path in sorted(ROOT.glob("ifm_*/**/*.py")):
        if str(path.relative_to(ROOT)) in doors:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("click.echo", "click.secho", "print", "sys.stdout.write"), (
                    path
                )
