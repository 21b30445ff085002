"""One self-contained HTML page about a study: the design, its answers, and what data say."""

from ifm_ident.report._pictures import Drawing, drawing
from ifm_ident.report._templating import environment, source

__all__ = [
    "Drawing",
    "drawing",
    "environment",
    "source",
]
