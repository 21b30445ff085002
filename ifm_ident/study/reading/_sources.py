"""Whatever a user calls a table, read: files by their suffix, data frames, AnnData, lists of labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ifm_ident.errors import InputError, nearest
from ifm_ident.files import note_input
from ifm_ident.limits import require_regular
from ifm_ident.study.reading._anndata_files import NORMALISED, anndata_table, is_anndata
from ifm_ident.study.reading._frames import LABELS, columns_table, frame_table, is_lazy, is_series
from ifm_ident.study.reading._table import Table
from ifm_ident.study.reading._table_files import ANNDATA_SUFFIX, SUFFIXES, read_table_file


def open_table(
    path: Path, columns: Sequence[str] = (), layer: str | None = None, normalise: str | None = None
) -> Table:
    """The table of a CSV, TSV, Parquet or .h5ad file, told apart by the suffix; cells of CSV and TSV stay text.

    `columns` are wanted from X of an .h5ad file beside those of obs (`anndata_table`); other files give all.
    Raises InputError for a missing, unreadable, empty or corrupt file, an unknown suffix, duplicate column
    names, and RowError for rows with too few or too many fields or not in UTF-8.

    >>> open_table(Path("regimes.xlsx"))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regimes.xlsx: tables end in .csv, .tsv, .txt, .parquet, .pq, .h5ad; save it as one
    """
    note_input(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: tables end in {', '.join(SUFFIXES)}; save it as one")
    require_regular(path)
    if path.is_dir():
        raise InputError(f"{path}: this is a directory, not a table")
    if suffix == ANNDATA_SUFFIX:
        return anndata_table(path, columns, layer, normalise)
    _require_plain(path, layer, normalise)
    return read_table_file(path)


def _require_plain(place: object, layer: str | None, normalise: str | None) -> None:
    for key, given in (("layer", layer), ("normalise", normalise)):
        if given is not None:
            raise InputError(f"{place}: `{key}` is for AnnData (.h5ad); leave it out")


def is_tabular(value: object) -> bool:
    """Whether a value is a data frame, a column of one or an AnnData: what `table_of` takes beside paths."""
    arrow = hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
    return arrow or hasattr(value, "__dataframe__") or is_series(value) or is_anndata(value) or is_lazy(value)


def table_of(
    source: object,
    columns: Sequence[str] = (),
    *,
    at: Sequence[tuple[str, str]] = (),
    layer: str | None = None,
    normalise: str | None = None,
) -> Table:
    """The table of a file, a data frame, an AnnData (its obs) or a list of labels.

    A file is a path to CSV, TSV, Parquet or .h5ad. A frame is of pandas, polars, pyarrow or another library
    that narwhals knows; a map of columns or one column (a list, array or series, then called `label` unless it
    has a name) will do too. `columns` are wanted from X of an AnnData (`anndata_table`), of `layer` in place of X
    where it is given, normalised if so asked. at: names that columns have here, and where they stand (`GENE`,
    `obs/score`, `obsm/X_pca[0]`). Missing values of
    pandas, NaN among them, are nulls; an index is no column. Columns of other types than text and numbers
    are refused when they are asked for.

    Raises InputError for anything else and for column names that are there twice.

    >>> table_of({"A": [1, None], "label": ["x", "y"]}).texts("A").to_pylist()
    ['1', None]
    >>> table_of(7)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: a table is a path, a data frame, an AnnData, or a list of labels, got a int
    """
    if isinstance(source, Table):
        return source
    if normalise is not None and normalise not in NORMALISED:
        raise InputError(f"unknown normalisation {normalise!r}; {nearest(normalise, NORMALISED)}")
    here = dict(at)
    found = _opened(source, [here.get(name, name) for name in dict.fromkeys((*columns, *here))], layer, normalise)
    if not here:
        return found
    data = found.data
    for name, place in here.items():
        column = found.column(place if place in found.names else place.removeprefix("obs/"))
        at_index = data.schema.get_field_index(name)
        data = data.append_column(name, column) if at_index < 0 else data.set_column(at_index, name, column)
    return dataclasses.replace(found, data=data)


def _opened(source: object, columns: Sequence[str], layer: str | None, normalise: str | None) -> Table:
    if isinstance(source, (str, os.PathLike)):
        return open_table(Path(source), columns, layer, normalise)
    if is_anndata(source):
        return anndata_table(source, columns, layer, normalise)
    _require_plain("the table", layer, normalise)
    if isinstance(source, Mapping):
        return columns_table("the table", source.items())
    if isinstance(source, (list, tuple, np.ndarray)):
        if isinstance(source, np.ndarray) and source.ndim != 1:
            raise InputError(f"labels are a list or an array of one axis, got shape {source.shape}")
        return columns_table("the labels", [(LABELS, source)])
    return frame_table(source)
