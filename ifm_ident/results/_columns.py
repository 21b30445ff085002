"""What CSV and Parquet results share: texts from columns and columns from texts, a distinct value at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.answer.exact_text import (
    Numbers,
    integer_column,
    integer_text,
    parse_distinct,
    parse_exponent,
    parse_integer,
)
from ifm_ident.answer.identification import Criterion, Status
from ifm_ident.arrays import Ints, Ragged
from ifm_ident.design.model import Model
from ifm_ident.errors import InputError, nearest
from ifm_ident.results.cells import Cell, CellReader, Weights, cell_text
from ifm_ident.results.claims import Claims
from ifm_ident.results.header import shown

Place = Callable[[int], str]
"""Names the place of the i-th entry of a column in its file."""

STATUS_WORDS = [status.word for status in Status]
CRITERION_WORDS = [criterion.word for criterion in (Criterion.JOINT, Criterion.CONDITIONAL)]


def first_line(error: Exception) -> str:
    """What a library says of a file, without the rest of it."""
    return str(error).strip().partition("\n")[0]


def texts_at(texts: Sequence[str], index: NDArray[np.integer], absent: bool = True) -> pa.DictionaryArray:
    """texts[index[i]], dictionary-encoded, null where the index is negative."""
    codes = np.asarray(index, dtype=np.int32)
    mask = codes < 0 if absent else None
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(list(texts), type=pa.string()))


def index_of(column: pa.Array, known: Sequence[str], kind: str, place: Place) -> Ints:
    """The index of every text in `known`, -1 for null; InputError names the first unknown text.

    >>> index_of(pa.array(["b", None]), ["a", "b"], "variable", "row {}".format).tolist()
    [1, -1]
    >>> index_of(pa.array(["b", "c"]), ["a", "b"], "variable", "row {}".format)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: row 1: unknown variable 'c'; legal: a, b
    """
    found = pc.index_in(column, value_set=pa.array(list(known), type=column.type))
    index: Ints = pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    bad = np.flatnonzero((index < 0) & column.is_valid().to_numpy(zero_copy_only=False))
    if len(bad):
        value = column[int(bad[0])].as_py()
        raise InputError(f"{place(int(bad[0]))}: unknown {kind} {shown(value)}; {nearest(value, known)}")
    return index


def no_nulls(column: pa.Array, kind: str, place: Place) -> pa.Array:
    """The column itself; InputError names the first null."""
    if column.null_count:
        bad = int(pc.index(column.is_null(), True).as_py())
        raise InputError(f"{place(bad)}: the {kind} is missing")
    return column


def check_train(train: Numbers, count: int, place: Place) -> Ints:
    """The training indices; InputError names the first that is not from 0 to count - 1."""
    bad = np.flatnonzero((train < 0) | (train >= count))
    if len(bad):
        at = int(bad[0])
        raise InputError(
            f"{place(at)}: there is no training regime {shown(int(train[at]))}; they go from 0 to {count - 1}"
        )
    return train.astype(np.int64)


def _parsed(column: pa.Array, parse: Callable[[str], object], place: Place) -> tuple[Ints, list[object]]:
    codes, distinct = parse_distinct(column)
    values = []
    for code, text in enumerate(distinct):
        try:
            values.append(parse(text))
        except InputError as error:
            raise InputError(f"{place(int(np.argmax(codes == code)))}: {error}") from None
    return codes, values


def read_integers(column: pa.Array, place: Place) -> Numbers:
    """A column of decimal texts without nulls as integers; InputError names the first bad one."""
    codes, values = _parsed(column, parse_integer, place)
    return integer_column([value for value in values if isinstance(value, int)])[codes]


def read_exponents(column: pa.Array, place: Place) -> tuple[Numbers, Numbers]:
    """Numerators and denominators of a column of exponent texts without nulls."""
    codes, values = _parsed(column, parse_exponent, place)
    pairs = [value for value in values if isinstance(value, tuple)]
    above, below = integer_column([a for a, _ in pairs]), integer_column([b for _, b in pairs])
    return above[codes], below[codes]


@dataclass(frozen=True, eq=False)
class KernelCells(Ragged, entries=("variable", "factor", "cell")):
    """The cells of several kernels, one after the other, as columns; kernel j owns indptr[j] to indptr[j + 1].

    cell indexes `cells`, the distinct ones as text; variable is -1 in a joint kernel.
    """

    variable: Ints
    factor: Ints
    cell: Ints
    cells: list[str]
    weights: list[str]


def kernel_cells(claims: Claims) -> KernelCells:
    """The kernels of the claims as columns."""
    model = claims.design.model
    counts = [len(weights) for weights in claims.kernels]
    entries = [entry for weights in claims.kernels for entry in weights]
    distinct: dict[Cell, int] = {}
    cell = [distinct.setdefault(c, len(distinct)) for c, _ in entries]
    return KernelCells.of(
        counts,
        np.repeat(claims.kernel_variable, counts).astype(np.int64),
        np.array([c[0] for c, _ in entries], dtype=np.int64),
        np.array(cell, dtype=np.int64),
        [cell_text(model, c) for c in distinct],
        [integer_text(weight) for _, weight in entries],
    )


@dataclass(frozen=True, eq=False)
class ReadCells:
    """The kernel entries of a file as columns: variable (-1 for none), distinct cells, weights."""

    variable: Ints
    cell: Ints
    cells: list[Cell]
    weight: Numbers


def read_cells(
    model: Model, variable: Ints, factor: pa.Array, levels: pa.Array, weight: pa.Array, place: Place
) -> ReadCells:
    """The kernel entries from their texts; InputError names the first bad one."""
    names = [f.name for f in model.factors]
    factors = index_of(no_nulls(factor, "factor", place), names, "factor", place)
    codes, texts = parse_distinct(no_nulls(levels, "cell", place))
    weights = read_integers(no_nulls(weight, "weight", place), place)
    keys = factors * max(len(texts), 1) + codes
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    cells, reader = [], CellReader(model)
    for at in first.tolist():
        try:
            cells.append(reader.read(int(factors[at]), texts[codes[at]]))
        except InputError as error:
            raise InputError(f"{place(at)}: {error}") from None
    return ReadCells(variable, inverse.astype(np.int64).reshape(len(codes)), cells, weights)


def read_kernels(read: ReadCells, indptr: Ints, place: Place) -> tuple[Ints, tuple[Weights, ...], Ints]:
    """For every row the index of its kernel (-1 for none), the distinct kernels and their variables."""
    _, weight_code = np.unique(read.weight, return_inverse=True)
    stack = np.stack([read.cell, weight_code.reshape(-1), read.variable], axis=1).astype(np.int64)
    kernel: Ints = np.full(len(indptr) - 1, -1, dtype=np.int64)
    seen: dict[bytes, int] = {}
    kernels: list[Weights] = []
    variables: list[int] = []
    bounds = indptr.tolist()
    for row in np.flatnonzero(np.diff(indptr)).tolist():
        low, high = bounds[row], bounds[row + 1]
        key = stack[low:high].tobytes()
        if key not in seen:
            seen[key] = len(kernels)
            if np.any(read.variable[low:high] != read.variable[low]):
                raise InputError(f"{place(low)}: a kernel is about one variable, this one names several")
            kernels.append(tuple((read.cells[int(read.cell[e])], int(read.weight[e])) for e in range(low, high)))
            variables.append(int(read.variable[low]))
        kernel[row] = seen[key]
    return kernel, tuple(kernels), np.array(variables, dtype=np.int64)
