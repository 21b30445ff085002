"""Results of `ifm identify` as JSON, CSV and Parquet, written and read."""

from ifm_ident.results.header import StudyLike, quoted, shown

__all__ = [
    "StudyLike",
    "quoted",
    "shown",
]
