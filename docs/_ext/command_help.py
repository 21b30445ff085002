"""The directive `commands`: a section for each command with its help and options, by sphinx-click."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click
from docutils import nodes
from plain_docstrings import as_rst
from sphinx.application import Sphinx
from sphinx_click.ext import ClickDirective

_EXAMPLE = "Example:"
_VALUE = re.compile(r"(--([a-z-]+)) <[a-z_]+>")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


class Commands(ClickDirective):
    """The sections of a group's commands, without one for the group, whose help says nothing more."""

    def run(self) -> Sequence[nodes.section]:
        """A section for each command, titled as it is typed."""
        self.options["nested"] = "full"
        (group,) = super().run()
        found = [child for child in group.children if isinstance(child, nodes.section)]
        for section in found:
            section[0] = nodes.title(text=f"{self.options['prog']} {section[0].astext()}")
        return found


def plain(line: str) -> str:
    """A line of help as reStructuredText; options in it are code.

    >>> plain("With --next: one *or* `ifm plan --drop`.")
    'With ``--next``: one \\\\*or\\\\* ``ifm plan --drop``.'
    """
    parts = line.split("`")
    parts[::2] = [_OPTION.sub(r"`\g<0>`", part) for part in parts[::2]]
    return next(as_rst(["`".join(parts)]))


def option_lines(lines: Sequence[str]) -> list[str]:
    """The lines that sphinx-click makes of options: values named like the option, plain help, defaults as text.

    >>> option_lines([".. option:: --in <in_form>", "    :default: ``'csv'``", "    :options: csv | json"])
    ['.. option:: --in <in>', '    Default: ``csv``.', '    One of csv, json.']
    """
    found = []
    for line in lines:
        text = line.strip()
        if text.startswith(".. option::"):
            found.append(_VALUE.sub(r"\1 <\2>", line))
        elif text.startswith(":default:"):
            value = text.removeprefix(":default:").strip(" `'")
            found.append(f"    Default: ``{value}``.")
        elif text.startswith(":options:"):
            found.append(f"    One of {text.removeprefix(':options:').strip().replace(' | ', ', ')}.")
        else:
            found.append(plain(line.replace("**Required** ", "Required. ")))
    return found


def _options(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    lines[:] = option_lines(lines)


def _description(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    lines[:] = [plain(line.removeprefix("| ")) for line in lines]


def _epilog(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    if lines and lines[0].startswith(_EXAMPLE):
        example = lines[0].removeprefix(_EXAMPLE).strip()
        lines[:] = [".. rubric:: Example", "", ".. code-block:: shell", "", f"    {example}", *lines[1:]]


def setup(app: Sphinx) -> dict[str, bool]:
    """Adds the directive, and the hooks that make plain help reStructuredText."""
    app.setup_extension("sphinx_click")
    app.add_directive("commands", Commands)
    app.connect("sphinx-click-process-description", _description)
    app.connect("sphinx-click-process-options", _options)
    app.connect("sphinx-click-process-epilog", _epilog)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
