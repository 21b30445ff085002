"""One self-contained HTML page about a study: the design, its answers, and what data say."""

from ifm_ident.report._pictures import Drawing, drawing
from ifm_ident.report._result_files import (
    finite,
    load_result,
    number_of,
    number_text,
    pair_of,
    pair_text,
    require_schema,
    results_of,
)
from ifm_ident.report._templating import environment, source
from ifm_ident.report.part import Part
from ifm_ident.show.mathml import Html, mathml

__all__ = [
    "Drawing",
    "Html",
    "Part",
    "drawing",
    "environment",
    "finite",
    "load_result",
    "mathml",
    "number_of",
    "number_text",
    "pair_of",
    "pair_text",
    "require_schema",
    "results_of",
    "source",
]
