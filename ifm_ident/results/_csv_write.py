"""Results as long CSV: one line a term of a formula or a cell of a kernel (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ifm_ident.answer.exact_text import encode, integer_text
from ifm_ident.answer.identification import Identification, Status
from ifm_ident.arrays import Ints, owners, ragged_arange, row_bounds
from ifm_ident.design.notation import format_regimes
from ifm_ident.design.regime_text import Notation
from ifm_ident.inert import SUSPECT, inert_cell
from ifm_ident.results._columns import (
    CRITERION_WORDS,
    STATUS_WORDS,
    kernel_cells,
)
from ifm_ident.results.claims import Claims
from ifm_ident.results.documents import quoted
from ifm_ident.results.header import StudyLike

COLUMNS = (
    "regime",
    "status",
    "criterion",
    "variable",
    "kind",
    "train",
    "factor",
    "levels",
    "numerator",
    "denominator",
)
MISSING = "missing"
"""One more column where message passing was the method: a JSON list of missing regimes."""

KINDS = ("exponent", "kernel", "none")
_EXPONENT, _KERNEL, _NONE = range(3)
_TEXT = pa.large_string()
_MARK = pa.scalar('"', _TEXT)
_SPECIAL = '[",\r\n]'


def write_csv(stream: BinaryIO, study: StudyLike, chunks: Iterable[Identification]) -> None:
    """Writes a result as long CSV, chunk by chunk; no Python work a line, but for names that begin like a formula.

    There is a `missing` column only when the chunks, all or none, have missing regimes.
    """
    columns: tuple[str, ...] | None = None
    for chunk in chunks:
        for claims in Claims.blocks_of(chunk):
            if columns is None:
                columns = COLUMNS if claims.lacking is None else (*COLUMNS, MISSING)
                stream.write((",".join(columns) + "\n").encode())
            stream.write(_lines(claims, study.notation))
    if columns is None:
        stream.write((",".join(COLUMNS) + "\n").encode())


def _joined(*parts: pa.Array | pa.Scalar, separator: str = "") -> pa.Array:
    return pc.binary_join_element_wise(*parts, pa.scalar(separator, _TEXT))


def _quote(texts: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(texts, SUSPECT)).as_py():
        texts = pa.array(map(inert_cell, texts.to_pylist()), type=_TEXT)
    special = pc.match_substring_regex(texts, _SPECIAL)
    if not pc.any(special).as_py():
        return texts
    marked = _joined(_MARK, pc.replace_substring(texts, '"', '""'), _MARK)
    return pc.if_else(special, marked, texts)


def _pick(texts: Sequence[str], index: NDArray[np.integer]) -> pa.Array:
    """texts[index[i]] quoted for CSV, empty where the index is -1."""
    table = pa.concat_arrays([_quote(pa.array(list(texts), type=_TEXT)), pa.array([""], type=_TEXT)])
    return table.take(pa.array(np.where(index < 0, len(texts), index)))


def _lines(claims: Claims, notation: Notation) -> memoryview | bytes:
    model, terms, cells = claims.design.model, claims.terms, kernel_cells(claims)
    term_count = terms.sizes
    cell_count = np.append(cells.sizes, 0)[claims.kernel]
    lines = np.maximum(term_count + cell_count, 1)
    row = owners(row_bounds(lines))
    at = ragged_arange(np.zeros(len(claims), dtype=np.int64), lines)  # line within its regime
    kind = np.where(at < term_count[row], _EXPONENT, np.where(at < (term_count + cell_count)[row], _KERNEL, _NONE))
    term, cell = np.full((2, len(row)), -1, dtype=np.int64)
    term[kind == _EXPONENT] = np.arange(len(terms.train))
    in_kernel = kind == _KERNEL
    starts = np.append(cells.indptr[:-1], 0)[claims.kernel]
    cell[in_kernel] = (starts - term_count)[row[in_kernel]] + at[in_kernel]

    def of_line(of_term: Ints, of_cell: Ints, of_row: Ints | None = None) -> Ints:
        values = np.full(len(row), -1, dtype=np.int64) if of_row is None else of_row[row]
        values[term >= 0] = of_term
        values[in_kernel] = of_cell[cell[in_kernel]]
        return values

    top_codes, tops = encode(terms.numerator)
    bottom_codes, bottoms = encode(terms.denominator)
    no_train = np.full(len(cells.cell), -1, dtype=np.int64)
    nothing = np.full(len(terms.train), -1, dtype=np.int64)
    parts = [
        _quote(format_regimes(model, claims.targets, notation).cast(_TEXT)).take(pa.array(row)),
        _pick(STATUS_WORDS, claims.status[row]),
        _pick(CRITERION_WORDS, claims.criterion[row]),
        _pick(model.variables, of_line(terms.variable, cells.variable)),
        _pick(KINDS, kind),
        _pick([str(i) for i in range(len(claims.design.train))], of_line(terms.train, no_train, claims.train)),
        _pick([factor.name for factor in model.factors], of_line(nothing, cells.factor)),
        _pick(cells.cells, of_line(nothing, cells.cell)),
        _pick(
            [*map(integer_text, tops), *cells.weights],
            of_line(top_codes.to_numpy(), len(tops) + np.arange(len(cells.cell))),
        ),
        _pick(
            [*map(integer_text, bottoms), "1"],
            of_line(bottom_codes.to_numpy(), np.full(len(cells.cell), len(bottoms))),
        ),
    ]
    if claims.lacking is not None:
        texts = format_regimes(model, claims.lacking.regimes, notation).to_pylist()
        lists = [quoted(texts[claims.lacking.span(i)]) for i in range(len(claims))]
        undecided = claims.status == Status.UNDECIDED
        parts.append(_pick(lists, np.where(undecided, np.arange(len(claims)), -1)[row]))
    joined = _joined(*parts[:-1], _joined(parts[-1], pa.scalar("\n", _TEXT)), separator=",")
    _, offsets, data = joined.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[joined.offset : joined.offset + len(joined) + 1]
    return memoryview(data)[int(bounds[0]) : int(bounds[-1])]
