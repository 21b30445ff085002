"""Results of `ifm identify` as JSON, CSV and Parquet, written and read; `documents` lays out every other one."""

from ifm_ident.results.documents import Listing, csv_line, document, quoted
from ifm_ident.results.header import StudyLike, shown

__all__ = [
    "Listing",
    "StudyLike",
    "csv_line",
    "document",
    "quoted",
    "shown",
]
