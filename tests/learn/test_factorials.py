"""Experiments of the literature: the loader on made-up files, and the real ones where IFM_DATA names a folder."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import pytest

import ifm_learn.data.factorials as factorials
from ifm_ident import InputError
from ifm_learn import load_factorial, load_screen

REAL = pytest.mark.skipif(
    not (Path(os.environ.get("IFM_DATA") or "no-such-folder") / "factorials" / "poisons.csv").exists(),
    reason="IFM_DATA does not name a folder with factorials/",
)
MIXTURES = b"rownames,dose,pct,rgr\n1,0,999,0.3\n2,39.0625,33,0.2\n3,39.0625,100,0.1\n4,39.0625,33,0.25\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds a small acidiq.csv and a loader that expects it."""
    (tmp_path / "factorials").mkdir()
    (tmp_path / "factorials" / "acidiq.csv").write_bytes(MIXTURES)
    source = dataclasses.replace(factorials._SOURCES["acidiq"], sha256=hashlib.sha256(MIXTURES).hexdigest())
    monkeypatch.setitem(factorials._SOURCES, "acidiq", source)
    return tmp_path


def test_mixtures_become_two_doses_and_runs_become_regimes(home: Path) -> None:
    found = load_factorial("acidiq", data_home=home)
    # 33% of 39.0625 = 625/16 is 825/64
    assert found.table["a"].to_pylist() == [0, 825 / 64, 39.0625, 825 / 64]
    assert found.table["b"].to_pylist() == [0, 39.0625 - 825 / 64, 0, 39.0625 - 825 / 64]
    assert len(found.study.design.train) == found.study.target_count == 3
    assert found.table.column_names == ["dose", "pct", "rgr", "a", "b"]


def test_keys_of_the_study_can_be_changed(home: Path) -> None:
    found = load_factorial(
        "acidiq", {"train": [{}], "factors": [{"sigma": ["a"]}, {"sigma": ["b"]}]}, data_home=home
    )
    assert len(found.study.design.train) == 1
    assert len(found.study.model.factors) == 2
    assert found.study.identify().counts()["not_identified"] == 2


def test_what_is_missing_unknown_or_another_file_is_said(home: Path) -> None:
    with pytest.raises(InputError, match=r"unknown experiment 'acidic'; did you mean acidiq\?"):
        load_factorial("acidic", data_home=home)
    with pytest.raises(
        InputError, match=r"factorials: there is no npk.csv; download it with load_factorial\('npk'"
    ):
        load_factorial("npk", data_home=home)
    (home / "factorials" / "acidiq.csv").write_bytes(MIXTURES + b"5,0,999,0.3\n")
    with pytest.raises(InputError, match=r"acidiq.csv: the file is not the one expected"):
        load_factorial("acidiq", data_home=home)


GUIDES = b"""id1,id2,score
negative,negative,0.1
negative,A,0.5
B,A,0.75
A,B,0.7
A,A,9
negative,B,0.2
"""


def test_guides_of_two_genes_become_regimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gene-pairs").mkdir()
    path = tmp_path / "gene-pairs" / "norman_gamma.csv"
    path.write_bytes(GUIDES)
    with pytest.raises(InputError, match=r"norman_gamma.csv: the file is not the one expected"):
        load_screen("norman_gamma", data_home=tmp_path)
    source = factorials._SCREENS["norman_gamma"]
    monkeypatch.setitem(
        factorials._SCREENS,
        "norman_gamma",
        dataclasses.replace(source, sha256=hashlib.sha256(GUIDES).hexdigest()),
    )
    found = load_screen("norman_gamma", data_home=tmp_path)
    assert found.table["genes"].to_pylist() == ["ctrl", "A", "A+B", "A+B", "B"]  # a gene twice is left out
    assert found.table["score"].to_pylist() == [0.1, 0.5, 0.75, 0.7, 0.2]
    assert [one.name for one in found.study.model.interventions] == ["A", "B"]
    assert len(found.study.design.train) == found.study.target_count == 4
    some = load_screen("norman_gamma", {"train": ["ctrl", "A", "B"], "test": ["A+B"]}, data_home=tmp_path)
    assert some.study.identify().counts()["identified"] == 1


def test_screens_that_are_missing_or_unknown(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown screen 'mouse'"):
        load_screen("mouse", data_home=tmp_path)
    with pytest.raises(InputError, match=r"hcs: there is no wells.csv; nothing downloads it: name the folder"):
        load_screen("hcs", data_home=tmp_path, download=True)
    with pytest.raises(InputError, match=r"download it with load_screen\('mice', download=True\)"):
        load_screen("mice", data_home=tmp_path)


@REAL
@pytest.mark.parametrize(
    ("name", "rows", "regimes", "variables"),
    [("mice", 1080, 8, 28), ("hcs", 347, 41, 146), ("norman_gamma", 51_569, 6_329, 1)],
)
def test_the_real_screens_are_the_ones_expected(name: str, rows: int, regimes: int, variables: int) -> None:
    found = load_screen(name)
    assert found.table.num_rows == rows
    assert len(found.study.design.distinct) == len(found.study.design.train) == regimes
    assert len(found.study.model.variables) == variables
    if name == "mice":
        assert len(set(found.table["mouse"].to_pylist())) == 72
    if name == "hcs":
        assert found.study.covariates == ("plate",)
        assert set(found.table["plate"].to_pylist()) == {"plate 1", "plate 2"}


@REAL
@pytest.mark.parametrize(
    ("name", "rows", "regimes"),
    [
        ("poisons", 48, 12),
        ("npk", 24, 8),
        ("ToothGrowth", 60, 6),
        ("chakravertti.factorial", 405, 135),
        ("ResumeNames", 4870, 8),
        ("acidiq", 180, 57),
    ],
)
def test_the_real_files_are_the_ones_expected(name: str, rows: int, regimes: int) -> None:
    found = load_factorial(name)
    assert found.table.num_rows == rows
    assert len(found.study.design.distinct) == len(found.study.design.train) == regimes
