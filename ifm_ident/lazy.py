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
