"""Results of `ifm identify` as JSON, CSV and Parquet, written and read; `documents` lays out every other one."""

from ifm_ident.results.documents import Listing, csv_line, document, quoted

__all__ = [
    "Listing",
    "csv_line",
    "document",
    "quoted",
]
