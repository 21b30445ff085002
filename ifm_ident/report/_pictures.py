"""Pictures as SVG inside a page: the same picture gives the same bytes."""

from __future__ import annotations

import io
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ifm_ident.errors import MissingExtraError
from ifm_ident.show.mathml import Html

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ifm-ident",
    "font.family": "DejaVu Sans",
    "savefig.transparent": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
}
_REFERENCES = ("href", "clip-path")


@dataclass(frozen=True, slots=True)
class Drawing:
    """An `svg` element and its width in inches."""

    svg: Html
    width: float


def drawing(draw: Callable[[], Axes], prefix: str, label: str) -> Drawing:
    """What `draw` draws, as an `svg` element with the role of an image; ids start with `prefix`.

    `draw` makes its own axes, in a figure that is closed again. Raises MissingExtraError without matplotlib.
    """
    try:
        from matplotlib import pyplot, rc_context
    except ImportError:
        raise MissingExtraError("matplotlib", "plots") from None
    stream = io.BytesIO()
    with rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # browsers have more fonts
        pyplot.switch_backend("agg")
        figure: Any = draw().figure
        try:
            figure.savefig(stream, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
        finally:
            pyplot.close(figure)
    return _embedded(stream.getvalue(), prefix, label)


def _embedded(picture: bytes, prefix: str, label: str) -> Drawing:
    root = ElementTree.fromstring(picture)
    for parent in root.iter():
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
        if "id" in attributes:
            attributes["id"] = prefix + attributes["id"]
        for name in _REFERENCES:
            value = attributes.get(name, "")
            if "#" in value:
                attributes[name] = value.replace("#", f"#{prefix}", 1)
        if "style" in attributes:
            attributes["style"] = attributes["style"].replace("url(#", f"url(#{prefix}")
        element.attrib.clear()
        element.attrib.update(attributes)
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    root.attrib.update({"role": "img", "aria-label": label})
    root.attrib["width"], root.attrib["height"] = f"{width / 72:.3f}in", f"{height / 72:.3f}in"
    text = ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
    return Drawing(Html(text), width / 72)
