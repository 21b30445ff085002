"""Density models on disk: one npz file of plain arrays and a JSON header, never pickle."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.errors import require_whole
from ifm_ident.files import note_input, open_output
from ifm_ident.limits import require_regular, require_within
from ifm_ident.results import quoted
from ifm_learn.data.scaling import Scaling
from ifm_learn.energies.cells import FactorCells
from ifm_learn.energies.families import FAMILIES, layout_of
from ifm_learn.energies.grid import Grid
from ifm_learn.energies.layout import Ridge
from ifm_learn.fitting.report import FitReport, StartReport
from ifm_learn.fitting.spread import Spread

SCHEMA = "ifm-density/1"
ROWS = "rows.json"
"""The member that tells which rows were fitted to."""

LARGEST = 1e6
"""No log-table of a fit comes near: in nats."""

_FARTHEST = 1e100
"""Sums of squares of points and parameters up to this are finite."""

_OF_GRID = ("values", "edges", "widths")
_MEMBER = re.compile(
    r"(header|shift|unit|log|thetas|bins|regime|(table|values|edges|widths|axis)(0|[1-9][0-9]*))\.npy"
)
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
    require_regular(Path(path))
    note_input(path)
    try:
        with damaged(path), zipfile.ZipFile(path) as file:
            arrays = dict(_members(file))
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


def _members(file: zipfile.ZipFile) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of an archive by name; no more is unfolded than the limit `file`."""
    members = [one for one in file.infolist() if one.filename != ROWS]
    require_within("file", sum(one.file_size for one in file.infolist()), "decompressed")
    for one in members:
        if not _MEMBER.fullmatch(one.filename):
            raise ValueError(f"a model has no member {one.filename[:40]!r}")
    if len({one.filename for one in file.infolist()}) < len(file.infolist()):
        raise ValueError("a member is there twice")
    for one in members:
        with file.open(one) as stream:
            yield one.filename.removesuffix(".npy"), _array(stream, one.file_size)


def _array(stream: IO[bytes], size: int) -> NDArray[Any]:
    """A member as an array; its head may not speak of more than there is."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"an array of {dtype} and shape {shape} does not fit its member of {size} bytes")
    values = np.frombuffer(bytearray(stream.read()), dtype)
    return values.reshape(shape, order="F" if columns_first else "C")


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


def numbers(arrays: Arrays, name: str) -> Floats:
    """An array of float64 by name; ValueError for one that is none, or holds NaN."""
    found = arrays[name]
    if found.dtype != np.float64 or np.isnan(found).any():
        raise ValueError(f"{name} holds what is no number")
    return found


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


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Says of a file in words that its contents do not fit."""
    try:
        yield
    except (
        AttributeError,
        ArithmeticError,
        LookupError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
    ) as error:
        raise InputError(
            f"{path}: not a density model, or damaged ({error}); fit it again with `ifm fit`"
        ) from None
