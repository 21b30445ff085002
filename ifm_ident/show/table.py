"""Answers as a table for people, chunk by chunk and without Python work a regime."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifm_ident.answer.identification import JOINT, Criterion, Identification, Status
from ifm_ident.answer.product import density_text
from ifm_ident.arrays import Ints, ragged_arange, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.design.notation import format_regimes
from ifm_ident.results.header import StudyLike
from ifm_ident.show._formula_texts import LONGEST, density_texts, formula_texts, joined_texts
from ifm_ident.show.objective_words import Proofs, attained_texts
from ifm_ident.show.size_words import Sizes, size_texts, sizes_of
from ifm_ident.show.words import (
    Tally,
    counted,
    listed,
    reason_words,
    refusal_words,
    regime_words,
    remainders,
    variables_of,
)
from ifm_ident.solve.objectives.choose import Chosen

WIDTH = 80
"""Columns of a line of prose."""

_WIDEST_NAME = 40
_MISSING_SHOWN = 6
_OBSERVED_SHOWN = 60
_TEXT = pa.large_string()
_LAST_COLUMN = re.compile(r".*\S {2,}(?=\S)")
_STATUS_TEXTS = ("", "identified", "not identified", "no joint formula", "undecided")


def write_table(
    stream: BinaryIO,
    study: StudyLike,
    chunks: Iterable[Identification | Chosen],
    notes: Sequence[str] = (),
    width: int | None = None,
) -> None:
    """Writes a heading, `notes`, one line a regime grouped by active interventions, and what the words mean.

    Regimes are grouped within a chunk (so that memory stays bounded), observed ones in one paragraph a group.
    Formulas that an objective chose are followed by what they attain, and by a bound where not proven best. Lines
    wider than `width` go on under their last column; by default a regime's formula is one line, however long.

    >>> import io
    >>> import numpy as np
    >>> from ifm_ident.design.design import Design
    >>> from ifm_ident.solve.identifier import identify
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.design.regimes import Regimes
    >>> from ifm_ident.results.header import Heading
    >>> a, b = Intervention("A", (0, 1)), Intervention("B", (0, 1))
    >>> model = Model((a, b), ("x",), (Factor("f1", ("x",), ("A",)), Factor("f2", ("x",), ("B",))))
    >>> design = Design(model, Regimes.from_codes(np.array([[0, 0], [1, 0], [0, 1]])))
    >>> found = identify(design, Regimes.from_codes(np.array([[1, 1]])), notation="label")
    >>> write_table(stream := io.BytesIO(), Heading("two", design, "label"), [found])
    >>> print(stream.getvalue().decode().splitlines()[-3])
      A+B  identified  p(A) p(B) / p(ctrl)
    """
    stream.write(_text([*heading(study), *(line for note in notes for line in wrapped(note))]))
    table = _Table(study)
    for chunk in chunks:
        for lines in table.blocks(chunk):
            stream.write(_text(lines if width is None else folded(lines, width)))
    stream.write(_text(table.closing()))


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode() if lines else b""


def folded(lines: Iterable[str], width: int) -> list[str]:
    """Lines of a table, those wider than `width` going on under their last column where that leaves room.

    >>> folded(["  A+B  identified  p(A) p(B) / p(ctrl)", "  A    observed"], 30)
    ['  A+B  identified  p(A) p(B) /', '                   p(ctrl)', '  A    observed']
    """
    found: list[str] = []
    for line in lines:
        if len(line) <= width:
            found.append(line)
            continue
        start = _LAST_COLUMN.match(line)
        head = len(start[0]) if start else 0
        text, under = line[head:], " " * (head if 3 * head < 2 * width else 6)
        room = max(width - head, 1)
        first = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)[:1]
        rest = text[len(first[0]) :].strip() if first else ""
        found.append(line[:head] + (first[0] if first else ""))
        found += textwrap.wrap(
            rest,
            width,
            initial_indent=under,
            subsequent_indent=under,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return found


def wrapped(text: str, indent: str = "") -> list[str]:
    """A paragraph as lines of at most WIDTH columns, all but the first one indented."""
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def heading(study: StudyLike) -> list[str]:
    """The study's name and size, and what p(...) means."""
    name = " ".join(study.name.split())
    return [*wrapped(f"{name}: {size_words(study)}", "  "), *wrapped(meaning_words(study))]


def size_words(study: StudyLike) -> str:
    """How many interventions, factors and training regimes there are, with the rows of repeated ones."""
    model = study.design.model
    sizes = (len(model), "intervention"), (len(model.factors), "factor")
    return ", ".join([*(counted(size, what) for size, what in sizes), study.design.training_words])


def meaning_words(study: StudyLike) -> str:
    """What p(R) means, and how a regime R is written."""
    model = study.design.model
    return (
        f"{density_meaning(model)} in regime R. Formulas hold up to a factor that does "
        f"not depend on {listed(model.variables)}. A regime is written as {regime_words(model, study.notation)}."
    )


def density_meaning(model: Model) -> str:
    """What p(R) is the density of, and what is given in it; where there are covariates also whose law is free."""
    if not model.covariates:
        return f"p(R) is the density of {listed(model.variables)}"
    z = "" if model.given == ", ".join(model.covariates) else "z = "
    x = "x" if model.variables == ("x",) else f"x = {listed(model.variables)}"
    return f"{density_text('R', model.given)} is the density of {x} given {z}{listed(model.covariates)}"


class _Table:
    """The lines of a table; widths and the group at hand carry over from chunk to chunk."""

    def __init__(self, study: StudyLike) -> None:
        self.study, self.model = study, study.design.model
        self.names = format_regimes(self.model, study.design.train, study.notation)
        self.tally = Tally()
        self.proofs: Proofs | None = None
        self.sizes = Sizes()
        self.group = -1
        self.name_width = self.status_width = 0
        self.cut = self.remainder = False
        self.labels = [f"{listed(variables_of(self.model, b))} | rest:" for b in range(len(self.model.covers))]

    def blocks(self, chunk: Identification | Chosen) -> Iterator[list[str]]:
        """The lines of each group of a chunk."""
        values = None
        found = chunk.identification if isinstance(chunk, Chosen) else chunk
        if isinstance(chunk, Chosen) and chunk.objective != "basis":
            values = attained_texts(chunk)
            self.proofs = (self.proofs or Proofs(chunk.objective)).plus(chunk)
        self.tally = self.tally.plus(found)
        names = format_regimes(self.model, found.targets, self.study.notation).cast(_TEXT)
        observed = found.status == Status.OBSERVED
        lines = self._lines(found, names, values)
        active = found.targets.active_counts
        for group in np.unique(active).tolist():
            block: list[str] = []
            if group != self.group:
                self.group = group
                block += ["", f"{counted(group, 'intervention')} active" if group else "baseline"]
            inside = active == group
            seen = names.take(pa.array(np.flatnonzero(inside & observed)))
            if len(seen):
                more = f" and {len(seen) - _OBSERVED_SHOWN:,} more" if len(seen) > _OBSERVED_SHOWN else ""
                block += wrapped(f"  observed: {' '.join(seen[:_OBSERVED_SHOWN].to_pylist())}{more}", "    ")
            yield block + lines.take(pa.array(np.flatnonzero(inside & ~observed))).to_pylist()

    def _lines(self, found: Identification, names: pa.Array, values: pa.Array | None) -> pa.Array:
        refused = found.status == Status.NOT_IDENTIFIED
        code = np.where(refused & (found.criterion == Criterion.JOINT), 3, found.status)
        code[found.status == Status.UNDECIDED] = 4
        partial = found.partial_rows
        others = np.flatnonzero(code > 0)
        if len(others):
            longest = pc.max(pc.utf8_length(names.take(pa.array(others)))).as_py()
            self.name_width = max(self.name_width, min(longest, _WIDEST_NAME))
            self.status_width = max(self.status_width, *(len(_STATUS_TEXTS[c]) for c in np.unique(code)))
        padded_words = [f"{text.ljust(self.status_width)}  " for text in _STATUS_TEXTS]
        code[partial] = len(padded_words)
        words = pa.array([*padded_words, f"{_STATUS_TEXTS[Status.NOT_IDENTIFIED]}; "], _TEXT)
        padded = pc.utf8_rpad(names, self.name_width)
        return joined_texts("  ", padded, "  ", words.take(pa.array(code)), self._details(found, values))

    def _details(self, found: Identification, values: pa.Array | None) -> pa.Array:
        """What follows the verdict in each row, empty for observed regimes."""
        pieces, index, size = [pa.array([""], _TEXT)], np.zeros(len(found), dtype=np.int64), 1
        for rows, texts in (*self._formulas(found, values), self._refusals(found), self._undecided(found)):
            index[rows] = size + np.arange(len(rows))
            pieces.append(texts)
            size += len(rows)
        return pa.concat_arrays(pieces).take(pa.array(index))

    def _formulas(self, found: Identification, values: pa.Array | None) -> Iterator[tuple[Ints, pa.Array]]:
        texts = formula_texts(found.terms, self.names, self.model.given)
        self.cut |= bool(texts.cut.any())
        shown = texts.text if values is None else joined_texts(texts.text, "  ", values)
        if self.model.has_bases:
            self.sizes = self.sizes.plus(found)
            shown = joined_texts(shown, "  ", size_texts(sizes_of(found.terms)))
        joint = np.flatnonzero(texts.block == JOINT)
        yield texts.row[joint], shown.take(pa.array(joint))
        parts = np.flatnonzero(texts.block != JOINT)
        if not len(parts):
            return
        width = max(map(len, self.labels))
        labels = pa.array([f"\n      {label.ljust(width)} " for label in self.labels], _TEXT)
        lines = joined_texts(labels.take(pa.array(texts.block[parts])), shown.take(pa.array(parts)))
        rows, counts = np.unique(texts.row[parts], return_counts=True)
        lists = pa.LargeListArray.from_arrays(pa.array(row_bounds(counts)), lines)
        shown = pc.binary_join(lists, pa.scalar("", _TEXT))
        whole = found.status[rows] == Status.IDENTIFIED
        yield rows[whole], joined_texts("by full conditionals", shown.filter(pa.array(whole)))
        if not whole.all():
            yield self._partial(found, shown.filter(pa.array(~whole)))

    def _partial(self, found: Identification, formulas: pa.Array) -> tuple[Ints, pa.Array]:
        self.remainder = True
        rows, index, words = remainders(found)
        heads = pa.array([f"{text}:" for text in words], _TEXT).take(pa.array(index))
        reasons = [f"\n      {reason_words(self.model, kernel)}" for kernel in found.kernels]
        return rows, joined_texts(heads, formulas, pa.array(reasons, _TEXT).take(pa.array(found.kernel[rows])))

    def _refusals(self, found: Identification) -> tuple[Ints, pa.Array]:
        rows = np.setdiff1d(found.rows_with(Status.NOT_IDENTIFIED), found.partial_rows)
        words = [refusal_words(self.model, kernel) for kernel in found.kernels]
        return rows, pa.array(words, _TEXT).take(pa.array(found.kernel[rows]))

    def _undecided(self, found: Identification) -> tuple[Ints, pa.Array]:
        rows = found.rows_with(Status.UNDECIDED)
        if found.lacking is None or not len(rows):
            return rows[:0], pa.array([], _TEXT)
        counts = found.lacking.sizes[rows]
        shown = np.minimum(counts, _MISSING_SHOWN)
        flat = ragged_arange(found.lacking.indptr[rows], shown)
        names = format_regimes(self.model, found.lacking.regimes.take(flat), self.study.notation).cast(_TEXT)
        lists = pa.LargeListArray.from_arrays(pa.array(row_bounds(shown)), density_texts(names, self.model.given))
        more = [f" and {extra:,} more" if extra else "" for extra in range(int((counts - shown).max()) + 1)]
        rest = pa.array(more, _TEXT).take(pa.array(counts - shown))
        return rows, joined_texts("training lacks ", pc.binary_join(lists, pa.scalar(" ", _TEXT)), rest)

    def closing(self) -> list[str]:
        """What the words of this table mean, and the closing sentence."""
        notes = []
        if self.tally.conditional:
            notes.append(
                "v | rest: here p(R) is the density of v given all other variables in regime R. Together these "
                "full conditionals determine the joint density."
            )
        if self.tally.refused:
            notes.append(
                "not identified: no method can, given these factors; `ifm explain` shows two models as proof."
            )
        if self.remainder:
            notes.append(
                "not identified; u given w: the density of u given w is still determined, by the lines below it. "
                "In those of v | rest, p(R) is the density of v given all other variables in regime R."
            )
        if self.tally.no_joint:
            notes.append(
                "no joint formula: no single product of training densities gives it. The full conditionals may "
                "still do: try `--criterion conditional`."
            )
        if self.tally.undecided:
            notes.append(
                "undecided: message passing lacks these regimes; other formulas may exist: try `--method "
                "algebraic`."
            )
        if self.proofs is not None and self.proofs.formulas:
            notes.append(self.proofs.sentence)
        if self.sizes.formulas:
            notes.append(self.sizes.meaning)
        if self.sizes.large:
            notes.append(self.sizes.warning)
        if self.cut:
            notes.append(
                f"Formulas of more than {LONGEST} characters are cut: `ifm explain --regime R` and `--format "
                "json` show them whole."
            )
        lines = [line for note in notes for line in wrapped(note, "  ")]
        return ["", *lines, *wrapped(self.tally.sentence)]
