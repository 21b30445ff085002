"""Checks of formulas straight from the definition, in exact integers.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import lcm, log2

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ifm_ident.answer.exact_text import Numbers
from ifm_ident.answer.identification import JOINT, Criterion, Status
from ifm_ident.arrays import Ints, Ragged, ragged_arange, row_bounds
from ifm_ident.design.design import Design
from ifm_ident.limits import beyond, current
from ifm_ident.results.claims import Claims
from ifm_ident.verification._cells import CellNumbers, Paths

WORK = 20_000_000
"""About so many cells of training and target regimes are looked at together."""

_BOUND = 2.0**61

Failures = Iterator[tuple[int, str]]
"""Rows and what is wrong with them."""


@dataclass(frozen=True, eq=False)
class Training:
    """Which cells the training regimes show: a 0-1 matrix, regimes by numbered cells, shape (m, cells).

    The last column is all ones: with it, a combination of rows that gives a target's row has exponents
    that add up to one, and then the baseline cell of every factor, which has no column, comes out right too.
    """

    design: Design
    cells: CellNumbers
    paths: Paths
    number: Ints

    @classmethod
    def of(cls, design: Design) -> Training:
        """The training regimes of a design, their cells numbered."""
        cells = CellNumbers(design.model)
        paths = cells.shown(design.train)
        return cls(design, cells, paths, cells.add(paths))

    @cached_property
    def count(self) -> int:
        """The number of cells off baseline that training shows."""
        return int(self.number.max(initial=-1)) + 1

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """The whole matrix."""
        m = len(self.design.train)
        row = np.concatenate([self.paths.row, np.arange(m)])
        column = np.concatenate([self.number, np.full(m, self.count)])
        ones = np.ones(len(row), dtype=np.int64)
        return sparse.csr_matrix((ones, (row, column)), shape=(m, self.count + 1))

    @cached_property
    def by_column(self) -> sparse.csc_matrix:
        """The whole matrix, column by column."""
        return self.matrix.tocsc()

    @cached_property
    def row_sizes(self) -> Ints:
        """The number of ones in every row, shape (m,)."""
        sizes: Ints = np.diff(self.matrix.indptr).astype(np.int64)
        return sizes

    @cached_property
    def by_factor(self) -> tuple[Ints, Ints]:
        """The order of `paths` by factor, and where each factor starts in it, shape (l + 1,)."""
        order = np.argsort(self.paths.factor, kind="stable")
        factors = np.arange(len(self.design.model.factors) + 1)
        return order, np.searchsorted(self.paths.factor[order], factors)

    @cached_property
    def _systems(self) -> dict[int, FactorSystem]:
        return {}

    def system(self, cover: int) -> FactorSystem:
        """The part of the matrix that concerns one set K(v), by its index in `Model.covers`; or all of it."""
        if cover not in self._systems:
            factor = self.cells.factor[: self.count]
            keep = np.ones(len(self.design.model.factors), dtype=bool)
            if cover != JOINT:
                keep[:] = False
                keep[list(self.design.model.covers[cover])] = True
            columns = np.append(np.flatnonzero(keep[factor]), self.count)
            matrix = self.matrix if cover == JOINT else self.by_column[:, columns].tocsr()
            local = np.zeros(self.count + 1, dtype=np.int64)
            local[columns] = np.arange(len(columns))
            self._systems[cover] = FactorSystem(keep, columns, local, matrix)
        return self._systems[cover]


@dataclass(frozen=True, eq=False)
class FactorSystem:
    """A_v: the factors it keeps, shape (l,), the numbers of its columns, ascending, their inverse, the matrix."""

    keep: NDArray[np.bool_]
    columns: Ints
    local: Ints
    matrix: sparse.csr_matrix


@dataclass(frozen=True, eq=False)
class _Formulas(Ragged, entries=("train", "numerator", "denominator"), rows=("row", "variable")):
    """Formulas of one batch: formula s is about row[s] and variable[s], owns indptr[s] to indptr[s + 1]."""

    row: Ints
    variable: Ints
    train: Ints
    numerator: Numbers
    denominator: Numbers


def check_formulas(training: Training, claims: Claims, rows: Ints) -> Failures:
    """The rows, among `rows`, whose formula does not give the target, and where it goes wrong.

    For every factor of a system and every cell, the exponents of the training regimes that show the cell
    must add up to 1 if the target shows it and to 0 if not. Every variable needs a formula of its own in a
    conditional claim; a joint claim has one that serves all. A refusal may have formulas of some variables.
    Raises InputError for a formula whose common denominator is beyond the limit `digits`: sums of such
    fractions take time that no file's size tells.
    """
    if not len(rows):
        return
    terms, targets = claims.terms.take(rows), claims.targets.take(rows)
    touched = row_bounds(training.cells.holders(targets))
    looked = row_bounds(training.row_sizes[terms.train])[terms.indptr]
    work = np.diff(looked) + np.diff(touched[targets.indptr])
    batch = np.cumsum(work) // WORK
    for part in np.split(rows, np.flatnonzero(np.diff(batch)) + 1):
        yield from _check_batch(training, claims, part)


def _check_batch(training: Training, claims: Claims, rows: Ints) -> Failures:
    model = claims.design.model
    formulas = _formulas(claims, rows)
    yield from check_variables(claims, rows, formulas)
    shown = training.cells.shown(claims.targets.take(rows))
    number = training.cells.find(shown)
    number[number >= training.count] = -1
    cover_of = np.array([*(model.cover_index[v] for v in model.variables), JOINT], dtype=np.int64)
    cover = cover_of[formulas.variable]
    for c in np.unique(cover).tolist():
        system = training.system(c)
        part = formulas.take(np.flatnonzero(cover == c))
        for formula, column in _differences(training, system, part, shown, number, rows):
            variable = int(part.variable[formula])
            about = "" if variable == JOINT else f" of {model.variables[variable]}"
            if column == training.count:
                why = "do not add up to 1"
            else:
                factor = model.factors[_factor_at(training, column)].name
                why = f"do not give the target's level combination (cell) of factor {factor!r}"
            yield int(part.row[formula]), f"the exponents{about} {why}"


def _factor_at(training: Training, column: int) -> int:
    """The factor of a column; columns past the ones stand for a factor's cells that training never shows."""
    return int(training.cells.factor[column]) if column < training.count else column - training.count - 1


def _formulas(claims: Claims, rows: Ints) -> _Formulas:
    terms = claims.terms.take(rows)
    row = terms.owners
    key = row * (len(claims.design.model.variables) + 1) + terms.variable + 1
    order = np.arange(len(key)) if np.all(key[1:] >= key[:-1]) else np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    return _Formulas(
        np.append(starts, len(key)).astype(np.int64),
        rows[row[order][starts]],
        terms.variable[order][starts],
        terms.train[order],
        terms.numerator[order],
        terms.denominator[order],
    )


def check_variables(claims: Claims, rows: Ints, formulas: _Formulas | None = None) -> Failures:
    """The rows whose formulas are not of the variables that the criterion asks for."""
    formulas = _formulas(claims, rows) if formulas is None else formulas
    names = claims.design.model.variables
    at = np.searchsorted(rows, formulas.row)
    named = np.bincount(at[formulas.variable != JOINT], minlength=len(rows))
    whole = np.bincount(at[formulas.variable == JOINT], minlength=len(rows))
    conditional = claims.criterion[rows] == Criterion.CONDITIONAL
    refused = claims.status[rows] == Status.NOT_IDENTIFIED
    wrong = np.where(conditional, ((named != len(names)) & ~refused) | (whole > 0), (named > 0) | (whole != 1))
    for i in np.flatnonzero(wrong).tolist():
        if not conditional[i]:
            yield int(rows[i]), "a joint claim has one formula, about no variable"
        elif refused[i]:
            yield int(rows[i]), "one formula of what is still determined names no variable"
        else:
            low, high = np.searchsorted(at, [i, i + 1])
            has = set(formulas.variable[low:high].tolist())
            absent = [name for v, name in enumerate(names) if v not in has]
            yield (
                int(rows[i]),
                f"there is no formula of {absent[0]}" if absent else "one formula names no variable",
            )


def _differences(
    training: Training, system: FactorSystem, formulas: _Formulas, shown: Paths, number: Ints, rows: Ints
) -> Iterator[tuple[int, int]]:
    """Formulas that fail, and one column where they do."""
    count = len(formulas)
    at = np.searchsorted(rows, formulas.row)
    first = np.searchsorted(shown.row, np.arange(len(rows) + 1))
    sizes = np.diff(first)[at]
    entry = ragged_arange(first[:-1][at], sizes)
    formula = np.repeat(np.arange(count, dtype=np.int64), sizes)
    inside = system.keep[shown.factor[entry]]
    entry, formula = entry[inside], formula[inside]
    unseen = number[entry] < 0
    for f, e in zip(formula[unseen].tolist(), entry[unseen].tolist(), strict=True):
        yield f, training.count + 1 + int(shown.factor[e])
    entry, formula = entry[~unseen], formula[~unseen]
    column = system.local[number[entry]]

    scale, small = _scales(formulas)
    plain = formulas.take(np.flatnonzero(small))
    new_index = np.cumsum(small) - 1
    mine = small[formula]
    yield from (
        (int(np.flatnonzero(small)[f]), c)
        for f, c in _small(system, plain, scale[small], new_index[formula[mine]], column[mine])
    )
    for f in np.flatnonzero(~small).tolist():
        low, high = np.searchsorted(formula, [f, f + 1])
        wrong = _large(system, formulas.take(slice(f, f + 1)), column[low:high])
        if wrong is not None:
            yield f, int(system.columns[wrong])


def _scales(formulas: _Formulas) -> tuple[Ints, NDArray[np.bool_]]:
    """A common denominator of every formula, and whether all of its sums are sure to fit int64."""
    starts = formulas.indptr[:-1]
    owner = formulas.owners
    small = np.ones(len(starts), dtype=bool)
    top, bottom = formulas.numerator, formulas.denominator
    for values in (top, bottom):
        if values.dtype == object:
            small[owner[np.array([abs(value) > _BOUND for value in values], dtype=bool)]] = False
    mine = small[owner]
    top = np.where(mine, top, 1).astype(np.int64)
    bottom = np.where(mine, bottom, 1).astype(np.int64)
    scale = np.lcm.reduceat(bottom, starts)
    small &= (scale > 0) & (scale < _BOUND)
    scale = np.where(small, scale, 1)
    # any positive common multiple will do, so an overflow inside lcm shows as a remainder
    small &= np.add.reduceat(scale[owner] % bottom != 0, starts) == 0
    size = np.abs(top.astype(np.float64)) * (scale[owner] / bottom.astype(np.float64))
    small &= np.add.reduceat(size, starts) + scale < _BOUND
    return scale, small


def _small(
    system: FactorSystem, formulas: _Formulas, scale: Ints, formula: Ints, column: Ints
) -> Iterator[tuple[int, int]]:
    """Formulas whose sums differ from the target's cells, in int64; (formula, column) lists what targets show."""
    exponents = formulas.numerator.astype(np.int64) * (
        scale[formulas.owners] // formulas.denominator.astype(np.int64)
    )
    shape = (len(scale), system.matrix.shape[1])
    combination = sparse.csr_matrix(
        (exponents, formulas.train, formulas.indptr), shape=(len(scale), system.matrix.shape[0])
    )
    row = np.concatenate([formula, np.arange(len(scale))])
    column = np.concatenate([column, np.full(len(scale), shape[1] - 1)])
    target = sparse.csr_matrix((scale[row], (row, column)), shape=shape)
    difference = combination @ system.matrix - target
    difference.eliminate_zeros()
    for f in np.flatnonzero(np.diff(difference.indptr)).tolist():
        yield f, int(system.columns[difference.indices[difference.indptr[f]]])


def _large(system: FactorSystem, formula: _Formulas, column: Ints) -> int | None:
    """A column where the sums of one formula differ from the target's cells, in Python integers."""
    scale = _common_denominator({int(b) for b in formula.denominator})
    factor = {int(b): scale // int(b) for b in formula.denominator}
    pairs = [(int(a), int(b)) for a, b in zip(formula.numerator, formula.denominator, strict=True)]
    exponents = {(a, b): a * factor[b] for a, b in set(pairs)}
    part = system.matrix[formula.train].tocsc()
    due = np.bincount(column, minlength=part.shape[1])
    due[-1] += 1  # the column of ones
    for at in np.flatnonzero((np.diff(part.indptr) > 0) | (due > 0)).tolist():
        rows = part.indices[part.indptr[at] : part.indptr[at + 1]].tolist()
        if sum(exponents[pairs[row]] for row in rows) != scale * int(due[at]):
            return at
    return None


def _common_denominator(denominators: set[int]) -> int:
    """The least common multiple; InputError for one beyond the limit `digits`, as soon as it is."""
    scale, most = 1, current().digits
    for one in denominators:
        if scale % one:
            scale = lcm(scale, one)
        if scale.bit_length() > (most + 1) * log2(10):
            least = int(scale.bit_length() / log2(10)) + 1
            raise beyond(
                "digits", least, f"the exponents of a formula have a common denominator of {least:,} digits"
            )
    return scale
