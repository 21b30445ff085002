"""Results of `ifm identify` as JSON, CSV and Parquet, written and read."""

from ifm_ident.results.header import quoted

__all__ = [
    "quoted",
]
