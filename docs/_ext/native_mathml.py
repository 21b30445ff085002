"""Formulas as MathML, which browsers show by themselves: no script, no fonts, no network.

docutils translates the TeX; what it cannot translate fails the build with its place.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

_LOG = logging.getLogger(__name__)

# browsers stretch braces and bars to their neighbours' height, TeX only on demand
_FENCE = re.compile(r'<mo((?: class="math(?:open|close)")?)>(?=[{}|⌈⌉∣]</mo>)')
# docutils writes set difference as U+29F5, which few fonts have; U+2216 is the usual character
_SET_MINUS = {0x29F5: 0x2216}
# TeX sets a thin space between `log` and its argument, unless that is in parentheses; browsers set none
_BARE_FUNCTION = re.compile(r'(<mo>&ApplyFunction;</mo>)(?!\s*<mo stretchy="false">\()')


def _translated(node: nodes.Element, block: bool) -> str:
    tex = node.astext()
    if block and ("&" in tex or r"\\" in tex) and r"\begin" not in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    try:
        mathml = str(tex2mathml(tex, as_block=block)).translate(_SET_MINUS)
    except MathError as error:
        _LOG.warning("the formula %r is beyond docutils: %s", tex, error, location=node)
        return ""
    mathml = _FENCE.sub(r'<mo\1 stretchy="false">', mathml)
    return _BARE_FUNCTION.sub(r'\1<mspace width="0.1667em"/>', mathml)


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_translated(node, block=False))
    raise nodes.SkipNode


def _display(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math-display"))
    if node.get("number"):
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})</span>')
        writer.add_permalink_ref(node, "Link to this equation")
    writer.body.append(_translated(node, block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
