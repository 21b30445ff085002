"""AnnData in memory and in .h5ad files: obs as a table, with the columns of X that are asked for."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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

NORMALISED = {"log1p_cpm": 1e6, "log1p_cp10k": 1e4}
"""What may be made of counts: log(1 + counts per million of the cell's counts)."""

_BLOCK_CELLS = 2**24
_IN_OBSM = re.compile(r"obsm/(?P<key>.+)\[(?P<column>[0-9]+)\]")


def is_anndata(source: object) -> bool:
    """Whether an object is an AnnData, told without importing anndata."""
    return type(source).__module__.partition(".")[0] == "anndata" and hasattr(source, "obs")


def anndata_table(
    source: object, columns: Sequence[str] = (), layer: str | None = None, normalise: str | None = None
) -> Table:
    """The obs of an AnnData, or of the .h5ad file at a path, as a table; of X just the `columns` asked for.

    A name in `columns` that is a column of obs is read there, otherwise from X by its var name: only these
    columns are made dense, and of a file nothing else is read. A name may say where it is, as `obs:batch`,
    `obs/batch`, `X:KLF1` or `obsm/X_pca[0]`; it must where obs and var both have it. layer: what is read in place
    of X. normalise: `log1p_cpm` makes counts of X (or the layer) to logarithms of 1 + counts per million of the
    cell, `log1p_cp10k` per ten thousand, as scanpy does.

    Raises InputError for a file that cannot be read, an unknown or ambiguous name, counts that are negative or
    logarithms already, and MissingExtraError where anndata is not installed.

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
        parts = (
            _Parts.of_file(source, stack, columns, layer) if isinstance(source, Path) else _Parts.of(source, layer)
        )
        table = frame_table(parts.obs)
        texts = np.asarray(parts.var_names, dtype=object)
        places = {column: _place(name, column, table.names, texts) for column in columns}
        data = {column: table.data.column(column) for column in table.data.column_names}
        for column, place in places.items():
            if isinstance(place, str) and place != column:
                data[column] = table.column(place)
            elif isinstance(place, tuple):
                data[column] = pa.chunked_array([parts.embedded(name, *place)])
        wanted = {column: place for column, place in places.items() if isinstance(place, int)}
        if wanted:
            if parts.x is None:
                raise InputError(f"{name}: there is no X, and obs has no column {next(iter(wanted))!r}")
            require_within("cells", len(parts.obs) * len(wanted), name)
            with parts.reading():
                x = parts.matrix(len(texts))
                values = _columns_of(x, np.array(list(wanted.values()), dtype=np.int64))
                if normalise is not None:
                    totals = _totals(name, x, logged=parts.logged and layer is None)
                    values = np.log1p(values / (totals[:, None] / NORMALISED[normalise]))
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
        parts = _Parts.of_file(path, stack) if path is not None else _Parts.of(source)
        return tuple(map(str, parts.var_names))


@dataclass(frozen=True, eq=False)
class _Parts:
    """What is read of an AnnData: obs, the var names, X or a layer (maybe on disk), obsm; `path` of a file.

    logged: whether scanpy says in uns that it took logarithms.
    """

    obs: Any
    var_names: Any
    x: Any
    obsm: Any
    path: Path | None = None
    logged: bool = False

    @classmethod
    def of(cls, source: Any, layer: str | None = None) -> _Parts:
        """The parts of one in memory."""
        x = source.X if layer is None else source.layers[_layer("the AnnData", source.layers, layer)]
        return cls(source.obs, source.var_names, x, source.obsm, logged="log1p" in source.uns)

    @classmethod
    def of_file(
        cls, path: Path, stack: ExitStack, columns: Sequence[str] = (), layer: str | None = None
    ) -> _Parts:
        """The parts of a file; nothing else of it is read, and no link is followed."""
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
            embedded = any(column.startswith("obsm/") for column in columns)
            places = ("obs", "var", "X" if layer is None else "layers", *(("obsm",) if embedded else ()))
            require_own(path, file, places)
            obs, var = file["obs"], file["var"]
            index = var[var.attrs.get("_index", "_index")]
            require_small(path, obs, index, var)
            obs, var_names = read_elem(obs), read_elem(index)
            if len(getattr(obs, "shape", ())) != 2 or np.ndim(var_names) != 1:
                raise InputError(f"{path}: obs is no table, or var has no names; write the file anew")
            layers = file.get("layers", {})
            x = file.get("X") if layer is None else layers[_layer(str(path), layers, layer)]
            own = isinstance(file.get("uns", getlink=True), h5py.HardLink) and isinstance(file["uns"], h5py.Group)
            logged = own and "log1p" in file["uns"]
            return cls(obs, var_names, x, file.get("obsm", {}) if embedded else {}, path, logged)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What reading of the file raises, as InputError."""
        if self.path is None:
            yield
        else:
            with _read(self.path):
                yield

    def matrix(self, width: int) -> Any:
        """X or the layer; that of a file, which may say of itself what is not so, is looked at first."""
        if self.path is None:
            return self.x
        from anndata.io import sparse_dataset

        require_matrix(self.path, self.x, (len(self.obs), width))
        return self.x if hasattr(self.x, "dtype") else sparse_dataset(self.x)

    def embedded(self, name: str, key: str, column: int) -> NDArray[np.float64]:
        """A column of an array in obsm, shape (n,)."""
        if key not in self.obsm:
            raise InputError(f"{name}: obsm has no {key!r}; {nearest(key, list(self.obsm))}")
        array = self.obsm[key]
        shape = tuple(getattr(array, "shape", ()))
        if len(shape) != 2 or hasattr(array, "columns"):
            raise InputError(f"{name}: obsm/{key} is no array of two axes; name one such as X_pca")
        if column >= shape[1]:
            raise InputError(
                f"{name}: obsm/{key} has {shape[1]} columns, and column {column} is asked for (from 0)"
            )
        with self.reading():
            if self.path is not None:
                require_matrix(self.path, array, (len(self.obs), int(shape[1])))
            return _dense(array[:, column]).ravel()


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


def _place(
    source: str, column: str, obs: Sequence[str], var_names: NDArray[np.object_]
) -> str | int | tuple[str, int]:
    """A column's name in obs, its index in X, or its key and index in obsm."""
    embedded = _IN_OBSM.fullmatch(column) if column not in obs else None
    if embedded is not None:
        return embedded["key"], int(embedded["column"])
    prefix = IN_OBS if column.startswith(IN_OBS) else "obs/"
    if column.startswith(prefix) and column not in obs:
        inside = column.removeprefix(prefix)
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


def _layer(name: str, layers: Any, layer: str) -> str:
    names = _names_of(layers)
    if layer not in names:
        known = nearest(layer, names) if names else "there is none: leave `layer` out"
        raise InputError(f"{name}: there is no layer {layer!r}; {known}")
    return layer


def _names_of(layers: Any) -> list[str]:
    """The names of layers; anndata 0.13 has None among them, for X."""
    return [name for name in layers if name is not None]


def embeddings(source: object) -> tuple[dict[str, int], tuple[str, ...]]:
    """The widths of the arrays in obsm of an AnnData or of an .h5ad file, and the names of its layers.

    >>> import anndata
    >>> x = np.zeros((3, 2))
    >>> cells = anndata.AnnData(x, obsm={"X_pca": np.zeros((3, 5))}, layers={"counts": x})
    >>> embeddings(cells)
    ({'X_pca': 5}, ('counts',))
    """
    with ExitStack() as stack:
        if isinstance(source, Path):
            import h5py

            with _read(source):
                file = stack.enter_context(h5py.File(source, "r"))
                require_own(source, file, ("obsm", "layers"))
                obsm, layers = file.get("obsm", {}), file.get("layers", {})
        else:
            obsm, layers = source.obsm, source.layers  # type: ignore[attr-defined]
        shapes = {str(key): tuple(getattr(obsm[key], "shape", ())) for key in obsm}
        return {key: int(shape[1]) for key, shape in shapes.items() if len(shape) == 2}, tuple(_names_of(layers))


_LARGEST_LOG = 25.0
"""Numbers that are not whole, and none as large as this, are logarithms: exp(25) is 70 billion counts."""

_REMEDY = (
    "name the layer of counts (`layer: counts`; scanpy may keep them in raw: `adata.layers['counts'] = "
    "adata.raw.X`), or leave `normalise` out"
)


def _totals(name: str, x: Any, *, logged: bool) -> NDArray[np.float64]:
    """The sum of every row of counts, shape (n,); InputError for what is no count and for rows without any.

    logged: whether the file says that logarithms were taken.
    """
    n, width = x.shape
    by_column = getattr(x, "format", "") == "csc"
    step = max(1, _BLOCK_CELLS // max(int(n if by_column else width), 1))
    found, whole, largest = np.zeros(n), True, 0.0
    for start in range(0, width if by_column else n, step):
        part = _legal(x[:, start : start + step] if by_column else x[start : start + step])
        part = part.compute() if hasattr(part, "compute") else part
        stored = part.data if hasattr(part, "toarray") else np.asarray(part)
        if stored.size and not (np.isfinite(stored).all() and stored.min() >= 0):
            raise InputError(
                f"{name}: `normalise` takes counts, finite and not negative, and these go down to "
                f"{stored.min():.4g}: they are logarithms or scaled already; {_REMEDY}"
            )
        if stored.size:
            whole, largest = whole and bool((stored == np.floor(stored)).all()), max(largest, float(stored.max()))
        sums = np.asarray(part.sum(axis=1), dtype=np.float64).ravel()
        if by_column:
            found += sums
        else:
            found[start : start + step] = sums
    if not whole and (logged or largest < _LARGEST_LOG):
        said = "scanpy's note `log1p` in uns says so" if logged else "as in logarithms"
        raise InputError(
            f"{name}: `normalise` takes counts, and these look like logarithms already: not whole numbers, the "
            f"largest {largest:.4g}, {said}; {_REMEDY}"
        )
    empty = np.flatnonzero(found == 0)
    if len(empty):
        raise InputError(f"{name}, row {empty[0] + 1}: the cell has no counts to normalise by; remove it")
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


def new_anndata(
    x: NDArray[np.float64],
    obs: Mapping[str, Sequence[object]],
    names: tuple[Sequence[str], Sequence[str]],
    layers: Mapping[str, NDArray[np.float64]],
    uns: Mapping[str, object],
) -> Any:
    """An AnnData of numbers: `names` of the rows and of the columns, made unique as anndata does.

    x and each of the layers have shape (rows, columns). Raises MissingExtraError where anndata is not installed.

    >>> found = new_anndata(np.ones((2, 1)), {"n": [1, 2]}, (["A", "A"], ["y"]), {"lower": np.zeros((2, 1))}, {})
    >>> list(found.obs_names), found.layers["lower"].tolist()
    (['A', 'A-1'], [[0.0], [0.0]])
    """
    try:
        import anndata
        import pandas as pd
    except ImportError:
        raise MissingExtraError("anndata", "anndata") from None
    rows, columns = (pd.Index(_unique(kept), dtype=object) for kept in names)
    found = anndata.AnnData(
        x, obs=pd.DataFrame(dict(obs), index=rows), var=pd.DataFrame(index=columns), uns=dict(uns)
    )
    for name, values in layers.items():
        found.layers[name] = values
    return found


def _unique(names: Sequence[str]) -> list[str]:
    """The names, a repeated one with `-1`, `-2` and so on behind it."""
    taken, found, seen = set(names), list[str](), dict[str, int]()
    for name in names:
        new = name
        while name in seen and new in taken:
            seen[name] += 1
            new = f"{name}-{seen[name]}"
        seen.setdefault(name, 0)
        taken.add(new)
        found.append(new)
    return found


def anndata_bytes(found: Any) -> bytes:
    """The .h5ad file of an AnnData."""
    import h5py
    from anndata.io import write_elem

    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        write_elem(file, "/", found)
    return buffer.getvalue()
