"""What the page of `ifm explore` reads and writes as a study, in a browser, against what Python reads."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ifm_ident.design.notation import format_regimes
from ifm_ident.errors import InputError
from ifm_ident.study.reading._nodes import Node
from ifm_ident.study.reading._yaml_nodes import read_yaml
from ifm_ident.study.study import load
from tests.browser.explored import EXAMPLES, design_here, loaded


def read_here(engine: Any, text: str) -> dict[str, Any]:
    """What the page makes of a study's text: its design and the text it writes, or the error."""
    found: dict[str, Any] = engine.evaluate(
        """(text) => {
          try {
            const study = studyFrom(readText(text));
            const regimes = new Regimes(study.interventions);
            return { design: designOf(study), text: studyText(study), notation: study.notation,
              names: study.train.map((row) => regimes.format(row.codes, study.notation)) };
          } catch (error) {
            if (!(error instanceof StudyError)) throw error;
            return { error: error.message, line: error.line };
          }
        }""",
        text,
    )
    return found


STUDIES = {
    "flow": "{interventions: {A: [0, 1], B: [lo, hi]}, factors: [{sigma: [A]}, {sigma: [B]}], train: [{A: 1}]}",
    "numbers": """
interventions:
  A: [0, 1.0, 1e3, 0x1F, "1.5", -2.50, 1e-7, 123456789012345678901234567890]
  B: ['it''s', "tab\tand \u00e9", three]
factors:
- sigma: [A, B]   # a list at its key's own column
train:
  - {A: 1, B: three}
  - {A: 31}
  -
    A: 1000
    B: "it's"
  - A=1.5,B=three
""",
    "labels": "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A, B]}]\ntrain: [ctrl, B + A, A]\n",
    "covariates": """
covariates: [age]
randomised: true
interventions: {A: [0, 1]}
factors: [{sigma: [A], z: [age]}]
train: ["0", "1"]
test: {order: 1}
data: {file: cells.csv, outcome: y, log: [x]}
""",
    "odd names": """
name: "true"
interventions: {"null": [0, 1], "a-b.c": ["no", "yes"], "\u03c3": ["", "x"]}
factors: [{name: "1", sigma: ["null"]}, {name: "a: b", sigma: ["a-b.c", "\u03c3"]}]
train: [{"null": 1}]
""".replace('["", "x"]', '["#", "x"]'),
}


@pytest.mark.parametrize("name", STUDIES)
def test_texts_are_read_and_written_as_python_reads_them(engine: Any, tmp_path: Path, name: str) -> None:
    study = loaded(STUDIES[name], tmp_path)
    found = read_here(engine, STUDIES[name])
    assert found.get("design") == design_here(study), found
    again = loaded(found["text"], tmp_path)
    assert design_here(again) == design_here(study)
    levels = [list(one.levels) for one in study.model.interventions]
    assert [list(one.levels) for one in again.model.interventions] == levels
    assert [one.name for one in again.model.interventions] == [one.name for one in study.model.interventions]
    assert again.covariates == study.covariates
    assert again.target_count == study.target_count
    assert again.data == study.data
    assert found["notation"] == study.notation == again.notation
    texts = format_regimes(study.model, study.design.train, study.notation).to_pylist()
    assert found["names"] == texts


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_examples_are_read_from_their_own_text(engine: Any, tmp_path: Path, path: Path) -> None:
    found = read_here(engine, path.read_text(encoding="utf-8"))
    assert found["design"] == design_here(load(path))
    assert design_here(loaded(found["text"], tmp_path)) == found["design"]


BITS = [
    *" \n:,[]{}\"'#a0-.\\!|>?~é%@=+",
    "  ",
    "- ",
    ": ",
    " #",
    "&x",
    "*x",
    "null",
    "1e3",
    "0x1F",
    "---",
    "\n  ",
    "\n- ",
]


def changed(rng: random.Random, text: str) -> str:
    """A text with one to three small faults."""
    for _ in range(rng.randint(1, 3)):
        place, taken = rng.randint(0, len(text)), rng.choice((0, 0, 1, 2))
        text = text[:place] + rng.choice(BITS) + text[place + taken :]
    return text


def plain(node: Node) -> object:
    """A tree as the page would show it: texts as they are, all else with its kind."""
    if node.kind == "map":
        return {key: plain(one) for key, one in node.entries.items()}
    if node.kind == "seq":
        return [plain(one) for one in node.items]
    return node.value if node.kind == "str" else {node.kind: node.raw}


def test_the_page_reads_no_yaml_otherwise_than_python(engine: Any, tmp_path: Path) -> None:
    """Of texts with faults: what the page takes is what Python takes; it may refuse more."""
    rng = random.Random(20)
    seeds = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))] + [*STUDIES.values()]
    texts = [changed(rng, rng.choice(seeds)) for _ in range(600)]
    found = engine.evaluate(
        """(texts) => {
          const plain = (node) => node.kind === "map"
            ? Object.fromEntries([...node.entries].map(([key, one]) => [key, plain(one)]))
            : node.kind === "seq" ? node.items.map(plain)
            : node.kind === "str" ? node.text : { [node.kind]: node.raw };
          return texts.map((text) => {
            try {
              return plain(readText(text));
            } catch (error) {
              if (!(error instanceof StudyError)) throw error;
              return null;
            }
          });
        }""",
        texts,
    )
    path = tmp_path / "study.yaml"
    taken = 0
    for text, ours in zip(texts, found, strict=True):
        if ours is not None:
            path.write_text(text, encoding="utf-8")
            assert plain(read_yaml(path)) == ours, text
            taken += 1
    assert 100 < taken < 500


def test_levels_are_read_back_from_their_field(engine: Any) -> None:
    levels = [
        {"text": text, "kind": kind}
        for text, kind in (("0", "int"), ("1", "str"), ("2.5", "float"), ("a, b", "str"), ('say "no"', "str"))
    ]
    levels += [{"text": text, "kind": "str"} for text in ("low", " padded ", "\\", '"', "x,", "null")]
    assert engine.evaluate("(levels) => levelsTyped(levelsShown(levels))", levels) == levels


HEAD = "interventions: {A: [0, 1], B: [0, 1]}\nfactors: [{sigma: [A]}, {sigma: [B]}]\n"

REFUSED = {
    "train: [&a ctrl, *a]\n": (3, "anchors"),
    "train: [!!str ctrl]\n": (3, "tags"),
    "train: |\n  ctrl\n": (3, "block texts"),
    "train: [ctrl\n": (3, "never closed"),
    'train: [ctrl, "A]\n': (3, "quotes ends on the line"),
    "train:\n\t- ctrl\n": (4, "tab"),
    "train: [ctrl]\ntrain: [A]\n": (4, "twice"),
    "train: [ctrl]\n---\ntrain: [A]\n": (4, "---"),
    "train: [01]\n": (3, 'write it in quotes: "01"'),
    "train: [ctrl, C]\n": (3, "unknown intervention"),
    "train: [ctrl, A+A]\n": (3, "twice"),
    "train: {file: runs.csv}\n": (3, "opens no files"),
    "train: data\n": (3, "opens no files"),
    "train: []\n": (3, "empty list"),
    "train: [ctrl]\ntset: all\n": (4, "unknown key"),
    "train: [{A: 2}]\n": (3, "no level"),
    "train: [{A: true}]\n": (3, "a level is text or a number"),
    "train: [ctrl]\ntest: 2\n": (4, "`test` is all"),
    "train: [ctrl]\nname: a\n  b\n": (4, "several lines"),
    "train: [ctrl]\nname: a: b\n": (4, "second colon"),
    "train: [ctrl]\n  name: a\n": (4, "indented more"),
    "train: [ctrl]\nvariables: [x, y]\nfactors: []\n": (5, "twice"),
    'train: [ctrl]\nname: "\\ud800"\n': (4, "surrogate"),
    "train: " + "[" * 70 + "]" * 70 + "\n": (3, "deep"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_read_is_refused_by_its_line(engine: Any, text: str) -> None:
    line, words = REFUSED[text]
    found = read_here(engine, HEAD + text)
    assert found.get("line") == line, found
    assert words in found["error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("- 1", "a study is a map"),
        ("interventions: {A: [0, 1]}\ntrain: ['0']", "no key `factors`"),
        ("interventions: {all: [0, 1]}\nfactors: [{sigma: []}]\ntrain: [ctrl]", "reserved"),
        ("interventions: {a+b: [0, 1]}\nfactors: [{sigma: []}]\ntrain: [ctrl]", "names hold none of"),
        ("interventions: {A: [0, 0.0]}\nfactors: [{sigma: []}]\ntrain: [ctrl]", "one number twice"),
        ("interventions: {A: [0]}\nfactors: [{sigma: []}]\ntrain: [ctrl]", "1 level"),
        ("interventions: {A: [0, 1]}\nfactors: [{sigma: [A, A]}]\ntrain: [ctrl]", "twice"),
        (
            "interventions: {A: [0, 1]}\nvariables: [x, y]\nfactors: [{x: [x], sigma: []}]\ntrain: [ctrl]",
            "no factor",
        ),
        (
            "interventions: {A: {levels: [0, 1], basis: {poly: 1}}}\nfactors: [{sigma: [A]}]\ntrain: [ctrl]",
            "basis",
        ),
        (
            "interventions: {A: [0, 1], 'A\u200b': [0, 1]}\nfactors: [{sigma: []}]\ntrain: [ctrl]",
            "looks like another",
        ),
    ],
)
def test_what_is_no_study_is_refused(engine: Any, tmp_path: Path, text: str, words: str) -> None:
    assert words in read_here(engine, text)["error"]
    if "basis" not in text:
        with pytest.raises(InputError):
            loaded(text, tmp_path)
