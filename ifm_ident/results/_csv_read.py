"""Long CSV results read back: lines grouped into regimes, texts into numbers (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
from numpy.typing import NDArray

from ifm_ident.answer.exact_text import Numbers, parse_distinct
from ifm_ident.answer.identification import Status
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.notation import parse_labels
from ifm_ident.design.regimes import RegimeLists, Regimes
from ifm_ident.errors import InputError
from ifm_ident.inert import SUSPECT, original_cell
from ifm_ident.results._columns import (
    CRITERION_WORDS,
    STATUS_WORDS,
    Place,
    check_train,
    first_line,
    index_of,
    read_cells,
    read_integers,
    read_kernels,
)
from ifm_ident.results._csv_write import COLUMNS, KINDS, MISSING
from ifm_ident.results._json_read import load_json
from ifm_ident.results.claims import Claims, VariableTerms
from ifm_ident.results.header import shown

_EXPONENT, _KERNEL, _NONE = range(len(KINDS))
_BLOCK_BYTES = 2**23
_TEXT = pa.large_string()


def read_csv(path: Path, design: Design) -> Iterator[Claims]:
    """The claims of a long CSV about a design, read block by block.

    Raises InputError, without the file's name, for everything that is no such result.
    """
    known = [*COLUMNS, MISSING]
    options = {
        "read_options": pcsv.ReadOptions(block_size=_BLOCK_BYTES),
        "parse_options": pcsv.ParseOptions(newlines_in_values=True),
        "convert_options": pcsv.ConvertOptions(
            column_types=dict.fromkeys(known, _TEXT), strings_can_be_null=False
        ),
    }
    before, kept = 0, None
    try:
        with pcsv.open_csv(path, **options) as reader:
            names = reader.schema.names
            if names not in (list(COLUMNS), known):
                raise InputError(f"the columns are {', '.join(names)}; a result has {', '.join(COLUMNS)}")
            for batch in reader:
                table = pa.Table.from_batches([batch])
                table = table if kept is None else pa.concat_tables([kept, table])
                lines = _Lines(design, table.combine_chunks(), before)
                last = int(lines.starts[-1]) if len(lines.starts) else 0
                if last:
                    yield lines.claims(last)
                kept = table.slice(last)
                before += last
    except UnicodeDecodeError as error:
        raise InputError(
            f"the line of the columns is not UTF-8 (byte 0x{error.object[error.start]:02x})"
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"after line {before + 1}: {first_line(error)}") from None
    if kept is not None and kept.num_rows:
        yield _Lines(design, kept.combine_chunks(), before).claims(kept.num_rows)


class _Lines:
    """Lines of a long CSV, and where each result starts among them.

    A result ends where regime, status, criterion or kind change, after a line of kind `none`, and where the
    first term or cell of the regime comes again: so a target that is listed twice has two results. Only the kernel
    of a refusal may follow the terms of what is still determined of it.
    """

    def __init__(self, design: Design, table: pa.Table, before: int) -> None:
        self.design, self.before = design, before
        self.column = {
            name: _original(table[name].chunk(0)) if table.num_rows else pa.array([], type=_TEXT)
            for name in table.column_names
        }
        model: Model = design.model
        column = self.column
        self.status = index_of(column["status"], STATUS_WORDS, "status", self.place)
        self.criterion = index_of(_nulls(column["criterion"]), CRITERION_WORDS, "criterion", self.place)
        self.kind = index_of(column["kind"], KINDS, "kind", self.place)
        self.variable = index_of(_nulls(column["variable"]), model.variables, "variable", self.place)
        self.exponent = np.flatnonzero(self.kind == _EXPONENT)
        self.cell = np.flatnonzero(self.kind == _KERNEL)
        self.train = self._train()
        self._check_unused()
        self.numerator = self._integers("numerator", self.exponent)
        self.denominator = self._integers("denominator", self.exponent)
        self._check_numbers()
        factor, levels, weight = (self._at(name, self.cell) for name in ("factor", "levels", "numerator"))
        about = self.variable[self.cell]
        self.cells = read_cells(model, about, factor, levels, weight, self._place_of(self.cell))
        self.starts = self._starts()

    def place(self, line: int) -> str:
        return f"line {self.before + line + 2}"

    def _place_of(self, lines: Ints) -> Place:
        return lambda i: self.place(int(lines[i]))

    def _at(self, name: str, lines: Ints) -> pa.Array:
        return self.column[name].take(pa.array(lines))

    def _integers(self, name: str, lines: Ints) -> Numbers:
        return read_integers(self._at(name, lines), self._place_of(lines))

    def _train(self) -> Ints:
        train: Ints = np.full(len(self.kind), -1, dtype=np.int64)
        given = np.flatnonzero(pc.not_equal(self.column["train"], "").to_numpy(zero_copy_only=False))
        train[given] = check_train(self._integers("train", given), len(self.design.train), self._place_of(given))
        return train

    def _check_unused(self) -> None:
        unused = {
            "train": (_KERNEL,),
            "factor": (_EXPONENT, _NONE),
            "levels": (_EXPONENT, _NONE),
            "numerator": (_NONE,),
            "denominator": (_NONE,),
            "variable": (_NONE,),
            MISSING: (_EXPONENT, _KERNEL),
        }
        for name, kinds in unused.items():
            if name in self.column:
                filled = pc.not_equal(self.column[name], "").to_numpy(zero_copy_only=False)
                self._refuse(filled & np.isin(self.kind, kinds), f"a {name} has no place in a line of this kind")
        lacks_train = (self.kind == _EXPONENT) & (self.train < 0)
        self._refuse(lacks_train, "the training index is missing")

    def _check_numbers(self) -> None:
        for wrong, why in (
            (self.numerator == 0, "the exponent is zero; zeros are left out"),
            (self.denominator <= 0, "the denominator is not positive"),
        ):
            self._refuse(np.isin(np.arange(len(self.kind)), self.exponent[wrong.astype(bool)]), why)
        divided = pc.not_equal(self.column["denominator"], "1").to_numpy(zero_copy_only=False)
        self._refuse(divided & (self.kind == _KERNEL), "the denominator of a weight is 1")

    def _refuse(self, bad: NDArray[np.bool_], why: str) -> None:
        if bad.any():
            line = int(np.argmax(bad))
            raise InputError(f"{self.place(line)}: {why} ({KINDS[self.kind[line]]})")

    def _starts(self) -> Ints:
        key = np.zeros(len(self.kind), dtype=np.int64)
        key[self.exponent] = self.variable[self.exponent] * len(self.design.train) + self.train[self.exponent]
        key[self.cell] = self.cells.cell
        regime, _ = parse_distinct(self.column["regime"])
        new_run = np.ones(len(self.kind), dtype=bool)
        new_run[1:] = False
        for values in (regime, self.status, self.criterion):
            new_run[1:] |= values[1:] != values[:-1]
        refused = self.status == Status.NOT_IDENTIFIED
        follows = np.zeros(len(self.kind), dtype=bool)
        follows[1:] = ~new_run[1:] & refused[1:] & (self.kind[1:] == _KERNEL) & (self.kind[:-1] == _EXPONENT)
        new_run[1:] |= self.kind[1:] != self.kind[:-1]
        run_start = np.maximum.accumulate(np.where(new_run, np.arange(len(key)), 0))
        return np.flatnonzero((self.kind == _NONE) | (key == key[run_start]) & ~follows)

    def claims(self, stop: int) -> Claims:
        """The claims of the lines before line `stop`, where a result starts or the lines end."""
        starts = self.starts[self.starts < stop]
        ends = np.append(starts, stop)
        term_ends, cell_ends = np.searchsorted(self.exponent, ends), np.searchsorted(self.cell, ends)
        terms = slice(0, int(term_ends[-1]))
        kernel, kernels, about = read_kernels(self.cells, cell_ends, self._place_of(self.cell))
        none = self.kind[starts] == _NONE
        return Claims(
            self.design,
            self._regimes(self._at("regime", starts), self._place_of(starts)),
            self.status[starts].astype(np.int8),
            self.criterion[starts].astype(np.int8),
            np.where(none, self.train[starts], -1),
            VariableTerms(
                term_ends,
                self.variable[self.exponent[terms]],
                self.train[self.exponent[terms]],
                self.numerator[terms],
                self.denominator[terms],
            ),
            kernel,
            kernels,
            about,
            self._lacking(starts),
        )

    def _regimes(self, texts: pa.Array, place: Place) -> Regimes:
        try:
            return parse_labels(self.design.model, pa.chunked_array([texts]))
        except InputError as error:
            row, colon, message = str(error).partition(": ")
            if not (colon and row.startswith("row ")):
                raise
            raise InputError(f"{place(int(row[4:]) - 1)}: {message}") from None

    def _lacking(self, starts: Ints) -> RegimeLists | None:
        if MISSING not in self.column:
            return None
        texts: list[str] = []
        sizes: list[int] = []
        for line, cell in zip(starts.tolist(), self._at(MISSING, starts).to_pylist(), strict=True):
            listed = load_json(cell) if cell else []
            if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
                raise InputError(f"{self.place(line)}: {shown(cell)} is no JSON list of regimes")
            texts.extend(listed)
            sizes.append(len(listed))
        place = self._place_of(np.repeat(starts, sizes))
        return RegimeLists.of(sizes, self._regimes(pa.array(texts, type=_TEXT), place))


def _original(column: pa.Array) -> pa.Array:
    """The texts that were written, of cells that do nothing in spreadsheets (`inert_cell`)."""
    if not pc.any(pc.match_substring_regex(column, SUSPECT)).as_py():
        return column
    codes, distinct = parse_distinct(column)
    return pa.array(map(original_cell, distinct), type=_TEXT).take(pa.array(codes))


def _nulls(column: pa.Array) -> pa.Array:
    # not pc.if_else with a null: wrong on slices before pyarrow 24 (apache/arrow issue 49410)
    empty = pc.equal(column, "").to_numpy(zero_copy_only=False)
    return column.take(pa.array(np.arange(len(column)), mask=empty))
