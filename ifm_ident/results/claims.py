"""What a result file claims of regimes, in columns (docs/reference/results.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.identification import JOINT, Identification, Terms
from ifm_ident.arrays import Ints, ragged_arange
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.results.cells import Weights

CLAIM_BLOCK = 200_000
"""Results are written, read and checked in blocks of about this many regimes."""


@dataclass(frozen=True, eq=False)
class Claims:
    """What is said of n regimes, for every variable by name, not yet checked.

    As `Identification`, except that `terms.block` holds the index of a variable (-1 for a joint formula) and
    that a certificate is a kernel vector, `kernels[j]`, and the index of the variable that it is about,
    `kernel_variable[j]` (-1 for a joint one).
    """

    design: Design
    targets: Regimes
    status: NDArray[np.int8]
    criterion: NDArray[np.int8]
    train: Ints
    terms: Terms
    kernel: Ints
    kernels: tuple[Weights, ...]
    kernel_variable: Ints
    missing: Regimes | None = None
    missing_indptr: Ints | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @classmethod
    def of(cls, found: Identification) -> Claims:
        """The claims of an identification; a block's formula becomes one of each variable it serves."""
        first = first_variables(found.design.model)
        return cls(
            found.design,
            found.targets,
            found.status,
            found.criterion,
            found.train,
            _by_variable(found.design.model, found.terms),
            found.kernel,
            tuple(kernel.cells for kernel in found.kernels),
            np.array([first[k.block] if k.block != JOINT else JOINT for k in found.kernels], dtype=np.int64),
            found.missing,
            found.missing_indptr,
        )

    @classmethod
    def blocks_of(cls, found: Identification) -> Iterator[Claims]:
        """The claims of an identification, block after block of rows."""
        for start in range(0, len(found), CLAIM_BLOCK):
            yield cls.of(_rows(found, start, min(start + CLAIM_BLOCK, len(found))))


def _rows(found: Identification, start: int, stop: int) -> Identification:
    rows = np.arange(start, stop, dtype=np.int64)
    used, kernel = np.unique(found.kernel[start:stop], return_inverse=True)
    absent = int(len(used) > 0 and used[0] < 0)
    missing = indptr = None
    if found.missing is not None and found.missing_indptr is not None:
        indptr = found.missing_indptr[start : stop + 1]
        missing = found.missing.take(slice(int(indptr[0]), int(indptr[-1])))
        indptr = indptr - indptr[0]
    return replace(
        found,
        targets=found.targets.take(slice(start, stop)),
        status=found.status[start:stop],
        criterion=found.criterion[start:stop],
        train=found.train[start:stop],
        terms=found.terms.take(rows),
        kernel=kernel.astype(np.int64) - absent,
        kernels=tuple(found.kernels[j] for j in used[absent:].tolist()),
        missing=missing,
        missing_indptr=indptr,
    )


def first_variables(model: Model) -> list[int]:
    """For every cover of the model the index of its first variable."""
    first: dict[int, int] = {}
    for v, variable in enumerate(model.variables):
        first.setdefault(model.cover_index[variable], v)
    return [first[block] for block in range(len(model.covers))]


def _by_variable(model: Model, terms: Terms) -> Terms:
    if not np.any(terms.block != JOINT):
        return terms
    cover = np.array([model.cover_index[variable] for variable in model.variables], dtype=np.int64)
    order = np.argsort(cover, kind="stable")
    counts = np.append(np.bincount(cover, minlength=len(model.covers)), 1)  # the last one is JOINT
    starts = np.append(np.cumsum(counts[:-1]) - counts[:-1], len(order))
    variables = np.append(order, JOINT)
    copies = counts[terms.block]
    source = np.repeat(np.arange(len(terms.block), dtype=np.int64), copies)
    variable = variables[ragged_arange(starts[terms.block], copies)]
    row = np.repeat(np.arange(len(terms.indptr) - 1, dtype=np.int64), np.diff(terms.indptr))[source]
    sorting = np.lexsort((source, variable, row))
    source = source[sorting]
    indptr = np.concatenate([[0], np.cumsum(copies)])[terms.indptr].astype(np.int64)
    return Terms(
        indptr, variable[sorting], terms.train[source], terms.numerator[source], terms.denominator[source]
    )
