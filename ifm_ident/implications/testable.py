"""What a design claims about its own training densities, and data can refute (docs/theory/implications.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array, vstack

from ifm_ident.answer.formula import Formula
from ifm_ident.answer.identification import JOINT
from ifm_ident.arrays import Ints, owners
from ifm_ident.design.model import Model
from ifm_ident.design.notation import format_regimes
from ifm_ident.errors import InputError, nearest, require_known
from ifm_ident.implications._lattice import complement_modulo, split, tidy
from ifm_ident.solve.basis_incidence import BasisIncidence
from ifm_ident.solve.basis_system import new_system
from ifm_ident.solve.exact.factorisation import row_entries
from ifm_ident.solve.exact.lattice import beyond, relations
from ifm_ident.solve.exact.products import WouldOverflow
from ifm_ident.solve.exact.rowspace import RowSpace
from ifm_ident.solve.identifier import CriterionName, Identifier
from ifm_ident.solve.objectives.exact_columns import WideRows, narrowed
from ifm_ident.solve.system import System
from ifm_ident.tabular import Tabular
from ifm_ident.views import view

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["joint", "conditional", "interaction"]
SET_LIMIT = 100_000


@dataclass(frozen=True)
class Implication:
    """One claim about sum_i c_i log p(x; sigma^i), whose integers c are the exponents of `formula`.

    joint: it is constant in x. conditional: given the rest it is constant in `variables`, those with one K(v), the
    first one first. interaction: its interaction of all of `variables` vanishes.
    """

    kind: Kind
    variables: tuple[str, ...]
    formula: Formula


@dataclass(frozen=True, eq=False)
class ClaimGroup:
    """Claims of one kind about the same variables: the rows of `vectors` over the distinct training regimes.

    Entries are int64, or Python integers where int64 does not hold them.
    `independence` marks an interaction that no factor holds: it vanishes in every regime by itself.
    """

    kind: Kind
    variables: tuple[str, ...]
    vectors: csr_array | WideRows
    independence: bool = False

    def __len__(self) -> int:
        return int(self.vectors.shape[0])


@dataclass(frozen=True)
class Prediction:
    """A training regime by the others: one product, or for every variable one of full conditionals.

    Theory: docs/theory/conditional.md.
    """

    train: int
    formula: Formula | None
    conditionals: dict[str, Formula]


@dataclass(repr=False, frozen=True, eq=False)
class Implications(Tabular):
    """The testable implications of a design; iterates over `Implication`, joint ones first.

    refutable: whether any densities of the training regimes at all contradict the model.
    """

    identifier: Identifier
    criterion: CriterionName
    claims: tuple[ClaimGroup, ...]
    refutable: bool

    def __len__(self) -> int:
        return sum(map(len, self.claims))

    def __iter__(self) -> Iterator[Implication]:
        for claims in self.claims:
            for row in range(len(claims)):
                yield Implication(claims.kind, claims.variables, self._formula(claims.vectors, row))

    def counts(self) -> dict[Kind, int]:
        """How many there are of each kind."""
        return {kind: sum(len(c) for c in self.claims if c.kind == kind) for kind in get_args(Kind)}

    def to_arrow(self) -> pa.Table:
        """One row an implication: kind, variables, formula (as text) and exponents (training index and text)."""
        return view(self, "arrow")

    def name(self, train: int) -> str:
        """How training regime `train` is written."""
        return self._names[train]

    @property
    def _given(self) -> str:
        return self.identifier.design.model.given

    @cached_property
    def _names(self) -> list[str]:
        design = self.identifier.design
        texts: list[str] = format_regimes(design.model, design.train, self.identifier.notation).to_pylist()
        return texts

    @cached_property
    def predicted(self) -> Ints:
        """The training regimes, first occurrences, that the others identify by the listed claims; ascending."""
        width = len(self.identifier.design.distinct)
        mask = np.ones(width, dtype=bool)
        for vectors in self._per_cover.values():
            mask &= _touched(vectors)
        return self.identifier.design.distinct[mask | _touched(self._joint)]

    def prediction(self, train: int) -> Prediction:
        """How the others predict a training regime; ValueError for one not in `predicted`."""
        if train not in self.predicted:
            raise ValueError(f"training regime {train} is not predicted by the others")
        design = self.identifier.design
        column = int(np.searchsorted(design.distinct, train))
        if _touched(self._joint)[column]:
            return Prediction(train, self._solved(self._joint, column), {})
        formulas = {cover: self._solved(vectors, column) for cover, vectors in self._per_cover.items()}
        return Prediction(train, None, {v: formulas[design.model.cover_index[v]] for v in design.model.variables})

    @cached_property
    def _joint(self) -> csr_array | WideRows:
        width = len(self.identifier.design.distinct)
        found = [c.vectors for c in self.claims if c.kind == "joint"]
        return found[0] if found else csr_array((0, width), dtype=np.int64)

    @cached_property
    def _per_cover(self) -> dict[int, csr_array | WideRows]:
        """For every cover the claims that make its full conditionals predictable; the joint ones always do."""
        model = self.identifier.design.model
        own = {model.cover_index[c.variables[0]]: c.vectors for c in self.claims if c.kind == "conditional"}
        parts = {k: [self._joint, own[k]] if k in own else [self._joint] for k in range(len(model.covers))}
        return {k: _stacked(part) for k, part in parts.items()}

    def _solved(self, vectors: csr_array | WideRows, column: int) -> Formula:
        """The claim with the smallest, then fewest, exponents on a regime, solved for it."""
        at = np.flatnonzero(vectors.indices == column)
        rows, sizes = owners(vectors.indptr)[at], np.abs(vectors.data[at])
        _, _, row = min(zip(sizes.tolist(), np.diff(vectors.indptr)[rows].tolist(), rows.tolist(), strict=True))
        exponents = self._formula(vectors, row).exponents
        own = exponents.pop(int(self.identifier.design.distinct[column]))
        return Formula.of({i: -c / own for i, c in exponents.items()}, self.name, self._given)

    def _formula(self, vectors: csr_array | WideRows, row: int) -> Formula:
        at = slice(vectors.indptr[row], vectors.indptr[row + 1])
        train = self.identifier.design.distinct[vectors.indices[at]]
        pairs = zip(train.tolist(), vectors.data[at].tolist(), strict=True)
        return Formula.of({i: Fraction(c) for i, c in pairs}, self.name, self._given)


def _stacked(parts: list[csr_array | WideRows]) -> csr_array | WideRows:
    if not any(isinstance(part, WideRows) for part in parts):
        return csr_array(vstack(parts, format="csr"))
    return _wide([row for part in parts for row in _dense(part)], parts[0].shape[1])


def _touched(vectors: csr_array | WideRows) -> NDArray[np.bool_]:
    mask = np.zeros(vectors.shape[1], dtype=bool)
    mask[vectors.indices] = True
    return mask


def variable_sets(model: Model, size: int) -> list[tuple[str, ...]]:
    """All sets of 2 to `size` variables, small ones first; InputError for a size below 2 or too many sets.

    >>> from ifm_ident.design.model import Factor
    >>> variable_sets(Model((), ("x1", "x2"), (Factor("f", ("x1", "x2"), ()),)), 2)
    [('x1', 'x2')]
    """
    if size < 2:
        raise InputError(f"interactions are of 2 variables or more, got {size}; ask for 2")
    sizes = range(2, min(size, len(model.variables)) + 1)
    found = list(
        itertools.islice(
            itertools.chain(*(itertools.combinations(model.variables, k) for k in sizes)), SET_LIMIT + 1
        )
    )
    if len(found) > SET_LIMIT:
        raise InputError(
            f"there are more than {SET_LIMIT:,} sets of up to {size} variables; name the sets you mean"
        )
    return found


def implications(
    identifier: Identifier, criterion: CriterionName = "auto", interactions: Iterable[Sequence[str]] = ()
) -> Implications:
    """The testable implications of a design (docs/theory/implications.md).

    `joint`: a saturated basis of {c : c^T A = 0}. `conditional`: one of {c : c^T A_v = 0} for each distinct K(v).
    `auto`: the joint basis, then for each distinct K(v) vectors that complete it: listed and joint ones together
    generate every integer relation of K(v), none of the listed ones is implied by the others. `interactions` adds
    for each set U of variables what the sets within U do not imply already: the completion of their
    relations to those of K(U); where K(U) is empty, every distinct training regime by itself.

    Raises InputError for an unknown criterion or a bad set of variables.

    >>> from ifm_ident.study.study import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"A": [0, 1], "B": [0, 1]},
    ...     "variables": ["x1", "x2"],
    ...     "factors": [{"x": ["x1"], "sigma": ["A"]}, {"x": ["x2"], "sigma": ["B"]}],
    ...     "train": ["00", "10", "11"],
    ... })
    >>> identifier = Identifier(study.design, study.notation)
    >>> for claim in implications(identifier, interactions=[("x1", "x2")]):
    ...     print(claim.kind, claim.variables, claim.formula)
    conditional ('x1',) p(10) / p(11)
    conditional ('x2',) p(00) / p(10)
    interaction ('x1', 'x2') p(00)
    interaction ('x1', 'x2') p(10)
    interaction ('x1', 'x2') p(11)
    >>> len(implications(identifier, "joint"))
    0
    >>> implications(identifier, interactions=[("x1", "y")])
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: the set x1,y holds 'y', which is no variable; legal: x1, x2
    """
    require_known(criterion, get_args(CriterionName), "criterion")
    sets = [_checked_set(identifier.design.model, names) for names in interactions]
    try:
        return _implications(_Lattices(identifier), criterion, sets)
    except WouldOverflow:
        return _implications(_LongLattices(identifier), criterion, sets)


def _implications(lattices: _Lattices, criterion: CriterionName, sets: list[tuple[str, ...]]) -> Implications:
    claims: list[ClaimGroup] = []
    if criterion != "conditional":
        claims.append(ClaimGroup("joint", (), lattices.of(lattices.all_factors)))
    if criterion != "joint":
        claims.extend(lattices.conditional(cover, criterion) for cover in range(len(lattices.model.covers)))
    claims.extend(map(lattices.interaction, dict.fromkeys(sets)))
    whole = lattices.holding(lattices.model.variables)
    refutable = bool(lattices.of(whole).shape[0])
    return Implications(lattices.identifier, criterion, tuple(filter(len, claims)), refutable)


def _checked_set(model: Model, names: Sequence[str]) -> tuple[str, ...]:
    text = ",".join(names)
    for name in names:
        if name not in model.variables:
            raise InputError(
                f"the set {text} holds {name!r}, which is no variable; {nearest(name, model.variables)}"
            )
    if len(set(names)) < max(2, len(names)):
        raise InputError(f"the set {text} is not one of two or more distinct variables; write it as x1,x2")
    return tuple(v for v in model.variables if v in names)


class _Lattices:
    """The relations {c : c^T A_K = 0} of sets K of factors, each computed once."""

    def __init__(self, identifier: Identifier) -> None:
        self.identifier, self.model = identifier, identifier.design.model
        self.all_factors = tuple(range(len(self.model.factors)))
        self.width = len(identifier.design.distinct)
        self._relations: dict[tuple[int, ...], csr_array | WideRows] = {}
        self._completions: dict[tuple[tuple[int, ...], ...], csr_array | WideRows] = {}

    def holding(self, variables: Sequence[str]) -> tuple[int, ...]:
        """K(U): the factors whose x-scope contains all of some variables."""
        wanted = set(variables)
        return tuple(k for k, factor in enumerate(self.model.factors) if wanted <= set(factor.x))

    def of(self, factors: tuple[int, ...]) -> csr_array | WideRows:
        """A short saturated basis, shape (distinct training regimes - rank, distinct training regimes)."""
        if factors not in self._relations:
            self._relations[factors] = self._basis(factors)
        return self._relations[factors]

    def _system(self, factors: tuple[int, ...]) -> System:
        if factors == self.all_factors:
            return self.identifier.joint
        if factors in self.model.covers:
            return self.identifier.conditional(self.model.covers.index(factors))
        return new_system(self.identifier.design, JOINT, factors)

    def _basis(self, factors: tuple[int, ...]) -> csr_array | WideRows:
        if not factors:
            return csr_array(eye_array(self.width, dtype=np.int64, format="csr"))
        system = self._system(factors)
        return tidy(split(system.rows, system.whole_space).kernel)

    def conditional(self, cover: int, criterion: CriterionName) -> ClaimGroup:
        """The relations of one K(v): all of them, or under `auto` a completion of the joint ones."""
        factors = self.model.covers[cover]
        variables = tuple(v for v in self.model.variables if self.model.cover_index[v] == cover)
        vectors, joint = self.of(factors), self.of(self.all_factors)
        if criterion == "auto":
            if vectors.shape[0] == joint.shape[0]:
                vectors = csr_array((0, self.width), dtype=np.int64)
            elif joint.shape[0]:
                vectors = self._beyond_joint(vectors, joint)
        return ClaimGroup("conditional", variables, vectors)

    def _beyond_joint(self, vectors: csr_array | WideRows, joint: csr_array | WideRows) -> csr_array | WideRows:
        return tidy(complement_modulo(vectors, self.identifier.joint.rows), joint)

    def interaction(self, variables: tuple[str, ...]) -> ClaimGroup:
        """The relations of K(U) that those of the sets within U do not imply."""
        factors = self.holding(variables)
        smaller = sorted({self.holding(part) for part in itertools.combinations(variables, len(variables) - 1)})
        independence = not factors and () not in smaller
        key = (factors, *smaller)
        if key not in self._completions:
            self._completions[key] = self.of(()) if independence else self._completion(factors, smaller)
        return ClaimGroup("interaction", variables, self._completions[key], independence)

    def _completion(self, factors: tuple[int, ...], smaller: list[tuple[int, ...]]) -> csr_array | WideRows:
        vectors, known = self.of(factors), csr_array(vstack([self.of(part) for part in smaller], format="csr"))
        if not known.shape[0]:
            return vectors
        space = RowSpace(known)
        if space.rank == vectors.shape[0]:
            return csr_array((0, self.width), dtype=np.int64)
        return tidy(complement_modulo(vectors, space.kernel), known)


class _LongLattices(_Lattices):
    """The same in Python integers, by reduction of dense lattices, where int64 does not hold them."""

    def _basis(self, factors: tuple[int, ...]) -> WideRows:
        incidence = self._system(factors).incidence if factors else None
        train = self.identifier.design.train.take(self.identifier.design.distinct)
        if isinstance(incidence, BasisIncidence):
            rows = incidence.whole_rows(train)
        elif incidence is not None:
            matrix, _ = incidence.rows(train)
            rows = [row_entries(matrix, i) for i in range(self.width)]
        else:
            rows = [{} for _ in range(self.width)]
        return _wide(relations(rows), self.width)

    def _beyond_joint(self, vectors: csr_array | WideRows, joint: csr_array | WideRows) -> WideRows:
        return _wide(beyond(_dense(vectors), _dense(joint)), self.width)

    def _completion(self, factors: tuple[int, ...], smaller: list[tuple[int, ...]]) -> WideRows:
        known = [vector for part in smaller for vector in _dense(self.of(part))]
        return _wide(beyond(_dense(self.of(factors)), known), self.width)


def _wide(vectors: list[list[int]], width: int) -> WideRows:
    """Vectors in the form and order of `tidy`: first entries positive, few and small entries first."""
    rows = []
    for vector in vectors:
        kept = [(i, c) for i, c in enumerate(vector) if c]
        sign = -1 if kept and kept[0][1] < 0 else 1
        rows.append([(i, sign * c) for i, c in kept])
    rows.sort(key=lambda row: (len(row), sum(abs(c) for _, c in row), row[-1][0], row[0][0]))
    columns = np.array([i for row in rows for i, _ in row], dtype=np.int64)
    entries = narrowed([c for row in rows for _, c in row])
    return WideRows.of([len(row) for row in rows], columns, entries, (len(rows), width))


def _dense(vectors: csr_array | WideRows) -> list[list[int]]:
    found = [[0] * vectors.shape[1] for _ in range(vectors.shape[0])]
    places = zip(owners(vectors.indptr).tolist(), vectors.indices.tolist(), vectors.data.tolist(), strict=True)
    for row, column, entry in places:
        found[row][column] = entry
    return found
