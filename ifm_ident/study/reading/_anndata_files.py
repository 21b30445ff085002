"""AnnData in memory and in .h5ad files: obs as a table, with the columns of X that are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.errors import InputError, MissingExtraError, nearest
from ifm_ident.lazy import see_pandas
from ifm_ident.limits import require_regular, require_within
from ifm_ident.study.reading._anndata_sizes import require_matrix, require_own, require_small
from ifm_ident.study.reading._frames import frame_table
from ifm_ident.study.reading._table import Table
from ifm_ident.study.reading.missing_files import missing_file

IN_OBS, IN_X = "obs:", "X:"
"""Prefixes that say where a column is: needed where obs and var have a name in common."""

_BLOCK_CELLS = 2**24


def is_anndata(source: object) -> bool:
    """Whether an object is an AnnData, told without importing anndata."""
    return type(source).__module__.partition(".")[0] == "anndata" and hasattr(source, "obs")


def anndata_table(source: object, columns: Sequence[str] = ()) -> Table:
    """The obs of an AnnData, or of the .h5ad file at a path, as a table; of X just the `columns` asked for.

    A name in `columns` that is a column of obs is read there, otherwise from X by its var name: only these
    columns are made dense, and of a file nothing else is read. A name may say where it is, as `obs:batch` or
    `X:KLF1`; it must where obs and var both have it.

    Raises InputError for a file that cannot be read, an unknown or ambiguous name, and MissingExtraError where
    anndata is not installed.

    >>> import anndata, pandas
    >>> cells = anndata.AnnData(
    ...     np.array([[0.5, 2.0], [0.0, 1.0]], dtype="f4"),
    ...     obs=pandas.DataFrame({"perturbation": ["ctrl", "KLF1"]}, index=["c1", "c2"]),
    ...     var=pandas.DataFrame(index=["GATA1", "HBG1"]),
    ... )
    >>> anndata_table(cells, ["HBG1"]).data.to_pydict()
    {'perturbation': ['ctrl', 'KLF1'], 'HBG1': [2.0, 1.0]}
    >>> anndata_table(cells, ["HBG2"])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the AnnData: neither obs nor var has 'HBG2'; did you mean HBG1?
    """
    with ExitStack() as stack:
        name = str(source) if isinstance(source, Path) else "the AnnData"
        obs, var_names, x = _parts_of_file(source, stack) if isinstance(source, Path) else _parts(source)
        table = frame_table(obs)
        texts = np.asarray(var_names, dtype=object)
        places = {column: _place(name, column, table.names, texts) for column in columns}
        data = {column: table.data.column(column) for column in table.data.column_names}
        for column, place in places.items():
            if isinstance(place, str) and place != column:
                data[column] = table.column(place)
        wanted = {column: place for column, place in places.items() if not isinstance(place, str)}
        if wanted:
            if x is None:
                raise InputError(f"{name}: there is no X, and obs has no column {next(iter(wanted))!r}")
            require_within("cells", len(obs) * len(wanted), name)
            index = np.array(list(wanted.values()), dtype=np.int64)
            if isinstance(source, Path):
                values = _columns_of_file(source, x, (len(obs), len(texts)), index)
            else:
                values = _columns_of(x, index)
            for k, column in enumerate(wanted):
                data[column] = pa.chunked_array([np.ascontiguousarray(values[:, k])])
    path = source if isinstance(source, Path) else name
    return Table(path, pa.table(data), unreadable=table.unreadable, elsewhere=table.elsewhere)


def gene_names(source: object) -> tuple[str, ...] | None:
    """The var names of an AnnData or of the .h5ad file at a path; None for any other table.

    >>> gene_names("cells.csv") is None
    True
    """
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if path is None and not is_anndata(source):
        return None
    if path is not None and path.suffix.lower() != ".h5ad":
        return None
    with ExitStack() as stack:
        _, names, _ = _parts_of_file(path, stack) if path is not None else _parts(source)
        return tuple(map(str, names))


def _parts(source: object) -> tuple[Any, Any, Any]:
    return source.obs, source.var_names, source.X  # type: ignore[attr-defined]


def _parts_of_file(path: Path, stack: ExitStack) -> tuple[Any, Any, Any]:
    """obs, the var names and X (still on disk); nothing else of the file is read, and no link is followed."""
    try:
        import h5py
        from anndata.io import read_elem
    except ImportError:
        raise MissingExtraError("anndata", "anndata") from None
    see_pandas()
    require_regular(path)
    if not path.exists():
        raise missing_file(path, (path.suffix.lower(),))
    with _read(path):
        file = stack.enter_context(h5py.File(path, "r"))
        require_own(path, file, ("obs", "var", "X"))
        obs, var, x = file["obs"], file["var"], file.get("X")
        index = var[var.attrs.get("_index", "_index")]
        require_small(path, obs, index, var)
        obs, var_names = read_elem(obs), read_elem(index)
        if len(getattr(obs, "shape", ())) != 2 or np.ndim(var_names) != 1:
            raise InputError(f"{path}: obs is no table, or var has no names; write the file anew")
        return obs, var_names, x


@contextmanager
def _read(path: Path) -> Iterator[None]:
    """Whatever HDF5, anndata and scipy have to say against a file, as InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{path}: this is no .h5ad file that anndata can read ({reason})") from None


def _place(source: str, column: str, obs: Sequence[str], var_names: NDArray[np.object_]) -> str | int:
    """A column's name in obs or its index in X."""
    if column.startswith(IN_OBS) and column not in obs:
        inside = column.removeprefix(IN_OBS)
        if inside not in obs:
            raise InputError(f"{source}: obs has no column {inside!r}; {nearest(inside, obs)}")
        return inside
    wanted = column.removeprefix(IN_X)
    found = np.flatnonzero(var_names == wanted)
    if column in obs:
        if wanted == column and len(found):
            raise InputError(
                f"{source}: {column!r} is a column of obs and a name of var; write {IN_OBS}{column} or "
                f"{IN_X}{column}"
            )
        return column
    if not len(found):
        known = var_names.tolist() if wanted != column else [*obs, *var_names.tolist()]
        where = "var has no name" if wanted != column else "neither obs nor var has"
        raise InputError(f"{source}: {where} {wanted!r}; {nearest(wanted, known)}")
    if len(found) > 1:
        raise InputError(
            f"{source}: var has the name {wanted!r} {len(found)} times; make names distinct with "
            "var_names_make_unique()"
        )
    return int(found[0])


def _columns_of_file(path: Path, x: Any, shape: tuple[int, int], index: Ints) -> NDArray[np.float64]:
    """Some columns of X as it is in a file, which may say of itself what is not so."""
    from anndata.io import sparse_dataset

    with _read(path):
        require_matrix(path, x, shape)
        found: NDArray[np.float64] = _columns_of(x if hasattr(x, "dtype") else sparse_dataset(x), index)
        return found


def _columns_of(x: Any, index: Ints) -> NDArray[np.float64]:
    """Some columns of X as a dense array, shape (n, k); X may be dense or sparse, in memory or on disk."""
    if isinstance(x, np.ndarray) or hasattr(x, "tocsr"):
        return _dense(x[:, index])
    n, width = x.shape
    if getattr(x, "format", "") == "csc":
        return _dense(_legal(x[:, index]))
    step = max(1, _BLOCK_CELLS // max(int(width), 1))
    parts = [_dense(_legal(x[start : start + step])[:, index]) for start in range(0, n, step)]
    return np.concatenate(parts) if parts else np.zeros((0, len(index)))


def _legal(part: Any) -> Any:
    """A part of X from a file; ValueError for indices outside of it, which scipy would follow out of memory."""
    if hasattr(part, "check_format"):
        part.check_format(full_check=True)
    return part


def _dense(part: Any) -> NDArray[np.float64]:
    part = part.toarray() if hasattr(part, "toarray") else part
    return np.asarray(part.compute() if hasattr(part, "compute") else part, dtype=np.float64)
