"""AnnData in memory and in files: labels from obs, measured columns from obs or X."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.errors import InputError, MissingExtraError
from ifm_ident.study.reading import _anndata_files as anndata_files
from ifm_ident.study.reading._anndata_files import anndata_table
from ifm_ident.study.reading._sources import open_table, table_of
from ifm_ident.study.reading._tables import read_data_regimes, read_regimes
from ifm_ident.study.study import Study, load

anndata = pytest.importorskip("anndata")
h5py = pytest.importorskip("h5py")
pd = pytest.importorskip("pandas")

GENES = ("KLF1", "GATA1", "HBG1", "batch", "SPI1")
MODEL = Model(
    (Intervention("KLF1", (0, 1)), Intervention("SPI1", (0, 1))), ("x",), (Factor("f", ("x",), ("KLF1", "SPI1")),)
)
VALUES = np.random.default_rng(3).poisson(0.7, (40, 5)).astype(np.float32)
KINDS = {
    "dense": lambda x: x,
    "csr": scipy.sparse.csr_matrix,
    "csc": scipy.sparse.csc_matrix,
    "csr array": scipy.sparse.csr_array,
    "csc array": scipy.sparse.csc_array,
}


def cells(kind: str = "csr") -> Any:
    labels = ["control", "KLF1", "KLF1_SPI1", "SPI1"] * 10
    obs = pd.DataFrame(
        {"guide": pd.Categorical(labels), "batch": np.arange(40) % 3, "odd": np.arange(40) % 2 == 1},
        index=[f"cell{i}" for i in range(40)],
    )
    obs.index.name = "barcode"
    return anndata.AnnData(KINDS[kind](VALUES), obs=obs, var=pd.DataFrame(index=list(GENES)))


def sources(tmp_path: Path, kind: str) -> list[Any]:
    whole = cells(kind)
    path = tmp_path / "cells.h5ad"
    whole.write_h5ad(path)
    return [whole, path, str(path), anndata.read_h5ad(path, backed="r"), whole[:, :]]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_of_obs_and_of_x(tmp_path: Path, kind: str) -> None:
    for source in sources(tmp_path, kind):
        table = table_of(source, ["HBG1", "X:KLF1", "obs:batch", "X:batch", "guide"])
        assert table.names == ["guide", "batch", "odd", "obs:batch", "HBG1", "X:KLF1", "X:batch"]
        assert np.array_equal(table.data["HBG1"].to_numpy(), VALUES[:, 2])
        assert np.array_equal(table.data["X:KLF1"].to_numpy(), VALUES[:, 0])
        assert np.array_equal(table.data["X:batch"].to_numpy(), VALUES[:, 3])
        assert table.data["obs:batch"].to_pylist() == (np.arange(40) % 3).tolist()
        assert table.row_count == 40


def test_x_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anndata_files, "_BLOCK_CELLS", 35)  # seven rows at a time
    for kind in ("dense", "csr", "csc"):
        folder = tmp_path / kind
        folder.mkdir()
        for source in sources(folder, kind):
            assert np.array_equal(table_of(source, ["SPI1"]).data["SPI1"].to_numpy(), VALUES[:, 4])


def test_x_alone_is_never_read_for_regimes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("X was read")

    monkeypatch.setattr(anndata_files, "_columns_of", refuse)
    for source in sources(tmp_path, "csr"):
        # interventions are var names too: their columns are expression, not levels
        regimes = read_regimes(MODEL, source, "guide").regimes
        assert list(regimes)[:4] == [(), ((0, 1),), ((0, 1), (1, 1)), ((1, 1),)]
        assert len(read_data_regimes(MODEL, source, "guide")) == 40


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["HBG2"], "neither obs nor var has 'HBG2'; did you mean HBG1"),
        (["X:HBG2"], "var has no name 'HBG2'; did you mean HBG1"),
        (["X:guide"], "var has no name 'guide'"),
        (["obs:KLF1"], "obs has no column 'KLF1'"),
        (["batch"], "'batch' is a column of obs and a name of var; write obs:batch or X:batch"),
    ],
)
def test_names_that_cannot_be_found(tmp_path: Path, columns: list[str], message: str) -> None:
    for source in sources(tmp_path, "csr"):
        with pytest.raises(InputError, match=message):
            table_of(source, columns)


def test_repeated_var_names_and_no_x(tmp_path: Path) -> None:
    twice = anndata.AnnData(VALUES, var=pd.DataFrame(index=["a", "b", "c", "d", "e"]))
    twice.var.index = ["a", "a", "c", "d", "e"]
    with pytest.raises(InputError, match="var has the name 'a' 2 times; make names distinct"):
        anndata_table(twice, ["a"])
    assert np.array_equal(anndata_table(twice, ["c"]).data["c"].to_numpy(), VALUES[:, 2])
    empty = anndata.AnnData(obs=cells().obs, var=pd.DataFrame(index=list(GENES)))
    with pytest.raises(InputError, match="there is no X"):
        anndata_table(empty, ["HBG1"])
    empty.write_h5ad(tmp_path / "no_x.h5ad")
    with pytest.raises(InputError, match=r"no_x\.h5ad: there is no X"):
        table_of(tmp_path / "no_x.h5ad", ["HBG1"])


def test_files_that_are_no_anndata(tmp_path: Path) -> None:
    (tmp_path / "bad.h5ad").write_bytes(b"not hdf5 at all")
    with pytest.raises(InputError, match=r"bad\.h5ad: this is no \.h5ad file"):
        table_of(tmp_path / "bad.h5ad")
    import h5py

    with h5py.File(tmp_path / "other.h5ad", "w") as file:
        file["something"] = [1]
    with pytest.raises(InputError, match=r"other\.h5ad: this is no \.h5ad file"):
        table_of(tmp_path / "other.h5ad")
    cells().write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(InputError, match=r"there is no such file; did you mean cells\.h5ad\?"):
        table_of(tmp_path / "cell.h5ad")


def test_the_package_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "cells.h5ad"
    cells().write_h5ad(path)
    monkeypatch.setitem(__import__("sys").modules, "anndata.io", None)
    with pytest.raises(MissingExtraError, match=r"ifm-ident\[anndata\]"):
        table_of(path)


def test_a_study_file_names_an_h5ad(tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "s.yaml").write_text(
        "interventions: {KLF1: [0, 1], SPI1: [0, 1]}\nfactors: [{sigma: [KLF1]}, {sigma: [SPI1]}]\n"
        "train: [ctrl, KLF1, SPI1]\ndata: {file: cells.h5ad, label: guide}\n"
    )
    study = load(tmp_path / "s.yaml")
    sizes = study.sample_sizes()
    assert sizes is not None
    assert sizes.tolist() == [10, 10, 10]
    for source in (tmp_path / "cells.h5ad", cells()):
        screen = Study.from_labels(source, "guide")
        assert list(screen.model.position) == ["KLF1", "SPI1"]
        assert screen.samples is not None
        assert screen.samples.tolist() == [10, 10, 10, 10]
    with pytest.raises(InputError, match=r"cells\.h5ad: there is no column 'barcode'; it is the index"):
        Study.from_labels(tmp_path / "cells.h5ad", "barcode")
    with pytest.raises(InputError, match=r"the column 'odd' holds values of type bool"):
        Study.from_labels(tmp_path / "cells.h5ad", "odd")


@pytest.mark.filterwarnings("ignore:Element .* without encoding metadata")
def test_a_file_of_anndata_0_7_with_many_categories(tmp_path: Path) -> None:
    """They stood together in obs/__categories, each column with a reference to its own."""
    path, n = tmp_path / "old.h5ad", 12
    words = pd.Categorical(["ctrl", "A", "B"] * 4)
    obs = pd.DataFrame({f"c{i}": words for i in range(6)}, index=[f"cell{i}" for i in range(n)])
    anndata.AnnData(np.ones((n, 2)), obs=obs, var=pd.DataFrame(index=["u", "v"])).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        table = file["obs"]
        table.attrs["encoding-version"] = "0.1.0"
        table.create_group("__categories")
        for name in obs.columns:
            codes, categories = table[f"{name}/codes"][:], table[f"{name}/categories"][:]
            del table[name]
            told = table.create_dataset(f"__categories/{name}", data=categories, dtype=h5py.string_dtype())
            table.create_dataset(name, data=codes).attrs["categories"] = told.ref
    assert Study.from_labels(path, "c5").data is not None
    assert open_table(path, ["c3"]).data["c3"].to_pylist() == ["ctrl", "A", "B"] * 4
