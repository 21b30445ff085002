"""Docstrings as they are written here, plain text with `code` and examples, made into reStructuredText."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sphinx.application import Sphinx

_CODE = re.compile(r"`+([^`]+)`+")
_SPECIAL = re.compile(r"([\\*|_])")
_PAGE = re.compile(r"docs/((?:theory|reference)/[\w-]+)\.md")


def as_rst(lines: Iterable[str]) -> Iterator[str]:
    """The lines in reStructuredText: code as literals, pages of docs/ as links; examples are left alone.

    >>> list(as_rst(["Sum |q| of `x_v` in p*.", "", ">>> a * b", "2"]))
    ['Sum \\\\|q\\\\| of ``x_v`` in p\\\\*.', '', '>>> a * b', '2']
    """
    example = False
    for line in lines:
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        if example:
            yield line
            continue
        parts = _CODE.split(line)
        yield "".join(
            f"``{part.strip()}``" if i % 2 else _PAGE.sub(r":doc:`/\1`", _SPECIAL.sub(r"\\\1", part))
            for i, part in enumerate(parts)
        )


def _rewrite(app: Sphinx, what: str, name: str, found: object, options: object, lines: list[str]) -> None:
    lines[:] = as_rst(lines)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrites every docstring that autodoc shows."""
    app.connect("autodoc-process-docstring", _rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
