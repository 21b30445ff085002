"""Results of `ifm identify` as JSON, CSV and Parquet, written and read."""
