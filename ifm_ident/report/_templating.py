"""The door to Jinja: pages made of templates that lie in packages."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from ifm_ident.errors import MissingExtraError
from ifm_ident.show.mathml import Html

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = __name__.rpartition(".")[0]
"""Where the templates of the report are, and the style of all pages."""


def environment(package: str = PACKAGE) -> Environment:
    """Templates of a package's folder `templates`, or else of the report's; all texts are escaped.

    A name that a template uses and is not told is an error. Raises MissingExtraError without Jinja.
    """
    try:
        from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError("jinja2", "report") from None
    return Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in dict.fromkeys((package, PACKAGE))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def source(made: Environment, name: str) -> Html:
    """A file of the templates' folders as it is: a style, a script."""
    assert made.loader is not None
    return Html(made.loader.get_source(made, name)[0])


def _shown(value: object) -> object:
    """Text without characters that no page may hold; Jinja escapes it afterwards."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in value)
