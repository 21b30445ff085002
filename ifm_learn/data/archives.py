"""Fitted models on disk: one npz file of plain arrays and a JSON header, never pickle."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ifm_ident import Design, Factor, InputError, Intervention, Model, Regimes
from ifm_ident.arrays import Floats
from ifm_ident.files import note_input, open_output
from ifm_ident.limits import require_regular, require_within
from ifm_ident.results import quoted

ROWS = "rows.json"
"""The member that tells which rows were fitted to."""

_MEMBER = re.compile(
    r"(header|shift|unit|log|thetas|bins|regime|(table|values|edges|widths|axis)(0|[1-9][0-9]*)"
    r"|(scores|weights)[01]|(law|refits)[01]x(0|[1-9][0-9]*))\.npy"
)
Arrays = Mapping[str, NDArray[Any]]


def write_arrays(
    path: Path,
    schema: str,
    header: Mapping[str, Any],
    arrays: Arrays,
    texts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write a header, arrays and texts by name to a file, whole or not at all; an older one is replaced."""
    text, whole = quoted({"schema": schema, **header}), io.BytesIO()
    np.savez_compressed(whole, allow_pickle=False, **{"header": np.array(text), **arrays})
    with zipfile.ZipFile(whole, "a") as file:
        for name, content in texts.items():
            file.writestr(zipfile.ZipInfo(name), content)
    with open_output(path, force=True) as stream:
        stream.write(whole.getbuffer())


def read_arrays(path: Path, schema: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header and arrays of a file of `write_arrays`; InputError for anything else, damaged files included."""
    header, arrays = _read(path)
    if header["schema"] != schema:
        raise InputError(f"{path}: schema {header['schema']!r} where {schema!r} is due; fit the model again")
    return header, arrays


def schema_of(path: Path) -> str:
    """What a file of `write_arrays` holds; InputError for anything else."""
    return str(_read(path)[0]["schema"])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    require_regular(Path(path))
    note_input(path)
    try:
        with damaged(path), zipfile.ZipFile(path) as file:
            arrays = dict(_members(file))
            header = json.loads(str(arrays.pop("header")))
            header["schema"]
            return header, arrays
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; write it with `ifm fit`") from None
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path}: not a fitted model, or damaged ({error}); fit it again with `ifm fit`"
        ) from None


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
    """A design as JSON; levels with values that were run and are not listed stand after what the study writes."""
    model, codes = design.model, design.train.codes()
    most = codes.max(axis=0, initial=0).tolist()
    return {
        "interventions": [
            [i.name, list(i.levels)]
            if i.basis is None
            else [i.name, i.written, list(i.known_levels[len(i.levels) : last + 1])]
            for i, last in zip(model.interventions, most, strict=True)
        ],
        "variables": list(model.variables),
        "factors": [[f.name, list(f.x), list(f.sigma)] for f in model.factors],
        "train": codes.tolist(),
    }


def design_of(header: Mapping[str, Any]) -> Design:
    """The design of a header; InputError where it is none."""
    interventions = tuple(_intervention(*one) for one in header["interventions"])
    factors = tuple(Factor(name, tuple(x), tuple(sigma)) for name, x, sigma in header["factors"])
    codes = np.asarray(header["train"], dtype=np.int64).reshape(len(header["train"]), len(interventions))
    return Design(Model(interventions, tuple(header["variables"]), factors), Regimes.from_codes(codes))


def _intervention(name: str, written: Any, run: Any = ()) -> Intervention:
    if not isinstance(written, dict):
        return Intervention(name, tuple(written))
    found = Intervention.from_map(name, written)
    if [found.index(level) for level in run] != [len(found.levels) + i for i in range(len(run))]:
        raise ValueError(f"the levels of {name!r} that were run are listed twice")
    return found


def numbers(arrays: Arrays, name: str) -> Floats:
    """An array of float64 by name; ValueError for one that is none, or holds NaN."""
    found = arrays[name]
    if found.dtype != np.float64 or np.isnan(found).any():
        raise ValueError(f"{name} holds what is no number")
    return found


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
            f"{path}: not a fitted model, or damaged ({error}); fit it again with `ifm fit`"
        ) from None
