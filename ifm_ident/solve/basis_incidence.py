"""Incidence rows of levels with values: products of basis values in place of 0 and 1 (docs/theory/doses.md).

Each basis is changed to functions that vanish at the baseline and are 0 or 1 at as many training levels as there
are functions: the rows of these levels are those of categorical ones, and stay sparse and small. A row is
multiplied by the least number that makes it whole, its scale.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.arrays import Ints, ragged_arange, row_bounds
from ifm_ident.design.model import Intervention, Model
from ifm_ident.design.regimes import Active, Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.solve.incidence import BaselineSystem, Cells

WIDEST = 4096
"""A factor of levels with values that has more columns than this is refused."""

_SAFE_BITS = 60.0
_CANDIDATES = 2**22

FractionRow = dict[int, Fraction]
"""A row of the incidence matrix as it is, column to nonzero entry."""


class _Functions:
    """The changed functions chi_1, ..., chi_r of one intervention, and their values by level index.

    chi = psi T for psi_j(s) = phi_j(s) - phi_j(baseline); T, shape (r, r), is invertible.
    """

    def __init__(self, intervention: Intervention, run: list[int]) -> None:
        self.intervention = intervention
        self.base = intervention.values(0)
        self.change = _cardinal([self._shifted(level) for level in run], len(self.base))
        self._known: list[tuple[Fraction, ...]] = []

    def _shifted(self, level: int) -> list[Fraction]:
        values = self.intervention.values(level)
        return [value - base for value, base in zip(values, self.base, strict=True)]

    def at(self, level: int) -> tuple[Fraction, ...]:
        """chi_1, ..., chi_r at a level."""
        while len(self._known) <= level:
            shifted = self._shifted(len(self._known))
            columns = range(len(self.base))
            self._known.append(
                tuple(sum((p * self.change[j][m] for j, p in enumerate(shifted)), Fraction(0)) for m in columns)
            )
        return self._known[level]

    def written_out(self, function: int) -> list[Fraction]:
        """chi_function (from 1) as coefficients of phi_0 = 1, phi_1, ..., phi_r."""
        column = [row[function - 1] for row in self.change]
        constant = -sum((c * b for c, b in zip(column, self.base, strict=True)), Fraction(0))
        return [constant, *column]


def _cardinal(rows: list[list[Fraction]], width: int) -> list[list[Fraction]]:
    """An invertible T such that the first independent rows times T are unit rows, and all rows 0 beyond the rank.

    >>> half, one = Fraction(1, 2), Fraction(1)
    >>> [[str(x) for x in row] for row in _cardinal([[half, half**2], [one, one]], 2)]
    [['4', '-1'], ['-4', '2']]
    """
    change = [[Fraction(int(i == j)) for j in range(width)] for i in range(width)]
    taken: set[int] = set()
    for row in rows:
        image = [sum((row[j] * change[j][m] for j in range(width)), Fraction(0)) for m in range(width)]
        pivot = next((m for m in range(width) if image[m] and m not in taken), None)
        if pivot is None:
            continue
        taken.add(pivot)
        for j in range(width):
            scaled = change[j][pivot] / image[pivot]
            for m in range(width):
                change[j][m] = scaled if m == pivot else change[j][m] - image[m] * scaled
        if len(taken) == width:
            break
    return change


def _spread_first(one: Intervention, run: list[int]) -> list[int]:
    """The levels run, first those between which the changed functions stay within -1 and 1 at all of them."""
    order, left = list(run), True
    while left:
        made = _Functions(one, order)
        values = {level: made.at(level) for level in run}
        taken: dict[int, int] = {}
        for level in order:
            if _is_unit(values[level]):
                taken.setdefault(values[level].index(1), level)
        grown = ((abs(v), level, m) for level in run for m, v in enumerate(values[level]) if m in taken)
        size, level, m = max(grown, default=(Fraction(0), 0, 0))
        left = size > 1
        if left:  # the determinant of the levels taken grows by the factor `size`: an end is reached
            first = [level if other == taken[m] else other for other in taken.values()]
            order = [*first, *(other for other in run if other not in first)]
    return order


def _is_unit(values: tuple[Fraction, ...]) -> bool:
    return sum(1 for value in values if value) == 1 and 1 in values


@dataclass(frozen=True, eq=False)
class _Values:
    """The values of all levels known so far: level l of intervention i owns entries start[offset[i] + l], ....

    function counts from 1; a value is numerator / denominator of its level; bits bounds both, infinite where int64
    does not hold them.
    """

    counts: Ints
    offset: Ints
    start: Ints
    size: Ints
    function: Ints
    numerator: Ints
    denominator: Ints
    bits: NDArray[np.float64]


class BasisIncidence(BaselineSystem):
    """Baseline coordinates where interventions have bases: one column for each (T, m) of docs/theory/doses.md.

    `rows` gives whole rows, each multiplied by its number of `scale`. `train` tells the levels that the changed
    functions are made for, the first that serve; with `spread` those between which no value at a level run exceeds
    1, which floats need. Any regime has a row.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor
    >>> dose = Intervention("dose", (0, 1, 2, 3), Basis("poly", degree=2))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> train = Regimes.from_codes(np.array([[0], [1], [2]]))
    >>> system = BasisIncidence(model, (0,), train)
    >>> system.rows(Regimes.from_codes(np.array([[2], [3]])))[0].toarray().tolist()
    [[1, 0, 1], [1, -3, 3]]
    """

    def __init__(self, model: Model, factors: tuple[int, ...], train: Regimes, spread: bool = False) -> None:
        super().__init__(model, factors, train)
        inside = np.zeros(len(model), dtype=bool)
        for k in self._narrow:
            inside[model.scopes[k]] = True
        self._inside = inside
        self._functions: dict[int, _Functions] = {}
        for i in np.flatnonzero(inside & model.valued).tolist():
            run = list(dict.fromkeys(train.level[train.position == i].tolist()))
            one = model.interventions[i]
            self._functions[i] = _Functions(one, _spread_first(one, run) if spread else run)
        self._kept: _Values | None = None

    def _function_counts(self, model: Model) -> Ints:
        return np.array(
            [len(one.levels) if one.basis is None else one.basis.functions + 1 for one in model.interventions],
            dtype=np.int64,
        )

    def _is_wide(self, k: int, cells: int) -> bool:
        if not self.model.valued[self.model.scopes[k]].any():
            return super()._is_wide(k, cells)
        if cells > WIDEST:
            name = self.model.factors[k].name
            raise InputError(
                f"not for levels with values yet: factor {name!r} has {cells:,} products of basis functions "
                f"(limit {WIDEST:,}); give it a smaller sigma-scope or smaller bases"
            )
        return False

    def fits(self, regimes: Regimes) -> NDArray[np.bool_]:
        """Whose row int64 holds, shape (n,)."""
        at, values = self._at(regimes)
        return _row_sums(regimes, np.where(self._inside[regimes.position], values.bits[at], 0.0)) < _SAFE_BITS

    def scale(self, regimes: Regimes) -> Ints:
        """By what each row is multiplied, shape (n,); for regimes whose row fits."""
        at, values = self._at(regimes)
        factor = np.where(self._inside[regimes.position], values.denominator[at], 1)
        result = np.ones(len(regimes), dtype=np.int64)
        filled = np.flatnonzero(regimes.active_counts)
        if len(filled):
            result[filled] = np.multiply.reduceat(factor, regimes.indptr[:-1][filled])
        return result

    def rows(self, regimes: Regimes) -> tuple[csr_array, Ints]:
        """Incidence rows times `scale`, shape (n, columns), int64, and first wide factors never trained or -1.

        Raises WouldOverflow where int64 does not hold a row: ask `fits` before.
        """
        if not self.fits(regimes).all():
            raise WouldOverflow("rows of levels with values have long entries")
        scale = self.scale(regimes)
        n = len(regimes)
        every = np.arange(n, dtype=np.int64)
        pieces = [(every, np.zeros(n, dtype=np.int64), scale)] if self._narrow else []
        if len(self._trie.edge_key):
            pieces += self._products(regimes, scale)
        unseen = np.full(n, -1, dtype=np.int64)
        for k, distinct, offset in self._wide_cells:
            at = regimes.restrict(self._mask(k)).first_equal(distinct)
            unseen[(at < 0) & (unseen < 0)] = k
            seen = np.flatnonzero(at >= 0)
            pieces.append((seen, offset + at[seen], scale[seen]))
        row, column, value = (
            np.concatenate([np.zeros(0, dtype=np.int64), *part]) for part in zip(*pieces, strict=True)
        )
        one_key = n * self.columns < 2**_SAFE_BITS
        order = np.argsort(row * self.columns + column) if one_key else np.lexsort((column, row))
        indptr = row_bounds(np.bincount(row, minlength=n))
        return csr_array((value[order], column[order], indptr), shape=(n, self.columns)), unseen

    def _products(self, regimes: Regimes, scale: Ints) -> list[tuple[Ints, Ints, Ints]]:
        """(row, column, entry) of the products of functions of one intervention or more."""
        at, values = self._at(regimes)
        sizes = np.where(self._inside[regimes.position], values.size[at], 0)
        entry = np.repeat(np.arange(len(at), dtype=np.int64), sizes)
        index = ragged_arange(values.start[at], sizes)
        many = _Entries(
            row_bounds(np.bincount(regimes.rows[entry], minlength=len(regimes))),
            regimes.position[entry],
            values.function[index],
            values.numerator[index],
            values.denominator[at][entry],
        )
        counts = np.diff(many.indptr)
        weight = np.cumsum(counts * (counts + 1) // 2)
        last = int(weight[-1]) if len(weight) else 0
        cuts = np.searchsorted(weight, np.arange(_CANDIDATES, last, _CANDIDATES))
        bounds = np.unique(np.concatenate([[0], cuts + 1, [len(regimes)]])) if len(regimes) else np.array([0])
        found = []
        for start, stop in itertools.pairwise(bounds.tolist()):
            found += self._grow(many, int(start), int(stop), scale)
        return found

    def _grow(self, many: _Entries, start: int, stop: int, scale: Ints) -> list[tuple[Ints, Ints, Ints]]:
        """The products of rows start to stop, each grown by functions of later interventions."""
        trie, radix = self._trie, self._counts - 1
        ends = many.indptr[1:]
        row = np.arange(start, stop, dtype=np.int64)
        node, code = np.zeros((2, stop - start), dtype=np.int64)
        above, below = np.ones((2, stop - start), dtype=np.int64)
        following = many.indptr[start:stop]
        found = []
        while len(row):
            grew, at, child = trie.grown(node, following, ends[row], many.position)
            row, code = row[grew], code[grew] * radix[many.position[at]] + many.function[at] - 1
            above, below = above[grew] * many.numerator[at], below[grew] * many.denominator[at]
            if len(row):
                found.append((row, trie.first_column[child] + code, above * (scale[row] // below)))
            grows = np.flatnonzero(trie.has_children[child])
            row, node, code, following = row[grows], child[grows], code[grows], at[grows] + 1
            above, below = above[grows], below[grows]
        return found

    def _at(self, regimes: Regimes) -> tuple[Ints, _Values]:
        values = self._values()
        return values.offset[regimes.position] + regimes.level, values

    def _values(self) -> _Values:
        counts = self.model.known_counts
        if self._kept is not None and np.array_equal(self._kept.counts, counts):
            return self._kept
        sizes: list[int] = []
        functions: list[int] = []
        above: list[int] = []
        below: list[int] = []
        bits: list[float] = []
        for i, count in enumerate(counts.tolist()):
            made = self._functions.get(i)
            for level in range(count):
                if made is None:
                    sizes.append(int(level > 0))
                    functions += [level] * (level > 0)
                    above += [1] * (level > 0)
                    below.append(1)
                    bits.append(0.0)
                    continue
                chi = made.at(level)
                common = lcm(1, *(value.denominator for value in chi))
                entries = [(m, int(value * common)) for m, value in enumerate(chi, 1) if value]
                largest = max(common, *(abs(value) for _, value in entries)) if entries else common
                long = largest.bit_length() > _SAFE_BITS
                sizes.append(0 if long else len(entries))
                functions += [] if long else [m for m, _ in entries]
                above += [] if long else [value for _, value in entries]
                below.append(1 if long else common)
                bits.append(float("inf") if long else float(np.log2(largest)))
        size = np.array(sizes, dtype=np.int64)
        self._kept = _Values(
            counts,
            np.cumsum(counts) - counts,
            np.cumsum(size) - size,
            size,
            np.array(functions, dtype=np.int64),
            np.array(above, dtype=np.int64),
            np.array(below, dtype=np.int64),
            np.array(bits),
        )
        return self._kept

    def most_bits(self) -> int:
        """No entry or scale of the row of any regime is longer, over all levels known by now."""
        total = 0
        for i, made in self._functions.items():
            longest = 0
            for level in range(int(self.model.known_counts[i])):
                chi = made.at(level)
                common = lcm(1, *(value.denominator for value in chi))
                whole = [common, *(int(value * common) for value in chi)]
                longest = max(longest, *(abs(number).bit_length() for number in whole))
            total += longest
        return total + 1

    def whole_rows(self, regimes: Regimes) -> list[dict[int, int]]:
        """The rows of regimes on columns scaled to whole numbers, of any size: relations are those of the rows."""
        rows = self.fraction_rows(regimes)
        common: dict[int, int] = {}
        for row in rows:
            for column, value in row.items():
                common[column] = lcm(common.get(column, 1), value.denominator)
        return [{column: int(value * common[column]) for column, value in row.items()} for row in rows]

    def fraction_rows(self, regimes: Regimes) -> list[FractionRow]:
        """The rows of regimes as they are, of any size; without cells of a wide factor never trained."""
        return [self.fraction_row(regime) for regime in regimes]

    def fraction_row(self, regime: Active, function: tuple[int, int] | None = None) -> FractionRow:
        """The row of one regime as it is; with (position, m), as if chi_m were 1 there and the others 0."""
        chosen: dict[int, list[tuple[int, Fraction]]] = {}
        for i, level in regime:
            if not self._inside[i] or (function is not None and i == function[0]):
                continue
            made = self._functions.get(i)
            values = [(level, Fraction(1))] if made is None else list(enumerate(made.at(level), 1))
            chosen[i] = [(m, value) for m, value in values if value]
        if function is not None and self._inside[function[0]]:
            chosen[function[0]] = [(function[1], Fraction(1))]
        row: FractionRow = {0: Fraction(1)} if self._narrow else {}
        positions = sorted(chosen)

        def extend(node: int, code: int, value: Fraction, begin: int) -> None:
            for j in range(begin, len(positions)):
                position = positions[j]
                child = int(self._trie.child(np.array([node * self._trie.width + position]))[0])
                if child < 0:
                    continue
                for m, factor in chosen[position]:
                    inner = code * (int(self._counts[position]) - 1) + m - 1
                    row[int(self._trie.first_column[child]) + inner] = value * factor
                    if self._trie.has_children[child]:
                        extend(child, inner, value * factor, j + 1)

        if len(self._trie.edge_key):
            extend(0, 0, Fraction(1), 0)
        batch = Regimes.from_active([regime], len(self.model))
        for k, distinct, offset in self._wide_cells:
            at = int(batch.restrict(self._mask(k)).first_equal(distinct)[0])
            if at >= 0:
                row[offset + at] = Fraction(1)
        return row

    def unseen(self, regimes: Regimes) -> Ints:
        """Each regime's first wide factor with a cell never trained, -1 where there is none; shape (n,)."""
        found = np.full(len(regimes), -1, dtype=np.int64)
        for k, distinct, _ in self._wide_cells:
            at = regimes.restrict(self._mask(k)).first_equal(distinct)
            found[(at < 0) & (found < 0)] = k
        return found

    def chi_at(self, position: int, level: int) -> tuple[Fraction, ...]:
        """The changed functions of an intervention at a level."""
        return self._functions[position].at(level)

    def written_out(self, position: int, function: int) -> list[Fraction]:
        """A changed function as coefficients of the basis functions as the study has them, constant first."""
        return self._functions[position].written_out(function)

    def holds_intervention(self, position: int) -> bool:
        """Whether a factor of this system depends on the value of an intervention."""
        return position in self._functions

    def to_cells(self, weights: dict[int, int]) -> Cells:
        """Column weights as primitive whole weights on products of basis functions, as the study has them.

        In a cell a level index stands for the indicator of that level, and for an intervention with a basis the
        number of the function. The value on every regime is that of `weights` times one positive number.
        """
        total: dict[tuple[int, tuple[int, ...]], Fraction] = {}
        scopes = {k: tuple(self.model.scopes[k].tolist()) for k in self.factors}
        counts = self.model.level_counts.tolist()
        for column, weight in weights.items():
            if column >= self._closure_columns:
                k, distinct, offset = next(w for w in reversed(self._wide_cells) if w[2] <= column)
                shown = dict(distinct[column - offset])
                cell = (k, tuple(shown.get(i, 0) for i in scopes[k]))
                total[cell] = total.get(cell, Fraction(0)) + weight
                continue
            fixed = dict(self._column_levels(column))
            k = self._smallest_holder(tuple(fixed))
            choices: list[list[tuple[int, Fraction]]] = []
            for i in scopes[k]:
                if i in self._functions:
                    spelled = self.written_out(i, fixed[i]) if i in fixed else [Fraction(1)]
                    choices.append([(j, c) for j, c in enumerate(spelled) if c])
                else:
                    levels = (fixed[i],) if i in fixed else range(counts[i])
                    choices.append([(j, Fraction(1)) for j in levels])
            for choice in itertools.product(*choices):
                value = Fraction(weight)
                for _, coefficient in choice:
                    value *= coefficient
                cell = (k, tuple(j for j, _ in choice))
                total[cell] = total.get(cell, Fraction(0)) + value
        kept = {cell: total[cell] for cell in sorted(total) if total[cell]}
        common = lcm(1, *(value.denominator for value in kept.values()))
        whole = {cell: int(value * common) for cell, value in kept.items()}
        divisor = gcd(*whole.values()) or 1
        return {cell: value // divisor for cell, value in whole.items()}


@dataclass(frozen=True, eq=False)
class _Entries:
    """Functions that regimes show, row by row: entry e is function[e] of position[e], numerator / denominator."""

    indptr: Ints
    position: Ints
    function: Ints
    numerator: Ints
    denominator: Ints


def _row_sums(regimes: Regimes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(regimes.rows, weights=values, minlength=len(regimes)).astype(np.float64)


def unscaled(found: Solutions, train: Ints, target: Ints) -> Solutions:
    """Solutions of scaled rows as those of the rows themselves: q_i = q'_i train_i / target.

    train, target: the scales of the training rows and of each target.
    """
    owner = found.owners
    above, below = train[found.row], target[owner]
    bits = [_bits(values) for values in (found.numerator, above, found.denominator, below)]
    if max(bits[0] + bits[1], bits[2] + bits[3]) < _SAFE_BITS and found.numerator.dtype == np.int64:
        numerator, denominator = found.numerator * above, found.denominator * below
    else:
        numerator, denominator = (
            found.numerator.astype(object) * above.astype(object),
            found.denominator.astype(object) * below.astype(object),
        )
    divisor = np.gcd(numerator, denominator)
    return Solutions(found.indptr, found.solvable, found.row, numerator // divisor, denominator // divisor)


def _bits(values: NDArray[np.int64] | NDArray[np.object_]) -> int:
    return max(int(values.max()).bit_length(), int(values.min()).bit_length()) if len(values) else 0


@dataclass(frozen=True, eq=False)
class WholeColumns:
    """By what each column is multiplied so that the training rows are whole, where it is not 1."""

    factor: dict[int, int]
    width: int

    @classmethod
    def of(cls, incidence: BasisIncidence, train: Regimes) -> WholeColumns:
        """For the training regimes of a system."""
        common: dict[int, int] = {}
        for row in incidence.fraction_rows(train):
            for column, value in row.items():
                common[column] = lcm(common.get(column, 1), value.denominator)
        return cls(common, incidence.columns)

    def rows(self, incidence: BasisIncidence, regimes: Regimes) -> tuple[csr_array, Ints]:
        """The rows of regimes on these columns, each times the number that makes it whole, and these numbers.

        Raises WouldOverflow.
        """
        sizes: list[int] = []
        columns: list[int] = []
        entries: list[int] = []
        scales: list[int] = []
        for row in incidence.fraction_rows(regimes):
            scaled = {column: value * self.factor.get(column, 1) for column, value in sorted(row.items())}
            scales.append(lcm(1, *(value.denominator for value in scaled.values())))
            sizes.append(len(scaled))
            columns += scaled
            entries += [int(value * scales[-1]) for value in scaled.values()]
        if max(map(abs, entries + scales), default=0).bit_length() > _SAFE_BITS:
            raise WouldOverflow("whole rows of levels with values have long entries")
        rows = csr_array(
            (np.array(entries, dtype=np.int64), np.array(columns, dtype=np.int64), row_bounds(sizes)),
            shape=(len(sizes), self.width),
        )
        return rows, np.array(scales, dtype=np.int64)


def incidence_of(model: Model, factors: tuple[int, ...], train: Regimes, spread: bool = False) -> BaselineSystem:
    """The incidence system of some factors, of the kind that the model's levels ask for."""
    return (
        BasisIncidence(model, factors, train, spread) if model.has_bases else BaselineSystem(model, factors, train)
    )


def float_rows(incidence: BaselineSystem, regimes: Regimes) -> tuple[csr_array, Ints]:
    """The rows of regimes as they are, shape (n, columns), each entry to 16 digits, and `unseen` as of `rows`.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor
    >>> dose = Intervention("dose", (0, 2, 3), Basis("poly", degree=1))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> system = incidence_of(model, (0,), Regimes.from_codes(np.array([[0], [1]])))
    >>> float_rows(system, Regimes.from_codes(np.array([[1], [2]])))[0].toarray().tolist()
    [[1.0, 1.0], [1.0, 1.5]]
    """
    if not isinstance(incidence, BasisIncidence):
        rows, unseen = incidence.rows(regimes)
        return csr_array(rows, dtype=np.float64), unseen
    if incidence.fits(regimes).all():
        rows, unseen = incidence.rows(regimes)
        scale = np.repeat(incidence.scale(regimes), np.diff(rows.indptr))
        return csr_array((rows.data / scale, rows.indices, rows.indptr), shape=rows.shape), unseen
    made = [sorted(row.items()) for row in incidence.fraction_rows(regimes)]
    values = np.array([float(value) for row in made for _, value in row])
    columns = np.array([column for row in made for column, _ in row], dtype=np.int64)
    indptr = row_bounds(np.array([len(row) for row in made], dtype=np.int64))
    rows = csr_array((values, columns, indptr), shape=(len(made), incidence.columns))
    return rows, incidence.unseen(regimes)
