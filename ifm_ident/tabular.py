"""Results as data frames: Arrow always, pandas and polars where they are installed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ifm_ident.errors import IfmError, MissingExtraError
from ifm_ident.views import Shown, view

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa


class MissingPackageError(MissingExtraError):
    """A data frame library is not installed; the message names it.

    >>> raise MissingPackageError("pandas")
    Traceback (most recent call last):
    ...
    ifm_ident.tabular.MissingPackageError: this needs the package pandas: pip install pandas
    """

    def __init__(self, package: str) -> None:
        IfmError.__init__(self, f"this needs the package {package}: pip install {package}")


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingPackageError(name) from None


class Tabular(Shown):
    """A result with one row an entry; subclasses give it as an Arrow table.

    >>> import pyarrow as pa
    >>> class Two(Tabular):
    ...     def to_arrow(self):
    ...         return pa.table({"regime": ["A", "B"]})
    >>> Two().to_pandas()["regime"].tolist(), Two().to_polars()["regime"].to_list()
    (['A', 'B'], ['A', 'B'])
    """

    __slots__ = ()

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return view(self, "arrow")

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas frame; MissingPackageError where pandas is not installed."""
        _library("pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars frame; MissingPackageError where polars is not installed."""
        frame: polars.DataFrame = _library("polars").from_arrow(self.to_arrow())
        return frame
