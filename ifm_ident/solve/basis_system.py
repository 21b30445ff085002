"""The system of a design with bases: 64-bit rows where these hold the numbers, rationals elsewhere.

Theory: docs/theory/doses.md.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from ifm_ident.answer.identification import JOINT, Terms
from ifm_ident.arrays import Ints
from ifm_ident.design.design import Design
from ifm_ident.design.regimes import Regimes
from ifm_ident.solve.basis_incidence import BasisIncidence, FractionRow, WholeColumns, unscaled
from ifm_ident.solve.exact._rationals import RationalSpace
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.system import System, Witnesses


class BasisSystem(System):
    """A system whose rows are products of basis values; `rows` are whole, made so by columns, for other questions.

    >>> from ifm_ident.design.bases import Basis
    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> dose = Intervention("dose", (0, 1, 2), Basis("poly", degree=2))
    >>> model = Model((dose,), ("x",), (Factor("f", ("x",), ("dose",)),))
    >>> system = BasisSystem(Design(model, Regimes.from_codes(np.array([[0], [1], [2]]))), JOINT)
    >>> solvable, terms = system.solve(Regimes.from_active([((0, dose.index("1/2")),)], 1))
    >>> {i: str(q) for i, q in terms.exponents(0)[JOINT].items()}
    {0: '3/8', 1: '3/4', 2: '-1/8'}
    """

    incidence: BasisIncidence

    def __init__(self, design: Design, block: int, factors: tuple[int, ...] | None = None) -> None:
        self.design, self.block = design, block
        if factors is None:
            factors = tuple(range(len(design.model.factors))) if block == JOINT else design.model.covers[block]
        self.train = design.train.take(design.distinct)
        self.incidence = BasisIncidence(design.model, factors, self.train)
        self._is_short = bool(self.incidence.fits(self.train).all())
        if self._is_short:
            self._rows, _ = self.incidence.rows(self.train)
            self._scale = self.incidence.scale(self.train)
            self.space = RowSpace(self._rows)

    @cached_property
    def _rationals(self) -> RationalSpace:
        return RationalSpace(self.incidence.fraction_rows(self.train))

    @cached_property
    def rows(self) -> csr_array:
        """The rows of training as whole numbers, columns scaled: every formula and relation of theirs is one of A.

        Raises WouldOverflow where int64 does not hold them.
        """
        return self.target_rows(self.train)[0]

    def target_rows(self, targets: Regimes) -> tuple[csr_array, Ints | None]:
        """Rows on the columns of `rows`, each times a number of its own, and these numbers, shape (n,)."""
        return self._columns.rows(self.incidence, targets)

    @cached_property
    def whole_space(self) -> RowSpace:
        """The row space of `rows`."""
        return RowSpace(self.rows)

    @cached_property
    def _columns(self) -> WholeColumns:
        return WholeColumns.of(self.incidence, self.train)

    @property
    def rank(self) -> int:
        """The exact rank of the incidence matrix."""
        return self.space.rank if self._is_short else self._rationals.rank

    def require_rank(self) -> None:
        """Prove the rank."""
        if self._is_short:
            self.space.require_rank()

    def _parts(self, targets: Regimes) -> tuple[Ints, Ints]:
        """The targets answered in int64, and the others; of those whose cells of wide factors are trained."""
        seen = self.incidence.unseen(targets) < 0
        short = self.incidence.fits(targets) & seen if self._is_short else np.zeros(len(targets), dtype=bool)
        return np.flatnonzero(short), np.flatnonzero(seen & ~short)

    def missed(self, rows: list[FractionRow]) -> list[tuple[Fraction, ...]]:
        """For every direction that training leaves open, what each of some rows has there; all 0 where held.

        Any linear combination of the rows is in the row space exactly where that of these numbers is 0.
        """
        found: dict[tuple[Fraction, ...], None] = {}
        if self._is_short and self.space.is_small:
            kernel = self.space.kernel
            open_: dict[int, list[Fraction]] = {}
            for j, row in enumerate(rows):
                for column, value in row.items():
                    at = slice(kernel.indptr[column], kernel.indptr[column + 1])
                    for direction, weight in zip(
                        kernel.indices[at].tolist(), kernel.data[at].tolist(), strict=True
                    ):
                        open_.setdefault(direction, [Fraction(0)] * len(rows))[j] += value * weight
            found = {tuple(values): None for values in open_.values() if any(values)}
        else:
            held = set(self._rationals.columns)
            vectors = list(self._rationals.kernel)
            vectors += [{column: 1} for column in sorted({c for row in rows for c in row} - held)]
            for vector in vectors:
                values = tuple(
                    sum((row.get(c, Fraction(0)) * w for c, w in vector.items()), Fraction(0)) for row in rows
                )
                if any(values):
                    found[values] = None
        return list(found)

    def holds(self, targets: Regimes) -> NDArray[np.bool_]:
        """Which targets have a formula in this system, exact; nothing is lifted. Shape (n,)."""
        short, long = self._parts(targets)
        inside = np.zeros(len(targets), dtype=bool)
        if len(short):
            inside[short] = self.space.holds(self.incidence.rows(targets.take(short))[0])
        if len(long):
            inside[long] = self._rationals.holds(self.incidence.fraction_rows(targets.take(long)))
        return inside

    def solve(self, targets: Regimes) -> tuple[NDArray[np.bool_], Terms]:
        """Which targets have a formula, shape (n,), and the basis formulas (training indices as written)."""
        short, long = self._parts(targets)
        parts: list[tuple[Ints, Solutions]] = []
        if len(short):
            chosen = targets.take(short)
            found = self.space.solve(self.incidence.rows(chosen)[0])
            parts.append((short, unscaled(found, self._scale, self.incidence.scale(chosen))))
        if len(long):
            parts.append((long, self._rationals.solve(self.incidence.fraction_rows(targets.take(long)))))
        found = _together(parts, len(targets))
        return found.solvable, self.terms_of(found)

    def _witnesses(self, targets: Regimes) -> tuple[Ints, list[Witnesses]]:
        short, long = self._parts(targets)
        parts: list[Witnesses] = []
        if len(short):
            parts.append((short, *self.space.separate(self.incidence.rows(targets.take(short))[0])))
        if len(long):
            parts.append((long, *self._rationals.separate(self.incidence.fraction_rows(targets.take(long)))))
        return self.incidence.unseen(targets), parts


def _together(parts: list[tuple[Ints, Solutions]], count: int) -> Solutions:
    """The solutions of some targets each, in target order; targets in no part have none."""
    every = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in parts)])
    solvable = np.zeros(count, dtype=bool)
    none = np.zeros(0, dtype=np.int64)
    if not len(every):
        return Solutions.of(np.zeros(count, dtype=np.int64), solvable, none, none, none)
    joined = Solutions.concatenate([found for _, found in parts])
    place = np.argsort(every, kind="stable")
    joined = joined.take(place)
    sizes = np.zeros(count, dtype=np.int64)
    sizes[every[place]] = joined.sizes
    solvable[every[place]] = joined.solvable
    return Solutions.of(sizes, solvable, joined.row, joined.numerator, joined.denominator)


def system_of(design: Design, block: int) -> System:
    """The system that the design keeps, factored on first use."""
    known: dict[int, System] = design.systems
    if block not in known:
        known[block] = new_system(design, block)
    return known[block]


def new_system(design: Design, block: int, factors: tuple[int, ...] | None = None) -> System:
    """A system of the kind that the model's levels ask for, factored anew."""
    kind = BasisSystem if design.model.has_bases else System
    return kind(design, block) if factors is None else kind(design, block, factors)
