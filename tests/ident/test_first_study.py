"""`ifm init` on tables nobody prepared: what is found, that it reads back, and what is refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifm_ident import InputError, Status
from ifm_ident.study import _yaml_text as yaml_text
from ifm_ident.study.first_study import FirstStudy, first_study
from ifm_ident.study.reading._yaml_nodes import parse_yaml
from ifm_ident.study.study import Study, load


def table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def rows(header: str, *lines: str, times: int = 4) -> str:
    """Each line so many times, with another number in its last column each time."""
    cells = [line.rpartition(",")[0] for line in lines for _ in range(times)]
    return "\n".join([header, *(f"{cell},{k * 0.37 + 0.1:.2f}" for k, cell in enumerate(cells))]) + "\n"


def written(tmp_path: Path, found: FirstStudy) -> Study:
    """The study as `ifm identify` reads it from its file."""
    path = tmp_path / "study.yaml"
    path.write_text(found.text, encoding="utf-8")
    return load(path)


def flat(found: FirstStudy) -> str:
    """The text with the lines of a comment joined."""
    return found.text.replace("\n# ", " ").replace("\n  # ", " ")


def levels(study: Study) -> dict[str, list[Any]]:
    return {one.name: list(one.levels) for one in study.model.interventions}


CONVENTIONS: dict[str, tuple[str, dict[str, list[Any]], int]] = {
    "0/1 columns": (rows("A,B,x", "0,0,1.5", "1,0,2.5", "0,1,3.5"), {"A": [0, 1], "B": [0, 1]}, 3),
    "labels with +": (
        rows("perturbation,x", "ctrl,1.1", "A,2.2", "B,3.3", "A+B,4.4"), {"A": [0, 1], "B": [0, 1]}, 4,
    ),
    "GEARS": (
        rows("condition,x", "ctrl,1.1", "A+ctrl,2.2", "ctrl+B,3.3", "A+B,4.4"), {"A": [0, 1], "B": [0, 1]}, 4,
    ),
    "Norman": (
        rows("guide_identity,x", "NegCtrl0_NegCtrl0,1.1", "A_NegCtrl0,2.2", "NegCtrl1_B,3.3", "A_B,4.4"),
        {"A": [0, 1], "B": [0, 1]},
        4,
    ),
    "DMSO": (rows("perturbation,x", "DMSO,1.1", "A,2.2", "B,3.3"), {"A": [0, 1], "B": [0, 1]}, 3),
    "doses in labels": (
        rows("perturbation,x", "DMSO,1.1", "A_10uM,2.2", "A_100nM,3.3", "B_1uM,4.4", "A_10uM+B_1uM,5.5"),
        {"A": [0, 0.1, 10], "B": [0, 1]},
        5,
    ),
    "dose columns": (
        rows("drugA_dose,drugB_dose,x", "0,0,1.1", "0.3,0,2.2", "3,0,2.2", "0,1.0,3.3"),
        {"drugA_dose": [0, 0.3, 3], "drugB_dose": [0, 1]},
        4,
    ),
    "factors": (
        rows("genotype,treatment,x", "wt,vehicle,1.1", "ko,vehicle,2.2", "wt,drug,3.3", "ko,drug,3.5"),
        {"genotype": ["wt", "ko"], "treatment": ["vehicle", "drug"]},
        4,
    ),
    "two columns of labels": (
        rows("gene_1,gene_2,x", "negative,negative,1.1", "A,negative,2.2", "A,B,3.3", "negative,B,3.5"),
        {"A": [0, 1], "B": [0, 1]},
        4,
    ),
    "states of genes": (
        rows("geneA,geneB,x", "wt,wt,1.1", "ko,wt,2.2", "wt,ko,3.3", "ko,ko,3.5"),
        {"geneA": ["wt", "ko"], "geneB": ["wt", "ko"]},
        4,
    ),
    "three states of genes": (
        rows("gene_1,gene_2,x", "wt,wt,1.1", "het,wt,2.2", "wt,hom,3.3", "hom,wt,3.5"),
        {"gene_1": ["wt", "het", "hom"], "gene_2": ["wt", "hom"]},
        4,
    ),
    "states of drugs": (
        rows("drugA,drugB,x", "vehicle,vehicle,1.1", "30uM,vehicle,2.2", "vehicle,30uM,3.3"),
        {"drugA": ["vehicle", "30uM"], "drugB": ["vehicle", "30uM"]},
        3,
    ),
    "booleans as text": (
        rows("drugA,drugB,x", "FALSE,FALSE,1.1", "TRUE,FALSE,2.2", "FALSE,TRUE,3.3"),
        {"drugA": ["FALSE", "TRUE"], "drugB": ["FALSE", "TRUE"]},
        3,
    ),
    "a letter is no outcome": (
        rows("A,drug_y,x", "0,0,1.5", "1,0,2.5", "0,1,3.5"), {"A": [0, 1], "drug_y": [0, 1]}, 3,
    ),
    "numbered controls": (
        rows("guide,x", "NTC_3,1.1", "KLF1,2.2", "CEBPA,3.3"), {"CEBPA": [0, 1], "KLF1": [0, 1]}, 3,
    ),
    "names no intervention can have": (
        rows("drug A,IL-2: (ng),x", "0,0,1.1", "1,0,2.2", "0,1,3.3"), {"drug_A": [0, 1], "IL-2__(ng)": [0, 1]}, 3,
    ),
    "labels no name can be": (
        rows("perturbation,x", "ctrl,1.1", '"1S,3R-RSL-3",2.2', "chr1:100-200,3.3", "Compound 7,3.5"),
        {"1S_3R-RSL-3": [0, 1], "Compound_7": [0, 1], "chr1_100-200": [0, 1]},
        4,
    ),
    "true and false": (rows("A,x", "False,1.1", "True,2.2"), {"A": ["False", "True"]}, 2),
    "leading zeros": (rows("A,x", "00,1.1", "01,2.2"), {"A": [0, 1]}, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVENTIONS)
def test_conventions_are_found_and_read_back(tmp_path: Path, name: str) -> None:
    text, expected, regimes = CONVENTIONS[name]
    found = first_study(table(tmp_path, text))
    study = written(tmp_path, found)
    assert levels(study) == expected
    assert len(study.design.train) == regimes
    sizes = study.sample_sizes()
    assert sizes is not None
    assert set(sizes.tolist()) == {4}
    assert study.model.variables == ("x",)
    assert [one.sigma for one in study.model.factors] == [(name,) for name in expected]
    assert found.text == first_study(table(tmp_path, text)).text
    assert not study.identify().counts().get("undecided", 0)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ("0", "1", "NA"),
            "the column 'A' says states and is no intervention here: regimes are counted without it",
        ),
        (("off", "on", "NA"), "the column 'A' says states and is no intervention here"),
        (("0", "1", "Total"), "'Total' stands in one row of the column 'A' and is taken for a level"),
    ],
)
def test_what_may_be_misread_is_said(tmp_path: Path, cells: tuple[str, ...], words: str) -> None:
    lines = [f"{cells[i % 2]},{i // 2 % 2},{i * 0.37}" for i in range(20)]
    path = table(tmp_path, "\n".join(["A,B,x", *lines, f"{cells[2]},0,1.3"]))
    [remark] = first_study(path).remarks
    assert words in remark
    assert first_study(path, interventions=["B"]).remarks == ()
    assert first_study(table(tmp_path, "\n".join(["A,B,x", *lines]), "plain.csv")).remarks == ()


def test_doses_in_labels_have_values(tmp_path: Path) -> None:
    text = rows("perturbation,x", "DMSO,1.1", "A_10uM,2.2", "A_100nM,3.3", "A_0uM,1.0")
    study = written(tmp_path, first_study(table(tmp_path, text)))
    assert study.model.interventions[0].basis is not None
    assert study.sample_sizes().tolist() == [8, 4, 4]  # type: ignore[union-attr]
    assert study.with_test("A=5").identify()[0].status is Status.IDENTIFIED


def test_pairs_have_factors(tmp_path: Path) -> None:
    path = table(tmp_path, rows("perturbation,x", "ctrl,1.5", "A,2.5", "B,3.5", "C,1.5", "A+B,4.5"))
    study = written(tmp_path, first_study(path, pairs=True))
    assert [one.sigma for one in study.model.factors] == [("A",), ("B",), ("C",), ("A", "B")]


def test_units_covariates_outcome_and_gaps(tmp_path: Path) -> None:
    lines = [
        f"m{i % 6},b{i % 2},{(i // 12) % 2},{i * 0.37},{i * 0.61},{'' if i == 3 else i * 0.2}" for i in range(48)
    ]
    found = first_study(table(tmp_path, "\n".join(["mouse,batch,A,x1,viability,gaps", *lines])))
    study = written(tmp_path, found)
    assert study.data is not None
    assert (study.data.unit, study.covariates, study.data.outcome) == ("mouse", ("batch",), "viability")
    assert study.model.variables == ("x1",)
    assert "'gaps'" in found.text


def test_a_batch_for_each_regime_is_no_covariate(tmp_path: Path) -> None:
    found = first_study(table(tmp_path, rows("batch,A,x", "b1,0,1.5", "b2,1,2.5")))
    assert written(tmp_path, found).covariates == ()
    assert "'batch' is left out" in found.text


def test_a_column_that_says_the_others_again_is_left_out(tmp_path: Path) -> None:
    text = rows("g,t,class,x", "a,u,au,1.5", "a,v,av,1.7", "b,u,bu,2.5", "b,v,bv,1.3")
    assert list(levels(written(tmp_path, first_study(table(tmp_path, text))))) == ["g", "t"]


@pytest.mark.parametrize("word", ["NA", "nan", "None", "NULL", "n/a", "<NA>"])
def test_missing_words_are_no_baseline_and_no_control(tmp_path: Path, word: str) -> None:
    with pytest.raises(InputError, match="no label of 'perturbation' means baseline"):
        first_study(table(tmp_path, rows("perturbation,x", f"{word},1.1", "A,2.2", "B,2")))
    with pytest.raises(InputError, match=r"row 5: .*missing"):
        first_study(table(tmp_path, rows("perturbation,x", "ctrl,1.1", f"{word},2.2", "A,1")))
    with pytest.raises(InputError, match=r"row 5: .* reads as a missing value, which is no level"):
        first_study(table(tmp_path, rows("A,x", "0,1.1", f"{word},2.2", "1,3.3")))
    found = first_study(table(tmp_path, rows("A,B,x", "0,0,1.1", f"0,{word},2.2", "1,1,3.3")))
    assert list(levels(written(tmp_path, found))) == ["A"]
    assert "'B' is left out" in found.text
    given = first_study(table(tmp_path, rows("perturbation,x", f"{word},1", "A,2", "B,3")), control=word)
    assert len(written(tmp_path, given).design.train) == 3


def test_rows_that_spreadsheets_leave_are_no_gaps(tmp_path: Path) -> None:
    path = table(tmp_path, rows("A,B,viability", "0,0,", "1,0,", "0,1,") + ",,\n,,\n")
    study = written(tmp_path, first_study(path))
    assert study.model.variables == ("viability",)
    assert study.sample_sizes().sum() == 12  # type: ignore[union-attr]


def test_a_dose_beside_the_labels_is_left_out_and_said(tmp_path: Path) -> None:
    """As scPerturb has it: `x0` is what `nperts` says has no perturbation."""
    text = rows("perturbation,nperts,dose_value,s1", "x0,0,0,", "A,1,1,", "A,1,10,", "B,1,5,")
    found = first_study(table(tmp_path, text))
    study = written(tmp_path, found)
    assert levels(study) == {"A": [0, 1], "B": [0, 1]}
    assert study.model.variables == ("s1",)
    assert "'dose_value'" in found.text


def test_booleans_are_named_as_what_they_are(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    path = tmp_path / "t.parquet"
    pd.DataFrame({"treated": [True, False] * 10, "z": np.arange(20) * 0.7}).to_parquet(path)
    with pytest.raises(InputError, match="'treated' holds values of type bool"):
        first_study(path)


def test_an_empty_cell_is_no_level_that_was_run(tmp_path: Path) -> None:
    """Rows without the drug must not be read as rows with the drug that is first in order."""
    lines = ["drug,kd,x", *(f"{drug},{kd},{k * 0.3}" for k in range(3) for drug in ("", "A", "B") for kd in "01")]
    found = first_study(table(tmp_path, "\n".join(lines)))
    assert list(levels(written(tmp_path, found))) == ["kd"]
    assert "'drug' is left out: 6 cells are empty, and no level says that nothing was done (row 1)" in flat(found)
    with pytest.raises(InputError, match=r"row 1: 6 cells of the column 'drug' are empty"):
        first_study(table(tmp_path, "\n".join(lines)), interventions=["drug"])
    filled = first_study(table(tmp_path, "\n".join([*lines, "control,0,0.5", "control,1,0.6"])))
    assert levels(written(tmp_path, filled))["drug"] == ["control", "A", "B"]


def test_every_numbered_column_of_labels_is_read(tmp_path: Path) -> None:
    """Also the third, and one that holds one name beside empty cells."""
    text = rows("drug1,drug2,drug3,x", "DMSO,,,", "A,,,", "A,B,,", "A,B,C,")
    assert levels(written(tmp_path, first_study(table(tmp_path, text)))) == {name: [0, 1] for name in "ABC"}


@pytest.mark.parametrize(("first", "second"), [("A ", "A"), ("a b", "a_b")])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, first: str, second: str) -> None:
    with pytest.raises(InputError, match="have one name as interventions"):
        first_study(table(tmp_path, rows(f"{first},{second},x", "0,0,", "1,0,", "0,1,", "1,1,")))
    with pytest.raises(InputError, match="have one name as interventions"):
        first_study(table(tmp_path, rows(f"B,{first},{second}", "0,0,", "1,0,", "0,1,", "1,1,")))


def test_ids_dates_constants_and_copies_of_the_regime_are_no_variables(tmp_path: Path) -> None:
    head = "sample_id,date,stamp,A,dose_step,constant,note,x"
    lines = [
        f"{1000 + 7 * k},2024-01-0{1 + k % 3},0{1 + k // 2 % 3}/01/2024 10:00,{k // 6 % 2},{k // 6 % 2 * 5.5},7,"
        f"n{k % 20},{k * 0.37}"
        for k in range(36)
    ]
    found = first_study(table(tmp_path, "\n".join([head, *lines])), interventions=["A"])
    study = written(tmp_path, found)
    assert study.model.variables == ("x",)
    assert study.covariates == ("date", "stamp")
    for words in (
        "their whole numbers name things, by their names: 'sample_id'",
        "they have one value: 'constant'",
        "they are the same in all rows of a regime: 'dose_step'",
        "they hold text: 'note'",
    ):
        assert words in flat(found)
    assert set(levels(written(tmp_path, first_study(table(tmp_path, "\n".join([head, *lines])))))) == {
        "A", "dose_step",
    }  # fmt: skip


@pytest.mark.parametrize("number", ['"{k},5"', '"1,{k}00"', "\u22121{k}.5", "1{k} %", '"{k},500,000.25"'])
def test_numbers_that_no_program_reads_are_named(tmp_path: Path, number: str) -> None:
    found = first_study(table(tmp_path, "A,y\n" + "".join(f"{k % 2},{number.format(k=k)}\n" for k in range(1, 9))))
    assert "their numbers are not written as programs read them (write 1.5, 1500 or -2): 'y'" in flat(found)
    [remark] = found.remarks
    assert "left out as no numbers, 'y'" in remark


@pytest.mark.parametrize("label", ["unknown", "?", "-", "Not determined", "A+?", "unassigned"])
def test_words_for_what_nobody_knows_are_no_intervention(tmp_path: Path, label: str) -> None:
    text = rows("perturbation,x", "ctrl,", "A,", "B,", "A+B,", f"{label},")
    with pytest.raises(InputError, match="reads as a missing value"):
        first_study(table(tmp_path, text))


@pytest.mark.parametrize("label", ["Kontrolle", "t\u00e9moin", "sin tratamiento", "untreated"])
def test_controls_in_other_languages_are_known(tmp_path: Path, label: str) -> None:
    text = rows("perturbation,x", f"{label},", "A,", "B,")
    assert list(levels(written(tmp_path, first_study(table(tmp_path, text))))) == ["A", "B"]


def test_labels_that_may_be_totals_or_notes_are_remarked(tmp_path: Path) -> None:
    text = rows("perturbation,x", *(f"{name}," for name in ("ctrl", "A", "B") for _ in range(4)))
    assert first_study(table(tmp_path, text)).remarks == ()
    for more in ("Total,\nTotal,\n", "drawn in May,\n"):
        [remark] = first_study(table(tmp_path, text + more)).remarks
        assert f"the label {more.split(',')[0]!r}" in remark
        assert "remove its rows" in remark


def test_a_dose_that_is_of_a_drug_is_said(tmp_path: Path) -> None:
    text = rows("drug,dose,x", "DMSO,0,", "A,1,", "A,10,", "B,1,", "B,10,")
    assert "0 exactly where 'drug' is 'DMSO'" in flat(first_study(table(tmp_path, text)))
    text = rows("drug,dose,x", "DMSO,0,", "A,0,", "A,10,", "B,1,", "B,10,")
    assert "0 exactly" not in flat(first_study(table(tmp_path, text)))


def test_labels_whose_pieces_are_labels_are_asked_about(tmp_path: Path) -> None:
    """`A B` beside `A` and `B` is no intervention of its own unless the user says so, by an option."""
    for names, words in (
        (("A", "B", "A B"), r"may be one intervention, or A and B joined by ' '; write A\+B$"),
        (("A", "B", "A:x"), r"give separator=':' if it joins, '\+' if it does not"),
        (("I2:hi", "I4:hi"), r"give separator=':' if it joins, '\+' if it does not"),
        (("A", "A+C"), r"give separator='\+' if it joins, '\|' if it does not"),
        (("A", "CD8+"), r"give separator='\|', say, that no label holds"),
        (("A", "null"), r"remove such rows or write another name for it$"),
    ):
        with pytest.raises(InputError, match=words) as refused:
            first_study(table(tmp_path, rows("perturbation,x", "ctrl,", *(f"{name}," for name in names))))
        assert "names=" not in str(refused.value)
    text = rows("perturbation,x", "ctrl,", "I2:hi,", "I4:hi,")
    study = written(tmp_path, first_study(table(tmp_path, text), separator="+"))
    assert list(levels(study)) == ["I2_hi", "I4_hi"]
    text = rows("perturbation,x", "ctrl,", "A,", "A+C,", "CD8+,")
    study = written(tmp_path, first_study(table(tmp_path, text), separator="|"))
    assert list(levels(study)) == ["A", "A_C", "CD8_"]


def test_a_column_named_twice_counts_once(tmp_path: Path) -> None:
    text = rows("perturbation,A,x", "ctrl,0,", "B,1,", "C,1,")
    path = table(tmp_path, text)
    assert first_study(path, label=["perturbation"] * 2).text == first_study(path, label="perturbation").text
    assert first_study(path, interventions=["A", "A"]).text == first_study(path, interventions=["A"]).text


HOPELESS = {
    "": "empty",
    "A,B\n": "no rows",
    "x,y\n0.1,0.2\n0.3,0.5\n0.7,0.9\n": "no column looks like an intervention",
    "A,A\n0,1\n": "there twice",
    rows("perturbation,x", "ctrl,", "A,", "A+B,"): "separator=",
    rows("all,x", "0,", "1,"): "cannot be called",
    "perturbation\nctrl\nctrl\n": "no column looks like",
    ",".join(f"c{i}" for i in range(12)) + "\n" + "\n".join(
        ",".join("ab"[(r * 7 >> i) & 1] for i in range(12)) for r in range(999)
    ): "12 columns have few levels",
}  # fmt: skip


@pytest.mark.parametrize("text", HOPELESS)
def test_hopeless_tables_are_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=HOPELESS[text]):
        first_study(table(tmp_path, text))


def test_given_columns_must_be_there_and_have_levels(tmp_path: Path) -> None:
    path = table(tmp_path, rows("A,B,x", "0,0,1.1", "1,0,2.2"))
    for arguments, words in (
        ({"label": "C"}, "there is no column 'C'"),
        ({"interventions": ["B"]}, "has 1 level"),
        ({"outcome": "B"}, "no column of numbers"),
        ({"separator": "+"}, "is for labels"),
    ):
        with pytest.raises(InputError, match=words):
            first_study(path, **arguments)


ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_any_text_is_written_so_that_it_reads_back(text: str) -> None:
    for line in (yaml_text.flow({"k": text}), "\n".join(yaml_text.block("k", [text] * 30))):
        value = parse_yaml(line if line.startswith("k") else f"k: {line}", "t").plain()
        assert value in ({"k": {"k": text}}, {"k": [text] * 30})
    assert parse_yaml("\n".join([*yaml_text.comment(text), "k: 1"]), "t").plain() == {"k": 1}
    assert parse_yaml(f"{yaml_text.flow({text: 1})[1:-1]}", "t").plain() == {text: 1}


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, min_size=3, max_size=5, unique=True))
def test_any_names_read_back_or_are_refused(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    """As labels, as names of columns and as levels: a study that counts every row, or words."""
    import csv

    folder = tmp_path_factory.mktemp("names")
    tables: dict[str, list[list[str]]] = {
        "labels": [["perturbation", "x"], *([name, f"{k}.5"] for name in ["ctrl", *names] for k in range(2))],
        "columns": [
            [*names, "x"],
            *([*(str(int(j == k)) for j in range(len(names))), f"{k}.5"] for k in range(6)),
        ],
        "levels": [["factor", "x"], *([name, f"{k}.5"] for name in names for k in range(3))],
    }
    for kind, cells in tables.items():
        path = folder / f"{kind}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(cells)
        try:
            found = first_study(path)
        except InputError:
            continue
        study = written(folder, found)
        blank = sum(not name.strip() for name in names) * 3 if kind == "levels" else 0
        assert study.sample_sizes().sum() == len(cells) - 1 - blank, kind  # type: ignore[union-attr]


def test_an_anndata_by_the_names_of_scanpy_and_pertpy(tmp_path: Path) -> None:
    anndata, pd = pytest.importorskip("anndata"), pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    labels = ["control", "KLF1", "SPI1", "KLF1+SPI1"] * 10
    obs = pd.DataFrame(
        {"perturbation": pd.Categorical(labels), "nperts": [0, 1, 1, 2] * 10, "leiden": ["0", "1"] * 20},
        index=[f"c{i}" for i in range(40)],
    )
    cells = anndata.AnnData(
        rng.poisson(3.0, (40, 6)).astype("f4"), obs=obs, var=pd.DataFrame(index=["KLF1", "a", "b", "c", "d", "e"])
    )
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path)
    found = written(tmp_path, first_study(path))
    assert found.data is not None
    assert found.data.normalise == "log1p_cpm"
    assert set(found.model.variables) <= set("abcde")
    assert levels(found) == {"KLF1": [0, 1], "SPI1": [0, 1]}
    cells.obsm["X_pca"] = rng.normal(size=(40, 4))
    cells.layers["counts"] = cells.X.copy()
    cells.write_h5ad(path)
    found = written(tmp_path, first_study(path))
    assert found.model.variables == ("X_pca-0", "X_pca-1")
    assert found.data is not None
    assert (found.data.layer, found.data.outcomes) == ("counts", "all")
    del cells.obs["perturbation"]
    cells.obs["gene"] = ["x0" if label == "control" else label for label in labels]
    cells.write_h5ad(path)
    found = written(tmp_path, first_study(path))
    assert found.data is not None
    assert found.data.labels is not None
    assert found.data.label == "gene"
    assert found.data.labels.control == ("x0",)


def test_a_strange_control_is_proposed_where_no_combination_holds_it(tmp_path: Path) -> None:
    def table(control: str) -> Path:
        labels = [control, "ketamine", "exercise", "ketamine + exercise"] * 6
        lines = [f"{label},{i % 5 + 0.25 * i}" for i, label in enumerate(labels)]
        path = tmp_path / "rats.csv"
        path.write_text("\n".join(["Treatment,score", *lines]) + "\n")
        return path

    with pytest.raises(InputError, match=r"perhaps 'buffer7', the only one that no other label holds") as caught:
        first_study(table("buffer7"))
    assert caught.value.argument == "control"
    assert list(first_study(table("buffer7"), control=("buffer7",)).study.model.position) == [
        "exercise",
        "ketamine",
    ]
    assert list(first_study(table("saline_sham")).study.model.position) == ["exercise", "ketamine"]


def test_what_was_measured_of_users_is_no_intervention(tmp_path: Path) -> None:
    path = tmp_path / "ab.csv"
    rows = [f"{'AB'[i % 2]},{('DE', 'US')[i // 2 % 2]},{i // 4 % 2},{i * 0.5}" for i in range(80)]
    path.write_text("\n".join(["variant,country,converted,revenue", *rows]) + "\n")
    found = first_study(path).study
    assert list(found.model.position) == ["variant"]
    assert found.model.covariates == ("country",)
    assert found.data is not None
    assert found.data.outcome == "converted"


def test_names_of_drugs_that_never_change_are_no_labels(tmp_path: Path) -> None:
    doses = [f"gefitinib,{a},erlotinib,{b},1" for a in (0, 1, 10) for b in (0, 1, 10)]
    found = first_study(table(tmp_path, rows("drug1,dose1,drug2,dose2,viability", *doses)))
    assert [one.levels for one in found.study.model.interventions] == [(0, 1, 10), (0, 1, 10)]
    assert list(found.study.model.position) == ["dose1", "dose2"]
    pairs = [
        f"{a},{b},{x},{y},1" for a, b in (("Gem", "Tax"), ("5-FU", "Gem")) for x in (0, 1, 10) for y in (0, 5)
    ]
    [said] = first_study(table(tmp_path, rows("drug_row,drug_col,conc_r,conc_c,inhibition", *pairs))).remarks
    assert (
        "no level of 'drug_row', 'drug_col' says that nothing was done, and 'conc_r', 'conc_c' may be doses"
        in said
    )


def test_a_frame_is_refused_in_words() -> None:
    with pytest.raises(InputError, match="of a table in a file, which the study then names, got a dict; save"):
        first_study({"A": [0, 1]})  # type: ignore[arg-type]
