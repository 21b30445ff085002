"""Checks of refusals straight from the definition, in exact integers.

Theory: docs/theory/joint.md and docs/theory/conditional.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ifm_ident.answer.exact_text import Numbers
from ifm_ident.answer.identification import JOINT, Criterion
from ifm_ident.arrays import Ints, ragged_arange, row_bounds
from ifm_ident.design.model import Model
from ifm_ident.results.cells import Weights
from ifm_ident.results.claims import Claims
from ifm_ident.verification._cells import CellNumbers
from ifm_ident.verification._formulas import WORK, Failures, Training

_INT64_SAFE = 2**61


def check_kernels(training: Training, claims: Claims, rows: Ints) -> Failures:
    """The rows, among `rows`, whose kernel does not prove the refusal, and why.

    A kernel w proves it when every training regime collects 0 from w and the target does not; a conditional
    one lies within the factors that hold its variable.
    """
    model, kernel = claims.design.model, claims.kernel
    used = np.unique(kernel[rows])
    about = {j: int(claims.kernel_variable[j]) for j in used.tolist()}
    inside = {variable: _factors_of(model, variable) for variable in set(about.values())}
    wrong = {j: unsound(model, claims.kernels[j], v, inside[v]) for j, v in about.items()}
    wanted = np.where(claims.kernel_variable == JOINT, Criterion.JOINT, Criterion.CONDITIONAL)
    mixed = claims.criterion[rows] != wanted[kernel[rows]]
    for row in rows[mixed].tolist():
        words = _about(model, about[int(kernel[row])])
        yield row, f"a {Criterion(claims.criterion[row]).word} refusal cannot rest on a kernel about {words}"
    sizes = {j: sum(abs(weight) for _, weight in claims.kernels[j]) for j, why in wrong.items() if why is None}
    for large in (False, True):
        chosen = [j for j, size in sizes.items() if (2 * size >= _INT64_SAFE) == large]
        table = _Table.of(training.cells, [claims.kernels[j] for j in chosen], object if large else np.int64)
        for j, shows in zip(chosen, _nonzero_training(training, table), strict=True):
            wrong[j] = shows
        place = np.full(len(claims.kernels), -1, dtype=np.int64)
        for i, j in enumerate(chosen):
            if wrong[j] is None:
                place[j] = i
        mine = rows[place[kernel[rows]] >= 0]
        for part in _batches(training.cells, claims, mine):
            collected = table.collected_by(training.cells, claims, part, place[kernel[part]])
            for row in part[collected == 0].tolist():
                yield row, "the kernel gives the target 0, so it proves nothing"
    bad = np.zeros(len(claims.kernels), dtype=bool)
    bad[[j for j, why in wrong.items() if why is not None]] = True
    for row in rows[bad[kernel[rows]]].tolist():
        yield row, str(wrong[int(kernel[row])])


def _about(model: Model, variable: int) -> str:
    return "no variable" if variable == JOINT else f"variable {model.variables[variable]!r}"


def _factors_of(model: Model, variable: int) -> frozenset[int]:
    if variable == JOINT:
        return frozenset(range(len(model.factors)))
    return frozenset(model.covers[model.cover_index[model.variables[variable]]])


def unsound(model: Model, weights: Weights, variable: int, inside: frozenset[int]) -> str | None:
    """Why a kernel is none of this model and these factors, None where it is one."""
    for (factor, levels), weight in weights:
        if not 0 <= factor < len(model.factors):
            return f"the kernel names factor {factor} of {len(model.factors)}"
        scope, name = model.scopes[factor], model.factors[factor].name
        if factor not in inside:
            return f"the kernel names factor {name!r}, which does not hold {_about(model, variable)}"
        counts = [_choices(model, i) for i in scope.tolist()]
        if len(levels) != len(scope) or any(not 0 <= j < a for j, a in zip(levels, counts, strict=True)):
            return f"the kernel names a level combination (cell) that factor {name!r} does not have"
        if isinstance(weight, bool) or not isinstance(weight, int):
            return f"the kernel has the weight {weight!r}, which is no integer"
    if len({cell for cell, _ in weights}) < len(weights):
        return "the kernel names a level combination (cell) twice"
    return None


def _choices(model: Model, position: int) -> int:
    """How many levels, or functions, a cell may name of an intervention."""
    one = model.interventions[position]
    return len(one.levels) if one.basis is None else one.basis.functions + 1


def _batches(cells: CellNumbers, claims: Claims, rows: Ints) -> Sequence[Ints]:
    """The rows in parts whose targets show a bounded number of cells."""
    targets = claims.targets.take(rows)
    shown = np.diff(row_bounds(cells.holders(targets))[targets.indptr])
    return np.split(rows, np.flatnonzero(np.diff(np.cumsum(shown) // WORK)) + 1)


@dataclass(frozen=True, eq=False)
class _Table:
    """Kernels as sorted keys and their weights, exact in the dtype of `total`.

    A key of `cell` is a kernel and a cell number, one of `base` a kernel and a factor, for the weight of the
    factor's baseline cell. total: the weight that the regime with all interventions at baseline collects.
    """

    kernels: tuple[Weights, ...]
    cell: Ints
    cell_weight: Numbers
    base: Ints
    base_weight: Numbers
    total: Numbers
    span: int
    factors: int

    @classmethod
    def of(cls, cells: CellNumbers, kernels: Sequence[Weights], dtype: type) -> _Table:
        """The table of kernels; new cells get numbers."""
        entries = [(j, cell, weight) for j, weights in enumerate(kernels) for cell, weight in weights]
        paths = cells.of([cell for _, cell, _ in entries])
        number: Ints = np.full(len(entries), -1, dtype=np.int64)
        number[paths.row] = cells.add(paths)
        kernel = np.array([j for j, _, _ in entries], dtype=np.int64)
        factor = np.array([cell[0] for _, cell, _ in entries], dtype=np.int64)
        weight: Numbers = np.empty(len(entries), dtype=dtype)
        weight[:] = [w for _, _, w in entries]
        span, factors, base = len(cells) + 1, len(cells.model.factors), number < 0
        total: Numbers = np.zeros(len(kernels), dtype=dtype)
        np.add.at(total, kernel[base], weight[base])
        by_cell = np.argsort((kernel * span + number)[~base])
        by_base = np.argsort((kernel * factors + factor)[base])
        return cls(
            tuple(kernels),
            (kernel * span + number)[~base][by_cell],
            weight[~base][by_cell],
            (kernel * factors + factor)[base][by_base],
            weight[base][by_base],
            total,
            span,
            factors,
        )

    def collected(self, kernel: Ints, row: Ints, factor: Ints, number: Ints) -> Numbers:
        """What regimes collect, each from kernel[i], given the cells off baseline that they show, by row."""
        mine = kernel[row]
        on = _looked_up(
            self.cell, self.cell_weight, mine * self.span + np.where(number < 0, self.span - 1, number)
        )
        off = _looked_up(self.base, self.base_weight, mine * self.factors + factor)
        total: Numbers = self.total[kernel]
        np.add.at(total, row, on - off)
        return total

    def collected_by(self, cells: CellNumbers, claims: Claims, rows: Ints, kernel: Ints) -> Numbers:
        """What the targets of rows collect, each from its kernel."""
        support = np.zeros(self.factors, dtype=bool)
        support[[cell[0] for weights in self.kernels for cell, _ in weights]] = True
        shown = cells.shown(claims.targets.take(rows), support)
        return self.collected(kernel, shown.row, shown.factor, cells.find(shown))


def _looked_up(keys: Ints, values: Numbers, wanted: Ints) -> Numbers:
    """The values of the wanted keys, 0 for keys that are not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=object if values.dtype == object else np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Numbers = np.where(keys[at] == wanted, values[at], 0)
    return found


def _nonzero_training(training: Training, table: _Table) -> list[str | None]:
    """For every kernel a training regime that collects something from it, in words, or None."""
    wrong = _first_large(training, table) if table.total.dtype == object else _first_nonzero(training, table)
    return [f"the kernel does not vanish on training regime {row}" if row >= 0 else None for row in wrong]


def _first_nonzero(training: Training, table: _Table) -> Iterator[int]:
    """For every kernel the first training regime that collects something from it, or -1, in int64.

    A regime collects the total of the baseline cells, and for every factor that it shows off baseline the weight
    of the cell shown less that of the baseline cell: two sparse products, for many kernels at a time.
    """
    m, count = len(training.design.train), len(table.total)
    kernel, cell = np.divmod(table.cell, table.span)
    seen = cell < training.count
    on = sparse.csc_matrix(
        (table.cell_weight[seen], (cell[seen], kernel[seen])), shape=(training.count + 1, count)
    )
    kernel, factor = np.divmod(table.base, table.factors)
    off = sparse.csc_matrix((table.base_weight, (factor, kernel)), shape=(table.factors, count))
    showing = sparse.csr_matrix(
        (np.ones(len(training.number), dtype=np.int64), (training.paths.row, training.paths.factor)),
        shape=(m, table.factors),
    )
    each = [np.diff(matrix.tocsc().indptr) for matrix in (training.matrix, showing)]
    work = sum(one.T @ size for one, size in zip((on, off), each, strict=True))
    for columns in np.split(np.arange(count), np.flatnonzero(np.diff(np.cumsum(work) // WORK)) + 1):
        part = slice(columns[0], columns[-1] + 1) if len(columns) else slice(0, 0)
        collected = (training.matrix @ on[:, part] - showing @ off[:, part]).tocsc()
        total = table.total[part]
        owner = np.repeat(np.arange(len(columns)), np.diff(collected.indptr))
        zero = collected.data == -total[owner]
        right = np.bincount(owner[zero], minlength=len(columns)) == np.where(
            total != 0, m, np.diff(collected.indptr)
        )
        for j in range(len(columns)):
            if right[j]:
                yield -1
            else:
                yield int(np.flatnonzero(collected[:, [j]].toarray()[:, 0] + total[j])[0])


def _first_large(training: Training, table: _Table) -> Iterator[int]:
    """The same for weights that do not fit int64, kernel by kernel."""
    order, indptr = training.by_factor
    paths, number, m = training.paths, training.number, len(training.design.train)
    for j, weights in enumerate(table.kernels):
        factors = np.array(sorted({cell[0] for cell, _ in weights}), dtype=np.int64)
        part = order[ragged_arange(indptr[factors], indptr[factors + 1] - indptr[factors])]
        kernel = np.full(m, j, dtype=np.int64)
        wrong = np.flatnonzero(table.collected(kernel, paths.row[part], paths.factor[part], number[part]))
        yield int(wrong[0]) if len(wrong) else -1
