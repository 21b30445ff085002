"""Regimes as text, one or a million at a time: parsing and formatting in the three notations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.arrays import Ints, row_bounds
from ifm_ident.design.model import Model, level_text
from ifm_ident.design.regime_text import BASELINE, Notation, RegimeReader, quoted_level
from ifm_ident.design.regimes import Active, Regimes, regime_map
from ifm_ident.errors import InputError

__all__ = [
    "BASELINE",
    "Notation",
    "format_regime",
    "format_regimes",
    "parse_labels",
    "parse_map",
    "parse_regime",
]

_BLOCK_BYTES = 2**29
_BLOCK_ROWS = 2**16
"""Rows parsed at a time: what they need stays near the processor and is used again."""


def parse_regime(model: Model, text: str) -> Active:
    """The regime that a label, a level string or an assignment writes (docs/reference/study-file.md).

    Raises InputError when no notation fits, or when two fit with different regimes.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> parse_regime(model, "B+A") == parse_regime(model, "11") == parse_regime(model, "A=1,B=1")
    True
    >>> parse_regime(model, "A+C")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: regime 'A+C': unknown intervention 'C'; legal: A, B
    """
    return RegimeReader(model).read(text)[0]


def parse_map(model: Model, mapping: Mapping[str, object]) -> Active:
    """The regime of a map, intervention name to level; what is left out is at baseline.

    Raises InputError, with the path `(name,)`, for an unknown name or level.
    """
    return RegimeReader(model).read_map(mapping)


def parse_labels(model: Model, column: pa.ChunkedArray) -> Regimes:
    """The regimes of a column of texts, one a row; fast for labels (A+B), any notation is legal.

    Raises InputError that starts with `row N: `, N counted from 1, for a null, an empty or a bad text.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1)))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> list(parse_labels(model, pa.chunked_array([["B+A", "ctrl", "01"]])))
    [((0, 1), (1, 1)), (), ((1, 1),)]
    >>> parse_labels(model, pa.chunked_array([["ctrl", "A+A"]]))
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: row 2: regime 'A+A' names 'A' twice; name each intervention once
    """
    reader = RegimeReader(model)
    if column.type != pa.string() and column.type != pa.large_string():
        column = column.cast(pa.large_string())
    if column.num_chunks > 1 and column.nbytes < _BLOCK_BYTES:
        column = pa.chunked_array([column.combine_chunks()])
    known: dict[str, Active] = {}
    blocks = [chunk.slice(at, _BLOCK_ROWS) for chunk in column.chunks for at in range(0, len(chunk), _BLOCK_ROWS)]
    before = row_bounds([len(block) for block in blocks]).tolist()
    with ThreadPoolExecutor(2) as threads:
        batches = [*threads.map(lambda block, rows: _parse_block(reader, block, rows, known), blocks, before)]
    return Regimes.concatenate(batches or [Regimes.from_active([], len(model))])


def _parse_block(reader: RegimeReader, texts: pa.Array, rows_before: int, known: dict[str, Active]) -> Regimes:
    """The regimes of some rows; `known` are texts already read one by one, and gets more."""
    if texts.null_count:
        first = rows_before + int(pc.index(texts.is_null(), True).as_py()) + 1
        raise InputError(f"row {first}: the regime is missing; write {BASELINE!r} for baseline")
    width, total = len(reader.model), len(texts)
    namable = np.flatnonzero(reader.model.two_level)
    names = pa.array([reader.model.interventions[i].name for i in namable], texts.type)
    parts = pc.split_pattern(texts, "+")
    part_index = pc.fill_null(pc.index_in(parts.flatten(), value_set=names), -1).to_numpy(zero_copy_only=False)
    counts = pc.list_value_length(parts).to_numpy(zero_copy_only=False).astype(np.int64)
    row = np.repeat(np.arange(total, dtype=np.int64), counts)
    is_label = np.ones(total, dtype=bool)
    is_label[row[part_index < 0]] = False
    if reader.may_clash:
        is_label &= pc.utf8_length(texts).to_numpy(zero_copy_only=False) != width
    position = np.append(namable, 0)[part_index]
    key = row * width + position
    if (np.diff(key) <= 0).any():
        key = np.sort(key, kind="stable")  # nearly sorted already: stable sorting is fast
        is_label[row[1:][(key[1:] == key[:-1])]] = False
    if is_label.all():
        return Regimes.of(counts, key - row * width, np.ones(len(key), dtype=np.int64), width)

    keep = is_label[row]
    position = (key - row * width)[keep]
    labels = Regimes.of(counts[is_label], position, np.ones(len(position), dtype=np.int64), width)
    other = np.flatnonzero(~is_label)
    distinct = texts.take(pa.array(other)).dictionary_encode()
    codes = distinct.indices.to_numpy(zero_copy_only=False)
    read = []
    for code, text in enumerate(distinct.dictionary.to_pylist()):
        try:
            if text not in known:
                known[text] = reader.read(text)[0]
            read.append(known[text])
        except InputError as error:
            first = rows_before + int(other[np.argmax(codes == code)]) + 1
            raise InputError(f"row {first}: {error}") from None
    index = np.cumsum(is_label) - 1
    index[other] = len(labels) + codes
    return Regimes.concatenate([labels, Regimes.from_active(read, width)]).take(index)


def format_regime(model: Model, active: Active, notation: Notation) -> str:
    """One regime as text in a notation, as `format_regimes` writes it.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", ("no", "low", "high")))
    >>> model = Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),))
    >>> format_regime(model, ((0, 1),), "label"), format_regime(model, ((0, 1), (1, 2)), "label")
    ('A', 'A=1,B=high')
    >>> format_regime(model, ((0, 1),), "levels")
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: level strings need levels of one character; intervention 'B' has 'no'
    """
    text: str = format_regimes(model, Regimes.from_active([active], len(model)), notation)[0].as_py()
    return text


def format_regimes(model: Model, regimes: Regimes, notation: Notation) -> pa.Array:
    """Every regime as text, shape (n,), such that parsing gives the regime back.

    Label parts go in the model's order; baseline is `ctrl` but for level strings. A regime with an
    intervention of more than two levels off baseline has no label and becomes an assignment; a text that
    could be read in two ways becomes an assignment of every intervention; so does a level string of a model with
    levels that have values. Raises InputError for level strings of a model with longer levels.
    """
    reader = RegimeReader(model)
    if notation == "levels" and not model.has_bases:
        if reader.long_level is not None:
            name, level = reader.long_level
            raise InputError(f"level strings need levels of one character; intervention {name!r} has {level!r}")
        sizes = np.full(len(regimes), 4 * len(model), dtype=np.int64)
        blocks = [_level_strings(reader, block) for block in _blocks(regimes, sizes)]
    else:
        table = _PartTable(model)
        blocks = [table.join(block, notation) for block in _blocks(regimes, table.sizes(regimes))]
    texts = blocks[0] if len(blocks) == 1 else pa.concat_arrays([b.cast(pa.large_string()) for b in blocks])
    return _unambiguous(reader, regimes, texts) if reader.may_clash else texts


def _blocks(regimes: Regimes, sizes: Ints) -> Iterator[Regimes]:
    """Consecutive rows whose sizes in bytes add up to what one Arrow string array can hold."""
    ends = np.cumsum(sizes)
    total = int(ends[-1]) if len(ends) else 0
    if total <= _BLOCK_BYTES:
        yield regimes
        return
    starts = np.unique(np.searchsorted(ends, np.arange(0, total, _BLOCK_BYTES)))
    for start, stop in zip(starts, [*starts[1:], len(regimes)], strict=True):
        yield regimes.take(slice(int(start), int(stop)))


class _PartTable:
    """The text of every (intervention, level off baseline), as a label part and as an assignment."""

    def __init__(self, model: Model) -> None:
        off = [(one, text) for one in model.interventions for text in map(level_text, one.known_levels[1:])]
        assigned = [f"{one.name}={quoted_level(text)}" for one, text in off]
        self.texts = pa.array([one.name for one, _ in off] + assigned, pa.string())
        self.bytes = pc.binary_length(self.texts).to_numpy(zero_copy_only=False).astype(np.int64)
        others = model.known_counts - 1
        self.offset = np.cumsum(others) - others
        self.size = len(off)
        self.two_level = model.two_level

    def sizes(self, regimes: Regimes) -> Ints:
        """An upper bound of every text's length in bytes, shape (n,)."""
        index = self.offset[regimes.position] + regimes.level - 1 + self.size
        ends = row_bounds(self.bytes[index] + 1)
        bound: Ints = ends[regimes.indptr[1:]] - ends[regimes.indptr[:-1]] + len(BASELINE)
        return bound

    def join(self, regimes: Regimes, notation: Notation) -> pa.Array:
        rows, active = regimes.rows, regimes.active_counts
        assign = np.full(len(regimes), notation == "assignment")
        assign[rows[~self.two_level[regimes.position]]] = True
        index = self.offset[regimes.position] + regimes.level - 1 + self.size * assign[rows]
        parts = pa.ListArray.from_arrays(pa.array(regimes.indptr.astype(np.int32)), self.texts.take(index))
        joined = pc.binary_join(parts, pa.array(["+", ","]).take(pa.array(assign.astype(np.int8))))
        return pc.if_else(pa.array(active == 0), BASELINE, joined)


def _level_strings(reader: RegimeReader, regimes: Regimes) -> pa.Array:
    points = np.array([ord(text) for index in reader.level_index for text in index], dtype="<u4")
    ascii_only = bool(points.max(initial=0) < 0x80)
    starts = np.cumsum(reader.model.level_counts) - reader.model.level_counts
    points = points.astype(np.uint8) if ascii_only else points
    cells = np.tile(points[starts], (len(regimes), 1))
    cells[regimes.rows, regimes.position] = points[starts[regimes.position] + regimes.level]
    if ascii_only:
        text, lengths = cells.tobytes(), np.full(len(cells), regimes.width, dtype=np.int64)
    else:
        text = cells.tobytes().decode("utf-32-le").encode()
        width = 1 + (cells > 0x7F).astype(np.int8) + (cells > 0x7FF) + (cells > 0xFFFF)
        lengths = width.sum(axis=1, dtype=np.int64)
    offsets = row_bounds(lengths).astype(np.int32)
    return pa.StringArray.from_buffers(len(regimes), pa.py_buffer(offsets), pa.py_buffer(text))


def _unambiguous(reader: RegimeReader, regimes: Regimes, texts: pa.Array) -> pa.Array:
    safe = []
    for text, regime in zip(texts.to_pylist(), regimes, strict=True):
        try:
            same = reader.read(text)[0] == regime
        except InputError:
            same = False
        if not same:
            levels = regime_map(reader.model, regime)
            text = ",".join(f"{name}={quoted_level(level_text(level))}" for name, level in levels.items())
        safe.append(text)
    return pa.array(safe, texts.type)
