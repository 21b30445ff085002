"""Density models as plain arrays and a JSON header, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design
from ifm_ident.arrays import Floats
from ifm_ident.errors import require_whole
from ifm_ident.limits import require_within
from ifm_learn.data.archives import Arrays, design_header, design_of, numbers
from ifm_learn.data.scaling import Scaling
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import FAMILIES, layout_of
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.report import FitReport, StartReport
from ifm_learn.fitting.spread import Spread

SCHEMA = "ifm-density/1"

LARGEST = 1e6
"""No log-table of a fit comes near: in nats."""

_FARTHEST = 1e100
"""Sums of squares of points and parameters up to this are finite."""

_OF_GRID = ("values", "edges", "widths")


def report_of(header: Mapping[str, Any]) -> FitReport:
    """The report of a header."""
    values = dict(header)
    values["tried"] = tuple((float(a), float(b), float(c)) for a, b, c in values["tried"])
    values["starts"] = tuple(StartReport(**start) for start in values["starts"])
    values["rows"], values["warnings"] = tuple(values["rows"]), tuple(map(str, values["warnings"]))
    for count in values["rows"]:
        require_whole(count, "the number of rows of a regime", 1)
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
    axes = [tuple(numbers(arrays, f"{name}{v}") for v in range(p)) for name in _OF_GRID]
    grid = Grid(*axes)
    tables = tuple(arrays[f"table{i}"] for i in range(len(cells)))
    for k, table in zip(cells.factor, tables, strict=True):
        due = tuple(grid.sizes[v] for v in cells.scopes[k])
        if table.shape != due or table.dtype != np.float64 or not (np.abs(table) <= LARGEST).all():
            raise ValueError(
                f"a table has shape {table.shape} where {due} is due, or holds what is no log-density"
            )
    for values, edges, widths in zip(*axes, strict=True):
        _require_bins(values, edges, widths)
    report = report_of(header["report"])
    if len(report.rows) != len(design.distinct):
        raise ValueError(f"rows of {len(report.rows)} regimes where the design has {len(design.distinct)}")
    require_whole(header["max_cells"], "max_cells", 1)
    require_within("cells", header["max_cells"], "the budget of cells")
    return {
        "design": design,
        "cells": cells,
        "grid": grid,
        "tables": tables,
        "scaling": _scaling_of(arrays, p) if "shift" in arrays else None,
        "report": report,
        "max_cells": int(header["max_cells"]),
        "spread": _spread_of(arrays, cells, grid, report),
    }


def _require_bins(values: Floats, edges: Floats, widths: Floats) -> None:
    """ValueError unless bins are side by side, each around its value, the outer ones without an end."""
    n = len(values)
    if values.shape != (n,) or edges.shape != (n + 1,) or widths.shape != (n,) or not n:
        raise ValueError("the bins of a variable do not fit each other")
    ordered = (np.diff(values) > 0).all() and (np.diff(edges[1:-1]) >= 0).all()
    around = (edges[:-1] <= values).all() and (values <= edges[1:]).all()
    outer = edges[0] == -np.inf and edges[-1] == np.inf and np.isfinite(edges[1:-1]).all()
    lengths = (widths > 0).all() and np.isfinite(widths).all() and np.isfinite(values).all()
    if not (ordered and around and outer and lengths):
        raise ValueError("the bins of a variable are not in order, or hold what is no number")


def _scaling_of(arrays: Arrays, p: int) -> Scaling:
    shift, unit, log = numbers(arrays, "shift"), numbers(arrays, "unit"), arrays["log"]
    if not shift.shape == unit.shape == log.shape == (p,) or log.dtype != np.bool_:
        raise ValueError("the scaling does not fit the variables")
    if not (np.isfinite(shift).all() and np.isfinite(unit).all() and (unit > 0).all()):
        raise ValueError("the scaling holds what is no number, or no unit")
    return Scaling(shift, unit, log)


def _spread_of(arrays: Arrays, cells: FactorCells, grid: Grid, report: FitReport) -> Spread | None:
    if "thetas" not in arrays:
        return None
    if arrays["bins"].dtype.kind not in "iu":
        raise ValueError("the rows fitted to lie in bins that are no integers")
    bins, regime, thetas = arrays["bins"].astype(np.int64), arrays["regime"], numbers(arrays, "thetas")
    axes = tuple(numbers(arrays, f"axis{v}") for v in range(len(grid.sizes)))
    train = len(cells.design.train)
    if bins.shape != (len(regime), len(axes)) or regime.shape != (len(regime),) or regime.dtype.kind != "i":
        raise ValueError("the rows fitted to do not fit each other")
    if (bins < 0).any() or (bins >= grid.sizes).any() or (regime < 0).any() or (regime >= train).any():
        raise ValueError("a row fitted to lies in no bin or regime")
    if not all((np.abs(part) <= _FARTHEST).all() for part in (thetas, *axes)) or thetas.ndim != 2:
        raise ValueError("the parameters hold what is no number")
    points = np.stack([axis[column] for axis, column in zip(axes, bins.T, strict=True)], axis=1)
    layout = layout_of(cells, report.energy, points)
    if thetas.shape[1:] != (layout.size,):
        raise ValueError(f"{thetas.shape[1:]} parameters where {layout.size} are due")
    ridge = Ridge(report.base, report.shift, report.tied)
    return Spread(layout, grid, axes, ridge, thetas, bins, regime)
