"""The report page of an experiment, and the sentences that the benchmark makes of its numbers."""

from __future__ import annotations

import dataclasses
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from ifm_ident.arrays import Floats
from ifm_learn.experiments._report import identification_tables, page
from ifm_learn.experiments.protocol import METHODS
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.table import best
from tests.scripts import loaded

COMMAND = "ifm reproduce sachs --seed 3"
ROOT = Path(__file__).parents[2]


def made(factor: float = 1.0) -> Results:
    """Six problems; a method errs by a tenth of its place among METHODS, the black box by `factor` times that."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(6, 3))
    estimates: dict[str, Floats] = {
        method: truth + 0.1 * (place + 1) * (factor if method == "blackbox" else 1.0)
        for place, method in enumerate(METHODS)
    }
    estimates["oracle"] = truth + 0.001
    return Results({"problems": 6, "seed": 3}, ("A", "B", "C"), truth, np.ones_like(truth), estimates, ("<note>",))


class Loaded(HTMLParser):
    """Whatever a browser would fetch, and the ids of the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "srcset", "data")]
        if tag == "link":
            self.fetched.append(given.get("href") or "")
        if "id" in given:
            self.ids.append(given["id"] or "")
        if tag == "a":
            self.links.append(given.get("href") or "")


def test_the_page_is_complete_and_the_same_each_time() -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    results = {"ifm": made(), "dag": made()}
    text = page(results, "sachs", COMMAND)
    assert text == page(results, "sachs", COMMAND)
    found = Loaded(text)
    assert all(address.startswith("data:") for address in found.fetched)
    assert not re.search(r"url\((?!#)", text)
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert text.count("<svg") == 1
    assert COMMAND in text
    assert "&lt;note&gt;" in text
    assert "<note>" not in text
    for lines in (lines for _, lines in identification_tables()):
        assert lines[2] in text
    assert "q2 = -1  010       *               *      *" in text  # the poster's second row, three factors


def test_the_tables_are_those_of_explain() -> None:
    (_, two), (_, three) = identification_tables()
    assert "identified: p(111) is proportional to p(110) p(011) / p(010)" in two
    assert "identified: p(111) is proportional to p(000) p(110) p(011) p(101) / (p(010) p(100) p(001))" in three


def test_without_matplotlib_the_page_has_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    text = page({"ifm": made()}, "sachs", COMMAND)
    assert "<svg" not in text
    assert 'href="#picture"' not in text


def test_the_best_method_is_named_with_the_black_box_beside_it() -> None:
    # errors 0.1 and 0.2 squared: the black box is first and the additive baseline second, until it errs tenfold
    assert best(made()) == "the least mean pRMSE has black box, 0.0100."
    assert best(made(factor=10.0)) == "the least mean pRMSE has additive, 0.0400 (black box 1.0000)."


def benchmark_called(name: str) -> ModuleType:
    path = ROOT / "benchmarks" / f"{name}.py"
    if not path.exists():
        pytest.skip("no checkout: there is no folder benchmarks")
    return loaded(path)


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    return benchmark_called("reproduction")


def test_sentences_about_differences_follow_the_numbers(benchmark: ModuleType) -> None:
    ways = {
        (name, kind): (error * (2 if kind == "trees" else 1), 0.9)
        for name, error in zip(
            (benchmark.KEPT, benchmark.ONE_START, benchmark.PSEUDO, benchmark.SHORT, benchmark.TRUE),
            (0.02, 0.03, 0.1, 0.2, 0.001),
            strict=True,
        )
        for kind in ("smooth", "trees")
    }
    trees = {3: (0.5, 0.1), 10: (0.25, 0.2), 100: (0.3, 0.3)}
    text = "\n".join(benchmark.differences({"sachs": {"ifm": made()}}, trees, ways))
    assert "Factors by pseudo-likelihood, one start: 5 times the error" in text
    assert "Factors by the true law of x: 0.05 times" in text
    assert "Boosted trees for Y on x: 2 times" in text
    assert (
        "errs least with 10 rounds (0.250), most with 3 (0.500); with the number chosen by cross-validation 0.010"
        in text
    )
    other = {**ways, (benchmark.PSEUDO, "smooth"): (0.01, 0.9)}
    assert "one start: 0.5 times" in "\n".join(benchmark.differences({"sachs": {"ifm": made()}}, trees, other))


def test_comparisons_count_problems(benchmark: ModuleType) -> None:
    better = made()
    worse = dataclasses.replace(better, estimates={**better.estimates, "ifm1": better.truth})
    lines = list(benchmark.comparisons({"sachs": {"ifm": better, "dag": worse}}))
    assert "| Sachs, truth IFM | black box | 0 of 6 | 1.000 | 0 of 0 | 1.000 |" in lines
    assert "| Sachs, truth DAG | black box | 6 of 6 | 0.016 | 0 of 0 | 1.000 |" in lines


def test_words_about_feedback_follow_the_numbers() -> None:
    cycles = benchmark_called("cycles")
    weak, strong = made(), made(factor=20.0)
    order = np.array([2, 2, 3])
    outcomes = [cycles.Outcome(cycles.Condition(0, c, 0), order, r) for c, r in ((0.0, weak), (1.0, strong))]
    (line,) = cycles.words(outcomes)
    assert line.startswith("- No hidden confounders")
    # errors by place: the black box 0.1 squared, later 2 squared; the additive baseline 0.2 squared throughout
    assert "black box errs least at strength 0 (0.0100), additive errs least at strength 1 (0.0400)" in line
    assert "black box 0.0100 to 4.0000" in line


def test_a_simulated_truth_keeps_its_paths() -> None:
    cycles = benchmark_called("cycles")
    rng = np.random.default_rng(0)
    model = cycles.gene_network(2, rng)
    every = next(iter(cycles.UpToOrder(model, 2).chunks()))
    truth = cycles.Stationary.of(cycles.CyclicSystem.random(model, rng), every, rng)
    first = truth.sample(every, 40, rng)
    assert first.shape == (4, 40, 2)
    np.testing.assert_array_equal(truth.sample(every.take(np.array([2])), 30, rng)[0], first[2, :30])
    assert not np.array_equal(first[0], first[1])


def test_the_verdict_on_combinations_follows_the_numbers() -> None:
    combinations = benchmark_called("combinations")

    def at(*energies: float) -> list[object]:
        return [combinations.Distance(energy, 0.0, 0.0) for energy in energies]

    rows = {
        combinations.NOISE: at(0.1, 0.3),
        combinations.AS_THEY_ARE[0]: at(1.0, 2.0),
        combinations.AS_THEY_ARE[1]: at(2.0, 2.0),
        "formula, all cells weighted": at(1.0, 1.0),
        "energies (blocks), draws": at(3.0, 3.0),
    }
    text = combinations.verdict(rows)
    assert text.startswith("The nearest prediction (formula, all cells weighted) is 5 times as far")
    assert "as it is (1.50): 1 of 2; the nearest of them all (formula, all cells weighted) is 1.00 away." in text
