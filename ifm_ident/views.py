"""Where each value's views are: one table that the packages' faces fill, so that no value imports its own view."""

from __future__ import annotations

import html
import importlib
from collections.abc import Mapping
from typing import Any

_TABLE: dict[str, str] = {}


def register(views: Mapping[str, str]) -> None:
    """Add views, each `module.Class kind` to `module.function`; a function takes the value and gives its view."""
    _TABLE.update(views)


def view(value: object, kind: str, *given: object) -> Any:
    """A value as `text`, `html`, an `arrow` table or what else its package registered, `given` passed on.

    Raises LookupError where nothing is registered.

    >>> import ifm_ident
    >>> view(ifm_ident.Study.from_labels(["ctrl", "A"]).identify()[1], "text")
    'p(A) is observed'
    """
    for kin in type(value).__mro__:
        place = _TABLE.get(f"{kin.__module__}.{kin.__qualname__} {kind}")
        if place is not None:
            module, _, function = place.rpartition(".")
            return getattr(importlib.import_module(module), function)(value, *given)
    raise LookupError(f"a {type(value).__name__} has no view {kind!r}")


class Shown:
    """A value that shows as its registered `text` at a prompt and as its `html` in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        text: str = view(self, "text")
        return text

    def _repr_html_(self) -> str:
        found: str = view(self, "html")
        return found


class Prose(str):
    """Text that shows as it reads: line by line at a prompt, unwrapped in a notebook.

    >>> Prose("one\\ntwo")
    one
    two
    >>> Prose("<b>")._repr_html_()
    '<pre>&lt;b&gt;</pre>'
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"
