"""Which regimes may be added, and which few of them are enough to look at (docs/theory/planning.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Factor, Intervention, Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.design.spaces import CHUNK, AllRegimes, Listed, Space, UpToOrder
from ifm_ident.errors import require_whole
from ifm_ident.planning.prices import Prices

FEW = 2**14
"""At most this many regimes are always all looked at."""

MANY = 2**23
"""More than this many are never all looked at."""

MANY_PARTIAL = 2**18
"""More than this many are not all looked at for plans that cannot identify every target."""

_CELLS = 2**22


@dataclass(frozen=True, eq=False)
class Candidates:
    """The regimes that may be added: with a price, at most `max_active` interventions off baseline, not forbidden.

    >>> from ifm_ident.design.model import Factor, Intervention, Model
    >>> from ifm_ident.planning.prices import OneEach
    >>> bits = tuple(Intervention(f"s{i}", (0, 1)) for i in range(3))
    >>> model = Model(bits, ("x",), (Factor("f", ("x",), ("s0", "s1")),))
    >>> not_s2 = Listed(Regimes.from_active([((2, 1),)], 3))
    >>> offered = Candidates(model, OneEach(model), (not_s2,), max_active=1)
    >>> offered.count_before_forbidding, [list(chunk) for chunk in offered.every()]
    (4, [[(), ((0, 1),), ((1, 1),)]])
    """

    model: Model
    prices: Prices
    forbidden: tuple[Space, ...] = ()
    max_active: int | None = None

    def __post_init__(self) -> None:
        if self.max_active is not None:
            require_whole(self.max_active, "max_active")

    def cost(self, regimes: Regimes, forbid: bool = True) -> Ints:
        """The price of every regime in units, -1 where it may not be added; shape (n,)."""
        cost = self.prices.of(regimes)
        if self.max_active is not None:
            cost = np.where(regimes.active_counts <= self.max_active, cost, -1)
        for space in self.forbidden if forbid else ():
            cost = np.where(_members(space, regimes), -1, cost)
        return cost

    @cached_property
    def order(self) -> int:
        """How many interventions may be off baseline together."""
        usable = int(np.count_nonzero(self.prices.usable))
        return usable if self.max_active is None else min(self.max_active, usable)

    @cached_property
    def count_before_forbidding(self) -> int:
        """How many regimes `every` goes through, forbidden ones included."""
        if self.prices.listed is not None:
            return len(self.prices.listed)
        return self._space.count if self._space is not None else 1

    @cached_property
    def _space(self) -> UpToOrder | None:
        """Regimes over the usable interventions; None when there is no such intervention."""
        usable = tuple(itertools.compress(self.model.interventions, self.prices.usable))
        if not usable:
            return None
        return UpToOrder(Model(usable, ("x ",), (Factor("f", ("x ",), ()),)), self.order)

    def every(self, chunk_size: int = CHUNK) -> Iterator[Regimes]:
        """The regimes that may be added, in chunks: as listed, or by number active, positions, levels."""
        listed = self.prices.listed
        if listed is not None or self._space is None:
            baseline = Regimes.from_active([()], len(self.model))
            chunks = Listed(baseline if listed is None else listed).chunks(chunk_size)
        else:
            chunks = (self._widened(chunk) for chunk in self._space.chunks(chunk_size))
        for chunk in chunks:
            yield self.allowed(chunk)

    def allowed(self, regimes: Regimes) -> Regimes:
        """Those that may be added."""
        return regimes.take(np.flatnonzero(self.cost(regimes) >= 0))

    def _widened(self, regimes: Regimes) -> Regimes:
        position = np.flatnonzero(self.prices.usable)[regimes.position]
        return Regimes(regimes.indptr, position, regimes.level, len(self.model))

    @cached_property
    def closure(self) -> Regimes | None:
        """Regimes (T, t) with T inside one factor's scope, forbidden ones included; None if there are too many.

        Prices that follow a rule and `max_active` never refuse, nor charge more for, a regime with fewer
        interventions off baseline. Hence the row of every regime that they admit is spanned by rows of this set
        that cost no more (docs/theory/model.md: invert the unitriangular system of its restrictions), and a
        cheapest independent set of any size is found among these.
        """
        sizes = [self._cells(scope) for scope in self.model.scopes]
        if sum(sizes) > _CELLS:
            return None
        return self._closure_of(self.model.scopes)

    def wide_cells(self, factors: Sequence[int]) -> Regimes | None:
        """Every cell that candidates may show of some factors, as regimes; None if there are too many."""
        scopes = tuple(self.model.scopes[k] for k in factors)
        return None if sum(map(self._cells, scopes)) > _CELLS else self._closure_of(scopes)

    def _usable_scope(self, scope: Ints) -> Ints:
        kept: Ints = scope[self.prices.usable[scope]]
        return kept

    def _cells(self, scope: Ints) -> int:
        """How many assignments of a scope have at most `order` interventions off baseline."""
        sums = [1] + [0] * self.order
        for other in (self.model.level_counts[self._usable_scope(scope)] - 1).tolist():
            for k in range(self.order, 0, -1):
                sums[k] += other * sums[k - 1]
        return sum(sums)

    def _closure_of(self, scopes: Sequence[Ints]) -> Regimes:
        groups: dict[tuple[int, ...], list[Ints]] = {}
        for scope in scopes:
            kept = np.sort(self._usable_scope(scope))
            groups.setdefault(tuple(self.model.level_counts[kept].tolist()), []).append(kept)
        width = len(self.model)
        batches = [Regimes.from_active([()], width)]
        for levels, members in groups.items():
            if not levels:
                continue
            bits = tuple(Intervention(f"i{i}", tuple(range(a))) for i, a in enumerate(levels))
            template = Regimes.concatenate(
                list(UpToOrder(Model(bits, ("x",), (Factor("f", ("x",), ()),)), self.order).chunks())
            )
            place = np.stack(members)[:, template.position]
            counts = np.tile(template.active_counts, len(members))
            batches.append(Regimes.of(counts, place.ravel(), np.tile(template.level, len(members)), width))
        together = Regimes.concatenate(batches)
        distinct = np.unique(together.first_equal(together))
        return together.take(distinct[np.argsort(together.active_counts[distinct], kind="stable")])

    def detours(self, limit: int) -> Regimes:
        """Forbidden regimes of the closure with one more intervention off baseline, `limit` of them at most."""
        if self.closure is None or not self.forbidden:
            return Regimes.from_active([], len(self.model))
        blocked = self.closure.take(np.flatnonzero(self.cost(self.closure) < 0))
        usable = np.flatnonzero(self.prices.usable).tolist()
        levels = self.model.level_counts.tolist()
        grown = (
            (*regime, (i, level))
            for regime in blocked
            for i in usable
            if i not in dict(regime)
            for level in range(1, levels[i])
        )
        return Regimes.from_active(itertools.islice(grown, limit), len(self.model))


def _members(space: Space, regimes: Regimes) -> NDArray[np.bool_]:
    """Which regimes a space holds, without going through it where it is a rule."""
    if isinstance(space, AllRegimes):
        return np.ones(len(regimes), dtype=bool)
    if isinstance(space, UpToOrder):
        few: NDArray[np.bool_] = regimes.active_counts <= space.order
        return few
    found = np.zeros(len(regimes), dtype=bool)
    for chunk in space.chunks():
        found |= regimes.first_equal(chunk) >= 0
    return found
