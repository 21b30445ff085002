"""Pictures: what they draw, where, in which colours, and that nothing of them is cut off or overlaps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ifm_ident.answer.identification import Identification
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.plots import (
    Interval,
    canvas,
    formula_costs,
    formula_lengths,
    incidence,
    intervals,
    regime_map,
    sigma_graph,
    variance_factors,
)
from ifm_ident.plots._layout import graph_places, tree_places
from ifm_ident.plots._verdicts import LOOKS, verdict_codes
from ifm_ident.study.study import Study, load

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
from matplotlib import pyplot  # noqa: E402
from matplotlib.colors import to_rgb  # noqa: E402

STUDIES = Path(__file__).resolve().parents[2] / "studies"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def chain(length: int, pairs: int) -> Study:
    """Factors over neighbours in a row, of which the first `pairs` are trained together."""
    names = [f"g{i}" for i in range(1, length + 1)]
    neighbours = list(itertools.pairwise(names))
    return Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": list(pair)} for pair in neighbours],
            "train": ["ctrl", *names, *("+".join(pair) for pair in neighbours[:pairs])],
        }
    )


def study(name: str) -> Study:
    return load(STUDIES / f"{name}.yaml")


def legend(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def ticks(ax: Any) -> Iterator[Any]:
    """The tick labels inside the limits of the axes; matplotlib keeps one more at either end and draws it not."""
    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, sorted(ax.get_ylim()))):
        for place, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True):
            if low <= place <= high:
                yield text


def drawn(ax: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """The figure after drawing, and its pixels, shape (height, width, 3) from the top, in 0..1."""
    figure = ax.figure
    figure.canvas.draw()
    return figure, np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def pixel(ax: Any, pixels: np.ndarray[Any, Any], x: float, y: float) -> np.ndarray[Any, Any]:
    across, up = ax.transData.transform((x, y))
    found: np.ndarray[Any, Any] = pixels[len(pixels) - 1 - round(up), round(across)]
    return found


PICTURES = {
    "graph": lambda s, f: sigma_graph(s.model),
    "map": lambda s, f: regime_map(f),
    "incidence": lambda s, f: incidence(s.design, f.targets[len(f) - 1], notation=s.notation),
    "costs": lambda s, f: formula_costs(f),
    "lengths": lambda s, f: formula_lengths(f),
    "variance": lambda s, f: variance_factors(f),
}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", ["poster", "three-cycle", "dose-grid", "sachs"])
def test_nothing_is_cut_off_and_no_label_lies_on_another(name: str, picture: str) -> None:
    one = study(name)
    ax = PICTURES[picture](one, one.identify())
    figure, _ = drawn(ax)
    frame = figure.bbox
    boxes = {}
    for text in [*ax.texts, *ax.get_legend().get_texts(), *ticks(ax)]:
        if text.get_text():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) >= -1, text
            assert box.x1 <= frame.x1 + 1, text
            assert box.y1 <= frame.y1 + 1, text
            boxes[text] = box
    for (one_text, a), (other, b) in itertools.combinations(boxes.items(), 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        tall = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(wide, tall) < 2, (one_text, other)  # pixels: extents hold a little room around the glyphs


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_go_where_they_are_told(picture: str) -> None:
    one = chain(4, 3)
    _, axes = pyplot.subplots(1, 2)
    before = len(pyplot.get_fignums())
    functions: dict[str, Any] = {
        "graph": lambda ax: sigma_graph(one.model, ax),
        "map": lambda ax: regime_map(one.identify(), ax),
        "incidence": lambda ax: incidence(one.design, one.identify().targets[15], ax),
        "costs": lambda ax: formula_costs(one.identify(), ax=ax),
        "lengths": lambda ax: formula_lengths(one.identify(), ax),
        "variance": lambda ax: variance_factors(one.identify(), ax=ax),
    }
    assert functions[picture](axes[1]) is axes[1]
    assert not axes[0].has_data()
    assert len(pyplot.get_fignums()) == before


@pytest.mark.parametrize(("length", "pairs"), [(3, 2), (5, 3), (8, 5), (12, 9)])
def test_every_cell_of_the_map_has_the_colour_of_its_verdict(length: int, pairs: int) -> None:
    """From 8 to 4,096 regimes: the pixel near a corner of each cell, whose place is worked out from the levels."""
    found = chain(length, pairs).identify()
    ax = regime_map(found)
    ax.figure.set_dpi(150)
    _, pixels = drawn(ax)
    down = length // 2  # the first half of the interventions runs down, the others across
    codes, verdicts = found.targets.codes(), verdict_codes(found)
    for row, verdict in zip(codes, verdicts, strict=True):
        y = int("".join(map(str, row[:down])) or "0", 2)
        x = int("".join(map(str, row[down:])), 2)
        got = pixel(ax, pixels, x - 0.3, y)  # left of every mark, inside every line between cells
        assert np.abs(got - to_rgb(LOOKS[verdict].colour)).max() < 0.15, (row, got)
    assert legend(ax) == [
        f"{LOOKS[code].words} ({count:,})" for code, count in enumerate(np.bincount(verdicts)) if count
    ]


def test_what_was_not_asked_about_is_told_apart() -> None:
    one = chain(3, 1).with_test(["g1+g2+g3"])
    assert legend(regime_map(one.identify())) == ["observed (5)", "not identified (1)", "not asked about (2)"]


def test_a_large_space_is_grouped_and_says_what_is_left_out() -> None:
    names = [f"g{i}" for i in range(120)]
    one = Study.from_dict(
        {
            "interventions": {name: [0, 1] for name in names},
            "factors": [{"sigma": [name]} for name in names],
            "train": ["ctrl", *names],
            "test": {"order": 2},
        }
    )
    ax = regime_map(one.identify())
    assert [text.get_text() for text in ax.texts] == [
        "baseline: 1",
        "1 off baseline: 120",
        "2 off baseline: the first 3,975 of 7,140",
    ]
    assert legend(ax) == ["observed (121)", "identified: one formula (7,140)"]


def test_verdicts_differ_in_more_than_hue() -> None:
    """Each pair of verdicts differs in its mark, and the two commonest by far in lightness too."""
    marks = [look.mark for look in LOOKS]
    assert len(set(marks)) == len(LOOKS) - 1  # a refusal is a cross by either criterion

    def lightness(colour: str) -> float:
        return float(np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)))

    assert lightness(LOOKS[1].colour) - lightness(LOOKS[0].colour) > 0.3
    for look in LOOKS:
        assert look.mark == "plain" or abs(lightness(look.ink) - lightness(look.colour)) > 0.3


def test_the_poster_matrix_adds_up() -> None:
    one = study("poster")
    ax = incidence(one.design, one.identify().targets[7], notation=one.notation)
    texts = [text.get_text() for text in ax.texts]
    assert [t for t in texts if t in ("−1", "+1", "0")] == ["0", "−1", "0", "+1", "0", "+1"]
    assert texts[:2] == ["f1", "f2"]
    assert texts.count("00") == texts.count("11") == 2
    assert {"000", "010", "100", "110", "001", "011", "111", "target", "exponent"} <= set(texts)
    assert legend(ax) == ["exponent above 0", "exponent below 0", "not used", "the target has these levels"]


def test_a_refusal_shows_integer_weights() -> None:
    one = study("conditional")
    found = one.identify("joint")
    ax = incidence(one.design, found.targets[len(found) - 1], notation=one.notation)
    texts = [text.get_text() for text in ax.texts]
    assert "weight" in texts
    assert "exponent" not in texts
    assert {"1", "−1"} <= set(texts)
    full = incidence(one.design, found.targets[len(found) - 1], notation=one.notation, variable="x1")
    assert [text.get_text() for text in full.texts][:2] == ["f1", "f3"]
    with pytest.raises(InputError, match=r"unknown variable 'x9'; did you mean x1\?|unknown variable 'x9'; legal"):
        incidence(one.design, found.targets[0], variable="x9")


def test_one_training_regime_that_shows_all_the_target_shows_needs_no_columns() -> None:
    # over 24 cells, so that the full table is not drawn
    model = {"A": [0, 1, 2, 3, 4], "B": [0, 1, 2, 3, 4], "batch": [0, 1]}
    one = Study.from_dict({"interventions": model, "factors": [{"sigma": ["A", "B"]}], "train": ["ctrl", "A=1"]})
    ax = incidence(one.design, ((2, 1),))
    assert [text.get_text() for text in ax.texts] == [
        "ctrl",
        "+1",
        "batch=1",
        "target",
        "exponent",
        "No column: training regime and target have the same levels in these factors.",
        "Not drawn: 1 other training regime and 25 other columns.",
    ]


def test_the_graph_draws_every_edge_and_separator() -> None:
    names = [f"gene{i}" for i in range(12)]
    ring = tuple(Factor(f"f{i}", ("x",), (names[i], names[(i + 1) % 12])) for i in range(12))
    ax = sigma_graph(Model(tuple(Intervention(name, (0, 1)) for name in names), ("x",), ring))
    texts = [text.get_text() for text in ax.texts]
    assert texts[:12] == names
    cliques = [text for text in texts[13:-1] if text.count(" ") == 2]
    assert len(cliques) == 10  # a triangulated ring of n has n - 2 triangles
    assert legend(ax) == [
        "intervention",
        "in one factor",
        "added to triangulate",
        "clique (rounded)",
        "separator (square)",
    ]
    assert min(text.get_fontsize() for text in ax.texts) >= 6  # ten cliques in a row would be unreadable


@pytest.mark.parametrize("count", [61, 400])
def test_large_graphs_say_what_they_leave_out(count: int) -> None:
    bits = tuple(Intervention(f"g{i}", (0, 1)) for i in range(count))
    factors = tuple(Factor(f"f{i}", ("x",), (f"g{i}",)) for i in range(count))
    titles = [text.get_text() for text in sigma_graph(Model(bits, ("x",), factors)).texts]
    expected = "sigma-graph (names left out)"
    assert (expected if count < 300 else "sigma-graph, the first 300 of 400 (names left out)") in titles
    assert f"junction tree, the first 24 of {count} cliques" in titles


def test_a_model_without_interventions_in_factors_has_an_empty_graph() -> None:
    model = Model((Intervention("A", (0, 1)),), ("x",), (Factor("f", ("x",), ()),))
    ax = sigma_graph(model)
    assert "No factor holds an intervention." in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("length", [2, 3, 7])
def test_paths_are_straight(length: int) -> None:
    graph = {i: {j for j in (i - 1, i + 1) if 0 <= j < length} for i in range(length)}
    places = graph_places(graph)
    steps = [(places[i + 1][0] - places[i][0], places[i + 1][1] - places[i][1]) for i in range(length - 1)]
    assert np.allclose(steps, [(1, 0)] * (length - 1))


def test_places_are_apart_and_reproducible() -> None:
    rng = np.random.default_rng(5)
    graph: dict[int, set[int]] = {i: set() for i in range(30)}
    for a, b in rng.integers(0, 24, size=(40, 2)).tolist():
        if a != b:
            graph[a].add(b)
            graph[b].add(a)
    places = graph_places(graph)
    assert places == graph_places(graph)
    assert len(places) == 30
    for a, b in itertools.combinations(places.values(), 2):
        assert math.dist(a, b) > 0.15


def test_nodes_of_a_tree_stand_between_their_children() -> None:
    parent = [-1, 0, 0, 1, 1, 2, -1]
    places = tree_places(parent)
    for node, (depth, row) in enumerate(places):
        below = [places[child] for child, above in enumerate(parent) if above == node]
        if below:
            assert {d for d, _ in below} == {depth + 1}
            assert row == (below[0][1] + below[-1][1]) / 2
    assert len(set(places)) == len(parent)


def test_lengths_and_variance_factors_count() -> None:
    found = study("sachs").identify()
    bars = formula_lengths(found).patches
    expected = {3: 6, 4: 4, 5: 1}  # pairs, triples and the quadruple of four interventions, each with the baseline
    assert {round(bar.get_x() + bar.get_width() / 2) + 1: bar.get_height() for bar in bars} == expected
    values = variance_factors(found).lines[0].get_ydata().tolist()
    assert values == [3.0] * 6 + [7.0] * 4 + [13.0]  # 2 + 1, 3 + 4, 4 + 9
    sizes = np.array([10, 1, 2, 5, 1])
    weighted = sorted(
        sum(1 / sizes[i + 1] for i in chosen) + (len(chosen) - 1) ** 2 / 10
        for k in (2, 3, 4)
        for chosen in itertools.combinations(range(4), k)
    )
    assert np.allclose(variance_factors(found, sizes).lines[0].get_ydata(), weighted)
    with pytest.raises(InputError, match="a sample size above 0 for each of the 5 training regimes"):
        variance_factors(found, [1, 2, 3, 4, 0])
    none: Identification = study("fractional-factorial").identify()
    with pytest.raises(InputError, match="no regime has a formula"):
        variance_factors(none)
    both = formula_lengths(study("conditional").identify())
    assert legend(both) == ["a formula for a full conditional (6)"]


def test_sizes_of_repeats_add_up_in_variance_factors() -> None:
    one = Study.from_dict(
        {
            "interventions": {"A": [0, 1], "B": [0, 1]},
            "factors": [{"sigma": ["A"]}, {"sigma": ["B"]}],
            "train": ["00", "10", "01", "10"],
            "test": ["11"],
        }
    )
    for sizes in ([10, 5, 10, 5], [10, 10, 10, 0]):
        assert np.allclose(variance_factors(one.identify(), sizes).lines[0].get_ydata(), [0.3])


def test_intervals_show_infinite_ends_and_the_truth() -> None:
    ax = intervals(
        [
            Interval("A", 0.0, (-0.1, 0.1), (-1.0, math.inf), truth=0.05),
            Interval("B", 1.0, None, (-math.inf, math.inf)),
            Interval("C", 2.0),
        ]
    )
    low, high = ax.get_xlim()
    arrows = [(line.get_marker(), line.get_xdata()[0]) for line in ax.lines if line.get_marker() in ("<", ">")]
    assert sorted(arrows) == [("<", low), (">", high), (">", high)]
    words = ["mean of a regime that was run", "its confidence interval", "where a fresh unit falls", "truth"]
    assert legend(ax) == words
    assert [label.get_text() for label in ax.get_yticklabels()] == ["A", "B", "C"]
    many = intervals([Interval(str(i), float(i)) for i in range(61)])
    assert many.get_title(loc="left") == "the first 60 of 61"
    one = intervals([Interval("only", 3.0)])
    assert one.get_xlim()[0] < 3 < one.get_xlim()[1]


def test_intervals_tell_run_from_never_run_by_mark_and_colour() -> None:
    drawn_here = [
        Interval("A", 0.0, (-0.1, 0.1), expected=0.5),
        Interval("A+B", 1.0, (0.5, 2.0), flagged=True, seen=False),
        Interval("A+C", 1.0, seen=False),
    ]
    ax = intervals(drawn_here)
    marks = [
        (line.get_marker(), line.get_markerfacecolor()) for line in ax.lines if line.get_marker() in ("o", "D")
    ]
    assert marks == [("o", canvas.BLUE), ("D", "white"), ("D", canvas.ORANGE)]
    (stroke,) = [line for line in ax.lines if list(line.get_xdata()) == [0.5, 0.5]]
    assert list(stroke.get_ydata()) == [-0.36, 0.36]
    assert legend(ax) == [
        "mean of a regime that was run",
        "its confidence interval",
        "mean of a regime never run",
        "its confidence interval",
        "hollow: flagged",
        "what single effects add up to",
    ]


def test_costs_of_formulas_count_regimes_and_name_the_costliest() -> None:
    found = study("sachs").identify()
    ax = formula_costs(found)
    assert ax.collections[0].get_offsets().tolist() == [[3, 3], [4, 7], [5, 13]]  # the sums of squared exponents
    assert [text.get_text() for text in ax.texts] == ["6", "4"]  # pairs and triples; one quadruple has no number
    assert legend(ax)[-1] == "costliest: aktinhib+g0076+psitect+u0126, 13 times the rows"
    sizes = [10, 1, 2, 5, 1]
    worth = 1 / (1 + 1 / 2 + 1 / 5 + 1 + 9 / 10)
    ax = formula_costs(found, sizes)
    assert np.isclose(ax.collections[0].get_offsets()[-1], [5, round(worth, 3)]).all()
    assert legend(ax)[-1] == "costliest: aktinhib+g0076+psitect+u0126, worth 0.28 rows"
    both = formula_costs(study("conditional").identify())
    assert legend(both)[0] == "regimes with a formula for each full conditional (2)"
    with pytest.raises(InputError, match="no regime has a formula: there is nothing to draw"):
        formula_costs(study("fractional-factorial").identify())
    with pytest.raises(InputError, match="a sample size above 0"):
        formula_costs(found, [1, 2, 3, 4, 0])


@pytest.mark.filterwarnings("ignore:Glyph")  # the font at hand may lack 日本; the picture is drawn all the same
def test_users_texts_are_drawn_as_they_are() -> None:
    names = ["$\\alpha_{1}$", "a\x07b", "日本", "very_long_name_of_an_intervention"]
    model = Model(
        tuple(Intervention(name, ("$0$", "{1}")) for name in names),
        ("x",),
        (Factor("$f$", ("x",), (names[0], names[1])), Factor("g", ("x",), (names[2], names[3]))),
    )
    texts = [text.get_text() for text in sigma_graph(model).texts]
    assert "$\\alpha_{1}$" in texts
    assert "a�b" in texts
    assert any(text.endswith("…") for text in texts)
    for ax in map(pyplot.Figure.gca, map(pyplot.figure, pyplot.get_fignums())):
        drawn(ax)
    assert canvas.plain("x" * 99, 10) == "xxxxxxxxx…"


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"matplotlib: pip install 'ifm-ident\[plots\]'"):
        sigma_graph(study("poster").model)
