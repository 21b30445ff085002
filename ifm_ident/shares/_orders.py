"""The regimes of a model by order (how many interventions are off baseline): counted, enumerated, drawn."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from ifm_ident.arrays import Ints
from ifm_ident.design.model import Model
from ifm_ident.design.regimes import Regimes
from ifm_ident.errors import InputError

_CAP = 2**40
_EVERY = 10
_FEW = 20


def draw(rng: np.random.Generator, weights: list[int], size: int, bits: int = 62) -> Ints:
    """`size` indices, drawn with probabilities exactly proportional to integer weights of any length.

    A draw is a number in [0, 1) of which `bits` binary digits are drawn at first, and more where these do not
    decide. Raises InputError for weights that are negative or add up to 0.

    >>> draw(np.random.default_rng(0), [0, 2**2000, 0], 3).tolist()
    [1, 1, 1]
    >>> draw(np.random.default_rng(0), [0, 0], 3)
    Traceback (most recent call last):
    ...
    ifm_ident.errors.InputError: weights are not negative and not all 0
    """
    ends = list(accumulate(weights))
    if not ends or min(weights) < 0 or ends[-1] == 0:
        raise InputError("weights are not negative and not all 0")
    total = ends.pop()
    cuts = np.array([(end << bits) // total for end in ends], dtype=np.int64)
    digits = rng.integers(0, 1 << bits, size=size)
    found: Ints = np.searchsorted(cuts, digits, side="right").astype(np.int64)
    at = np.searchsorted(cuts, digits, side="left")
    for row in np.flatnonzero(found > at).tolist():  # the digits drawn equal those of a cut
        number, known = int(digits[row]), bits
        while (place := _decided(ends, total, number, known)) is None:
            number, known = (number << bits) | int(rng.integers(0, 1 << bits)), known + bits
        found[row] = place
    return found


def _decided(ends: list[int], total: int, number: int, bits: int) -> int | None:
    """How many ends / total are at most x, for x whose first binary digits are `number`; None if that is open."""
    low = bisect_left(ends, number * total, key=lambda end: end << bits)
    high = bisect_left(ends, (number + 1) * total, key=lambda end: end << bits)
    same = high > low and all(end << bits == number * total for end in ends[low:high])
    return high if high == low or same else None


def _product(one: list[int], other: list[int]) -> list[int]:
    product = [0] * (len(one) + len(other) - 1)
    for i, a in enumerate(one):
        for j, b in enumerate(other, i):
            product[j] += a * b
    return product


@dataclass(frozen=True, eq=False)
class Orders:
    """The regimes of a model by order, exact for spaces of any size.

    `counts[k]` is the number of regimes with exactly k interventions off baseline: the elementary symmetric
    sums of a_i - 1.

    >>> from ifm_ident.design.model import Factor, Intervention
    >>> pair = (Intervention("A", (0, 1)), Intervention("B", (0, 1, 2)))
    >>> orders = Orders(Model(pair, ("x",), (Factor("f", ("x",), ("A", "B")),)))
    >>> orders.counts, [chunk.codes().tolist() for chunk in orders.regimes(1)]
    ([1, 3, 2], [[[1, 0], [0, 1], [0, 2]]])
    >>> orders.sample(np.array([2, 0, 1]), np.random.default_rng(0)).active_counts.tolist()
    [2, 0, 1]
    """

    model: Model

    @cached_property
    def _classes(self) -> list[tuple[int, Ints]]:
        """The numbers of non-baseline levels that occur, and the interventions that have so many."""
        others = self.model.level_counts - 1
        return [(int(other), np.flatnonzero(others == other)) for other in np.unique(others)]

    @cached_property
    def _own(self) -> list[list[int]]:
        """Regimes of each class of interventions alone, by order."""
        found = []
        for other, positions in self._classes:
            row = [1]
            for t in range(len(positions)):
                row.append(row[-1] * (len(positions) - t) * other // (t + 1))
            found.append(row)
        return found

    @cached_property
    def _from(self) -> list[list[int]]:
        """Regimes of this class of interventions and all later ones, by order."""
        tails = [[1]]
        for own in reversed(self._own):
            tails.append(_product(own, tails[-1]) if len(tails) > 1 else own)
        return tails[::-1]

    @property
    def counts(self) -> list[int]:
        """The exact number of regimes of each order, 0 to the number of interventions."""
        return self._from[0]

    @cached_property
    def selection(self) -> list[int]:
        """A readable selection of orders: the first ones, then 20, 50, 100, ..., the most populous, the last."""
        last = len(self.counts) - 1
        if last <= _FEW:
            return list(range(last + 1))
        steps = [step * 10**power for power in range(1, len(str(last)) + 1) for step in (1, 2, 5)]
        populous = max(range(last + 1), key=self.counts.__getitem__)
        return sorted({*range(_EVERY + 1), *(step for step in steps if step <= last), populous, last})

    def regimes(self, order: int, size: int = 65536) -> Iterator[Regimes]:
        """Every regime of one order once, at most `size` at a time; InputError for 2**40 or more of them."""
        count = self.counts[order]
        if count >= _CAP:
            raise InputError(f"the regimes with {order} interventions off baseline are too many to enumerate")
        tails = self._tails(order)
        for start in range(0, count, size):
            yield self._unrank(np.arange(start, min(start + size, count), dtype=np.int64), order, tails)

    def _tails(self, order: int) -> Ints:
        """tails[k, i]: the ways to have k of the interventions i, i + 1, ... off baseline, or _CAP if more."""
        others = (self.model.level_counts - 1).tolist()
        tails = np.zeros((order + 1, len(others) + 1), dtype=np.int64)
        tails[0] = 1
        for i in range(len(others) - 1, -1, -1):
            tails[1:, i] = np.minimum(tails[1:, i + 1] + others[i] * tails[:-1, i + 1], _CAP)
        return tails

    def _unrank(self, ranks: Ints, order: int, tails: Ints) -> Regimes:
        codes = np.zeros((len(ranks), len(self.model)), dtype=np.int32)
        rest, left = ranks.copy(), np.full(len(ranks), order, dtype=np.int64)
        for i, other in enumerate((self.model.level_counts - 1).tolist()):
            each = np.where(left > 0, tails[np.maximum(left - 1, 0), i + 1], 0)
            active = rest < other * each
            level, below = np.divmod(rest, np.maximum(each, 1))
            codes[active, i] = level[active] + 1
            rest = np.where(active, below, rest - other * each)
            left -= active
        return Regimes.from_codes(codes)

    def sample(self, active: Ints, rng: np.random.Generator) -> Regimes:
        """For every entry of `active`, shape (n,), a regime drawn uniformly from those of that order.

        How many of the interventions with equally many levels are off baseline is drawn with its exact
        probability, then which of them, then their levels. Keeps arrays of shape (n, d).
        """
        codes = np.zeros((len(active), len(self.model)), dtype=np.int32)
        left = active.astype(np.int64)
        for g, (other, positions) in enumerate(self._classes):
            taken = left.copy()
            if g + 1 < len(self._classes):
                for order in np.unique(left).tolist():
                    rows = np.flatnonzero(left == order)
                    taken[rows] = draw(rng, self._weights(g, order), len(rows))
            shuffled = rng.permuted(np.tile(positions, (len(active), 1)), axis=1)
            row, at = np.nonzero(np.arange(len(positions)) < taken[:, None])
            codes[row, shuffled[row, at]] = rng.integers(1, other + 1, size=len(row))
            left -= taken
        return Regimes.from_codes(codes)

    def _weights(self, g: int, order: int) -> list[int]:
        """The number of regimes of class g and later ones, of this order, by how many of class g are active."""
        own, later = self._own[g], self._from[g + 1]
        return [
            own[t] * later[order - t] if order - t < len(later) else 0 for t in range(min(order, len(own) - 1) + 1)
        ]
