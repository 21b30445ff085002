"""Files that call themselves .h5ad and mean ill: what they would unfold to is known before it is read."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from ifm_ident.errors import InputError, argument_of
from ifm_ident.limits import Limits
from ifm_ident.study.reading._sources import open_table

anndata = pytest.importorskip("anndata")
h5py = pytest.importorskip("h5py")
pd = pytest.importorskip("pandas")

CELLS = 40
TEXT = "t" * 50_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    obs = pd.DataFrame({"guide": ["A", "B"] * 20}, index=[f"c{i}" for i in range(CELLS)])
    x = scipy.sparse.csr_matrix(np.arange(3.0 * CELLS).reshape(CELLS, 3) % 4)
    anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=["x", "y", "z"])).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def shared_text(path: Path, **layout: Any) -> None:
    """The column `guide` anew: all its references lead to one text. HDF5 does not shuffle references."""
    kind = h5py.string_dtype()
    with h5py.File(path, "r+") as file:
        del file["obs/guide"]
        column = file["obs"].create_dataset("guide", (CELLS,), kind, **layout)
        column.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        column[:] = [TEXT] + ["B"] * (CELLS - 1)
        offset = column.id.get_offset()
        if column.chunks:
            for start in range(0, CELLS, column.chunks[0]):
                mask, first = column.id.read_direct_chunk((0,))
                plain = zlib.decompress(first) if layout.get("compression") else first
                references = np.frombuffer(plain, "u1").reshape(-1, 16)
                same = np.repeat(references[:1], len(references), axis=0).tobytes()
                data = zlib.compress(same) if layout.get("compression") else same
                column.id.write_direct_chunk((start,), data, mask)
    if offset is not None:
        whole = bytearray(path.read_bytes())
        whole[offset : offset + 16 * CELLS] = bytes(whole[offset : offset + 16]) * CELLS
        path.write_bytes(whole)


LAYOUTS: dict[str, dict[str, Any]] = {
    "one piece": {},
    "chunks": {"chunks": (10,)},
    "compressed": {"chunks": (10,), "compression": "gzip"},
    "shuffled too": {"chunks": (10,), "compression": "gzip", "shuffle": True},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_many_references_to_one_long_text(layout: dict[str, Any], path: Path) -> None:
    """Forty times 50,000 characters in a file of 80,000 bytes."""
    shared_text(path, **layout)
    assert open_table(path).data["guide"].to_pylist() == [TEXT] * CELLS  # such is the file, and there is room
    assert path.stat().st_size < 200_000
    with (
        Limits(file=1_000_000),
        pytest.raises(InputError, match=r"cells\.h5ad, decompressed: 2,0\d\d,\d\d\d bytes") as e,
    ):
        open_table(path)
    assert argument_of(e.value) == "limit"
    with Limits(file=2_100_000):
        assert open_table(path).row_count == CELLS


def test_texts_that_fit_are_read_though_a_long_one_is_elsewhere(path: Path) -> None:
    """The references are counted one by one where the longest text times the rows is beyond the limit."""
    with h5py.File(path, "r+") as file:
        file["uns/long"] = TEXT
    with Limits(file=1_000_000):
        assert open_table(path).data["guide"].to_pylist() == ["A", "B"] * 20


def bomb(file: Any) -> None:
    column = file["obs"].create_dataset("n", (CELLS,), "f8", chunks=(CELLS,), compression="gzip")
    column.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    column.id.write_direct_chunk((0,), zlib.compress(bytes(50_000_000)))
    file["obs"].attrs["column-order"] = np.array(["guide", "n"], dtype=h5py.string_dtype())


def groups(file: Any) -> None:
    del file["obs/guide"]
    file["obs/guide"] = file["obs"]


def attribute(file: Any) -> None:
    file["obs"].attrs["column-order"] = np.array(["guide"] + [TEXT] + ["n"] * 60, dtype=h5py.string_dtype())


def replaced(name: str, values: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        about = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(about)

    return change


def shaped(file: Any) -> None:
    file["X"].attrs["shape"] = (10**9, 3)


POINTERS = np.arange(0, 3 * CELLS + 1, 3)
HOSTILE: dict[str, tuple[Callable[[Any], None], str]] = {
    "chunk": (bomb, "a chunk of /obs/n inflates to more than it may hold"),
    "wide chunk": (
        lambda file: file["obs"].create_dataset("n", (5,), "f8", maxshape=(None,), chunks=(2**28,)),
        r"a chunk of /obs/n: 2,147,483,648 bytes; the limit is file=1000000",
    ),
    "groups": (groups, "holds more than a column does"),
    "attribute": (attribute, "the attribute 'column-order' of /obs: .* the limit is file=1000000"),
    "codes": (replaced("obs/guide", np.zeros(CELLS, "i4,f8")), "this is no .h5ad file that anndata can read|type"),
    "one text": (replaced("obs/guide", "A"), "this is no .h5ad file that anndata can read"),
    "scalar data": (replaced("X/data", 3.0), "/X/data is no array of numbers"),
    "text data": (replaced("X/data", np.array([b"a"] * 90)), "/X/data is no array of numbers"),
    "few data": (replaced("X/data", np.ones(3)), "the parts of X do not fit each other"),
    "shape": (shaped, "X is 1000000000 by 3, and obs by var are 40 by 3"),
    "pointers": (replaced("X/indptr", POINTERS[::-1].copy()), "/X/indptr does not tell where rows begin"),
    "far": (replaced("X/indptr", np.append(POINTERS[:-1], 2**60)), "/X/indptr does not tell where rows begin"),
    "indices": (lambda file: file["X/indices"].__setitem__(0, 1_000_000), "no .h5ad file .*ind"),
    "negative": (lambda file: file["X/indices"].__setitem__(0, -7), "no .h5ad file .*ind"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_contradicts_itself_is_refused(kind: str, path: Path) -> None:
    """Pointers and indices outside of X would be followed out of memory."""
    change, words = HOSTILE[kind]
    with h5py.File(path, "r+") as file:
        change(file)
    with Limits(file=1_000_000), pytest.raises(InputError, match=rf"cells\.h5ad.*{words}"):
        open_table(path, ["x"]).column("guide").cast("large_string")


@pytest.mark.parametrize("place", ["obs/guide", "var/_index", "obs"])
@pytest.mark.parametrize("form", ["csc", "csr"])
def test_a_sparse_matrix_whose_indices_lie_is_no_column(place: str, form: str, path: Path) -> None:
    """scipy takes such indices as they are and ends the process where it walks over them."""
    with h5py.File(path, "r+") as file:
        if place != "obs":
            del file[place]
            part = file.create_group(place)
        part = file[place]
        part.attrs.update({"encoding-type": f"{form}_matrix", "encoding-version": "0.1.0", "shape": [CELLS, 3]})
        part["data"], part["indices"] = np.ones(6), np.full(6, 2**40)
        part["indptr"] = np.array([0, 6, 6, 6] if form == "csc" else [0, *[6] * CELLS])
    with pytest.raises(InputError, match=r"holds more than a column does|obs is no table"):
        open_table(path)
