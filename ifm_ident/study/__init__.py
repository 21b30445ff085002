"""Study files and tables of labels read into a design with its test regimes."""

from ifm_ident.study.reading._anndata_files import anndata_bytes, gene_names, new_anndata
from ifm_ident.study.reading._sources import open_table, table_of
from ifm_ident.study.reading._study_fields import DataSpec
from ifm_ident.study.reading._table import RowError, Table
from ifm_ident.study.reading._tables import data_regimes, read_data_regimes, read_regimes
from ifm_ident.study.rewriting import listed_factors, written_with_factors

__all__ = [
    "DataSpec",
    "RowError",
    "Table",
    "anndata_bytes",
    "data_regimes",
    "gene_names",
    "listed_factors",
    "new_anndata",
    "open_table",
    "read_data_regimes",
    "read_regimes",
    "table_of",
    "written_with_factors",
]
