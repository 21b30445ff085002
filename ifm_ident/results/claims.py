"""What a result file claims of regimes, in columns (docs/reference/results.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ifm_ident.answer.exact_text import Numbers
from ifm_ident.answer.identification import JOINT, Identification, Terms
from ifm_ident.arrays import Ints, Ragged, ragged_arange, row_bounds
from ifm_ident.design.design import Design
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import RegimeLists, Regimes
from ifm_ident.results.cells import Weights

CLAIM_BLOCK = 200_000
"""Results are written in blocks of at most this many regimes."""

READ_BLOCK = 2**14
"""Results are read and checked in blocks of this many regimes: little memory, which is used again and again."""


@dataclass(frozen=True, eq=False)
class VariableTerms(Ragged, entries=("variable", "train", "numerator", "denominator")):
    """Exponents as `Terms` holds them, in formulas of variables instead of covers: -1 for a joint formula."""

    variable: Ints
    train: Ints
    numerator: Numbers
    denominator: Numbers


@dataclass(frozen=True, eq=False)
class Claims:
    """What is said of n regimes, for every variable by name, not yet checked.

    As `Identification`, except that formulas are of variables, not of covers, and that a certificate is a kernel
    vector, `kernels[j]`, and the index of the variable it is about, `kernel_variable[j]` (-1 for a joint one).
    """

    design: Design
    targets: Regimes
    status: NDArray[np.int8]
    criterion: NDArray[np.int8]
    train: Ints
    terms: VariableTerms
    kernel: Ints
    kernels: tuple[Weights, ...]
    kernel_variable: Ints
    lacking: RegimeLists | None = None

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
            found.lacking,
        )

    @classmethod
    def blocks_of(cls, found: Identification) -> Iterator[Claims]:
        """The claims of an identification, block after block of rows."""
        for start in range(0, len(found), CLAIM_BLOCK):
            yield cls.of(found.take(slice(start, start + CLAIM_BLOCK)))


def sizes(terms: VariableTerms) -> list[Fraction]:
    """For every row the largest sum of absolute exponents of one formula; 0 without any."""
    found = []
    bounds, variables = terms.indptr.tolist(), terms.variable.tolist()
    above, below = terms.numerator.tolist(), terms.denominator.tolist()
    for low, high in itertools.pairwise(bounds):
        sums: dict[int, Fraction] = {}
        for e in range(low, high):
            sums[variables[e]] = sums.get(variables[e], Fraction(0)) + Fraction(abs(above[e]), below[e])
        found.append(max(sums.values(), default=Fraction(0)))
    return found


def first_variables(model: Model) -> list[int]:
    """For every cover of the model the index of its first variable."""
    first: dict[int, int] = {}
    for v, variable in enumerate(model.variables):
        first.setdefault(model.cover_index[variable], v)
    return [first[block] for block in range(len(model.covers))]


def _by_variable(model: Model, terms: Terms) -> VariableTerms:
    if not np.any(terms.block != JOINT):
        return VariableTerms(terms.indptr, terms.block, terms.train, terms.numerator, terms.denominator)
    cover = np.array([model.cover_index[variable] for variable in model.variables], dtype=np.int64)
    order = np.argsort(cover, kind="stable")
    counts = np.append(np.bincount(cover, minlength=len(model.covers)), 1)  # the last one is JOINT
    starts = np.append(np.cumsum(counts[:-1]) - counts[:-1], len(order))
    variables = np.append(order, JOINT)
    copies = counts[terms.block]
    source = np.repeat(np.arange(len(terms.block), dtype=np.int64), copies)
    variable = variables[ragged_arange(starts[terms.block], copies)]
    row = terms.owners[source]
    sorting = np.lexsort((source, variable, row))
    source = source[sorting]
    return VariableTerms(
        row_bounds(copies)[terms.indptr],
        variable[sorting],
        terms.train[source],
        terms.numerator[source],
        terms.denominator[source],
    )
