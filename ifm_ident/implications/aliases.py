"""Alias tables as designers of experiments know them: which effects a training design confounds.

Interventions have two levels, coded -1 (baseline) and +1; the contrast of a set of interventions is the product of
their codes over the distinct training regimes, kept as the bits of one Python integer (1 where it is -1).
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np
from scipy.sparse import csr_array

from ifm_ident.design.design import Design
from ifm_ident.design.model import require_names
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError
from ifm_ident.solve.exact.factorisation import Solutions
from ifm_ident.solve.exact.rowspace import RowSpace

Effect = tuple[int, ...]
"""The positions of the interventions of a main effect or interaction, ascending; empty for the constant."""

DEFAULT_ORDER = 2
EFFECT_LIMIT = 50_000
PRODUCT_LIMIT = 20_000_000
_WORD_GENERATORS = 10
_NUMBERED = re.compile(r"[A-Z][0-9]+")
_LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZabcdefghjklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Aliases:
    """The confounding of a training design of two-level interventions.

    regimes: how many distinct ones; model: the effects of the model, the constant first. groups: effects of the
    model, and all of up to `order` interventions, with equal contrasts up to sign, each with its sign against the
    first; a group's effects of the model come first, then small ones. basis: effects of the model that are first
    in their groups and whose contrasts are a basis of the model's. partial: for the first effect of every other
    group its exact least-squares coefficients on the basis, where there are any: what it adds to the estimates of
    basis effects. confounded: how many effects of the model hold others outside it; where some of them are
    combinations of others, how many independent combinations do: the rank of the bias. regular: whether the
    regimes are a full factorial or a regular fraction of one; words: all effects with a constant contrast, and its
    sign, shortest first (None when more than 2^10 exist).
    """

    names: tuple[str, ...]
    order: int
    regimes: int
    model: tuple[Effect, ...]
    groups: tuple[tuple[tuple[Effect, int], ...], ...]
    basis: tuple[Effect, ...]
    partial: dict[Effect, dict[Effect, Fraction]]
    confounded: int
    regular: bool
    words: tuple[tuple[Effect, int], ...] | None

    @property
    def resolution(self) -> int | None:
        """The length of the shortest defining word of a regular fraction; None where there is none."""
        return len(self.words[0][0]) if self.regular and self.words else None

    @property
    def constant(self) -> str:
        """What stands for the constant: I, or 1 where an intervention is called I."""
        return "1" if "I" in self.names else "I"

    @cached_property
    def _short(self) -> tuple[str, tuple[str, ...]]:
        """What joins the interventions of an effect, and the text of each, in which none has another's name.

        A name of one letter stands for itself; others get letters that are no name.
        """
        own = {name for name in self.names if len(name) == 1 and name.isalpha()}
        free = [letter for letter in _LETTERS if letter not in own]
        if len(self.names) <= len(own) + len(free):
            others = iter(free)
            return "", tuple(name if name in own else next(others) for name in self.names)
        if any(map(_NUMBERED.fullmatch, self.names)):
            return ":", self.names
        return ":", tuple(f"F{i + 1}" for i in range(len(self.names)))

    def named(self, effect: Effect) -> str:
        """An effect by the names of its interventions, joined by colons; I or 1 for the constant."""
        return ":".join(self.names[i] for i in effect) or self.constant

    def matrix(self) -> dict[Effect, dict[Effect, Fraction]]:
        """What the estimate of each effect of `basis` holds: itself once, and effects that it is confounded with.

        >>> from ifm_ident.study.study import Study
        >>> study = Study.from_dict({
        ...     "interventions": {"A": [0, 1], "B": [0, 1]}, "factors": [{"sigma": ["A"]}], "train": ["00", "11"],
        ... })
        >>> found = aliases(study.design)
        >>> {found.named(e): {found.named(o): str(q) for o, q in row.items()} for e, row in found.matrix().items()}
        {'I': {'I': '1', 'A:B': '1'}, 'A': {'A': '1', 'B': '1'}}
        """
        found: dict[Effect, dict[Effect, Fraction]] = {effect: {effect: Fraction(1)} for effect in self.basis}
        for group in self.groups:
            first = group[0][0]
            holds = {first: Fraction(1)} if first in found else self.partial.get(first, {})
            for target, value in holds.items():
                for effect, sign in group:
                    found[target][effect] = sign * value
        return found

    def letters(self, effect: Effect) -> str:
        """An effect as designers write it: ABC, or F1:F60 where letters do not reach; I or 1 for the constant."""
        joiner, short = self._short
        texts = [short[i] for i in effect]
        return joiner.join(texts if joiner else sorted(texts)) or self.constant


def aliases(design: Design, order: int = DEFAULT_ORDER) -> Aliases:
    """Which effects the training design confounds with those of the model, its columns (T, t).

    Theory: docs/theory/model.md.

    Raises InputError where an intervention has more than two levels, and where there are too many effects.

    >>> from ifm_ident.study.study import Study
    >>> study = Study.from_dict({
    ...     "interventions": {"s1": [0, 1], "s2": [0, 1], "s3": [0, 1]},
    ...     "factors": [{"sigma": ["s1"]}, {"sigma": ["s2"]}, {"sigma": ["s3"]}],
    ...     "train": ["001", "010", "100", "111"],
    ... })
    >>> found = aliases(study.design)
    >>> for group in found.groups:
    ...     print(" = ".join(found.letters(effect) for effect, sign in group))
    I
    A = BC
    B = AC
    C = AB
    >>> found.resolution, found.letters(found.words[0][0])
    (3, 'ABC')
    >>> three = Study.from_dict({"interventions": {"s": [0, 1, 2]}, "factors": [{"sigma": ["s"]}], "train": ["0"]})
    >>> aliases(three.design)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: alias tables are for two-level interventions; 's' has the 3 levels 0, 1, 2
    """
    require_names(design.model, "alias tables")
    for one in design.model.interventions:
        if len(one.levels) != 2:
            raise InputError(
                f"alias tables are for two-level interventions; {one.name!r} has the {len(one.levels)} levels "
                + ", ".join(map(str, one.levels))
            )
    width, shown = len(design.model), design.train.take(design.distinct)
    model = _closure([tuple(sorted(scope.tolist())) for scope in design.model.scopes])
    columns, every = _baseline_bits(shown), (1 << len(shown)) - 1
    contrasts = {effect: _contrast(effect, columns) for effect in _in_order(model, width, order)}
    groups = _groups(contrasts, every)
    basis, partial = _fit(groups, model, contrasts, len(shown))
    rank, words = _defining_words(columns, every)
    return Aliases(
        tuple(one.name for one in design.model.interventions),
        order,
        len(shown),
        tuple(effect for effect in contrasts if effect in model),
        groups,
        basis,
        partial,
        _confounded(groups, model, basis, partial, contrasts, len(shown)),
        len(shown) == 1 << rank,
        words,
    )


def _closure(scopes: list[Effect]) -> frozenset[Effect]:
    """Every subset of a scope."""
    widest = max(map(len, scopes))
    if sum(1 << len(scope) for scope in set(scopes)) > EFFECT_LIMIT:
        raise InputError(
            f"the model has more than {EFFECT_LIMIT:,} effects (a factor over {widest} interventions has "
            f"2^{widest}); alias tables are for models of fewer"
        )
    return frozenset(
        part for scope in scopes for k in range(len(scope) + 1) for part in itertools.combinations(scope, k)
    )


def _in_order(model: frozenset[Effect], width: int, order: int) -> list[Effect]:
    """The effects of the model, small ones first, then all others of at most `order` interventions."""
    count = sum(math.comb(width, k) for k in range(min(order, width) + 1))
    if count > EFFECT_LIMIT:
        raise InputError(
            f"there are {count:,} effects of up to {order} interventions (limit {EFFECT_LIMIT:,}); ask for fewer"
        )
    others = (e for k in range(1, min(order, width) + 1) for e in itertools.combinations(range(width), k))
    return [*sorted(model, key=lambda e: (len(e), e)), *(e for e in others if e not in model)]


def _baseline_bits(regimes: Regimes) -> list[int]:
    """For every intervention the regimes where it is at baseline, as bits."""
    baseline = regimes.codes().T == 0
    return [int.from_bytes(np.packbits(row, bitorder="little").tobytes(), "little") for row in baseline]


def _contrast(effect: Effect, columns: list[int]) -> int:
    bits = 0
    for position in effect:
        bits ^= columns[position]
    return bits


def _groups(contrasts: dict[Effect, int], every: int) -> tuple[tuple[tuple[Effect, int], ...], ...]:
    found: dict[int, list[Effect]] = {}
    for effect, bits in contrasts.items():
        found.setdefault(bits ^ every if bits & 1 else bits, []).append(effect)
    return tuple(
        tuple((effect, 1 if contrasts[effect] == contrasts[group[0]] else -1) for effect in group)
        for group in found.values()
    )


def _fit(
    groups: tuple[tuple[tuple[Effect, int], ...], ...],
    model: frozenset[Effect],
    contrasts: dict[Effect, int],
    count: int,
) -> tuple[tuple[Effect, ...], dict[Effect, dict[Effect, Fraction]]]:
    """The basis, and least-squares coefficients of the other groups on it, from inner products of contrasts.

    Contrasts are independent exactly when the rows of their Gram matrix are.
    """
    first = [group[0][0] for group in groups]
    inside = [effect for effect in first if effect in model]
    if len(inside) * len(first) > PRODUCT_LIMIT:
        raise InputError(
            f"{len(first):,} distinct contrasts against {len(inside):,} of the model are too many; "
            "ask for a lower order"
        )
    gram = _inner_products(inside, inside, contrasts, count)
    orthogonal = gram.nnz == len(inside)
    basis = inside if orthogonal else [inside[i] for i in np.sort(RowSpace(gram).basis).tolist()]
    kept = set(basis)
    others = [effect for effect in first if effect not in kept]
    products = _inner_products(others, basis, contrasts, count)
    if orthogonal:
        every = np.ones(len(others), dtype=bool)
        weights = np.full(products.nnz, count, dtype=np.int64)
        found = Solutions(products.indptr, every, products.indices, products.data, weights)
    else:
        found = RowSpace(_inner_products(basis, basis, contrasts, count)).solve(products)
    partial: dict[Effect, dict[Effect, Fraction]] = {}
    for i in np.flatnonzero(found.sizes).tolist():
        entries = range(int(found.indptr[i]), int(found.indptr[i + 1]))
        partial[others[i]] = {
            basis[int(found.row[e])]: Fraction(int(found.numerator[e]), int(found.denominator[e])) for e in entries
        }
    return tuple(basis), partial


def _confounded(
    groups: tuple[tuple[tuple[Effect, int], ...], ...],
    model: frozenset[Effect],
    basis: tuple[Effect, ...],
    partial: dict[Effect, dict[Effect, Fraction]],
    contrasts: dict[Effect, int],
    count: int,
) -> int:
    """`Aliases.confounded`; the bias of the basis is its inverse Gram matrix times these inner products."""
    outside = [next((effect for effect, _ in group if effect not in model), None) for group in groups]
    if len(basis) < len(model):
        others = [effect for effect in outside if effect is not None]
        return RowSpace(_inner_products(list(basis), others, contrasts, count)).rank if others else 0
    kept = set(basis)
    mixed = {
        group[0][0] for group, e in zip(groups, outside, strict=True) if group[0][0] in kept and e is not None
    }
    return len(mixed.union(*(found for effect, found in partial.items() if effect not in model)))


def _inner_products(
    left: list[Effect], right: list[Effect], contrasts: dict[Effect, int], count: int
) -> csr_array:
    others = [contrasts[effect] for effect in right]
    dense = [[count - 2 * (contrasts[effect] ^ bits).bit_count() for bits in others] for effect in left]
    return csr_array(np.array(dense, dtype=np.int64).reshape(len(left), len(right)))


def _defining_words(columns: list[int], every: int) -> tuple[int, tuple[tuple[Effect, int], ...] | None]:
    """The rank of the contrasts over GF(2), apart from the constant, and the effects that are constant."""
    pivots: dict[int, tuple[int, int]] = {}
    generators: list[int] = []
    for position, bits in enumerate(columns):
        bits, used = bits ^ every if bits & 1 else bits, 1 << position
        while bits and bits.bit_length() in pivots:
            other, others = pivots[bits.bit_length()]
            bits, used = bits ^ other, used ^ others
        if bits:
            pivots[bits.bit_length()] = bits, used
        else:
            generators.append(used)
    if len(generators) > _WORD_GENERATORS:
        return len(pivots), None
    masks = [0]
    for generator in generators:
        masks += [mask ^ generator for mask in masks]
    words = [tuple(i for i in range(len(columns)) if mask >> i & 1) for mask in masks[1:]]
    ordered = sorted(words, key=lambda word: (len(word), word))
    return len(pivots), tuple((word, -1 if _contrast(word, columns) else 1) for word in ordered)
