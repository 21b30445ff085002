"""An .h5ad file, and changes of what it is made of."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse

from tests.fuzz.choices import Choices


@functools.cache
def h5ad(kind: str) -> bytes:
    """Six cells as an .h5ad file; X is dense, csr or csc."""
    values = np.arange(18, dtype="f4").reshape(6, 3) % 4
    guides = ["ctrl", "A", "B"] * 2
    obs = pd.DataFrame(
        {
            "guide": pd.Categorical(guides),
            "text": [f"t{i}" for i in range(6)],
            "n": [1, 2, 3] * 2,
            "ok": [True] * 6,
        },
        index=[f"cell{i}" for i in range(6)],
    )
    x = values if kind == "dense" else scipy.sparse.csr_matrix(values).asformat(kind)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "c.h5ad"
        anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=["x", "y", "z"])).write_h5ad(path)
        return path.read_bytes()


def remade(file: Any, choices: Choices) -> None:
    """One part or attribute of an HDF5 file taken away, exchanged, or made of something else."""
    names: list[str] = []
    file.visit(names.append)
    inside = [name for name in names if name.partition("/")[0] in ("obs", "var", "X")]
    at = choices.pick(inside or ["obs"])
    attributes = dict(file[at].attrs) if at in file else {}
    action = choices.below(9)
    if action < 3:
        key = choices.pick([*attributes, "_index", "encoding-type", "shape"])
        if action == 0:
            file[at].attrs.pop(key, None)
        else:
            file[at].attrs[key] = _odd_array(choices)
        return
    if at in file:
        del file[at]
    if action == 3:
        file[at] = h5py.SoftLink(choices.pick(("/var", "/obs", "/none", "/")))
    elif action == 4:
        file[at] = h5py.ExternalLink("other.h5ad", "/obs")
    elif action == 5:
        file[at] = file[choices.pick(("/", "/obs", "/var", "/X"))]
    elif action == 6:
        shape = choices.pick(((10**12,), (6,), (2**40, 2**20)))
        file.create_dataset(at, shape, choices.pick(("f4", "i8", "S9")), chunks=True)
    elif action > 6:
        file[at] = _odd_array(choices)
        if action == 8:
            file[at].attrs.update(attributes)


def _odd_array(choices: Choices) -> Any:
    text = h5py.string_dtype()
    words = ("categorical", "string-array", "dataframe", "csr_matrix", "csc_matrix", "array", "nullable-integer")
    values: tuple[Any, ...] = (
        *(np.arange(6), np.arange(6)[::-1] * 9 - 3, np.full(6, np.nan), np.ones((2, 3)), np.zeros(0)),
        *(np.ones(6, bool), np.ones(6, complex), np.zeros(6, "i4,f8"), h5py.Empty("f4"), np.int8(-1)),
        *(np.array(b"ctrl"), np.array([b"A", b"\xff"] * 3), np.full(6, 2**62), np.array([6, 3])),
        *(np.array([3, 6, 1]), np.array([-1, 2]), np.array([2**62, 3])),
        *(*words, "_index", "0.1.0", "", "x" * 60_000),
        *(np.array(["ctrl", "A", "B", "A", "\ud800é", "x" * 30_000], text), np.array(["ctrl", "A", "B"], text)),
    )
    return choices.pick(values)
