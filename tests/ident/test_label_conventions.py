"""Perturbation labels in the conventions of the field: found, given, refused where they parse two ways."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Active
from ifm_ident.errors import InputError
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import read_regimes
from ifm_ident.study.reading.label_conventions import SEPARATORS, LabelConvention, LabelReader, is_known_control
from ifm_ident.study.study import Study, load


def model_of(*names: str) -> Model:
    return Model(tuple(Intervention(name, (0, 1)) for name in names), ("x",), (Factor("f", ("x",), names),))


ABC = model_of("A", "B", "HLA_E")
CTRL: Active = ()
A, B, E = ((0, 1),), ((1, 1),), ((2, 1),)
AB, AE = ((0, 1), (1, 1)), ((0, 1), (2, 1))


@pytest.mark.parametrize(
    ("label", "regime"),
    [
        ("ctrl", CTRL),
        ("control", CTRL),
        ("Control", CTRL),
        ("NT", CTRL),
        ("non-targeting", CTRL),
        ("Non_Targeting", CTRL),
        ("non targeting", CTRL),
        ("NTC", CTRL),
        ("neg_ctrl", CTRL),
        ("ctrl+ctrl", CTRL),
        ("non_targeting_NT", CTRL),
        ("A+ctrl", A),
        ("ctrl+A", A),
        ("NT_A", A),
        ("A_non-targeting", A),
        ("neg_ctrl_HLA_E", E),
        ("A_B", AB),
        ("B_A", AB),
        ("A|B", AB),
        ("B;A", AB),
        ("A & B", AB),
        ("A, B", AB),
        (" A + B ", AB),
        ("HLA_E", E),
        ("HLA_E_A", AE),
        ("A_HLA_E", AE),
        ("A+HLA_E", AE),
        ("ctrl_A_NT_B", AB),
        ("110", AB),
        ("A=1,B=1", AB),
    ],
)
def test_conventions_are_found(label: str, regime: Active) -> None:
    assert list(read_regimes(ABC, ["control", label, "A"]).regimes) == [CTRL, regime, A]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("A_C", ["split at '_', 'C' is no intervention and no control", "legal: A, B, HLA_E", "{control: [C]}"]),
        ("HLA_F", ["unknown intervention 'HLA_F'; did you mean HLA_E?", "labels: {control: [HLA_F]}"]),
        ("A+HLA_F", ["unknown intervention 'HLA_F'; did you mean HLA_E?"]),
        ("A+ctrl+D", ["split at '+', 'D' is no intervention and no control"]),
        ("DMSO", ["unknown intervention 'DMSO'", "name the control: labels: {control: [DMSO]}"]),
        ("A_A", ["split at '_', an intervention is there twice"]),
        ("A+A", ["names 'A' twice"]),
        ("A__B", ["split at '_', a part is empty"]),
        ("A+B_HLA_E", ["unknown intervention 'B_HLA_E'"]),
        ("_", ["'_'"]),
        ("A_" * 40, ["regime 'A_"]),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(label: str, words: list[str]) -> None:
    with pytest.raises(RowError) as caught:
        read_regimes(ABC, ["control", "A", label, "nonsense"])
    said = str(caught.value)
    assert said.startswith("the labels, row 3: ")
    assert all(word in said for word in words), said


def test_a_label_that_parses_two_ways_is_an_error() -> None:
    model = model_of("A", "B", "A_B")
    with pytest.raises(RowError, match=r"row 2: regime 'A_B' can be read in two ways, as 'A_B|row 2: .*two ways"):
        read_regimes(model, ["control", "A_B"])
    with pytest.raises(RowError, match=r"row 1: .*two ways, .*; use a column for each intervention"):
        read_regimes(model, ["A_B"], labels=LabelConvention("_"))
    plus = read_regimes(model, ["control", "A_B", "A+B"], labels=LabelConvention("+"))
    assert list(plus.regimes) == [(), ((2, 1),), ((0, 1), (1, 1))]
    # as a study file writes labels, + is the one separator: nothing is ambiguous
    assert list(read_regimes(model, ["ctrl", "A_B"]).regimes) == [(), ((2, 1),)]


def test_two_groupings_of_one_separator_are_an_error() -> None:
    model = model_of("a", "b_c", "a_b", "c")
    with pytest.raises(RowError, match=r"regime 'a_b_c' can be read in two ways"):
        read_regimes(model, ["NT", "a_b_c"])


def test_an_intervention_named_like_a_control_is_the_intervention() -> None:
    model = model_of("NT", "A")
    assert list(read_regimes(model, ["control", "NT", "NT_A"]).regimes) == [(), ((0, 1),), ((0, 1), (1, 1))]
    with pytest.raises(InputError, match="'NT' is an intervention and cannot be the control"):
        read_regimes(model, ["A"], labels=LabelConvention(control=("NT",)))


def test_levels_more_than_two_are_never_guessed() -> None:
    model = Model(
        (Intervention("A", (0, 1)), Intervention("dose", (0, 1, 2))), ("x",), (Factor("f", ("x",), ("A", "dose")),)
    )
    for label in ("A_dose", "dose_A", "A+dose"):
        with pytest.raises(RowError, match="levels"):
            read_regimes(model, ["control", label])


def test_a_given_convention_is_the_only_one() -> None:
    given = LabelConvention("--", ("DMSO", "vehicle x"))
    labels = ["DMSO", "vehicle x", "ctrl", "A--B", "A--DMSO", "HLA_E"]
    assert list(read_regimes(ABC, labels, labels=given).regimes) == [CTRL, CTRL, CTRL, AB, A, E]
    for label in ("A+B", "A_B", "control", "NT", "110", "A=1,B=1"):
        with pytest.raises(RowError, match="row 2"):
            read_regimes(ABC, ["A", label], labels=given)
    found = read_regimes(ABC, ["DMSO", "B_A", "A|B"], labels=LabelConvention(control=("DMSO",)))
    assert list(found.regimes) == [CTRL, AB, AB]
    assert found.notation == "label"
    with pytest.raises(InputError, match="the table has a column for each intervention"):
        read_regimes(ABC, {"A": [1]}, labels=given)
    with pytest.raises(InputError, match="unknown key 'sep' of labels; legal: separator, control"):
        LabelConvention.of({"sep": "_"})
    with pytest.raises(InputError, match="separator of labels is text, got 3"):
        LabelConvention.of({"separator": 3})
    with pytest.raises(InputError, match="a text or a list of texts"):
        LabelConvention.of({"control": 3})


def test_numbers_as_labels_say_so() -> None:
    bits = model_of("A", "B")
    with pytest.raises(RowError, match=r"row 1: .*the column holds numbers: read it as text"):
        read_regimes(bits, {"label": [1, 10]})


def brute_force(model: Model, label: str, separator: str) -> set[frozenset[str]]:
    """All regimes that a label can mean: every order of every set of names, with controls anywhere."""
    names = list(model.position)
    found = set()
    pieces = label.split(separator)
    for cuts in itertools.product([False, True], repeat=len(pieces) - 1):
        parts = [pieces[0]]
        for cut, piece in zip(cuts, pieces[1:], strict=True):
            if cut:
                parts.append(piece)
            else:
                parts[-1] += separator + piece
        chosen = [part for part in parts if part in names]
        fits = all(part in names or is_known_control(part) for part in parts)
        if fits and len(set(chosen)) == len(chosen):
            found.add(frozenset(chosen))
    return found


def test_readings_agree_with_every_grouping() -> None:
    rng = random.Random(7)
    pool = ["a", "b", "a_b", "b_c", "c", "a_b_c", "NT_a", "c_a"]
    seen = {0: 0, 1: 0, 2: 0}
    for _ in range(1500):
        model = model_of(*sorted(rng.sample(pool, rng.randint(1, 5))))
        separator = rng.choice(["_", "_", *SEPARATORS])
        parts = [*model.position, *model.position, "NT", "z"]
        label = separator.join(rng.choice(parts) for _ in range(rng.randint(1, 4)))
        expected = brute_force(model, label, separator)
        seen[min(len(expected), 2)] += 1
        reader = LabelReader(model, LabelConvention(separator))
        if len(expected) == 1:
            names = list(model.position)
            assert {names[p] for p, _ in reader.read(label)} == set(next(iter(expected))), label
        else:
            with pytest.raises(InputError, match="two ways" if expected else "regime"):
                reader.read(label)
    assert min(seen.values()) > 20, seen


STUDY = """\
interventions: {A: [0, 1], B: [0, 1]}
factors: [{sigma: [A]}, {sigma: [B]}]
train: {file: runs.csv, label: guide%s}
test: {file: runs.csv, label: guide%s}
samples: {file: runs.csv, label: guide%s}
data: {file: runs.csv, label: guide%s}
"""


def test_the_study_file_gives_a_convention(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("guide,n\nDMSO,5\nA~DMSO,2\nB~A,3\n")
    given = ', labels: {separator: "~", control: DMSO}'
    (tmp_path / "s.yaml").write_text(STUDY % (given, given, given, given.replace("DMSO", "[DMSO]")))
    study = load(tmp_path / "s.yaml")
    assert list(study.design.train) == [CTRL, A, AB]
    assert study.samples is not None
    assert study.samples.tolist() == [5, 2, 3]
    assert study.notation == "label"
    assert study.data is not None
    assert study.data.labels == LabelConvention("~", ("DMSO",))
    counted = load(tmp_path / "s.yaml")
    object.__setattr__(counted, "samples", None)
    sizes = counted.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("{sep: _}", r"s\.yaml:3: unknown key 'sep' in `labels`; legal: separator, control"),
        ("_", r"s\.yaml:3: `labels` is a map with the keys control, separator"),
        ('{separator: ""}', r"s\.yaml:3: the separator is empty"),
        ("{separator: 1}", r"s\.yaml:3: the separator is text, got the unquoted 1"),
        ("{control: []}", r"runs\.csv, row 1: regime 'DMSO'"),
        ("{control: [1]}", r"s\.yaml:3: a name of the control is text"),
        ("{control: A}", r"'A' is an intervention and cannot be the control"),
    ],
)
def test_a_bad_convention_is_named(tmp_path: Path, labels: str, message: str) -> None:
    (tmp_path / "runs.csv").write_text("guide,n\nDMSO,5\nA+DMSO,2\n")
    (tmp_path / "s.yaml").write_text(STUDY.partition("test")[0] % f", labels: {labels}")
    with pytest.raises(InputError, match=message):
        load(tmp_path / "s.yaml")


def screen(labels: list[str], **options: object) -> Study:
    return Study.from_labels(labels, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["ctrl", "B", "A", "A+B"], ["A", "B"]),
        (["A+ctrl", "ctrl+B", "ctrl+ctrl", "B+A"], ["A", "B"]),
        (["control", "A", "B", "A_B"], ["A", "B"]),
        (["NT", "A_NT", "NT_B", "B_A"], ["A", "B"]),
        (["NT", "HLA_E", "A", "A_HLA_E"], ["A", "HLA_E"]),
        (["NT", "HLA_E", "A"], ["A", "HLA_E"]),
        (["NT", "A", "B", "A|B"], ["A", "B"]),
        (["non-targeting", "A", "B", "A,B"], ["A", "B"]),
        (["non-targeting", "A", "B", "A:B"], ["A", "B"]),
        (["NT", "A", "B", "A || B"], ["A", "B"]),
        (["NT", "A", "B", "A__B"], ["A", "B"]),
        (["NT", "A_x", "B", "A_x__B"], ["A_x", "B"]),
        (["NegCtrl0_NegCtrl0", "A_NegCtrl0", "NegCtrl0_B", "A_B"], ["A", "B"]),
        (["ctrl_ctrl", "A_ctrl"], ["A"]),
        (["non-targeting_00012", "HLA-E", "HLA-A"], ["HLA-A", "HLA-E"]),
    ],
)
def test_interventions_of_a_screen_are_found(labels: list[str], names: list[str]) -> None:
    study = screen(labels)
    assert list(study.model.position) == names
    assert [factor.sigma for factor in study.model.factors] == [(name,) for name in names]
    assert len(study.design.train) == len(labels)
    assert screen(labels[::-1]).design.train.codes().tolist() == study.design.train.codes().tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["ctrl", "A", "A_C"], "row 3: 'A_C' may be one intervention, or several joined by '_' as 'A' is"),
        (["ctrl", "A_C", "A_D"], "row 3: 'A_D' may be one .* as 'A_C' holds 'A' too"),
        (["ctrl", "A|B"], r"row 2: 'A\|B' may be one intervention"),
        (["ctrl", "A+B", "C,D"], r"row 2: 'A\+B' may be one intervention, or several joined by '\+'"),
        (
            ["non-targeting", "A,B"],
            r"row 2: 'A,B' may be .*; give separator=',' if it joins, names=\{'A,B': 'A_B'\}",
        ),
        (["ctrl", "A", "B", "A_B", "A|B"], "labels are joined by '|' and by '_'|give separator"),
        (["ctrl", "A+"], r"row 2: 'A\+' has an empty part"),
        (["ctrl", ""], "row 2: the label is empty; write 'ctrl'"),
        (["ctrl", "NT"], "every label means baseline"),
        (["ctrl", "a b"], "the intervention name 'a b' holds ' '"),
        (["NT", "a", "b", "c", "b_c", "a_b", "a_b_c"], None),
        (
            ["A", "B"],
            r"no label means baseline: ctrl, control, .*name it with control=, or say .* control=\[\]",
        ),
        (["DMSO", "A", "B"], "no label means baseline"),
        (["ctrl", "A", "B", "A/B"], "row 4: 'A/B' may be one intervention, or A and B joined by '/'; give sep"),
        (["ctrl", "A", "B", "B-A"], "row 4: 'B-A' may be .*, or B and A joined by '-'"),
        (["ctrl", "A", "B", "A B"], r"row 4: 'A B' may be .*joined by ' '; write A\+B, or give interventions"),
        (["ctrl", "A+B", "A|B"], r"row 2: 'A\+B' may be one intervention, or several joined by '\+'"),
        ([], "there are no rows"),
    ],
)
def test_what_a_screen_leaves_open_is_asked_for(labels: list[str], message: str | None) -> None:
    if message is None:  # b_c and a_b fall apart, so a_b_c is a, b and c
        assert list(screen(labels).model.position) == ["a", "b", "c"]
        return
    with pytest.raises(InputError, match=message):
        screen(labels)


def test_a_doubt_is_settled_by_what_is_given() -> None:
    labels = ["ctrl", "A", "A_C"]
    assert list(screen(labels, separator="_").model.position) == ["A", "C"]
    assert list(screen(labels, separator="+").model.position) == ["A", "A_C"]
    assert list(screen(labels, interventions=["C", "A"]).model.position) == ["C", "A"]
    with pytest.raises(InputError, match=r"row 3: .*'C' is no intervention"):
        screen(labels, interventions=["A"])
    with pytest.raises(InputError, match=r"row 1: .*unknown intervention 'vehicle'"):
        screen(["vehicle", "B_A"], interventions=["A"])
    assert list(screen(["ctrl", "A", "B", "A/B"], separator="/").model.position) == ["A", "B"]
    assert list(screen(["ctrl", "A", "B", "A/B"], separator="+").model.position) == ["A", "A/B", "B"]
    assert screen(["A", "B"], control=[]).design.train.codes().tolist() == [[1, 0], [0, 1]]
    assert screen(["DMSO", "A_DMSO"], control="DMSO").design.train.codes().tolist() == [[0], [1]]


def test_a_screen_counts_its_cells_and_takes_factors(tmp_path: Path) -> None:
    labels = ["A_B", "ctrl", "B_A", "A", "B", "ctrl", "ctrl"]
    study = screen(labels, factors=[["A", "B"], {"name": "g", "x": ["y"], "sigma": []}], variables=["x", "y"])
    assert study.sample_sizes() is not None
    assert study.samples is not None
    assert study.samples.tolist() == [3, 1, 1, 2]
    assert [factor.name for factor in study.model.factors] == ["f1", "g"]
    assert study.target_count == 4
    path = tmp_path / "cells.csv"
    path.write_text("cell,guide\n" + "".join(f"c{i},{label}\n" for i, label in enumerate(labels)))
    from_file = Study.from_labels(path, "guide", test=["A+B"])
    assert from_file.name == "cells"
    assert from_file.data is not None
    assert (from_file.data.file, from_file.data.label) == (path, "guide")
    assert from_file.target_count == 1
    object.__setattr__(from_file, "samples", None)
    sizes = from_file.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [3, 1, 1, 2]
    with pytest.raises(InputError, match="which column holds the labels"):
        Study.from_labels(path)


def test_the_column_of_labels_is_found_or_asked_for(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    cells = pandas.DataFrame({"perturbation": ["ctrl", "A"], "depth": [1, 2]})
    assert list(Study.from_labels(cells).model.position) == ["A"]
    both = cells.assign(condition=["x", "y"])
    with pytest.raises(InputError, match=r"which column holds the labels\?.*'perturbation', 'depth', 'condition'"):
        Study.from_labels(both)
    with pytest.raises(InputError, match="'perturbation': it is the index of the frame: make it a column"):
        Study.from_labels(cells.set_index("perturbation"))
    path = tmp_path / "cells.csv"
    path.write_text("cell;perturbation\n1;ctrl\n2;A\n")
    with pytest.raises(InputError, match=r"one column, 'cell;perturbation'; if ';' stands between columns, save"):
        Study.from_labels(path)
