"""Names of a package that are imported when they are asked for, so that importing the package costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def named(place: str) -> Any:
    """The object that a text such as `package.module:name` names.

    >>> named("json.decoder:JSONDecoder").__name__
    'JSONDecoder'
    """
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


class _NoPandas:
    """A finder of modules that has none of this name."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(f"no {name} now", name=name)


def arrow_without_pandas() -> None:
    """Makes Arrow's first array while pandas cannot be found: it would be imported for that, half a second.

    Arrow looks again for pandas when a frame is converted; `see_pandas` makes it do so.
    """
    import pyarrow as pa

    if "pandas" not in sys.modules:
        finder = _NoPandas()
        sys.meta_path.insert(0, finder)
        try:
            pa.array([0])
        finally:
            sys.meta_path.remove(finder)


def see_pandas() -> None:
    """Lets Arrow know of pandas where that is imported, also after `arrow_without_pandas`.

    >>> import pandas, pyarrow
    >>> see_pandas()
    >>> pyarrow.array(pandas.array([1, None], "Int64")).to_pylist()
    [1, None]
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        import pyarrow as pa

        pa.Table.from_pandas(pandas.DataFrame())


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package (PEP 562): `homes` tells the module of every name.

    >>> get, names = lazy_names("json", {"scanner": "json.scanner"})
    >>> get("nonsense")
    Traceback (most recent call last):
    ...
    AttributeError: module 'json' has no attribute 'nonsense'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
