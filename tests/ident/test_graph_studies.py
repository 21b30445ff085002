"""Studies from graphs and graphs of studies, and saved studies that read back equal."""

# ruff: noqa: E501

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

from ifm_ident import Basis, InputError, Intervention, MissingExtraError
from ifm_ident.study._graph_studies import read_graph, study_of_graph
from ifm_ident.study.first_graph_study import study_text_of_graph
from ifm_ident.study.study import Study, load


def graph_file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def scopes(graph: Any, *asked: str) -> dict[str, tuple[list[str], list[str]]]:
    return {one["name"]: (one["x"], one["sigma"]) for one in study_of_graph(graph, asked).factors}


EXPECTED = {"A": (["A"], ["sigma_A"]), "B": (["B", "A"], []), "C": (["C", "A", "B"], ["T"])}
TEXTS = {
    "g.txt": 'dag {\nbb="0,0,1,1"\nA\nB\nC\nA -> {B C}\nC <- B\nsigma_A -> A // set\nT [intervention=true]\nT -> C\n}',
    "g.dot": 'digraph g { node [shape=box]; A; A -> B; subgraph cluster_x { B -> C; } "A" -> C; sigma_A -> A; '
    "T [intervention=true]; T -> C }",
    "g.bif": "network n { }\n"
    + "".join(f"variable {name} {{ type discrete [ 2 ] {{ 0, 1 }}; }}\n" for name in ("A", "B", "C", "sigma_A"))
    + "variable T { type discrete [ 2 ] { 0, 1 }; property intervention = true ; }\n"
    "probability ( A | sigma_A ) { (0) 0.5, 0.5; (1) 0.5, 0.5; }\nprobability ( B | A ) { "
    "table .1, .9, .2, .8; }\n"
    "probability ( C | A, B, T ) { table 1; }\nprobability ( T ) { table 0.5, 0.5; }\n",
}


@pytest.mark.parametrize("name", [*TEXTS, "g.graphml"])
def test_every_format_gives_the_same_factors(tmp_path: Path, name: str) -> None:
    if name.endswith("dot"):
        pytest.importorskip("pydot")
    path = tmp_path / name
    if name == "g.graphml":
        graph = nx.DiGraph([("A", "B"), ("A", "C"), ("B", "C"), ("sigma_A", "A"), ("T", "C")])
        graph.nodes["T"]["intervention"] = True
        nx.write_graphml(graph, path)
    else:
        path.write_text(TEXTS[name])
    found = {key: (sorted(x), sigma) for key, (x, sigma) in scopes(read_graph(path)).items()}
    assert found == {key: (sorted(x), sigma) for key, (x, sigma) in EXPECTED.items()}
    study_text = study_text_of_graph(path)
    saved = graph_file(tmp_path, "s.yaml", study_text)
    assert sorted(load(saved).model.position) == ["T", "sigma_A"]
    assert study_text == study_text_of_graph(path)


def test_without_interventions_exposures_or_all_variables_have_one(tmp_path: Path) -> None:
    plain = graph_file(tmp_path, "a.txt", "dag { A -> B }")
    assert "all variables" in study_text_of_graph(plain)
    assert [*study_of_graph(read_graph(plain)).interventions] == ["sigma_A", "sigma_B"]
    assert [*study_of_graph(read_graph(plain), ["B"]).interventions] == ["sigma_B"]
    marked = graph_file(tmp_path, "b.txt", "dag { A [exposure] B [outcome] A -> B }")
    assert [*study_of_graph(read_graph(marked)).interventions] == ["sigma_A"]


def test_large_graphs_ask_about_no_more_than_can_be_read(tmp_path: Path) -> None:
    for size, asked in ((20, {"order": 2}), (600, {"order": 1})):
        chain = graph_file(tmp_path, "g.txt", f"dag {{ {' -> '.join(f'n{i}' for i in range(size))} }}")
        assert study_of_graph(read_graph(chain)).plain()["test"] == asked


def test_cycles_are_factors_too_and_are_said(tmp_path: Path) -> None:
    path = graph_file(tmp_path, "c.txt", "dag { A -> B -> A }")
    assert scopes(read_graph(path)) == {"A": (["A", "B"], ["sigma_A"]), "B": (["B", "A"], ["sigma_B"])}
    assert "cycle, A -> B -> A" in " ".join(study_text_of_graph(path).replace("\n# ", " ").split())


def test_hidden_causes_are_summed_out_as_enumeration_says() -> None:
    """sum_u p(u) p(a | u; s) p(b | a, u) is one factor over a, b and s."""
    rng = np.random.default_rng(0)
    graph = nx.DiGraph([("U", "A"), ("U", "B"), ("A", "B"), ("s", "A"), ("B", "C")])
    graph.nodes["U"]["latent"] = True
    graph.nodes["s"]["intervention"] = True
    found = scopes(graph)
    assert {name: (sorted(x), sigma) for name, (x, sigma) in found.items()} == {
        "A": (["A", "B"], ["s"]),
        "C": (["B", "C"], []),
    }
    u, a, b, c = (rng.dirichlet([1, 1], size=shape) for shape in ((), (2, 2), (2, 2), (2,)))
    p = np.zeros((2, 2, 2, 2))
    for s, i, j, k, h in itertools.product(range(2), repeat=5):
        p[s, i, j, k] += u[h] * a[h, s, i] * b[i, h, j] * c[j, k]
    factor = p.sum(axis=3)  # over A, B and s
    np.testing.assert_allclose(p, factor[..., None] * c[None, None])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("g.txt", "dag { A -- B }", "g.txt:1: the edge of A and B has no direction"),
        ("g.txt", "dag {\nA -> \n}", "g.txt:3: the name of a node comes here, got '}'"),
        ("g.txt", "A -> B", "g.txt:1: `dag {` comes here"),
        ("g.txt", "dag { A -> B } C", "nothing more"),
        ("g.txt", "dag { A -> sigma_A -> B; sigma_A }", None),
        ("g.txt", "dag { sigma_A -> A; A -> sigma_A }", "has the parent 'A'"),
        ("g.txt", "dag { U [latent] }", "no variable that is seen"),
        ("g.bif", "network n { } probability ( A ) { table 1; }", "'A' is no variable"),
        ("g.bif", "variable A { type discrete [ 3 ] { a, b }; }", "of which the text says 3"),
        ("g.bif", "network n {", "and the text ends"),
        ("g.bif", "", "there is no variable"),
        ("g.graphml", "<graphml", "this is not GraphML"),
        ("g.graphml", '<!DOCTYPE a [<!ENTITY b "c">]><graphml/>', "declares a document type"),
        ("g.graphml", '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="undirected"/></graphml>', "no directions"),
        ("g.graphml", '<graphml><graph edgedefault="directed"><node id="A"/></graph><graph edgedefault="directed"><node id="B"/></graph></graphml>', "'B' stands in a second graph"),
        ("g.graphml", '<graphml><graph edgedefault="directed"><node id="A"><graph edgedefault="directed"><node id="B"/></graph></node></graph></graphml>', "'B' stands in a second graph or in one inside a node"),
        ("g.graphml", '<graphml><graph edgedefault="directed"><node id="A"/><node id="B"/></graph><graph edgedefault="directed"><node id="A"/><node id="B"/><edge source="A" target="B"/></graph></graphml>', "'A' -> 'B' stands in a second graph"),
        ("g.txt", "pag { A @-> B }", "an end marked `@` tells no direction, comes here, got '@'"),
        ("g.txt", "pag { A <-@ B }", "an end marked `@` tells no direction"),
        ("g.txt", "pag { A @-o B }", "an end marked `@` tells no direction"),
        ("g.dot", "graph { a -- b }", "no directions"),
        ("g.dot", "digraph {\n a -> \n", "g.dot:.*this is not DOT"),
        ("g.xml", "", "graphs end in"),
        ("g.txt", "dag { A -> B; C [intervention=yes, levels=0]; C -> A }", "two or more"),
    ],
)  # fmt: skip
def test_bad_graphs_are_refused_in_words(
    tmp_path: Path, name: str, text: str, words: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    if name.endswith("dot"):
        pytest.importorskip("pydot")
    with pytest.raises(InputError, match=words):
        study_text_of_graph(graph_file(tmp_path, name, text))
    assert capfd.readouterr() == ("", "")


def test_dot_without_pydot_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pydot", None)
    with pytest.raises(MissingExtraError, match=r"ifm-ident\[graphs\]"):
        read_graph(graph_file(tmp_path, "g.dot", "digraph { a -> b }"))


STUDIES: dict[str, dict[str, Any]] = {
    "levels": {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
        "train": ["00", "10", "10"],
        "test": ["11"],
    },
    "names": {
        "name": 'no: "yes"',
        "interventions": {"no": ["on", "off"], 'a"b\'#': [1.5, "1", "x, y"], "\u00e9\u200b-": ["{", "~", "null"]},
        "variables": ["x: y", "N", "0"],
        "factors": [
            {"name": "[f]", "x": ["x: y"], "sigma": ["no"]},
            {"name": "*", "x": ["N", "0"], "sigma": ['a"b\'#', "\u00e9\u200b-"]},
        ],
        "train": [{}, {"no": "off"}, {'a"b\'#': "x, y", "\u00e9\u200b-": "~"}],
        "test": {"order": 2},
    },
    "bases": {
        "interventions": {
            "p": {"levels": [0, "1/3", 2], "basis": {"poly": 2}},
            "h": {"levels": [0, 6, 48], "basis": {"hat": [0, 6, 48]}},
            "e": {"levels": [0, 1], "basis": {"hill": {"ec50": 10, "n": 2}}},
            "s": {"levels": [0, 1], "basis": {"spline": {"knots": [0, 1, 2], "degree": 3}}},
            "c": {"levels": [1, 10], "coordinate": {"1": 0, "10": 1}, "basis": {"poly": 1}},
            "t": {"levels": ["lo", "hi"], "basis": {"table": {"lo": [0, 0], "hi": [1, "1/2"]}}},
        },
        "factors": [{"sigma": ["p", "h", "e"]}, {"sigma": ["s", "c", "t"]}],
        "train": [{}, {"p": "1/7"}, {"h": 7.25, "t": "hi"}],
        "test": ["p=5/3", "c=10"],
    },
    "rest": {
        "interventions": {"A": [0, 1], "B": [0, 1]},
        "variables": ["x", "y"],
        "covariates": ["age"],
        "randomised": True,
        "factors": [{"sigma": ["A"], "z": ["age"]}, {"x": ["x"], "sigma": ["B"]}],
        "train": ["ctrl", "A", "B"],
        "data": {
            "file": "no such: table.csv", "label": ["l1", "l2"], "labels": {"control": ["a b"], "names": {"x:1": "A"}},
            "scale": "standard", "log": ["x"], "unit": "m", "outcomes": "all",
        },
    },
    "cells": {
        "interventions": {"A": [0, 1]},
        "factors": [{"sigma": ["A"]}],
        "train": ["ctrl", "A"],
        "data": {"file": "c.h5ad", "x": ["obsm/X_pca[:3]", "obs/s", "G"], "layer": "l", "normalise": "log1p_cpm"},
        "samples": [3, 4],
    },
}  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_a_saved_study_reads_back_equal(tmp_path: Path, name: str) -> None:
    study = Study.from_dict(STUDIES[name])
    path = tmp_path / "study.yaml"
    study.save(path)
    again = load(path)
    assert again.model == study.model
    assert (again.name, again.notation) == (study.name, study.notation)
    for one, other in (
        (again.design.train, study.design.train),
        *zip(again.targets(), study.targets(), strict=True),
    ):
        texts = [
            [{k: str(study.model.interventions[k].level(v)) for k, v in r} for r in rs] for rs in (one, other)
        ]
        assert texts[0] == [{k: str(again.model.interventions[k].level(v)) for k, v in r} for r in one]
        assert len(texts[1]) == len(texts[0])
    assert again.identify().counts() == study.identify().counts()
    if study.data is None:
        assert again.data is None
    else:
        assert again.data is not None
        assert {**vars(again.data), "file": again.data.file.name} == {
            **vars(study.data),
            "file": study.data.file.name,
        }
    assert (again.samples is None) == (study.samples is None)
    assert study.samples is None or again.samples is None or again.samples.tolist() == study.samples.tolist()
    with pytest.raises(InputError, match="exists already"):
        study.save(path)
    before = path.read_bytes()
    again.save(path, force=True)
    assert name == "rest" or name == "cells" or path.read_bytes() == before


def test_a_saved_study_names_its_file_of_test_regimes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("A\n1\n")
    study = Study.from_labels(["ctrl", "A"]).with_test([f"file:{tmp_path / 't.csv'}"])
    study.save(tmp_path / "s.yaml")
    assert load(tmp_path / "s.yaml").target_count == 1


def test_graphs_of_a_study_tell_its_model() -> None:
    study = Study.from_dict(STUDIES["rest"] | {"data": {"file": "t.csv"}})
    again = Study.from_graph(study.factor_graph())
    assert again.model.factors == study.model.factors
    assert again.covariates == ("age",)
    joined = {frozenset(edge) for edge in study.sigma_graph().edges()}
    expected = {frozenset(pair) for one in study.model.factors for pair in itertools.combinations(one.sigma, 2)}
    assert joined == expected
    with pytest.raises(InputError, match="directed graph"):
        Study.from_graph(nx.path_graph(3))
    with pytest.raises(InputError, match="directed graph"):
        Study.from_graph([("A", "B")])


def test_levels_with_values_are_intervention_objects_again(tmp_path: Path) -> None:
    dose = Intervention("dose", (0, 1), Basis("poly", degree=2))
    assert Intervention.from_map("dose", dict(dose.written)) == dose  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("sizes", "words"),
    [([1], "lists 1 sizes"), ([1, 0, 0], "a whole number of 1 or more"), ([1, 2, 3], "write 0 here"), ([1, "2", 0], "got '2'")],
)  # fmt: skip
def test_sizes_in_a_list_are_checked(sizes: list[Any], words: str) -> None:
    study = STUDIES["levels"] | {"samples": sizes}
    with pytest.raises(InputError, match=words):
        Study.from_dict(study)
    assert Study.from_dict(study | {"samples": [4, 5, 0]}).samples.tolist() == [4, 5, 0]  # type: ignore[union-attr]
