"""Density models on disk: one npz file of plain arrays and a JSON header, never pickle."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.files import note_input, open_output
from ifm_ident.results import quoted
from ifm_learn.data.scaling import Scaling
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import FAMILIES, layout_of
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.report import FitReport, StartReport
from ifm_learn.fitting.spread import Spread

SCHEMA = "ifm-density/1"
Arrays = Mapping[str, NDArray[Any]]


def write_arrays(
    path: Path, header: Mapping[str, Any], arrays: Arrays, texts: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Write a header, arrays and texts by name to a file, whole or not at all; an older one is replaced."""
    text, whole = quoted({"schema": SCHEMA, **header}), io.BytesIO()
    np.savez_compressed(whole, allow_pickle=False, **{"header": np.array(text), **arrays})
    with zipfile.ZipFile(whole, "a") as file:
        for name, content in texts.items():
            file.writestr(zipfile.ZipInfo(name), content)
    with open_output(path, force=True) as stream:
        stream.write(whole.getbuffer())


def read_arrays(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and arrays of a file of `write_arrays`; InputError for anything else, damaged files included."""
    note_input(path)
    try:
        # numpy leaves a file open that it cannot read, and takes one that is no archive for a pickle
        with damaged(path), Path(path).open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise zipfile.BadZipFile("it is no archive of arrays")
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            arrays = {name: file[name] for name in file.files if not name.endswith(".json")}
            header = json.loads(str(arrays.pop("header")))
            schema = header["schema"]
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; write it with `ifm fit`") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: not a density model, or damaged ({error}); fit it again with `ifm fit`"
        ) from None
    if schema != SCHEMA:
        raise InputError(f"{path}: schema {schema!r} where {SCHEMA!r} is due; fit the model again")
    return header, arrays


def design_header(design: Design) -> dict[str, Any]:
    """A design as JSON."""
    model = design.model
    return {
        "interventions": [[i.name, list(i.levels)] for i in model.interventions],
        "variables": list(model.variables),
        "factors": [[f.name, list(f.x), list(f.sigma)] for f in model.factors],
        "train": design.train.codes().tolist(),
    }


def design_of(header: Mapping[str, Any]) -> Design:
    """The design of a header; InputError where it is none."""
    interventions = tuple(Intervention(name, tuple(levels)) for name, levels in header["interventions"])
    factors = tuple(Factor(name, tuple(x), tuple(sigma)) for name, x, sigma in header["factors"])
    codes = np.asarray(header["train"], dtype=np.int64).reshape(len(header["train"]), len(interventions))
    return Design(Model(interventions, tuple(header["variables"]), factors), Regimes.from_codes(codes))


def report_of(header: Mapping[str, Any]) -> FitReport:
    """The report of a header."""
    values = dict(header)
    values["tried"] = tuple((float(a), float(b), float(c)) for a, b, c in values["tried"])
    values["starts"] = tuple(StartReport(**start) for start in values["starts"])
    values["rows"], values["warnings"] = tuple(values["rows"]), tuple(values["warnings"])
    return FitReport(**values)


class Saved(Protocol):
    """What is kept of a model; see `DensityModel`."""

    @property
    def design(self) -> Design: ...
    @property
    def grid(self) -> Grid: ...
    @property
    def tables(self) -> tuple[Floats, ...]: ...
    @property
    def scaling(self) -> Scaling | None: ...
    @property
    def report(self) -> FitReport: ...
    @property
    def max_cells(self) -> int: ...
    @property
    def spread(self) -> Spread | None: ...


def to_arrays(model: Saved) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """A model as a JSON header and plain arrays."""
    header: dict[str, Any] = {
        "design": design_header(model.design),
        "report": asdict(replace(model.report, seconds=0.0)),
        "max_cells": model.max_cells,
        "cells": len(model.tables),
    }
    arrays: dict[str, NDArray[Any]] = {f"table{i}": table for i, table in enumerate(model.tables)}
    for v, parts in enumerate(zip(model.grid.values, model.grid.edges, model.grid.widths, strict=True)):
        arrays |= {f"{name}{v}": part for name, part in zip(("values", "edges", "widths"), parts, strict=True)}
    if model.scaling is not None:
        arrays |= {"shift": model.scaling.shift, "unit": model.scaling.unit, "log": model.scaling.log}
    spread = model.spread
    if spread is not None and model.report.energy in FAMILIES:
        arrays |= {"thetas": spread.thetas, "bins": spread.bins.astype(np.uint16), "regime": spread.regime}
        arrays |= {f"axis{v}": axis for v, axis in enumerate(spread.axes)}
    return header, arrays


def from_arrays(header: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """The fields of a model; ValueError or KeyError where something is missing or does not fit."""
    design = design_of(header["design"])
    cells, p = FactorCells.of(design), len(design.model.variables)
    axes = [tuple(arrays[f"{name}{v}"] for v in range(p)) for name in ("values", "edges", "widths")]
    grid = Grid(*axes)
    tables = tuple(arrays[f"table{i}"] for i in range(len(cells)))
    for k, table in zip(cells.factor, tables, strict=True):
        due = tuple(grid.sizes[v] for v in cells.scopes[k])
        if table.shape != due or table.dtype != np.float64 or np.isnan(table).any():
            raise ValueError(f"a table has shape {table.shape} where {due} is due, or holds no numbers")
    for values, edges, widths in zip(*axes, strict=True):
        if len(edges) != len(values) + 1 or len(widths) != len(values) or (np.diff(values) <= 0).any():
            raise ValueError("the bins of a variable do not fit each other")
    scaling = Scaling(arrays["shift"], arrays["unit"], arrays["log"]) if "shift" in arrays else None
    report = report_of(header["report"])
    return {
        "design": design,
        "cells": cells,
        "grid": grid,
        "tables": tables,
        "scaling": scaling,
        "report": report,
        "max_cells": int(header["max_cells"]),
        "spread": _spread_of(arrays, cells, grid, report),
    }


def _spread_of(arrays: Arrays, cells: FactorCells, grid: Grid, report: FitReport) -> Spread | None:
    if "thetas" not in arrays:
        return None
    bins = arrays["bins"].astype(np.int64)
    axes = tuple(arrays[f"axis{v}"] for v in range(len(grid.sizes)))
    points = np.stack([axis[column] for axis, column in zip(axes, bins.T, strict=True)], axis=1)
    layout = layout_of(cells, report.energy, points)
    if arrays["thetas"].shape[1:] != (layout.size,):
        raise ValueError(f"{arrays['thetas'].shape[1:]} parameters where {layout.size} are due")
    ridge = Ridge(report.base, report.shift, report.tied)
    return Spread(layout, grid, axes, ridge, arrays["thetas"], bins, arrays["regime"])


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Says of a file in words that its contents do not fit."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a density model, or damaged ({error}); fit it again with `ifm fit`"
        ) from None
