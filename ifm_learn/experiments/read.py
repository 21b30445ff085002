"""Results read back from the files of `ifm reproduce`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifm_ident import InputError
from ifm_ident.arrays import Floats
from ifm_learn.experiments.results import Results
from ifm_learn.experiments.write import METADATA_KEY


def read_results(folder: Path) -> dict[str, Results]:
    """The results in a folder that `ifm reproduce` has finished, by truth.

    Raises InputError where there are none.

    >>> read_results(Path("no-such-folder"))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: no-such-folder holds no results.parquet and results.json; run ifm reproduce
    """
    try:
        table = pq.read_table(folder / "results.parquet")
        record = json.loads((folder / "results.json").read_bytes())
    except FileNotFoundError:
        raise InputError(f"{folder} holds no results.parquet and results.json; run ifm reproduce") from None
    settings = json.loads(table.schema.metadata[METADATA_KEY])
    notes = {entry["truth"]: tuple(entry["notes"]) for entry in record["results"]}
    return {truth: _one(table, truth, settings[truth], notes[truth]) for truth in settings}


def _one(table: pa.Table, truth: str, settings: dict[str, object], notes: tuple[str, ...]) -> Results:
    part = table.filter(pc.equal(table["truth"], truth))
    methods = list(dict.fromkeys(part["method"].to_pylist()))
    regimes = tuple(dict.fromkeys(part["regime"].to_pylist()))

    def values(method: str, column: str) -> Floats:
        rows = part.filter(pc.equal(part["method"], method))
        return np.asarray(rows[column].to_numpy(), dtype=np.float64).reshape(-1, len(regimes))

    estimates = {method: values(method, "estimate") for method in methods}
    first = methods[0]
    return Results(settings, regimes, values(first, "mean"), values(first, "variance"), estimates, notes)
