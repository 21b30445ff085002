"""What tables and labels hold, kind by kind: joins, missing values, look-alikes, other columns, other files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.texts import look
from ifm_ident.errors import InputError, nearest
from ifm_ident.study.cost_tables import read_prices
from ifm_ident.study.reading._table import RowError
from ifm_ident.study.reading._tables import data_regimes, read_counts, read_regimes
from ifm_ident.study.reading.label_conventions import LabelConvention
from ifm_ident.study.study import Study, load

CTRL: tuple[tuple[int, int], ...] = ()
A, B, AB = ((0, 1),), ((1, 1),), ((0, 1), (1, 1))


def model_of(*names: str, levels: tuple[Any, ...] = (0, 1)) -> Model:
    return Model(tuple(Intervention(name, levels) for name in names), ("x",), (Factor("f", ("x",), names),))


BITS = model_of("A", "B")


def text_of(names: list[str], rest: str, levels: str = "[0, 1]") -> str:
    quoted = ", ".join(f'"{name}": {levels}' for name in names)
    factors = ", ".join(f'{{sigma: ["{name}"]}}' for name in names)
    return f"interventions: {{{quoted}}}\nfactors: [{factors}]\n{rest}\n"


def loaded(folder: Path, text: str, **files: str | bytes) -> Study:
    for name, content in files.items():
        (folder / f"{name}.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    return load(folder / "s.yaml")


# rows without any treatment


def test_rows_that_spreadsheets_leave_are_no_regimes(tmp_path: Path) -> None:
    study = loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t="A,B\n1,0\n0,1\n1,1\n,\n,\n")
    assert list(study.design.train) == [A, B, AB]
    (note,) = study.notes
    assert (
        note == f"{tmp_path / 't.csv'}: 2 rows were skipped: every cell that could name an intervention is empty"
    )
    assert study.identify()[0].formula is not None  # ctrl was not run


@pytest.mark.parametrize("cells", [",", " , ", '"",""', "\t,"])
def test_blank_cells_of_every_kind(tmp_path: Path, cells: str) -> None:
    study = loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t=f"A,B\n{cells}\n1,0\n{cells}\n")
    assert list(study.design.train) == [A]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_rows_of_nulls_are_no_regimes(make: Any, tmp_path: Path) -> None:
    found = read_regimes(BITS, make({"A": [None, 1, None], "B": [None, None, None]}))
    assert list(found.regimes) == [A]
    assert found.rows.tolist() == [1]
    assert [note.partition(": ")[2][:13] for note in found.notes] == ["2 rows were s", "1 empty cell "]
    pq.write_table(pa.table({"A": [None, 1], "B": pa.nulls(2, pa.int64())}), tmp_path / "t.parquet")
    assert list(read_regimes(BITS, tmp_path / "t.parquet").regimes) == [A]


def test_blank_rows_of_labels_and_counts(tmp_path: Path) -> None:
    study = loaded(
        tmp_path,
        text_of(["A", "B"], "train: {file: t.csv, label: g}\nsamples: {file: n.csv}"),
        t="cell,g\n1,ctrl\n2,A\n,\n,\n",
        n="A,B,n\n0,0,3\n1,0,4\n,,\n",
    )
    assert list(study.design.train) == [CTRL, A]
    assert study.samples is not None
    assert study.samples.tolist() == [3, 4]
    assert "2 rows were skipped" in study.notes[0]
    with pytest.raises(RowError, match=r"row 2: the regime in column 'g' is empty; write 'ctrl'"):
        loaded(tmp_path, text_of(["A"], "train: {file: t.csv, label: g}"), t="cell,g\n1,ctrl\n2,\n")
    with pytest.raises(InputError, match="the table has no rows"):
        loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t="A,B\n,\n")


def test_rows_of_errors_keep_their_numbers(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="row 3: intervention 'A' has no level '7'"):
        loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t="A,B\n,\n1,0\n7,0\n")
    with pytest.raises(RowError, match="row 3: regime 'C'"):
        loaded(tmp_path, text_of(["A"], "train: {file: t.csv, label: g}"), t="cell,g\n,\n1,ctrl\n2,C\n")
    with pytest.raises(RowError, match=r"row 3: n is 'x'"):
        read_counts(BITS, pd.DataFrame({"A": [None, 1, 1], "B": [None, 1, 0], "n": ["", "3", "x"]}))


def test_empty_cells_beside_others_are_baseline_and_counted(tmp_path: Path) -> None:
    text = """\
interventions: {hatch: [0, 45], pot_1: [0, 255], v_in: [5, 1.1]}
factors: [{sigma: [hatch]}, {sigma: [pot_1]}, {sigma: [v_in]}]
train: {file: t.csv}
"""
    study = loaded(tmp_path, text, t="hatch,pot_1,v_in\n,0,5\n0,,5\n0,0,\n")
    assert list(study.design.train) == [CTRL, CTRL, CTRL]
    assert study.notes == (f"{tmp_path / 't.csv'}: 3 empty cells were read as baseline",)


# missing values

WORDS = ["NA", "nan", "NaN", "None", "NULL", "n/a", "N/A", "<NA>", "#N/A", "null"]


@pytest.mark.parametrize("word", WORDS)
def test_words_for_missing_are_refused_and_never_proposed(tmp_path: Path, word: str) -> None:
    text = text_of(["A"], "train: {file: t.csv, label: label}")
    for label in (word, f"A+{word}", f"A_{word}" if "/" not in word else word):
        with pytest.raises(RowError) as caught:
            loaded(tmp_path, text, t=f'label\ncontrol\nA\n"{label}"\n')
        said = str(caught.value)
        assert "row 3" in said
        assert "reads as a missing value" in said, said
        assert "control: [" not in said
        assert "did you mean" not in said
    with pytest.raises(RowError, match=r"row 3: .* reads as a missing value"):
        Study.from_labels(["control", "A", word])
    with pytest.raises(
        RowError, match=r"row 2: .* in column 'A' reads as a missing value and is no level of 'A' \(0"
    ):
        loaded(tmp_path, text_of(["A"], "train: {file: t.csv}"), t=f"A\n1\n{word}\n")


def test_words_for_missing_are_names_where_they_are_declared(tmp_path: Path) -> None:
    study = loaded(tmp_path, text_of(["A", "NA"], "train: {file: t.csv, label: g}"), t="g\ncontrol\nA\nNA\nA+NA\n")
    assert list(study.design.train) == [CTRL, A, B, AB]
    study = loaded(
        tmp_path, text_of(["A"], "train: {file: t.csv, label: g, labels: {control: NA}}"), t="g\nNA\nA\n"
    )
    assert list(study.design.train) == [CTRL, A]
    study = loaded(tmp_path, text_of(["A"], "train: {file: t.csv}", levels='["None", some]'), t="A\nNone\nsome\n")
    assert list(study.design.train) == [CTRL, A]
    labels = ["control", "A", "NA"]
    assert list(Study.from_labels(labels, names={"NA": "NA"}).model.position) == ["A", "NA"]
    assert list(Study.from_labels(labels, interventions=["A", "NA"]).model.position) == ["A", "NA"]
    assert list(Study.from_labels(labels, control=["control", "NA"]).model.position) == ["A"]


@pytest.mark.parametrize(
    "column",
    [
        ["control", "A", None],
        ["control", "A", float("nan")],
        ["control", "A", pd.NA],
        np.ma.array(["control", "A", "B"], mask=[False, False, True]),
        pd.Series(["control", "A", None], dtype="string"),
        pd.Series(pd.Categorical(["control", "A", None])),
        pd.Series(pd.Categorical(["control", "A", "nan"])),
        pl.Series(["control", "A", None]),
        pl.Series(["control", "A", None], dtype=pl.Categorical),
        pa.array(["control", "A", None]).dictionary_encode(),
        pa.array([b"control", b"A", None], pa.string()),
        np.array(["control", "A", "nan"]),
    ],
)
def test_missing_labels_of_every_type_are_refused(column: Any) -> None:
    with pytest.raises(RowError, match=r"row 3: .*missing"):
        Study.from_labels(column)
    with pytest.raises(RowError, match=r"row 3: .*(empty|missing)"):
        read_regimes(BITS, column)


def test_a_nan_that_is_no_null_is_refused() -> None:
    with pytest.raises(RowError, match="row 2: 'nan' in column 'A' reads as a missing value"):
        read_regimes(BITS, pl.DataFrame({"A": [1.0, float("nan")], "B": [0, 1]}))


# joins of labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["control", "(+)-3-PPP", "atenolol"],
            r"row 2: '\(\+\)-3-PPP' holds '\+'.* brackets .*names=\{'\(\+\)-3-PPP': ",
        ),
        (
            ["control", "1S,3R-RSL-3", "erastin"],
            r"row 2: .*separator=',' if it joins, names=\{'1S,3R-RSL-3': '1S_3R-",
        ),
        (["control", "drugA:10", "drugA:1", "drugB:10"], r"row 3: .* holds 'drugA' too; give separator=':'"),
        (
            ["control", "chr1:100-200", "A"],
            r"row 2: 'chr1:100-200' may be one.*names=\{'chr1:100-200': 'chr1_100-200'",
        ),
        (["control", "A", "B", "A+B", "1S,3R-RSL-3"], r"row 5: '1S,3R-RSL-3' may be one"),
        (["control", "A", "B", "A+B", "(+)-3-PPP"], r"row 5: '\(\+\)-3-PPP' holds"),
        (["control", "A", "B", "A+B", "A+C"], r"row 5: 'A\+C' may be one .* as 'A' is a label too"),
        (["control", "A", "A || C"], r"row 3: .*give separator='\|\|'"),
        (["control", "A", "A__C"], r"row 3: .*give separator='__'"),
        (
            ["control", "Compound 1", "A"],
            r"row 2: .* holds ' '; names .*give names=\{'Compound 1': 'Compound_1'\}",
        ),
        (["control", "A", "all"], "reserved"),
    ],
)
def test_labels_are_joined_only_where_others_corroborate_it(labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.from_labels(labels)


@pytest.mark.parametrize("separator", ["||", " || ", "__", "&&", " + ", ":", ", "])
def test_the_separator_that_is_proposed_works(separator: str) -> None:
    labels = ["control", "A", f"A{separator}C"]
    assert list(Study.from_labels(labels, separator=separator).design.train) == [CTRL, A, AB]
    joined = Study.from_labels([*labels, "C"])  # C is a label by itself
    assert list(joined.design.train) == [CTRL, A, B, AB]


NAMES = {"1S,3R-RSL-3": "RSL3", "(+)-3-PPP": "PPP", "chr1:100-200": "g1", "Compound 1 [x]": "C1", "A|B;C": "odd"}


def test_every_name_of_the_field_can_be_read(tmp_path: Path) -> None:
    texts = list(NAMES)
    labels = ["control", *texts, f"{texts[0]}+{texts[1]}", f"{texts[2]}+{texts[3]}", f"{texts[4]}+{texts[0]}"]
    study = Study.from_labels(labels, names=NAMES)
    names = ["C1", "PPP", "RSL3", "g1", "odd"]
    assert list(study.model.position) == names
    pairs = [{names[p] for p, _ in regime} for regime in study.design.train if len(regime) == 2]
    assert sorted(map(sorted, pairs)) == [["C1", "g1"], ["PPP", "RSL3"], ["RSL3", "odd"]]
    cells = "".join('"' + label + '"\n' for label in labels)
    quoted = ", ".join(f'"{text}": {name}' for text, name in NAMES.items())
    rest = f"train: {{file: t.csv, label: g, labels: {{names: {{{quoted}}}}}}}"
    from_file = loaded(tmp_path, text_of(names, rest), t=f"g\n{cells}")
    assert sorted(from_file.design.train) == sorted(study.design.train)
    again = Study.from_labels(tmp_path / "t.csv", names=NAMES)
    assert again.data is not None
    object.__setattr__(again, "samples", None)
    sizes = again.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1] * len(labels)


def test_a_text_can_name_a_level(tmp_path: Path) -> None:
    text = """\
interventions: {drugA: [0, 1, 10], drugB: [0, 10]}
factors: [{sigma: [drugA]}, {sigma: [drugB]}]
train:
  file: t.csv
  labels: {names: {"drugA:10": drugA=10, "drugA:1": drugA=1, "drugB:10": drugB}}
"""
    study = loaded(tmp_path, text, t="g\ncontrol\ndrugA:10\ndrugA:1\ndrugB:10\ndrugA:1+drugB:10\n")
    assert list(study.design.train) == [CTRL, ((0, 2),), ((0, 1),), ((1, 1),), AB]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("{names: [a]}", r"s\.yaml:3: `names` is a map from texts in labels to interventions"),
        ('{names: {"x y": 3}}', r"s\.yaml:3: the intervention that a text names is text"),
        ('{names: {"x y": C}}', "the names of labels, 'x y': regime 'C': unknown intervention 'C'"),
        ('{names: {"x y": A+B}}', "give 'x y' the meaning 'A\\+B'; write one intervention"),
        ('{names: {"x y": ctrl}}', "give 'x y' the meaning 'ctrl'; .*go under `control`"),
        ('{names: {"x y": A}, control: "x y"}', "'x y' is under the names and the control"),
        ('{names: {"": A}}', "one is empty"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, labels: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loaded(tmp_path, text_of(["A", "B"], f"train: {{file: t.csv, labels: {labels}}}"), t="g\nctrl\nA\n")


def test_names_stay_legal_in_the_study_file(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r'holds \',\'; .*call it \'1S_3R-RSL-3\' .*\{"1S,3R-RSL-3": 1S_3R-RSL-3\}'
    ):
        loaded(tmp_path, text_of(["1S,3R-RSL-3"], "train: [ctrl]"))
    with pytest.raises(RowError, match=r"row 2: .*or the intervention: labels: \{names: \{\"chr1:1-2\": g1\}\}"):
        loaded(tmp_path, text_of(["g1"], "train: {file: t.csv}"), t="g\ncontrol\nchr1:1-2\n")


TWO: dict[str, list[Any]] = {
    "Drug1": ["DMSO", "1S,3R-RSL-3", "Compound 1", "erastin", "DMSO"],
    "Drug2": ["DMSO", None, "erastin", "DMSO", "Compound 1"],
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_two_columns_hold_one_intervention_each(make: Any) -> None:
    study = Study.from_labels(make(TWO), label=["Drug1", "Drug2"], control="DMSO")
    assert list(study.model.position) == ["1S_3R-RSL-3", "Compound_1", "erastin"]
    assert list(study.design.train) == [CTRL, A, B, ((2, 1),), ((1, 1), (2, 1))]
    assert "'Compound 1' is called Compound_1" in study.notes[0]
    named = {"1S,3R-RSL-3": "RSL3", "Compound 1": "C1"}
    other = Study.from_labels(make(TWO), label=["Drug1", "Drug2"], control="DMSO", names=named)
    assert list(other.model.position) == ["C1", "RSL3", "erastin"]
    with pytest.raises(InputError, match="leave the separator out"):
        Study.from_labels(make(TWO), label=["Drug1", "Drug2"], separator="+")
    with pytest.raises(InputError, match="no column 'Drug3'; did you mean Drug"):
        Study.from_labels(make(TWO), label=["Drug1", "Drug3"])
    with pytest.raises(InputError, match="'A B' would be called 'A_B', which is there too; give names="):
        Study.from_labels(make({"p": ["ctrl", "A B"], "q": ["A_B", ""]}), label=["p", "q"])
    with pytest.raises(RowError, match=r"row 2: .*'NA' reads as a missing value"):
        Study.from_labels(make({"p": ["ctrl", "A"], "q": [None, "NA"]}), label=["p", "q"])
    with pytest.raises(RowError, match=r"row 2: .* there twice"):
        Study.from_labels(make({"p": ["ctrl", "A"], "q": [None, "A"]}), label=["p", "q"])


def test_two_columns_in_a_study_file(tmp_path: Path) -> None:
    cells = 'p,q,x\nctrl,,1\nA,"g 1",2\n"g 1",,3\n,,4\nA,ctrl,5\n'
    given = '{file: t.csv, label: [p, q], labels: {names: {"g 1": g1}}}'
    study = loaded(tmp_path, text_of(["A", "g1"], f"train: {given}\ndata: {given}"), t=cells)
    assert list(study.design.train) == [CTRL, AB, B, A]
    assert "1 row was skipped" in study.notes[0]
    sizes = study.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1, 1, 1, 1]
    with pytest.raises(InputError, match="`label` lists columns"):
        loaded(tmp_path, text_of(["A"], "train: {file: t.csv, label: [p]}"), t=cells)
    from_file = Study.from_labels(tmp_path / "t.csv", ["p", "q"])
    assert from_file.data is not None
    assert from_file.data.label == ("p", "q")
    object.__setattr__(from_file, "samples", None)
    sizes = from_file.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1, 1, 1, 1]


def test_labels_of_many_interventions() -> None:
    guides = [f"g{i}" for i in range(20)]
    model = model_of(*guides)
    (regime,) = read_regimes(model, {"label": ["_".join(guides)]}).regimes
    assert regime == tuple((i, 1) for i in range(20))
    assert len(Study.from_labels(["NT", *guides, "_".join(guides)]).design.train) == 22
    many = [f"h{i}" for i in range(900)]
    (regime,) = read_regimes(model_of(*many), {"label": ["_".join(many)]}).regimes
    assert len(regime) == 900
    with pytest.raises(RowError, match=r"row 1: .* has 1,001 pieces between '_' \(limit 1,000\)"):
        read_regimes(model, {"label": ["_".join(["g0"] * 1001)]}, labels=LabelConvention("_"))


def test_labels_that_could_be_cut_in_very_many_ways_are_refused_soon() -> None:
    names = [f"a{i}" for i in range(40)]
    pairs = [f"a{i}_a{i + 1}" for i in range(0, 40, 2)]
    with pytest.raises(RowError, match="two ways"):
        read_regimes(model_of(*names, *pairs), ["_".join(names)], labels=LabelConvention("_"))
    with pytest.raises(RowError, match=r"too many ways|there twice"):
        read_regimes(model_of(*names, *pairs), ["_".join([*names, "a0"])], labels=LabelConvention("_"))


# the door for Python


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"control": 3368}, "control of labels is a text or a list of texts, got 3368; write '3368'"),
        ({"control": ["ctrl", 3368]}, r"got \['ctrl', 3368\]; write '3368'"),
        ({"control": True}, "control of labels is a text or a list of texts, got True$"),
        ({"separator": 3}, "separator of labels is text, got 3; write '3'"),
        ({"label": 3}, "label is the name of a column, or a list of names, got 3"),
        ({"label": []}, r"label is the name of a column, or a list of names, got \[\]"),
        ({"label": ["a", 2]}, "label is the name of a column"),
        ({"names": ["x"]}, r"names of labels are a map .* got \['x'\]"),
        ({"names": {"x": 3}}, "names of labels are a map"),
        ({"interventions": "A"}, r"interventions is a list of names, such as \['A', 'B'\], got 'A'"),
        ({"interventions": 3}, "interventions is a list of names"),
        ({"variables": "xy"}, "variables is a list of names"),
        ({"factors": "A"}, "factors is a list"),
        ({"factors": 3}, "factors is a list"),
    ],
)
def test_wrong_types_are_refused_in_words(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Study.from_labels(["ctrl", "A"], **options)


@pytest.mark.parametrize(
    "word", ["ctrl", "CTRL", "Ctrl", "Control", "NON-TARGETING", "non\u2011targeting", "Neg_Ctrl_12"]
)
def test_the_control_in_any_case(word: str) -> None:
    assert list(Study.from_labels([word, "A", f"{word}+A"]).design.train) == [CTRL, A]
    assert list(read_regimes(BITS, [word, "A"]).regimes) == [CTRL, A]


def test_a_regime_that_means_the_baseline_is_told_how_to_write_it() -> None:
    with pytest.raises(InputError, match=r"unknown intervention 'Ctrl'; did you mean ctrl\?"):
        Study.from_labels(["ctrl", "A"]).with_test(["Ctrl"])


# hints and look-alikes


def test_no_number_is_proposed_for_another(tmp_path: Path) -> None:
    text = text_of(["A", "B"], "train: {file: t.csv}")
    for value in ("-1", "2", "1.5", "10", "1,0"):
        with pytest.raises(RowError) as caught:
            loaded(tmp_path, text, t=f'A,B\n"{value}",1\n')
        assert "legal: 0, 1" in str(caught.value)
    doses = text_of(["A"], "train: {file: t.csv}", levels='["0 uM", "1 uM", "10 uM"]')
    with pytest.raises(RowError, match="legal: 0 uM, 1 uM, 10 uM"):
        loaded(tmp_path, doses, t="A\n100 uM\n")
    assert nearest("hgih", ["low", "high"]) == "did you mean high?"


@pytest.mark.parametrize("minus", ["-", "\u2212", "\u2013", "\u2010", "\ufe63", "\uff0d"])
def test_every_minus_is_a_minus(tmp_path: Path, minus: str) -> None:
    for levels in ("[-1, 1]", '["-1", "1"]'):
        study = loaded(
            tmp_path,
            text_of(["A", "B"], "train: {file: t.csv}", levels),
            t=f"A,B\n{minus}1,{minus}1\n1,{minus}1.0\n"
            if levels[1] != '"'
            else f"A,B\n{minus}1,{minus}1\n1,{minus}1\n",
        )
        assert list(study.design.train) == [CTRL, A]
        assert list(next(study.with_test([f"A={minus}1,B=1"]).targets())) == [B]
    frame = pd.DataFrame({"A": [f"{minus}1", "1"], "B": ["1", f"{minus}1"]})
    assert list(read_regimes(model_of("A", "B", levels=(-1, 1)), frame).regimes) == [B, A]


LOOK_ALIKES = [
    ("10\u00b5M", "10\u03bcM", "U+00B5", "U+03BC"),
    ("caf\u00e9", "cafe\u0301", "U+00E9", "U+0301"),
    ("TNF", "TNF\u200b", "U+0054", "U+200B"),
    ("TNF", "\ufeffTNF", "U+0054", "U+FEFF"),
    ("HLA-A", "HLA\u2011A", "U+002D", "U+2011"),
    ("x\u00a0y", "x y", "U+00A0", "U+0020"),
    ("\uff21", "A", "U+FF21", "U+0041"),
]


@pytest.mark.parametrize(("one", "other", "point", "other_point"), LOOK_ALIKES)
def test_texts_that_look_alike_are_one_or_refused(one: str, other: str, point: str, other_point: str) -> None:
    assert look(one) == look(other)
    with pytest.raises(InputError) as caught:
        Study.from_labels(["ctrl", one, other, "B"])
    assert point in str(caught.value)
    assert other_point in str(caught.value)
    assert "row 3" in str(caught.value)
    levels = Intervention("dose", ("none", one))
    assert levels.index(other) == 1
    with pytest.raises(InputError, match="look the same and differ"):
        Intervention("dose", (one, other))
    if " " in other:
        return
    with pytest.raises(InputError, match=r"look the same and differ"):
        model_of(one, other)
    named = model_of(one, "B")
    assert list(read_regimes(named, ["ctrl", other, f"{other}+B", f"B_{other}"]).regimes) == [CTRL, A, AB, AB]
    assert list(read_regimes(named, {other: [1, 0], "B": [0, 1]}).regimes) == [A, B]
    with pytest.raises(InputError, match=r"the columns .* look the same and differ"):
        read_regimes(named, {one: [1], other: [0]})
    with pytest.raises(InputError, match=r"factor 'f': .* look the same and differ"):
        Model((Intervention(one, (0, 1)),), ("x",), (Factor("f", ("x",), (other,)),))
    study = Study.from_labels(["ctrl", one, "B"])
    assert study.with_test([f"{other}+B"]).identify()[0].formula is not None


def test_invisible_characters_are_in_no_name() -> None:
    study = Study.from_labels(["\ufeffctrl", "A\u200b", "B\u00ad", "A\u200b+B\u00ad"])
    assert list(study.model.position) == ["A", "B"]
    assert list(study.design.train) == [CTRL, A, B, AB]


def test_texts_that_only_resemble_each_other_stay_apart() -> None:
    assert list(Study.from_labels(["ctrl", "NF\u03baB", "NFKB", "a", "A"]).model.position) == [
        "A",
        "NFKB",
        "NF\u03baB",
        "a",
    ]
    assert Intervention("A", ("0", "0 ")).index("0 ") == 1


# tables of runs


def test_a_response_beside_all_interventions_is_ignored(tmp_path: Path) -> None:
    text = text_of(["A", "B"], "train: {file: t.csv}\ntest: {file: t.csv}")
    study = loaded(tmp_path, text, t=",A,B,yield\n1,0,0,2.5\n2,1,0,3.5\n")
    assert list(study.design.train) == [CTRL, A]
    assert study.notes == (f"{tmp_path / 't.csv'}: the columns '', 'yield' ignored: no intervention",)
    with pytest.raises(InputError, match="the column 'yield' is no intervention"):  # it may be B, misspelt
        loaded(tmp_path, text, t="A,yield\n0,2.5\n1,3.5\n")
    for second in ("A.1", "A_1", "B.2"):
        with pytest.raises(
            InputError, match=f"the column '{second}' looks like a second '[AB]', as programs rename"
        ):
            loaded(tmp_path, text, t=f"A,B,{second}\n0,0,1\n")
    with pytest.raises(InputError, match="'A' is there twice"):
        loaded(tmp_path, text, t="A,B,A\n0,0,1\n")
    own = text_of(["A", "A.1"], "train: {file: t.csv}")
    assert loaded(tmp_path, own, t="A,A.1\n0,1\n").notes == ()


def test_regimes_are_counted_once_and_rows_beside_them(tmp_path: Path) -> None:
    study = loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t="A,B\n0,0\n1,0\n0,0\n0,1\n0,0\n")
    assert "3 training regimes (5 rows)" in repr(study)
    assert "3 training regimes (5 rows)" in repr(study.design)
    assert "training regime 3 of 3 (row 4 of 5)" in str(study.explain("B"))
    assert "3 training regimes," in repr(Study.from_labels(["ctrl", "A", "A", "B"]))


def test_training_regimes_of_the_data_table(tmp_path: Path) -> None:
    rest = "train: data\ndata: {file: t.csv, outcome: y}"
    study = loaded(
        tmp_path, text_of(["A", "B"], rest), t="A,B,x,y\n1,1,0,1\n0,1,2,3\n1,0,2,2\n0,0,1,1\n1,1,0,3\n,,7,7\n"
    )
    assert list(study.design.train) == [CTRL, A, B, AB]
    assert study.notation == "assignment"
    assert "1 row was skipped" in study.notes[0]
    sizes = study.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [1, 1, 1, 2]
    labelled = loaded(
        tmp_path,
        text_of(["A", "B"], "train: data\ndata: {file: t.csv, label: g}"),
        t="g,x\nB_A,1\nNT,1\nA,3\nNT,0\n",
    )
    assert list(labelled.design.train) == [CTRL, A, AB]
    assert labelled.notation == "label"
    with pytest.raises(
        InputError, match=r"s\.yaml:3: `train: data` takes those of the data table, and there is none"
    ):
        loaded(tmp_path, text_of(["A"], "train: data"))
    with pytest.raises(InputError, match=r"s\.yaml:4: .*no such file"):
        loaded(tmp_path, text_of(["A"], "train: data\ndata: {file: none.csv}"))
    with pytest.raises(InputError, match=r"s\.yaml:3: .*no row tells a regime"):
        loaded(tmp_path, text_of(["A", "B"], "train: data\ndata: {file: t.csv}"), t="A,B,x\n,,1\n")
    with pytest.raises(RowError, match=r"t\.csv, row 2: "):
        loaded(tmp_path, text_of(["A"], "train: data\ndata: {file: t.csv}"), t="A,x\n1,1\n7,1\n")


def test_data_rows_keep_their_places() -> None:
    found = data_regimes(BITS, {"A": [None, 1, 0], "B": [None, 0, 1], "x": [1, 2, 3]})
    assert found.rows.tolist() == [1, 2]
    assert list(found.regimes) == [A, B]


def test_interventions_in_no_factor_are_named() -> None:
    mapping = {"interventions": {n: [0, 1] for n in "ABC"}, "factors": [{"sigma": ["A"]}], "train": ["ctrl", "A"]}
    study = Study.from_dict(mapping)
    (note,) = study.notes
    assert note.startswith("interventions in no factor: B, C; the model says that they change nothing")
    assert "note: interventions in no factor: B, C" in repr(study)
    formula = study.with_test(["C"]).identify()[0].formula
    assert formula is not None
    assert formula.exponents == {0: Fraction(1)}
    screen = Study.from_labels(["ctrl", *(f"g{i}" for i in range(12))], factors=[["g0", "g1"]])
    assert "g10, g11, g2, g3, g4, g5, g6, g7 and 2 more" in screen.notes[0]
    assert Study.from_labels(["ctrl", "A"]).notes == ()


# other files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"PK\x03\x04\x14\x00",
            r"this is a spreadsheet \(\.xlsx, \.ods\) or a zip archive, .*save the sheet as CSV",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", r"this is a spreadsheet \(\.xls\)"),
        (b"PAR1\x15\x04", r"this is a Parquet file, whatever its name says; call it \.parquet"),
        (b"\x89HDF\r\n\x1a\n", r"call it \.h5ad"),
        (b"\x1f\x8b\x08", "gzip archive, whatever its name says; unpack it"),
        (b"<!DOCTYPE html><html>", "this is HTML"),
        (
            "A,B\n1,0\n".encode("utf-16"),
            r"byte offset 0 is 0xff: the file is UTF-16.*save the table as CSV in UTF-8",
        ),
        ("A,B\n1,0\n".encode("utf-16-be"), "the file is UTF-16"),
        ("\ufeffA,B\n1,0\n".encode("utf-16-be"), "0xfe: the file is UTF-16"),
        ("A,B\n1,0\n".encode("utf-32"), "UTF-16"),
        ("sep=;\nA;B\n1;0\n", "the first line is 'sep=;', which Excel writes .*save the table with commas"),
        (
            "sep=,\nA,B\n1,0\n",
            "the first line is 'sep=,', which Excel writes and no column is called; remove the line$",
        ),
        ('\ufeff"sep=;"\r\nA;B\r\n', "the first line is 'sep=;'"),
        ("A;B;x\n1;0;0,5\n", "';' stands between columns, .*and with decimal points: it has decimal commas"),
        ("A;B\n1;0\n", "';' stands between columns, save the table with commas as .csv or with tabs as .tsv$"),
        ("A\tB\n1\t0\n", r"'\\t' stands between columns"),
        ("A|B\n1|0\n", r"'\|' stands between columns"),
    ],
)
def test_the_real_cause_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        loaded(tmp_path, text_of(["A", "B"], "train: {file: t.csv}"), t=content)
    assert str(tmp_path / "t.csv") in str(caught.value)


def test_commas_in_a_file_with_tabs(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("A,B\n1,0\n")
    with pytest.raises(InputError, match="',' stands between columns"):
        read_regimes(BITS, tmp_path / "t.tsv")


def test_a_mark_in_the_header_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for content in ("\ufeffA,B\n1,0\n", 'A,"\ufeffB"\n1,0\n', "\ufeff\ufeffA,B\n1,0\n", "A\u200b,B\n1,0\n"):
        path.write_text(content, encoding="utf-8")
        assert list(read_regimes(BITS, path).regimes) == [A]


def test_names_of_markup_and_greek_stay_what_they_are(tmp_path: Path) -> None:
    names = ["HLA_A", "50%", "<script>alert(1)</script>", "TNF\u03b1", "a\\\\b{c}^~$", "#1"]
    study = loaded(tmp_path, text_of(names, "train: [ctrl]\ntest: {order: 1}"))
    assert list(study.model.position) == [name.replace("\\\\", "\\") for name in names]
    assert study.notes == ()


def test_names_that_differ_in_case_only_are_told() -> None:
    study = Study.from_labels(["ctrl", "KLF1", "klf1", "GATA1"])
    (note,) = study.notes
    assert "'KLF1' and 'klf1' differ in case only" in note
    assert "names={'klf1': 'KLF1'}" in note
    one = Study.from_labels(["ctrl", "KLF1", "klf1", "GATA1"], names={"klf1": "KLF1"})
    assert list(one.model.position) == ["GATA1", "KLF1"]
    assert one.samples is not None
    assert one.samples.tolist() == [1, 1, 2]
    assert one.notes == ()


def test_controls_look_alike_too() -> None:
    assert list(Study.from_labels(["D\u200bMSO", "A"], control="DMSO").model.position) == ["A"]
    assert list(read_regimes(BITS, ["ctrl\u200b", "A"], labels=LabelConvention(control=("x",))).regimes) == [
        CTRL,
        A,
    ]
    with pytest.raises(InputError, match="reserved"):
        model_of("ctrl\u200b")


def test_remarks_on_tables_of_samples_and_costs(tmp_path: Path) -> None:
    text = text_of(["A", "B"], "train: [ctrl, A]\nsamples: {file: n.csv}")
    study = loaded(tmp_path, text, n="A,B,n\n0,0,3\n1,,4\n,,\n")
    assert [note.partition("n.csv: ")[2][:13] for note in study.notes] == ["1 row was ski", "1 empty cell "]
    path = tmp_path / "cost.csv"
    path.write_text("A,B,cost\n1,0,2\n0,1,3\n,,\n,,\n")
    assert read_prices(study.model, path).of(Regimes.from_active([A], 2)).tolist() == [2]
    path.write_text("A,B,cost\n1,0,2\n,,7\n0,1,3\n")
    with pytest.raises(RowError, match="row 2: a cost and no regime"):
        read_prices(study.model, path)
